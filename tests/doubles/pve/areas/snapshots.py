# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of both kinds of guests.

Rests on: PVE::AbstractConfig (pve-guest-common), PVE::API2::LXC::Snapshot, PVE::API2::Qemu, and the recorded
exchanges: only a reserved name is refused at once, everything else fails the task; a snapshot does not hold
the note of the guest and its unused volumes; taking back keeps both and gives a machine a new vmgenid.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.doubles.pve import guests, storages
from tests.doubles.pve.api import Call
from tests.doubles.pve.areas import lxc, qemu
from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Config, Guest, Kind, Snapshot, World

RESERVED = {"lxc": ("current", "vzdump"), "qemu": ("current", "pending")}
PREFIX = {"lxc": "vz", "qemu": "qm"}


def listed(call: Call, kind: Kind) -> Any:
    guest = call.guest(kind)
    found: list[dict[str, Any]] = []
    for name, snapshot in guest.snapshots.items():
        entry = {"name": name, "description": snapshot.description, "snaptime": snapshot.time}
        if snapshot.parent:
            entry["parent"] = snapshot.parent
        if kind == "qemu":
            entry["vmstate"] = int(snapshot.running)
        found.append(entry)
    running = int(guest.status == "running")
    now = {
        "name": "current",
        "description": "You are here!",
        "digest": call.world.digest(guest),
        "running": running,
    }
    return [*found, now | ({"parent": guest.parent} if guest.parent else {})]


def create(call: Call, kind: Kind) -> Any:
    guest, name = call.guest(kind), call["snapname"]
    if name in RESERVED[kind]:
        raise Refusal(f"unable to use snapshot name '{name}' (reserved name)")

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        guests.require_unlocked(guest)
        if name in guest.snapshots:
            raise Refusal(f"snapshot name '{name}' already used")
        if not available(call.world, guest):
            raise Refusal("snapshot feature is not available")
        guest.config["lock"] = "snapshot"
        try:
            yield 1.0
        finally:
            guest.config.pop("lock", None)
        note = call["description"] or ""
        if kind == "lxc" and note:
            note = note.rstrip("\n") + "\n"
        memory = bool(call["vmstate"]) and guest.status == "running"
        guest.snapshots[name] = Snapshot(kept(guest), int(call.world.clock.now()), guest.parent, note, memory)
        guest.parent = name

    return call.task(f"{PREFIX[kind]}snapshot", str(guest.vmid), work)


def available(world: World, guest: Guest) -> bool:
    """Whether every volume is on a storage that can make snapshots; a cloud-init image need not be."""
    return all(
        storages.can_snapshot(world, volid)
        for key, volid in guests.volumes(guest).items()
        if not key.startswith("unused") and not guests.is_cdrom(str(guest.config[key]))
    )


def kept(guest: Guest) -> Config:
    """What a snapshot holds of a configuration."""
    return {
        key: copy.deepcopy(value)
        for key, value in guest.config.items()
        if key not in ("description", "lock", "parent") and not key.startswith("unused")
    }


def index(call: Call, kind: Kind) -> Any:
    call.guest(kind)
    return [{"cmd": "rollback"}, {"cmd": "config"}]


def snapshot_of(call: Call, guest: Guest) -> Snapshot:
    found = guest.snapshots.get(call["snapname"])
    if found is None:
        raise Refusal(f"snapshot '{call['snapname']}' does not exist")
    return found


def config(call: Call, kind: Kind) -> Any:
    return guests.snapshot_config(call.guest(kind), call["snapname"])


def update(call: Call, kind: Kind) -> None:
    guest = call.guest(kind)
    snapshot = snapshot_of(call, guest)
    if call["description"] is not None:
        note = call["description"]
        snapshot.description = note.rstrip("\n") + "\n" if kind == "lxc" and note else note


def rollback(call: Call, kind: Kind) -> Any:
    guest, world = call.guest(kind), call.world

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        snapshot = snapshot_of(call, guest)
        guests.require_unlocked(guest)
        guest.config["lock"] = "rollback"
        try:
            yield 1.5
        finally:
            guest.config.pop("lock", None)
        mine = {k: v for k, v in guest.config.items() if k == "description" or k.startswith("unused")}
        guest.config = mine | copy.deepcopy(snapshot.config)
        if kind == "qemu" and "vmgenid" in guest.config:
            guest.config["vmgenid"] = qemu.new_uuid(world)
        guest.pending.clear()
        guest.parent = call["snapname"]
        lxc.halt(guest)
        if snapshot.running or call["start"]:
            (lxc if kind == "lxc" else qemu).boot(world, guest)

    return call.task(f"{PREFIX[kind]}rollback", str(guest.vmid), work)


def delete(call: Call, kind: Kind) -> Any:
    guest = call.guest(kind)

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        snapshot = snapshot_of(call, guest)
        if not call["force"]:
            guests.require_unlocked(guest)
        guest.config["lock"] = "snapshot-delete"
        try:
            yield 1.0
        finally:
            guest.config.pop("lock", None)
        name = call["snapname"]
        for each in guest.snapshots.values():
            if each.parent == name:
                each.parent = snapshot.parent
        if guest.parent == name:
            guest.parent = snapshot.parent
        del guest.snapshots[name]

    return call.task(f"{PREFIX[kind]}delsnapshot", str(guest.vmid), work)


for template, verb, handler in (
    ("snapshot", "GET", listed),
    ("snapshot", "POST", create),
    ("snapshot/{snapname}", "GET", index),
    ("snapshot/{snapname}", "DELETE", delete),
    ("snapshot/{snapname}/config", "GET", config),
    ("snapshot/{snapname}/config", "PUT", update),
    ("snapshot/{snapname}/rollback", "POST", rollback),
):
    guests.handles_both(verb, template, handler)
