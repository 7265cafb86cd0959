# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of zfs_snapshot, of which the same run on a real server (tests/integration/test_zfs_streams.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.doubles.zfs import FLAVOURS
from tests.doubles.zfs_streams import Server, pair

from .laws import Case

TREE = ("create tank/m", "create tank/m/root", "create tank/m/data")
SERIES = ("snapshot -r tank/m@auto-1", "snapshot -r tank/m@auto-2", "snapshot -r tank/m@auto-3")
HELD = ("snapshot -r tank/m@s", "hold a tank/m@s", "set twin:holds=a tank/m@s")


@dataclass(frozen=True)
class Use:
    """What a case does, whatever the host.

    :param system: argument lines of zfs(8) by which the system is made.
    :param flavours: those whose ZFS can do it.
    """

    name: str
    system: tuple[str, ...]
    item: Mapping[str, Any]
    allow_destroy: tuple[str, ...] = ()
    flavours: tuple[str, ...] = FLAVOURS

    @property
    def params(self) -> dict[str, Any]:
        return {"snapshots": [dict(self.item)], "allow_destroy": list(self.allow_destroy)}

    def case(self, flavour: str) -> Case:
        """On a host in memory."""

        def server() -> Server:
            return pair(flavour, "", *self.system)[0]

        return Case("zfs_snapshot", f"{flavour} {self.name}", server, self.params)


def item(**values: Any) -> dict[str, Any]:
    """One entry of the option, defaults filled in as Ansible does."""
    defaults: Mapping[str, Any] = {
        "name": None, "prefix": None, "every": None, "keep": None, "recursive": False, "holds": [],
        "releases": [], "bookmark": None, "state": "present",
    }  # fmt: skip
    return {**defaults, **values}


USES = [
    Use("one", TREE, item(dataset="tank/m", name="s")),
    Use("tree", TREE, item(dataset="tank/m", name="s", recursive=True, holds=["a", "b"])),
    Use(
        "tree of which one has it",
        (*TREE, "snapshot tank/m/data@s"),
        item(dataset="tank/m", name="s", recursive=True),
    ),
    Use("hold and release", (*TREE, *HELD), item(dataset="tank/m", name="s", holds=["b"], releases=["a"])),
    Use("series", TREE, item(dataset="tank/m", prefix="auto-", every="1h", recursive=True)),
    Use(
        "series with retention",
        (*TREE, *SERIES),
        item(dataset="tank/m", prefix="auto-", every="1h", keep={"last": 2}, recursive=True),
    ),
    Use(
        "retention leaves what is held or cloned",
        (*TREE, *SERIES, "hold twin tank/m@auto-1", "clone tank/m/root@auto-1 tank/c"),
        item(dataset="tank/m", prefix="auto-", keep={"last": 1, "daily": 1}, recursive=True),
    ),
    Use(
        "absent",
        (*TREE, *HELD),
        item(dataset="tank/m", name="s", recursive=True, releases=["a"], state="absent"),
        ("tank/m@s", "tank/m/root@s", "tank/m/data@s"),
    ),
    Use(
        "bookmark",
        TREE,
        item(dataset="tank/m", name="s", bookmark="mark", recursive=True),
        flavours=tuple(flavour for flavour in FLAVOURS if flavour != "fuse"),
    ),
]
CASES = [use.case(flavour) for use in USES for flavour in use.flavours]
