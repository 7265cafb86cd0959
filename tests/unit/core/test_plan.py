# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: order, guard and diff."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.plan import (
    Effect,
    Step,
    differing,
    join_plans,
    make_plan,
    order,
)


def step(key: str, *needs: str, verb: str = "set", **more: object) -> Step:
    return Step(key, verb, f"{verb} {key}", needs=needs, **more)  # type: ignore[arg-type]


def test_a_step_comes_after_those_it_needs() -> None:
    ordered = order([step("tank/a/b", "tank/a"), step("tank/a", "tank"), step("tank")])
    assert [each.key for each in ordered] == ["tank", "tank/a", "tank/a/b"]


def test_steps_of_one_key_keep_their_order() -> None:
    ordered = order([step("b", "a", verb="stop"), step("a"), step("b", verb="start")])
    assert [(each.key, each.verb) for each in ordered] == [("a", "set"), ("b", "stop"), ("b", "start")]


def test_a_circle_of_needs_is_refused() -> None:
    with pytest.raises(Refused, match="steps of .: what they need needs them; declare that in two tasks"):
        order([step("a", "b"), step("b", "a")])


@given(st.lists(st.tuples(st.integers(0, 9), st.sets(st.integers(0, 9))), max_size=12))
def test_order_keeps_all_steps_and_all_needs(raw: list[tuple[int, set[int]]]) -> None:
    # Needs point to smaller numbers only, so there is no circle.
    steps = [step(str(key), *(str(need) for need in sorted(needs) if need < key)) for key, needs in raw]
    ordered = order(steps)
    assert sorted(map(id, ordered)) == sorted(map(id, steps))
    assert ordered == order(steps)
    last = {each.key: index for index, each in enumerate(ordered)}
    first = {each.key: index for index, each in reversed(list(enumerate(ordered)))}
    for each in ordered:
        assert all(last[need] < first[each.key] for need in each.needs if need in last)


def test_the_diff_shows_what_is_touched_and_nothing_else() -> None:
    plan = make_plan(
        [step("a")],
        {"a": {"quota": 1, "atime": True}, "b": {"quota": 5}},
        {"a": {"quota": 2, "atime": True}, "b": {"quota": 5}},
    )
    assert plan.before == {"a": {"quota": 1}}
    assert plan.after == {"a": {"quota": 2}}


def test_what_appears_and_what_goes_is_shown_whole() -> None:
    plan = make_plan([step("new"), step("old")], {"old": {"x": 1}}, {"new": {"y": 2}})
    assert plan.before == {"new": None, "old": {"x": 1}}
    assert plan.after == {"new": {"y": 2}, "old": None}


def test_a_step_that_changes_nothing_is_a_defect_of_the_planner() -> None:
    with pytest.raises(ValueError, match="picture does not change"):
        make_plan([step("a")], {"a": 1}, {"a": 1})


def test_an_owed_step_is_announced_and_is_no_change() -> None:
    plan = make_plan([step("a", effect=Effect.OWED)], {"a": 1}, {"a": 2})
    assert not plan.changed
    assert plan.due == ()
    assert plan.sentences == ["set a (owed)"]


def test_an_impossible_step_is_refused_with_all_others() -> None:
    plan = make_plan(
        [step("a", effect=Effect.IMPOSSIBLE), step("b"), step("c", effect=Effect.IMPOSSIBLE)],
        {"b": 1}, {"b": 2},
    )  # fmt: skip
    with pytest.raises(Refused, match="set a; set c"):
        plan.guard()


def test_destruction_must_be_named() -> None:
    plan = make_plan([step("a", verb="destroy", destroys=("a", "a/b"))], {"a": 1}, {})
    with pytest.raises(Refused, match=r"may lose the data of a/b; name it in allow_destroy") as refusal:
        plan.guard(["a"])
    assert refusal.value.facts["blockers"] == ["destroy a"]
    plan.guard(["a/b", "a"])


def test_joined_plans_are_one() -> None:
    plan = join_plans([make_plan([step("b", "a")], {}, {"b": 1}), make_plan([step("a")], {}, {"a": 1})])
    assert [each.key for each in plan.steps] == ["a", "b"]
    assert plan.after == {"a": 1, "b": 1}


def test_only_declared_values_differ_and_only_by_meaning() -> None:
    assert differing({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 9, "z": 0}) == {"b": 2, "c": 3}
    assert differing({"a": "ON"}, {"a": "on"}, lambda key, left, right: left.lower() == right) == {}
