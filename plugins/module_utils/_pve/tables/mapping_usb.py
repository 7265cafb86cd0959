# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /cluster/mapping/usb/{id}
CREATE: POST /cluster/mapping/usb
"""

from __future__ import annotations

from ..schema import Field

MAP = {
    "description": Field(longest=4096),
    "id": Field(pattern="(?:^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$)", required=True),
    "node": Field(format="pve-node", required=True),
    "path": Field(pattern="(?:^(\\d+)\\-(\\d+(\\.\\d+)*)$)"),
}
UPDATE = {
    "description": Field(longest=4096),
    "map": Field("array", required=True, parts=MAP),
}
CREATE = {
    "description": Field(longest=4096),
    "id": Field(format="pve-configid", required=True),
    "map": Field("array", required=True, parts=MAP),
}
