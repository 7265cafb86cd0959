# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replicas: which trees shall be on the peer, and the plan that brings them there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, make_plan
from .._core.values import doubles, parse_size
from .model import check_dataset_name
from .snapshot import HOLD, Dataset
from .stream import How, Send, Side, hold_changes, is_mounted_replica, is_replica, release_of_lost, send_data


@dataclass(frozen=True, slots=True)
class Item:
    """A tree that shall be on the peer as it is here.

    :param rate: bytes per second at most; 0 is no limit.
    :param mounted: whether its files are to be read on the peer.
    """

    dataset: str
    target: str
    recursive: bool
    rate: int
    mounted: bool = False


@dataclass(frozen=True, slots=True)
class Replica:
    """What both hosts have of one tree, and the streams that are due.

    :param target: as it is after the renames.
    :param sends: by `plan_tree`, with the sizes that the sender told.
    :param renames: by `follow`, old and new names on the peer.
    """

    source: Side
    target: Side
    sends: tuple[Send, ...]
    renames: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of module zfs_replica.

    :param peer: how the peer is reached, as plain data.
    :param allowed: datasets of the peer that may lose what only they have.
    """

    items: tuple[Item, ...]
    peer: Mapping[str, Any]
    allowed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Current:
    """What both hosts have, item by item."""

    replicas: tuple[Replica, ...]

    def stable(self) -> Any:
        """What two runs of the same task have in common: no GUIDs, no figures."""
        return [
            (
                side.root,
                relative,
                [(each.name, sorted(each.holds)) for each in dataset.snapshots],
                dataset.readonly,
            )
            for replica in self.replicas
            for side in (replica.source, replica.target)
            for relative, dataset in sorted(side.datasets.items())
        ]


def parse_wanted(params: Mapping[str, Any]) -> Wanted:
    """The options of module zfs_replica.

    :raises Refused: with what is wrong.
    """
    peer = params["peer"]
    if not peer["addresses"] or any(not address or address.startswith("-") for address in peer["addresses"]):
        raise Refused(
            "addresses of the peer", f"{peer['addresses']} is no list of addresses", "give at least one"
        )
    items = [_parse_item(value) for value in params["replicas"]]
    twice = doubles(item.target for item in items)
    if twice:
        raise Refused(f"target {', '.join(twice)}", "declared more than once", "declare each of them once")
    return Wanted(tuple(items), peer, frozenset(params.get("allow_destroy") or ()))


def _parse_item(value: Mapping[str, Any]) -> Item:
    dataset = check_dataset_name(value["dataset"])
    target = check_dataset_name(value.get("target") or dataset, f"target of {dataset}")
    if "/" not in target:
        raise Refused(f"target of {dataset}", f"{target} is a pool", "name a dataset below it")
    rate = parse_size(value.get("rate") or 0, f"rate of {dataset}")
    return Item(dataset, target, bool(value.get("recursive")), rate, bool(value.get("mounted")))


def plan_replicas(current: Current, wanted: Wanted) -> Plan:
    """The steps which bring each tree to the peer."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for item, replica in zip(wanted.items, current.replicas, strict=True):
        for sends in _by_target(replica.sends):
            target = _Target(item, replica, sends, wanted.peer)
            due = target.steps()
            if due:
                steps += due
                before[target.key], after[target.key] = target.before(), target.after()
    return make_plan(steps, before, after)


def _by_target(sends: Iterable[Send]) -> list[list[Send]]:
    found: dict[str, list[Send]] = {}
    for send in sends:
        found.setdefault(send.target, []).append(send)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Target:
    """One dataset on the peer: its steps and pictures."""

    item: Item
    replica: Replica
    sends: list[Send]
    peer: Mapping[str, Any]

    @property
    def key(self) -> str:
        return self.sends[0].target

    @property
    def _last(self) -> Send:
        return self.sends[-1]

    @property
    def _old(self) -> str:
        """The name on the peer which it had here before it was renamed; empty when it was not."""
        return next((old for old, new in self.replica.renames if new == self.key), "")

    @property
    def _here(self) -> Dataset | None:
        return self.replica.source.datasets.get(self._last.source[len(self.replica.source.root) :])

    @property
    def _there(self) -> Dataset | None:
        return self.replica.target.datasets.get(self.key[len(self.replica.target.root) :])

    def before(self) -> dict[str, Any] | None:
        there = self._there
        if there is None:
            return None
        return {
            **({"name": self._old} if self._old else {}),
            "snapshots": [snapshot.name for snapshot in there.snapshots],
            "replica": is_replica(there) or self._shown,
            **({"mounted": there.mounted} if self.item.mounted else {}),
            "held": held(there),
            "held_at_source": held(self._here),
            "unfinished": bool(there.token),
            "own": list(self._last.lost),
        }

    def after(self) -> dict[str, Any]:
        there, last = self._there, self._last
        kept = [snapshot.name for snapshot in there.snapshots] if there else []
        if last.rollback:
            kept = kept[: kept.index(last.rollback) + 1]
        sent = [send.snapshot for send in self.sends if send.how not in (How.NOTHING, How.IMPOSSIBLE)]
        return {
            **({"name": self.key} if self._old else {}),
            "snapshots": [*kept, *(name for name in dict.fromkeys(sent) if name not in kept)],
            "replica": True,
            **({"mounted": True} if self.item.mounted else {}),
            "held": [last.snapshot, *held_beyond(there, last.snapshot)],
            "held_at_source": [last.snapshot, *held_beyond(self._here, last.snapshot)],
            "unfinished": False,
            "own": [],
        }

    def steps(self) -> list[Step]:
        last, key = self._last, self.key
        if last.how is How.IMPOSSIBLE:
            return [Step(key, "impossible", last.why, effect=Effect.IMPOSSIBLE)]
        # The parent must be there before its children, and what had the name must have another.
        needs = (key.rpartition("/")[0], *(new for old, new in self.replica.renames if old == key))
        steps = []
        if self._old:
            sentence = f"rename {self._old} on the peer to {key}, as here"
            steps.append(Step(key, "rename", sentence, self._args(old=self._old), needs=needs))
        sends = [send for send in self.sends if send.how is not How.NOTHING]
        if self._there is not None and not is_replica(self._there) and (sends or not self._shown):
            steps.append(
                Step(
                    key, "settle", f"make {key} on the peer a replica: read-only and not mounted",
                    self._args(target=key, volume=self._there.volume), needs=needs,
                )
            )  # fmt: skip
        if last.rollback:
            sentence = f"roll {key} on the peer back to @{last.rollback} (lost: {', '.join(last.lost)})"
            args = self._args(
                snapshot=f"{key}@{last.rollback}", there=_plain(release_of_lost(self._there, last))
            )
            steps.append(Step(key, "rollback", sentence, args, destroys=(key,), needs=needs))
        here, there = hold_changes(self._here, last.source, last), hold_changes(self._there, key, last)
        first = {name: change for name, change in here.items() if name == f"{last.source}@{last.snapshot}"}
        if sends and first:
            args = self._args(here=_plain(first), there={})
            steps.append(Step(key, "hold", f"hold {last.source}@{last.snapshot}", args, needs=needs))
        for send in sends:
            args = self._args(send=send_data(send), rate=self.item.rate)
            steps.append(Step(key, "send", send.sentence, args, needs=needs))
        if here or there:
            args = self._args(here=_plain(here), there=_plain(there))
            sentence = f"hold @{last.snapshot} of {last.source} as the newest that both sides share"
            steps.append(Step(key, "hold", sentence, args, needs=needs))
        if self.item.mounted and not last.volume and (sends or not self._shown):
            args = self._args(target=key)
            steps.append(Step(key, "mount", f"mount {key} on the peer, read-only", args, needs=needs))
        return steps

    @property
    def _shown(self) -> bool:
        """Whether its files are there to be read, as was declared."""
        there = self._there
        return there is not None and self.item.mounted and is_mounted_replica(there)

    def _args(self, **more: Any) -> dict[str, Any]:
        return {"peer": dict(self.peer), **more}


def held(dataset: Dataset | None) -> list[str]:
    """The snapshots that carry our hold, oldest first."""
    return [snapshot.name for snapshot in dataset.snapshots if HOLD in snapshot.holds] if dataset else []


def held_beyond(dataset: Dataset | None, name: str) -> list[str]:
    """The snapshots newer than this one that carry our hold."""
    snapshot = dataset.snapshot(name) if dataset else None
    if dataset is None or snapshot is None:
        return []
    return [each.name for each in dataset.snapshots if HOLD in each.holds and each.txg > snapshot.txg]


def _plain(changes: Mapping[str, tuple[frozenset[str], frozenset[str]]]) -> dict[str, list[list[str]]]:
    """Changes of holds as plain data, for a step."""
    return {name: [sorted(current), sorted(wanted)] for name, (current, wanted) in changes.items()}
