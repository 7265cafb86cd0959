# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role access promises of each server."""

from __future__ import annotations

from testinfra.host import Host


def test_an_administrator_gets_in_by_key_alone(host: Host) -> None:
    assert host.user("alice").password == "*"
    assert "authorizedkeysfile /etc/ssh/authorized_keys.d/%u" in host.check_output("sshd -T -C user=alice")
    keys = host.file("/etc/ssh/authorized_keys.d/alice")
    assert (keys.uid, keys.gid, keys.mode) == (0, 0, 0o644)
    lines = [line for line in keys.content_string.splitlines() if not line.startswith("#")]
    assert [line.split()[-1] for line in lines] == ["alice@example.org"]


def test_an_administrator_becomes_root(host: Host) -> None:
    assert host.check_output("su alice -c 'sudo -n id -u'") == "0"


def test_root_is_left_alone(host: Host) -> None:
    assert "/root" in host.user("root").home
    assert "authorizedkeysfile .ssh/authorized_keys" in host.check_output("sshd -T -C user=root")
