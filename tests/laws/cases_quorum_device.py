# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of modules quorum_device and pve_qdevice."""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.cli import pvecm
from tests.doubles.qnetd import PveNodeHost, WitnessHost
from tests.laws.laws import Case


def database(state: str, *allow: str) -> Case:
    return Case("quorum_device", state, lambda: WitnessHost(state), {"allow_destroy": list(allow)})


def voted() -> PveNodeHost:
    host = PveNodeHost()
    assert pvecm.run(host.world, "castor", ["qdevice", "setup", "192.0.2.13"]).rc == 0
    return host


def broken_off() -> PveNodeHost:
    """Somebody set it up before pollux had the package, which it has by now."""
    host = PveNodeHost()
    for node in host.world.nodes.values():
        node.facts["nssdb"] = True
    return host


def device(name: str, host: Any, **options: Any) -> Case:
    given = {"state": "present", "witness": None, "network": None, "timeout": 0}
    return Case("pve_qdevice", name, host, {**given, **options})


CASES = [
    database("none"),
    database("closed"),
    database("private"),
    database("broken", "qnetd database"),
    database("sound"),
    device("set up", PveNodeHost, witness="192.0.2.13", network="192.0.2.0/24"),
    device("as it is", voted, witness="192.0.2.13"),
    device("another witness", voted, witness="192.0.2.14"),
    device("broken off", broken_off, witness="192.0.2.13"),
    device("absent", voted, state="absent"),
    device("absent already", PveNodeHost, state="absent"),
]
