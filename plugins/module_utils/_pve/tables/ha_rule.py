# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /cluster/ha/rules/{rule}
CREATE: POST /cluster/ha/rules
"""

from __future__ import annotations

from ..schema import Field

UPDATE = {
    "affinity": Field(choices=("positive", "negative")),
    "comment": Field(longest=4096),
    "disable": Field("boolean"),
    "nodes": Field(format="pve-ha-node-list"),
    "resources": Field(format="pve-ha-resource-id-list"),
    "strict": Field("boolean", default=False),
    "type": Field(choices=("node-affinity", "resource-affinity"), required=True),
}
CREATE = {
    "affinity": Field(choices=("positive", "negative")),
    "comment": Field(longest=4096),
    "disable": Field("boolean"),
    "nodes": Field(format="pve-ha-node-list"),
    "resources": Field(format="pve-ha-resource-id-list", required=True),
    "rule": Field(format="pve-configid", required=True),
    "strict": Field("boolean", default=False),
    "type": Field(choices=("node-affinity", "resource-affinity"), required=True),
}
