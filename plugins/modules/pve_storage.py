#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: pve_storage
short_description: Storages of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes, changes and removes the definitions of any number of storages. What lies on them is never touched.
  - What nobody declares is left alone. Settings are compared by their meaning, lists without regard to order.
  - A definition that somebody else changes in the meantime is not overwritten.
  - Needs the privileges C(Datastore.Allocate) and C(Datastore.Audit) on C(/storage).
options:
  storages:
    description: The storages.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the storage.
        type: str
        required: true
      type:
        description:
          - Its kind, such as V(zfspool), V(dir), V(nfs), V(cifs) or V(pbs).
          - Required for a new one; it cannot be changed.
        type: str
      settings:
        description:
          - Its settings by the names that Proxmox VE has for them, such as C(pool), C(path), C(content) and
            C(nodes).
          - Lists may be lists or text; so may property strings such as C(prune-backups) be mappings.
          - A setting that is V(null) is unset.
        type: dict
        default: {}
      secrets:
        description:
          - What Proxmox VE never shows, C(password), C(encryption-key), C(keyring) and C(master-pubkey).
          - They are given when the storage is made, and not compared.
        type: dict
        default: {}
      state:
        description: Whether the storage is defined.
        type: str
        choices: [present, absent]
        default: present
  update_secrets:
    description: Whether to give the secrets of storages that exist anew; that is a change each time.
    type: bool
    default: false
  purge:
    description:
      - Whether to remove the storages in O(scope) that are not listed.
      - Without it nothing is ever deleted by omission.
    type: bool
    default: false
  scope:
    description: A pattern of names, such as V(lab-*), that O(purge) keeps to. Required with O(purge=true).
    type: str
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.pve
"""

EXAMPLES = r"""
- name: The pool of both servers, and a place for backups
  twin.datacenter.pve_storage:
    storages:
      - name: tank
        type: zfspool
        settings:
          pool: tank/machines
          content: [images, rootdir]
          sparse: true
          nodes: [castor, pollux]
      - name: backups
        type: cifs
        settings:
          server: nas.example.org
          share: backups
          username: pve
          content: [backup]
          prune-backups: {keep-last: 3, keep-weekly: 4}
        secrets:
          password: "{{ vault_backups }}"
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["change storage tank: set content from images to images, rootdir, unset nodes"]
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import PURGE, Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource import Wanted, make, parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource_host import apply, read
from ansible_collections.twin.datacenter.plugins.module_utils._pve.storage import STORAGE, item

OPTIONS = {
    "storages": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "type": {"type": "str"},
            "settings": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "update_secrets": {"type": "bool", "default": False},
    **PURGE,
    **ACCESS,
}


def wanted(params: Mapping[str, Any]) -> Wanted:
    return parse_wanted(STORAGE, map(item, params["storages"]), params)


SUBJECT = Subject(
    OPTIONS, wanted, partial(read, STORAGE), partial(make, STORAGE), partial(apply, STORAGE), host=pve_host
)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
