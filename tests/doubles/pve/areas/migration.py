# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that change their node.

Rests on: PVE::API2::Qemu, PVE::API2::LXC, PVE::QemuMigrate, PVE::LXC::Migrate, and the recorded exchanges: a
guest that runs needs `online`, a container `restart`; a linked clone and a device of the host stay where they
are, and the task ends "migration aborted"; what the HA manager looks after is moved by it.
"""

from __future__ import annotations

import re
from typing import Any

from tests.doubles.pve import guests
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.areas import lxc
from tests.doubles.pve.errors import Refusal, parameter
from tests.doubles.pve.ha_manager import manager_of
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Guest, Kind, World

DURATION = 4.0


def migrate(call: Call, kind: Kind) -> Any:
    world, guest, target = call.world, call.guest(kind), call["target"]
    if target == call["node"]:
        raise parameter(target="target is local node.")
    world.require_quorum()
    if target not in world.nodes:
        raise Refusal(f"no such cluster node '{target}'")
    if world.managed_guests() & {guest.vmid}:
        return call.task("hamigrate", str(guest.vmid), lambda task: request_migration(call, task, guest))
    if guest.status == "running":
        if kind == "lxc" and not call["online"] and not call["restart"]:
            raise Refusal("can't migrate running container without --online or --restart")
        if kind == "qemu" and not call["online"]:
            raise Refusal("can't migrate running VM without --online")
    for storage in re.findall(r"[^,:]+$|(?<=:)[^,]+", call["target-storage"] or call["targetstorage"] or ""):
        if storage not in ("1",):
            world.storage(storage, target)

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        task.log(
            f"starting migration of {guest.noun} {guest.vmid} to node '{target}' ({world.nodes[target].ip})"
        )
        guests.require_unlocked(guest)
        if kind == "lxc" and guest.status == "running" and not call["restart"]:
            raise Refusal("lxc live migration is currently not implemented")
        if not world.nodes[target].online:
            raise Refusal("migration aborted")
        for problem in obstacles(world, guest):
            task.log(f"ERROR: {problem}")
            raise Refusal("migration aborted")
        guest.config["lock"] = "migrate"
        try:
            yield DURATION
        finally:
            guest.config.pop("lock", None)
        if not world.nodes[target].online:
            raise Refusal("migration aborted")
        relocate(world, guest, target)
        if kind == "lxc" and guest.status == "running":
            lxc.boot(world, guest)
        task.log("migration finished successfully (duration 00:00:04)")

    return call.task("vzmigrate" if kind == "lxc" else "qmigrate", str(guest.vmid), work)


def request_migration(call: Call, task: Task, guest: Guest) -> None:
    task.log(f"requesting HA migration for {guest.noun} {guest.vmid} to node {call['target']}")
    # A container is started anew there.
    verb = "migrate" if guest.kind == "qemu" else "relocate"
    manager_of(call.world).commands.append((verb, call.world.sid(guest), call["target"]))


def obstacles(world: World, guest: Guest) -> list[str]:
    """What keeps a guest on its node."""
    found = []
    for volid in guests.volumes(guest).values():
        volume = world.volume(guest.node, volid)
        if volume is not None and volume.parent and not world.storages[volume.storage].get("shared"):
            base = volume.parent.rpartition("/")[2]
            found.append(
                f"Problem found while scanning volumes - can't migrate '{volid}' as it's a clone of '{base}'"
            )
    devices = [
        key
        for key, value in guest.config.items()
        if re.fullmatch(r"hostpci\d+|usb\d+", key) and "mapping=" not in value
    ]
    if devices:
        found.append(f"can't migrate VM which uses local devices: {', '.join(sorted(devices))}")
    return found


def relocate(world: World, guest: Guest, target: str) -> None:
    """The guest and its volumes on storages that are not shared, on another node."""
    used = [*guests.volumes(guest).values()]
    for snapshot in guest.snapshots.values():
        used += guests.volumes(guest, snapshot.config).values()
    for volid in dict.fromkeys(used):
        volume = world.volumes.pop((guest.node, volid), None)
        if volume is not None:
            world.volumes[target, volid] = volume
    guest.node = target


guests.handles_both("POST", "migrate", migrate)


@handles("GET", "/nodes/{node}/qemu/{vmid}/migrate")
def preconditions(call: Call) -> Any:
    world, guest = call.world, call.guest("qemu")
    others = [node.name for node in world.nodes.values() if node.name != guest.node and node.online]
    devices = {
        key: str(value) for key, value in guest.config.items() if re.fullmatch(r"hostpci\d+|usb\d+", key)
    }
    mapped = {key: guests.pairs(value)["mapping"] for key, value in devices.items() if "mapping=" in value}
    local = [key for key, value in devices.items() if "mapping=" not in value and "spice" not in value]
    allowed, refused = [], {}
    for node in others:
        missing = [name for name in set(guests_storages(guest)) if not reachable(world, name, node)]
        refused[node] = {"unavailable_storages": missing} if missing else {}
        if not missing:
            allowed.append(node)
    return {
        "running": int(guest.status == "running"),
        "local_disks": [
            disk
            for key, volid in guests.volumes(guest).items()
            if (disk := local_disk(world, guest, key, volid))
        ],
        "local_resources": local,
        "mapped-resources": list(mapped),
        "mapped-resource-info": {key: {"name": name} for key, name in mapped.items()},
        "allowed_nodes": allowed,
        "not_allowed_nodes": refused,
        "has-dbus-vmstate": 1,
    }


def guests_storages(guest: Guest) -> list[str]:
    return [volid.partition(":")[0] for volid in guests.volumes(guest).values()]


def reachable(world: World, storage: str, node: str) -> bool:
    settings = world.storages.get(storage)
    return settings is not None and (not settings.get("nodes") or node in str(settings["nodes"]).split(","))


def local_disk(world: World, guest: Guest, key: str, volid: str) -> dict[str, Any] | None:
    volume = world.volume(guest.node, volid)
    if volume is None or world.storages[volume.storage].get("shared"):
        return None
    return {
        "volid": volid,
        "size": volume.size,
        "drivename": key,
        "cdrom": int(guests.is_cdrom(str(guest.config[key]))),
        "replicate": 1,
        "shared": 0,
        "is_attached": int(not key.startswith("unused")),
        "is_unused": int(key.startswith("unused")),
        "is_vmstate": 0,
        "is_cloudinit": int("cloudinit" in volid),
        "is_tpmstate": int(key == "tpmstate0"),
    }
