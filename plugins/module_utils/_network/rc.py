# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of rc.conf(5) that stand for a bridge, its port and links, and how they come to life. Pure.

Facts: rc.conf(5), network.subr (cloned interfaces are made first, then named, then set up one by one,
those of hardware first; ``ifconfig_X`` holds arguments of ifconfig(8) among which words such as SYNCDHCP
mean more), ifconfig(8), if_bridge(4), route(8). Members of a bridge carry no addresses since FreeBSD 15
(net.link.bridge.member_ifaddrs), so the port hands all of its own on.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.values import parse_interface
from .model import Interface, Network, Wanted, sole

DHCP = ("dhcp", "syncdhcp", "nosyncdhcp")
DISCOVERED = "accept_rtadv"
"""IPv6 addresses and routes come from a router."""
_SILENT = ("inet", "inet6", "alias", "up", "auto_linklocal", "ifdisabled", "-ifdisabled")
"""Words which say nothing that is not said otherwise: rc(8) raises whatever it sets up."""
_ADDRESS = re.compile(r"[0-9]+\.|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:")
_HEX = re.compile("0x[0-9A-Fa-f]{8}")
_SHARED = ("vhid", "advskew", "advbase", "pass")
_SPECIAL = frozenset("\"'`$\\")
_CLONED = "cloned_interfaces"
_ROUTERS = ("defaultrouter", "ipv6_defaultrouter")


# ---- what rc.conf says of an interface ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of an interface.

    :param addresses: with their prefix lengths.
    :param dynamic: words by which it gets others: ``SYNCDHCP``, ``accept_rtadv``.
    :param rest: all other words, in order.
    """

    addresses: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()

    @property
    def dhcp(self) -> tuple[str, ...]:
        """Those that start dhclient(8)."""
        return tuple(word for word in self.dynamic if word != DISCOVERED)

    @property
    def six(self) -> bool:
        """Whether it speaks IPv6."""
        return DISCOVERED in self.dynamic or any(":" in address for address in self.addresses)

    @property
    def members(self) -> list[str]:
        """Those of a bridge."""
        return [name for word, name in zip(self.rest, self.rest[1:], strict=False) if word == "addm"]


def variable(interface: str) -> str:
    """The name of the variable of an interface."""
    return f"ifconfig_{re.sub('[-./+]', '_', interface)}"


def variables_of(kept: Iterable[str], interface: str) -> list[str]:
    """Those that give it words, in the order in which they are read at a boot."""
    key = variable(interface)
    numbers = sorted(int(name[len(key) + 6 :]) for name in kept if re.fullmatch(f"{key}_alias[0-9]+", name))
    names = [key, f"{key}_ipv6", *(f"{key}_alias{number}" for number in numbers), f"{key}_aliases"]
    return [name for name in names if name in kept]


def parse_words(kept: Mapping[str, str], interface: str) -> Words:
    """What the variables of an interface say of it.

    :raises Refused: for addresses that are none, or that it shares with another host.
    """
    addresses: list[str] = []
    dynamic: list[str] = []
    rest: list[str] = []
    for name in variables_of(kept, interface):
        words = kept[name].split()
        while words:
            word = words.pop(0)
            if word in _SHARED:
                raise Refused(
                    name, f"{word} says that its address wanders (carp(4))", "make that bridge by hand"
                )
            if word.lower() in (*DHCP, DISCOVERED):
                dynamic.append(word)
            elif _ADDRESS.match(word) and rest[-1:] not in (["ether"], ["link"], ["lladdr"]):
                addresses.append(_address(name, word, words))
            elif word not in _SILENT:
                rest.append(word)
    return Words(tuple(dict.fromkeys(addresses)), tuple(dict.fromkeys(dynamic)), tuple(rest))


def _address(name: str, word: str, behind: list[str]) -> str:
    """An address with its prefix length; the words which belong to it are taken away."""
    text = word
    while len(behind) > 1 and behind[0] in ("netmask", "prefixlen", "broadcast"):
        kind, value = behind.pop(0), behind.pop(0)
        if kind != "broadcast":
            text = f"{word}/{ipaddress.ip_address(int(value, 16)) if _HEX.fullmatch(value) else value}"
    if ":" in text and "/" not in text:
        text = f"{text}/64"
    return str(parse_interface(text, name))


def print_words(interface: str, words: Words) -> dict[str, str]:
    """The variables of an interface that say this, in the order in which they are written."""
    key = variable(interface)
    four = [address for address in words.addresses if ":" not in address]
    six = [address for address in words.addresses if ":" in address]
    aliases = [f"inet {address}" for address in four[1:]] + [f"inet6 {address}" for address in six[1:]]
    printed = {f"{key}_alias{number}": text for number, text in enumerate(aliases)}
    if words.six:
        router = [DISCOVERED] if DISCOVERED in words.dynamic else []
        # Neighbours are asked from such an address, and a bridge makes none by itself.
        printed[f"{key}_ipv6"] = " ".join(["inet6", *six[:1], *router, "auto_linklocal"])
    first = ["inet", four[0]] if four else []
    printed[key] = " ".join([*first, *words.rest, "up", *words.dhcp])
    return printed


# ---- what is to be said ------------------------------------------------------------------------


def port_of(current: Network, wanted: Wanted) -> str | None:
    """The interface that goes into the bridge, None if nobody can tell."""
    members = parse_words(current.ours, wanted.bridge).members
    # What is made by others, such as the card of a virtual machine, is a member too, but never set up here.
    return sole(current, wanted, [name for name in members if variable(name) in current.ours])


def fault(current: Network, wanted: Wanted, port: str) -> str | None:
    """Why a port cannot be taken over, and what to do."""
    if variable(port) not in current.kept:
        return f"rc.conf says nothing of {port}; set {variable(port)} there first"
    listed = current.kept.get("network_interfaces", "auto").split()
    if listed not in (["auto"], ["AUTO"], []) and wanted.bridge not in listed:
        return f"network_interfaces of rc.conf leaves {wanted.bridge} out at a boot; name it there"
    six = _six_for_all(current.kept)
    if six:
        return (
            f"{six[0]} of rc.conf gives {port} an IPv6 address, which a member of a bridge may not have; set"
            " the variable ifconfig_X_ipv6 of each interface that needs it instead"
        )
    if current.armed and current.tried != settings(current, wanted, port):
        return "another trial is under way; wait until the host has gone back, then run this again"
    return None


def _six_for_all(kept: Mapping[str, str]) -> list[str]:
    """Variables by which every interface speaks IPv6."""
    active = kept.get("ipv6_activate_all_interfaces", "").lower() in ("yes", "true", "on", "1")
    default = {"inet6", DISCOVERED} & set(kept.get("ifconfig_DEFAULT", "").split())
    return ["ipv6_activate_all_interfaces"] * active + ["ifconfig_DEFAULT"] * bool(default)


def settings(current: Network, wanted: Wanted, port: str) -> dict[str, str | None]:
    """Values of variables, by name.

    In their order each is harmless at a boot which happens before the next one is written: the port loses
    its own address last.
    """
    kept = current.kept
    unit = unit_of(current, wanted.bridge)
    found: dict[str, str | None] = {_CLONED: _with_unit(kept.get(_CLONED, ""), unit)}
    made = kept.get(f"create_args_{unit}", "")
    # A bridge that is there keeps its MAC, for its neighbours know it; a new one takes that of the port.
    mac = current.interfaces.get(wanted.bridge, current.interfaces[port]).mac
    found[f"create_args_{unit}"] = made if "ether " in made else f"{made} ether {mac}".strip()
    if unit != wanted.bridge:
        found[f"ifconfig_{unit}_name"] = wanted.bridge
    found |= _said(kept, wanted.bridge, words_of_bridge(kept, wanted, port))
    for link in wanted.links:
        found |= _said(kept, link.port, Words(link.addresses, (), parse_words(kept, link.port).rest))
    found |= _bare(kept, port)
    found |= _routers(kept, wanted, port)
    for name, value in found.items():
        if not name.isidentifier():
            raise Refused(f"variable {name}", "the shell takes no such name", "rename the interface")
        if value is not None and value != kept.get(name) and _SPECIAL & set(value):
            raise Refused(
                f"variable {name}", "its value has quotes or dollars in it", f"write {value!r} there by hand"
            )
    return found


def unit_of(current: Network, bridge: str) -> str:
    """The name under which a bridge is born: its own, the one that rc.conf renames, or a free one."""
    if re.fullmatch("bridge[0-9]+", bridge):
        return bridge
    for name, value in current.kept.items():
        match = re.fullmatch("ifconfig_(bridge[0-9]+)_name", name)
        if match and value == bridge:
            return match[1]
    taken = {word.partition(":")[0] for word in current.kept.get(_CLONED, "").split()}
    taken |= set(current.interfaces) | set(re.findall(r"\bifconfig_(\w+)_name\b", " ".join(current.kept)))
    return next(f"bridge{number}" for number in range(32768) if f"bridge{number}" not in taken)


def words_of_bridge(kept: Mapping[str, str], wanted: Wanted, port: str) -> Words:
    """What the bridge has already, the port as its member, and the addresses: declared, or the port's."""
    own, ports = parse_words(kept, wanted.bridge), parse_words(kept, port)
    rest = own.rest if port in own.members else ("addm", port, *own.rest)
    if wanted.addresses is not None:
        same = not own.dynamic and set(own.addresses) == set(wanted.addresses)
        return Words(own.addresses if same else wanted.addresses, (), rest)
    addresses = dict.fromkeys((*own.addresses, *ports.addresses))
    return Words(tuple(addresses), tuple(dict.fromkeys((*own.dynamic, *ports.dynamic))), rest)


def _with_unit(cloned: str, unit: str) -> str:
    there = [word.partition(":")[0] for word in cloned.split()]
    return cloned if unit in there else f"{cloned} {unit}".strip()


def _said(kept: Mapping[str, str], interface: str, words: Words) -> dict[str, str | None]:
    """The variables of an interface: as they are where they say this already."""
    there = variables_of(kept, interface)
    if variable(interface) in there and parse_words(kept, interface) == words:
        return {name: kept[name] for name in there}
    printed = print_words(interface, words)
    return {**{name: None for name in there if name not in printed}, **printed}


def _bare(kept: Mapping[str, str], port: str) -> dict[str, str | None]:
    """A member of a bridge: whatever speaks of addresses goes, IPv6 as such too."""
    words = parse_words(kept, port)
    alone = Words((), (), words.rest)
    value = kept[variable(port)] if words == alone else print_words(port, alone)[variable(port)]
    others: dict[str, str | None] = dict.fromkeys(variables_of(kept, port)[1:])
    return {**others, variable(port): value}


def _routers(kept: Mapping[str, str], wanted: Wanted, port: str) -> dict[str, str | None]:
    """Default routers: those declared; and one that is named by its way through the port."""
    found: dict[str, str | None] = {_ROUTERS[":" in gateway]: gateway for gateway in wanted.gateway}
    for name in _ROUTERS:
        if name not in found and kept.get(name, "").endswith(f"%{port}"):
            found[name] = _through_bridge(kept[name], wanted, port)
    return found


def _through_bridge(gateway: str, wanted: Wanted, port: str) -> str:
    """A gateway whose address has the port as its zone."""
    return f"{gateway.removesuffix(f'%{port}')}%{wanted.bridge}" if gateway.endswith(f"%{port}") else gateway


# ---- how it comes to life, and goes back -------------------------------------------------------


def trial(current: Network, wanted: Wanted, port: str) -> dict[str, Any]:
    """The commands of a trial, and those of the way back: none while an earlier one is armed."""
    return {
        "forth": list(_forth(current, wanted, port)),
        "back": None if current.armed else list(_back(current, wanted, port)),
    }


def _forth(current: Network, wanted: Wanted, port: str) -> Iterator[list[str]]:
    here, bridge, unit = current.interfaces, wanted.bridge, unit_of(current, wanted.bridge)
    own, ports = parse_words(current.kept, bridge), parse_words(current.kept, port)
    words = words_of_bridge(current.kept, wanted, port)
    if bridge not in here:
        yield ["ifconfig", unit, "create"]
        if unit != bridge:
            yield ["ifconfig", unit, "name", bridge]
    yield ["ifconfig", bridge, *str(settings(current, wanted, port)[f"create_args_{unit}"]).split()]
    if ports.dhcp:
        yield _dhclient("stop", port)
    # The main one last, so that it is still the first one when the host goes back halfway.
    going = (*sorted(here[port].link_local), *reversed(_all(here[port], ports)))
    yield from (_remove(port, address) for address in going)
    yield ["ifconfig", port, "inet6", "ifdisabled"]
    yield ["ifconfig", port, *ports.rest, "up"]
    if bridge not in here:
        yield ["ifconfig", bridge, *words.rest, "up"]
    elif here[port].master != bridge:
        yield ["ifconfig", bridge, "addm", port, "up"]
    yield from (_remove(bridge, each) for each in own.addresses if each not in words.addresses)
    yield from _addressed(bridge, words, _handed_on(current, wanted, port, words))
    for link in wanted.links:
        yield ["ifconfig", link.port, "up"]
        yield from _addressed(link.port, Words(link.addresses))
    routers = wanted.gateway or [_through_bridge(gateway, wanted, port) for gateway in current.gateways]
    yield from _routed(routers)
    if words.dhcp:
        yield _dhclient("start", bridge)


def _back(current: Network, wanted: Wanted, port: str) -> Iterator[list[str]]:
    """All as it is now, from wherever the trial has come to."""
    here, bridge, unit = current.interfaces, wanted.bridge, unit_of(current, wanted.bridge)
    ports = parse_words(current.kept, port)
    words = words_of_bridge(current.kept, wanted, port)
    before = here.get(bridge)
    if words.dhcp and ports.dhcp:
        yield _dhclient("stop", bridge)
    if before is None:
        names = dict.fromkeys((bridge, *({unit} - set(here))))
        yield from (["ifconfig", name, "destroy"] for name in names)
    else:
        if here[port].master != bridge:
            yield ["ifconfig", bridge, "deletem", port]
        handed = {*words.addresses, *_handed_on(current, wanted, port, words)}
        yield from (_remove(bridge, each) for each in sorted(handed - before.addresses))
        yield ["ifconfig", bridge, "ether", before.mac]
        yield from _addressed(bridge, Words(_all(before, parse_words(current.kept, bridge))))
    for link in wanted.links:
        had = here[link.port].addresses
        yield from (_remove(link.port, address) for address in link.addresses if address not in had)
    if here[port].link_local:
        # The kernel makes that address anew.
        yield ["ifconfig", port, "inet6", "-ifdisabled"]
    yield from (["ifconfig", port, _family(each), each, "alias"] for each in _all(here[port], ports))
    yield from _routed(current.gateways)
    if ports.dhcp:
        yield _dhclient("start", port)


def _handed_on(current: Network, wanted: Wanted, port: str, words: Words) -> list[str]:
    """Addresses of the port of which rc.conf does not know: leased ones, and those of jails."""
    live = sorted(current.interfaces[port].addresses) if wanted.addresses is None else []
    return [address for address in live if address not in words.addresses]


def _addressed(interface: str, words: Words, more: Iterable[str] = ()) -> Iterator[list[str]]:
    if words.six:
        router = [DISCOVERED] if DISCOVERED in words.dynamic else []
        yield ["ifconfig", interface, "inet6", "-ifdisabled", *router, "auto_linklocal"]
    for address in (*words.addresses, *more):
        yield ["ifconfig", interface, _family(address), address, "alias"]


def _all(interface: Interface, words: Words) -> tuple[str, ...]:
    """All addresses that an interface has; those of rc.conf first, for the first one is its main one."""
    known = [address for address in words.addresses if address in interface.addresses]
    return (*known, *sorted(interface.addresses - {*known}))


def _remove(interface: str, address: str) -> list[str]:
    return ["ifconfig", interface, _family(address), address.partition("/")[0], "-alias"]


def _routed(gateways: Iterable[str]) -> Iterator[list[str]]:
    """Default routes went with the addresses that led to them, or did not: both are put right."""
    for gateway in gateways:
        family = "-6" if ":" in gateway else "-4"
        yield ["route", "-n", family, "delete", "default"]
        yield ["route", "-n", family, "add", "default", gateway]


def _dhclient(verb: str, interface: str) -> list[str]:
    # Forced, for the variables of rc.conf speak of another interface than the one on trial.
    return ["service", "dhclient", f"force{verb}", interface]


def _family(address: str) -> str:
    return "inet6" if ":" in address else "inet"


# ---- what programs answer ----------------------------------------------------------------------


def parse_interfaces(text: str) -> dict[str, Interface]:
    """``ifconfig -f inet:cidr,inet6:cidr -a``."""
    blocks = re.findall(r"^(\S+): (.*\n(?:\s.*\n)*)", text, re.MULTILINE)
    said = {name: re.findall(r"^\s+(\S+) (\S+)", block, re.MULTILINE) for name, block in blocks}
    masters = {value: name for name, pairs in said.items() for key, value in pairs if key == "member:"}
    found = {}
    for name, pairs in said.items():
        addresses = [value for key, value in pairs if key in ("inet", "inet6")]
        # A link-local address is the only one with a zone, and its prefix has 64 bits.
        local = [f"{each.partition('/')[0]}/64" for each in addresses if "%" in each]
        found[name] = Interface(
            dict(pairs).get("ether", ""),
            frozenset(each for each in addresses if "%" not in each),
            masters.get(name),
            frozenset(local),
        )
    return found


def parse_route(text: str) -> tuple[str, str] | None:
    """``route -n get default``: interface and gateway; None: there is none."""
    values = dict(re.findall(r"^\s*(interface|gateway): (\S+)", text, re.MULTILINE))
    return (values["interface"], values["gateway"]) if len(values) == 2 else None


def parse_settings(text: str) -> dict[str, str]:
    """``sysrc -a -e``."""
    return dict(re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE))
