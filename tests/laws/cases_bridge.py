# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module bridge."""

from __future__ import annotations

from typing import Any

from tests.doubles.system import server
from tests.laws.laws import Case


def params(**more: Any) -> dict[str, Any]:
    return {
        "bridge": "br0",
        "port": None,
        "addresses": None,
        "gateway": [],
        "links": [],
        "confirm": 60,
        "phase": "all",
        **more,
    }


CASES = [
    Case("bridge", "addresses as they are", server, params()),
    Case(
        "bridge",
        "addresses declared and a link",
        server,
        params(
            port="eth0",
            addresses=["192.0.2.99/24"],
            gateway=["192.0.2.1"],
            links=[{"port": "link0", "addresses": ["10.1.0.1/24"]}],
        ),
    ),
    Case(
        "bridge",
        "after a trial that was not confirmed",
        lambda: server(files={"/var/lib/twin/network-went-back": ""}),
        params(),
    ),
]
