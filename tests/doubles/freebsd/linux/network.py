# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces as FreeBSD's programs see them, made real with ip(8).

An epair is a pair of veth, a bridge is a bridge, and so is a cloned loopback, for Linux has but one; a stack
(vnet) is a network namespace of the name that `stack` gives. The server's `lo` is called lo0.
"""

from __future__ import annotations

import copy
import subprocess
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..ifconfig import ROUTES
from ..kernel import HOST, Interface

IP = "/usr/lib/linux/ip"
FIRST = "1"
"""The namespace of the server's first process, in the words of ip(8)."""


def stack(jid: int) -> str:
    """The name of the network namespace of a jail."""
    return f"jail{jid}"


def found() -> list[Interface]:
    """The interfaces that the server has before any program of ours has run."""
    return sorted(map(_interface, _links(HOST)), key=lambda interface: interface.kind == "loopback")


def _interface(link: dict[str, Any]) -> Interface:
    loopback = link["ifname"] == "lo"
    name = "lo0" if loopback else link["ifname"]
    return Interface(
        name,
        "loopback" if loopback else "ether",
        mac="" if loopback else link["address"],
        up="UP" in link["flags"],
        mtu=16384 if loopback else link["mtu"],
        addresses=[
            f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if each["scope"] != "link"
        ],
        extra={} if loopback else {"hwaddr": link["address"], "born": name},
    )


def addresses_inside(jid: int) -> dict[str, tuple[bool, list[str]]]:
    """Whether each interface in a jail's stack is up, and its addresses: programs inside may set both."""
    return {each.name: (each.up, each.addresses) for each in map(_interface, _links(jid))}


def _links(jid: int) -> list[dict[str, Any]]:
    # Few programs ask for it, and most would be a tenth slower with it.
    import json

    links: list[dict[str, Any]] = json.loads(_ip(jid, "-json", "address").stdout)
    return links


def make_stack(jid: int) -> None:
    """A network stack for a jail."""
    _run([IP, "netns", "add", stack(jid)])
    _run([IP, "-n", stack(jid), "link", "set", "lo", "up"])


def end_stack(jid: int) -> None:
    """Its interfaces have left it."""
    _run([IP, "netns", "delete", stack(jid)])


def personal(interface: Interface, host: str) -> None:
    """Give a new interface a MAC that no other server's has, as FreeBSD makes it from the host's id."""
    if interface.mac and interface.mac == interface.extra.get("hwaddr") and "born" not in interface.extra:
        octets = f"{zlib.crc32(f'{host} {interface.driver}'.encode()):08x}"
        mac = f"58:9c:fc:{octets[:2]}:{octets[2:4]}:{octets[4:6]}"
        interface.mac, interface.extra["hwaddr"] = mac, mac


def settle(before: Sequence[Interface], after: Sequence[Interface]) -> None:
    """Make the server's interfaces those of ``after``; they are those of ``before``.

    :raises RuntimeError: with the words of ip(8).
    """
    old = {_key(each): copy.deepcopy(each) for each in before}
    new = {_key(each): each for each in after}
    for key in [key for key in old if key not in new]:
        gone = old.pop(key)
        if gone.kind in ("bridge", "loopback", "epair"):
            # One end of a pair takes the other with it.
            _ip(gone.vnet, "link", "delete", _name(gone), check=_twin(key) in new)
    for key, interface in new.items():
        if key not in old:
            old |= {_key(each): each for each in _born(interface)}
    for key, interface in new.items():
        _change(old[key], interface)
    for key, interface in new.items():
        _join(old[key], interface)
        _lead(old[key], interface)


def _key(interface: Interface) -> str:
    """What stays the same when it is renamed."""
    return interface.driver or interface.extra.get("born", interface.name)


def _name(interface: Interface) -> str:
    return "lo" if interface.name == "lo0" else interface.name


def _twin(key: str) -> str:
    return f"{key[:-1]}{'a' if key.endswith('b') else 'b'}" if key.startswith("epair") else ""


def _born(interface: Interface) -> Iterator[Interface]:
    """The interface, as it is when it has just been made, and its twin.

    It may be there already, when what was to be done to it could not be.
    """
    key = _key(interface)
    if interface.kind == "epair":
        twin = _twin(key)
        _ip(HOST, "link", "add", key, "type", "veth", "peer", "name", twin, check=False)
        yield Interface(twin, "epair", driver=twin)
    else:
        words = ["type", "bridge", "forward_delay", "0", "mcast_snooping", "0"]
        _ip(HOST, "link", "add", key, *words, check=False)
    yield Interface(key, interface.kind, driver=key)


def _change(old: Interface, new: Interface) -> None:
    if old.vnet != new.vnet:
        _ip(old.vnet, "link", "set", _name(old), "netns", stack(new.vnet) if new.vnet else FIRST)
        old.addresses, old.up = [], False
    if old.name != new.name:
        _ip(new.vnet, "link", "set", _name(old), "down")
        _ip(new.vnet, "link", "set", _name(old), "name", _name(new))
        old.up = False
    name = _name(new)
    if new.mac and old.mac != new.mac:
        _ip(new.vnet, "link", "set", name, "address", new.mac)
    if old.mtu != new.mtu and new.kind != "loopback":
        _ip(new.vnet, "link", "set", name, "mtu", str(new.mtu))
    for address in _without(old.addresses, new.addresses):
        _ip(new.vnet, "address", "delete", address, "dev", name)
    if old.up != new.up:
        _ip(new.vnet, "link", "set", name, "up" if new.up else "down")
    for address in _without(new.addresses, old.addresses):
        _ip(new.vnet, "address", "replace", address, "dev", name, *(["nodad"] if ":" in address else []))
        if new.up and "." in address and new.kind != "loopback":
            _announce(new.vnet, name, address.partition("/")[0])


def _announce(jid: int, name: str, address: str) -> None:
    """FreeBSD tells its neighbours of a new address (netinet/if_ether.c, arp_ifinit)."""
    arping = ["/usr/lib/linux/busybox", "arping", "-U", "-c", "1", "-w", "1", "-I", name, address]
    inside = [IP, "netns", "exec", stack(jid)] if jid else []
    null = subprocess.DEVNULL
    subprocess.Popen([*inside, *arping], stdin=null, stdout=null, stderr=null, start_new_session=True)


def _join(old: Interface, new: Interface) -> None:
    """Members of bridges, by the names which they have by now."""
    for member in _without(old.members, new.members):
        # It may be gone.
        _ip(new.vnet, "link", "set", member, "nomaster", check=False)
    for member in _without(new.members, old.members):
        _ip(new.vnet, "link", "set", member, "master", _name(new))


def _lead(old: Interface, new: Interface) -> None:
    """Default routes; Linux forgets one with the addresses that it needs."""
    for family, key in (("-4", ROUTES[False]), ("-6", ROUTES[True])):
        gateway = new.extra.get(key)
        if gateway:
            _ip(
                new.vnet,
                family,
                "route",
                "replace",
                "default",
                "via",
                gateway,
                "dev",
                _name(new),
                check=False,
            )
        elif key in old.extra:
            _ip(new.vnet, family, "route", "delete", "default", check=False)


def _without(words: Iterable[str], others: Iterable[str]) -> list[str]:
    drop = set(others)
    return [word for word in words if word not in drop]


def _ip(jid: int, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return _run([IP, *(["-n", stack(jid)] if jid else []), *words], check=check)


def _run(argv: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {' '.join(done.stderr.split())}")
    return done
