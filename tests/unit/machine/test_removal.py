# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that go for good, on two servers in memory."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._machine.driver import replicate_machine
from ansible_collections.twin.datacenter.plugins.module_utils._machine.host import LEDGER
from ansible_collections.twin.datacenter.plugins.module_utils._machine.job import log_path
from ansible_collections.twin.datacenter.plugins.module_utils._machine.journal import Stage, print_journal
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import patiently
from ansible_collections.twin.datacenter.plugins.modules.machine_removal import SUBJECT
from tests.doubles.machines import MachineServer, driver, first_start
from tests.laws.cases_machine_removal import servers, upgraded

JOURNAL = "/var/lib/twin/journal/ssa.json"


def remove(server: MachineServer, *allowed: str, check: bool = False, name: str = "ssa") -> Outcome:
    params = {"machines": [name], "allow_destroy": list(allowed)}
    return reconcile(SUBJECT, params, server, None if check else server)


def left(server: MachineServer) -> list[str]:
    """What bears the machine's name."""
    state = server.zfs.state
    return [name for name in (*state.datasets, *state.snapshots, *server.files) if "ssa" in name]


def with_journal(server: MachineServer, stage: Stage) -> MachineServer:
    journal = first_start(server, server.station.declaration("ssa"))
    server.files[JOURNAL] = print_journal(replace(journal, stage=stage, target="pollux"))
    return server


def test_all_of_it_goes_from_both_servers() -> None:
    castor, pollux = servers()
    with_journal(castor, Stage.DONE)
    castor.files[log_path("ssa")] = "said"
    castor.station.enter("tap", {"snapshot": "kept"})
    assert remove(castor, "ssa").plan.sentences == [
        "stop machine ssa",
        "remove the definition of machine ssa",
        "destroy tank/machines/ssa, tank/machines/ssa/data, tank/machines/ssa/root with all snapshots",
        "forget the moves and the replication of machine ssa",
    ]
    assert remove(pollux, "ssa").plan.sentences == [
        "destroy tank/machines/ssa, tank/machines/ssa/data, tank/machines/ssa/root with all snapshots"
    ]
    for server in (castor, pollux):
        assert not left(server)
        assert not remove(server).plan.changed
        assert server.station.info()["machines"] == []
        assert "tank/images/tiny@base" in server.zfs.state.snapshots
    assert list(json.loads(castor.files[LEDGER])["machines"]) == ["tap"]


def test_what_is_kept_of_older_images_goes_alone() -> None:
    castor = upgraded()
    pollux = castor.link.servers["pollux"]
    for server in (castor, pollux):
        options = {"machines": ["ssa"], "kept": True, "allow_destroy": []}
        with pytest.raises(Refused, match="this may lose the data of ssa"):
            reconcile(SUBJECT, options, server, server)
        plan = reconcile(SUBJECT, {**options, "allow_destroy": ["ssa"]}, server, server).plan
        assert plan.sentences == ["destroy tank/machines/ssa/root.older with all snapshots"]
        names = [name for name in server.zfs.state.datasets if name.startswith("tank/machines/ssa")]
        assert names == ["tank/machines/ssa", "tank/machines/ssa/data", "tank/machines/ssa/root"]
    assert castor.running
    castor.zfs.state.clock += 60
    assert "sent to pollux" in replicate_machine(driver(castor, pollux, lambda *_said, **_facts: None))
    assert not [name for name in pollux.zfs.state.datasets if "older" in name]


@pytest.mark.parametrize("check", [True, False])
def test_data_must_be_named(check: bool) -> None:
    for server in servers():
        with pytest.raises(Refused, match=r"may lose the data of ssa; name it in allow_destroy \(ssa\)"):
            remove(server, "tap", check=check)
        assert not server.changes


@pytest.mark.parametrize("stage", [Stage.SEED, Stage.FINAL, Stage.BACK])
def test_a_machine_that_is_being_moved_stays(stage: Stage) -> None:
    castor = with_journal(servers()[0], stage)
    with pytest.raises(Refused, match="machine ssa is being moved from castor to pollux; finish that with"):
        remove(castor, "ssa")
    assert not castor.changes


def test_a_move_that_began_since_is_seen() -> None:
    castor = servers()[0]
    (step, *_others) = remove(castor, "ssa", check=True).plan.steps
    with_journal(castor, Stage.SEED)
    with pytest.raises(Refused, match="is being moved"):
        SUBJECT.apply(castor, step)
    assert castor.running


def test_what_others_hold_stays() -> None:
    castor = servers()[0]
    (snapshot, *_others) = [name for name in castor.zfs.state.snapshots if "ssa/data@" in name]
    castor.change(["zfs", "hold", "backup", snapshot])
    castor.changes.clear()
    with pytest.raises(Refused, match=f"snapshot {snapshot} on castor is held by .*; release it first"):
        remove(castor, "ssa")
    assert not castor.changes


def test_what_has_a_clone_stays() -> None:
    castor = servers()[0]
    (snapshot, *_others) = [name for name in castor.zfs.state.snapshots if "ssa/data@" in name]
    castor.change(["zfs", "clone", snapshot, "tank/test-site"])
    castor.changes.clear()
    with pytest.raises(Refused, match=f"tank/test-site on castor is a clone of {snapshot}"):
        remove(castor, "ssa")
    assert not castor.changes


def test_what_is_no_copy_of_the_machine_stays() -> None:
    pollux = servers()[1]
    pollux.change(["zfs", "create", "tank/machines/tap"])
    pollux.files["/var/lib/lxc/tap/config"] = "lxc.rootfs.path = dir:/elsewhere\n"
    with pytest.raises(Refused, match="dataset tank/machines/tap of pollux is no copy of machine tap"):
        remove(pollux, "tap", name="tap")
    patiently(pollux, ["zfs", "destroy", "tank/machines/tap"])
    assert not remove(pollux, "tap", name="tap").plan.changed
    assert "/var/lib/lxc/tap/config" in pollux.files


def test_a_server_of_no_pair_has_nothing() -> None:
    castor = servers()[0]
    del castor.files["/etc/twin/pair.json"]
    assert not remove(castor, "ssa").plan.changed


@pytest.mark.parametrize(
    ("names", "sentence"), [(["s s"], "name of a machine"), (["a", "a"], "listed more than once")]
)
def test_names(names: list[str], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        SUBJECT.wanted({"machines": names})
