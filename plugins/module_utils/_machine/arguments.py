# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the declaration to the options of the modules that bring a server's machines about.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .._core.errors import Refused
from .._core.values import format_size
from .declaration import Machine, Pair, Twin, to_property
from .kinds import container_item, dataset_of, is_thick, jail_item, kind_of
from .view import one_picture

FIRST_UID = "100000"
"""Who root of an unprivileged machine is on its server (the first id of the pair's range)."""


def machines_here(
    machines: Mapping[str, Machine],
    server: str,
    answers: Mapping[str, Iterable[Mapping[str, Any]] | None],
) -> list[Machine]:
    """The machines that a server looks after: those it owns, and its own that nobody has yet.

    :param answers: what each server of the pair says about its machines; None from a silent one.
    :raises Refused: when a machine is nowhere to be seen and a server is silent: it may be there.
    """
    picture = one_picture(answers)
    silent = sorted(name for name, records in answers.items() if records is None)
    new = [
        name
        for name, machine in machines.items()
        if name not in picture and machine.home == server and machine.state != "absent"
    ]
    if new and silent:
        raise Refused(
            f"machine {new[0]} cannot be made on {server}",
            f"{' and '.join(silent)} does not answer and may already have it",
            f"bring {silent[0]} up first",
        )
    return [
        machine
        for name, machine in machines.items()
        if machine.state != "absent"
        and (picture[name]["server"] == server if name in picture else machine.home == server)
    ]


def removals_of(
    machines: Iterable[Machine],
    server: str,
    answers: Mapping[str, Iterable[Mapping[str, Any]] | None],
    playing: Collection[str],
) -> dict[str, list[str]]:
    """The machines with ``state: absent``: ``owned`` are those that live on a server; of the others it may
    have ``copies``.

    :param playing: the servers that this run is for. A machine goes from both in one run: were only its
        replica removed, it would come again, and were only the machine removed, its replica would stay.
    :raises Refused: when there is something to be removed and a server is left out.
    """
    picture = one_picture(answers)
    absent = [machine.name for machine in machines if machine.state == "absent"]
    left = [name for name in absent if name in picture]
    missing = [name for name in answers if name not in playing]
    if left and missing:
        raise Refused(
            f"machine {left[0]} cannot be removed",
            f"this run is without {missing[0]}",
            "run for both servers, with both of them up",
        )
    owned = [name for name in left if picture[name]["server"] == server]
    return {"owned": owned, "copies": [name for name in absent if name not in owned]}


def upgrades_of(
    machines: Iterable[Machine], answers: Mapping[str, Iterable[Mapping[str, Any]] | None]
) -> list[str]:
    """Those of a server's machines whose root is of another image than is declared, or is missing."""
    picture = one_picture(answers)
    return [
        machine.name
        for machine in machines
        if machine.name in picture and picture[machine.name]["root_image"] != machine.image
    ]


def datasets_of(machine: Machine, pair: Pair) -> list[dict[str, Any]]:
    """The datasets of a machine, as module zfs_dataset wants them."""
    top = dataset_of(machine.name, pair)
    limit = {"refquota": format_size(machine.disk)} if machine.disk else {}
    return [
        {
            "name": top,
            "initial": {"twin:owner": f"{pair.server} 1"},
            "properties": {"twin:machine": to_property(machine)},
        },
        {
            "name": f"{top}/root",
            "copy_of" if is_thick(machine) else "origin": f"{pair.pool}/images/{machine.image}@base",
            "properties": limit,
            "mounted": True,
        },
        {"name": f"{top}/data", "properties": limit, "mounted": True},
        *(
            # The host cannot say any more where a jail mounts its own.
            {"name": name, "initial": {"mountpoint": point, "jailed": "on"}, "properties": limit}
            for name, point in kind_of(machine).delegated(machine, pair).items()
        ),
    ]


def datasets_beside(machine: Machine, pair: Pair) -> list[dict[str, Any]]:
    """Those that an upgrade of the machine leaves alone."""
    top = dataset_of(machine.name, pair)
    return [item for item in datasets_of(machine, pair) if item["name"] not in (top, f"{top}/root")]


def items_of(machines: Iterable[Machine], pair: Pair) -> dict[str, list[dict[str, Any]]]:
    """Machines as the modules of their kinds want them: ``containers`` and ``jails``.

    A machine is taken to answer when its system is up: the service that its ``check`` asks for is
    brought by others, later.
    """
    here = list(machines)
    return {
        name: [{**item(machine, pair), "check": None} for machine in here if machine.kind == kind]
        for name, kind, item in (("containers", "lxc", container_item), ("jails", "jail", jail_item))
    }


def data_folders(machines: Iterable[Machine], pair: Pair, defined: Iterable[str]) -> list[dict[str, Any]]:
    """The data folders of machines that are being made, as module files wants them.

    A fresh dataset is root's on the server, whom an unprivileged container cannot even see. Once the
    machine is defined its folder is its own business.
    """
    known = set(defined)
    return [
        {
            "path": f"/{dataset_of(machine.name, pair)}/data",
            "state": "directory",
            "owner": FIRST_UID,
            "group": FIRST_UID,
        }
        for machine in machines
        if machine.name not in known and machine.kind == "lxc" and not machine.options.get("privileged")
    ]


def timers_of(machines: Iterable[Machine], platform: str) -> dict[str, list[dict[str, Any]]]:
    """The timers of replication, as modules files and units want them.

    Both servers have all of them: the one that does not own a machine leaves it alone. A replica is
    made twice within the machine's ``rpo``, so that one failure is no breach. The ``gone`` units are those
    of machines with ``state: absent``.
    """
    return _crontabs_of(machines) if platform == "freebsd" else _units_of(machines)


# That of cron(8) itself may lack where zfs(8) and our own interpreter lie (crontab(5)).
_CRON_PATH = "PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


def _crontabs_of(machines: Iterable[Machine]) -> dict[str, list[dict[str, Any]]]:
    """For cron(8) of FreeBSD, which reads its folder anew by itself; ``@SECONDS`` counts from the end of the
    run before (crontab(5))."""
    files: list[dict[str, Any]] = []
    for machine in machines:
        path = f"/etc/cron.d/twin-replicate-{machine.name}"
        if machine.state == "absent":
            files.append({"path": path, "state": "absent"})
            continue
        command = f"/usr/local/sbin/twin replicate {machine.name} 2>&1 | logger -t twin-replicate"
        files.append({"path": path, "content": f"{_CRON_PATH}\n@{_pace(machine)} root {command}\n"})
    return {"files": files, "units": [], "gone": []}


def _pace(machine: Machine) -> int:
    """Seconds between two replications."""
    return max(machine.rpo // 2, 1)


def _units_of(machines: Iterable[Machine]) -> dict[str, list[dict[str, Any]]]:
    """For systemd, which knows how to replicate any machine; see templates of role replication."""
    arguments: dict[str, list[dict[str, Any]]] = {"files": [], "units": [], "gone": []}
    for machine in machines:
        timer = f"twin-replicate@{machine.name}.timer"
        path = f"/etc/systemd/system/{timer}.d/rpo.conf"
        if machine.state == "absent":
            arguments["files"].append({"path": path, "state": "absent"})
            arguments["gone"].append({"name": timer, "enabled": False, "active": False})
            continue
        pace = _pace(machine)
        arguments["files"].append(
            {
                "path": path,
                "content": f"[Timer]\nOnActiveSec={pace}s\nOnUnitInactiveSec={pace}s\n",
                "restart": [timer],
            }
        )
        arguments["units"].append({"name": timer, "enabled": True, "active": True})
    return arguments


def replicas_of(machines: Iterable[Machine], server: str) -> list[dict[str, Any]]:
    """The machines that have to have a replica, as module machine_replica wants them."""
    return [
        {"name": machine.name, "planned": machine.home == server}
        for machine in machines
        if machine.state != "absent"
    ]


def migration_target(twin: Twin, machines: Collection[str], request: Mapping[str, Any]) -> str:
    """The server that a migration goes to.

    :param machines: the names of all machines.
    :param request: ``machines``, names; or ``server``, whose machines all leave it; and ``to``, which is the
        other server then. All of it is text that people have typed.
    :raises Refused: with every fault of the request.
    """
    servers = " or ".join(twin.servers)
    names, source, target = (request.get(key) or "" for key in ("machines", "server", "to"))
    if not names and not source:
        raise Refused(
            "nothing is named to be moved",
            remedy=f"name a machine ({', '.join(machines)}), or the server that they leave ({servers})",
        )
    if source and not target:
        target = next((server for server in twin.servers if server != source), "")
    faults = [
        f"machine {name} is not declared; name one of {', '.join(machines)}"
        for name in names
        if name not in machines
    ]
    faults += [
        f"server {server or '(none)'} is none of the pair; name {servers}"
        for server in dict.fromkeys((source or target, target))
        if server not in twin.servers
    ]
    if source and source == target:
        faults.append(f"machines of {source} cannot move to {source}; name the other server")
    if faults:
        raise Refused("; ".join(faults))
    return str(target)


def evacuated(records: Iterable[Mapping[str, Any]], server: str) -> list[str]:
    """The machines that a server owns, those of the highest priority first.

    :param records: what module machine_info says there.
    """
    owned = [record for record in records if record["owner"] == server]
    owned.sort(key=lambda record: (-((record["machine"] or {}).get("priority") or 0), record["name"]))
    return [record["name"] for record in owned]


def migration_report(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What moves have cost, as data (``moves``) and for people (``lines``).

    :param results: what module machine_move returned for each machine; announced moves have cost nothing yet.
    """
    moves = [move for result in results for move in result.get("measured", ())]
    lines = []
    for move in moves:
        lines.append(f"server: {move['to']}")
        lines.append(f"machine: {move['machine']}, from {move['from']}")
        lines += [
            f"round {number}: {each['bytes']} bytes sent in {each['seconds']} s"
            for number, each in enumerate(move["rounds"], 1)
        ]
        lines.append(f"downtime: {move['downtime_s']} s")
    announced = [sentence for result in results for sentence in result.get("plan", ())]
    return {"moves": moves, "lines": lines or announced or ["nothing to move"]}
