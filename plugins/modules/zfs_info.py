#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_info
short_description: Tell the ZFS pools and datasets of a host, as the modules take them
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - What it returns under RV(pools) and RV(datasets) may be given to M(twin.datacenter.zfs_pool) and
    M(twin.datacenter.zfs_dataset) as it is; applied to the same host it changes nothing.
options:
  scope:
    description: A dataset; only this one and those below it are told. Without it, all of them.
    type: str
extends_documentation_fragment:
  - twin.datacenter.attributes.info
"""

EXAMPLES = r"""
- name: Look at the machines of a server
  twin.datacenter.zfs_info:
    scope: tank/machines
  register: zfs

- name: Stop when a disk is not well
  ansible.builtin.assert:
    that: zfs.health.values() | map(attribute='state') | unique | list == ['ONLINE']
"""

RETURN = r"""
pools:
  description: The pools, as options of M(twin.datacenter.zfs_pool).
  returned: success
  type: list
  elements: dict
  sample: [{name: tank, vdevs: [{type: stripe, devices: [/dev/sdb]}], properties: {}}]
datasets:
  description: The datasets with their own properties, as options of M(twin.datacenter.zfs_dataset).
  returned: success
  type: list
  elements: dict
  sample: [{name: tank/machines/ssa, type: filesystem, mounted: true, properties: {"twin:owner": castor 1}}]
health:
  description:
    - State of each pool, its devices that are not well, errors in its data, and sizes.
    - The sizes are bytes where the host can tell them so, else as zpool(8) prints them.
  returned: success
  type: dict
  sample: {tank: {state: ONLINE, faulty: {}, errors: "", size: "262144000", allocated: "4656", free: "2616"}}
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import export_datasets
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.model import check_dataset_name
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.pool_host import export_pools, pool_health

OPTIONS = {"scope": {"type": "str"}}


def read(host: Host, params: Mapping[str, Any]) -> Mapping[str, Any]:
    scope = check_dataset_name(params["scope"], "scope") if params.get("scope") else ""
    return {
        "pools": export_pools(host),
        "datasets": export_datasets(host, scope),
        "health": pool_health(host),
    }


def main() -> None:
    report(OPTIONS, read)


if __name__ == "__main__":
    main()
