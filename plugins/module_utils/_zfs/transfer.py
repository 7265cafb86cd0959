# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streams between two hosts: read both sides, send, hold what they share.

A transfer may be killed at any moment: what was received of an unfinished stream is gone or can be
resumed, what is complete is known by its GUID, and a second run does the rest.

`replicate` does all of it in one call. Its parts serve those who announce each step: `read_replica`,
`send_tree`, `hold_tree`, and `set_replica` and `set_origin` where the direction turns round.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from .._core.errors import CommandFailed, CommandMissing, Refused, TwinError, Unreachable
from .._core.host import Host, Peer, SshHost, WritableHost
from .._core.pipe import Joined, Meter, Progress
from .._core.plan import Step
from .host import capabilities, patiently, settle
from .model import Capabilities, parent_of, parse_properties, pool_of
from .replica import Current, Item, Replica, Wanted
from .snapshot import Dataset
from .snapshot_host import forgiven, read_datasets, run_where_present, set_holds
from .stream import (
    INCOMING,
    How,
    Resumable,
    Send,
    Side,
    differences,
    follow,
    hold_changes,
    is_replica,
    newest_of_all,
    parse_resumable,
    parse_size_told,
    plan_tree,
    receive_argv,
    release_of_lost,
    replica_properties,
    send_argv,
    send_from,
)

OnProgress = Callable[[Progress], None]

# What zfs receive says, and what is to be done about it (libzfs_sendrecv.c).
_REMEDIES = {
    "has been modified": "what was written there since its newest snapshot would be lost: name it in "
    "allow_destroy to roll it back",
    "out of space": "make room in the peer's pool",
    "quota exceeded": "raise the quota on the peer",
    "does not match incremental source": "its snapshots changed meanwhile: run it again",
    "dataset is busy": "another transfer or a mount uses it there: run it again when that has ended",
    "does not exist": "see that the dataset above it exists on the peer and run it again",
    "is no longer the same snapshot": "run it again: it will begin anew",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What went through.

    :param count: bytes.
    :param seconds: from the first stream's beginning to the last one's end.
    :param target: what the peer has now, where it was read again.
    """

    count: int
    seconds: float
    target: Side | None = None


@functools.cache
def reach(host: Host, peer: Peer) -> WritableHost:
    """The other host, connected to once."""
    return host.reach(peer)


def read_side(
    host: Host,
    root: str,
    *,
    recursive: bool = True,
    also: Sequence[str] = (),
    able: Capabilities | None = None,
) -> Side:
    """What a host has of a tree.

    :param also: full names of further snapshots whose GUIDs are of interest.
    :param able: what its ZFS can do, when that was asked before.
    """
    able = able or capabilities(host)
    found = read_datasets(host, able, [root], recursive=recursive)
    datasets = {name.removeprefix(root): dataset for name, dataset in found.items()}
    origins = sorted({*also, *(dataset.origin for dataset in datasets.values() if dataset.origin)})
    above = [] if root in found else [parent_of(root)]
    guids = read_guids(host, [*origins, *above])
    return Side(
        root=root,
        datasets=datasets,
        capabilities=able,
        guids={name: guid for name, guid in guids.items() if name in origins},
        features=read_features(host, able, pool_of(root)),
        parent=all(name in guids for name in above),
    )


def read_guids(host: Host, names: Sequence[str]) -> dict[str, int]:
    """GUIDs of datasets and snapshots by full name; those that do not exist are left out."""
    if not names:
        return {}
    argv = ["zfs", "get", "-Hp", "-o", "name,property,value,source", "guid", *names]
    found = parse_properties(run_where_present(host, argv))
    return {name: int(of_name["guid"].value) for name, of_name in found.items()}


def read_features(host: Host, able: Capabilities, pool: str) -> frozenset[str]:
    """The enabled features of a pool (zpool-features(7)); none on a ZFS that has version numbers instead."""
    if able.version is None:
        return frozenset()
    try:
        output = host.run(["zpool", "get", "-H", "-o", "property,value", "all", pool], ok=(0, 1))
    except CommandMissing:
        return frozenset()
    lines = (line.split("\t") for line in output.out.splitlines())
    return frozenset(
        words[0].removeprefix("feature@")
        for words in lines
        if words[0].startswith("feature@") and words[1] in ("enabled", "active")
    )


def read_again(host: Host, side: Side, *, recursive: bool) -> Side:
    """The same side with the datasets as they are now; what does not change is not asked again."""
    found = read_datasets(host, side.capabilities, [side.root], recursive=recursive)
    datasets = {name.removeprefix(side.root): dataset for name, dataset in found.items()}
    return replace(side, datasets=datasets, parent=side.parent or side.root in found)


def read_replica(
    host: Host,
    peer: WritableHost,
    item: Item,
    allowed: Collection[str] = (),
    known: Side | None = None,
) -> Replica:
    """Both sides of one tree, and what is to be sent with the sizes that the sender predicts.

    :param known: what the peer has, when that is known.
    """
    source = read_side(host, item.dataset, recursive=item.recursive)
    target = known or read_side(peer, item.target, recursive=item.recursive, also=source.origins)
    source = replace(source, tokens=read_tokens(host, target.datasets.values()))
    target, renames = follow(source, target)
    sends = predict(host, source, plan_tree(source, target, allowed))
    return Replica(source, target, tuple(sends), renames)


def read_current(host: Host, wanted: Wanted) -> Current:
    """What module zfs_replica looks at."""
    peer = reach(host, peer_of(wanted.peer))
    return Current(tuple(read_replica(host, peer, item, wanted.allowed) for item in wanted.items))


def read_tokens(host: Host, datasets: Iterable[Dataset]) -> dict[str, Resumable]:
    """Those resume tokens of the other side with which this side can go on."""
    found = {}
    for token in sorted({dataset.token for dataset in datasets if dataset.token}):
        told = host.run(["zfs", "send", "-nvP", "-t", token], ok=(0, 1, 2, 255))
        resumable = parse_resumable(told.out + told.err) if told.rc == 0 else None
        if resumable:
            found[token] = resumable
    return found


def predict(host: Host, source: Side, sends: Iterable[Send]) -> list[Send]:
    """The same streams, with the sizes that ``zfs send`` itself predicts where it can."""
    asks = source.capabilities.known and source.capabilities.can("send", "nP")
    return [_predicted(host, send) if asks else send for send in sends]


def _predicted(host: Host, send: Send) -> Send:
    if send.how in (How.NOTHING, How.IMPOSSIBLE, How.RESUME) or send.base and not send.size:
        return send
    told = host.run(send_argv(send, dry=True), ok=(0, 1))
    size = parse_size_told(told.out) if told.rc == 0 else None
    return send if size is None else replace(send, size=size, told=True)


def deliver(host: WritableHost, peer: WritableHost, send: Send, meter: Meter) -> None:
    """Send one stream; the target must be ready for it.

    :raises CommandFailed: when it did not arrive, with what both ends said.
    :raises Unreachable: when the connection broke.
    """
    if send.abandon:
        peer.change(["zfs", "receive", "-A", send.target])
    if send.staged:
        _prepare_staging(peer, send)
    joined = host.pipe(send_argv(send), peer, receive_argv(send), meter)
    arrived = f"{send.staged or send.target}@{send.snapshot}"
    if (joined.sender_rc or joined.receiver_rc) and not _came_through(peer, joined, arrived, send.guid):
        raise _failure(send, joined, peer)
    if send.staged:
        set_replica(peer, send.staged, volume=send.volume)
        patiently(peer, ["zfs", "rename", send.staged, send.target])


def _prepare_staging(peer: WritableHost, send: Send) -> None:
    """An empty place for a dataset which must not be mounted; what an interrupted run left there goes."""
    # The place itself stays, empty: another machine may be about to arrive there.
    incoming = f"{pool_of(send.target)}/{INCOMING}"
    forgiven(peer.change(["zfs", "create", "-o", "mountpoint=none", incoming], ok=(0, 1)), "already exists")
    forgiven(peer.change(["zfs", "destroy", "-r", send.staged], ok=(0, 1)), "does not exist")


def _came_through(peer: WritableHost, joined: Joined, arrived: str, guid: int) -> bool:
    """Whether the snapshot is complete all the same: a receive can fail after it was (its mount failed)."""
    if joined.receiver_rc in (SshHost.NO_CONNECTION, 127):
        return False
    return read_guids(peer, [arrived]).get(arrived) == guid


def _failure(send: Send, joined: Joined, peer: WritableHost) -> TwinError:
    """Why a stream did not arrive; what the receiver says is the cause of what the sender says."""
    wanted = f"{send.source}@{send.snapshot} could not be sent to {send.target} on the peer"
    # "cannot receive …: destination X has been modified\nsince most recent snapshot" is one sentence.
    heard, said = (" ".join(text.split()) for text in (joined.receiver_err, joined.sender_err))
    facts: dict[str, Any] = {
        "command": send_argv(send),
        "rc": joined.sender_rc,
        "stderr": joined.sender_err,
        "receiver_command": receive_argv(send),
        "receiver_rc": joined.receiver_rc,
        "receiver_stderr": joined.receiver_err,
    }
    if joined.receiver_rc == SshHost.NO_CONNECTION:
        return Unreachable(
            wanted, heard or "the connection broke", "run it again when the peer is back", **facts
        )
    if joined.receiver_rc == 127:
        return CommandMissing(wanted, "zfs is not installed there", "run role server", **facts)
    cause = heard if joined.receiver_rc and heard else said or heard
    remedy = next((remedy for text, remedy in _REMEDIES.items() if text in cause), "run it again")
    return CommandFailed(wanted, cause or f"zfs send ended with {joined.sender_rc}", remedy, **facts)


def set_replica(host: WritableHost, dataset: str, *, volume: bool) -> None:
    """Make a dataset a replica: read-only, not mounted, and not mounted by itself."""
    for name, value in replica_properties(volume).items():
        host.change(["zfs", "set", f"{name}={value}", dataset])
    if not volume:
        forgiven(
            host.change(["zfs", "unmount", dataset], ok=(0, 1)), "not currently mounted", "no mountpoint"
        )


def set_origin(host: WritableHost, dataset: str, *, volume: bool) -> None:
    """Make a replica the original: it is written to, and mounted. The opposite of `set_replica`."""
    host.change(["zfs", "inherit", "readonly", dataset])
    if (
        not volume
        and not read_datasets(host, capabilities(host), [dataset], recursive=False)[dataset].mounted
    ):
        host.change(["zfs", "set", "canmount=on", dataset])
        patiently(host, ["zfs", "mount", dataset])


def roll_back(host: WritableHost, snapshot: str) -> None:
    """Take a dataset back to a snapshot; everything newer in it is lost."""
    patiently(host, ["zfs", "rollback", "-r", snapshot])


def send_tree(
    host: WritableHost,
    peer: WritableHost,
    sends: Sequence[Send],
    *,
    limit: int = 0,
    on_progress: OnProgress | None = None,
) -> Sent:
    """Send the streams of a tree. Datasets that exist on both sides go at the same time.

    :param limit: bytes per second, all together; 0 is no limit.
    :raises Refused: when one of them is impossible; nothing is sent then.
    """
    due = [send for send in sends if send.how is not How.NOTHING]
    refuse_impossible(due)
    with Meter(limit, on_progress) as meter:
        # A new dataset needs the one above it, and a resumed one is continued by the next.
        later = [send for send in due if not send.fresh and send.how is not How.RESUME]
        for send in due:
            if send not in later:
                deliver(host, peer, send, meter)
        with ThreadPoolExecutor(max(1, len(later))) as pool:
            for delivered in [pool.submit(deliver, host, peer, send, meter) for send in later]:
                delivered.result()
        return Sent(meter.count, meter.seconds)


def refuse_impossible(sends: Iterable[Send]) -> None:
    """Refuse a tree that cannot be sent, with every reason at once.

    :raises Refused: when there is one.
    """
    reasons = [send.why for send in sends if send.how is How.IMPOSSIBLE]
    if reasons:
        raise Refused("; ".join(reasons), blockers=reasons)


def hold_tree(
    host: WritableHost, peer: WritableHost, source: Side, target: Side, sends: Sequence[Send]
) -> None:
    """Hold on both sides the snapshot that they share, and release the older ones; three commands a side."""
    here: dict[str, Any] = {}
    there: dict[str, Any] = {}
    for send in _last_ones(sends):
        here |= hold_changes(source.datasets.get(send.source.removeprefix(source.root)), send.source, send)
        there |= hold_changes(target.datasets.get(send.target.removeprefix(target.root)), send.target, send)
    set_holds(peer, target.capabilities, there)
    set_holds(host, source.capabilities, here)


def replicate(
    host: WritableHost,
    peer: WritableHost,
    dataset: str,
    target: str = "",
    *,
    recursive: bool = True,
    allowed: Collection[str] = (),
    limit: int = 0,
    on_progress: OnProgress | None = None,
    known: Side | None = None,
    hold: bool = True,
) -> Sent:
    """Bring the newest snapshot of a whole tree to the peer, and see by GUID that it is there.

    :param allowed: datasets of the peer that may lose what only they have.
    :param known: what the peer has, as the ``target`` of what was sent last: saves asking, when every
        moment counts. What is not true any more makes the stream fail, never succeed.
    :param hold: whether the holds move on to this snapshot. Without it the one before stays held and
        remains a base.
    :raises Refused: when it cannot be sent, or something on the peer that is not allowed would be lost.
    :raises CommandFailed: when a stream did not arrive.
    """
    replica = read_replica(host, peer, Item(dataset, target or dataset, recursive, limit), allowed, known)
    refuse_impossible(replica.sends)
    _refuse_loss(replica.sends, allowed)
    for old, new in replica.renames:
        patiently(peer, ["zfs", "rename", old, new])
    for send in replica.sends:
        _ready(peer, replica.target, send)
    if hold:
        hold_sources(host, replica.source, replica.sends)
    sent = send_tree(host, peer, replica.sends, limit=limit, on_progress=on_progress)
    after = read_again(peer, replica.target, recursive=recursive)
    verify(replica.source, after)
    if hold:
        hold_tree(host, peer, replica.source, replica.target, replica.sends)
    return replace(sent, target=after)


def _refuse_loss(sends: Iterable[Send], allowed: Collection[str]) -> None:
    lost = [send for send in sends if send.rollback and send.target not in allowed]
    if lost:
        raise Refused(
            "; ".join(f"{send.target} on the peer has what {send.source} has not" for send in lost),
            f"this would lose {', '.join(f'{send.target}: {part}' for send in lost for part in send.lost)}",
            "name it in allow_destroy if that is meant",
        )


def _ready(peer: WritableHost, target: Side, send: Send) -> None:
    """Roll the target back and make it a replica, where that is due."""
    there = target.datasets.get(send.target.removeprefix(target.root))
    if there is not None and not is_replica(there):
        set_replica(peer, send.target, volume=there.volume)
    if send.rollback:
        set_holds(peer, target.capabilities, release_of_lost(there, send))
        roll_back(peer, f"{send.target}@{send.rollback}")


def _last_ones(sends: Iterable[Send]) -> list[Send]:
    """Of the streams for one target the last: a resumed one is followed by another."""
    return list({send.target: send for send in sends}.values())


def hold_sources(host: WritableHost, source: Side, sends: Iterable[Send]) -> None:
    """Hold the snapshots that are about to be sent, so that nobody removes them meanwhile."""
    changes: dict[str, Any] = {}
    for send in _last_ones(sends):
        name = f"{send.source}@{send.snapshot}"
        dataset = source.datasets.get(send.source.removeprefix(source.root))
        changes |= {
            key: both for key, both in hold_changes(dataset, send.source, send).items() if key == name
        }
    set_holds(host, source.capabilities, changes)


def verify(source: Side, target: Side) -> None:
    """See that both sides have the newest snapshot of the whole tree, by GUID.

    :raises CommandFailed: when they differ.
    """
    wrong = differences(source, target, newest_of_all(source))
    if wrong:
        raise CommandFailed(
            f"{', '.join(wrong)} is not the same on both sides",
            "every stream was received, yet the GUIDs differ",
            "look at the peer, something else writes snapshots there",
        )


def peer_of(data: Mapping[str, Any]) -> Peer:
    """The peer of a step or of a module's options."""
    return Peer(
        addresses=tuple(data["addresses"]),
        user=data.get("user") or "root",
        key=data.get("key") or "",
        known_hosts=data.get("known_hosts") or "",
    )


def apply_step(host: WritableHost, step: Step) -> Mapping[str, Any] | None:
    """Carry out one step of a plan of replicas."""
    peer = reach(host, peer_of(step.args["peer"]))
    if step.verb == "send":
        send = send_from(step.args["send"])
        with Meter(step.args["rate"]) as meter:
            deliver(host, peer, send, meter)
            return {"bytes": meter.count, "seconds": round(meter.seconds, 3), "snapshot": send.snapshot}
    if step.verb == "hold":
        set_holds(peer, capabilities(peer), step.args["there"])
        set_holds(host, capabilities(host), step.args["here"])
    elif step.verb == "rollback":
        set_holds(peer, capabilities(peer), step.args["there"])
        roll_back(peer, step.args["snapshot"])
    elif step.verb == "settle":
        set_replica(peer, step.args["target"], volume=step.args["volume"])
    elif step.verb == "rename":
        patiently(peer, ["zfs", "rename", step.args["old"], step.key])
    elif step.verb == "mount":
        peer.change(["zfs", "set", "canmount=on", step.args["target"]])
        settle(peer, {step.args["target"]: True})
    else:
        raise ValueError(f"no such step: {step.verb}")
    return None
