# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streams: what must be sent so that another host has a snapshot, judged by GUIDs alone. Pure.

Names can lie (two snapshots of one name on two hosts may differ), GUIDs cannot: a received
snapshot has the GUID of the one that was sent (zfsprops(7)). A tree is sent dataset by dataset,
parents first, from one atomic snapshot; streams carry no properties.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from .._core.values import human_size
from .model import Capabilities, parent_of, pool_of
from .snapshot import HOLD, Dataset, Snapshot

# Where a host cannot receive without mounting, new datasets arrive below this one, which has no
# mount point, and are renamed into place when they are replicas already.
INCOMING = ".incoming"
# What a stream may take beyond the data: a record header for each block, and its beginning and end.
_HEADERS = 1.1
_ENDS = 64 * 1024
_COMPRESSIONS = frozenset({"lz4_compress", "zstd_compress"})


class How(enum.StrEnum):
    """What kind of stream brings a dataset to where it shall be."""

    NOTHING = "nothing"
    FULL = "full"
    CLONE = "clone"
    INCREMENT = "increment"
    RESUME = "resume"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Resumable:
    """What the sender says of a resume token.

    :param guid: of the snapshot that is being sent.
    :param size: bytes that are left; None when not told.
    """

    guid: int
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """One host's part of a replicated tree.

    :param root: name of the uppermost dataset; it need not exist.
    :param datasets: by what follows the root in their names ("", "/root", "/data").
    :param guids: of further snapshots by full name (the images of which clones were made).
    :param features: of the pool, those enabled.
    :param tokens: resume tokens of the other side that this side can go on with.
    :param parent: whether the dataset above the root exists.
    """

    root: str
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=Capabilities)
    guids: Mapping[str, int] = field(default_factory=dict)
    features: frozenset[str] = frozenset()
    tokens: Mapping[str, Resumable] = field(default_factory=dict)
    parent: bool = True

    @property
    def origins(self) -> list[str]:
        """The snapshots of which datasets of this tree are clones."""
        return sorted({dataset.origin for dataset in self.datasets.values() if dataset.origin})


@dataclass(frozen=True, slots=True)
class Send:
    """One stream, or the reason why there is none.

    :param snapshot: its name on both sides, without the dataset.
    :param guid: what the target's snapshot must have afterwards.
    :param base: full name of the snapshot or bookmark on the source from which it is an increment.
    :param through: whether the snapshots between base and this one go along.
    :param flags: letters for ``zfs send``.
    :param size: predicted bytes; None when not told.
    :param told: whether ``zfs send`` itself told ``size``: the data, without the headers of the stream,
        which may be some percent more. Else it is an upper bound.
    :param fresh: whether the target is made by this stream.
    :param staged: full name under which a fresh target arrives first; empty where it arrives in place.
    :param abandon: whether the target first gives up a partial receive.
    :param rollback: snapshot to which the target first goes back; empty for none.
    :param lost: what the target loses by that.
    :param why: for an impossible one: the reason and the way out.
    """

    source: str
    target: str
    snapshot: str
    guid: int
    how: How
    base: str = ""
    through: bool = False
    flags: str = ""
    token: str = ""
    volume: bool = False
    size: int | None = None
    told: bool = False
    fresh: bool = False
    staged: str = ""
    resumable: bool = False
    unmounted: bool = False
    abandon: bool = False
    rollback: str = ""
    lost: tuple[str, ...] = ()
    why: str = ""

    @property
    def predicted(self) -> str:
        """The predicted size for people, marked as an estimate or an upper bound."""
        if self.size is None:
            return "of unknown size"
        return f"{'≈' if self.told else '≤'} {human_size(self.size)}"

    @property
    def sentence(self) -> str:
        """What is sent, for people."""
        what = f"{self.source}@{self.snapshot} to {self.target} on the peer"
        kind = {
            How.FULL: "in full",
            How.CLONE: f"as a clone of {self.base}",
            How.INCREMENT: f"since {self.base[len(self.source) :]}",
            How.RESUME: "from where it was interrupted",
        }.get(self.how, "")
        return f"send {what} {kind} ({self.predicted})"


def send_argv(send: Send, *, dry: bool = False) -> list[str]:
    """``zfs send`` for a stream; dry: the one that only tells its size (zfs-send(8))."""
    argv = ["zfs", "send", *(["-nP"] if dry else [])]
    if send.how is How.RESUME:
        return [*argv, "-t", send.token]
    if send.flags:
        argv.append(f"-{send.flags}")
    if send.base:
        argv += ["-I" if send.through else "-i", send.base]
    return [*argv, f"{send.source}@{send.snapshot}"]


def receive_argv(send: Send) -> list[str]:
    """``zfs receive`` for a stream (zfs-receive(8))."""
    argv = ["zfs", "receive"]
    if send.resumable:
        argv.append("-s")
    if send.unmounted:
        argv.append("-u")
        if send.fresh and send.how is not How.RESUME:
            for name, value in replica_properties(send.volume).items():
                argv += ["-o", f"{name}={value}"]
    return [*argv, send.staged or send.target]


def replica_properties(volume: bool) -> dict[str, str]:
    """What makes a dataset a replica: nothing is written to it, and nothing mounts it by itself."""
    return {"readonly": "on"} if volume else {"readonly": "on", "canmount": "noauto"}


def plan_tree(source: Side, target: Side, allowed: Collection[str] = ()) -> list[Send]:
    """What to send so that the whole tree on the target has the newest snapshot which the whole source has.

    :param allowed: datasets of the target that may lose what only they have. Where a host does
        not tell whether something was written since its newest snapshot, these are always rolled back.
    :returns: parents first, with `How.NOTHING` where nothing is to be sent, and `How.IMPOSSIBLE`
        with the reason for each dataset where nothing can be.
    """
    name = newest_of_all(source)
    if not name:
        return [_without_snapshot(source, target)]
    if not target.parent:
        above = parent_of(target.root)
        why = f"{target.root} cannot be made on the peer, {above} does not exist there; create that first"
        return [Send(source.root, target.root, name, 0, How.IMPOSSIBLE, why=why)]
    sends: list[Send] = []
    for relative, dataset in sorted(source.datasets.items()):
        snapshot = cast(Snapshot, dataset.snapshot(name))
        sends += _decide(
            _Pair(source, target, dataset, target.datasets.get(relative), relative), snapshot, allowed
        )
    return sends


def follow(source: Side, target: Side) -> tuple[Side, tuple[tuple[str, str], ...]]:
    """The target once its datasets bear the names which they have on the source, and the renames, in order.

    A dataset that was renamed on the source is known by the GUIDs of its snapshots. One whose new name is
    taken stays as it is, until what has that name moves on.

    :returns: each rename as old and new full name on the target.
    """
    renames = []
    while found := _misnamed(source, target):
        old, new = found
        target = _renamed(target, old, new)
        renames.append((target.root + old, target.root + new))
    return target, tuple(renames)


def _misnamed(source: Side, target: Side) -> tuple[str, str] | None:
    """A dataset of the target which has another name on the source, that is free; without the roots."""
    for old, there in sorted(target.datasets.items()):
        if old and not _kin(source.datasets.get(old), there):
            for new, here in sorted(source.datasets.items()):
                if new not in target.datasets and parent_of(new) in target.datasets and _kin(here, there):
                    return old, new
    return None


def _kin(here: Dataset | None, there: Dataset) -> bool:
    """Whether two datasets share a snapshot."""
    if here is None:
        return False
    known = {snapshot.guid for snapshot in here.snapshots} | {*here.bookmarks.values()}
    return any(snapshot.guid in known for snapshot in there.snapshots)


def _renamed(side: Side, old: str, new: str) -> Side:
    """The same side after a rename, which takes along what is below."""
    datasets = {}
    for name, dataset in side.datasets.items():
        if name == old or name.startswith(f"{old}/"):
            name = new + name[len(old) :]
        datasets[name] = replace(dataset, name=side.root + name)
    return replace(side, datasets=datasets)


def newest_of_all(side: Side) -> str:
    """The newest snapshot that every dataset of a tree has; empty when there is none."""
    root = side.datasets.get("")
    for snapshot in reversed(root.snapshots if root else ()):
        if all(dataset.snapshot(snapshot.name) for dataset in side.datasets.values()):
            return snapshot.name
    return ""


def differences(source: Side, target: Side, snapshot: str) -> list[str]:
    """The datasets of a tree whose snapshot is not the same on both sides, by GUID; empty when all agree."""
    wrong = []
    for relative, dataset in sorted(source.datasets.items()):
        here = dataset.snapshot(snapshot)
        other = target.datasets.get(relative)
        there = other.snapshot(snapshot) if other else None
        if here is None or there is None or here.guid != there.guid:
            wrong.append(dataset.name)
    return wrong


@dataclass(frozen=True, slots=True)
class _Pair:
    """A dataset and its counterpart."""

    source: Side
    target: Side
    here: Dataset
    there: Dataset | None
    relative: str

    @property
    def target_name(self) -> str:
        return self.target.root + self.relative


def _without_snapshot(source: Side, target: Side) -> Send:
    if not source.datasets:
        why = f"dataset {source.root} does not exist, so nothing can be sent"
    else:
        below = " and all below it have" if len(source.datasets) > 1 else " has"
        why = f"{source.root}{below} no snapshot in common, so nothing can be sent; make one, recursively"
    return Send(source.root, target.root, "", 0, How.IMPOSSIBLE, why=why)


def _decide(pair: _Pair, wanted: Snapshot, allowed: Collection[str]) -> list[Send]:
    here, there = pair.here, pair.there
    send = _basic(pair, wanted)
    if there is not None and there.token:
        left = pair.source.tokens.get(there.token)
        reached = next((each for each in here.snapshots if left and each.guid == left.guid), None)
        if left is None or reached is None:
            send = replace(send, abandon=True)
            there = there if there.snapshots else None
        else:
            resume = replace(
                send, snapshot=reached.name, guid=reached.guid, how=How.RESUME, token=there.token,
                size=left.size, told=left.size is not None, staged="", fresh=not there.snapshots,
            )  # fmt: skip
            if reached.guid == wanted.guid:
                return [resume]
            if reached.txg < wanted.txg:
                return [resume, _increment(replace(send, fresh=False, staged=""), here, reached, wanted)]
            return [resume]
    if there is None:
        return [_first(send, pair)]
    return [_further(replace(send, fresh=False, staged=""), here, there, wanted, allowed)]


def _basic(pair: _Pair, wanted: Snapshot) -> Send:
    """All that does not depend on what the target has."""
    receiver = pair.target.capabilities
    unmounted = receiver.can("receive", "uo")
    return Send(
        source=pair.here.name,
        target=pair.target_name,
        snapshot=wanted.name,
        guid=wanted.guid,
        how=How.NOTHING,
        flags=_flags(pair.source, pair.target, pair.here),
        volume=pair.here.volume,
        fresh=True,
        staged="" if unmounted else staging_name(pair.target_name),
        resumable=receiver.can("receive", "s") and pair.source.capabilities.can("send", "t"),
        unmounted=unmounted,
    )


def staging_name(target: str) -> str:
    """Where a dataset arrives on a host that would mount it."""
    pool = pool_of(target)
    return f"{pool}/{INCOMING}/{target[len(pool) + 1 :].replace('/', ':')}"


def _flags(source: Side, target: Side, dataset: Dataset) -> str:
    """Letters for ``zfs send`` that both sides understand (zfs-send(8), zpool-features(7))."""
    if dataset.encrypted:
        return "w"
    if source.capabilities.version is None or target.capabilities.version is None:
        return ""
    both = source.features & target.features
    letters = "L" if "large_blocks" in both else ""
    letters += "e" if "embedded_data" in both else ""
    # A compressed block arrives as it is, so the receiver must know its compression.
    letters += "c" if source.features & _COMPRESSIONS <= target.features else ""
    return "".join(letter for letter in letters if source.capabilities.can("send", letter))


def _first(send: Send, pair: _Pair) -> Send:
    """The first stream into a target that is not there yet."""
    here = pair.here
    if here.encrypted and not (
        pair.source.capabilities.can("send", "w") and pair.target.features >= {"encryption"}
    ):
        return replace(
            send, how=How.IMPOSSIBLE,
            why=f"{here.name} is encrypted and the peer's pool cannot hold it; enable its feature encryption",
        )  # fmt: skip
    origin = pair.source.guids.get(here.origin)
    if origin is not None and origin in pair.target.guids.values():
        send = replace(send, how=How.CLONE, base=here.origin)
    else:
        send = replace(send, how=How.FULL)
    return replace(send, size=upper_bound(here, send))


def _further(send: Send, here: Dataset, there: Dataset, wanted: Snapshot, allowed: Collection[str]) -> Send:
    """The next stream into a target that has a past."""
    known = {snapshot.guid for snapshot in here.snapshots} | set(here.bookmarks.values())
    common = next((snapshot for snapshot in reversed(there.snapshots) if snapshot.guid in known), None)
    if common is None:
        return replace(
            send, how=How.IMPOSSIBLE,
            why=f"{there.name} on the peer shares no snapshot with {here.name}; rename or remove it there",
        )  # fmt: skip
    if common.guid == wanted.guid:
        answer = send
    elif any(snapshot.guid == wanted.guid for snapshot in there.snapshots):
        # The target is ahead: the source has the newer ones too, only not in the whole tree.
        return send
    else:
        answer = _increment(send, here, common, wanted)
    if answer.how is How.IMPOSSIBLE:
        return answer
    lost = [f"@{snapshot.name}" for snapshot in there.snapshots if snapshot.txg > common.txg]
    if there.written:
        lost.append(f"{human_size(there.written)} written since")
    if lost:
        return replace(answer, rollback=common.name, lost=tuple(lost))
    if there.written is None and answer.how is How.INCREMENT and there.name in allowed:
        return replace(answer, rollback=common.name, lost=("whatever was written since",))
    return answer


def _increment(send: Send, here: Dataset, common: Snapshot, wanted: Snapshot) -> Send:
    """The stream from a common snapshot (or the bookmark that remembers it) to the wanted one."""
    base = next((snapshot for snapshot in here.snapshots if snapshot.guid == common.guid), None)
    if base is None:
        mark = next(name for name, guid in here.bookmarks.items() if guid == common.guid)
        send = replace(send, how=How.INCREMENT, base=f"{here.name}#{mark}")
        return replace(send, size=upper_bound(here, send))
    if base.txg > wanted.txg:
        return replace(
            send, how=How.IMPOSSIBLE,
            why=f"{send.target} on the peer has the newer @{base.name}, but not "
            f"@{wanted.name} of {here.name}; make a new recursive snapshot",
        )  # fmt: skip
    between = any(base.txg < snapshot.txg < wanted.txg for snapshot in here.snapshots)
    send = replace(send, how=How.INCREMENT, base=f"{here.name}@{base.name}", through=between)
    return replace(send, size=upper_bound(here, send))


def upper_bound(dataset: Dataset, send: Send) -> int:
    """How many bytes a stream has at most, from the figures which every ZFS has.

    What is new since a base is what the snapshot shows, less what of the base it still shows; and
    what it no longer shows of the base is held by snapshots only. Blocks travel uncompressed.
    """
    snapshot = dataset.snapshot(send.snapshot)
    size = snapshot.referenced if snapshot else dataset.referenced
    if send.how is How.CLONE:
        size = min(size, dataset.used)
    elif send.how is How.INCREMENT:
        base = dataset.snapshot(send.base.partition("@")[2])
        held = dataset.usedbysnapshots
        size = min(size, max(0, size - base.referenced) + held) if base and not send.through else size + held
    return math.ceil(size * max(1.0, dataset.ratio) * _HEADERS) + _ENDS


_SIZE = re.compile(r"^size\t(\d+)$", re.MULTILINE)
_GUID = re.compile(r"\btoguid = (0x[0-9a-f]+|\d+)")


def parse_size_told(text: str) -> int | None:
    """The size in what ``zfs send -nP`` printed (zfs-send(8)); None when there is none."""
    match = _SIZE.search(text)
    return int(match[1]) if match else None


def parse_resumable(text: str) -> Resumable | None:
    """What ``zfs send -nvP -t TOKEN`` printed; None when it does not name the snapshot."""
    match = _GUID.search(text)
    return Resumable(int(match[1], 0), parse_size_told(text)) if match else None


def is_replica(dataset: Dataset) -> bool:
    """Whether nothing can be written to a dataset."""
    return dataset.readonly and (dataset.volume or (dataset.canmount == "noauto" and not dataset.mounted))


def is_mounted_replica(dataset: Dataset) -> bool:
    """Whether files can be read in a dataset, at once and after a boot, and nothing written."""
    return dataset.readonly and dataset.mounted and dataset.canmount == "on"


def hold_changes(
    dataset: Dataset | None, name: str, send: Send
) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Current and wanted tags of those snapshots whose holds are not yet as they shall be.

    The snapshot that both sides share carries our hold, none that is older does.

    :param dataset: as it was read, before anything is sent.
    """
    changes = {}
    shared = dataset.snapshot(send.snapshot) if dataset else None
    now = shared.holds if shared else frozenset[str]()
    if HOLD not in now:
        changes[f"{name}@{send.snapshot}"] = (now, now | {HOLD})
    kept = dataset.snapshot(send.rollback) if dataset and send.rollback else None
    for each in dataset.snapshots if dataset else ():
        gone = kept is not None and each.txg > kept.txg
        if HOLD in each.holds and not gone and (shared is None or each.txg < shared.txg):
            changes[f"{name}@{each.name}"] = (each.holds, each.holds - {HOLD})
    return changes


def release_of_lost(dataset: Dataset | None, send: Send) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Changes of holds which let go of what a rollback removes: ZFS removes nothing that is held."""
    kept = dataset.snapshot(send.rollback) if dataset and send.rollback else None
    if dataset is None or kept is None:
        return {}
    return {
        f"{dataset.name}@{each.name}": (each.holds, each.holds - {HOLD})
        for each in dataset.snapshots
        if HOLD in each.holds and each.txg > kept.txg
    }


def send_data(send: Send) -> dict[str, Any]:
    """A stream as plain data, for a step; `send_from` reads it."""
    return {name: getattr(send, name) for name in Send.__dataclass_fields__}


def send_from(data: Mapping[str, Any]) -> Send:
    """The stream of a step."""
    return Send(**{**data, "how": How(data["how"]), "lost": tuple(data["lost"])})
