# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replication jobs, and the runner that carries them out each minute.

Rests on: PVE::API2::ReplicationConfig, PVE::API2::Replication, PVE::Replication (pve-manager,
pve-guest-common) and the recorded exchanges; runs themselves are on no recording. A job belongs to the node
that the guest is on (`source`), and is told in lists without a digest. A job that is deleted is only
marked; its next run removes it with the copies, but a disabled one never runs (PVE::ReplicationState), and
while the target is down none is removed. A guest that is destroyed with `purge` takes its jobs out of the
configuration, and their copies stay. Of the calendar only "*/MINUTES" is done exactly, any other schedule
is due once a day.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from tests.doubles.pve.api import Call, daemon, handles
from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.ha_manager import turn_replication
from tests.doubles.pve.sections import delete_options
from tests.doubles.pve.world import Guest, Volume, World

FILE = "replication"
OPTIONS = ("comment", "disable", "rate", "remove_job", "schedule", "source")
REPLICABLE = "zfspool"
DEFAULT_SCHEDULE = "*/15"
NO_LOG = "unable to open file - No such file or directory"


def job_of(world: World, name: str, text: str = "no such replication job") -> dict[str, Any]:
    job = world.file(FILE).get(name)
    if job is None:
        raise Refusal(f"{text} '{name}'")
    return job


def shown(name: str, job: dict[str, Any]) -> dict[str, Any]:
    guest, _sign, number = name.partition("-")
    return {**job, "id": name, "guest": int(guest), "jobnum": int(number)}


def guest_of(world: World, name: str) -> Guest:
    vmid = name.partition("-")[0]
    guest = world.guests.get(int(vmid))
    if guest is None:
        raise Refusal(f"Guest '{vmid}' does not exist.")
    return guest


def require_privilege(call: Call, name: str) -> None:
    """What whoever changes a job needs (PVE::API2::ReplicationConfig); release 8 has no privilege for it."""
    if call.world.old:
        call.demand("/storage", "Datastore.Allocate")
    else:
        call.demand(f"/vms/{name.partition('-')[0]}", "VM.Replicate")


# --- the jobs of the cluster ---


@handles("GET", "/cluster/replication")
def list_jobs(call: Call) -> Any:
    return [
        shown(name, job)
        for name, job in call.world.file(FILE).items()
        if call.allows(f"/vms/{name.partition('-')[0]}", "VM.Audit")
    ]


@handles("GET", "/cluster/replication/{id}")
def read_job(call: Call) -> Any:
    call.demand(f"/vms/{call['id'].partition('-')[0]}", "VM.Audit")
    return {**shown(call["id"], job_of(call.world, call["id"])), "digest": call.world.file_digest(FILE)}


@handles("POST", "/cluster/replication")
def create_job(call: Call) -> Any:
    world, name = call.world, call["id"]
    require_privilege(call, name)
    guest = guest_of(world, name)
    if call["target"] not in world.nodes:
        raise Refusal(f"Target '{call['target']}' does not exist.")
    if call["target"] == guest.node:
        raise Refusal("Source and target must not be identical")
    for volume in volumes(world, guest):
        if world.storages.get(volume.storage, {}).get("type") != REPLICABLE:
            raise Refusal(f"missing replicate feature on volume '{volume.volid}'")
    world.require_writable(FILE)
    if name in world.file(FILE):
        raise Refusal(f"replication job '{name}' already exists")
    chosen = {
        key: value for key, value in call.params.items() if key in OPTIONS and (key, value) != ("disable", 0)
    }
    world.file(FILE)[name] = {"source": guest.node, **chosen, "type": call["type"], "target": call["target"]}


@handles("PUT", "/cluster/replication/{id}")
def update_job(call: Call) -> Any:
    world, name = call.world, call["id"]
    require_privilege(call, name)
    world.require_writable(FILE)
    world.require_digest(FILE, call["digest"])
    job = dict(job_of(world, name, "no such job"))
    job |= {key: value for key, value in call.params.items() if key in OPTIONS}
    if not job.get("disable"):
        job.pop("disable", None)
    delete_options(job, call["delete"], OPTIONS, ())
    world.file(FILE)[name] = job


@handles("DELETE", "/cluster/replication/{id}")
def delete_job(call: Call) -> Any:
    world, name = call.world, call["id"]
    require_privilege(call, name)
    world.require_writable(FILE)
    job = job_of(world, name, "no such job")
    if call["keep"] and call["force"]:
        raise Refusal("conflicting parameters 'keep' and 'force'")
    if call["force"]:
        del world.file(FILE)[name]
    else:
        job["remove_job"] = "local" if call["keep"] else "full"


# --- what a node knows of its jobs ---


def state_of(world: World, name: str) -> dict[str, Any]:
    """What runs have left behind: last_sync, last_try, fail_count; duration, error and log if any."""
    states: dict[str, Any] = world.facts.setdefault(FILE, {})
    return states.setdefault(name, {"last_sync": 0, "last_try": 0, "fail_count": 0})  # type: ignore[no-any-return]


def status(world: World, name: str) -> dict[str, Any]:
    job, state = world.file(FILE)[name], state_of(world, name)
    kind = {"vmtype": guest_of(world, name).kind}
    told = {key: value for key, value in state.items() if key != "log"}
    return {**shown(name, job), **kind, **told, "next_sync": next_sync(job, state)}


def next_sync(job: dict[str, Any], state: dict[str, Any]) -> int:
    """When it is due: after a failure later and later, at most half an hour (PVE::ReplicationState)."""
    if state["fail_count"]:
        return int(state["last_try"] + min(state["fail_count"] * 300, 1800))
    found = re.fullmatch(r"\*/(\d+)", job.get("schedule", DEFAULT_SCHEDULE))
    pace = int(found[1]) * 60 if found else 86400
    return int(state["last_try"] // pace + 1) * pace


@handles("GET", "/nodes/{node}/replication")
def list_states(call: Call) -> Any:
    return [
        status(call.world, name)
        for name, job in call.world.file(FILE).items()
        if job["source"] == call["node"]
        and call["guest"] in (None, int(name.partition("-")[0]))
        and call.allows(f"/vms/{name.partition('-')[0]}", "VM.Audit")
    ]


@handles("GET", "/nodes/{node}/replication/{id}")
def index(call: Call) -> Any:
    return [{"name": "schedule_now"}, {"name": "log"}, {"name": "status"}]


@handles("GET", "/nodes/{node}/replication/{id}/status")
def read_state(call: Call) -> Any:
    job_of(call.world, call["id"])
    return status(call.world, call["id"])


@handles("GET", "/nodes/{node}/replication/{id}/log")
def read_log(call: Call) -> Any:
    lines = state_of(call.world, call["id"]).get("log") or [NO_LOG]
    call.extra["total"] = len(lines)
    return [{"n": number, "t": line} for number, line in enumerate(lines, 1)]


@handles("POST", "/nodes/{node}/replication/{id}/schedule_now")
def schedule_now(call: Call) -> Any:
    job_of(call.world, call["id"])
    state_of(call.world, call["id"])["last_try"] = 0
    return ""


# --- the runner ---


def volumes(world: World, guest: Guest) -> list[Volume]:
    """The local volumes of a guest that replication takes along."""
    return [
        volume
        for (at, _volid), volume in world.volumes.items()
        if at == guest.node and volume.vmid == guest.vmid and volume.content in ("images", "rootdir")
    ]


@daemon
def run_jobs(world: World) -> None:
    """Carries out what is due: pvescheduler looks once a minute, that of a lab may be in haste."""
    now = world.clock.now()
    turn = now // world.facts.get("scheduler", 60.0)
    if world.facts.setdefault("replication turn", turn) == turn:
        return
    world.facts["replication turn"] = turn
    for name, job in list(world.file(FILE).items()):
        state = state_of(world, name)
        guest = world.guests.get(int(name.partition("-")[0]))
        if guest is None or not world.nodes[guest.node].online:
            continue
        turn_replication(world, guest)
        due = job.get("remove_job") or next_sync(job, state) <= now
        if due and not job.get("disable"):
            run_job(world, name, job, state, now)


def run_job(world: World, name: str, job: dict[str, Any], state: dict[str, Any], now: float) -> None:
    guest, removal = guest_of(world, name), job.get("remove_job")
    state["last_try"] = int(now)
    state["log"] = [f"{name}: start replication job"]
    if removal != "local" and not world.nodes[job["target"]].online:
        state["fail_count"] += 1
        state["error"] = (
            f"command '/usr/bin/ssh … root@{job['target']} -- pvesr prepare-local-job' failed: exit code 255"
        )
        state["log"].append(f"{name}: end replication job with error: {state['error']}")
        return
    if removal:
        if removal == "full":
            for volume in volumes(world, guest):
                world.volumes.pop((job["target"], volume.volid), None)
        del world.file(FILE)[name]
        world.facts[FILE].pop(name, None)
        return
    for volume in volumes(world, guest):
        world.volumes[job["target"], volume.volid] = dataclasses.replace(volume)
    state |= {"last_sync": int(now), "fail_count": 0, "duration": 2.5}
    state.pop("error", None)
    state["log"].append(f"{name}: end replication job")
