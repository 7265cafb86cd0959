# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts as FreeBSD's programs see them, made real with mount(8) of Linux.

nullfs is a bind mount, tmpfs is tmpfs, devfs is a small tmpfs with the nodes that its ruleset shows. What
Linux programs find without a mount (fdescfs) or in their own way (procfs) is kept in the table alone. File
systems of ZFS are mounted by zfs(8); they are found.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..kernel import Mount

MOUNT, UMOUNT = "/usr/bin/mount", "/usr/bin/umount"
REAL = ("nullfs", "tmpfs", "devfs")
DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "random": (1, 8),
    "urandom": (1, 9),
    "crypto": (1, 9),
    "ttyv0": (5, 0),
}
"""Devices of FreeBSD with those of Linux that answer for them; of others there is the name alone."""
LINKS = {
    "fd": "/proc/self/fd",
    **{name: f"/proc/self/fd/{n}" for n, name in enumerate(("stdin", "stdout", "stderr"))},
}


def zfs_mounts() -> list[Mount]:
    """The file systems of ZFS that are mounted on the server, in order of their mounting."""
    return [Mount(source, target, "zfs") for source, target in _zfs_lines()]


def _zfs_lines() -> Iterator[tuple[str, str]]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        source, target, kind, *_rest = line.split(" ")
        if kind in ("fuse", "fuse.zfs") and not source.startswith("/") and source != "kstat":
            yield source, target.replace("\\040", " ")


def busy(targets: Sequence[str]) -> set[str]:
    """Those of these mount points below which some process stands, or has a file open."""
    used = set(_used())
    return {
        target for target in targets if any(path == target or path.startswith(f"{target}/") for path in used)
    }


def _used() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        for link in (process / "cwd", process / "root", process / "exe", *_listing(process / "fd")):
            try:
                yield os.readlink(link)
            except OSError:
                continue


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def settle(before: Sequence[Mount], after: Sequence[Mount], shown: Callable[[int], set[str]]) -> None:
    """Make the server's mounts those of ``after``; they are those of ``before``.

    :param shown: names below /dev which a ruleset of devfs(8) leaves to be seen.
    :raises RuntimeError: with the words of mount(8).
    """
    old, new = {_key(each): each for each in before}, {_key(each) for each in after}
    for mount in reversed(before):
        if _key(mount) not in new and mount.kind in (*REAL, "zfs") and mount.target != "/dev":
            # That nothing stands there was made sure; or else it was to be forced.
            _run([UMOUNT, "--lazy", mount.target])
    for mount in after:
        if mount.kind in REAL and mount.target != "/dev":
            if _key(mount) not in old:
                _mount(mount)
            if mount.kind == "devfs" and (
                _key(mount) not in old or old[_key(mount)].options != mount.options
            ):
                fill(Path(mount.target), shown(_applied(mount)))


def _key(mount: Mount) -> tuple[str, str, str]:
    return mount.source, mount.target, mount.kind


def _applied(mount: Mount) -> int:
    """The ruleset by which a devfs shows its nodes; 0: none, all of them."""
    numbers = [word.partition("=")[2] for word in mount.options if word.startswith("applied=")]
    return int(numbers[-1]) if numbers else 0


def _mount(mount: Mount) -> None:
    match mount.kind:
        case "nullfs":
            _run([MOUNT, "--bind", mount.source, mount.target])
            if "ro" in mount.options:
                _run([MOUNT, "-o", "remount,bind,ro", mount.target])
        case "tmpfs":
            _run([MOUNT, "-t", "tmpfs", "tmpfs", mount.target])
        case "devfs":
            _run([MOUNT, "-t", "tmpfs", "-o", "mode=755,size=256k", "devfs", mount.target])


def fill(folder: Path, names: set[str]) -> None:
    """Make a /dev of these names, and of none else."""
    wanted = {name for name in names if "/" not in name}
    for path in folder.iterdir():
        if path.name not in wanted:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in wanted:
        path = folder / name
        if os.path.lexists(path):
            continue
        if name in LINKS:
            path.symlink_to(LINKS[name])
        elif name == "pts":
            path.mkdir()
        elif name in DEVICES:
            os.mknod(path, stat.S_IFCHR, os.makedev(*DEVICES[name]))
            path.chmod(0o666)
        else:
            path.touch(0o600)


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {' '.join(done.stderr.split())}")
