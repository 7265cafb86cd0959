#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_pool
short_description: Manage ZFS pools without ever losing what is on a disk
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes pools, adds vdevs to them and sets their properties.
  - Refuses, before anything is touched and in check mode too, a device that is mounted, that is swap
    space, that belongs to a pool or that holds anything which the host recognises.
  - Refuses to take a device out of a pool, to change the layout of a vdev, and to add a vdev whose
    redundancy is not that of the pool. Nothing is ever forced.
  - The file system properties of a pool belong to its own dataset, see M(twin.datacenter.zfs_dataset).
options:
  pools:
    description: The pools.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the pool.
        type: str
        required: true
      vdevs:
        description:
          - What the pool is made of.
          - Without it an existing pool is left as it is in this respect.
        type: list
        elements: dict
        default: []
        suboptions:
          type:
            description:
              - Layout of devices for data, or what other devices help with.
              - All data of a pool has one layout.
            type: str
            choices: [stripe, mirror, raidz1, raidz2, raidz3, log, cache, spare, special, dedup]
            default: stripe
          devices:
            description: Full paths, of which those below C(/dev/disk/by-id) never change their meaning.
            type: list
            elements: str
            required: true
      properties:
        description: Pool properties, compared by their meaning. Those that nobody declared are left alone.
        type: dict
        default: {}
      state:
        description: Whether the pool is there; V(absent) destroys it and must be allowed by O(allow_destroy).
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
"""

EXAMPLES = r"""
- name: A mirrored pool
  twin.datacenter.zfs_pool:
    pools:
      - name: tank
        vdevs:
          - type: mirror
            devices: [/dev/disk/by-id/ata-A1, /dev/disk/by-id/ata-B2]
        properties: {autoexpand: true, failmode: continue}

- name: It grows by a second mirror and a spare
  twin.datacenter.zfs_pool:
    pools:
      - name: tank
        vdevs:
          - {type: mirror, devices: [/dev/disk/by-id/ata-A1, /dev/disk/by-id/ata-B2]}
          - {type: mirror, devices: [/dev/disk/by-id/ata-C3, /dev/disk/by-id/ata-D4]}
          - {type: spare, devices: [/dev/disk/by-id/ata-E5]}
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["create pool tank of mirror /dev/disk/by-id/ata-A1 /dev/disk/by-id/ata-B2"]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.pool import parse_wanted, plan_pools
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.pool_host import apply_pool, read_pools

VDEV = {
    "type": {
        "type": "str",
        "choices": [
            "stripe", "mirror", "raidz1", "raidz2", "raidz3", "log", "cache", "spare", "special", "dedup",
        ],
        "default": "stripe",
    },
    "devices": {"type": "list", "elements": "str", "required": True},
}  # fmt: skip
POOL = {
    "name": {"type": "str", "required": True},
    "vdevs": {"type": "list", "elements": "dict", "default": [], "options": VDEV},
    "properties": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
OPTIONS = {
    "pools": {"type": "list", "elements": "dict", "required": True, "options": POOL},
    **ALLOW_DESTROY,
}
SUBJECT = Subject(OPTIONS, parse_wanted, read_pools, plan_pools, apply_pool)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
