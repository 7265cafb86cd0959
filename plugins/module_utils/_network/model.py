# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridge, port and links, whatever keeps them. Pure.

What keeps them is systemd-networkd on Linux (``networkd``) and rc.conf(5) on FreeBSD (``rc``). Both
speak in settings: texts of files by their names there, values of variables here; None: there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .._core.errors import Refused
from .._core.values import doubles, parse_interface

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
    """An interface as it is.

    :param addresses: without those that the kernel makes up by itself.
    :param link_local: those, with zone and prefix length; FreeBSD only.
    """

    mac: str
    addresses: frozenset[str] = frozenset()
    master: str | None = None
    link_local: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Network:
    """The network of a host as it is.

    :param system: as uname(1) tells it.
    :param default_ports: interfaces that have a default route.
    :param kept: the confirmed settings; on Linux of ours alone, on FreeBSD all.
    :param tried: settings on trial.
    :param applied: text of the file that networkd applies to the port, None if it manages it not.
    :param armed: when the way back was armed, or the process that waits for it; empty if it is not.
    :param went_back: whether the last trial was never confirmed.
    :param gateways: where default routes lead; FreeBSD only.
    """

    system: str
    interfaces: Mapping[str, Interface]
    default_ports: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    tried: Mapping[str, str | None] = field(default_factory=dict)
    applied: str | None = None
    armed: str = ""
    went_back: bool = False
    gateways: tuple[str, ...] = ()

    @property
    def ours(self) -> Mapping[str, str]:
        """The settings in force: those on trial, as long as it lasts, before the confirmed ones."""
        both = {**self.kept, **self.tried} if self.armed else self.kept
        return {name: text for name, text in both.items() if text is not None}


class Dialect(Protocol):
    """How an operating system is told about its network."""

    def port_of(self, current: Network, wanted: Wanted, /) -> str | None:
        """The interface that goes into the bridge, None if nobody can tell."""

    def fault(self, current: Network, wanted: Wanted, port: str, /) -> str | None:
        """Why a port cannot be taken over, and what to do."""

    def settings(self, current: Network, wanted: Wanted, port: str, /) -> dict[str, str | None]:
        """What must be kept for good, in the order in which it is written."""

    def trial(self, current: Network, wanted: Wanted, port: str, /) -> dict[str, Any]:
        """What a step needs beside the settings."""


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


def sole(current: Network, wanted: Wanted, ours: Sequence[str]) -> str | None:
    """The declared port; else the one that settings in force put into the bridge; else that of the default
    route. None when there are none or several.

    :param ours: ports that settings in force put into the bridge.
    """
    if wanted.port:
        return wanted.port
    found = ours or [name for name in current.default_ports if name != wanted.bridge]
    return found[0] if len(found) == 1 else None


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
