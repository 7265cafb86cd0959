# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.doubles.pve.cli import ha_manager
from tests.doubles.pve.world import Guest
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import CANARY, Case

# What is between the lines of a PEM only has to be base64 to be told from another.
CHAIN = "-----BEGIN CERTIFICATE-----\nTWlsbGUgdG9ycmlm\n-----END CERTIFICATE-----\n"
OTHER = CHAIN.replace("TWls", "TWlt")
KEY = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"


def cluster(on_node: bool = False, maintenance: bool = False, disarmed: bool = False) -> DoubleHost:
    """A pair whose guest on castor fails over; the manager has been at work for a while."""
    host = DoubleHost(on_node=on_node)
    world = host.world
    world.guests[100] = Guest(100, "lxc", "castor", status="running")
    world.file("ha/resources")["ct:100"] = {"state": "started", "type": "ct"}
    host.get("version")
    host.clock.advance(60)
    if maintenance:
        ha_manager.run(world, "castor", ["crm-command", "node-maintenance", "enable", "castor"])
    if disarmed:
        host.post("cluster/ha/status/disarm-ha", {"resource-mode": "freeze"})
    host.get("version")
    host.clock.advance(120)
    host.get("version")
    host.api.log.clear()
    return host


def case(name: str, host: Callable[[], DoubleHost], *nodes: dict[str, Any], **options: Any) -> Case:
    empty = {"maintenance": None, "certificate": None, "power": None}
    given = {"ha": None, "services": "freeze", **options}
    return Case("pve_node", name, host, {"nodes": [{**empty, **node} for node in nodes], **given})


CASES = [
    case("nothing", cluster, {"name": "castor"}),
    case("into maintenance", lambda: cluster(on_node=True), {"name": "castor", "maintenance": True}),
    case(
        "out of maintenance",
        lambda: cluster(on_node=True, maintenance=True),
        {"name": "castor", "maintenance": False},
    ),
    case("in maintenance", lambda: cluster(maintenance=True), {"name": "castor", "maintenance": True}),
    case("a certificate", cluster, {"name": "castor", "certificate": {"chain": CHAIN, "key": KEY}}),
    case(
        "emptied and rebooted",
        lambda: cluster(True),
        {"name": "castor", "maintenance": True, "power": "reboot"},
    ),
    case("shut down", cluster, {"name": "pollux", "power": "off"}),
    case("disarmed", cluster, ha="disarmed"),
    case("armed", lambda: cluster(disarmed=True), ha="armed"),
    case("disarmed otherwise", lambda: cluster(disarmed=True), ha="disarmed", services="ignore"),
]
