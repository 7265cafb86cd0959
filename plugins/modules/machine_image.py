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
    node, by mmdebstrap(1), of the distribution files of FreeBSD or of a tarball, kept there in a cache
    (C($XDG_CACHE_HOME/twin-datacenter/images)), and sent to a server that lacks it.
  - Make an image on one server of a pair, and send it to the other by M(twin.datacenter.zfs_replica), so that
    V(@base) is the same snapshot on both and a machine moves as an increment. On the other server this
    module then only notes of what the image was made.
  - An image that exists is never changed, because machines are clones of it. A changed definition under
    the name of an image that exists is refused. So a machine gets a newer release by a new image, under a
    new name such as V(freebsd-14.3).
  - For LXC, user ids are shifted to the range of unprivileged machines, device nodes are left out, and units
    of systemd that cannot work inside a machine are masked. A release of FreeBSD is taken as it is.
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
          - Either this, or O(images[].release), or O(images[].tarball).
        type: str
      release:
        description:
          - A release of FreeBSD, such as V("14.3"), in quotes, for jails.
          - It is made of the file C(base.txz) in O(images[].mirror), whose sha256 must be that of the file
            C(MANIFEST) beside it.
          - With O(images[].tarball) it is made of that instead, such as one of a folder that C(pkg -r) filled
            with the packages of the base system.
          - With O(images[].packages), from V("15.0") on, it is made of these packages of the base system by
            the server itself, which must run that FreeBSD.
          - Either way it must hold this release, at whatever patch level.
        type: str
      packages:
        description:
          - Of a suite, packages beside the essential ones and apt. A machine needs an init, such as
            V(systemd-sysv).
          - Of a release, packages of its base system, such as V(FreeBSD-set-minimal-jail). They are installed
            by pkg(8), which knows them by the keys that the server itself has, at the newest patch level.
        type: list
        elements: str
        default: []
      mirror:
        description:
          - Of a suite, lines of sources.list(5) or addresses of mirrors. By default the mirror of Debian.
          - Of a release, the one address, or folder of the control node, of its C(base.txz) and C(MANIFEST).
            By default that of the FreeBSD project for amd64.
          - Of the packages of a release, the address of their repository for pkg.conf(5). By default that of
            the FreeBSD project.
        type: list
        elements: str
        default: []
      tarball:
        description:
          - Path of a root file system on the control node, as a tar file, plain or compressed by gzip,
            bzip2 or xz.
          - It may also be an image for containers, an OCI archive, which is known by its C(oci-layout). Its
            layers are put upon each other, each once its digest is seen to be right. Layers compressed by
            zstd are refused.
          - Those of the FreeBSD project are called C(container-image-*.txz). A jail that boots needs
            C(notoolchain) or C(toolchain) of them, which have rc(8) and its services.
        type: str
      sha256:
        description:
          - The checksum of O(images[].tarball), which it needs.
          - Of a release without a tarball, the checksum of its C(MANIFEST). Without it, the place that the
            files come from is trusted.
          - It names the content. To give one later, or another, give the image a new name too.
        type: str
      privileged:
        description: Whether user ids stay as they are, for privileged machines. For jails they always do.
        type: bool
        default: false
      thin:
        description:
          - Whether a release leaves out what its machines can share. They have C(/etc), C(/var), C(/root),
            C(/usr/local) and the like of their own; every other folder of C(/) and C(/usr) is a link into
            C(/.base).
          - A machine mounts the whole image of the release there, see the examples.
        type: bool
        default: false
  archives:
    description:
      - By name of an image, where its finished tarball lies on the server.
      - Filled in by the control side of this module, not by people.
    type: dict
    default: {}
seealso:
  - module: twin.datacenter.machine_image_info
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

- name: The image of most jails
  twin.datacenter.machine_image:
    pool: tank
    images:
      - name: freebsd-14.3
        release: "14.3"

- name: The image of thin jails, which mount the one above
  # machines: {web: {kind: jail, image: freebsd-14.3-thin,
  #                  mounts: [{source: /tank/images/freebsd-14.3, target: /.base, readonly: true}]}}
  twin.datacenter.machine_image:
    pool: tank
    images:
      - name: freebsd-14.3-thin
        release: "14.3"
        thin: true

- name: An image of distribution files that were built here
  twin.datacenter.machine_image:
    pool: tank
    images:
      - name: freebsd-14.3-p2
        release: "14.3"
        mirror: [/srv/freebsd/14.3-p2]
        sha256: 5f1f3b0c52b3e5fbb7d25d54a1c8d2b53c9f0a3c1fe3f8f0ef0a5a7c9d4e2b61

- name: An image of packages of the base system
  twin.datacenter.machine_image:
    pool: tank
    images:
      - name: freebsd-15.0
        release: "15.0"
        packages: [FreeBSD-set-minimal-jail]

- name: An image of the container image of a release, with the checksum of its CHECKSUM.SHA256
  twin.datacenter.machine_image:
    pool: tank
    images:
      - name: freebsd-14.3-small
        release: "14.3"
        tarball: files/FreeBSD-14.3-RELEASE-amd64-container-image-notoolchain.txz
        sha256: 4a7f0b3c52b3e5fbb7d25d54a1c8d2b53c9f0a3c1fe3f8f0ef0a5a7c9d4e2b61

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
  description:
    - Of each image that was made, the seconds that it took on the server, and the version that it holds.
    - The version of FreeBSD has the patch level. It is null when the image does not tell it.
    - C(lost_capabilities) names the files whose capabilities(7) are not in the image, because the ZFS of the
      server keeps no extended attributes, as zfs-fuse. It is there only when there are such files.
  type: list
  elements: dict
  returned: when an image was made
  sample: [{key: freebsd-14.3, seconds: 9.4, version: 14.3-RELEASE}]
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
    "release": {"type": "str"},
    "packages": {"type": "list", "elements": "str", "default": []},
    "mirror": {"type": "list", "elements": "str", "default": []},
    "tarball": {"type": "str"},
    "sha256": {"type": "str"},
    "privileged": {"type": "bool", "default": False},
    "thin": {"type": "bool", "default": False},
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
