# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests of Proxmox VE: reads them, several at once, and turns steps into calls.

For N guests it asks N + 1 times, and once more for each node on which they are: the list of the cluster,
which knows where a guest is; that of the node, which alone tells at once what runs; and of each guest its
configuration with what waits for a start (``pending``). Where one is to go it asks for replication jobs too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from .._core.errors import TwinError
from .._core.plan import Step
from . import guest_power, table
from .errors import ApiError, TaskFailed
from .guest import (
    STAMP,
    Cluster,
    Entry,
    Found,
    Guest,
    Job,
    Kind,
    Partly,
    Wanted,
    configuration_of,
    goal,
    volume_of,
)
from .guest_power import Place, until
from .host import SECRETS, PveHost, PveReader
from .task_host import is_over, run_task
from .tasks import parse_upid

_KINDS = ("lxc", "qemu")
_AT_WORK = ("create", "clone", "migrate", "disk", "snapshot", "snapshot-delete")
"""Locks of what an interrupted run may have left at work; others may hold theirs for hours."""
_UNNAMED = ("create", "clone")
"""Those of a new guest, which gets its name at the end."""
_WORKERS = frozenset({
    "vzcreate", "vzrestore", "vzclone", "vzmigrate", "vzsnapshot", "vzdelsnapshot", "move_volume",
    "qmcreate", "qmrestore", "qmclone", "qmigrate", "qmsnapshot", "qmdelsnapshot", "qmmove",
})  # fmt: skip
"""Types of the tasks that hold them."""
_JOBS = "cluster/replication"


# -- reading


def read(host: PveReader, wanted: Wanted) -> Cluster:
    """The guests of a task, and what new ones are made from. What makes or moves one is waited for.

    :raises Refused: for a secret that others would see on its way.
    """
    for guest in wanted.guests:
        host.may_carry(f"{wanted.kind.what} {guest.label}", SECRETS & guest.secrets.keys())
    cluster = _listed(host)
    if _wait_for_workers(host, cluster, wanted):
        cluster = _listed(host)
    named = [entry for guest in wanted.guests for entry in cluster.named(guest)]
    if wanted.scope is not None:
        named += [entry for entry in cluster.entries if fnmatchcase(entry.name, wanted.scope)]
    entries = {
        entry.vmid: entry for entry in named if entry.kind == wanted.kind.path and entry.node in cluster.nodes
    }
    found = _found(host, wanted.kind, entries)
    if _wait_for_disks(host, wanted, cluster, found):
        found = _found(host, wanted.kind, entries)
    found |= _details(host, wanted, cluster, found)
    if wanted.scope is not None or any(_leaving(wanted, cluster)):
        found = _with_jobs(host, found)
    new = [guest for guest in wanted.guests if not cluster.named(guest) and guest.state != "absent"]
    return replace(
        cluster,
        found=found,
        sources={guest.label: _source(host, wanted.kind, guest, cluster) for guest in new},
        free=_free(host, cluster, new),
        now=int(time.time()),
        writes=host.writes,
    )


def _listed(host: PveReader) -> Cluster:
    items = host.get("cluster/resources")
    entries = [
        Entry(
            int(item["vmid"]),
            item["type"],
            str(item.get("name", "")),
            item["node"],
            bool(item.get("template")),
            item.get("lock", ""),
        )
        for item in items
        if item.get("type") in _KINDS
    ]
    nodes = {item["node"] for item in items if item.get("type") == "node" and item.get("status") == "online"}
    return Cluster(tuple(sorted(entries, key=lambda entry: entry.vmid)), nodes=frozenset(nodes))


def _wait_for_workers(host: PveReader, cluster: Cluster, wanted: Wanted) -> bool:
    """Wait for tasks which make or move these guests, or may do so: a new one gets its name at the end."""
    mine = {entry.vmid for guest in wanted.guests for entry in cluster.named(guest)}
    unknown = any(not cluster.named(guest) for guest in wanted.guests)
    nodes = {
        entry.node
        for entry in cluster.entries
        if entry.kind == wanted.kind.path and entry.lock in _AT_WORK
        if entry.vmid in mine or (unknown and entry.lock in _UNNAMED)
    }
    return _wait_for_tasks(host, nodes & cluster.nodes, _WORKERS)


def _wait_for_disks(host: PveReader, wanted: Wanted, cluster: Cluster, found: Mapping[int, Found]) -> bool:
    """Wait for tasks which may be making the disks that are missing; of these PVE shows no lock.

    Without that, an interrupted run and the next one would make two, of which one is of no use.
    """
    missing = {
        entry.node
        for guest in wanted.guests
        for entry in cluster.named(guest)
        if entry.kind == "qemu" and entry.vmid in found
        for key, disk in guest.disks.items()
        if disk.state == "present" and key not in found[entry.vmid].configured
    }
    return _wait_for_tasks(host, missing, frozenset({"qmconfig"}))


def _wait_for_tasks(host: PveReader, nodes: Set[str], types: Set[str]) -> bool:
    """Wait for the tasks of these types that are at work; whether there were any."""
    waited = False
    for node in sorted(nodes):
        for task in host.get(f"nodes/{node}/tasks", {"source": "active"}):
            if task.get("type") in types and "endtime" not in task:
                until(host, partial(is_over, host, parse_upid(task["upid"])), f"task {task['upid']}")
                waited = True
    return waited


def _found(host: PveReader, kind: Kind, entries: Mapping[int, Entry]) -> dict[int, Found]:
    nodes = sorted({entry.node for entry in entries.values()})
    answers = host.find_all(
        [
            *((f"nodes/{node}/{kind.path}", {}) for node in nodes),
            *((f"nodes/{entry.node}/{kind.path}/{entry.vmid}/pending", {}) for entry in entries.values()),
        ]
    )
    states = {int(item["vmid"]): item for items in answers[: len(nodes)] for item in items or ()}
    pending = zip(entries.values(), answers[len(nodes) :], strict=True)
    return {
        entry.vmid: found_of(kind, entry, states.get(entry.vmid, {}), answer)
        for entry, answer in pending
        if answer is not None
    }


def found_of(
    kind: Kind, entry: Entry, state: Mapping[str, Any], pending: Iterable[Mapping[str, Any]]
) -> Found:
    """A guest of what its node lists of it and of the answer of ``pending``."""
    live, configured = {}, {}
    for item in pending:
        key = item["key"]
        if "value" in item:
            live[key] = item["value"]
        if "pending" in item:
            configured[key] = item["pending"]
        elif "value" in item and not item.get("delete"):
            configured[key] = item["value"]
    running = state.get("status") == "running"
    return Found(
        entry.vmid,
        entry.node,
        entry.name,
        running=running,
        template=bool(int(configured.get("template", 0))),
        lock=str(configured.get("lock", "")),
        token=str(state.get("pid", "")),
        digest=str(live.get("digest", "")),
        configured=table.known(kind.config, configured),
        live=table.known(kind.config, live) if running else {},
    )


def _details(
    host: PveReader, wanted: Wanted, cluster: Cluster, found: Mapping[int, Found]
) -> dict[int, Found]:
    """With their snapshots, and whether the node that is wanted can take them, where that matters."""
    asked: list[tuple[int, str, dict[str, Any]]] = []
    for guest in wanted.guests:
        for entry in cluster.named(guest):
            if entry.vmid not in found or guest.state == "absent":
                continue
            if guest.snapshots is not None:
                asked.append((entry.vmid, "snapshot", {}))
            if entry.kind == "qemu" and guest.node and guest.node != entry.node:
                asked.append((entry.vmid, "migrate", {"target": guest.node}))
    place = "nodes/{}/{}/{}/{}".format
    answers = host.find_all(
        [(place(found[vmid].node, wanted.kind.path, vmid, call), params) for vmid, call, params in asked]
    )
    result: dict[int, Found] = {}
    for (vmid, call, params), answer in zip(asked, answers, strict=True):
        now = result.get(vmid, found[vmid])
        if call == "snapshot":
            names = sorted(item["name"] for item in answer or () if item["name"] != "current")
            result[vmid] = replace(now, snapshots=tuple(names))
        else:
            result[vmid] = replace(now, **_carried(answer or {}, params["target"]))
    return result


def _leaving(wanted: Wanted, cluster: Cluster) -> Iterator[Entry]:
    for guest in wanted.guests:
        if guest.state == "absent":
            yield from cluster.named(guest)


def _with_jobs(host: PveReader, found: Mapping[int, Found]) -> dict[int, Found]:
    jobs: dict[int, list[Job]] = {}
    for item in host.get(_JOBS):
        guest = found.get(int(item["guest"]))
        if guest is not None:
            # It turns round with its guest, but only when it runs next.
            target = item["source"] if item["target"] == guest.node else item["target"]
            jobs.setdefault(guest.vmid, []).append(Job(item["id"], target))
    return {vmid: replace(guest, jobs=tuple(jobs.get(vmid, ()))) for vmid, guest in found.items()}


def _carried(answer: Mapping[str, Any], target: str) -> dict[str, Any]:
    faults = [f"it uses {name}, which is on its node alone" for name in answer.get("local_resources") or ()]
    why = (answer.get("not_allowed_nodes") or {}).get(target) or {}
    faults += [f"{key}: {value}" for key, value in sorted(why.items())]
    disks = [disk for disk in answer.get("local_disks") or () if not disk.get("shared")]
    return {"faults": tuple(faults), "local": bool(disks)}


def _source(host: PveReader, kind: Kind, guest: Guest, cluster: Cluster) -> Mapping[str, Any]:
    """The configuration of what a new guest is made from."""
    if guest.source.how == "clone" and (entry := cluster.source_of(kind, guest)):
        found = _found(host, kind, {entry.vmid: entry}).get(entry.vmid)
        return found.configured if found else {}
    if guest.source.how == "backup" and guest.birthplace in cluster.nodes:
        text = host.get(f"nodes/{guest.birthplace}/vzdump/extractconfig", {"volume": guest.source.of})
        return table.known(kind.config, dict(configuration_of(text)))
    return {}


def _free(host: PveReader, cluster: Cluster, new: Sequence[Guest]) -> tuple[int, ...]:
    """Numbers for new guests that have none, as PVE would choose them."""
    count = sum(guest.vmid is None for guest in new)
    if not count:
        return ()
    taken = {entry.vmid for entry in cluster.entries} | {guest.vmid for guest in new}
    number = int(host.get("cluster/nextid"))
    free: list[int] = []
    while len(free) < count:
        if number not in taken:
            free.append(number)
        number += 1
    return tuple(free)


def read_all(host: PveReader, kind: Kind) -> list[Found]:
    """Every guest of a kind that can be seen."""
    cluster = read(host, Wanted(kind, (), scope="*"))
    return [cluster.found[entry.vmid] for entry in cluster.entries if entry.vmid in cluster.found]


# -- applying


def apply(kind: Kind, host: PveHost, step: Step) -> dict[str, Any] | None:
    """One step; what is told of it, its task among others."""
    measured = _VERBS[step.verb](host, kind, step.args)
    return measured or None


def _place(args: Mapping[str, Any], kind: Kind) -> Place:
    return Place(args["node"], kind.path, args["vmid"], f"{kind.what} {args['label']}")


def _path(args: Mapping[str, Any], kind: Kind) -> str:
    return _place(args, kind).path


def _create(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    params: dict[str, Any] = {"vmid": args["vmid"], **table.wire(kind.create, args["values"])}
    if kind.path == "lxc":
        params |= _said(ostemplate=args["template"], storage=args["storage"])
    params |= _said(pool=args["pool"]) | _plain(args["secrets"])
    return run_task(host, f"nodes/{args['node']}/{kind.path}", params)


def _clone(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    node, vmid = args["source"]
    params: dict[str, Any] = {"newid": args["vmid"], "full": int(args["full"])}
    params |= _said(snapname=args["snapshot"], storage=args["storage"], pool=args["pool"])
    params |= _said(
        **{kind.name_key: args["name"], "target": args["target"] if args["target"] != node else ""}
    )
    return run_task(host, f"nodes/{node}/{kind.path}/{vmid}/clone", params)


def _restore(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    params: dict[str, Any] = {"vmid": args["vmid"], **table.wire(kind.create, args["values"])}
    params |= {"ostemplate": args["of"], "restore": 1} if kind.path == "lxc" else {"archive": args["of"]}
    params |= _said(storage=args["storage"], pool=args["pool"])
    return run_task(host, f"nodes/{args['node']}/{kind.path}", params)


def _set(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    path = f"{_path(args, kind)}/config"
    base, digest = args["base"], args["digest"]
    if base is None:
        answer = host.get(path)
        base, digest = table.known(kind.config, answer), answer["digest"]
    new = {key: goal(kind, key, declared, base.get(key)) for key, declared in args["changes"].items()}
    params = table.wire(kind.config, {key: value for key, value in new.items() if value is not None})
    gone = [key for key, value in new.items() if value is None]
    params |= _said(delete=",".join(gone), digest=digest)
    # Disks take their time: a virtual machine gets them in a task, a container knows no such call.
    disks = any(kind.is_disk(key) and not isinstance(args["changes"][key], Partly) for key in new)
    method = "POST" if kind.path == "qemu" and disks else "PUT"
    return run_task(host, path, params, method=method)


def _secret(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    return run_task(host, f"{_path(args, kind)}/config", _plain(args["secrets"]), method="PUT")


def _move(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    call, parameter = kind.move
    params = {parameter: args["disk"], "storage": args["storage"], "delete": 1}
    return run_task(host, f"{_path(args, kind)}/{call}", params)


def _grow(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    params = {"disk": args["disk"], "size": args["size"]}
    return run_task(host, f"{_path(args, kind)}/resize", params, method="PUT")


def _destroy(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    """Remove a disk and its volume, if it is still the one that the plan has named."""
    path, key = f"{_path(args, kind)}/config", args["disk"]
    answer = host.get(path)
    volume = volume_of(kind, table.known(kind.config, answer).get(key))
    if args["volume"] and volume != args["volume"]:
        raise TwinError(
            f"remove {key} of {kind.what} {args['label']}",
            f"its volume is {volume or 'gone'} now, not {args['volume']}",
            "run again if that one is meant",
        )
    params: dict[str, Any] = {"delete": key, "digest": answer["digest"]}
    if kind.path == "qemu":
        return run_task(host, path, {**params, "force": 1}, method="PUT")
    host.put(path, params)
    try:
        rest = table.known(kind.config, host.get(path))
        unused = [
            each for each in rest if each.startswith("unused") and volume_of(kind, rest[each]) == volume
        ]
        return run_task(host, path, {"delete": ",".join(unused)}, method="PUT") if unused else {}
    except TwinError as error:
        # No other run can tell whose volume that was.
        kept = f"{key} is detached and {volume} is kept, see the unused disks of the container"
        raise TwinError(error.wanted, error.answered, kept, **error.facts) from error


def _migrate(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if args["running"]:
        params |= {"restart": 1} if kind.path == "lxc" else {"online": 1}
    if kind.path == "qemu" and args["local"]:
        params["with-local-disks"] = 1
    storage = "target-storage" if kind.path == "lxc" else "targetstorage"
    params |= _said(**{storage: args["storage"]})
    return guest_power.migrate(host, _place(args, kind), args["target"], params, runs=args["running"])


def _start(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    return guest_power.start(host, _place(args, kind))


def _stop(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    return guest_power.stop(host, _place(args, kind), args["timeout"])


def _restart(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    """One task, so that nothing can end it half way; a guest that does not listen is ended and started."""
    if not args["running"]:
        return _start(host, kind, args)
    try:
        return run_task(host, f"{_path(args, kind)}/status/reboot", {"timeout": args["timeout"]})
    except TaskFailed:
        _stop(host, kind, args)
        return {**_start(host, kind, args), "ended": True}


def _template(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    return run_task(host, f"{_path(args, kind)}/template")


def _snapshot(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    name = args["name"] or args["prefix"] + time.strftime(STAMP, time.gmtime())
    params: dict[str, Any] = {"snapname": name, **_said(description=args["description"])}
    if kind.path == "qemu" and args["memory"]:
        params["vmstate"] = 1
    return {**run_task(host, f"{_path(args, kind)}/snapshot", params), "snapshot": name}


def _forget(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    return run_task(host, f"{_path(args, kind)}/snapshot/{args['name']}", method="DELETE")


def _forsake(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    """Have a replication job take its copies away, and wait until it has.

    A guest that is destroyed takes its jobs out of the configuration, marked ones too, and no copy goes.
    """
    guest, name = _place(args, kind), args["job"]

    def job() -> Mapping[str, Any] | None:
        return next((each for each in host.poll(_JOBS) if each["id"] == name), None)

    now = job()
    if now is None:
        return {}
    if now.get("remove_job") != "full":
        host.delete(f"{_JOBS}/{name}")
    if now.get("disable"):
        # Such a one never runs, not even to go.
        host.put(f"{_JOBS}/{name}", {"disable": 0})
    try:
        until(host, lambda: job() is None, f"replication job {name} to take its copies away")
    except TwinError as error:
        why = "; ".join(filter(None, (error.answered, _fault_of_job(host, guest.node, name))))
        raise TwinError(
            f"remove the copies of {guest.what} on {args['target']}",
            f"replication job {name} is not gone ({why})",
            f"{guest.what} is left as it is; run again once {args['target']} answers {guest.node}",
            **error.facts,
        ) from error
    return {}


def _fault_of_job(host: PveReader, node: str, name: str) -> str:
    """What its latest run has failed of; empty where nobody can tell."""
    try:
        return str(host.get(f"nodes/{node}/replication/{name}/status").get("error") or "")
    except TwinError:
        return ""


def _remove(host: PveHost, kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    path = _path(args, kind)
    try:
        # Whoever gets its number next must not inherit its backup jobs and rules.
        return run_task(host, path, {"purge": 1}, method="DELETE")
    except ApiError:
        if host.find(f"{path}/status/current") is not None:
            raise
        return {}  # the task of an interrupted run has come first


_VERBS: Mapping[str, Callable[[PveHost, Kind, Mapping[str, Any]], dict[str, Any]]] = {
    "create": _create,
    "clone": _clone,
    "restore": _restore,
    "set": _set,
    "secret": _secret,
    "move": _move,
    "grow": _grow,
    "destroy": _destroy,
    "migrate": _migrate,
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "template": _template,
    "snapshot": _snapshot,
    "forget": _forget,
    "forsake": _forsake,
    "remove": _remove,
}


def _said(**params: Any) -> dict[str, Any]:
    """Those parameters that have a value."""
    return {key: value for key, value in params.items() if value}


def _plain(secrets: Mapping[str, Any]) -> dict[str, str]:
    return {key: secret.text for key, secret in secrets.items()}
