# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module packages."""

from __future__ import annotations

from tests.doubles.system import server
from tests.laws.laws import Case

ZFS = [{"module": "zfs", "present": ["zfsutils-linux"], "absent": ["zfs-fuse"]}]

CASES = [
    Case("packages", "a kernel without zfs", server, {"packages": ["chrony", "lxc"], "by_kernel": ZFS}),
    Case(
        "packages", "a kernel with zfs", lambda: server(modules=["zfs"]), {"packages": [], "by_kernel": ZFS}
    ),
    Case("packages", "nothing", server, {"packages": [], "by_kernel": []}),
]
