# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: proxmox_guests
short_description: Machines as declared, in the words of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Gives the options of the modules that bring the machines of a pair about as guests of a cluster.
  - A machine's number, addresses of cards and UUID come from the names of pair and machine alone.
  - Fails with all that Proxmox VE cannot give to a machine, a sentence each.
  - No host is contacted.
positional: _input, twin, storage
extends_documentation_fragment:
  - twin.datacenter.filters.of_machines
  - twin.datacenter.filters.twin
options:
  storage:
    description: The storage in which each server has its archives of systems.
    type: str
    default: local
"""

EXAMPLES = r"""
- name: The containers of the pair
  twin.datacenter.pve_lxc:
    guests: "{{ (machines | twin.datacenter.proxmox_guests(twin)).containers }}"
"""

RETURN = r"""
_value:
  description:
    - The C(containers) of M(twin.datacenter.pve_lxc), the C(virtual_machines) of M(twin.datacenter.pve_qemu),
      the C(mappings) of M(twin.datacenter.pve_mapping) that their devices ask for, and the C(jobs) of
      M(twin.datacenter.pve_replication).
    - The C(ids) are the numbers of guests by the names of machines, as P(twin.datacenter.proxmox_ha#filter)
      wants them.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    Machine,
    parse_declaration,
    to_mapping,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.guests import (
    guests_of,
    ids_of,
    jobs_of,
    mappings_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._pve.note import Note, print_note
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def proxmox_guests(
    machines: Mapping[str, Any], twin: Mapping[str, Any], storage: str = "local"
) -> dict[str, Any]:
    """The options of the modules, for all machines of a pair."""
    pair, parsed = parse_declaration(twin, machines)
    return {
        "ids": ids_of(parsed, pair.name),
        **guests_of(parsed.values(), pair, storage, _note),
        "mappings": mappings_of(parsed.values(), pair),
        "jobs": jobs_of(parsed.values(), pair),
    }


def _note(machine: Machine) -> str:
    return print_note(Note(machine.name, to_mapping(machine, defaults=False)))


FilterModule = filter_module(proxmox_guests)
