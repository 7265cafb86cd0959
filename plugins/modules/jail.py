#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: jail
short_description: Define, change, start and stop FreeBSD jails
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Brings any number of jails of one host to what is declared, with one read of the host.
  - A jail is defined by its own file C(/etc/jail.conf.d/NAME.conf), see jail.conf(5), which rc.d/jail reads
    at boot. Parameters that are not declared, comments and the order of the file are kept.
  - Of each declared parameter three values are compared. These are the declared one, the one in the file, and
    the one with which the jail runs. What the kernel can change in a running jail is changed there; for all
    else the jail is restarted, or that is left to its next start (O(jails[].apply)).
  - Jails are started and stopped by jail(8), and jls(8) is asked afterwards whether that is so. What a start
    that failed has left on the host (interfaces, mounts, addresses) is removed.
  - A jail is not started with a ruleset of devfs(8) that hides nothing, and it is ended when it sees a device
    in its C(/dev) which its ruleset hides.
  - Jails that were made by other means, such as those of /etc/jail.conf, are not touched; their names are
    refused.
  - Root file systems are neither made nor removed; they are data sets, see M(twin.datacenter.zfs_dataset).
  - Values of O(jails[].parameters) appear in plan and diff, so they must not be secrets.
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.purge
options:
  jails:
    description: The jails.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Its name, of letters, digits, C(_) and C(-), for rc.d/jail can address no other.
          - C(OUTER.INNER) is a jail within another one, which needs the parameter C(children.max). It runs
            only while the outer one does, and is stopped and started with it.
        type: str
        required: true
      state:
        description:
          - V(present) defines it and leaves it running or not as it is.
          - V(started) runs it and waits until it answers. V(stopped) asks it to halt, and ends it after
            O(jails[].timeout). A jail is not ended when one of its hooks refuses the stop.
          - V(restarted) stops and starts it in every run.
          - V(absent) stops it and removes its definition, its limits, its ruleset and its place in
            C(jail_list); never its root file system.
        type: str
        choices: [present, started, stopped, restarted, absent]
        default: started
      path:
        description:
          - Path of its root file system, short for the parameter C(path).
          - A new jail needs one.
        type: path
      parameters:
        description:
          - Parameters of jail(8), by their full and positive names, each with a value or a list of values.
          - V(true) writes the bare name, V(false) its negative, V(null) or an empty list removes it.
          - A new jail that does not name C(exec.consolelog) gets C(/var/log/jail_NAME.log).
        type: dict
        default: {}
      interfaces:
        description:
          - Network cards of a network stack of its own (VNET). Each is a pair of interfaces, epair(4), made
            when the jail starts and destroyed when it stops.
          - With them C(vnet), C(vnet.interface), C(exec.prestart), C(exec.start) and C(exec.poststop) are
            declared; what O(jails[].parameters) says of the last three is added.
          - Addresses are set in the jail before its own system starts.
        type: list
        elements: dict
        suboptions:
          bridge:
            description: The bridge of the host.
            type: str
            required: true
          mac:
            description: The Ethernet address inside. Without it, the kernel makes one at each start.
            type: str
          addresses:
            description: Addresses inside, with prefix lengths.
            type: list
            elements: str
            default: []
          gateway:
            description: Default routes inside, one for IPv4 and one for IPv6.
            type: list
            elements: str
            default: []
      limits:
        description:
          - Limits of rctl(8), amounts by resource, such as C(memoryuse), C(maxproc), C(pcpu).
          - They are kept in C(/etc/rctl.conf) and in the kernel alike. V(null) removes one.
          - What is exceeded is denied; rates such as C(readbps) are throttled.
        type: dict
        default: {}
      cpuset:
        description:
          - Processors on which it may run, such as V(0-1,3), or V(all).
          - They are changed while it runs. It is a command of its parameter C(exec.created).
        type: str
      devfs:
        description:
          - Rules of devfs(8) by which it sees more of /dev than every jail does, such as V(path bpf* unhide).
          - They become a ruleset of its own in C(/etc/devfs.rules), whose number is chosen once.
        type: list
        elements: str
      mounts:
        description:
          - Folders of the host that it sees, by nullfs(5). All that its parameter C(mount) says; an empty
            list removes it.
          - Mount points are made by commands behind those of its parameter C(exec.prepare).
        type: list
        elements: dict
        suboptions:
          source:
            description: The folder on the host.
            type: path
            required: true
          target:
            description: Where it is seen inside. It is made when it is missing.
            type: path
            required: true
          readonly:
            description: Whether it cannot be written inside.
            type: bool
            default: false
      fstab:
        description:
          - Lines of fstab(5), all that its file of mounts is to say. Paths are those of the host.
          - The file is the one that its parameter C(mount.fstab) names, by default C(/etc/fstab.NAME), which
            goes with V(absent). Comments, and lines that mount the same, stay as they are.
          - Without it the file is left alone.
        type: list
        elements: str
      datasets:
        description:
          - Data sets of ZFS that it manages itself. Their property C(jailed) must be on.
        type: list
        elements: str
      depend:
        description:
          - Jails that are started before it and stopped after it, in this task and in C(jail_list), as far as
            they are on this host.
          - It is not the parameter C(depend), for which all of them had to be defined in one file.
        type: list
        elements: str
        default: []
      boot:
        description:
          - Whether it is started at boot, through C(jail_list) of rc.conf(5).
          - Without it, that is left as it is.
        type: bool
      apply:
        description:
          - When a change that needs a restart is to count.
          - With V(next_boot) the plan says what is owed.
        type: str
        choices: [now, next_boot]
        default: now
      timeout:
        description:
          - How long to wait for its stop, for its answer after a start, and for a dying jail of its name to
            be gone, in seconds.
        type: int
        default: 60
      check:
        description:
          - How it is asked whether it answers. One of the keys V(http) (a path, asked at its address),
            V(tcp) (a port) and V(command) (a list of words, run inside).
          - Without it, its C(exec.start) must have ended well.
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
        description: The address that is asked. By default the first one of its interfaces or parameters.
        type: str
      unenforced:
        description:
          - Limits which this host may be unable to enforce.
          - A limit that the host cannot enforce is refused, unless it is accepted here; then it is not
            written, and the plan says so.
        type: list
        elements: str
        default: []
      omitted:
        description: Limits that the jail should have and that no resource stands for, each with the
          reason. The plan says so.
        type: dict
        default: {}
  scope:
    description:
      - The pattern of names within which O(purge) may remove jails, such as V(web-*), and what is left
        of jails whose files are gone.
      - Required with O(purge=true).
seealso:
  - module: twin.datacenter.jail_info
  - module: twin.datacenter.zfs_dataset
"""

EXAMPLES = r"""
- name: A jail with a network stack of its own, a limit and its data
  twin.datacenter.jail:
    jails:
      - name: ssa
        path: /tank/machines/ssa/root
        parameters:
          host.hostname: ssa.example.org
          exec.start: /bin/sh /etc/rc
          exec.stop: /bin/sh /etc/rc.shutdown jail
          exec.clean: true
          mount.devfs: true
        interfaces:
          - bridge: br0
            mac: 02:00:00:00:00:2a
            addresses: [192.0.2.21/24]
            gateway: [192.0.2.1]
        mounts:
          - source: /tank/machines/ssa/data
            target: /srv
        limits:
          memoryuse: 1G
        boot: true
        check:
          http: /

- name: A jail with an address of the host's interface, which starts after another
  twin.datacenter.jail:
    jails:
      - name: web
        path: /tank/machines/web/root
        parameters:
          ip4.addr: em0|192.0.2.22/24
          exec.start: /bin/sh /etc/rc
          exec.stop: /bin/sh /etc/rc.shutdown jail
        depend: [db]

- name: A Linux system; the server has linux_enable=YES in rc.conf
  twin.datacenter.jail:
    jails:
      - name: ubuntu
        path: /tank/machines/ubuntu/root
        parameters:
          linux: new
          mount:
            - linprocfs /tank/machines/ubuntu/root/proc linprocfs rw 0 0
            - linsysfs /tank/machines/ubuntu/root/sys linsysfs rw 0 0
          exec.start: /etc/init.d/rc 3
          exec.stop: /etc/init.d/rc 0

- name: A change that needs a restart waits for the next one
  twin.datacenter.jail:
    jails:
      - name: ssa
        parameters:
          exec.jail_user: www
        apply: next_boot
"""

RETURN = r"""
plan:
  description: What was done, or would be done, in order. What waits for a restart is marked as owed.
  type: list
  elements: str
  returned: success
  sample: [set allow.raw_sockets of jail ssa to true]
measured:
  description:
    - Of each jail that was started, the seconds until it answered.
    - Of each that did not halt when it was asked to, that it was ended.
  type: list
  elements: dict
  returned: when something was started or stopped
  sample: [{key: ssa, answered_after: 1.4}]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import PURGE, Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._jail.host import apply, read
from ansible_collections.twin.datacenter.plugins.module_utils._jail.model import STATES, wanted_of
from ansible_collections.twin.datacenter.plugins.module_utils._jail.plan import plan_jails

CHECK = {
    "http": {"type": "str"},
    "tcp": {"type": "int"},
    "command": {"type": "list", "elements": "str"},
}
INTERFACE = {
    "bridge": {"type": "str", "required": True},
    "mac": {"type": "str"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "gateway": {"type": "list", "elements": "str", "default": []},
}
MOUNT = {
    "source": {"type": "path", "required": True},
    "target": {"type": "path", "required": True},
    "readonly": {"type": "bool", "default": False},
}
JAIL = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "started"},
    "path": {"type": "path"},
    "parameters": {"type": "dict", "default": {}},
    "interfaces": {"type": "list", "elements": "dict", "options": INTERFACE},
    "limits": {"type": "dict", "default": {}},
    "cpuset": {"type": "str"},
    "devfs": {"type": "list", "elements": "str"},
    "mounts": {"type": "list", "elements": "dict", "options": MOUNT},
    "fstab": {"type": "list", "elements": "str"},
    "datasets": {"type": "list", "elements": "str"},
    "depend": {"type": "list", "elements": "str", "default": []},
    "boot": {"type": "bool"},
    "apply": {"type": "str", "choices": ["now", "next_boot"], "default": "now"},
    "timeout": {"type": "int", "default": 60},
    "check": {"type": "dict", "options": CHECK},
    "address": {"type": "str"},
    "unenforced": {"type": "list", "elements": "str", "default": []},
    "omitted": {"type": "dict", "default": {}},
}
OPTIONS = {"jails": {"type": "list", "elements": "dict", "required": True, "options": JAIL}, **PURGE}
SUBJECT = Subject(OPTIONS, wanted_of, read, plan_jails, apply)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
