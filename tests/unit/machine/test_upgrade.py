# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that get the root file system of another image, on two servers in memory."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._machine.driver import (
    Forecast,
    forecast,
    move,
    replicate_machine,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.journal import Stage, print_journal
from ansible_collections.twin.datacenter.plugins.module_utils._machine.move import Done
from ansible_collections.twin.datacenter.plugins.modules.machine_upgrade import SUBJECT
from tests.doubles.machines import MachineServer, TwinProgram, driver, first_start
from tests.doubles.zfs_streams import written
from tests.laws.cases_machine_upgrade import params, servers, without_root

TOP = "tank/machines/ssa"
ROOT = f"{TOP}/root"
FLAVOURS = {
    "fuse": {},
    "openzfs-2.3": {},
    "freebsd-14.3": {"kind": "jail"},
    "freebsd-15.0": {"kind": "jail", "options": {"thick": True}},
}
flavours = pytest.mark.parametrize("flavour", FLAVOURS)


class Killed(BaseException):
    """The process is gone."""


def made(flavour: str = "fuse") -> tuple[MachineServer, MachineServer]:
    """A pair whose machine has written into both of its file systems; the images can be told apart."""
    castor, pollux = servers(flavour, **FLAVOURS[flavour])
    castor.zfs.state.datasets[f"{TOP}/data"].content = "acknowledged"
    castor.zfs.state.datasets[ROOT].content = "old and changed"
    for server in (castor, pollux):
        server.zfs.state.snapshots["tank/images/newer@base"].content = "newer"
    return castor, pollux


def upgrade(server: MachineServer, image: str = "newer", *, check: bool = False, **fields: Any) -> Outcome:
    fields = {**FLAVOURS["freebsd-14.3" if server.kind == "jail" else "fuse"], **fields}
    return reconcile(SUBJECT, params(image=image, **fields), server, None if check else server)


def replicated(here: MachineServer, there: MachineServer) -> None:
    here.zfs.state.clock += 60
    replicate_machine(driver(here, there, lambda *_said, **_facts: None))


def moved(here: MachineServer, there: MachineServer) -> None:
    here.zfs.state.clock += 60
    job = driver(here, there, lambda *_said, **_facts: None)
    plan = forecast(job, there.name)
    assert isinstance(plan, Forecast)
    assert isinstance(move(job, plan), Done)
    assert there.running and not here.running


def contents(server: MachineServer) -> dict[str, str]:
    """What the machine's file systems hold, by the last part of their names."""
    names = [name for name in server.zfs.state.datasets if name.startswith(f"{TOP}/")]
    return {name.removeprefix(f"{TOP}/"): written(server, name) for name in sorted(names)}


NEW = {"data": "acknowledged", "root": "newer", "root.tiny": "old and changed"}
OLD = {"data": "acknowledged", "root": "old and changed", "root.newer": "newer"}


@flavours
def test_the_old_root_is_kept_and_comes_back(flavour: str) -> None:
    castor, _pollux = made(flavour)
    fields = FLAVOURS[flavour]
    outcome = upgrade(castor, **fields)
    how = "copy" if "options" in fields else "clone"
    assert outcome.plan.sentences == [
        f"make {ROOT}.newer as a {how} of tank/images/newer@base",
        f"stop machine ssa, keep its root with no changed paths as {ROOT}.tiny, "
        f"make {ROOT}.newer the root of machine ssa and start it",
    ]
    assert outcome.measured == [
        {"key": "ssa", "kept": f"{ROOT}.tiny", "changed": {"added": [], "modified": [], "deleted": []}}
    ]
    assert contents(castor) == NEW
    assert castor.running and castor.station.machine("ssa").image == "newer"
    assert not upgrade(castor, **fields).plan.changed

    back = upgrade(castor, "tiny", **fields)
    assert back.plan.sentences == [
        f"stop machine ssa, keep its root with no changed paths as {ROOT}.newer, "
        f"make {ROOT}.tiny the root of machine ssa and start it"
    ]
    assert contents(castor) == OLD
    assert castor.running and castor.station.machine("ssa").image == "tiny"


@flavours
def test_the_replica_follows_and_the_machine_moves_there_and_back(flavour: str) -> None:
    castor, pollux = made(flavour)
    fields = FLAVOURS[flavour]
    upgrade(castor, **fields)
    replicated(castor, pollux)
    assert contents(pollux) == NEW
    assert pollux.station.side("ssa").replica
    upgrade(castor, "tiny", **fields)
    upgrade(castor, **fields)
    # Without a replication in between.
    moved(castor, pollux)
    assert contents(pollux) == NEW
    # And the way back is open over there.
    upgrade(pollux, "tiny", **fields)
    assert contents(pollux) == OLD
    moved(pollux, castor)
    assert contents(castor) == OLD
    assert castor.station.machine("ssa").image == "tiny"


@flavours
def test_killed_before_any_change_another_run_finishes(flavour: str) -> None:
    fields = FLAVOURS[flavour]
    for count in itertools.count():
        castor, pollux = made(flavour)
        calls = itertools.count()

        def fault(_argv: tuple[str, ...], calls: Any = calls, count: int = count) -> None:
            if next(calls) == count:
                raise Killed

        castor.fault = fault
        try:
            upgrade(castor, **fields)
        except Killed:
            castor.fault = lambda argv: None
            # A timer may come in between.
            replicated(castor, pollux)
            upgrade(castor, **fields)
            assert contents(castor) == NEW, count
            assert castor.running, count
            moved(castor, pollux)
            assert contents(pollux) == NEW, count
        else:
            break
    assert count > 6


@pytest.mark.parametrize("image", ["tiny", "newer"])
def test_a_mind_that_changed_meanwhile(image: str) -> None:
    """Killed while there is no root: the old image is as good as the new one."""
    castor, _pollux = made()

    def fault(argv: tuple[str, ...]) -> None:
        if argv[:2] == ("zfs", "set"):
            raise Killed

    castor.fault = fault
    with pytest.raises(Killed):
        upgrade(castor)
    castor.fault = lambda argv: None
    assert ROOT not in castor.zfs.state.datasets
    (record,) = castor.station.info()["machines"]
    assert record["root_image"] is None
    assert upgrade(castor, image).plan.sentences == [
        f"make {ROOT}.{image} the root of machine ssa and start it"
    ]
    assert contents(castor) == {"tiny": OLD, "newer": NEW}[image]


@pytest.mark.parametrize("check", [True, False])
def test_it_must_be_asked_for(check: bool) -> None:
    castor, _pollux = made()
    options = {**params(), "allow_destroy": ["tap"]}
    with pytest.raises(Refused, match=r"keep its root .* name it in allow_destroy \(ssa\) if that is meant"):
        reconcile(SUBJECT, options, castor, None if check else castor)
    assert not castor.changes


@pytest.mark.parametrize(("state", "runs"), [("stopped", False), ("started", True)])
def test_it_runs_after_it_as_is_declared(state: str, runs: bool) -> None:
    castor, _pollux = made()
    upgrade(castor, state=state)
    assert castor.running is runs
    assert contents(castor) == NEW


def test_a_machine_without_a_root_gets_one() -> None:
    castor = without_root()
    assert upgrade(castor, "tiny").plan.sentences == [
        f"make {ROOT}.tiny as a clone of tank/images/tiny@base",
        f"make {ROOT}.tiny the root of machine ssa and start it",
    ]
    assert castor.running


def test_what_is_not_this_servers_is_left_alone() -> None:
    castor, pollux = made()
    assert not upgrade(pollux).plan.changed
    assert not reconcile(
        SUBJECT, {"machines": {"tap": params()["machines"]["ssa"]}}, castor, castor
    ).plan.steps
    assert not upgrade(castor, state="absent").plan.steps
    del castor.files["/etc/twin/pair.json"]
    assert not upgrade(castor).plan.steps


def test_what_it_changed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    castor, _pollux = made()
    changes = {"added": ["usr/local/bin/asked"], "modified": ["etc/motd"], "deleted": []}
    monkeypatch.setattr(TwinProgram, "run", lambda *_words: (0, json.dumps(changes)))
    plan = upgrade(castor, check=True).plan
    assert "keep its root with 2 changed paths as" in plan.sentences[-1]
    assert plan.before["ssa"]["changed"] == changes
    assert plan.after["ssa"] == {"image": "newer", "kept": ["tiny"]}
    assert upgrade(castor).measured[0]["changed"] == changes


def test_what_it_changed_cannot_always_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    castor, _pollux = made()
    monkeypatch.setattr(TwinProgram, "run", lambda *_words: (2, ""))
    outcome = upgrade(castor)
    assert "keep its root with whatever was changed in it (" in outcome.plan.sentences[-1]
    assert outcome.measured[0]["changed"] is None
    assert contents(castor) == NEW


def being_moved(castor: MachineServer) -> None:
    journal = first_start(castor, castor.station.declaration("ssa"))
    castor.files["/var/lib/twin/journal/ssa.json"] = print_journal(
        replace(journal, stage=Stage.SEED, target="pollux")
    )


def test_a_machine_that_is_being_moved_stays() -> None:
    castor, _pollux = made()
    *_others, step = upgrade(castor, check=True).plan.steps
    being_moved(castor)
    with pytest.raises(Refused, match="machine ssa is being moved from castor to pollux; finish that with"):
        upgrade(castor)
    with pytest.raises(Refused, match="is being moved"):
        SUBJECT.apply(castor, step)
    assert castor.running and not castor.changes
    castor.station.stop("ssa")
    with pytest.raises(Refused, match="is being moved"):
        upgrade(castor, "tiny")


def test_an_image_that_is_not_there() -> None:
    castor, _pollux = made()
    with pytest.raises(
        Refused, match="image older of machine ssa is not on castor; declare it in pair_images"
    ):
        upgrade(castor, "older")
    assert not castor.changes
    # In check mode it may still be made before the run comes.
    assert reconcile(SUBJECT, params(image="older"), castor.reader()).plan.changed


def test_a_name_that_is_taken() -> None:
    castor, _pollux = made()
    castor.change(["zfs", "create", f"{ROOT}.tiny"])
    with pytest.raises(
        Refused, match=f"{ROOT} and {ROOT}.tiny are both of image tiny; rename or destroy the latter"
    ):
        upgrade(castor)


def test_a_start_that_fails_tells_the_way_back() -> None:
    castor, _pollux = made()

    def fault(argv: tuple[str, ...]) -> None:
        if argv[0] == "lxc-start":
            raise TwinError("it does not boot")

    castor.fault = fault
    with pytest.raises(
        TwinError, match="does not start with image newer: it does not boot; .*declare the image again"
    ):
        upgrade(castor)
    castor.fault = lambda argv: None
    upgrade(castor, "tiny")
    assert contents(castor) == OLD
    assert castor.running
