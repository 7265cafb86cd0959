# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: links
short_description: Addresses of one server on the cables between the servers
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes the O(ignore:links) of module M(twin.datacenter.bridge) from the declaration.
  - The nth server has the nth address of each network in C(twin.links).
positional: _input, server, ports
extends_documentation_fragment:
  - twin.datacenter.filters.of_twin
  - twin.datacenter.filters.server
options:
  ports:
    description:
      - Its interface for each network of C(twin.links), in that order.
      - Without any the interfaces are left alone.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show castor's addresses on the links
  ansible.builtin.debug:
    msg: "{{ twin | twin.datacenter.links('castor', ['eth1', 'eth2']) }}"
"""

RETURN = r"""
_value:
  description: Port and addresses of each link.
  type: list
  elements: dict
"""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    link_address,
    parse_twin,
)
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def links(twin: Mapping[str, Any], server: str, ports: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Port and addresses of each link of a server."""
    pair = parse_twin(twin)
    if not ports:
        return []
    if server not in pair.servers:
        raise Refused(f"server {server}", f"it is not of the pair {', '.join(pair.servers)}")
    if len(ports) != len(pair.links):
        raise Refused(
            f"ports of server {server}",
            f"{len(ports)} of them for {len(pair.links)} links of twin",
            "name one interface per link",
        )
    return [
        {
            "port": port,
            "addresses": [f"{link_address(pair, link, server)}/{ipaddress.ip_network(link).prefixlen}"],
        }
        for port, link in zip(ports, pair.links, strict=True)
    ]


FilterModule = filter_module(links)
