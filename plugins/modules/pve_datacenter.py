#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_datacenter
short_description: Options of a Proxmox VE cluster
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Sets and unsets options that hold for the whole cluster (C(datacenter.cfg)).
  - What nobody declares is left alone.
  - Needs the privilege C(Sys.Modify) on C(/), to read C(Sys.Audit).
options:
  datacenter:
    description:
      - The options by the names that Proxmox VE has for them, such as C(keyboard), C(migration), C(ha) and
        C(next-id).
      - Property strings may be text or mappings. An option that is V(null) is unset.
      - A password in C(http_proxy) (V(http://NAME:PASSWORD@proxy:3128\)) is compared, and never shown.
    type: dict
    required: true
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: Migrate over the link between the servers
  twin.datacenter.pve_datacenter:
    datacenter:
      migration: {type: insecure, network: 10.1.0.0/24}
      ha: {shutdown_policy: migrate}
      keyboard: de
      http_proxy: null
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["change datacenter: set keyboard to de, unset http_proxy"]
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.datacenter import DATACENTER, passwords
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource import Wanted, make, parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource_host import apply, read

OPTIONS = {"datacenter": {"type": "dict", "required": True}, **ACCESS}


def wanted(params: Mapping[str, Any]) -> Wanted:
    return parse_wanted(DATACENTER, [{"settings": params["datacenter"]}], params)


SUBJECT = Subject(
    OPTIONS,
    wanted,
    partial(read, DATACENTER),
    partial(make, DATACENTER),
    partial(apply, DATACENTER),
    host=pve_host,
    passwords=passwords,
)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
