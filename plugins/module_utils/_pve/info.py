# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is in a cluster, by the names under which the modules take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .datacenter import DATACENTER
from .errors import NotOffered
from .ha_resource import HA_RESOURCE
from .ha_rule import HA_GROUP, HA_RULE, export_group
from .host import PveReader
from .mapping import MAPPINGS
from .pool import POOL
from .replication import REPLICATION
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


def ha_resources(host: PveReader) -> list[dict[str, Any]]:
    """Options of module pve_ha_resource."""
    items = export(HA_RESOURCE, read_all(HA_RESOURCE, host))
    return [{"sid": item["name"], **item["settings"]} for item in items]


def ha_rules(host: PveReader) -> list[dict[str, Any]]:
    """Options of module pve_ha_rule: rules, or groups where there are no rules."""
    try:
        return [
            {"name": item["name"], **item["settings"]} for item in export(HA_RULE, read_all(HA_RULE, host))
        ]
    except NotOffered:
        return [export_group(item) for item in export(HA_GROUP, read_all(HA_GROUP, host))]


def mappings(host: PveReader) -> list[dict[str, Any]]:
    """Options of module pve_mapping."""
    return [
        {"name": item["name"], "type": kind}
        | {key.replace("-", "_"): of for key, of in item["settings"].items()}
        for kind, resource in MAPPINGS.items()
        for item in export(resource, read_all(resource, host))
    ]


def replication(host: PveReader) -> list[dict[str, Any]]:
    """Options of module pve_replication; what is on its way out is not told."""
    told = ("target", "schedule", "rate", "disable", "comment")
    return [
        {"name": item["name"], **{key: of for key, of in item["settings"].items() if key in told}}
        for item in export(REPLICATION, read_all(REPLICATION, host))
        if not REPLICATION.leaving(item["settings"])
    ]


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
    "ha_resources": ha_resources,
    "ha_rules": ha_rules,
    "mappings": mappings,
    "replication": replication,
}


def read_info(host: PveReader, params: Mapping[str, Any]) -> dict[str, Any]:
    """What module pve_info returns."""
    return {name: gather(host) for name, gather in GATHER.items() if name in params["gather"]}
