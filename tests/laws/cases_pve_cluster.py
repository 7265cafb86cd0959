# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.doubles.pve.world import Guest
from tests.doubles.pve_cluster import PEER, DoubleClusterHost, first_alone, second_alone
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import CANARY, Case

FIRST, SECOND = ["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]
THROUGH_CASTOR = {"address": PEER, "fingerprint": ":".join(["01"] * 32), "password": CANARY}


def joining() -> DoubleClusterHost:
    host = second_alone()
    assert host.theirs is not None
    host.theirs.world.access.users["root@pam"].password = CANARY
    return host


def pollux_dead() -> DoubleClusterHost:
    """A pair with a witness, whose second server burned down with a guest on it."""
    host = DoubleClusterHost(DoubleHost())
    world = host.double.world
    world.qdevice = {"host": "192.0.2.13", "algorithm": "ffsplit", "online": True}
    world.guests[101] = Guest(101, "lxc", "pollux")
    world.nodes["pollux"].online = False
    return host


def case(name: str, host: Callable[[], DoubleClusterHost], **options: Any) -> Case:
    given = {"name": "twin", "state": "present", "node": None, "links": [], "peer": None, "allow_destroy": []}
    return Case("pve_cluster", name, host, {**given, **options})


CASES = [
    case("made", first_alone, links=FIRST),
    case("made without links", first_alone),
    case("joined", joining, links=SECOND, peer=THROUGH_CASTOR),
    case("a member already", lambda: DoubleClusterHost(DoubleHost())),
    case("a dead node", pollux_dead, state="absent", node="pollux", allow_destroy=["ct:101"]),
    case("a node that is not there", pollux_dead, state="absent", node="helena"),
]
