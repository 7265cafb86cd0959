# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script of dhclient(8), and in memory a server that leases an address to everybody.

Rests on libexec/rc/rc.d/dhclient of FreeBSD 14: unless it is forced it starts for interfaces only of which
rc.conf(5) says DHCP.
"""

from __future__ import annotations

from collections.abc import Sequence

from .kernel import HOST
from .service import SCRIPTS, Script

GATEWAY = "192.0.2.1"


def lease(mac: str) -> str:
    """The address that the server leases to a MAC."""
    return f"192.0.2.{100 + int(mac.rpartition(':')[2], 16) % 100}/24"


class Dhclient(Script):
    """``service dhclient start INTERFACE``."""

    called = forced = False

    def call(self, words: Sequence[str]) -> int:
        self.called, self.forced = True, "".join(words[:1]).startswith("force")
        return super().call(words)

    def enabled(self) -> bool:
        """It has no variable of its own: it does what it is asked, and is started by nobody at a boot."""
        return self.called

    def do(self, verb: str, operands: Sequence[str]) -> int:
        if verb not in ("start", "stop"):
            return super().do(verb, operands)
        (name,) = operands
        words = self.rc.get(f"ifconfig_{name}", "").upper().split()
        if not self.forced and not {"DHCP", "SYNCDHCP", "NOSYNCDHCP"} & set(words):
            self.out.append(f"'{name}' is not a DHCP-enabled interface\n")
            return 1
        kernel = self.world.kernel
        running = [each for each in kernel.processes(HOST) if each.command == f"dhclient: {name}"]
        if verb == "stop":
            for process in running:
                kernel.end_process(process.pid)
            self.out.append("Stopping dhclient.\n" if running else "dhclient not running?\n")
            return 0 if running else 1
        if running:
            self.err.append(f"dhclient already running? (pid={running[0].pid}).\n")
            return 1
        interface = next(each for each in kernel.interfaces if each.name == name)
        address = lease(interface.mac)
        self.world.call(["ifconfig", name, "inet", address])
        self.world.call(["route", "delete", "default"])
        self.world.call(["route", "add", "default", GATEWAY])
        kernel.start_process(HOST, f"dhclient: {name}")
        self.out.append(f"Starting dhclient.\nbound to {address.partition('/')[0]}\n")
        return 0


SCRIPTS["dhclient"] = Dhclient
