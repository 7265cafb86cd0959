# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of zfs_pool: each begins with the pool ``tank`` on /disks/tank and free disks beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.pool_host import export_pools
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.memory import MemoryHost
from tests.doubles.zfs import FLAVOURS, zfs_host

from .laws import Case

DISKS = tuple(f"/disks/d{number}" for number in range(1, 7))
STRIPE = {"type": "stripe", "devices": ["/disks/tank"]}
MIRROR = {"type": "mirror", "devices": ["/disks/d1", "/disks/d2"]}
MORE = {"type": "mirror", "devices": ["/disks/d3", "/disks/d4"]}
SPARE = {"type": "spare", "devices": ["/disks/d5"]}
LOG = {"type": "log", "devices": ["/disks/d6"]}

USES: dict[str, tuple[tuple[str, ...], list[Mapping[str, Any]], tuple[str, ...]]] = {
    "nothing to do": ((), [{"name": "tank", "vdevs": [STRIPE], "properties": {"autoexpand": False}}], ()),
    "create": ((), [{"name": "safe", "vdevs": [MIRROR, SPARE], "properties": {"failmode": "continue"}}], ()),
    "grow a stripe": ((), [{"name": "tank", "vdevs": [STRIPE, {"devices": ["/disks/d1"]}]}], ()),
    "grow a mirror": (
        ("create safe mirror /disks/d1 /disks/d2",),
        [{"name": "safe", "vdevs": [MIRROR, MORE, LOG, SPARE], "properties": {"autoexpand": "yes"}}],
        (),
    ),
    "properties": ((), [{"name": "tank", "properties": {"autoexpand": True, "failmode": "continue"}}], ()),
    "absent": (
        ("create old /disks/d1",),
        [{"name": "old", "state": "absent"}, {"name": "never", "state": "absent"}],
        ("old",),
    ),
}


def freebsd_host() -> FreebsdHost:
    """A FreeBSD server with these disks."""
    host = FreebsdHost({disk: "" for disk in ("/disks/tank", *DISKS)})
    host.zfs.devices |= set(DISKS)
    return host


def pool_host(flavour: str, *commands: str) -> MemoryHost:
    """A host with the pool tank, free disks, and these zpool(8) commands run."""
    host = freebsd_host() if flavour == "freebsd" else zfs_host(flavour, disks=DISKS)
    for line in commands:
        host.change(["zpool", *line.split(" ")])
    host.changes.clear()
    host.calls.clear()
    return host


def exported(host: Host) -> Mapping[str, Any]:
    return {"pools": export_pools(host)}


CASES = [
    Case(
        "zfs_pool",
        f"{name} {flavour}",
        (lambda commands=commands, flavour=flavour: pool_host(flavour, *commands)),  # type: ignore[misc]
        {"pools": pools, "allow_destroy": list(allowed)},
        exported,
        ("tank",) if name in ("create", "grow a mirror", "absent") else (),
    )
    for name, (commands, pools, allowed) in USES.items()
    for flavour in (*FLAVOURS, "freebsd")
]
