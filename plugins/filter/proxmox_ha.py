# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: proxmox_ha
short_description: Failover as declared, in the words of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes the options of M(twin.datacenter.pve_ha_resource) and M(twin.datacenter.pve_ha_rule) out of the keys
    C(home), C(failover), C(together) and C(apart) of machines.
  - The manager lets go of machines that do not fail over by themselves, and of those whose C(state) is
    V(absent).
  - Fails with every trap of failover between two servers that the declaration would fall into, a sentence
    each.
  - No host is contacted.
positional: _input, machines, ids
options:
  ids:
    description: The numbers of guests, by the names of the machines. A machine without one is left out.
    type: dict
    required: true
  release:
    description: The release of Proxmox VE, such as V(9.2.11). Before version 9, groups stand in place of
      rules.
    type: str
    required: true
  mapped:
    description:
      - The servers that each mapping of devices has lines for, by its name.
      - Without it the devices of machines are not checked.
    type: dict
extends_documentation_fragment:
  - twin.datacenter.filters.of_twin
  - twin.datacenter.filters.machines
"""

EXAMPLES = r"""
- name: Let the guests fail over as they are declared
  twin.datacenter.pve_ha_resource:
    resources: "{{ (twin | twin.datacenter.proxmox_ha(machines, {'ssa': 100}, release='9.2.11')).resources }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:resources) and RV(ignore:rules) are options of the modules.
    - Of version 9 the resources have to be there before the rules, of version 8 the groups before the
      resources.
  type: dict
"""

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._ha import proxmox8, proxmox9
from ansible_collections.twin.datacenter.plugins.module_utils._ha.lint import faults
from ansible_collections.twin.datacenter.plugins.module_utils._ha.model import policy_of
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    parse_declaration,
    to_mapping,
)
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def proxmox_ha(
    twin: Mapping[str, Any],
    machines: Mapping[str, Any],
    ids: Mapping[str, int],
    release: str,
    mapped: Mapping[str, Collection[str]] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Options of pve_ha_resource and pve_ha_rule."""
    pair, parsed = parse_declaration(twin, machines)
    policy = policy_of(to_mapping(pair), {name: to_mapping(machine) for name, machine in parsed.items()})
    traps = faults(policy, mapped)
    if traps:
        raise Refused("\n".join(traps), faults=traps)
    major = str(release).partition(".")[0]
    if not major.isdecimal():
        raise Refused("release", f"{release!r} is no release of Proxmox VE", "write one such as 9.2.11")
    dialect = proxmox8 if int(major) < 9 else proxmox9
    return dialect.dialect(policy, ids)


FilterModule = filter_module(proxmox_ha)
