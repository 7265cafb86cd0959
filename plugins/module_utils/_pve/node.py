# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes: maintenance, certificate, power; and whether the HA manager of their cluster is armed. Pure.

Rests on PVE::HA::Manager and ::LRM (pve-ha-manager) and PVE::API2::Certificates (pve-manager). A private key
is never shown by PVE: it is sent along when the certificate is not the one that is declared.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.items import parse_items, refuse
from .._core.plan import Effect, Hidden, Plan, Step, make_plan
from . import schema
from .schema import Field

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
CUSTOM = "pveproxy-ssl.pem"
"""The certificate that people give; it comes before the one of the cluster."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with those that signed it, and its key."""

    chain: str
    key: Hidden
    fingerprint: str


@dataclass(frozen=True, slots=True)
class WantedNode:
    """What was declared of a node; None leaves it alone.

    :param power: ``reboot`` or ``off``.
    """

    name: str
    maintenance: bool | None = None
    certificate: Certificate | None = None
    power: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was declared.

    :param ha: ``armed`` or ``disarmed``; None leaves it alone.
    :param services: what becomes of guests while it is disarmed, ``freeze`` or ``ignore``.
    """

    nodes: tuple[WantedNode, ...]
    ha: str | None = None
    services: str = "freeze"


@dataclass(frozen=True, slots=True)
class Node:
    """What was read of a node.

    :param booted: when it was switched on, in seconds of its own clock.
    :param asked: whether it was told to go into maintenance.
    :param left: guests in the care of the HA manager that run on it.
    :param certificate: fingerprint of the one that somebody gave it; empty for none.
    """

    online: bool
    local: bool
    booted: int = 0
    asked: bool = False
    left: tuple[str, ...] = ()
    certificate: str = ""

    @property
    def maintenance(self) -> str:
        """``off``, ``leaving`` while guests still go, ``on``."""
        if not self.asked:
            return "off"
        return "leaving" if self.left else "on"


@dataclass(frozen=True, slots=True)
class Current:
    """What was read.

    :param ha: of the HA manager: ``armed``, ``standby``, ``disarming``, ``disarmed``; empty before PVE 9.
    :param services: how guests are treated while it is disarmed.
    :param on_node: whether commands can be run.
    """

    nodes: Mapping[str, Node]
    ha: str = ""
    services: str = ""
    on_node: bool = False

    def stable(self) -> Any:
        """Without what differs from run to run."""
        return {
            "ha": self.ha,
            "nodes": {
                name: (node.online, node.asked, node.left, node.certificate)
                for name, node in self.nodes.items()
            },
        }


def parse_wanted(params: Mapping[str, Any]) -> Wanted:
    """Options of module pve_node.

    :raises Refused: with every fault at once.
    """
    nodes, faults = parse_items("node", params["nodes"], _node)
    refuse(faults)
    return Wanted(nodes, params.get("ha"), params.get("services") or "freeze")


def _node(item: Mapping[str, Any]) -> WantedNode:
    name = str(schema.normal(Field(format="pve-node"), item["name"], f"name of node {item['name']}"))
    given = item.get("certificate")
    return WantedNode(
        name,
        item.get("maintenance"),
        given and _certificate(given, f"certificate of node {name}"),
        item.get("power"),
    )


def _certificate(given: Mapping[str, Any], what: str) -> Certificate:
    key = str(given["key"])
    if not _KEY.search(key):
        remedy = "give it as PEM without a password, with -----BEGIN PRIVATE KEY-----"
        raise Refused(what, "its key is no private key", remedy)
    return Certificate(given["chain"], Hidden(key), fingerprint_of(given["chain"], what))


def fingerprint_of(chain: str, what: str = "certificate") -> str:
    """SHA-256 of the first certificate, as PVE writes it.

    :raises Refused: when there is none.
    """
    match = _PEM.search(chain)
    try:
        der = base64.b64decode("".join(match[1].split()), validate=True) if match else b""
    except ValueError:
        der = b""
    if not der:
        raise Refused(what, "its chain is no certificate", "give it as PEM, with -----BEGIN CERTIFICATE-----")
    return hashlib.sha256(der).digest().hex(":").upper()


# --- what is done ---


def make(current: Current, wanted: Wanted) -> Plan:
    """The plan: HA, then node by node certificate, maintenance, power."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for step, had, has in (*_ha(current, wanted), *_nodes(current, wanted)):
        steps.append(step)
        before[step.key] = {**before.get(step.key, {}), **had}
        after[step.key] = {**after.get(step.key, {}), **has}
    return make_plan(steps, before, after)


_Change = tuple[Step, dict[str, Any], dict[str, Any]]


def _impossible(key: str, sentence: str) -> _Change:
    return Step(key, "refuse", sentence, effect=Effect.IMPOSSIBLE), {}, {}


def _ha(current: Current, wanted: Wanted) -> Iterator[_Change]:
    if wanted.ha is None:
        return
    if not current.ha:
        yield _impossible(
            "HA", "this release of Proxmox VE cannot disarm its HA manager; leave ha out, or update it"
        )
        return
    disarmed = current.ha in ("disarmed", "disarming")
    if wanted.ha == "armed" and disarmed:
        step = Step("HA", "arm", "arm the HA manager")
        yield step, {"ha": "disarmed"}, {"ha": "armed"}
    if wanted.ha == "disarmed" and (not disarmed or current.services != wanted.services):
        became = {"freeze": "guests stay as they are", "ignore": "guests are as if it did not know them"}
        sentence = f"disarm the HA manager, {became[wanted.services]}"
        had = {"ha": "disarmed" if disarmed else "armed", "services": current.services or None}
        yield (
            Step("HA", "disarm", sentence, {"services": wanted.services}),
            had,
            {"ha": "disarmed", "services": wanted.services},
        )


def _nodes(current: Current, wanted: Wanted) -> Iterator[_Change]:
    for declared in wanted.nodes:
        key = f"node {declared.name}"
        node = current.nodes.get(declared.name)
        if node is None:
            there = ", ".join(sorted(current.nodes))
            yield _impossible(key, f"there is no node {declared.name} in this cluster; name one of {there}")
        elif not node.online:
            if declared.certificate or declared.maintenance is not None or declared.power == "reboot":
                yield _impossible(key, f"node {declared.name} is not up; start it first")
        else:
            yield from _certificates(key, node, declared)
            yield from _maintenance(key, node, declared, current.on_node)
            yield from _power(key, node, declared)


def _certificates(key: str, node: Node, declared: WantedNode) -> Iterator[_Change]:
    wanted = declared.certificate
    if wanted is None or wanted.fingerprint == node.certificate:
        return
    sentence = f"give the API of node {declared.name} the certificate {wanted.fingerprint[:23]}…"
    args = {"node": declared.name, "chain": wanted.chain, "key": wanted.key}
    had, has = {"certificate": node.certificate or None}, {"certificate": wanted.fingerprint}
    yield Step(key, "certificate", sentence, args), had, has


def _maintenance(key: str, node: Node, declared: WantedNode, on_node: bool) -> Iterator[_Change]:
    wanted = {True: "on", False: "off", None: node.maintenance}[declared.maintenance]
    if wanted == node.maintenance:
        return
    if not on_node:
        yield _impossible(
            key,
            f"maintenance of node {declared.name} is not in the API of Proxmox VE; run this on a node, "
            f"without api_host",
        )
        return
    leaving = f", which {', '.join(node.left)} leave for another" if node.left and wanted == "on" else ""
    verb = "put node {} into maintenance{}" if wanted == "on" else "take node {} out of maintenance{}"
    args = {"node": declared.name, "asked": wanted == "on"}
    step = Step(key, "maintenance", verb.format(declared.name, leaving), args)
    yield step, {"maintenance": node.maintenance}, {"maintenance": wanted}


def _power(key: str, node: Node, declared: WantedNode) -> Iterator[_Change]:
    args = {"node": declared.name}
    if declared.power == "reboot":
        step = Step(
            key, "reboot", f"reboot node {declared.name}", {**args, "booted": node.booted}, Effect.RESTART,
            token=str(node.booted),
        )  # fmt: skip
        yield step, {}, {}
    elif declared.power == "off" and node.local:
        yield _impossible(
            key,
            f"node {declared.name} answers here itself, and could not tell that it is off; ask another node",
        )
    elif declared.power == "off":
        yield Step(key, "off", f"shut node {declared.name} down", args), {"power": "on"}, {"power": "off"}
