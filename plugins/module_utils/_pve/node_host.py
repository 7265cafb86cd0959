# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes: reads them and carries out the plan of `node`.

Maintenance is not in the API: ha-manager(1) is asked for it, on a node. What the manager is told it does at
its own rounds, so every change is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._core.errors import TwinError
from .._core.plan import Step
from .errors import TaskTimeout
from .host import PveHost, PveReader
from .node import CUSTOM, Current, Node, Wanted, WantedNode

_PAUSE = 2.0
_JITTER = 5
"""Seconds by which two looks at the time of a boot may differ; no server is up again that soon."""
_RUNS = frozenset({"started", "migrate", "relocate", "request_start", "request_stop", "starting"})
"""States of a guest in the care of the HA manager in which it takes up its node."""


def read(host: PveReader, wanted: Wanted) -> Current:
    """The nodes that are declared, and the HA manager.

    :raises Refused: for a key that others would see on its way.
    """
    for node in wanted.nodes:
        host.may_carry(f"certificate of node {node.name}", {"key"} if node.certificate else ())
    status = host.get("cluster/status")
    manager = host.get("cluster/ha/status/manager_status")
    current = host.get("cluster/ha/status/current") if wanted.ha else []
    fencing: Mapping[str, Any] = next((entry for entry in current if entry["type"] == "fencing"), {})
    declared = {node.name: node for node in wanted.nodes}
    nodes = {
        entry["name"]: _node(host, entry, manager, declared.get(entry["name"]))
        for entry in status
        if entry["type"] == "node"
    }
    return Current(
        nodes, str(fencing.get("armed-state", "")), str(fencing.get("resource_mode", "")), host.on_node
    )


def _node(
    host: PveReader, entry: Mapping[str, Any], manager: Mapping[str, Any], declared: WantedNode | None
) -> Node:
    """A node, with as much as has to be known of it."""
    name, online = entry["name"], bool(entry.get("online"))
    return Node(
        online,
        bool(entry.get("local")),
        _booted(host, name) if online and declared and declared.power == "reboot" else 0,
        _in_maintenance(manager, name),
        _left(manager, name),
        _custom(host, name) if online and declared and declared.certificate else "",
    )


def _booted(host: PveReader, name: str) -> int:
    now = int(host.get(f"nodes/{name}/time")["time"])
    return now - int(host.get(f"nodes/{name}/status")["uptime"])


def _custom(host: PveReader, name: str) -> str:
    found = host.get(f"nodes/{name}/certificates/info")
    return next((str(each["fingerprint"]) for each in found if each.get("filename") == CUSTOM), "")


def _in_maintenance(manager: Mapping[str, Any], name: str) -> bool:
    return manager.get("lrm_status", {}).get(name, {}).get("mode") == "maintenance"


def _left(manager: Mapping[str, Any], name: str) -> tuple[str, ...]:
    services = manager["manager_status"].get("service_status", {})
    return tuple(
        sorted(sid for sid, each in services.items() if each["node"] == name and each["state"] in _RUNS)
    )


# --- apply ---


def apply(host: PveHost, step: Step) -> None:
    """One step of `node.make`."""
    _APPLY[step.verb](host, step.args)


def _arm(host: PveHost, _args: Mapping[str, Any]) -> None:
    host.post("cluster/ha/status/arm-ha")
    _wait(host, "the HA manager", "it is not armed", lambda: _armed_state(host) in ("armed", "standby"))


def _disarm(host: PveHost, args: Mapping[str, Any]) -> None:
    host.post("cluster/ha/status/disarm-ha", {"resource-mode": args["services"]})
    _wait(host, "the HA manager", "it is not disarmed", lambda: _armed_state(host) == "disarmed")


def _armed_state(host: PveReader) -> str:
    entries = host.poll("cluster/ha/status/current")
    return next(str(entry.get("armed-state")) for entry in entries if entry["type"] == "fencing")


def _certificate(host: PveHost, args: Mapping[str, Any]) -> None:
    params = {"certificates": args["chain"], "key": args["key"].text, "force": "1", "restart": "1"}
    host.post(f"nodes/{args['node']}/certificates/custom", params)


def _maintenance(host: PveHost, args: Mapping[str, Any]) -> None:
    name, asked = args["node"], args["asked"]
    verb = "enable" if asked else "disable"
    host.command(["ha-manager", "crm-command", "node-maintenance", verb, name])

    def done() -> bool:
        manager = host.poll("cluster/ha/status/manager_status")
        return _in_maintenance(manager, name) == asked and not (asked and _left(manager, name))

    left = (
        "guests have not left it, for no other node may take them" if asked else "it is still in maintenance"
    )
    _wait(host, f"maintenance of node {name}", left, done)


def _reboot(host: PveHost, args: Mapping[str, Any]) -> None:
    name = args["node"]
    host.post(f"nodes/{name}/status", {"command": "reboot"})
    _wait(
        host, f"node {name}", "it did not come back", lambda: _booted(host, name) > args["booted"] + _JITTER
    )


def _off(host: PveHost, args: Mapping[str, Any]) -> None:
    name = args["node"]
    host.post(f"nodes/{name}/status", {"command": "shutdown"})

    def gone() -> bool:
        status = host.poll("cluster/status")
        return not any(entry.get("online") for entry in status if entry["name"] == name)

    _wait(host, f"node {name}", "it is still up", gone)


_APPLY: Mapping[str, Callable[[PveHost, Mapping[str, Any]], None]] = {
    "arm": _arm,
    "disarm": _disarm,
    "certificate": _certificate,
    "maintenance": _maintenance,
    "reboot": _reboot,
    "off": _off,
}


def _wait(host: PveReader, what: str, else_: str, done: Callable[[], bool]) -> None:
    """Ask until it is so; a node that goes away in the meantime, and its proxy, are no failure."""
    end = host.now() + host.timeout
    while True:
        try:
            if done():
                return
        except TwinError as error:
            else_ = f"{else_.partition(' (')[0]} ({error.answered})"
        if host.now() >= end:
            remedy = "look at the HA manager and the nodes, or give a longer timeout"
            raise TaskTimeout(what, f"after {host.timeout:g} s {else_}", remedy)
        host.sleep(_PAUSE)
