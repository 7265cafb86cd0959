#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_image
short_description: Make images, of which the root file systems of machines are clones
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - An image is a data set V(POOL/images/NAME) with one snapshot V(@base). It is built once on the control
    node, by mmdebstrap(1) or of a tarball, kept there in a cache (C($XDG_CACHE_HOME/twin-datacenter/images)),
    and sent to a server that lacks it.
  - Make an image on one server of a pair, and send it to the other by M(twin.datacenter.zfs_replica), so that
    V(@base) is the same snapshot on both and a machine moves as an increment. On the other server this
    module then only notes of what the image was made.
  - An image that exists is never changed, because machines are clones of it. A changed definition under
    the name of an image that exists is refused.
  - User ids are shifted to the range of unprivileged machines, device nodes are left out, and units of
    systemd that cannot work inside a machine are masked.
extends_documentation_fragment:
  - twin.datacenter.attributes
options:
  pool:
    description: The pool of machines, with a data set V(images).
    type: str
    required: true
  images:
    description: The images.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      suite:
        description:
          - A suite of Debian, such as V(trixie). The control node needs mmdebstrap(1).
          - Its machines ask the name servers of the control node, C(/etc/resolv.conf), unless given others.
          - Either this or O(images[].tarball).
        type: str
      packages:
        description:
          - Packages beside the essential ones and apt.
          - A machine needs an init, such as V(systemd-sysv).
        type: list
        elements: str
        default: []
      mirror:
        description: Lines of sources.list(5) or addresses of mirrors. By default the mirror of Debian.
        type: list
        elements: str
        default: []
      tarball:
        description:
          - Path of a root file system on the control node, as a tar file, plain or compressed by gzip,
            bzip2 or xz.
        type: str
      sha256:
        description: The checksum of O(images[].tarball), which it needs.
        type: str
      privileged:
        description: Whether user ids stay as they are, for privileged machines.
        type: bool
        default: false
  archives:
    description:
      - By name of an image, where its finished tarball lies on the server.
      - Filled in by the control side of this module, not by people.
    type: dict
    default: {}
seealso:
  - module: twin.datacenter.zfs_replica
"""

EXAMPLES = r"""
- name: The image of most machines
  twin.datacenter.machine_image:
    pool: tank
    images:
      - name: debian-13
        suite: trixie
        packages: [systemd-sysv, dbus, iproute2, netbase]

- name: An image of a tarball
  twin.datacenter.machine_image:
    pool: tank
    images:
      - name: alpine-3.22
        tarball: files/alpine-minirootfs-3.22.0-x86_64.tar.gz
        sha256: 0d97ac7ad9ce6e5ab5ffa8a8ef0a0f2a6d5c4e8f0c7b0d3f53a1c5ecb1a4d2a1
"""

RETURN = r"""
plan:
  description: What was done, or would be done, in order.
  type: list
  elements: str
  returned: success
  sample: [make image debian-13 in tank/images/debian-13 of suite trixie with 4 packages]
measured:
  description: Of each image that was made, the seconds that it took on the server.
  type: list
  elements: dict
  returned: when an image was made
  sample: [{key: debian-13, seconds: 1.9}]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image import parse_images, plan_images
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image_host import (
    apply_image,
    read_store,
)

IMAGE = {
    "name": {"type": "str", "required": True},
    "suite": {"type": "str"},
    "packages": {"type": "list", "elements": "str", "default": []},
    "mirror": {"type": "list", "elements": "str", "default": []},
    "tarball": {"type": "str"},
    "sha256": {"type": "str"},
    "privileged": {"type": "bool", "default": False},
}
OPTIONS = {
    "pool": {"type": "str", "required": True},
    "images": {"type": "list", "elements": "dict", "required": True, "options": IMAGE},
    "archives": {"type": "dict", "default": {}},
}
SUBJECT = Subject(OPTIONS, parse_images, read_store, plan_images, apply_image)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
