# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A move as a job that nobody has to wait for: started apart from whoever asks, followed by its log.

So a controller, an ssh connection or a playbook that dies changes nothing for the move.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused, TwinError
from .._core.host import Host, WritableHost
from .._core.plan import Plan, Step, make_plan
from .._core.values import parse_label

PROGRAM = "/usr/local/sbin/twin"
_PAUSE = 0.3
_SETTLED = 3.0
"""Seconds that a job may take from its start to its first sign of life."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which machine is to be on which server."""

    name: str
    to: str


@dataclass(frozen=True, slots=True)
class Current:
    """What ``twin move --check`` says.

    :param busy: whether a move is under way; what it will come to is known when it has ended.
    """

    source: str = ""
    sentences: tuple[str, ...] = ()
    busy: bool = False
    journal: Mapping[str, Any] = field(default_factory=dict)

    def stable(self) -> Any:
        """What two runs of the same task have in common."""
        return self.source, self.busy


def log_path(name: str) -> str:
    """Where the job of a machine writes what it does, one JSON object per line."""
    return f"/var/lib/twin/journal/{name}.log"


def job_argv(wanted: Wanted, system: str) -> list[str]:
    """The command that starts the job and returns at once: systemd-run(1), or daemon(8) of FreeBSD.

    :param system: the name of the operating system, as uname(1) tells it.
    """
    move = [PROGRAM, "move", wanted.name, "--to", wanted.to, "--json"]
    log = log_path(wanted.name)
    if system == "FreeBSD":
        return ["daemon", "-f", "-o", log, *move]
    unit = f"twin-move-{wanted.name}"
    return [
        "systemd-run", "--quiet", "--collect", f"--unit={unit}",
        f"--property=StandardOutput=truncate:{log}",
        f"--property=StandardError=append:{log}", *move,
    ]  # fmt: skip


def wanted_of(params: Mapping[str, Any]) -> Wanted:
    """The options of module machine_move.

    :raises Refused: when one of them is no name.
    """
    return Wanted(
        parse_label(params["name"], "name of a machine"), parse_label(params["to"], "name of a server")
    )


def read(host: Host, wanted: Wanted) -> Current:
    """Ask what a move would do; it looks at both servers and touches none.

    :raises Refused: with every reason why the machine cannot move.
    """
    argv = [PROGRAM, "move", wanted.name, "--to", wanted.to, "--check", "--json"]
    end = ending(host.run(argv, ok=range(256)).out)
    if end is None:
        raise TwinError(f"machine {wanted.name}", f"{PROGRAM} gave no answer", "run it on the server by hand")
    if end.get("busy"):
        return Current(busy=True)
    if "error" in end:
        kind = Refused if end["rc"] == 2 else TwinError
        raise kind(end["error"].rstrip("."))
    return Current(end.get("source", ""), tuple(end["plan"]), journal=end.get("journal", {}))


def plan(current: Current, wanted: Wanted) -> Plan:
    """One step at most: the move, or the wait for the end of the one that is under way."""
    name = wanted.name
    after = {name: {"server": wanted.to}}
    args = {"name": name, "to": wanted.to}
    if current.busy:
        step = Step(name, "follow", f"wait for the move of {name} that is under way", args)
        return make_plan([step], {name: {"server": None}}, after)
    if not current.sentences:
        return Plan()
    step = Step(name, "move", "; ".join(current.sentences), args)
    return make_plan([step], {name: {"server": current.source}}, after)


def apply(host: WritableHost, step: Step) -> dict[str, Any]:
    """Start the job, unless it runs, and follow it to its end.

    :raises TwinError: when the machine is not where it was to be.
    """
    wanted = Wanted(step.args["name"], step.args["to"])
    if step.verb == "move":
        host.remove(log_path(wanted.name))
        host.change(job_argv(wanted, host.system))
    began = time.monotonic()
    while (end := ending(host.read(log_path(wanted.name)) or "")) is None:
        if time.monotonic() - began > _SETTLED and not under_way(host, wanted):
            raise TwinError(
                f"move of {wanted.name}", "its process has died", "run the same again, it goes on from there"
            )
        time.sleep(_PAUSE)
    return measured(wanted, end)


def under_way(host: Host, wanted: Wanted) -> bool:
    """Whether the job's process lives."""
    return host.run(["pgrep", "-f", process_pattern(wanted)], ok=(0, 1)).rc == 0


def process_pattern(wanted: Wanted) -> str:
    """For pgrep(1): the job's command line, and not that of the pgrep that looks for it."""
    return f"[t]win move {wanted.name} "


def ending(log: str) -> dict[str, Any] | None:
    """The last line of a job that has ended, as data."""
    for line in reversed(log.splitlines()):
        data = entry(line)
        if data and "end" in data:
            return data
    return None


def entry(line: str) -> dict[str, Any] | None:
    """One line of a log; None for what is not ours."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def measured(wanted: Wanted, end: Mapping[str, Any]) -> dict[str, Any]:
    """What a move has cost, from its last line.

    :raises TwinError: when it did not bring the machine there.
    """
    if end["rc"] != 0:
        raise TwinError(str(end.get("error", end["end"])).rstrip("."), rc=end["rc"])
    journal = end.get("journal", {})
    return {
        "machine": wanted.name,
        "from": journal.get("source"),
        "to": wanted.to,
        "rounds": [{"bytes": each["sent"], "seconds": each["seconds"]} for each in journal.get("rounds", ())],
        "bytes": sum(each["sent"] for each in journal.get("rounds", ())),
        "downtime_s": journal.get("downtime"),
    }
