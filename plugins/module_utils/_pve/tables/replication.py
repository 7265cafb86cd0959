# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /cluster/replication/{id}
CREATE: POST /cluster/replication
"""

from __future__ import annotations

from ..schema import Field

UPDATE = {
    "comment": Field(longest=4096),
    "disable": Field("boolean"),
    "rate": Field("number", low=1),
    "remove_job": Field(choices=("local", "full")),
    "schedule": Field(longest=128, format="pve-calendar-event"),
    "source": Field(format="pve-node"),
}
CREATE = {
    **UPDATE,
    "id": Field(pattern="[1-9][0-9]{2,8}-\\d{1,9}", format="pve-replication-job-id", required=True),
    "target": Field(format="pve-node", required=True),
    "type": Field(choices=("local",), required=True),
}
