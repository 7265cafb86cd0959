# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""machine_image with its control side, and machine_image_info: a few files become an image on castor."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image_host import read_info
from tests.integration.conftest import LabHost
from tests.integration.zfs_bed import DISKS, OPENZFS, ZfsServer
from tests.lab import Lab

POOL = "imagetest"
# struct vfs_ns_cap_data of linux/capability.h, version 2: CAP_NET_RAW permitted and effective.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0).decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[LabHost]:
    castor = ZfsServer(lab, "castor")
    castor.install()
    castor.new_disks((), [POOL])
    castor.pool(POOL)
    castor.change(["zfs", "create", f"{POOL}/images"])
    yield castor
    castor.new_disks((), [POOL])
    castor.change(["rm", "-r", DISKS])


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "root.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, mode, uid in (("./usr/bin/su", 0o4755, 0), ("./home/alice/x", 0o640, 1000)):
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.size = mode, uid, 4
            tar.addfile(member, io.BytesIO(b"text"))
        able = tarfile.TarInfo("./usr/bin/ping")
        able.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY}
        tar.addfile(able)
        link = tarfile.TarInfo("./bin")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
        tar.addfile(link)
    return path


@pytest.fixture
def task(lab: Lab, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs one task on castor; returns its result."""

    def run(image: dict[str, Any], *options: str) -> dict[str, Any]:
        play = [
            {
                "hosts": "castor",
                "gather_facts": False,
                "tasks": [
                    {
                        "twin.datacenter.machine_image": {"pool": POOL, "images": [image]},
                        "diff": False,
                    }
                ],
            }
        ]
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps(play))
        settings = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        done = subprocess.run(
            lab.command("ansible-playbook", "-i", str(lab.inventory()), "-v", str(playbook), *options),
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "=> {" in done.stdout, done.stdout + done.stderr
        result, _end = json.JSONDecoder().raw_decode(done.stdout.partition("=> ")[2])
        return {**result, "said": done.stdout}

    return run


def owned(server: LabHost, path: str) -> tuple[str, str]:
    """Mode and user id of a file in an image, by ls(1): every system has that."""
    mode, _links, uid, *_rest = server.run(["ls", "-ln", f"/{POOL}/images/{path}"]).out.split()
    return mode, uid


def test_an_image_is_made_once_and_never_changed(
    server: LabHost, tarball: Path, task: Callable[..., dict[str, Any]]
) -> None:
    checksum = hashlib.sha256(tarball.read_bytes()).hexdigest()
    image = {"name": "tiny", "tarball": str(tarball), "sha256": checksum}
    planned = task(image, "--check")
    assert planned["changed"] and planned["plan"][0].startswith(f"make image tiny in {POOL}/images/tiny")
    assert server.listing(f"/{POOL}/images") == []
    server.change(["zfs", "create", f"{POOL}/images/tiny.new"])  # what a killed run leaves

    made = task(image)
    assert made["plan"] == planned["plan"]
    # zfs-fuse keeps no extended attributes.
    assert made["measured"][0].get("lost_capabilities") == (None if OPENZFS else ["usr/bin/ping"])
    if OPENZFS:
        path = f"/{POOL}/images/tiny/usr/bin/ping"
        server.run(["python3", "-c", f"import os; os.getxattr({path!r}, 'security.capability')"])
    assert "image tiny: sending" in made["said"]
    assert owned(server, "tiny/usr/bin/su") == ("-rwsr-xr-x", "100000")
    assert owned(server, "tiny/home/alice/x") == ("-rw-r-----", "101000")
    assert server.listing(f"/{POOL}/images") == ["tiny"]
    with pytest.raises(CommandFailed, match="Read-only file system"):
        server.change(["touch", f"/{POOL}/images/tiny/x"])

    again = task(image)
    assert (again["changed"], again["plan"]) == (False, [])

    changed = task({**image, "privileged": True})
    assert "give the new image a new name" in changed["msg"]


def test_an_image_that_came_as_a_stream_is_noted(
    server: LabHost, tarball: Path, task: Callable[..., dict[str, Any]]
) -> None:
    checksum = hashlib.sha256(tarball.read_bytes()).hexdigest()
    server.change(["zfs", "create", f"{POOL}/images/streamed"])
    server.change(["zfs", "snapshot", f"{POOL}/images/streamed@base"])
    image = {"name": "streamed", "tarball": str(tarball), "sha256": checksum}
    assert task(image)["plan"] == ["note of what image streamed was made, it came as a stream"]
    assert not task(image)["changed"]


def test_a_wrong_checksum_is_said_before_anything_is_sent(
    server: LabHost, tarball: Path, task: Callable[..., dict[str, Any]]
) -> None:
    failed = task({"name": "wrong", "tarball": str(tarball), "sha256": "0" * 64})
    assert f"{'0' * 64} was declared" in failed["msg"]
    assert "wrong" not in server.listing(f"/{POOL}/images")


def test_a_release_of_freebsd_keeps_its_ids_and_tells_its_patch_level(
    server: LabHost, task: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The archive is gzip's, as Debian servers of the lab have no xz; tar(1) finds that out."""
    with tarfile.open(tmp_path / "base.txz", "w:gz") as tar:
        for name, text in (
            ("./bin/freebsd-version", b'USERLAND_VERSION="14.3-RELEASE-p2"\n'),
            ("./root/x", b""),
        ):
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.size = 0o555, 3, len(text)
            tar.addfile(member, io.BytesIO(text))
    checksum = hashlib.sha256((tmp_path / "base.txz").read_bytes()).hexdigest()
    (tmp_path / "MANIFEST").write_text(f'base.txz\t{checksum}\t2\tbase\t"Base system (MANDATORY)"\ton\n')
    image = {"name": "jails", "release": "14.3", "mirror": [str(tmp_path)]}
    made = task(image)
    assert made["plan"] == [f"make image jails in {POOL}/images/jails of release 14.3 of FreeBSD"]
    assert made["measured"][0]["version"] == "14.3-RELEASE-p2"
    assert owned(server, "jails/root/x") == ("-r-xr-xr-x", "3")

    server.change(["zfs", "create", f"{POOL}/machines"])
    server.change(["zfs", "create", f"{POOL}/machines/ssa"])
    server.change(["zfs", "clone", f"{POOL}/images/jails@base", f"{POOL}/machines/ssa/root"])
    (told,) = (each for each in read_info(server, {"pool": POOL})["images"] if each["name"] == "jails")
    assert told["version"] == "14.3-RELEASE-p2" and told["machines"] == ["ssa"] and told["digest"]
    assert not task(image)["changed"]


def test_an_image_of_packages_is_made_by_a_server_that_knows_their_keys(
    freebsd: Lab, server: LabHost, task: Callable[..., dict[str, Any]]
) -> None:
    image = {"name": "packaged", "release": "15.0", "packages": ["FreeBSD-set-minimal-jail"]}
    # The interpreter for which the server is one of FreeBSD.
    own = ("-e", "ansible_python_interpreter=/usr/local/bin/python3.11")
    made = task(image, *own)
    if freebsd.status()["freebsd"] != "15.0":
        assert (
            "this server has no /usr/share/keys/pkgbase-15; make it on a server that has FreeBSD"
            in made["msg"]
        )
        assert "packaged" not in server.listing(f"/{POOL}/images")
        return
    assert made["measured"][0]["version"] == "15.0-RELEASE-p1"
    assert server.listing(f"/{POOL}/images/packaged/usr/share/keys/pkgbase-15") == ["trusted"]
    assert ".repositories" not in server.listing(f"/{POOL}/images/packaged")
    assert not task(image, *own)["changed"]


def test_a_container_image_of_a_release(
    server: LabHost, task: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Two layers, of which the second takes a file away."""
    blobs: dict[str, bytes] = {}

    def put(data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def packed(files: dict[str, bytes]) -> bytes:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(f"./{name}")
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text))
        return made.getvalue()

    script = b'USERLAND_VERSION="14.3-RELEASE-p2"\n'
    layers = [
        put(packed({"bin/freebsd-version": script, "etc/gone": b""})),
        put(packed({"etc/.wh.gone": b"", "x": b""})),
    ]
    manifest = {"config": put(b'{"os": "freebsd"}'), "layers": layers}
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode())]}
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        files = {f"blobs/sha256/{digest}": data for digest, data in blobs.items()}
        files |= {"index.json": json.dumps(index).encode(), "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    checksum = hashlib.sha256((tmp_path / "image.tar").read_bytes()).hexdigest()
    image = {
        "name": "contained",
        "release": "14.3",
        "tarball": str(tmp_path / "image.tar"),
        "sha256": checksum,
    }
    made = task(image)
    assert made["measured"][0]["version"] == "14.3-RELEASE-p2"
    assert "image contained: 2 layers, 4 files" in made["said"]
    assert server.listing(f"/{POOL}/images/contained") == ["bin", "etc", "x"]
    assert server.listing(f"/{POOL}/images/contained/etc") == []
