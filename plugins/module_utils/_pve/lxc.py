# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers of Proxmox VE: in what they differ from virtual machines. Pure.

What a running container takes at once follows vmconfig_hotplug_pending in PVE/LXC/Config.pm (pve-container).
"""

from __future__ import annotations

import re
from typing import Any

from .guest import Kind, Values
from .tables import lxc as tables

_LIVE = re.compile(
    # Read when they are needed ($LXC_FASTPLUG_OPTIONS).
    r"description|onboot|startup|protection|hostname|hookscript|cores|tags"
    # Limits of its control group; its cards.
    r"|cpulimit|cpuunits|net\d+"
)


def verdict(key: str, old: Any, new: Any, _live: Values) -> str:
    """What a change of a key asks of a container that runs: ``live`` or ``restart``."""
    if key == "memory":
        # No control group is told of a limit that goes.
        return "restart" if new is None else "live"
    if key == "swap":
        return "live"
    if re.fullmatch(r"(mp|dev)\d+", key):
        # A mount and a device can come, but neither change nor go.
        return "live" if old is None else "restart"
    return "live" if _LIVE.fullmatch(key) else "restart"


LXC = Kind(
    path="lxc",
    what="container",
    name_key="hostname",
    config=tables.CONFIG,
    create=tables.CREATE,
    disks=re.compile(r"rootfs|mp\d+|unused\d+"),
    volume="volume",
    kept=("hwaddr", "type"),
    fixed=frozenset({"unprivileged"}),
    needed=frozenset({"memory", "ostype"}),
    hidden={"password": False, "ssh-public-keys": False},
    move=("move_volume", "volume"),
    verdict=verdict,
)
