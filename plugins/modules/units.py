#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: units
short_description: Enable, start and stop units of systemd and services of FreeBSD
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Says of any number of units whether they start at boot and whether they run, by one look at the
    host.
  - On Linux these are units of systemd, on FreeBSD the services of rc(8). There a service is started and
    stopped whether or not it is enabled, and asked again, for service(8) may say nothing of a failure.
  - In check mode a unit that the host does not know reads as one that is stopped and disabled, for
    its package may be about to be installed.
options:
  units:
    description: The units.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, for systemd with its type. V(chrony.service), or on FreeBSD V(ntpd).
        type: str
        required: true
      enabled:
        description: Whether it starts at boot. Without it that is left alone.
        type: bool
      active:
        description:
          - Whether it runs. Without it that is left alone.
          - Means nothing for services of FreeBSD which start no program that goes on running.
        type: bool
extends_documentation_fragment:
  - twin.datacenter.attributes
"""

EXAMPLES = r"""
- name: Services of a server
  twin.datacenter.units:
    units:
      - name: chrony.service
        enabled: true
        active: true
      - name: lxc-net.service
        enabled: false
        active: false

- name: Services of a FreeBSD server
  twin.datacenter.units:
    units:
      - name: ntpd
        enabled: true
        active: true
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["enable chrony.service", "start chrony.service"]
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._system.host import apply_unit, read_units
from ansible_collections.twin.datacenter.plugins.module_utils._system.units import (
    Unit,
    parse_units,
    plan_units,
)

OPTIONS = {
    "units": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "enabled": {"type": "bool"},
            "active": {"type": "bool"},
        },
    },
}


def wanted(params: Mapping[str, Any]) -> tuple[Unit, ...]:
    return parse_units(params["units"])


SUBJECT = Subject(OPTIONS, wanted, read_units, plan_units, apply_unit)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
