#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_replica
short_description: Bring ZFS datasets to another server by snapshot streams
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Sends the newest snapshot of datasets to a peer by ssh, as the smallest stream that will do.
    That is an increment from the newest snapshot that both sides have, the rest of an interrupted
    stream, a clone of an image that the peer has too, or all of it.
  - What both sides have is told by GUID, never by name.
  - The copy is a replica. It is read-only, not mounted, and not mounted by itself.
  - While a snapshot is sent, and as long as it is the newest that both sides have, it is held on both
    sides by the tag V(twin). So a dataset has one peer.
  - What only the peer has is never lost, unless O(allow_destroy) names its dataset.
  - In check mode the streams are announced with their size, as C(zfs send) predicts it, without the
    headers of the stream (V(≈)). Where it has no dry run, the size is an upper bound (V(≤)).
options:
  replicas:
    description: The datasets.
    type: list
    elements: dict
    required: true
    suboptions:
      dataset:
        description:
          - The dataset on this server.
          - It needs a snapshot; M(twin.datacenter.zfs_snapshot) makes one.
        type: str
        required: true
      target:
        description: Its name on the peer; the same name without it. The dataset above it must exist.
        type: str
      recursive:
        description:
          - Whether all datasets below go along. The newest snapshot that all of them have is sent.
        type: bool
        default: false
      rate:
        description: How many bytes per second at most, such as V(20M).
        type: str
      mounted:
        description:
          - Whether the copy is mounted on the peer all the same, at boot too, so that its files can be read.
          - For images, of which machines share files.
        type: bool
        default: false
  peer:
    description: The other server.
    type: dict
    required: true
    suboptions:
      addresses:
        description: Its addresses; the first that answers is taken.
        type: list
        elements: str
        required: true
      user:
        description: The account there.
        type: str
        default: root
      key:
        description: File of the private key; without it, what ssh chooses.
        type: path
      known_hosts:
        description: File of the host keys; without it, what ssh chooses.
        type: path
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
"""

EXAMPLES = r"""
- name: An image and a machine, as they are now, on the twin
  twin.datacenter.zfs_replica:
    replicas:
      - {dataset: tank/images/debian-13, mounted: true}
      - {dataset: tank/machines/ssa, recursive: true, rate: 50M}
    peer:
      addresses: [10.1.0.2, 10.2.0.2]
      key: /etc/twin/peer_ed25519
      known_hosts: /etc/twin/known_hosts

- name: Give up what was written on the peer meanwhile
  twin.datacenter.zfs_replica:
    replicas: [{dataset: tank/machines/ssa/data}]
    peer: {addresses: [10.1.0.2]}
    allow_destroy: [tank/machines/ssa/data]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["send tank/a@s2 to tank/a on the peer since @s1 (12.3M)"]
measured:
  description: What went through, stream by stream.
  returned: when something was sent
  type: list
  elements: dict
  contains:
    key:
      description: The dataset on the peer.
      type: str
    snapshot:
      description: What was sent.
      type: str
    bytes:
      description: The size of the stream.
      type: int
    seconds:
      description: How long it took.
      type: float
  sample: [{"key": "tank/a", "snapshot": "s2", "bytes": 12300000, "seconds": 0.412}]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.replica import parse_wanted, plan_replicas
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.transfer import apply_step, read_current

REPLICA = {
    "dataset": {"type": "str", "required": True},
    "target": {"type": "str"},
    "recursive": {"type": "bool", "default": False},
    "rate": {"type": "str"},
    "mounted": {"type": "bool", "default": False},
}
PEER = {
    "addresses": {"type": "list", "elements": "str", "required": True},
    "user": {"type": "str", "default": "root"},
    "key": {"type": "path", "no_log": False},
    "known_hosts": {"type": "path"},
}
OPTIONS = {
    "replicas": {"type": "list", "elements": "dict", "required": True, "options": REPLICA},
    "peer": {"type": "dict", "required": True, "options": PEER},
    **ALLOW_DESTROY,
}
SUBJECT = Subject(OPTIONS, parse_wanted, read_current, plan_replicas, apply_step)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
