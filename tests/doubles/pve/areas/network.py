# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a node: /nodes/{node}/network.

Rests on: PVE::API2::Network and PVE::INotify (pve-manager, pve-common) and the recorded exchanges: changes
wait in a second file until they are applied by a task; an interface that is not there is 400; a change
without an address leaves the address but makes the method manual.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, parameter
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Node

BASE = "/nodes/{node}/network"
ONE = f"{BASE}/{{iface}}"
Interfaces = dict[str, dict[str, Any]]


def live(node: Node) -> Interfaces:
    """What is applied; a new node has one card and one bridge on it."""
    card = {
        "type": "eth",
        "method": "manual",
        "method6": "manual",
        "families": ["inet"],
        "priority": 3,
        "active": 1,
    }
    bridge = {
        "type": "bridge", "method": "static", "method6": "manual", "families": ["inet"], "priority": 4,
        "active": 1,
        "autostart": 1, "bridge_ports": "eth0", "bridge_stp": "off", "bridge_fd": "0",
        "address": node.ip, "netmask": "24", "cidr": f"{node.ip}/24",
    }  # fmt: skip
    found: Interfaces = node.facts.setdefault("network", {"eth0": card, "vmbr0": bridge})
    return found


def wanted(node: Node) -> Interfaces:
    """What is configured: the waiting changes where there are any."""
    found: Interfaces | None = node.facts.get("network-new")
    return live(node) if found is None else found


def changing(node: Node) -> Interfaces:
    """The same, to be changed."""
    found: Interfaces = node.facts.setdefault("network-new", copy.deepcopy(live(node)))
    return found


@handles("GET", BASE)
def listed(call: Call) -> Any:
    node = call.node()
    if "network-new" in node.facts:
        added = [f"+iface {name}" for name in wanted(node) if name not in live(node)]
        removed = [f"-iface {name}" for name in live(node) if name not in wanted(node)]
        lines = ["--- /etc/network/interfaces", "+++ /etc/network/interfaces.new", *added, *removed]
        call.extra["changes"] = "\n".join(lines) + "\n"
    kinds = {"any_bridge": ("bridge", "OVSBridge"), "any_local_bridge": ("bridge", "OVSBridge")}
    chosen = kinds.get(call["type"] or "", (call["type"],))
    return [
        {"iface": name, **settings}
        for name, settings in wanted(node).items()
        if call["type"] is None or settings["type"] in chosen
    ]


@handles("GET", ONE)
def one(call: Call) -> Any:
    found = wanted(call.node()).get(call["iface"])
    if found is None:
        raise parameter(iface="interface does not exist")
    return found


@handles("POST", BASE)
def create(call: Call) -> None:
    node, name = call.node(), call["iface"]
    if name in wanted(node):
        raise parameter(iface="interface already exists")
    require_parts(call, wanted(node))
    held = changing(node)
    priority = 1 + max((each["priority"] for each in held.values()), default=2)
    held[name] = {"families": ["inet"], "method6": "manual", "priority": priority, **settings_of(call)}
    if call["type"] == "bridge":
        held[name] = {"bridge_ports": "", "bridge_stp": "off", "bridge_fd": "0", **held[name]}
        if call["bridge_vlan_aware"]:
            held[name].setdefault("bridge_vids", "2-4094")


def require_parts(call: Call, interfaces: Interfaces) -> None:
    """The ports of a bridge and the slaves of a bond must be there."""
    name = call["iface"]
    for port in split_list(call["bridge_ports"] or ""):
        if port not in interfaces and port.partition(".")[0] not in interfaces:
            raise Refusal(f"bridge '{name}' - unable to find bridge port '{port}'")
    for slave in split_list(call["slaves"] or ""):
        kind = interfaces.get(slave, {}).get("type", "")
        if kind not in ("eth", "bond"):
            raise Refusal(
                f"bond '{name}' - wrong interface type on slave '{slave}' ('{kind}' != 'eth or bond')"
            )


def settings_of(call: Call) -> dict[str, Any]:
    kept = {
        key: value
        for key, value in call.params.items()
        if key not in ("node", "iface", "delete") and value != 0
    }
    if "cidr" in kept:
        kept["address"], _sign, kept["netmask"] = kept["cidr"].partition("/")
    elif "address" in kept and "netmask" in kept:
        kept["cidr"] = f"{kept['address']}/{kept['netmask']}"
    if "comments" in kept:
        kept["comments"] = kept["comments"].rstrip("\n") + "\n"
    return kept | {"method": "static" if "address" in kept else "manual"}


@handles("PUT", ONE)
def update(call: Call) -> None:
    node, name = call.node(), call["iface"]
    if name not in wanted(node):
        raise parameter(iface="interface does not exist")
    require_parts(call, wanted(node))
    held = changing(node)[name]
    for key in split_list(call["delete"] or ""):
        held.pop(key, None)
        if key == "cidr":
            held.pop("address", None)
            held.pop("netmask", None)
    for key, value in call.params.items():
        if value == 0:
            held.pop(key, None)
    held |= settings_of(call)


@handles("DELETE", ONE)
def delete(call: Call) -> None:
    if call["iface"] not in wanted(call.node()):
        raise parameter(iface="interface does not exist")
    del changing(call.node())[call["iface"]]


@handles("DELETE", BASE)
def revert(call: Call) -> None:
    call.node().facts.pop("network-new", None)


@handles("PUT", BASE)
def apply(call: Call) -> Any:
    node = call.node()

    def work(task: Task) -> Steps:
        yield 1.0
        applied = node.facts.pop("network-new", live(node))
        node.facts["network"] = {name: settings | {"active": 1} for name, settings in applied.items()}

    return call.task("srvreload", "networking", work)
