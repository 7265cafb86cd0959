# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: parity
short_description: Two servers compared
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Compares the facts that M(twin.datacenter.parity_info) read on two servers.
positional: _input, accepted
options:
  _input:
    description: The facts of two servers, by their names.
    type: dict
    required: true
  accepted:
    description: Keys of differences that are accepted; they weigh no more than a note.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show how castor and pollux differ
  ansible.builtin.debug:
    msg: "{{ ({'castor': one.facts, 'pollux': other.facts} | twin.datacenter.parity).table }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:alike) is false when something differs that keeps machines from moving.
    - RV(ignore:score) sums up the weights, of which a blocker has 100, a warning 10 and a note 1.
    - RV(ignore:differences) are the differences, the gravest first, and RV(ignore:table) are the same
      as lines for people.
  type: dict
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._parity.model import compare
from ansible_collections.twin.datacenter.plugins.plugin_utils.filters import filter_module


def parity(
    servers: Mapping[str, Iterable[Mapping[str, Any]]], accepted: Sequence[str] = ()
) -> dict[str, Any]:
    """The report of what differs between two servers."""
    return compare(servers, accepted)


FilterModule = filter_module(parity)
