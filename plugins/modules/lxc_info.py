#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_info
short_description: Read the LXC containers of a host
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Returns containers in the form in which M(twin.datacenter.lxc_container) accepts them, so that
    applying what was read changes nothing.
extends_documentation_fragment:
  - twin.datacenter.attributes.info
options:
  names:
    description: Only these containers. By default all of the host.
    type: list
    elements: str
seealso:
  - module: twin.datacenter.lxc_container
"""

EXAMPLES = r"""
- name: Read all containers
  twin.datacenter.lxc_info:
  register: lxc

- name: Apply what was read, which changes nothing
  twin.datacenter.lxc_container:
    containers: "{{ lxc.containers }}"
"""

RETURN = r"""
containers:
  description: The containers, with every key of their own files.
  type: list
  elements: dict
  returned: success
  sample:
    - name: ssa
      state: started
      config:
        lxc.uts.name: ssa
        lxc.rootfs.path: dir:/tank/machines/ssa/root
        lxc.idmap: [u 0 100000 65536, g 0 100000 65536]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.host import read_info

OPTIONS = {"names": {"type": "list", "elements": "str"}}


def main() -> None:
    report(OPTIONS, read_info)


if __name__ == "__main__":
    main()
