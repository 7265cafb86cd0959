# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that rctl(8), cpuset(1), sysctl(8) and the programs about the system print."""

from __future__ import annotations

import pytest

from tests.doubles.freebsd import rctl, sysctl
from tests.doubles.freebsd.host import FreebsdHost

from .transcript import check

DENIED = ("cputime", "wallclock", "readbps", "writebps", "readiops", "writeiops")
RULE = "jail:web:memoryuse:deny=1g"


def server(release: str = "14.3") -> FreebsdHost:
    """A server with a jail."""
    host = FreebsdHost(release=release, folders=["/jails/web"])
    host.kernel.create(
        {"name": "web", "path": "/jails/web", "persist": True, "host.hostname": "web.example.org"}
    )
    return host


def test_rules_are_added_shown_and_removed() -> None:
    check(
        server(),
        """
        $ rctl
        $ rctl -a jail:web:memoryuse:deny=1g
        $ rctl jail:web
        jail:web:memoryuse:deny=1073741824
        $ rctl -a j:web:maxproc:deny=100 j:db:pcpu:deny=200 user:root:openfiles:deny=64/process
        $ rctl jail:web
        jail:web:memoryuse:deny=1073741824
        jail:web:maxproc:deny=100
        $ rctl user:
        user:root:openfiles:deny=64/process
        $ rctl -h ::memoryuse
        jail:web:memoryuse:deny=1024M
        $ rctl -r jail:web:maxproc
        $ rctl -r jail:web
        $ rctl
        jail:db:pcpu:deny=200
        user:root:openfiles:deny=64/process
        $ rctl -r jail:web
        ! rctl: failed to remove rule 'jail:web': No such process
        [1]
        """,
    )


def test_a_deny_rule_takes_the_place_of_the_old_one_and_no_other_does() -> None:
    check(
        server(),
        """
        $ rctl -a jail:web:memoryuse:deny=1g
        $ rctl -a jail:web:memoryuse:log=1g
        $ rctl -a jail:web:memoryuse:deny=2g
        $ rctl -a jail:web:memoryuse:log=2g
        $ rctl -a jail:web:memoryuse:log=2g
        $ rctl jail:web
        jail:web:memoryuse:log=1073741824
        jail:web:memoryuse:deny=2147483648
        jail:web:memoryuse:log=2147483648
        """,
    )


def test_a_rule_needs_no_jail_and_outlives_it() -> None:
    host = server()
    check(host, f"$ rctl -a {RULE}\n$ rctl -a jail:ghost:maxproc:deny=1")
    jail = host.kernel.find("web")
    assert jail is not None
    host.kernel.remove(jail.jid)
    check(
        host,
        "$ rctl jail:web\njail:web:memoryuse:deny=1073741824\n$ rctl jail:ghost\njail:ghost:maxproc:deny=1",
    )


@pytest.mark.parametrize(
    "refused",
    [
        *(f"jail:web:{name}:deny=1" for name in DENIED),
        "jail:web:memoryuse:throttle=1",
        *(f"jail:web:{name}:deny=1/process" for name in (
            "pseudoterminals", "swapuse", "msgqqueued", "msgqsize", "nmsgq", "nsem", "nshm", "shmsize",
        )),
    ],
)  # fmt: skip
def test_combinations_that_the_kernel_refuses(refused: str) -> None:
    check(
        server(),
        f"$ rctl -a {refused}\n! rctl: failed to add rule '{refused}': Operation not supported\n[1]\n$ rctl",
    )


@pytest.mark.parametrize(
    "allowed",
    [
        "memoryuse:deny=1",
        "pcpu:deny=50",
        "readbps:throttle=1m",
        "cputime:sigterm=10",
        "maxproc:devctl=3",
        "nsem:log=2",
    ],
)
def test_combinations_that_the_kernel_allows(allowed: str) -> None:
    check(server(), f"$ rctl -a jail:web:{allowed}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "-a jail:web:memoryuse:deny=lots",
            "malformed rule 'jail:web:memoryuse:deny=lots': invalid numeric value 'lots'",
        ),
        ("-a web", "malformed rule 'web': missing subject"),
        ("-a jail:web:nothing:deny=1", "failed to add rule 'jail:web:nothing:deny=1': Invalid argument"),
        (
            "-a jail:web:memoryuse:forbid=1",
            "failed to add rule 'jail:web:memoryuse:forbid=1': Invalid argument",
        ),
        ("-a jail:web:memoryuse:deny", "failed to add rule 'jail:web:memoryuse:deny': Invalid argument"),
        ("-a jail:web", "failed to add rule 'jail:web': Invalid argument"),
        (
            "-a planet:web:memoryuse:deny=1",
            "failed to add rule 'planet:web:memoryuse:deny=1': Invalid argument",
        ),
        ("planet:web", "failed to show rules for 'planet:web': Invalid argument"),
        ("-u jail:ghost", "failed to show resource consumption for 'jail:ghost': No such process"),
        ("-a -r x", "at most one of -a, -l, -r, or -u may be specified"),
    ],
)
def test_refusals_of_rctl(words: str, said: str) -> None:
    check(server(), f"$ rctl {words}\n! rctl: {said}\n[1]")


def test_failures_are_counted_and_do_not_stop_the_rest() -> None:
    check(
        server(),
        """
        $ rctl -a jail:a:cputime:deny=1 jail:b:maxproc:deny=1 c
        ! rctl: failed to add rule 'jail:a:cputime:deny=1': Operation not supported
        ! rctl: malformed rule 'c': missing subject
        [2]
        $ rctl
        jail:b:maxproc:deny=1
        """,
    )


def test_without_the_tunable_nothing_can_be_limited() -> None:
    host = server()
    host.kernel.racct = False
    check(
        host,
        """
        $ rctl jail:web
        ! rctl: RACCT/RCTL present, but disabled; enable using kern.racct.enable=1 tunable
        [1]
        $ rctl -a jail:web:maxproc:deny=1 jail:web:pcpu:deny=1
        ! rctl: RACCT/RCTL present, but disabled; enable using kern.racct.enable=1 tunable
        [1]
        $ sysctl -n kern.racct.enable
        0
        $ sysctl kern.racct.enable=1
        ! sysctl: oid 'kern.racct.enable' is a read only tunable
        ! sysctl: Tunable values are set in /boot/loader.conf
        [1]
        """,
    )


def test_use_of_a_jail_in_the_order_of_the_resources() -> None:
    host = server()
    jail = host.kernel.find("web")
    assert jail is not None
    host.kernel.start_process(jail.jid, "/usr/sbin/nginx")
    host.kernel.start_process(jail.jid, "/usr/sbin/cron")
    said = host.world.call(["rctl", "-u", "jail:web"]).out
    assert [line.partition("=")[0] for line in said.splitlines()] == list(rctl.RESOURCES)
    assert "memoryuse=8192000\n" in said and "maxproc=2\n" in said and "swapuse=0\n" in said
    assert "memoryuse=8000K\n" in host.world.call(["rctl", "-hu", "jail:web"]).out


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (999, "999"), (9999, "9999"), (10000, "9.8K"), (3192 * 1024, "3192K"),
        (512 * 2**20, "512M"), (2**30, "1024M"), (20 * 2**30, "20G"), (5 * 2**40, "5120G"),
    ],
)  # fmt: skip
def test_numbers_for_people(number: int, text: str) -> None:
    assert rctl.nice(number) == text


def test_rules_of_a_file_are_loaded_by_its_script() -> None:
    host = server()
    host.files["/etc/rctl.conf"] = (
        "# limits\njail:web:memoryuse:deny=1g # of web\n\njail:web:cputime:deny=1\n"
    )
    check(
        host,
        """
        $ service rctl start
        ! rctl: failed to add rule 'jail:web:cputime:deny=1': Operation not supported
        $ rctl
        jail:web:memoryuse:deny=1073741824
        $ service rctl stop
        $ rctl
        """,
    )


def test_cpus_of_a_jail() -> None:
    check(
        server(),
        """
        $ cpuset -g -j web
        jail 1 mask: 0, 1, 2, 3
        jail 1 domain policy: first-touch mask: 0
        $ cpuset -l 0-1,3 -j web
        $ cpuset -g -j 1
        jail 1 mask: 0, 1, 3
        jail 1 domain policy: first-touch mask: 0
        $ cpuset -g -r
        pid -1 root mask: 0, 1, 2, 3
        pid -1 root domain policy: first-touch mask: 0
        $ cpuset -l all -j web
        $ cpuset -g -j web
        jail 1 mask: 0, 1, 2, 3
        jail 1 domain policy: first-touch mask: 0
        $ cpuset -l 9 -j web
        ! cpuset: setaffinity: Resource deadlock avoided
        [1]
        $ cpuset -l one -j web
        ! cpuset: Malformed list one
        [1]
        $ cpuset -g -j ghost
        ! cpuset: jail "ghost" not found
        [1]
        $ cpuset -g -j 7
        ! cpuset: jail 7 not found
        [1]
        """,
    )


def test_cpus_are_forgotten_with_the_jail() -> None:
    host = server()
    check(host, "$ cpuset -l 2 -j web")
    assert host.kernel.cpusets == {1: "2"}
    host.kernel.remove(1)
    assert host.kernel.cpusets == {}


def test_variables_of_the_kernel() -> None:
    check(
        server(),
        """
        $ sysctl -n hw.physmem
        8551616512
        $ sysctl kern.osrelease kern.osreldate
        kern.osrelease: 14.3-RELEASE
        kern.osreldate: 1403000
        $ sysctl -n security.jail.jailed
        0
        $ sysctl -e net.inet.ip.forwarding
        net.inet.ip.forwarding=0
        $ sysctl net.inet.ip.forwarding=1
        net.inet.ip.forwarding: 0 -> 1
        $ sysctl -n net.inet.ip.forwarding
        1
        $ sysctl nope hw.ncpu
        hw.ncpu: 4
        ! sysctl: unknown oid 'nope'
        [1]
        $ sysctl -i nope
        $ sysctl hw.physmem=1
        ! sysctl: oid 'hw.physmem' is read only
        [1]
        $ sysctl net.inet.ip.forwarding=yes
        ! sysctl: invalid integer 'yes'
        [1]
        """,
    )


@pytest.mark.parametrize("release", ["14.3", "15.0"])
def test_every_parameter_of_jails_is_listed(release: str) -> None:
    host = server(release)
    said = host.world.call(["sysctl", "-d", "security.jail.param"]).out
    names = [line.partition(": ")[0] for line in said.splitlines()]
    assert {name.removeprefix(f"{sysctl.PARAMETERS}.").rstrip(".") for name in names} == set(
        host.kernel.known()
    )
    assert f"{sysctl.PARAMETERS}.allow.mount.zfs: " in said and f"{sysctl.PARAMETERS}.ip4.: " in said
    assert (f"{sysctl.PARAMETERS}.allow.routing: " in said) == (release == "15.0")
    assert said == "".join(sorted(said.splitlines(keepends=True)))


def test_a_parameter_of_a_module_is_there_while_the_module_is() -> None:
    check(
        server(),
        """
        $ sysctl -N security.jail.param.allow.mount.linprocfs
        ! sysctl: unknown oid 'security.jail.param.allow.mount.linprocfs'
        [1]
        $ kldload linprocfs
        $ sysctl -N security.jail.param.allow.mount.linprocfs
        security.jail.param.allow.mount.linprocfs
        """,
    )


def test_what_the_system_says_of_itself() -> None:
    host = server()
    host.files["/etc/rc.conf"] = 'hostname="castor.example.org"\n'
    host.files["/bin/freebsd-version"] = '#!/bin/sh\nUSERLAND_VERSION="14.3-RELEASE-p2"\n'
    host.files["/jails/web/bin/freebsd-version"] = 'USERLAND_VERSION="14.2-RELEASE-p1"\n'
    check(
        host,
        """
        $ uname
        FreeBSD
        $ uname -a
        FreeBSD castor.example.org 14.3-RELEASE FreeBSD 14.3-RELEASE GENERIC amd64
        $ uname -mrK
        14.3-RELEASE amd64 1403000
        $ freebsd-version
        14.3-RELEASE-p2
        $ freebsd-version -kru
        14.3-RELEASE
        14.3-RELEASE
        14.3-RELEASE-p2
        $ freebsd-version -j web
        14.2-RELEASE-p1
        $ hostname
        castor.example.org
        $ hostname -s
        castor
        $ hostname pollux
        $ hostname
        pollux
        """,
    )
    with host.world.inside(1):
        check(
            host,
            """
            $ hostname
            web.example.org
            $ freebsd-version
            14.2-RELEASE-p1
            $ sysctl -n security.jail.jailed
            1
            """,
        )


def test_modules() -> None:
    check(
        server(),
        """
        $ kldstat -q -m zfs
        $ kldstat -q -m linux
        [1]
        $ kldstat -n linux
        ! kldstat: can't find file linux: No such file or directory
        [1]
        $ kldstat -m linux
        ! kldstat: can't find module linux: No such file or directory
        [1]
        $ kldload linux
        $ kldload linux
        ! kldload: can't load linux: module already loaded or in kernel
        [1]
        $ kldload -n linux
        $ kldload -n tmpfs
        ! kldload: can't load tmpfs: No such file or directory
        [1]
        $ kldload nope
        ! kldload: can't load nope: No such file or directory
        [1]
        $ kldunload linux
        $ kldunload linux
        ! kldunload: can't find file linux: No such file or directory
        [1]
        $ kldstat -n zfs
        Id Refs Address                Size Name
         4    1 0xffffffff80600000     3000 zfs.ko
        """,
    )
