# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: migration_target
short_description: Check what is to be moved, and say where to
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Checks a request to move machines, which may be answers to a survey, and fails with every fault at once.
  - No host is contacted.
positional: _input, twin, machines
extends_documentation_fragment:
  - twin.datacenter.filters.twin
  - twin.datacenter.filters.machines
options:
  _input:
    description:
      - Either C(machines), a list of names, or C(server), all of whose machines leave it.
      - C(to) is the server that they are moved to; with C(server) it is by default the other one.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say where the machines of castor go
  ansible.builtin.debug:
    msg: "{{ {'server': 'castor'} | twin.datacenter.migration_target(twin, machines) }}"
"""

RETURN = r"""
_value:
  description: The server that the machines are moved to.
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._machine import arguments
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import parse_declaration
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def migration_target(request: Mapping[str, Any], twin: Mapping[str, Any], machines: Mapping[str, Any]) -> str:
    """The server that a migration goes to."""
    pair, parsed = parse_declaration(twin, machines)
    return arguments.migration_target(pair, parsed, request)


FilterModule = filter_module(migration_target)
