# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: proxmox_images
short_description: Images of machines, in the words of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Says which files a server needs for the images of a pair, and which templates are made of them.
  - A template for virtual machines has the same name on both servers, and on each a number of its own.
positional: _input, twin, server
extends_documentation_fragment:
  - twin.datacenter.filters.twin
  - twin.datacenter.filters.server
options:
  _input:
    description:
      - The images, each with a C(name), its C(kind), V(lxc) unless said otherwise or V(qemu), and its
        C(source), a file of the control node or an address, which may have a C(checksum).
      - Of kind V(lxc) it is an archive with a system, of kind V(qemu) an image for clouds; for its template
        it may have C(options), keys of qm.conf(5).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Templates of this server
  twin.datacenter.pve_qemu:
    guests: "{{ (pair_images | twin.datacenter.proxmox_images(twin, 'castor')).templates }}"
"""

RETURN = r"""
_value:
  description:
    - The C(files), each with its C(path) on the server, its C(source) and its C(checksum), and the
      C(templates) of M(twin.datacenter.pve_qemu).
  type: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import parse_twin
from ansible_collections.twin.datacenter.plugins.module_utils._machine.guests import images_of
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def proxmox_images(
    images: Iterable[Mapping[str, Any]], twin: Mapping[str, Any], server: str
) -> dict[str, list[dict[str, Any]]]:
    """Files and templates of one server."""
    return images_of(images, parse_twin(twin), server)


FilterModule = filter_module(proxmox_images)
