# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module bridge on a server that behaves as FreeBSD 15: the trial, the way back, and boots.

A lab of its own, for these tests take a network away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, Unreachable
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.modules import bridge
from tests.integration.conftest import LabHost
from tests.lab import Lab

ADDRESS = "192.0.2.12"
CONFIRM = 10
"""Seconds, the least that module bridge takes."""
PLAIN = f"""\
hostname="pollux"
zfs_enable="YES"
sshd_enable="YES"
ifconfig_eth0="inet {ADDRESS}/24"
defaultrouter="192.0.2.1"
ifconfig_link0="inet 10.1.0.2/24"
"""
LINK = {"links": [{"port": "link0", "addresses": ["10.1.0.2/24"]}]}


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    with Lab("network-freebsd", freebsd="15.0") as lab:
        host = LabHost(lab, "pollux")
        host.write("/etc/rc.conf", PLAIN)
        restart(lab)
        yield lab


@pytest.fixture
def server(own_lab: Lab) -> LabHost:
    """As its installer left it: no bridge."""
    return LabHost(own_lab, "pollux")


def run(host: LabHost, phase: str, **more: Any) -> list[str]:
    params = {"bridge": "br0", "confirm": 60, "phase": phase, **more}
    return reconcile(bridge.SUBJECT, params, host, host).plan.sentences


def begin_trial(host: LabHost, **more: Any) -> None:
    """Try, without reading again: that would wait for a network which is not there."""
    wanted = bridge.SUBJECT.wanted({"bridge": "br0", "confirm": CONFIRM, "phase": "try", **more})
    (step,) = bridge.SUBJECT.plan(bridge.SUBJECT.read(host, wanted), wanted).steps
    bridge.SUBJECT.apply(host, step)


def confirm(host: LabHost, **more: Any) -> list[str]:
    """As the control side does it: again, until the trial is in force."""
    end = time.monotonic() + 30
    while True:
        try:
            return run(host, "confirm", **more)
        except (Refused, Unreachable):
            assert time.monotonic() < end
        time.sleep(0.5)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.5)


def answers(lab: Lab, seconds: float) -> bool:
    """Whether ssh answers the control node within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if lab.run("timeout", "1", "bash", "-c", f"true </dev/tcp/{ADDRESS}/22").returncode == 0:
            return True
    return False


def is_silent(lab: Lab, seconds: float) -> bool:
    """Whether it falls silent within that time."""
    end = time.monotonic() + seconds
    while answers(lab, 1):
        if time.monotonic() > end:
            return False
        # Whoever knocks often and says nothing is shut out (PerSourcePenalties of sshd_config(5)).
        time.sleep(0.5)
    return True


def restart(lab: Lab) -> None:
    lab.power("pollux", "cycle")
    assert answers(lab, 20)


def read(host: LabHost) -> dict[str, Any]:
    """The interfaces. No way back is armed, and the default route is there."""
    found = bridge.SUBJECT.read(host, bridge.SUBJECT.wanted({"bridge": "br0", "confirm": CONFIRM}))
    assert found.gateways == ("192.0.2.1",)
    assert found.armed == ""
    return dict(found.interfaces)


def test_a_wrong_address_is_taken_back_by_the_host_itself(own_lab: Lab, server: LabHost) -> None:
    begin_trial(server, addresses=["198.51.100.5/24"], port="eth0")
    assert is_silent(own_lab, CONFIRM)
    assert answers(own_lab, 2 * CONFIRM)
    # The default route and the mark come last.
    until(lambda: server.answer(["pgrep", "-f", "[n]etwork-back"], "", None).rc == 1)
    there = read(server)
    assert "br0" not in there and there["eth0"].addresses == {f"{ADDRESS}/24"}
    assert server.read("/etc/rc.conf") == PLAIN
    with pytest.raises(Refused, match="the trial is not in force"):
        run(server, "confirm", addresses=["198.51.100.5/24"])


def test_a_power_cut_takes_a_trial_back(own_lab: Lab, server: LabHost) -> None:
    begin_trial(server, addresses=["198.51.100.5/24"])
    assert is_silent(own_lab, CONFIRM)
    restart(own_lab)
    assert "br0" not in read(server)


def test_a_bridge_takes_over_the_address_and_outlives_a_power_cut(own_lab: Lab, server: LabHost) -> None:
    assert "as it did after the last trial" in run(server, "try", **LINK)[0]
    assert confirm(server, **LINK) == ["keep bridge br0, confirmed over a new connection"]
    assert run(server, "all", **LINK) == []
    before = read(server)
    assert before["br0"].addresses == {f"{ADDRESS}/24"} and before["eth0"].master == "br0"
    assert before["br0"].mac == before["eth0"].mac
    restart(own_lab)
    assert read(server) == before
    assert run(server, "all", **LINK) == []
