# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The traps of failover between two servers, found before a machine falls into one. Pure.

The declaration refuses what contradicts itself (failover without a third vote, neighbours whose homes do not
agree). Here stands what only shows when a server dies, or is moved away from:

* a negative affinity is strict for pve-ha-manager: of two such machines one stays in recovery while a
  server is down (ha-manager.adoc), and Pacemaker's colocation of -INFINITY stops one likewise;
* pve-ha-manager knows nothing of the age of a replica, it starts the one that is there (pvesr.adoc);
* it has a watchdog on every node, softdog at least; Pacemaker fences only with what it was given;
* pvesr runs at most once a minute (calendar events have minutes for their smallest unit);
* a PCI address is the place of a device in one server; only a mapping names the same device on both
  (qm.adoc, "Resource Mapping").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from .model import Member, Policy

_PCI_ADDRESS = re.compile(r"(?:[0-9a-f]{4,}:)?[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?", re.IGNORECASE)


def faults(policy: Policy, mapped: Mapping[str, Collection[str]] | None = None) -> list[str]:
    """Every trap that the policy would fall into, a sentence each; none: failover can do what is declared.

    :param mapped: of each mapping of devices the servers that have it; None: not known, so not checked.
    """
    found = [*_neighbours(policy)]
    for machine in policy.machines.values():
        found.extend(_devices(policy, machine, mapped))
        if machine.failover == "auto":
            found.extend(_promises(policy, machine))
    return found


def _neighbours(policy: Policy) -> Iterator[str]:
    for company in policy.companies:
        first = company[0]
        for machine in company[1:]:
            if machine.failover != first.failover:
                yield (
                    f"together of machine {first.name}: it has failover {first.failover} and {machine.name}"
                    f" has {machine.failover}, so a dead server would part them; give them one failover."
                )
    for one, other in policy.rivals:
        for machine, rival in ((one, other), (other, one)):
            if machine.failover == "auto":
                yield (
                    f"apart of machine {machine.name}: when {machine.home} dies only the server of"
                    f" {rival.name} is left, so {machine.name} is not started there;"
                    " use failover manual, or drop apart."
                )


def _promises(policy: Policy, machine: Member) -> Iterator[str]:
    """What automatic failover on this platform cannot keep."""
    of = f"of machine {machine.name}"
    if policy.platform != "proxmox":
        if not policy.fenced:
            yield (
                f"failover {of}: auto without fencing may run it on both servers at once;"
                " declare fencing of twin, or use manual."
            )
        return
    if not machine.start_stale:
        yield (
            f"start_stale {of}: Proxmox VE starts the replica that is there, however old;"
            " accept that with start_stale: true, or use failover manual."
        )
    if machine.rpo < 60:
        yield f"rpo {of}: {machine.rpo}s; Proxmox VE replicates once a minute at most; use 1m or more."


def _devices(policy: Policy, machine: Member, mapped: Mapping[str, Collection[str]] | None) -> Iterator[str]:
    """Whether the other server has the devices too; a machine that never goes there need not ask."""
    if machine.failover == "none":
        return
    for device in machine.devices:
        name = device.get("mapping") if isinstance(device, Mapping) else device
        what = f"devices of machine {machine.name}"
        if not isinstance(name, str) or name.startswith("/"):
            continue  # a node of /dev: whether both servers have it is a question of parity
        if _PCI_ADDRESS.fullmatch(name):
            yield (
                f"{what}: {name} is a place in one server; map the device of both servers under one name"
                " and write that name."
            )
        elif mapped is not None:
            missing = [server for server in policy.servers if server not in mapped.get(name, ())]
            if missing:
                yield f"{what}: mapping {name} has none of {' and '.join(missing)}; map one of each server."
