# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first replica of each machine of a server; keeping it recent is the work of timers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.host import Host, WritableHost
from .._core.plan import Plan, Step, make_plan
from .._core.values import doubles, parse_label
from .host import read_info
from .job import PROGRAM


@dataclass(frozen=True, slots=True)
class Wanted:
    """A machine that is to have a replica.

    :param planned: whether this server is about to make the machine, should it not be there.
    """

    name: str
    planned: bool


def parse_machines(items: Iterable[Mapping[str, Any]]) -> tuple[Wanted, ...]:
    """The options of module machine_replica.

    :raises Refused: for what is no name, and for a machine that is listed twice.
    """
    machines = tuple(
        Wanted(parse_label(item["name"], "name of a machine"), bool(item.get("planned"))) for item in items
    )
    twice = doubles(machine.name for machine in machines)
    if twice:
        raise Refused(f"machines {', '.join(twice)}", "listed more than once", "name each machine once")
    return machines


def read_replicas(host: Host, wanted: tuple[Wanted, ...]) -> dict[str, bool]:
    """Whether each of this server's machines has a replica.

    A machine of the twin is left out: its replica is the twin's work. One that is only planned has
    none; once a server can be written it is there or it is the twin's.
    """
    known = {record["name"]: record for record in read_info(host)["machines"]}
    replicas: dict[str, bool] = {}
    for machine in wanted:
        record = known.get(machine.name)
        if record is None and machine.planned and not host.writable:
            replicas[machine.name] = False
        elif record is not None and record["role"] == "owner":
            replicas[machine.name] = record["replicated"] is not None
    return replicas


def plan_replicas(current: Mapping[str, bool], _wanted: tuple[Wanted, ...]) -> Plan:
    """One step for each machine without a replica."""
    missing = [name for name, there in current.items() if not there]
    return make_plan(
        [
            Step(name, "replicate", f"make the first replica of machine {name} on the other server")
            for name in missing
        ],
        dict.fromkeys(missing, {"replica": False}),
        dict.fromkeys(missing, {"replica": True}),
    )


def apply_replica(host: WritableHost, step: Step) -> None:
    """Have the program ``twin`` make it."""
    host.change([PROGRAM, "replicate", step.key])
