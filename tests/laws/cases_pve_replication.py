# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_replication."""

from __future__ import annotations

from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve import info
from tests.doubles.pve.world import Guest
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import Case


def servers() -> DoubleHost:
    """A guest on castor with a job to pollux, one on pollux whose job has turned round, two without."""
    host = DoubleHost()
    for vmid, node in ((100, "castor"), (101, "pollux"), (102, "castor"), (103, "pollux")):
        host.world.guests[vmid] = Guest(vmid, "lxc", node)
    jobs = host.world.file("replication")
    jobs["100-0"] = {
        "type": "local",
        "source": "castor",
        "target": "pollux",
        "schedule": "*/5",
        "comment": "rep",
    }
    jobs["101-0"] = {"type": "local", "source": "pollux", "target": "castor"}
    jobs["100-1"] = {
        "type": "local",
        "source": "castor",
        "target": "pollux",
        "remove_job": "full",
        "disable": 1,
    }
    return host


def case(name: str, *items: dict[str, Any], outside: tuple[str, ...] = (), **more: Any) -> Case:
    def export(host: Any) -> dict[str, Any]:
        return {"jobs": info.replication(host)}

    filled = [{"state": "present", **item} for item in items]
    return Case(
        "pve_replication",
        name,
        servers,
        {"jobs": filled, "purge": False, "scope": None, "allow_destroy": [], **more},
        export,
        outside,
    )


CASES = [
    case("nothing"),
    case("new", {"name": "102-0", "target": "pollux", "schedule": "*/1", "rate": 10, "disable": True}),
    case(
        "the same by meaning",
        {"name": "100-0", "target": "pollux", "schedule": "*/5", "disable": False},
        {"name": "101-0", "target": "castor", "schedule": "*/15", "comment": ""},
    ),
    case("turned round with its guest", {"name": "101-0", "target": "pollux", "comment": "still wanted"}),
    case("new, with its guest away", {"name": "103-0", "source": "castor", "target": "pollux"}),
    case("changed", {"name": "100-0", "schedule": "mon..fri 02:00", "rate": 2.5, "comment": ""}),
    case("kept after all", {"name": "100-1", "disable": False}),
    case(
        "absent",
        {"name": "100-0", "state": "absent"},
        {"name": "100-1", "state": "absent"},
        allow_destroy=["100-0"],
    ),
    case(
        "purged",
        purge=True,
        scope="100-*",
        allow_destroy=["100-0"],
        outside=("replication job 101-0", "replication job 100-1"),
    ),
]
