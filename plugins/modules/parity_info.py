#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: parity_info
short_description: What a server must have in common with its twin
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Reads what matters to machines that move from one server to the other, and says of each thing how much a
    difference would weigh. The filter P(twin.datacenter.parity#filter) compares two servers.
options:
  pool:
    description: The pool of machines and images.
    type: str
    required: true
  bridge:
    description: The bridge of machines.
    type: str
    required: true
  packages:
    description: Packages whose versions count.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - twin.datacenter.attributes.info
"""

EXAMPLES = r"""
- name: Facts of parity
  twin.datacenter.parity_info:
    pool: tank
    bridge: br0
    packages: [lxc, zfsutils-linux]
  register: parity
"""

RETURN = r"""
facts:
  description: Key, value and weight (blocker, warning or note) of each thing.
  returned: success
  type: list
  elements: dict
  sample: [{key: kernel release, value: 6.12.48+deb13-amd64, weight: warning}]
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._parity.host import read_facts

OPTIONS = {
    "pool": {"type": "str", "required": True},
    "bridge": {"type": "str", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
}


def read(host: Host, params: Mapping[str, Any]) -> Mapping[str, Any]:
    facts = read_facts(host, params["pool"], params["bridge"], params["packages"])
    return {"facts": [fact.plain() for fact in facts]}


def main() -> None:
    report(OPTIONS, read)


if __name__ == "__main__":
    main()
