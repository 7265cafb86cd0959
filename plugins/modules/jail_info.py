#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: jail_info
short_description: Read the jails of a FreeBSD host
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Returns jails in the form in which M(twin.datacenter.jail) accepts them, so that applying what was read
    changes nothing.
  - Names what runs here beside them, and what is left of jails that are gone.
extends_documentation_fragment:
  - twin.datacenter.attributes.info
options:
  names:
    description: Only these jails. By default all that have a file of their own in C(/etc/jail.conf.d).
    type: list
    elements: str
seealso:
  - module: twin.datacenter.jail
"""

EXAMPLES = r"""
- name: Read all jails
  twin.datacenter.jail_info:
  register: found

- name: Apply what was read, which changes nothing
  twin.datacenter.jail:
    jails: "{{ found.jails }}"

- name: Insist that nothing is left of jails that are gone
  ansible.builtin.assert:
    that: not found.leaks
    fail_msg: "{{ found.leaks }}"
"""

RETURN = r"""
jails:
  description: The jails, with every parameter that their files give them.
  type: list
  elements: dict
  returned: success
  sample:
    - name: ssa
      state: started
      boot: true
      parameters:
        path: /tank/machines/ssa/root
        host.hostname: ssa.example.org
        exec.start: [/bin/sh /etc/rc]
      limits:
        memoryuse: 1073741824
running:
  description:
    - Those of them that run, with all parameters that the kernel has, its limits by resource and action,
      and the processors on which they run.
    - What differs from RV(jails) was changed in the running jail, or waits for its next start.
  type: list
  elements: dict
  returned: success
  sample:
    - name: ssa
      jid: 3
      cpuset: 0-3
      parameters:
        path: /tank/machines/ssa/root
        host.hostname: ssa.example.org
        allow.raw_sockets: false
      limits:
        memoryuse:deny: 1073741824
foreign:
  description: Names of jails that run here and have no file of their own.
  type: list
  elements: str
  returned: success
  sample: [poudriere]
leaks:
  description:
    - Interfaces, mounts, addresses, limits and files with a number, which are left of jails that do not run,
      or whose files are gone.
  type: list
  elements: str
  returned: success
  sample: ["mount /tank/machines/old/root/dev of jail old, which is gone"]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._jail.host import read_info

OPTIONS = {"names": {"type": "list", "elements": "str"}}


def main() -> None:
    report(OPTIONS, read_info)


if __name__ == "__main__":
    main()
