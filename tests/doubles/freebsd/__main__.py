# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of all programs on a server of the lab: the name by which it is called says which one is meant."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .linux import Become

OF_EVERYBODY = ("cpuset", "fetch", "kenv", "nc", "rctl", "sha256", "stat", "uname")
"""Programs of /usr/bin; the others lie in /usr/sbin."""


def replace(words: Sequence[str], environment: dict[str, str]) -> None:
    """Become another program, as execve(2) has it."""
    os.execvpe(words[0], list(words), environment)


def main(argv: Sequence[str], become: Become = replace) -> int:
    """Run a program as its command line says; its exit code.

    :param become: makes the program another one, where it shall go on as that.
    """
    name = os.path.basename(argv[0])
    if name == "zfs":
        # It wants nothing of the rest.
        from .linux import zfs

        return zfs.main(argv[1:], become)
    if name == "cron":
        from .linux import cron

        cron.main()
    if name == "office":
        from .linux import office

        office.serve(main)
    from .linux.world import LinuxWorld, release

    world = LinuxWorld(release(), become)
    if name == "rc":
        from .linux import rc

        return rc.main(world, argv[1])
    return world.serve([name, *argv[1:]])


def install() -> None:
    """Write the index of the programs, and print where they lie, below /usr."""
    from .linux import shelf

    table = shelf.index()
    shelf.INDEX.write_text("".join(f"{' '.join([name, *table[name]])}\n" for name in table))
    for name in table:
        print(f"{'bin' if name in OF_EVERYBODY else 'sbin'}/{name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
