# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests of Proxmox VE as machines of the inventory, in the words of the other platforms. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

INTERFACES: Mapping[str, str] = {"lxc": "interfaces", "qemu": "agent/network-get-interfaces"}
"""By kind, the call that tells the addresses of a guest that runs."""


def records(resources: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The machines among what ``cluster/resources`` tells; templates are none.

    Of a node that is off Proxmox VE says ``unknown`` as the state of its guests.
    """
    return [
        _record(item)
        for item in sorted(resources, key=lambda item: int(item.get("vmid", 0)))
        if item.get("type") in INTERFACES and not item.get("template")
    ]


def _record(item: Mapping[str, Any]) -> dict[str, Any]:
    """As ``twin info`` of the other platforms; what Proxmox VE keeps elsewhere, or does not know, is None."""
    return {
        "name": str(item.get("name") or item["vmid"]),
        "kind": item["type"],
        "state": item.get("status", "unknown"),
        "owner": item["node"],
        "epoch": None,
        "role": "owner",
        "image": None,
        "addresses": [],
        "replicated": None,
        "late": None,
        "machine": None,
        "error": None,
        "vmid": int(item["vmid"]),
        "pool": item.get("pool") or None,
        "tags": [tag for tag in re.split(r"[;,\s]+", str(item.get("tags") or "")) if tag],
    }


def distinct(
    machines: Iterable[dict[str, Any]], servers: Iterable[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Those machines whose names mean them alone, and a sentence on each name of others."""
    named: dict[str, list[dict[str, Any]]] = {}
    for machine in machines:
        named.setdefault(machine["name"], []).append(machine)
    clear, faults, taken = [], [], set(servers)
    for name, found in named.items():
        if len(found) == 1 and name not in taken:
            clear += found
            continue
        who = " and ".join(f"{each['vmid']} on {each['owner']}" for each in found)
        said = f"guests {who} share" if len(found) > 1 else f"guest {who} has"
        of = "a server's name" if name in taken else "the name"
        faults.append(
            f"{said} {of} {name}, so that no machine of this name is in the inventory;"
            " give each a name of its own."
        )
    return clear, faults


def addresses(answer: Any) -> list[str]:
    """The addresses in what a call of `INTERFACES` tells, without those that mean its own link alone.

    Before release 9 containers tell one of each family alone (``inet``, ``inet6``).
    """
    interfaces = answer.get("result") if isinstance(answer, Mapping) else answer
    told: list[str] = []
    for interface in interfaces or ():
        listed = interface.get("ip-addresses") or ()
        told += [f"{each['ip-address']}/{each['prefix']}" for each in listed]
        told += [interface[key] for key in ("inet", "inet6") if key in interface]
    return [address for address in dict.fromkeys(told) if not _of_link(address)]


def _of_link(address: str) -> bool:
    ip = ipaddress.ip_interface(address)
    return ip.is_loopback or ip.is_link_local
