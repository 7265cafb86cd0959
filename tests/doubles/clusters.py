# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers of one Proxmox VE cluster in memory, and one machine.

It rests on the double of Proxmox VE; both servers ask it, each as itself. What it adds: the files that a
server has for itself, those of /etc/pve as far as they are read, ``pct unlock`` and ``qm unlock``, and a
machine that answers while it runs.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Unreachable
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._machine.backends import answer_of
from ansible_collections.twin.datacenter.plugins.module_utils._machine.cluster_driver import ClusterDriver
from ansible_collections.twin.datacenter.plugins.module_utils._machine.cluster_host import ClusterStation
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import Pair, Peer
from ansible_collections.twin.datacenter.plugins.module_utils._machine.job import PROGRAM, log_path
from ansible_collections.twin.datacenter.plugins.module_utils._machine.peer import Twin
from ansible_collections.twin.datacenter.plugins.module_utils._machine.program import Scene, Teller, run
from ansible_collections.twin.datacenter.plugins.module_utils._pve.note import Note, print_note

from .memory import MemoryHost, answered
from .pve.world import Guest, World
from .pve_guests import SSA, WEB, add_guest, furnish
from .pve_host import DoubleHost

SERVERS = ("castor", "pollux")
MACHINE = {
    "kind": "lxc",
    "home": "castor",
    "image": "tiny",
    "addresses": ["192.0.2.21/24"],
    "check": {"http": "/"},
}


class Programs:
    """Commands of a node, and the probe of an address."""

    commands: Sequence[str] = ("pvesh", "pct", "qm", "/usr/bin/python3", PROGRAM, "systemd-run", "pgrep")
    state: Any = None

    def __init__(self, node: Node) -> None:
        self.node = node

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        if argv[0] == "pgrep":
            return answered(argv, rc=1)
        if argv[0] == "pvesh":
            return self._pvesh(argv)
        if argv[0] in (PROGRAM, "systemd-run"):
            return self._twin(argv)
        guest = self.node.guest
        if argv[0] == "/usr/bin/python3" or argv[1] == "exec":
            up = guest.status == "running" and self.node.world.nodes[guest.node].online
            return answered(argv) if up else answered(argv, err="no route to host\n", rc=1)
        assert list(argv) == [{"lxc": "pct", "qemu": "qm"}[guest.kind], "unlock", str(guest.vmid)], argv
        assert guest.node == self.node.name, "only its own node can unlock it"
        guest.config.pop("lock", None)
        return answered(argv)

    def _pvesh(self, argv: Sequence[str]) -> Output:
        """pvesh(1): JSON on standard output, refusals on standard error; time goes on with each call."""
        verb = {"get": "GET", "create": "POST", "set": "PUT", "delete": "DELETE"}[argv[1]]
        params: dict[str, Any] = {}
        for key, value in zip(argv[3:-2:2], argv[4:-2:2], strict=True):
            params.setdefault(key.removeprefix("--"), []).append(value)
        single = {key: values[0] if len(values) == 1 else values for key, values in params.items()}
        self.node.api.sleep(1.0)
        answer = self.node.api.api.request(verb, argv[2], single)
        if answer.status == 200:
            return answered(argv, "" if answer.data is None else json.dumps(answer.data))
        return answered(argv, err=f"{answer.body['message'] if answer.body else answer.reason}\n", rc=255)

    def _twin(self, argv: Sequence[str]) -> Output:
        """The program; as a job it runs when its log is read."""
        words = list(argv[list(argv).index(PROGRAM) + 1 :])
        if argv[0] == PROGRAM:
            rc, said = self.node.twin(*words)
            return answered(argv, said, rc=rc)
        self.node.job = lambda: self.node.twin(*words)[1]
        return answered(argv)


class Node(MemoryHost):
    """A server of the cluster.

    :ivar api: the API as this server asks it.
    :ivar linked: whether its twin's ssh answers it.
    """

    job: Callable[[], str] | None = None

    def __init__(self, world: World, name: str, locks: str) -> None:
        super().__init__(Programs(self))
        self.world, self.name = world, name
        self.api = DoubleHost(world)
        number = SERVERS.index(name)
        peer = Peer(SERVERS[1 - number], (f"192.0.2.1{2 - number}",))
        self.pair = Pair("sio", "proxmox", name, "tank", "vmbr0", peer, "witness")
        self.station = ClusterStation(self, self.pair, self.api, f"{locks}/{name}")
        self.linked = True
        self.others: dict[str, Node] = {}

    def state(self) -> Any:
        kept = {name: content for name, content in self.world.files.items() if content}
        return [super().state(), repr(self.world.guests), repr(kept)]

    @property
    def other(self) -> Node:
        return self.others[self.pair.twin.server]

    @property
    def guest(self) -> Guest:
        """The machine's."""
        guests = self.world.guests.values()
        (guest,) = [each for each in guests if "twin:" in each.config.get("description", "")]
        return guest

    def read(self, path: str) -> str | None:
        if path == log_path("ssa") and self.job:
            job, self.job = self.job, None
            self.files[path] = job()
        parts = path.split("/")
        if path.startswith("/etc/pve/nodes/"):
            return self._config(parts[4], int(parts[6].removesuffix(".conf")))
        return super().read(path)

    def _config(self, node: str, vmid: int) -> str | None:
        """A configuration file, as far as it is read (PVE::LXC::Config::write_pct_config)."""
        guest = self.world.guests.get(vmid)
        if guest is None or guest.node != node:
            return None
        lines = str(guest.config.get("description", "")).rstrip("\n").split("\n")
        told = "".join(f"#{line.replace('%', '%25').replace(':', '%3A')}\n" for line in lines)
        key = {"lxc": "hostname", "qemu": "name"}[guest.kind]
        mould = "template: 1\n" if guest.template else ""
        return f"{told}{key}: {guest.name}\nmemory: 512\n{mould}\n[before]\n#another\nmemory: 512\n"

    def driver(self, tell: Callable[..., None], name: str = "ssa") -> ClusterDriver:
        """What moves the machine."""
        return ClusterDriver(self.station, MemoryTwin(self.pair, self), name, tell, patience=0.0)

    def twin(self, *words: str) -> tuple[int, str]:
        """Exit code and output of the program."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            rc = run(words, NodeScene(self))
        return rc, said.getvalue()


class MemoryTwin(Twin):
    """The other server, asked in memory."""

    def __init__(self, pair: Pair, here: Node) -> None:
        super().__init__(pair)
        self.here = here

    def host(self) -> Any:
        if not self.here.linked or not self.here.world.nodes[self.server].online:
            raise Unreachable(f"server {self.server}", "it answers at none of its addresses")
        return self.here.other

    def ask(self, verb: str, name: str, payload: Any = None) -> Any:
        return answer_of(self.host().station, verb, name, payload)


class NodeScene(Scene):
    """The program on a node in memory."""

    def __init__(self, here: Node) -> None:
        super().__init__()
        self.here = here

    def station(self) -> ClusterStation:
        return self.here.station

    def driver(self, name: str, tell: Teller) -> ClusterDriver:
        return self.here.driver(tell, name)


def two_nodes(
    locks: str, kind: str = "lxc", *, managed: bool = False, replicated: bool = True, running: bool = True,
    **fields: Any,
) -> tuple[Node, Node]:  # fmt: skip
    """A cluster of two servers and a witness; the machine runs on castor.

    :param managed: whether the manager of high availability looks after it.
    :param replicated: whether it has a replication job.
    :param fields: of its declaration, beside or instead of those of `MACHINE`.
    """
    world = furnish(clock=DoubleHost().clock)
    world.qdevice = {"online": True}
    machine = {**MACHINE, "kind": kind, **fields}
    config = dict(SSA if kind == "lxc" else {**WEB, "name": "ssa"})
    config["description"] = f"people's own\n\n{print_note(Note('ssa', machine))}\n"
    vmid = 200 if kind == "lxc" else 300
    add_guest(world, vmid, config, running=running)
    if replicated:
        job = {"type": "local", "source": "castor", "target": "pollux", "schedule": "*/15"}
        world.file("replication")[f"{vmid}-0"] = job
    if managed:
        sid = world.sid(world.guests[vmid])
        world.file("ha/resources")[sid] = {"type": sid.partition(":")[0], "state": "started"}
    nodes = {name: Node(world, name, locks) for name in SERVERS}
    for node in nodes.values():
        node.others = nodes
    if managed:
        # Until its manager knows it.
        for _round in range(6):
            nodes["castor"].api.sleep(5.0)
            nodes["castor"].api.get("cluster/ha/status/current")
    return nodes["castor"], nodes["pollux"]
