# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: access_files
short_description: Files that give administrators their way in
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Makes the items of module M(twin.datacenter.files) which give these accounts their keys and their
    rights, and no other keys.
positional: _input, platform
options:
  _input:
    description: The administrators, as C(twin.admins) lists them.
    type: list
    elements: dict
    required: true
  platform:
    description: The platform of the pair, for groups, folders and services have other names on another one.
    type: str
    choices: [debian, freebsd, proxmox]
    default: debian
"""

EXAMPLES = r"""
- name: Keys and rights of administrators
  twin.datacenter.files:
    files: "{{ twin.admins | twin.datacenter.access_files(twin.platform) }}"
"""

RETURN = r"""
_value:
  description: Items of module M(twin.datacenter.files).
  type: list
  elements: dict
"""

from ansible_collections.twin.datacenter.plugins.module_utils._system.access import access_files
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module

FilterModule = filter_module(access_files)
