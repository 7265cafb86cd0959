# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: evacuated
short_description: The machines that leave a server, in their order
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Lists the machines that a server owns, those of the highest priority first.
positional: _input, server
extends_documentation_fragment:
  - twin.datacenter.filters.server
options:
  _input:
    description: The machines as M(twin.datacenter.machine_info) tells them on that server.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what would leave castor
  ansible.builtin.debug:
    msg: "{{ castor.machines | twin.datacenter.evacuated('castor') }}"
"""

RETURN = r"""
_value:
  description: The names of the machines.
  type: list
  elements: str
"""

from ansible_collections.twin.datacenter.plugins.module_utils._machine.arguments import evacuated
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module

FilterModule = filter_module(evacuated)
