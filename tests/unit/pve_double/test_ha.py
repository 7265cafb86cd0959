# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HA manager of the double: it moves guests as time passes and as nodes die."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doubles.pve.api import Api
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.world import Guest, Volume, World, pair


class Cluster:
    """Castor and pollux with a QDevice, and who works with them."""

    def __init__(self, **settings: Any) -> None:
        self.clock = StillClock()
        self.world: World = pair(clock=self.clock, **settings)
        self.world.qdevice = {"online": True}
        self.api = Api(self.world)

    def guest(self, vmid: int, node: str = "castor", kind: Any = "lxc", **resource: Any) -> Guest:
        """A running guest that the manager looks after."""
        guest = self.world.guests[vmid] = Guest(vmid, kind, node, status="running")
        self.ask("POST", "/cluster/ha/resources", sid=str(vmid), **resource)
        return guest

    def ask(self, verb: str, path: str, **params: Any) -> Any:
        response = self.api.request(verb, path, params)
        assert response.status == 200, response.reason
        return response.data

    def rule(self, name: str, kind: str, resources: str, **params: Any) -> None:
        self.ask("POST", "/cluster/ha/rules", rule=name, type=kind, resources=resources, **params)

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.ask("GET", "/cluster/ha/status/current")

    def dies(self, node: str) -> None:
        self.world.nodes[node].online = False
        self.world.local = next(name for name, each in self.world.nodes.items() if each.online)

    def state(self, sid: str) -> str:
        entries = {each["id"]: each for each in self.ask("GET", "/cluster/ha/status/current")}
        return str(entries[f"service:{sid}"]["status"])


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.after(0)
    return made


def test_a_service_is_taken_in_within_two_rounds(cluster: Cluster) -> None:
    cluster.guest(200)
    assert cluster.state("ct:200") == "ct:200 (castor, queued)"
    cluster.after(30)
    assert cluster.state("ct:200") == "ct:200 (castor, started)"


def test_the_guest_of_a_dead_node_runs_on_the_other_after_two_minutes(cluster: Cluster) -> None:
    guest = cluster.guest(200)
    cluster.after(30)
    cluster.dies("castor")
    cluster.after(50)
    assert cluster.state("ct:200") == "ct:200 (castor, started)"
    cluster.after(20)
    assert cluster.state("ct:200") == "ct:200 (castor, fence)"
    cluster.after(80)
    assert cluster.state("ct:200") == "ct:200 (pollux, started)"
    assert (guest.node, guest.status) == ("pollux", "running")


def test_without_quorum_nothing_is_moved(cluster: Cluster) -> None:
    guest = cluster.guest(200)
    cluster.after(30)
    cluster.world.qdevice["online"] = False
    cluster.dies("castor")
    cluster.after(600)
    assert guest.node == "castor"
    status = {each["id"]: each["status"] for each in cluster.ask("GET", "/cluster/ha/status/current")}
    assert status["quorum"] == "No quorum on node 'pollux'!"
    assert "old timestamp - dead?" in status["master"]


@pytest.mark.parametrize("failback, node", [(1, "castor"), (0, "pollux")])
def test_a_service_goes_home_only_with_failback(cluster: Cluster, failback: int, node: str) -> None:
    guest = cluster.guest(200, failback=failback)
    cluster.rule("home", "node-affinity", "ct:200", nodes="castor")
    cluster.dies("castor")
    cluster.after(300)
    assert guest.node == "pollux"
    cluster.world.nodes["castor"].online = True
    cluster.after(120)
    assert (guest.node, guest.status) == (node, "running")


def test_of_two_that_must_be_apart_one_is_never_recovered(cluster: Cluster) -> None:
    guest = cluster.guest(200)
    cluster.guest(201, "pollux")
    cluster.rule("apart", "resource-affinity", "ct:200,ct:201", affinity="negative")
    cluster.after(30)
    cluster.dies("castor")
    cluster.after(3600)
    assert cluster.state("ct:200") == "ct:200 (castor, recovery)"
    assert guest.node == "castor"


def test_companions_move_together(cluster: Cluster) -> None:
    guests = [cluster.guest(200), cluster.guest(201)]
    cluster.rule("together", "resource-affinity", "ct:200,ct:201", affinity="positive")
    cluster.after(30)
    answer = cluster.ask("POST", "/cluster/ha/resources/ct:200/migrate", node="pollux")
    assert answer == {"sid": "ct:200", "requested-node": "pollux", "comigrated-resources": ["ct:201"]}
    cluster.after(60)
    assert [(guest.node, guest.status) for guest in guests] == [("pollux", "running")] * 2


def test_what_is_asked_of_an_unknown_node_is_forgotten(cluster: Cluster) -> None:
    guest = cluster.guest(200)
    cluster.after(30)
    cluster.ask("POST", "/cluster/ha/resources/ct:200/migrate", node="nosuch")
    cluster.after(60)
    assert guest.node == "castor"


def test_a_guest_without_its_disk_there_ends_in_error(cluster: Cluster) -> None:
    guest = cluster.guest(200)
    cluster.world.volumes["castor", "tank:subvol-200-disk-0"] = Volume(
        "tank:subvol-200-disk-0", 1, "subvol", "rootdir", vmid=200
    )
    cluster.after(30)
    cluster.dies("castor")
    cluster.after(600)
    assert (guest.node, guest.status) == ("pollux", "stopped")
    assert cluster.state("ct:200") == "ct:200 (pollux, error)"
    refused = cluster.api.request("PUT", "/cluster/ha/resources/ct:200", {"state": "started"})
    assert refused.reason == "service 'ct:200' in error state, must be disabled and fixed first"


@pytest.mark.parametrize("failback, node", [(1, "castor"), (0, "pollux")])
def test_a_node_in_maintenance_is_left_and_come_back_to(cluster: Cluster, failback: int, node: str) -> None:
    guest = cluster.guest(200, failback=failback)
    cluster.after(30)
    cluster.world.nodes["castor"].maintenance = True
    cluster.after(60)
    assert guest.node == "pollux"
    cluster.world.nodes["castor"].maintenance = False
    cluster.after(60)
    assert (guest.node, guest.status) == (node, "running")


def test_requested_states_are_brought_about(cluster: Cluster) -> None:
    guest = cluster.guest(200, state="stopped")
    cluster.after(30)
    assert guest.status == "stopped"
    cluster.ask("PUT", "/cluster/ha/resources/ct:200", state="started")
    cluster.after(30)
    assert guest.status == "running"
    cluster.ask("PUT", "/cluster/ha/resources/ct:200", state="ignored")
    cluster.after(30)
    guest.status = "stopped"
    cluster.after(60)
    assert guest.status == "stopped"


@pytest.mark.parametrize("kind", ["lxc", "qemu"])
def test_what_is_asked_of_a_managed_guest_waits_for_the_manager(cluster: Cluster, kind: Any) -> None:
    guest = cluster.guest(200, kind=kind)
    cluster.after(30)
    path = f"/nodes/{{}}/{kind}/200"
    cluster.ask("POST", f"{path.format('castor')}/status/stop")
    assert guest.status == "running"
    cluster.after(30)
    assert guest.status == "stopped"
    cluster.ask("POST", f"{path.format('castor')}/status/start")
    assert guest.status == "stopped"
    cluster.after(30)
    assert guest.status == "running"
    cluster.ask("POST", f"{path.format('castor')}/migrate", target="pollux")
    cluster.after(4)
    assert guest.node == "castor"
    cluster.after(60)
    assert (guest.node, guest.status) == ("pollux", "running")


@pytest.mark.parametrize("mode", ["freeze", "ignore"])
def test_a_disarmed_manager_leaves_the_dead_alone_until_it_is_armed_again(
    cluster: Cluster, mode: str
) -> None:
    guest = cluster.guest(200)
    cluster.after(30)
    cluster.api.request("POST", "/cluster/ha/status/disarm-ha", {"resource-mode": mode})
    cluster.after(30)
    entries = {each["id"]: each for each in cluster.ask("GET", "/cluster/ha/status/current")}
    assert entries["fencing"]["armed-state"] == "disarmed"
    cluster.dies("castor")
    cluster.after(600)
    assert guest.node == "castor"
    cluster.ask("POST", "/cluster/ha/status/arm-ha")
    cluster.after(300)
    assert (guest.node, guest.status) == ("pollux", "running")


def test_groups_of_version_8_become_rules_within_half_a_minute(cluster: Cluster) -> None:
    cluster.guest(200)
    groups, resources = cluster.world.file("ha/groups"), cluster.world.file("ha/resources")
    groups["legacy"] = {"nodes": "pollux,castor:2", "restricted": 1, "nofailback": 1}
    resources["ct:200"]["group"] = "legacy"
    refused = cluster.api.request(
        "POST",
        "/cluster/ha/rules",
        {"rule": "zz", "type": "node-affinity", "resources": "ct:200", "nodes": "castor"},
    )
    assert refused.reason == "cannot create ha rule: ha groups have not been migrated yet"
    cluster.after(40)
    (rule,) = cluster.ask("GET", "/cluster/ha/rules")
    assert (rule["rule"], rule["nodes"], rule["strict"]) == ("ha-group-legacy", "castor:2,pollux", 1)
    assert cluster.ask("GET", "/cluster/ha/resources/ct:200")["failback"] == 0


def test_version_8_has_groups_and_no_rules() -> None:
    cluster = Cluster(release="8.4")
    cluster.ask("POST", "/cluster/ha/groups", group="home", nodes="castor:2,pollux:1", nofailback=1)
    guest = cluster.guest(200, group="home")
    cluster.after(30)
    cluster.dies("castor")
    cluster.after(300)
    assert guest.node == "pollux"
    assert cluster.api.request("GET", "/cluster/ha/rules").status == 501
