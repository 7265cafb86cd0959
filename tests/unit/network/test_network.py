# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge: what is written, tried, confirmed and refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._network.networkd import moved, parse_interfaces
from ansible_collections.twin.datacenter.plugins.modules.bridge import SUBJECT
from tests.doubles.memory import MemoryHost
from tests.doubles.system import server

KEPT = "/etc/systemd/network/05-twin-"
TRIED = "/run/systemd/network/04-twin-"
ADDRESSES = """[{"ifname": "eth0", "address": "02:00:00:00:00:01", "master": "br0", "addr_info": [
  {"local": "192.0.2.11", "prefixlen": 24, "scope": "global"},
  {"local": "fe80::1", "prefixlen": 64, "scope": "link"}
]}, {}]"""


def apply(host: MemoryHost, phase: str = "all", **more: Any) -> list[str]:
    params = {"bridge": "br0", "confirm": 60, "phase": phase, **more}
    return reconcile(SUBJECT, params, host, host).plan.sentences


def ports(host: MemoryHost) -> dict[str, Any]:
    found: dict[str, Any] = host.programs[2].state["ports"]
    return found


def test_interfaces_without_addresses_that_the_kernel_makes_up() -> None:
    found = parse_interfaces(ADDRESSES)
    assert found["eth0"].addresses == {"192.0.2.11/24"}
    assert found["eth0"].master == "br0"


@given(st.lists(st.sampled_from(["DHCP=yes", "Address=192.0.2.1/24", "[Route]", "Gateway=192.0.2.1"])))
def test_a_moved_file_keeps_all_but_what_it_matches(lines: list[str]) -> None:
    text = "\n".join(["[Match]", "MACAddress=02:00", "[Link]", "MTUBytes=9000", "# why", "[Network]", *lines])
    result = moved(text, "br0").splitlines()
    assert result[:2] == ["[Match]", "Name=br0"]
    assert [line for line in result[3:] if line] == ["[Network]", *lines]
    assert moved("\n".join(result), "br0").splitlines() == result


def test_a_bridge_takes_the_addresses_of_the_port_with_the_default_route() -> None:
    host = server()
    apply(host)
    assert ports(host)["eth0"]["master"] == "br0" and ports(host)["eth0"]["addresses"] == []
    assert ports(host)["br0"]["addresses"] == ["192.0.2.11/24"]
    assert "MACAddress=02:74:77:00:01:00" in host.files[f"{KEPT}br0.netdev"]
    assert host.files["/etc/systemd/network/10-eth0.network"].startswith("# by the installer")


def test_a_trial_is_in_run_and_armed_before_it_is_made() -> None:
    host = server()
    assert len(apply(host, "try")) == 1
    assert f"{TRIED}br0.network" in host.files and f"{KEPT}br0.network" not in host.files
    armed = host.changes.index(("systemctl", "restart", "twin-network-back.timer"))
    assert armed < host.changes.index(("write", f"{TRIED}br0.netdev"))
    back = host.files["/run/systemd/system/twin-network-back.service"]
    assert f"ExecStart=/usr/bin/rm -f {TRIED}br0.netdev" in back
    assert "ExecStart=-/usr/bin/networkctl delete br0" in back
    assert "OnActiveSec=61s" in host.files["/run/systemd/system/twin-network-back.timer"]


def test_a_confirmed_trial_is_kept_and_disarmed() -> None:
    host = server(files={"/var/lib/twin/network-went-back": ""})
    assert "as it did after the last trial" in apply(host, "try")[0]
    assert apply(host, "confirm") == ["keep bridge br0, confirmed over a new connection"]
    assert f"{KEPT}br0.network" in host.files
    assert "/run/systemd/system/twin-network-back.timer" not in host.files
    assert "/var/lib/twin/network-went-back" not in host.files
    assert apply(host) == apply(host, "try") == apply(host, "confirm") == []


def test_a_bridge_that_was_there_before_is_not_deleted_on_the_way_back() -> None:
    host = server()
    apply(host)
    apply(host, "try", addresses=["192.0.2.99/24"])
    assert "delete" not in host.files["/run/systemd/system/twin-network-back.service"]


def test_a_trial_can_be_tried_again() -> None:
    host = server()
    apply(host, "try")
    assert len(apply(host, "try")) == 1


def test_what_the_host_took_back_cannot_be_confirmed() -> None:
    host = server()
    with pytest.raises(Refused, match="the trial is not in force"):
        apply(host, "confirm")


def test_a_trial_whose_addresses_are_not_there_yet_cannot_be_confirmed() -> None:
    host = server()
    apply(host, "try")
    ports(host)["br0"]["addresses"] = []
    with pytest.raises(Refused, match="the trial is not in force"):
        apply(host, "confirm")


def test_what_was_not_tried_cannot_be_confirmed() -> None:
    host = server()
    apply(host, "try", addresses=["192.0.2.11/24"])
    with pytest.raises(Refused, match="the trial is not in force"):
        apply(host, "confirm", addresses=[])


def test_a_trial_that_is_not_armed_cannot_be_confirmed() -> None:
    host = server()
    apply(host, "try", port="eth0")
    host.change(["systemctl", "stop", "twin-network-back.timer"])
    with pytest.raises(Refused, match="the trial is not in force"):
        apply(host, "confirm", port="eth0")


def test_a_bridge_deleted_by_hand_comes_back() -> None:
    host = server()
    apply(host)
    del ports(host)["br0"]
    ports(host)["eth0"]["master"] = None
    assert len(apply(host, port="eth0")) == 2
    assert "br0" in ports(host)


def test_a_link_gets_its_address() -> None:
    host = server()
    apply(host, links=[{"port": "link0", "addresses": ["10.1.0.1/24"]}])
    assert ports(host)["link0"]["addresses"] == ["10.1.0.1/24"]
    ports(host)["link0"]["addresses"] = []
    assert len(apply(host, links=[{"port": "link0", "addresses": ["10.1.0.1/24"]}])) == 2


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"bridge": "a-name-that-is-too-long"}, "the kernel takes no such name"),
        ({"bridge": "br/0"}, "the kernel takes no such name"),
        ({"port": "br0"}, "named twice"),
        ({"addresses": ["192.0.2.1"]}, "no prefix length"),
        ({"gateway": ["192.0.2.1"]}, "needs addresses"),
        ({"confirm": 3}, "at least 10"),
        ({"port": "eth7"}, "this host has no interface eth7; use one of eth0, link0"),
        ({"port": "link0"}, "systemd-networkd does not manage link0"),
        ({"links": [{"port": "eth9", "addresses": ["10.1.0.1/24"]}]}, "no interface eth9"),
    ],
)
def test_bad_input_is_refused_before_anything_is_touched(params: dict[str, Any], words: str) -> None:
    host = server()
    with pytest.raises(Refused, match=words):
        apply(host, **params)
    assert host.changes == []


def test_without_a_default_route_the_port_must_be_named() -> None:
    host = server(ports={"eth0": {"mac": "02:00:00:00:00:01"}})
    with pytest.raises(Refused, match="name the port of the bridge"):
        apply(host)


def test_a_port_of_another_bridge_is_left_there() -> None:
    host = server()
    ports(host)["eth0"]["master"] = "br1"
    with pytest.raises(Refused, match="belongs to br1"):
        apply(host)
