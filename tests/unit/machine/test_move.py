# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single decisions of the move; their play together is proved in test_move_model.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.journal import (
    Journal,
    Owner,
    Round,
    Stage,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.move import (
    SMALL,
    Done,
    Relay,
    Side,
    Step,
    Stuck,
    Verb,
    may_start,
    next_step,
    settled,
    side_data,
    side_of,
)

JOURNAL = Journal("t", "ssa", "castor", "pollux", 3, "{}", True, Stage.FINAL, 1.0, final="twin-1")
TREES = {"twin-1": ("=1", "/root=2")}
MINE, HIS = Owner("castor", 3), Owner("pollux", 4)
CASTOR = Side("castor", JOURNAL, MINE, running=False, replica=False, trees=TREES)
POLLUX = Side("pollux", JOURNAL, None, running=False, replica=True, trees=TREES)


def verb(here: Side, there: Side | None, trouble: str | None = None) -> Verb:
    decision = next_step(here, there, trouble)
    assert isinstance(decision, Step), decision
    return decision.verb


def test_equal_trees_are_handed_over() -> None:
    assert verb(CASTOR, POLLUX) is Verb.COMMIT


@pytest.mark.parametrize("trees", [{}, {"twin-1": ("=1", "/root=9")}, {"twin-0": ("=1", "/root=2")}])
def test_unequal_trees_are_not(trees: dict[str, tuple[str, ...]]) -> None:
    assert verb(CASTOR, replace(POLLUX, trees=trees)) is Verb.BACK


def test_a_snapshot_that_the_source_has_lost_is_no_agreement() -> None:
    assert verb(replace(CASTOR, trees={}), replace(POLLUX, trees={})) is Verb.BACK


def test_trouble_before_the_commit_turns_back_and_names_the_reason() -> None:
    step = next_step(CASTOR, POLLUX, "pool is full")
    assert isinstance(step, Step)
    assert (step.verb, step.reason) == (Verb.BACK, "pool is full")


def test_trouble_after_the_commit_does_not() -> None:
    assert verb(replace(CASTOR, owner=HIS), POLLUX, "the connection broke") is Verb.CLAIM


def test_after_the_commit_whatever_runs_on_the_source_is_stopped_first() -> None:
    assert verb(replace(CASTOR, owner=HIS, running=True), POLLUX) is Verb.STOP


def test_a_claim_tells_of_the_commit_even_when_the_source_has_lost_its_owner() -> None:
    assert verb(replace(CASTOR, owner=None), replace(POLLUX, owner=HIS)) is Verb.START


def test_a_start_that_was_not_seen_to_its_end_is_looked_at_again() -> None:
    there = replace(POLLUX, owner=HIS, running=True, replica=False)
    here = replace(CASTOR, owner=HIS)
    assert verb(here, there) is Verb.START
    measured = replace(JOURNAL, downtime=2.0)
    assert verb(replace(here, journal=measured), there) is Verb.RETIRE


def test_another_owner_than_at_the_beginning_stops_everything() -> None:
    decision = next_step(replace(CASTOR, owner=Owner("castor", 7)), POLLUX)
    assert isinstance(decision, Stuck)
    assert "with epoch 3, but its twin:owner says castor 7" in decision.sentence


def test_a_move_that_the_source_has_closed_is_closed_on_the_target() -> None:
    here = replace(CASTOR, journal=replace(JOURNAL, stage=Stage.UNDONE))
    there = replace(POLLUX, journal=replace(JOURNAL, stage=Stage.SEED))
    step = next_step(here, there)
    assert isinstance(step, Step)
    assert (step.verb, step.stage) == (Verb.CLOSE_TARGET, Stage.UNDONE)


def test_an_older_move_of_the_target_is_closed_when_the_source_knows_it_no_more() -> None:
    there = replace(POLLUX, journal=replace(JOURNAL, token="older", stage=Stage.SEED))
    assert verb(replace(CASTOR, journal=None), there) is Verb.CLOSE_TARGET


def test_the_target_lets_the_source_drive() -> None:
    assert next_step(POLLUX, CASTOR) == Relay("castor")


def test_the_target_alone_waits_for_what_it_has_not_claimed() -> None:
    decision = next_step(POLLUX, None)
    assert isinstance(decision, Stuck)
    assert "must not be started here" in decision.sentence


def test_the_target_alone_starts_what_it_has_claimed() -> None:
    here = replace(POLLUX, owner=HIS)
    assert verb(here, None) is Verb.START
    started = replace(here, journal=replace(JOURNAL, downtime=0.0), replica=False)
    for running in (True, False):
        # Who has stopped it since then has a reason.
        decision = next_step(replace(started, running=running), None)
        assert isinstance(decision, Stuck)
        assert not decision.passing


@pytest.mark.parametrize("owner", [None, MINE])
def test_an_old_copy_that_does_not_know_its_owner_is_no_replica_yet(owner: Owner | None) -> None:
    ended = replace(JOURNAL, downtime=0.0)
    here = replace(CASTOR, journal=ended, owner=owner, replica=True)
    assert verb(here, replace(POLLUX, journal=ended, owner=HIS, running=True, replica=False)) is Verb.RETIRE


def test_nothing_known_is_nothing_to_do() -> None:
    assert isinstance(next_step(replace(CASTOR, journal=None), None), Done)


def test_a_machine_that_did_not_run_is_only_defined() -> None:
    resting = replace(JOURNAL, running=False)
    here = replace(CASTOR, journal=resting, owner=HIS)
    step = next_step(here, replace(POLLUX, journal=resting, owner=HIS))
    assert isinstance(step, Step)
    assert step.sentence == "define ssa on pollux"
    assert verb(here, replace(POLLUX, journal=resting, owner=HIS, replica=False)) is Verb.RETIRE


@pytest.mark.parametrize(
    ("sizes", "enough"),
    [
        ([], False),
        ([SMALL], True),
        ([SMALL * 9], False),
        ([SMALL * 9, SMALL * 4, SMALL * 2], False),
        ([SMALL * 9, SMALL * 8, SMALL * 8, SMALL * 8], True),
        ([SMALL * 9, SMALL * 3, SMALL * 3, SMALL * 3], False),
        ([SMALL * 9, SMALL * 3, SMALL * 3, SMALL * 3, SMALL * 3], True),
    ],
)
def test_rounds_end_when_they_are_small_or_shrink_no_more(sizes: list[int], enough: bool) -> None:
    assert settled([Round("s", size, 1.0) for size in sizes]) is enough


@given(st.lists(st.integers(0, 2**40), min_size=12, max_size=20))
def test_rounds_end(sizes: list[int]) -> None:
    assert settled([Round("s", size, 1.0) for size in sizes])


@pytest.mark.parametrize(
    ("owner", "journal", "reason"),
    [
        (None, None, "belongs to no server"),
        (HIS, None, "belongs to pollux"),
        (MINE, JOURNAL, "is being moved to pollux"),
    ],
)
def test_the_hook_refuses(owner: Owner | None, journal: Journal | None, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        may_start("castor", owner, journal, "ssa")


@pytest.mark.parametrize("stage", [Stage.SEED, Stage.BACK, Stage.DONE, Stage.UNDONE])
def test_the_hook_lets_the_owner_start(stage: Stage) -> None:
    may_start("castor", MINE, replace(JOURNAL, stage=stage), "ssa")
    may_start("castor", Owner("castor", 5), JOURNAL, "ssa")
    may_start("castor", MINE, None, "ssa")


@pytest.mark.parametrize("side", [CASTOR, POLLUX, Side("castor")])
def test_a_side_travels_whole(side: Side) -> None:
    assert side_of(side_data(side)) == side
