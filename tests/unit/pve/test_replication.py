# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replication jobs, which turn round with their guests and go away by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.modules.pve_replication import SUBJECT
from tests.doubles.pve.world import Guest, Volume
from tests.doubles.pve_host import DoubleHost
from tests.laws.cases_pve_replication import servers

JOB = {"name": "100-0", "target": "pollux", "schedule": "*/5"}
GONE = {"name": "100-0", "state": "absent"}
DISK = "tank:subvol-100-disk-0"


def run(host: DoubleHost, *items: Mapping[str, Any], check: bool = False, **more: Any) -> Outcome:
    filled = [{"state": "present", **item} for item in items]
    params = {"jobs": filled, "purge": False, "scope": None, **more}
    return reconcile(SUBJECT, params, host.reader(), None if check else host)


def pair() -> DoubleHost:
    """A container on castor whose disk lies on ZFS."""
    host = DoubleHost()
    host.world.guests[100] = Guest(100, "lxc", "castor", status="running")
    host.world.file("storage")["tank"] = {"type": "zfspool", "pool": "tank", "content": "images,rootdir"}
    host.world.volumes["castor", DISK] = Volume(DISK, 1, "subvol", "rootdir", vmid=100)
    host.world.qdevice = {"online": True}
    return host


def live(host: DoubleHost, seconds: float) -> None:
    """Lets time pass, minute by minute."""
    for _minute in range(int(seconds // 60)):
        host.clock.advance(60)
        host.get("cluster/replication")


def test_a_guest_that_fails_over_finds_its_disk_and_its_job_turns_round() -> None:
    host = pair()
    run(host, JOB)
    host.post("cluster/ha/resources", {"sid": "ct:100", "failback": "0"})
    live(host, 600)
    assert host.get("nodes/castor/replication/100-0/status")["fail_count"] == 0
    host.world.nodes["castor"].online = False
    host.world.local = "pollux"
    live(host, 600)
    assert (host.world.guests[100].node, host.world.guests[100].status) == ("pollux", "running")
    # What was declared still holds: the replica lies on the other server.
    assert not run(host, JOB).plan.changed
    assert host.world.file("replication")["100-0"]["target"] == "castor"


def test_a_job_is_gone_once_it_is_marked() -> None:
    host = pair()
    run(host, JOB)
    removed = run(host, GONE, allow_destroy=["100-0"])
    assert removed.plan.sentences == ["remove replication job 100-0 and the copies on its target"]
    assert host.get("cluster/replication")[0]["remove_job"] == "full"
    assert not run(host, GONE).plan.changed
    assert run(host, JOB).plan.sentences == ["change replication job 100-0: unset remove_job"]
    run(host, GONE, allow_destroy=["100-0"])
    live(host, 120)
    assert host.get("cluster/replication") == []


def test_a_guest_that_is_destroyed_leaves_its_copies_behind() -> None:
    """What the double shares with Proxmox VE: only a job that runs takes copies away, see pve_lxc."""
    host = pair()
    run(host, JOB)
    live(host, 600)
    assert ("pollux", DISK) in host.world.volumes
    run(host, GONE, allow_destroy=["100-0"])
    host.world.guests[100].status = "stopped"
    host.delete("nodes/castor/lxc/100", {"purge": 1})
    live(host, 600)
    assert host.get("cluster/replication") == []
    assert ("pollux", DISK) in host.world.volumes


def test_a_job_that_rests_goes_too() -> None:
    host = pair()
    run(host, {**JOB, "disable": True})
    run(host, GONE, allow_destroy=["100-0"])
    live(host, 120)
    assert host.get("cluster/replication") == []


@pytest.mark.parametrize("more", [{}, {"purge": True, "scope": "100-0"}], ids=["absent", "purged"])
def test_the_copies_go_only_when_they_are_named(more: Mapping[str, Any]) -> None:
    host = pair()
    run(host, JOB)
    before = list(host.changes)
    with pytest.raises(Refused) as caught:
        run(host, *([] if more else [GONE]), allow_destroy=["100-1"], **more)
    assert str(caught.value) == (
        "remove replication job 100-0 and the copies on its target: this may lose the data of 100-0;"
        " name it in allow_destroy (100-0) if that is meant."
    )
    assert host.changes == before


def test_a_new_job_leaves_from_where_its_guest_is() -> None:
    host, job = pair(), {**JOB, "source": "castor"}
    host.world.guests[100].node = "pollux"
    host.world.volumes["pollux", DISK] = host.world.volumes.pop(("castor", DISK))
    announced = run(host, job, check=True).plan.sentences
    assert announced == run(host, job).plan.sentences
    assert announced == ["create replication job 100-0 with target castor, schedule */5, type local"]
    assert host.world.file("replication")["100-0"]["target"] == "castor"
    assert not run(host, job).plan.changed


@pytest.mark.parametrize("job, requests", [("100-0", 1), ("102-0", 2)], ids=["there", "missing"])
def test_guests_are_asked_for_only_where_a_job_is_missing(job: str, requests: int) -> None:
    host = servers()
    run(host, {"name": job, "source": "castor", "target": "pollux"}, check=True)
    assert len(host.api.log) == requests


def test_a_guest_that_is_somewhere_else_keeps_its_target() -> None:
    host = servers()
    host.world.guests[102].node = "witness"
    job = {"name": "102-0", "source": "castor", "target": "pollux"}
    assert "target pollux" in run(host, job, check=True).plan.sentences[0]


def test_another_target_is_another_job() -> None:
    with pytest.raises(Refused, match="has target pollux, which PVE cannot change to witness"):
        run(servers(), {"name": "100-0", "target": "witness"}, check=True)


@pytest.mark.parametrize(
    "item, sentence",
    [
        ({"name": "100", "target": "pollux"}, "name of replication job 100: '100' does not match"),
        ({**JOB, "rate": 0}, "rate of replication job 100-0: 0 is too small"),
    ],
)
def test_bad_input_is_told_before_anything_is_asked(item: Mapping[str, Any], sentence: str) -> None:
    host = servers()
    with pytest.raises(Refused) as caught:
        run(host, item)
    assert sentence in str(caught.value)
    assert host.api.log == []


def test_what_pve_refuses_is_told_as_it_says_it() -> None:
    host = pair()
    host.world.file("storage")["tank"]["type"] = "dir"
    with pytest.raises(TwinError, match=f"missing replicate feature on volume '{DISK}'"):
        run(host, JOB)
    with pytest.raises(TwinError, match="unable to parse calendar event"):
        run(servers(), {"name": "102-0", "target": "pollux", "schedule": "now and then"})
