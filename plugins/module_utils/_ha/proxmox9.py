# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy in the words of Proxmox VE 9: what ``pve_ha_resource`` and ``pve_ha_rule`` take. Pure.

Two conditions of the manager on rules shape what is written here; it drops a rule that breaks one, and says
so in its log only (PVE::HA::Rules of pve-ha-manager 5):

* a machine stands in one node affinity rule at most, and machines that run together all stand in the same:
  therefore one rule for each server, with all machines whose home it is;
* machines of a resource affinity rule may stand only in node affinity rules of a single priority: therefore
  that rule names the home alone and is not strict; while the home is down the other server is left.

A machine stays where it landed: with failback the manager would undo every planned move at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .model import Member, Policy

PREFIX = "twin-"
"""How the names of all our rules and groups begin: the scope for purging them."""

_TYPES = {"lxc": "ct", "qemu": "vm"}


def dialect(policy: Policy, ids: Mapping[str, int]) -> dict[str, list[dict[str, Any]]]:
    """``resources`` and ``rules`` of the pair.

    :param ids: the guest's id of each machine; what has none yet is left out.
    """
    homes = [
        {"name": f"{PREFIX}home-{server}", "type": "node-affinity", "nodes": [server], "resources": sids}
        for server in policy.servers
        if (sids := sids_of(policy.at_home(server), ids))
    ]
    companies = [
        {
            "name": f"{PREFIX}together-{company[0].name}",
            "type": "resource-affinity",
            "affinity": "positive",
            "resources": sids,
        }
        for company in policy.companies
        if company[0].failover == "auto" and len(sids := sids_of(company, ids)) > 1
    ]
    resources = [
        {**resource, "failback": False} if resource["state"] != "absent" else resource
        for resource in resources_of(policy, ids)
    ]
    migrated = [
        # What the manager makes of the groups of version 8 when it has been upgraded.
        {"name": f"ha-group-{PREFIX}home-{server}", "state": "absent"}
        for server in policy.servers
    ]
    return {"resources": resources, "rules": migrated + homes + companies}


def resources_of(policy: Policy, ids: Mapping[str, int]) -> list[dict[str, Any]]:
    """Each machine as a resource, in what all versions say alike.

    The manager looks after machines with automatic failover; the others, and those that are gone, are named
    as absent.
    """
    return [
        {
            "sid": sid,
            "state": machine.state,
            "max_restart": 1,
            "max_relocate": 1,
            "comment": f"machine {machine.name}",
        }
        if machine.failover == "auto" and machine.state != "absent"
        else {"sid": sid, "state": "absent"}
        for machine in (*policy.machines.values(), *policy.gone)
        for sid in sids_of([machine], ids)
    ]


def sids_of(machines: Iterable[Member], ids: Mapping[str, int]) -> list[str]:
    """The names of machines among the HA resources ("ct:21"), of those that have an id."""
    return [f"{_TYPES[machine.kind]}:{ids[machine.name]}" for machine in machines if machine.name in ids]
