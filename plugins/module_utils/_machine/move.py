# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The move of a machine to the twin, as a pure function of what both servers show.

`next_step` looks at both journals and both observed states and names one step. Nothing is
remembered between steps, so to resume is to run the same thing again. The laws:

* Only the source decides before the commit, under its own lock. The commit is one write on the
  source: its ``twin:owner`` names the target with the next epoch. The target claims (writes the
  same on its own dataset) only after somebody has read that write. Each server starts a machine
  only if its own ``twin:owner`` names it: so never both.
* Before the commit every trouble turns the move back; after it, forward is the only way.
* From stage ``final`` on the guard refuses to start the machine on the source, so that nothing is
  written behind the last snapshot.

On a cluster (`Way`) the ownership is the place of the guest's configuration, of which there is one: to hand
it over is one request, which takes the data along, and both servers see one journal. The same function
decides, with fewer steps.

tests/unit/machine/test_move_model.py holds them against crashes, cuts and power failures at every point.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from .._core.errors import Refused, TwinError
from .journal import Journal, Owner, Round, Stage, journal_data, journal_of, parse_owner

SMALL = 4 * 1024 * 1024
"""Bytes: what is sent after the stop without being felt."""
_SHRINKS = 0.8
_MANY_ROUNDS = 12


class Verb(enum.StrEnum):
    """What the driver on the source can do, on the source unless it says otherwise."""

    ANNOUNCE = "announce"
    """Target: keep a copy of the journal."""
    SEED = "seed"
    """Send a snapshot of the running machine."""
    STOP = "stop"
    """Write stage ``final``, then stop the machine."""
    FINAL = "final"
    """Send a snapshot of the stopped machine and note it."""
    COMMIT = "commit"
    """Hand the ownership to the target."""
    CLAIM = "claim"
    """Target: take the ownership that was handed over."""
    START = "start"
    """Target: make the tree writable, define the machine, start it if it ran, wait until it answers."""
    RETIRE = "retire"
    """Make the old copy the replica: read-only and unmounted."""
    BACK = "back"
    """Write stage ``back``."""
    REVIVE = "revive"
    """Start the machine again where it was."""
    CLOSE_TARGET = "close-target"
    """Target: write how the move ended."""
    CLOSE = "close"
    """Write how the move ended."""


class Way(enum.StrEnum):
    """What the two servers of a machine are to each other."""

    PAIR = "pair"
    """Each has a journal and a copy of its own."""
    CLUSTER = "cluster"
    """They see one journal, and handing over takes the last changes along."""
    MANAGED = "managed"
    """The same, and the cluster's manager alone stops and starts it."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next thing to do.

    :param stage: for the closing verbs, how the move ended.
    :param reason: for ``back``, why.
    """

    verb: Verb
    journal: Journal
    sentence: str
    stage: Stage | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""

    sentence: str
    journal: Journal | None = None


@dataclass(frozen=True, slots=True)
class Stuck:
    """What is left cannot be done now; running ``twin resume`` again will do it.

    :param passing: whether waiting may help.
    """

    sentence: str
    passing: bool = False
    journal: Journal | None = None


@dataclass(frozen=True, slots=True)
class Relay:
    """The other server can be reached, and it is the one to drive this move."""

    server: str


Decision: TypeAlias = "Step | Done | Stuck | Relay"


@dataclass(frozen=True, slots=True)
class Side:
    """One server, as far as one machine is concerned.

    :param owner: the local value of ``twin:owner``; None when there is none.
    :param replica: whether its copy is read-only and unmounted (a copy that is not there counts).
    :param trees: for each snapshot that every dataset of the tree has, its GUIDs, by dataset.
    :param way: nobody but a pair sends its sides to each other, so this does not travel.
    :param seeds: whether the machine can be sent while it runs; it does not travel either.
    """

    server: str
    journal: Journal | None = None
    owner: Owner | None = None
    running: bool = False
    replica: bool = True
    trees: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    way: Way = Way.PAIR
    seeds: bool = True


def side_data(side: Side) -> dict[str, Any]:
    """A side of a pair as plain data, for the other server. Law: ``side_of(side_data(s)) == s``."""
    return {
        "server": side.server,
        "journal": journal_data(side.journal) if side.journal else None,
        "owner": str(side.owner) if side.owner else None,
        "running": side.running,
        "replica": side.replica,
        "trees": {name: list(guids) for name, guids in side.trees.items()},
    }


def side_of(values: Mapping[str, Any]) -> Side:
    """A side from plain data."""
    return Side(
        server=values["server"],
        journal=journal_of(values["journal"]) if values["journal"] else None,
        owner=parse_owner(values["owner"]) if values["owner"] else None,
        running=values["running"],
        replica=values["replica"],
        trees={name: tuple(guids) for name, guids in values["trees"].items()},
    )


def next_step(here: Side, there: Side | None, trouble: str | None = None) -> Decision:
    """What is to be done now about the latest move of a machine.

    :param here: the server that asks, and would carry out the step.
    :param there: its twin; None when it cannot be reached.
    :param trouble: why the step before this one failed.
    """
    journal = leading(here.journal, there.journal if there else None)
    if journal is None:
        return Done("no move of this machine is known")
    if not journal.open:
        return Done(_ending(journal), journal)
    if here.server == journal.target:
        return _alone(journal, here) if there is None else Relay(journal.source)
    if committed(journal, here, there):
        return _after_commit(journal, here, there)
    if here.journal is None or not here.journal.open:
        return _close_target(journal, Stage.UNDONE)
    return _before_commit(journal, here, there, trouble)


def leading(here: Journal | None, there: Journal | None) -> Journal | None:
    """The journal that says what is to be done: an open one first, and our own first."""
    known = [journal for journal in (here, there) if journal is not None]
    return next((journal for journal in known if journal.open), known[0] if known else None)


def committed(journal: Journal, source: Side, target: Side | None) -> bool:
    """Whether the source has handed the machine over, or the target has taken it."""
    owners = [source.owner, target.owner if target else None]
    return any(
        owner is not None and owner.server == journal.target and owner.epoch > journal.epoch
        for owner in owners
    )


def may_start(server: str, owner: Owner | None, journal: Journal | None, machine: str) -> None:
    """What the start hook asks.

    :raises Refused: when the machine must not start on this server.
    """
    if owner is None:
        raise Refused(
            f"machine {machine} on {server}",
            "this copy belongs to no server",
            "start it on the server that owns it (twin info)",
        )
    if owner.server != server:
        raise Refused(
            f"machine {machine} on {server}",
            f"it belongs to {owner.server}",
            f"start it there, or move it here with: twin move {machine} --to {server}",
        )
    if journal is None or journal.source != server or journal.stage is not Stage.FINAL:
        return
    # After the commit the owner says so already; until then a start would write behind the last snapshot.
    # An older journal does not count: a machine that has come back since then has a higher epoch.
    if owner.epoch == journal.epoch:
        raise Refused(
            f"machine {machine} on {server}",
            f"it is being moved to {journal.target}",
            f"finish that with: twin resume {machine}, or take it back with: twin undo {machine}",
        )


def settled(rounds: Sequence[Round]) -> bool:
    """Whether another round while the machine runs would not make the last one smaller."""
    if not rounds:
        return False
    if rounds[-1].sent <= SMALL or len(rounds) >= _MANY_ROUNDS:
        return True
    sizes = [each.sent for each in rounds[-4:]]
    pairs = zip(sizes, sizes[1:], strict=False)
    return len(sizes) == 4 and all(after > before * _SHRINKS for before, after in pairs)


class Blind(Refused):
    """Nothing can be seen of the machine now, so nothing may be decided."""


class Interrupted(TwinError):
    """Somebody asked the process to end."""


class Hands(Protocol):
    """What `drive` needs of the world."""

    def look(self) -> tuple[Side, Side | None]:
        """Here and there; None when the twin cannot be reached.

        :raises Blind: when not even this server can tell.
        """

    def do(self, step: Step) -> None:
        """Carry out one step.

        :raises TwinError: when it failed, or may have failed.
        """

    def patient(self) -> bool:
        """Wait a moment; False when that has been done for long enough."""


def drive(hands: Hands, tell: Callable[[str], None]) -> Done | Stuck | Relay:
    """Step after step, to the end or to where only the twin's return helps.

    :param tell: is given each sentence before its step is carried out.
    """
    trouble: str | None = None
    failed: Verb | None = None
    while True:
        try:
            decision = next_step(*hands.look(), trouble)
        except Blind as blind:
            decision = Stuck(str(blind), passing=True)
        except Interrupted as interrupted:
            trouble = str(interrupted)
            continue
        if isinstance(decision, Stuck) and decision.passing and hands.patient():
            continue
        if not isinstance(decision, Step):
            return decision
        if decision.verb is failed and not hands.patient():
            return Stuck(trouble or decision.sentence, journal=decision.journal)
        tell(decision.sentence)
        try:
            hands.do(decision)
            trouble, failed = None, None
        except TwinError as error:
            trouble, failed = str(error), decision.verb
            tell(trouble)


def _before_commit(journal: Journal, source: Side, target: Side | None, trouble: str | None) -> Decision:
    machine, server, twin = journal.machine, journal.source, journal.target
    if source.owner != Owner(server, journal.epoch):
        return Stuck(
            f"machine {machine}: {server} should own it with epoch {journal.epoch}, "
            f"but its twin:owner says {source.owner or 'nothing'}; "
            "find out which server holds the newest data before anything is started",
            journal=journal,
        )
    if journal.stage is Stage.BACK:
        if journal.running and not source.running:
            return Step(Verb.REVIVE, journal, f"start {machine} on {server} again")
        # A target which cannot be told now learns it from its own resume.
        if target and _has_open(target) and not trouble:
            return _close_target(journal, Stage.UNDONE)
        return Step(Verb.CLOSE, journal, f"close the move of {machine}: undone", stage=Stage.UNDONE)
    if trouble or target is None:
        return _back(journal, trouble or f"{twin} cannot be reached")
    if target.way is Way.PAIR and (target.journal is None or target.journal.token != journal.token):
        return Step(Verb.ANNOUNCE, journal, f"announce {machine} to {twin}")
    if journal.stage is Stage.SEED and source.running and source.seeds and not settled(journal.rounds):
        return Step(Verb.SEED, journal, f"send {machine} to {twin} while it runs")
    hand_over = Step(Verb.COMMIT, journal, f"hand {machine} over to {twin}")
    if source.way is Way.MANAGED:
        return hand_over
    if source.running or journal.stage is Stage.SEED:
        return Step(Verb.STOP, journal, f"stop {machine} on {server}")
    if source.way is Way.CLUSTER:
        return hand_over
    if journal.final is None:
        return Step(Verb.FINAL, journal, f"send the last changes of {machine} to {twin}")
    if not source.trees.get(journal.final) or source.trees.get(journal.final) != target.trees.get(
        journal.final
    ):
        return _back(journal, f"snapshot {journal.final} of {machine} is not the same on {server} and {twin}")
    return hand_over


def _after_commit(journal: Journal, source: Side, target: Side | None) -> Decision:
    machine, server, twin = journal.machine, journal.source, journal.target
    if source.running:
        return Step(Verb.STOP, journal, f"stop {machine} on {server}")
    if target is None:
        return Stuck(
            f"machine {machine} was handed over to {twin}, but {twin} cannot be reached from {server}; "
            f"when it can be: twin resume {machine}",
            passing=True,
            journal=journal,
        )
    if target.owner is None or target.owner.epoch <= journal.epoch:
        return Step(Verb.CLAIM, journal, f"{twin} takes {machine}")
    if target.replica or (journal.running and (not target.running or journal.downtime is None)):
        return _start(journal)
    if not source.replica or source.owner is None or source.owner.server != twin:
        return Step(Verb.RETIRE, journal, f"make the copy on {server} the replica")
    if _has_open(target):
        return _close_target(journal, Stage.DONE)
    return _done(journal)


def _alone(journal: Journal, target: Side) -> Decision:
    """The target, while the source cannot be reached: it may run only what it has claimed."""
    machine, server, twin = journal.machine, journal.source, journal.target
    if target.owner is None or target.owner.server != twin or target.owner.epoch <= journal.epoch:
        return Stuck(
            f"machine {machine}: {server} cannot be reached and has not been seen to hand it over to {twin}, "
            f"so it must not be started here; when {server} is back: twin resume {machine}",
            journal=journal,
        )
    if target.replica or (journal.running and journal.downtime is None):
        return _start(journal)
    if target.way is not Way.PAIR:
        return _done(journal)
    return Stuck(
        f"machine {machine} is on {twin}, which owns it; the old copy on {server} becomes the replica when "
        f"{server} can be reached",
        journal=journal,
    )


def _has_open(target: Side) -> bool:
    """Whether a journal of its own says that the move goes on."""
    return target.way is Way.PAIR and target.journal is not None and target.journal.open


def _done(journal: Journal) -> Step:
    return Step(Verb.CLOSE, journal, f"close the move of {journal.machine}", stage=Stage.DONE)


def _start(journal: Journal) -> Step:
    verb = "start" if journal.running else "define"
    return Step(Verb.START, journal, f"{verb} {journal.machine} on {journal.target}")


def _back(journal: Journal, reason: str) -> Step:
    return Step(Verb.BACK, journal, f"give up the move of {journal.machine}: {reason}", reason=reason)


def _close_target(journal: Journal, stage: Stage) -> Step:
    return Step(Verb.CLOSE_TARGET, journal, f"tell {journal.target} how the move ended: {stage}", stage=stage)


def _ending(journal: Journal) -> str:
    if journal.stage is Stage.DONE:
        return f"machine {journal.machine} is on {journal.target}"
    return f"machine {journal.machine} stayed on {journal.source}: {journal.reason or 'the move was undone'}"
