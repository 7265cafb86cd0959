#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_snapshot
short_description: Make, hold, keep and remove ZFS snapshots
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes snapshots, single ones or of a whole tree at one moment, sets and releases their holds, makes
    bookmarks of them, and removes those that are no longer to be kept.
  - Retention never removes a snapshot that is held, and M(twin.datacenter.zfs_replica) holds on both
    servers the newest snapshot that they share, by the tag V(twin). So the base of the next increment is
    always kept.
  - Retention never removes the newest snapshot, nor one that has clones.
options:
  snapshots:
    description: What is wanted, dataset by dataset.
    type: list
    elements: dict
    required: true
    suboptions:
      dataset:
        description: The file system or volume.
        type: str
        required: true
      name:
        description: Name of one snapshot. Either this or O(snapshots[].prefix) is required.
        type: str
      prefix:
        description:
          - What the names of a series begin with; the time of the host in UTC follows, such as
            V(auto-20261120T181500Z).
        type: str
      every:
        description:
          - How old the newest of a series may be, such as V(1h); a new one is made when it is that old.
          - Without it no snapshot of a series is made.
        type: str
      keep:
        description:
          - How many of a series are kept; the others are removed, except those that are held or cloned.
          - A snapshot that any of these counts keeps is kept. Hours, days, weeks and months are of UTC.
        type: dict
        suboptions:
          last:
            description: The newest ones.
            type: int
          hourly:
            description: The newest one of each of the last hours that have any.
            type: int
          daily:
            description: The newest one of each of the last days that have any.
            type: int
          weekly:
            description: The newest one of each of the last ISO weeks that have any.
            type: int
          monthly:
            description: The newest one of each of the last months that have any.
            type: int
      recursive:
        description:
          - Whether all datasets below get the snapshot too, at one moment.
          - Holds, bookmarks and retention then apply to each of them.
        type: bool
        default: false
      holds:
        description: Tags that hold the snapshot. Other tags are left alone.
        type: list
        elements: str
        default: []
      releases:
        description: Tags that shall not hold it any longer.
        type: list
        elements: str
        default: []
      bookmark:
        description: Name of a bookmark to make of it, where this host's ZFS has bookmarks.
        type: str
      state:
        description: Whether the named snapshot is there; V(absent) must be allowed by O(allow_destroy).
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
"""

EXAMPLES = r"""
- name: One moment of a whole machine, kept until it is released
  twin.datacenter.zfs_snapshot:
    snapshots:
      - dataset: tank/machines/ssa
        name: before-upgrade
        recursive: true
        holds: [upgrade]

- name: A series with retention
  twin.datacenter.zfs_snapshot:
    snapshots:
      - dataset: tank/machines/ssa/data
        prefix: auto-
        every: 1h
        keep: {last: 4, hourly: 24, daily: 7, monthly: 6}

- name: A snapshot goes
  twin.datacenter.zfs_snapshot:
    snapshots:
      - {dataset: tank/machines/ssa, name: before-upgrade, releases: [upgrade], state: absent}
    allow_destroy: [tank/machines/ssa@before-upgrade]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["make snapshot tank/machines/ssa@before-upgrade and of all below it, at one moment"]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot import (
    KEEP,
    parse_wanted,
    plan_snapshots,
)
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot_host import (
    apply_step,
    read_current,
)

SNAPSHOT = {
    "dataset": {"type": "str", "required": True},
    "name": {"type": "str"},
    "prefix": {"type": "str"},
    "every": {"type": "str"},
    "keep": {"type": "dict", "options": {unit: {"type": "int"} for unit in KEEP}},
    "recursive": {"type": "bool", "default": False},
    "holds": {"type": "list", "elements": "str", "default": []},
    "releases": {"type": "list", "elements": "str", "default": []},
    "bookmark": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
OPTIONS = {
    "snapshots": {"type": "list", "elements": "dict", "required": True, "options": SNAPSHOT},
    **ALLOW_DESTROY,
}
SUBJECT = Subject(OPTIONS, parse_wanted, read_current, plan_snapshots, apply_step)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
