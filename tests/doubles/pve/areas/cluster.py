# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as a whole: index, resources, status, next free id.

Rests on PVE::API2::Cluster (pve-manager), PVE::API2::ClusterConfig, and the recorded exchanges. The order of
lists is random there; the double keeps its own.
"""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.api import Call, daemon, handles
from tests.doubles.pve.areas import lxc, qemu
from tests.doubles.pve.areas.nodes import load
from tests.doubles.pve.areas.storage_status import space
from tests.doubles.pve.errors import parameter
from tests.doubles.pve.world import Guest, World

SUBDIRECTORIES = (
    "acme backup backup-info bulk-action ceph config firewall ha jobs log mapping metrics notifications "
    "nextid options "
    "qemu replication resources status tasks sdn"
)


REMEMBERED = 300.0
"""Seconds for which pmxcfs keeps what a node has broadcast of its guests (status.c, rrd_entry_is_old)."""


@daemon
def hear(world: World) -> None:
    """Notes since when a node is silent."""
    silent = world.facts.setdefault("silent", {})
    for node in world.nodes.values():
        if node.online:
            silent.pop(node.name, None)
        else:
            silent.setdefault(node.name, world.clock.now())


@handles("GET", "/cluster")
def index(call: Call) -> Any:
    return [{"name": name} for name in SUBDIRECTORIES.split()]


@handles("GET", "/cluster/nextid")
def next_id(call: Call) -> Any:
    vmid = call["vmid"]
    if vmid is None:
        return str(call.world.next_id())
    if vmid in call.world.guests:
        raise parameter(vmid=f"VM {vmid} already exists")
    return str(vmid)


@handles("GET", "/cluster/status")
def status(call: Call) -> Any:
    world = call.world
    nodes = [
        {
            "type": "node",
            "id": f"node/{node.name}",
            "name": node.name,
            "nodeid": node.id if world.cluster else 0,
            "ip": node.ip,
            "online": int(node.online),
            "local": int(node.name == world.local),
            "level": "",
        }
        for node in world.nodes.values()
    ]
    if world.cluster is None:
        return nodes
    cluster = {"type": "cluster", "id": "cluster", "name": world.cluster, "nodes": len(nodes)}
    return [{**cluster, "quorate": int(world.quorate), "version": world.config_version}, *nodes]


@handles("GET", "/cluster/resources")
def resources(call: Call) -> Any:
    kinds = {"vm": [guests], "storage": [storages], "node": [nodes], "sdn": []}
    chosen = kinds[call["type"]] if call["type"] else [pools, guests, nodes, storages, networks]
    return [entry for kind in chosen for entry in kind(call)]


def guests(call: Call) -> list[dict[str, Any]]:
    return [
        guest_entry(call, guest)
        for guest in call.world.guests.values()
        if call.allows(f"/vms/{guest.vmid}", "VM.Audit") or call.allows(f"/vms/{guest.vmid}", "VM.Console")
    ]


def guest_entry(call: Call, guest: Guest) -> dict[str, Any]:
    world = call.world
    if guest.node not in world.nodes:
        # Its node was removed from the cluster, its configuration file was not.
        named = {"id": f"{guest.kind}/{guest.vmid}", "type": guest.kind, "vmid": guest.vmid}
        return named | {"node": guest.node, "name": guest.name, "template": 0, "status": "unknown"}
    use = (lxc if guest.kind == "lxc" else qemu).usage(world, guest)
    online = world.nodes[guest.node].online
    entry = {
        "id": f"{guest.kind}/{guest.vmid}",
        "type": guest.kind,
        "vmid": guest.vmid,
        "node": guest.node,
        "name": use["name"],
        "template": int(guest.template),
        "status": guest.status if online else "unknown",
    }
    if online:
        kept = ("cpu", "disk", "maxdisk", "maxmem", "mem", "netin", "netout", "uptime", "lock", "tags")
        entry |= {key: use[key] for key in kept if key in use}
        entry |= {"maxcpu": use["cpus"], "memhost": use.get("memhost", 0), "diskread": 0, "diskwrite": 0}
    elif world.clock.now() - world.facts["silent"][guest.node] > REMEMBERED:
        # Names come with the usage (PVE::API2Tools::extract_vm_stats).
        del entry["name"], entry["template"]
    pool = world.access.pool_of(guest.vmid)
    if pool:
        entry["pool"] = pool
    settings = world.file("ha/resources").get(world.sid(guest))
    if settings is not None:
        entry["hastate"] = settings.get("state", "started")
    return entry


def nodes(call: Call) -> list[dict[str, Any]]:
    world = call.world
    return [
        {
            "id": f"node/{node.name}",
            "type": "node",
            "node": node.name,
            "status": "online" if node.online else "offline",
            **({"level": "", "cgroup-mode": 2} if node.online else {}),
            **(load(world, node) if call.allows(f"/nodes/{node.name}", "Sys.Audit") else {}),
            **(
                {"hastate": "maintenance" if node.maintenance else "online"}
                if world.cluster and node.online
                else {}
            ),
        }
        for node in world.nodes.values()
    ]


def storages(call: Call) -> list[dict[str, Any]]:
    found = []
    for name, settings in call.world.storages.items():
        if settings.get("disable") or not call.allows(
            f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace", any_of=True
        ):
            continue
        for node in call.world.nodes.values():
            if settings.get("nodes") and node.name not in str(settings["nodes"]).split(","):
                continue
            found.append(storage_entry(call, node.name, name, settings))
    return found


def storage_entry(call: Call, node: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    total, used = space(call.world, node, name)
    online = call.world.nodes[node].online
    return {
        "id": f"storage/{node}/{name}",
        "type": "storage",
        "storage": name,
        "node": node,
        "content": settings.get("content", "images,rootdir"),
        "plugintype": settings["type"],
        "shared": int(settings.get("shared", 0)),
        "status": "available" if online else "unknown",
        **({"disk": used, "maxdisk": total} if online else {}),
    }


def networks(call: Call) -> list[dict[str, Any]]:
    """The zone that every node has without any software-defined network; since release 9."""
    zone = "localnetwork"
    if call.world.old or not call.allows(f"/sdn/zones/{zone}", "SDN.Audit"):
        return []
    return [
        {
            "id": f"network/{node.name}/zone/{zone}",
            "type": "network",
            "network": zone,
            "network-type": "zone",
            "node": node.name,
            "status": "ok",
        }
        for node in call.world.nodes.values()
        if node.online
    ]


def pools(call: Call) -> list[dict[str, Any]]:
    found = []
    for name, pool in call.world.access.pools.items():
        if not call.allows(f"/pool/{name}", "Pool.Audit"):
            continue
        entry: dict[str, Any] = {"id": f"/pool/{name}", "type": "pool", "pool": name}
        members = [
            guest_entry(call, call.world.guests[vmid]) for vmid in pool.guests if vmid in call.world.guests
        ]
        for key in ("cpu", "maxcpu", "mem", "maxmem", "uptime"):
            values = [each.get(key, 0) for each in members if each["status"] == "running"]
            if values:
                entry[key] = max(values) if key == "uptime" else sum(values)
        found.append(entry)
    return found
