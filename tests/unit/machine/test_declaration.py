# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration: every fault at once, each as one sentence, and nothing lost on the way."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine import identity
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    KINDS,
    PROPERTY_BYTES,
    Machine,
    check_pair,
    from_property,
    pair_of,
    parse_declaration,
    parse_machine,
    parse_pair,
    parse_twin,
    to_mapping,
    to_property,
)

TWIN: dict[str, Any] = {
    "name": "sio",
    "platform": "debian",
    "servers": ["castor", "pollux"],
    "witness": "witness",
    "network": "192.0.2.0/24",
    "links": ["10.1.0.0/24", "10.2.0.0/24"],
}
SSA: dict[str, Any] = {
    "kind": "lxc",
    "home": "castor",
    "image": "debian-13",
    "memory": "1G",
    "addresses": ["192.0.2.21/24"],
    "gateway": "192.0.2.1",
    "check": {"http": "/"},
}
LEAST = {"kind": "lxc", "home": "castor", "image": "debian-13"}


def faults(
    machine: dict[str, Any] | None = None, twin: dict[str, Any] | None = None, **others: Any
) -> list[str]:
    """What is wrong with SSA as changed, in a pair as changed, beside other machines."""
    return check_pair({**TWIN, **(twin or {})}, {"ssa": {**SSA, **(machine or {})}, **others})


def test_the_worked_example_is_sound() -> None:
    assert faults(tap={**LEAST, "home": "pollux", "apart": ["ssa"]}) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"memry": "1G"}, "machine ssa: there is no key 'memry'; was 'memory' meant?"),
        (
            {"memory": "8 gigs"},
            "memory of machine ssa: '8 gigs' is not a size; write a number and a unit, such as 8G or 512M.",
        ),
        ({"disk": 0}, "disk of machine ssa: it is zero; use a larger one, or leave the key out."),
        ({"cores": "two"}, "cores of machine ssa: 'two' is no whole number; use one from 1 to 4096."),
        ({"cores": 0}, "cores of machine ssa: 0 is out of range; use a number from 1 to 4096."),
        ({"cores": True}, "cores of machine ssa: True is no whole number; use one from 1 to 4096."),
        (
            {"rpo": "often"},
            "rpo of machine ssa: 'often' is not a duration; write a number and a unit, such as 15m or 2h.",
        ),
        ({"kind": "zone"}, "kind of machine ssa: 'zone' is unknown; use one of jail, lxc, qemu."),
        ({"kind": "jail"}, "kind of machine ssa: platform debian has no jail; use lxc or qemu."),
        ({"kind": None}, "machine ssa: kind is missing; declare it."),
        ({"home": "castro"}, "home of machine ssa: castro is no server of the pair; use castor or pollux."),
        (
            {"state": "running"},
            "state of machine ssa: 'running' is unknown; use one of started, stopped, absent.",
        ),
        ({"image": "a/b"}, "image of machine ssa: 'a/b' does not serve; use letters, digits and _ . : -."),
        (
            {"addresses": "192.0.2.21/24"},
            "addresses of machine ssa: '192.0.2.21/24' is no list; write one, in brackets or with hyphens.",
        ),
        (
            {"addresses": ["192.0.2.21"]},
            "addresses of machine ssa: '192.0.2.21' has no prefix length; write 192.0.2.21/24.",
        ),
        (
            {"addresses": ["192.0.2.300/24"]},
            "addresses of machine ssa: '192.0.2.300/24' is not an address; write one such as 192.0.2.21/24.",
        ),
        (
            {"addresses": ["192.0.2.21/24", "192.0.2.21/24"]},
            "addresses of machine ssa: 192.0.2.21/24 stands there twice; write it once.",
        ),
        (
            {"addresses": ["192.0.2.255/24"]},
            "addresses of machine ssa: 192.0.2.255/24 is the network's own address; use one between its"
            " ends.",
        ),
        (
            {"gateway": "192.0.3.1"},
            "gateway of machine ssa: 192.0.3.1 lies outside 192.0.2.0/24; use an address that the"
            " machine reaches directly.",
        ),
        (
            {"gateway": "router"},
            "gateway of machine ssa: 'router' is not an address; write one such as 192.0.2.1.",
        ),
        (
            {"gateway": "192.0.2.21"},
            "address 192.0.2.21: it is of machine ssa and the gateway of machine ssa; give the machine"
            " another one.",
        ),
        (
            {"check": {"http": "index"}},
            "http in check of machine ssa: 'index' is no absolute path; begin it with /.",
        ),
        (
            {"check": {"http": "/", "tcp": 80}},
            "check of machine ssa: http and tcp are several checks; declare one.",
        ),
        (
            {"check": {"ping": 1}},
            "check of machine ssa: there is no key 'ping'; there are command, http, tcp.",
        ),
        (
            {"check": {"command": "true"}},
            "command in check of machine ssa: 'true' is no list of words; write the program and its"
            " arguments as a list.",
        ),
        ({"limits": {"procs": 9}}, "limits of machine ssa: there is no key 'procs'; was 'processes' meant?"),
        (
            {"limits": {"processes": "9.5"}},
            "processes in limits of machine ssa: '9.5' is no whole number; use one from 1 to 4194304.",
        ),
        (
            {"limits": {"io": "fast"}},
            "io in limits of machine ssa: 'fast' is not a size; write a number and a unit, such as 8G"
            " or 512M.",
        ),
        (
            {"start_stale": "maybe"},
            "start_stale of machine ssa: 'maybe' is neither on nor off; write yes or no.",
        ),
        ({"together": ["zz"]}, "together of machine ssa: there is no machine zz; there are ssa."),
        ({"apart": ["ssa"]}, "apart of machine ssa: it names itself; name other machines."),
        ({"mounts": [{"source": "/a"}]}, "mounts of machine ssa: target is missing."),
        ({"options": "fast"}, "options of machine ssa: 'fast' is no mapping; write keys and values."),
        ({"image": "a\nb"}, "image of machine ssa: 'a\\nb' does not serve; use letters, digits and _ . : -."),
    ],
)
def test_a_fault_is_one_sentence(change: dict[str, Any], sentence: str) -> None:
    assert faults(change) == [sentence]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"servers": ["castor"]}, "servers of twin: castor is no pair; name two servers."),
        ({"witness": "castor"}, "witness of twin: castor is one of the servers; name a third host."),
        (
            {"network": "192.0.2.1/24"},
            "network of twin: '192.0.2.1/24' is not a network (192.0.2.1/24 has host bits set); write"
            " one such as 192.0.2.0/24.",
        ),
        (
            {"links": ["192.0.2.128/25"]},
            "links of twin: 192.0.2.128/25 overlaps 192.0.2.0/24 (network); give each its own range.",
        ),
        (
            {"links": ["10.1.0.0/31"]},
            "links of twin: 10.1.0.0/31 has no room for two servers; use /30 or larger.",
        ),
        (
            {"pool": "mirror1"},
            "pool of twin: 'mirror1' does not serve; begin with a letter, go on with letters, digits"
            " and _ . : -, and avoid ZFS's own words.",
        ),
        (
            {"admins": [{"name": "al"}, {"name": "al", "sudo": True}]},
            "admins of twin: al stands there twice; write each account once.",
        ),
        ({"admins": [{"keys": []}]}, "admins of twin: name is missing."),
        (
            {"unenforced": ["speed"]},
            "unenforced of twin: 'speed' is unknown; use one of cores, memory, disk, processes,"
            " open_files, cpu_weight, io.",
        ),
    ],
)
def test_a_fault_of_the_pair_is_one_sentence(change: dict[str, Any], sentence: str) -> None:
    assert [fault for fault in faults(twin=change) if "machine" not in fault] == [sentence]


def test_a_network_outside_is_named_with_the_address() -> None:
    assert faults({"addresses": ["10.9.0.1/24"], "gateway": None}) == [
        "addresses of machine ssa: 10.9.0.1/24 lies outside 192.0.2.0/24; use an address of the network"
        " of twin."
    ]


def test_automatic_failover_needs_a_third_vote() -> None:
    assert faults({"failover": "auto"}) == []
    assert faults({"failover": "auto"}, {"witness": None}) == [
        "failover of machine ssa: auto needs a third vote; declare witness of twin, or use manual."
    ]


def test_two_machines_with_one_address() -> None:
    assert faults(tap={**LEAST, "addresses": ["192.0.2.21/25"]}) == [
        "address 192.0.2.21: machines ssa and tap both have it; give each its own."
    ]


def test_a_machine_that_goes_stands_in_nobodys_way() -> None:
    gone = {**LEAST, "state": "absent", "addresses": ["192.0.2.21/25"], "apart": ["ssa"]}
    assert faults(tap=gone) == []
    assert faults({"together": ["tap"]}, tap=gone) == [
        "together of machine ssa: there is no machine tap; there are ssa."
    ]


def test_a_machine_with_the_name_of_a_server() -> None:
    for name in ("castor", "witness"):
        assert faults(**{name: LEAST}) == [f"machine {name}: a server has that name; choose another one."]


def test_a_name_that_is_no_host_name() -> None:
    assert faults(My_Service=LEAST) == [
        "name of a machine: 'My_Service' is not a host name; use up to 63 lower-case letters, digits and"
        " hyphens, with no hyphen at either end."
    ]


def test_wishes_that_their_homes_contradict() -> None:
    assert faults({"together": ["tap"]}, tap={**LEAST, "home": "pollux"}) == [
        "together of machine ssa: ssa has home castor and tap has pollux; give them one home."
    ]
    assert faults({"apart": ["tap"]}, tap=LEAST) == [
        "apart of machine ssa: ssa has home castor and tap has castor; give them different homes."
    ]


def test_a_wish_and_its_opposite() -> None:
    assert "machine ssa: tap stands in both together and apart; choose one." in faults(
        {"together": ["tap"], "apart": ["tap"]}, tap=LEAST
    )


def test_what_needs_an_address() -> None:
    assert faults({"addresses": []}) == [
        "gateway of machine ssa: it needs an address; declare addresses.",
        "http of machine ssa: it needs an address; declare addresses.",
    ]


def test_what_the_dataset_cannot_store() -> None:
    (fault,) = faults({"options": {"note": "x" * PROPERTY_BYTES}})
    assert fault.endswith(f"its dataset can store {PROPERTY_BYTES}; shorten its options.")


def test_all_faults_at_once() -> None:
    found = faults({"memory": "8 gigs", "home": "castro", "colour": 1}, tap={**LEAST, "rpo": "x"}, mog=None)
    assert len(found) == 5


def test_what_is_no_mapping() -> None:
    assert check_pair(None, ["ssa"]) == [
        "twin: it is no mapping; write keys and values.",
        "machines: it is no mapping; write one entry per machine, by its name.",
    ]


def test_a_private_key_is_never_shown() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY----- canary"
    (fault,) = faults(twin={"admins": [{"name": "al", "keys": [key]}]})
    assert "a private key stands there" in fault
    assert "canary" not in fault


def test_defaults_are_filled_in() -> None:
    machine = parse_declaration(TWIN, {"tap": LEAST})[1]["tap"]
    assert machine == Machine("tap", "lxc", "castor", "debian-13")
    assert to_mapping(machine, defaults=False) == LEAST
    assert to_mapping(machine)["rpo"] == "15m"


def test_two_address_families() -> None:
    twin = {**TWIN, "network": ["192.0.2.0/24", "2001:db8::/64"]}
    both = {"addresses": ["192.0.2.21/24", "2001:db8::21/64"], "gateway": ["192.0.2.1", "fe80::1"]}
    assert check_pair(twin, {"ssa": {**SSA, **both}}) == []


def test_answers_of_a_survey_are_text() -> None:
    asked = parse_machine("ssa", {**LEAST, "cores": "2", "start_stale": "yes", "priority": "-3"})
    assert (asked.cores, asked.start_stale, asked.priority) == (2, True, -3)


names = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
sizes = st.integers(1, 2**50)
plain = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
paths = st.from_regex(r"(/[a-z]{1,4}){1,2}", fullmatch=True)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Any machine that can be declared."""
    network = ipaddress.ip_network(draw(st.sampled_from(["192.0.2.0/24", "2001:db8::/120"])))
    hosts = draw(st.lists(st.integers(2, 250), max_size=2, unique=True))
    checks = [{}, {"command": ["true", "-x"]}] + ([{"http": "/a"}, {"tcp": 80}] if hosts else [])
    return Machine(
        name=draw(names),
        kind=draw(st.sampled_from(KINDS)),
        home=draw(names),
        image=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,8}", fullmatch=True)),
        state=draw(st.sampled_from(["started", "stopped", "absent"])),
        failover=draw(st.sampled_from(["none", "manual", "auto"])),
        rpo=draw(st.integers(1, 10**7)),
        start_stale=draw(st.booleans()),
        cores=draw(st.none() | st.integers(1, 256)),
        memory=draw(st.none() | sizes),
        disk=draw(st.none() | sizes),
        limits=draw(st.fixed_dictionaries({}, optional={"processes": st.integers(1, 999), "io": sizes})),
        addresses=tuple(f"{network[host]}/{network.prefixlen}" for host in hosts),
        gateway=(str(network[1]),) if hosts and draw(st.booleans()) else (),
        check=draw(st.sampled_from(checks)),
        priority=draw(st.integers(-1000, 1000)),
        together=tuple(draw(st.lists(names, max_size=2, unique=True))),
        apart=tuple(draw(st.lists(names, max_size=2, unique=True))),
        devices=tuple(draw(st.lists(paths, max_size=2, unique=True))),
        mounts=tuple(
            {"readonly": False, "source": path, "target": path}
            for path in draw(st.lists(paths, max_size=2, unique=True))
        ),
        options=draw(st.dictionaries(st.text(max_size=5), plain, max_size=2)),
    )


@given(machines())
def test_a_machine_is_stored_and_found_again(machine: Machine) -> None:
    stored = to_property(machine)
    assert from_property(machine.name, stored) == machine
    assert stored.isascii()
    assert "\n" not in stored


@given(machines())
def test_a_machine_shown_and_declared_again_is_the_same(machine: Machine) -> None:
    assert parse_machine(machine.name, to_mapping(machine)) == machine
    assert parse_machine(machine.name, json.loads(json.dumps(to_mapping(machine)))) == machine


@given(st.dictionaries(st.sampled_from([*SSA, "rpo", "limits", "together", "mounts", "devices"]), plain))
def test_whatever_is_written_is_taken_or_refused_by_sentences(change: dict[str, Any]) -> None:
    for fault in faults(change):
        assert fault.endswith((".", "?"))
        assert "Traceback" not in fault


@pytest.mark.parametrize("text", ["{", "[]", '{"kind":"lxc"}', ""])
def test_a_property_that_is_no_declaration_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="machine ssa"):
        from_property("ssa", text)


def test_the_nth_server_has_the_nth_address_of_each_link() -> None:
    hosts = {"castor": "192.0.2.11", "pollux": "192.0.2.12"}
    pair = pair_of(parse_twin(TWIN), "castor", hosts)
    assert to_mapping(pair) == {
        "name": "sio",
        "platform": "debian",
        "server": "castor",
        "pool": "tank",
        "bridge": "br0",
        "witness": "witness",
        "unenforced": [],
        "twin": {
            "server": "pollux",
            "addresses": ["10.1.0.2", "10.2.0.2", "192.0.2.12"],
            "key": "/etc/twin/peer_ed25519",
            "known_hosts": "/etc/twin/known_hosts",
        },
    }
    assert parse_pair(to_mapping(pair)) == pair
    assert pair_of(parse_twin(TWIN), "pollux", {}).twin.addresses == ("10.1.0.1", "10.2.0.1")


def test_a_pair_without_a_way_or_with_a_stranger_is_refused() -> None:
    with pytest.raises(Refused, match="no address leads to it"):
        pair_of(parse_twin({**TWIN, "links": []}), "castor", {})
    with pytest.raises(Refused, match="server mizar: it is not of the pair castor, pollux"):
        pair_of(parse_twin(TWIN), "mizar", {})


def test_a_pair_file_that_is_cut_off_is_refused() -> None:
    with pytest.raises(Refused, match="/etc/twin/pair.json: twin is missing"):
        parse_pair({"name": "sio"})


@given(names, names, st.integers(0, 9))
def test_a_network_card_has_a_local_unicast_address(twin: str, machine: str, index: int) -> None:
    first = int(identity.mac(twin, machine, index)[:2], 16)
    assert first & 0b11 == 0b10


def test_an_identity_never_changes() -> None:
    assert identity.mac("sio", "ssa") == "02:a4:51:be:9d:f5"
    assert identity.uuid("sio", "ssa") == "5b0ad147-a4d4-56a3-9138-f7ab82bc517f"
    assert identity.mac("sio", "ssa", 1) != identity.mac("sio", "ssa") != identity.mac("sio", "tap")
