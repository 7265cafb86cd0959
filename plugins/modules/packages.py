#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: packages
short_description: Install packages of a Debian or FreeBSD server
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Installs what is missing, in one go, from whatever sources the host has. Nothing is upgraded or
    removed, and recommended packages stay away.
  - Unlike M(ansible.builtin.apt) it needs no Python package on the host, so check mode works on a
    server that has nothing but Python.
  - Lists of packages are fetched only when something is to be installed. On FreeBSD pkg(8) itself comes
    with the first package.
options:
  packages:
    description: Names of packages.
    type: list
    elements: str
    default: []
  by_kernel:
    description: Packages that depend on what the running kernel has.
    type: list
    elements: dict
    default: []
    suboptions:
      module:
        description: Name of a kernel module.
        type: str
        required: true
      present:
        description: Packages for a kernel that has it.
        type: list
        elements: str
        default: []
      absent:
        description: Packages for a kernel that has it not.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - twin.datacenter.attributes
"""

EXAMPLES = r"""
- name: Packages of a server
  twin.datacenter.packages:
    packages: [chrony, lxc]
    by_kernel:
      - module: zfs
        present: [zfsutils-linux]
        absent: [zfs-fuse]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["install chrony, lxc, zfs-fuse"]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._system.host import (
    apply_packages,
    read_packages,
)
from ansible_collections.twin.datacenter.plugins.module_utils._system.packages import (
    parse_packages,
    plan_packages,
)

NAMES = {"type": "list", "elements": "str", "default": []}
OPTIONS = {
    "packages": NAMES,
    "by_kernel": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"module": {"type": "str", "required": True}, "present": NAMES, "absent": NAMES},
    },
}
SUBJECT = Subject(OPTIONS, parse_packages, read_packages, plan_packages, apply_packages)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
