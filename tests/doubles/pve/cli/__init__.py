# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines of Proxmox VE over the state of the double: functions of the world, one file each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Output:
    """What a command answers."""

    rc: int
    out: str = ""
    err: str = ""
