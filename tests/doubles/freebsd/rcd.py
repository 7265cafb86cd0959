# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of /etc/rc.d which load what files say: devfs, rctl, pf, netif and sysctl.

Rests on libexec/rc/rc.d/{devfs,rctl,pf,netif,sysctl} and libexec/rc/network.subr of FreeBSD 14. Of netif
only what names and sets up interfaces is here.

Its lies: all of them end with 0 whatever the programs said that they ran.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from . import devfs
from .service import SCRIPTS, Script

TO_BE_READ_ONCE = ("DHCP", "SYNCDHCP", "NOSYNCDHCP", "WPA", "NOAUTO")


class Loader(Script):
    """A script which runs programs and has nothing that goes on running."""

    default = "YES"

    def enabled(self) -> bool:
        return self.rc.get(self.variable, self.default).lower() in ("yes", "true", "on", "1")

    def run(self, *argv: str) -> None:
        """Run a program; what it says goes to whoever called the script."""
        output = self.world.call(argv)
        self.out.append(output.out)
        self.err.append(output.err)

    def lines(self, path: str) -> list[str]:
        """Lines of a file, without comments."""
        text = self.world.files.read(self.world.rooted(path)) or ""
        return [line for each in text.splitlines() if (line := each.partition("#")[0].strip())]

    def do(self, verb: str, operands: Sequence[str]) -> int:
        if verb not in ("start", "stop", "reload"):
            return super().do(verb, operands)
        {"start": self.start, "reload": self.reload, "stop": self.stop}[verb](operands)
        return 0

    def start(self, operands: Sequence[str]) -> None:
        """``start``."""

    def stop(self, operands: Sequence[str]) -> None:
        """``stop``."""

    def reload(self, operands: Sequence[str]) -> None:
        """``reload``."""


class Devfs(Loader):
    """Rulesets of the system and of /etc/devfs.rules."""

    def start(self, operands: Sequence[str]) -> None:
        self.err.append(devfs.load(self.world))


class Rctl(Loader):
    """Rules of /etc/rctl.conf. ``stop`` removes all that are there."""

    def start(self, operands: Sequence[str]) -> None:
        for line in self.lines(self.rc.get("rctl_rules", "/etc/rctl.conf")):
            self.run("/usr/bin/rctl", "-a", line.split()[0])

    def stop(self, operands: Sequence[str]) -> None:
        for rule in list(self.world.kernel.rules):
            self.run("/usr/bin/rctl", "-r", rule)


class Sysctl(Loader):
    """Values of /etc/sysctl.conf."""

    def start(self, operands: Sequence[str]) -> None:
        for line in self.lines("/etc/sysctl.conf"):
            output = self.world.call(["/sbin/sysctl", line.replace('"', "")])
            self.err.append(output.err)


class Pf(Loader):
    """Rules of /etc/pf.conf."""

    default = "NO"
    own = "status reload resync check"

    def do(self, verb: str, operands: Sequence[str]) -> int:
        if verb != "status":
            return super().do(verb, operands)
        # Of rules that are not enforced it says so, and ends with 0.
        if "pf" not in self.world.kernel.modules:
            self.out.append("pf.ko is not loaded\n")
            return 1
        self.run("/sbin/pfctl", "-s", "info")
        return 0

    def start(self, operands: Sequence[str]) -> None:
        self.out.append("Enabling pf.\n")
        self.run("/sbin/kldload", "-n", "pf")
        self.world.call(["/sbin/pfctl", "-F", "all"])
        self.run("/sbin/pfctl", "-f", self.rules)
        if not self.world.kernel.firewall:
            self.run("/sbin/pfctl", "-eq")

    def stop(self, operands: Sequence[str]) -> None:
        if self.world.kernel.firewall:
            self.out.append("Disabling pf.\n")
            self.world.call(["/sbin/pfctl", "-dq"])

    def reload(self, operands: Sequence[str]) -> None:
        self.out.append("Reloading pf rules.\n")
        self.run("/sbin/pfctl", "-n", "-f", self.rules)
        self.run("/sbin/pfctl", "-f", self.rules)

    @property
    def rules(self) -> str:
        """The file."""
        return self.rc.get("pf_rules", "/etc/pf.conf")


class Netif(Loader):
    """The interfaces that rc.conf(5) names: cloned ones are made, named and set up."""

    own = "cloneup clonedown clear vnetup vnetdown"

    def do(self, verb: str, operands: Sequence[str]) -> int:
        if verb == "cloneup":
            self.clone(operands)
            return 0
        return super().do(verb, operands)

    def clone(self, wanted: Sequence[str]) -> None:
        """``cloneup``, and the first half of ``start``."""
        made = []
        for born in self.rc.get("cloned_interfaces", "").split():
            name = self.rc.get(f"ifconfig_{born}_name", born)
            there = {each.name for each in self.world.kernel.interfaces if not each.vnet}
            if {born, name} & there or (wanted and not {born, name} & set(wanted)):
                continue
            self.run("/sbin/ifconfig", born, "create", *shlex.split(self.rc.get(f"create_args_{born}", "")))
            if name != born:
                self.run("/sbin/ifconfig", born, "name", name)
            made.append(name)
        # The programs' own answers are thrown away.
        self.out[:] = [f"Created clone interfaces: {' '.join(made)}.\n"] if made else []

    def start(self, operands: Sequence[str]) -> None:
        self.clone(operands)
        names = [each.name for each in self.world.kernel.interfaces if not each.vnet]
        chosen = [name for name in names if not operands or name in operands]
        for name in chosen:
            self.configure(name)
        self.out.append(f"Starting Network: {' '.join(chosen)}.\n")
        for name in chosen:
            self.run("/sbin/ifconfig", name)

    def configure(self, name: str) -> None:
        """Give an interface what rc.conf says of it."""
        key = f"ifconfig_{name.replace('.', '_')}"
        aliases = [
            self.rc[f"{key}_alias{number}"] for number in range(64) if f"{key}_alias{number}" in self.rc
        ]
        wanted = [self.rc.get(key, ""), self.rc.get(f"{key}_ipv6", "")]
        for number, text in enumerate([*wanted, *aliases]):
            words = [word for word in shlex.split(text) if word not in TO_BE_READ_ONCE]
            if words:
                self.run("/sbin/ifconfig", name, *words, *(["alias"] if number > 1 else []))

    def stop(self, operands: Sequence[str]) -> None:
        self.out.append(f"Stopping Network: {' '.join(operands)}.\n")
        for name in operands:
            self.run("/sbin/ifconfig", name, "down")


SCRIPTS.update({"devfs": Devfs, "rctl": Rctl, "sysctl": Sysctl, "pf": Pf, "netif": Netif})
