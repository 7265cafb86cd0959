#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_ha_resource
short_description: Guests that the HA manager of Proxmox VE looks after
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Puts any number of guests into the care of the HA manager, changes how it treats them, and takes them
    out of it.
  - The manager starts a guest of a dead server on another one, so it must find the disks there - on shared
    storage, or
    as a replica (M(twin.datacenter.pve_replication)) which may be as old as the interval of its job.
  - A guest that is taken out of its care keeps running; Proxmox VE takes it out of all rules too.
  - Needs the privileges C(Sys.Audit) and C(Sys.Console) on C(/).
options:
  resources:
    description: The guests.
    type: list
    elements: dict
    required: true
    suboptions:
      sid:
        description: The guest, V(ct:NUMBER) for a container or V(vm:NUMBER) for a virtual machine.
        type: str
        required: true
      state:
        description:
          - What the manager sees to.
          - V(stopped) is stopped and still moved away from a dead server, V(disabled) is neither,
            V(ignored) is left alone as if it were not listed, V(absent) is not looked after.
          - A guest that is new and has none here is V(started).
        type: str
        choices: [started, stopped, disabled, ignored, absent]
      failback:
        description:
          - Whether it goes back by itself to the server that a rule prefers, once that is up again.
          - With it a planned move away from there is undone at once.
          - Proxmox VE 9 only; version 8 has it as C(nofailback) of a group (M(twin.datacenter.pve_ha_rule)).
        type: bool
      max_restart:
        description: How often a start that failed is tried again on the same server.
        type: int
      max_relocate:
        description: On how many other servers a start is tried after that.
        type: int
      group:
        description: The group of servers that it belongs to. Proxmox VE 8 only.
        type: str
      comment:
        description: What it is for. An empty one is none.
        type: str
  purge:
    description:
      - Whether to take the guests in O(scope) that are not listed out of the manager's care.
      - Without it nothing is ever deleted by omission.
    type: bool
    default: false
  scope:
    description: A pattern of guests, such as V(ct:*), that O(purge) keeps to. Required with O(purge=true).
    type: str
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: A container that fails over and stays where it landed
  twin.datacenter.pve_ha_resource:
    resources:
      - sid: ct:100
        state: started
        failback: false
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["create HA resource ct:100 with failback no, state started"]
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import PURGE, Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.ha_resource import HA_RESOURCE, item
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource import Wanted, make, parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource_host import apply, read

OPTIONS = {
    "resources": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "sid": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "disabled", "ignored", "absent"]},
            "failback": {"type": "bool"},
            "max_restart": {"type": "int"},
            "max_relocate": {"type": "int"},
            "group": {"type": "str"},
            "comment": {"type": "str"},
        },
    },
    **PURGE,
    **ACCESS,
}


def wanted(params: Mapping[str, Any]) -> Wanted:
    return parse_wanted(HA_RESOURCE, map(item, params["resources"]), params)


SUBJECT = Subject(
    OPTIONS,
    wanted,
    partial(read, HA_RESOURCE),
    partial(make, HA_RESOURCE),
    partial(apply, HA_RESOURCE),
    host=pve_host,
)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
