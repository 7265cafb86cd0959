# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes: how they are named, made, copied and removed.

Rests on: PVE::Storage and its plugins (pve-storage) for names and texts, and the recorded exchanges on
storages of types dir and btrfs.
"""

from __future__ import annotations

import re
from dataclasses import replace

from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.world import Guest, Volume, World

FILES = {"dir", "nfs", "cifs", "btrfs", "cephfs", "glusterfs"}
SNAPSHOTS = {"btrfs", "zfspool", "lvmthin", "rbd"}
"""Types of storages that make snapshots of any volume; a dir makes them of qcow2 only."""


def allocate(
    world: World, node: str, storage: str, guest: Guest, size: int, kind: str | None = None
) -> Volume:
    """A new, empty volume for a guest. `kind` is the format: raw, qcow2, subvol, or cloudinit."""
    settings = world.storage(storage, node)
    content = "rootdir" if guest.kind == "lxc" else "images"
    if content not in str(settings.get("content", "")).split(","):
        if guest.kind == "lxc":
            raise Refusal(f"storage '{storage}' does not allow content type 'rootdir' (Container)")
        raise Refusal(f"storage '{storage}' does not support content-type 'images'")
    volid, form = name(world, node, storage, guest.vmid, guest.kind, size, kind)
    volume = Volume(volid, size, form, content, guest.vmid, int(world.clock.now()))
    world.volumes[world.place(node, volid)] = volume
    return volume


def name(
    world: World, node: str, storage: str, vmid: int, guest_kind: str, size: int, kind: str | None
) -> tuple[str, str]:
    """The name that a new volume gets, and its format."""
    plugin = world.storages[storage]["type"]
    files = plugin in FILES
    if kind == "cloudinit":
        return (
            (f"{storage}:{vmid}/vm-{vmid}-cloudinit.qcow2", "qcow2")
            if files
            else (f"{storage}:vm-{vmid}-cloudinit", "raw")
        )
    form = kind or "raw"
    if guest_kind == "lxc" and (plugin == "zfspool" or (files and size == 0)):
        form = "subvol"
    stem = "subvol" if form == "subvol" else "vm"
    for number in range(1000):
        base = f"{stem}-{vmid}-disk-{number}"
        volid = f"{storage}:{vmid}/{base}.{form}" if files else f"{storage}:{base}"
        taken = re.compile(rf"(?:vm|subvol|base|basevol)-{vmid}-disk-{number}(?:\.|$)")
        if not any(taken.search(each.volid) for each in world.volumes_of(node, storage)):
            return volid, form
    raise Refusal(f"unable to allocate an image name for VM {vmid} in storage '{storage}'")


def remove(world: World, node: str, volid: str) -> bool:
    """Removes a volume; True where there was one."""
    used = next((each for each in world.volumes.values() if each.parent == volid), None)
    if used is not None:
        raise Refusal(f"base volume '{volid}' is still in use by linked cloned")
    return world.volumes.pop(world.place(node, volid), None) is not None


def copy(
    world: World,
    node: str,
    volume: Volume,
    storage: str,
    guest: Guest,
    target: str | None = None,
    kind: str | None = None,
) -> Volume:
    """A full copy for a guest, on a storage of a node."""
    form = "cloudinit" if "cloudinit" in volume.volid else (kind or volume.format)
    if form in ("qcow2", "vmdk") and world.storage(storage, target or node)["type"] not in FILES - {"btrfs"}:
        form = "raw"
    made = allocate(world, target or node, storage, guest, volume.size, form)
    made.origin = volume.volid
    return made


def link(world: World, node: str, base: Volume, guest: Guest) -> Volume:
    """A linked clone of a base volume: its name begins with that of the base."""
    volid, form = name(world, node, base.storage, guest.vmid, guest.kind, base.size, base.format)
    if world.storages[base.storage]["type"] in FILES:
        volid = f"{base.volid}/{volid.partition(':')[2]}"
    clone = Volume(
        volid, base.size, form, base.content, guest.vmid, int(world.clock.now()), parent=base.volid
    )
    clone.origin = base.volid
    world.volumes[world.place(node, volid)] = clone
    return clone


def rename(world: World, node: str, volume: Volume, volid: str) -> Volume:
    del world.volumes[world.place(node, volume.volid)]
    renamed = replace(volume, volid=volid, origin=volume.volid)
    world.volumes[world.place(node, volid)] = renamed
    return renamed


def can_snapshot(world: World, volid: str) -> bool:
    plugin = world.storages.get(volid.partition(":")[0], {}).get("type")
    return plugin in SNAPSHOTS or volid.endswith(".qcow2")
