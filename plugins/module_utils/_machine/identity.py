# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The identity of a machine: derived once from the names of its pair and its own, equal on both servers.

Pure.
"""

from __future__ import annotations

import hashlib
import uuid as _uuid

_SPACE = _uuid.UUID("7c1f3f0e-5a0b-5d2c-9d1e-2f6f0a4d7e11")
"""The name space (RFC 9562, version 5) of all machines of this collection; it never changes."""


def mac(twin: str, machine: str, index: int = 0) -> str:
    """The address of the machine's nth network card ("02:…": locally administered, unicast)."""
    digest = hashlib.sha256(f"{twin}\n{machine}\n{index}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def uuid(twin: str, machine: str) -> str:
    """The machine's UUID."""
    return str(_uuid.uuid5(_SPACE, f"{twin}\n{machine}"))


def guest_id(twin: str, machine: str) -> int:
    """The machine's number as a guest of Proxmox VE.

    All of them have nine digits, the most that it takes: people count from 100, and so does Proxmox VE for
    those that are given no number.
    """
    digest = hashlib.sha256(f"{twin}\n{machine}".encode()).digest()
    return 100_000_000 + int.from_bytes(digest[:8]) % 900_000_000
