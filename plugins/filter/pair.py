# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: pair
short_description: The pair as one of its servers sees it
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes the content of C(/etc/twin/pair.json) of one server.
  - The nth server has the nth address of each network in C(twin.links); they are the first ways to the
    other one.
positional: _input, server, addresses
extends_documentation_fragment:
  - twin.datacenter.filters.of_twin
  - twin.datacenter.filters.server
options:
  addresses:
    description: Each server's address in the common network, without prefix length; the last way to it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show how castor sees its pair
  ansible.builtin.debug:
    msg: "{{ twin | twin.datacenter.pair('castor', {'castor': '192.0.2.11', 'pollux': '192.0.2.12'}) }}"
"""

RETURN = r"""
_value:
  description: The content of the file.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    pair_of,
    parse_twin,
    to_mapping,
)
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def pair(twin: Mapping[str, Any], server: str, addresses: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The content of the server's ``/etc/twin/pair.json``."""
    return to_mapping(pair_of(parse_twin(twin), server, addresses or {}))


FilterModule = filter_module(pair)
