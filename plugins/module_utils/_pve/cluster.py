# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Membership: a node makes a cluster, joins one, or is struck off one. Pure.

What a node and its cluster will put up with is known from PVE::API2::ClusterConfig, PVE::Cluster::Setup and
pvecm(1) (pve-cluster), and is judged here, for PVE itself notices most of it half way.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Hidden, Plan, Step, make_plan
from .._core.values import doubles
from . import table as tables
from .tables import cluster as calls

LINKS = 8
"""How many links corosync takes (PVE::Corosync::MAX_LINK_INDEX)."""
_FINGERPRINT = re.compile(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}")


@dataclass(frozen=True, slots=True)
class Peer:
    """A member of the cluster that is joined.

    :param fingerprint: SHA-256 of the certificate of its API.
    :param password: of root@pam there.
    """

    address: str
    fingerprint: str
    password: Hidden


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was declared.

    :param name: of the cluster.
    :param node: the one that is struck off; empty: the node that answers is a member.
    :param links: the node's own addresses, that of link 0 first; none for what PVE chooses.
    :param peer: through whom the node joins; None: it is the first.
    """

    name: str
    node: str = ""
    links: tuple[str, ...] = ()
    peer: Peer | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A node of a cluster."""

    online: bool
    links: tuple[str, ...]
    guests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What a node tells.

    :param local: the node that answers, and its ``address``.
    :param cluster: empty for a node that stands alone.
    :param members: all nodes, by name; a node that stands alone is the only one.
    :param witness: whether a QDevice has a vote in it.
    :param busy: UPID of a task that is just making or joining a cluster.
    """

    local: str
    address: str
    cluster: str = ""
    quorate: bool = True
    members: Mapping[str, Member] = field(default_factory=dict)
    witness: bool = False
    busy: str = ""

    @property
    def own(self) -> Member:
        """The node that answers."""
        return self.members[self.local]

    @property
    def votes(self) -> str:
        """The votes that there are, for people."""
        present = sum(member.online for member in self.members.values())
        return f"{present} of {len(self.members)} nodes {'is' if present == 1 else 'are'} up"


@dataclass(frozen=True, slots=True)
class Current:
    """What was read.

    :param node: what the node says that the module talks to.
    :param peer: what the peer says; None without one, and where there is nobody to ask yet.
    """

    node: View
    peer: View | None = None


# --- what is declared ---


def wanted_of(params: Mapping[str, Any], environment: Mapping[str, str]) -> Wanted:
    """Options of module pve_cluster.

    :raises Refused: when they cannot be meant.
    """
    what = f"cluster {params['name']}"
    name = str(tables.checked(calls.CREATE, {"clustername": params["name"]}, what)["clustername"])
    if params["state"] == "absent":
        if not params.get("node"):
            raise Refused(what, "it is not said which node is removed", "name it in node")
        return Wanted(name, params["node"])
    if params.get("node"):
        raise Refused(what, "node is for state absent", "a node is added by asking its own API for it")
    return Wanted(
        name, "", _links(params.get("links") or (), what), _peer(params.get("peer"), what, environment)
    )


def _links(given: Any, what: str) -> tuple[str, ...]:
    links = tuple(_address(str(link), f"links of {what}") for link in given)
    if len(links) > LINKS:
        raise Refused(
            f"links of {what}", f"{len(links)} are more than corosync takes", f"name {LINKS} at most"
        )
    if twice := doubles(links):
        raise Refused(
            f"links of {what}", f"{twice[0]} is listed twice", "each link has an address of its own"
        )
    return links


def _address(text: str, what: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        remedy = "write one such as 10.1.0.1, without a prefix length"
        raise Refused(what, f"{text!r} is no address", remedy) from error


def _peer(given: Mapping[str, Any] | None, what: str, environment: Mapping[str, str]) -> Peer | None:
    if given is None:
        return None
    password = given.get("password") or environment.get("PROXMOX_PEER_PASSWORD")
    if not password:
        raise Refused(f"peer of {what}", "its password is missing", "give it, or PROXMOX_PEER_PASSWORD")
    fingerprint = str(given["fingerprint"]).upper()
    if not _FINGERPRINT.fullmatch(fingerprint):
        remedy = "write it as the web interface of the peer shows it, 32 pairs with colons between"
        raise Refused(f"peer of {what}", f"fingerprint {given['fingerprint']!r} is no SHA-256", remedy)
    return Peer(str(given["address"]), fingerprint, Hidden(str(password)))


# --- what is done ---


def make(current: Current, wanted: Wanted) -> Plan:
    """The plan."""
    return _removal(current.node, wanted) if wanted.node else _membership(current, wanted)


def _impossible(key: str, sentences: Iterator[str]) -> Plan:
    steps = [Step(key, "refuse", sentence, effect=Effect.IMPOSSIBLE) for sentence in sentences]
    return make_plan(steps, {}, {})


def _membership(current: Current, wanted: Wanted) -> Plan:
    view, key = current.node, f"node {current.node.local}"
    faults = _faults_of_member(current, wanted) if view.cluster else _faults_of_stranger(current, wanted)
    refused = _impossible(key, faults)
    if refused.steps:
        return refused
    if view.cluster and not view.busy:
        return Plan()
    after = {"cluster": wanted.name, **({"links": list(wanted.links)} if wanted.links else {})}
    return make_plan([_step(current, wanted, key)], {key: {"cluster": None}}, {key: after})


def _step(current: Current, wanted: Wanted, key: str) -> Step:
    view, peer = current.node, wanted.peer
    links = f" over {', '.join(wanted.links)}" if wanted.links else ""
    args: dict[str, Any] = {"node": view.local, "cluster": wanted.name}
    if view.busy:
        sentence = (
            f"wait until node {view.local} is a member of cluster {wanted.name}, which is being done already"
        )
        return Step(key, "wait", sentence, {**args, "upid": view.busy})
    params: dict[str, Any] = {f"link{number}": address for number, address in enumerate(wanted.links)}
    if peer is None:
        args["params"] = {"clustername": wanted.name, **params}
        return Step(key, "create", f"make cluster {wanted.name} of node {view.local}{links}", args)
    args["params"] = {"hostname": peer.address, "fingerprint": peer.fingerprint, **params}
    again = ""
    if current.peer is not None and view.local in current.peer.members:
        args["params"]["force"] = True
        again = ", once more, for that was broken off"
    sentence = f"join node {view.local} to cluster {wanted.name} through {peer.address}{links}{again}"
    return Step(key, "join", sentence, {**args, "password": peer.password})


def _faults_of_member(current: Current, wanted: Wanted) -> Iterator[str]:
    view = current.node
    if view.cluster != wanted.name:
        yield (
            f"node {view.local} is in cluster {view.cluster}, not in {wanted.name}; a node leaves a "
            f"cluster only by "
            f"being removed there and installed anew"
        )
    elif wanted.links and view.own.links != wanted.links:
        yield (
            f"links of node {view.local} are {', '.join(view.own.links)}, not {', '.join(wanted.links)}; "
            f"links are "
            f"changed by hand in /etc/pve/corosync.conf (pvecm(1)), with its config_version raised"
        )
    if current.peer is not None and current.peer.cluster != view.cluster:
        is_in = f"is in cluster {current.peer.cluster}" if current.peer.cluster else "stands alone"
        yield f"node {current.peer.local} {is_in}, while node {view.local} is in cluster {view.cluster}"
    elif current.peer is not None and not view.busy and _apart(view, current.peer):
        yield (
            f"nodes {view.local} and {current.peer.local} are in two clusters of the same name, "
            f"{view.cluster}; install anew the one of them that has no guests, and let it join the other"
        )


def _apart(view: View, theirs: View) -> bool:
    """Whether one does not know the other. A node that was made anew may still be known by its old self."""
    return view.local not in theirs.members or theirs.local not in view.members


def _faults_of_stranger(current: Current, wanted: Wanted) -> Iterator[str]:
    view, peer = current.node, wanted.peer
    if peer is None or view.busy:
        return
    if view.own.guests:
        yield (
            f"node {view.local} has guests ({', '.join(view.own.guests)}), and a node that joins takes "
            f"over the "
            f"configuration of the cluster; back them up, remove them, and restore them once it is a member"
        )
    if current.peer is not None:
        yield from _faults_of_peer(view, current.peer, wanted, peer)


def _faults_of_peer(view: View, theirs: View, wanted: Wanted, peer: Peer) -> Iterator[str]:
    if theirs.cluster != wanted.name:
        is_in = f"is in cluster {theirs.cluster}" if theirs.cluster else "is in no cluster"
        yield f"{peer.address} {is_in}, so nobody can join {wanted.name} there; make that cluster on it first"
        return
    if not theirs.quorate:
        yield f"cluster {wanted.name} has no quorum ({theirs.votes}), so none can join; bring its nodes up"
    links = wanted.links or (view.address,)
    if len(links) != len(theirs.own.links):
        yield (
            f"cluster {wanted.name} has {len(theirs.own.links)} links ({', '.join(theirs.own.links)} of node "
            f"{theirs.local}), node {view.local} would have {len(links)}; name one address for each in links"
        )
    for name, member in theirs.members.items():
        taken = [link for link in links if link in member.links]
        if name != view.local and taken:
            yield f"address {taken[0]} belongs to node {name}; name those of node {view.local} in links"
    known = theirs.members.get(view.local)
    if known is not None and (known.online or known.guests or known.links != links):
        yield (
            f"cluster {wanted.name} knows another node "
            f"{view.local}{' that is up' if known.online else ''}; remove "
            f"that from it first (state: absent), or give this one another name"
        )


def _removal(view: View, wanted: Wanted) -> Plan:
    key, node = f"node {wanted.node}", view.members.get(wanted.node)
    if view.cluster and view.cluster != wanted.name:
        is_in = f"node {view.local} is in cluster {view.cluster}, not in {wanted.name}"
        fault = f"{is_in}; ask a member of {wanted.name}"
        return _impossible(key, iter([fault]))
    if not view.cluster or node is None:
        return Plan()
    refused = _impossible(key, _faults_of_removal(view, wanted.node, node))
    if refused.steps:
        return refused
    lost = ""
    if node.guests:
        lost = (
            f"; {', '.join(node.guests)} of it are given up with their disks, and their configuration "
            f"stays in "
            f"/etc/pve/nodes/{wanted.node}"
        )
    removed = f"remove node {wanted.node} from cluster {wanted.name}"
    sentence = f"{removed}, so that it must never be started again as it is{lost}"
    step = Step(key, "remove", sentence, {"node": wanted.node}, destroys=node.guests)
    return make_plan(
        [step], {key: {"cluster": wanted.name, "links": list(node.links)}}, {key: {"cluster": None}}
    )


def _faults_of_removal(view: View, name: str, node: Member) -> Iterator[str]:
    if name == view.local:
        yield f"node {name} cannot remove itself; ask another node of cluster {view.cluster}"
    elif node.online:
        yield (
            f"node {name} is up, and must be off before it is removed, for good; shut it down "
            f"(pve_node), "
            f"and install it anew before it is started again"
        )
    elif not view.quorate:
        witness = "no vote comes from the witness" if view.witness else "there is no witness"
        yield (
            f"cluster {view.cluster} has no quorum ({view.votes}, {witness}), so nothing can be changed; "
            f"once you are "
            f"sure that node {name} is off, run 'pvecm expected 1' on node {view.local}, then this again"
        )


# --- what is read ---


def view_of(
    status: list[dict[str, Any]],
    nodes: list[dict[str, Any]],
    guests: list[dict[str, Any]],
    witness: Mapping[str, Any],
    tasks: list[dict[str, Any]],
) -> View:
    """What a node answers, as one view: to GET cluster/status, cluster/config/nodes, cluster/resources,
    cluster/config/qdevice and nodes/NODE/tasks.
    """
    cluster = next((entry for entry in status if entry["type"] == "cluster"), {})
    here = next(entry for entry in status if entry["type"] == "node" and entry.get("local"))
    online = {entry["name"]: bool(entry.get("online")) for entry in status if entry["type"] == "node"}
    links = {str(node["name"]): _links_of(node) for node in nodes}
    members = {
        name: Member(online.get(name, False), links.get(name, ()), tuple(sorted(_guests_of(guests, name))))
        for name in sorted(online.keys() | links.keys())
    }
    busy = next(
        (str(task["upid"]) for task in tasks if task.get("type") in ("clustercreate", "clusterjoin")), ""
    )
    return View(
        local=here["name"],
        address=str(here.get("ip", "")),
        cluster=str(cluster.get("name", "")),
        quorate=bool(cluster.get("quorate", 1)),
        members=members,
        witness=bool(witness),
        busy=busy,
    )


def _links_of(node: Mapping[str, Any]) -> tuple[str, ...]:
    """Addresses of corosync.conf by their numbers; PVE keeps a priority with the link, not here."""
    return tuple(str(node[key]) for number in range(LINKS) if (key := f"ring{number}_addr") in node)


def _guests_of(guests: list[dict[str, Any]], node: str) -> Iterator[str]:
    short = {"lxc": "ct", "qemu": "vm"}
    return (f"{short[guest['type']]}:{guest['vmid']}" for guest in guests if guest.get("node") == node)
