# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is in a cluster, by the names under which the modules take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .datacenter import DATACENTER
from .host import PveReader
from .pool import POOL
from .resource import export
from .resource_host import read_all
from .storage import STORAGE


def pools(host: PveReader) -> list[dict[str, Any]]:
    """Options of module pve_pool."""
    return [{"name": item["name"], **item["settings"]} for item in export(POOL, read_all(POOL, host))]


def storages(host: PveReader) -> list[dict[str, Any]]:
    """Options of module pve_storage."""
    items = export(STORAGE, read_all(STORAGE, host))
    return [
        {"name": item["name"], "type": item["settings"].pop("type"), "settings": item["settings"]}
        for item in items
    ]


def datacenter(host: PveReader) -> dict[str, Any]:
    """Option of module pve_datacenter."""
    return dict(export(DATACENTER, read_all(DATACENTER, host))[0]["settings"])


def nodes(host: PveReader) -> list[dict[str, Any]]:
    """The servers of the cluster; one that stands alone is the only one."""
    return [
        {"name": item["name"], "online": bool(item.get("online")), "address": item.get("ip", "")}
        for item in host.get("cluster/status")
        if item["type"] == "node"
    ]


GATHER: Mapping[str, Callable[[PveReader], Any]] = {
    "version": lambda host: host.get("version")["version"],
    "nodes": nodes,
    "datacenter": datacenter,
    "pools": pools,
    "storages": storages,
}


def read_info(host: PveReader, params: Mapping[str, Any]) -> dict[str, Any]:
    """What module pve_info returns."""
    return {name: gather(host) for name, gather in GATHER.items() if name in params["gather"]}
