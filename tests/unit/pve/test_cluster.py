# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Membership in clusters of Proxmox VE: what is refused and why, and what goes wrong half way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._pve.cluster import wanted_of
from ansible_collections.twin.datacenter.plugins.module_utils._pve.cluster_host import (
    ClusterHost,
    cluster_host,
)
from tests.doubles.pve.api import Api
from tests.doubles.pve.cli import pvecm
from tests.doubles.pve.faults import Fault, TaskFault
from tests.doubles.pve.world import Guest, Node, World
from tests.doubles.pve_cluster import PEER, DoubleClusterHost, first_alone, second_alone
from tests.doubles.pve_host import DoubleHost
from tests.laws import cases_pve_cluster, laws

CASES = {case.name: case for case in cases_pve_cluster.CASES}
MADE, JOINED, DEAD = CASES["made"], CASES["joined"], CASES["a dead node"]


def run(case: laws.Case, host: DoubleClusterHost, **options: Any) -> list[str]:
    changed = replace(case, params={**case.params, **options})
    return laws.run(changed, host).plan.sentences


def refused(case: laws.Case, host: DoubleClusterHost, **options: Any) -> str:
    """The sentence; nothing was touched."""
    with pytest.raises(Refused) as caught:
        run(case, host, **options)
    assert host.changes == []
    return str(caught.value)


def world_of(host: DoubleClusterHost) -> World:
    return host.double.world


def peer_of(host: DoubleClusterHost) -> World:
    assert host.theirs is not None
    return host.theirs.world


def test_two_servers_become_a_cluster() -> None:
    host = JOINED.host()
    assert run(JOINED, host) == [f"join node pollux to cluster twin through {PEER} over 10.1.0.2, 10.2.0.2"]
    status = Api(peer_of(host)).request("GET", "/cluster/status").data
    assert {entry["name"]: entry.get("online") for entry in status if entry["type"] == "node"} == {
        "castor": 1,
        "pollux": 1,
    }
    assert run(JOINED, host) == []


# --- what is refused ---


def test_a_node_with_guests_does_not_join() -> None:
    host = JOINED.host()
    world_of(host).guests[100] = Guest(100, "qemu", "pollux")
    assert "node pollux has guests (vm:100), and a node that joins takes over" in refused(JOINED, host)


def test_the_first_node_may_have_guests() -> None:
    host = MADE.host()
    world_of(host).guests[100] = Guest(100, "qemu", "castor")
    assert run(MADE, host) == ["make cluster twin of node castor over 10.1.0.1, 10.2.0.1"]


@pytest.mark.parametrize(
    ("peer", "says"),
    [
        (lambda: second_alone("other"), "192.0.2.11 is in cluster other, so nobody can join twin there"),
        (lambda: second_alone(None), "192.0.2.11 is in no cluster, so nobody can join twin there"),
        (
            lambda: second_alone(links=("10.1.0.1",)),
            "cluster twin has 1 links (10.1.0.1 of node castor), node pollux would have 2",
        ),
        (
            lambda: second_alone(links=("10.1.0.1", "10.2.0.2")),
            "address 10.2.0.2 belongs to node castor; name those of node pollux in links",
        ),
    ],
)
def test_a_peer_that_does_not_fit_is_told_before_anything_is_touched(
    peer: Callable[[], DoubleClusterHost], says: str
) -> None:
    host = peer()
    # As a run does it, which may write: what is only announced in check mode is not refused.
    host.reader = lambda: host  # type: ignore[method-assign,assignment]
    assert says in refused(JOINED, host)


def test_in_check_mode_the_cluster_may_be_announced_only() -> None:
    host = second_alone(None)
    assert laws.run(JOINED, host, check=True).plan.sentences[0].startswith("join node pollux")


def test_a_peer_without_quorum_takes_nobody() -> None:
    host = JOINED.host()
    peer_of(host).nodes["helena"] = Node("helena", 3, "192.0.2.14", online=False)
    assert "cluster twin has no quorum (1 of 2 nodes is up), so none can join" in refused(JOINED, host)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "other"}, "node castor is in cluster twin, not in other; a node leaves a cluster only by"),
        (
            {"links": ["10.9.0.1"]},
            "links of node castor are 192.0.2.11, not 10.9.0.1; links are changed by hand",
        ),
    ],
)
def test_a_member_is_not_what_was_declared(options: dict[str, Any], says: str) -> None:
    assert says in refused(CASES["a member already"], DoubleClusterHost(DoubleHost()), **options)


def test_links_that_somebody_changed_are_refused_and_not_repaired() -> None:
    """Nor is a node that was made a member of another cluster: nothing of this can be done from outside."""
    host = MADE.host()
    run(MADE, host)
    world_of(host).nodes["castor"].facts["links"] = ["10.1.0.1", "10.3.0.1"]
    before = list(host.changes)
    with pytest.raises(Refused, match="links of node castor are 10.1.0.1, 10.3.0.1, not 10.1.0.1, 10.2.0.1;"):
        run(MADE, host)
    assert host.changes == before


def test_two_clusters_are_not_made_one() -> None:
    host = DoubleClusterHost(DoubleHost(), DoubleHost())
    peer_of(host).cluster = "other"
    says = "node castor is in cluster other, while node castor is in cluster twin"
    assert says in refused(JOINED, host, links=[])


def test_two_clusters_of_one_name_are_two() -> None:
    """As when a server was installed anew and made a cluster, in place of joining the one that lived."""
    host = JOINED.host()
    world_of(host).cluster = "twin"
    world_of(host).nodes["pollux"].facts["links"] = list(JOINED.params["links"])
    says = (
        "nodes pollux and castor are in two clusters of the same name, twin; install anew the one of them "
        "that has no guests, and let it join the other"
    )
    assert says in refused(JOINED, host)
    # Its old self is still known there.
    peer_of(host).nodes["pollux"] = Node("pollux", 2, "192.0.2.12", online=False)
    assert says in refused(JOINED, host)
    # One that is just joining knows the cluster before that knows it.
    world_of(host).start("pollux", "clusterjoin", "", "root@pam", lambda _task: iter([60.0]))
    assert "wait until node pollux is a member" in laws.run(JOINED, host, check=True).plan.sentences[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "twin_1"}, "clustername of cluster twin_1: 'twin_1' is not valid"),
        ({"name": "sixteencharacter"}, "clustername of cluster sixteencharacter"),
        ({"links": ["10.1.0.1/24"]}, "'10.1.0.1/24' is no address; write one such as 10.1.0.1"),
        ({"links": ["10.1.0.1", "10.1.0.1"]}, "10.1.0.1 is listed twice"),
        ({"links": [f"10.{n}.0.1" for n in range(9)]}, "9 are more than corosync takes"),
        ({"node": "pollux"}, "node is for state absent"),
        ({"state": "absent"}, "it is not said which node is removed; name it in node"),
        ({"peer": {"address": PEER, "fingerprint": "01:02", "password": "x"}}, "'01:02' is no SHA-256"),
        (
            {"peer": {**cases_pve_cluster.THROUGH_CASTOR, "password": None}},
            "its password is missing; give it, or PROXMOX_PEER_PASSWORD",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    options: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROXMOX_PEER_PASSWORD", raising=False)
    said = refused(MADE, first_alone(), **options)
    assert says in said
    assert "\n" not in said


def test_the_password_may_stand_in_the_environment() -> None:
    given = {**JOINED.params, "peer": {**cases_pve_cluster.THROUGH_CASTOR, "password": None}}
    wanted = wanted_of(given, {"PROXMOX_PEER_PASSWORD": "secret"})
    assert wanted.peer is not None and wanted.peer.password.text == "secret"
    assert "secret" not in repr(wanted)


def test_on_a_node_itself_nothing_can_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROXMOX_HOST", raising=False)
    with pytest.raises(
        Refused, match="password would stand on the command line of pvesh, for all to see; give api_host"
    ):
        cluster_host(JOINED.params, True)
    assert isinstance(cluster_host(MADE.params, True), ClusterHost)


# --- a dead node ---


def test_what_is_lost_with_a_dead_node_must_be_named() -> None:
    host = DEAD.host()
    says = (
        "remove node pollux from cluster twin, so that it must never be started again as it is; ct:101 of it "
        "are given up with their disks, and their configuration stays in /etc/pve/nodes/pollux: this may "
        "lose the data of ct:101"
    )
    assert says in refused(DEAD, host, allow_destroy=[])
    assert run(DEAD, host)
    assert list(world_of(host).nodes) == ["castor"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda world: setattr(world.nodes["pollux"], "online", True),
            "node pollux is up, and must be off",
        ),
        (lambda world: setattr(world, "cluster", "other"), "node castor is in cluster other, not in twin"),
        (
            lambda world: setattr(world, "qdevice", {}),
            "cluster twin has no quorum (1 of 2 nodes is up, there is no witness), so nothing can be "
            "changed; once you are sure that node pollux is off, run 'pvecm expected 1' on node castor, "
            "then this again",
        ),
        (
            lambda world: world.qdevice.update(online=False),
            "(1 of 2 nodes is up, no vote comes from the witness)",
        ),
    ],
)
def test_a_node_that_cannot_be_removed_stays(change: Callable[[World], Any], says: str) -> None:
    host = DEAD.host()
    change(world_of(host))
    assert says in refused(DEAD, host)


def test_a_node_does_not_remove_itself() -> None:
    says = "node castor cannot remove itself; ask another node of cluster twin"
    assert says in refused(DEAD, DEAD.host(), node="castor")


def test_a_lowered_expectation_makes_a_pair_without_a_witness_quorate() -> None:
    host = DEAD.host()
    world_of(host).qdevice = {}
    assert pvecm.run(world_of(host), "castor", ["expected", "1"]).rc == 0
    assert run(DEAD, host)
    assert list(world_of(host).nodes) == ["castor"]


def test_a_reinstalled_node_of_the_same_name_joins_once_the_old_one_is_removed() -> None:
    host = JOINED.host()
    castor = peer_of(host)
    castor.qdevice = {"host": "192.0.2.13", "algorithm": "ffsplit", "online": True}
    castor.nodes["pollux"] = Node("pollux", 2, "192.0.2.12", online=False, facts={"links": ["10.1.0.9"]})
    assert "cluster twin knows another node pollux; remove that from it first (state: absent)" in refused(
        JOINED, host
    )
    del castor.nodes["pollux"]
    assert run(JOINED, host)


# --- what goes wrong half way ---


FAULTS: dict[str, dict[str, Any]] = {
    "answers 500": {"status": 500, "text": "internal error"},
    "answers 500 when all is done": {"status": 500, "text": "internal error", "late": True},
    "answers 401": {"status": 401, "text": "authentication failure"},
    "answers 596": {"status": 596, "text": "Connection timed out"},
    "is dropped": {"drop": True},
    "is dropped when all is done": {"drop": True, "late": True},
}


class Killed(BaseException):
    """The controller was ended."""


def apis(host: DoubleClusterHost) -> list[Api]:
    return [host.double.api, *([host.theirs.api] if host.theirs else [])]


def finish(case: laws.Case, host: DoubleClusterHost) -> None:
    """Run again, as somebody else would, on what is there."""
    for api in apis(host):
        api.faults.requests.clear()
        api.faults.tasks.clear()
    whole = case.host()
    laws.run(case, whole)
    laws.run(case, host)
    assert members(host) == members(whole)
    assert laws.run(case, host).plan.sentences == []


def members(host: DoubleClusterHost) -> tuple[str | None, list[str]]:
    world = world_of(host)
    return world.cluster, sorted(world.nodes)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["made", "joined", "a dead node"])
def test_each_request_fails_once(name: str, fault: str) -> None:
    case = CASES[name]
    whole = case.host()
    laws.run(case, whole)
    for place, api in enumerate(apis(whole)):
        for number in range(1, len(api.log) + 1):
            host = case.host()
            host.double.timeout = 60.0
            apis(host)[place].faults.requests.append(Fault(r"", after=number, **FAULTS[fault]))
            try:
                laws.run(case, host)
            except TwinError as error:
                assert len(str(error)) > 20, api.log[number - 1]
            finish(case, host)


def test_a_session_that_is_refused_while_the_node_joins_is_begun_anew() -> None:
    host = JOINED.host()
    host._trusting = lambda _fingerprint: DoubleHost(host.double.world)
    refused = Fault("GET /cluster/status", **FAULTS["answers 401"], after=2, times=None)
    host.double.api.faults.requests.append(refused)
    host.double.timeout = 60.0
    run(JOINED, host)
    assert members(host) == ("twin", ["castor", "pollux"])


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("name", ["made", "joined"])
def test_the_task_fails(name: str, early: bool) -> None:
    case = CASES[name]
    host = case.host()
    host.double.api.faults.tasks.append(TaskFault("", "command 'corosync-keygen' failed: exit code 1", early))
    with pytest.raises(TwinError, match="command 'corosync-keygen' failed: exit code 1") as caught:
        laws.run(case, host)
    assert caught.value.facts["left"]
    finish(case, host)


@pytest.mark.parametrize("name", ["made", "joined", "a dead node"])
def test_the_controller_is_killed_after_each_request(name: str) -> None:
    case = CASES[name]
    whole = case.host()
    laws.run(case, whole)
    for number in range(1, len(whole.double.api.log) + 1):
        host = case.host()
        real = host.double.transport.request

        def request(*args: Any, real: Any = real, host: Any = host, number: int = number) -> Any:
            answer = real(*args)
            if len(host.double.api.log) == number:
                raise Killed
            return answer

        host.double.transport.request = request  # type: ignore[method-assign]
        with pytest.raises(Killed):
            laws.run(case, host)
        finish(case, host)


def test_a_join_that_broke_off_when_the_cluster_had_taken_the_node_is_done_again() -> None:
    host = JOINED.host()
    links = {"links": list(JOINED.params["links"])}
    castor = peer_of(host)
    castor.nodes["pollux"] = Node("pollux", 2, "192.0.2.12", online=False, facts=links)
    castor.facts["expected"] = 1
    (said,) = run(JOINED, host)
    assert said.endswith("over 10.1.0.2, 10.2.0.2, once more, for that was broken off")
    assert host.double.api.log[-1]
    assert members(host) == ("twin", ["castor", "pollux"])


def test_a_join_that_is_going_on_is_waited_for() -> None:
    host = JOINED.host()
    asked = {"hostname": PEER, "password": laws.CANARY, "fingerprint": ":".join(["01"] * 32)}
    asked |= {"link0": "10.1.0.2", "link1": "10.2.0.2"}
    assert host.double.api.request("POST", "/cluster/config/join", asked).status == 200
    assert run(JOINED, host) == [
        "wait until node pollux is a member of cluster twin, which is being done already"
    ]
    assert [path for verb, path, _params in host.double.api.log if verb == "POST"] == ["/cluster/config/join"]


def test_a_node_whose_certificate_has_changed_is_trusted_as_the_peer_knows_it() -> None:
    host = JOINED.host()
    trusted: list[str] = []

    def trusting(fingerprint: str) -> DoubleHost:
        trusted.append(fingerprint)
        host.double.api.faults.requests.clear()
        return host.double

    host._trusting = trusting
    # No connection is made from when the task runs: an error of TLS looks like that.
    host.double.api.faults.requests.append(Fault("GET .*/tasks/UPID", drop=True, late=True, times=None))
    outcome = laws.run(JOINED, host)
    assert trusted and outcome.measured[0]["fingerprint"] == trusted[0] == ":".join(["02"] * 32)
