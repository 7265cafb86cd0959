# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pw and chpass, and what tells whether a disk is free."""

from __future__ import annotations

from tests.doubles.freebsd import disks
from tests.doubles.freebsd.world import MemoryFiles, World

PASSWD = "root:*:0:0:Charlie &:/root:/bin/sh\nnobody:*:65534:65534::/nonexistent:/usr/sbin/nologin\n"


def world() -> World:
    files = {"/etc/passwd": PASSWD, "/etc/group": "wheel:*:0:root\n", "/etc/master.passwd": ""}
    return World(files=MemoryFiles(files))


def test_an_account_comes_and_goes() -> None:
    here = world()
    assert here.call(["pw", "useradd", "-n", "alice", "-m", "-s", "/bin/sh"]).rc == 0
    alice = "alice:*:1001:1001:User &:/home/alice:/bin/sh\n"
    assert here.files.read("/etc/passwd") == PASSWD + alice
    assert here.files.is_folder("/home/alice")
    assert here.call(["chpass", "-p", "*LOCKED*", "alice"]).rc == 0
    assert (
        here.files.read("/etc/master.passwd") == "alice:*LOCKED*:1001:1001::0:0:User &:/home/alice:/bin/sh\n"
    )
    again = here.call(["pw", "useradd", "-n", "alice"])
    assert (again.rc, again.err) == (65, "pw: login name `alice' already exists\n")
    assert here.call(["pw", "usermod", "-n", "alice", "-s", "/bin/csh"]).rc == 0
    assert "/home/alice:/bin/csh\n" in (here.files.read("/etc/passwd") or "")
    assert here.call(["pw", "userdel", "-n", "alice"]).rc == 0
    assert here.files.read("/etc/passwd") == PASSWD and not here.files.read("/etc/master.passwd")
    gone = here.call(["pw", "userdel", "-n", "alice"])
    assert (gone.rc, gone.err) == (67, "pw: no such user `alice'\n")


def test_partitions_and_swap() -> None:
    here = world()
    assert here.call(["gpart", "status", "-s"]).out == ""
    here.files.write(disks.PARTITIONS, "ada0p1 ada0\n")
    here.files.write(disks.SWAP, "/dev/ada0p2\n")
    assert here.call(["gpart", "status", "-s"]).out == "ada0p1  OK  ada0\n"
    header, swap = here.call(["swapctl", "-l"]).out.splitlines()
    assert header.split() == ["Device:", "1024-blocks", "Used:"] and swap.split()[0] == "/dev/ada0p2"
