# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pve_ha_resource, pve_ha_rule, pve_mapping and pve_replication as Ansible runs them, against the double."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.pve.access import Token, User
from tests.doubles.pve.clock import Clock
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import Guest, Volume, pair
from tests.integration.pve_bed import SECRET, play
from tests.laws.cases_pve_mapping import device

DISK = "tank:subvol-100-disk-0"
DECLARED: Mapping[str, Mapping[str, Any]] = {
    "pve_replication": {"jobs": [{"name": "100-0", "target": "pollux", "schedule": "*/1"}]},
    "pve_mapping": {"mappings": [{"name": "t4", "discover": {"id": "10de:1eb8"}}]},
    "pve_ha_resource": {"resources": [{"sid": "ct:100", "state": "started", "failback": False}]},
    "pve_ha_rule": {"rules": [{"name": "home", "nodes": ["castor"], "resources": ["ct:100"]}]},
}

EXPORTED = {
    "pve_replication": "replication",
    "pve_mapping": "mappings",
    "pve_ha_resource": "ha_resources",
    "pve_ha_rule": "ha_rules",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Castor and pollux with a voter, a container on ZFS, and a card in each; time runs fast."""
    world = pair(clock=Clock(speed=60))
    world.access.users["root@pam"] = User(tokens={"ansible": Token(privsep=0, secret=SECRET)})
    world.qdevice = {"online": True}
    world.guests[100] = Guest(100, "lxc", "castor", status="running")
    world.file("storage")["tank"] = {"type": "zfspool", "pool": "tank", "content": "images,rootdir"}
    world.volumes["castor", DISK] = Volume(DISK, 1, "subvol", "rootdir", vmid=100)
    world.nodes["castor"].pci = [device("0000:01:00.0", "0x10de", "0x1eb8", 14)]
    world.nodes["pollux"].pci = [device("0000:41:00.0", "0x10de", "0x1eb8", 60)]
    with Server(world) as running:
        yield running


def test_what_is_told_is_done_and_holds_when_a_server_dies(server: Server, tmp_path: Path) -> None:
    told = play(server, tmp_path, DECLARED, "--check", "--diff")
    made = play(server, tmp_path, DECLARED)
    for module, result in told.items():
        assert result["changed"] and result["plan"] == made[module]["plan"], module
        assert result["diff"]["after"].keys() == result["diff"]["before"].keys(), module
    found = play(server, tmp_path, {"pve_info": {"gather": list(EXPORTED.values())}})["pve_info"]
    castor_dies(server)
    exported = {module: {next(iter(DECLARED[module])): found[name]} for module, name in EXPORTED.items()}
    again = play(server, tmp_path, exported)
    assert [module for module, result in again.items() if result["changed"]] == []


def castor_dies(server: Server) -> None:
    """Castor is lost once its guest has been replicated; the guest comes up on pollux."""
    world = server.api.world
    until = time.monotonic() + 60
    while not world.facts["replication"]["100-0"]["last_sync"]:
        ask(server, until)
    world.nodes["castor"].online, world.local = False, "pollux"
    while (world.guests[100].node, world.guests[100].status) != ("pollux", "running"):
        ask(server, until)


def ask(server: Server, until: float) -> None:
    """Any request makes the double catch up with the time."""
    assert time.monotonic() < until, server.api.world.facts
    time.sleep(0.1)
    server.loop.call_soon_threadsafe(server.api.request, "GET", "/version")
