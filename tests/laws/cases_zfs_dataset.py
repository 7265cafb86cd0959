# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of zfs_dataset.

A case begins with a pool ``tank`` and the commands of its system, so that the same cases run on a
host in memory and on a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import export_datasets
from tests.doubles.zfs import FLAVOURS
from tests.doubles.zfs_streams import pair

from .laws import Case


@dataclass(frozen=True)
class Use:
    """What a case does, whatever the host.

    :param system: argument lines of zfs(8) by which the system is made.
    :param flavours: those whose ZFS can do it.
    """

    name: str
    system: tuple[str, ...]
    datasets: tuple[Mapping[str, Any], ...]
    allow_destroy: tuple[str, ...] = ()
    scope: str = ""
    outside: tuple[str, ...] = ()
    flavours: tuple[str, ...] = FLAVOURS

    @property
    def params(self) -> dict[str, Any]:
        return {
            "datasets": [dict(item) for item in self.datasets],
            "allow_destroy": list(self.allow_destroy),
            "purge": bool(self.scope),
            "scope": self.scope or None,
        }


def exported(host: Host) -> Mapping[str, Any]:
    """What zfs_info returns, as options of zfs_dataset."""
    return {"datasets": export_datasets(host)}


CANARY_FREE = {"quota": "8M", "atime": False, "twin:owner": "castor 1"}
USES = [
    Use("create", (), ({"name": "tank/a", "properties": CANARY_FREE}, {"name": "tank/a/b"})),
    Use(
        "children before parents in the list",
        (),
        (
            {"name": "tank/a/b", "initial": {"twin:x": "1"}},
            {"name": "tank/a", "properties": {"canmount": "off"}},
        ),
    ),
    Use(
        "nothing to do",
        ("create -o quota=8M tank/a",),
        ({"name": "tank/a", "properties": {"quota": "8192K"}},),
    ),
    Use(
        "set several",
        ("create -o quota=8M -o atime=off tank/a",),
        ({"name": "tank/a", "properties": {"quota": "16M", "atime": "yes", "compression": "gzip-6"}},),
    ),
    Use(
        "inherit and clear",
        ("create -o quota=8M -o compression=on -o twin:x=1 tank/a",),
        ({"name": "tank/a", "properties": {"quota": None, "compression": None, "twin:x": None}},),
    ),
    Use(
        "an inherited value holds",
        ("create -o atime=off tank/a", "create tank/a/b"),
        ({"name": "tank/a/b", "properties": {"atime": "off"}},),
    ),
    Use(
        "reservation and quota both shrink",
        ("create -o quota=64M -o reservation=32M tank/a",),
        ({"name": "tank/a", "properties": {"quota": "16M", "reservation": "8M"}},),
    ),
    Use(
        "reservation and quota both grow",
        ("create -o quota=16M -o reservation=8M tank/a",),
        ({"name": "tank/a", "properties": {"reservation": "32M", "quota": "64M"}},),
    ),
    Use(
        "clone",
        ("create tank/i", "snapshot tank/i@base"),
        ({"name": "tank/m"}, {"name": "tank/m/root", "origin": "tank/i@base", "properties": {"quota": "9M"}}),
    ),
    Use(
        "copy",
        ("create tank/i", "create tank/m", "snapshot tank/i@base"),
        (
            {"name": "tank/m/root", "copy_of": "tank/i@base", "properties": {"quota": "9M", "atime": "off"}},
            {"name": "tank/m/away", "copy_of": "tank/i@base", "mounted": False},
        ),
    ),
    Use(
        "a copy that is there",
        ("create tank/a", "create tank/i", "snapshot tank/i@base", "snapshot tank/a@mine"),
        ({"name": "tank/a", "copy_of": "tank/i@base", "properties": {"quota": "9M"}},),
    ),
    Use(
        "clone and promote",
        ("create tank/i", "snapshot tank/i@base", "clone tank/i@base tank/old"),
        (
            {"name": "tank/new", "origin": "tank/i@base", "promote": True},
            {"name": "tank/old", "mounted": True},
        ),
    ),
    Use(
        "rename away and make anew",
        (
            "create tank/i",
            "snapshot tank/i@base",
            "create tank/m",
            "create tank/m/root",
            "create tank/m/root/x",
        ),
        (
            {"name": "tank/m/root", "origin": "tank/i@base"},
            {"name": "tank/m/old", "renamed_from": "tank/m/root"},
        ),
    ),
    Use(
        "renames in a row",
        ("create -o twin:x=1 tank/a", "create -o twin:x=2 tank/b"),
        ({"name": "tank/b", "renamed_from": "tank/a"}, {"name": "tank/c", "renamed_from": "tank/b"}),
    ),
    Use(
        "unmount with children",
        ("create tank/a", "create tank/a/b", "create tank/a/c"),
        (
            {"name": "tank/a", "mounted": False},
            {"name": "tank/a/b", "mounted": True},
            {"name": "tank/a/c", "mounted": False},
        ),
    ),
    Use(
        "a new replica stays unmounted",
        (),
        ({"name": "tank/r", "properties": {"canmount": "noauto", "readonly": "on"}, "mounted": False},),
    ),
    Use(
        "mounted though canmount is noauto",
        (),
        ({"name": "tank/r", "properties": {"canmount": "noauto"}, "mounted": True},),
    ),
    Use(
        "a mount point that returns mounts nothing unwanted",
        ("create -o mountpoint=none tank/a", "create tank/a/b", "create tank/a/c"),
        (
            {"name": "tank/a", "properties": {"mountpoint": "/tank/elsewhere"}, "mounted": False},
            {"name": "tank/a/b", "mounted": False},
            {"name": "tank/a/c", "mounted": True},
        ),
    ),
    Use(
        "read-only while it is mounted",
        ("create tank/a", "create -o readonly=on tank/b"),
        (
            {"name": "tank/a", "properties": {"readonly": True}},
            {"name": "tank/b", "properties": {"readonly": True, "atime": False}},
        ),
    ),
    Use(
        "below a read-only parent",
        ("create -o readonly=on tank/a",),
        ({"name": "tank/a/b"},),
    ),
    Use(
        "absent",
        ("create tank/a", "create tank/b"),
        ({"name": "tank/a", "state": "absent"}, {"name": "tank/gone", "state": "absent"}),
        allow_destroy=("tank/a",),
    ),
    Use(
        "absent with all that is below",
        (
            "create tank/a", "create tank/a/b", "create tank/a/c", "snapshot -r tank/a@1",
            "clone tank/a/c@1 tank/a/b/clone", "create tank/b",
        ),
        ({"name": "tank/a", "state": "absent", "recursive": True},),
        allow_destroy=("tank/a", "tank/a/b", "tank/a/c", "tank/a/b/clone"),
        outside=("tank/b", "tank"),
    ),
    Use(
        "purge",
        (
            "create tank/s", "create tank/s/kept", "create tank/s/kept/x", "create tank/s/lost",
            "snapshot tank/s/lost@1", "create tank/t", "create tank/scratch",
        ),
        ({"name": "tank/s/kept"},),
        allow_destroy=("tank/s/lost", "tank/s/kept/x"),
        scope="tank/s",
        outside=("tank", "tank/s", "tank/s/kept", "tank/t", "tank/scratch"),
    ),
    Use(
        "volumes",
        ("create -V 8M tank/v",),
        (
            {"name": "tank/v", "size": "16M"},
            {"name": "tank/w", "size": "8M", "properties": {"compression": "lz4"}},
        ),
        flavours=("openzfs-2.1", "openzfs-2.3"),
    ),
]  # fmt: skip

CASES = [
    Case(
        "zfs_dataset",
        f"{use.name} {flavour}",
        (lambda use=use, flavour=flavour: pair(flavour, "", *use.system)[0]),  # type: ignore[misc]
        use.params,
        exported,
        use.outside,
    )
    for use in USES
    for flavour in use.flavours
]


def on(use: Use, pool: str) -> Use:
    """The same use in a pool of another name."""

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("tank", pool)
        if isinstance(value, Mapping):
            return {key: renamed(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return tuple(renamed(each) for each in value)
        return value

    return replace(
        use,
        system=renamed(use.system),
        datasets=renamed(use.datasets),
        allow_destroy=renamed(use.allow_destroy),
        scope=renamed(use.scope),
        outside=renamed(use.outside),
    )
