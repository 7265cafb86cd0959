#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_pool
short_description: Pools of Proxmox VE, with their guests and storages
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes, changes and removes any number of pools, and puts guests and storages into them.
  - Needs the privilege C(Pool.Allocate) on C(/pool/NAME), also of a pool that a guest is moved out of, to
    read C(Pool.Audit); C(VM.Allocate) on guests and C(Datastore.Allocate) on storages that are put in or
    taken out.
options:
  pools:
    description: The pools.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the pool. V(prod/web) lies within V(prod); there are at most three levels.
        type: str
        required: true
      comment:
        description: What it is for.
        type: str
      guests:
        description:
          - Numbers of all guests of the pool. Without it they stay as they are.
          - A guest that is in another pool moves here.
        type: list
        elements: int
      storages:
        description: Names of all storages of the pool. Without it they stay as they are.
        type: list
        elements: str
      state:
        description: Whether the pool exists. Its members are taken out of it before it is removed; they stay.
        type: str
        choices: [present, absent]
        default: present
  purge:
    description:
      - Whether to remove the pools in O(scope) that are not listed.
      - Without it nothing is ever deleted by omission.
    type: bool
    default: false
  scope:
    description: A pattern of names, such as V(lab-*), that O(purge) keeps to. Required with O(purge=true).
    type: str
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: Two pools, one in the other
  twin.datacenter.pve_pool:
    api_host: castor.example.org
    api_user: ansible@pve
    api_token_id: pools
    api_token_secret: "{{ vault_pve_token }}"
    pools:
      - name: prod
        comment: Production
      - name: prod/web
        guests: [100, 101]
        storages: [local-zfs]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [create pool prod with comment Production, "change pool prod/web: set guests from 100 to 100, 101"]
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import PURGE, Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.pool import POOL
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource import Wanted, make, parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource_host import apply, read

OPTIONS = {
    "pools": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "comment": {"type": "str"},
            "guests": {"type": "list", "elements": "int"},
            "storages": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    **PURGE,
    **ACCESS,
}


def wanted(params: Mapping[str, Any]) -> Wanted:
    return parse_wanted(POOL, map(POOL.item, params["pools"]), params)


SUBJECT = Subject(
    OPTIONS, wanted, partial(read, POOL), partial(make, POOL), partial(apply, POOL), host=pve_host
)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
