# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: list, status, log, abort; the log of the cluster's tasks.

Rests on PVE::API2::Tasks (pve-manager) and the recorded exchanges: a task is known only to the node that its
UPID names, another one answers 400 "no such task"; the log is read by `start` and `limit`.
"""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import parameter
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.tasks import UPID, Task

ONE = "/nodes/{node}/tasks/{upid}"


def task_of(call: Call, privilege: str = "Sys.Audit") -> Task:
    found = UPID.fullmatch(call["upid"])
    if not found:
        raise parameter(upid="unable to parse worker upid")
    task = call.world.tasks.get(call["upid"])
    if task is None or task.node != call["node"]:
        raise parameter(upid="no such task")
    if task.user != call.user and task.user.partition("!")[0] != call.user:
        call.demand(f"/nodes/{call['node']}", privilege)
    return task


def entry(task: Task) -> dict[str, Any]:
    shown = task.status()
    del shown["status"]
    exitstatus = shown.pop("exitstatus", None)
    if task.running:
        return {**shown, "status": "RUNNING", "saved": "0"}
    return {**shown, "endtime": task.endtime, "status": exitstatus}


@handles("GET", "/nodes/{node}/tasks")
def listed(call: Call) -> Any:
    audit = call.allows(f"/nodes/{call['node']}", "Sys.Audit")
    found = [
        task
        for task in reversed(call.world.tasks.values())
        if task.node == call["node"]
        and (audit or task.user.partition("!")[0] == call.user.partition("!")[0])
        and (call["source"] == "all" or task.running == (call["source"] == "active"))
        and (call["vmid"] is None or task.id == str(call["vmid"]))
        and (call["typefilter"] is None or task.type == call["typefilter"])
        and (call["userfilter"] is None or call["userfilter"] in task.user)
        and (not call["errors"] or not task.running and task.exitstatus != "OK")
        and (call["since"] is None or task.starttime >= call["since"])
        and (call["until"] is None or task.starttime <= call["until"])
        and matches_status(task, call["statusfilter"])
    ]
    start = call["start"] or 0
    if found:
        call.extra["total"] = len(found)
    return [entry(task) for task in found[start : start + (50 if call["limit"] is None else call["limit"])]]


def matches_status(task: Task, wanted: str | None) -> bool:
    if not wanted or task.running:
        return True
    state = (
        "ok"
        if task.exitstatus == "OK"
        else "warning"
        if str(task.exitstatus).startswith("WARNINGS")
        else "error"
    )
    return state in split_list(wanted)


@handles("GET", ONE)
def index(call: Call) -> Any:
    task_of(call)
    return [{"name": "log"}, {"name": "status"}]


@handles("GET", f"{ONE}/status")
def status(call: Call) -> Any:
    return task_of(call).status()


@handles("GET", f"{ONE}/log")
def log(call: Call) -> Any:
    lines = task_of(call).lines
    start = call["start"] or 0
    limit = 50 if call["limit"] is None else call["limit"]
    shown = lines[start:] if limit == 0 else lines[start : start + limit]
    call.extra["total"] = len(lines)
    return [{"n": start + number, "t": line} for number, line in enumerate(shown, 1)] or [
        {"n": 1, "t": "no content"}
    ]


@handles("DELETE", ONE)
def abort(call: Call) -> Any:
    task = task_of(call, "Sys.Modify")
    if task.running:
        task.interrupt(call.world.clock.now())


@handles("GET", "/cluster/tasks")
def cluster_tasks(call: Call) -> Any:
    """The newest tasks of all nodes: those of the user, or all for who may audit the node."""
    shown = [
        task
        for task in reversed(call.world.tasks.values())
        if task.user.partition("!")[0] == call.user.partition("!")[0]
        or call.allows(f"/nodes/{task.node}", "Sys.Audit")
    ]
    return [cluster_entry(task) for task in shown[:25]]


def cluster_entry(task: Task) -> dict[str, Any]:
    shown = {k: task.status()[k] for k in ("upid", "node", "type", "id", "user", "starttime")}
    ended = {} if task.running else {"endtime": task.endtime, "status": task.exitstatus}
    return {**shown, **ended, "saved": "0" if task.running else "1"}
