# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers in memory between which streams flow: zfs send, receive and bookmarks on `zfs.Zfs`.

Rests on these facts: zfs-fuse 0.7.0 run by hand for its receive (it mounts what is new, refuses what
was modified, keeps nothing of a broken stream, goes on over the other names when one is already held);
libzfs_sendrecv.c of OpenZFS for its messages, resume tokens and ``send -nP``.

Its lies are those of the real thing:

* a receive whose mount fails exits 1 although the snapshot is complete;
* the sender of a stream that nobody takes says only "Broken pipe": the receiver knows why;
* a snapshot of the same name on two hosts may be another one;
* an interrupted ``receive -s`` leaves a file system that nobody can use until it is resumed or aborted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import CommandFailed, Unreachable
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import (
    Output,
    Peer,
    WritableHost,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.pipe import Joined, Meter
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import patiently

from .memory import MemoryHost, MemoryReader, answered
from .zfs import Said, Snapshot, Zfs


@dataclass(frozen=True)
class Stream:
    """What ``zfs send`` makes.

    :param snapshots: name and state of each, oldest first.
    :param base: GUID of the snapshot from which it is an increment; 0 for none.
    :param clone: whether the base is of another dataset.
    """

    snapshots: tuple[tuple[str, Snapshot], ...]
    base: int = 0
    clone: bool = False
    kind: str = "filesystem"

    @property
    def size(self) -> int:
        """Bytes, as far as contents have any."""
        return sum(len(snapshot.content) for _unused, snapshot in self.snapshots)


@dataclass
class Partial:
    """What an interrupted ``receive -s`` has kept."""

    guid: int
    base: int
    token: str


class StreamingZfs(Zfs):
    """The programs, with streams. ``partial`` and ``bookmarks`` are part of its state."""

    def __init__(self, flavour: str = "fuse", pools: Iterable[str] = ("tank",), host_number: int = 1) -> None:
        self.partial: dict[str, Partial] = {}
        self.bookmarks: dict[str, int] = {}
        super().__init__(flavour, pools, host_number)

    # -- what the base has otherwise ---------------------------------------------------------------

    def known(self, key: str) -> bool:
        """Two properties are in no usage text, yet every zfs tells them."""
        return key in ("guid", "createtxg") or super().known(key)

    def tree(self, name: str) -> list[str]:
        found = super().tree(name)
        marks = sorted(mark for mark in self.bookmarks if mark.partition("#")[0] == name)
        return [*found, *marks] if "@" not in name else found

    def kind(self, name: str) -> str:
        return "bookmark" if "#" in name else super().kind(name)

    def chosen(self, names: list[str], kinds: set[str], below: bool, depth: int) -> tuple[str, list[str]]:
        if kinds >= {"filesystem", "volume", "snapshot"}:
            kinds = kinds | {"bookmark"}
        return super().chosen(names, kinds, below, depth)

    def get(self, name: str, key: str) -> tuple[str, str]:
        if "#" in name:
            return (str(self.bookmarks[name]) if key == "guid" else "-"), "-"
        if key == "receive_resume_token":
            return (self.partial[name].token if name in self.partial else "-"), "-"
        return super().get(name, key)

    def held_each(self, verb: str, args: list[str]) -> str:
        """Hold or release name by name; one that fails does not stop the others."""
        tag, *names = args
        kind = "" if self.fuse else "snapshot "
        errors = ""
        for name in names:
            snapshot = self.state.snapshots.get(name)
            if snapshot is None:
                errors += f"cannot {verb} '{name}': dataset does not exist\n"
            elif verb == "hold" and tag in snapshot.holds:
                errors += f"cannot hold {kind}'{name}': tag already exists on this dataset\n"
            elif verb == "hold":
                snapshot.holds[tag] = self.state.clock
            elif tag not in snapshot.holds:
                what = f"'{tag}' from" if self.fuse else "hold from snapshot"
                errors += f"cannot release {what} '{name}': no such tag on this dataset\n"
            else:
                del snapshot.holds[tag]
        if errors:
            raise Said(errors)
        return ""

    def zfs_hold(self, args: list[str]) -> str:
        return self.held_each("hold", args)

    def zfs_release(self, args: list[str]) -> str:
        return self.held_each("release", args)

    def zfs_bookmark(self, args: list[str]) -> str:
        snapshot, mark = args
        if snapshot not in self.state.snapshots:
            raise Said(f"cannot create bookmark '{mark}': dataset does not exist\n")
        if mark in self.bookmarks:
            raise Said(f"cannot create bookmark '{mark}': bookmark exists\n")
        self.bookmarks[mark] = self.state.snapshots[snapshot].guid
        return ""

    # -- send --------------------------------------------------------------------------------------

    def zfs_send(self, args: list[str]) -> str:
        options, names = self.options("zfs send", args, "nPvLecwi:I:t:")
        stream = self.stream(args)
        if "n" not in options:
            raise Said("Error: Stream can not be written to a terminal.\n")
        head = f"\ttoguid = {stream.snapshots[-1][1].guid:#x}\n" if "t" in options else ""
        base = (options.get("i") or options.get("I") or [""])[-1]
        if not base:
            return f"{head}full\t{(names or ['?'])[0]}\t{stream.size}\nsize\t{stream.size}\n"
        dataset = names[0].partition("@")[0]
        # With -I the snapshots between are told by their bare names.
        base = base.rpartition("@")[2] if "I" in options else base if base[0] not in "@#" else dataset + base
        for part, snapshot in stream.snapshots:
            head += f"incremental\t{base}\t{dataset}@{part}\t{len(snapshot.content)}\n"
            base = part
        return f"{head}size\t{stream.size}\n"

    def stream(self, args: Sequence[str]) -> Stream:
        """What ``zfs send`` with these arguments writes.

        :raises Said: as the real one does.
        """
        options, names = self.options("zfs send", args, "nPvLecwi:I:t:")
        if "t" in options:
            return self.resumed(options["t"][-1])
        (name,) = names
        if name not in self.state.snapshots:
            raise Said(f"cannot open '{name}': dataset does not exist\n")
        dataset, _unused, part = name.partition("@")
        kind = self.state.datasets[dataset].kind
        given = (options.get("i") or options.get("I") or [""])[-1]
        if not given:
            return Stream(((part, self.state.snapshots[name]),), kind=kind)
        base = given if given[0] not in "@#" else dataset + given
        guid = self.bookmarks.get(base)
        if guid is None:
            if base not in self.state.snapshots:
                raise Said(f"warning: cannot send '{name}': incremental source ({base}) does not exist\n")
            guid = self.state.snapshots[base].guid
        mine = self.snapshots_of(dataset)
        clone = base == self.state.datasets[dataset].origin
        if not clone and base in self.state.snapshots and base not in mine[: mine.index(name)]:
            raise Said(f"warning: cannot send '{name}': not an earlier snapshot from the same fs\n")
        sent = mine[mine.index(base) + 1 : mine.index(name) + 1] if "I" in options else [name]
        return Stream(
            tuple((each.partition("@")[2], self.state.snapshots[each]) for each in sent), guid, clone, kind
        )

    def resumed(self, token: str) -> Stream:
        guid, base = (int(part) for part in token.split("-")[1:3])
        for name, snapshot in self.state.snapshots.items():
            if snapshot.guid == guid:
                return Stream(((name.partition("@")[2], snapshot),), base)
        raise Said("cannot resume send: 'snapshot' used in the initial send no longer exists\n")

    # -- receive -----------------------------------------------------------------------------------

    def zfs_receive(self, args: list[str]) -> str:
        options, (name,) = self.options("zfs receive", args, "suvnFAo:x:")
        if "A" not in options:
            raise Said("cannot receive: failed to read from stream\n")
        if name not in self.partial:
            raise Said(f"'{name}' does not have any resumable receive state to abort\n")
        del self.partial[name]
        if not self.snapshots_of(name):
            del self.state.datasets[name]
        return ""

    def take(self, args: Sequence[str], stream: Stream, *, broken: bool = False) -> None:
        """What ``zfs receive`` with these arguments does with a stream.

        :param broken: the stream ends too early.
        :raises Said: as the real one does.
        """
        options, (name,) = self.options("zfs receive", args, "suvnFAo:x:")
        fresh = name not in self.state.datasets or (name in self.partial and not self.snapshots_of(name))
        what = f"cannot receive {'new filesystem' if fresh or not stream.base else 'incremental'} stream: "
        self.check_receive(name, stream, what, fresh)
        guid = stream.snapshots[-1][1].guid
        if name in self.partial and self.partial[name].guid != guid:
            raise Said(f'{what}destination {name} contains partially-complete state from "zfs receive -s".\n')
        if broken:
            # A stream of several snapshots is broken within the first of them.
            guid = stream.snapshots[0][1].guid
            if "s" in options:
                if name not in self.state.datasets:
                    self.add_dataset(name, stream.kind, {})
                self.partial[name] = Partial(guid, stream.base, f"1-{guid}-{stream.base}")
                raise Said(
                    f"{what}checksum mismatch or incomplete stream.\nPartially received snapshot is saved.\n"
                    "A resuming stream can be generated on the sending system by running:\n"
                    f"    zfs send -t {self.partial[name].token}\n"
                )
            raise Said(f"{what}{'invalid backup' if self.fuse else 'incomplete'} stream\n")
        self.partial.pop(name, None)
        if name not in self.state.datasets:
            self.add_dataset(name, stream.kind, {})
        dataset = self.state.datasets[name]
        dataset.local |= dict(pair.split("=", 1) for pair in options.get("o", []))
        if fresh and stream.base:
            dataset.origin = self.by_guid(stream.base)
        for part, snapshot in stream.snapshots:
            self.state.txg += 1
            # Streams carry no properties, and holds stay where they are.
            self.state.snapshots[f"{name}@{part}"] = Snapshot(
                self.state.txg, snapshot.guid, snapshot.creation, snapshot.content
            )
            dataset.content = snapshot.content
        if fresh and "u" not in options:
            self.mount_new(name)

    def check_receive(self, name: str, stream: Stream, what: str, fresh: bool) -> None:
        above = name.rpartition("/")[0]
        if above not in self.state.datasets:
            raise Said(f"cannot open '{name}': dataset does not exist\n{what}dataset does not exist\n")
        if fresh:
            if stream.base and not self.by_guid(stream.base):
                raise Said(f"{what}local origin for clone {name} does not exist\n")
            return
        if not stream.base or stream.clone:
            raise Said(f"{what}destination '{name}' exists\nmust specify -F to overwrite it\n")
        mine = self.snapshots_of(name)
        if not mine or self.state.snapshots[mine[-1]].guid != stream.base:
            raise Said(f"{what}most recent snapshot of {name} does not\nmatch incremental source\n")
        if self.state.datasets[name].content != self.state.snapshots[mine[-1]].content:
            raise Said(f"{what}destination {name} has been modified\nsince most recent snapshot\n")
        for part, _unused in stream.snapshots:
            if f"{name}@{part}" in self.state.snapshots:
                raise Said(f"cannot restore to {name}@{part}: destination already exists\n")

    def by_guid(self, guid: int) -> str:
        """Full name of the snapshot with this GUID; empty when there is none."""
        return next((name for name, each in self.state.snapshots.items() if each.guid == guid), "")


class Clock:
    """date(1), whose time is ZFS's own, and true(1)."""

    commands: Sequence[str] = ("date", "true")

    def __init__(self, zfs: Zfs) -> None:
        self.zfs = zfs
        self.state: Any = None

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        return answered(argv, f"{self.zfs.state.clock}\n" if argv[0] == "date" else "")


class ServerReader(MemoryReader):
    """The read half of a `Server`; of its peers as well."""

    def __init__(self, host: Server) -> None:
        super().__init__(host)
        self._server = host

    def reach(self, peer: Peer) -> WritableHost:
        return self._server.reach(peer)


@dataclass(eq=False)
class Link:
    """The network between the servers.

    :param up: whether there is one.
    :param breaks: called for each stream; true cuts it off halfway.
    """

    servers: dict[str, Server] = field(default_factory=dict)
    up: bool = True
    breaks: Callable[[Stream], bool] = lambda stream: False
    # Streams may flow at the same time; the state of the servers is not made for that.
    lock: threading.RLock = field(default_factory=threading.RLock)


class Sending(MemoryHost):
    """A host whose ZFS sends streams, to itself or to another."""

    zfs: StreamingZfs

    def pipe(self, argv: Sequence[str], into: WritableHost, into_argv: Sequence[str], meter: Meter) -> Joined:
        assert isinstance(into, Sending)
        self.changes.append((*argv, "|", *into_argv))
        self.fault(self.changes[-1])
        try:
            stream = self.zfs.stream(argv[2:])
        except Said as said:
            return Joined(said.rc, said.err, 1, "cannot receive: failed to read from stream\n")
        broken = self.breaks(stream)
        meter.passed(stream.size // 2 if broken else stream.size)
        try:
            into.zfs.take(into_argv[2:], stream, broken=broken)
        except Said as said:
            return Joined(1, f"warning: cannot send '{argv[-1]}': Broken pipe\n", said.rc, said.err)
        return Joined(0, "", 0, "")

    def breaks(self, stream: Stream) -> bool:
        """Whether a stream is cut off halfway."""
        return False


class Linked(Sending):
    """A host that reaches others by their address, and sends them streams."""

    link: Link

    def reach(self, peer: Peer) -> WritableHost:
        for address in peer.addresses:
            if self.link.up and address in self.link.servers:
                return self.link.servers[address]
        raise Unreachable("the other server could not be reached by ssh", ", ".join(peer.addresses))

    def run(self, argv: Sequence[str], **options: Any) -> Output:
        with self.link.lock:
            return super().run(argv, **options)

    def change(self, argv: Sequence[str], **options: Any) -> Output:
        if argv[0] not in self.zfs.commands:
            # It may be a program that sends streams by itself, from several threads.
            return super().change(argv, **options)
        with self.link.lock:
            return super().change(argv, **options)

    def pipe(self, argv: Sequence[str], into: WritableHost, into_argv: Sequence[str], meter: Meter) -> Joined:
        with self.link.lock:
            return super().pipe(argv, into, into_argv, meter)

    def breaks(self, stream: Stream) -> bool:
        return self.link.breaks(stream)


class Server(Linked):
    """A host with ZFS that reaches others by their address."""

    def __init__(self, name: str, link: Link, flavour: str = "fuse", number: int = 1) -> None:
        self.zfs = StreamingZfs(flavour, host_number=number)
        super().__init__(self.zfs, Clock(self.zfs))
        self.link = link
        link.servers[name] = self

    def reader(self) -> ServerReader:
        return ServerReader(self)

    def state(self) -> Any:
        return [super().state(), self.zfs.partial, self.zfs.bookmarks]


def pair(flavour: str = "fuse", peer_flavour: str = "", *commands: str) -> tuple[Server, Server]:
    """Two servers; these argument lines of zfs(8) were run on the first, ``peer: …`` on the second.

    ``write DATASET TEXT`` puts data into a dataset; ``copy ARGUMENTS | TARGET`` sends a stream.
    """
    link = Link()
    here, there = Server("castor", link, flavour, 1), Server("192.0.2.12", link, peer_flavour or flavour, 2)
    for line in commands:
        server = there if line.startswith("peer: ") else here
        words = line.removeprefix("peer: ").split(" ")
        if words[0] == "write":
            server.zfs.state.datasets[words[1]].content = words[2]
        elif words[0] == "copy":
            argv, target = words[1 : words.index("|")], words[-1]
            try:
                there.zfs.take([target], here.zfs.stream(argv))
            except Said as said:
                raise CommandFailed(line, said.err) from said
        else:
            patiently(server, ["zfs", *words])
    for server in (here, there):
        server.zfs.late.clear()
        server.calls.clear()
        server.changes.clear()
    return here, there


def written(server: Server, name: str) -> str:
    """What a dataset or snapshot holds."""
    state = server.zfs.state
    return state.snapshots[name].content if "@" in name else state.datasets[name].content
