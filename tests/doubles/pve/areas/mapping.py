# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mappings of devices and folders: one name, and what stands behind it on each node.

Rests on: PVE::API2::Cluster::Mapping and PVE::Mapping (pve-manager, pve-guest-common) and the recorded
exchanges. An update has to bring the whole `map`; neither nodes nor devices are checked unless a node is
asked to (`check-node`); to delete what is not there is fine.
"""

from __future__ import annotations

import functools
from typing import Any

from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.sections import Failed, delete_options
from tests.doubles.pve.world import Node, World

OPTIONS = {
    "pci": ("description", "map", "mdev", "live-migration-capable"),
    "usb": ("description", "map"),
    "dir": ("description", "map"),
}
PRIVILEGES = ("Mapping.Modify", "Mapping.Use", "Mapping.Audit")


@handles("GET", "/cluster/mapping")
def index(call: Call) -> Any:
    return [{"name": kind} for kind in OPTIONS]


def file_of(kind: str) -> str:
    return f"mapping/{kind}"


def shown(world: World, kind: str, name: str) -> dict[str, Any]:
    return {**world.file(file_of(kind))[name], "type": kind, "digest": world.file_digest(file_of(kind))}


def list_mappings(call: Call, kind: str) -> Any:
    world, node = call.world, call["check-node"]
    if node is not None and node not in world.nodes:
        why = f"failed to get address info for: {node}: Temporary failure in name resolution"
        raise Refusal(f"hostname lookup '{node}' failed - {why}")
    return [
        {
            **shown(world, kind, name),
            "id": name,
            **({} if node is None else {"checks": checks(world, kind, name, node)}),
        }
        for name in world.file(file_of(kind))
        if call.allows(f"/mapping/{kind}/{name}", *PRIVILEGES, any_of=True)
    ]


def read_mapping(call: Call, kind: str) -> Any:
    if call["id"] not in call.world.file(file_of(kind)):
        raise Refusal(f"mapping '{call['id']}' not found")
    return shown(call.world, kind, call["id"])


def create_mapping(call: Call, kind: str) -> Any:
    world, name = call.world, call["id"]
    with Failed("create hardware mapping failed" if kind != "dir" else "create dir mapping failed"):
        world.require_writable(file_of(kind))
        if name in world.file(file_of(kind)):
            raise Refusal(f"{kind} ID '{name}' already defined")
    world.file(file_of(kind))[name] = {
        key: value for key, value in call.params.items() if key in OPTIONS[kind]
    }


def update_mapping(call: Call, kind: str) -> Any:
    world, name = call.world, call["id"]
    with Failed("update hardware mapping failed" if kind != "dir" else "update dir mapping failed"):
        world.require_writable(file_of(kind))
        world.require_digest(file_of(kind), call["digest"])
        if name not in world.file(file_of(kind)):
            raise Refusal(f"{kind} ID '{name}' does not exist")
        if not call["map"]:
            raise Refusal("missing value for required option 'map'")
        changed = world.file(file_of(kind))[name] | {
            k: v for k, v in call.params.items() if k in OPTIONS[kind]
        }
        delete_options(changed, call["delete"], OPTIONS[kind], ("map",))
    world.file(file_of(kind))[name] = changed


def delete_mapping(call: Call, kind: str) -> Any:
    call.world.require_writable(file_of(kind))
    call.world.file(file_of(kind)).pop(call["id"], None)


def register(kind: str) -> None:
    for verb, path, handler in (
        ("GET", "", list_mappings),
        ("POST", "", create_mapping),
        ("GET", "/{id}", read_mapping),
        ("PUT", "/{id}", update_mapping),
        ("DELETE", "/{id}", delete_mapping),
    ):
        handles(verb, f"/cluster/mapping/{kind}{path}")(functools.partial(handler, kind=kind))


for each in OPTIONS:
    register(each)


# --- what a node says of a mapping ---


def parts(entry: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in entry.split(","))


def checks(world: World, kind: str, name: str, node: str) -> list[dict[str, str]]:
    """What is wrong with a mapping on a node."""
    entries = [parts(text) for text in world.file(file_of(kind))[name]["map"]]
    mine = [entry for entry in entries if entry["node"] == node]
    if not mine:
        return [{"severity": "warning", "message": f"No mapping for node {node}."}]
    if kind != "pci":
        return []
    found = [fault for entry in mine if (fault := invalid(world.nodes[node], name, entry))]
    return [{"severity": "error", "message": f"Invalid configuration: {fault}\n"} for fault in found]


def invalid(node: Node, name: str, entry: dict[str, str]) -> str | None:
    """Why an entry does not fit the node, as at the start of a guest (PVE::Mapping::PCI::assert_valid)."""
    for number, path in enumerate(entry["path"].split(";")):
        address = path if "." in path else f"{path}.0"
        device = next((each for each in node.pci if each["id"] == address), None)
        if device is None:
            return f"pci device '{address}' not found"
        expected: dict[str, str | None] = {"id": f"{device['vendor']}:{device['device']}".replace("0x", "")}
        if number == 0:
            expected["iommugroup"] = str(device["iommugroup"]) if device["iommugroup"] >= 0 else None
        if "subsystem_vendor" in device:
            expected["subsystem-id"] = f"{device['subsystem_vendor']}:{device['subsystem_device']}".replace(
                "0x", ""
            )
        for key in sorted(expected):
            wanted, given = expected[key], entry.get(key)
            if wanted is not None and given is None:
                return f"missing expected property '{key}' for device '{address}'"
            if wanted is None and given is not None:
                return f"unexpected property '{key}' configured for device '{address}'"
            if wanted != given:
                return f"'{key}' does not match for '{name}' ({wanted} != {given})"
    return None
