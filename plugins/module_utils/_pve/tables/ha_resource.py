# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /cluster/ha/resources/{sid}
CREATE: POST /cluster/ha/resources
"""

from __future__ import annotations

from ..schema import Field

UPDATE = {
    "auto-rebalance": Field("boolean", default=True),
    "comment": Field(longest=4096),
    "failback": Field("boolean", default=True),
    "group": Field(format="pve-configid"),
    "max_relocate": Field("integer", low=0, default=1),
    "max_restart": Field("integer", low=0, default=1),
    "state": Field(choices=("started", "stopped", "enabled", "disabled", "ignored"), default="started"),
}
CREATE = {
    **UPDATE,
    "sid": Field(format="pve-ha-resource-or-vm-id", required=True),
    "type": Field(choices=("ct", "vm")),
}
