# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of all programs on a server of the lab: the name by which it is called says which one is meant."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

OF_EVERYBODY = ("cpuset", "fetch", "kenv", "nc", "rctl", "sha256", "stat", "uname")
"""Programs of /usr/bin; the others lie in /usr/sbin."""


def main(argv: Sequence[str]) -> int:
    """Run a program as its command line says; its exit code."""
    name = os.path.basename(argv[0])
    if name in ("zfs", "zpool"):
        # Hundreds of them make one run of our tests, and they want nothing of the rest.
        from .linux import zfs

        return zfs.main(name, argv[1:])
    if name == "cron":
        from .linux import cron

        cron.main()
    from .linux.world import LinuxWorld, release

    world = LinuxWorld(release())
    if name == "rc":
        from .linux import rc

        return rc.main(world, argv[1])
    return world.serve([name, *argv[1:]])


def install() -> None:
    """Write the index of the programs, and print where they lie, below /usr."""
    from .linux import shelf

    table = shelf.index()
    shelf.INDEX.write_text("".join(f"{' '.join([name, *table[name]])}\n" for name in table))
    for name in ("zfs", "zpool", *table):
        print(f"{'bin' if name in OF_EVERYBODY else 'sbin'}/{name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
