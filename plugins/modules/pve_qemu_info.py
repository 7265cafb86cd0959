#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pve_qemu_info
short_description: Read the virtual machines of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Returns virtual machines in the form in which M(twin.datacenter.pve_qemu) accepts them. Applying what was
    read changes nothing.
  - Needs the privilege C(VM.Audit) on guests; one that may not be seen is not told.
  - Asks once, and once for each guest and each node.
extends_documentation_fragment:
  - twin.datacenter.attributes.info
  - twin.datacenter.pve
options: {}
seealso:
  - module: twin.datacenter.pve_qemu
"""

EXAMPLES = r"""
- name: Read all virtual machines
  twin.datacenter.pve_qemu_info:
  register: found

- name: Apply what was read, which changes nothing
  twin.datacenter.pve_qemu:
    guests: "{{ found.guests }}"
"""

RETURN = r"""
guests:
  description: The virtual machines, without secrets. What waits for a start there is said to wait.
  returned: success
  type: list
  elements: dict
  sample:
    - name: web
      vmid: 300
      state: started
      node: castor
      config: {memory: "512", net0: "virtio=BC:24:11:FE:EF:9C,bridge=vmbr0"}
      disks: {scsi0: {storage: tank, size: 8G, iothread: true}}
      apply: now
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_export import export
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_host import read_all
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import PveReader, pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.qemu import QEMU


def read_info(host: PveReader, _params: Mapping[str, Any]) -> dict[str, Any]:
    return {"guests": export(QEMU, read_all(host, QEMU))}


def main() -> None:
    report(ACCESS, read_info, pve_host)


if __name__ == "__main__":
    main()
