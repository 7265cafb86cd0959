# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands against a move within a cluster of Proxmox VE, all of it at once. Pure.

What PVE would refuse follows PVE::QemuMigrate and PVE::LXC::Migrate; it says so only when the machine has
been stopped already.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.values import human_size


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a node has for a guest that may come.

    :param storages: by name, the bytes that are free on it; only those that are enabled there.
    :param missing_bridges: those that PVE tells of on the server of the guest, and not on this one. It tells
        only of what stands in /etc/network/interfaces (PVE::INotify), so of none that systemd-networkd made.
    :param memory: bytes of the node; ``promised`` of it to the guests that run there.
    :param faults: what PVE itself says against it.
    """

    server: str
    maintenance: bool = False
    storages: Mapping[str, int] = field(default_factory=dict)
    missing_bridges: frozenset[str] = frozenset()
    memory: int = 0
    promised: int = 0
    faults: tuple[str, ...] = ()


def blockers(
    config: Mapping[str, Any],
    volumes: Mapping[str, str],
    local: Mapping[str, int],
    copied: Mapping[str, int],
    memory: int,
    target: Prospect,
    hastate: str,
) -> list[str]:
    """Every reason why a guest cannot move, each as a clause; empty when it can.

    :param volumes: its volumes by their keys.
    :param local: those that its node alone has, with their bytes; ``copied``: those of them that no
        replication keeps on the other one.
    :param memory: bytes that it is promised.
    """
    server = target.server
    found = list(target.faults)
    if config.get("lock"):
        found.append(f"it is locked ({config['lock']}); wait until that is over")
    if target.maintenance:
        found.append(f"{server} is in maintenance")
    if hastate == "error":
        found.append("its manager of high availability is in state error; clear that first")
    found += [
        f"{key} is a device of its server ({value}); map it with module pve_mapping"
        for key, value in _keys(config, r"(hostpci|usb|serial|parallel)\d+")
        if "mapping=" not in value and not re.search("spice|socket", value)
    ]
    found += [
        f"{key} is a folder of its server ({value.partition(',')[0]}); "
        "mark it shared=1 if both servers have it"
        for key, value in _keys(config, r"mp\d+")
        if value.startswith("/") and "shared=1" not in value
    ]
    found += [
        f"{key} has a local medium in it ({volumes[key]}); take it out"
        for key in sorted(local.keys() & volumes.keys())
        if "media=cdrom" in str(config[key]) and "cloudinit" not in volumes[key]
    ]
    found += [
        f"{key} is a linked clone ({volume}), which cannot leave its template; make a full clone of it"
        for key, volume in sorted(volumes.items())
        if key in local and re.search(r":base(vol)?-\d+-", volume)
    ]
    found += _storage_faults(volumes.values(), {volumes[key]: size for key, size in copied.items()}, target)
    bridges = {
        name for _key, value in _keys(config, r"net\d+") for name in re.findall("bridge=([^,]+)", value)
    }
    found += [f"there is no bridge {name} on {server}" for name in sorted(bridges & target.missing_bridges)]
    if memory + target.promised > target.memory:
        found.append(
            f"memory of {server} is {human_size(target.memory)}, its guests have "
            f"{human_size(target.promised)} of it and {human_size(memory)} would be needed"
        )
    return list(dict.fromkeys(found))


def _storage_faults(volumes: Collection[str], copied: Mapping[str, int], target: Prospect) -> list[str]:
    names = sorted({volume.partition(":")[0] for volume in volumes})
    found = [
        f"there is no storage {name} on {target.server}" for name in names if name not in target.storages
    ]
    for name in names:
        needed = sum(size for volume, size in copied.items() if volume.startswith(f"{name}:"))
        if needed > target.storages.get(name, needed):
            found.append(
                f"storage {name} of {target.server} has {human_size(target.storages[name])} free, "
                f"up to {human_size(needed)} would be sent"
            )
    return found


def _keys(config: Mapping[str, Any], pattern: str) -> list[tuple[str, str]]:
    return [(key, str(config[key])) for key in sorted(config) if re.fullmatch(pattern, key)]


def replicated(config: Mapping[str, Any], key: str) -> bool:
    """Whether a job takes a volume along (PVE::AbstractConfig::get_replicatable_volumes)."""
    return not re.search(r"media=cdrom|replicate=(0|no|off)", str(config[key]))


def sent_of(log: Collection[str]) -> int:
    """Bytes that the log of a replication or a migration tells of; 0 where it tells of none.

    PVE::Storage::ZFSPoolPlugin has zfs send tell (``-v``) what libzfs estimates for each stream.
    """
    sizes = [re.search(r"total estimated size is ([\d.]+)([BKMGTP]?)\s*$", line) for line in log]
    return sum(round(float(each[1]) * 1024 ** "BKMGTP".index(each[2] or "B")) for each in sizes if each)
