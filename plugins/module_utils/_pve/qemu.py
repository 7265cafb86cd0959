# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Virtual machines of Proxmox VE: in what they differ from containers. Pure.

What a running machine takes at once follows vmconfig_hotplug_pending, vmconfig_update_net and
vmconfig_update_disk in PVE/QemuServer.pm (qemu-server), and its option ``hotplug``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .guest import Kind, Values
from .tables import qemu as tables

_LIVE = re.compile(
    # Read when they are needed ($fast_plug_option); of cloud-init, at the next start of its system.
    r"description|hookscript|migrate_downtime|migrate_speed|name|onboot|protection|shares|startup|tags"
    r"|vmstatestorage|cicustom|cipassword|citype|ciuser|ciupgrade|ipconfig\d+|nameserver|searchdomain|sshkeys"
    # Limits of its control group.
    r"|cpulimit|cpuunits"
)
# Of a card and of a disk, what changes without taking it out (vmconfig_update_net, vmconfig_update_disk).
_SOFT_NET = {"bridge", "firewall", "link_down", "rate", "tag", "trunks"}
_SOFT_DISK = re.compile(r"backup|replicate|(mbps|iops|bps)(_.+)?|ssd|size|file")
_SOFT_AGENT = {"freeze-fs-on-backup", "fstrim_cloned_disks"}
_HOTPLUG = "network,disk,usb"


def verdict(key: str, old: Any, new: Any, live: Values) -> str:
    """What a change of a key asks of a machine that runs: ``live`` or ``restart``."""
    return "live" if _is_live(key, old, new, live) else "restart"


def _is_live(key: str, old: Any, new: Any, live: Values) -> bool:
    said = live.get("hotplug", _HOTPLUG)
    text = ",".join(said) if isinstance(said, list) else str(said)
    hotplug = set((_HOTPLUG if text == "1" else text).split(","))
    if _LIVE.fullmatch(key):
        return True
    if key == "hotplug":
        return not re.search(r"cpu|memory", f"{old} {new}")
    if key in ("tablet", "vcpus", "memory"):
        return {"tablet": "usb", "vcpus": "cpu", "memory": "memory"}[key] in hotplug
    if key == "balloon":
        # The device itself comes and goes with a start.
        return (old == 0) == (new == 0)
    if key == "agent":
        return bool(_changed(old, new)) and _changed(old, new) <= _SOFT_AGENT
    if key.startswith("usb"):
        return "usb" in hotplug and str(live.get("ostype", "")) in ("l26", "win8", "win10", "win11")
    if re.fullmatch(r"net\d+", key):
        return "network" in hotplug or (
            old is not None and new is not None and _changed(old, new) <= _SOFT_NET
        )
    if QEMU.is_disk(key):
        return _is_live_disk(key, old, new, hotplug)
    return False


def _is_live_disk(key: str, old: Any, new: Any, hotplug: set[str]) -> bool:
    if key.startswith(("efidisk", "tpmstate")):
        return False
    if key.startswith("unused"):
        return True
    if old is None or new is None:
        return "disk" in hotplug and not key.startswith(("ide", "sata"))
    if "cdrom" in (old.get("media"), new.get("media")):
        return old.get("media") == new.get("media")
    return all(_SOFT_DISK.fullmatch(part) for part in _changed(old, new))


def _changed(old: Any, new: Any) -> set[str]:
    one = old if isinstance(old, Mapping) else {}
    other = new if isinstance(new, Mapping) else {}
    return {part for part in {*one, *other} if one.get(part) != other.get(part)}


QEMU = Kind(
    path="qemu",
    what="virtual machine",
    name_key="name",
    config=tables.CONFIG,
    create=tables.CREATE,
    disks=re.compile(r"(ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0|unused\d+"),
    volume="file",
    kept=("macaddr",),
    fixed=frozenset(),
    needed=frozenset(),
    hidden={"cipassword": True},
    move=("move_disk", "disk"),
    verdict=verdict,
)
