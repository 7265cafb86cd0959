# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof of the move: thousands of random histories of two servers, every kind of failure at every point.

The planner and its loop are the real ones; the two servers are a model. Its facts: a write of a property, a
journal or a definition is atomic and durable (fsync, transaction groups of ZFS); a power cut stops the
machine and the driver and keeps what was written; a request over a cut link fails, and one that is cut
while it is carried out may or may not have had its effect.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._machine.journal import (
    Journal,
    Owner,
    Round,
    Stage,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.move import (
    SMALL,
    Done,
    Hands,
    Relay,
    Side,
    Step,
    Verb,
    drive,
    leading,
    may_start,
    next_step,
)

NAMES = ("castor", "pollux")
MACHINE = "ssa"


class Killed(Exception):
    """The driver has died, by signal or with its server."""


@dataclass
class Server:
    name: str
    up: bool = True
    journal: Journal | None = None
    owner: Owner | None = None
    running: bool = False
    replica: bool = True
    written: int = 0
    snapshots: dict[str, tuple[str, int]] = field(default_factory=dict)

    def side(self) -> Side:
        trees = {name: (guid,) for name, (guid, _written) in self.snapshots.items()}
        return Side(self.name, self.journal, self.owner, self.running, self.replica, trees)

    def start(self) -> None:
        """What every way of starting does: the hook decides."""
        may_start(self.name, self.owner, self.journal, MACHINE)
        if self.replica:
            raise TwinError("its file system is not mounted")
        self.running = True


@dataclass
class World:
    """Both servers, the link, and the faults that are to come at given ticks."""

    servers: dict[str, Server] = field(default_factory=lambda: {name: Server(name) for name in NAMES})
    linked: bool = True
    acknowledged: int = 0
    count: int = 0
    faults: dict[int, str] = field(default_factory=dict)
    ticks: int = 0
    garbled: bool = False
    """What is received next is not what was sent."""

    def other(self, name: str) -> Server:
        return self.servers[NAMES[1 - NAMES.index(name)]]

    def write(self) -> None:
        """The service writes and acknowledges, wherever it runs."""
        for server in self.servers.values():
            if server.up and server.running:
                self.acknowledged += 1
                server.written += 1
                assert server.written >= self.acknowledged, f"{server.name} has lost a write"

    def power_off(self, server: Server) -> None:
        server.up = server.running = False

    def tick(self, driver: Server) -> None:
        """Between any two effects: whatever was drawn for this moment happens."""
        self.check()
        self.ticks += 1
        self.write()
        fault = self.faults.pop(self.ticks, None)
        if fault == "cut":
            self.linked = False
        elif fault == "mend":
            self.linked = True
        elif fault == "off-here":
            self.power_off(driver)
        elif fault == "off-there":
            self.power_off(self.other(driver.name))
        elif fault == "start-here":
            attempt(driver)
        elif fault == "start-there":
            attempt(self.other(driver.name))
        elif fault == "fail":
            raise TwinError("the tool underneath failed")
        elif fault == "garble":
            self.garbled = True
        elif fault == "prune":
            for server in self.servers.values():
                server.snapshots.clear()
        if fault == "kill" or not driver.up:
            raise Killed
        self.check()

    def check(self) -> None:
        assert sum(server.running for server in self.servers.values()) < 2, "it runs on both servers"
        for server in self.servers.values():
            if server.running:
                assert server.up
                assert server.written >= self.acknowledged, f"{server.name} has lost a write"


def attempt(server: Server) -> None:
    """Somebody, or the boot, starts the machine by hand."""
    if server.up and not server.running:
        try:
            server.start()
        except TwinError:
            return


@dataclass
class ModelHands(Hands):
    """The steps, each as its effects in the order of `_machine/host.py`."""

    world: World
    here: Server
    waits: int = 3

    @property
    def there(self) -> Server:
        return self.world.other(self.here.name)

    def reachable(self) -> bool:
        return self.world.linked and self.there.up

    def look(self) -> tuple[Side, Side | None]:
        self.world.ticks += 1
        if not self.here.up:
            raise Killed
        return self.here.side(), self.there.side() if self.reachable() else None

    def patient(self) -> bool:
        self.waits -= 1
        return self.waits > 0

    def do(self, step: Step) -> None:
        self.world.tick(self.here)
        for remote, effect in self.effects(step):
            if remote and not self.reachable():
                raise TwinError("the twin cannot be reached")
            effect()
            self.world.tick(self.here)
            if remote and not self.reachable():
                raise TwinError("the answer of the twin was lost")

    def effects(self, step: Step) -> Iterator[tuple[bool, Callable[[], None]]]:
        journal = step.journal
        # As in `_machine/host.py`, a step at the target goes to the target even when that is this server.
        away = journal.target != self.here.name
        target = self.world.servers[journal.target]
        match step.verb:
            case Verb.ANNOUNCE:
                yield away, lambda: announce(target, journal)
            case Verb.SEED:
                yield from self.transfer(step, f"s{self.world.count}", final=False)
            case Verb.STOP:
                yield False, lambda: self.note(dataclasses.replace(journal, stage=Stage.FINAL, stopped=0.0))
                yield False, lambda: setattr(self.here, "running", False)
            case Verb.FINAL:
                yield from self.transfer(step, f"s{self.world.count}", final=True)
            case Verb.COMMIT:
                yield False, lambda: setattr(self.here, "owner", Owner(journal.target, journal.epoch + 1))
            case Verb.CLAIM:
                yield away, lambda: claim(target, Owner(journal.target, journal.epoch + 1))
            case Verb.START:
                yield away, lambda: prepare(target)
                if journal.running:
                    yield away, lambda: (target.running or target.start(), None)[1]
                yield False, lambda: self.note(dataclasses.replace(journal, downtime=1.0))
            case Verb.RETIRE:
                yield False, lambda: setattr(self.here, "owner", target.owner)
                yield False, lambda: setattr(self.here, "replica", True)
            case Verb.BACK:
                yield (
                    False,
                    lambda: self.note(dataclasses.replace(journal, stage=Stage.BACK, reason=step.reason)),
                )
            case Verb.REVIVE:
                yield False, lambda: self.here.running or self.here.start()  # type: ignore[func-returns-value]
            case Verb.CLOSE_TARGET:
                yield away, lambda: close(target, journal, step.stage)
            case Verb.CLOSE:
                assert step.stage
                stage = step.stage
                yield False, lambda: self.note(dataclasses.replace(journal, stage=stage))

    def transfer(self, step: Step, name: str, *, final: bool) -> Iterator[tuple[bool, Callable[[], None]]]:
        world, here, there, journal = self.world, self.here, self.there, step.journal
        world.count += 1

        def snapshot() -> None:
            here.snapshots[name] = (f"guid-{name}", here.written)

        def receive() -> None:
            if there.owner is not None and there.owner.server == there.name:
                raise Refused("the target owns the dataset")
            if name not in here.snapshots:
                raise TwinError("the snapshot is gone")
            guid, written = here.snapshots[name]
            there.snapshots[name] = ("garbled", 0) if world.garbled else (guid, written)
            there.written = there.snapshots[name][1]
            world.garbled = False

        sent = SMALL if len(journal.rounds) > 1 else SMALL * 9
        done = Round(name, sent, 1.0)
        yield False, snapshot
        yield True, receive
        yield (
            False,
            lambda: self.note(
                dataclasses.replace(
                    journal, rounds=(*journal.rounds, done), final=name if final else journal.final
                )
            ),
        )

    def note(self, journal: Journal) -> None:
        self.here.journal = journal


def announce(target: Server, journal: Journal) -> None:
    if target.journal and target.journal.open and target.journal.source != journal.source:
        raise Refused("another move is under way")
    target.journal = dataclasses.replace(journal, rounds=())


def claim(target: Server, owner: Owner) -> None:
    if target.owner is None or target.owner.epoch < owner.epoch:
        target.owner = owner


def prepare(target: Server) -> None:
    if target.owner is None or target.owner.server != target.name:
        raise Refused("the target does not own the dataset")
    target.replica = False


def close(target: Server, journal: Journal, stage: Stage | None) -> None:
    assert stage
    if target.journal and target.journal.token == journal.token:
        target.journal = dataclasses.replace(target.journal, stage=stage)


def resume(world: World, name: str) -> object:
    """`twin resume` as the program does it: on the target it asks the source to drive, when that answers."""
    decision = drive(ModelHands(world, world.servers[name]), lambda sentence: None)
    if isinstance(decision, Relay):
        return drive(ModelHands(world, world.servers[decision.server]), lambda sentence: None)
    return decision


FAULTS = (
    "kill",
    "cut",
    "mend",
    "off-here",
    "off-there",
    "start-here",
    "start-there",
    "fail",
    "prune",
    "garble",
)
TICKS = 60
"""More than a move has: some faults come when it is over."""


def deployed() -> World:
    world = World()
    castor = world.servers["castor"]
    castor.owner, castor.replica, castor.running = Owner("castor", 1), False, True
    return world


def suffered(world: World, faults: Mapping[int, str], work: Callable[[], object]) -> object:
    """Do something while the given faults happen; None when its process has died."""
    world.ticks, world.faults = 0, dict(faults)
    try:
        return work()
    except Killed:
        return None
    finally:
        world.faults = {}


def move(world: World, name: str) -> object:
    """`twin move` as the program begins it: with both servers whole and no other move open."""
    here, there = world.servers[name], world.other(name)
    known = leading(here.journal, there.journal)
    whole = here.up and there.up and world.linked and not (known and known.open)
    if not whole or here.owner is None or here.owner.server != name:
        return None
    world.count += 1
    here.journal = Journal(
        f"move-{world.count}",
        MACHINE,
        name,
        there.name,
        here.owner.epoch,
        "{}",
        here.running,
        Stage.SEED,
        0.0,
    )
    return drive(ModelHands(world, here), lambda sentence: None)


def undo(world: World, name: str) -> object:
    """`twin undo`: the same loop, begun with a trouble; after the commit it changes nothing."""
    hands = ModelHands(world, world.servers[name])
    decision = next_step(*hands.look(), "undo was asked for")
    if not isinstance(decision, Step) or decision.verb is not Verb.BACK:
        return None
    hands.do(decision)
    return drive(hands, lambda sentence: None)


def boot(world: World, name: str) -> None:
    """Power: the machine is started at boot if the hook lets it."""
    server = world.servers[name]
    if not server.up:
        server.up = True
        attempt(server)


COMMANDS: Mapping[str, Callable[[World, str], object]] = {
    "move": move,
    "resume": resume,
    "undo": undo,
    "boot": boot,
    "off": lambda world, name: world.power_off(world.servers[name]),
    "start": lambda world, name: attempt(world.servers[name]),
    "cut": lambda world, name: setattr(world, "linked", False),
    "mend": lambda world, name: setattr(world, "linked", True),
}
Event = tuple[str, str, Mapping[int, str]]


def live_through(world: World, events: Iterable[Event]) -> None:
    for command, name, faults in events:
        if world.servers[name].up or command == "boot":
            with contextlib.suppress(TwinError):
                suffered(world, faults, lambda: COMMANDS[command](world, name))  # noqa: B023
        world.check()
        healthy = world.linked and all(server.up for server in world.servers.values())
        open_still = any(server.journal and server.journal.open for server in world.servers.values())
        if healthy and not open_still:
            assert_settled(world)


def assert_settled(world: World) -> None:
    """One owner, known to both; the machine runs there, with everything it ever acknowledged."""
    newest = max((s.owner for s in world.servers.values() if s.owner), key=lambda owner: owner.epoch)
    owner, other = world.servers[newest.server], world.other(newest.server)
    assert owner.owner == newest
    assert owner.running, "it runs on neither"
    assert owner.written >= world.acknowledged
    assert not other.running
    assert other.owner is None or other.owner == newest
    assert other.replica, "two writable copies"


def heal(world: World, first: str) -> None:
    """Both servers are back, and somebody resumes on either."""
    world.linked = True
    for name in NAMES:
        boot(world, name)
    for name in (first, world.other(first).name):
        decision = resume(world, name)
        assert isinstance(decision, Done), decision
    assert not any(server.journal and server.journal.open for server in world.servers.values())
    assert_settled(world)


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_at_every_moment(fault: str, first: str) -> None:
    for tick in range(1, TICKS):
        world = deployed()
        live_through(world, [("move", "castor", {tick: fault})])
        heal(world, first)


@pytest.mark.parametrize("fault", ["kill", "cut", "off-here", "off-there"])
def test_a_second_fault_at_every_moment_of_the_resume(fault: str) -> None:
    for tick, again, name in itertools.product(range(1, TICKS), range(1, 30), NAMES):
        world = deployed()
        live_through(
            world,
            [
                ("move", "castor", {tick: fault}),
                ("boot", "castor", {}),
                ("boot", "pollux", {}),
                ("resume", name, {again: "kill"}),
                ("mend", name, {}),
                ("resume", name, {again: fault}),
            ],
        )
        heal(world, name)


def test_a_move_that_nothing_disturbs_ends_on_the_twin_and_comes_back() -> None:
    world = deployed()
    live_through(world, [("move", "castor", {})])
    assert world.servers["pollux"].owner == Owner("pollux", 2)
    live_through(world, [("move", "pollux", {})])
    assert world.servers["castor"].owner == Owner("castor", 3)
    assert world.ticks < TICKS


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["move", "move", "resume", "resume", *COMMANDS]),
            st.sampled_from(NAMES),
            st.dictionaries(st.integers(1, TICKS), st.sampled_from(FAULTS), max_size=3),
        ),
        max_size=10,
    ),
    first=st.sampled_from(NAMES),
)
def test_any_history(events: list[Event], first: str) -> None:
    world = deployed()
    live_through(world, events)
    heal(world, first)
