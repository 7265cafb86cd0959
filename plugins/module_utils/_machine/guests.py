# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the declaration to the options of the modules that bring a pair's guests of Proxmox VE about.

Pure. What Proxmox VE cannot give is refused, naming machine and key. Its facts: pct.conf(5), qm.conf(5),
pvesr(1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._core.errors import Refused
from .._core.values import doubles, format_size
from . import fields, identity
from .declaration import Machine, Twin

MIB = 1024**2
_ARCHIVES = (".tar.zst", ".tar.gz", ".tar.xz")
_WHAT = ("id", "subsystem")
"""Keys of a device that say what is mapped; the others are parts of ``hostpci``."""


def ids_of(machines: Iterable[str], twin: str) -> dict[str, int]:
    """The number of each machine's guest.

    :raises Refused: when two would have the same.
    """
    ids = {name: identity.guest_id(twin, name) for name in machines}
    for number in doubles(str(each) for each in ids.values()):
        names = [name for name, each in ids.items() if str(each) == number]
        raise Refused(
            f"machines {' and '.join(names)}",
            f"both would be guest {number}",
            "give one of them another name",
        )
    return ids


def guests_of(
    machines: Iterable[Machine], twin: Twin, storage: str, note: Callable[[Machine], str]
) -> dict[str, list[dict[str, Any]]]:
    """Machines as modules pve_lxc (``containers``) and pve_qemu (``virtual_machines``) want them.

    :param storage: where archives of systems lie, on every server.
    :param note: what is to be kept of a machine in the description of its guest.
    :raises Refused: with every fault at once.
    """
    makers = {"lxc": ("containers", container_of), "qemu": ("virtual_machines", virtual_machine_of)}
    result: dict[str, list[dict[str, Any]]] = {name: [] for name, _maker in makers.values()}
    faults: list[str] = []
    for machine in machines:
        name, maker = makers[machine.kind]
        if machine.state == "absent":
            number = identity.guest_id(twin.name, machine.name)
            result[name].append({"name": machine.name, "vmid": number, "state": "absent"})
            continue
        found = list(_faults(machine, twin.unenforced))
        faults += found
        if not found:
            item = maker(machine, twin, storage)
            config = _merged(item["config"], machine.options)
            said = str(config.get("description") or "")
            item["config"] = {**config, "description": f"{said}\n\n{note(machine)}".lstrip()}
            result[name].append(item)
    fields.unless(faults, None)
    return result


def container_of(machine: Machine, twin: Twin, storage: str) -> dict[str, Any]:
    """A machine as a container."""
    card = {"name": "eth0", "hwaddr": identity.mac(twin.name, machine.name).upper(), "bridge": twin.bridge}
    size = {"size": format_size(machine.disk or 0)}
    disks: dict[str, dict[str, Any]] = {"rootfs": size, "mp0": {**size, "mp": "/srv", "backup": True}}
    for number, mount in enumerate(machine.mounts, 1):
        # A folder that both servers have: Proxmox VE is told that it need not be moved.
        both = {"shared": True, "replicate": False}
        disks[f"mp{number}"] = {
            "volume": mount["source"], "mp": mount["target"], "ro": mount["readonly"], **both,
        }  # fmt: skip
    return {
        **_item(machine, twin),
        "source": {
            "template": f"{storage}:vztmpl/{archive_of(machine.image)}",
            "storage": twin.pool,
            "node": machine.home,
        },
        "config": {
            **_resources(machine),
            "net0": {**card, **_addresses(machine)},
            "unprivileged": not machine.options.get("privileged"),
            # As a new container of the web interface: the system inside may mount what it sandboxes with.
            "features": {"nesting": True},
            **{f"dev{number}": _node(device) for number, device in enumerate(machine.devices)},
        },
        "disks": disks,
    }  # fmt: skip


def archive_of(image: str) -> str:
    """The file of an image for containers, which may be named with its ending."""
    return image if image.endswith(_ARCHIVES) else f"{image}{_ARCHIVES[0]}"


def virtual_machine_of(machine: Machine, twin: Twin, _storage: str) -> dict[str, Any]:
    """A machine as a virtual machine: a full clone of its template, for a linked one could not be moved."""
    card = {
        "model": "virtio",
        "macaddr": identity.mac(twin.name, machine.name).upper(),
        "bridge": twin.bridge,
    }
    limits = {} if machine.limits.get("io") is None else {"bps": machine.limits["io"]}
    return {
        **_item(machine, twin),
        "source": {"clone": machine.image, "full": True, "storage": twin.pool, "node": machine.home},
        "config": {
            **_resources(machine),
            "net0": card,
            "ipconfig0": _addresses(machine) if machine.addresses else None,
            "smbios1": {"uuid": identity.uuid(twin.name, machine.name)},
            **{f"hostpci{number}": _function(device) for number, device in enumerate(machine.devices)},
        },
        "disks": {
            "scsi0": {"size": format_size(machine.disk or 0), "storage": twin.pool, **limits},
            "ide2": {"volume": "cloudinit", "storage": twin.pool},
        },
    }


def _item(machine: Machine, twin: Twin) -> dict[str, Any]:
    # Without a node: one that has moved is left where it is.
    number = identity.guest_id(twin.name, machine.name)
    return {"name": machine.name, "vmid": number, "state": machine.state}


def _resources(machine: Machine) -> dict[str, Any]:
    return {
        "cores": machine.cores,
        **({} if machine.memory is None else {"memory": machine.memory // MIB}),
        "cpuunits": machine.limits.get("cpu_weight"),
        "onboot": machine.state == "started",
    }


def _addresses(machine: Machine) -> dict[str, str | None]:
    """The parts of ``net0`` and ``ipconfig0``; a part that is not declared goes."""
    parts: dict[str, str | None] = {"ip": None, "gw": None, "ip6": None, "gw6": None}
    for key, values in (("ip", machine.addresses), ("gw", machine.gateway)):
        parts |= {f"{key}6" if ":" in value else key: value for value in values}
    return parts


def _node(device: Any) -> Any:
    """A device node, for a container."""
    return {"path": device} if isinstance(device, str) else device


def _function(device: Any) -> Any:
    """A PCI function, for a virtual machine: by its mapping, which is the same on both servers."""
    if isinstance(device, str):
        return {"mapping": device}
    return {key: value for key, value in device.items() if key not in _WHAT}


def _merged(config: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options are added, or stand instead; of a value with parts they change those that they name."""
    merged = dict(config)
    for key, value in options.items():
        if key == "privileged":
            continue
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def mappings_of(machines: Iterable[Machine], twin: Twin) -> list[dict[str, Any]]:
    """The mappings that devices ask for, as module pve_mapping wants them: those that say what they are.

    :raises Refused: when two machines say different things of one mapping.
    """
    found: dict[str, dict[str, Any]] = {}
    for machine in machines:
        for device in machine.devices:
            if machine.state == "absent" or not isinstance(device, Mapping) or not device.get("id"):
                continue
            name, subsystem = str(device["mapping"]), device.get("subsystem")
            discover = {"id": str(device["id"]), "nodes": list(twin.servers)}
            discover |= {"subsystem": str(subsystem)} if subsystem else {}
            item = {"name": name, "discover": discover, **({"mdev": True} if device.get("mdev") else {})}
            if found.setdefault(name, item) != item:
                raise Refused(
                    f"devices of machine {machine.name}",
                    f"another machine says otherwise what mapping {name} is",
                    "say the same, or leave id out of one",
                )
    return list(found.values())


def images_of(
    images: Iterable[Mapping[str, Any]], twin: Twin, server: str
) -> dict[str, list[dict[str, Any]]]:
    """Images on a server: ``files`` with their sources, and ``templates`` as module pve_qemu wants them.

    A template is made on each server of the same file, under the same name: a guest of one server can only be
    cloned there.
    """
    files, templates = [], []
    for image in images:
        name, kind = fields.text(image.get("name"), "name of an image"), image.get("kind", "lxc")
        what = f"image {name}"
        fields.choice(*_FOLDERS)(kind, f"kind of {what}")
        source = fields.text(image.get("source"), f"source of {what}")
        path = f"{_FOLDERS[kind]}/{archive_of(name) if kind == 'lxc' else f'{name}.qcow2'}"
        files.append({"path": path, "source": source, "checksum": image.get("checksum") or ""})
        if kind == "qemu":
            templates.append(
                {
                    "name": name,
                    "vmid": identity.guest_id(twin.name, f"{name} on {server}"),
                    "state": "template",
                    "source": {"storage": twin.pool, "node": server},
                    "config": {**_TEMPLATE, **(image.get("options") or {})},
                    "disks": {"scsi0": {"image": path}, "ide2": {"volume": "cloudinit"}},
                }
            )
    return {"files": files, "templates": templates}


# Where storage "local" of Proxmox VE has archives of containers, and images from which disks are filled.
_FOLDERS: Mapping[str, str] = {"lxc": "/var/lib/vz/template/cache", "qemu": "/var/lib/vz/import"}
# What images for clouds want: they talk on a serial port, and have the guest agent.
_TEMPLATE: Mapping[str, Any] = {
    "ostype": "l26", "agent": {"enabled": True}, "scsihw": "virtio-scsi-single", "boot": "order=scsi0",
    "serial0": "socket",
}  # fmt: skip


def jobs_of(machines: Iterable[Machine], twin: Twin) -> list[dict[str, Any]]:
    """The replication of each machine to the other server, as module pve_replication wants it.

    A replica is made twice within the machine's ``rpo``, so that one failure is no breach.
    """
    return [
        {
            "name": f"{identity.guest_id(twin.name, machine.name)}-0",
            "source": machine.home,
            "target": next(server for server in twin.servers if server != machine.home),
            "schedule": schedule_of(machine.rpo),
            "comment": f"machine {machine.name}",
        }
        for machine in machines
        if machine.state != "absent"
    ]


def schedule_of(rpo: int) -> str:
    """A calendar event of Proxmox VE that comes twice within so many seconds, once a minute at most."""
    minutes = max(rpo // 120, 1)
    if minutes < 60:
        return f"*/{minutes}"
    hours = minutes // 60
    return f"0/{hours}:00" if hours < 24 else "00:00"


def _faults(machine: Machine, unenforced: Iterable[str]) -> Iterable[str]:
    """What Proxmox VE cannot give to a machine, each as a sentence."""
    of = f"of machine {machine.name}"
    if machine.disk is None:
        yield f"disk {of}: Proxmox VE makes no volume without a size; declare one, such as 8G."
    elif machine.disk % MIB:
        yield f"disk {of}: Proxmox VE counts in MiB; write a whole number of them."
    if machine.memory is not None and machine.memory % MIB:
        yield f"memory {of}: Proxmox VE counts in MiB; write a whole number of them."
    for key in sorted(set(machine.limits) - _LIMITS[machine.kind] - set(unenforced)):
        yield (
            f"limit {key} {of}: Proxmox VE has none for kind {machine.kind};"
            f" accept that in unenforced ({key}), or leave it out."
        )
    for version, mark in ((4, "."), (6, ":")):
        if sum(mark in address for address in machine.addresses) > 1:
            yield f"addresses {of}: Proxmox VE gives a card one of IPv{version}; declare one."
    if machine.kind == "qemu" and machine.mounts:
        yield f"mounts {of}: a virtual machine sees no folders of its server; leave them out, or use lxc."
    yield from _device_faults(machine)


_LIMITS: Mapping[str, frozenset[str]] = {
    "lxc": frozenset({"cpu_weight"}),
    "qemu": frozenset({"cpu_weight", "io"}),
}


def _device_faults(machine: Machine) -> Iterable[str]:
    of = f"devices of machine {machine.name}"
    for device in machine.devices:
        parts = device if isinstance(device, Mapping) else {}
        path = str(parts.get("path", "") if parts else device)
        is_function = bool(parts.get("mapping") or parts.get("host")) if parts else not path.startswith("/")
        if machine.kind == "lxc" and not path.startswith("/"):
            yield f"{of}: a container has nodes of /dev, such as /dev/dri/renderD128; {device} is none."
        elif machine.kind == "qemu" and not is_function:
            yield f"{of}: a virtual machine has PCI functions; name a mapping, such as t4, not {device}."
        elif parts.get("id") and not parts.get("mapping"):
            yield f"{of}: {parts['id']} needs a name for both servers; write mapping too."
