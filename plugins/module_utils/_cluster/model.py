# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Corosync and its quorum device print and read, as plain data. Pure.

Rests on corosync.conf(5), corosync-quorumtool(8) and corosync-qnetd-tool(8), and on what corosync-qnetd of
Debian 13 prints (qnetd_ipc_cmd_list of its sources for clusters that are connected).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused

CA, SERVER = "QNet CA", "QNetd Cert"
"""The names of the two certificates without which corosync-qnetd does not start (corosync-qnetd-certutil)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node, by its name in corosync.conf."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Conf:
    """What corosync.conf says.

    :param device: the witness that is asked for a vote; empty for none.
    """

    cluster: str = ""
    nodes: tuple[Node, ...] = ()
    device: str = ""


def parse_conf(text: str) -> Conf:
    """corosync.conf(5).

    :raises Refused: when its sections do not close.
    """
    sections = _sections(text.splitlines())
    totem, quorum = sections.get("totem", [{}])[0], sections.get("quorum", [{}])[0]
    nodes = [
        Node(str(node.get("name", node.get("ring0_addr"))), str(node.get("ring0_addr", "")))
        for nodelist in sections.get("nodelist", ())
        for node in nodelist.get("node", ())
    ]
    device = quorum.get("device", [{}])[0]
    net = device.get("net", [{}])[0]
    return Conf(str(totem.get("cluster_name", "")), tuple(nodes), str(net.get("host", "")))


def _sections(lines: list[str]) -> dict[str, Any]:
    """Keys with their values; a section is a list of such, for there may be several of one name."""
    stack: list[dict[str, Any]] = [{}]
    for line in map(str.strip, lines):
        if not line or line.startswith("#"):
            continue
        if line.endswith("{"):
            inner: dict[str, Any] = {}
            stack[-1].setdefault(line[:-1].strip(), []).append(inner)
            stack.append(inner)
        elif line == "}":
            stack.pop()
        else:
            key, _colon, value = line.partition(":")
            stack[-1][key.strip()] = value.strip()
        if not stack:
            break
    if len(stack) != 1:
        raise Refused("corosync.conf", "its brackets do not match", "mend it by hand")
    return stack[0]


@dataclass(frozen=True, slots=True)
class Quorum:
    """What corosync-quorumtool(8) says on a node.

    :param nodes: how many are up.
    :param votes: of the device: whether this node reaches it, and it gives its vote.
    """

    nodes: int
    quorate: bool
    votes: bool


def parse_quorum(text: str) -> Quorum:
    """What ``pvecm status`` prints, or corosync-quorumtool itself."""
    nodes = re.search(r"^Nodes:\s+(\d+)", text, re.MULTILINE)
    alive = re.search(r"^0x\S+\s+\d+\s+A,V,\S+ .*\(local\)", text, re.MULTILINE)
    vote = re.search(r"^0x0+\s+[1-9]\d*\s+Qdevice", text, re.MULTILINE)
    return Quorum(
        int(nodes[1]) if nodes else 0,
        re.search(r"^Quorate:\s+Yes", text, re.MULTILINE) is not None,
        alive is not None and vote is not None,
    )


def parse_certificates(text: str) -> frozenset[str]:
    """The names that ``certutil -L`` lists: name and trust in columns, below a heading."""
    found = re.findall(r"^(\S.*?)\s+([A-Za-z]*,[A-Za-z]*,[A-Za-z]*)$", text, re.MULTILINE)
    return frozenset(name for name, trust in found if trust != "SSL,S/MIME,JAR/XPI")


@dataclass(frozen=True, slots=True)
class Served:
    """A cluster that is connected to a witness.

    :param nodes: the addresses of its nodes that are connected, by their numbers.
    """

    name: str
    algorithm: str = ""
    nodes: Mapping[str, str] = field(default_factory=dict)


def parse_served(text: str) -> tuple[Served, ...]:
    """What ``corosync-qnetd-tool -l`` prints."""
    found = []
    for part in re.split(r'^Cluster "', text, flags=re.MULTILINE)[1:]:
        name = part.partition('"')[0]
        algorithm = re.search(r"^\s+Algorithm:\s+(.+?)\s*$", part, re.MULTILINE)
        nodes = re.findall(r"^\s+Node ID (\d+):\n\s+Client address:\s+(\S+)", part, re.MULTILINE)
        addresses = {number: address.removeprefix("::ffff:") for number, address in nodes}
        found.append(Served(name, algorithm[1] if algorithm else "", addresses))
    return tuple(found)


def parse_witness(text: str) -> dict[str, str]:
    """Where a witness listens and whether it wants TLS, of what ``corosync-qnetd-tool -s`` prints."""
    values = dict(re.findall(r"^([^:\n]+):\s+(.+?)\s*$", text, re.MULTILINE))
    return {"address": values.get("QNetd address", ""), "tls": values.get("TLS", "")}
