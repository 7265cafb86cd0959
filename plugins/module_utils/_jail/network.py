# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network stack of a jail's own: a cable (epair(4)) from a bridge of the host into the jail.

Pure. jail(8) splits its commands at blanks and needs no shell for these; so each is one plain call
of ifconfig(8), and the number of the pair is chosen when the jail is defined.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.values import Interface as Address
from .._core.values import parse_interface

_IFCONFIG = "/sbin/ifconfig"
_PAIRS = 32768
"""Unit numbers of interfaces end before that (IF_MAXUNIT of if_clone.c)."""
_LONGEST = 11
"""What is left of the 15 letters of an interface's name behind ``e0a_``."""

START = ("/bin/sh /etc/rc",)
"""What starts the system of a jail that says nothing else."""

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Interface:
    """A network card of a jail.

    :param mac: pinned, so that it stays the same wherever the jail runs; empty: the kernel's choice.
    """

    bridge: str
    mac: str = ""
    addresses: tuple[Address, ...] = ()
    gateways: tuple[str, ...] = ()


def parse_interfaces(name: str, items: Sequence[Mapping[str, Any]]) -> tuple[Interface, ...]:
    """Option ``interfaces`` of a jail.

    :raises Refused: when one cannot be meant.
    """
    what = f"interfaces of jail {name}"
    return tuple(_parse_interface(item, what) for item in items)


def _parse_interface(item: Mapping[str, Any], what: str) -> Interface:
    bridge, mac = str(item["bridge"]), str(item.get("mac") or "").lower()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]{0,14}", bridge):
        raise Refused(what, f"{bridge!r} is no bridge", "write its name, such as bridge0")
    if mac and not re.fullmatch(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", mac):
        raise Refused(what, f"{mac!r} is no address of one card", "write one such as 02:00:00:00:00:2a")
    addresses = tuple(parse_interface(str(each), what) for each in item.get("addresses") or ())
    gateways = tuple(str(each) for each in item.get("gateway") or ())
    for gateway in gateways:
        try:
            ipaddress.ip_address(gateway)
        except ValueError as error:
            raise Refused(
                what, f"gateway {gateway!r} is no address", "write one such as 192.0.2.1"
            ) from error
    for word in map(str, (*addresses, *gateways)):
        # Behind % anything may stand, and a shell may read it.
        if not re.fullmatch(r"[\w.:/%-]+", word, re.ASCII):
            raise Refused(
                what, f"{word!r} does not serve", "name an interface behind %, such as fe80::1%e0b_web"
            )
    return Interface(bridge, mac, addresses, gateways)


# ---- names ------------------------------------------------------------------------------------


def port(name: str, index: int, side: str) -> str:
    """The name of one end of a jail's cable: ``e0a_web`` at the bridge, ``e0b_web`` in the jail."""
    # A dot would make it a VLAN to some programs.
    plain = len(name) <= _LONGEST and "." not in name
    short = name if plain else f"{name[:5].replace('.', '_')}_{zlib.crc32(name.encode()) % 16**5:05x}"
    return f"e{index}{side}_{short}"


def ports_of(name: str, interfaces: Collection[str]) -> list[str]:
    """Ends at the bridge which bear a jail's name, among the interfaces of a host."""
    own = re.compile(re.escape(port(name, 0, "a")).replace("e0a", r"e\d+a", 1))
    return sorted(interface for interface in interfaces if own.fullmatch(interface))


def unnamed_pairs(name: str, prestart: Sequence[str], interfaces: Collection[str]) -> list[str]:
    """Ends of cables which a start has made and not come to name; both ends are still there then."""
    made = [re.search(r" epair(\d+)a name (\S+)$", line) for line in prestart]
    numbers = [match[1] for match in made if match and ports_of(name, [match[2]])]
    return [f"epair{each}a" for each in numbers if {f"epair{each}a", f"epair{each}b"} <= {*interfaces}]


def pairs_in(text: str) -> frozenset[int]:
    """The numbers of the pairs that a file or a listing speaks of."""
    return frozenset(int(number) for number in re.findall(r"\bepair(\d+)", text))


def choose_pairs(name: str, count: int, own: Sequence[int], taken: Collection[int]) -> list[int]:
    """Numbers for a jail's pairs: those that it has, else free ones that do not wander between runs."""
    chosen = [number for number in own if number not in taken][:count]
    candidate = zlib.crc32(name.encode()) % _PAIRS
    while len(chosen) < count:
        if candidate not in taken and candidate not in chosen:
            chosen.append(candidate)
        candidate = (candidate + 1) % _PAIRS
    return chosen


# ---- parameters -------------------------------------------------------------------------------


def network_parameters(
    name: str, interfaces: Sequence[Interface], pairs: Sequence[int], own: Mapping[str, Values | None]
) -> dict[str, Values | None]:
    """What jail.conf(5) must say for these network cards.

    :param pairs: numbers of their epairs.
    :param own: what was declared of the jail itself; its commands find the network in place.
    """
    before: list[str] = []
    inside: list[str] = []
    behind: list[str] = []
    for index, (interface, pair) in enumerate(zip(interfaces, pairs, strict=True)):
        before += _plug(interface, pair, port(name, index, "a"), port(name, index, "b"))
        inside += _address(interface, port(name, index, "b"))
        if any(address.version == 6 for address in interface.addresses):
            # rc.d/netif inside switches IPv6 off where the jail's own rc.conf does not speak of it.
            behind.append(f"{_IFCONFIG} {port(name, index, 'b')} inet6 -ifdisabled")
    # Not in exec.release, which is not reached when a file system is too busy to be unmounted.
    destroy = [f"{_IFCONFIG} {port(name, index, 'a')} destroy" for index in range(len(interfaces))]
    parameters: dict[str, Values | None] = {
        "vnet": () if interfaces else None,
        "vnet.interface": tuple(port(name, index, "b") for index in range(len(interfaces))) or None,
        "exec.prestart": (*before, *(own.get("exec.prestart") or ())) or None,
        "exec.start": (*inside, *(own.get("exec.start") or START), *behind),
        "exec.poststop": (*destroy, *(own.get("exec.poststop") or ())) or None,
    }
    return parameters


def _plug(interface: Interface, pair: int, outer: str, inner: str) -> list[str]:
    lines = [
        f"{_IFCONFIG} epair{pair} create",
        f"{_IFCONFIG} epair{pair}a name {outer}",
        f"{_IFCONFIG} epair{pair}b name {inner}",
    ]
    if interface.mac:
        lines.append(f"{_IFCONFIG} {inner} ether {interface.mac}")
    return [*lines, f"{_IFCONFIG} {interface.bridge} addm {outer}", f"{_IFCONFIG} {outer} up"]


def _address(interface: Interface, inner: str) -> list[str]:
    families = {4: "inet", 6: "inet6"}
    lines = [f"{_IFCONFIG} {inner} up"]
    lines += [f"{_IFCONFIG} {inner} {families[each.version]} {each} alias" for each in interface.addresses]
    for gateway in interface.gateways:
        family = "-6" if ":" in gateway else "-4"
        lines.append(f"/sbin/route {family} add default {gateway}")
    return lines
