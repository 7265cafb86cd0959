# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of a move, as it lies on both servers, and the owner property.

Pure. The source writes its journal and drives the move; the target keeps the copy that was
announced to it, so that it knows what to do when the source dies. Who owns the machine is not
said here but by the user property ``twin:owner`` of each server's own dataset.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused


class Stage(enum.StrEnum):
    """How far a move has come, by intent: written before the deed."""

    SEED = "seed"
    """Snapshots are sent while the machine runs on the source."""
    FINAL = "final"
    """The machine must not run on the source any more; its last changes are sent, then it is handed over."""
    BACK = "back"
    """The move was given up before the commit; the machine is to run again where it was."""
    DONE = "done"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Round:
    """One round of sending the tree.

    :param snapshot: name of the snapshot, without the dataset.
    :param sent: bytes on the wire, all datasets of the tree together.
    :param seconds: wall-clock time.
    """

    snapshot: str
    sent: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Journal:
    """One move of one machine.

    :param token: tells this move from every other one of the same machine.
    :param epoch: of the source's ownership; the target takes over with ``epoch + 1``.
    :param declaration: the machine's ``twin:machine``; streams carry no properties, so it travels here.
    :param running: whether the machine ran when the move began, and so has to run at its end.
    :param rounds: what was sent so far; in stage ``final`` the last one belongs to ``final``.
    :param final: the snapshot taken after the stop, once it has reached the target.
    :param began: seconds since 1970 (UTC).
    :param stopped: when the machine was told to stop, in seconds since 1970 (UTC).
    :param downtime: seconds from the stop until the machine answered again.
    :param reason: why the move was given up.
    :param answered: whether it answered when the move began, as its ``check`` asks; what did not before
        is not required to answer after.
    """

    token: str
    machine: str
    source: str
    target: str
    epoch: int
    declaration: str
    running: bool
    stage: Stage
    began: float
    rounds: tuple[Round, ...] = ()
    final: str | None = None
    stopped: float | None = None
    downtime: float | None = None
    reason: str | None = None
    answered: bool = True

    @property
    def open(self) -> bool:
        """Whether the move still has something to do."""
        return self.stage not in (Stage.DONE, Stage.UNDONE)

    @property
    def under_way(self) -> str:
        """That it is, and how it ends, as a sentence."""
        return (
            f"machine {self.machine} is being moved from {self.source} to {self.target}; "
            f"finish that with: twin resume {self.machine}, or: twin undo {self.machine}"
        )

    @property
    def sent(self) -> int:
        """Bytes sent in all rounds."""
        return sum(each.sent for each in self.rounds)


@dataclass(frozen=True, slots=True)
class Owner:
    """The value of ``twin:owner``: which server may run the machine; the higher epoch wins."""

    server: str
    epoch: int

    def __str__(self) -> str:
        return f"{self.server} {self.epoch}"


def parse_owner(text: str, what: str = "twin:owner") -> Owner:
    """An owner as `str` of it writes it.

    :raises Refused: when it is none.
    """
    server, _space, epoch = text.partition(" ")
    if not server or not (epoch.isascii() and epoch.isdigit()):
        raise Refused(what, f"{text!r} is no owner", "it must be a server and a number, such as 'castor 3'")
    return Owner(server, int(epoch))


def print_journal(journal: Journal) -> str:
    """The text of the journal file. Law: ``parse_journal(print_journal(j), j.machine) == j``."""
    return json.dumps(journal_data(journal), indent=1, sort_keys=True) + "\n"


def journal_data(journal: Journal) -> dict[str, Any]:
    """A journal as plain data. Law: ``journal_of(journal_data(j)) == j``."""
    return dataclasses.asdict(journal)


def parse_journal(text: str, machine: str) -> Journal:
    """A journal file.

    :param machine: whose journal it must be.
    :raises Refused: when it is damaged, of another machine, or of a version that this program does not know.
    """
    what = f"journal of machine {machine}"
    remedy = (
        "compare it with the journal of the same name on the other server; "
        "remove it only when the machine is known to run on exactly one server"
    )
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(what, f"it is damaged ({error})", remedy) from error
    try:
        journal = journal_of(values)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(what, f"it is no journal that this version understands ({error})", remedy) from error
    if journal.machine != machine:
        raise Refused(what, f"it speaks of machine {journal.machine}", remedy)
    return journal


def journal_of(values: Any) -> Journal:
    """A journal from plain data.

    :raises KeyError, TypeError, ValueError: when it is none.
    """
    given = dict(values)
    for field in dataclasses.fields(Journal):
        if field.name in given and field.name not in ("rounds", "stage"):
            _check_type(field.name, given[field.name], _TYPES[field.name])
    rounds = tuple(_round_of(each) for each in given.pop("rounds"))
    return Journal(stage=Stage(given.pop("stage")), rounds=rounds, **given)


def _round_of(values: Any) -> Round:
    done = Round(**dict(values))
    _check_type("snapshot", done.snapshot, (str,))
    _check_type("sent", done.sent, (int,))
    _check_type("seconds", done.seconds, (int, float))
    return done


def _check_type(name: str, value: Any, types: tuple[type, ...]) -> None:
    # A bool is an int to Python, but not to us.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise ValueError(f"{name} is {value!r}")


_NUMBER = (int, float)
_TYPES: dict[str, tuple[type, ...]] = {
    "token": (str,),
    "machine": (str,),
    "source": (str,),
    "target": (str,),
    "epoch": (int,),
    "declaration": (str,),
    "running": (bool,),
    "began": _NUMBER,
    "final": (str, type(None)),
    "stopped": (*_NUMBER, type(None)),
    "downtime": (*_NUMBER, type(None)),
    "reason": (str, type(None)),
    "answered": (bool,),
}
