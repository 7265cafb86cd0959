# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ifconfig(8): interfaces, epair(4) and if_bridge(4), and their move between network stacks.

Rests on sbin/ifconfig and sys/net/{if,if_bridge,if_epair}.c, and on answers of 14.3 and 15 that people
have published. Believed, not verified: the texts of a refused ``create``, ``name`` and ``-alias``; that
15.0 has net.link.bridge.member_ifaddrs=0, so that members of a bridge carry no addresses.

What it does that one might not expect: the words of a command line take effect one by one, so a refused
one leaves those before it done; an interface that changes its network stack loses its addresses, its
bridge and its being up; when one half of an epair is destroyed the other one goes too, in whatever jail
it is; an address given without ``alias`` takes the place of the first one; an interface that comes back
from a jail may bear the name of another one; a member of a bridge has the bridge's MTU and no other; what
``create`` made stays when the rest of its line is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

from . import sysctl
from .answers import Refusal, options, program
from .kernel import HOST, Interface, Jail
from .world import World

CLONERS = ("epair", "bridge", "lo", "tap", "tun", "vlan")
CAPABILITY_WORDS = ("-rxcsum", "-txcsum", "-rxcsum6", "-txcsum6", "-tso", "-tso4", "-tso6", "-lro")
"""Features of a card that bridges do not bear; nothing shows that they were switched off."""
LONGEST = 15
ROUTES = ("-4 default", "-6 default")
"""Where an interface keeps the gateway of the default route that goes through it."""
FLAGS = (
    (0x1, "UP"), (0x2, "BROADCAST"), (0x8, "LOOPBACK"), (0x40, "RUNNING"), (0x100, "PROMISC"),
    (0x800, "SIMPLEX"), (0x8000, "MULTICAST"), (0x1000000, "LOWER_UP"),
)  # fmt: skip
CAPABILITIES = {
    "ether": "4e524bb<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,JUMBO_MTU,VLAN_HWCSUM,LRO,WOL_MAGIC,"
    "VLAN_HWFILTER,VLAN_HWTSO,RXCSUM_IPV6,TXCSUM_IPV6,HWSTATS,MEXTPG>",
    "loopback": "680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>",
    "bridge": "0",
}
MEDIA = {
    "ether": "Ethernet autoselect (1000baseT <full-duplex>)",
    "epair": "Ethernet 10Gbase-T (10Gbase-T <full-duplex>)",
}
GROUPS = {"loopback": "lo", "bridge": "bridge", "epair": "epair"}


def ifconfig(world: World, args: list[str], stdin: str) -> str:
    """``ifconfig [-j JAIL] [-f FORMAT] [-a | -l | -g GROUP | INTERFACE [WORD ...]]``."""
    given, words = options(args, "adf:g:j:lLmnuvk")
    view = View(world, jail_named(world, given["j"]) if "j" in given else world.jail)
    cidr = "cidr" in given.get("f", "")
    if "l" in given:
        return " ".join(each.name for each in chosen(view, given)) + "\n"
    if "g" in given:
        return "".join(f"{each.name}\n" for each in view.interfaces() if GROUPS.get(each.kind) == given["g"])
    if not words or "a" in given:
        return "".join(printed(view, each, cidr) for each in chosen(view, given))
    name, *words = words
    if not words:
        return printed(view, view.existing(name), cidr)
    return Change(view, name).run(words)


def chosen(view: View, given: dict[str, str]) -> list[Interface]:
    """All interfaces, or those that are up (-u) or down (-d)."""
    return [
        each
        for each in view.interfaces()
        if not ("u" in given and not each.up) and not ("d" in given and each.up)
    ]


def jail_named(world: World, key: str) -> int:
    """The jail of a name or number, as the caller sees it."""
    jail = world.kernel.find(key, world.jail)
    if jail is None:
        raise Refusal(f"jail {key} not found" if key.isdigit() else f'jail "{key}" not found')
    return jail.jid


@dataclass
class View:
    """The interfaces as they are seen from the host (0) or from a jail."""

    world: World
    jail: int

    @property
    def inmate(self) -> Jail | None:
        """The jail."""
        return self.world.kernel.find(self.jail, dying=True) if self.jail else None

    @property
    def vnet(self) -> int:
        """The jail, it or one above it, whose network stack it uses; 0: the host's."""
        jail = self.inmate
        while jail is not None and not jail.vnet:
            jail = self.world.kernel.find(jail.parent, dying=True) if jail.parent else None
        return jail.jid if jail else HOST

    def interfaces(self) -> list[Interface]:
        """Those of this network stack, in order of their making."""
        return [each for each in self.world.kernel.interfaces if each.vnet == self.vnet]

    def existing(self, name: str) -> Interface:
        """The interface of a name."""
        for each in self.interfaces():
            if each.name == name:
                return each
        raise Refusal(f"interface {name} does not exist")

    def addresses(self, interface: Interface) -> list[str]:
        """Those that may be seen: a jail without a network stack of its own sees its own only."""
        jail = self.inmate
        if jail is None or jail.vnet:
            return interface.addresses
        allowed: set[object] = set()
        for family in ("ip4.addr", "ip6.addr"):
            value = jail.params[family]
            allowed |= set(value) if isinstance(value, list) else set()
        inherits = "inherit" in (jail.params["ip4"], jail.params["ip6"])
        return [each for each in interface.addresses if inherits or each.partition("/")[0] in allowed]


# -- printing


def printed(view: View, interface: Interface, cidr: bool = False) -> str:
    """An interface as ``ifconfig`` shows it."""
    kernel = view.world.kernel
    index = kernel.interfaces.index(interface) + 1
    lines = [f"{interface.name}: flags={flags(view, interface)} metric 0 mtu {interface.mtu}"]
    if interface.description:
        lines.append(f"\tdescription: {interface.description}")
    lines.append(f"\toptions={capabilities(view.world, interface)}")
    if interface.mac:
        lines.append(f"\tether {interface.mac}")
    if (born := interface.extra.get("hwaddr", interface.mac)) != interface.mac:
        lines.append(f"\thwaddr {born}")
    shown = [ipaddress.ip_interface(each) for each in view.addresses(interface)]
    lines += [f"\t{inet(each, cidr)}" for each in shown if isinstance(each, ipaddress.IPv4Interface)]
    if six := [each for each in shown if isinstance(each, ipaddress.IPv6Interface)]:
        lines += [f"\t{inet6(each, cidr)}" for each in [*([] if interface.mac else six)]]
        lines.append(f"\tinet6 {link_local(interface)}%{interface.name} prefixlen 64 scopeid {index:#x}")
        lines += [f"\t{inet6(each, cidr)}" for each in six if interface.mac]
    if interface.kind == "bridge":
        lines += bridge(view, interface)
    if interface.kind in GROUPS:
        lines.append(f"\tgroups: {GROUPS[interface.kind]}")
    if interface.kind in MEDIA:
        lines += [
            f"\tmedia: {MEDIA[interface.kind]}",
            f"\tstatus: {'active' if running(interface) else 'no carrier'}",
        ]
    lines.append(f"\tnd6 options={discovery(interface, bool(six))}")
    return "".join(f"{line}\n" for line in lines)


def running(interface: Interface) -> bool:
    """Whether the driver runs: an epair does from its making on."""
    return interface.up or interface.kind == "epair"


def flags(view: View, interface: Interface) -> str:
    """``1008843<UP,...>``."""
    words = (
        {"LOOPBACK", "MULTICAST"} if interface.kind == "loopback" else {"BROADCAST", "SIMPLEX", "MULTICAST"}
    )
    words |= {"UP"} if interface.up else set()
    words |= {"RUNNING", "LOWER_UP"} if running(interface) else set()
    bridges = [each for each in view.interfaces() if each.kind == "bridge"]
    words |= {"PROMISC"} if any(interface.name in each.members for each in bridges) else set()
    bits = [(bit, word) for bit, word in FLAGS if word in words]
    return f"{sum(bit for bit, _word in bits):x}<{','.join(word for _bit, word in bits)}>"


def capabilities(world: World, interface: Interface) -> str:
    """``8<VLAN_MTU>``."""
    epair = "200009<RXCSUM,VLAN_MTU,RXCSUM_IPV6>" if world.major >= 15 else "8<VLAN_MTU>"
    return CAPABILITIES.get(interface.kind, epair)


def inet(address: ipaddress.IPv4Interface, cidr: bool) -> str:
    """``inet 192.0.2.11 netmask 0xffffff00 broadcast 192.0.2.255``."""
    mask = "" if cidr else f" netmask {int(address.netmask):#010x}"
    broadcast = "" if address.is_loopback else f" broadcast {address.network.broadcast_address}"
    return f"inet {address if cidr else address.ip}{mask}{broadcast}"


def inet6(address: ipaddress.IPv6Interface, cidr: bool) -> str:
    """``inet6 2001:db8::11 prefixlen 64``."""
    return f"inet6 {address}" if cidr else f"inet6 {address.ip} prefixlen {address.network.prefixlen}"


def link_local(interface: Interface) -> str:
    """The address that an interface makes of its own MAC."""
    if not interface.mac:
        return "fe80::1"
    octets = [int(each, 16) for each in interface.mac.split(":")]
    octets = [octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes(octets)))


def discovery(interface: Interface, six: bool) -> str:
    """Options of neighbour discovery."""
    disabled = interface.extra.get("ifdisabled", "no" if six else "yes") == "yes"
    words = [(1, "PERFORMNUD")] + ([(8, "IFDISABLED")] if disabled else [])
    words += [(0x20, "AUTO_LINKLOCAL")] if interface.kind != "bridge" or six else []
    return f"{sum(bit for bit, _word in words):x}<{','.join(word for _bit, word in words)}>"


def bridge(view: View, interface: Interface) -> list[str]:
    """What a bridge tells of itself: its newest member comes first."""
    lines = [
        "\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15",
        "\tmaxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200",
        "\troot id 00:00:00:00:00:00 priority 32768 ifcost 0 port 0",
    ]
    newer = view.world.major >= 15
    lines += ["\tbridge flags=0<>"] if newer else []
    for name in reversed(interface.members):
        port = view.world.kernel.interfaces.index(view.existing(name)) + 1
        figures = f"port {port} priority 128 path cost 2000"
        lines += [
            f"\tmember: {name} flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>",
            f"\t        {figures} vlan protocol 802.1q" if newer else f"\t        ifmaxaddr 0 {figures}",
        ]
    return lines


# -- changing


@dataclass
class Change:
    """The words of one command line, which take effect one by one.

    :param name: of the interface, as it is called just now.
    """

    view: View
    name: str
    says_name: bool = False
    address: str = ""
    rest: list[str] = field(default_factory=list)

    @property
    def interface(self) -> Interface:
        """The one that is spoken of."""
        return self.view.existing(self.name)

    def run(self, words: list[str]) -> str:
        """Do all; what it answers is the interface's name where it is news."""
        self.rest = list(words)
        if self.rest[0] in ("create", "plumb"):
            self.rest.pop(0)
            self.create()
        elif self.rest[0] == "-vnet":
            self.rest.pop(0)
            self.unvnet(self.operand("-vnet"))
            return ""
        else:
            assert self.interface
        try:
            while self.rest:
                self.word(self.rest.pop(0))
        except Refusal as refusal:
            # What it made before it failed is told all the same, and stays.
            raise Refusal(refusal.text, refusal.rc, self.news()) from refusal
        return self.news()

    def news(self) -> str:
        """The interface's name, where it is another one than was given."""
        return f"{self.name}\n" if self.says_name else ""

    def operand(self, word: str) -> str:
        """What follows a word."""
        if not self.rest:
            raise Refusal(f"'{word}' requires argument")
        return self.rest.pop(0)

    def word(self, word: str) -> None:
        """One word, with what follows it."""
        alone: dict[str, Callable[[], None]] = {
            "destroy": self.destroy, "unplumb": self.destroy, "up": self.rise, "down": self.fall,
            "-alias": self.remove_address, "delete": self.remove_address, "remove": self.remove_address,
            "-description": lambda: self.describe(""), "-descr": lambda: self.describe(""),
            "ifdisabled": lambda: self.disable_six("yes"), "-ifdisabled": lambda: self.disable_six("no"),
        }  # fmt: skip
        followed: dict[str, Callable[[str], None]] = {
            "name": self.rename, "ether": self.ether, "lladdr": self.ether, "link": self.ether,
            "mtu": self.mtu, "description": self.describe, "descr": self.describe, "addm": self.addm,
            "deletem": self.deletem, "vnet": self.vnet, "-vnet": self.unvnet, "inet": self.inet,
            "inet6": self.inet,
        }  # fmt: skip
        if word in alone:
            alone[word]()
        elif word in followed:
            operand = self.operand(word)
            if word == "inet6" and operand in alone:
                alone[operand]()
            else:
                followed[word](operand)
        elif word not in CAPABILITY_WORDS:
            self.inet(word)

    # -- the interface itself

    def create(self) -> None:
        cloner = self.name.rstrip("0123456789")
        if cloner not in CLONERS:
            raise Refusal(f"SIOCIFCREATE2 ({self.name}): Invalid argument")
        unit = self.name[len(cloner) :] or str(self.free_unit(cloner))
        born = f"{cloner}{unit}"
        first = f"{born}a" if cloner == "epair" else born
        if any(each.driver == first or each.name == first for each in self.view.world.kernel.interfaces):
            raise Refusal(f"interface {born} already exists")
        for name in [f"{born}a", f"{born}b"] if cloner == "epair" else [born]:
            self.add(name, "loopback" if cloner == "lo" else cloner, int(unit))
        self.says_name = first != self.name
        self.name = first

    def free_unit(self, cloner: str) -> int:
        """The lowest number that is not used."""
        used = {each.driver or each.name for each in self.view.world.kernel.interfaces}
        taken = {each.removeprefix(cloner).rstrip("ab") for each in used if each.startswith(cloner)}
        return next(number for number in range(1000) if str(number) not in taken)

    def add(self, name: str, kind: str, unit: int) -> None:
        """A new interface. A half of an epair tells by its MAC which one it is."""
        mac = f"58:9c:fc:10:{unit % 256:02x}:{ord(name[-1]) % 256:02x}"
        if kind == "epair" and self.view.world.major < 15:
            mac = f"02:{unit % 256:02x}:ec:ad:52:0{name[-1]}"
        elif kind == "loopback":
            mac = ""
        vnet = self.view.vnet
        self.view.world.kernel.interfaces.append(
            Interface(name, kind, vnet, vnet, name, mac, mtu=16384 if kind == "loopback" else 1500,
                      extra={"hwaddr": mac} if mac else {})
        )  # fmt: skip

    def destroy(self) -> None:
        interface, kernel = self.interface, self.view.world.kernel
        if interface.kind in ("ether", "loopback") and not interface.driver:
            raise Refusal("SIOCIFDESTROY: Invalid argument")
        pair = (
            {f"{interface.driver[:-1]}a", f"{interface.driver[:-1]}b"} if interface.kind == "epair" else set()
        )
        for each in [one for one in kernel.interfaces if one is interface or one.driver in pair]:
            self.leave_bridges(each)
            kernel.interfaces.remove(each)

    def leave_bridges(self, interface: Interface) -> None:
        """It is no member of a bridge any more."""
        for each in self.view.world.kernel.interfaces:
            if each.vnet == interface.vnet and interface.name in each.members:
                each.members.remove(interface.name)

    def rise(self) -> None:
        self.interface.up = True

    def fall(self) -> None:
        self.interface.up = False

    def rename(self, name: str) -> None:
        interface = self.interface
        if len(name) > LONGEST:
            raise Refusal("ioctl SIOCSIFNAME (set name): File name too long")
        if any(each.name == name for each in self.view.interfaces() if each is not interface):
            raise Refusal("ioctl SIOCSIFNAME (set name): File exists")
        for each in self.view.interfaces():
            each.members = [name if member == self.name else member for member in each.members]
        interface.name = self.name = name
        self.says_name = True

    def ether(self, mac: str) -> None:
        parts = mac.split(":")
        if len(parts) != 6 or any(len(part) > 2 or not part.isalnum() for part in parts):
            raise Refusal(f"{mac}: bad value")
        self.interface.mac = ":".join(part.lower().zfill(2) for part in parts)

    def mtu(self, number: str) -> None:
        if any(self.name in each.members for each in self.view.interfaces()):
            raise Refusal("ioctl SIOCSIFMTU (set mtu): Operation not supported")
        self.interface.mtu = int(number)
        for each in self.view.interfaces():
            each.mtu = int(number) if each.name in self.interface.members else each.mtu

    def disable_six(self, verdict: str) -> None:
        """Whether IPv6 is off on the interface, however many addresses it has."""
        self.interface.extra["ifdisabled"] = verdict

    def describe(self, text: str) -> None:
        self.interface.description = text

    # -- bridges

    def addm(self, name: str) -> None:
        member = next((each for each in self.view.interfaces() if each.name == name), None)
        if member is None:
            raise Refusal(f"BRDGADD {name}: No such file or directory")
        bridges = [each for each in self.view.interfaces() if name in each.members]
        if bridges == [self.interface]:
            raise Refusal(f"BRDGADD {name}: File exists{self.because('already a member of this bridge')}")
        if bridges:
            raise Refusal(f"BRDGADD {name}: Device busy")
        if member.addresses and not self.members_may_have_addresses():
            raise Refusal(f"BRDGADD {name}: Invalid argument")
        self.interface.members.append(name)
        member.mtu = self.interface.mtu

    def deletem(self, name: str) -> None:
        if name not in self.interface.members:
            why = self.because("not a bridge member")
            raise Refusal(f"BRDGDEL {name}: No such file or directory{why}")
        self.interface.members.remove(name)

    def because(self, why: str) -> str:
        """What the kernel adds to its errors since 15.0."""
        return f" (Interface is {why})" if self.view.world.major >= 15 else ""

    def members_may_have_addresses(self) -> bool:
        """Since 15.0 they may not unless this is set."""
        return sysctl.value(self.view.world, "net.link.bridge.member_ifaddrs") != "0"

    # -- network stacks

    def vnet(self, key: str) -> None:
        target = View(self.view.world, jail_named(self.view.world, key)).vnet
        if target == self.view.vnet or any(each.name == self.name for each in self.of(target)):
            raise Refusal("SIOCSIFVNET: File exists")
        self.move(self.interface, target)
        # What comes after it on the command line finds no such interface any more.

    def unvnet(self, key: str) -> None:
        source = View(self.view.world, jail_named(self.view.world, key)).vnet
        found = [each for each in self.of(source) if each.name == self.name]
        if not found:
            raise Refusal("SIOCSIFRVNET: Device not configured")
        if source == self.view.vnet:
            raise Refusal("SIOCSIFRVNET: File exists")
        # Nobody looks whether there is one of this name already.
        self.move(found[0], self.view.vnet)

    def of(self, vnet: int) -> list[Interface]:
        """The interfaces of a network stack."""
        return [each for each in self.view.world.kernel.interfaces if each.vnet == vnet]

    def move(self, interface: Interface, vnet: int) -> None:
        """Give an interface to another network stack."""
        self.leave_bridges(interface)
        interface.vnet, interface.addresses, interface.up = vnet, [], False
        for key in ("ifdisabled", *ROUTES):
            interface.extra.pop(key, None)

    # -- addresses

    def inet(self, text: str) -> None:
        """An address, and the words about it that follow it."""
        if text.lstrip("-") in ("ifdisabled", "auto_linklocal", "accept_rtadv"):
            return  # options of neighbour discovery, which nobody here performs
        try:
            address = ipaddress.ip_interface(text)
        except ValueError as error:
            raise Refusal(f"{text}: bad value") from error
        given = "/" in text
        verb = ""
        while self.rest:
            if self.rest[0] in ("netmask", "prefixlen"):
                mask = self.rest[1]
                mask = str(ipaddress.ip_address(int(mask, 16))) if mask.startswith("0x") else mask
                address, given = ipaddress.ip_interface(f"{address.ip}/{mask}"), True
                del self.rest[:2]
            elif self.rest[0] in ("broadcast", "vhid", "advskew", "advbase", "pass", "state"):
                del self.rest[:2]
            elif self.rest[0] in ("alias", "add"):
                verb = self.rest.pop(0)
            else:
                break
        self.address = str(address.ip)
        if self.rest[:1] and self.rest[0] in ("-alias", "delete", "remove"):
            return
        if not given:
            address = ipaddress.ip_interface(
                f"{address.ip}/{64 if address.version == 6 else classful(address)}"
            )
        self.add_address(address, replace=not verb)

    def add_address(
        self, address: ipaddress.IPv4Interface | ipaddress.IPv6Interface, *, replace: bool
    ) -> None:
        """SIOCAIFADDR. Without ``alias`` a new IPv4 address takes the place of the first one."""
        interface = self.interface
        failed = "ioctl (SIOCAIFADDR)" if address.version == 4 else "ioctl (SIOCAIFADDR_IN6)"
        jail = self.view.inmate
        if jail is not None and not jail.vnet:
            raise Refusal(f"{failed}: Operation not permitted")
        others = [each for each in self.view.interfaces() if each is not interface]
        if any(str(address.ip) == has.partition("/")[0] for each in others for has in each.addresses):
            raise Refusal(f"{failed}: File exists")
        if any(interface.name in each.members for each in others) and not self.members_may_have_addresses():
            raise Refusal(f"{failed}: Invalid argument")
        kept = [each for each in interface.addresses if each.partition("/")[0] != str(address.ip)]
        if replace and address.version == 4:
            first = next((each for each in kept if ":" not in each), None)
            kept = [each for each in kept if each != first]
        place = next(
            (
                number
                for number, each in enumerate(interface.addresses)
                if each.split("/")[0] == str(address.ip)
            ),
            len(kept),
        )
        kept.insert(place, str(address))
        interface.addresses, interface.up = kept, True

    def remove_address(self) -> None:
        """SIOCDIFADDR."""
        kept = [each for each in self.interface.addresses if each.partition("/")[0] != self.address]
        if len(kept) == len(self.interface.addresses):
            six = "_IN6" if ":" in self.address else ""
            raise Refusal(f"ioctl (SIOCDIFADDR{six}): Can't assign requested address")
        self.interface.addresses = kept


def classful(address: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> int:
    """The length of the mask which an address had before there were masks."""
    first = address.packed[0]
    return 8 if first < 128 else 16 if first < 192 else 24


PROGRAMS = {"ifconfig": program(ifconfig)}
