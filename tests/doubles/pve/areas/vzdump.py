# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of guests: making one, and what is in it.

Rests on: PVE::API2::VZDump and PVE::VZDump (pve-manager) and the recorded exchanges: a guest that cannot be
saved makes the task end "job errors", whatever became of the others.
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.doubles.pve import guests
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, parameter
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Guest, Volume, World

BASE = "/nodes/{node}/vzdump"
COMPRESSION = {"zstd": ".zst", "gzip": ".gz", "1": ".gz", "lzo": ".lzo"}
PER_GUEST = 3.0
DEFAULTS = {
    "all": 0,
    "bwlimit": 0,
    "compress": "0",
    "dumpdir": "/var/lib/vz/dump",
    "fleecing": {"enabled": 0},
    "ionice": 7,
    "lockwait": 180,
    "mailnotification": "always",
    "mode": "snapshot",
    "notification-mode": "auto",
    "performance": {"max-workers": 16, "pbs-entries-max": 1048576},
    "pigz": 0,
    "prune-backups": "keep-all=1",
    "quiet": 0,
    "remove": 1,
    "stdexcludes": 1,
    "stop": 0,
    "stopwait": 10,
    "zstd": 1,
}


@handles("POST", BASE)
def backup(call: Call) -> Any:
    world = call.world
    conflicts("vmid", call, "all", "exclude", "pool")
    wanted = split_list(call["vmid"] or "")
    if not wanted and not call["all"] and not call["exclude"] and not call["pool"] and not call["stop"]:
        raise parameter(vmid="property is missing")
    storage = call["storage"] or "local"
    chosen = chosen_guests(call, wanted)
    for vmid in chosen:
        if not call.allows(f"/vms/{vmid}", "VM.Backup"):
            call.demand(f"/vms/{vmid}", "VM.Backup")
    if not chosen:
        return "OK"

    def work(task: Task) -> Steps:
        if call["dumpdir"] is None:
            require_storage(world, call["node"], storage)
        task.log(f"INFO: starting new backup job: vzdump {' '.join(map(str, chosen))} --storage {storage}")
        failed = False
        for vmid in chosen:
            try:
                yield from save(call, task, vmid, storage)
            except Refusal as refusal:
                failed = True
                task.log(f"ERROR: Backup of VM {vmid} failed - {refusal.text}")
        if failed:
            task.log("INFO: Backup job finished with errors")
            raise Refusal("job errors")
        task.log("INFO: Backup job finished successfully")

    return call.task("vzdump", str(chosen[0]) if len(chosen) == 1 else "", work)


def conflicts(option: str, call: Call, *others: str) -> None:
    for other in others:
        if call[option] and call[other]:
            raise parameter(**{other: f"option conflicts with option '{option}'"})


def require_storage(world: World, node: str, storage: str) -> None:
    try:
        settings = world.storage(storage, node)
    except Refusal as refusal:
        tried = ("activate storage", "get storage information for")
        raise Refusal(" ".join(f"could not {what} '{storage}': {refusal.text}" for what in tried)) from None
    if "backup" not in str(settings.get("content", "")).split(","):
        text = f"can't use storage '{storage}' for backups - wrong content type"
        raise Refusal(f"could not get storage information for '{storage}': {text}")


def chosen_guests(call: Call, wanted: list[str]) -> list[int]:
    world = call.world
    if wanted:
        here = [int(vmid) for vmid in wanted]
        return [vmid for vmid in here if vmid not in world.guests or world.guests[vmid].node == call["node"]]
    local = [guest.vmid for guest in world.guests.values() if guest.node == call["node"]]
    if call["pool"]:
        members = world.access.pools[call["pool"]].guests if call["pool"] in world.access.pools else set()
        return [vmid for vmid in local if vmid in members]
    return [vmid for vmid in local if str(vmid) not in split_list(call["exclude"] or "")]


def save(call: Call, task: Task, vmid: int, storage: str) -> Steps:
    world = call.world
    guest = world.guests.get(vmid)
    if guest is None:
        raise Refusal(f"unable to find VM '{vmid}'")
    task.log(f"INFO: Starting Backup of VM {vmid} ({guest.kind})")
    guests.require_unlocked(guest)
    guest.config["lock"] = "backup"
    try:
        yield PER_GUEST
    finally:
        guest.config.pop("lock", None)
    volume = archive(world, guest, storage, str(call["compress"] or "0"))
    volume.notes = notes(call["notes-template"], guest, world)
    volume.protected = bool(call["protected"])
    world.volumes[world.place(guest.node, volume.volid)] = volume
    task.log(f"INFO: Finished Backup of VM {vmid} (00:00:03)")


def archive(world: World, guest: Guest, storage: str, compression: str) -> Volume:
    now = int(world.clock.now())
    stamp = time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime(now))
    end = ("tar" if guest.kind == "lxc" else "vma") + COMPRESSION.get(compression, "")
    volid = f"{storage}:backup/vzdump-{guest.kind}-{guest.vmid}-{stamp}.{end}"
    config = json.dumps({key: value for key, value in guest.config.items() if key != "lock"})
    return Volume(volid, 1024**2, end, "backup", guest.vmid, now, config=config)


def notes(template: str | None, guest: Guest, world: World) -> str | None:
    if template is None:
        return None
    values = {"guestname": guest.name, "vmid": guest.vmid, "node": guest.node, "cluster": world.cluster or ""}
    for key, value in values.items():
        template = template.replace(f"{{{{{key}}}}}", str(value))
    return template


@handles("GET", f"{BASE}/defaults")
def defaults(call: Call) -> Any:
    return DEFAULTS | {"storage": call["storage"] or "local"}


@handles("GET", f"{BASE}/extractconfig")
def extract(call: Call) -> Any:
    world, volid = call.world, call["volume"]
    world.storage(volid.partition(":")[0], call["node"])
    volume = world.volume(call["node"], volid)
    if volume is None or volume.config is None:
        raise Refusal(f"volume '{volid}' does not exist")
    return "".join(f"{key}: {value}\n" for key, value in sorted(json.loads(volume.config).items()))
