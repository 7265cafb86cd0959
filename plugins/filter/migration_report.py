# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: migration_report
short_description: What the moves of machines have cost
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Sums up what M(twin.datacenter.machine_move) returned for each machine.
options:
  _input:
    description: The results of M(twin.datacenter.machine_move).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what the moves have cost
  ansible.builtin.debug:
    msg: "{{ (moved.results | twin.datacenter.migration_report).lines }}"
"""

RETURN = r"""
_value:
  description:
    - The C(moves), each with its machine, servers, bytes of each round and downtime, and the same as
      C(lines) for people.
    - Where moves were only announced, the lines are the announcement.
  type: dict
"""

from ansible_collections.twin.datacenter.plugins.module_utils._machine.arguments import migration_report
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module

FilterModule = filter_module(migration_report)
