#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_cluster
short_description: Makes a cluster of servers with Proxmox VE, and takes dead ones out of it
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Sees that the server whose API is asked is a member of a cluster. Without O(peer) the server makes the
    cluster; with it,
    the server joins through that member.
  - It is used once for each server, the first one first. It ends when the server is an online member and the
    cluster has a quorum.
  - A server that is in another cluster, one with guests that is to join, and links other than those that it
    has are refused before anything is touched. So are a wrong fingerprint, a wrong password, and a peer that
    is in another cluster, if only of the same name, or in none.
  - A server that joins gets another certificate, signed by the cluster. The peer, which is trusted by its
    fingerprint, tells the new one; it is returned, for O(fingerprint) from then on.
  - With O(state=absent) it takes O(node) out of the cluster. That server must be off, and must be installed
    anew before it is started again; see the guide on clusters of Proxmox VE.
  - Only C(root@pam) with its password may do this, no token. To see that all is as wanted, the privilege
    C(Sys.Audit) on C(/) suffices.
options:
  name:
    description: Name of the cluster, 15 characters at most. It cannot be changed later.
    type: str
    required: true
  state:
    description: Whether the server that is asked is a member, or O(node) is not.
    type: str
    choices: [present, absent]
    default: present
  node:
    description: The dead server that is taken out. Required with O(state=absent).
    type: str
  links:
    description:
      - The server's own addresses for the cluster, that of link 0 first, one in each network between the
        servers. All members have the same number of them.
      - Without any, Proxmox VE takes the address of the server's name as the only link.
    type: list
    elements: str
    default: []
  peer:
    description: A member of the cluster, through which the server joins.
    type: dict
    suboptions:
      address:
        description:
          - Its name or address. The server reaches it there, and so must the machine of the module.
        type: str
        required: true
      fingerprint:
        description: SHA-256 of the certificate of its API, as its web interface shows it.
        type: str
        required: true
      password:
        description: Password of C(root@pam) there. Or E(PROXMOX_PEER_PASSWORD).
        type: str
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
  - twin.datacenter.pve
seealso:
  - module: twin.datacenter.pve_qdevice
    description: Gives the cluster a third vote.
"""

EXAMPLES = r"""
- name: A cluster of one server
  twin.datacenter.pve_cluster:
    api_host: castor.example.org
    name: twin
    links: [10.1.0.1, 10.2.0.1]

- name: The second server joins it
  twin.datacenter.pve_cluster:
    api_host: pollux.example.org
    name: twin
    links: [10.1.0.2, 10.2.0.2]
    peer:
      address: 192.0.2.11
      fingerprint: "{{ fingerprint_of_castor }}"
      password: "{{ vault_root_of_castor }}"

- name: A server that burned down is forgotten
  twin.datacenter.pve_cluster:
    api_host: castor.example.org
    name: twin
    state: absent
    node: pollux
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["join node pollux to cluster twin through 192.0.2.11 over 10.1.0.2, 10.2.0.2"]
measured:
  description: The UPID of the task, and the fingerprint of a new certificate where the peer told one.
  returned: when the cluster was made or joined
  type: list
  elements: dict
  sample: [{"key": "node pollux", "upid": "UPID:pollux:00000174:00045C9B:6B006867:clusterjoin::root@pam:"}]
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.cluster import Wanted, make, wanted_of
from ansible_collections.twin.datacenter.plugins.module_utils._pve.cluster_host import (
    apply,
    cluster_host,
    read,
)

OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "node": {"type": "str"},
    "links": {"type": "list", "elements": "str", "default": []},
    "peer": {
        "type": "dict",
        "options": {
            "address": {"type": "str", "required": True},
            "fingerprint": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True},
        },
    },
    **ALLOW_DESTROY,
    **ACCESS,
}


def wanted(params: Mapping[str, Any]) -> Wanted:
    return wanted_of(params, os.environ)


SUBJECT = Subject(OPTIONS, wanted, read, make, apply, host=cluster_host)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
