# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control side of machine_image: the cache, and the programs that it runs."""

from __future__ import annotations

import fcntl
import hashlib
import io
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

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
    bootstrap(f'echo "I: extracting" >&2; sleep 0.3; {BUILDS}')
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
        time.sleep(0.4)
        assert not list(action.cache().glob("*.tar.gz"))
    other.join()
    assert "image a: another process builds it, waiting" in said
    assert len(list(action.cache().glob("*.tar.gz"))) == 1
