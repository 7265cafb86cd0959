# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of jls(8), and what jexec(8) answers."""

from __future__ import annotations

import json

import pytest

from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.kernel import Outcome

from .transcript import check

DEEP = "/usr/jails/a-very-long-path/for/db"
LONG = "/jails/" + "x" * 80


def two(release: str = "14.3") -> FreebsdHost:
    """With jails web (two addresses) and 7 (none), as jls(8) has them in its table."""
    host = FreebsdHost(release=release, folders=["/usr/jails/web", DEEP, LONG])
    host.kernel.create(
        {
            "name": "web", "persist": True, "path": "/usr/jails/web", "host.hostname": "web.example.org",
            "ip4.addr": ["192.0.2.10", "192.0.2.11"], "ip6.addr": ["2001:db8::10"],
        }
    )  # fmt: skip
    host.kernel.create({"jid": 7, "name": "db", "persist": True, "path": DEEP, "host.hostname": "a b"})
    return host


def test_tables() -> None:
    check(
        two(),
        """
        $ jls
           JID  IP Address      Hostname                      Path
             1  192.0.2.10      web.example.org               /usr/jails/web
             7                  a b                           /usr/jails/a-very-long-path/for/db
        $ jls -N
         JID             IP Address      Hostname                      Path
         web             192.0.2.10      web.example.org               /usr/jails/web
         db                              a b                           /usr/jails/a-very-long-path/for/db
        $ jls -j 7
           JID  IP Address      Hostname                      Path
             7                  a b                           /usr/jails/a-very-long-path/for/db
        $ jls -v
           JID  Hostname                      Path
                Name                          State
                CPUSetID
                IP Address(es)
             1  web.example.org               /usr/jails/web
                web                           ACTIVE
                2
                192.0.2.10
                192.0.2.11
                2001:db8::10
             7  a b                           /usr/jails/a-very-long-path/for/db
                db                            ACTIVE
                3
        """,
    )


def test_columns_are_cut_but_names_are_not() -> None:
    host = FreebsdHost(folders=[LONG])
    host.kernel.create({"name": "n" * 20, "persist": True, "path": LONG, "host.hostname": "h" * 40})
    check(
        host,
        f"""
        $ jls
           JID  IP Address      Hostname                      Path
             1                  {"h" * 29} {LONG[:74]}
        $ jls -N
         JID             IP Address      Hostname                      Path
         {"n" * 20}                 {"h" * 29} {LONG[:74]}
        """,
    )


def test_parameters_by_name() -> None:
    check(
        two(),
        """
        $ jls jid name ip4.addr persist host.hostname
        1 web 192.0.2.10,192.0.2.11 true web.example.org
        7 db - true a b
        $ jls -n name ip4.addr allow.mount persist host.hostname host.domainname
        name=web ip4.addr=192.0.2.10,192.0.2.11 allow.nomount persist host.hostname=web.example.org host.domainname=""
        name=db ip4.addr= allow.nomount persist host.hostname=a b host.domainname=""
        $ jls -nq name ip4.addr host.hostname
        name=web ip4.addr=192.0.2.10,192.0.2.11 host.hostname=web.example.org
        name=db ip4.addr="" host.hostname="a b"
        $ jls -h -j db jid name vnet
        jid name vnet
        7 db inherit
        $ jls -j db jid foo
        ! jls: unknown parameter: foo
        [1]
        $ jls -x
        ! jls: usage: jls [-dhNnqsv] [-j jail] [param ...]
        [1]
        """,  # noqa: E501
    )


def test_what_can_be_given_back_to_jail() -> None:
    host = two()
    (line,) = host.world.call(["jls", "-s", "-j", "db"]).out.splitlines()
    assert line.startswith(
        "devfs_ruleset=0 enforce_statfs=2 host=new ip4=disable ip6=disable jid=7 name=db osreldate="
    )
    assert 'host.hostname="a b"' in line
    # What cannot be set is left out, and so are addresses: their governor does not read "new".
    assert not {"dying", "parent", "cpuset.id", "ip4.addr", "children.cur"} & {
        word.partition("=")[0].replace("nody", "dy") for word in line.split()
    }
    everything = host.world.call(["jls", "-n", "-j", "web"]).out
    assert "ip4.addr=192.0.2.10,192.0.2.11" in everything and "nodying" in everything
    first = [word.partition("=")[0] for word in everything.split()]
    assert first.index("vnet") < first.index("allow.nochflags"), "parameters without a dot come first"


@pytest.mark.parametrize(("release", "version", "mark"), [("14.3", "2", "_"), ("15.0", "3", "-")])
def test_json(release: str, version: str, mark: str) -> None:
    host = two(release)
    start = f'{{"__version": "{version}", "jail-information": {{"jail": ['

    def said(*words: str) -> str:
        out = host.world.call(["jls", "--libxo", "json", *words]).out
        assert out.startswith(start) and out.endswith("]}}\n")
        json.loads(out)
        return out.removeprefix(start).removesuffix("]}}\n")

    web = '"ipv4":"192.0.2.10","hostname":"web.example.org","path":"/usr/jails/web"}'
    db = f'"ipv4":"","hostname":"a b","path":"{DEEP}"}}'
    assert said() == f'{{"jid":1,{web},{{"jid":7,{db}'
    assert said("-N") == f'{{"name":"web",{web},{{"name":"db",{db}'
    assert said("-j", "db", "-v") == (
        f'{{"jid":7,"hostname":"a b","path":"{DEEP}","name":"db","state":"ACTIVE","cpusetid":3,'
        f'"ipv4{mark}addrs": [],"ipv6{mark}addrs": []}}'
    )
    assert said("-j", "web", "-n", "jid", "ip4.addr", "allow.mount", "host.domainname") == (
        '{"jid":"1","ip4.addr": ["192.0.2.10","192.0.2.11"],"allow.mount":false,"host.domainname":""}'
    )
    assert said("-j", "web", "jid", "persist") == '{"jid":"1","persist":"true"}'
    output = host.world.call(["jls", "--libxo=json", "-j", "nope"])
    assert (output.rc, output.out, output.err) == (1, start + "]}}\n", 'jls: jail "nope" not found\n')
    pretty = host.world.call(["jls", "--libxo", "json,pretty"]).out
    assert json.loads(pretty) == json.loads(start + said() + "]}}") and pretty.count("\n") > 10


def test_no_jail_at_all() -> None:
    check(
        FreebsdHost(),
        """
        $ jls
           JID  IP Address      Hostname                      Path
        $ jls -n
        $ jls --libxo json
        {"__version": "2", "jail-information": {"jail": []}}
        """,
    )


def test_inside_a_jail_only_its_children_are_seen() -> None:
    host = FreebsdHost(folders=["/j/inner"])
    host.kernel.create({"name": "a", "persist": True, "path": "/j", "children.max": 2})
    host.kernel.create({"name": "a.b", "persist": True, "path": "/j/inner"})
    check(
        host,
        """
        $ jls name parent path
        a 0 /j
        a.b 1 /j/inner
        $ jexec a jls name parent path
        b 0 /inner
        $ jexec a jail -c name=c path=/ persist
        c: created
        $ jls name
        a
        a.b
        a.c
        $ jexec a.b true
        """,
    )


def test_jexec() -> None:
    host = FreebsdHost(folders=["/jails/web/tmp"])
    host.kernel.create({"name": "web", "persist": True, "path": "/jails/web"})
    host.kernel.outcomes["/jails/web", "foo"] = Outcome(missing=True)
    host.kernel.outcomes["/jails/web", "bad"] = Outcome(rc=3, out="o\n", err="e\n")
    host.kernel.outcomes["/jails/web", "killed"] = Outcome(signal=9)
    host.files["/jails/web/etc/passwd"] = "www:*:80:80:World Wide Web Owner:/nonexistent:/usr/sbin/nologin\n"
    check(
        host,
        """
        $ jexec web foo
        ! jexec: execvp: foo: No such file or directory
        [1]
        $ jexec 1 bad
        o
        ! e
        [3]
        $ jexec web killed
        [-9]
        $ jexec -l web true
        ! jexec: chdir: /root: No such file or directory
        [1]
        $ jexec -d /tmp web true
        $ jexec -u www web true
        ! jexec: www: no such user
        [1]
        $ jexec -U www web true
        $ jexec -l -U www web true
        ! jexec: chdir: /nonexistent: No such file or directory
        [1]
        $ jexec -u bob nojail true
        ! jexec: bob: no such user
        [1]
        $ jexec -U bob nojail true
        ! jexec: jail "nojail" not found
        [1]
        """,
    )
    assert host.world.call(["jexec"]).err.startswith("usage: jexec ")
    assert host.world.call(["jexec", "-u", "a", "-U", "b", "web"]).rc == 1


def test_service_in_a_jail() -> None:
    host = FreebsdHost({"/jails/web/etc/rc.conf": 'sshd_enable="YES"\n'}, folders=["/jails/web/root"])
    host.kernel.create({"name": "web", "persist": True, "path": "/jails/web"})
    check(
        host,
        """
        $ service -j web sshd start
        Starting sshd.
        $ service -j web sshd status
        sshd is running as pid 801.
        $ service sshd status
        sshd is not running.
        [1]
        $ service -j nope sshd status
        ! jexec: jail "nope" not found
        [1]
        """,
    )
