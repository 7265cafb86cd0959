# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong half way: each request and each task of a run fails once, in every way that there is.

Whatever happens, the first run either ends well or says in a sentence what happened and how far it came; a
second run comes to the same end as one that was left in peace; no guest is there twice, lost, or left locked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from tests.doubles.pve.faults import Fault, TaskFault
from tests.doubles.pve_guests import container
from tests.doubles.pve_host import DoubleHost
from tests.laws import cases_pve_lxc, cases_pve_qemu, laws

FAULTS: dict[str, dict[str, Any]] = {
    "answers 500": {"status": 500, "text": "internal error"},
    "answers 500 when all is done": {"status": 500, "text": "internal error", "late": True},
    "answers 596": {"status": 596, "text": "Connection timed out"},
    "is dropped": {"drop": True},
    "stalls, and is done": {"status": 200, "stall": 90},
    "loses the quorum": {"status": 200, "quorum": True},
    "finds the lock taken": {"text": "can't lock file '/run/lock/lxc/pve-config-200.lock' - got timeout"},
}
CASES = {
    str(case): case
    for case in (*cases_pve_lxc.CASES, *cases_pve_qemu.CASES)
    if case.name
    in (
        "new",
        "cloned",
        "from a backup",
        "changed in flight",
        "changed with restart",
        "disk added",
        "disk moved",
        "grown and moved",
        "disk removed",
        "snapshot",
        "snapshot removed",
        "moved",
        "moved and changed",
        "moved with a stop",
        "moved while stopped",
        "stopped",
        "template",
        "absent",
        "absent with its copies",
    )
}


class Killed(BaseException):
    """The controller was ended."""


@dataclass(frozen=True)
class Whole:
    """A run that nothing disturbs: its requests and tasks, and what is there at its end."""

    requests: tuple[str, ...]
    tasks: tuple[str, ...]
    goal: Any


@functools.cache
def whole(name: str) -> Whole:
    case = CASES[name]
    host = case.host()
    laws.run(case, host)
    requests = tuple(f"{verb} {path}" for verb, path, _params in host.api.log)
    tasks = tuple(f"{task.type} {task.id}" for task in host.world.tasks.values())
    return Whole(requests, tasks, laws.comparable(laws.picture(case, host)))


def finish(case: laws.Case, host: DoubleHost) -> None:
    """Run again, as somebody else would, on what is there."""
    host.api.faults.requests.clear()
    host.api.faults.tasks.clear()
    for node in host.world.nodes.values():
        node.online = True
    again = DoubleHost(host.world)
    laws.run(case, again)
    assert laws.comparable(laws.picture(case, again)) == whole(str(case)).goal
    assert not [guest.vmid for guest in host.world.guests.values() if guest.lock]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CASES)
def test_each_request_fails_once(name: str, fault: str) -> None:
    case = CASES[name]
    for number, request in enumerate(whole(name).requests, 1):
        host = case.host()
        host.timeout = 60.0
        host.api.faults.requests.append(Fault(r"", after=number, **FAULTS[fault]))
        try:
            laws.run(case, host)
        except TwinError as error:
            assert len(str(error)) > 20, request
        finish(case, host)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_each_task_fails_once(name: str, early: bool) -> None:
    case = CASES[name]
    for number, task in enumerate(whole(name).tasks, 1):
        host = case.host()
        host.api.faults.tasks.append(TaskFault("", "command 'zfs' failed: exit code 1", early, after=number))
        try:
            laws.run(case, host)
        except TwinError as error:
            assert "command 'zfs' failed: exit code 1" in str(error), task
            assert error.facts["left"], task
        finish(case, host)


@pytest.mark.parametrize("name", CASES)
def test_the_controller_is_killed_after_each_request(name: str) -> None:
    case = CASES[name]
    for number, _request in enumerate(whole(name).requests, 1):
        host = case.host()
        kill_after(host, number)
        with pytest.raises(Killed):
            laws.run(case, host)
        finish(case, host)


def test_a_mount_whose_removal_is_broken_off_keeps_its_volume_and_that_is_said() -> None:
    """PVE detaches it first. Whose volume it was no other run can tell, so it is not removed by that."""
    host = container(running=False)
    host.api.faults.requests.append(Fault("PUT .*/config", after=2, drop=True))
    mount = {"name": "ssa", "state": "stopped", "disks": {"mp0": {"state": "absent"}}}
    case = cases_pve_lxc.case("x", lambda: host, mount, allow_destroy=["ssa/mp0"])
    with pytest.raises(TwinError, match="mp0 is detached and tank:subvol-200-disk-1 is kept"):
        laws.run(case, host)
    assert not laws.run(case, host).plan.changed
    unused = {**mount, "disks": {"unused0": {"state": "absent"}}}
    laws.run(cases_pve_lxc.case("x", lambda: host, unused, allow_destroy=["ssa/unused0"]), host)
    assert not [volume for _node, volume in host.world.volumes if volume == "tank:subvol-200-disk-1"]


def kill_after(host: DoubleHost, number: int) -> None:
    real: Callable[..., Any] = host.transport.request

    def request(*args: Any) -> Any:
        answer = real(*args)
        if len(host.api.log) >= number:
            raise Killed
        return answer

    host.transport.request = request  # type: ignore[method-assign]
