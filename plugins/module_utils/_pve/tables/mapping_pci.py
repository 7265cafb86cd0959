# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /cluster/mapping/pci/{id}
CREATE: POST /cluster/mapping/pci
"""

from __future__ import annotations

from ..schema import Field

MAP = {
    "description": Field(longest=4096),
    "id": Field(pattern="(?:^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$)", required=True),
    "iommugroup": Field("integer"),
    "node": Field(format="pve-node", required=True),
    "path": Field(
        pattern="(?:[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:.[a-f0-9])?;)*[a-f0-9]{4,}:[a-f0-9]{2}"
        ":[a-f0-9]{2}(?:.[a-f0-9])?",
        required=True,
        separated=True,
    ),
    "subsystem-id": Field(pattern="(?:^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$)"),
}
UPDATE = {
    "description": Field(longest=4096),
    "live-migration-capable": Field("boolean", default=False),
    "map": Field("array", parts=MAP),
    "mdev": Field("boolean", default=False),
}
CREATE = {
    "description": Field(longest=4096),
    "id": Field(format="pve-configid", required=True),
    "live-migration-capable": Field("boolean", default=False),
    "map": Field("array", required=True, parts=MAP),
    "mdev": Field("boolean", default=False),
}
