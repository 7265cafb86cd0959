# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian server in memory: files with owners, packages, units of systemd, its network.

It rests on answers recorded from Debian 13 (coreutils 9.7, dpkg 1.22, systemd 257, iproute2 6.15):
exit codes, the order of fields, and messages. The lies that it tells as the real ones do: dpkg-query
answers 1 and still lists what it knows; systemctl show answers 0 for units that do not exist.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import MemoryHost, answered

NETWORKD = "/etc/systemd/network"
GNU_STAT = r"--printf=%a\t%U\t%u\t%G\t%g\t%F\t%n\n"


class Coreutils:
    """stat, chown, chmod and mkdir over the files of a host."""

    commands = ("stat", "chown", "chmod", "mkdir")

    def __init__(self) -> None:
        self.host = MemoryHost()
        self.state: dict[str, dict[str, str]] = {"owners": {}, "folders": {}}

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        return {"stat": self.stat, "chown": self.chown, "chmod": self.chmod, "mkdir": self.mkdir}[argv[0]](
            argv
        )

    def stat(self, argv: Sequence[str]) -> Output:
        assert argv[1] == GNU_STAT
        lines, errors = [], []
        for path in argv[2:]:
            owners = self.state["owners"].get(path, "root:root").split(":")
            owner, group = (
                f"UNKNOWN\t{who}" if who.isdigit() else f"{who}\t{zlib.crc32(who.encode())}" for who in owners
            )
            if path in self.state["folders"]:
                lines.append(f"{self.state['folders'][path]}\t{owner}\t{group}\tdirectory\t{path}\n")
            elif path in self.host.files:
                kind = "regular file" if self.host.files[path] else "regular empty file"
                mode = f"{self.host.modes.get(path, 0o644):o}"
                lines.append(f"{mode}\t{owner}\t{group}\t{kind}\t{path}\n")
            else:
                errors.append(f"stat: cannot statx '{path}': No such file or directory\n")
        return answered(argv, "".join(lines), "".join(errors), 1 if errors else 0)

    def chown(self, argv: Sequence[str]) -> Output:
        words, path = argv[-2], argv[-1]
        had = self.state["owners"].get(path, "root:root").split(":")
        owner, _colon, group = words.partition(":")
        self.state["owners"][path] = f"{owner or had[0]}:{group or had[1]}"
        return answered(argv)

    def chmod(self, argv: Sequence[str]) -> Output:
        mode, path = argv[1], argv[2]
        if path in self.state["folders"]:
            self.state["folders"][path] = mode.lstrip("0")
        else:
            self.host.modes[path] = int(mode, 8)
        return answered(argv)

    def mkdir(self, argv: Sequence[str]) -> Output:
        self.state["folders"].setdefault(argv[-1], "755")
        return answered(argv)


class BsdCoreutils(Coreutils):
    """The same of FreeBSD: stat(1) has formats of its own, and service(8) tells services."""

    commands = (*Coreutils.commands, "service")

    def __init__(self, running: Sequence[str] = ()) -> None:
        super().__init__()
        self.state["services"] = dict.fromkeys(running, 0)

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        return self.service(argv) if argv[0] == "service" else super().call(argv, stdin)

    def stat(self, argv: Sequence[str]) -> Output:
        assert argv[1:3] == ["-f", "%Mp%Lp%t%Su%t%u%t%Sg%t%g%t%HT%t%N"]
        output = super().stat(["stat", GNU_STAT, *argv[3:]])
        kinds = {
            "regular empty file": "Regular File",
            "regular file": "Regular File",
            "directory": "Directory",
        }
        rows = [line.split("\t") for line in output.out.splitlines()]
        for row in rows:
            row[0] = row[0].zfill(4)
            row[1] = row[2] if row[1] == "UNKNOWN" else row[1]
            row[3] = row[4] if row[3] == "UNKNOWN" else row[3]
            row[5] = kinds[row[5]]
        return answered(argv, "".join("\t".join(row) + "\n" for row in rows), rc=output.rc)

    def service(self, argv: Sequence[str]) -> Output:
        _service, name, verb = argv
        if name not in self.state["services"]:
            return answered(argv, err=f"{name} is not running.\n", rc=1)
        self.state["services"][name] += verb != "onestatus"
        return answered(argv)


class Dpkg:
    """dpkg-query, apt-get (behind env) and modinfo."""

    commands = ("dpkg-query", "env", "modinfo")

    def __init__(self, available: dict[str, str], modules: Sequence[str] = ()) -> None:
        self.available = available
        self.state: dict[str, Any] = {"installed": {}, "modules": list(modules), "lists": 0}

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        if argv[0] == "modinfo":
            return answered(argv, rc=0 if argv[1] in self.state["modules"] else 1)
        if argv[0] == "dpkg-query":
            known = [name for name in argv[3:] if name in self.state["installed"]]
            out = "".join(f"ii \t{name}\t{self.state['installed'][name]}\n" for name in sorted(known))
            return answered(argv, out, rc=0 if len(known) == len(argv[3:]) else 1)
        if argv[-1] == "update":
            self.state["lists"] += 1
            return answered(argv)
        names = argv[argv.index("install") + 1 :]
        for name in names:
            if name not in self.available or not self.state["lists"]:
                return answered(argv, err=f"E: Unable to locate package {name}\n", rc=100)
        self.state["installed"].update({name: self.available[name] for name in names})
        return answered(argv)


class Systemd:
    """systemctl, journalctl and systemd-run; networkctl and ip, since networkd makes the network.

    :param units: per name ``enabled`` and ``active``; what is not listed does not exist.
    """

    commands = ("systemctl", "journalctl", "systemd-run", "ip", "/usr/bin/networkctl")

    def __init__(self, units: dict[str, dict[str, bool]], ports: dict[str, dict[str, Any]]) -> None:
        self.host = MemoryHost()
        self.state: dict[str, Any] = {"units": units, "ports": ports, "told": [], "clock": 1000}

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        if argv[0] == "ip":
            return answered(argv, self.addresses() if argv[2] == "address" else self.routes())
        if argv[0] == "/usr/bin/networkctl":
            file = self.file_of(argv[-1])
            return answered(argv, f"● 2: {argv[-1]}\n     Network File: {file or 'n/a'}\n")
        if argv[0] == "systemd-run":
            self.reload_network()
            return answered(argv)
        if argv[0] == "journalctl":
            return answered(argv, "it went wrong\n")
        return self.systemctl(argv)

    def systemctl(self, argv: Sequence[str]) -> Output:
        verb, units = argv[1], self.state["units"]
        if verb == "daemon-reload":
            self.read_units()
            return answered(argv)
        if verb == "show":
            names = [word for word in argv[2:] if not word.startswith("--")]
            return answered(argv, "\n".join(self.show(name) for name in names))
        unit = units.get(argv[2])
        if unit is None:
            return answered(argv, err=f"Failed to {verb} {argv[2]}: Unit {argv[2]} not found.\n", rc=5)
        if verb in ("enable", "disable"):
            unit["enabled"] = verb == "enable"
        elif verb in ("start", "stop", "restart"):
            unit["active"] = verb != "stop"
            self.state["clock"] += 1
            unit["entered"] = self.state["clock"]
        else:
            self.state["told"].append((verb, argv[2]))
        return answered(argv)

    def show(self, name: str) -> str:
        unit = self.state["units"].get(name)
        values = {
            "Names": name,
            "LoadState": "loaded" if unit else "not-found",
            "ActiveState": "active" if unit and unit["active"] else "inactive",
            "UnitFileState": "" if unit is None else "enabled" if unit["enabled"] else "disabled",
            "ActiveEnterTimestampMonotonic": str(unit.get("entered", 0)) if unit else "0",
        }
        return "".join(f"{key}={value}\n" for key, value in values.items())

    def read_units(self) -> None:
        runtime = set(self.host.listing("/run/systemd/system"))
        for name in runtime - set(self.state["units"]):
            self.state["units"][name] = {"enabled": False, "active": False}
        for name in [name for name in self.state["units"] if name.startswith("twin-network-back")]:
            if name not in runtime:
                del self.state["units"][name]

    # -- the network ---------------------------------------------------------------------------

    def file_of(self, port: str) -> str | None:
        """The first file by name, whatever folder it lies in, whose [Match] names the port."""
        folders = ("/run/systemd/network", NETWORKD)
        paths = [f"{folder}/{name}" for folder in folders for name in self.host.listing(folder)]
        for path in sorted(paths, key=lambda path: path.rpartition("/")[2]):
            if path.endswith(".network") and f"Name={port}" in self.host.files[path].splitlines():
                return path
        return None

    def reload_network(self) -> None:
        ports = self.state["ports"]
        for folder in ("/run/systemd/network", NETWORKD):
            for name in self.host.listing(folder):
                if name.endswith(".netdev"):
                    values = self.values(f"{folder}/{name}")
                    ports.setdefault(values["Name"][0], {"mac": values["MACAddress"][0]})
        for port, link in ports.items():
            path = self.file_of(port)
            if path is not None:
                values = self.values(path)
                link["addresses"] = values.get("Address", [])
                link["gateway"] = values.get("Gateway", [])
                link["master"] = values.get("Bridge", [None])[0]

    def values(self, path: str) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for line in self.host.files[path].splitlines():
            key, equals, value = line.partition("=")
            if equals:
                values.setdefault(key, []).append(value)
        return values

    def addresses(self) -> str:
        items = []
        for name, link in self.state["ports"].items():
            entries = [address.split("/") for address in link.get("addresses", ())]
            item: dict[str, Any] = {
                "ifname": name,
                "address": link["mac"],
                "addr_info": [
                    {"local": local, "prefixlen": int(length), "scope": "global"} for local, length in entries
                ],
            }
            items.append(item | ({"master": link["master"]} if link.get("master") else {}))
        return json.dumps(items)

    def routes(self) -> str:
        routes = [
            {"dst": "default", "dev": name}
            for name, link in self.state["ports"].items()
            if link.get("gateway")
        ]
        return json.dumps(routes)


class Judge:
    """A command that judges a text on its standard input."""

    def __init__(self, command: str, forbidden: str) -> None:
        self.commands = (command,)
        self.forbidden = forbidden
        self.state = None

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        assert "/dev/stdin" in argv
        wrong = self.forbidden in stdin
        return answered(argv, err=f"/dev/stdin: {self.forbidden}?\n" if wrong else "", rc=1 if wrong else 0)


def server(
    files: dict[str, str] | None = None,
    units: dict[str, dict[str, bool]] | None = None,
    ports: dict[str, dict[str, Any]] | None = None,
    modules: Sequence[str] = (),
) -> MemoryHost:
    """A server as an installer left it."""
    network = {
        "eth0": {
            "mac": "02:74:77:00:01:00",
            "addresses": ["192.0.2.11/24"],
            "gateway": ["192.0.2.1"],
        },
        "link0": {"mac": "02:74:77:00:01:01", "addresses": []},
    }
    coreutils = Coreutils()
    systemd = Systemd(
        units if units is not None else {"ssh.service": {"enabled": True, "active": True}},
        ports if ports is not None else network,
    )
    available = {"chrony": "4.6", "lxc": "1:6.0", "zfs-fuse": "0.7", "zfsutils-linux": "2.3"}
    host = MemoryHost(
        coreutils,
        Dpkg(available, modules),
        systemd,
        Judge("/usr/sbin/visudo", "nonsense"),
        files={
            f"{NETWORKD}/10-eth0.network": "# by the installer\n[Match]\nName=eth0\n\n[Network]\n"
            "Address=192.0.2.11/24\nGateway=192.0.2.1\n",
            "/etc/hosts": "127.0.0.1 localhost\n",
            **(files or {}),
        },
    )
    coreutils.host = systemd.host = host
    return host


def freebsd_server(files: dict[str, str] | None = None, running: Sequence[str] = ()) -> MemoryHost:
    """A FreeBSD server, as far as its files are concerned."""
    coreutils = BsdCoreutils(running)
    host = MemoryHost(coreutils, files=files)
    host.system = "FreeBSD"
    coreutils.host = host
    return host
