# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jobs of ``twin``: move, resume, undo, replicate. One process on the owning server drives each."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

from .._core.errors import Refused, TwinError
from .._core.pipe import Progress
from .._core.values import human_size
from .._zfs.host import capabilities
from .._zfs.replica import Item
from .._zfs.snapshot import Dataset, Snapshot, stamp, superfluous
from .._zfs.snapshot_host import destroy_snapshot, read_datasets, take_snapshot
from .._zfs.stream import How
from .._zfs.stream import Side as Tree
from .._zfs.transfer import Sent, read_replica, replicate
from .declaration import Machine
from .host import AnyStation, Station
from .journal import Journal, Owner, Round, Stage, journal_data
from .kinds import dataset_of
from .move import (
    Done,
    Hands,
    Interrupted,
    Relay,
    Side,
    Step,
    Stuck,
    Verb,
    committed,
    drive,
    leading,
    next_step,
    side_of,
)
from .peer import Twin
from .preflight import blockers
from .rpo import PREFIX

KEEP: Mapping[str, int] = {"last": 3, "hourly": 6, "daily": 3}
_PATIENCE = 30.0
_PAUSE = 0.5
# For tests of what happens at a step: "STEP:SIGNAL", such as "commit:KILL". The process sends itself that
# signal when the step has had its effect.
DEBUG = "TWIN_SIGNAL_AFTER"


class Tolerable(TwinError):
    """A replication failed, and the replica is not older yet than it may be."""


Tell = Callable[..., None]
"""Is given a sentence, and facts for programs as keywords."""


class Hand(Hands, Protocol):
    """What moves one machine: `Driver` on a pair, `cluster_driver.ClusterDriver` in a cluster.

    :ivar unreachable: why the twin did not tell when it was last looked at.
    """

    name: str
    unreachable: str

    @property
    def tell(self) -> Tell:
        """Says what is done."""

    @property
    def station(self) -> AnyStation:
        """This server."""

    @property
    def twin(self) -> Twin:
        """The other one."""

    def forecast(self, here: Side, owner: Owner, target: str) -> Forecast:
        """What a move of a machine that this server owns would do.

        :raises Refused: with every reason why it cannot be done.
        """

    def turns_back(self) -> bool:
        """Whether a move of the machine is under way that can still be taken back."""


@dataclass(slots=True)
class Driver:
    """Carries out the steps of one machine's move, for this server and through the twin for that one.

    :param patience: seconds to wait for a twin that cannot be reached, all together.
    :param unreachable: why the twin did not tell when it was last looked at.
    """

    station: Station
    twin: Twin
    name: str
    tell: Tell
    patience: float = _PATIENCE
    unreachable: str = ""
    _there: Side | None = None
    _until: float = field(default=0.0)
    _known: Tree | None = None

    # -- the hands of `drive`

    def look(self) -> tuple[Side, Side | None]:
        """Both sides. What the twin said last counts until something may have changed there."""
        here = self.station.side(self.name)
        if self._there is None:
            try:
                self._there = self.twin.look(self.name)
            except TwinError as error:
                # One that answers, but cannot tell, is as good as away: nothing may be decided on its behalf.
                self.unreachable = str(error)
        return here, self._there

    def patient(self) -> bool:
        """Wait half a second, as long as that is worth it."""
        now = time.monotonic()
        self._until = self._until or now + self.patience
        self._there = None
        if now >= self._until:
            return False
        time.sleep(_PAUSE)
        return True

    def do(self, step: Step) -> None:
        """Carry out one step."""
        journal, verb = step.journal, step.verb
        try:
            match verb:
                case Verb.SEED | Verb.FINAL:
                    self._send(journal, final=verb is Verb.FINAL)
                case Verb.STOP:
                    self.station.note(replace(journal, stage=Stage.FINAL, stopped=time.time()))
                    self.station.stop(self.name)
                case Verb.BACK:
                    self.station.note(replace(journal, stage=Stage.BACK, reason=step.reason))
                case Verb.REVIVE:
                    self.station.start(journal)
                    self.station.note(measured(journal))
                case Verb.COMMIT:
                    self.station.hand_over(journal)
                case Verb.RETIRE:
                    self.station.retire(journal)
                case Verb.CLOSE:
                    self.station.note(replace(journal, stage=cast(Stage, step.stage)))
                case Verb.ANNOUNCE | Verb.CLAIM | Verb.START | Verb.CLOSE_TARGET:
                    self._at_target(step)
        except BaseException:
            self._there = None
            raise
        debug(verb)

    def _at_target(self, step: Step) -> None:
        journal = step.journal
        if journal.target == self.station.server:
            # Only `start` is done by the target on its own, while the source is dead. It is done once:
            # who stops the machine after that has a reason.
            self.station.start(journal)
            self.station.note(measured(journal))
            return
        asked = {Verb.CLOSE_TARGET: "close"}.get(step.verb, str(step.verb))
        payload: Any = journal_data(journal)
        if step.verb is Verb.CLOSE_TARGET:
            payload = {"journal": payload, "stage": step.stage}
        self._there = side_of(self.twin.ask(asked, self.name, payload))
        if step.verb is Verb.START:
            self.station.note(measured(journal))

    def _send(self, journal: Journal, *, final: bool) -> None:
        snapshot = self.snapshot()
        self._there = None
        sent = self.send(final=final)
        rounds = (*journal.rounds, Round(snapshot, sent.count, round(sent.seconds, 2)))
        self.station.note(replace(journal, rounds=rounds, final=snapshot if final else None))
        self.tell(
            f"{human_size(sent.count)} sent in {sent.seconds:.1f} s",
            round=len(rounds), bytes=sent.count, seconds=round(sent.seconds, 2),
        )  # fmt: skip

    # -- snapshots and streams

    @property
    def dataset(self) -> str:
        """The uppermost dataset of the machine."""
        return dataset_of(self.name, self.station.pair)

    def snapshot(self) -> str:
        """Make one of the whole tree, atomically."""
        name = stamp(PREFIX, int(time.time()), self.station.snapshots(self.name))
        take_snapshot(self.station.writer, f"{self.dataset}@{name}", recursive=True)
        return name

    def send(self, *, final: bool = False) -> Sent:
        """Bring the newest snapshot of the tree to the twin."""
        peer = self.twin.host()
        # While the machine is stopped every moment counts: what the twin has is known from the round before,
        # and the holds stay on that round's snapshot until the next replication.
        known, self._known = (self._known if final else None), None
        sent = replicate(
            self.station.writer, peer, self.dataset, on_progress=self._progress, known=known, hold=not final
        )
        self._known = sent.target
        return sent

    # -- before a move

    def forecast(self, here: Side, owner: Owner, target: str) -> Forecast:
        """What a move of a machine that this server owns would do.

        :raises Refused: with every reason why it cannot be done.
        """
        station, name = self.station, self.name
        declaration = station.declaration(name)
        machine = station.machine(name)
        with_peer = self.twin.host()
        replica = read_replica(station.host, with_peer, Item(self.dataset, self.dataset, True, 0))
        # A tree without a snapshot is no obstacle: the move makes one.
        impossible = [send.why for send in replica.sends if send.how is How.IMPOSSIBLE and send.snapshot]
        needed = sum(send.size or 0 for send in replica.sends)
        needed += sum(_unsent(dataset) for dataset in replica.source.datasets.values())
        there = self.twin.prospect(name, declaration)
        unless_blocked(name, target, blockers(machine, station.prospect(machine), there, needed, impossible))
        # What ZFS itself estimates may become a little more.
        bound = "≈" if any(send.told for send in replica.sends) else "≤"
        return Forecast(
            begun(name, declaration, here, owner, target, here.running and station.answers(machine)),
            machine,
            needed,
            f"{bound} {human_size(needed)}",
            usual_downtime(station.journal(name)),
        )

    def turns_back(self) -> bool:
        """Whether a move of the machine is under way that can still be taken back."""
        journal, owner = self.station.journal(self.name), self.station.owner(self.name)
        return bool(journal and journal.open and owner and owner.server == self.station.server)

    def _progress(self, progress: Progress) -> None:
        self.tell(
            f"{human_size(progress.count)} sent, {human_size(progress.rate)}/s",
            bytes=progress.count, progress=True,
        )  # fmt: skip


def unless_blocked(name: str, target: str, reasons: Sequence[str]) -> None:
    """Refuse a move that something stands against.

    :raises Refused: with all of it.
    """
    if reasons:
        raise Refused(
            f"machine {name} cannot move to {target}",
            "; ".join(reasons),
            "nothing was touched",
            blockers=list(reasons),
        )


def usual_downtime(last: Journal | None) -> float:
    """Seconds, from the last move of a machine."""
    return last.downtime if last and last.downtime else USUAL_DOWNTIME


def begun(name: str, declaration: str, here: Side, owner: Owner, target: str, answers: bool) -> Journal:
    """The journal of a move that begins now."""
    return Journal(
        token=f"{name}-{owner.epoch}-{time.time_ns()}",
        machine=name,
        source=here.server,
        target=target,
        epoch=owner.epoch,
        declaration=declaration,
        running=here.running,
        stage=Stage.SEED,
        began=time.time(),
        answered=answers,
    )


def measured(journal: Journal) -> Journal:
    """The journal with the downtime, if this start is the one that ends it."""
    if journal.stopped is None or not journal.running or journal.downtime is not None:
        return replace(journal, downtime=journal.downtime or 0.0)
    return replace(journal, downtime=round(time.time() - journal.stopped, 2))


def debug(verb: Verb) -> None:
    """For tests: see `DEBUG`."""
    step, _colon, name = os.environ.get(DEBUG, "").partition(":")
    if step == verb:
        os.kill(os.getpid(), signal.Signals[f"SIG{name}"])


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a move would do.

    :param bytes: what will be sent at most, without what the machine writes from now on.
    :param sending: what will be sent, for people.
    :param downtime: seconds, from the last move of the machine, or what a small one takes.
    """

    journal: Journal
    machine: Machine
    bytes: int
    sending: str
    downtime: float

    @property
    def sentences(self) -> list[str]:
        """The same for people."""
        target = self.journal.target
        how = "stopped, " if self.journal.running else ""
        started = "and started there" if self.journal.running else "and defined there"
        sentences = [
            f"send {self.machine.name} to {target}: {self.sending}",
            f"move {self.machine.name} from {self.journal.source} to {target}: "
            f"{how}its last changes sent, {started}",
        ]
        if self.journal.running:
            sentences.append(f"it will not answer for about {self.downtime:.0f} s")
        return sentences


USUAL_DOWNTIME = 5.0
"""Seconds, of a small machine of which nothing is known yet."""


def forecast(driver: Hand, target: str) -> Forecast | Journal | str:
    """Everything that can be known before a move begins.

    :returns: what would be done; or the journal of the move that brings the machine there, finished or not;
        or the name of the server that has to drive it.
    :raises Refused: with every reason why it cannot be done.
    """
    station, name, pair = driver.station, driver.name, driver.station.pair
    servers = (pair.server, pair.twin.server)
    if target not in servers:
        raise Refused(f"server {target}", "it is none of this pair", f"use {' or '.join(servers)}")
    here, there = driver.look()
    journal = leading(here.journal, there.journal if there else None)
    if journal and journal.open:
        if journal.target == target:
            return journal
        raise Refused(
            f"machine {name}",
            f"its move from {journal.source} to {journal.target} is not finished",
            f"run: twin resume {name}, or: twin undo {name}",
        )
    owners = [side.owner for side in (here, there) if side and side.owner]
    if not owners:
        station.declaration(name)
        raise Refused(f"machine {name}", "no server owns it", "run the playbook machines")
    owner = max(owners, key=lambda each: each.epoch)
    if owner.server == target:
        return journal if journal and journal.target == target else _resting(name, owner)
    if owner.server != station.server:
        return owner.server
    if there is None:
        raise Refused(f"machine {name} cannot move to {target}", driver.unreachable)
    return driver.forecast(here, owner, target)


def _unsent(dataset: Dataset) -> int:
    """Bytes that the newest snapshot of a dataset does not show, at most."""
    newest = dataset.newest
    written = dataset.written
    if newest is None:
        written = dataset.referenced
    elif written is None:
        # What it showed and the dataset no longer does is held by snapshots only.
        written = max(0, dataset.referenced - newest.referenced + dataset.usedbysnapshots)
    return round(written * max(1.0, dataset.ratio))


def _resting(name: str, owner: Owner) -> Journal:
    return Journal(name, name, owner.server, owner.server, owner.epoch, "{}", False, Stage.DONE, 0.0)


def move(driver: Hand, plan: Forecast) -> Done | Stuck | Relay:
    """Begin a move and bring it to its end.

    :raises TwinError: when it could not be begun.
    """
    failure: TwinError | None = None
    try:
        driver.station.note(plan.journal)
    except TwinError as error:
        # An answer that was lost says nothing of what was done.
        failure = error
    decision = drive(driver, driver.tell)
    if failure and isinstance(decision, Done):
        known = decision.journal
        if known is None or known.token != plan.journal.token:
            raise failure
    return decision


def resume(driver: Hand) -> Done | Stuck | Relay:
    """Go on with whatever move of the machine is not finished."""
    return drive(driver, driver.tell)


def undo(driver: Hand) -> Done | Stuck | Relay:
    """Take a move back that has not been committed.

    :raises Refused: when there is none.
    """
    here, there = driver.look()
    journal = leading(here.journal, there.journal if there else None)
    if journal is None or not journal.open:
        raise Refused(f"machine {driver.name}", "no move of it is under way", "there is nothing to undo")
    decision = next_step(here, there, "undo was asked for")
    if isinstance(decision, Relay):
        return decision
    if here.server == journal.source and committed(journal, here, there):
        raise Refused(
            f"machine {driver.name}",
            f"it was handed over to {journal.target} already",
            f"finish that with: twin resume {driver.name}; then move it back",
        )
    if isinstance(decision, Step) and decision.verb is Verb.BACK:
        driver.do(decision)
    return drive(driver, driver.tell)


# ---- replication ------------------------------------------------------------------------------


def replicate_machine(driver: Driver) -> str:
    """Snapshot a machine, bring it to the twin, note its age, remove what is old.

    A machine that is not this server's, or is being moved, is left alone.

    :returns: what was done, as a sentence.
    :raises Tolerable: when it failed, and the replica is within the machine's ``rpo`` all the same.
    :raises TwinError: when it failed, and the replica is older than that.
    """
    station, name = driver.station, driver.name
    owner, journal = station.owner(name), station.journal(name)
    if owner is None or owner.server != station.server:
        return f"machine {name} is not of this server"
    if journal and journal.open:
        return f"machine {name} is being moved"
    began = time.time()
    try:
        snapshot = driver.snapshot()
        sent = driver.send()
    except TwinError as error:
        station.enter(name, {"failed": round(began), "error": str(error)})
        age = station.replica(name)
        kind = TwinError if age.late else Tolerable
        raise kind(age.sentence, str(error).rstrip("."), **error.facts) from error
    entry = {
        "snapshot": snapshot, "time": round(began), "bytes": sent.count, "seconds": round(sent.seconds, 2),
        "to": station.pair.twin.server, "rpo": station.machine(name).rpo, "failed": None, "error": None,
    }  # fmt: skip
    station.enter(name, entry)
    prune(driver)
    return f"machine {name}: {human_size(sent.count)} sent to {station.pair.twin.server}"


def prune(driver: Driver) -> None:
    """Remove old snapshots of ours on both servers; what is held stays."""
    for host in (driver.station.writer, driver.twin.host()):
        tree = read_datasets(host, capabilities(host), [driver.dataset], recursive=True, full=False)
        for name, dataset in tree.items():
            ours: list[Snapshot] = [each for each in dataset.snapshots if each.name.startswith(PREFIX)]
            for old in superfluous(ours, KEEP):
                destroy_snapshot(host, f"{name}@{old.name}")


@contextlib.contextmanager
def interruptible(driver: Hand) -> Iterator[None]:
    """SIGTERM and SIGINT turn a move back before its commit; after it they are not heard.

    A controller or terminal that goes away (SIGHUP, SIGPIPE) changes nothing.
    """

    def interrupt(number: int, _frame: Any) -> None:
        if driver.turns_back():
            raise Interrupted(f"signal {signal.Signals(number).name} came")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
