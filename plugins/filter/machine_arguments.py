# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: machine_arguments
short_description: What the modules are told about the machines of a server
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Finds the machines that a server looks after, which are those that it owns and its own that nobody has
    yet, and gives the options of the modules that bring them about.
  - Fails when a machine is nowhere to be seen while a server is silent, for it may be there.
positional: _input, twin, server, answers, playing, defined
extends_documentation_fragment:
  - twin.datacenter.filters.of_machines
  - twin.datacenter.filters.twin
  - twin.datacenter.filters.server
options:
  answers:
    description: By the name of each server what M(twin.datacenter.machine_info) said there, or null.
    type: dict
    required: true
  playing:
    description: The servers that this run is for.
    type: list
    elements: str
    required: true
  defined:
    description: Names of the machines that the server has a definition of.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: The datasets of all machines of this server
  vars:
    __answers: {castor: "{{ __castor.machines }}", pollux: "{{ __pollux.machines }}"}
    __arguments: >-
      {{ machines | twin.datacenter.machine_arguments(twin, 'castor', __answers, ansible_play_hosts) }}
  twin.datacenter.zfs_dataset:
    datasets: "{{ __arguments.datasets }}"
"""

RETURN = r"""
_value:
  description:
    - The C(names) of the machines, and for them the C(datasets) of M(twin.datacenter.zfs_dataset), the
      C(folders) of M(twin.datacenter.files), the C(containers) of M(twin.datacenter.lxc_container) and the
      C(jails) of M(twin.datacenter.jail).
    - The C(upgrades) are the machines whose root file system is of another image than is declared, as
      M(twin.datacenter.machine_upgrade) wants them. What that module does for them is in none of the others.
    - The C(removals) are names of machines with C(state=absent) for M(twin.datacenter.machine_removal),
      which are C(owned) by the server, or of which it may have C(copies).
  type: dict
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._machine.arguments import (
    data_folders,
    datasets_beside,
    datasets_of,
    items_of,
    machines_here,
    removals_of,
    upgrades_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    Pair,
    Peer,
    parse_declaration,
)
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def machine_arguments(
    machines: Mapping[str, Any],
    twin: Mapping[str, Any],
    server: str,
    answers: Mapping[str, Iterable[Mapping[str, Any]] | None],
    playing: Collection[str],
    defined: Iterable[str] = (),
) -> dict[str, Any]:
    """The options of the modules, for the machines of one server."""
    parsed_twin, parsed = parse_declaration(twin, machines)
    pair = Pair(
        name=parsed_twin.name,
        platform=parsed_twin.platform,
        server=server,
        pool=parsed_twin.pool,
        bridge=parsed_twin.bridge,
        unenforced=parsed_twin.unenforced,
        twin=Peer("", ()),
    )
    here = machines_here(parsed, server, answers)
    upgrades = upgrades_of(here, answers)
    return {
        "names": [machine.name for machine in here],
        "upgrades": {name: machines[name] for name in upgrades},
        "datasets": [
            dataset
            for machine in here
            for dataset in (datasets_beside if machine.name in upgrades else datasets_of)(machine, pair)
        ],
        "folders": data_folders(here, pair, defined),
        **items_of([machine for machine in here if machine.name not in upgrades], pair),
        "removals": removals_of(parsed.values(), server, answers, playing),
    }


FilterModule = filter_module(machine_arguments)
