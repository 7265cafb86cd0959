# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers in memory: whatever their past, what arrives is what was sent, and nothing is lost unasked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    CommandMissing,
    Refused,
    TwinError,
    Unreachable,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Peer
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._core.pipe import Joined
from ansible_collections.twin.datacenter.plugins.module_utils._zfs import transfer
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import capabilities
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.replica import Item
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot import HOLD, Dataset
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot_host import read_datasets
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.stream import How
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.transfer import (
    Sent,
    read_replica,
    replicate,
    set_origin,
    set_replica,
)
from ansible_collections.twin.datacenter.plugins.modules.zfs_replica import SUBJECT
from tests.doubles.memory import power_cut_before
from tests.doubles.zfs_streams import Server, pair, written
from tests.laws.cases_zfs_replica import COPIED, IMAGE_THERE, MACHINE, OWN, item

TREE = "tank/machines/m"
BOTH = [("fuse", "fuse"), ("openzfs-2.3", "openzfs-2.3"), ("openzfs-2.3", "fuse"), ("fuse", "openzfs-2.3")]
DATASETS = (TREE, f"{TREE}/data", f"{TREE}/root")


def tree(server: Server, root: str = TREE) -> dict[str, Dataset]:
    """What a server has, read by our own code."""
    return read_datasets(server.reader(), capabilities(server), [root], recursive=True)


def run(here: Server, *items: dict[str, object], allow: tuple[str, ...] = (), check: bool = False) -> Outcome:
    params = {"replicas": list(items), "peer": {"addresses": ["192.0.2.12"]}, "allow_destroy": list(allow)}
    return reconcile(SUBJECT, params, here.reader(), None if check else here)


class OneByOne(Executor):
    """Runs everything at once and in order, so that "the seventh command" is always the same one."""

    def __init__(self, _workers: int) -> None:
        """Takes what a pool of threads takes."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except TwinError as error:
            future.set_exception(error)
        return future


@pytest.fixture(autouse=True)
def one_by_one(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.name != "test_streams_of_a_tree_flow_at_the_same_time":
        monkeypatch.setattr(transfer, "ThreadPoolExecutor", OneByOne)


@pytest.mark.parametrize(("mine", "theirs"), BOTH)
def test_a_machine_arrives_as_a_replica(mine: str, theirs: str) -> None:
    here, there = pair(mine, theirs, *MACHINE, *IMAGE_THERE)
    replicate(here, there, TREE)
    arrived = tree(there)
    assert list(arrived) == list(DATASETS)
    assert all(each.readonly and not each.mounted and each.canmount == "noauto" for each in arrived.values())
    assert arrived[f"{TREE}/root"].origin == "tank/images/d@base"
    assert written(there, f"{TREE}/data") == "one"
    for server in (here, there):
        assert all([each.holds for each in one.snapshots] == [{HOLD}] for one in tree(server).values())


@pytest.mark.parametrize(("mine", "theirs"), BOTH)
def test_holds_move_on_with_the_newest_common_snapshot(mine: str, theirs: str) -> None:
    here, there = pair(mine, theirs, *COPIED)
    replicate(here, there, TREE)
    for server in (here, there):
        for dataset in tree(server).values():
            assert [each.name for each in dataset.snapshots if HOLD in each.holds] == ["s3"]


def test_the_module_moves_the_holds_too() -> None:
    here, there = pair("fuse", "", *COPIED)
    said = run(here, item("tank/machines/m")).plan.sentences
    assert said[-1] == "hold @s3 of tank/machines/m as the newest that both sides share"
    for server in (here, there):
        assert [each.name for each in tree(server)[TREE].snapshots if HOLD in each.holds] == ["s3"]


@pytest.mark.parametrize(("mine", "theirs"), BOTH)
def test_the_last_delta_asks_little_and_leaves_the_holds(mine: str, theirs: str) -> None:
    """What a move does while the machine is stopped."""
    here, there = pair(mine, theirs, *COPIED)
    first = replicate(here, there, TREE)
    here.change(["zfs", "snapshot", "-r", f"{TREE}@final"])
    there.calls.clear()
    there.changes.clear()
    last = replicate(here, there, TREE, known=first.target, hold=False)
    assert last.target is not None
    assert [call[1] for call in there.calls] == ["get", "holds"][: 1 if theirs == "fuse" else 2]
    assert not there.changes
    assert tree(there)[TREE].snapshots[-1].name == "final"
    assert [each.name for each in tree(there)[TREE].snapshots if each.holds] == ["s3"]


def test_what_is_known_wrongly_fails_instead_of_lying() -> None:
    here, there = pair("fuse", "", *COPIED)
    first = replicate(here, there, TREE)
    there.change(["zfs", "snapshot", f"{TREE}/data@own"])
    here.change(["zfs", "snapshot", "-r", f"{TREE}@final"])
    with pytest.raises(
        CommandFailed, match="does not match incremental source; its snapshots changed meanwhile"
    ):
        replicate(here, there, TREE, known=first.target)


@pytest.mark.parametrize(("mine", "theirs"), BOTH)
def test_the_direction_turns_round(mine: str, theirs: str) -> None:
    here, there = pair(mine, theirs, *COPIED)
    replicate(here, there, TREE)
    for name in reversed(DATASETS):
        set_replica(here, name, volume=False)
    for name in DATASETS:
        set_origin(there, name, volume=False)
    there.zfs.state.datasets[f"{TREE}/data"].content = "three"
    there.change(["zfs", "snapshot", "-r", f"{TREE}@back"])
    back = replicate(there, here, TREE)
    assert written(here, f"{TREE}/data") == "three"
    assert back.count < 100
    for name in reversed(DATASETS):
        set_replica(there, name, volume=False)
    for name in DATASETS:
        set_origin(here, name, volume=False)
    assert all(each.mounted and not each.readonly for each in tree(here).values())


@pytest.mark.parametrize("flavour", ["fuse", "openzfs-2.3"])
def test_what_only_the_peer_has_is_kept_until_it_is_named(flavour: str) -> None:
    here, there = pair(flavour, "", *COPIED, *OWN)
    machine = item(TREE, recursive=True)
    with pytest.raises(Refused, match=rf"may lose the data of {TREE}/data"):
        run(here, machine)
    with pytest.raises(Refused, match="this would lose .*@own"):
        replicate(here, there, TREE)
    assert f"{TREE}/data@own" in there.zfs.state.snapshots
    run(here, machine, allow=(f"{TREE}/data",))
    assert f"{TREE}/data@own" not in there.zfs.state.snapshots
    assert written(there, f"{TREE}/data") == "two"


def test_what_was_written_on_the_peer_is_kept_even_where_the_host_does_not_tell() -> None:
    here, there = pair("fuse", "", *COPIED)
    there.zfs.state.datasets[f"{TREE}/data"].content = "precious"
    with pytest.raises(TwinError, match="has been modified since most recent snapshot") as failed:
        run(here, item(TREE, recursive=True))
    assert "allow_destroy" in str(failed.value)
    assert written(there, f"{TREE}/data") == "precious"
    run(here, item(TREE, recursive=True), allow=(f"{TREE}/data",))
    assert written(there, f"{TREE}/data") == "two"


def test_a_failed_stream_tells_what_both_ends_said() -> None:
    here, there = pair("fuse", "", *COPIED)
    there.zfs.state.datasets[f"{TREE}/data"].content = "precious"
    with pytest.raises(CommandFailed) as failed:
        replicate(here, there, TREE)
    assert failed.value.facts["receiver_rc"] == 1
    assert "Broken pipe" in failed.value.facts["stderr"]
    assert failed.value.facts["command"][:2] == ["zfs", "send"]


@pytest.mark.parametrize("flavour", ["fuse", "openzfs-2.3"])
def test_check_mode_announces_the_size(flavour: str) -> None:
    here, there = pair(flavour, "", *COPIED)
    (said,) = [
        text
        for text in run(here, item(TREE, recursive=True), check=True).plan.sentences
        if "/data@s3 to" in text
    ]
    assert ("≤" in said) == (flavour == "fuse")
    assert not there.changes


def test_a_peer_that_does_not_answer_is_named() -> None:
    here, _unused = pair("fuse", "", *COPIED)
    here.link.up = False
    with pytest.raises(Unreachable, match=r"192\.0\.2\.12"):
        run(here, item(TREE))
    assert not here.changes


@pytest.mark.parametrize(("mine", "theirs"), BOTH)
@pytest.mark.parametrize("system", [(*MACHINE, *IMAGE_THERE), COPIED], ids=["first", "further"])
def test_killed_before_any_command_a_second_run_finishes(
    mine: str, theirs: str, system: tuple[str, ...]
) -> None:
    goal = _goal(mine, theirs, system)
    number = 0
    while True:
        here, there = pair(mine, theirs, *system)
        here.fault = there.fault = power_cut_before(number)
        try:
            replicate(here, there, TREE)
            break
        except CommandFailed:
            here.fault = there.fault = lambda argv: None
        replicate(here, there, TREE)
        assert _picture(here, there) == goal, f"killed before command {number}"
        number += 1
    assert number > 5


def _goal(mine: str, theirs: str, system: tuple[str, ...]) -> object:
    here, there = pair(mine, theirs, *system)
    replicate(here, there, TREE)
    return _picture(here, there)


def _picture(*servers: Server) -> object:
    return [
        {
            name: (each.readonly, each.mounted, [(one.name, sorted(one.holds)) for one in each.snapshots])
            for name, each in tree(server).items()
        }
        for server in servers
    ]


@pytest.mark.parametrize("flavour", ["fuse", "openzfs-2.3"])
@pytest.mark.parametrize("system", [(*MACHINE, *IMAGE_THERE), COPIED], ids=["first", "further"])
def test_a_stream_cut_off_halfway_is_finished_by_a_second_run(flavour: str, system: tuple[str, ...]) -> None:
    goal = _goal(flavour, flavour, system)
    here, there = pair(flavour, "", *system)
    here.link.breaks = lambda stream: True
    with pytest.raises(CommandFailed):
        replicate(here, there, TREE)
    here.link.breaks = lambda stream: False
    if flavour != "fuse":
        assert any(send.how is How.RESUME for send in read_replica(here, there, _item()).sends)
    replicate(here, there, TREE)
    assert _picture(here, there) == goal


def test_what_cannot_be_resumed_is_begun_anew() -> None:
    here, there = pair("openzfs-2.3", "", *COPIED)
    here.link.breaks = lambda stream: True
    with pytest.raises(CommandFailed):
        replicate(here, there, TREE)
    here.link.breaks = lambda stream: False
    for name in DATASETS:
        here.change(["zfs", "release", HOLD, f"{name}@s3"])
        here.change(["zfs", "destroy", f"{name}@s3"])
    here.change(["zfs", "snapshot", "-r", f"{TREE}@s4"])
    replicate(here, there, TREE)
    assert tree(there)[TREE].snapshots[-1].name == "s4"


def test_a_receive_that_fails_only_to_mount_has_received() -> None:
    """A peer that cannot receive unmounted, below a read-only parent: exit code 1, snapshot complete."""
    here, there = pair(
        "fuse", "", *MACHINE, *IMAGE_THERE, "peer: create tank/.incoming", "peer: set readonly=on tank"
    )
    replicate(here, there, TREE)
    assert written(there, f"{TREE}/data") == "one"


def _item() -> Item:
    return Item(TREE, TREE, True, 0)


class TwoPasts(RuleBasedStateMachine):
    """Two servers to which anything happens between replications, one of which is cut off now and then."""

    names = st.sampled_from(DATASETS)

    @initialize(flavours=st.sampled_from(BOTH))
    def begin(self, flavours: tuple[str, str]) -> None:
        self.here, self.there = pair(*flavours, *MACHINE, *IMAGE_THERE)
        self.count = 0

    def _run(self, server: Server, *words: str) -> None:
        try:
            server.change(["zfs", *words])
        except CommandFailed:
            # Held, cloned, not there: the system says no.
            return

    @rule(name=names)
    def write_here(self, name: str) -> None:
        self.count += 1
        self.here.zfs.state.datasets[name].content = f"here {self.count}"

    @rule()
    def snapshot_here(self) -> None:
        self.count += 1
        self._run(self.here, "snapshot", "-r", f"{TREE}@n{self.count}")

    @rule(name=names, number=st.integers(1, 20))
    def destroy_here(self, name: str, number: int) -> None:
        self._run(self.here, "destroy", f"{name}@n{number}")

    @rule(name=names, number=st.integers(1, 20))
    def destroy_there(self, name: str, number: int) -> None:
        self._run(self.there, "destroy", f"{name}@n{number}")

    @rule(name=names)
    def own_snapshot_there(self, name: str) -> None:
        self.count += 1
        self._run(self.there, "snapshot", f"{name}@n{self.count}")

    @rule(name=names)
    def write_there(self, name: str) -> None:
        self.count += 1
        if name in self.there.zfs.state.datasets:
            self.there.zfs.state.datasets[name].content = f"there {self.count}"

    @rule(number=st.integers(0, 12))
    def killed(self, number: int) -> None:
        self._replicate(power_cut_before(number), lambda stream: False)

    @rule()
    def cut_off(self) -> None:
        self._replicate(lambda argv: None, lambda stream: True)

    def _replicate(self, fault: Callable[..., None], breaks: Callable[..., bool]) -> None:
        self.here.fault = self.there.fault = fault  # type: ignore[assignment]
        self.here.link.breaks = breaks
        try:
            replicate(self.here, self.there, TREE)
        except TwinError:
            return
        finally:
            self.here.fault = self.there.fault = lambda argv: None
            self.here.link.breaks = lambda stream: False

    @rule()
    def replicate_politely(self) -> None:
        """Either both agree afterwards, or nothing that only the peer has is lost."""
        before = dict(self.there.zfs.state.snapshots)
        contents = {name: each.content for name, each in self.there.zfs.state.datasets.items()}
        mine = {each.guid for each in self.here.zfs.state.snapshots.values()}
        own = {name for name, each in before.items() if each.guid not in mine}
        try:
            replicate(self.here, self.there, TREE)
        except TwinError:
            for name, content in contents.items():
                was = [each.content for each in self.here.zfs.state.snapshots.values()]
                now = self.there.zfs.state.datasets.get(name)
                assert now is not None and now.content in (content, *was)
        else:
            self._agree()
        assert own <= set(self.there.zfs.state.snapshots)

    @rule()
    def replicate_by_force(self) -> None:
        """With leave to lose what only the peer has, both agree, as long as they share a past."""
        try:
            replicate(self.here, self.there, TREE, allowed=DATASETS)
        except Refused as refused:
            assert "no snapshot" in str(refused) or "newer" in str(refused)
        else:
            self._agree()

    def _agree(self) -> None:
        here, there = tree(self.here), tree(self.there)
        shared = [
            name
            for name in (each.name for each in here[TREE].snapshots)
            if all(dataset.snapshot(name) for dataset in here.values())
        ]
        for name, dataset in here.items():
            mine, theirs = dataset.snapshot(shared[-1]), there[name].snapshot(shared[-1])
            assert mine and theirs and mine.guid == theirs.guid
            assert HOLD in mine.holds and HOLD in theirs.holds
            assert there[name].readonly and not there[name].mounted


TwoPasts.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestTwoPasts = TwoPasts.TestCase


def test_progress_and_size_are_counted_together() -> None:
    here, there = pair("fuse", "", *MACHINE, *IMAGE_THERE)
    sent = replicate(here, there, TREE, on_progress=lambda progress: None)
    assert isinstance(sent, Sent)
    assert sent.count == len("one") + len("image")


@pytest.mark.parametrize(
    ("joined", "error", "says"),
    [
        (Joined(-13, "", 255, "client_loop: send disconnect: Broken pipe\n"), Unreachable, "client_loop"),
        (Joined(-13, "", 255, ""), Unreachable, "the connection broke; run it again when the peer is back"),
        (Joined(-13, "", 127, "sh: zfs: not found\n"), CommandMissing, "zfs is not installed there"),
        (Joined(1, "cannot open 'x': dataset does not exist\n", 0, ""), CommandFailed, "cannot open 'x'"),
        (
            Joined(1, "Broken pipe\n", 1, "cannot receive: out of space\n"),
            CommandFailed,
            "make room in the peer's pool",
        ),
        (Joined(-9, "", 1, ""), CommandFailed, "zfs send ended with -9; run it again"),
    ],
)
def test_every_way_to_break_is_told_in_one_sentence(
    joined: Joined, error: type[TwinError], says: str
) -> None:
    here, there = pair("fuse", "", *COPIED)
    here.pipe = lambda *_arguments: joined  # type: ignore[method-assign]
    with pytest.raises(error) as failed:
        replicate(here, there, TREE)
    assert f"{TREE}@s3 could not be sent to {TREE} on the peer" in str(failed.value)
    assert says in str(failed.value)
    assert "\n" not in str(failed.value)


def test_streams_of_a_tree_flow_at_the_same_time() -> None:
    here, there = pair("fuse", "", *COPIED)
    waiting = threading.Barrier(len(DATASETS), timeout=10)
    flow = here.pipe

    def pipe(*arguments: Any) -> Joined:
        waiting.wait()
        return flow(*arguments)

    here.pipe = pipe  # type: ignore[method-assign]
    replicate(here, there, TREE)
    assert written(there, f"{TREE}/data") == "two"


def test_the_first_address_that_answers_is_taken() -> None:
    here, there = pair("fuse", "", *MACHINE)
    assert here.reach(Peer(("10.1.0.2", "192.0.2.12"))) is there
