# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program ``twin`` of a server: what people, timers, hooks and the other server run.

Each verb imports what it needs: the twin calls ``peer`` for every stream, and LXC ``guard`` at every start.

Exit codes: 0 done; 1 failed, and for a move: the machine is where it was; 2 refused, nothing was
touched; 3 not finished, ``twin resume`` finishes it; for a replication: it will be tried again in time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from .._core.errors import CommandMissing, Refused, TwinError
from .gate import LINE, PAIR, Busy, permit

if TYPE_CHECKING:
    import argparse

    from .._core.host import Output
    from .driver import Driver, Forecast, Hand
    from .host import AnyStation, Station
    from .move import Done, Stuck

DONE, FAILED, REFUSED, UNFINISHED = range(4)
_REPLICATION = 900.0
"""Seconds that a move waits for a replication of the same machine to end."""
_SILENCE = 4.0
"""Seconds after which a long step is said to go on."""
_RELAYED = ("move", "resume", "undo", "info")
"""What the other server may have run here."""
_REMEMBERED = "/var/run/twin/unfinished.json"
"""What was last said of each move that nobody could finish, so that a timer says it once."""


class Teller:
    """Says what is done, line by line, to people or (as JSON) to programs, and never falls silent for long.

    Whoever listens may go away: that changes nothing.

    :param known: a last line that need not be said again.
    """

    def __init__(self, as_json: bool, known: str = "") -> None:
        import threading

        self._as_json = as_json
        self._known = known
        self.ended = ""
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._doing = ""

    def __call__(self, sentence: str, **facts: Any) -> None:
        if not facts.get("progress"):
            self._doing = sentence
        self._print({"say": sentence, **facts}, sentence)

    def end(self, sentence: str, code: int, **facts: Any) -> int:
        """The last line."""
        self.ended = sentence
        if sentence != self._known:
            self._print({"end": sentence, "rc": code, **facts}, sentence)
        return code

    def fail(self, error: TwinError) -> int:
        """An error as the last line."""
        code = REFUSED if isinstance(error, Refused) else FAILED
        return self.end(str(error), code, error=str(error), busy=isinstance(error, Busy))

    def _print(self, data: Mapping[str, Any], sentence: str) -> None:
        line = json.dumps({"time": round(time.time(), 2), **data}) if self._as_json else sentence
        with self._lock, contextlib.suppress(OSError):
            self._last = time.monotonic()
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Says from time to time that the step of the moment goes on."""
        import threading

        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(0.5):
                if time.monotonic() - self._last > _SILENCE and self._doing:
                    self._print({"say": f"still at it: {self._doing}", "progress": True}, f"… {self._doing}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class Scene:
    """Where the program runs: on a server, with a way to its twin.

    :param for_twin: whether the twin has asked for it; then it is never asked to do it instead.
    """

    def __init__(self, *, for_twin: bool = False) -> None:
        self.for_twin = for_twin

    def station(self) -> AnyStation:
        """This server."""
        from .._core.host import LocalHost
        from .host import read_pair
        from .stations import station_of

        host = LocalHost()
        return station_of(host, read_pair(host))

    def pair_station(self, verb: str) -> Station:
        """This server, for what only a pair without a cluster does by itself.

        :raises Refused: on any other.
        """
        from .host import Station

        station = self.station()
        if not isinstance(station, Station):
            raise Refused(f"twin {verb}", "a cluster of Proxmox VE does that itself", "see docs/twin.md")
        return station

    def driver(self, name: str, tell: Teller) -> Hand:
        """What moves one machine."""
        from .backends import hand_of

        return hand_of(self.station(), name, tell)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    :returns: the exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["peer"]:
        return _peer(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    return run(words, Scene())


def run(words: Sequence[str], scene: Scene) -> int:
    """Run one verb, for people or for the twin.

    :returns: the exit code.
    """
    options = _parser().parse_args(words)
    teller = Teller(getattr(options, "json", False))
    try:
        return int(_VERBS[options.verb](options, teller, scene))
    except TwinError as error:
        if getattr(options, "json", False):
            return teller.fail(error)
        sys.stderr.write(f"twin: {error}\n")
        return REFUSED if isinstance(error, Refused) else FAILED


def _worst(codes: Iterable[int]) -> int:
    """The exit code for several machines: what needs somebody comes before what will be tried again."""
    return max(codes, key=(DONE, UNFINISHED, FAILED, REFUSED).index, default=DONE)


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(prog="twin", description="The machines of a pair of servers.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    of_one = argparse.ArgumentParser(add_help=False)
    of_one.add_argument("name", help="the machine")
    with_json = argparse.ArgumentParser(add_help=False)
    with_json.add_argument("--json", action="store_true", help="one JSON object per line, for programs")
    move = verbs.add_parser("move", parents=[of_one, with_json], help="move a machine to a server")
    move.add_argument("--to", required=True, metavar="SERVER", help="the server that it moves to")
    move.add_argument(
        "--check", action="store_true", help="only say what would be done, and what stands against it"
    )
    resume = verbs.add_parser("resume", parents=[with_json], help="finish moves that were interrupted")
    resume.add_argument("name", nargs="?", help="the machine; all of them when none is named")
    resume.add_argument(
        "--unattended", action="store_true", help="for the timer: pass over what is at work, repeat nothing"
    )
    verbs.add_parser("undo", parents=[of_one, with_json], help="take back a move that was not committed")
    replicate = verbs.add_parser(
        "replicate", parents=[with_json], help="bring this server's machines to the twin"
    )
    replicate.add_argument(
        "names", nargs="*", metavar="NAME", help="machines; all that run here when none is named"
    )
    guard = verbs.add_parser("guard", parents=[of_one], help="whether a machine may start here (start hook)")
    guard.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    verbs.add_parser("info", help="what this server has of each machine, as JSON")
    changes = verbs.add_parser(
        "changes", parents=[of_one], help="what a machine changed in its root file system, as JSON"
    )
    changes.add_argument(
        "image", nargs="?", help="the image whose root is kept; that which it runs on when none is named"
    )
    verbs.add_parser("peer", help="what the twin may run (forced command of its key)")
    return parser


def _move(options: argparse.Namespace, teller: Teller, scene: Scene) -> int:
    from .driver import Forecast, forecast, interruptible, move, resume
    from .journal import Journal, journal_data
    from .move import Relay

    name, to = options.name, options.to
    driver = scene.driver(name, teller)
    journal = driver.station.journal(name)
    # A replication that is at work ends soon; a move is for whoever asked to follow.
    patience = 0.0 if journal and journal.open else _REPLICATION
    with teller.awake(), driver.station.locked(name, patience=patience):
        plan = forecast(driver, to)
        if isinstance(plan, Journal) and not plan.open:
            sentence = f"machine {name} is on {to} already"
            return teller.end(sentence, DONE, changed=False, plan=[], journal=journal_data(plan))
        if isinstance(plan, Journal) and options.check:
            sentence = f"finish the move of {name} from {plan.source} to {to}"
            return teller.end(sentence, DONE, changed=True, plan=[sentence], source=plan.source, target=to)
        if isinstance(plan, Forecast) and options.check:
            return _announce(plan, teller)
        if not isinstance(plan, str):
            with interruptible(driver):
                decision = move(driver, plan) if isinstance(plan, Forecast) else resume(driver)
            if not isinstance(decision, Relay):
                return _conclude(decision, driver, teller)
    return _relay(driver, ["move", name, "--to", to, *["--check"] * options.check], options.json, scene)


def _announce(plan: Forecast, teller: Teller) -> int:
    for sentence in plan.sentences[:-1]:
        teller(sentence)
    return teller.end(
        plan.sentences[-1], DONE, changed=True, plan=plan.sentences, bytes=plan.bytes, downtime=plan.downtime,
        source=plan.journal.source, target=plan.journal.target,
    )  # fmt: skip


def _resume(options: argparse.Namespace, teller: Teller, scene: Scene) -> int:
    if options.name and not options.unattended:
        return _resume_one(options.name, options, teller, scene)
    station = scene.station()
    names = [options.name] if options.name else _unfinished(station)
    if options.unattended:
        return _resume_unattended(names, options, scene)
    if not names:
        return teller.end("no move is unfinished", DONE, changed=False)
    codes = []
    for name in names:
        try:
            codes.append(_resume_one(name, options, teller, scene))
        except TwinError as error:
            codes.append(teller.fail(error))
    return _worst(codes)


def _unfinished(station: AnyStation) -> list[str]:
    """The machines with a move that is not finished, or of which nobody can tell."""
    names = []
    for name in station.journals():
        try:
            journal = station.journal(name)
        except Refused:
            names.append(name)
        else:
            names += [name] if journal and journal.open else []
    return names


def _resume_unattended(names: Sequence[str], options: argparse.Namespace, scene: Scene) -> int:
    """The same for a timer: silent where nothing is to be done, and where nothing has become of it since."""
    station = scene.station()
    before = json.loads(station.host.read(_REMEMBERED) or "{}")
    # Who was named is one of several.
    after = {name: said for name, said in before.items() if options.name and name not in names}
    codes = []
    for name in names:
        teller = Teller(options.json, before.get(name, ""))
        try:
            code = _resume_one(name, options, teller, scene)
        except Busy:
            # Its move is at work, or somebody resumes or undoes it by hand.
            continue
        except TwinError as error:
            code = teller.fail(error)
        else:
            # A machine that stays where it was has come to rest: that is what a timer is for.
            code = DONE if code == FAILED else code
        codes.append(code)
        if code != DONE and teller.ended:
            after[name] = teller.ended
    if after != before:
        station.writer.write(_REMEMBERED, json.dumps(after))
    return _worst(codes)


def _resume_one(name: str, options: argparse.Namespace, teller: Teller, scene: Scene) -> int:
    from .driver import interruptible, resume
    from .move import Relay

    driver = scene.driver(name, teller)
    with teller.awake(), driver.station.locked(name), interruptible(driver):
        decision = resume(driver)
        if not isinstance(decision, Relay):
            return _conclude(decision, driver, teller)
    return _relay(driver, ["resume", name, *["--unattended"] * options.unattended], options.json, scene)


def _undo(options: argparse.Namespace, teller: Teller, scene: Scene) -> int:
    from .driver import interruptible, undo
    from .move import Relay

    driver = scene.driver(options.name, teller)
    with teller.awake(), driver.station.locked(options.name), interruptible(driver):
        decision = undo(driver)
        if not isinstance(decision, Relay):
            code = _conclude(decision, driver, teller)
            # Here the machine's staying is what was asked for.
            return DONE if code == FAILED else code
    return _relay(driver, ["undo", options.name], options.json, scene)


def _conclude(decision: Done | Stuck, driver: Hand, teller: Teller) -> int:
    """The last line of a move, and its exit code."""
    from .journal import Stage, journal_data
    from .move import Stuck

    if isinstance(decision, Stuck):
        known = {"journal": journal_data(decision.journal)} if decision.journal else {}
        return teller.end(decision.sentence, UNFINISHED, error=decision.sentence, **known)
    journal = decision.journal
    if journal is None:
        return teller.end(decision.sentence, DONE, changed=False)
    facts: dict[str, Any] = {"journal": journal_data(journal), "changed": journal.stage is Stage.DONE}
    if journal.stage is Stage.UNDONE:
        return teller.end(decision.sentence, FAILED, error=decision.sentence, **facts)
    for number, each in enumerate(journal.rounds, 1):
        teller(f"round {number}: {f'{each.sent} bytes in ' if each.sent else ''}{each.seconds} s")
    cost = [f"{journal.sent} bytes sent"] * bool(journal.sent)
    cost += [f"{journal.downtime} s down"] * bool(journal.downtime)
    return teller.end(": ".join([decision.sentence, *filter(None, [", ".join(cost)])]), DONE, **facts)


def _relay(driver: Hand, words: Sequence[str], as_json: bool, scene: Scene) -> int:
    """Have the other server do it, and say what it says."""
    if scene.for_twin:
        raise TwinError(
            f"machine {driver.name}",
            "each server says that the other one has to do this",
            "compare twin info of both",
        )
    import subprocess

    argv = driver.twin.relay([*words, *["--json"] * as_json])
    code = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode
    if code == driver.twin.host().NO_CONNECTION:
        raise TwinError(
            f"machine {driver.name}",
            f"the connection to {driver.twin.server} broke while it was at work; it goes on there by itself",
            f"see what became of it with: twin resume {driver.name}",
        )
    return code


def _replicate(options: argparse.Namespace, teller: Teller, scene: Scene) -> int:
    from .driver import Tolerable, replicate_machine

    station = scene.pair_station("replicate")
    names = options.names or [each["name"] for each in station.info()["machines"] if each["role"] == "owner"]
    codes = []
    with teller.awake():
        for name in names:
            try:
                with station.locked(name):
                    teller(replicate_machine(cast("Driver", scene.driver(name, teller))), machine=name)
            except Busy as error:
                # Not a fault of replication: the machine is being moved, or another timer was quicker.
                teller(str(error), machine=name)
            except Tolerable as error:
                codes.append(teller.end(str(error), UNFINISHED, error=str(error), machine=name))
            except TwinError as error:
                codes.append(teller.end(str(error), FAILED, error=str(error), machine=name))
    return _worst(codes)


def _guard(options: argparse.Namespace, _teller: Teller, scene: Scene) -> int:
    from .host import guard

    guard(scene.pair_station("guard"), options.name)
    return DONE


def _info(_options: argparse.Namespace, _teller: Teller, scene: Scene) -> int:
    sys.stdout.write(f"{json.dumps(scene.station().info())}\n")
    return DONE


def _changes(options: argparse.Namespace, _teller: Teller, scene: Scene) -> int:
    from .changes import read_changes

    changes = read_changes(scene.pair_station("changes"), options.name, options.image)
    sys.stdout.write(f"{json.dumps(changes.data())}\n")
    return DONE


_VERBS: Mapping[str, Callable[[argparse.Namespace, Teller, Scene], int]] = {
    "move": _move,
    "resume": _resume,
    "undo": _undo,
    "replicate": _replicate,
    "guard": _guard,
    "info": _info,
    "changes": _changes,
}


def _peer(command: str) -> int:
    """The forced command of the twin's key."""
    try:
        words = shlex.split(command)
        if words == LINE:
            from .line import serve

            serve(sys.stdin, sys.stdout, _answer)
            return DONE
        if words[:1] == ["twin"] and words[1:2] and words[1] in _RELAYED:
            return run(words[1:], Scene(for_twin=True))
        permit(words, _pool())
        os.execvp(words[0], words)
    except (Refused, ValueError, OSError) as error:
        sys.stderr.write(f"twin: {error}\n")
        return REFUSED


def _answer(words: list[str], stdin: str) -> Output:
    """One command of the twin's line."""
    from .._core.host import LocalHost, Output

    try:
        if words[:1] != ["twin"] or len(words) != 3:
            permit(words, _pool())
            return LocalHost().answer(words, stdin, None)
    except (Refused, OSError) as error:
        return Output((), REFUSED, "", f"twin: {error}\n")
    except CommandMissing as error:
        return Output((), 127, "", str(error))
    from .backends import answer_of
    from .peer import reply_to

    _twin, verb, name = words
    return Output((), DONE, reply_to(lambda: answer_of(Scene().station(), verb, name, json.loads(stdin))), "")


def _pool() -> str:
    """The pool's name; the whole pair need not be understood to let a command through."""
    with open(PAIR, encoding="utf-8") as file:
        return str(json.load(file)["pool"])
