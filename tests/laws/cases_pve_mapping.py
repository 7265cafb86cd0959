# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_mapping."""

from __future__ import annotations

from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve import info
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import Case


def device(address: str, vendor: str, model: str, group: int, kind: str = "0x030200") -> dict[str, Any]:
    """A function as Proxmox VE tells of it."""
    return {
        "id": address,
        "vendor": vendor,
        "device": model,
        "subsystem_vendor": "0x10de",
        "subsystem_device": "0x12a2",
        "class": kind,
        "iommugroup": group,
    }


def servers() -> DoubleHost:
    """Castor and pollux, with a graphics card each, plugged in at different places."""
    host = DoubleHost()
    bridge = device("0000:00:01.0", "0x8086", "0xa341", 14, "0x060400")
    host.world.nodes["castor"].pci = [bridge, device("0000:01:00.0", "0x10de", "0x1eb8", 14)]
    host.world.nodes["pollux"].pci = [device("0000:41:00.0", "0x10de", "0x1eb8", 60)]
    mappings = host.world.file
    mappings("mapping/pci")["gpu"] = {
        "map": ["node=castor,path=0000:01:00.0,id=10de:1eb8"],
        "description": "old",
    }
    mappings("mapping/usb")["lab-key"] = {"map": ["node=castor,id=0529:0001"]}
    mappings("mapping/usb")["lab-gone"] = {"map": ["node=castor,id=0529:0002"]}
    mappings("mapping/dir")["media"] = {"map": ["node=castor,path=/srv/media", "node=pollux,path=/srv/media"]}
    return host


def case(name: str, *items: dict[str, Any], outside: tuple[str, ...] = (), **more: Any) -> Case:
    def export(host: Any) -> dict[str, Any]:
        return {"mappings": [{"state": "present", **item} for item in info.mappings(host)]}

    filled = [{"type": "pci", "state": "present", **item} for item in items]
    return Case(
        "pve_mapping",
        name,
        servers,
        {"mappings": filled, "purge": False, "scope": None, **more},
        export,
        outside,
    )


CASES = [
    case("nothing"),
    case("looked for on both", {"name": "t4", "discover": {"id": "10DE:1EB8"}}),
    case(
        "looked for on those named",
        {"name": "gpu", "discover": {"id": "10de:1eb8", "nodes": ["castor", "pollux"]}},
    ),
    case("only its description", {"name": "gpu", "description": "the card of both"}),
    case("no description", {"name": "gpu", "description": ""}),
    case(
        "the same by meaning",
        {
            "name": "media",
            "type": "dir",
            "description": "",
            "map": ["path=/srv/media,node=pollux", {"node": "castor", "path": "/srv/media"}],
        },
        {"name": "gpu", "mdev": False},
    ),
    case(
        "new of each kind",
        {"name": "nic", "map": [{"node": "castor", "path": "0000:02:00.0", "id": "8086:1533"}], "mdev": True},
        {"name": "key", "type": "usb", "map": ["node=castor,id=0529:0003", "node=pollux,id=0529:0003"]},
        {"name": "home", "type": "dir", "map": ["node=castor,path=/home"]},
    ),
    case("absent", {"name": "gpu", "state": "absent"}, {"name": "nosuch", "type": "dir", "state": "absent"}),
    case(
        "purged",
        {"name": "lab-key", "type": "usb"},
        purge=True,
        scope="lab-*",
        outside=("dir mapping media", "pci mapping gpu"),
    ),
]
