# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge of a FreeBSD server: what rc.conf says, what is tried, and every way back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._network import rc, rc_host
from ansible_collections.twin.datacenter.plugins.module_utils._network.plan import plan_network
from ansible_collections.twin.datacenter.plugins.modules.bridge import SUBJECT
from tests.doubles.freebsd.daemon import wake
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.kernel import Interface
from tests.doubles.freebsd.world import Fault
from tests.doubles.memory import power_cut_before
from tests.laws.cases_bridge import CASES, DHCP, RC, STATIC, freebsd, params, with_bridge, with_six
from tests.laws.laws import Case

FREEBSD = [case for case in CASES if case.name.startswith("rc.conf")]


def apply(host: FreebsdHost, phase: str = "all", **more: Any) -> list[str]:
    return reconcile(SUBJECT, params(phase=phase, **more), host, host).plan.sentences


def interface(host: FreebsdHost, name: str) -> Interface:
    return next(each for each in host.kernel.interfaces if each.name == name)


def routes(host: FreebsdHost) -> list[str]:
    answers = [host.world.call(["route", "-n", family, "get", "default"]) for family in ("-4", "-6")]
    return [answer.out for answer in answers if answer.rc == 0]


def network(host: FreebsdHost) -> Any:
    """What the kernel has, to be compared; when which interface was made is no matter."""
    found = [copy.deepcopy(vars(each)) for each in host.kernel.interfaces]
    for each in found:
        # Routes are asked for below, and whether it may speak IPv6 is seen from its having an address.
        each["extra"] = {"hwaddr": each["extra"].get("hwaddr")}
        # That a link without an address is up does no harm.
        each["up"] = each["up"] and bool(each["addresses"] or each["members"])
    return sorted(found, key=lambda each: str(each["name"])), routes(host)


def rc_conf(host: FreebsdHost) -> list[str]:
    return host.files["/etc/rc.conf"].splitlines()


# ---- what rc.conf says ---------------------------------------------------------------------------


def test_a_bridge_takes_over_the_address_of_the_port_with_the_default_route() -> None:
    host = freebsd()
    assert apply(host) == [
        "try bridge br0 with port em0; without confirmation the host goes back after 60 s",
        "keep bridge br0, confirmed over a new connection",
    ]
    assert rc_conf(host) == [
        'hostname="castor.example.org"',
        'ifconfig_em0="up"',
        'defaultrouter="192.0.2.1"',
        'sshd_enable="YES"',
        'cloned_interfaces="bridge0"',
        'create_args_bridge0="ether 58:9c:fc:00:00:01"',
        'ifconfig_bridge0_name="br0"',
        'ifconfig_br0="inet 192.0.2.11/24 addm em0 up"',
    ]
    bridge, port = interface(host, "br0"), interface(host, "em0")
    assert bridge.addresses == ["192.0.2.11/24"] and bridge.members == ["em0"] and bridge.up
    assert bridge.mac == port.mac and port.addresses == [] and port.up
    assert "interface: br0" in routes(host)[0]
    assert apply(host) == apply(host, "try") == apply(host, "confirm") == []


def test_a_bridge_of_a_name_that_freebsd_gives_is_not_renamed() -> None:
    host = freebsd(release="14.3")
    apply(host, bridge="bridge7")
    assert 'cloned_interfaces="bridge7"' in rc_conf(host)
    assert not [line for line in rc_conf(host) if "_name=" in line]
    assert apply(host, bridge="bridge7") == []


def test_several_addresses_and_ipv6_go_to_the_bridge() -> None:
    host = with_six()
    apply(host)
    assert rc_conf(host)[1:] == [
        'ifconfig_em0="up"',
        'defaultrouter="192.0.2.1"',
        'sshd_enable="YES"',
        'cloned_interfaces="lo1 bridge0"',
        'ipv6_defaultrouter="2001:db8::1"',
        'create_args_bridge0="ether 58:9c:fc:00:00:01"',
        'ifconfig_bridge0_name="br0"',
        'ifconfig_br0_alias0="inet 192.0.2.12/32"',
        'ifconfig_br0_alias1="inet6 2001:db8::12/128"',
        'ifconfig_br0_ipv6="inet6 2001:db8::11/64 auto_linklocal"',
        'ifconfig_br0="inet 192.0.2.11/24 addm em0 up"',
    ]
    assert sorted(interface(host, "br0").addresses) == [
        "192.0.2.11/24", "192.0.2.12/32", "2001:db8::11/64", "2001:db8::12/128",
    ]  # fmt: skip
    assert ["interface: br0" in route for route in routes(host)] == [True, True]


def test_a_lease_moves_to_the_bridge_with_its_client() -> None:
    host = freebsd(DHCP)
    apply(host)
    assert 'ifconfig_br0="addm em0 up SYNCDHCP"' in rc_conf(host)
    assert 'ifconfig_em0="mtu 1500 up"' in rc_conf(host)
    assert interface(host, "br0").addresses == ["192.0.2.101/24"]
    clients = [each.command for each in host.kernel.processes(0) if "dhclient" in each.command]
    assert clients == ["dhclient: br0"]


def test_a_bridge_that_is_there_keeps_its_address_and_its_members() -> None:
    host = with_bridge()
    apply(host)
    assert 'cloned_interfaces="bridge0 bridge3"' in rc_conf(host)
    assert 'ifconfig_br0="inet 10.9.0.1/24 addm em0 addm tap0 up"' in rc_conf(host)
    assert 'ifconfig_br0_alias0="inet 192.0.2.11/24"' in rc_conf(host)
    assert interface(host, "br0").members == ["tap0", "em0"]
    assert interface(host, "br0").addresses == ["10.9.0.1/24", "192.0.2.11/24"]


def test_declared_addresses_gateway_and_links() -> None:
    host = freebsd()
    apply(host, **{key: STATIC[key] for key in ("addresses", "gateway", "links")})
    assert 'ifconfig_br0="inet 192.0.2.99/24 addm em0 up"' in rc_conf(host)
    assert 'ifconfig_br0_ipv6="inet6 2001:db8::99/64 auto_linklocal"' in rc_conf(host)
    assert 'ifconfig_em1="inet 10.1.0.1/24 up"' in rc_conf(host)
    assert 'defaultrouter="192.0.2.2"' in rc_conf(host)
    assert interface(host, "br0").addresses == ["192.0.2.99/24", "2001:db8::99/64"]
    assert interface(host, "em1").addresses == ["10.1.0.1/24"] and interface(host, "em1").up
    assert "gateway: 192.0.2.2" in routes(host)[0]


def test_addresses_of_jails_on_the_port_are_handed_on() -> None:
    host = freebsd(more=[["ifconfig", "em0", "inet", "192.0.2.21/32", "alias"]])
    apply(host)
    assert interface(host, "br0").addresses == ["192.0.2.11/24", "192.0.2.21/32"]
    assert not [line for line in rc_conf(host) if "192.0.2.21" in line]


def test_a_router_named_by_its_way_through_the_port_is_reached_through_the_bridge() -> None:
    rc_text = f'{RC}ifconfig_em0_ipv6="inet6 accept_rtadv"\nipv6_defaultrouter="fe80::1%em0"\n'
    host = freebsd(rc_text)
    apply(host)
    assert 'ipv6_defaultrouter="fe80::1%br0"' in rc_conf(host)
    assert 'ifconfig_br0_ipv6="inet6 accept_rtadv auto_linklocal"' in rc_conf(host)


@pytest.mark.parametrize(
    "said",
    [
        'ifconfig_br0="addm em0 inet 192.0.2.11 netmask 0xffffff00"',
        'ifconfig_br0="addm em0 up"\nifconfig_br0_aliases="inet 192.0.2.11/24"',
    ],
)
def test_what_a_person_wrote_in_other_words_stays(said: str) -> None:
    rc_text = (
        'cloned_interfaces="bridge0:sticky"\nifconfig_bridge0_name="br0"\nifconfig_em0="-tso up"\n'
        f'create_args_bridge0="ether 02:00:00:00:00:09"\n{said}\n'
    )
    host = freebsd()
    apply(host)
    host.files["/etc/rc.conf"] = rc_text
    assert apply(host) == []
    assert host.files["/etc/rc.conf"] == rc_text


WORDS = st.builds(
    rc.Words,
    st.lists(
        st.sampled_from(["192.0.2.1/24", "10.0.0.1/8", "2001:db8::1/64", "2001:db8::2/128"]), unique=True
    ).map(tuple),
    st.sampled_from([(), ("DHCP",), ("SYNCDHCP",), ("accept_rtadv",), ("accept_rtadv", "SYNCDHCP")]),
    st.lists(st.sampled_from(["-tso", "mtu 9000", "addm em0", "ether 02:00:00:00:00:01"])).map(
        lambda phrases: tuple(" ".join(phrases).split())
    ),
)


@given(WORDS)
def test_what_is_printed_is_what_is_read(words: rc.Words) -> None:
    found = rc.parse_words(rc.print_words("em0.7", words), "em0.7")
    assert set(found.addresses) == set(words.addresses)
    assert set(found.dynamic) == set(words.dynamic)
    assert found.rest == words.rest


# ---- trials --------------------------------------------------------------------------------------


def test_a_trial_changes_nothing_that_a_boot_would_read_and_is_armed_first() -> None:
    host = freebsd()
    assert len(apply(host, "try")) == 1
    assert host.files["/etc/rc.conf"] == RC
    daemons = [change for change in host.changes if change[0] == "/usr/sbin/daemon"]
    assert [change[3:] for change in daemons] == [(rc_host.BACK, "61"), (rc_host.FORTH,)]
    assert interface(host, "br0").addresses == ["192.0.2.11/24"]


def test_a_confirmed_trial_is_kept_and_disarmed() -> None:
    host = freebsd(more=[["touch", rc_host.WENT_BACK]])
    assert "as it did after the last trial" in apply(host, "try")[0]
    assert apply(host, "confirm") == ["keep bridge br0, confirmed over a new connection"]
    wake(host.world)
    assert interface(host, "br0").addresses == ["192.0.2.11/24"]
    assert not [path for path in host.files if "network" in path]


@pytest.mark.parametrize("case", FREEBSD, ids=str)
def test_without_confirmation_the_host_is_as_it_was(case: Case) -> None:
    host: Any = case.host()
    before, said = network(host), dict(host.files)
    reconcile(SUBJECT, {**case.params, "phase": "try"}, host, host)
    assert network(host) != before
    wake(host.world)
    assert network(host) == before
    assert {path: host.files.get(path) for path in said} == said
    assert rc_host.WENT_BACK in host.files and rc_host.TRIED not in host.files
    with pytest.raises(Refused, match="the trial is not in force"):
        reconcile(SUBJECT, {**case.params, "phase": "confirm"}, host, host)
    assert "as it did after the last trial" in reconcile(SUBJECT, case.params, host, host).plan.sentences[0]


@pytest.mark.parametrize("case", FREEBSD, ids=str)
def test_from_wherever_a_trial_stops_the_host_goes_back(case: Case) -> None:
    wanted = SUBJECT.wanted(case.params)
    fresh: Any = case.host()
    step = plan_network(SUBJECT.read(fresh, wanted), wanted).steps[0]
    before = network(fresh)
    for count in range(len(step.args["forth"]) + 1):
        host: Any = case.host()
        for command in step.args["forth"][:count]:
            host.world.call(command)
        host.files[rc_host.BACK] = rc_host.back_script(step.args["back"])
        host.world.call(["/bin/sh", rc_host.BACK, "0"])
        assert network(host) == before, f"stopped after {count} commands"


@pytest.mark.parametrize("case", FREEBSD, ids=str)
def test_a_power_cut_at_any_moment_leaves_a_server_that_has_an_address(case: Case) -> None:
    whole: Any = case.host()
    reconcile(SUBJECT, case.params, whole, whole)
    for number in range(len(whole.changes)):
        host: Any = case.host()
        host.fault = power_cut_before(number)
        with pytest.raises(Exception, match="the host died"):
            reconcile(SUBJECT, case.params, host, host)
        host = booted(host)
        reachable = [name for name in ("em0", case.params["bridge"]) if at_the_cable(host, name)]
        assert reachable, f"power cut before {whole.changes[number]}: {rc_conf(host)}"
        reconcile(SUBJECT, case.params, host, host)
        assert at_the_cable(host, case.params["bridge"])


def booted(host: FreebsdHost) -> FreebsdHost:
    """The server after its next start."""
    new = FreebsdHost({"/etc/rc.conf": host.files["/etc/rc.conf"]}, release=host.world.release)
    new.kernel.interfaces[0].addresses = []
    new.kernel.interfaces.insert(1, Interface("em1", mac="58:9c:fc:00:00:02"))
    new.world.call(["service", "netif", "start"])
    for name in ("em0", "br0"):
        new.world.call(["service", "dhclient", "start", name])
    new.world.call(["route", "add", "default", "192.0.2.1"])
    return new


def at_the_cable(host: FreebsdHost, name: str) -> bool:
    """Whether an interface has an address with which the server is reached through em0."""
    found = [each for each in host.kernel.interfaces if each.name == name and each.up]
    own = any(each.startswith("192.0.2.") for one in found for each in one.addresses)
    return own and (name == "em0" or any("em0" in one.members for one in found))


def test_a_trial_can_be_tried_again_and_is_never_unarmed() -> None:
    host = freebsd()
    before = network(host)
    apply(host, "try")
    first = host.read(rc_host.BACK)
    assert len(apply(host, "try", confirm=90)) == 1
    (armed,) = [each.command for each in host.kernel.processes(0) if "network-back" in each.command]
    assert armed.endswith(" 91") and host.read(rc_host.BACK) == first
    started = host.changes.index(("/usr/sbin/daemon", "-f", "/bin/sh", rc_host.BACK, "91"))
    assert host.changes[started + 1][0] == "kill"
    wake(host.world)
    assert network(host) == before


def test_another_trial_waits_for_the_end_of_the_first() -> None:
    host = freebsd()
    apply(host, "try")
    with pytest.raises(Refused, match="another trial is under way; wait until the host has gone back"):
        apply(host, "try", addresses=["192.0.2.99/24"])


def test_a_trial_whose_addresses_are_not_there_cannot_be_confirmed() -> None:
    host = freebsd()
    host.world.faults["ifconfig"] = Fault(about="addm")
    with pytest.raises(Refused, match="the trial is not in force"):
        apply(host, "try")
        apply(host, "confirm")


def test_what_is_going_back_already_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    host = freebsd()
    apply(host, "try")
    monkeypatch.setattr(rc_host, "PATIENCE", 0.0)
    host.world.faults["kill"] = Fault(rc=0)
    with pytest.raises(TwinError, match="the host is going back already"):
        apply(host, "confirm")
    assert host.files["/etc/rc.conf"] == RC


def test_a_bridge_deleted_by_hand_comes_back() -> None:
    host = freebsd()
    apply(host)
    host.world.call(["ifconfig", "br0", "destroy"])
    assert len(apply(host)) == 2
    assert interface(host, "br0").addresses == ["192.0.2.11/24"]


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "params_", "words"),
    [
        ("", {"port": "em1"}, "rc.conf says nothing of em1; set ifconfig_em1 there first"),
        ("", {"bridge": "br;0"}, "variable ifconfig_br;0: the shell takes no such name"),
        ("", {"port": "em7"}, "this host has no interface em7; use one of em0, em1"),
        ('network_interfaces="em0 lo0"\n', {}, "network_interfaces of rc.conf leaves br0 out"),
        ('ipv6_activate_all_interfaces="YES"\n', {}, "interfaces of rc.conf gives em0 an IPv6 address"),
        ('ifconfig_DEFAULT="inet6 accept_rtadv"\n', {}, "ifconfig_DEFAULT of rc.conf gives em0"),
        ('ifconfig_em0_alias0="inet 192.0.2.5/32 vhid 1"\n', {}, "vhid says that its address wanders"),
        ('ifconfig_em0_alias0="inet 192.0.2.5"\n', {}, "'192.0.2.5' has no prefix length"),
        ('ifconfig_em0_alias0="inet 192.0.2.5-9/28"\n', {}, "'192.0.2.5-9/28' is not an address"),
        ("ifconfig_br0='descr \"a b\"'\n", {}, "has quotes or dollars"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_touched(
    more: str, params_: dict[str, Any], words: str
) -> None:
    host = freebsd(RC + more)
    with pytest.raises(Refused, match=words):
        apply(host, **params_)
    assert host.changes == []


def test_without_a_default_route_the_port_must_be_named() -> None:
    host = FreebsdHost({"/etc/rc.conf": RC})
    with pytest.raises(Refused, match="name the port of the bridge"):
        apply(host)
