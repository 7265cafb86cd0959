# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots: what a dataset has, what is wanted, what is kept, and the plan. Pure.

The newest snapshot that both servers share carries a hold of the tag `HOLD` on both sides: it is
set by whoever sent it. Retention never removes what is held, so it never removes the common base,
and it needs no other record of what is shared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, make_plan
from .._core.values import doubles, parse_duration
from .model import below, check_dataset_name

HOLD = "twin"
# Where the host cannot list tags (`zfs holds` of zfs-fuse), the snapshot's own property names them.
HOLDS_PROPERTY = "twin:holds"
# A hold whose tag the host does not tell.
UNKNOWN_HOLD = "?"

_STAMP = "%Y%m%dT%H%M%SZ"
_PART = re.compile(r"[A-Za-z0-9_.:-]{1,120}")
# Counted in buckets of UTC time; the newest snapshot of each bucket is kept.
_BUCKETS: Mapping[str, Callable[[datetime], tuple[int, ...]]] = {
    "hourly": lambda time: (time.year, time.month, time.day, time.hour),
    "daily": lambda time: (time.year, time.month, time.day),
    "weekly": lambda time: tuple(time.isocalendar()[:2]),
    "monthly": lambda time: (time.year, time.month),
}
KEEP = ("last", *_BUCKETS)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of one dataset.

    :param name: what follows the ``@``.
    :param guid: its identity: equal on two hosts means equal content (zfsprops(7)).
    :param txg: the transaction group of its creation: the order on its host.
    :param creation: seconds since 1970.
    :param used: bytes that only this snapshot holds.
    :param referenced: bytes that it shows.
    :param holds: tags of its holds.
    """

    name: str
    guid: int
    txg: int = 0
    creation: int = 0
    used: int = 0
    referenced: int = 0
    holds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file system or volume with its past.

    :param snapshots: oldest first.
    :param bookmarks: name to GUID of the snapshot that each remembers.
    :param origin: full name of the snapshot of which it is a clone; empty for none.
    :param written: bytes since the newest snapshot; None where the host does not tell.
    :param usedbysnapshots: bytes which would be free if all snapshots were gone.
    :param ratio: by how much its data is compressed.
    :param token: of an interrupted receive that can be resumed; empty for none.
    """

    name: str
    volume: bool = False
    snapshots: tuple[Snapshot, ...] = ()
    bookmarks: Mapping[str, int] = field(default_factory=dict)
    origin: str = ""
    used: int = 0
    referenced: int = 0
    written: int | None = None
    usedbysnapshots: int = 0
    ratio: float = 1.0
    mounted: bool = False
    readonly: bool = False
    canmount: str = "on"
    encrypted: bool = False
    token: str = ""

    def snapshot(self, name: str) -> Snapshot | None:
        """The snapshot of this name, if there is one."""
        return next((snapshot for snapshot in self.snapshots if snapshot.name == name), None)

    @property
    def newest(self) -> Snapshot | None:
        """The last one made."""
        return self.snapshots[-1] if self.snapshots else None


@dataclass(frozen=True, slots=True)
class Item:
    """What is wanted of the snapshots of one dataset.

    :param name: the snapshot; empty when ``prefix`` gives the names.
    :param prefix: what names begin with; a new one gets the time of the host behind it.
    :param every: seconds; with ``prefix``, a new one is made when the newest is this old; 0 makes none.
    :param bookmark: name of a bookmark to make of the snapshot; empty for none.
    :param keep: how many to keep, by `KEEP`; empty for no retention.
    """

    dataset: str
    name: str = ""
    prefix: str = ""
    every: int = 0
    recursive: bool = False
    present: bool = True
    holds: frozenset[str] = frozenset()
    releases: frozenset[str] = frozenset()
    bookmark: str = ""
    keep: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Current:
    """What the host has.

    :param now: its clock, seconds since 1970.
    :param clones: full names of snapshots that have clones.
    """

    datasets: Mapping[str, Dataset]
    now: int
    clones: frozenset[str] = frozenset()
    bookmarks: bool = True

    def below(self, root: str, recursive: bool) -> list[Dataset]:
        """The dataset and, when asked, all below it; parents first."""
        names = [name for name in self.datasets if name == root or (recursive and below(name, root))]
        return [self.datasets[name] for name in sorted(names)]

    def stable(self) -> Any:
        """What two runs of the same task have in common: no GUIDs, no clock."""
        return {
            name: [(snapshot.name, sorted(snapshot.holds)) for snapshot in dataset.snapshots]
            for name, dataset in self.datasets.items()
        }


def check_part(text: str, what: str) -> str:
    """The name of a snapshot, bookmark or hold, without its dataset.

    Blanks, which zfs(8) allows, are refused: its own lists could no longer be read safely.

    :raises Refused: when it is none.
    """
    if not _PART.fullmatch(text):
        raise Refused(
            what, f"{text!r} is not a name", "use up to 120 letters, digits and the characters _ . : -"
        )
    return text


def stamp(prefix: str, now: int, taken: Collection[str]) -> str:
    """A name for a snapshot made now: prefix and UTC time, with a number when that is taken."""
    base = prefix + datetime.fromtimestamp(now, UTC).strftime(_STAMP)
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def stamped(prefix: str, name: str) -> int | None:
    """When a snapshot was made, in seconds since 1970; None for a name that `stamp` does not give.

    Law: ``stamped(prefix, stamp(prefix, now, taken)) == now``.
    """
    text = name.removeprefix(prefix).partition("-")[0]
    try:
        return round(datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def parse_wanted(params: Mapping[str, Any]) -> list[Item]:
    """The options of module zfs_snapshot.

    :raises Refused: with what is wrong.
    """
    items = [_parse_item(value) for value in params["snapshots"]]
    twice = doubles(f"{item.dataset}@{item.name or item.prefix + '*'}" for item in items)
    if twice:
        raise Refused(f"snapshots {', '.join(twice)}", "declared more than once", "declare each of them once")
    return items


def _parse_item(value: Mapping[str, Any]) -> Item:
    dataset = check_dataset_name(value["dataset"])
    what = f"snapshot of {dataset}"
    name, prefix = value.get("name") or "", value.get("prefix") or ""
    if bool(name) == bool(prefix):
        raise Refused(what, "it needs either a name or a prefix", "give one of the two")
    check_part(name or prefix, what)
    keep = {key: count for key, count in (value.get("keep") or {}).items() if count is not None}
    if name and (keep or value.get("every")):
        raise Refused(what, "keep and every are for snapshots with a prefix", "give a prefix, not a name")
    if prefix and not (keep or value.get("every")):
        raise Refused(what, "a prefix alone asks for nothing", "say how often (every) or what to keep")
    if prefix and any(value.get(key) for key in ("holds", "releases", "bookmark")):
        raise Refused(what, "holds, releases and bookmark need a named snapshot", "give a name, not a prefix")
    if any(count < 0 for count in keep.values()) or (keep and not any(keep.values())):
        raise Refused(what, f"keep {keep} would keep nothing", "keep at least one")
    present = value.get("state", "present") == "present"
    if not present and not name:
        raise Refused(what, "only a named snapshot can be absent", "use keep for those with a prefix")
    holds = frozenset(check_part(tag, f"hold on {what}") for tag in value.get("holds") or ())
    releases = frozenset(check_part(tag, f"hold on {what}") for tag in value.get("releases") or ())
    if holds & releases:
        raise Refused(what, f"{', '.join(sorted(holds & releases))} is held and released", "choose one")
    bookmark = value.get("bookmark") or ""
    if bookmark:
        check_part(bookmark, f"bookmark of {dataset}")
    return Item(
        dataset=dataset,
        name=name,
        prefix=prefix,
        every=parse_duration(value.get("every") or 0, f"every of {what}"),
        recursive=bool(value.get("recursive")),
        present=present,
        holds=holds,
        releases=releases,
        bookmark=bookmark,
        keep=keep,
    )


def superfluous(snapshots: Sequence[Snapshot], keep: Mapping[str, int]) -> list[Snapshot]:
    """Those that retention gives up, oldest first.

    Law: of what is left, nothing is superfluous. The newest and all that are held are never given up.
    """
    newest_first = sorted(snapshots, key=lambda snapshot: (snapshot.creation, snapshot.txg), reverse=True)
    kept = {snapshot.guid for snapshot in newest_first[: max(1, keep.get("last", 0))]}
    kept |= {snapshot.guid for snapshot in snapshots if snapshot.holds}
    for unit, bucket in _BUCKETS.items():
        newest_of: dict[tuple[int, ...], int] = {}
        for snapshot in newest_first:
            newest_of.setdefault(bucket(datetime.fromtimestamp(snapshot.creation, UTC)), snapshot.guid)
        kept |= set(list(newest_of.values())[: keep.get(unit, 0)])
    return [snapshot for snapshot in reversed(newest_first) if snapshot.guid not in kept]


def plan_snapshots(current: Current, items: Iterable[Item]) -> Plan:
    """The steps from what a host has to what is wanted."""
    draft = _Draft(current)
    for item in items:
        if item.dataset not in current.datasets and item.present:
            key = f"{item.dataset}@{item.name or item.prefix}"
            draft.impossible(key, f"snapshot {key} cannot be made: dataset {item.dataset} does not exist")
        elif not item.present:
            draft.remove(item)
        else:
            draft.provide(item)
    return make_plan(draft.steps, draft.before, draft.after)


class _Draft:
    """The steps so far, with the pictures that belong to them."""

    def __init__(self, current: Current) -> None:
        self.current = current
        self.steps: list[Step] = []
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}

    def impossible(self, key: str, why: str) -> None:
        self.steps.append(Step(key, "impossible", why, effect=Effect.IMPOSSIBLE))

    def provide(self, item: Item) -> None:
        datasets = self.current.below(item.dataset, item.recursive)
        name = item.name or self._due(item, datasets)
        if name:
            self._create(item, name, datasets)
            for dataset in datasets:
                self._hold(item, name, dataset)
            self._bookmark(item, name, datasets)
        if item.keep:
            for dataset in datasets:
                self._retain(item, name, dataset)

    def _due(self, item: Item, datasets: Sequence[Dataset]) -> str:
        """The name of the snapshot with a prefix that is to be made now; empty when none is due."""
        ours = [snapshot for snapshot in datasets[0].snapshots if snapshot.name.startswith(item.prefix)]
        if not item.every or (ours and self.current.now - ours[-1].creation < item.every):
            return ""
        taken = {snapshot.name for dataset in datasets for snapshot in dataset.snapshots}
        return stamp(item.prefix, self.current.now, taken)

    def _create(self, item: Item, name: str, datasets: Sequence[Dataset]) -> None:
        missing = [dataset for dataset in datasets if dataset.snapshot(name) is None]
        whole = len(missing) == len(datasets) and item.recursive
        for dataset in [datasets[0]] if whole else missing:
            key = f"{dataset.name}@{name}"
            below = " and of all below it, at one moment" if whole else ""
            self.before[key], self.after[key] = None, {"holds": [], "recursive": whole}
            args = {"snapshot": key, "recursive": whole}
            self.steps.append(Step(key, "snapshot", f"make snapshot {key}{below}", args))

    def _hold(self, item: Item, name: str, dataset: Dataset) -> None:
        snapshot = dataset.snapshot(name)
        current = snapshot.holds if snapshot else frozenset[str]()
        wanted = (current | item.holds) - item.releases
        if wanted == current:
            return
        key = f"{dataset.name}@{name}"
        self.before[key] = {"holds": sorted(current)} if snapshot else None
        self.after[key] = {**self.after.get(key, {}), "holds": sorted(wanted)}
        self.steps.append(_hold_step(key, current, wanted, (f"{item.dataset}@{name}",)))

    def _bookmark(self, item: Item, name: str, datasets: Sequence[Dataset]) -> None:
        if not item.bookmark:
            return
        for dataset in datasets:
            key = f"{dataset.name}#{item.bookmark}"
            snapshot = dataset.snapshot(name)
            guid = dataset.bookmarks.get(item.bookmark)
            if not self.current.bookmarks:
                self.impossible(key, f"bookmark {key} cannot be made: this host's ZFS has none; leave it out")
            elif guid is None:
                self.before[key], self.after[key] = None, f"@{name}"
                args = {"snapshot": f"{dataset.name}@{name}", "bookmark": key}
                needs = (f"{dataset.name}@{name}", f"{item.dataset}@{name}")
                self.steps.append(Step(key, "bookmark", f"make bookmark {key} of @{name}", args, needs=needs))
            elif snapshot is None or guid != snapshot.guid:
                self.impossible(key, f"bookmark {key} is of another snapshot than @{name}; give another name")

    def _retain(self, item: Item, name: str, dataset: Dataset) -> None:
        ours = [snapshot for snapshot in dataset.snapshots if snapshot.name.startswith(item.prefix)]
        if name and dataset.snapshot(name) is None:
            # The one made in this run counts as the newest.
            ours.append(Snapshot(name, guid=0, txg=2**63, creation=self.current.now))
        for snapshot in superfluous(ours, item.keep):
            key = f"{dataset.name}@{snapshot.name}"
            if key not in self.current.clones:
                self._destroy(snapshot, key, f"remove snapshot {key}, which is no longer to be kept")

    def remove(self, item: Item) -> None:
        for dataset in self.current.below(item.dataset, item.recursive):
            key = f"{dataset.name}@{item.name}"
            snapshot = dataset.snapshot(item.name)
            if snapshot is None:
                continue
            held = snapshot.holds - item.releases
            if held:
                tags = ", ".join(sorted(held))
                self.impossible(key, f"snapshot {key} cannot be removed: held by {tags}; release it first")
            elif key in self.current.clones:
                self.impossible(key, f"snapshot {key} cannot be removed: it has clones; remove them first")
            else:
                if snapshot.holds:
                    self.steps.append(_hold_step(key, snapshot.holds, frozenset()))
                self._destroy(snapshot, key, f"remove snapshot {key}", destroys=(key,))

    def _destroy(self, snapshot: Snapshot, key: str, sentence: str, destroys: tuple[str, ...] = ()) -> None:
        self.before[key], self.after[key] = {"holds": sorted(snapshot.holds)}, None
        self.steps.append(Step(key, "destroy", sentence, {"snapshot": key}, destroys=destroys))


def _hold_step(
    key: str, current: frozenset[str], wanted: frozenset[str], needs: tuple[str, ...] = ()
) -> Step:
    more, less = sorted(wanted - current), sorted(current - wanted)
    parts = [f"hold {key} by {', '.join(more)}"] if more else []
    parts += [f"release {key} from {', '.join(less)}"] if less else []
    args = {"snapshot": key, "current": sorted(current), "wanted": sorted(wanted)}
    return Step(key, "hold", " and ".join(parts), args, needs=needs)


def parse_holds(text: str) -> Iterator[tuple[str, str]]:
    """Full snapshot name and tag of each line of ``zfs holds -H`` (zfs-hold(8))."""
    for line in text.splitlines():
        name, _unused, rest = line.partition("\t")
        tag, _unused, _time = rest.partition("\t")
        if tag:
            yield name, tag
