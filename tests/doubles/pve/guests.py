# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers and virtual machines have in common: how their configuration is read and changed.

Rests on: PVE::AbstractConfig and PVE::GuestHelpers (pve-guest-common, pve-common), PVE::LXC::Config
(pve-container), PVE::API2::Qemu and PVE::QemuServer (qemu-server), and the recorded exchanges: on a running
guest a change waits unless it can be plugged in at once; GET config shows what waits, `current=1` what is
live; a volume that is no longer named becomes `unusedN`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

from tests.doubles.pve import formats, schema, storages
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, forbidden, parameter, parameters
from tests.doubles.pve.tasks import Task
from tests.doubles.pve.world import Config, Guest, Kind, Volume, World

LOCK_TIMEOUT = 10.0
NEW_DISK = re.compile(r"([^/:\s]+):(\d+(?:\.\d+)?)")
CT_VOLUME = re.compile(r"rootfs|mp\d+|unused\d+")
DRIVE = re.compile(r"(?:ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0")
VM_VOLUME = re.compile(rf"{DRIVE.pattern}|unused\d+")
NOT_OPTIONS = {
    "node",
    "vmid",
    "digest",
    "delete",
    "revert",
    "skiplock",
    "force",
    "background_delay",
    "import-working-storage",
}
# What takes effect on a running guest at once, without being plugged in: a name, a note.
CT_FAST = {
    "description",
    "onboot",
    "startup",
    "protection",
    "hostname",
    "hookscript",
    "cores",
    "tags",
    "lock",
}
CT_FAST_ADD = re.compile(r"cpulimit|cpuunits|memory|swap|net\d+|nameserver|searchdomain")
CT_FAST_DELETE = re.compile(r"cpulimit|cpuunits|swap|net\d+|unused\d+|nameserver|searchdomain")
VM_FAST = {
    "lock", "name", "onboot", "shares", "startup", "description", "protection", "vmstatestorage",
    "hookscript", "tags",
    "autostart", "boot", "migrate_downtime", "migrate_speed", "affinity", "cpuunits", "cpulimit",
    "cicustom", "cipassword", "citype", "ciuser", "ciupgrade", "nameserver", "searchdomain", "sshkeys",
}  # fmt: skip
# Which privilege a change of an option needs (check_vm_modify_config_perm, check_ct_modify_config_perm).
VM_PRIVILEGES = {
    "VM.Config.CPU": "cores cpu cpulimit cpuunits numa smp sockets vcpus affinity",
    "VM.Config.Memory": "memory balloon shares allow-ksm",
    "VM.Config.HWType": "acpi hotplug kvm machine scsihw smbios1 tablet vga watchdog audio0 rng0 bios arch "
    "vmgenid",
    "VM.Config.Options": "agent autostart description keyboard localtime migrate_downtime migrate_speed "
    "name onboot "
    "ostype protection reboot startdate startup tdf template tags spice_enhancements",
    "VM.PowerMgmt": "freeze",
    "VM.Config.Disk": "boot bootdisk vmstatestorage",
    "VM.Config.Cloudinit": "cicustom cipassword citype ciuser ciupgrade nameserver searchdomain sshkeys",
}
VM_PRIVILEGE = {
    option: privilege for privilege, options in VM_PRIVILEGES.items() for option in options.split()
}
CT_PRIVILEGES = {
    "VM.Config.CPU": "cores cpulimit cpuunits",
    "VM.Config.Memory": "memory swap",
    "VM.Config.Network": "nameserver searchdomain hostname",
}
CT_PRIVILEGE = {
    option: privilege for privilege, options in CT_PRIVILEGES.items() for option in options.split()
}


def inside(guest: Guest) -> list[dict[str, Any]]:
    """The addresses of its first interface: of a container as ip(8) has them, of a machine as its agent."""
    family = {"lxc": ("inet", "inet6"), "qemu": ("ipv4", "ipv6")}[guest.kind]
    found = [address.partition("/") for address in guest.addresses]
    return [
        {
            "ip-address": ip,
            "ip-address-type": family[":" in ip],
            "prefix": int(prefix),
        }
        for ip, _slash, prefix in found
    ]


# --- property strings ---


def first(value: str) -> str:
    """The part without a key: the volume of a disk."""
    return value.partition(",")[0]


def pairs(value: str) -> dict[str, str]:
    """What has a key."""
    return dict(part.partition("=")[::2] for part in value.split(",") if "=" in part)


def drive(file: str, options: dict[str, str]) -> str:
    """A disk of a virtual machine, as qemu-server prints it."""
    return ",".join([file, *(f"{k}={options[k]}" for k in sorted(options))])


def volume_of(guest: Guest, key: str, value: str) -> str | None:
    """The volume that an option names, None for a device, a folder, or no medium."""
    if not (CT_VOLUME if guest.kind == "lxc" else VM_VOLUME).fullmatch(key):
        return None
    volid = re.sub(r"^(file|volume)=", "", first(value))
    return volid if ":" in volid and not volid.startswith("/") else None


def volumes(guest: Guest, config: Config | None = None) -> dict[str, str]:
    """Option: volume id."""
    chosen = guest.config if config is None else config
    found = {key: volume_of(guest, key, str(value)) for key, value in chosen.items()}
    return {key: volid for key, volid in found.items() if volid}


def is_cdrom(value: str) -> bool:
    return pairs(value).get("media") == "cdrom" or first(value) in ("none", "cdrom")


def new_mac(world: World) -> str:
    prefix = str(world.options.get("mac_prefix", "BC:24:11"))
    missing = 6 - len(prefix.split(":"))
    return ":".join([prefix, *(f"{world.random.randrange(256):02X}" for _byte in range(missing))])


# --- reading ---


def shown(world: World, guest: Guest, current: bool = False) -> Config:
    """The configuration as GET config shows it."""
    config = dict(guest.config)
    if not current:
        for key, value in guest.pending.items():
            if value is None:
                config.pop(key, None)
            else:
                config[key] = value
    if guest.parent:
        config["parent"] = guest.parent
    return mask(guest, config) | {"digest": world.digest(guest)}


def mask(guest: Guest, config: Config) -> Config:
    return (
        config | {"cipassword": "**********"} if guest.kind == "qemu" and "cipassword" in config else config
    )


def pending_list(world: World, guest: Guest) -> list[dict[str, Any]]:
    config, pending = mask(guest, guest.config), mask(guest, guest.pending)
    entries = [
        {"key": key, "value": value, **waiting(pending, key)}
        for key, value in (config | {"digest": world.digest(guest)}).items()
    ]
    return entries + [
        {"key": key, "pending": value}
        for key, value in pending.items()
        if key not in config and value is not None
    ]


def waiting(pending: Config, key: str) -> dict[str, Any]:
    if key not in pending:
        return {}
    return {"delete": 1} if pending[key] is None else {"pending": pending[key]}


# --- who may ---


def require_unlocked(guest: Guest) -> None:
    if guest.lock:
        raise Refusal(f"{guest.noun} is locked ({guest.lock})")


def acquire(call: Call, guest: Guest, timeout: float = LOCK_TIMEOUT) -> None:
    """The lock of the configuration file, which a task may hold for longer than anybody waits."""
    holder = guest.held_by
    if holder is None or not holder.running:
        return
    left = holder.wake - call.world.clock.now()
    if left <= timeout:
        call.delay += max(left, 0.0)
        call.world.finish(holder.upid)
        return
    place = "lxc/pve-config" if guest.kind == "lxc" else "qemu-server/lock"
    end = "lock" if guest.kind == "lxc" else "conf"
    base = "/run/lock" if guest.kind == "lxc" else "/var/lock"
    refusal = Refusal(f"can't lock file '{base}/{place}-{guest.vmid}.{end}' - got timeout")
    refusal.delay = timeout
    raise refusal


def require_config_permissions(
    call: Call, guest: Guest, options: Config, removed: list[str], pool: str | None = None
) -> None:
    if call.user == "root@pam":
        return
    for key in [*options, *removed]:
        value = str(options.get(key, ""))
        check = vm_option if guest.kind == "qemu" else ct_option
        privilege = check(guest, key, value, key in removed)
        if privilege and not (pool and call.allows(f"/pool/{pool}", privilege)):
            call.demand(f"/vms/{guest.vmid}", privilege)
        if re.fullmatch(r"net\d+", key) and value:
            require_bridge(call, pairs(value))
        if device := re.fullmatch(r"(?:host)?(pci|usb)\d+", key):
            require_mapping(call, device[1], str(guest.config.get(key, "")), value)


def require_allocation(call: Call, vmid: int, pool: str | None) -> None:
    """Who makes a guest may make it under its number or in its pool."""
    if not call.allows(f"/vms/{vmid}", "VM.Allocate") and not (
        pool and call.allows(f"/pool/{pool}", "VM.Allocate")
    ):
        raise forbidden()
    if pool:
        call.demand(f"/pool/{pool}", "VM.Allocate")


def require_bridge(call: Call, net: dict[str, str]) -> None:
    """Who connects a guest to a bridge may use it."""
    if "bridge" in net:
        vlan = f"/{net['tag']}" if "tag" in net else ""
        call.demand(f"/sdn/zones/localnetwork/{net['bridge']}{vlan}", "SDN.Use")


def require_mapping(call: Call, kind: str, *values: str) -> None:
    """Who passes a mapped device through, or takes it away, may use the mapping (PVE::API2::Qemu)."""
    for value in values:
        if mapping := pairs(value).get("mapping"):
            call.demand(f"/mapping/{kind}/{mapping}", "Mapping.Use")


def vm_option(guest: Guest, key: str, value: str, removal: bool) -> str | None:
    old = str(guest.config.get(key, ""))
    if key in VM_PRIVILEGE:
        return VM_PRIVILEGE[key]
    if DRIVE.fullmatch(key) or key.startswith("unused"):
        if "cloudinit" in (value or old):
            return "VM.Config.Cloudinit"
        return "VM.Config.CDROM" if is_cdrom(value or old) else "VM.Config.Disk"
    if re.fullmatch(r"net\d+", key):
        return "VM.Config.Network"
    if re.fullmatch(r"ipconfig\d+", key):
        return "VM.Config.Cloudinit"
    if re.fullmatch(r"numa\d+", key):
        return "VM.Config.CPU"
    if re.fullmatch(r"hostpci\d+|usb\d+", key):
        if "mapping=" in (value or old) or (key.startswith("usb") and "spice" in (value or old)):
            return "VM.Config.HWType"
        kind = "non-mapped" if key.startswith("hostpci") else "real"
        raise Refusal(f"only root can set '{key}' config for {kind} devices")
    if re.fullmatch(r"serial\d+", key) and (value or old) == "socket":
        return "VM.Config.HWType"
    if key.startswith("serial"):
        raise Refusal(f"only root can set '{key}' config for real devices")
    raise Refusal(f"only root can set '{key}' config")


def ct_option(guest: Guest, key: str, value: str, removal: bool) -> str | None:
    if key in CT_PRIVILEGE:
        return CT_PRIVILEGE[key]
    if key == "rootfs" or re.fullmatch(r"mp\d+|unused\d+", key):
        if not removal and value.startswith("/"):
            kind = "device" if value.startswith("/dev/") else "bind"
            raise forbidden(f"mount point type {kind} is only allowed for root@pam")
        return "VM.Config.Disk"
    if re.fullmatch(r"dev\d+", key):
        raise forbidden("configuring device passthrough is only allowed for root@pam")
    if re.fullmatch(r"net\d+", key):
        return "VM.Config.Network"
    if key == "features":
        if not removal and set(pairs(value)) - {"nesting"}:
            raise forbidden("changing feature flags (except nesting) is only allowed for root@pam")
        return "VM.Allocate"
    if key == "hookscript":
        raise Refusal("only root can set 'hookscript' config")
    return "VM.Config.Options"


# --- changing ---


def change(call: Call, guest: Guest) -> Config:
    """PUT config: what is asked for, checked; returns the options and leaves `delete` and `revert` to
    `write`.
    """
    options = {key: value for key, value in call.params.items() if key not in NOT_OPTIONS}
    removed = formats.split_list(call["delete"] or "")
    if not options and not removed and not call["revert"]:
        raise Refusal("no options specified")
    for key in removed:
        if key in options:
            raise parameter(delete=f"you can't use '-{key}' and -delete {key}' at the same time")
        if not known(call.world, guest, key):
            raise parameter(delete=f"unknown option '{key}'")
    for key in formats.split_list(call["revert"] or ""):
        if not known(call.world, guest, key):
            raise parameter(revert=f"unknown option '{key}'")
    if call["skiplock"] and call.user != "root@pam":
        raise parameter(skiplock="Only root may use this option.")
    require_config_permissions(call, guest, options, removed)
    return options


def known(world: World, guest: Guest, key: str) -> bool:
    method = schema.method(world.release, f"/nodes/{{node}}/{guest.kind}/{{vmid}}/config", "PUT")
    return key not in NOT_OPTIONS and method.property(key) is not None


def write(call: Call, guest: Guest, options: Config) -> None:
    """Writes a change into the pending section and applies what can be applied now."""
    world = call.world
    world.require_config_writable(guest)
    for key in formats.split_list(call["revert"] or ""):
        guest.pending.pop(key, None)
    for key in formats.split_list(call["delete"] or ""):
        if key in guest.config or key in guest.pending:
            require_removable(guest, key)
            guest.pending[key] = None
            leave_boot_order(guest, key)
    for key, value in options.items():
        guest.pending[key] = stored(world, guest, key, value)
    guest.pending = {
        key: value
        for key, value in guest.pending.items()
        if (key in guest.config if value is None else guest.config.get(key) != value)
    }
    touched = [*formats.split_list(call["delete"] or ""), *options]
    problems: dict[str, str] = {}
    for key in sorted(
        set(touched) & set(guest.pending), key=lambda key: (guest.pending[key] is not None, key)
    ):
        if guest.status == "stopped" or pluggable(guest, key):
            try:
                require_release(guest, key)
                apply(world, guest, key)
            except Refusal as refusal:
                problems[key] = unable(guest, key, refusal.text)
    if problems:
        raise parameters(problems)


def unable(guest: Guest, key: str, text: str) -> str:
    """What `errors` says of a change that could not be made."""
    if guest.status == "stopped":
        return f"unable to apply pending change {key} : {text}\n"
    return f"unable to hotplug {key}: {text}\n" if guest.kind == "lxc" else f"hotplug problem - {text}\n"


def require_release(guest: Guest, key: str) -> None:
    """A machine that does not listen does not let go of a device either."""
    plugged = (
        guest.kind == "qemu" and guest.status == "running" and re.fullmatch(r"net\d+|(scsi|virtio)\d+", key)
    )
    if plugged and guest.deaf and guest.pending[key] is None:
        raise Refusal(f"error on hot-unplugging device '{key}' - still busy in guest?")


def require_removable(guest: Guest, key: str) -> None:
    if guest.kind == "lxc":
        if key in ("memory", "rootfs", "ostype"):
            raise Refusal(f"unable to delete required option '{key}'")
        if key == "unprivileged":
            raise Refusal("unable to delete read-only option: 'unprivileged'")
    if guest.config.get("protection") and volume_of(guest, key, str(guest.config.get(key, ""))):
        what = f"CT {guest.vmid} drive '{key}'" if guest.kind == "lxc" else f"drive '{key}'"
        raise Refusal(f"can't remove {what} - protection mode enabled")


def leave_boot_order(guest: Guest, key: str) -> None:
    """A device that goes is no longer booted from."""
    if guest.kind == "lxc":
        return
    order = pairs(str(guest.pending.get("boot") or guest.config.get("boot", ""))).get("order", "").split(";")
    if key in order:
        order.remove(key)
        guest.config["boot"] = f"order={';'.join(order)}" if order else " "
        guest.pending.pop("boot", None)


def stored(world: World, guest: Guest, key: str, value: Any) -> Any:
    """A value in the notation that is kept."""
    if key == "description" and guest.kind == "lxc":
        return str(value).rstrip("\n") + "\n"
    if key == "tags":
        return ";".join(sorted(set(formats.split_list(str(value).lower()))))
    if key == "unprivileged" and guest.kind == "lxc":
        raise Refusal("unable to modify read-only option: 'unprivileged'")
    if re.fullmatch(r"net\d+", key):
        return ct_net(world, value) if guest.kind == "lxc" else vm_net(world, value)
    if guest.kind == "qemu" and DRIVE.fullmatch(key) and first(value) in ("none", "cdrom"):
        return drive(first(value), pairs(value) | {"media": "cdrom"})
    return value


def ct_net(world: World, value: str) -> str:
    options = pairs(value)
    options.setdefault("hwaddr", new_mac(world))
    options["type"] = "veth"
    return ",".join([f"name={options.pop('name')}", *(f"{k}={options[k]}" for k in sorted(options))])


def vm_net(world: World, value: str) -> str:
    options = pairs(value)
    model = options.pop("model", None) or next(
        (key for key in options if key in MODELS), first(value) if "=" not in first(value) else "virtio"
    )
    mac = options.pop(model, None) or options.pop("macaddr", None) or new_mac(world)
    return ",".join([f"{model}={mac}", *(f"{k}={options[k]}" for k in sorted(options))])


MODELS = {
    "virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "ne2k_pci", "ne2k_isa", "pcnet", "i82551",
    "i82557b", "i82559er",
    "e1000-82540em", "e1000-82544gc", "e1000-82545em",
}  # fmt: skip


def pluggable(guest: Guest, key: str) -> bool:
    """Whether a running guest takes the change at once."""
    removal = guest.pending[key] is None
    if guest.kind == "lxc":
        if key in CT_FAST or (CT_FAST_DELETE if removal else CT_FAST_ADD).fullmatch(key):
            return True
        return bool(re.fullmatch(r"mp\d+|dev\d+", key)) and not removal and key not in guest.config
    if key in VM_FAST or re.fullmatch(r"(unused|ipconfig)\d+", key):
        return True
    if key == "balloon":  # its device is not plugged in or out
        return (str(guest.config.get(key)) == "0") == (str(guest.pending[key]) == "0")
    features = str(guest.config.get("hotplug", "network,disk,usb"))
    features = {"0": "", "1": "network,disk,usb"}.get(features, features)
    if key == "hotplug":
        return not re.search(r"cpu|memory", f"{features},{guest.pending[key]}")
    plugs = {
        "network": r"net\d+",
        "disk": r"(scsi|virtio|sata)\d+",
        "usb": r"usb\d+|tablet",
        "cpu": "vcpus",
        "memory": "memory",
    }
    if (
        "disk" in features
        and is_cdrom(str(guest.pending[key] or guest.config.get(key, "")))
        and DRIVE.fullmatch(key)
    ):
        return not removal and key in guest.config
    return any(name in features.split(",") and re.fullmatch(pattern, key) for name, pattern in plugs.items())


def apply(world: World, guest: Guest, key: str) -> None:
    """Makes a pending change true: allocates a new volume, keeps the one that is no longer named."""
    value = guest.pending[key]
    old = guest.config.get(key)
    if value is None:
        guest.pending.pop(key)
        guest.config.pop(key, None)
        release(world, guest, key, old)
        return
    guest.config[key] = allocated(world, guest, key, value)
    guest.pending.pop(key)
    if old is not None and volume_of(guest, key, str(old)) != volume_of(guest, key, str(guest.config[key])):
        release(world, guest, key, old)
    adopted = volume_of(guest, key, str(guest.config[key]))
    for unused in [
        k for k, v in guest.config.items() if k.startswith("unused") and v == adopted and k != key
    ]:
        del guest.config[unused]


def release(world: World, guest: Guest, key: str, value: Any) -> None:
    """A volume that an option named until now becomes unused, is removed when it was, and so is a cloud-init
    image.
    """
    volid = volume_of(guest, key, str(value))
    if volid is None or volid in volumes(guest).values():
        return
    if key.startswith("unused") or "cloudinit" in volid:
        storages.remove(world, guest.node, volid)
    elif not (guest.kind == "qemu" and is_cdrom(str(value))):
        keep_unused(guest, volid)


def keep_unused(guest: Guest, volid: str) -> str:
    number = next(n for n in range(256) if f"unused{n}" not in guest.config)
    guest.config[f"unused{number}"] = volid
    return f"unused{number}"


OUTSIDE = 2 * 1024**3
"""The size of a disk that is filled from a file which is in no storage: nobody here can look into it."""


def allocated(world: World, guest: Guest, key: str, value: Any) -> Any:
    """The value with a volume in place of an order for one (`local:8`, `local:cloudinit`)."""
    if not isinstance(value, str) or volume_of(guest, key, value) is None:
        return value
    options, wish = pairs(value), re.sub(r"^(file|volume)=", "", first(value))
    options.pop("file", None)
    options.pop("volume", None)
    storage, _sign, what = wish.partition(":")
    if guest.kind == "qemu" and what == "cloudinit":
        volume = storages.allocate(world, guest.node, storage, guest, 4 * 1024**2, "cloudinit")
        return drive(volume.volid, options | {"media": "cdrom"})
    if NEW_DISK.fullmatch(wish):
        size = int(float(what) * 1024**3)
        if key == "efidisk0":
            size = 528 * 1024
        source = options.pop("import-from", None)
        if source and source.startswith("/"):
            size = OUTSIDE
        elif source:
            found = world.volume(guest.node, source)
            if found is None:
                raise Refusal(f"volume '{source}' does not exist")
            size = found.size
        volume = storages.allocate(world, guest.node, storage, guest, size, options.pop("format", None))
        options["size"] = formats.format_size(volume.size)
        wish = volume.volid
    else:
        existing = world.volume(guest.node, wish)
        if existing is None and not is_cdrom(value):
            world.storage(storage, guest.node)
            raise Refusal(f"volume '{wish}' does not exist")
        if existing is not None and not is_cdrom(value) and not key.startswith("unused"):
            options["size"] = formats.format_size(existing.size)
    if guest.kind == "qemu":
        return drive(wish, options)
    mount = [f"mp={options.pop('mp')}"] if "mp" in options else []
    return ",".join([wish, *mount, *(f"{k}={options[k]}" for k in sorted(options))])


def apply_all(world: World, guest: Guest) -> None:
    """What a start does: every pending change becomes true."""
    for key in sorted(guest.pending, key=lambda key: (guest.pending[key] is not None, key)):
        apply(world, guest, key)


def copied(guest: Guest, vmid: int) -> Guest:
    """A new guest with the configuration of another, its volumes still those of the other."""
    config = {
        k: v
        for k, v in copy.deepcopy(guest.config).items()
        if k not in ("lock", "template", "parent", "protection")
    }
    return Guest(
        vmid, guest.kind, guest.node, {k: v for k, v in config.items() if not k.startswith("unused")}
    )


def snapshot_config(guest: Guest, name: str, masked: bool = False) -> Config:
    """The configuration as it was, with what a snapshot has of its own."""
    found = guest.snapshots.get(name)
    if found is None:
        raise Refusal(f"snapshot '{name}' does not exist")
    config = {**found.config, "snaptime": found.time}
    if found.description:
        config["description"] = found.description
    else:
        config.pop("description", None)
    if found.parent:
        config["parent"] = found.parent
    return mask(guest, config) if masked else config


def restored(volume: Volume, guest: Guest, options: Config, storage: str | None, unique: bool) -> Config:
    """The configuration in a backup, its volumes to be made anew, overridden by what is asked for."""
    config: Config = json.loads(volume.config or "{}")
    for key, volid in volumes(guest, config).items():
        value = str(config[key])
        kept = pairs(value)
        where = storage or volid.partition(":")[0]
        if "cloudinit" in volid:
            config[key] = f"{where}:cloudinit"
        elif not is_cdrom(value):
            size = (formats.parse_size(kept.pop("size", "1G")) or 0) / 1024**3
            config[key] = ",".join([f"{where}:{size:.10f}", *(f"{k}={v}" for k, v in kept.items())])
    if unique:
        for key in [key for key in config if re.fullmatch(r"net\d+", key)]:
            pattern = r",hwaddr=[^,]+" if guest.kind == "lxc" else r"=[0-9A-Fa-f:]{17}"
            config[key] = re.sub(pattern, "", str(config[key]), count=1)
    return config | options


def require_unmanaged(call: Call, guest: Guest) -> None:
    """Without `purge` nothing may still name a guest that is destroyed."""
    if guest.vmid in call.world.managed_guests() and not call["purge"]:
        raise Refusal(
            f"unable to remove {guest.noun} {guest.vmid} - used in HA resources and purge parameter not set."
        )
    for job in () if call["purge"] else call.world.file("replication"):
        if job.startswith(f"{guest.vmid}-"):
            found = f"There is a replication job '{job}' for guest '{guest.vmid}'"
            raise Refusal(f"{found} - Please remove that first.")


def forget(call: Call, task: Task, guest: Guest) -> None:
    """The end of a guest: out of its pool, its grants, and with `purge` out of jobs and HA."""
    world = call.world
    if call["purge"]:
        noun = f"{guest.noun} {guest.vmid}"
        if guest.kind == "lxc":
            task.log(f"purging {noun} from related configurations..")
        world.purge(guest)
    world.access.forget_guest(guest.vmid)
    del world.guests[guest.vmid]


def handles_both(verb: str, below: str, handler: Callable[[Call, Kind], Any]) -> None:
    """Registers one handler for containers and machines, which is told which of them is meant."""

    def of(kind: Kind) -> None:
        handles(verb, f"/nodes/{{node}}/{kind}/{{vmid}}/{below}")(lambda call: handler(call, kind))

    of("lxc")
    of("qemu")
