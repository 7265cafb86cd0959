# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground that the programs stand on: dispatch, faults, the promise of a read, the shell of hooks."""

from __future__ import annotations

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    CommandMissing,
)
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.sh import Unknown
from tests.doubles.freebsd.world import Fault

CREATE = ["jail", "-c", "name=a", "path=/", "persist"]


def test_faults() -> None:
    host = FreebsdHost()
    host.world.faults["jail"] = Fault(rc=7, err="broken\n", times=1)
    output = host.world.call(CREATE)
    assert (output.rc, output.err, host.kernel.jails()) == (7, "broken\n", [])
    assert host.world.call(CREATE).rc == 0
    host.world.faults["jail"] = Fault(when="after", about="-R a")
    assert host.world.call(["jail", "-R", "a"]).rc == 1
    assert host.kernel.jails() == []
    host.world.faults["jail"] = Fault(when="hang after", about="-c")
    with pytest.raises(CommandFailed, match="did not end"):
        host.change(CREATE, timeout=3)
    assert [jail.name for jail in host.kernel.jails()] == ["a"]


def test_faults_reach_what_programs_call() -> None:
    host = FreebsdHost({"/etc/jail.conf": 'a { path = /; persist; exec.prestart = "ifconfig em0 up"; }\n'})
    host.world.faults["ifconfig"] = Fault(err="no\n")
    output = host.world.call(["jail", "-c", "a"])
    assert (output.rc, output.err) == (1, "no\njail: a: ifconfig em0 up: failed\n")
    assert host.world.log[-1] == ("ifconfig", "em0", "up")


def test_programs_that_are_not_there() -> None:
    host = FreebsdHost()
    with pytest.raises(CommandMissing):
        host.run(["/usr/local/bin/nothing"])
    with pytest.raises(CommandMissing):
        host.run(["/opt/jls"])


def test_a_read_that_changes_something_fails_the_test() -> None:
    host = FreebsdHost()
    host.run(["jls"])
    with pytest.raises(AssertionError, match="a read changed the system"):
        host.run(CREATE)


@pytest.mark.parametrize(
    ("script", "out", "rc"),
    [
        ("echo a; echo b", "a\nb\n", 0),
        ("false && echo a || echo b", "b\n", 0),
        ("! false && echo yes", "yes\n", 0),
        ("a='x  y'; echo $a; echo \"$a\"", "x y\nx  y\n", 0),
        ("a=epair0a; echo ${a%a}b ${a#epair} ${b:-none}", "epair0b 0a none\n", 0),
        ("a=$(echo 1; echo 2) && echo $a", "1 2\n", 0),
        ("a=$(false) || echo failed", "failed\n", 0),
        ("for each in 1 2; do echo n$each; done", "n1\nn2\n", 0),
        ("if test -e /etc; then echo there; else echo gone; fi", "there\n", 0),
        ("if false; then echo a; elif true; then echo b; fi", "b\n", 0),
        ("[ -d /nowhere ] && echo a; echo $?", "1\n", 0),
        ("echo no >/dev/null 2>&1; echo yes", "yes\n", 0),
        ("echo kept > /tmp/file; echo more >> /tmp/file; cat /tmp/file", "kept\nmore\n", 0),
        ("{ echo a; exit 3; } ; echo never", "a\n", 3),
        ("a=1; (a=2; exit 3; echo never); echo $? $a", "3 1\n", 0),
        ("set -e; false; echo never", "", 1),
        ("set -e; false || true; echo on # with a comment", "on\n", 0),
        ("nowhere", "", 127),
        ("exec echo 'a b'", "a b\n", 0),
        ('echo "$1" $0', "one me\n", 0),
    ],
)
def test_shell_of_hooks(script: str, out: str, rc: int) -> None:
    output = FreebsdHost().world.call(["/bin/sh", "-c", script, "me", "one"])
    assert (output.out, output.rc) == (out, rc)


@pytest.mark.parametrize("script", ["a | b", "while true; do :; done", "echo ${a/b/c}", "case a in esac"])
def test_what_the_shell_does_not_know_stops_the_test(script: str) -> None:
    with pytest.raises(Unknown):
        FreebsdHost().world.call(["sh", "-c", script])


def test_a_hook_that_makes_an_interface() -> None:
    host = FreebsdHost()
    script = 'a=$(ifconfig epair create) && ifconfig "$a" name w_a && ifconfig "${a%a}b" name w_b'
    assert host.world.call(["/bin/sh", "-c", script]).rc == 0
    assert {"w_a", "w_b"} <= {interface.name for interface in host.kernel.interfaces}


def test_what_answers() -> None:
    host = FreebsdHost(folders=["/j"])
    host.world.call(
        ["jail", "-c", "name=a", "path=/j", "ip4.addr=192.0.2.40", "persist", "exec.start=/bin/sh /etc/rc"]
    )
    ask = ["env", "-i", "A=b", "nc", "-z", "-w", "2", "192.0.2.40", "80"]
    assert host.run(ask, ok=(0, 1)).rc == 0
    host.kernel.silent.add("a")
    assert host.run(ask, ok=(0, 1)).rc == 1
    host.kernel.silent.clear()
    host.world.call(["jail", "-R", "a"])
    assert host.run(ask, ok=(0, 1)).rc == 1
