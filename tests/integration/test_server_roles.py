# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles server, access and pair stand on: modules files, packages, units, bridge and the _info ones.

A lab of its own, for these tests take a network away.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    Refused,
    TwinError,
    Unreachable,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._parity.host import read_facts
from ansible_collections.twin.datacenter.plugins.module_utils._parity.model import compare
from ansible_collections.twin.datacenter.plugins.module_utils._system.host import read_peer
from ansible_collections.twin.datacenter.plugins.modules import bridge, files, packages, units
from tests.integration.conftest import LabHost
from tests.lab import Lab

CONFIRM = 10
"""Seconds, the least that module bridge takes."""


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    with Lab(f"network-{os.getpid()}") as lab:
        yield lab


@pytest.fixture
def server(own_lab: Lab) -> LabHost:
    return LabHost(own_lab, "castor", lasting=True)


@pytest.fixture
def other(own_lab: Lab) -> LabHost:
    return LabHost(own_lab, "pollux", lasting=True)


def run(module: Any, host: LabHost, **params: Any) -> list[str]:
    return reconcile(module.SUBJECT, params, host, host).plan.sentences


def put(host: LabHost, *items: dict[str, Any]) -> list[str]:
    return run(files, host, files=list(items))


def try_bridge(host: LabHost, phase: str, **more: Any) -> list[str]:
    return run(bridge, host, bridge="br0", confirm=60, phase=phase, **more)


def begin_trial(host: LabHost, **more: Any) -> None:
    """Try, without reading again: that would wait for a network which is not there."""
    params = {"bridge": "br0", "confirm": CONFIRM, "phase": "try", **more}
    subject = bridge.SUBJECT
    wanted = subject.wanted(params)
    (step,) = subject.plan(subject.read(host, wanted), wanted).steps
    subject.apply(host, step)
    host.reset()


def answers(lab: Lab, address: str, seconds: float) -> bool:
    """Whether ssh answers the control node at that address within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if lab.run("timeout", "1", "bash", "-c", f"true </dev/tcp/{address}/22").returncode == 0:
            return True
    return False


def is_silent(lab: Lab, address: str, seconds: float) -> bool:
    """Whether that address falls silent within that time."""
    end = time.monotonic() + seconds
    # By ping: sshd locks out whoever often connects without logging in.
    while lab.ssh("witness", f"ping -q -c1 -w1 {address}").returncode == 0:
        if time.monotonic() > end:
            return False
    return True


def confirm(host: LabHost, **more: Any) -> list[str]:
    """As the control side does it: over new connections, until the trial is in force."""
    end = time.monotonic() + 30
    while True:
        host.reset()
        try:
            return try_bridge(host, "confirm", **more)
        except (Refused, Unreachable):
            assert time.monotonic() < end
        time.sleep(0.5)


def test_files_are_written_judged_and_told(server: LabHost) -> None:
    config = {
        "path": "/etc/ssh/sshd_config.d/10-test.conf",
        "content": "X11Forwarding no\n",
        "validate": ["/usr/sbin/sshd", "-t", "-f", "%s"],
        "reload": ["ssh.service"],
    }
    owned = {"path": "/etc/test/own", "content": "a", "mode": "0640", "owner": "man", "group": "adm"}
    folder = {"path": "/etc/test", "state": "directory", "mode": "0750"}
    hosts = {"path": "/etc/hosts", "block": "192.0.2.99 test"}
    first = put(server, folder, owned, config, hosts)
    assert first == [
        "make folder /etc/test",
        "write /etc/test/own",
        "write /etc/ssh/sshd_config.d/10-test.conf",
        "change /etc/hosts",
        "reload ssh.service if it runs",
    ]
    assert put(server, folder, owned, config, hosts) == []
    assert server.run(["stat", "-c", "%a %U %G", "/etc/test/own"]).out == "640 man adm\n"
    assert "192.0.2.99" in server.run(["getent", "hosts", "test"]).out


def test_a_file_that_its_judge_refuses_is_not_written(server: LabHost) -> None:
    judge = ["/usr/bin/python3", "-m", "json.tool", "%s"]
    with pytest.raises(Refused, match="Expecting value"):
        put(server, {"path": "/etc/test.json", "content": "nonsense\n", "validate": judge})
    assert server.read("/etc/test.json") is None


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(server: LabHost) -> None:
    server.change(["ln", "-sf", "/etc/hostname", "/etc/test-link"])
    before = server.read("/etc/hostname")
    assert put(server, {"path": "/etc/test-link", "content": "text\n"}) == ["change /etc/test-link"]
    assert server.read("/etc/hostname") == before
    assert server.read("/etc/test-link") == "text\n"


def test_packages_are_installed_once(server: LabHost) -> None:
    wanted = {
        "packages": ["sudo"],
        "by_kernel": [{"module": "nosuch", "present": ["lxc"], "absent": ["zstd"]}],
    }
    assert run(packages, server, **wanted) == ["install sudo, zstd"]
    assert run(packages, server, **wanted) == []


def test_a_package_that_no_source_has_is_told_as_apt_tells_it(server: LabHost) -> None:
    with pytest.raises(TwinError, match="Unable to locate package nosuch-package"):
        run(packages, server, packages=["nosuch-package"])


def test_units_are_started_and_enabled(server: LabHost) -> None:
    service = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    put(server, {"path": "/etc/systemd/system/test.service", "content": service})
    wanted = {"units": [{"name": "test.service", "enabled": True, "active": True}]}
    assert run(units, server, **wanted) == ["enable test.service", "start test.service"]
    assert run(units, server, **wanted) == []
    changed = put(
        server,
        {
            "path": "/etc/systemd/system/test.service",
            "content": service.replace("infinity", "1000000"),
            "restart": ["test.service"],
        },
    )
    assert changed[1:] == ["let systemd read its units again", "restart test.service if it runs"]
    assert "1000000" in server.run(["systemctl", "show", "test.service", "--property=ExecStart"]).out


def test_a_unit_that_fails_is_told_with_its_log(server: LabHost) -> None:
    service = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo it broke; exit 1'\n"
    put(server, {"path": "/etc/systemd/system/broken.service", "content": service})
    with pytest.raises(TwinError, match="it broke"):
        run(units, server, units=[{"name": "broken.service", "active": True}])


def test_a_bridge_with_a_wrong_address_is_taken_back_by_the_host_itself(own_lab: Lab, other: LabHost) -> None:
    begin_trial(other, addresses=["198.51.100.5/24"])
    assert is_silent(own_lab, "192.0.2.12", CONFIRM)
    assert answers(own_lab, "192.0.2.12", 2 * CONFIRM)
    assert other.run(["ip", "-brief", "address", "show", "eth0"]).out.split()[2] == "192.0.2.12/24"
    assert other.listing("/run/systemd/network") == []
    with pytest.raises(Refused, match="the trial is not in force"):
        try_bridge(other, "confirm", addresses=["198.51.100.5/24"])


def test_a_power_cut_takes_a_trial_back(own_lab: Lab, other: LabHost) -> None:
    begin_trial(other, addresses=["198.51.100.5/24"])
    assert is_silent(own_lab, "192.0.2.12", CONFIRM)
    own_lab.power("pollux", "cycle")
    assert answers(own_lab, "192.0.2.12", 5)
    assert "br0" not in other.listing("/sys/class/net")


def test_a_bridge_takes_over_the_address_and_outlives_a_power_cut(own_lab: Lab, other: LabHost) -> None:
    links = {"links": [{"port": "link0", "addresses": ["10.1.0.2/24"]}]}
    assert "as it did after the last trial" in try_bridge(other, "try", **links)[0]
    assert confirm(other, **links) == ["keep bridge br0, confirmed over a new connection"]
    assert try_bridge(other, "all", **links) == []
    own_lab.power("pollux", "cycle")
    other.reset()
    assert answers(own_lab, "192.0.2.12", 5)
    assert try_bridge(other, "all", **links) == []
    assert other.run(["ip", "-brief", "address", "show", "br0"]).out.split()[2] == "192.0.2.12/24"


def test_what_the_other_server_must_know(server: LabHost) -> None:
    told = read_peer(server)
    assert told["public_key"] is None and not told["joined"]
    assert told["host_keys"][0].startswith("ssh-ed25519 ")


def test_parity_of_two_servers_that_differ_by_a_bridge(server: LabHost, other: LabHost) -> None:
    facts = {
        name: [fact.plain() for fact in read_facts(host, "tank", "br0", ["lxc"])]
        for name, host in (("castor", server), ("pollux", other))
    }
    report = compare(facts)
    assert [found["key"] for found in report["differences"]] == ["bridge br0"]
    assert not report["alike"]
