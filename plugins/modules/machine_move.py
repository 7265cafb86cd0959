#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_move
short_description: Move a machine to a server of its pair
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Moves a machine with its data to the other server, cold, with a downtime of seconds. What it has is sent
    while it runs, in rounds; then it is stopped, the rest is sent, and it is started there.
  - Before the machine is handed over every failure ends with the machine running where it was; after that,
    on the other server.
  - May be run on either server of the pair. The move itself is a process of the server which owns the machine
    (C(twin move)). It goes on, or takes itself back, when this task, its connection or the controller dies.
    Run again, the task waits for a move that is under way, and finishes one that was interrupted.
  - In check mode both servers are asked for everything that stands against the move, all of it at once.
    The plan then tells how many bytes will be sent at most, and for how long the machine will not answer.
  - On Proxmox VE the guest is migrated within the cluster; one that is under high availability is moved by
    its manager.
  - From a playbook the action plugin of the same name shows the progress of the move.
extends_documentation_fragment:
  - twin.datacenter.attributes
options:
  name:
    description: The machine.
    type: str
    required: true
  to:
    description: The server on which it is to be.
    type: str
    required: true
seealso:
  - module: twin.datacenter.machine_info
"""

EXAMPLES = r"""
- name: Move machine ssa to server pollux
  twin.datacenter.machine_move:
    name: ssa
    to: pollux
"""

RETURN = r"""
plan:
  description: What was done, or would be done, as sentences.
  returned: always
  type: list
  elements: str
measured:
  description: What the move has cost.
  returned: when the machine was moved
  type: list
  elements: dict
  contains:
    machine:
      description: The machine.
      type: str
      returned: always
    from:
      description: The server on which it was.
      type: str
      returned: always
    to:
      description: The server on which it is.
      type: str
      returned: always
    rounds:
      description: Bytes and seconds of each round, the last one with the machine stopped.
      type: list
      elements: dict
      returned: always
    bytes:
      description: What was sent in all rounds.
      type: int
      returned: always
    downtime_s:
      description: Seconds from the stop until the machine answered again.
      type: float
      returned: always
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._machine.job import apply, plan, read, wanted_of

OPTIONS = {"name": {"type": "str", "required": True}, "to": {"type": "str", "required": True}}
SUBJECT = Subject(OPTIONS, wanted_of, read, plan, apply)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
