# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of Proxmox VE: what is refused and why, and what is waited for."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._pve.node import fingerprint_of
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import pair
from tests.doubles.pve_host import DoubleHost
from tests.laws import cases_pve_node, laws
from tests.laws.cases_pve_node import CHAIN, KEY, OTHER, cluster

CASES = {case.name: case for case in cases_pve_node.CASES}
NOTHING, REBOOTED = CASES["nothing"], CASES["emptied and rebooted"]


def run(host: DoubleHost, *nodes: dict[str, Any], **options: Any) -> list[str]:
    empty = NOTHING.params["nodes"][0]
    changed = {**NOTHING.params, "nodes": [{**empty, **node} for node in nodes], **options}
    return laws.run(replace(NOTHING, params=changed), host).plan.sentences


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"name": "helena"}, "there is no node helena in this cluster; name one of castor, pollux"),
        ({"name": "no_name"}, "name of node no_name"),
        (
            {"name": "castor", "maintenance": True},
            "is not in the API of Proxmox VE; run this on a node, without api_host",
        ),
        ({"name": "castor", "power": "off"}, "node castor answers here itself"),
        ({"name": "castor", "certificate": {"chain": "none", "key": KEY}}, "its chain is no certificate"),
        ({"name": "castor", "certificate": {"chain": CHAIN, "key": "none"}}, "its key is no private key"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(node: dict[str, Any], says: str) -> None:
    host = cluster()
    with pytest.raises(Refused) as caught:
        run(host, node)
    assert says in str(caught.value)
    assert host.changes == []


def test_a_node_that_is_off_takes_nothing() -> None:
    host = cluster()
    host.world.nodes["pollux"].online = False
    assert run(host, {"name": "pollux", "power": "off"}) == []
    with pytest.raises(Refused, match="node pollux is not up; start it first"):
        run(host, {"name": "pollux", "power": "reboot"})


def test_a_key_does_not_stand_on_a_command_line() -> None:
    host = cluster(on_node=True)
    with pytest.raises(Refused) as caught:
        run(host, {"name": "castor", "certificate": {"chain": CHAIN, "key": KEY}})
    assert str(caught.value) == (
        "certificate of node castor: key would stand on the command line of pvesh, for all to see; "
        "give api_host and credentials."
    )
    assert host.api.log == []


def test_a_certificate_is_replaced_with_its_key() -> None:
    host = cluster()
    for chain in (CHAIN, OTHER):
        assert run(host, {"name": "castor", "certificate": {"chain": chain, "key": KEY}})
    assert host.world.nodes["castor"].facts["certificates"]["key"] == KEY
    assert host.world.nodes["castor"].facts["certificates"]["custom"]["fingerprint"] == fingerprint_of(OTHER)


def test_a_fingerprint_is_that_of_the_first_certificate() -> None:
    with Server(pair()) as server:
        pem = server.certificate.read_text()
        assert fingerprint_of(pem) == server.fingerprint
        begin = pem.index("-----BEGIN CERTIFICATE-----")
        assert ssl.PEM_cert_to_DER_cert(pem[begin:])


def test_guests_have_left_before_the_node_is_rebooted() -> None:
    host = REBOOTED.host()
    assert isinstance(host, DoubleHost)
    laws.run(REBOOTED, host)
    asked = [f"{verb} {path}" for verb, path, _params in host.api.log if verb in ("POST", "RUN")]
    assert asked == ["RUN ha-manager crm-command node-maintenance enable castor", "POST /nodes/castor/status"]
    assert host.world.guests[100].node == "pollux"


def test_guests_that_cannot_leave_are_told() -> None:
    host = cluster(on_node=True)
    host.world.nodes["pollux"].online = False
    host.world.qdevice = {"host": "192.0.2.13", "algorithm": "ffsplit", "online": True}
    host.timeout = 60.0
    with pytest.raises(TwinError, match="guests have not left it, for no other node may take them"):
        run(host, {"name": "castor", "maintenance": True})


def test_release_8_has_no_disarming() -> None:
    host = DoubleHost(pair(release="8.4"))
    with pytest.raises(Refused, match="this release of Proxmox VE cannot disarm its HA manager"):
        run(host, ha="disarmed")
