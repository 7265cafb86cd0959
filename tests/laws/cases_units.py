# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module units."""

from __future__ import annotations

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import WritableHost
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.system import server
from tests.laws.laws import Case


def host() -> WritableHost:
    return server(
        units={
            "on.service": {"enabled": True, "active": True},
            "off.service": {"enabled": False, "active": False},
        }
    )


def freebsd() -> WritableHost:
    return FreebsdHost({"/etc/rc.conf": 'sshd_enable="YES"\n', "/var/run/sshd.pid": "812\n"})


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
    Case(
        "units",
        "turned round on FreeBSD",
        freebsd,
        {
            "units": [
                {"name": "sshd", "enabled": False, "active": False},
                {"name": "ntpd", "enabled": True, "active": True},
                {"name": "no", "active": False},
            ]
        },
    ),
]
