#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_image_info
short_description: Tell the images of a server, their versions and the machines made of them
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Tells every finished image of a pool, with the version and patch level that it holds.
  - The machines of each are those whose root file system is a clone of it at this moment, so that machines
    which are behind the image that is declared for them can be found.
extends_documentation_fragment:
  - twin.datacenter.attributes.info
options:
  pool:
    description: The pool of machines.
    type: str
    required: true
seealso:
  - module: twin.datacenter.machine_image
"""

EXAMPLES = r"""
- name: Read the images of a server
  twin.datacenter.machine_image_info:
    pool: tank
  register: here

- name: Name the machines that are not on the newest image yet
  ansible.builtin.debug:
    msg: "{{ older | map(attribute='machines') | flatten }}"
  vars:
    older: "{{ here.images | rejectattr('name', 'equalto', 'freebsd-14.3') }}"
"""

RETURN = r"""
images:
  description: The images, by their names.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    digest:
      description: The digest of what it was made of; null when it came as a stream and that is not noted yet.
      type: str
      returned: always
    version:
      description: Version and patch level as the image itself tells them; null when it does not.
      type: str
      returned: always
    machines:
      description: The machines that are clones of it.
      type: list
      elements: str
      returned: always
    kept:
      description: The machines that keep a root file system of it, beside the one of another image.
      type: list
      elements: str
      returned: always
  sample:
    - name: freebsd-14.3
      digest: 0c7a5f0e6b1d4b2f8f3e9a7d5c1b2a3d
      version: 14.3-RELEASE-p2
      machines: [ssa, tap]
      kept: [web]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image_host import read_info

OPTIONS = {"pool": {"type": "str", "required": True}}


def main() -> None:
    report(OPTIONS, read_info)


if __name__ == "__main__":
    main()
