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
  - Gives, for every machine, how often systemd has it replicated, which is twice within its C(rpo), and
    which ones this server is about to make.
positional: _input, twin, server
options:
  _input:
    description: The machines by their names, the variable C(machines).
    type: dict
    required: true
  twin:
    description: The pair, the variable C(twin).
    type: dict
    required: true
  server:
    description: Name of the server.
    type: str
    required: true
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
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._machine.arguments import (
    replicas_of,
    timers_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import parse_declaration


def replication_arguments(
    machines: Mapping[str, Any], twin: Mapping[str, Any], server: str
) -> dict[str, Any]:
    """The files, units and first replicas of all machines."""
    try:
        parsed = parse_declaration(twin, machines)[1].values()
    except TwinError as error:
        raise AnsibleFilterError(str(error)) from error
    return {**timers_of(parsed), "replicas": replicas_of(parsed, server)}


class FilterModule:
    """Filter ``replication_arguments``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"replication_arguments": replication_arguments}
