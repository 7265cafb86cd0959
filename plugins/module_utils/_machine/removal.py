# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Machines that go for good, or what they keep of older images: what one server has of them, and the steps
that remove it.

Whether that is the machine itself or its replica makes no difference here. What bears a machine's name and
is none of this pair (a container with another root file system) is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import CommandMissing, Refused
from .._core.host import Host, WritableHost
from .._core.plan import Effect, Plan, Step, make_plan
from .._core.values import doubles, parse_label
from .._zfs.host import capabilities, list_datasets, patiently
from .._zfs.snapshot import HOLD, Dataset
from .._zfs.snapshot_host import read_datasets, set_holds
from .gate import PAIR
from .host import JOURNALS, Station, read_pair
from .journal import Journal
from .kinds import Kind, dataset_of, kinds_of, root_of
from .rpo import PREFIX

LOCKS = JOURNALS
PATIENCE = 900.0
"""Seconds for which a removal waits for a replication of the same machine to end."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The machines that go.

    :param kept: only the root file systems go that are kept of older images.
    """

    names: tuple[str, ...]
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a server has of a machine.

    :param datasets: parents first.
    :param noted: whether there is a journal, or an entry in the ledger of replication.
    :param blockers: why it cannot be removed, each as a sentence.
    """

    running: bool = False
    defined: bool = False
    datasets: tuple[str, ...] = ()
    noted: bool = False
    blockers: tuple[str, ...] = ()


def parse_removals(params: Mapping[str, Any]) -> Wanted:
    """The options of module machine_removal.

    :raises Refused: for what is no name, and for a machine that is listed twice.
    """
    names = tuple(parse_label(name, "name of a machine") for name in params["machines"])
    twice = doubles(names)
    if twice:
        raise Refused(f"machines {', '.join(twice)}", "listed more than once", "name each machine once")
    return Wanted(names, bool(params.get("kept")))


# ---- reading ----------------------------------------------------------------------------------


def read_removals(host: Host, wanted: Wanted) -> dict[str, Found]:
    """What there is of each machine; a server of no pair has nothing."""
    if not wanted.names or host.read(PAIR) is None:
        return {}
    station = Station(host, read_pair(host), LOCKS)
    tops = {dataset_of(name, station.pair): name for name in wanted.names}
    try:
        trees = read_datasets(host, capabilities(host), list(tops), recursive=True, full=False)
    except CommandMissing:
        if host.writable:
            raise
        trees = {}
    clones = _clones(host) if trees else {}
    found = {}
    for top, name in tops.items():
        tree = {each: trees[each] for each in sorted(trees) if each == top or each.startswith(f"{top}/")}
        if wanted.kept:
            kept = root_of(name, station.pair, "")
            tree = {each: dataset for each, dataset in tree.items() if each.startswith(kept)}
            blockers = _blockers(station, name, tree, clones, station.journal(name)) if tree else ()
            found[name] = Found(datasets=tuple(tree), blockers=tuple(blockers))
        else:
            found[name] = _found(station, name, tree, clones)
    return found


def _clones(host: Host) -> dict[str, str]:
    """Each clone with the snapshot that it depends on."""
    return {name: dataset.origin for name, dataset in list_datasets(host).items() if dataset.origin}


def _found(station: Station, name: str, tree: Mapping[str, Dataset], clones: Mapping[str, str]) -> Found:
    journal = station.journal(name)
    kinds = _kinds(station, name)
    return Found(
        running=any(kind.running(station.host, name) for kind in kinds),
        defined=bool(kinds),
        datasets=tuple(tree),
        noted=journal is not None or name in station.ledger(),
        blockers=tuple(_blockers(station, name, tree, clones, journal)),
    )


def _kinds(station: Station, name: str) -> list[Kind]:
    """The kinds of which this server has a definition of the machine that is this pair's."""
    host, pair = station.host, station.pair
    return [
        kind
        for kind in kinds_of(pair.platform)
        if kind.defined(host, name) and not kind.foreign(host, name, pair)
    ]


def _blockers(
    station: Station,
    name: str,
    tree: Mapping[str, Dataset],
    clones: Mapping[str, str],
    journal: Journal | None,
) -> Iterator[str]:
    if journal and journal.open:
        yield journal.under_way
    if tree and not station.owner(name) and not any(_is_ours(dataset) for dataset in tree.values()):
        yield (
            f"dataset {dataset_of(name, station.pair)} of {station.server} is no copy of machine {name}; "
            "rename or destroy it by hand"
        )
    for dataset in tree.values():
        for snapshot in dataset.snapshots:
            if others := sorted(snapshot.holds - {HOLD}):
                yield (
                    f"snapshot {dataset.name}@{snapshot.name} on {station.server} is held by "
                    f"{', '.join(others)}; release it first (zfs release)"
                )
    for clone, origin in sorted(clones.items()):
        if clone not in tree and origin.partition("@")[0] in tree:
            yield f"{clone} on {station.server} is a clone of {origin}; promote or destroy it first"


def _is_ours(dataset: Dataset) -> bool:
    return any(snapshot.name.startswith(PREFIX) for snapshot in dataset.snapshots)


# ---- planning ---------------------------------------------------------------------------------


def plan_removals(current: Mapping[str, Found], wanted: Wanted) -> Plan:
    """Stop, forget the definition, destroy the data, forget the rest; what is not there needs no step."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    for name in wanted.names:
        mine = list(_steps(name, current.get(name, Found())))
        if mine:
            steps += mine
            before[name] = _picture(current[name])
    return make_plan(steps, before, dict.fromkeys(before))


def _steps(name: str, found: Found) -> Iterator[Step]:
    if found.blockers:
        for sentence in found.blockers:
            yield Step(name, "refuse", sentence, effect=Effect.IMPOSSIBLE)
        return
    if found.running:
        yield Step(name, "stop", f"stop machine {name}", effect=Effect.RESTART)
    if found.defined:
        yield Step(name, "undefine", f"remove the definition of machine {name}")
    if found.datasets:
        sentence = f"destroy {', '.join(found.datasets)} with all snapshots"
        roots = [each for each in found.datasets if each.rpartition("/")[0] not in found.datasets]
        yield Step(name, "destroy", sentence, {"roots": roots}, destroys=(name,))
    if found.noted:
        yield Step(name, "forget", f"forget the moves and the replication of machine {name}")


def _picture(found: Found) -> dict[str, Any]:
    return {
        "running": found.running,
        "defined": found.defined,
        "datasets": list(found.datasets),
        "noted": found.noted,
    }


# ---- doing ------------------------------------------------------------------------------------


def apply_removal(host: WritableHost, step: Step) -> None:
    """One step, while nobody else is at work on the machine.

    :raises Refused: when a move of it has begun since it was looked at.
    """
    name = step.key
    station = Station(host, read_pair(host), LOCKS)
    with station.locked(name, patience=PATIENCE):
        journal = station.journal(name)
        if journal and journal.open:
            raise Refused(journal.under_way)
        match step.verb:
            case "stop":
                station.stop(name)
            case "undefine":
                for kind in _kinds(station, name):
                    kind.remove(host, name)
            case "destroy":
                for root in step.args["roots"]:
                    _destroy(host, root)
            case "forget":
                station.enter(name, None)
                # The log is that of job.py. The journal goes last: by it another run sees what is not done.
                for ending in ("log", "json"):
                    host.remove(f"{JOURNALS}/{name}.{ending}")


def _destroy(host: WritableHost, top: str) -> None:
    able = capabilities(host)
    tree = read_datasets(host, able, [top], recursive=True, full=False)
    ours = {
        f"{dataset.name}@{snapshot.name}": (snapshot.holds, snapshot.holds - {HOLD})
        for dataset in tree.values()
        for snapshot in dataset.snapshots
        if HOLD in snapshot.holds
    }
    set_holds(host, able, ours)
    patiently(host, ["zfs", "destroy", "-r", top])
