# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_datacenter."""

from __future__ import annotations

from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve import info
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import CANARY, Case


def cluster() -> DoubleHost:
    host = DoubleHost()
    host.world.options |= {
        "keyboard": "de",
        "migration": {"type": "insecure", "network": "10.1.0.0/24"},
        "max_workers": 3,
        "bwlimit": "default=1000,migration=2000",
        "description": "two servers\n",
        "registered-tags": ["prod", "stage"],
        "user-tag-access": {"user-allow": "list", "user-allow-list": ["lab", "web"]},
    }
    return host


def behind_a_proxy() -> DoubleHost:
    host = cluster()
    host.world.options["http_proxy"] = f"http://lab:{CANARY}@192.0.2.3:3128"
    return host


def case(name: str, fresh: Any = cluster, **options: Any) -> Case:
    def export(host: Any) -> dict[str, Any]:
        return {"datacenter": info.datacenter(host)}

    return Case("pve_datacenter", name, fresh, {"datacenter": options}, export)


CASES = [
    case("nothing"),
    case("on a new cluster", DoubleHost, keyboard="de", ha={"shutdown_policy": "migrate"}),
    case(
        "the same by meaning",
        keyboard="de",
        migration="network=10.1.0.0/24,type=insecure",
        max_workers="3",
        bwlimit={"migration": 2000, "default": 1000},
        description="two servers",
        fencing="watchdog",
        **{
            "registered-tags": ["stage", "prod"],
            "user-tag-access": "user-allow=list,user-allow-list=web;lab",
        },
    ),
    case(
        "changed and unset",
        keyboard=None,
        language=None,
        migration={"type": "secure"},
        description="one pair",
        **{"registered-tags": "prod", "next-id": {"lower": 500, "upper": 1000}},
    ),
    case("a proxy with a password", http_proxy=f"http://lab:{CANARY}@192.0.2.3:3128"),
    case("the same proxy", behind_a_proxy, http_proxy=f"http://lab:{CANARY}@192.0.2.3:3128"),
    case("another password of the proxy", behind_a_proxy, http_proxy=f"http://lab:{CANARY}2@192.0.2.3:3128"),
    case("no proxy any more", behind_a_proxy, http_proxy=None),
]
