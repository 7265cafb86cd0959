# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module bridge, with systemd-networkd and with rc.conf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.kernel import Interface
from tests.doubles.system import server
from tests.laws.laws import Case

RC = """\
hostname="castor.example.org"
ifconfig_em0="inet 192.0.2.11 netmask 255.255.255.0"
defaultrouter="192.0.2.1"
sshd_enable="YES"
"""
DHCP = 'hostname="castor.example.org"\nifconfig_em0="SYNCDHCP mtu 1500"\n'
SIX = f"""\
{RC}cloned_interfaces="lo1"
ifconfig_em0_ipv6="inet6 2001:db8::11 prefixlen 64"
ifconfig_em0_alias0="inet 192.0.2.12/32"
ifconfig_em0_alias1="inet6 2001:db8::12/128"
ipv6_defaultrouter="2001:db8::1"
"""
HAND = f"""\
{RC}cloned_interfaces="bridge0 bridge3"
ifconfig_bridge3_name="br0"
ifconfig_br0="inet 10.9.0.1/24 addm tap0"
"""


def params(**more: Any) -> dict[str, Any]:
    return {
        "bridge": "br0",
        "port": None,
        "addresses": None,
        "gateway": [],
        "links": [],
        "confirm": 60,
        "phase": "all",
        **more,
    }


def freebsd(rc: str = RC, release: str = "15.0", more: Sequence[Sequence[str]] = ()) -> FreebsdHost:
    """A server as an installer left it: em0 has the default route, em1 goes to the twin.

    :param more: command lines that were run since its boot.
    """
    host = FreebsdHost({"/etc/rc.conf": rc}, release=release)
    host.kernel.interfaces.insert(1, Interface("em1", mac="58:9c:fc:00:00:02"))
    if rc == DHCP:
        host.kernel.interfaces[0].addresses = []
        more = (["service", "dhclient", "start", "em0"], *more)
    else:
        more = (["route", "add", "default", "192.0.2.1"], *more)
    for argv in more:
        output = host.world.call(argv)
        assert output.rc == 0, output
    return host


def with_six() -> FreebsdHost:
    """A server with more than one address, of both families."""
    more = [
        ["ifconfig", "em0", "inet6", "2001:db8::11/64"],
        ["ifconfig", "em0", "inet", "192.0.2.12/32", "alias"],
        ["ifconfig", "em0", "inet6", "2001:db8::12/128", "alias"],
        ["route", "-6", "add", "default", "2001:db8::1"],
    ]
    return freebsd(SIX, more=more)


def with_bridge() -> FreebsdHost:
    """A server which has a bridge of another member already."""
    more = [
        ["ifconfig", "tap0", "create"],
        ["ifconfig", "bridge3", "create", "name", "br0"],
        ["ifconfig", "br0", "inet", "10.9.0.1/24", "addm", "tap0", "up"],
    ]
    return freebsd(HAND, "14.3", more)


STATIC = params(
    port="em0",
    addresses=["192.0.2.99/24", "2001:db8::99/64"],
    gateway=["192.0.2.2"],
    links=[{"port": "em1", "addresses": ["10.1.0.1/24"]}],
)
CASES = [
    Case("bridge", "addresses as they are", server, params()),
    Case(
        "bridge",
        "addresses declared and a link",
        server,
        params(
            port="eth0",
            addresses=["192.0.2.99/24"],
            gateway=["192.0.2.1"],
            links=[{"port": "link0", "addresses": ["10.1.0.1/24"]}],
        ),
    ),
    Case(
        "bridge",
        "after a trial that was not confirmed",
        lambda: server(files={"/var/lib/twin/network-went-back": ""}),
        params(),
    ),
    Case("bridge", "rc.conf", freebsd, params()),
    Case("bridge", "rc.conf of 14.3", lambda: freebsd(release="14.3"), params(bridge="bridge0")),
    Case("bridge", "rc.conf, addresses declared and a link", freebsd, STATIC),
    Case("bridge", "rc.conf, a lease", lambda: freebsd(DHCP), params()),
    Case("bridge", "rc.conf, several addresses", with_six, params()),
    Case("bridge", "rc.conf, a bridge that is there", with_bridge, params()),
    Case(
        "bridge",
        "rc.conf, after a trial that was not confirmed",
        lambda: freebsd(more=[["touch", "/var/lib/twin/network-went-back"]]),
        params(),
    ),
]
