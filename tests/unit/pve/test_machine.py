# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of Proxmox VE in the words of the inventory."""

from __future__ import annotations

from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve.machine import addresses, records


def test_addresses_of_a_container_and_of_a_guest_agent() -> None:
    lo = {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1", "prefix": 8}]}
    eth0 = {
        "name": "eth0",
        "ip-addresses": [
            {"ip-address": "192.0.2.21", "ip-address-type": "inet", "prefix": 24},
            {"ip-address": "fe80::1", "ip-address-type": "inet6", "prefix": 64},
        ],
    }
    mute: dict[str, Any] = {"name": "eth1"}
    assert addresses([lo, eth0, mute]) == ["192.0.2.21/24"]
    assert addresses({"result": [lo, eth0, mute]}) == ["192.0.2.21/24"]


def test_addresses_as_older_releases_tell_them() -> None:
    told = {"name": "eth0", "inet": "192.0.2.21/24", "inet6": "2001:db8::21/64"}
    assert addresses([told]) == ["192.0.2.21/24", "2001:db8::21/64"]
    assert addresses(None) == addresses({}) == []


def test_a_guest_of_which_little_is_known() -> None:
    (record,) = records(
        [{"type": "lxc", "vmid": "101", "node": "castor"}, {"type": "node", "node": "castor"}]
    )
    assert (record["name"], record["vmid"], record["state"]) == ("101", 101, "unknown")
