# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /cluster/ha/groups/{group}
CREATE: POST /cluster/ha/groups
"""

from __future__ import annotations

from ..schema import Field

UPDATE = {
    "comment": Field(longest=4096),
    "nodes": Field(format="pve-ha-node-list"),
    "nofailback": Field("boolean", default=False),
    "restricted": Field("boolean", default=False),
}
CREATE = {
    "comment": Field(longest=4096),
    "group": Field(format="pve-configid", required=True),
    "nodes": Field(format="pve-ha-node-list", required=True),
    "nofailback": Field("boolean", default=False),
    "restricted": Field("boolean", default=False),
    "type": Field(choices=("group",)),
}
