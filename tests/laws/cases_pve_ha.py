# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of the modules for high availability on Proxmox VE."""

from __future__ import annotations

from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve import info
from tests.doubles.pve.world import Guest
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import CANARY, Case

NO_PURGE = {"purge": False, "scope": None}


def cluster(release: str = "9.2") -> DoubleHost:
    """Two servers with two containers and a virtual machine."""
    host = DoubleHost()
    host.world.release = release
    for vmid, kind in ((100, "lxc"), (101, "lxc"), (200, "qemu")):
        host.world.guests[vmid] = Guest(vmid, kind, "castor", status="running")  # type: ignore[arg-type]
    return host


def managed() -> DoubleHost:
    """The same, with some of them managed and under rules."""
    host = cluster()
    resources, rules = host.world.file("ha/resources"), host.world.file("ha/rules")
    resources["ct:100"] = {"type": "ct", "state": "enabled", "comment": "by hand", "failback": 0}
    resources["ct:101"] = {"type": "ct"}
    resources["vm:200"] = {"type": "vm", "state": "stopped", "max_restart": 3}
    rules["home-castor"] = {"type": "node-affinity", "nodes": "castor", "resources": "ct:100,ct:101"}
    rules["home-pollux"] = {"type": "node-affinity", "nodes": "pollux", "resources": "vm:200", "disable": 1}
    rules["lab-old"] = {"type": "resource-affinity", "affinity": "positive", "resources": "ct:101,vm:200"}
    return host


def resource(name: str, *items: dict[str, Any], fresh: Any = managed, **more: Any) -> Case:
    def export(host: Any) -> dict[str, Any]:
        return {"resources": info.ha_resources(host)}

    return Case("pve_ha_resource", name, fresh, {"resources": list(items), **NO_PURGE, **more}, export)


def rule(
    name: str, *items: dict[str, Any], fresh: Any = managed, outside: tuple[str, ...] = (), **more: Any
) -> Case:
    def export(host: Any) -> dict[str, Any]:
        return {"rules": info.ha_rules(host)}

    filled = [{"type": "node-affinity", "state": "present", **item} for item in items]
    return Case("pve_ha_rule", name, fresh, {"rules": filled, **NO_PURGE, **more}, export, outside)


CASES = [
    resource("nothing"),
    resource(
        "new",
        {"sid": "ct:100", "state": "started", "failback": False, "max_restart": 1, "comment": "machine ssa"},
        {"sid": "vm:200"},
        fresh=cluster,
    ),
    resource(
        "the same by meaning",
        {"sid": "ct:100", "state": "started", "max_restart": 1, "comment": "by hand"},
        {"sid": "ct:101", "state": "started", "failback": True, "max_relocate": 1, "comment": ""},
    ),
    resource(
        "changed", {"sid": "ct:100", "state": "stopped", "comment": ""}, {"sid": "vm:200", "max_restart": 1}
    ),
    resource("absent", {"sid": "ct:100", "state": "absent"}, {"sid": "ct:999", "state": "absent"}),
    resource("purged", {"sid": "ct:100"}, purge=True, scope="ct:*"),
    resource("canary", {"sid": "ct:100"}, api_password=CANARY, api_token_secret=CANARY),
    rule("nothing"),
    rule(
        "new",
        {"name": "home-pollux", "nodes": ["pollux:2", "castor:1"], "resources": ["ct:100"], "strict": True},
        {
            "name": "apart",
            "type": "resource-affinity",
            "affinity": "negative",
            "resources": ["ct:101", "vm:200"],
        },
        {"name": "home-castor", "state": "absent"},
        {"name": "lab-old", "state": "absent"},
    ),
    rule(
        "the same by meaning",
        {"name": "home-castor", "nodes": ["castor:0"], "resources": ["ct:101", "ct:100"], "strict": False},
        {"name": "home-pollux", "nodes": ["pollux"], "resources": ["vm:200"], "disable": True, "comment": ""},
    ),
    rule(
        "enabled and explained",
        {"name": "home-pollux", "disable": False, "comment": "since the move"},
        {"name": "lab-old", "state": "absent"},
    ),
    rule(
        "a guest that moves to another rule",
        {"name": "home-pollux", "resources": ["vm:200", "ct:101"], "disable": False},
        {"name": "home-castor", "resources": ["ct:100"]},
        {"name": "lab-old", "state": "absent"},
    ),
    rule(
        "guests that change places",
        {"name": "home-castor", "resources": ["vm:200"]},
        {"name": "home-pollux", "resources": ["ct:100", "ct:101"], "disable": False},
        {"name": "lab-old", "state": "absent"},
    ),
    rule(
        "purged",
        {"name": "lab-new", "nodes": ["castor"], "resources": ["ct:100"], "disable": True},
        purge=True,
        scope="lab-*",
        outside=("HA rule home-castor", "HA rule home-pollux"),
    ),
]
