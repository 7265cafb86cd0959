# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that back guests up: /cluster/backup, and what runs when.

Rests on: PVE::API2::Backup and PVE::API2::Cluster::Jobs (pve-manager) and the recorded exchanges: a job that
selects no guest is 500 with a 400 inside; one that is not there is 400 when read and 500 when changed;
guests, pool and all exclude each other, and the new selection drops the old.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from tests.doubles.pve import schema
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import VERIFICATION, Refusal, parameter
from tests.doubles.pve.formats import split_list

FILE = "jobs"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SELECTIONS = {"vmid": ("all", "exclude", "pool"), "all": ("vmid", "pool"), "pool": ("vmid", "all", "exclude")}
NOT_STORED = {"id", "delete", "starttime", "dow", "digest"}
DAY = 86400


def job_of(call: Call) -> dict[str, Any]:
    found = call.world.file(FILE).get(call["id"])
    if found is None:
        raise parameter(id=f"No such job '{call['id']}'")
    return found


def shown(call: Call, name: str, job: dict[str, Any]) -> dict[str, Any]:
    entry = {"id": name, "type": "vzdump", **job}
    for key in ("prune-backups", "fleecing", "performance"):
        if isinstance(entry.get(key), str):
            entry[key] = taken_apart(key, entry[key])
    return entry


def taken_apart(key: str, value: str) -> dict[str, Any]:
    usage = {"fleecing": "[[enabled=]<1|0>] [,storage=<storage ID>]"}.get(key)
    properties = schema.from_usage(usage) if usage else None
    parts = (
        schema.parse(value, properties) if properties else dict(part.split("=") for part in value.split(","))
    )
    return {name: int(part) if name == "enabled" else part for name, part in parts.items()}


@handles("GET", "/cluster/backup")
def listed(call: Call) -> Any:
    return [
        shown(call, name, job) | {"next-run": next_run(call.world.clock.now(), str(job["schedule"]))}
        for name, job in call.world.file(FILE).items()
    ]


@handles("GET", "/cluster/backup/{id}")
def one(call: Call) -> Any:
    return shown(call, call["id"], job_of(call))


@handles("POST", "/cluster/backup")
def create(call: Call) -> None:
    jobs = call.world.file(FILE)
    if call["schedule"] is None and call["starttime"] is None:
        raise parameter(schedule="neither 'starttime' nor 'schedule' were set")
    if not any(call[key] for key in SELECTIONS):
        raise Refusal(f"400 {VERIFICATION}\nvmid: property is missing")
    name = call["id"] or str(uuid.UUID(int=call.world.random.getrandbits(128), version=4))
    if name in jobs:
        raise Refusal(f"Job '{name}' already exists")
    call.world.require_writable("jobs.cfg")
    jobs[name] = {"enabled": 1, **given(call)}


def given(call: Call) -> dict[str, Any]:
    kept = {key: value for key, value in call.params.items() if key not in NOT_STORED}
    if call["starttime"] is not None:
        kept["schedule"] = f"{call['dow'] or ''} {call['starttime']}".strip()
    return kept


@handles("PUT", "/cluster/backup/{id}")
def update(call: Call) -> None:
    job = call.world.file(FILE).get(call["id"])
    if job is None:
        raise Refusal("no such vzdump job")
    call.world.require_writable("jobs.cfg")
    for key in split_list(call["delete"] or ""):
        job.pop(key, None)
    for key, others in SELECTIONS.items():
        if call[key]:
            for other in others:
                job.pop(other, None)
    job |= given(call)


@handles("DELETE", "/cluster/backup/{id}")
def delete(call: Call) -> None:
    job_of(call)
    del call.world.file(FILE)[call["id"]]


@handles("GET", "/cluster/backup-info/not-backed-up")
def not_backed_up(call: Call) -> Any:
    jobs = [job for job in call.world.file(FILE).values() if job.get("enabled", 1)]
    return [
        {"vmid": guest.vmid, "type": guest.kind, "name": guest.name}
        for guest in call.world.guests.values()
        if call.allows(f"/vms/{guest.vmid}", "VM.Audit")
        and not any(covers(call, job, guest.vmid) for job in jobs)
    ]


def covers(call: Call, job: dict[str, Any], vmid: int) -> bool:
    if job.get("all"):
        return str(vmid) not in split_list(str(job.get("exclude", "")))
    if job.get("pool"):
        return call.world.access.pool_of(vmid) == str(job["pool"])
    return str(vmid) in split_list(str(job.get("vmid", "")))


@handles("GET", "/cluster/jobs/schedule-analyze")
def analyze(call: Call) -> Any:
    found, now = [], float(call["starttime"] or call.world.clock.now())
    for _time in range(call["iterations"] or 10):
        now = next_run(now, call["schedule"])
        found.append({"timestamp": int(now), "utc": time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(now))})
    return found


def next_run(now: float, schedule: str) -> int:
    """When a schedule of days and one time of day comes next, in seconds since the epoch; others: within a
    day.
    """
    clock = re.search(r"(\d{1,2}):(\d{2})", schedule)
    days = days_of(schedule)
    midnight = int(now) // DAY * DAY
    for ahead in range(9):
        moment = midnight + ahead * DAY + (int(clock[1]) * 3600 + int(clock[2]) * 60 if clock else 0)
        if moment > now and time.gmtime(moment).tm_wday in days:
            return moment
    return int(now) + DAY


def days_of(schedule: str) -> set[int]:
    chosen: set[int] = set()
    for first, last in re.findall(r"\b(mon|tue|wed|thu|fri|sat|sun)[a-z]*(?:\.\.(\w{3}))?", schedule.lower()):
        start = DAYS.index(first)
        chosen |= set(range(start, DAYS.index(last) + 1)) if last in DAYS else {start}
    return chosen or set(range(7))
