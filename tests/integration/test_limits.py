# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of machines, kept by the control groups of a kernel that the servers do not share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._lxc import host as lxc
from ansible_collections.twin.datacenter.plugins.modules.lxc_container import SUBJECT
from tests.integration.conftest import LabHost
from tests.integration.test_lxc import CONFIG, PREPARE, ROOT
from tests.lab import Lab
from tests.lab.lab import VM

pytestmark = pytest.mark.kernel
GREEDY, NEIGHBOUR = "greedy", "neighbour"
CHECK = {"command": ["true"]}


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[LabHost]:
    if lab.status()["kind"] != VM:
        pytest.skip("the servers have no control groups of their own; use KIND=vm")
    prepared = lab.ssh("castor", "sh", "-s", input=PREPARE)
    assert prepared.returncode == 0, prepared.stderr
    host = LabHost(lab, "castor", lasting=True)
    yield host
    for name in (GREEDY, NEIGHBOUR):
        lxc.stop(host, name, 5)
        lxc.remove(host, name)
    host.change(["rm", "-rf", "--one-file-system", ROOT])


def declare(server: LabHost, limits: Mapping[str, str]) -> Outcome:
    """Both containers started, one of them with limits."""
    config = {f"lxc.cgroup2.{name}": value for name, value in limits.items()}
    items: list[dict[str, Any]] = [
        {
            "name": name,
            "rootfs": ROOT,
            "timeout": 20,
            "check": CHECK,
            "config": {**CONFIG, "lxc.uts.name": name, **more},
        }
        for name, more in ((GREEDY, config), (NEIGHBOUR, {}))
    ]
    return reconcile(SUBJECT, {"containers": items}, server, server)


def inside(server: LabHost, script: str) -> str:
    """What a script prints in the container with limits, however it ends."""
    return server.change(["lxc-attach", "--name", GREEDY, "--", "sh", "-c", script], ok=range(256)).out


def group(server: LabHost, name: str) -> dict[str, str]:
    """A file of its control group with a word and a value per line."""
    text = server.read(f"/sys/fs/cgroup/lxc.payload.{GREEDY}/{name}") or ""
    return {word: value for word, _blank, value in (line.partition(" ") for line in text.splitlines())}


def test_who_exceeds_its_memory_is_stopped_and_its_neighbours_run_on(server: LabHost) -> None:
    """The group dies as a whole: half a machine would be worse than none."""
    declare(server, {"memory.max": "64M", "memory.swap.max": "0", "memory.oom.group": "1"})
    inside(server, "tail /dev/zero")
    end = time.monotonic() + 30
    while lxc.running(server, GREEDY):
        assert time.monotonic() < end, group(server, "memory.events")
        time.sleep(0.2)
    assert lxc.running(server, NEIGHBOUR)
    assert "Killed process" in server.run(["dmesg"]).out


def test_a_limit_changes_while_the_machine_runs(server: LabHost) -> None:
    declare(server, {"memory.max": "64M"})
    _state, pid = lxc.state_of(server, GREEDY)
    outcome = declare(server, {"memory.max": "96M"})
    assert outcome.plan.changed
    assert lxc.state_of(server, GREEDY)[1] == pid
    assert server.read(f"/sys/fs/cgroup/lxc.payload.{GREEDY}/memory.max") == f"{96 * 2**20}\n"
    assert not declare(server, {"memory.max": str(96 * 2**20)}).plan.changed


def test_processes_are_counted(server: LabHost) -> None:
    declare(server, {"pids.max": "12"})
    said = inside(server, "(for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 60 & done) 2>&1; kill -9 -1")
    assert "Cannot fork" in said or "Resource temporarily unavailable" in said, said
    assert int(group(server, "pids.events")["max"]) > 0


def test_processor_time_is_rationed(server: LabHost) -> None:
    declare(server, {"cpu.max": "20000 100000"})
    before = group(server, "cpu.stat")
    began = time.monotonic()
    inside(server, "timeout 3 sh -c 'while :; do :; done'")
    seconds = time.monotonic() - began
    after = group(server, "cpu.stat")
    used = (int(after["usage_usec"]) - int(before["usage_usec"])) / 1e6
    assert int(after["nr_throttled"]) > int(before["nr_throttled"])
    assert used < 0.3 * seconds
