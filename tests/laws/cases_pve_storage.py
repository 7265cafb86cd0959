# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_storage."""

from __future__ import annotations

from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve import info
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import CANARY, Case

TANK = {"pool": "tank/machines", "content": ["images", "rootdir"], "sparse": True}


def storages() -> DoubleHost:
    host = DoubleHost()
    host.world.file("storage").update(
        {
            "tank": {"type": "zfspool", "pool": "tank/machines", "content": "rootdir,images", "sparse": 1},
            "old": {
                "type": "dir",
                "path": "/var/lib/old",
                "content": "iso,backup",
                "prune-backups": "keep-last=3,keep-daily=2",
                "nodes": "castor,pollux",
            },
            "lab-a": {"type": "dir", "path": "/var/lib/a", "content": "iso"},
        }
    )
    return host


def case(
    name: str, *items: dict[str, Any], outside: tuple[str, ...] = (), fresh: Any = storages, **more: Any
) -> Case:
    def export(host: Any) -> dict[str, Any]:
        return {"storages": info.storages(host)}

    filled = [{"state": "present", "type": None, "settings": {}, "secrets": {}, **item} for item in items]
    params = {"storages": filled, "update_secrets": False, "purge": False, "scope": None, **more}
    return Case("pve_storage", name, fresh, params, export, outside)


CASES = [
    case("nothing"),
    case("new on an empty cluster", {"name": "tank", "type": "zfspool", "settings": TANK}, fresh=DoubleHost),
    case(
        "the same by meaning",
        {"name": "tank", "type": "zfspool", "settings": TANK},
        {
            "name": "old",
            "settings": {
                "path": "/var/lib/old",
                "content": "backup iso",
                "prune-backups": {"keep-daily": 2, "keep-last": 3},
                "nodes": ["pollux", "castor"],
                "create-subdirs": True,
            },
        },
    ),
    case(
        "changed and unset, several of one file",
        {"name": "old", "settings": {"content": ["iso"], "nodes": None, "prune-backups": {"keep-all": True}}},
        {"name": "tank", "settings": {"sparse": False, "nodes": ["castor"]}},
        {"name": "lab-a", "settings": {"shared": True}},
    ),
    case(
        "with a secret",
        {
            "name": "backups",
            "type": "pbs",
            "settings": {"server": "nas.example.org", "datastore": "main", "username": "pve@pbs"},
            "secrets": {"password": CANARY},
        },
    ),
    case(
        "a secret anew",
        {"name": "tank", "secrets": {"password": CANARY}},
        update_secrets=True,
    ),
    case("absent", {"name": "old", "state": "absent"}, {"name": "never", "state": "absent"}),
    case("purged", purge=True, scope="lab-*", outside=("storage tank", "storage old", "storage local")),
]
