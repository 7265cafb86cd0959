# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

CREATE: POST /cluster/config
JOIN: POST /cluster/config/join
"""

from __future__ import annotations

from ..schema import Field

LINK = {
    "address": Field(format="address", required=True, bare=True),
    "priority": Field("integer", low=0, high=255, default=0),
}
CREATE = {
    "clustername": Field(longest=15, format="pve-node", required=True),
    "link[n]": Field(parts=LINK),
    "nodeid": Field("integer", low=1),
    "token-coefficient": Field("integer", low=0, default=125),
    "votes": Field("integer", low=1),
}
JOIN = {
    "fingerprint": Field(pattern="([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}", required=True),
    "hostname": Field(required=True),
    "link[n]": Field(parts=LINK),
    "nodeid": Field("integer", low=1),
    "password": Field(longest=128, required=True),
    "votes": Field("integer", low=0),
}
