# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers: /nodes/{node}/lxc.

Rests on: PVE::API2::LXC and its parts, PVE::LXC::Config (pve-container), and the recorded exchanges: to start
a running container and to stop a stopped one is 500 at once, unlike with virtual machines; while it is
created the configuration is only `{lock: create, digest}`; a new one gets 512 MiB of memory and of swap and
is unprivileged.
"""

from __future__ import annotations

import re
from typing import Any

from tests.doubles.pve import formats, guests, storages
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, parameter
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Guest, World

BASE = "/nodes/{node}/lxc"
ONE = f"{BASE}/{{vmid}}"
SUBDIRECTORIES = (
    "config pending status vncproxy termproxy vncwebsocket spiceproxy migrate clone rrd rrddata firewall "
    "snapshot "
    "resize interfaces"
)
NOT_STORED = {
    "ostemplate", "password", "ssh-public-keys", "storage", "pool", "start", "restore", "unique", "force",
    "bwlimit",
    "ignore-unpack-errors", "ha-managed", "node", "vmid",
}  # fmt: skip
OSTYPES = (
    "debian",
    "devuan",
    "ubuntu",
    "centos",
    "fedora",
    "opensuse",
    "archlinux",
    "alpine",
    "gentoo",
    "nixos",
)


def usage(world: World, guest: Guest) -> dict[str, Any]:
    """What list and status/current have in common."""
    running = guest.status == "running"
    memory, swap = int(guest.config.get("memory", 512)), int(guest.config.get("swap", 512))
    idle = dict.fromkeys(
        ("cpu", "disk", "diskread", "diskwrite", "mem", "netin", "netout", "swap", "uptime"), 0
    )
    entry: dict[str, Any] = {
        **idle,
        "vmid": guest.vmid,
        "type": "lxc",
        "name": guest.config.get("hostname", f"CT{guest.vmid}"),
        "status": guest.status,
        "cpus": cores(world, guest),
        "maxmem": memory * 1024**2,
        "maxswap": swap * 1024**2,
        "maxdisk": root_size(guest),
    }
    if running:
        told = () if world.old else PRESSURES
        pressure = dict.fromkeys((f"pressure{kind}" for kind in told), "0.00")
        live = {"mem": memory * 1024**2 // 20, "disk": root_size(guest) // 10, "pid": guest.pid}
        entry |= {**pressure, **live, "uptime": int(world.clock.now() - guest.started)}
    for key in ("lock", "tags", "template"):
        if guest.config.get(key):
            entry[key] = guest.config[key]
    return entry


PRESSURES = ("cpusome", "cpufull", "iosome", "iofull", "memorysome", "memoryfull")


def cores(world: World, guest: Guest) -> Any:
    node = world.nodes[guest.node].cpus
    return guest.config.get("cpulimit") or guest.config.get("cores") or node


def root_size(guest: Guest) -> int:
    return formats.parse_size(guests.pairs(str(guest.config.get("rootfs", ""))).get("size", "4G")) or 0


@handles("GET", BASE)
def listed(call: Call) -> Any:
    return [
        usage(call.world, guest)
        for guest in call.world.guests.values()
        if guest.node == call["node"]
        and guest.kind == "lxc"
        and call.allows(f"/vms/{guest.vmid}", "VM.Audit")
    ]


@handles("GET", ONE)
def index(call: Call) -> Any:
    call.guest("lxc")
    return [{"subdir": name} for name in SUBDIRECTORIES.split()]


@handles("GET", f"{ONE}/status")
def status_index(call: Call) -> Any:
    call.guest("lxc")
    return [{"subdir": name} for name in ("current", "start", "stop", "shutdown", "migrate")]


@handles("GET", f"{ONE}/status/current")
def current(call: Call) -> Any:
    guest = call.guest("lxc")
    return usage(call.world, guest) | {"ha": call.world.managed(guest)}


@handles("GET", f"{ONE}/config")
def config(call: Call) -> Any:
    guest = call.guest("lxc")
    if call["snapshot"]:
        return guests.snapshot_config(guest, call["snapshot"], masked=True) | {
            "digest": call.world.digest(guest)
        }
    return guests.shown(call.world, guest, bool(call["current"]))


@handles("GET", f"{ONE}/pending")
def pending(call: Call) -> Any:
    return guests.pending_list(call.world, call.guest("lxc"))


@handles("PUT", f"{ONE}/config")
def update(call: Call) -> Any:
    guest = call.guest("lxc")
    options = guests.change(call, guest)
    require_storages(call, options)
    guests.acquire(call, guest)
    guests.require_unlocked(guest)
    if call["digest"] and call["digest"] != call.world.digest(guest):
        raise Refusal("detected modified configuration - file changed by other user? Try again.")
    guests.write(call, guest, options)


# --- create ---


@handles("POST", BASE)
def create(call: Call) -> Any:
    world, vmid = call.world, call["vmid"]
    world.require_quorum()
    restore = bool(call["restore"])
    pool = call["pool"]
    if pool and pool not in world.access.pools:
        raise Refusal(f"Permission check failed (pool '{pool}' does not exist)", 403)
    guests.require_allocation(call, vmid, pool)
    existing = world.guests.get(vmid)
    if existing is not None and not (restore and call["force"] and existing.kind == "lxc"):
        raise Refusal(f"{existing.noun} {vmid} already exists on node '{existing.node}'")
    options = {key: value for key, value in call.params.items() if key not in NOT_STORED}
    draft = Guest(vmid, "lxc", call["node"])
    guests.require_config_permissions(
        call, draft, {k: v for k, v in options.items() if k != "hostname"}, [], pool
    )
    storage = call["storage"] or "local"
    if not restore:
        options.setdefault("rootfs", f"{storage}:4")
    require_storages(call, options)
    archive = call["ostemplate"]
    source = storage_name(archive)
    if source:
        world.storage(source, call["node"])
    kind = "vzrestore" if restore else "vzcreate"
    return call.task(kind, str(vmid), lambda task: creation(call, task, draft, options, archive, restore))


def storage_name(volid: str) -> str | None:
    return volid.partition(":")[0] if ":" in volid and not volid.startswith("/") else None


def require_storages(call: Call, options: dict[str, Any]) -> None:
    for key, value in options.items():
        if guests.CT_VOLUME.fullmatch(key) and (name := storage_name(guests.first(str(value)))):
            settings = call.world.storage(name.removeprefix("volume="), call["node"])
            if "rootdir" not in str(settings.get("content", "")).split(","):
                raise Refusal(f"storage '{name}' does not allow content type 'rootdir' (Container)")
            if call.user != "root@pam":
                call.demand(f"/storage/{name}", "Datastore.AllocateSpace")


def creation(
    call: Call, task: Task, guest: Guest, options: dict[str, Any], archive: str, restore: bool
) -> Steps:
    world = call.world
    old = world.guests.get(guest.vmid)
    world.guests[guest.vmid] = guest
    guest.config = {"lock": "create"}
    try:
        volume = world.volume(guest.node, archive) if storage_name(archive) else None
        if volume is None and storage_name(archive):
            raise Refusal(f"unable to create CT {guest.vmid} - volume '{archive}' does not exist")
        if restore and volume is not None and volume.config:
            options = guests.restored(volume, guest, options, call["storage"], bool(call["unique"]))
        yield 2.0
        if old is not None:
            for volid in guests.volumes(old).values():
                storages.remove(world, old.node, volid)
        built = {"arch": "amd64", "memory": 512, "swap": 512, "hostname": f"CT{guest.vmid}", **options}
        built.setdefault("unprivileged", 1)
        if built["unprivileged"] == 0:
            del built["unprivileged"]
        built.setdefault("ostype", next((each for each in OSTYPES if each in archive), "unmanaged"))
        for key in list(built):
            value = built[key] if key in ("unprivileged",) else guests.stored(world, guest, key, built[key])
            built[key] = guests.allocated(world, guest, key, value)
        root = world.volume(guest.node, root_volume(built))
        if root is not None:
            root.origin = archive
        task.log(f"extracting archive '/var/lib/vz/template/cache/{archive.rpartition('/')[2]}'")
        task.log("Total bytes read: 2027520 (2.0MiB, 111MiB/s)")
        task.log("Detected container architecture: amd64")
    except Refusal:
        drop(world, guest)
        if old is not None:
            world.guests[guest.vmid] = old
        raise
    guest.config = built
    if call["pool"]:
        world.access.pools[call["pool"]].guests.add(guest.vmid)
    if call["start"]:
        boot(world, guest)


def root_volume(config: dict[str, Any]) -> str:
    return guests.first(str(config.get("rootfs", "")))


def drop(world: World, guest: Guest) -> None:
    for place in [
        place
        for place, each in world.volumes.items()
        if each.vmid == guest.vmid and each.content == "rootdir"
    ]:
        if place[0] in (None, guest.node):
            del world.volumes[place]
    world.guests.pop(guest.vmid, None)


# --- power ---


def boot(world: World, guest: Guest) -> None:
    guests.apply_all(world, guest)
    guest.status, guest.paused, guest.started = "running", False, world.clock.now()
    world.pid += 7
    guest.pid = world.pid


def halt(guest: Guest) -> None:
    guest.status, guest.paused = "stopped", False


def require_skiplock_root(call: Call) -> None:
    if call["skiplock"] and call.user != "root@pam":
        raise parameter(skiplock="Only root may use this option.")


@handles("POST", f"{ONE}/status/start")
def start(call: Call) -> Any:
    require_skiplock_root(call)
    world = call.world
    world.require_quorum()
    guest = call.guest("lxc")
    if guest.status == "running":
        raise Refusal(f"CT {guest.vmid} already running")
    if guest.vmid in world.managed_guests():
        return call.task("hastart", str(guest.vmid), lambda task: world.request_state(guest, "started"))

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        if guest.template:
            raise Refusal("you can't start a CT if it's a template")
        if not call["skiplock"]:
            guests.require_unlocked(guest)
        yield 1.0
        boot(world, guest)

    return call.task("vzstart", str(guest.vmid), work)


@handles("POST", f"{ONE}/status/stop")
def stop(call: Call) -> Any:
    require_skiplock_root(call)
    world, guest = call.world, call.guest("lxc")
    if guest.status != "running":
        raise Refusal(f"CT {guest.vmid} not running")
    if guest.vmid in world.managed_guests():
        return call.task("hastop", str(guest.vmid), lambda task: world.request_state(guest, "stopped"))

    def work(task: Task) -> Steps:
        holder = guest.held_by
        if call["overrule-shutdown"] and holder is not None and holder.running:
            holder.interrupt(world.clock.now())
        guests.acquire(call, guest)
        if not call["skiplock"]:
            guests.require_unlocked(guest)
        yield 1.0
        halt(guest)

    return call.task("vzstop", str(guest.vmid), work)


@handles("POST", f"{ONE}/status/shutdown")
def shutdown(call: Call) -> Any:
    world, guest = call.world, call.guest("lxc")
    if guest.status != "running":
        raise Refusal(f"CT {guest.vmid} not running")
    if guest.vmid in world.managed_guests():
        return call.task("hashutdown", str(guest.vmid), lambda task: world.request_state(guest, "stopped"))
    timeout = 60 if call["timeout"] is None else call["timeout"]

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        guests.require_unlocked(guest)
        guest.held_by = task
        yield float(timeout) if guest.deaf else min(2.0, float(timeout))
        if guest.deaf and not call["forceStop"]:
            raise Refusal(
                f"command 'lxc-stop -n {guest.vmid} --nokill --timeout {timeout}' failed: exit code 1"
            )
        halt(guest)

    return call.task("vzshutdown", str(guest.vmid), work)


@handles("POST", f"{ONE}/status/reboot")
def reboot(call: Call) -> Any:
    world, guest = call.world, call.guest("lxc")
    if guest.status != "running":
        raise Refusal(f"CT {guest.vmid} not running")

    def work(task: Task) -> Steps:
        guests.acquire(call, guest)
        guests.require_unlocked(guest)
        guest.held_by = task
        yield 3.0
        boot(world, guest)

    return call.task("vzreboot", str(guest.vmid), work)


def checkpoint(verb: str, option: str) -> None:
    """Suspending and resuming need a program that is not there."""

    @handles("POST", f"{ONE}/status/{verb}")
    def handler(call: Call) -> Any:
        guest = call.guest("lxc")

        def work(task: Task) -> None:
            command = f"lxc-checkpoint -n {guest.vmid} {option} -D /var/lib/vz/dump"
            task.log(f"lxc-checkpoint: {guest.vmid}: execing criu failed, is it installed?")
            raise Refusal(f"command '{command}' failed: exit code 1")

        return call.task(f"vz{verb}", str(guest.vmid), work)


checkpoint("suspend", "-s")
checkpoint("resume", "-r")


@handles("DELETE", ONE)
def destroy(call: Call) -> Any:
    world, guest = call.world, call.guest("lxc")
    guests.require_unlocked(guest)
    if guest.config.get("protection"):
        raise Refusal(f"can't remove CT {guest.vmid} - protection mode enabled")
    guests.require_unmanaged(call, guest)
    if guest.status == "running" and not call["force"]:
        raise Refusal(f"unable to destroy CT {guest.vmid} - container is running")

    def work(task: Task) -> Steps:
        if guest.status == "running":
            task.log(f"forced to stop CT {guest.vmid} before destroying!")
            halt(guest)
        yield 1.0
        world.guest(guest.node, "lxc", guest.vmid)  # another task may have come first
        for volid in [*guests.volumes(guest).values()]:
            storages.remove(world, guest.node, volid)
        guests.forget(call, task, guest)

    return call.task("vzdestroy", str(guest.vmid), work)


@handles("GET", f"{ONE}/interfaces")
def interfaces(call: Call) -> Any:
    guest = call.guest("lxc")
    if guest.status != "running":
        return []
    found = [interface("lo", "00:00:00:00:00:00")]
    for key, value in guest.config.items():
        if re.fullmatch(r"net\d+", key):
            options = guests.pairs(str(value))
            found.append(interface(options["name"], options.get("hwaddr", "").lower()))
            if key == "net0":
                found[-1]["ip-addresses"] = guests.inside(guest)
    return found


def interface(name: str, mac: str) -> dict[str, Any]:
    return {"name": name, "hwaddr": mac, "hardware-address": mac, "ip-addresses": []}
