#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_replica
short_description: Give each machine of a server its first replica on the other one
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Sends every machine that this server owns, and that was never sent, to the other server, so that a later
    move is an increment.
  - A machine that has a replica is left alone, however old that is; keeping replicas recent is what the
    timers of role P(twin.datacenter.replication#role) do. A machine that the other server owns is left
    alone too.
  - It is what C(twin replicate) does.
options:
  machines:
    description: The machines.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the machine.
        type: str
        required: true
      planned:
        description:
          - Whether this server is about to make the machine, where no server has it yet. Check mode announces
            a replica for it.
        type: bool
        default: false
extends_documentation_fragment:
  - twin.datacenter.attributes
seealso:
  - module: twin.datacenter.machine_info
  - module: twin.datacenter.machine_move
"""

EXAMPLES = r"""
- name: Make a replica of machine ssa, should it have none
  twin.datacenter.machine_replica:
    machines:
      - name: ssa
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["make the first replica of machine ssa on the other server"]
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._machine.replica import (
    Wanted,
    apply_replica,
    parse_machines,
    plan_replicas,
    read_replicas,
)

OPTIONS = {
    "machines": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "planned": {"type": "bool", "default": False},
        },
    },
}


def wanted(params: Mapping[str, Any]) -> tuple[Wanted, ...]:
    return parse_machines(params["machines"])


SUBJECT = Subject(OPTIONS, wanted, read_replicas, plan_replicas, apply_replica)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
