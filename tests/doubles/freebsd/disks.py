# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells whether a disk is free: fstyp(8), gpart(8) and swapctl(8).

Rests on usr.sbin/fstyp/fstyp.c, lib/geom/part/geom_part.c and sbin/swapon/swapon.c. The signatures of disks
are those that the double of ZFS keeps; partitions and swap are lines of files.

Its lies: fstyp knows no tables of partitions, a disk that has one is nothing to it; nor does it know swap.
"""

from __future__ import annotations

from .answers import Refusal, options, program
from .world import World
from .zfs import FreebsdZfs

PARTITIONS = "/var/db/freebsd-double/partitions"
"""Lines ``PARTITION DISK``, such as ``ada0p1 ada0``."""
SWAP = "/var/db/freebsd-double/swap"
"""Lines ``DEVICE``, such as ``/dev/ada0p2``."""
FILE_SYSTEMS = ("apfs", "befs", "cd9660", "exfat", "ext2fs", "hammer", "msdosfs", "ntfs", "ufs", "zfs")


def fstyp(world: World, args: list[str], stdin: str) -> str:
    """``fstyp [-u] DEVICE``."""
    _given, (device,) = options(args, "ds:lu")
    if world.files.read(device) is None:
        raise Refusal(f"{device}: No such file or directory")
    assert isinstance(world.zfs, FreebsdZfs)
    kind = world.zfs.state.signatures.get(device, "").partition(":")[0]
    if kind not in FILE_SYSTEMS:
        raise Refusal(f"{device}: filesystem not recognized")
    return f"{kind}\n"


def gpart(world: World, args: list[str], stdin: str) -> str:
    """``gpart status -s``: partition, state and disk."""
    assert args == ["status", "-s"]
    rows = [line.split() for line in (world.files.read(PARTITIONS) or "").splitlines()]
    return "".join(f"{partition}  OK  {disk}\n" for partition, disk in rows)


def swapctl(world: World, args: list[str], stdin: str) -> str:
    """``swapctl -l``."""
    assert args == ["-l"]
    devices = (world.files.read(SWAP) or "").splitlines()
    rows = [f"{device:13} {2097152:>13} {0:>10}\n" for device in devices]
    return f"{'Device:':13} {'1024-blocks':>13} {'Used:':>10}\n" + "".join(rows)


PROGRAMS = {"fstyp": program(fstyp), "gpart": program(gpart), "swapctl": program(swapctl)}
