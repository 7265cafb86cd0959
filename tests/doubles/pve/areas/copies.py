# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones, templates, and disks that grow or move.

Rests on: PVE::API2::LXC and PVE::API2::Qemu, and the recorded exchanges: a container becomes a template
without a task, a machine in one; a disk of a machine that is not there fails the task, one of a container is
"format error" with `errors`; nothing shrinks.
"""

from __future__ import annotations

import re
from typing import Any

from tests.doubles.pve import formats, guests, storages
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.areas import qemu
from tests.doubles.pve.errors import Refusal, forbidden, parameter
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Guest, Kind, Volume

LXC = "/nodes/{node}/lxc/{vmid}"
QEMU = "/nodes/{node}/qemu/{vmid}"


# --- clones ---


def clone(call: Call, kind: Kind) -> Any:
    world, source, vmid = call.world, call.guest(kind), call["newid"]
    pool, target = call["pool"], call["target"] or call["node"]
    if pool and pool not in world.access.pools:
        raise forbidden(f"pool '{pool}' does not exist")
    if target not in world.nodes:
        raise Refusal(f"no such cluster node '{target}'")
    existing = world.guests.get(vmid)
    if existing is not None:
        if kind == "qemu":
            raise Refusal(f"unable to create VM {vmid}: config file already exists")
        raise Refusal(f"{existing.noun} {vmid} already exists on node '{existing.node}'")
    guests.require_unlocked(source)
    name = call["snapname"]
    if name and name not in source.snapshots:
        raise Refusal(f"snapshot '{name}' does not exist")
    full = not source.template if call["full"] is None else bool(call["full"])
    if kind == "lxc" and full and source.status == "running" and not name:
        raise Refusal("Full clone of a running container is only possible from a snapshot")
    config = source.snapshots[name].config or source.config if name else source.config
    if not full:
        require_linkable(call, source, config)
    if call["storage"] and not full:
        raise parameter(storage="Linked clone cannot be created on another storage.")

    def work(task: Task) -> Steps:
        made = guests.copied(Guest(source.vmid, kind, source.node, dict(config)), vmid)
        made.node = target
        held = made.config
        made.config = {"lock": "create"}
        world.guests[vmid] = made
        try:
            if kind == "qemu":
                task.log(f"creating a clone of VM {source.vmid} with ID {vmid}")
            yield 2.0
            for key, volid in sorted(guests.volumes(made, held).items()):
                held[key] = duplicate(call, task, source, made, key, str(held[key]), volid, full)
        except Refusal:
            for place in [place for place, each in world.volumes.items() if each.vmid == vmid]:
                del world.volumes[place]
            del world.guests[vmid]
            raise
        made.config = held | renewed(call, source, held)
        if pool:
            world.access.pools[pool].guests.add(vmid)

    return call.task("vzclone" if kind == "lxc" else "qmclone", str(source.vmid), work)


def require_linkable(call: Call, source: Guest, config: dict[str, Any]) -> None:
    for key, volid in guests.volumes(source, config).items():
        if guests.is_cdrom(str(config[key])) or key.startswith("unused"):
            continue
        volume = call.world.volume(source.node, volid)
        if volume is not None and not re.search(r"[:/]base(vol)?-", volid):
            raise Refusal(f"Linked clone feature for drive '{key}' is not available")


def duplicate(
    call: Call, task: Task, source: Guest, made: Guest, key: str, value: str, volid: str, full: bool
) -> str:
    """The option of the clone, with a volume of its own."""
    world = call.world
    cloudinit = "cloudinit" in volid
    if guests.is_cdrom(value) and not cloudinit:
        return value
    volume = world.volume(source.node, volid) or Volume(volid, 0, "raw", "images")
    options = guests.pairs(value)
    if full or cloudinit:
        task.log(f"create full clone of drive {key} ({volid})")
        storage = call["storage"] or volume.storage
        new = storages.copy(world, source.node, volume, storage, made, made.node, call["format"])
        task.log(f"allocated target volume '{new.volid}'")
    else:
        task.log(f"create linked clone of drive {key} ({volid})")
        new = storages.link(world, source.node, volume, made)
    options["size"] = formats.format_size(new.size)
    if made.kind == "qemu":
        return guests.drive(new.volid, options)
    mount = [f"mp={options.pop('mp')}"] if "mp" in options else []
    return ",".join([new.volid, *mount, *(f"{k}={options[k]}" for k in sorted(options))])


def renewed(call: Call, source: Guest, config: dict[str, Any]) -> dict[str, Any]:
    """What a clone has of its own: name, addresses, identifiers."""
    new: dict[str, Any] = {}
    for key, value in config.items():
        if re.fullmatch(r"net\d+", key):
            mac = guests.new_mac(call.world)
            pattern = r"hwaddr=[^,]+" if source.kind == "lxc" else r"^([^=,]+)=[^,]+"
            new[key] = re.sub(pattern, f"hwaddr={mac}" if source.kind == "lxc" else rf"\1={mac}", str(value))
    if call["description"] is not None:
        new["description"] = guests.stored(call.world, source, "description", call["description"])
    if source.kind == "lxc":
        return new | ({"hostname": call["hostname"]} if call["hostname"] else {})
    new["name"] = call["name"] or f"Copy-of-VM-{source.config.get('name', source.vmid)}"
    new["smbios1"] = f"uuid={qemu.new_uuid(call.world)}"
    return new | {"vmgenid": qemu.new_uuid(call.world)}


guests.handles_both("POST", "clone", clone)


# --- templates ---


def require_template(guest: Guest, article: str) -> None:
    guests.require_unlocked(guest)
    if guest.config.get("protection"):
        raise Refusal(f"can't convert {guest.noun} {guest.vmid} to template - protection mode enabled")
    if guest.snapshots:
        raise Refusal(f"unable to create template, because {guest.noun} contains snapshots")
    if guest.template:
        raise Refusal(f"you can't convert a template to a {'CT' if guest.kind == 'lxc' else 'template'}")
    if guest.status == "running":
        noun = f"{article}{guest.noun}"
        raise Refusal(f"you can't convert a {guest.noun} to template if {noun} is running")


def make_template(call: Call, guest: Guest) -> None:
    """The volumes become base volumes."""
    for key, volid in guests.volumes(guest).items():
        volume = call.world.volume(guest.node, volid)
        value = str(guest.config[key])
        if volume is None or guests.is_cdrom(value) or key.startswith("unused"):
            continue
        base = re.sub(r"(?<=[:/])vm-", "base-", re.sub(r"(?<=[:/])subvol-", "basevol-", volid))
        storages.rename(call.world, guest.node, volume, base)
        guest.config[key] = value.replace(volid, base, 1)
    guest.config["template"] = 1


@handles("POST", f"{LXC}/template")
def template_of_container(call: Call) -> None:
    guest = call.guest("lxc")
    require_template(guest, "the ")
    make_template(call, guest)


@handles("POST", f"{QEMU}/template")
def template_of_machine(call: Call) -> Any:
    guest = call.guest("qemu")
    require_template(guest, "")
    if call["disk"] and not guests.DRIVE.fullmatch(call["disk"]):
        raise parameter(disk=f"invalid disk '{call['disk']}'")

    def work(task: Task) -> Steps:
        yield 1.0
        make_template(call, guest)

    return call.task("qmtemplate", str(guest.vmid), work)


# --- size ---


def new_size(call: Call, old: int) -> int:
    asked = str(call["size"])
    size = formats.parse_size(asked.removeprefix("+")) or 0
    return old + size if asked.startswith("+") else size


def grow(call: Call, guest: Guest, disk: str, size: int) -> None:
    value = str(guest.config[disk])
    volume = call.world.volume(guest.node, guests.volumes(guest)[disk])
    if volume is not None:
        volume.size = size
    guest.config[disk] = re.sub(r",size=[^,]+", "", value) + f",size={formats.format_size(size)}"
    if guest.kind == "qemu":
        guest.config[disk] = guests.drive(guests.first(value), guests.pairs(guest.config[disk]))


def size_of(guest: Guest, disk: str) -> int:
    return formats.parse_size(guests.pairs(str(guest.config[disk])).get("size", "0")) or 0


@handles("PUT", f"{LXC}/resize")
def resize_container(call: Call) -> Any:
    guest, disk = call.guest("lxc"), call["disk"]
    guests.acquire(call, guest)
    guests.require_unlocked(guest)
    if call["digest"] and call["digest"] != call.world.digest(guest):
        raise Refusal("detected modified configuration - file changed by other user? Try again.")
    if disk not in guest.config:
        missing = ("volume",) if disk == "rootfs" else ("volume", "mp")
        raise Refusal(
            "format error", errors=dict.fromkeys(missing, "property is missing and it is not optional")
        )
    size = new_size(call, size_of(guest, disk))
    if size < size_of(guest, disk):
        raise Refusal("unable to shrink disk size")
    if size == size_of(guest, disk):
        raise Refusal("disk is already at specified size")

    def work(task: Task) -> Steps:
        yield 1.0
        grow(call, guest, disk, size)
        task.log("Image resized.")

    return call.task("resize", str(guest.vmid), work)


@handles("PUT", f"{QEMU}/resize")
def resize_machine(call: Call) -> Any:
    guest, disk = call.guest("qemu"), call["disk"]

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        qemu.require_digest(call, guest)
        if not call["skiplock"]:
            guests.require_unlocked(guest)
        if disk not in guest.config:
            raise Refusal(f"disk '{disk}' does not exist")
        if guests.is_cdrom(str(guest.config[disk])):
            raise Refusal("you can't resize a cdrom")
        size = new_size(call, size_of(guest, disk))
        if size < size_of(guest, disk):
            raise Refusal("shrinking disks is not supported")
        if size == size_of(guest, disk):
            return
        yield 1.0
        grow(call, guest, disk, size)
        task.log("Image resized.")

    return call.task("resize", str(guest.vmid), work)


# --- moving a disk ---


def move(call: Call, guest: Guest, disk: str, kind: str) -> Any:
    world, storage = call.world, call["storage"]
    volid = guests.volumes(guest).get(disk)
    old = world.volume(guest.node, volid) if volid else None
    if volid is None or old is None:
        raise Refusal(
            f"disk '{disk}' does not exist" if guest.kind == "qemu" else f"volume '{disk}' does not exist"
        )
    if storage is None:
        raise parameter(storage="target storage is required")
    world.storage(storage, guest.node)
    if storage == old.storage and call["format"] in (None, old.format):
        if guest.kind == "qemu":
            raise Refusal("you can't move to the same storage with same format")
        raise Refusal(f"you can't move volume '{disk}' to the same storage")

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        guests.require_unlocked(guest)
        if guest.kind == "qemu":
            task.log(f"create full clone of drive {disk} ({volid})")
        guest.config["lock"] = "disk"
        try:
            yield 2.0
            new = storages.copy(world, guest.node, old, storage, guest, kind=call["format"])
        finally:
            guest.config.pop("lock", None)
        guest.config[disk] = str(guest.config[disk]).replace(volid, new.volid, 1)
        if call["delete"]:
            task.log(f"removing source volume '{volid}' after successful copy")
            storages.remove(world, guest.node, volid)
        else:
            guests.keep_unused(guest, volid)

    return call.task(kind, str(guest.vmid), work)


@handles("POST", f"{QEMU}/move_disk")
def move_disk(call: Call) -> Any:
    guest = call.guest("qemu")
    qemu.require_digest(call, guest)
    return move(call, guest, call["disk"], "qmmove")


@handles("POST", f"{LXC}/move_volume")
def move_volume(call: Call) -> Any:
    guest = call.guest("lxc")
    if guest.status == "running":
        raise Refusal("cannot move volumes of a running container")
    return move(call, guest, call["volume"], "move_volume")


# --- what can be done with it ---


def feature(call: Call, kind: Kind) -> Any:
    guest = call.guest(kind)
    held = {
        key: volid
        for key, volid in guests.volumes(guest).items()
        if not key.startswith("unused") and not guests.is_cdrom(str(guest.config[key]))
    }
    able = {
        "snapshot": all(storages.can_snapshot(call.world, volid) for volid in held.values()),
        "clone": all(storages.can_snapshot(call.world, volid) for volid in held.values()),
        "copy": True,
    }[call["feature"]]
    shown: dict[str, Any] = {"hasFeature": int(able)}
    return shown | ({"nodes": [guest.node]} if kind == "qemu" else {})


guests.handles_both("GET", "feature", feature)
