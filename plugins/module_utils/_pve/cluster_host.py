# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Membership: reads what nodes say, and makes, joins and leaves clusters, see `cluster`.

While a node joins, its own API goes: the file system of the cluster is exchanged below it, its tickets end,
it gets another certificate. So the peer is asked as well, which has been trusted from the beginning.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from .._core.errors import Refused, TwinError, Unreachable
from .._core.host import LocalReader
from .._core.plan import Step
from . import table as tables
from .access import access_of
from .cluster import Current, View, Wanted, view_of, wanted_of
from .errors import ApiError, Denied, TaskFailed, TaskTimeout
from .host import HttpsTransport, LocalTransport, PveHost, PveReader, Transport
from .tables import cluster as calls
from .task_host import last_lines
from .tasks import Ended, Upid, exit_status, parse_upid

_PAUSE = 1.0


class ClusterHost:
    """A node, and the peer through which it joins.

    :param node: the API of the node that is asked to be a member.
    :param peer: that of a member of the cluster.
    :param trusting: the API of the node again, whose certificate has this fingerprint now.
    """

    def __init__(
        self,
        node: PveReader,
        peer: PveReader | None = None,
        trusting: Callable[[str], PveReader] | None = None,
    ) -> None:
        self.node = node
        self.peer = peer
        self._trusting = trusting

    @property
    def writable(self) -> bool:
        """Whether it has a write half."""
        return self.node.writable

    def trust(self, name: str) -> str:
        """Take the certificate that the peer knows the node by; its fingerprint, if somebody can tell."""
        if self.peer is None or self._trusting is None:
            return ""
        try:
            known = self.peer.poll("cluster/config/join")["nodelist"]
        except TwinError:
            return ""
        found = next((str(node.get("pve_fp") or "") for node in known if node["name"] == name), "")
        if found:
            self.node = self._trusting(found)
        return found


def cluster_host(params: Mapping[str, Any], writable: bool) -> ClusterHost:
    """The node that the options of module pve_cluster name, and its peer, for `Subject.host`."""
    access, peer = access_of(params, os.environ), wanted_of(params, os.environ).peer
    kind = PveHost if writable else PveReader

    def reached(transport: Transport) -> PveReader:
        return kind(transport, access.timeout)

    if not access.host:
        here = reached(LocalTransport(LocalReader()))
        here.may_carry(f"peer of cluster {params['name']}", {"password"} if peer else ())
        return ClusterHost(here)
    node = reached(HttpsTransport(access))
    if peer is None:
        return ClusterHost(node)
    theirs = replace(
        access, host=peer.address, port=8006, user="root@pam", password=peer.password.text, token_id="",
        token_secret="", verify=True, fingerprint=peer.fingerprint,
    )  # fmt: skip
    return ClusterHost(
        node,
        PveReader(HttpsTransport(theirs), access.timeout),
        lambda fingerprint: reached(HttpsTransport(replace(access, fingerprint=fingerprint))),
    )


# --- read ---


def read(host: ClusterHost, wanted: Wanted) -> Current:
    """What the node says, and its peer if there is one.

    :raises Refused: when the peer cannot be asked: the fingerprint or the password is wrong.
    """
    node = _view(host.node, guests=wanted.peer is not None or bool(wanted.node))
    if host.peer is None:
        return Current(node)
    try:
        theirs = _view(host.peer, guests=True)
    except Unreachable as error:
        raise Refused(f"peer {wanted.peer and wanted.peer.address}", error.answered, error.remedy) from error
    # In check mode the cluster may only have been announced.
    unmade = not theirs.cluster and not host.writable
    return Current(node, None if unmade else theirs)


def _view(host: PveReader, guests: bool) -> View:
    status = host.get("cluster/status")
    local = next(entry["name"] for entry in status if entry["type"] == "node" and entry.get("local"))
    clustered = any(entry["type"] == "cluster" for entry in status)
    return view_of(
        status,
        host.get("cluster/config/nodes") if clustered else [],
        host.get("cluster/resources", {"type": "vm"}) if guests else [],
        host.get("cluster/config/qdevice") if clustered else {},
        host.get(f"nodes/{local}/tasks", {"source": "active"}),
    )


# --- apply ---


def apply(host: ClusterHost, step: Step) -> dict[str, Any] | None:
    """One step of `cluster.make`."""
    return _APPLY[step.verb](host, step.args)


def _create(host: ClusterHost, args: Mapping[str, Any]) -> dict[str, Any]:
    answer = cast(PveHost, host.node).post("cluster/config", tables.wire(calls.CREATE, args["params"]))
    return _settle(host, args, str(answer))


def _join(host: ClusterHost, args: Mapping[str, Any]) -> dict[str, Any]:
    params = {**args["params"], "password": args["password"].text}
    answer = cast(PveHost, host.node).post("cluster/config/join", tables.wire(calls.JOIN, params))
    return _settle(host, args, str(answer))


def _wait(host: ClusterHost, args: Mapping[str, Any]) -> dict[str, Any]:
    return _settle(host, args, args["upid"])


def _remove(host: ClusterHost, args: Mapping[str, Any]) -> None:
    cast(PveHost, host.node).delete(f"cluster/config/nodes/{args['node']}")


_APPLY: Mapping[str, Callable[[ClusterHost, Mapping[str, Any]], dict[str, Any] | None]] = {
    "create": _create,
    "join": _join,
    "wait": _wait,
    "remove": _remove,
}


def _settle(host: ClusterHost, args: Mapping[str, Any], upid: str) -> dict[str, Any]:
    """Wait until the task is over and the node is an online member of a cluster with quorum.

    Whatever the node answers in between (401, 500, nothing at all) is no failure: only the end of its task is
    one, and the time that is given.
    """
    name, task = args["node"], parse_upid(upid)
    end = host.node.now() + host.node.timeout
    told: dict[str, Any] = {"upid": upid}
    said = ""
    over = False
    while True:
        try:
            if not over:
                over = _ended_well(host.node, task)
            if over and _settled(host.node, name, args["cluster"]):
                return told
        except TaskFailed:
            raise
        except (Unreachable, Denied) as error:
            said = str(error)
            if fingerprint := host.trust(name):
                told["fingerprint"] = fingerprint
        except ApiError as error:
            said = str(error)
        if host.node.now() >= end:
            raise TaskTimeout(
                f"node {name} in cluster {args['cluster']}",
                f"it was no online member with quorum after {host.node.timeout:g} s{said and f' ({said})'}",
                "see corosync and pve-cluster and its links to the others; then run this again",
                upid=upid,
            )
        host.node.sleep(_PAUSE)


def _ended_well(host: PveReader, task: Upid) -> bool:
    status = exit_status(host.poll(f"{task.path}/status"))
    if status is None:
        return False
    if Ended(task, status).succeeded:
        return True
    log = last_lines(host, task)
    remedy = f"its log ends: {' | '.join(log[-3:])}" if log else ""
    raise TaskFailed(task.sentence, status, remedy, upid=str(task), log=list(log))


def _settled(host: PveReader, name: str, cluster: str) -> bool:
    status = host.poll("cluster/status")
    quorate = any(
        entry["type"] == "cluster" and entry["name"] == cluster and entry.get("quorate") for entry in status
    )
    online = any(
        entry["type"] == "node" and entry["name"] == name and entry.get("online") for entry in status
    )
    return quorate and online
