#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_info
short_description: Tell what there is in a Proxmox VE cluster, as the modules take it
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - What it returns under all but RV(version) and RV(nodes) may be given to the module for it as it is;
    applied to the same cluster it changes nothing.
  - Needs the privileges C(Sys.Audit) on C(/), C(Pool.Audit) on pools, C(Datastore.Audit) on storages,
    C(Mapping.Audit) on mappings and C(VM.Audit) on guests for their replication. What one may not see is not
    told.
options:
  gather:
    description: What to tell. Each kind costs one request, O(gather=pools) one more for each pool,
      O(gather=mappings) three.
    type: list
    elements: str
    choices: [version, nodes, datacenter, pools, storages, ha_resources, ha_rules, mappings, replication]
    default: [version, nodes, datacenter, pools, storages, ha_resources, ha_rules, mappings, replication]
extends_documentation_fragment:
  - twin.datacenter.attributes.info
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: Look at a cluster
  twin.datacenter.pve_info:
  register: found

- name: Apply what was read, which changes nothing
  twin.datacenter.pve_storage:
    storages: "{{ found.storages }}"
"""

RETURN = r"""
version:
  description: The release of Proxmox VE.
  returned: when asked for
  type: str
  sample: 9.2.11
nodes:
  description: The servers of the cluster.
  returned: when asked for
  type: list
  elements: dict
  sample: [{name: castor, online: true, address: 192.0.2.11}]
datacenter:
  description:
    - The options of the cluster, as option of M(twin.datacenter.pve_datacenter).
    - An C(http_proxy) that has a password in it is left out.
  returned: when asked for
  type: dict
  sample: {keyboard: de, migration: {type: insecure, network: 10.1.0.0/24}}
pools:
  description: The pools, as options of M(twin.datacenter.pve_pool).
  returned: when asked for
  type: list
  elements: dict
  sample: [{name: prod, comment: Production, guests: ["100"], storages: []}]
storages:
  description: The storages without their secrets, as options of M(twin.datacenter.pve_storage).
  returned: when asked for
  type: list
  elements: dict
  sample: [{name: tank, type: zfspool, settings: {pool: tank/machines, content: [images, rootdir]}}]
ha_resources:
  description: The guests that the HA manager looks after, as options of M(twin.datacenter.pve_ha_resource).
  returned: when asked for
  type: list
  elements: dict
  sample: [{sid: "ct:100", state: started, failback: false}]
ha_rules:
  description: The rules of the HA manager, or its groups, as options of M(twin.datacenter.pve_ha_rule).
  returned: when asked for
  type: list
  elements: dict
  sample: [{name: home-castor, type: node-affinity, nodes: [castor], resources: ["ct:100"]}]
mappings:
  description: The mappings, as options of M(twin.datacenter.pve_mapping).
  returned: when asked for
  type: list
  elements: dict
  sample: [{name: media, type: dir, map: [{node: castor, path: /srv/media}]}]
replication:
  description: The replication jobs, as options of M(twin.datacenter.pve_replication).
  returned: when asked for
  type: list
  elements: dict
  sample: [{name: 100-0, target: pollux, schedule: "*/5"}]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.info import read_info

GATHER = ["version", "nodes", "datacenter", "pools", "storages"] + [
    "ha_resources",
    "ha_rules",
    "mappings",
    "replication",
]
OPTIONS = {
    "gather": {"type": "list", "elements": "str", "choices": GATHER, "default": GATHER},
    **ACCESS,
}


def main() -> None:
    report(OPTIONS, read_info, pve_host)


if __name__ == "__main__":
    main()
