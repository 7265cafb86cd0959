#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_container
short_description: Define, change, start and stop LXC containers
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Brings any number of LXC containers of one host to what is declared, with one read of the host.
  - The configuration file of a container (lxc.container.conf(5)) is the truth. Keys that are not declared,
    comments and the order of the file are kept.
  - Of each declared key three values are compared. These are the declared one, the one in the file, and
    the one with which the container runs. Limits of control groups that the kernel can change in flight
    are changed in flight; for other keys the container is restarted, or that is left to its next start
    (O(containers[].apply)).
  - Root file systems are neither made nor removed; they are data sets, see M(twin.datacenter.zfs_dataset) and
    M(twin.datacenter.machine_image).
  - Values of O(containers[].config) appear in plan and diff, so they must not be secrets.
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
  - twin.datacenter.purge
options:
  containers:
    description: The containers.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, and the name of its folder below C(/var/lib/lxc).
        type: str
        required: true
      state:
        description:
          - V(present) defines it and leaves it running or not as it is.
          - V(started) runs it and waits until it answers. V(stopped) asks it to halt, and ends it after
            O(containers[].timeout). V(frozen) runs it without giving it time on a processor.
          - V(restarted) stops and starts it in every run.
          - V(absent) stops it and removes its definition. Where its own folder holds a root file system,
            that is removed too, and its name must stand in O(allow_destroy).
        type: str
        choices: [present, started, stopped, frozen, restarted, absent]
        default: started
      rootfs:
        description:
          - Path of its root file system, short for the key C(lxc.rootfs.path).
          - A new container needs one.
        type: path
      config:
        description:
          - Keys of its configuration file, each with a value or a list of values.
          - A list is all that the file itself says of its key. An empty first value clears what included
            files said of it. V(null) or an empty list removes the key.
          - Keys that this collection does not know are passed through.
        type: dict
        default: {}
      privileged:
        description:
          - Whether a new container shares the user ids of the host.
          - Without it, a new container gets the range of user ids from 100000 to 165535, unless
            O(containers[].config) has C(lxc.idmap).
        type: bool
        default: false
      apply:
        description:
          - When a change that needs a restart is to count.
          - With V(next_boot) the plan says what is owed.
        type: str
        choices: [now, next_boot]
        default: now
      timeout:
        description: How long to wait for its stop, and for its answer after a start, in seconds.
        type: int
        default: 60
      check:
        description:
          - How it is asked whether it answers. One of the keys V(http) (a path, asked at its address),
            V(tcp) (a port) and V(command) (a list of words, run inside).
          - Without it, its system must say that it is up.
        type: dict
        suboptions:
          http:
            description: A path; any answer below status 400 is good.
            type: str
          tcp:
            description: A port that must accept a connection.
            type: int
          command:
            description: A program and its arguments that must end with exit code 0.
            type: list
            elements: str
      address:
        description: The address that is asked. By default the first one in O(containers[].config).
        type: str
      unenforced:
        description:
          - Controllers of control groups (V(memory), V(cpu), V(pids)), or whole keys, which this host may
            lack.
          - A limit that the host cannot enforce is refused, unless it is accepted here; then it is not
            written, and the plan says so.
        type: list
        elements: str
        default: []
      omitted:
        description: Limits that the container should have and that no key stands for, each with the
          reason. The plan says so.
        type: dict
        default: {}
  scope:
    description:
      - The pattern of names within which O(purge) may remove containers, such as V(web-*).
      - Required with O(purge=true).
seealso:
  - module: twin.datacenter.lxc_info
  - module: twin.datacenter.zfs_dataset
"""

EXAMPLES = r"""
- name: Two containers, one of them with a limit of memory
  twin.datacenter.lxc_container:
    containers:
      - name: ssa
        rootfs: /tank/machines/ssa/root
        config:
          lxc.include: /usr/share/lxc/config/common.conf
          lxc.uts.name: ssa
          lxc.net.0.type: veth
          lxc.net.0.link: br0
          lxc.net.0.flags: up
          lxc.net.0.ipv4.address: 192.0.2.21/24
          lxc.cgroup2.memory.max: 1G
        check:
          http: /
      - name: old
        state: stopped

- name: A change that needs a restart waits for the next one
  twin.datacenter.lxc_container:
    containers:
      - name: ssa
        config:
          lxc.mount.entry: /srv/data srv none bind,create=dir 0 0
        apply: next_boot

- name: Remove the definitions of all test sites but one
  twin.datacenter.lxc_container:
    containers:
      - name: test-ssa
    purge: true
    scope: test-*
"""

RETURN = r"""
plan:
  description: What was done, or would be done, in order. What waits for a restart is marked as owed.
  type: list
  elements: str
  returned: success
  sample: [set lxc.cgroup2.memory.max of container ssa from 512M to 1G]
measured:
  description:
    - Of each container that was started, the seconds until it answered.
    - Of each that did not halt when it was asked to, that it was ended.
  type: list
  elements: dict
  returned: when something was started or stopped
  sample: [{key: ssa, answered_after: 1.4}]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    PURGE,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.host import apply, read
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.model import STATES, wanted_of
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.plan import plan_containers

CHECK = {
    "http": {"type": "str"},
    "tcp": {"type": "int"},
    "command": {"type": "list", "elements": "str"},
}
CONTAINER = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "started"},
    "rootfs": {"type": "path"},
    "config": {"type": "dict", "default": {}},
    "privileged": {"type": "bool", "default": False},
    "apply": {"type": "str", "choices": ["now", "next_boot"], "default": "now"},
    "timeout": {"type": "int", "default": 60},
    "check": {"type": "dict", "options": CHECK},
    "address": {"type": "str"},
    "unenforced": {"type": "list", "elements": "str", "default": []},
    "omitted": {"type": "dict", "default": {}},
}
OPTIONS = {
    "containers": {"type": "list", "elements": "dict", "required": True, "options": CONTAINER},
    **ALLOW_DESTROY,
    **PURGE,
}
SUBJECT = Subject(OPTIONS, wanted_of, read, plan_containers, apply)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
