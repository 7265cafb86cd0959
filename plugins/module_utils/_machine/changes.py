# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine has changed in its root file system since that was cloned from its image.

Both are file systems of this server, so their files are compared as they lie there. That works with every
ZFS, for full copies too, and says no more than what matters: ``zfs diff`` names each file that was touched.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from .._core.errors import Refused
from .._zfs.host import list_datasets
from .host import Station, image_of
from .kinds import root_of

PLATFORM: dict[str, frozenset[str]] = {
    "": frozenset({
        "dev", "etc/.pwd.lock", "etc/machine-id", "etc/mtab", "proc", "run", "srv", "sys", "tmp",
        "var/backups", "var/cache", "var/lock", "var/log", "var/run", "var/tmp",
    }),
    # systemd(1) with its services and conditions, and ldconfig(8).
    "lxc": frozenset({
        "etc/.updated", "etc/hostname", "etc/ld.so.cache", "var/.updated", "var/lib/dbus", "var/lib/dhcp",
        "var/lib/systemd",
    }),
    # rc.d/random, rc.d/utx and periodic(8).
    "jail": frozenset({
        "boot/entropy", "entropy", "var/crash", "var/db/entropy", "var/db/locate.database",
        "var/db/utx.lastlog", "var/db/utx.log",
    }),
}  # fmt: skip
"""By kind of machine, and for all: what the platform itself writes or keeps, with all that is below."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths relative to the root file system, sorted. A folder stands for all that is in it.

    :param modified: of other content, kind, owner or mode.
    """

    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {key: list(paths) for key, paths in asdict(self).items()}


def read_changes(station: Station, name: str, image: str | None = None) -> Changes:
    """What a machine has changed in its root file system, or in that which is kept of an image.

    :raises Refused: when that cannot be told.
    """
    machine, pair = station.machine(name), station.pair
    datasets = list_datasets(station.host)
    root = root_of(name, pair, image)
    of = image or image_of(datasets[root].origin if root in datasets else "", pair) or machine.image
    folders = []
    for dataset in (f"{pair.pool}/images/{of}", root):
        if dataset not in datasets or not datasets[dataset].mounted:
            state = "is not mounted" if dataset in datasets else "is not there"
            raise Refused(f"what machine {name} has changed cannot be told", f"{dataset} {state}")
        folders.append(datasets[dataset].mountpoint)
    mounts = {str(mount["target"]).strip("/") for mount in machine.mounts}
    return compare(folders[0], folders[1], PLATFORM[""] | PLATFORM.get(machine.kind, frozenset()) | mounts)


def compare(image: str, root: str, passed_over: Collection[str]) -> Changes:
    """What differs between the files of an image and those of a root file system that was made of it.

    What is mounted inside either of them is passed over.

    :param image: the folder where it is mounted, ``root`` that of the root file system.
    :param passed_over: paths inside which are not looked at, and all below them.
    """
    found: dict[str, list[str]] = {"added": [], "modified": [], "deleted": []}
    for verdict, path in _differences(image, root, "", frozenset(passed_over)):
        found[verdict].append(os.fsencode(path).decode(errors="backslashreplace"))
    return Changes(*(tuple(sorted(paths)) for paths in found.values()))


def _differences(image: str, root: str, folder: str, skipped: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Verdict and path of all in a folder of both that differs."""
    old, new = _entries(image, folder), _entries(root, folder)
    for name in sorted({*old, *new}):
        path = f"{folder}{name}"
        before, after = old.get(name), new.get(name)
        if path in skipped or any(each and each.mounted for each in (before, after)):
            continue
        if before is None or after is None:
            yield ("added" if before is None else "deleted"), path
            continue
        if not _same(before, after):
            yield "modified", path
        if stat.S_ISDIR(before.status.st_mode) and stat.S_ISDIR(after.status.st_mode):
            yield from _differences(image, root, f"{path}/", skipped)


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    status: os.stat_result
    mounted: bool


def _entries(root: str, folder: str) -> dict[str, _Entry]:
    """What is in a folder; a machine that runs may take some away meanwhile."""
    here = f"{root}/{folder}"
    found = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(here) as listed:
        device = os.lstat(here).st_dev
        for each in listed:
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(each.path)
                found[each.name] = _Entry(each.path, status, status.st_dev != device)
    return found


def _same(before: _Entry, after: _Entry) -> bool:
    old, new = before.status, after.status
    if (old.st_mode, old.st_uid, old.st_gid) != (new.st_mode, new.st_uid, new.st_gid):
        return False
    if stat.S_ISLNK(old.st_mode):
        return os.readlink(before.path) == os.readlink(after.path)
    if stat.S_ISREG(old.st_mode):
        same = (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns)
        # Touched is not changed.
        return same or (old.st_size == new.st_size and filecmp.cmp(before.path, after.path, shallow=False))
    return stat.S_ISDIR(old.st_mode) or old.st_rdev == new.st_rdev
