# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridge, port and links, and the files of systemd-networkd that stand for them. Pure.

Facts: systemd.network(5) (of all files the first one by name whose [Match] fits is applied, whatever
folder it lies in), systemd.netdev(5), ip(8) with ``-json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused
from .._core.values import doubles, parse_interface

KEPT = "/etc/systemd/network/05-twin-"
"""Where confirmed files lie: before those of an installer, which stay as they are."""
TRIED = "/run/systemd/network/04-twin-"
"""Where files on trial lie: before the confirmed ones, and gone after a boot."""

PHASES = ("all", "try", "confirm")


@dataclass(frozen=True, slots=True)
class Link:
    """An interface with addresses of its own."""

    port: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is declared.

    :param port: the interface that goes into the bridge; None: the one with the default route.
    :param addresses: of the bridge; None: as the port has them now, however it gets them.
    :param confirm: seconds after which the host goes back unless the new path is confirmed.
    """

    bridge: str
    port: str | None = None
    addresses: tuple[str, ...] | None = None
    gateway: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    confirm: int = 60
    phase: str = "all"


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface as it is."""

    mac: str
    addresses: frozenset[str] = frozenset()
    master: str | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """The network of a host as it is.

    :param default_ports: interfaces that have a default route.
    :param kept: texts of our confirmed files, by their name without our prefix.
    :param tried: the same of files on trial.
    :param applied: text of the file that networkd applies to the port, None if it manages it not.
    :param armed: when the way back was armed, as systemd counts time; empty if it is not.
    :param went_back: whether the last trial was never confirmed.
    """

    interfaces: Mapping[str, Interface]
    default_ports: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    tried: Mapping[str, str] = field(default_factory=dict)
    applied: str | None = None
    armed: str = ""
    went_back: bool = False

    @property
    def ours(self) -> Mapping[str, str]:
        """Our files in force: those on trial, as long as it lasts, before the confirmed ones."""
        return {**self.kept, **self.tried} if self.armed else self.kept


def parse_wanted(params: Mapping[str, Any]) -> Wanted:
    """The options of module ``bridge``.

    :raises Refused: for what cannot be an interface or an address.
    """
    links = tuple(
        Link(item["port"], _addresses(item["addresses"], item["port"])) for item in params.get("links") or ()
    )
    given = params.get("addresses")
    wanted = Wanted(
        params["bridge"],
        params.get("port") or None,
        None if given is None else _addresses(given, params["bridge"]),
        tuple(params.get("gateway") or ()),
        links,
        params["confirm"],
        params.get("phase") or "all",
    )
    names = [wanted.bridge, *([wanted.port] if wanted.port else []), *(link.port for link in links)]
    for name in names:
        if not name or len(name) > 15 or "/" in name or name.split() != [name]:
            raise Refused(f"interface {name!r}", "the kernel takes no such name", "use up to 15 characters")
    if doubles(names):
        raise Refused(f"interface {doubles(names)[0]}", "it is named twice", "give each interface one use")
    if wanted.gateway and wanted.addresses is None:
        raise Refused(f"gateway of {wanted.bridge}", "it needs addresses", "declare addresses too")
    if wanted.confirm < 10:
        raise Refused(
            "confirm", f"{wanted.confirm} s is no time to come back over a new connection", "use at least 10"
        )
    return wanted


def _addresses(values: Iterable[str], of: str) -> tuple[str, ...]:
    return tuple(str(parse_interface(value, f"address of {of}")) for value in values)


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
    if wanted.port:
        return wanted.port
    ours = [
        name.removesuffix(".network")
        for name, text in current.ours.items()
        if f"Bridge={wanted.bridge}" in text.splitlines()
    ]
    found = ours or [name for name in current.default_ports if name != wanted.bridge]
    return found[0] if len(found) == 1 else None


def wanted_files(current: Network, wanted: Wanted, port: str) -> dict[str, str]:
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


def is_live(current: Network, wanted: Wanted, port: str) -> bool:
    """Whether the kernel has what is declared."""
    here = current.interfaces
    bridge = here.get(wanted.bridge)
    addressed = [Link(wanted.bridge, wanted.addresses or ()), *wanted.links]
    return (
        bridge is not None
        and here[port].master == wanted.bridge
        and (bool(bridge.addresses) or wanted.addresses == ())
        and all(link.port in here and set(link.addresses) <= here[link.port].addresses for link in addressed)
    )
