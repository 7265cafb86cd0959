#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_mapping
short_description: Devices and folders that guests find on every server of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes, changes and removes any number of mappings of PCI devices, USB devices and folders. A guest that
    names a mapping
    instead of a place can start on every server that the mapping has a line for.
  - PCI devices can be looked for on all servers and paired by what they are and by their IOMMU groups;
    servers that do not
    have the same are told in sentences, before anything is changed.
  - Proxmox VE accepts lines for devices and servers that do not exist, and compares them only when a guest
    starts.
  - Needs the privileges C(Mapping.Modify) on C(/mapping/TYPE), C(Mapping.Audit) to read mappings of others,
    and
    C(Sys.Audit) on C(/) for O(mappings[].discover).
options:
  mappings:
    description: The mappings.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      type:
        description: What is mapped.
        type: str
        choices: [pci, usb, dir]
        default: pci
      map:
        description:
          - Its lines, for each server one or several, as mappings or in the words of Proxmox VE, such as
            V(node=castor,path=0000:01:00.0,id=10de:1eb8).
          - An address as a value of its own needs quotes, for YAML takes V(0000:01:00.0) for a number.
          - All lines that there are; the order means nothing. Without it they stay as they are.
        type: list
        elements: raw
      discover:
        description:
          - Looks for a PCI device on the servers, and makes the lines. Excludes O(mappings[].map).
          - All devices of this kind are taken, their number must be the same everywhere, and the IOMMU
            group of each
            must hold nothing else.
        type: dict
        suboptions:
          id:
            description: Vendor and device, as C(lspci -nn) shows them, such as V(10de:1eb8).
            type: str
            required: true
          subsystem:
            description: Vendor and device of the board, where servers have several makes.
            type: str
          nodes:
            description: The servers to look on, by default all of the cluster.
            type: list
            elements: str
      mdev:
        description: Whether mediated devices of it are handed out, not itself. PCI only.
        type: bool
      live_migration_capable:
        description: Whether guests can take their state along when they move while they run. PCI only.
        type: bool
      description:
        description: What it is. An empty one is none.
        type: str
      state:
        description: Whether it exists. Guests that name it are not asked.
        type: str
        choices: [present, absent]
        default: present
  purge:
    description:
      - Whether to remove the mappings in O(scope) that are not listed, of those types that are.
      - Without it nothing is ever deleted by omission.
    type: bool
    default: false
  scope:
    description: A pattern of names, such as V(lab-*), that O(purge) keeps to. Required with O(purge=true).
    type: str
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: The graphics card of both servers, wherever it is plugged in
  twin.datacenter.pve_mapping:
    mappings:
      - name: t4
        discover:
          id: 10de:1eb8
          nodes: [castor, pollux]

- name: A USB key and a folder
  twin.datacenter.pve_mapping:
    mappings:
      - name: licence
        type: usb
        map:
          - {node: castor, id: 0529:0001}
          - {node: pollux, id: 0529:0001}
      - name: media
        type: dir
        map: ["node=castor,path=/srv/media", "node=pollux,path=/srv/media"]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["change pci mapping t4: set description to 'the card of both'"]
"""

from functools import partial

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import PURGE, Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.mapping import KINDS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.mapping_host import read
from ansible_collections.twin.datacenter.plugins.module_utils._pve.mapping_plan import make, parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource_host import apply_kinds

OPTIONS = {
    "mappings": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "type": {"type": "str", "choices": ["pci", "usb", "dir"], "default": "pci"},
            "map": {"type": "list", "elements": "raw"},
            "discover": {
                "type": "dict",
                "options": {
                    "id": {"type": "str", "required": True},
                    "subsystem": {"type": "str"},
                    "nodes": {"type": "list", "elements": "str"},
                },
            },
            "mdev": {"type": "bool"},
            "live_migration_capable": {"type": "bool"},
            "description": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    **PURGE,
    **ACCESS,
}
SUBJECT = Subject(OPTIONS, parse_wanted, read, make, partial(apply_kinds, KINDS), host=pve_host)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
