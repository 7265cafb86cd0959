# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that exchanges show of high availability, mappings, hardware and replication; see `seeds`."""

from __future__ import annotations

import re
from typing import Any

from tests.doubles.pve.formats import split_list
from tests.doubles.pve.ha_manager import GROUPS, RESOURCES, RULES, Local, Manager, Service
from tests.doubles.pve.seeds import Shown, seeds, tells
from tests.doubles.pve.world import Guest, Kind

KINDS: dict[str, Kind] = {"vm": "qemu", "ct": "lxc"}
DIGEST = "digest"


def settings(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """What is stored of what is shown."""
    return {key: value for key, value in data.items() if key not in (DIGEST, *names)}


# --- resources ---


def guest(shown: Shown, sid: str, node: str | None = None) -> str:
    """The guest of a resource, by full name or number, as far as it is there."""
    kind, _sign, vmid = sid.rpartition(":")
    told = shown.says(rf"resource 'vm:{vmid}' - guest with ID {vmid} is not a VM")
    if vmid.isdigit() and not shown.says(r"does not exist in cluster"):
        of: Kind = "lxc" if told else KINDS.get(kind, "lxc")
        shown.world.guests.setdefault(int(vmid), Guest(int(vmid), of, node or shown.world.local))
    return sid if kind else f"ct:{vmid}"


def managed(shown: Shown, sid: str, **more: Any) -> None:
    full = guest(shown, sid)
    shown.world.file(RESOURCES).setdefault(full, {"type": full.partition(":")[0]}).update(more)


@seeds("GET", "/cluster/ha/resources")
def resources(shown: Shown) -> None:
    for entry in shown.data or []:
        managed(shown, entry["sid"], **settings(entry, "sid", "errors"))
        if "group" in entry and "errors" not in entry:
            shown.world.file(GROUPS).setdefault(entry["group"], {"nodes": "pve1"})


@seeds("POST", "/cluster/ha/resources")
def new_resource(shown: Shown) -> None:
    guest(shown, str(shown.params.get("sid", "")))
    if shown.says("already defined"):
        managed(shown, shown.params["sid"])


@seeds(
    "GET PUT DELETE POST",
    "/cluster/ha/resources/{sid}",
    "/cluster/ha/resources/{sid}/migrate",
    "/cluster/ha/resources/{sid}/relocate",
)
def resource(shown: Shown) -> None:
    if shown.says("no such resource|not HA managed"):
        return
    data = shown.data if isinstance(shown.data, dict) and shown.verb == "GET" else {}
    sid = data.get("sid", shown.values["sid"])
    managed(shown, sid, **settings(data, "sid"))


# --- rules and groups ---


def with_members(shown: Shown, rule: dict[str, Any]) -> None:
    """The resources and nodes of a rule, but for those that the message says are not there."""
    unmanaged = shown.says(r"unmanaged resource\(s\) ([^.]+)\.")
    unknown = shown.says(r"non-existent node\(s\) ([^.]+)\.")
    for sid in split_list(rule.get("resources", "")):
        if not unmanaged or sid not in split_list(unmanaged[1]):
            managed(shown, sid)
    for node in split_list(rule.get("nodes", "")):
        name = node.partition(":")[0]
        if not unknown or name not in split_list(unknown[1]):
            shown.add_node(name)
    if rule.get("affinity") == "negative" and not shown.says("more resources than available nodes"):
        for number, _sid in enumerate(split_list(rule["resources"]), 1):
            shown.add_node(f"pve{number}")


def known_rule(shown: Shown, name: str, rule: dict[str, Any]) -> None:
    shown.world.file(RULES)[name] = settings(rule, "rule", "order", "errors")
    with_members(shown, rule)


@seeds("GET", "/cluster/ha/rules")
def rules(shown: Shown) -> None:
    for entry in shown.data or []:
        known_rule(shown, entry["rule"], entry)


@seeds("POST", "/cluster/ha/rules")
def new_rule(shown: Shown) -> None:
    with_members(shown, shown.params)
    sids = str(shown.params.get("resources", ""))
    if found := shown.says(r"resource '([^']+)' is already used in another node affinity rule"):
        known_rule(shown, "other", {"type": "node-affinity", "nodes": "pve1", "resources": found[1]})
    if shown.says("in node affinity rules with multiple priorities"):
        known_rule(shown, "other", {"type": "node-affinity", "nodes": "pve1:2,pve2:1", "resources": sids})
    if found := shown.says(r"shares two or more resources with a (positive|negative)"):
        rule = {"type": "resource-affinity", "affinity": found[1], "resources": sids}
        known_rule(shown, "other", rule)
    if shown.says("already defined"):
        known_rule(shown, shown.params["rule"], shown.params)


@seeds("GET PUT DELETE", "/cluster/ha/rules/{rule}")
def rule(shown: Shown) -> None:
    if shown.says("no such ha rule|does not exist"):
        return
    shown.add_node("pve2")
    if shown.verb == "GET":
        return known_rule(shown, shown.values["rule"], shown.data or {})
    kind = shown.params.get("type", "node-affinity")
    own = {"nodes": "pve1"} if kind == "node-affinity" else {"affinity": "negative"}
    known_rule(shown, shown.values["rule"], {"type": kind, "resources": "vm:100,vm:101", **own})
    with_members(shown, shown.params)


@seeds("GET", "/cluster/ha/groups")
def groups(shown: Shown) -> None:
    for entry in shown.data or []:
        shown.world.file(GROUPS)[entry["group"]] = settings(entry, "group", "type")


@tells("ha groups have not been migrated yet")
def not_migrated(shown: Shown, said: re.Match[str]) -> None:
    shown.world.file(GROUPS)["old"] = {"nodes": "pve1"}


# --- status ---


def manager(shown: Shown) -> Manager:
    """The manager, which has done its work for this moment."""
    made: Manager = shown.world.facts.setdefault("ha", Manager())
    made.time = shown.world.clock.now()
    return made


@seeds("GET", "/cluster/ha/status/current")
def current(shown: Shown) -> None:
    entries = shown.data or []
    stamps = [entry["timestamp"] for entry in entries if "timestamp" in entry]
    late = any("old timestamp" in entry["status"] for entry in entries)
    if stamps:
        shown.world.clock.time = max(stamps) + (60 if late else 1)  # type: ignore[attr-defined]
    made = manager(shown)
    for entry in entries:
        CURRENT[entry["type"]](shown, made, entry)
    quorate = next(entry["quorate"] for entry in entries if entry["type"] == "quorum")
    for node in shown.world.nodes.values():
        node.online = bool(quorate) or node.name == shown.world.local


def of_quorum(shown: Shown, made: Manager, entry: dict[str, Any]) -> None:
    shown.world.local = shown.add_node(entry["node"]).name


def of_master(shown: Shown, made: Manager, entry: dict[str, Any]) -> None:
    shown.add_node(entry["node"])
    made.master, made.timestamp = entry["node"], entry["timestamp"]


def of_fencing(shown: Shown, made: Manager, entry: dict[str, Any]) -> None:
    made.armed, made.resource_mode = entry["armed-state"], entry.get("resource_mode")


def of_lrm(shown: Shown, made: Manager, entry: dict[str, Any]) -> None:
    name, text = entry["node"], entry["status"]
    shown.add_node(name).maintenance = "maintenance" in text
    made.nodes[name] = "maintenance" if "maintenance" in text else "online"
    state = "active" if "(active," in text or "watchdog active" in text else "wait_for_agent_lock"
    mode = "maintenance" if "maintenance" in text else "active"
    made.locals[name] = Local(entry.get("timestamp", 0), mode, state)


def of_service(shown: Shown, made: Manager, entry: dict[str, Any]) -> None:
    sid = entry["sid"]
    guest(shown, sid, entry["node"])
    if "request_state" in entry:
        kept = ("group", "max_restart", "max_relocate", "comment", "failback")
        shown.world.file(RESOURCES)[sid] = {
            "type": sid.partition(":")[0],
            "state": entry["request_state"],
            **{key: entry[key] for key in kept if key in entry},
        }
    if "crm_state" in entry:
        running = entry["state"] == entry["crm_state"] == "started"
        made.services[sid] = Service(entry["crm_state"], entry["node"], "uid", running=running)


CURRENT = {
    "quorum": of_quorum,
    "master": of_master,
    "fencing": of_fencing,
    "lrm": of_lrm,
    "service": of_service,
}


@seeds("GET", "/cluster/ha/status/manager_status")
def manager_status(shown: Shown) -> None:
    data = shown.data or {}
    made = manager(shown)
    status = data.get("manager_status", {})
    made.master, made.timestamp = status.get("master_node"), status.get("timestamp", 0)
    for name, state in status.get("node_status", {}).items():
        shown.add_node(name)
        made.nodes[name] = state
    for name, local in data.get("lrm_status", {}).items():
        made.locals[name] = Local(local["timestamp"], local["mode"], local["state"], local["results"])
    for sid, service in status.get("service_status", {}).items():
        managed(shown, sid)
        made.services[sid] = Service(
            service["state"], service["node"], service["uid"], running=bool(service.get("running"))
        )


# --- mappings and hardware ---


@seeds("GET", *(f"/cluster/mapping/{kind}" for kind in ("pci", "usb", "dir")))
def mappings(shown: Shown) -> None:
    kind = shown.path.rpartition("/")[2]
    for entry in shown.data or []:
        shown.world.file(f"mapping/{kind}")[entry["id"]] = settings(entry, "id", "type", "checks")
        for check in entry.get("checks", []):
            device_of(shown, entry, check["message"])
        if entry.get("checks") == []:
            device_of(shown, entry, "")


def device_of(shown: Shown, entry: dict[str, Any], fault: str) -> None:
    """The device that a mapping names on the node that was asked to check it, as what it says lets it be."""
    node = shown.add_node(shown.params["check-node"])
    missing = re.search(r"missing expected property '(subsystem-id|iommugroup)'", fault)
    for text in entry["map"]:
        line = dict(part.split("=", 1) for part in text.split(","))
        if line["node"] != node.name or any(each["id"] == line["path"] for each in node.pci):
            continue
        subsystem = line.get("subsystem-id") or (line["id"] if missing else None)
        vendor, model = line["id"].split(":")
        made = {"id": line["path"], "vendor": f"0x{vendor}", "device": f"0x{model}", "class": "0xff0000"}
        if subsystem:
            parts = subsystem.split(":")
            made |= {"subsystem_vendor": f"0x{parts[0]}", "subsystem_device": f"0x{parts[1]}"}
        node.pci.append({**made, "iommugroup": int(line.get("iommugroup", -1))})


@seeds("POST", *(f"/cluster/mapping/{kind}" for kind in ("pci", "usb", "dir")))
@seeds("GET PUT", *(f"/cluster/mapping/{kind}/{{id}}" for kind in ("pci", "usb", "dir")))
def mapping(shown: Shown) -> None:
    there = (
        shown.says("already defined") if shown.verb == "POST" else not shown.says("not found|does not exist")
    )
    if there:
        name = shown.values.get("id") or shown.params["id"]
        data = shown.data if isinstance(shown.data, dict) else {"map": ["node=pve1"]}
        shown.world.file(f"mapping/{shown.path.split('/')[3]}")[name] = settings(data, "id", "type")


@seeds("GET", "/nodes/{node}/hardware/pci", "/nodes/{node}/hardware/usb")
def hardware(shown: Shown) -> None:
    node = shown.add_node(shown.node)
    if shown.path.endswith("pci"):
        node.pci = shown.data or []
    else:
        node.usb = shown.data or []


# --- replication ---


def job(shown: Shown, name: str, data: dict[str, Any]) -> None:
    """A job with its guest and its servers."""
    source = data.get("source", shown.node)
    shown.add_node(source)
    shown.add_node(data.get("target", "pve2"))
    vmid = int(name.partition("-")[0])
    shown.world.guests.setdefault(vmid, Guest(vmid, data.get("vmtype", "lxc"), source))
    stored = ("comment", "disable", "rate", "remove_job", "schedule", "source", "type", "target")
    shown.world.file("replication")[name] = {"type": "local", "source": source, "target": "pve2"} | {
        key: data[key] for key in stored if key in data
    }
    told = {
        key: data[key] for key in ("last_sync", "last_try", "fail_count", "duration", "error") if key in data
    }
    if told:
        shown.world.facts.setdefault("replication", {})[name] = told


@seeds("GET", "/cluster/replication", "/nodes/{node}/replication")
def jobs(shown: Shown) -> None:
    for entry in shown.data or []:
        job(shown, entry["id"], entry)


@seeds(
    "GET PUT DELETE POST",
    "/cluster/replication/{id}",
    "/nodes/{node}/replication/{id}/status",
    "/nodes/{node}/replication/{id}/schedule_now",
)
def one_job(shown: Shown) -> None:
    if not shown.says("no such"):
        data = shown.data if isinstance(shown.data, dict) else {}
        job(shown, shown.values["id"], data)
    elif shown.says("no such option"):
        job(shown, shown.values["id"], {})


@seeds("POST", "/cluster/replication")
def new_job(shown: Shown) -> None:
    name, target = str(shown.params.get("id", "")), str(shown.params.get("target", ""))
    vmid = int(name.partition("-")[0]) if name.partition("-")[0].isdigit() else 0
    if not shown.says(r"Target '[^']+' does not exist"):
        shown.add_node(target)
    if vmid and not shown.says(r"Guest '\d+' does not exist"):
        shown.world.guests[vmid] = Guest(vmid, "lxc", shown.world.local)
    if found := shown.says(r"missing replicate feature on volume '([^']+)'"):
        shown.volume(shown.world.local, found[1])
    if shown.says("already exists"):
        job(shown, name, {})
