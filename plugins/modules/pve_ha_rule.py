#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_ha_rule
short_description: Where the HA manager of Proxmox VE runs guests
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes, changes and removes any number of rules of Proxmox VE 9, or groups of Proxmox VE 8.
  - The manager ignores a rule that cannot be met. Proxmox VE refuses to make such a rule; one that has
    become such
    later, by another rule, is reported here.
  - The steps are taken in an order in which Proxmox VE accepts each. A rule that exchanges guests with
    another is
    removed and made anew.
  - On two servers, guests that must be apart are not both recovered - the server that is left may run but
    one of them.
  - Needs the privileges C(Sys.Audit) and C(Sys.Console) on C(/).
options:
  rules:
    description: The rules, or groups.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      type:
        description:
          - V(node-affinity) says on which servers guests run, V(resource-affinity) which guests run
            together or apart.
          - V(group) is what Proxmox VE 8 has instead; guests name theirs in
            M(twin.datacenter.pve_ha_resource).
          - It cannot be changed.
        type: str
        choices: [node-affinity, resource-affinity, group]
        default: node-affinity
      resources:
        description: The guests that a rule is for, V(ct:NUMBER) or V(vm:NUMBER). The manager must look
          after them already.
        type: list
        elements: str
      nodes:
        description:
          - The servers of a node affinity or a group, each with its priority if that matters, such as
            V(castor:2).
          - Guests of a resource affinity may not be in a rule with different priorities.
        type: list
        elements: str
      strict:
        description: Whether the guests may not run on any other server, even if none of O(rules[].nodes) is
          up.
        type: bool
      affinity:
        description: Whether the guests of a resource affinity run together, V(positive), or apart,
          V(negative).
        type: str
        choices: [positive, negative]
      nofailback:
        description: Whether guests of a group stay where they are when a server with a higher priority
          comes up.
        type: bool
      disable:
        description: Whether a rule does not count.
        type: bool
      comment:
        description: What it is for. An empty one is none.
        type: str
      state:
        description: Whether it exists.
        type: str
        choices: [present, absent]
        default: present
  purge:
    description:
      - Whether to remove the rules in O(scope) that are not listed; groups, if there are groups in the list.
      - Without it nothing is ever deleted by omission.
    type: bool
    default: false
  scope:
    description: A pattern of names, such as V(twin-*), that O(purge) keeps to. Required with O(purge=true).
    type: str
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: Castor is the home of two containers, which run together
  twin.datacenter.pve_ha_rule:
    rules:
      - name: home-castor
        nodes: [castor]
        resources: [ct:100, ct:101]
      - name: together-web
        type: resource-affinity
        affinity: positive
        resources: [ct:100, ct:101]

- name: The same home on Proxmox VE 8
  twin.datacenter.pve_ha_rule:
    rules:
      - name: home-castor
        type: group
        nodes: [castor:2, pollux:1]
        nofailback: true
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["create HA rule home-castor with nodes castor, resources ct:100, ct:101, type node-affinity"]
"""

from functools import partial

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import PURGE, Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.ha_rule import KINDS, make, parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource_host import (
    apply_kinds,
    read_kinds,
)

OPTIONS = {
    "rules": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "type": {
                "type": "str",
                "choices": ["node-affinity", "resource-affinity", "group"],
                "default": "node-affinity",
            },
            "resources": {"type": "list", "elements": "str"},
            "nodes": {"type": "list", "elements": "str"},
            "strict": {"type": "bool"},
            "affinity": {"type": "str", "choices": ["positive", "negative"]},
            "nofailback": {"type": "bool"},
            "disable": {"type": "bool"},
            "comment": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    **PURGE,
    **ACCESS,
}
SUBJECT = Subject(
    OPTIONS, parse_wanted, partial(read_kinds, KINDS), make, partial(apply_kinds, KINDS), host=pve_host
)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
