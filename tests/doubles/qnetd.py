# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A witness in memory, and a node of Proxmox VE with its commands: what Corosync's quorum device is made of.

The witness rests on corosync-qnetd of Debian 13 as it was tried out: certutil(1) answers 255 both without a
database and with a broken one; corosync-qnetd-certutil answers 1 where there is one; a database that it makes
belongs to root, and the daemon does not start with that. The node rests on tests/doubles/pve/cli.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._cluster import host as cluster
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import MemoryHost, MemoryReader, answered
from tests.doubles.pve.areas.cluster_config import corosync_conf
from tests.doubles.pve.cli import pvecm
from tests.doubles.pve.cli.pvecm import Witness
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.world import World, pair

NO_CONNECTION = 255
LISTED = """
Certificate Nickname                                         Trust Attributes
                                                             SSL,S/MIME,JAR/XPI

QNet CA                                                      CTu,u,u
QNetd Cert                                                   u,u,u
"""
STATUS = """QNetd address:\t\t\t*:5403
TLS:\t\t\t\tRequired (client certificate required)
Connected clients:\t\t2
Connected clusters:\t\t1
"""
CLUSTERS = """Cluster "twin":
    Algorithm:\t\tFifty-Fifty split
    Tie-breaker:\tNode with lowest node ID
    Node ID 1:
        Client address:\t\t::ffff:192.0.2.11:41262
        Configured node list:\t1, 2
        Membership node list:\t1, 2
        Vote:\t\t\tACK (ACK)
    Node ID 2:
        Client address:\t\t::ffff:192.0.2.12:51534
        Configured node list:\t1, 2
        Membership node list:\t1, 2
        Vote:\t\t\tNo change (ACK)
"""


class Qnetd:
    """corosync-qnetd with its tools.

    ``database`` is none, broken, closed (root's own), private (its group may not read it) or sound.
    """

    commands = (
        *("certutil", "corosync-qnetd-certutil", "corosync-qnetd-tool"),
        *("stat", "chgrp", "chmod", "rm", "systemctl"),
    )

    def __init__(self, database: str = "sound") -> None:
        self.state: dict[str, Any] = {"database": database, "restarts": 0}

    @property
    def usable(self) -> bool:
        return self.state["database"] in ("closed", "private", "sound")

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        if argv[-1] == "-h":
            return answered(argv)
        if argv[0] == "certutil":
            bad = "certutil: function failed: SEC_ERROR_BAD_DATABASE: security library: bad database.\n"
            return answered(argv, LISTED) if self.usable else answered(argv, err=bad, rc=255)
        if argv[0] == "corosync-qnetd-tool":
            if self.state["database"] != "sound":
                return answered(argv, err="corosync-qnetd-tool: Can't connect to qnetd socket\n", rc=3)
            return answered(argv, STATUS if argv[1] == "-s" else CLUSTERS)
        if argv[0] == "stat":
            group = "root" if self.state["database"] == "closed" else "coroqnetd"
            rights = "700 600 600" if self.state["database"] == "private" else "750 640 640"
            return answered(argv, "".join(f"{group} {mode}\n" for mode in rights.split()))
        return self.change(argv)

    def change(self, argv: Sequence[str]) -> Output:
        if argv[0] == "rm":
            self.state["database"] = "none"
        elif argv[0] == "systemctl":
            self.state["restarts"] += 1
        elif (argv[0], self.state["database"]) in (("chgrp", "closed"), ("chmod", "private")):
            self.state["database"] = "sound"
        elif argv[0] == "corosync-qnetd-certutil":
            if self.state["database"] != "none":
                said = (
                    f"Certificate database ({cluster.STORE}) already exists. Delete it to initialize new db\n"
                )
                return answered(argv, err=said, rc=1)
            self.state["database"] = "closed"
        return answered(argv)


class WitnessHost(MemoryHost):
    """A witness."""

    def __init__(self, database: str = "sound") -> None:
        self.qnetd = Qnetd(database)
        super().__init__(self.qnetd)

    def listing(self, path: str) -> list[str]:
        there = self.qnetd.state["database"] != "none" and path == cluster.STORE
        return ["cert9.db", "key4.db"] if there else super().listing(path)


class PveNode:
    """The commands of a node of Proxmox VE, and ssh from it."""

    commands = ("pvecm", "ssh")

    def __init__(self, world: World, node: str) -> None:
        self.world = world
        self.node = node

    @property
    def state(self) -> Any:
        nodes = {name: (node.online, sorted(node.facts)) for name, node in self.world.nodes.items()}
        return [self.world.qdevice, self.world.config_version, nodes]

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        if argv[0] == "ssh":
            return self.ssh(argv)
        said = pvecm.run(self.world, self.node, list(argv[1:]), stdin.encode())
        return answered(argv, said.out, said.err, said.rc)

    def ssh(self, argv: Sequence[str]) -> Output:
        place, script = argv[-2].removeprefix("root@"), argv[-1]
        if script == cluster.LOOK_AT_WITNESS:
            witness: Witness | None = self.world.facts.get("witnesses", {}).get(place)
            if witness is None or not witness.key:
                said = f"root@{place}: Permission denied (publickey).\n"
                return answered(argv, err=said, rc=NO_CONNECTION)
            return answered(argv, "/usr/bin/corosync-qnetd-certutil\n" * witness.qnetd)
        node = next(each for each in self.world.nodes.values() if pvecm.address(each) == place)
        if not node.online:
            said = f"ssh: connect to host {place} port 22: No route to host\n"
            return answered(argv, err=said, rc=NO_CONNECTION)
        if script != cluster.LOOK_AT_NODE:
            node.facts.pop("nssdb")
            return answered(argv)
        tool = "/usr/sbin/corosync-qdevice-net-certutil\n" * node.facts.get("qdevice", True)
        return answered(argv, tool + f"{cluster.CLIENT_STORE}\n" * bool(node.facts.get("nssdb")))


class PveNodeHost(MemoryHost):
    """castor, as root sees it on the node itself."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or pair(clock=StillClock())
        self.world.facts.setdefault("witnesses", {"192.0.2.13": Witness(), "192.0.2.14": Witness()})
        super().__init__(PveNode(self.world, "castor"))

    def read(self, path: str) -> str | None:
        if path == cluster.CONF:
            return corosync_conf(self.world) if self.world.cluster else None
        return super().read(path)

    def reader(self) -> MemoryReader:
        return MemoryReader(self)
