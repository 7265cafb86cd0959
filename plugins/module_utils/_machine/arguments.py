# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the declaration to the options of the modules that bring a server's machines about.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._core.errors import Refused
from .._core.values import format_size
from .declaration import Machine, Pair, to_property
from .kinds import container_item, dataset_of
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
    new = [name for name, machine in machines.items() if name not in picture and machine.home == server]
    if new and silent:
        raise Refused(
            f"machine {new[0]} cannot be made on {server}",
            f"{' and '.join(silent)} does not answer and may already have it",
            f"bring {silent[0]} up first",
        )
    return [
        machine
        for name, machine in machines.items()
        if (picture[name]["server"] == server if name in picture else machine.home == server)
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
            "origin": f"{pair.pool}/images/{machine.image}@base",
            "properties": limit,
            "mounted": True,
        },
        {"name": f"{top}/data", "properties": limit, "mounted": True},
    ]


def containers_of(machines: Iterable[Machine], pair: Pair) -> list[dict[str, Any]]:
    """The containers of machines, as module lxc_container wants them.

    A machine is taken to answer when its system is up: the service that its ``check`` asks for is
    brought by others, later.
    """
    return [{**container_item(machine, pair), "check": None} for machine in machines if machine.kind == "lxc"]


def data_folders(machines: Iterable[Machine], pair: Pair, defined: Iterable[str]) -> list[dict[str, Any]]:
    """The data folders of machines that are being made, as module files wants them.

    A fresh dataset is root's on the server, whom an unprivileged machine cannot even see. Once the
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
        if machine.name not in known and not machine.options.get("privileged")
    ]


def timers_of(machines: Iterable[Machine]) -> dict[str, list[dict[str, Any]]]:
    """The timers of replication, as modules files and units want them.

    Both servers have all of them: the one that does not own a machine leaves it alone. A replica is
    made twice within the machine's ``rpo``, so that one failure is no breach.
    """
    arguments: dict[str, list[dict[str, Any]]] = {"files": [], "units": []}
    for machine in machines:
        timer = f"twin-replicate@{machine.name}.timer"
        arguments["files"].append(
            {
                "path": f"/etc/systemd/system/{timer}.d/rpo.conf",
                "content": f"[Timer]\nOnUnitInactiveSec={max(machine.rpo // 2, 1)}s\n",
                "restart": [timer],
            }
        )
        arguments["units"].append({"name": timer, "enabled": True, "active": True})
    return arguments
