# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines of the double that have to do with a cluster, against what was recorded of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doubles.pve.api import Api
from tests.doubles.pve.cli import Output, ha_manager, pvecm
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.world import Guest, Node, World, pair, single

LINES = [
    json.loads(line)
    for line in (Path(pvecm.__file__).parents[1] / "recordings" / "cli.jsonl").read_text().splitlines()
]
COMMANDS = {"pvecm": pvecm.run, "ha-manager": ha_manager.run}
# The date is that of the machine, rings are counted, the other columns are of how long things took.
TOLD_APART = ("Date:", "Ring ID:")


def recorded(command: str) -> Output:
    found = next(line for line in LINES if line["command"] == command)
    return Output(found["rc"], found["stdout"], found["stderr"])


def three() -> World:
    """The cluster that was recorded."""
    nodes = {f"pve{n}": Node(f"pve{n}", n, f"10.99.0.1{n}") for n in (1, 2, 3)}
    return World(
        nodes=nodes, local="pve1", cluster="labcluster", facts={"config_version": 5}, clock=StillClock()
    )


def run(world: World, command: str, node: str = "") -> Output:
    name, *argv = command.split()
    return COMMANDS[name](world, node or world.local, argv)


def comparable(output: Output) -> tuple[int, list[str], str]:
    lines = [line.rstrip() for line in output.out.splitlines() if not line.startswith(TOLD_APART)]
    return output.rc, lines, output.err


@pytest.mark.parametrize(
    "command", ["pvecm status", "pvecm nodes", "pvecm expected 9", "pvecm delnode nosuch"]
)
def test_a_command_answers_as_it_was_recorded(command: str) -> None:
    assert comparable(run(three(), command)) == comparable(recorded(command))


def test_a_guest_is_given_to_the_manager_and_taken_away() -> None:
    world = three()
    world.guests[300] = Guest(300, "qemu", "pve1")
    assert run(world, "ha-manager add vm:300 --state stopped --comment cli") == Output(0)
    assert run(world, "ha-manager config") == recorded("ha-manager config")
    assert (
        run(world, "ha-manager rules add node-affinity clina --resources vm:300 --nodes pve1:2,pve2").rc == 0
    )
    (rule,) = json.loads(run(world, "ha-manager rules config --output-format json").out)
    assert rule["nodes"] == "pve1:2,pve2"
    assert run(world, "ha-manager remove vm:300") == Output(0)
    gone = Output(255, err="cannot delete service 'vm:300', not HA managed!\n")
    assert run(world, "ha-manager remove vm:300") == gone


def test_a_node_goes_into_maintenance_once_the_manager_has_seen_it() -> None:
    world = pair(clock=StillClock())
    world.guests[100] = Guest(100, "lxc", "castor", status="running")
    world.file("ha/resources")["ct:100"] = {"state": "started"}
    Api(world).request("GET", "/version")
    world.clock.advance(60)
    assert run(world, "ha-manager crm-command node-maintenance enable castor") == Output(0)
    world.clock.advance(60)
    assert "lrm castor (maintenance mode, " in run(world, "ha-manager status", "pollux").out
    assert run(world, "ha-manager crm-command node-maintenance enable none").rc == 255
    assert run(world, "ha-manager crm-command node-maintenance disable castor") == Output(0)
    world.clock.advance(60)
    assert "maintenance" not in run(world, "ha-manager status").out


def with_witness(**how: bool) -> World:
    world = pair(clock=StillClock())
    world.facts["witnesses"] = {"192.0.2.13": pvecm.Witness(**how)}
    return world


def test_a_third_vote_comes_and_goes() -> None:
    world = with_witness()
    assert run(world, "pvecm qdevice setup 192.0.2.13").rc == 0
    said = run(world, "pvecm status")
    assert "0x00000001          1    A,V,NMW 192.0.2.11 (local)\n" in said.out
    assert said.out.endswith("0x00000000          1            Qdevice\n")
    world.nodes["pollux"].online = False
    assert run(world, "pvecm status").rc == 0
    assert "pollux is offline" in run(world, "pvecm qdevice remove").err
    world.nodes["pollux"].online = True
    assert run(world, "pvecm qdevice setup 192.0.2.13").err == "QDevice already configured!\n"
    assert run(world, "pvecm qdevice remove") == Output(0, "\nRemoved Qdevice.\n")
    assert run(world, "pvecm qdevice remove").err == "No QDevice configured!\n"


@pytest.mark.parametrize(
    ("how", "says"),
    [({"key": False}, "ssh-copy-id"), ({"qnetd": False}, "qnetd-cacert.crt")],
)
def test_a_witness_that_is_not_ready_is_no_vote(how: dict[str, bool], says: str) -> None:
    world = with_witness(**how)
    said = run(world, "pvecm qdevice setup 192.0.2.13")
    assert said.rc == 255 and says in said.err
    assert world.votes == (2, 2)


def test_a_set_up_that_was_broken_off_wants_force() -> None:
    world = with_witness()
    world.nodes["pollux"].facts["qdevice"] = False
    assert run(world, "pvecm qdevice setup 192.0.2.13").rc == 255
    del world.nodes["pollux"].facts["qdevice"]
    assert "set force to delete" in run(world, "pvecm qdevice setup 192.0.2.13").err
    assert run(world, "pvecm qdevice setup 192.0.2.13 --force").rc == 0


def test_a_witness_behind_a_firewall_is_taken_and_gives_no_vote() -> None:
    world = with_witness(open=False)
    assert run(world, "pvecm qdevice setup 192.0.2.13").rc == 0
    assert world.votes == (2, 3)
    assert "NA,NV,NMW" in run(world, "pvecm status").out


def test_a_node_that_stands_alone_has_no_cluster_to_tell_of() -> None:
    world = single("castor", clock=StillClock())
    assert run(world, "pvecm status") == Output(255, err=f"{pvecm.NO_CLUSTER}\n")
    assert run(world, "pvecm create twin --link0 10.1.0.1").rc == 0
    assert "Name:             twin" in run(world, "pvecm status").out
