# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy in the words of Proxmox VE 8, which knows groups of nodes instead of rules. Pure.

A group carries what version 9 says of a resource (``nofailback``) and of a rule (nodes with priorities).
There is no affinity between guests: machines that run together share a home, so a dying server sends them the
same way; what would part them is a relocation of one alone after failed starts, so they are not relocated.

Each server has its group, also when it is the home of none: a group cannot be removed before the last guest
has left it, and has to be there before the first one comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import Policy
from .proxmox9 import PREFIX, resources_of, sids_of


def dialect(policy: Policy, ids: Mapping[str, int]) -> dict[str, list[dict[str, Any]]]:
    """``resources`` and ``rules`` of the pair, the latter being groups, which have to be there first.

    :param ids: the guest's id of each machine; what has none yet is left out.
    """
    group_of = {
        sid: f"{PREFIX}home-{server}"
        for server in policy.servers
        for sid in sids_of(policy.at_home(server), ids)
    }
    joined = {sid for company in policy.companies for sid in sids_of(company, ids)}
    groups = [
        {
            "name": f"{PREFIX}home-{server}",
            "type": "group",
            "nodes": [f"{server}:2", *(f"{other}:1" for other in policy.servers if other != server)],
            "strict": True,
            "nofailback": True,
        }
        for server in policy.servers
    ]
    resources = [
        {
            **resource,
            "group": group_of[resource["sid"]],
            **({"max_relocate": 0} if resource["sid"] in joined else {}),
        }
        if resource["state"] != "absent"
        else resource
        for resource in resources_of(policy, ids)
    ]
    return {"resources": resources, "rules": groups}
