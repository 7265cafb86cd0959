# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other server must know of this one."""

from __future__ import annotations

from ansible_collections.twin.datacenter.plugins.module_utils._system.host import read_peer
from tests.doubles.system import server


def test_a_fresh_server_has_host_keys_alone() -> None:
    files = {"/etc/ssh/ssh_host_ed25519_key.pub": "ssh-ed25519 AAAA root@castor\n", "/etc/ssh/moduli": "x"}
    assert read_peer(server(files=files).reader()) == {
        "public_key": None,
        "host_keys": ["ssh-ed25519 AAAA"],
        "joined": False,
    }


def test_private_halves_are_never_read() -> None:
    files = {
        "/etc/ssh/ssh_host_ed25519_key": "canary",
        "/etc/twin/peer_ed25519": "canary",
        "/etc/twin/peer_ed25519.pub": "ssh-ed25519 BBBB twin@castor\n",
        "/etc/twin/pair.json": "{}",
    }
    told = read_peer(server(files=files).reader())
    assert told == {"public_key": "ssh-ed25519 BBBB", "host_keys": [], "joined": True}
