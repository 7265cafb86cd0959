#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: rc_conf
short_description: Set variables of rc.conf, loader.conf and sysctl.conf on FreeBSD
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Sets and removes any number of variables, by one look at each file.
  - Files of shell, such as C(/etc/rc.conf), are read and written by sysrc(8), which knows in which of the
    files of rc.conf(5) a variable is set. A default counts as not set, for another release may have another.
  - Files below C(/boot) and C(/etc/sysctl.conf) are no shell, and sysrc(8) refuses the names of tunables.
    Their lines are edited in place; comments and all other lines are kept.
  - A file of the loader is read at boot. As long as kenv(1) shows that the kernel was given another value of
    a tunable, the plan says that a boot is owed. A variable of C(/etc/sysctl.conf) is set in the running
    kernel too, if that has it. Files of shell are read when a service starts.
  - Values appear in plan and diff, so they must not be secrets.
options:
  variables:
    description: The variables.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the variable, such as V(jail_enable) or V(kern.racct.enable).
        type: str
        required: true
      file:
        description:
          - The file that sets it.
          - Without it these are C(/etc/rc.conf) and the other files of rc.conf(5).
        type: path
      value:
        description:
          - The whole value. A boolean is written as V(YES) or V(NO), for a tunable as V(1) or V(0).
          - For a boolean, and for every variable whose name ends with C(_enable), V(YES), V(true), V(on) and
            V(1) in any case are the same value, as for rc.subr(8).
        type: raw
      add:
        description: Words which the value, a list of words, must have. The others are kept.
        type: list
        elements: str
        default: []
      remove:
        description: Words which the value, a list of words, must not have. The others are kept.
        type: list
        elements: str
        default: []
      state:
        description:
          - Whether the variable is set. V(absent) removes it from the file, or from all files of rc.conf(5).
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - twin.datacenter.attributes
"""

EXAMPLES = r"""
- name: Jails, with limits
  twin.datacenter.rc_conf:
    variables:
      - name: jail_enable
        value: true
      - name: jail_list
        add: [web, db]
      - name: cloned_interfaces
        add: [bridge0]
        remove: [bridge1]
      - name: jail_parallel_start
        state: absent
      - name: kern.racct.enable
        value: 1
        file: /boot/loader.conf
      - name: net.link.bridge.pfil_member
        value: 0
        file: /etc/sysctl.conf
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample:
    - set jail_enable from NO to YES
    - boot to give the kernel kern.racct.enable 1 (owed)
    - set kern.racct.enable in /boot/loader.conf to 1, for the next boot
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._system.rc import (
    Variable,
    parse_variables,
    plan_variables,
)
from ansible_collections.twin.datacenter.plugins.module_utils._system.rc_host import (
    apply_variable,
    read_variables,
)

WORDS = {"type": "list", "elements": "str", "default": []}
OPTIONS = {
    "variables": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "file": {"type": "path"},
            "value": {"type": "raw"},
            "add": WORDS,
            "remove": WORDS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
}


def wanted(params: Mapping[str, Any]) -> tuple[Variable, ...]:
    return parse_variables(params["variables"])


SUBJECT = Subject(OPTIONS, wanted, read_variables, plan_variables, apply_variable)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
