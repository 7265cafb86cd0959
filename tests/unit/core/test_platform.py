# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the platforms of servers are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._core.platform import platform_of
from tests.doubles.memory import MemoryHost, answered

IFCONFIG = """lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x2
\tinet 127.0.0.1 netmask 0xff000000
em0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tether 58:9c:fc:00:00:10
\tinet 192.0.2.11 netmask 0xffffff00 broadcast 192.0.2.255
\tinet6 2001:db8::11 prefixlen 64
\tstatus: active
"""


class FreeBsd:
    """sysctl(8) and ifconfig(8), as far as they are asked."""

    commands: Sequence[str] = ("sysctl", "ifconfig")
    state: Any = None

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        answers = {("sysctl", "-n", "hw.physmem"): "8549986304\n", ("ifconfig", "-a"): IFCONFIG}
        return answered(argv, answers[tuple(argv)])


def test_freebsd() -> None:
    host = MemoryHost(FreeBsd())
    host.system = "FreeBSD"
    platform = platform_of(host)
    assert platform.memory(host) == 8549986304
    assert platform.addresses(host) == ["::1", "fe80::1", "127.0.0.1", "192.0.2.11", "2001:db8::11"]


def test_a_freebsd_that_does_not_tell_its_memory() -> None:
    program = FreeBsd()
    program.call = lambda argv, stdin: answered(argv, "?\n")  # type: ignore[method-assign]
    host = MemoryHost(program)
    host.system = "FreeBSD"
    assert platform_of(host).memory(host) == 0


def test_linux_that_does_not_tell_its_memory() -> None:
    host = MemoryHost(files={"/proc/meminfo": "MemTotal:       24669072 kB\n"})
    assert platform_of(host).memory(host) == 24669072 * 1024
    assert platform_of(host).memory(MemoryHost()) == 0


def test_a_system_that_nobody_knows() -> None:
    host = MemoryHost()
    host.system = "SunOS"
    with pytest.raises(Refused, match="system SunOS: it is not known here; use Linux or FreeBSD"):
        platform_of(host)
