#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_info
short_description: Tell what a server has of each machine of its pair
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Tells which machines this server owns or keeps a copy of, and whether they run.
  - It is what C(twin info) prints.
  - On Proxmox VE machines are the guests that have a note of twin in their description. Both servers know all
    of them; a server owns those whose configuration it has.
extends_documentation_fragment:
  - twin.datacenter.attributes.info
seealso:
  - module: twin.datacenter.machine_move
"""

EXAMPLES = r"""
- name: Read the machines of a server
  twin.datacenter.machine_info:
  register: here

- name: Name those which run here
  ansible.builtin.debug:
    msg: "{{ here.machines | selectattr('state', 'equalto', 'running') | map(attribute='name') }}"
"""

RETURN = r"""
server:
  description: The server's name in its pair; null where the server is of no pair yet.
  returned: always
  type: str
pool:
  description: The pool that holds the machines.
  returned: always
  type: str
machines:
  description: Every machine of which this server has something, stopped ones too.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    kind:
      description: Its kind; null for a copy that was never owned here.
      type: str
      returned: always
    state:
      description: V(running) or V(stopped), on this server.
      type: str
      returned: always
    owner:
      description:
        - The server which owns it, as far as this server knows.
        - Null for a copy that was never owned here.
      type: str
      returned: always
    epoch:
      description: How often its ownership has changed; of two servers the higher one is right.
      type: int
      returned: always
    role:
      description: V(owner) or V(replica).
      type: str
      returned: always
    defined:
      description: Whether this server has a definition of it, so that it can be started here.
      type: bool
      returned: always
    image:
      description: The image that its declaration names.
      type: str
      returned: always
    root_image:
      description:
        - The image that its root file system is of, which is another one while an upgrade is due.
        - Null where there is no root file system. On Proxmox VE it is the image that its declaration names.
      type: str
      returned: always
    addresses:
      description: Its addresses with their prefix lengths.
      type: list
      elements: str
      returned: always
    replicated:
      description:
        - The last snapshot that this server has brought to its twin.
        - On Proxmox VE that of its replication job.
      type: str
      returned: always
    late:
      description:
        - That its replica is older than its C(rpo) allows, or missing, as a sentence.
        - Null where it is neither, and for a machine that this server does not own.
      type: str
      returned: always
    machine:
      description: Its declaration without defaults.
      type: dict
      returned: always
    error:
      description: What is damaged of it, such as its stored declaration; null where nothing is.
      type: str
      returned: always
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._machine.stations import read_info


def main() -> None:
    report({}, read_info)


if __name__ == "__main__":
    main()
