# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of zfs_replica, of which the same run on real servers (tests/integration/test_zfs_streams.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.doubles.zfs_streams import Server, pair

from .laws import Case

IMAGE = (
    "create tank/images",
    "create tank/images/d",
    "write tank/images/d image",
    "snapshot tank/images/d@base",
)
MACHINE = (
    *IMAGE,
    "create tank/machines",
    "peer: create tank/images",
    "peer: create tank/machines",
    "create tank/machines/m",
    "clone tank/images/d@base tank/machines/m/root",
    "create tank/machines/m/data",
    "write tank/machines/m/data one",
    "snapshot -r tank/machines/m@s1",
)
IMAGE_THERE = ("copy tank/images/d@base | tank/images/d",)
MOUNTED = (*IMAGE_THERE, "peer: set readonly=on tank/images/d")
COPIED = (
    *MACHINE,
    *IMAGE_THERE,
    "copy tank/machines/m@s1 | tank/machines/m",
    "copy -i tank/images/d@base tank/machines/m/root@s1 | tank/machines/m/root",
    "copy tank/machines/m/data@s1 | tank/machines/m/data",
    "write tank/machines/m/data two",
    "snapshot -r tank/machines/m@s2",
    "snapshot -r tank/machines/m@s3",
)
# What an upgrade of a machine does, and the way back.
RENAMED = (
    *COPIED,
    "unmount tank/machines/m/root",
    "rename tank/machines/m/root tank/machines/m/root.d",
    "clone tank/images/d@base tank/machines/m/root",
    "snapshot -r tank/machines/m@s4",
)
OWN = ("peer: snapshot tank/machines/m/data@own", "peer: hold twin tank/machines/m/data@own") + (
    "peer: set twin:holds=twin tank/machines/m/data@own",
)


def item(dataset: str, **values: Any) -> dict[str, Any]:
    """One entry of the option, defaults filled in as Ansible does."""
    return {"dataset": dataset, "target": None, "recursive": False, "rate": None, "mounted": False, **values}


@dataclass(frozen=True)
class Use:
    """What a case does, whatever the hosts.

    :param system: argument lines of zfs(8) by which both systems are made, as `pair` takes them.
    """

    name: str
    system: tuple[str, ...]
    item: dict[str, Any]
    allow_destroy: tuple[str, ...] = ()

    @property
    def params(self) -> dict[str, Any]:
        return {
            "replicas": [self.item],
            "peer": {
                "addresses": ["10.1.0.2", "192.0.2.12"],
                "user": "root",
                "key": None,
                "known_hosts": None,
            },
            "allow_destroy": list(self.allow_destroy),
        }

    def case(self, flavour: str, peer: str) -> Case:
        """On hosts in memory."""

        def server() -> Server:
            return pair(flavour, peer, *self.system)[0]

        return Case("zfs_replica", f"{flavour} to {peer} {self.name}", server, self.params)


MACHINE_ITEM = item("tank/machines/m", recursive=True)
ALL = ("tank/machines/m", "tank/machines/m/root", "tank/machines/m/data")
USES = [
    Use("full", MACHINE, item("tank/images/d")),
    Use("mounted", MACHINE, item("tank/images/d", mounted=True)),
    Use("mounted at last", (*MACHINE, *IMAGE_THERE), item("tank/images/d", mounted=True)),
    Use("mounted no longer", (*MACHINE, *MOUNTED), item("tank/images/d")),
    Use(
        "mounted, increment",
        (*MACHINE, *MOUNTED, "snapshot tank/images/d@2"),
        item("tank/images/d", mounted=True),
    ),
    Use("other name", MACHINE, item("tank/images/d", target="tank/images/e")),
    Use("image and machine", (*MACHINE, *IMAGE_THERE), MACHINE_ITEM),
    Use("machine without its image", MACHINE, MACHINE_ITEM),
    Use("increment", COPIED, MACHINE_ITEM),
    Use("renamed", RENAMED, MACHINE_ITEM),
    Use("rollback", (*COPIED, *OWN), MACHINE_ITEM, ALL),
]
ZFS = ("fuse", "openzfs-2.3")
CASES = [use.case(here, there) for use in USES for here in ZFS for there in ZFS]
