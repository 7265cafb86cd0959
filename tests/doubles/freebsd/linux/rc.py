# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rc(8) does at a start and rc.shutdown(8) before a halt, as far as jails depend on it.

Rests on rc.conf(5) and the order of rcorder(8): tunables and modules, rulesets of devfs,
network, limits, jails last; and of the scripts with the keyword shutdown, that of the jails.
"""

from __future__ import annotations

from .. import service
from .world import LinuxWorld


def main(world: LinuxWorld, verb: str) -> int:
    """``start`` or ``stop``; what the programs say is shown."""
    with world.held():
        if verb == "start":
            start(world)
        else:
            say(world, "service", "jail", "stop")
    return 0


def start(world: LinuxWorld) -> None:
    """A boot."""
    rc = service.settings(world)
    world.kernel.modules += [
        name for name in rc.get("kld_list", "").split() if name not in world.kernel.modules
    ]
    for script in ("sysctl", "devfs", "netif"):
        say(world, "service", script, "start")
    for key, family in (("defaultrouter", "-4"), ("ipv6_defaultrouter", "-6")):
        if rc.get(key, "NO").upper() != "NO":
            say(world, "route", family, "add", "default", rc[key])
    for script in ("pf", "rctl", "jail"):
        say(world, "service", script, "start")


def say(world: LinuxWorld, *argv: str) -> None:
    """Run a program, show what it says."""
    output = world.call(argv)
    print(output.out, output.err, sep="", end="", flush=True)
