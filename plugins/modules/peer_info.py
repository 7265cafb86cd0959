#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: peer_info
short_description: What the other server must know of this one
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Reads the public halves of the keys of a server, by which role P(twin.datacenter.pair#role) makes two
    servers known to each other. No private half is ever read.
extends_documentation_fragment:
  - twin.datacenter.attributes.info
"""

EXAMPLES = r"""
- name: Keys of the server
  twin.datacenter.peer_info:
  register: peer
"""

RETURN = r"""
public_key:
  description: Type and key of the key by which the server goes to its twin; null if it has none yet.
  returned: success
  type: str
host_keys:
  description: Types and keys by which the server is known.
  returned: success
  type: list
  elements: str
joined:
  description: Whether the server belongs to a pair already.
  returned: success
  type: bool
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._system.host import read_peer

OPTIONS: dict[str, Any] = {}


def read(host: Host, _params: Mapping[str, Any]) -> Mapping[str, Any]:
    return read_peer(host)


def main() -> None:
    report(OPTIONS, read)


if __name__ == "__main__":
    main()
