# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: declaration
short_description: Check the declaration of a pair and its machines
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Checks the pair, each machine and the rules between them, and fails with every fault at once,
    a sentence each.
  - No host is contacted.
positional: _input, machines
extends_documentation_fragment:
  - twin.datacenter.filters.of_twin
  - twin.datacenter.filters.machines
"""

EXAMPLES = r"""
- name: Check the declaration before any host is contacted
  ansible.builtin.set_fact:
    __machines: "{{ twin | twin.datacenter.declaration(machines) }}"
"""

RETURN = r"""
_value:
  description: The machines by their names, each with every key that has a default.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    parse_declaration,
    to_mapping,
)
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def declaration(twin: Mapping[str, Any], machines: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The machines with their defaults filled in."""
    parsed = parse_declaration(twin, machines)[1]
    return {name: to_mapping(machine) for name, machine in parsed.items()}


FilterModule = filter_module(declaration)
