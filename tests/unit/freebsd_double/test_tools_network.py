# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that ifconfig(8) and pfctl(8) print, and what they change."""

from __future__ import annotations

import pytest

from tests.doubles.freebsd.host import FreebsdHost

from .transcript import check

EM0 = """em0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
\toptions=4e524bb<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,JUMBO_MTU,VLAN_HWCSUM,LRO,WOL_MAGIC,\
VLAN_HWFILTER,VLAN_HWTSO,RXCSUM_IPV6,TXCSUM_IPV6,HWSTATS,MEXTPG>
\tether 58:9c:fc:00:00:01
\tinet 192.0.2.11 netmask 0xffffff00 broadcast 192.0.2.255
\tmedia: Ethernet autoselect (1000baseT <full-duplex>)
\tstatus: active
\tnd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
"""
LO0 = """lo0: flags=1008049<UP,LOOPBACK,RUNNING,MULTICAST,LOWER_UP> metric 0 mtu 16384
\toptions=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
\tinet 127.0.0.1 netmask 0xff000000
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x2
\tgroups: lo
\tnd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
"""
BRIDGE = """br0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
\toptions=0
\tether 58:9c:fc:10:00:30
\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15
\tmaxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200
\troot id 00:00:00:00:00:00 priority 32768 ifcost 0 port 0
{first}\tmember: e0a_db flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
\t        {second}
\tmember: e0a_web flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
\t        {third}
\tgroups: bridge
\tnd6 options=9<PERFORMNUD,IFDISABLED>
"""
EPAIR = """e0a_web: flags=1008943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
\tdescription: jail web
\toptions=8<VLAN_MTU>
\tether 02:00:00:00:00:14
\thwaddr 02:00:ec:ad:52:0a
\tgroups: epair
\tmedia: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
\tstatus: active
\tnd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
"""


def server(release: str = "14.3") -> FreebsdHost:
    """A server with a jail of its own network stack, web, and one without, db."""
    host = FreebsdHost(release=release, folders=["/jails/web", "/jails/db"])
    host.kernel.create({"name": "web", "path": "/jails/web", "persist": True, "vnet": "new"})
    host.kernel.create({"name": "db", "path": "/jails/db", "persist": True, "ip4.addr": ["192.0.2.22"]})
    return host


def said(host: FreebsdHost, line: str) -> str:
    """Standard output of a command that must succeed."""
    output = host.world.call(line.split())
    assert output.rc == 0, output
    return output.out


def test_all_interfaces() -> None:
    host = server()
    assert said(host, "ifconfig") == said(host, "ifconfig -a") == EM0 + LO0
    assert said(host, "ifconfig -l") == "em0 lo0\n"
    assert said(host, "ifconfig em0") == EM0
    assert "\tinet 192.0.2.11/24 broadcast 192.0.2.255\n" in said(host, "ifconfig -f inet:cidr em0")


def test_an_epair_is_made_named_and_destroyed_as_a_whole() -> None:
    check(
        server(),
        """
        $ ifconfig epair create
        epair0a
        $ ifconfig epair create
        epair1a
        $ ifconfig epair5 create
        epair5a
        $ ifconfig epair0a name e0a_web
        e0a_web
        $ ifconfig epair0b name e0b_web
        e0b_web
        $ ifconfig -g epair
        e0a_web
        e0b_web
        epair1a
        epair1b
        epair5a
        epair5b
        $ ifconfig e0b_web destroy
        $ ifconfig epair create
        epair0a
        $ ifconfig -l
        em0 lo0 epair1a epair1b epair5a epair5b epair0a epair0b
        """,
    )


@pytest.mark.parametrize("release", ["14.3", "15.0"])
def test_a_bridge_with_its_members(release: str) -> None:
    host = server(release)
    for line in (
        "epair create", "epair0a name e0a_web", "epair create", "epair1a name e0a_db", "bridge create",
        "bridge0 name br0", "br0 addm e0a_web addm e0a_db up", "e0a_web ether 02:00:00:00:00:14 up",
    ):  # fmt: skip
        said(host, f"ifconfig {line}")
    host.world.call(["ifconfig", "e0a_web", "description", "jail web"])
    seen = said(host, "ifconfig br0")
    if release == "14.3":
        assert said(host, "ifconfig e0a_web") == EPAIR
        ports = (
            "ifmaxaddr 0 port 5 priority 128 path cost 2000",
            "ifmaxaddr 0 port 3 priority 128 path cost 2000",
        )
        assert seen == BRIDGE.format(first="", second=ports[0], third=ports[1])
    else:
        assert "\toptions=200009<RXCSUM,VLAN_MTU,RXCSUM_IPV6>\n" in said(host, "ifconfig e0a_web")
        second, third = (f"port {port} priority 128 path cost 2000 vlan protocol 802.1q" for port in (5, 3))
        assert seen == BRIDGE.format(first="\tbridge flags=0<>\n", second=second, third=third)


def test_refusals_of_interfaces_and_bridges() -> None:
    check(
        server(),
        """
        $ ifconfig epair9a
        ! ifconfig: interface epair9a does not exist
        [1]
        $ ifconfig bridge0 create
        $ ifconfig bridge0 create
        ! ifconfig: interface bridge0 already exists
        [1]
        $ ifconfig bridge create
        bridge1
        $ ifconfig nope create
        ! ifconfig: SIOCIFCREATE2 (nope): Invalid argument
        [1]
        $ ifconfig bridge0 addm em0
        $ ifconfig bridge0 addm em0
        ! ifconfig: BRDGADD em0: File exists
        [1]
        $ ifconfig bridge1 addm em0
        ! ifconfig: BRDGADD em0: Device busy
        [1]
        $ ifconfig bridge1 addm em9
        ! ifconfig: BRDGADD em9: No such file or directory
        [1]
        $ ifconfig bridge1 deletem em0
        ! ifconfig: BRDGDEL em0: No such file or directory
        [1]
        $ ifconfig bridge0 deletem em0
        $ ifconfig bridge0 name bridge1
        ! ifconfig: ioctl SIOCSIFNAME (set name): File exists
        [1]
        $ ifconfig bridge0 name a_name_of_sixteen
        ! ifconfig: ioctl SIOCSIFNAME (set name): File name too long
        [1]
        $ ifconfig em0 ether nonsense
        ! ifconfig: nonsense: bad value
        [1]
        $ ifconfig em0 ether
        ! ifconfig: 'ether' requires argument
        [1]
        $ ifconfig em0 destroy
        ! ifconfig: SIOCIFDESTROY: Invalid argument
        [1]
        """,
    )


def test_what_was_made_stays_when_its_name_is_refused() -> None:
    check(
        server(),
        """
        $ ifconfig bridge create name br0
        br0
        $ ifconfig bridge create name br0
        bridge1
        ! ifconfig: ioctl SIOCSIFNAME (set name): File exists
        [1]
        $ ifconfig -l
        em0 lo0 br0 bridge1
        """,
    )


def test_a_member_has_the_mtu_of_its_bridge() -> None:
    host = server()
    check(
        host,
        """
        $ ifconfig bridge create mtu 1450
        bridge0
        $ ifconfig bridge0 addm em0
        $ ifconfig em0 mtu 1450
        ! ifconfig: ioctl SIOCSIFMTU (set mtu): Operation not supported
        [1]
        """,
    )
    assert host.kernel.interfaces[0].mtu == 1450
    check(host, "$ ifconfig em0 -txcsum -lro\n$ ifconfig bridge0 mtu 1400")
    assert host.kernel.interfaces[0].mtu == 1400


def test_the_kernel_of_15_says_why() -> None:
    check(
        server("15.0"),
        """
        $ ifconfig epair create
        epair0a
        $ ifconfig bridge create addm epair0a
        bridge0
        $ ifconfig bridge0 addm epair0a
        ! ifconfig: BRDGADD epair0a: File exists (Interface is already a member of this bridge)
        [1]
        $ ifconfig bridge0 deletem em0
        ! ifconfig: BRDGDEL em0: No such file or directory (Interface is not a bridge member)
        [1]
        """,
    )


def test_two_interfaces_of_one_name() -> None:
    check(
        server(),
        """
        $ ifconfig -j web epair create
        epair0a
        $ ifconfig -j web epair0a name lan0
        lan0
        $ ifconfig lan0 -vnet web
        $ ifconfig -j web epair0b name lan0
        lan0
        $ ifconfig lan0 -vnet web
        $ ifconfig -l
        em0 lo0 lan0 lan0
        """,
    )


def test_addresses() -> None:
    host = server()
    check(
        host,
        """
        $ ifconfig em0 inet 192.0.2.21/32 alias
        $ ifconfig em0 inet 192.0.2.22 netmask 255.255.255.255 alias
        $ ifconfig em0 inet6 2001:db8::21 prefixlen 64 alias
        $ ifconfig em0 inet 192.0.2.21/32 alias
        $ ifconfig em0 inet 192.0.2.22 -alias
        $ ifconfig em0 inet 192.0.2.22 -alias
        ! ifconfig: ioctl (SIOCDIFADDR): Can't assign requested address
        [1]
        $ ifconfig em0 inet nonsense alias
        ! ifconfig: nonsense: bad value
        [1]
        $ ifconfig lo0 inet 192.0.2.21/32 alias
        ! ifconfig: ioctl (SIOCAIFADDR): File exists
        [1]
        """,
    )
    seen = said(host, "ifconfig em0")
    assert "\tinet 192.0.2.11 netmask 0xffffff00 broadcast 192.0.2.255\n" in seen
    assert "\tinet 192.0.2.21 netmask 0xffffffff broadcast 192.0.2.21\n" in seen
    assert (
        "\tinet6 fe80::5a9c:fcff:fe00:1%em0 prefixlen 64 scopeid 0x1\n\tinet6 2001:db8::21 prefixlen 64\n"
        in seen
    )
    assert seen.endswith("\tnd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>\n")


def test_an_address_without_alias_takes_the_place_of_the_first() -> None:
    host = server()
    check(host, "$ ifconfig em0 inet 192.0.2.30/24 alias\n$ ifconfig em0 inet 192.0.2.12/24")
    assert host.kernel.interfaces[0].addresses == ["192.0.2.30/24", "192.0.2.12/24"]


def test_an_address_without_a_mask_has_that_of_its_class() -> None:
    host = server()
    check(
        host,
        """
        $ ifconfig em0 inet 10.0.0.1 alias
        $ ifconfig em0 inet 172.16.0.1 alias
        $ ifconfig em0 198.51.100.1 alias
        """,
    )
    assert host.kernel.interfaces[0].addresses[1:] == ["10.0.0.1/8", "172.16.0.1/16", "198.51.100.1/24"]


def test_a_half_of_an_epair_moves_into_a_jail_and_comes_back() -> None:
    host = server()
    check(
        host,
        """
        $ ifconfig epair create
        epair0a
        $ ifconfig epair0b name e0b_web
        e0b_web
        $ ifconfig bridge create
        bridge0
        $ ifconfig bridge0 addm e0b_web
        $ ifconfig e0b_web inet 192.0.2.99/24 vnet web
        $ ifconfig e0b_web
        ! ifconfig: interface e0b_web does not exist
        [1]
        $ ifconfig -j web -l
        e0b_web
        $ ifconfig -j web e0b_web inet 192.0.2.21/24 up
        $ ifconfig e0b_web -vnet web
        $ ifconfig -l
        em0 lo0 epair0a e0b_web bridge0
        $ ifconfig e0b_web -vnet web
        ! ifconfig: SIOCSIFRVNET: Device not configured
        [1]
        $ ifconfig e0b_web vnet nope
        ! ifconfig: jail "nope" not found
        [1]
        $ ifconfig e0b_web vnet 9
        ! ifconfig: jail 9 not found
        [1]
        $ ifconfig e0b_web vnet db
        ! ifconfig: SIOCSIFVNET: File exists
        [1]
        $ ifconfig -j nope -a
        ! ifconfig: jail "nope" not found
        [1]
        """,
    )
    # It left its bridge, and its addresses behind in the jail.
    moved = host.kernel.interfaces[3]
    assert (moved.name, moved.addresses, moved.up) == ("e0b_web", [], False)
    assert host.kernel.interfaces[4].members == []


def test_the_half_in_the_jail_goes_with_the_other_one_and_stays_when_the_jail_goes() -> None:
    host = server()
    check(host, "$ ifconfig epair create\nepair0a\n$ ifconfig epair0b vnet web")
    host.kernel.remove(1)
    check(host, "$ ifconfig -l\nem0 lo0 epair0a epair0b")
    host.kernel.create({"name": "web", "path": "/jails/web", "persist": True, "vnet": "new"})
    check(host, "$ ifconfig epair0b vnet web\n$ ifconfig -j web -l\nepair0b\n$ ifconfig epair0a destroy")
    assert [each.name for each in host.kernel.interfaces] == ["em0", "lo0"]


def test_what_was_done_before_a_refused_word_stays_done() -> None:
    host = server()
    check(host, "$ ifconfig em0 mtu 9000 addm x\n! ifconfig: BRDGADD x: No such file or directory\n[1]")
    assert host.kernel.interfaces[0].mtu == 9000


def test_a_jail_without_a_network_stack_of_its_own_sees_its_addresses_only() -> None:
    host = server()
    check(host, "$ ifconfig em0 inet 192.0.2.22/32 alias")
    with host.world.inside(2):
        seen = said(host, "ifconfig em0")
        check(
            host,
            """
            $ ifconfig em0 inet 192.0.2.23/32 alias
            ! ifconfig: ioctl (SIOCAIFADDR): Operation not permitted
            [1]
            """,
        )
    assert "192.0.2.22" in seen and "192.0.2.11" not in seen


def test_members_of_a_bridge_have_no_addresses_since_15() -> None:
    host = server("15.0")
    check(
        host,
        """
        $ ifconfig bridge create
        bridge0
        $ ifconfig bridge0 addm em0
        ! ifconfig: BRDGADD em0: Invalid argument
        [1]
        $ ifconfig epair create
        epair0a
        $ ifconfig bridge0 addm epair0a
        $ ifconfig epair0a inet 192.0.2.50/24 alias
        ! ifconfig: ioctl (SIOCAIFADDR): Invalid argument
        [1]
        $ sysctl net.link.bridge.member_ifaddrs=1
        net.link.bridge.member_ifaddrs: 0 -> 1
        $ ifconfig bridge0 addm em0
        """,
    )


def test_interfaces_of_rc_conf() -> None:
    host = server()
    host.files["/etc/rc.conf"] = (
        'cloned_interfaces="bridge0"\nifconfig_bridge0_name="br0"\nifconfig_br0="addm em0 up"\n'
        'ifconfig_br0_alias0="inet 192.0.2.50/32"\n'
    )
    check(host, "$ service netif cloneup\nCreated clone interfaces: br0.\n$ ifconfig -l\nem0 lo0 br0")
    assert said(host, "service netif start br0").startswith("Starting Network: br0.\nbr0: flags=1008843<UP,")
    bridge = host.kernel.interfaces[-1]
    assert (bridge.members, bridge.addresses) == (["em0"], ["192.0.2.50/32"])


def test_rules_of_the_packet_filter() -> None:
    host = server()
    host.files["/etc/pf.conf"] = '# ours\next_if = "em0"\nset skip on lo0\nrdr-anchor "rdr/*"\npass all\n'
    host.files["/tmp/bad.conf"] = "pass all\nforbid all\n"
    check(
        host,
        """
        $ pfctl -s info
        ! pfctl: /dev/pf: No such file or directory
        [1]
        $ kldload pf
        $ pfctl -f /etc/pf.conf
        $ pfctl -e
        ! pf enabled
        $ pfctl -e
        ! pfctl: pf already enabled
        [1]
        $ pfctl -s rules
        pass all
        """,
    )
    rule = "rdr pass on em0 proto tcp to port 80 -> 192.0.2.21\n"
    assert host.world.call(["pfctl", "-a", "rdr/web", "-f", "-"], rule).rc == 0
    check(
        host,
        """
        $ pfctl -a rdr/web -s nat
        rdr pass on em0 proto tcp to port 80 -> 192.0.2.21
        $ pfctl -a rdr/web -sn
        rdr pass on em0 proto tcp to port 80 -> 192.0.2.21
        $ pfctl -s Anchors
          rdr/web
        $ pfctl -a rdr/web -Fn
        ! nat cleared
        $ pfctl -a rdr/web -sn
        $ pfctl -f /tmp/bad.conf
        ! /tmp/bad.conf:2: syntax error
        ! pfctl: Syntax error in config file: pf rules not loaded
        [1]
        $ pfctl -f /tmp/none.conf
        ! pfctl: /tmp/none.conf: No such file or directory
        ! pfctl: cannot open the main config file!: No such file or directory
        [1]
        $ pfctl -d
        ! pf disabled
        """,
    )


def test_the_packet_filter_at_boot() -> None:
    host = server()
    host.files["/etc/pf.conf"] = "pass all\n"
    host.files["/etc/rc.conf"] = 'pf_enable="YES"\n'
    check(
        host,
        "$ service pf start\nEnabling pf.\n$ service pf reload\nReloading pf rules.\n$ pfctl -sr\npass all",
    )
    assert host.kernel.firewall
    check(host, "$ service pf stop\nDisabling pf.")
    assert not host.kernel.firewall


def test_default_routes() -> None:
    host = server()
    check(
        host,
        """
        $ route add default 198.51.100.1
        add net default: gateway 198.51.100.1 fib 0: Network is unreachable
        ! route: message indicates error: Network is unreachable
        [1]
        $ route -4 add default 192.0.2.1
        add net default: gateway 192.0.2.1
        $ route add default 192.0.2.2
        add net default: gateway 192.0.2.2 fib 0: route already in table
        ! route: message indicates error: File exists
        [1]
        $ route -n get default
           route to: default
        destination: default
            gateway: 192.0.2.1
          interface: em0
        $ route delete default
        delete net default
        $ route delete default
        delete net default fib 0: not in table
        ! route: message indicates error: No such process
        [1]
        $ route -n get default
        ! route: route has not been found
        [1]
        """,
    )


def test_routes_and_ipv6_of_a_jail() -> None:
    host = server()
    check(
        host,
        """
        $ ifconfig epair create
        epair0a
        $ ifconfig epair0b vnet web
        $ ifconfig -j web epair0b inet6 2001:db8::21/64 alias
        $ ifconfig -j web epair0b inet6 ifdisabled
        """,
    )
    assert said(host, "ifconfig -j web epair0b").endswith(
        "\tnd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>\n"
    )
    with host.world.inside(1):
        check(
            host,
            """
            $ ifconfig epair0b inet6 -ifdisabled
            $ route -6 add default 2001:db8::1
            add net default: gateway 2001:db8::1
            """,
        )
        assert said(host, "ifconfig epair0b").endswith("\tnd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>\n")
    check(host, "$ ifconfig epair0b -vnet web\n$ ifconfig epair0b vnet web\n$ route -j web -6 get default\n"
                "! route: route has not been found\n[1]")  # fmt: skip
