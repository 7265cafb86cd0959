# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The witness and those who ask it: what their tools print, what is refused, and what goes wrong half way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._cluster import model
from ansible_collections.twin.datacenter.plugins.module_utils._cluster.host import read_database, read_witness
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from tests.doubles.memory import MemoryHost, power_cut_before
from tests.doubles.pve.areas.cluster_config import corosync_conf
from tests.doubles.pve.cli import pvecm
from tests.doubles.pve.cli.pvecm import Witness
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.world import Node, World, pair
from tests.doubles.qnetd import CLUSTERS, LISTED, PveNodeHost, WitnessHost
from tests.laws import cases_quorum_device, laws

CASES = {case.name: case for case in cases_quorum_device.CASES}
SET_UP, AS_IT_IS, ABSENT = CASES["set up"], CASES["as it is"], CASES["absent"]


# --- what is printed ---


def test_corosync_conf_is_read() -> None:
    world = pair(clock=StillClock())
    world.qdevice = {"host": "192.0.2.13", "algorithm": "ffsplit", "online": True}
    nodes = (model.Node("castor", "192.0.2.11"), model.Node("pollux", "192.0.2.12"))
    assert model.parse_conf(corosync_conf(world)) == model.Conf("twin", nodes, "192.0.2.13")
    world.qdevice = {}
    assert model.parse_conf(corosync_conf(world)).device == ""


@pytest.mark.parametrize("text", ["quorum {\n", "}\n", "totem {\n}\n}\nquorum {\n"])
def test_a_corosync_conf_that_does_not_close_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="its brackets do not match"):
        model.parse_conf(text)


def test_a_vote_counts_only_when_it_is_given() -> None:
    world = pair(clock=StillClock())
    assert model.parse_quorum(pvecm.status(world, "castor").out) == model.Quorum(2, True, False)
    world.qdevice = {"host": "192.0.2.13", "algorithm": "ffsplit", "online": True}
    assert model.parse_quorum(pvecm.status(world, "castor").out) == model.Quorum(2, True, True)
    world.qdevice["online"] = False
    assert model.parse_quorum(pvecm.status(world, "castor").out) == model.Quorum(2, True, False)
    world.nodes["pollux"].online = False
    assert model.parse_quorum(pvecm.status(world, "castor").out) == model.Quorum(1, False, False)


def test_certificates_are_told_from_their_heading() -> None:
    assert model.parse_certificates(LISTED) == {"QNet CA", "QNetd Cert"}


def test_clusters_are_told_with_their_nodes() -> None:
    nodes = {"1": "192.0.2.11:41262", "2": "192.0.2.12:51534"}
    assert model.parse_served(CLUSTERS) == (model.Served("twin", "Fifty-Fifty split", nodes),)
    assert model.parse_served("") == ()


def test_a_witness_tells_of_itself() -> None:
    told = read_witness(WitnessHost(), {})
    assert told["address"] == "*:5403" and told["tls"].startswith("Required")
    assert [cluster["name"] for cluster in told["clusters"]] == ["twin"]
    down = read_witness(WitnessHost("closed"), {})
    assert not down["running"] and down["database"] == "closed" and down["clusters"] == []


def test_in_check_mode_the_package_may_be_announced_only() -> None:
    host = MemoryHost()
    with pytest.raises(Refused, match="corosync-qnetd is not installed; install that package"):
        read_database(host)
    assert read_database(host.reader()) == "sound"


# --- the QDevice ---


def run(case: laws.Case, host: PveNodeHost, **options: Any) -> list[str]:
    changed = replace(case, params={**case.params, **options})
    return laws.run(changed, host).plan.sentences


def set_fact(world: World, node: str, **facts: Any) -> None:
    world.nodes[node].facts |= facts


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda world: setattr(world, "cluster", None), "this node is in no cluster; make one first"),
        (
            lambda world: setattr(world.nodes["pollux"], "online", False),
            "only 1 of 2 nodes of cluster twin are up, and pvecm wants all for this",
        ),
        (lambda world: set_fact(world, "pollux", qdevice=False), "node pollux has no corosync-qdevice"),
        (
            lambda world: world.facts.update(witnesses={}),
            "root of this node cannot log in on 192.0.2.13 (root@192.0.2.13: Permission denied (publickey).)",
        ),
        (
            lambda world: world.facts.update(witnesses={"192.0.2.13": Witness(qnetd=False)}),
            "192.0.2.13 has no corosync-qnetd; install that package there (role witness)",
        ),
        (
            lambda world: world.nodes.update(helena=Node("helena", 3, "192.0.2.14")),
            "cluster twin has 3 nodes, and a QDevice is for an even number",
        ),
    ],
)
def test_what_pvecm_would_stumble_over_is_told_before(change: Callable[[World], Any], says: str) -> None:
    host = SET_UP.host()
    assert isinstance(host, PveNodeHost)
    change(host.world)
    with pytest.raises(Refused) as caught:
        run(SET_UP, host)
    assert says in str(caught.value)
    assert host.changes == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"witness": None}, "it is not said who gives the vote"),
        ({"witness": "witness"}, "witness of the QDevice: 'witness' is none; write one such as 192.0.2.13"),
        ({"network": "192.0.2"}, "network of the QDevice: '192.0.2' is none"),
    ],
)
def test_bad_input_is_one_sentence(options: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says.replace("(", r"\(")):
        run(SET_UP, PveNodeHost(), **options)


def test_a_vote_that_does_not_come_is_no_success() -> None:
    host = PveNodeHost()
    host.world.facts["witnesses"]["192.0.2.13"].open = False
    with pytest.raises(TwinError, match=r"192\.0\.2\.13 gives no vote") as caught:
        run(SET_UP, host)
    assert "port 5403" in str(caught.value)
    with pytest.raises(
        Refused, match="asks 192.0.2.13, but gets no vote; see that corosync-qnetd runs there"
    ):
        run(AS_IT_IS, host)
    host.world.qdevice["online"] = True
    assert run(AS_IT_IS, host) == []


def test_a_tool_that_did_nothing_is_found_out() -> None:
    host = ABSENT.host()
    assert isinstance(host, PveNodeHost)
    host.fault = lambda argv: MemoryHost.answer(PveNodeHost(), ["pvecm", "apiver"], "", None)
    with pytest.raises(TwinError, match="still needs: take the vote"):
        run(ABSENT, host)


@pytest.mark.parametrize("name", ["set up", "another witness", "broken off", "absent"])
def test_what_is_broken_off_is_finished_by_another_run(name: str) -> None:
    case = CASES[name]
    whole = case.host()
    laws.run(case, whole)
    for number in range(len(whole.changes)):
        host = case.host()
        host.fault = power_cut_before(number)
        with pytest.raises(TwinError):
            laws.run(case, host)
        host.fault = lambda argv: None
        laws.run(case, host)
        assert laws.comparable(laws.picture(case, host)) == laws.comparable(laws.picture(case, whole))
