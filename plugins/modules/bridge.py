#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: bridge
short_description: Put a port of a server into a bridge, safely
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes a bridge, moves the addresses of a port to it, and gives other interfaces fixed addresses;
    with systemd-networkd on Linux, with rc.conf on FreeBSD.
  - The new network is tried first. The host takes it back by itself unless it is confirmed over a
    new connection through it, which the task does by itself. A power cut takes it back too.
  - On Linux the files of an installer are left as they are; ours come before them (C(05-twin-*)).
  - On FreeBSD a trial changes the running system alone, and what was confirmed is set by C(sysrc).
    The port keeps no address, for since FreeBSD 15 no member of a bridge may have one; one that is
    configured by DHCP hands that on to the bridge. A new bridge has the MAC of its port, for good.
requirements:
  - systemd-networkd manages the port (Linux)
  - C(rc.conf) has the variable C(ifconfig_PORT) of the port (FreeBSD)
options:
  bridge:
    description: Name of the bridge.
    type: str
    required: true
  port:
    description:
      - The interface that goes into the bridge.
      - Without it that is the one which has the default route.
    type: str
  addresses:
    description:
      - Addresses of the bridge, with their prefix lengths.
      - Without it the bridge gets what the port had, however it got it.
    type: list
    elements: str
  gateway:
    description: Gateways of the bridge; they need O(addresses).
    type: list
    elements: str
    default: []
  links:
    description: Further interfaces, such as cables between the servers, and their addresses.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: Name of the interface.
        type: str
        required: true
      addresses:
        description: Its addresses, with their prefix lengths.
        type: list
        elements: str
        required: true
  confirm:
    description: Seconds after which the host goes back by itself unless the new path is confirmed.
    type: int
    default: 60
  phase:
    description:
      - Which of the two steps is done. The task chooses by itself.
    type: str
    choices: [all, try, confirm]
    default: all
extends_documentation_fragment:
  - twin.datacenter.attributes
"""

EXAMPLES = r"""
- name: A bridge for machines, with the addresses that the server has now
  twin.datacenter.bridge:
    bridge: br0
    port: eth0
    links:
      - port: eth1
        addresses: [10.1.0.1/24]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample:
    - try bridge br0 with port eth0; without confirmation the host goes back after 60 s
    - keep bridge br0, confirmed over a new connection
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._network.host import (
    apply_network,
    read_network,
)
from ansible_collections.twin.datacenter.plugins.module_utils._network.model import PHASES, parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._network.plan import plan_network

OPTIONS = {
    "bridge": {"type": "str", "required": True},
    "port": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "gateway": {"type": "list", "elements": "str", "default": []},
    "links": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "port": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
        },
    },
    "confirm": {"type": "int", "default": 60},
    "phase": {"type": "str", "choices": list(PHASES), "default": "all"},
}
SUBJECT = Subject(OPTIONS, parse_wanted, read_network, plan_network, apply_network)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
