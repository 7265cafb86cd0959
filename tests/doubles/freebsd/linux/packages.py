# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pkg(8) on a server of the lab: what a package brings is there from the beginning, out of sight."""

from __future__ import annotations

from pathlib import Path

from .. import pkg
from ..answers import program
from ..world import World

FILES = {
    "sudo": {
        "/usr/local/bin/sudo": "/usr/lib/linux/sudo",
        "/usr/local/etc/sudoers.d": "/etc/sudoers.d",
        "/usr/local/sbin/visudo": "/usr/lib/linux/visudo",
    }
}
"""What packages bring, and what of Debian stands for it."""


def install(world: World, args: list[str], stdin: str) -> str:
    """As it is, and then the files of what is installed."""
    answer = pkg.pkg(world, args, stdin)
    for name in pkg.table(world, pkg.LOCAL):
        for path, program_of_debian in FILES.get(name, {}).items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            if not Path(path).is_symlink():
                Path(path).symlink_to(program_of_debian)
    return answer


PROGRAMS = {"pkg": program(install)}
