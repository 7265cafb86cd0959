#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pve_lxc_info
short_description: Read the containers of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Returns containers in the form in which M(twin.datacenter.pve_lxc) accepts them, so that applying what was
    read changes nothing.
  - Needs the privilege C(VM.Audit) on guests; one that may not be seen is not told.
  - Asks once, and once for each guest and each node.
extends_documentation_fragment:
  - twin.datacenter.attributes.info
  - twin.datacenter.pve
options: {}
seealso:
  - module: twin.datacenter.pve_lxc
"""

EXAMPLES = r"""
- name: Read all containers
  twin.datacenter.pve_lxc_info:
  register: found

- name: Apply what was read, which changes nothing
  twin.datacenter.pve_lxc:
    guests: "{{ found.guests }}"
"""

RETURN = r"""
guests:
  description: The containers, without secrets. What waits for a start there is said to wait.
  returned: success
  type: list
  elements: dict
  sample:
    - name: ssa
      vmid: 200
      state: started
      node: castor
      config: {memory: "512", net0: "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:DD:94:05,type=veth"}
      disks: {rootfs: {storage: tank, size: 8G}}
      apply: now
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_export import export
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_host import read_all
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import PveReader, pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.lxc import LXC


def read_info(host: PveReader, _params: Mapping[str, Any]) -> dict[str, Any]:
    return {"guests": export(LXC, read_all(host, LXC))}


def main() -> None:
    report(ACCESS, read_info, pve_host)


if __name__ == "__main__":
    main()
