# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules pve_cluster and pve_node as Ansible runs them, over https against two servers of the double.

What only this can show: the tickets of a node end while it joins, and whoever asks logs in again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.doubles.pve.clock import Clock
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import World, single
from tests.integration.pve_bed import run
from tests.laws.laws import CANARY

# Whoever joins asks the peer at the port that Proxmox VE has, so each has a loopback address of its own.
CASTOR, POLLUX = "127.5.0.11", "127.5.0.12"
PORT = 8006
AS_ROOT = {"PROXMOX_PASSWORD": CANARY, "PROXMOX_PEER_PASSWORD": CANARY, "NO_PROXY": "127.0.0.0/8"}


def alone(name: str, address: str) -> World:
    world = single(name, clock=Clock(speed=10))
    world.nodes[name].ip = address
    world.access.users["root@pam"].password = CANARY
    return world


@pytest.fixture
def castor() -> Iterator[Server]:
    with Server(alone("castor", CASTOR), PORT, host=CASTOR) as server:
        yield server


@pytest.fixture
def pollux(castor: Server) -> Iterator[Server]:
    world = alone("pollux", POLLUX)
    world.facts["peers"] = {CASTOR: castor.api.world}
    with Server(world, PORT, host=POLLUX) as server:
        yield server


def joining(castor: Server) -> dict[str, Any]:
    return {"name": "twin", "peer": {"address": CASTOR, "fingerprint": castor.fingerprint}}


def logins(server: Server) -> int:
    return [path for _verb, path, _params in server.api.log].count("/access/ticket")


def test_two_servers_become_a_cluster(castor: Server, pollux: Server) -> None:
    told = run(castor, "pve_cluster", {"name": "twin"}, "--check", "--diff", **AS_ROOT)
    announced = run(pollux, "pve_cluster", joining(castor), "--check", **AS_ROOT)
    assert announced["plan"] == [f"join node pollux to cluster twin through {CASTOR}"]
    made = run(castor, "pve_cluster", {"name": "twin"}, "--diff", **AS_ROOT)
    assert told["plan"] == made["plan"] == ["make cluster twin of node castor"]
    pollux.api.log.clear()
    joined = run(pollux, "pve_cluster", joining(castor), "-vvv", **AS_ROOT)
    assert joined["plan"] == announced["plan"]
    assert logins(pollux) == 2
    assert sorted(castor.api.world.nodes) == ["castor", "pollux"]
    for server, options in ((castor, {"name": "twin"}), (pollux, joining(castor))):
        assert not run(server, "pve_cluster", options, **AS_ROOT)["changed"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fingerprint": ":".join(["00"] * 32)}, f"the certificate of {CASTOR}:8006 is not trusted"),
        ({"password": "wrong"}, "authentication failure"),
        ({"fingerprint": "00:11"}, "is no SHA-256"),
    ],
)
def test_a_peer_that_is_not_who_it_should_be_is_refused(
    castor: Server, pollux: Server, change: dict[str, str], says: str
) -> None:
    run(castor, "pve_cluster", {"name": "twin"}, **AS_ROOT)
    options = joining(castor)
    options["peer"] |= change
    failed = run(pollux, "pve_cluster", options, rc=2, **AS_ROOT)
    assert says in failed["msg"]
    assert "\n" not in failed["msg"]
    assert pollux.api.world.cluster is None


def test_a_certificate_is_given_once(castor: Server) -> None:
    chain = castor.certificate.read_text()
    begin = chain.index("-----BEGIN CERTIFICATE-----")
    certificate = {"chain": chain[begin:], "key": chain[:begin]}
    options = {"nodes": [{"name": "castor", "certificate": certificate}]}
    done = run(castor, "pve_node", options, "--diff", "-vvv", **AS_ROOT)
    assert done["diff"]["after"] == {"node castor": {"certificate": castor.fingerprint}}
    assert not run(castor, "pve_node", options, **AS_ROOT)["changed"]
    refused = run(castor, "pve_node", {"nodes": [{"name": "castor", "maintenance": True}]}, rc=2, **AS_ROOT)
    assert "run this on a node, without api_host" in refused["msg"]


def test_a_host_that_is_no_node_has_no_qdevice(castor: Server) -> None:
    refused = run(castor, "pve_qdevice", {"witness": "192.0.2.13"}, rc=2)
    assert refused["msg"] == "this node is in no cluster; make one first (pve_cluster)."
    assert not run(castor, "pve_qdevice", {"state": "absent"})["changed"]
