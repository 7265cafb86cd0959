#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_node
short_description: Maintenance, certificates and power of servers with Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Puts servers into maintenance and takes them out of it, gives their APIs certificates, reboots them and
    shuts them down, and arms or disarms the HA manager of the cluster.
  - Each change is waited for until it is so, O(timeout) seconds at most.
  - For one server the order is certificate, maintenance, power, whatever the order of the options.
  - Needs C(Sys.Modify) on C(/nodes/NAME) for certificates, C(Sys.PowerMgmt) there for power, C(Sys.Console)
    on C(/) for O(ha), and C(Sys.Audit) on C(/).
  - Maintenance is not in the API of Proxmox VE. For it the module runs on a server itself, as root and
    without O(api_host).
options:
  nodes:
    description: The servers.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the server.
        type: str
        required: true
      maintenance:
        description:
          - Whether the HA manager keeps its guests off this server.
          - It is in maintenance once they have left, by migration where that is possible, and comes back to
            that when it is rebooted.
        type: bool
      certificate:
        description:
          - The certificate of its API and web interface. It is given to it when it has another one, of which
            the fingerprint is compared. The proxy of the API is restarted then.
        type: dict
        suboptions:
          chain:
            description: The certificate as PEM, followed by those that signed it.
            type: str
            required: true
          key:
            description: Its private key as PEM, without a password. It is never read back or compared.
            type: str
            required: true
      power:
        description:
          - V(reboot) starts the server anew, each time that this is asked for. It is over when the server has
            come back.
          - V(off) shuts it down. Ask another server for that.
        type: str
        choices: [reboot, 'off']
  ha:
    description:
      - Whether the HA manager of the cluster works. While it is V(disarmed) no watchdog runs, and nothing
        fails over - for a work on the network between the servers.
      - Since Proxmox VE 9.
    type: str
    choices: [armed, disarmed]
  services:
    description:
      - What guests in its care are while it is disarmed. V(freeze) keeps what they do; V(ignore) treats them
        as if they were not in its care.
    type: str
    choices: [freeze, ignore]
    default: freeze
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: Castor is emptied and rebooted
  twin.datacenter.pve_node:
    nodes:
      - name: castor
        maintenance: true
        power: reboot
  delegate_to: pollux

- name: A certificate of one's own
  twin.datacenter.pve_node:
    api_host: pollux.example.org
    nodes:
      - name: castor
        certificate:
          chain: "{{ lookup('ansible.builtin.file', 'castor.pem') }}"
          key: "{{ vault_key_of_castor }}"

- name: Nothing fails over while the switch is replaced
  twin.datacenter.pve_node:
    ha: disarmed
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["put node castor into maintenance, which ct:100 leave for another", "reboot node castor"]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.node import make, parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._pve.node_host import apply, read

OPTIONS = {
    "nodes": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "maintenance": {"type": "bool"},
            "certificate": {
                "type": "dict",
                "options": {
                    "chain": {"type": "str", "required": True},
                    "key": {"type": "str", "required": True, "no_log": True},
                },
            },
            "power": {"type": "str", "choices": ["reboot", "off"]},
        },
    },
    "ha": {"type": "str", "choices": ["armed", "disarmed"]},
    "services": {"type": "str", "choices": ["freeze", "ignore"], "default": "freeze"},
    **ACCESS,
}
SUBJECT = Subject(OPTIONS, parse_wanted, read, make, apply, host=pve_host)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
