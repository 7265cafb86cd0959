# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_pool."""

from __future__ import annotations

from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve import info
from tests.doubles.pve.access import Pool
from tests.doubles.pve.world import Guest
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import Case


def pools() -> DoubleHost:
    """Four guests, a pool in a pool, and one of somebody else."""
    host = DoubleHost()
    for vmid in (100, 101, 102, 103):
        host.world.guests[vmid] = Guest(vmid, "lxc", "castor")
    host.world.access.pools |= {
        "prod": Pool("Production"),
        "prod/web": Pool(None, {100, 101}, {"local"}),
        "lab": Pool("Laboratory", {102}),
    }
    return host


def case(
    name: str, *items: dict[str, Any], outside: tuple[str, ...] = (), fresh: Any = pools, **more: Any
) -> Case:
    def export(host: Any) -> dict[str, Any]:
        return {"pools": info.pools(host)}

    filled = [{"state": "present", **item} for item in items]
    params = {"pools": filled, "purge": False, "scope": None, **more}
    return Case("pve_pool", name, fresh, params, export, outside)


CASES = [
    case("nothing"),
    case(
        "new, one in the other, in any order",
        {"name": "test/web", "guests": [103], "storages": ["local"]},
        {"name": "test", "comment": "Tests"},
        fresh=pools,
    ),
    case("on an empty cluster", {"name": "prod", "comment": "Production"}, fresh=DoubleHost),
    case(
        "the same by meaning",
        {"name": "prod", "comment": "Production"},
        {"name": "prod/web", "guests": [101, 100]},
        {"name": "lab"},
    ),
    case("changed", {"name": "prod", "comment": "Works"}, {"name": "lab", "comment": ""}),
    case("members in and out", {"name": "prod/web", "guests": [101, 103], "storages": []}),
    case("a guest moves from another pool", {"name": "lab", "guests": [102, 100]}),
    case(
        "members change places", {"name": "lab", "guests": [100]}, {"name": "prod/web", "guests": [101, 102]}
    ),
    case(
        "absent with what lies within",
        {"name": "prod", "state": "absent"},
        {"name": "prod/web", "state": "absent"},
    ),
    case("purged", {"name": "prod"}, purge=True, scope="prod*", outside=("pool lab",)),
]
