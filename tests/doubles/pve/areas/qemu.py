# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines: /nodes/{node}/qemu.

Rests on: PVE::API2::Qemu and PVE::QemuServer (qemu-server), and the recorded exchanges: start, stop and
destroy of a machine that cannot be started, stopped or destroyed are tasks that fail, unlike with containers;
PUT config works at once, POST config is a task; `memory` is a string; a minimal configuration has only boot
(" "), meta, smbios1, vmgenid.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from tests.doubles.pve import formats, guests, storages
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, parameter
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Guest, World

BASE = "/nodes/{node}/qemu"
ONE = f"{BASE}/{{vmid}}"
SUBDIRECTORIES = (
    "config cloudinit pending status unlink vncproxy termproxy migrate resize move rrd rrddata monitor "
    "agent snapshot "
    "spiceproxy sendkey firewall mtunnel remote_migrate"
)
NOT_STORED = {
    "archive", "storage", "pool", "start", "unique", "force", "bwlimit", "live-restore", "ha-managed",
    "node", "vmid",
    "import-working-storage", "skiplock",
}  # fmt: skip
QEMU = "10.0.13"
PRESSURES = ("cpusome", "cpufull", "iosome", "iofull", "memorysome", "memoryfull")


def usage(world: World, guest: Guest) -> dict[str, Any]:
    """What list and status/current have in common."""
    running = guest.status == "running"
    memory = int(guests.first(str(guest.config.get("memory", 512))).removeprefix("current=")) * 1024**2
    idle = dict.fromkeys(("cpu", "disk", "mem", "memhost", "netin", "netout", "uptime"), 0)
    entry: dict[str, Any] = {
        **idle,
        "vmid": guest.vmid,
        "name": guest.config.get("name", f"VM {guest.vmid}"),
        "status": guest.status,
        "cpus": int(guest.config.get("sockets", 1)) * int(guest.config.get("cores", 1)),
        "maxmem": memory,
        "maxdisk": boot_disk_size(guest),
    }
    if running:
        live = {"mem": memory // 3, "memhost": memory // 3, "pid": guest.pid}
        told = () if world.old else PRESSURES
        pressure = dict.fromkeys((f"pressure{kind}" for kind in told), 0)
        entry |= {**live, **pressure, "uptime": int(world.clock.now() - guest.started)}
    for key in ("lock", "tags", "template"):
        if guest.config.get(key):
            entry[key] = guest.config[key]
    if world.old:
        del entry["memhost"]
    if any(re.fullmatch(r"serial\d+", key) for key in guest.config):
        entry["serial"] = 1
    return entry


def boot_disk_size(guest: Guest) -> int:
    order = guests.pairs(str(guest.config.get("boot", ""))).get("order", "").split(";")
    for key in [*order, *sorted(guest.config)]:
        value = str(guest.config.get(key, ""))
        if guests.DRIVE.fullmatch(key) and not guests.is_cdrom(value):
            return formats.parse_size(guests.pairs(value).get("size", "0")) or 0
    return 0


@handles("GET", BASE)
def listed(call: Call) -> Any:
    return [
        usage(call.world, guest)
        for guest in call.world.guests.values()
        if guest.node == call["node"]
        and guest.kind == "qemu"
        and call.allows(f"/vms/{guest.vmid}", "VM.Audit")
    ]


@handles("GET", ONE)
def index(call: Call) -> Any:
    call.guest("qemu")
    return [{"subdir": name} for name in SUBDIRECTORIES.split()]


@handles("GET", f"{ONE}/status")
def status_index(call: Call) -> Any:
    call.guest("qemu")
    return [
        {"subdir": name} for name in ("current", "start", "stop", "reset", "shutdown", "suspend", "reboot")
    ]


@handles("GET", f"{ONE}/status/current")
def current(call: Call) -> Any:
    guest = call.guest("qemu")
    entry = usage(call.world, guest) | {"ha": call.world.managed(guest)}
    if guest.config.get("vga"):
        entry["clipboard"] = guests.pairs(str(guest.config["vga"])).get("clipboard")
    entry["qmpstatus"] = "paused" if guest.paused else guest.status
    if agent_enabled(guest):
        entry["agent"] = 1
    nets = sorted(key for key in guest.config if re.fullmatch(r"net\d+", key))
    if guest.status == "running" and nets:
        entry["nics"] = {f"tap{guest.vmid}i{key[3:]}": {"netin": 0, "netout": 0} for key in nets}
    return entry


def agent_enabled(guest: Guest) -> bool:
    value = str(guest.config.get("agent", "0"))
    return formats.parse_boolean(guests.pairs(value).get("enabled", guests.first(value))) == "1"


@handles("GET", f"{ONE}/config")
def config(call: Call) -> Any:
    guest = call.guest("qemu")
    if call["snapshot"]:
        return guests.snapshot_config(guest, call["snapshot"], masked=True) | {
            "digest": call.world.digest(guest)
        }
    return guests.shown(call.world, guest, bool(call["current"]))


@handles("GET", f"{ONE}/pending")
def pending(call: Call) -> Any:
    return guests.pending_list(call.world, call.guest("qemu"))


def require_digest(call: Call, guest: Guest) -> None:
    if call["digest"] and call["digest"] != call.world.digest(guest):
        raise Refusal("checksum mismatch (file change by other user?)")


def require_skiplock_root(call: Call) -> None:
    if call["skiplock"] and call.user != "root@pam":
        raise parameter(skiplock="Only root may use this option.")


@handles("PUT", f"{ONE}/config")
def update(call: Call) -> Any:
    guest = call.guest("qemu")
    options = checked(call, guest)
    guests.acquire(call, guest)
    prepare(call, guest)
    guests.write(call, guest, options)


@handles("POST", f"{ONE}/config")
def update_in_task(call: Call) -> Any:
    guest = call.guest("qemu")
    options = checked(call, guest)
    guests.acquire(call, guest)
    prepare(call, guest)

    def work(task: Task) -> Steps:
        asked = {key: value for key, value in call.params.items() if key not in ("node", "vmid", "digest")}
        hidden = {"cipassword": "<hidden>"} if "cipassword" in asked else {}
        words = [f"-{key} {value}" for key, value in sorted((asked | hidden).items())]
        task.log(f"update VM {guest.vmid}: {' '.join(words)}")
        yield 0.5
        guests.write(call, guest, options)

    return call.task("qmconfig", str(guest.vmid), work)


def checked(call: Call, guest: Guest) -> dict[str, Any]:
    options = guests.change(call, guest)
    for key in options:
        require_storage(call, guest.node, key, options[key])
    return options


def prepare(call: Call, guest: Guest) -> None:
    require_digest(call, guest)
    if not call["skiplock"]:
        guests.require_unlocked(guest)


def require_storage(call: Call, node: str, key: str, value: Any) -> None:
    """The storage that a drive names must be there and willing."""
    if not guests.DRIVE.fullmatch(key):
        return
    volid = re.sub(r"^(file|volume)=", "", guests.first(str(value)))
    name, colon, what = volid.partition(":")
    if not colon or volid.startswith("/"):
        return
    settings = call.world.storage(name, node)
    if guests.NEW_DISK.fullmatch(volid) or what == "cloudinit":
        if "images" not in str(settings.get("content", "")).split(","):
            raise Refusal(f"storage '{name}' does not support vm images")
        if call.user != "root@pam":
            call.demand(f"/storage/{name}", "Datastore.AllocateSpace")


# --- create ---


@handles("POST", BASE)
def create(call: Call) -> Any:
    world, vmid, pool = call.world, call["vmid"], call["pool"]
    world.require_quorum()
    if pool and pool not in world.access.pools:
        raise Refusal(f"Permission check failed (pool '{pool}' does not exist)", 403)
    guests.require_allocation(call, vmid, pool)
    existing = world.guests.get(vmid)
    options = {key: value for key, value in call.params.items() if key not in NOT_STORED}
    draft = Guest(vmid, "qemu", call["node"])
    for key, value in options.items():
        require_storage(call, call["node"], key, value)
    guests.require_config_permissions(call, draft, options, [], pool)
    archive = call["archive"]
    if existing is not None and not (archive and call["force"] and existing.kind == "qemu"):
        verb = "restore" if archive else "create"
        raise Refusal(
            f"unable to {verb} VM {vmid} - {existing.noun} {vmid} already exists on node '{existing.node}'"
        )
    kind = "qmrestore" if archive else "qmcreate"
    return call.task(kind, str(vmid), lambda task: creation(call, task, draft, options, archive))


def creation(call: Call, task: Task, guest: Guest, options: dict[str, Any], archive: str | None) -> Steps:
    world = call.world
    old = world.guests.get(guest.vmid)
    world.guests[guest.vmid] = guest
    guest.config = {"lock": "create"}
    try:
        if archive:
            volume = world.volume(guest.node, archive)
            if volume is None or not volume.config:
                raise Refusal(f"volume '{archive}' does not exist")
            options = guests.restored(volume, guest, options, call["storage"], bool(call["unique"]))
        yield 2.0
        if old is not None:
            for volid in guests.volumes(old).values():
                storages.remove(world, old.node, volid)
        built: dict[str, Any] = {}
        for key, value in options.items():
            built[key] = guests.allocated(world, guest, key, guests.stored(world, guest, key, value))
            if built[key] != options[key] and guests.volume_of(guest, key, built[key]):
                task.log(f"{key}: successfully created disk '{built[key]}'")
    except Refusal:
        for place in [
            place
            for place, each in world.volumes.items()
            if each.vmid == guest.vmid and each.content == "images"
        ]:
            del world.volumes[place]
        del world.guests[guest.vmid]
        if old is not None:
            world.guests[guest.vmid] = old
        raise
    built.setdefault("boot", boot_order(built))
    built.setdefault("smbios1", f"uuid={new_uuid(world)}")
    if built.get("vmgenid", "1") == "1":
        built["vmgenid"] = new_uuid(world)
    if "meta" not in built:
        built["meta"] = f"creation-qemu={QEMU},ctime={int(world.clock.now())}"
    guest.config = built
    if call["pool"]:
        world.access.pools[call["pool"]].guests.add(guest.vmid)
    if call["start"]:
        task.log("Execute autostart")
        boot(world, guest)


def new_uuid(world: World) -> str:
    return str(uuid.UUID(int=world.random.getrandbits(128), version=4))


def boot_order(config: dict[str, Any]) -> str:
    """The first disk, the first medium and the first network card (PVE::QemuServer::Drive)."""
    drives = [
        key
        for bus in ("ide", "scsi", "virtio", "sata")
        for key in sorted(config)
        if re.fullmatch(rf"{bus}\d+", key)
    ]
    plain = [key for key in drives if "cloudinit" not in str(config[key])]
    disks = [key for key in plain if not guests.is_cdrom(str(config[key]))]
    media = [key for key in plain if guests.is_cdrom(str(config[key]))]
    nets = sorted(key for key in config if re.fullmatch(r"net\d+", key))
    chosen = disks[:1] + media[:1] + nets[:1]
    return f"order={';'.join(chosen)}" if chosen else " "


# --- power ---


def boot(world: World, guest: Guest) -> None:
    guests.apply_all(world, guest)
    guest.status, guest.paused, guest.started = "running", False, world.clock.now()
    world.pid += 7
    guest.pid = world.pid


def halt(world: World, guest: Guest) -> None:
    guest.status, guest.paused = "stopped", False
    guests.apply_all(world, guest)


def found(call: Call) -> Guest:
    """The machine, in a task."""
    return call.world.guest(call["node"], "qemu", call["vmid"])


def through_manager(call: Call, kind: str, state: str) -> str | None:
    """A machine that the HA manager looks after is asked for through it."""
    vmid = call["vmid"]
    if vmid not in call.world.managed_guests() or vmid not in call.world.guests:
        return None
    guest = call.world.guests[vmid]
    return call.task(kind, str(vmid), lambda task: call.world.request_state(guest, state))


@handles("POST", f"{ONE}/status/start")
def start(call: Call) -> Any:
    require_skiplock_root(call)
    world = call.world
    world.require_quorum()

    def work(task: Task) -> Steps:
        guest = found(call)
        guests.acquire(call, guest)
        if guest.template:
            raise Refusal("you can't start a vm if it's a template")
        if guest.status == "running":
            raise Refusal(f"VM {guest.vmid} already running")
        if not call["skiplock"]:
            guests.require_unlocked(guest)
        require_devices(world, guest)
        yield 1.5
        boot(world, guest)

    return through_manager(call, "hastart", "started") or call.task("qmstart", str(call["vmid"]), work)


def require_devices(world: World, guest: Guest) -> None:
    """What is passed through must exist."""
    present = {device["id"].removeprefix("0000:") for device in world.nodes[guest.node].pci}
    for key, value in (guest.config | {k: v for k, v in guest.pending.items() if v is not None}).items():
        if not re.fullmatch(r"hostpci\d+", key):
            continue
        options = guests.pairs(value)
        if mapping := options.get("mapping"):
            if mapping not in world.file("mapping/pci"):
                raise Refusal(f"PCI device mapping not found for '{mapping}'")
            continue
        for address in (options.get("host") or guests.first(value)).split(";"):
            if not any(each.startswith(address.removeprefix("0000:")) for each in present):
                raise Refusal(f"no PCI device found for '{address}'")


@handles("POST", f"{ONE}/status/stop")
def stop(call: Call) -> Any:
    require_skiplock_root(call)
    world = call.world

    def work(task: Task) -> Steps:
        guest = world.guests.get(call["vmid"])
        if guest is None or guest.kind != "qemu" or guest.node != call["node"]:
            raise Refusal(f"unable to find configuration file for VM {call['vmid']} on node '{call['node']}'")
        holder = guest.held_by
        if call["overrule-shutdown"] and holder is not None and holder.running:
            holder.interrupt(world.clock.now())
        guests.acquire(call, guest)
        if guest.status == "stopped":
            return
        if not call["skiplock"]:
            guests.require_unlocked(guest)
        yield 1.0
        halt(world, guest)

    return through_manager(call, "hastop", "stopped") or call.task("qmstop", str(call["vmid"]), work)


@handles("POST", f"{ONE}/status/shutdown")
def shutdown(call: Call) -> Any:
    require_skiplock_root(call)
    world = call.world
    timeout = 180 if call["timeout"] is None else call["timeout"]

    def work(task: Task) -> Steps:
        guest = found(call)
        guests.acquire(call, guest)
        if guest.status == "stopped":
            return
        guests.require_unlocked(guest)
        guest.held_by = task
        yield float(timeout) if guest.deaf else min(2.0, float(timeout))
        if guest.deaf and not call["forceStop"]:
            raise Refusal("VM quit/powerdown failed - got timeout")
        halt(world, guest)

    return through_manager(call, "hashutdown", "stopped") or call.task("qmshutdown", str(call["vmid"]), work)


@handles("POST", f"{ONE}/status/reboot")
def reboot(call: Call) -> Any:
    guest = call.guest("qemu")
    if guest.paused:
        raise Refusal("VM is paused - cannot shutdown")
    if guest.status != "running":
        raise Refusal(f"VM {guest.vmid} not running")

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        guests.require_unlocked(guest)
        guest.held_by = task
        yield 3.0
        boot(call.world, guest)

    return call.task("qmreboot", str(guest.vmid), work)


def instant(kind: str, need_running: bool = True) -> Any:
    """Handlers of what works at once on a running machine, in a task."""

    def handler(call: Call) -> Any:
        require_skiplock_root(call)
        guest = call.guest("qemu")
        if guest.status != "running":
            raise Refusal(f"VM {guest.vmid} not running")

        def work(task: Task) -> None:
            guests.acquire(call, guest)
            if not call["skiplock"]:
                guests.require_unlocked(guest)
            guest.paused = {"qmpause": True, "qmresume": False}.get(kind, guest.paused)

        return call.task(kind, str(guest.vmid), work)

    return handler


handles("POST", f"{ONE}/status/suspend")(instant("qmpause"))
handles("POST", f"{ONE}/status/resume")(instant("qmresume"))
handles("POST", f"{ONE}/status/reset")(instant("qmreset"))


@handles("DELETE", ONE)
def destroy(call: Call) -> Any:
    require_skiplock_root(call)
    world, guest = call.world, call.guest("qemu")
    if guest.config.get("protection"):
        raise Refusal(f"can't remove VM {guest.vmid} - protection mode enabled")
    guests.require_unmanaged(call, guest)
    if guest.status == "running":
        raise Refusal(f"VM {guest.vmid} is running - destroy failed")

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        if not call["skiplock"]:
            guests.require_unlocked(guest)
        used = {each.parent for each in world.volumes.values()}
        for volid in guests.volumes(guest).values():
            if volid in used:
                raise Refusal(f"base volume '{volid}' is still in use by linked cloned")
        yield 1.0
        world.guest(guest.node, "qemu", guest.vmid)  # another task may have come first
        for volid in guests.volumes(guest).values():
            storages.remove(world, guest.node, volid)
        guests.forget(call, task, guest)

    return call.task("qmdestroy", str(guest.vmid), work)
