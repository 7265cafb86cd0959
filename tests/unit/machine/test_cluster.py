# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves within a cluster of Proxmox VE, against its double: the real code, disturbed at each request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._machine.cluster_host import cluster_api
from ansible_collections.twin.datacenter.plugins.module_utils._machine.driver import (
    Forecast,
    forecast,
    move,
    resume,
    undo,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.journal import Owner, Stage
from ansible_collections.twin.datacenter.plugins.module_utils._machine.move import Done, Relay, Stuck
from ansible_collections.twin.datacenter.plugins.module_utils._pve.note import split
from tests.doubles.clusters import Node, two_nodes
from tests.doubles.pve.areas.network import live
from tests.doubles.pve.faults import Fault, TaskFault
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve_guests import SSA, add_guest

Nodes = tuple[Node, Node]
MAKES: Mapping[str, Mapping[str, Any]] = {
    "container": {},
    "virtual machine": {"kind": "qemu"},
    "without replication": {"replicated": False},
    "managed container": {"managed": True},
    "managed virtual machine": {"kind": "qemu", "managed": True, "replicated": False},
    "stopped container": {"running": False},
}


class Killed(BaseException):
    """The process is gone."""


def quiet(*_said: object, **_facts: object) -> None:
    pass


def moved(here: Node, to: str = "pollux") -> object:
    job = here.driver(quiet)
    plan = forecast(job, to)
    assert isinstance(plan, Forecast)
    return move(job, plan)


def healed(node: Node) -> None:
    """All that was wrong with the cluster is over."""
    world = node.world
    world.qdevice["online"] = True
    for each in world.nodes.values():
        each.online, each.silent = True, False
    for server in node.others.values():
        server.api.api.faults.requests.clear()
        server.api.api.faults.tasks.clear()
        server.linked = True


def settled(nodes: Nodes, running: bool = True) -> str:
    """Resume on either, then look where the machine is: on exactly one, unlocked, its journal closed."""
    castor, pollux = nodes
    healed(castor)
    for here, there in (nodes, nodes[::-1]):
        decision = resume(here.driver(quiet))
        if isinstance(decision, Relay):
            decision = resume(there.driver(quiet))
        assert isinstance(decision, Done), decision
    castor.api.sleep(600)
    castor.api.get("version")
    guest = castor.guest
    assert not guest.lock
    assert (guest.status == "running") is running
    journal = castor.station.journal("ssa")
    assert journal is None or not journal.open
    assert split(guest.config["description"])[0] == "people's own"
    assert pollux.station.owner("ssa").server == guest.node
    if journal and journal.stage is Stage.DONE:
        assert guest.node == journal.target
        assert castor.station.owner("ssa").epoch == journal.epoch + 1
    if journal and journal.stage is Stage.UNDONE:
        assert guest.node == journal.source
    volumes = {volid: place for place, volid in castor.world.volumes if f"-{guest.vmid}-" in volid}
    assert volumes, "no disk of it is left"
    for server in nodes:
        server.station.journals()
        assert "/var/lib/twin/journal/ssa.json" not in server.files
    return guest.node


@pytest.mark.parametrize("make", MAKES)
def test_there_and_back(tmp_path: Path, make: str) -> None:
    castor, pollux = nodes = two_nodes(str(tmp_path), **MAKES[make])
    running = castor.guest.status == "running"
    assert isinstance(moved(castor), Done)
    assert settled(nodes, running) == "pollux"
    assert isinstance(moved(pollux, "castor"), Done)
    assert castor.station.owner("ssa") == Owner("castor", 3)
    assert castor.guest.node == "castor"
    assert (castor.guest.status == "running") is running


@pytest.mark.parametrize("kind", ["lxc", "qemu"])
def test_there_and_back_by_pvesh(tmp_path: Path, kind: str) -> None:
    """As the program on a server does it, with nothing but the commands of the server."""
    nodes = castor, pollux = two_nodes(str(tmp_path), kind, check={"command": ["true"]})
    castor.guest.agent, castor.guest.program = True, lambda argv, stdin: (0, b"", b"")
    for node in nodes:
        api = cluster_api(node)
        api.sleep = node.api.sleep
        api.now = node.api.now
        node.station = replace(node.station, api=api)
    assert isinstance(moved(castor), Done)
    assert isinstance(moved(pollux, "castor"), Done)
    assert settled(nodes) == "castor"
    assert castor.station.owner("ssa") == Owner("castor", 3)
    calls = {call[0] for call in castor.calls}
    assert calls == ({"pvesh", "pct"} if kind == "lxc" else {"pvesh"})


def counted(tmp_path: Path, make: str) -> list[str]:
    """The requests of a move that nothing disturbs."""
    castor, _pollux = two_nodes(str(tmp_path), **MAKES[make])
    castor.api.api.log.clear()
    assert isinstance(moved(castor), Done)
    return [f"{verb} {path}" for verb, path, _params in castor.api.api.log]


def moments(tmp_path: Path, make: str, first: int = 1, step: int = 1) -> list[int]:
    """Numbers of these requests: of one that is asked again and again the first and the last."""
    asked = counted(tmp_path, make)
    around = zip([None, *asked[:-1]], asked, [*asked[1:], None], strict=True)
    return [number for number, each in enumerate(around, 1) if len(set(each)) > 1][first - 1 :: step]


def disturbed(nodes: Nodes, number: int, happens: Callable[[], None]) -> object:
    """A move during which something happens after the request of this number, before its answer."""
    castor, _pollux = nodes
    real = castor.api.transport.request
    left = number

    def request(*args: Any) -> Any:
        nonlocal left
        answer = real(*args)
        left -= 1
        if left == 0:
            happens()
        return answer

    castor.api.transport.request = request  # type: ignore[method-assign]
    try:
        return moved(castor)
    finally:
        castor.api.transport.request = real  # type: ignore[method-assign]


def killed() -> None:
    raise Killed


FAULTS: dict[str, dict[str, Any]] = {
    "answers 500": {"status": 500, "text": "internal error"},
    "answers 500 when all is done": {"status": 500, "text": "internal error", "late": True},
    "answers 596": {"status": 596, "text": "Connection timed out"},
    "is dropped": {"drop": True},
    "is dropped when all is done": {"drop": True, "late": True},
    "finds the target dead": {"status": 200, "quorum": True},
    "finds the lock taken": {"text": "can't lock file '/run/lock/lxc/pve-config-200.lock' - got timeout"},
}
STEPS = ("container", "virtual machine", "managed container")
EVERY = {"container": 3, "virtual machine": 7, "managed container": 13}
"""A manager is asked again and again, so that many of these requests are alike."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("make", STEPS)
def test_each_request_fails_once(tmp_path: Path, make: str, fault: str) -> None:
    """Of like accidents, some."""
    first = 1 + list(FAULTS).index(fault) % 3
    step = 1 if (make, fault) == ("container", "answers 500") else EVERY[make]
    for number in moments(tmp_path, make, first if step > 1 else 1, step):
        nodes = castor, _pollux = two_nodes(str(tmp_path), **MAKES[make])
        castor.api.timeout = 60.0
        castor.api.api.faults.requests.append(Fault("", after=number, **FAULTS[fault]))
        try:
            decision = moved(castor)
            assert isinstance(decision, Done | Stuck)
        except TwinError as error:
            # Before it was begun.
            assert castor.station.journal("ssa") is None, error
            assert len(str(error)) > 20
        settled(nodes)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("make", ("container", "virtual machine"))
def test_each_task_fails_once(tmp_path: Path, make: str, early: bool) -> None:
    """Before the commit it runs again where it was; a task that fails after it is repeated."""
    for number, where in ((1, "castor"), (2, "castor"), (3, "pollux")):
        nodes = castor, _pollux = two_nodes(str(tmp_path), **MAKES[make])
        castor.api.api.faults.tasks.append(TaskFault("", "command 'zfs' failed: exit code 1", early, number))
        decision = moved(castor)
        if isinstance(decision, Done) and where == "castor":
            assert "command 'zfs' failed: exit code 1" in decision.sentence
        assert settled(nodes) == where


@pytest.mark.parametrize("make", STEPS)
def test_the_process_is_killed_after_each_request(tmp_path: Path, make: str) -> None:
    ends = []
    for number in moments(tmp_path, make, step=1 if make == "container" else EVERY[make]):
        nodes = castor, _pollux = two_nodes(str(tmp_path), **MAKES[make])
        with pytest.raises(Killed):
            disturbed(nodes, number, killed)
        began = castor.station.journal("ssa")
        assert (castor.station.journals() == ["ssa"]) is bool(began and began.open)
        ends.append(settled(nodes))
    # Once it is begun, it is brought to its end.
    assert ends == sorted(ends)
    assert set(ends) == {"castor", "pollux"}


@pytest.mark.parametrize("make", STEPS)
def test_the_target_dies_at_each_request(tmp_path: Path, make: str) -> None:
    for number in moments(tmp_path, make, step=EVERY[make]):
        nodes = castor, pollux = two_nodes(str(tmp_path), **MAKES[make])
        castor.api.timeout = 60.0

        def dies(node: Node = pollux) -> None:
            node.world.nodes["pollux"].online = False
            if node.guest.node == "pollux":
                node.guest.status = "stopped"

        try:
            decision = disturbed(nodes, number, dies)
        except TwinError as error:
            assert "pollux" in str(error)
            decision = None
        guest = castor.guest
        if decision and guest.node == "castor" and make != "managed container":
            assert isinstance(decision, Done), decision
            assert guest.status == "running", "it is to run where it was"
        if isinstance(decision, Stuck):
            assert "pollux" in decision.sentence or guest.node == "castor"
        healed(castor)
        journal = castor.station.journal("ssa")
        if guest.node == "pollux" and journal and not journal.open:
            # The move was over, so its own boot has to start it.
            guest.status = "running"
        settled(nodes)


@pytest.mark.parametrize("make", STEPS)
def test_the_quorum_is_lost_at_each_request(tmp_path: Path, make: str) -> None:
    for number in moments(tmp_path, make, step=EVERY[make]):
        nodes = castor, pollux = two_nodes(str(tmp_path), **MAKES[make])
        castor.api.timeout = 60.0

        def lost(node: Node = pollux) -> None:
            node.world.nodes["pollux"].online = False
            node.world.qdevice["online"] = False

        try:
            decision = disturbed(nodes, number, lost)
        except TwinError as error:
            assert "no quorum" in str(error) or castor.station.journal("ssa") is None
        else:
            assert isinstance(decision, Done | Stuck), decision
        settled(nodes)


def source_dies(castor: Node) -> None:
    """Its tasks die with it, and leave their lock."""
    world, guest = castor.world, castor.guest
    world.nodes["castor"].online = False
    lock = guest.lock
    for task in world.tasks.values():
        if task.running and task.node == "castor":
            task.interrupt(world.clock.now())
    if lock:
        guest.config["lock"] = lock
    if guest.node == "castor":
        guest.status = "stopped"
    raise Killed


@pytest.mark.parametrize("make", ("container", "virtual machine"))
def test_the_source_dies_after_each_request(tmp_path: Path, make: str) -> None:
    """What it has handed over the target starts; what it has not stays down until it is back."""
    outcomes = set()
    for number in moments(tmp_path, make):
        nodes = castor, pollux = two_nodes(str(tmp_path), **MAKES[make])
        castor.world.local = "pollux"
        with pytest.raises(Killed):
            disturbed(nodes, number, lambda node=castor: source_dies(node))  # type: ignore[misc]
        begun = pollux.station.journal("ssa")
        decision = resume(pollux.driver(quiet))
        outcomes.add(type(decision).__name__)
        if castor.guest.node == "pollux":
            assert isinstance(decision, Done), decision
            assert castor.guest.status == "running"
            assert begun and pollux.station.owner("ssa") == Owner("pollux", 2)
        elif begun and begun.open:
            assert isinstance(decision, Stuck) and "castor cannot be reached" in decision.sentence
            assert castor.guest.status == "stopped"
        healed(castor)
        # What was never begun starts at its own boot.
        if castor.guest.node == "castor" and not (begun and begun.open):
            castor.guest.status = "running"
        settled(nodes)
    assert outcomes == {"Done", "Stuck"}


def told(node: Node, *words: str) -> tuple[int, list[dict[str, Any]]]:
    rc, said = node.twin(*words, "--json")
    return rc, [json.loads(line) for line in said.splitlines()]


def test_the_program_says_what_it_does(tmp_path: Path) -> None:
    castor, pollux = nodes = two_nodes(str(tmp_path))
    rc, lines = told(castor, "move", "ssa", "--to", "pollux", "--check")
    assert rc == 0
    assert lines[-1]["plan"] == [
        "send ssa to pollux: what it has written since its last replication, ≤ 9G",
        "move ssa from castor to pollux: stopped, its last changes sent, and started there",
        "it will not answer for about 5 s",
    ]
    assert castor.api.changes == [] == castor.changes
    rc, lines = told(castor, "move", "ssa", "--to", "pollux")
    assert rc == 0
    assert [line["say"] for line in lines[:-1]] == [
        "send ssa to pollux while it runs",
        "replication 200-0 has run, in 2.5 s",
        "stop ssa on castor",
        "hand ssa over to pollux",
        "start ssa on pollux",
        "close the move of ssa",
        "round 1: 2.5 s",
        f"round 2: {lines[-1]['journal']['rounds'][1]['seconds']} s",
    ]
    assert lines[-1]["end"].startswith("machine ssa is on pollux")
    assert settled(nodes) == "pollux"
    # Its job has turned round with it.
    job = castor.world.file("replication")["200-0"]
    assert (job["source"], job["target"]) == ("pollux", "castor")
    rc, lines = told(castor, "move", "ssa", "--to", "pollux")
    assert (rc, lines[-1]["end"]) == (0, "machine ssa is on pollux already")
    for verb in (["replicate"], ["guard", "ssa"], ["changes", "ssa"]):
        assert castor.twin(*verb)[0] == 2


def test_undo_until_the_commit(tmp_path: Path) -> None:
    castor, pollux = nodes = two_nodes(str(tmp_path))
    with pytest.raises(Refused, match="there is nothing to undo"):
        undo(castor.driver(quiet))
    number = 1 + next(
        number for number, each in enumerate(counted(tmp_path, "container")) if each.endswith("/shutdown")
    )
    with pytest.raises(Killed):
        disturbed(nodes, number, killed)
    assert undo(pollux.driver(quiet)) == Relay("castor")
    decision = undo(castor.driver(quiet))
    assert isinstance(decision, Done) and "undo was asked for" in decision.sentence
    assert settled(nodes) == "castor"


def test_a_timer_goes_on_with_what_was_broken_off(tmp_path: Path) -> None:
    nodes = castor, _pollux = two_nodes(str(tmp_path))
    number = next(
        number for number, each in enumerate(counted(tmp_path, "container")) if each.endswith("/migrate")
    )
    with pytest.raises(Killed):
        disturbed(nodes, number, killed)
    assert castor.twin("resume", "--unattended")[0] == 0
    assert castor.guest.node == "pollux"
    assert castor.twin("resume", "--unattended") == (0, "")
    settled(nodes)


def test_the_manager_is_never_gone_behind(tmp_path: Path) -> None:
    nodes = castor, _pollux = two_nodes(str(tmp_path), managed=True)
    castor.api.api.log.clear()
    assert isinstance(moved(castor), Done)
    posts = [path for verb, path, _params in castor.api.api.log if verb == "POST"]
    assert posts == ["/nodes/castor/replication/200-0/schedule_now", "/cluster/ha/resources/ct:200/relocate"]
    assert castor.world.file("ha/resources")["ct:200"]["state"] == "started"
    settled(nodes)


def test_a_machine_whose_rival_is_there_stays(tmp_path: Path) -> None:
    """The manager says so in its answer, and does nothing."""
    nodes = castor, _pollux = two_nodes(str(tmp_path), managed=True)
    add_guest(castor.world, 201, {**SSA, "hostname": "tap"}, running=True, node="pollux")
    castor.world.file("ha/resources")["ct:201"] = {"type": "ct", "state": "started"}
    rule = {"type": "resource-affinity", "affinity": "negative", "resources": "ct:200,ct:201"}
    castor.world.file("ha/rules")["apart"] = rule
    for _round in range(6):
        castor.api.sleep(5.0)
        castor.api.get("cluster/ha/status/current")
    decision = moved(castor)
    assert isinstance(decision, Done)
    assert "ct:201 on pollux must not run beside it" in decision.sentence
    assert settled(nodes) == "castor"


def unlocks_late(node: Node, server: str) -> None:
    """A migration that has come to its end, but for its lock (PVE::LXC::Migrate::final_cleanup)."""
    guest = node.guest

    def work(_task: Task) -> Steps:
        yield 3.0
        del guest.config["lock"]

    guest.config["lock"] = "migrate"
    node.world.start(server, "vzmigrate", "200", "root@pam", work)


def test_the_manager_has_its_lock_a_little_longer_than_the_file(tmp_path: Path) -> None:
    nodes = castor, _pollux = two_nodes(str(tmp_path), managed=True)
    plan = forecast(castor.driver(quiet), "pollux")
    assert isinstance(plan, Forecast)
    real, said = castor.api.transport.request, []

    def request(*args: Any) -> Any:
        before = castor.guest.node
        answer = real(*args)
        if before == "castor" and castor.guest.node == "pollux":
            unlocks_late(castor, "castor")
        return answer

    castor.api.transport.request = request  # type: ignore[method-assign]
    assert isinstance(move(castor.driver(lambda text, **_facts: said.append(text)), plan), Done)
    assert not [text for text in said if "unlock" in text]
    assert settled(nodes) == "pollux"


def test_one_that_its_manager_is_still_bringing_is_waited_for(tmp_path: Path) -> None:
    """As one that belongs together with another does, which was moved just before."""
    castor, _pollux = two_nodes(str(tmp_path))
    unlocks_late(castor, "castor")
    assert isinstance(moved(castor), Done)


@pytest.mark.parametrize("failed", [0, 1])
def test_what_was_written_lately_is_sent_before_the_stop(tmp_path: Path, failed: int) -> None:
    castor, _pollux = two_nodes(str(tmp_path))
    for _hour in range(2):
        castor.api.sleep(3600)
        castor.api.get("version")
    state = castor.world.facts["replication"]["200-0"]
    assert state["last_sync"]
    state["fail_count"] = failed
    began, real, synced = castor.world.clock.now(), castor.api.transport.request, []

    def request(verb: str, path: str, *more: Any) -> Any:
        if path.endswith("/shutdown"):
            synced.append(state["last_sync"])
        return real(verb, path, *more)

    castor.api.transport.request = request  # type: ignore[method-assign]
    assert isinstance(moved(castor), Done)
    assert synced[0] > began


def test_a_replication_at_work_is_waited_for(tmp_path: Path) -> None:
    castor, _pollux = two_nodes(str(tmp_path))
    real, work = castor.api.transport.request, [{"last_try": 1, "pid": 4711}] * 3
    asked = []

    def request(verb: str, path: str, params: Any) -> Any:
        asked.append(path.rpartition("/")[2])
        answer = real(verb, path, params)
        if path.endswith("/200-0/status") and work:
            return replace(answer, data={**answer.data, **work.pop()})
        return answer

    castor.api.transport.request = request  # type: ignore[method-assign]
    assert isinstance(moved(castor), Done)
    assert not work and asked.index("shutdown") > asked.index("schedule_now") + 3


def test_of_a_server_that_is_long_dead_only_files_tell(tmp_path: Path) -> None:
    castor, pollux = two_nodes(str(tmp_path))
    castor.world.local = "pollux"
    add_guest(castor.world, 201, {**SSA, "hostname": "mould", "template": 1})
    (before,) = pollux.station.info()["machines"]
    castor.world.nodes["castor"].online = False
    for _minute in range(10):
        pollux.api.sleep(60)
        pollux.api.get("version")
    assert "name" not in pollux.api.get("cluster/resources", {"type": "vm"})[0]
    (after,) = pollux.station.info()["machines"]
    assert (after["name"], after["machine"]) == ("ssa", before["machine"])
    assert pollux.station.find("ssa").place.node == "castor"
    assert [each["name"] for each in pollux.station.cluster().guests()] == ["ssa"]


def test_a_move_is_remembered_while_the_target_is_long_dead(tmp_path: Path) -> None:
    nodes = castor, pollux = two_nodes(str(tmp_path))
    number = 1 + next(
        number for number, each in enumerate(counted(tmp_path, "container")) if each.endswith("/migrate")
    )
    with pytest.raises(Killed):
        disturbed(nodes, number, killed)
    castor.api.sleep(10)
    assert castor.api.get("cluster/status") and castor.guest.node == "pollux"
    castor.world.nodes["pollux"].online, castor.guest.status = False, "stopped"
    for _minute in range(10):
        castor.api.sleep(60)
        assert castor.twin("resume", "--unattended")[0] == 3
    assert castor.station.journals() == ["ssa"]
    pollux.linked = castor.world.nodes["pollux"].online = True
    assert castor.twin("resume", "--unattended")[0] == 0
    assert settled(nodes) == "pollux"


def test_what_cannot_be_named_now_may_be_what_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    castor, _pollux = two_nodes(str(tmp_path))
    castor.files["/var/lib/twin/journal/gone.json"] = "{}"
    castor.world.nodes["pollux"].online = False
    for _minute in range(10):
        castor.api.sleep(60)
        castor.api.get("version")
    add_guest(castor.world, 201, {**SSA, "hostname": "tap"}, node="pollux")
    monkeypatch.setattr(castor, "_config", lambda _node, _vmid: None)
    castor.station.journals()
    assert "/var/lib/twin/journal/gone.json" in castor.files
    monkeypatch.undo()
    castor.station.journals()
    assert "/var/lib/twin/journal/gone.json" not in castor.files


def test_the_timer_minds_machines_alone(tmp_path: Path) -> None:
    """Other guests have no move that it could go on with."""
    castor, _pollux = two_nodes(str(tmp_path))
    add_guest(castor.world, 900, {**SSA, "hostname": "other"}, running=True)
    castor.world.nodes["pollux"].online = False
    assert castor.twin("resume", "--unattended") == (0, "")
    # One whose note is damaged may have an open move.
    castor.guest.config["description"] = "<!-- twin:{-->"
    assert castor.station.journals() == ["ssa"]


def test_what_the_manager_was_asked_for_cannot_be_taken_back(tmp_path: Path) -> None:
    make = "managed container"
    relocated = [
        number for number, each in enumerate(counted(tmp_path, make), 1) if each.endswith("/relocate")
    ]
    nodes = castor, pollux = two_nodes(str(tmp_path), managed=True)
    with pytest.raises(Killed):
        disturbed(nodes, relocated[0], killed)
    decision = undo(castor.driver(quiet))
    assert isinstance(decision, Done) and decision.sentence == "machine ssa is on pollux"
    assert settled(nodes) == "pollux"


SPOILS: dict[str, tuple[Callable[[Node], object], str]] = {
    "locked": (lambda node: node.guest.config.update(lock="backup"), "it is locked (backup)"),
    "maintenance": (lambda node: setattr(node.world.nodes["pollux"], "maintenance", True), "in maintenance"),
    "folder": (lambda node: node.guest.config.update(mp3="/srv/x,mp=/x"), "mp3 is a folder of its server"),
    "bridge": (
        lambda node: [
            node.guest.config.update(net1="name=eth1,bridge=vmbr7"),
            live(node.world.nodes["castor"]).update(vmbr7={"type": "bridge"}),
        ],
        "there is no bridge vmbr7 on pollux",
    ),
    "storage": (
        lambda node: node.world.file("storage")["tank"].update(nodes="castor"),
        "there is no storage tank on pollux",
    ),
    "memory": (
        lambda node: setattr(node.world.nodes["pollux"], "memory", 1 << 20),
        "memory of pollux is 1M",
    ),
    "twin down": (lambda node: setattr(node.world.nodes["pollux"], "online", False), "pollux is down"),
    "quorum": (
        lambda node: [
            setattr(node.world.nodes["pollux"], "online", False),
            node.world.qdevice.update(online=False),
        ],
        "the cluster has no quorum",
    ),
    "unknown": (
        lambda node: node.guest.config.update(description="plain twin:"),
        "guest 200 of that name has no note of twin",
    ),
    "damaged": (lambda node: node.guest.config.update(description="<!-- twin:{-->"), "it is damaged"),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_what_stands_against_it_is_said_before_anything_is_touched(tmp_path: Path, spoil: str) -> None:
    castor, _pollux = two_nodes(str(tmp_path), replicated=False)
    make, reason = SPOILS[spoil]
    make(castor)
    castor.api.api.log.clear()
    with pytest.raises(Refused) as error:
        forecast(castor.driver(quiet), "pollux")
    assert reason in str(error.value)
    assert castor.api.changes == [] == castor.changes


def test_all_of_it_is_said_at_once(tmp_path: Path) -> None:
    castor, _pollux = two_nodes(str(tmp_path), replicated=False)
    for name in ("folder", "bridge", "storage", "memory"):
        SPOILS[name][0](castor)
    with pytest.raises(Refused) as error:
        forecast(castor.driver(quiet), "pollux")
    assert len(error.value.facts["blockers"]) == 4


def test_info(tmp_path: Path) -> None:
    castor, pollux = two_nodes(str(tmp_path))
    (mine,) = castor.station.info()["machines"]
    (his,) = pollux.station.info()["machines"]
    keys = ("name", "owner", "role", "state", "epoch", "defined", "root_image")
    assert [mine[key] for key in keys] == ["ssa", "castor", "owner", "running", 1, True, "tiny"]
    assert mine["late"] == "machine ssa has no replica on pollux"
    assert (his["owner"], his["role"], his["state"], his["defined"]) == (
        "castor",
        "replica",
        "stopped",
        False,
    )
    assert mine["machine"] == his["machine"]
    # Of a dead server nothing but its files is known.
    castor.world.nodes["castor"].online = False
    (his,) = pollux.station.info()["machines"]
    assert (his["owner"], his["machine"]) == ("castor", mine["machine"])
