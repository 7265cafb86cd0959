# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pvesh, pct and qm of the double, against what was recorded of them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.pve.cli import Output, pct, pvesh, qm
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.world import Guest, Node, Snapshot, World

RECORDED = Path(pct.__file__).parents[1] / "recordings/cli.jsonl"
LINES = [json.loads(line) for line in RECORDED.read_text().splitlines()]
COMMANDS = {"pvesh": pvesh.run, "pct": pct.run, "qm": qm.run}
CONTAINER = {
    "arch": "amd64",
    "hostname": "ct200",
    "memory": 128,
    "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:55:B4:A0,ip=10.99.0.200/24,type=veth",
    "ostype": "alpine",
    "rootfs": "bt:200/vm-200-disk-0.raw,size=1G",
    "swap": 64,
    "unprivileged": 1,
}
MACHINE = {"name": "vm300", "memory": "128", "cores": 2, "description": "while running"}
RUNS = (
    "pct config 200 --current 1",
    "pct status 200",
    "pvesh create /nodes/pve1/lxc/200/status/stop --output-format json",
)
"""What was recorded while the container ran."""
SAME = (
    "pvesh get /version --output-format json",
    "pvesh get /nodes/pve1/qemu/999/config --output-format json",
    "pvesh get /nosuch --output-format json",
    "pvesh set /nodes/pve1/qemu/300/config --bogus 1",
    "pvesh set /nodes/pve1/qemu/300/config --cores two",
    "pvesh create /pools --poolid clipool",
    "pvesh delete /pools --poolid clipool",
    "pvesh get /cluster/ha/rules --output-format json",
    "pvesh ls /nodes/pve1/qemu",
    "qm list",
    "qm config 999",
    "qm status 300",
    "qm status 999",
    'qm set 300 --cores 2 --description "a b"',
    "qm set 300 --bogus 1",
    "qm set 300 --delete description",
    "qm listsnapshot 300",
    "qm stop 300",
    "qm guest cmd 300 ping",
    "qm agent 300 ping",
    "qm shutdown 300",
    "qm destroy 999",
    "qm create 300",
    "qm config 300 --snapshot none",
    *RUNS[:2],
    "pct config 999",
    "pct set 200 --memory 256",
    "pct push 200 /etc/hostname /root/h",
    "pct start 200",
    "pct enter 999",
    "pct unlock 200",
)


def world(running: bool = False) -> World:
    """The cluster that was recorded, as far as these commands show it."""
    nodes = {f"pve{n}": Node(f"pve{n}", n, f"10.99.0.1{n}") for n in (1, 2, 3)}
    made = World(nodes=nodes, local="pve1", cluster="labcluster", clock=StillClock())
    status: Any = "running" if running else "stopped"
    made.guests[200] = Guest(200, "lxc", "pve1", dict(CONTAINER), status=status)
    made.guests[300] = Guest(300, "qemu", "pve1", dict(MACHINE))
    return made


def run(where: World, command: str, stdin: bytes = b"") -> Output:
    program, *argv = shlex.split(command)
    return COMMANDS[program](where, "pve1", argv, stdin)


def recorded(command: str) -> Output:
    found = next(line for line in LINES if line["command"].removesuffix(" </dev/null") == command)
    return Output(found["rc"], found["stdout"], found["stderr"])


@pytest.mark.parametrize("command", SAME)
def test_a_command_answers_as_it_was_recorded(command: str) -> None:
    where = world(running=command in RUNS)
    if command == "pvesh delete /pools --poolid clipool":
        assert run(where, command).rc == 255
    assert run(where, command) == recorded(command)


def test_what_is_there_already_is_refused_as_it_was_recorded() -> None:
    where = world(running=True)
    run(where, "pvesh create /pools --poolid clipool")
    again = next(line for line in LINES if line.get("note") == "exists" and "clipool" in line["command"])
    assert run(where, again["command"]) == Output(again["rc"], again["stdout"], again["stderr"])
    assert run(where, "pct start 200").err == "CT 200 already running\n"
    assert run(where, "pct stop 200") == Output(0)
    assert run(where, "pct stop 200") == Output(255, err="CT 200 not running\n")
    assert run(where, "qm start 300").rc == 0
    assert run(where, "qm start 300") == Output(255, err="VM 300 already running\n")


def test_snapshots_are_drawn_as_a_tree() -> None:
    where = world()
    where.guests[200].snapshots["clis1"] = Snapshot({}, 1795190777)
    where.guests[200].parent = "clis1"
    first, second = run(where, "pct listsnapshot 200").out.splitlines()
    want = recorded("pct listsnapshot 200").out.splitlines()
    assert first[:32] == want[0][:32]
    assert first[51:] == want[0][51:]
    assert second == want[1]


def test_a_container_runs_a_program_with_its_input_and_exact_status() -> None:
    where = world(running=True)
    where.guests[200].program = lambda argv, stdin: (3, stdin.upper(), " ".join(argv).encode())
    assert run(where, "pct exec 200 -- sh -c 'exit 3'", b"in") == Output(3, "IN", "sh -c exit 3")
    where.nodes["pve1"].facts["files"] = {"/a": b"\x00"}
    assert run(where, "pct push 200 /a /b") == Output(0)
    assert where.guests[200].files == {"/b": b"\x00"}
    assert run(where, "pct pull 200 /none /c").rc == 255


def test_on_a_server_of_the_lab_its_own_program_goes_inside() -> None:
    done = run(world(running=True), "pct exec 200 -- ls -l /srv")
    assert isinstance(done, pct.Inside)
    assert done.command == ("lxc-attach", "-n", "200", "--clear-env", "--", "ls", "-l", "/srv")


def test_a_machine_runs_a_program_through_its_agent() -> None:
    where = world()
    guest = where.guests[300]
    guest.config["agent"], guest.status, guest.agent = "1", "running", True
    guest.program = lambda argv, stdin: (0, b"out", b"")
    done = run(where, "qm guest exec 300 -- ls")
    assert json.loads(done.out) == {"exitcode": 0, "exited": 1, "out-data": "out"}
    assert done.out.startswith('{\n   "exitcode" : 0,\n')
