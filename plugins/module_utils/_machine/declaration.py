# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The declaration: what people write about their pair and its machines, checked and normalised.

Pure. Three things are parsed here, each by one table of its fields:

* `Machine`: one value of the inventory's ``machines``; also stored beside the machine's data
  (property ``twin:machine``), so that either server can define it without an inventory;
* `Twin`: the inventory's ``twin``;
* `Pair`: the same pair as one of its servers sees it (``/etc/twin/pair.json``).

All faults of a declaration are found in one go, each as one sentence.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused
from .._core.values import (
    doubles,
    format_duration,
    format_size,
    parse_bool,
    parse_duration,
    parse_label,
    parse_size,
)
from . import fields
from .fields import Field

KINDS_OF_PLATFORM: Mapping[str, tuple[str, ...]] = {
    "freebsd": ("jail",),
    "debian": ("lxc", "qemu"),
    "proxmox": ("lxc", "qemu"),
}
KINDS = tuple(sorted({kind for kinds in KINDS_OF_PLATFORM.values() for kind in kinds}))

PROPERTY_BYTES = 1023
"""The longest value of a user property on pools of every age (libzfs: below ZFS_MAXPROPLEN, 1024)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One logical machine as it was declared, every default filled in.

    :param memory: bytes; None: no limit. Likewise ``disk`` and ``cores``.
    :param rpo: seconds: how old its replica may be.
    :param limits: of ``processes``, ``open_files``, ``cpu_weight`` (1 to 10000), ``io`` (bytes a second).
    :param addresses: with their prefix lengths.
    :param check: one of ``http`` (a path), ``tcp`` (a port), ``command`` (an argv); empty: it runs.
    :param mounts: each ``source``, ``target`` and ``readonly``.
    """

    name: str
    kind: str
    home: str
    image: str
    state: str = "started"
    failover: str = "none"
    rpo: int = 900
    start_stale: bool = False
    cores: int | None = None
    memory: int | None = None
    disk: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    check: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    together: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    devices: tuple[Any, ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Twin:
    """The pair as the inventory declares it."""

    name: str
    platform: str
    servers: tuple[str, ...]
    network: tuple[str, ...]
    witness: str | None = None
    domain: str | None = None
    bridge: str = "br0"
    links: tuple[str, ...] = ()
    pool: str = "tank"
    admins: tuple[Mapping[str, Any], ...] = ()
    fencing: Mapping[str, Any] = field(default_factory=dict)
    unenforced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """The other server, and how it is reached.

    :param addresses: tried in this order.
    :param key: path of the private key that the peer knows.
    """

    server: str
    addresses: tuple[str, ...]
    key: str = "/etc/twin/peer_ed25519"
    known_hosts: str = "/etc/twin/known_hosts"


@dataclass(frozen=True, slots=True)
class Pair:
    """The pair as one of its servers sees it: ``/etc/twin/pair.json``.

    :param server: the server that the file lies on.
    :param twin: the other one.
    """

    name: str
    platform: str
    server: str
    pool: str
    bridge: str
    twin: Peer
    witness: str | None = None
    unenforced: tuple[str, ...] = ()


# ---- from and to plain data -------------------------------------------------------------------


def parse_machine(name: str, mapping: Any) -> Machine:
    """One value of ``machines``, by its key.

    :raises Refused: with every fault at once.
    """
    machine, faults = _read_machine(name, mapping)
    return fields.unless(faults, machine)


def parse_twin(mapping: Any) -> Twin:
    """The inventory's ``twin``.

    :raises Refused: with every fault at once.
    """
    faults: list[str] = []
    twin: Twin = fields.fill(Twin, "twin", mapping, _TWIN, faults)
    return fields.unless(faults, twin)


def parse_pair(mapping: Any) -> Pair:
    """The content of ``/etc/twin/pair.json``.

    :raises Refused: with every fault at once.
    """
    faults: list[str] = []
    pair: Pair = fields.fill(Pair, "/etc/twin/pair.json", mapping, _PAIR, faults)
    return fields.unless(faults, pair)


def pair_of(twin: Twin, server: str, addresses: Mapping[str, str]) -> Pair:
    """The pair as one server sees it. The nth server has the nth address of each link.

    :param addresses: each server's address in the common network: the last way to the peer.
    :raises Refused: when the pair has no such server, or its peer no address.
    """
    if server not in twin.servers:
        raise Refused(f"server {server}", f"it is not of the pair {', '.join(twin.servers)}")
    other = next(name for name in twin.servers if name != server)
    ways = [link_address(twin, link, other) for link in twin.links]
    if other in addresses:
        ways.append(addresses[other])
    if not ways:
        raise Refused(f"server {other}", "no address leads to it", "declare links of twin")
    return Pair(
        name=twin.name,
        platform=twin.platform,
        server=server,
        pool=twin.pool,
        bridge=twin.bridge,
        witness=twin.witness,
        twin=Peer(other, tuple(dict.fromkeys(ways))),
        unenforced=twin.unenforced,
    )


def link_address(twin: Twin, link: str, server: str) -> str:
    """The address of a server in one of the networks between the servers, without prefix length."""
    return str(ipaddress.ip_network(link)[twin.servers.index(server) + 1])


def to_mapping(declared: Machine | Twin | Pair | Peer, *, defaults: bool = True) -> dict[str, Any]:
    """The same as plain data, as people write it; what it was made from is equal in meaning.

    Law: ``parse_machine(m.name, to_mapping(m)) == m``, with and without defaults.
    """
    table = _TABLES[type(declared)]
    mapping = {}
    for item in dataclasses.fields(declared):
        value = getattr(declared, item.name)
        if item.name in table and value is not None and (defaults or value != fields.default_of(item)):
            mapping[item.name] = table[item.name].show(value)
    return mapping


def to_property(machine: Machine) -> str:
    """The declaration without defaults as compact JSON in ASCII, keys sorted (property ``twin:machine``).

    Law: ``from_property(m.name, to_property(m)) == m``.
    """
    return json.dumps(to_mapping(machine, defaults=False), separators=(",", ":"), sort_keys=True)


def from_property(name: str, text: str) -> Machine:
    """A machine from what its dataset stores.

    :raises Refused: when it is no declaration.
    """
    try:
        mapping = json.loads(text)
    except ValueError as error:
        raise Refused(f"property twin:machine of machine {name}", f"it is not JSON ({error})") from error
    return parse_machine(name, mapping)


# ---- the rules across machines ----------------------------------------------------------------


def parse_declaration(twin: Any, machines: Any) -> tuple[Twin, dict[str, Machine]]:
    """The whole declaration.

    :raises Refused: with every fault of the pair, of each machine, and between them.
    """
    faults: list[str] = []
    pair: Twin = fields.fill(Twin, "twin", twin, _TWIN, faults)
    sound = not faults
    parsed: dict[str, Machine] = {}
    if not isinstance(machines, Mapping):
        faults.append("machines: it is no mapping; write one entry per machine, by its name.")
        machines = {}
    for name, mapping in machines.items():
        parsed[str(name)], found = _read_machine(str(name), mapping)
        faults.extend(found)
    if sound:
        faults.extend(_pair_faults(pair))
    staying = {name: machine for name, machine in parsed.items() if machine.state != "absent"}
    for machine in parsed.values():
        if sound:
            faults.extend(_place_faults(pair, machine))
    for machine in staying.values():
        faults.extend(_neighbour_faults(machine, staying))
    faults.extend(_double_addresses(staying.values()))
    return fields.unless(faults, (pair, parsed))


def check_pair(twin: Any, machines: Any) -> list[str]:
    """Every fault of a declaration as a sentence; empty when it is sound."""
    return fields.faults_in(lambda: parse_declaration(twin, machines))


def _pair_faults(twin: Twin) -> list[str]:
    faults = []
    if len(twin.servers) != 2 or twin.servers[0] == twin.servers[1]:
        faults.append(f"servers of twin: {', '.join(twin.servers)} is no pair; name two servers.")
    if twin.witness in twin.servers:
        faults.append(f"witness of twin: {twin.witness} is one of the servers; name a third host.")
    networks = [("network", text) for text in twin.network] + [("links", text) for text in twin.links]
    for (key, one), (other_key, other) in itertools.combinations(networks, 2):
        if _overlap(one, other):
            faults.append(f"{other_key} of twin: {other} overlaps {one} ({key}); give each its own range.")
    for link in twin.links:
        if ipaddress.ip_network(link).num_addresses < 4:
            faults.append(f"links of twin: {link} has no room for two servers; use /30 or larger.")
    for name in doubles(str(admin["name"]) for admin in twin.admins):
        faults.append(f"admins of twin: {name} stands there twice; write each account once.")
    return faults


def _place_faults(twin: Twin, machine: Machine) -> list[str]:
    """Whether this pair can carry the machine."""
    of = f"of machine {machine.name}"
    faults = []
    if machine.name in (*twin.servers, twin.witness):
        faults.append(f"machine {machine.name}: a server has that name; choose another one.")
    kinds = KINDS_OF_PLATFORM[twin.platform]
    if machine.kind and machine.kind not in kinds:
        faults.append(f"kind {of}: platform {twin.platform} has no {machine.kind}; use {' or '.join(kinds)}.")
    if machine.home and machine.home not in twin.servers:
        faults.append(f"home {of}: {machine.home} is no server of the pair; use {' or '.join(twin.servers)}.")
    if machine.failover == "auto" and twin.witness is None:
        faults.append(f"failover {of}: auto needs a third vote; declare witness of twin, or use manual.")
    networks = [ipaddress.ip_network(text) for text in twin.network]
    for text in machine.addresses:
        address = ipaddress.ip_interface(text)
        around = next((network for network in networks if address.ip in network), None)
        if around is None:
            faults.append(
                f"addresses {of}: {text} lies outside {' and '.join(twin.network)};"
                " use an address of the network of twin."
            )
        elif address.version == 4 and address.ip in (around.network_address, around.broadcast_address):
            faults.append(f"addresses {of}: {text} is the network's own address; use one between its ends.")
    return faults


def _read_machine(name: str, mapping: Any) -> tuple[Machine, list[str]]:
    """A machine, whole if there are no faults; with faults it still serves to find further ones."""
    faults = fields.faults_in(lambda: parse_label(name, "name of a machine"))
    machine: Machine = fields.fill(Machine, f"machine {name}", mapping, _MACHINE, faults, name=name)
    faults.extend(_address_faults(machine, mapping))
    if not faults and (size := len(to_property(machine))) > PROPERTY_BYTES:
        faults.append(
            f"machine {name}: its declaration takes {size} bytes, its dataset can store {PROPERTY_BYTES};"
            " shorten its options."
        )
    return machine, faults


def _address_faults(machine: Machine, mapping: Any) -> list[str]:
    """Whether what needs an address has one that serves; faulty addresses are reported elsewhere."""
    of = f"of machine {machine.name}"
    if not machine.addresses:
        if isinstance(mapping, Mapping) and mapping.get("addresses"):
            return []
        needy = ["gateway"] * bool(machine.gateway) + [key for key in machine.check if key != "command"]
        return [f"{key} {of}: it needs an address; declare addresses." for key in needy]
    networks = [ipaddress.ip_interface(text).network for text in machine.addresses]
    gateways = [ipaddress.ip_address(text) for text in machine.gateway]
    return [
        f"gateway {of}: {gateway} lies outside {' and '.join(map(str, networks))};"
        " use an address that the machine reaches directly."
        for gateway in gateways
        if not gateway.is_link_local and not any(gateway in network for network in networks)
    ]


def _neighbour_faults(machine: Machine, machines: Mapping[str, Machine]) -> list[str]:
    """Whether its wishes about other machines can be met while all are at home."""
    faults = []
    for key, others in (("together", machine.together), ("apart", machine.apart)):
        for other in others:
            what = f"{key} of machine {machine.name}"
            if other == machine.name:
                faults.append(f"{what}: it names itself; name other machines.")
            elif other not in machines:
                faults.append(f"{what}: there is no machine {other}{fields.guess(other, machines)}")
            elif (machine.home == machines[other].home) != (key == "together"):
                faults.append(
                    f"{what}: {machine.name} has home {machine.home} and {other} has {machines[other].home};"
                    f" give them {'one home' if key == 'together' else 'different homes'}."
                )
    for other in sorted(set(machine.together) & set(machine.apart)):
        faults.append(f"machine {machine.name}: {other} stands in both together and apart; choose one.")
    return faults


def _double_addresses(machines: Iterable[Machine]) -> list[str]:
    users: dict[str, list[str]] = {}
    gateways: dict[str, str] = {}
    for machine in machines:
        for text in machine.addresses:
            users.setdefault(str(ipaddress.ip_interface(text).ip), []).append(machine.name)
        gateways.update(dict.fromkeys(machine.gateway, machine.name))
    faults = [
        f"address {address}: machines {' and '.join(names)} both have it; give each its own."
        for address, names in sorted(users.items())
        if len(names) > 1
    ]
    return faults + [
        f"address {address}: it is of machine {users[address][0]} and the gateway of machine {name};"
        " give the machine another one."
        for address, name in sorted(gateways.items())
        if address in users
    ]


def _overlap(one: str, other: str) -> bool:
    left, right = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return left.version == right.version and left.overlaps(right)


# ---- the fields -------------------------------------------------------------------------------


def _check(value: Any, what: str) -> dict[str, Any]:
    check = fields.record(_CHECKS)(value, what)
    if len(check) > 1:
        raise Refused(what, f"{' and '.join(check)} are several checks", "declare one")
    return dict(check)


def _device(value: Any, what: str) -> Any:
    return fields.mapping(value, what) if isinstance(value, Mapping) else fields.text(value, what)


def _mount(value: Any, what: str) -> dict[str, Any]:
    return {"readonly": False, **fields.record(_MOUNT, ("source", "target"))(value, what)}


def _admin(value: Any, what: str) -> dict[str, Any]:
    return dict(fields.record(_ADMIN, ("name",))(value, what))


def _public_key(value: Any, what: str) -> str:
    if "PRIVATE KEY" in str(value):  # never shown: it is a secret in the wrong place
        raise Refused(what, "a private key stands there", "write the public key")
    return fields.text(value, what)


def _peer(value: Any, what: str) -> Peer:
    faults: list[str] = []
    peer: Peer = fields.fill(Peer, what, value, _PEER, faults)
    return fields.unless(faults, peer)


_part = fields.matching(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}", "use letters, digits and _ . : -")
_pool = fields.matching(
    r"(?!(?:mirror|raidz|draid|spare|log)|c[0-9])[A-Za-z][A-Za-z0-9_.:-]{0,99}",
    "begin with a letter, go on with letters, digits and _ . : -, and avoid ZFS's own words",
)
_bridge = fields.matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", "use up to 15 letters, digits and _ . -")
_domain = fields.matching(
    r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
    "write a domain in lower case, such as lab.example.org",
)
_account = fields.matching(r"[a-z_][a-z0-9_-]{0,31}", "use up to 32 lower-case letters, digits and _ -")
_size = fields.above_zero(parse_size)

_LIMITS: Mapping[str, fields.Parser] = {
    "processes": fields.number(1, 4194304),
    "open_files": fields.number(1, 1073741816),
    "cpu_weight": fields.number(1, 10000),
    "io": _size,
}
_CHECKS: Mapping[str, fields.Parser] = {
    "http": fields.path,
    "tcp": fields.number(1, 65535),
    "command": fields.argv,
}
_MOUNT: Mapping[str, fields.Parser] = {
    "source": fields.path,
    "target": fields.path,
    "readonly": parse_bool,
}
_ADMIN: Mapping[str, fields.Parser] = {
    "name": _account,
    "keys": fields.list_of(_public_key),
    "sudo": parse_bool,
    "state": fields.choice("present", "absent"),
}


def _show_limits(limits: Mapping[str, int]) -> dict[str, Any]:
    return {key: format_size(value) if key == "io" else value for key, value in limits.items()}


_MACHINE: Mapping[str, Field] = {
    "kind": Field(fields.choice(*KINDS)),
    "home": Field(fields.label),
    "image": Field(_part),
    "state": Field(fields.choice("started", "stopped", "absent")),
    "failover": Field(fields.choice("none", "manual", "auto")),
    "rpo": Field(fields.above_zero(parse_duration), format_duration),
    "start_stale": Field(parse_bool),
    "cores": Field(fields.number(1, 4096)),
    "memory": Field(_size, format_size),
    "disk": Field(_size, format_size),
    "limits": Field(fields.record(_LIMITS), _show_limits),
    "addresses": Field(fields.list_of(fields.interface)),
    "gateway": Field(fields.one_or_list_of(fields.address)),
    "check": Field(_check),
    "priority": Field(fields.number(-1000, 1000)),
    "together": Field(fields.list_of(fields.label)),
    "apart": Field(fields.list_of(fields.label)),
    "devices": Field(fields.list_of(_device)),
    "mounts": Field(fields.list_of(_mount)),
    "options": Field(fields.mapping),
}
_TWIN: Mapping[str, Field] = {
    "name": Field(fields.label),
    "platform": Field(fields.choice(*KINDS_OF_PLATFORM)),
    "servers": Field(fields.list_of(fields.label)),
    "network": Field(fields.one_or_list_of(fields.network)),
    "witness": Field(fields.label),
    "domain": Field(_domain),
    "bridge": Field(_bridge),
    "links": Field(fields.list_of(fields.network)),
    "pool": Field(_pool),
    "admins": Field(fields.list_of(_admin)),
    "fencing": Field(fields.mapping),
    "unenforced": Field(fields.list_of(fields.choice("cores", "memory", "disk", *_LIMITS))),
}
_PEER: Mapping[str, Field] = {
    "server": Field(fields.label),
    "addresses": Field(fields.list_of(fields.address)),
    "key": Field(fields.path),
    "known_hosts": Field(fields.path),
}
_PAIR: Mapping[str, Field] = {
    **{key: _TWIN[key] for key in ("name", "platform", "pool", "bridge", "witness", "unenforced")},
    "server": Field(fields.label),
    "twin": Field(_peer, to_mapping),
}
_TABLES: Mapping[type[Any], Mapping[str, Field]] = {
    Machine: _MACHINE,
    Twin: _TWIN,
    Pair: _PAIR,
    Peer: _PEER,
}
