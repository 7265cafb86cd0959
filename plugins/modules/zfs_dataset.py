#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_dataset
short_description: Manage ZFS file systems and volumes, all of them in one call
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Brings any number of file systems and volumes about by one look at the host.
  - Properties are compared by what they mean, so V(10G) is its number of bytes, V(yes) is V(on) and
    V(gzip) is V(gzip-6).
  - Works with OpenZFS on Linux and FreeBSD, and with zfs-fuse.
  - What this host's ZFS cannot do is said before anything is touched.
options:
  datasets:
    description: The datasets.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Full name, such as V(tank/machines/ssa).
          - A parent that does not exist must be declared as well.
        type: str
        required: true
      type:
        description:
          - What it is; a new dataset is a file system unless it has a O(datasets[].size).
          - A dataset never changes from one to the other.
        type: str
        choices: [filesystem, volume]
      size:
        description: Size of a volume, such as V(8G). A volume grows, it never shrinks.
        type: str
      properties:
        description:
          - Native and user properties that hold from now on.
          - A value holds when its meaning is right, wherever it comes from; what is inherited with
            the right value is not set again.
          - V(null) means that the dataset shall have no value of its own, so that it inherits; where
            ZFS does not inherit (quotas, reservations, canmount) the property goes back to its default.
          - Properties that nobody declared are left alone.
        type: dict
        default: {}
      initial:
        description: Properties that are given when the dataset is made, and never looked at again.
        type: dict
        default: {}
      origin:
        description:
          - Snapshot of which the dataset is a clone, such as V(tank/images/debian-13@base).
          - An existing dataset cannot become a clone.
        type: str
      copy_of:
        description:
          - Snapshot of which a new dataset becomes a full copy, such as V(tank/images/freebsd-14.3@base).
            It takes the space, and depends on nothing.
          - Not looked at again once the dataset is there.
        type: str
      renamed_from:
        description:
          - A name that the dataset may still have; it is then renamed.
          - Once the rename is done it does no harm.
        type: str
      promote:
        description: Whether a clone is to be made independent of its origin.
        type: bool
        default: false
      mounted:
        description: Whether the file system is mounted now. Without it, it is left as it is.
        type: bool
      state:
        description: Whether the dataset is there; V(absent) must be allowed by O(allow_destroy).
        type: str
        choices: [present, absent]
        default: present
      recursive:
        description:
          - Whether V(absent) also destroys what is below the dataset, and the snapshots.
          - Every dataset that goes must be named in O(allow_destroy).
        type: bool
        default: false
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
  - twin.datacenter.purge
"""

EXAMPLES = r"""
- name: The datasets of a server
  twin.datacenter.zfs_dataset:
    datasets:
      - name: tank/machines
        properties: {atime: false, canmount: "off"}
      - name: tank/machines/ssa
        initial: {"twin:owner": castor 1}
      - name: tank/machines/ssa/root
        origin: tank/images/debian-13@base
        properties: {refquota: 8G}
      - name: tank/machines/ssa/data
        properties: {quota: 20G, compression: null}
      - name: tank/machines/tap/root
        copy_of: tank/images/freebsd-14.3@base

- name: A machine's data goes for good
  twin.datacenter.zfs_dataset:
    datasets:
      - {name: tank/machines/old, state: absent, recursive: true}
    allow_destroy: [tank/machines/old, tank/machines/old/root, tank/machines/old/data]

- name: Nothing but what is listed stays below tank/scratch
  twin.datacenter.zfs_dataset:
    datasets: [{name: tank/scratch/kept}]
    purge: true
    scope: tank/scratch
    allow_destroy: [tank/scratch/forgotten]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["set quota of tank/machines/ssa from 8G to 16G"]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    PURGE,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.dataset import parse_wanted, plan_datasets
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import apply_dataset, read_datasets

DATASET = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["filesystem", "volume"]},
    "size": {"type": "str"},
    "properties": {"type": "dict", "default": {}},
    "initial": {"type": "dict", "default": {}},
    "origin": {"type": "str"},
    "copy_of": {"type": "str"},
    "renamed_from": {"type": "str"},
    "promote": {"type": "bool", "default": False},
    "mounted": {"type": "bool"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "recursive": {"type": "bool", "default": False},
}
OPTIONS = {
    "datasets": {"type": "list", "elements": "dict", "required": True, "options": DATASET},
    **ALLOW_DESTROY,
    **PURGE,
}
SUBJECT = Subject(OPTIONS, parse_wanted, read_datasets, plan_datasets, apply_dataset)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
