# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair of nodes in memory with storages, a few guests, templates and what guests are made from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .pve.clock import StillClock
from .pve.world import Guest, Volume, World, pair
from .pve_host import DoubleHost

GIB = 1024**3
ARCHIVE = "local:vztmpl/debian-13.tar.zst"
IMAGE = "local:import/debian-13.qcow2"
ISO = "local:iso/debian-13.iso"
SSA = {
    "arch": "amd64",
    "cores": 1,
    "features": "nesting=1",
    "hostname": "ssa",
    "memory": 512,
    "mp0": "tank:subvol-200-disk-1,mp=/data,backup=1,size=1G",
    "net0": "name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:DD:94:05,ip=192.0.2.21/24,type=veth",
    "onboot": 1,
    "ostype": "debian",
    "rootfs": "tank:subvol-200-disk-0,size=8G",
    "swap": 64,
    "tags": "lab;web",
    "unprivileged": 1,
}
WEB = {
    "agent": "enabled=1",
    "boot": "order=scsi0;net0",
    "cipassword": "$5$old",
    "ciuser": "lab",
    "cores": 1,
    "ide2": "tank:vm-300-cloudinit,media=cdrom",
    "ipconfig0": "ip=192.0.2.31/24,gw=192.0.2.1",
    "memory": "1024",
    "meta": "creation-qemu=10.0.13,ctime=1795189856",
    "name": "web",
    "net0": "virtio=BC:24:11:FE:EF:9C,bridge=vmbr0,firewall=1",
    "ostype": "l26",
    "scsi0": "tank:vm-300-disk-0,iothread=1,size=8G",
    "scsihw": "virtio-scsi-single",
    "smbios1": "uuid=83a41b3e-a944-41d6-bbbe-424bc7e1fe2d",
    "sshkeys": "ssh-ed25519%20AAAAC3Nz%20lab",
    "vmgenid": "66903ceb-ce12-4f30-bcd3-9395ed5dfcc0",
}


def house(user: str = "root@pam", timeout: float = 600) -> DoubleHost:
    """castor and pollux, with nothing on them but storages, an archive, an image and a medium."""
    return DoubleHost(furnish(clock=StillClock()), user, timeout)


def furnish(**settings: Any) -> World:
    """The world of such a house."""
    world = pair(**settings)
    for name in ("tank", "fast"):
        world.file("storage")[name] = {"type": "zfspool", "pool": name, "content": "images,rootdir"}
    world.file("storage")["local"] = {
        "type": "dir",
        "path": "/var/lib/vz",
        "content": "iso,vztmpl,backup,import,images,rootdir",
    }
    for node in world.nodes:
        add_volume(world, node, ARCHIVE, "vztmpl", size=120_000_000)
        add_volume(world, node, IMAGE, "import", size=3 * GIB)
        add_volume(world, node, ISO, "iso", size=GIB)
    return world


def add_volume(world: World, node: str, volid: str, content: str, size: int, vmid: int | None = None) -> None:
    form = "subvol" if "subvol" in volid else "raw"
    world.volumes[world.place(node, volid)] = Volume(volid, size, form, content, vmid)


def add_guest(
    world: World, vmid: int, config: dict[str, Any], *, running: bool = False, node: str = "castor"
) -> Guest:
    """A guest with its volumes, whose names hold its number."""
    kind = "lxc" if "rootfs" in config else "qemu"
    guest = world.guests[vmid] = Guest(
        vmid, kind, node, dict(config), status="running" if running else "stopped"
    )
    for value in config.values():
        volume, _comma, options = str(value).partition(",")
        if f"-{vmid}-" in volume:
            size = next(
                (int(part[5:-1]) * GIB for part in options.split(",") if part.startswith("size=")), 4 << 20
            )
            add_volume(world, node, volume, "rootdir" if kind == "lxc" else "images", size, vmid)
    return guest


def replicate(world: World, vmid: int, target: str = "pollux", **job: Any) -> None:
    """Gives a guest a replication job, which has run: its volumes are on the target too."""
    source = world.guests[vmid].node
    world.file("replication")[f"{vmid}-0"] = {"type": "local", "source": source, "target": target, **job}
    for volume in [each for (at, _volid), each in world.volumes.items() if (at, each.vmid) == (source, vmid)]:
        world.volumes[target, volume.volid] = replace(volume)


def copies(world: World, vmid: int, node: str = "pollux") -> list[str]:
    """The volumes of a guest that a node has."""
    return [
        volume.volid for (at, _volid), volume in world.volumes.items() if (at, volume.vmid) == (node, vmid)
    ]


def renumbered(config: dict[str, Any], old: int, new: int, name: str) -> dict[str, Any]:
    """The same configuration for a guest of another number and name."""
    key = "hostname" if "rootfs" in config else "name"
    return {
        each: value.replace(f"-{old}-", f"-{new}-") if isinstance(value, str) else value
        for each, value in config.items()
    } | {key: name}


def container(running: bool = True, **config: Any) -> DoubleHost:
    """A house with container ssa; None takes a key away."""
    host = house()
    add_guest(host.world, 200, changed(SSA, config), running=running)
    return host


def machine(running: bool = True, **config: Any) -> DoubleHost:
    """A house with virtual machine web; None takes a key away."""
    host = house()
    add_guest(host.world, 300, changed(WEB, config), running=running)
    return host


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**config, **changes}.items() if value is not None}
