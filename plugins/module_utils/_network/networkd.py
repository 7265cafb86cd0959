# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of systemd-networkd that stand for a bridge, its port and links. Pure.

Facts: systemd.network(5) (of all files the first one by name whose [Match] fits is applied, whatever
folder it lies in), systemd.netdev(5), ip(8) with ``-json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .model import Interface, Network, Wanted, sole

KEPT = "/etc/systemd/network/05-twin-"
"""Where confirmed files lie: before those of an installer, which stay as they are."""
TRIED = "/run/systemd/network/04-twin-"
"""Where files on trial lie: before the confirmed ones, and gone after a boot."""


def parse_interfaces(text: str) -> dict[str, Interface]:
    """``ip -json address show``; addresses that the kernel makes up by itself are left out."""
    return {
        item["ifname"]: Interface(
            item.get("address", ""),
            frozenset(
                f"{entry['local']}/{entry['prefixlen']}"
                for entry in item.get("addr_info", ())
                if entry.get("scope") == "global"
            ),
            item.get("master"),
        )
        for item in json.loads(text or "[]")
        if item
    }


def parse_default_ports(text: str) -> tuple[str, ...]:
    """``ip -json route show default``."""
    return tuple(dict.fromkeys(item["dev"] for item in json.loads(text or "[]") if "dev" in item))


def port_of(current: Network, wanted: Wanted) -> str | None:
    """The interface that goes into the bridge, None if nobody can tell.

    The declared one; else the one that our own file puts there; else the one with the default route.
    """
    ours = [
        name.removesuffix(".network")
        for name, text in current.ours.items()
        if f"Bridge={wanted.bridge}" in text.splitlines()
    ]
    return sole(current, wanted, ours)


def fault(current: Network, wanted: Wanted, port: str) -> str | None:
    """Why a port cannot be taken over, and what to do."""
    if current.applied is None:
        return (
            f"systemd-networkd does not manage {port}; move its configuration to a file of"
            " /etc/systemd/network first"
        )
    return None


def settings(current: Network, wanted: Wanted, port: str) -> dict[str, str | None]:
    """Our files, by their names without our prefix."""
    bridge = wanted.bridge
    mac = current.interfaces[port].mac
    return {
        f"{bridge}.netdev": section("NetDev", Name=bridge, Kind="bridge", MACAddress=mac)
        # Without loops to look for a new port need not be listened to for 15 s before it forwards.
        + section("Bridge", STP="no", ForwardDelaySec="0"),
        f"{bridge}.network": _bridge_network(current, wanted),
        f"{port}.network": section("Match", Name=port)
        + section("Network", Bridge=bridge, LinkLocalAddressing="no", IPv6AcceptRA="no"),
        **{f"{link.port}.network": _static(link.port, link.addresses) for link in wanted.links},
    }


def _bridge_network(current: Network, wanted: Wanted) -> str:
    if wanted.addresses is not None:
        return _static(wanted.bridge, wanted.addresses, wanted.gateway)
    ours = current.ours.get(f"{wanted.bridge}.network")
    return ours if ours is not None else moved(current.applied or "", wanted.bridge)


def _static(name: str, addresses: Sequence[str], gateway: Sequence[str] = ()) -> str:
    return section("Match", Name=name) + section(
        "Network", Address=addresses, Gateway=gateway, LinkLocalAddressing="no", IPv6AcceptRA="no"
    )


def section(title: str, **keys: str | Sequence[str]) -> str:
    """One section of a file of networkd; a list stands for as many lines."""
    lines = [
        f"{key}={value}"
        for key, values in keys.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return "\n".join([f"[{title}]", *lines, "", ""])


def moved(text: str, name: str) -> str:
    """The same file for another interface: all but what it matches and the properties of the link."""
    kept: list[str] = []
    wanted = True
    for line in text.splitlines():
        if line.startswith("["):
            wanted = line.strip() not in ("[Match]", "[Link]")
        if wanted and not line.lstrip().startswith(("#", ";")):
            kept.append(line)
    return section("Match", Name=name) + "\n".join(kept).strip("\n") + "\n"


def trial(current: Network, wanted: Wanted, port: str) -> dict[str, Any]:
    """What a step needs beside the files."""
    return {"bridge": wanted.bridge, "port": port, "is_new": wanted.bridge not in current.interfaces}
