# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

CREATE: POST /pools
UPDATE: PUT /pools
"""

from __future__ import annotations

from ..schema import Field

CREATE = {
    "comment": Field(),
    "poolid": Field(format="pve-poolid", required=True),
}
UPDATE = {
    "allow-move": Field("boolean", default=False),
    "comment": Field(),
    "poolid": Field(format="pve-poolid", required=True),
    "storage": Field(format="pve-storage-id-list"),
    "vms": Field(format="pve-vmid-list"),
}
