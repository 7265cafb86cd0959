# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What operating systems have to be asked differently: one table, by their names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Protocol

from .errors import Refused
from .host import Host


class Platform(Protocol):
    """How an operating system is asked about its server."""

    def memory(self, host: Host) -> int:
        """Bytes of memory; 0 when nobody can tell."""

    def addresses(self, host: Host) -> list[str]:
        """The server's own addresses, without prefix lengths."""


class _Linux:
    def memory(self, host: Host) -> int:
        # proc_meminfo(5)
        found = re.search(r"^MemTotal:\s*(\d+) kB", host.read("/proc/meminfo") or "", re.MULTILINE)
        return int(found[1]) * 1024 if found else 0

    def addresses(self, host: Host) -> list[str]:
        links = json.loads(host.run(["ip", "-j", "address"]).out or "[]")
        return [each["local"] for link in links for each in link.get("addr_info", ())]


class _FreeBsd:
    def memory(self, host: Host) -> int:
        said = host.run(["sysctl", "-n", "hw.physmem"]).out.strip()
        return int(said) if said.isdigit() else 0

    def addresses(self, host: Host) -> list[str]:
        # ifconfig(8); the zone of a link-local address is no part of it.
        listed = host.run(["ifconfig", "-a"]).out
        return re.findall(r"^\s+inet6? ([0-9A-Fa-f.:]+)", listed, re.MULTILINE)


_PLATFORMS: Mapping[str, Platform] = {"Linux": _Linux(), "FreeBSD": _FreeBsd()}


def platform_of(host: Host) -> Platform:
    """How the operating system of a host is asked.

    :raises Refused: for one that nobody here knows.
    """
    if host.system not in _PLATFORMS:
        raise Refused(f"system {host.system}", "it is not known here", f"use {' or '.join(_PLATFORMS)}")
    return _PLATFORMS[host.system]
