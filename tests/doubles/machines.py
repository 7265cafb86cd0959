# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers in memory with ZFS, LXC or jails, and one machine, and the way between them.

It rests on the facts of `zfs_streams`, `lxc` and `freebsd`. What it adds: a container runs the start hook
of its configuration first, as LXC does, and does not start when that refuses.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    Refused,
    TwinError,
    Unreachable,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    Pair,
    Peer,
    parse_machine,
    to_property,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.driver import Driver
from ansible_collections.twin.datacenter.plugins.module_utils._machine.host import Station, guard
from ansible_collections.twin.datacenter.plugins.module_utils._machine.job import PROGRAM, log_path
from ansible_collections.twin.datacenter.plugins.module_utils._machine.journal import Journal, Stage
from ansible_collections.twin.datacenter.plugins.module_utils._machine.kinds import kind_of
from ansible_collections.twin.datacenter.plugins.module_utils._machine.peer import Twin, answer, reply_to
from ansible_collections.twin.datacenter.plugins.module_utils._machine.program import Scene, Teller, run

from .freebsd.host import FreebsdHost
from .freebsd.kernel import MemoryKernel
from .freebsd.world import World
from .lxc import Lxc
from .memory import answered
from .zfs_streams import Link, Linked, Server

SERVERS = ("castor", "pollux")
MACHINE = {
    "kind": "lxc",
    "home": "castor",
    "image": "tiny",
    "memory": "1G",
    "addresses": ["192.0.2.21/24"],
    "check": {"http": "/"},
}


class GuardedLxc(Lxc):
    """LXC with start hooks."""

    station: Station

    def _lxc_start(self, argv: list[str]) -> Output:
        name = argv[2]
        try:
            guard(self.station, name)
        except Refused as refusal:
            self._log(name, f"Script exited with status 2: {refusal}", "Failed to run lxc.hook.pre-start")
            return answered(argv, err="The container failed to start\n", rc=1)
        return super()._lxc_start(argv)


class Few:
    """ip(8), as far as it is asked."""

    commands: Sequence[str] = ("ip",)
    state: Any = None

    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        assert list(argv) == ["ip", "-j", "address"], argv
        return answered(argv, json.dumps([{"addr_info": [{"local": self.address}]}]))


class MachineServer(Linked):
    """A server of the pair.

    :ivar job: what systemd-run(1) or daemon(8) was given to do.
    """

    platform: str
    kind: str
    job: Callable[[], str] | None = None

    def join(self, name: str, number: int, locks: str) -> None:
        """Become the server of this name."""
        self.name = name
        other = SERVERS[1 - SERVERS.index(name)]
        peer = Peer(other, (f"192.0.2.1{3 - number}",))
        self.pair = Pair("sio", self.platform, name, "tank", "br0", peer, "witness")
        self.station = Station(self, self.pair, f"{locks}/{name}")

    def read(self, path: str) -> str | None:
        if path == log_path("ssa") and self.job:
            job, self.job = self.job, None
            self.files[path] = job()
        return super().read(path)

    @property
    def running(self) -> bool:
        """Whether the machine runs here."""
        raise NotImplementedError

    def power_cut(self) -> None:
        """What does not lie on disk is gone."""
        self.fault = lambda argv: None

    def boot(self) -> None:
        """What starts by itself does, if its hook lets it."""
        raise NotImplementedError


class DebianServer(MachineServer, Server):
    """One with LXC."""

    platform, kind = "debian", "lxc"

    def __init__(self, name: str, link: Link, number: int, locks: str, flavour: str) -> None:
        super().__init__(name, link, flavour, number)
        self.lxc = GuardedLxc(self.files, (), (), ())
        self.programs = (*self.programs, self.lxc, Few(f"192.0.2.1{number}"))
        self.join(name, number, locks)
        self.lxc.station = self.station
        self.files.update({
            "/proc/meminfo": "MemTotal: 8388608 kB\n",
            "/sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
            "/sys/class/net/br0/address": "x\n",
        })  # fmt: skip

    @property
    def running(self) -> bool:
        return "ssa" in self.lxc.state["up"]

    def power_cut(self) -> None:
        super().power_cut()
        self.lxc.state["up"].clear()

    def boot(self) -> None:
        if "/var/lib/lxc/ssa/config" in self.files:
            self.change(["lxc-start", "--name", "ssa", "--daemon"], ok=(0, 1))


class FreebsdServer(MachineServer, FreebsdHost):
    """One with jails."""

    platform, kind = "freebsd", "jail"

    def __init__(self, name: str, link: Link, number: int, locks: str, release: str) -> None:
        # What lies in datasets does not travel here: the image's own folder is there from the start.
        folders = [f"/tank/machines/ssa/root/{place}" for place in ("dev", "tmp")]
        super().__init__(release=release, number=number, folders=folders)
        self.link = link
        link.servers[name] = self
        self.join(name, number, locks)
        self.number = number
        self._switch_on()
        self.world.programs["twin"] = self._twin
        self.world.programs["fetch"] = self._fetch

    def _switch_on(self) -> None:
        """What rc.conf(5) does before it comes to jails."""
        self.kernel = self.world.kernel = MemoryKernel(self.world.release)
        (port,) = [each for each in self.kernel.interfaces if each.name == "em0"]
        port.addresses.clear()
        own = f"192.0.2.1{self.number}/24"
        for words in ("bridge0 create", "bridge0 name br0", "br0 addm em0 up", f"br0 inet {own} alias"):
            assert self.world.call(["ifconfig", *words.split()]).rc == 0
        for name, dataset in self.zfs.state.datasets.items():
            dataset.mounted = self.zfs.mountable(name)
        self.zfs.put_mounts()

    def _twin(self, _world: World, argv: Sequence[str], _stdin: str) -> Output:
        if argv[1] != "guard":
            rc, said = TwinProgram(self, self).run(argv[1:])
            return answered(argv, said, rc=rc)
        try:
            guard(self.station, argv[2])
        except Refused as refusal:
            return answered(argv, err=f"twin: {refusal}\n", rc=2)
        return answered(argv)

    def _fetch(self, _world: World, argv: Sequence[str], _stdin: str) -> Output:
        if self.running:
            return answered(argv)
        return answered(argv, err=f"fetch: {argv[-1]}: No route to host\n", rc=1)

    @property
    def running(self) -> bool:
        return self.kernel.find("ssa") is not None

    def power_cut(self) -> None:
        super().power_cut()
        for path in [path for path in self.files if path.startswith("/var/run/")]:
            del self.files[path]
        self._switch_on()

    def boot(self) -> None:
        self.world.call(["service", "jail", "start"])


@dataclass(slots=True)
class MemoryTwin(Twin):
    """The twin, asked in memory; what is said travels as JSON, as it does over ssh."""

    there: MachineServer | None = None

    def host(self) -> MachineServer:  # type: ignore[override]
        assert self.there
        if not self.there.link.up:
            raise Unreachable(f"server {self.server}", "it answers at none of its addresses")
        return self.there

    def ask(self, verb: str, name: str, payload: Any = None) -> Any:
        there = self.host()
        sent = json.loads(json.dumps(payload))
        reply = json.loads(reply_to(lambda: answer(there.station, verb, name, sent)))
        if not there.link.up:
            raise Unreachable(f"server {self.server}", "the connection broke")
        if "error" in reply:
            raise TwinError(f"{self.server} says: {reply['error']}")
        return reply["answer"]


def two_servers(locks: str, flavour: str = "fuse", **fields: Any) -> tuple[MachineServer, MachineServer]:
    """A pair; the machine runs on castor, its image is on both.

    :param flavour: of ZFS on Debian, or ``freebsd-RELEASE``.
    :param fields: of the machine, beside or instead of those of `MACHINE`.
    """
    link = Link()
    castor, pollux = (_server(name, link, number, locks, flavour) for number, name in enumerate(SERVERS, 1))
    for server in (castor, pollux):
        server.change(["zfs", "create", "tank/images"])
        server.change(["zfs", "create", "tank/machines"])
    castor.change(["zfs", "create", "tank/images/tiny"])
    castor.change(["zfs", "snapshot", "tank/images/tiny@base"])
    pollux.zfs.take(["tank/images/tiny"], castor.zfs.stream(["tank/images/tiny@base"]))
    machine = parse_machine("ssa", {**MACHINE, "kind": castor.kind, **fields})
    declaration = to_property(machine)
    properties = ["-o", "twin:owner=castor 1", "-o", f"twin:machine={declaration}"]
    castor.change(["zfs", "create", *properties, "tank/machines/ssa"])
    castor.change(["zfs", "clone", "tank/images/tiny@base", "tank/machines/ssa/root"])
    castor.change(["zfs", "create", "tank/machines/ssa/data"])
    for dataset, point in kind_of(machine).delegated(machine, castor.pair).items():
        castor.change(["zfs", "create", "-o", f"mountpoint={point}", "-o", "jailed=on", dataset])
    castor.station.start(first_start(castor, declaration))
    for server in (castor, pollux):
        server.calls.clear()
        server.changes.clear()
    return castor, pollux


def _server(name: str, link: Link, number: int, locks: str, flavour: str) -> MachineServer:
    if flavour.startswith("freebsd"):
        return FreebsdServer(name, link, number, locks, flavour.partition("-")[2])
    return DebianServer(name, link, number, locks, flavour)


def first_start(server: MachineServer, declaration: str) -> Journal:
    """A journal only to start the machine where it is."""
    return Journal("first", "ssa", server.name, server.name, 1, declaration, True, Stage.DONE, 0.0)


def driver(here: MachineServer, there: MachineServer, tell: Callable[..., None]) -> Driver:
    """What drives moves of the machine on a server."""
    twin = MemoryTwin(here.pair, there)
    return Driver(here.station, twin, "ssa", tell, patience=0.0)


class MemoryScene(Scene):
    """The program on a server in memory."""

    def __init__(self, here: MachineServer, there: MachineServer) -> None:
        super().__init__()
        self.here, self.there = here, there

    def station(self) -> Station:
        return self.here.station

    def driver(self, name: str, tell: Teller) -> Driver:
        made = driver(self.here, self.there, tell)
        made.name = name
        return made


class TwinProgram:
    """The program twin as a command of a server; as a job of systemd-run(1) it runs when its log is read."""

    commands: Sequence[str] = (PROGRAM, "systemd-run", "pgrep")
    state: Any = None

    def __init__(self, here: MachineServer, there: MachineServer) -> None:
        self.here, self.there = here, there

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        if argv[0] == "pgrep":
            return answered(argv, rc=1)
        words = list(argv[list(argv).index(PROGRAM) + 1 :])
        if argv[0] == PROGRAM:
            rc, said = self.run(words)
            return answered(argv, said, rc=rc)
        self.here.job = lambda: self.run(words)[1]
        return answered(argv)

    def run(self, words: Sequence[str]) -> tuple[int, str]:
        """Exit code and output."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            rc = run(words, MemoryScene(self.here, self.there))
        return rc, said.getvalue()


def with_program(servers: tuple[MachineServer, MachineServer]) -> tuple[MachineServer, MachineServer]:
    """The same servers with the program installed."""
    for here, there in (servers, servers[::-1]):
        here.programs = (*here.programs, TwinProgram(here, there))
    return servers
