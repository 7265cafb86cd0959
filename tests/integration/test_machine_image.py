# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""machine_image with its control side: a tarball of a few files becomes an image on castor."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import CommandFailed
from tests.integration.conftest import LabHost
from tests.lab import Lab

POOL = "imagetest"
PREPARE = f"""
set -eu
command -v zpool >/dev/null || {{ apt-get -qq update; apt-get -qq install zfs-fuse >/dev/null 2>&1 || true; }}
zpool list >/dev/null 2>&1 || {{ zfs-fuse -p /run/zfs-fuse.pid; sleep 1; }}
truncate -s 128M /srv/{POOL}
zpool create -f {POOL} /srv/{POOL}
zfs create {POOL}/images
"""
CLEAR = f"zpool destroy -f {POOL}; rm -f /srv/{POOL}"


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[LabHost]:
    lab.ssh("castor", CLEAR)
    prepared = lab.ssh("castor", "sh", "-s", input=PREPARE)
    assert prepared.returncode == 0, prepared.stderr
    yield LabHost(lab, "castor")
    cleared = lab.ssh("castor", CLEAR)
    assert cleared.returncode == 0, cleared.stderr


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "root.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, mode, uid in (("./usr/bin/su", 0o4755, 0), ("./home/alice/x", 0o640, 1000)):
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.size = mode, uid, 4
            tar.addfile(member, io.BytesIO(b"text"))
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
    assert "image tiny: sending" in made["said"]
    modes = [
        "stat",
        "--format=%u %a",
        *(f"/{POOL}/images/tiny/{name}" for name in ("usr/bin/su", "home/alice/x")),
    ]
    assert server.run(modes).out.splitlines() == ["100000 4755", "101000 640"]
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
