#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_qdevice
short_description: The third vote of a cluster of two servers with Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Has a cluster ask a witness for its vote, or no longer, by C(pvecm qdevice), which the API does not have.
    So it runs on any one server of the cluster, as root.
  - C(pvecm) goes by ssh to all servers and to the witness, and stops half way where something is missing. All
    of that is looked at before - every server is up, has C(corosync-qdevice) and can be reached; root of this
    server can log in on the witness with C(/root/.ssh/id_rsa), and C(corosync-qnetd) is installed there.
  - It ends when the vote has come, for C(pvecm) says that all is well even where the port of the witness is
    closed. A cluster whose witness gives no vote later is refused, with where to look.
  - Before a server is added or removed, the QDevice is removed; see the guide on clusters of Proxmox VE.
options:
  state:
    description: Whether the cluster has a QDevice.
    type: str
    choices: [present, absent]
    default: present
  witness:
    description: Address of the host with C(corosync-qnetd). Required with O(state=present).
    type: str
  network:
    description: The network from which the servers ask it, such as V(192.0.2.0/24). It is not compared later.
    type: str
  timeout:
    description: Seconds that the vote may take to come.
    type: int
    default: 60
extends_documentation_fragment:
  - twin.datacenter.attributes
"""

EXAMPLES = r"""
- name: The witness has a vote
  twin.datacenter.pve_qdevice:
    witness: 192.0.2.13
  run_once: true
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["give cluster twin the vote of 192.0.2.13"]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._cluster.host import (
    apply_qdevice,
    read_qdevice,
)
from ansible_collections.twin.datacenter.plugins.module_utils._cluster.plan import plan_qdevice, wanted_of
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "witness": {"type": "str"},
    "network": {"type": "str"},
    "timeout": {"type": "int", "default": 60},
}
SUBJECT = Subject(OPTIONS, wanted_of, read_qdevice, plan_qdevice, apply_qdevice)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
