# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine has changed, told from the files of two folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.changes import (
    PLATFORM,
    Changes,
    compare,
    read_changes,
)
from tests.laws.cases_machine_upgrade import servers


@pytest.fixture
def image(tmp_path: Path) -> Path:
    image = tmp_path / "image"
    for path, text in (
        ("etc/motd", "hello"),
        ("etc/passwd", "root"),
        ("usr/bin/su", "su"),
        ("var/log/x", ""),
    ):
        file = image / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (image / "bin").symlink_to("usr/bin")
    return image


@pytest.fixture
def root(image: Path) -> Path:
    """A copy with the same times, as a clone has them."""
    return Path(shutil.copytree(image, image.parent / "root", symlinks=True))


def changes(image: Path, root: Path, *passed_over: str) -> Changes:
    return compare(str(image), str(root), passed_over)


def test_nothing_was_changed(image: Path, root: Path) -> None:
    os.utime(root / "etc/motd", (1, 1))
    os.utime(root / "etc", (1, 1))
    assert changes(image, root) == Changes()


def test_a_folder_stands_for_all_that_is_in_it(image: Path, root: Path) -> None:
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/asked").write_text("x")
    shutil.rmtree(root / "etc")
    assert changes(image, root) == Changes(added=("usr/local",), deleted=("etc",))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda root: (root / "etc/motd").write_text("other words"), "etc/motd"),
        (lambda root: (root / "etc/motd").write_text("olleh"), "etc/motd"),
        (lambda root: (root / "usr/bin/su").chmod(0o4755), "usr/bin/su"),
        (lambda root: (root / "etc").chmod(0o700), "etc"),
        (lambda root: os.chown(root / "etc/passwd", 7, 0), "etc/passwd"),
        (lambda root: ((root / "bin").unlink(), (root / "bin").symlink_to("bin.old")), "bin"),
        (lambda root: ((root / "etc/motd").unlink(), (root / "etc/motd").mkdir()), "etc/motd"),
    ],
    ids=["size", "content", "mode", "mode of a folder", "owner", "target", "kind"],
)
def test_what_is_another_one(image: Path, root: Path, change: Callable[[Path], object], path: str) -> None:
    change(root)
    os.utime(root / "etc", (1, 1))
    assert changes(image, root) == Changes(modified=(path,))


def test_what_the_platform_writes_is_passed_over(image: Path, root: Path) -> None:
    (root / "var/log/messages").write_text("said")
    (root / "var/log/x").write_text("said")
    (root / "run").mkdir()
    assert changes(image, root).data() == {
        "added": ["run", "var/log/messages"],
        "modified": ["var/log/x"],
        "deleted": [],
    }
    assert changes(image, root, *PLATFORM[""]) == Changes()


def test_names_that_are_no_text_can_be_told(image: Path, root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\n")).write_text("")
    assert changes(image, root) == Changes(added=("\\xff\n",))


def test_why_it_cannot_be_told() -> None:
    castor, pollux = servers()
    castor.change(["zfs", "unmount", "tank/images/tiny"])
    castor.zfs.late.clear()
    with pytest.raises(
        Refused, match="what machine ssa has changed cannot be told: tank/images/tiny is not mounted"
    ):
        read_changes(castor.station, "ssa")
    with pytest.raises(
        Refused, match="tank/machines/ssa/root.older is not there|tank/images/older is not there"
    ):
        read_changes(castor.station, "ssa", "older")
    with pytest.raises(Refused, match="pollux has none of that name"):
        read_changes(pollux.station, "ssa")
