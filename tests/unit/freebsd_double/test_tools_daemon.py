# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that go on after the one which started them, and the client of DHCP."""

from __future__ import annotations

from tests.doubles.freebsd.daemon import wake
from tests.doubles.freebsd.host import FreebsdHost

SCRIPT = "/tmp/later"


def said(host: FreebsdHost, *argv: str) -> tuple[int, str, str]:
    output = host.world.call(argv)
    return output.rc, output.out, output.err


def test_a_script_that_sleeps_is_found_woken_and_gone() -> None:
    host = FreebsdHost({SCRIPT: 'sleep "$1"\ntouch /tmp/done\n'})
    assert said(host, "pgrep", "-f", "^/bin/sh /tmp/later ") == (1, "", "")
    assert said(host, "daemon", "-f", "/bin/sh", SCRIPT, "60") == (0, "", "")
    rc, pid, _err = said(host, "pgrep", "-f", "^/bin/sh /tmp/later ")
    assert rc == 0 and "/tmp/done" not in host.files
    wake(host.world)
    assert "/tmp/done" in host.files
    assert said(host, "kill", pid.strip()) == (1, "", f"kill: {pid.strip()}: No such process\n")


def test_a_killed_script_does_nothing() -> None:
    host = FreebsdHost({SCRIPT: "sleep 60\ntouch /tmp/done\n"})
    said(host, "daemon", "-f", "/bin/sh", SCRIPT)
    assert said(host, "kill", said(host, "pgrep", "-f", SCRIPT)[1].strip()) == (0, "", "")
    wake(host.world)
    assert "/tmp/done" not in host.files


def test_a_short_sleep_is_over_at_once() -> None:
    host = FreebsdHost({SCRIPT: "sleep 1\ntouch /tmp/done\n"})
    said(host, "daemon", "-f", "/bin/sh", SCRIPT)
    assert "/tmp/done" in host.files and said(host, "pgrep", "-f", SCRIPT)[0] == 1


def test_a_client_of_dhcp_starts_where_rc_conf_says_so_or_where_it_is_forced() -> None:
    host = FreebsdHost({"/etc/rc.conf": 'ifconfig_em0="inet 192.0.2.11/24"\n'})
    assert said(host, "service", "dhclient", "start", "em0") == (
        1,
        "'em0' is not a DHCP-enabled interface\n",
        "",
    )
    assert said(host, "service", "dhclient", "forcestart", "em0")[0] == 0
    assert host.kernel.interfaces[0].addresses == ["192.0.2.101/24"]
    assert "already running?" in said(host, "service", "dhclient", "forcestart", "em0")[2]
    assert said(host, "service", "dhclient", "forcestop", "em0")[0] == 0
    assert "dhclient" not in said(host, "service", "-e")[1]
