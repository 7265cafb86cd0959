# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""os.uname() of a server that took a kernel of Proxmox VE at its boot."""

import os
from pathlib import Path

TAKEN = Path("/run/pve-double/osrelease")
real = os.uname


def uname() -> os.uname_result:
    system, node, release, version, machine = real()
    taken = TAKEN.read_text().strip() if TAKEN.exists() else release
    return os.uname_result((system, node, taken, version, machine))


os.uname = uname
