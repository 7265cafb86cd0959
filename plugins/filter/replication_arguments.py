# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: replication_arguments
short_description: What the modules are told about the replication of machines
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Gives, for every machine, how often systemd or cron has it replicated, twice within its C(rpo), and
    which ones this server is about to make.
positional: _input, twin, server
extends_documentation_fragment:
  - twin.datacenter.filters.of_machines
  - twin.datacenter.filters.twin
  - twin.datacenter.filters.server
"""

EXAMPLES = r"""
- name: How often each machine is replicated
  twin.datacenter.files:
    files: "{{ (machines | twin.datacenter.replication_arguments(twin, 'castor')).files }}"
"""

RETURN = r"""
_value:
  description:
    - The C(files) of M(twin.datacenter.files), the C(units) of M(twin.datacenter.units) and the C(replicas),
      which are the machines of M(twin.datacenter.machine_replica).
    - The C(gone) units are those of machines with C(state=absent).
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._machine.arguments import (
    replicas_of,
    timers_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import parse_declaration
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def replication_arguments(
    machines: Mapping[str, Any], twin: Mapping[str, Any], server: str
) -> dict[str, Any]:
    """The files, units and first replicas of all machines."""
    parsed_twin, parsed = parse_declaration(twin, machines)
    timers = timers_of(parsed.values(), parsed_twin.platform)
    return {**timers, "replicas": replicas_of(parsed.values(), server)}


FilterModule = filter_module(replication_arguments)
