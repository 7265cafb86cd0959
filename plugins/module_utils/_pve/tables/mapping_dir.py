# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /cluster/mapping/dir/{id}
CREATE: POST /cluster/mapping/dir
"""

from __future__ import annotations

from ..schema import Field

MAP = {
    "node": Field(format="pve-node", required=True),
    "path": Field(format="pve-storage-path-in-property-string", required=True),
}
UPDATE = {
    "description": Field(longest=4096),
    "map": Field("array", parts=MAP),
}
CREATE = {
    "description": Field(longest=4096),
    "id": Field(format="pve-configid", required=True),
    "map": Field("array", required=True, parts=MAP),
}
