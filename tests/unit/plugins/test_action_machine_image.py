# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control side of machine_image: the cache, and the programs that it runs."""

from __future__ import annotations

import errno
import fcntl
import functools
import gzip
import hashlib
import http.server
import io
import json
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.action import machine_image as action
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image import Image

Said = list[str]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    lines: Said = []
    monkeypatch.setattr(action.DISPLAY, "display", lines.append)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lines


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Puts a program of ours where mmdebstrap would be found; returns the file that it notes its calls in."""

    def place(script: str) -> Path:
        program, calls = tmp_path / "bin" / "mmdebstrap", tmp_path / "calls"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return calls

    return place


def tarball(path: Path) -> str:
    with tarfile.open(path, "w:xz") as tar:
        member = tarfile.TarInfo("./etc/os-release")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"x=y"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


SITE_OF = '#!/bin/sh\nUSERLAND_VERSION="{}"\n'


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Path]:
    """Makes distribution files of FreeBSD out of what is here; returns their folder."""

    def make(version: str = "14.3-RELEASE-p2", name: str = "bin/freebsd-version") -> Path:
        root, folder = tmp_path / "root", tmp_path / "14.3-RELEASE"
        shutil.rmtree(root, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        for path, mode, text in ((name, 0o555, SITE_OF.format(version)), ("usr/bin/su", 0o4555, "su")):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(mode)
        subprocess.run(["tar", "-cJf", folder / "base.txz", "-C", root, "."], check=True)
        checksum = hashlib.sha256((folder / "base.txz").read_bytes()).hexdigest()
        (folder / "MANIFEST").write_text(f'base.txz\t{checksum}\t4\tbase\t"Base system (MANDATORY)"\ton\n')
        return folder

    return make


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address at which the folder is served."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        """Nobody wants to know."""


def freebsd(mirror: Path | str, **others: str) -> Image:
    return Image("jails", release="14.3", mirror=(str(mirror),), **others)  # type: ignore[arg-type]


DEBIAN = Image("debian", suite="trixie", packages=("dbus",))
BUILDS = (
    'for word; do case $word in */root.tar) out=$word;; esac; done; mkdir etc; tar -cf "$out" etc; rmdir etc'
)


def test_a_suite_is_built_once(said: Said, bootstrap: Callable[[str], Path], tmp_path: Path,
                               monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    calls = bootstrap(f'echo "I: works" >&2; {BUILDS}')
    first, second = (action.build(DEBIAN, str) for _time in range(2))
    assert first == second and len(calls.read_text().splitlines()) == 1
    assert "--include=dbus" in calls.read_text()
    assert [line for line in said if line.endswith("s, works")]
    with tarfile.open(first) as tar:
        assert tar.getmember("etc").uid == 100000


def test_two_builds_are_equal(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tar.xz"
    image = Image("a", tarball=str(path), sha256=tarball(path))
    texts = []
    for home in ("one", "two"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / home))
        texts.append(action.build(image, str).read_bytes())
    assert texts[0] == texts[1]


def test_a_failed_build_says_what_mmdebstrap_said_and_leaves_nothing(
    said: Said, bootstrap: Callable[[str], Path]
) -> None:
    bootstrap('echo "E: no such suite" >&2; exit 25')
    with pytest.raises(TwinError, match="could not be built: mmdebstrap answered 'no such suite'"):
        action.build(DEBIAN, str)
    assert [path.suffix for path in action.cache().iterdir()] == [".lock"]


def test_a_silent_build_is_said_to_go_on(
    said: Said, bootstrap: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(action, "SILENCE", 0.05)
    monkeypatch.chdir(tmp_path)
    bootstrap(f'echo "I: extracting" >&2; sleep 1; {BUILDS}')
    action.build(DEBIAN, str)
    assert len([line for line in said if line.endswith("extracting")]) > 2


def test_what_a_killed_build_left_is_cleared_away(
    said: Said, bootstrap: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    bootstrap(BUILDS)
    left = action.cache() / f"{DEBIAN.digest}.work"
    left.mkdir(parents=True)
    (left / "root.tar").write_text("half")
    action.build(DEBIAN, str)
    assert not left.exists()


def test_without_mmdebstrap(said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TwinError, match="mmdebstrap is not installed here; install it with apt"):
        action.build(DEBIAN, str)


def test_a_tarball_must_have_its_checksum(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "a.tar.xz"
    found = tarball(path)
    with pytest.raises(TwinError, match=f"its sha256 is {found}; {'0' * 64} was declared"):
        action.build(Image("a", tarball=str(path), sha256="0" * 64), str)
    with pytest.raises(TwinError, match="No such file"):
        action.build(Image("a", tarball="none", sha256=found), str)


def test_a_tarball_that_is_none(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"no tar at all")
    image = Image("a", tarball=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(TwinError, match="image a: its root file system cannot be read"):
        action.build(image, str)


def test_a_second_process_waits_for_the_first(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action, "SILENCE", 0.05)
    path = tmp_path / "a.tar.xz"
    image = Image("a", tarball=str(path), sha256=tarball(path))
    action.cache().mkdir(parents=True)
    with (action.cache() / f"{image.digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=action.build, args=(image, str))
        other.start()
        end = time.monotonic() + 60
        while "image a: another process builds it, waiting" not in said:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert not list(action.cache().glob("*.tar.gz"))
    other.join()
    assert len(list(action.cache().glob("*.tar.gz"))) == 1


# ---- FreeBSD ------------------------------------------------------------------------------------


def test_a_release_of_a_folder_is_taken_as_it_is_once(said: Said, site: Callable[..., Path]) -> None:
    image = freebsd(site())
    finished = action.build(image, str)
    assert finished.read_bytes() == Path(image.site, "base.txz").read_bytes()
    assert "image jails: it is 14.3-RELEASE-p2" in said
    shutil.rmtree(image.site)
    assert action.build(image, str) == finished


def test_a_folder_is_found_as_a_playbook_names_it(said: Said, site: Callable[..., Path]) -> None:
    folder = site()
    assert action.build(freebsd(folder.name), lambda path: str(folder.parent / path)).is_file()


def test_a_release_of_an_address(said: Said, site: Callable[..., Path], address: str) -> None:
    folder = site()
    pin = hashlib.sha256((folder / "MANIFEST").read_bytes()).hexdigest()
    image = freebsd(f"{address}/{folder.name}/", sha256=pin)
    assert action.build(image, str).read_bytes() == (folder / "base.txz").read_bytes()
    assert f"image jails: reading {address}/{folder.name}/base.txz" in said


def test_a_slow_copy_tells_how_far_it_is(
    said: Said, site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action, "SILENCE", 0.0)
    action.build(freebsd(site()), str)
    assert "image jails: 0 MiB" in said


def refused(image: Image, why: str, kept: int = 0) -> None:
    """kept: images that were made before."""
    with pytest.raises(TwinError, match=why):
        action.build(image, str)
    assert len([path for path in action.cache().iterdir() if path.suffix != ".lock"]) == kept


def test_a_base_that_is_not_the_one_of_its_manifest(said: Said, site: Callable[..., Path]) -> None:
    folder = site()
    with (folder / "base.txz").open("ab") as base:
        base.write(b"x")
    refused(
        freebsd(folder), "base.txz of image jails: its sha256 is [0-9a-f]{64}; [0-9a-f]{64} is in MANIFEST"
    )


def test_a_manifest_that_is_not_the_one_declared(said: Said, site: Callable[..., Path]) -> None:
    refused(
        freebsd(site(), sha256="0" * 64),
        f"MANIFEST of image jails: its sha256 is .*; {'0' * 64} was declared",
    )


def test_a_base_of_another_release(said: Said, site: Callable[..., Path]) -> None:
    refused(freebsd(site("15.0-RELEASE")), "it holds 15.0-RELEASE; release 14.3 was declared")
    refused(freebsd(site("14.30-RELEASE")), "it holds 14.30-RELEASE; release 14.3 was declared")
    refused(freebsd(site(name="bin/other")), "it holds no FreeBSD; release 14.3 was declared")


def test_a_place_that_has_no_release(said: Said, site: Callable[..., Path], address: str) -> None:
    refused(freebsd("/nowhere"), "MANIFEST of image jails: /nowhere/MANIFEST: .*No such file")
    refused(freebsd(address), f"MANIFEST of image jails: {address}/MANIFEST: .*404")
    folder = site()
    (folder / "base.txz").unlink()
    refused(
        freebsd(folder), "base.txz of image jails: .*No such file.*; name a place from which it can be read"
    )


def test_a_base_that_is_no_tarball(said: Said, site: Callable[..., Path]) -> None:
    folder = site()
    (folder / "base.txz").write_bytes(b"no tar at all")
    checksum = hashlib.sha256(b"no tar at all").hexdigest()
    (folder / "MANIFEST").write_text(f"base.txz\t{checksum}\n")
    refused(freebsd(folder), "image jails: its root file system cannot be read")


def test_a_release_of_a_tarball(said: Said, site: Callable[..., Path]) -> None:
    path = site("14.3-RELEASE") / "base.txz"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    image = Image("own", release="14.3", tarball=str(path), sha256=found)
    assert action.build(image, str).read_bytes() == path.read_bytes()
    wrong = Image("own", release="14.3", tarball=str(path), sha256="0" * 64)
    with pytest.raises(
        TwinError, match=f"tarball of image own: its sha256 is {found}; {'0' * 64} was declared"
    ):
        action.build(wrong, str)


@pytest.fixture
def container(tmp_path: Path) -> Callable[..., Image]:
    """Makes an image for containers of layers, each a mapping of paths to texts, as the FreeBSD project does
    (release/scripts/make-oci-image.sh); returns the declaration of an image that is made of it."""

    def make(*layers: dict[str, str], system: str = "freebsd", spoil: str = "", **fields: Any) -> Image:
        folder = tmp_path / "oci"
        blobs = folder / "blobs/sha256"
        blobs.mkdir(parents=True)

        def put(data: bytes, kind: str) -> dict[str, Any]:
            digest = hashlib.sha256(data).hexdigest()
            (blobs / digest).write_bytes(data)
            return {
                "mediaType": f"application/vnd.oci.image.{kind}",
                "digest": f"sha256:{digest}",
                "size": len(data),
            }

        packed = [
            gzip.compress(plain_tar(layer)) if spoil != "zstd" else b"\x28\xb5\x2f\xfd" for layer in layers
        ]
        named = [put(each, "layer.v1.tar+gzip") for each in packed]
        config = put(json.dumps({"os": system, "architecture": "amd64"}).encode(), "config.v1+json")
        manifest = {"schemaVersion": 2, "config": config, "layers": named, "annotations": {}}
        index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), "manifest.v1+json")]}
        (folder / "index.json").write_text(json.dumps(index))
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        first = blobs / named[0]["digest"].removeprefix("sha256:")
        if spoil == "missing":
            first.unlink()
        elif spoil == "changed":
            first.write_bytes(first.read_bytes() + b"x")
        archive = tmp_path / "container-image.txz"
        subprocess.run(["tar", "-cJf", archive, "-C", folder, "."], check=True)
        checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
        return Image("contained", tarball=str(archive), sha256=checksum, **fields)

    return make


def plain_tar(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


BASE = {"bin/freebsd-version": SITE_OF.format("14.3-RELEASE-p2"), "etc/motd": "hello", "usr/bin/su": "su"}


def test_a_release_of_an_image_for_containers(said: Said, container: Callable[..., Image]) -> None:
    image = container(BASE, {"etc/.wh.motd": "", "etc/own": "x"}, release="14.3")
    with tarfile.open(action.build(image, str)) as tar:
        assert tar.getnames() == [
            "bin",
            "bin/freebsd-version",
            "etc",
            "etc/own",
            "usr",
            "usr/bin",
            "usr/bin/su",
        ]
        assert tar.getmember("etc/own").uid == 0
    assert "image contained: 2 layers, 7 files" in said
    assert "image contained: it is 14.3-RELEASE-p2" in said
    with tarfile.open(action.build(replace(image, thin=True), str)) as tar:
        assert tar.getmember("usr/bin").linkname == "../.base/usr/bin"
    assert not list(action.cache().glob("*.work"))
    refused(replace(image, release="14.2"), "it holds 14.3-RELEASE-p2; release 14.2 was declared", kept=2)


def test_a_machine_of_an_image_for_containers(said: Said, container: Callable[..., Image]) -> None:
    with tarfile.open(action.build(container({"etc/os-release": "x=y"}, system="linux"), str)) as tar:
        assert tar.getmember("etc/os-release").uid == 100000


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"spoil": "missing"}, "tarball of image contained: it has no [0-9a-f]{64}; make the archive anew"),
        ({"spoil": "changed"}, "blobs/sha256/[0-9a-f]{64} in tarball of image contained: its sha256 is"),
        ({"spoil": "zstd"}, "its layers are compressed by zstd; make an archive with gzip"),
        ({"system": "linux"}, "the image: it is for linux; take one for freebsd"),
    ],
)
def test_an_image_for_containers_that_does_not_serve(
    said: Said, container: Callable[..., Image], fields: dict[str, str], sentence: str
) -> None:
    refused(container(BASE, release="14.3", **fields), sentence)
    assert not list(action.cache().glob("*.work"))


def test_a_thin_release_is_made_of_the_whole_one(said: Said, site: Callable[..., Path]) -> None:
    image = freebsd(site())
    whole = action.build(image, str)
    shutil.rmtree(image.site)
    thin = action.build(replace(image, thin=True), str)
    assert thin != whole
    with tarfile.open(thin) as tar:
        assert tar.getmember("usr/bin").linkname == "../.base/usr/bin"
    refused(replace(image, release="14.4", thin=True), "MANIFEST of image jails: .*No such file", kept=2)


def test_a_full_disk_is_told_in_a_sentence(
    said: Said, site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_words: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(action, "_pour", full)
    refused(freebsd(site()), "image jails could not be finished: .*No space left on device")
