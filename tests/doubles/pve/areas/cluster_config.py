# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a cluster and joining one: /cluster/config.

Rests on: PVE::API2::ClusterConfig and PVE::Cluster::Setup (pve-cluster) and the recorded exchanges: a node
that stands alone has no join information (424); values of corosync.conf are strings; whoever joins checks the
fingerprint first and the password then, and all tickets of the joining node end.

A node that stands alone is a world of its own. `world.facts["peers"]` tells where others are: {address:
World}. After a join both worlds share their state and differ only in which node answers.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tests.doubles.pve.access import ROOT
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, forbidden
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Node, World, digest

BASE = "/cluster/config"
OWN = {"local", "clock"}
"""What of a world stays its own after a join."""


@handles("GET", BASE)
def index(call: Call) -> Any:
    return [{"name": name} for name in ("nodes", "totem", "join", "qdevice", "apiversion")]


@handles("GET", f"{BASE}/apiversion")
def version(call: Call) -> Any:
    return "1"


@handles("GET", f"{BASE}/qdevice")
def qdevice(call: Call) -> Any:
    """What the daemon of the node that answers tells of itself."""
    device = call.world.qdevice
    if "host" not in device:
        return device.get("status", {})
    algorithm = {"ffsplit": "Fifty-Fifty split", "lms": "LMS"}[device["algorithm"]]
    return {
        "Model": "Net",
        "QNetd host": f"{device['host']}:5403",
        "Algorithm": algorithm,
        "Tie-breaker": "Node with lowest node ID",
        "State": "Connected" if device["online"] else "Connect failed",
    }


@handles("GET", f"{BASE}/nodes")
def nodes(call: Call) -> Any:
    if call.world.cluster is None:
        return []
    return [{**corosync_node(node), "node": node.name} for node in call.world.nodes.values()]


def corosync_node(node: Node) -> dict[str, str]:
    links = {
        f"ring{number}_addr": address for number, address in enumerate(node.facts.get("links", [node.ip]))
    }
    return {"name": node.name, "nodeid": str(node.id), "quorum_votes": "1", **links}


@handles("GET", f"{BASE}/totem")
def totem(call: Call) -> Any:
    return None if call.world.cluster is None else totem_of(call.world)


def totem_of(world: World) -> dict[str, Any]:
    links = max((len(node.facts.get("links", [node.ip])) for node in world.nodes.values()), default=1)
    return {
        "cluster_name": world.cluster,
        "config_version": str(world.config_version),
        "interface": {str(number): {"linknumber": str(number)} for number in range(links)},
        "ip_version": "ipv4-6",
        "link_mode": "passive",
        "secauth": "on",
        "token_coefficient": "125",
        "version": "2",
    }


@handles("GET", f"{BASE}/join")
def join_info(call: Call) -> Any:
    world = call.world
    if world.cluster is None:
        raise Refusal("node is not in a cluster, no join info available!", 424)
    preferred = call["node"] or world.local
    if preferred not in world.nodes:
        raise Refusal(f"unknown node '{preferred}'")
    found = [
        {**corosync_node(node), "pve_addr": node.ip, "pve_fp": node.fingerprint}
        for node in world.nodes.values()
    ]
    shown = totem_of(world)
    return {"config_digest": digest(found), "nodelist": found, "preferred_node": preferred, "totem": shown}


def require_root(call: Call) -> None:
    if call.user != ROOT:
        raise forbidden("user != root@pam")


@handles("POST", BASE)
def create(call: Call) -> Any:
    require_root(call)
    world = call.world
    if world.cluster is not None:
        raise Refusal("cluster config '/etc/pve/corosync.conf' already exists")

    def work(task: Task) -> Steps:
        for line in (
            "Corosync Cluster Engine Authentication key generator.",
            "Gathering 2048 bits for key from /dev/urandom.",
            "Writing corosync key to /etc/corosync/authkey.",
            "Writing corosync config to /etc/pve/corosync.conf",
            "Restart corosync and cluster filesystem",
        ):
            task.log(line)
        yield 2.0
        node = world.nodes[world.local]
        node.id = call["nodeid"] or 1
        node.facts["links"] = links(call, node)
        world.cluster, world.config_version = call["clustername"], 1

    return call.task("clustercreate", call["clustername"], work)


def links(call: Call, node: Node) -> list[str]:
    given = [str(call[f"link{number}"]).partition(",")[0] for number in range(8) if call[f"link{number}"]]
    return [address.removeprefix("address=") for address in given] or [node.ip]


@handles("POST", f"{BASE}/join")
def join(call: Call) -> Any:
    require_root(call)
    world = call.world

    def work(task: Task) -> Steps:
        task.log(f"Establishing API connection with host '{call['hostname']}'")
        yield 1.0
        peer: World | None = world.facts.get("peers", {}).get(call["hostname"])
        if peer is None:
            raise Refusal(f"500 Can't connect to {call['hostname']}:8006")
        theirs = peer.nodes[peer.local].fingerprint
        if call["fingerprint"].upper() != theirs.upper():
            raise Refusal(f"fingerprint '{theirs}' not verified, abort!")
        if peer.access.users[ROOT].password != call["password"]:
            raise Refusal("401 authentication failure")
        task.log("Login succeeded.")
        task.log("check cluster join API version")
        require_joinable(task, world, peer)
        task.log("Request addition of this node")
        yield 4.0
        task.log("Join request OK, finishing setup locally")
        enter(call, world, peer)
        call.api.tickets.clear()
        task.log(f"successfully added node '{world.local}' to cluster.")

    return call.task("clusterjoin", "", work)


def require_joinable(task: Task, world: World, peer: World) -> None:
    problems = []
    if world.guests:
        problems.append("this host already contains virtual guests")
    if world.cluster is not None:
        problems.append("cluster config '/etc/pve/corosync.conf' already exists")
    if problems:
        task.log("detected the following error(s):")
        for problem in problems:
            task.log(f"* {problem}")
        raise Refusal("Check if node may join a cluster failed!")
    if peer.cluster is None:
        raise Refusal("node is not in a cluster, no join info available!")


def enter(call: Call, world: World, peer: World) -> None:
    """The node becomes one of the peer's; its own state is gone but for its tasks."""
    node, tasks = world.nodes[world.local], world.tasks
    node.id = call["nodeid"] or 1 + max(each.id for each in peer.nodes.values())
    node.facts["links"] = links(call, node)
    peer.nodes[node.name] = node
    peer.config_version += 1
    peer.tasks.update(tasks)
    for each in fields(World):
        if each.name not in OWN:
            setattr(world, each.name, getattr(peer, each.name))


@handles("POST", f"{BASE}/nodes/{{node}}")
def add_node(call: Call) -> Any:
    require_root(call)
    world, name = call.world, call["node"]
    if world.cluster is None:
        raise Refusal("cluster config '/etc/pve/corosync.conf' does not exist")
    if name in world.nodes and not call["force"]:
        raise Refusal(f"can't add existing node '{name}'")
    address = call["new_node_ip"] or (call["link0"] or "").partition(",")[0]
    free = 1 + max((each.id for each in world.nodes.values()), default=0)
    world.nodes[name] = Node(name, call["nodeid"] or free, address, online=False)
    world.config_version += 1
    return {"corosync_authkey": "", "corosync_conf": corosync_conf(world), "warnings": []}


def corosync_conf(world: World) -> str:
    lines = ["logging {", "  debug: off", "  to_syslog: yes", "}", "", "nodelist {"]
    for node in world.nodes.values():
        lines += [
            "  node {",
            *(f"    {key}: {value}" for key, value in sorted(corosync_node(node).items())),
            "  }",
        ]
    lines += [
        "}",
        "",
        "quorum {",
        *quorum_device(world),
        "  provider: corosync_votequorum",
        "}",
        "",
        "totem {",
    ]
    for key, value in sorted(totem_of(world).items()):
        if key == "interface":
            for link in value.values():
                lines += ["  interface {", f"    linknumber: {link['linknumber']}", "  }"]
        else:
            lines.append(f"  {key}: {value}")
    return "\n".join([*lines, "}", "", ""])


def quorum_device(world: World) -> list[str]:
    """The section that `pvecm qdevice setup` writes (PVE::CLI::pvecm)."""
    device = world.qdevice
    if "host" not in device:
        return []
    net = [f"      algorithm: {device['algorithm']}", f"      host: {device['host']}", "      tls: on"]
    votes = ["    votes: 1"] if device["algorithm"] == "ffsplit" else []
    return ["  device {", "    model: net", "    net {", *net, "    }", *votes, "  }"]


@handles("DELETE", f"{BASE}/nodes/{{node}}")
def delete_node(call: Call) -> None:
    require_root(call)
    world, name = call.world, call["node"]
    if name == world.local:
        raise Refusal("Cannot delete myself from cluster!")
    world.require_quorum()
    if name not in world.nodes:
        raise Refusal(f"Node/IP: {name} is not a known host of the cluster.")
    del world.nodes[name]
    world.facts.pop("expected", None)
    world.config_version += 1
