#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_removal
short_description: Remove what a server has of machines, with their data
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Stops each machine, removes its definition, destroys its datasets with their snapshots, and forgets its
    moves and replications. What the server has of it may be the machine itself or its replica.
  - Its data is gone for good after that, so its name must stand in O(allow_destroy).
  - A machine that is being moved is refused, and so is one whose snapshots are held by others than this
    collection, or have clones elsewhere.
  - The other server is left alone. Remove a machine where it lives before its replica, or it is replicated
    again; role P(twin.datacenter.machine#role) does so for machines with C(state=absent).
options:
  machines:
    description: The names of the machines.
    type: list
    elements: str
    required: true
  kept:
    description:
      - Whether only the root file systems go that are kept of older images, see
        M(twin.datacenter.machine_upgrade). The machine and its data stay.
      - Remove them from both servers in one task, or they are replicated again.
    type: bool
    default: false
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
seealso:
  - module: twin.datacenter.machine_info
"""

EXAMPLES = r"""
- name: Remove machine ssa and its data from this server
  twin.datacenter.machine_removal:
    machines: [ssa]
    allow_destroy: [ssa]

- name: Give up the way back to older images of machine ssa
  twin.datacenter.machine_removal:
    machines: [ssa]
    kept: true
    allow_destroy: [ssa]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample:
    - stop machine ssa
    - remove the definition of machine ssa
    - destroy tank/machines/ssa, tank/machines/ssa/data, tank/machines/ssa/root with all snapshots
    - forget the moves and the replication of machine ssa
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.removal import (
    apply_removal,
    parse_removals,
    plan_removals,
    read_removals,
)

OPTIONS = {
    "machines": {"type": "list", "elements": "str", "required": True},
    "kept": {"type": "bool", "default": False},
    **ALLOW_DESTROY,
}
SUBJECT = Subject(OPTIONS, parse_removals, read_removals, plan_removals, apply_removal)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
