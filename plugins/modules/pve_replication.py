#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_replication
short_description: Replication of guests between servers of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes, changes and removes any number of replication jobs. A job sends the disks of a guest to another
    server, again
    and again, so that it can be moved there in seconds, or recovered there as it was at the last run.
  - All disks must lie on ZFS, under a storage that has the same name on both servers.
  - When the guest moves to the target, its job turns round. That is what was asked for, not a change.
  - Needs the privileges C(VM.Audit) and C(VM.Replicate) on C(/vms/NUMBER). Proxmox VE 8 does not know
    the latter, and wants V(Datastore.Allocate) on V(/storage).
options:
  jobs:
    description: The jobs.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The guest and the number of the job, such as V(100-0).
        type: str
        required: true
      target:
        description: The server that is sent to. Required for a new job; it cannot be changed.
        type: str
      source:
        description:
          - The other server, on which the guest is at home. A new job whose guest is on O(jobs[].target) is
            made the other way round, as it would have turned.
          - Without it Proxmox VE refuses such a job.
        type: str
      schedule:
        description: When it runs, such as V(*/5) for every 5 minutes, or V(mon..fri 02:00).
        type: str
      rate:
        description: The most that it sends, in megabytes a second.
        type: float
      disable:
        description: Whether it does not run.
        type: bool
      comment:
        description: What it is for. An empty one is none.
        type: str
      state:
        description:
          - Whether the job exists.
          - With a job go the copies on its target, so O(allow_destroy) must name it.
          - A job that is removed is only marked. Its next run, within a minute, removes the copies and then
            the job; a job
            that is marked counts as gone, and is kept if it is V(present).
        type: str
        choices: [present, absent]
        default: present
  purge:
    description:
      - Whether to remove the jobs in O(scope) that are not listed.
      - Without it nothing is ever deleted by omission.
    type: bool
    default: false
  scope:
    description: A pattern of names, such as V(100-*), that O(purge) keeps to. Required with O(purge=true).
    type: str
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: A replica on pollux that is 5 minutes old at most
  twin.datacenter.pve_replication:
    jobs:
      - name: 100-0
        target: pollux
        schedule: "*/5"

- name: No replica of it any more
  twin.datacenter.pve_replication:
    jobs:
      - {name: 101-0, state: absent}
    allow_destroy: [101-0]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["create replication job 100-0 with schedule */5, target pollux, type local"]
"""

from functools import partial

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    PURGE,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.replication import (
    REPLICATION,
    make,
    parse_jobs,
)
from ansible_collections.twin.datacenter.plugins.module_utils._pve.replication_host import read
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource_host import apply

OPTIONS = {
    "jobs": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "target": {"type": "str"},
            "source": {"type": "str"},
            "schedule": {"type": "str"},
            "rate": {"type": "float"},
            "disable": {"type": "bool"},
            "comment": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    **ALLOW_DESTROY,
    **PURGE,
    **ACCESS,
}
SUBJECT = Subject(OPTIONS, parse_jobs, read, make, partial(apply, REPLICATION), host=pve_host)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
