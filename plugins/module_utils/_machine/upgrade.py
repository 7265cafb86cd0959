# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Machines that get the root file system of another image: what there is of each, and the steps.

A machine has one root file system for each image that it ever had: ``root`` is the one that it runs on,
``root.IMAGE`` those that are kept. To replace it is to change names, so the way back is the same thing.
While there is no ``root``, the stored declaration is brought up to date: whenever there is one, it tells of
which image a full copy (which has no origin) is. So whatever interrupts this, another run sees what is left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.errors import CommandFailed, CommandMissing, Refused, TwinError
from .._core.host import Host, WritableHost
from .._core.plan import Effect, Plan, Step, make_plan
from .._zfs.host import apply_dataset, list_datasets, rename_dataset
from .arguments import datasets_of
from .declaration import Machine, Pair, from_property, parse_machine, to_property
from .gate import PAIR
from .host import ANSWER_TIMEOUT, DECLARATION, JOURNALS, Station, image_of, read_pair
from .job import PROGRAM
from .kinds import dataset_of, kind_of, root_of

LOCKS = JOURNALS
PATIENCE = 900.0
"""Seconds for which an upgrade waits for a replication of the same machine to end."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a server has of a machine that it owns.

    :param root: the image that its root file system is of; empty when it has none.
    :param kept: the other images of which it has one.
    :param changes: what it changed in a root that is to be replaced, as `changes` tells it; None when nobody
        can tell, and ``why``.
    :param blockers: why nothing can be done to it, each as a sentence.
    """

    running: bool = False
    root: str = ""
    kept: tuple[str, ...] = ()
    changes: Mapping[str, Any] | None = field(default=None, compare=False)
    why: str = field(default="", compare=False)
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Current:
    """The machines of a server, and their pair; one that it does not own is left out."""

    pair: Pair | None = None
    machines: Mapping[str, Found] = field(default_factory=dict)


def parse_upgrades(params: Mapping[str, Any]) -> tuple[Machine, ...]:
    """The options of module machine_upgrade.

    :raises Refused: when one of the machines is not declared as it must be.
    """
    machines = (parse_machine(str(name), mapping) for name, mapping in params["machines"].items())
    return tuple(machine for machine in machines if machine.state != "absent")


# ---- reading ----------------------------------------------------------------------------------


def read_upgrades(host: Host, wanted: tuple[Machine, ...]) -> Current:
    """What there is of each machine; a server of no pair has nothing."""
    if not wanted or host.read(PAIR) is None:
        return Current()
    station = Station(host, read_pair(host), LOCKS)
    try:
        owned = [machine for machine in wanted if _owns(station, machine.name)]
        datasets = list_datasets(host) if owned else {}
    except CommandMissing:
        if host.writable:
            raise
        return Current()
    return Current(station.pair, {machine.name: _found(station, machine, datasets) for machine in owned})


def _owns(station: Station, name: str) -> bool:
    owner = station.owner(name)
    return owner is not None and owner.server == station.server


def _found(station: Station, machine: Machine, datasets: Mapping[str, Any]) -> Found:
    name, pair = machine.name, station.pair
    root = ""
    if (there := datasets.get(root_of(name, pair))) is not None:
        root = image_of(there.origin, pair) or station.machine(name).image
    prefix = root_of(name, pair, "")
    kept = [each.removeprefix(prefix) for each in datasets if each.startswith(prefix)]
    found = Found(station.running(name), root, tuple(sorted(kept)))
    found = replace(found, blockers=tuple(_blockers(station, machine, found, datasets)))
    return _with_changes(station.host, name, found) if root not in ("", machine.image) else found


def _blockers(station: Station, machine: Machine, found: Found, datasets: Mapping[str, Any]) -> Iterator[str]:
    journal = station.journal(machine.name)
    if journal and journal.open:
        yield journal.under_way
    if found.root in found.kept:
        yield (
            f"{root_of(machine.name, station.pair)} and {root_of(machine.name, station.pair, found.root)} "
            f"are both of image {found.root}; rename or destroy the latter"
        )
    image = f"{station.pair.pool}/images/{machine.image}"
    # In check mode it may still be made before the run comes.
    if machine.image not in (found.root, *found.kept) and image not in datasets and station.host.writable:
        yield (
            f"image {machine.image} of machine {machine.name} is not on {station.server}; "
            "declare it in pair_images and run the playbook site"
        )


def _with_changes(host: Host, name: str, found: Found) -> Found:
    try:
        told = host.run([PROGRAM, "changes", name]).out
    except (CommandFailed, CommandMissing) as error:
        said = str(error.facts.get("stderr") or error).strip().removeprefix("twin: ")
        return replace(found, why=said.rstrip("."))
    return replace(found, changes=json.loads(told))


# ---- planning ---------------------------------------------------------------------------------


def plan_upgrades(current: Current, wanted: tuple[Machine, ...]) -> Plan:
    """Make the new root beside the old one, then change their names while the machine is stopped."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for machine in wanted:
        found = current.machines.get(machine.name)
        if found is None or current.pair is None:
            continue
        mine = list(_steps(machine, found, current.pair))
        if mine:
            steps += mine
            before[machine.name] = _picture(found)
            after[machine.name] = _picture(_aim(machine, found))
            if _count(found):
                before[machine.name]["changed"] = found.changes
    return make_plan(steps, before, after)


def _steps(machine: Machine, found: Found, pair: Pair) -> Iterator[Step]:
    name, image = machine.name, machine.image
    starts = machine.state == "started"
    if found.root == image and (found.running or not starts):
        return
    if found.blockers:
        for sentence in found.blockers:
            yield Step(name, "refuse", sentence, effect=Effect.IMPOSSIBLE)
        return
    if found.root == image:
        yield Step(name, "start", f"start machine {name}", _args(machine))
        return
    new = root_of(name, pair, image)
    if image not in found.kept:
        how = "copy" if "copy_of" in _root_item(machine, pair) else "clone"
        sentence = f"make {new} as a {how} of {pair.pool}/images/{image}@base"
        yield Step(name, "make", sentence, _args(machine))
    ends = " and start it" if starts else ""
    if not found.root:
        yield Step(name, "replace", f"make {new} the root of machine {name}{ends}", _args(machine))
        return
    stop = f"stop machine {name}, " if found.running else ""
    sentence = (
        f"{stop}keep its root with {_some(found)} as {root_of(name, pair, found.root)}, "
        f"make {new} the root of machine {name}{ends}"
    )
    yield Step(name, "replace", sentence, _args(machine), effect=Effect.RECREATE, destroys=(name,))


def _args(machine: Machine) -> dict[str, Any]:
    return {"declaration": to_property(machine)}


def _root_item(machine: Machine, pair: Pair) -> dict[str, Any]:
    """The root of a machine as module zfs_dataset wants it."""
    name = root_of(machine.name, pair)
    return next(item for item in datasets_of(machine, pair) if item["name"] == name)


def _some(found: Found) -> str:
    if found.changes is None:
        return f"whatever was changed in it ({found.why})"
    count = _count(found)
    return f"{count or 'no'} changed path{'' if count == 1 else 's'}"


def _count(found: Found) -> int:
    return sum(map(len, (found.changes or {}).values()))


def _aim(machine: Machine, found: Found) -> Found:
    kept = {*found.kept, found.root} - {"", machine.image} if found.root != machine.image else found.kept
    return Found(machine.state == "started", machine.image, tuple(sorted(kept)))


def _picture(found: Found) -> dict[str, Any]:
    return {"image": found.root or None, "running": found.running, "kept": list(found.kept)}


# ---- doing ------------------------------------------------------------------------------------


def apply_upgrade(host: WritableHost, step: Step) -> Mapping[str, Any] | None:
    """One step, while nobody else is at work on the machine.

    :raises Refused: when a move of it has begun since it was looked at.
    """
    station = Station(host, read_pair(host), LOCKS)
    machine = from_property(step.key, step.args["declaration"])
    with station.locked(machine.name, patience=PATIENCE):
        journal = station.journal(machine.name)
        if journal and journal.open:
            raise Refused(journal.under_way)
        if step.verb == "make":
            _make(station, machine)
            return None
        measured = _replace(station, machine) if step.verb == "replace" else None
        if machine.state == "started":
            _start(station, machine)
        return measured


def _make(station: Station, machine: Machine) -> None:
    item = _root_item(machine, station.pair)
    new = root_of(machine.name, station.pair, machine.image)
    args = {
        "size": None, "origin": item.get("origin"), "copy_of": item.get("copy_of"),
        "properties": item["properties"], "settle": {new: True},
    }  # fmt: skip
    apply_dataset(station.writer, Step(new, "create", "", args))


def _replace(station: Station, machine: Machine) -> Mapping[str, Any] | None:
    host, name, pair = station.writer, machine.name, station.pair
    measured = None
    found = _found(station, machine, list_datasets(host))
    if found.root == machine.image:
        return None
    station.stop(name)
    if found.root:
        kept = root_of(name, pair, found.root)
        rename_dataset(host, root_of(name, pair), kept)
        measured = {"kept": kept, "changed": found.changes}
    host.change(["zfs", "set", f"{DECLARATION}={to_property(machine)}", dataset_of(name, pair)])
    rename_dataset(host, root_of(name, pair, machine.image), root_of(name, pair))
    return measured


def _start(station: Station, machine: Machine) -> None:
    """As it is declared; what is asked for by its check is brought by others, later."""
    kind = kind_of(machine)
    try:
        kind.define(station.writer, machine, station.pair)
        kind.start(station.writer, machine.name)
        kind.wait(station.host, replace(machine, check={}), station.pair, ANSWER_TIMEOUT)
    except TwinError as error:
        raise TwinError(
            f"machine {machine.name} does not start with image {machine.image}",
            str(error).rstrip("."),
            "mend that, or declare the image again that it had: its root file system is kept",
            **error.facts,
        ) from error
