# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module units."""

from __future__ import annotations

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import WritableHost
from tests.doubles.system import server
from tests.laws.laws import Case


def host() -> WritableHost:
    return server(
        units={
            "on.service": {"enabled": True, "active": True},
            "off.service": {"enabled": False, "active": False},
        }
    )


CASES = [
    Case(
        "units",
        "turned round",
        host,
        {
            "units": [
                {"name": "on.service", "enabled": False, "active": False},
                {"name": "off.service", "enabled": True, "active": True},
            ]
        },
    ),
    Case("units", "left alone", host, {"units": [{"name": "on.service", "enabled": None, "active": None}]}),
    Case("units", "not there and not wanted", host, {"units": [{"name": "no.service", "active": False}]}),
]
