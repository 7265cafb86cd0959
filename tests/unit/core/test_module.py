# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, plan, apply: over a small technology of notes, one file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    NotConverged,
    Refused,
    TwinError,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host, Output, WritableHost
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._core.plan import Effect, Plan, Step, make_plan
from tests.doubles.memory import MemoryHost, answered
from tests.laws import laws


class Clerk:
    """A program which writes a note, and lies on demand."""

    commands = ("clerk",)

    def __init__(self, files: dict[str, str]) -> None:
        self.state = files
        self.lies = False

    def call(self, argv: Any, stdin: str) -> Output:
        if not self.lies:
            self.state[argv[1]] = argv[2]
        return answered(argv)


def wanted(params: Mapping[str, Any]) -> dict[str, str]:
    if any("/" in name for name in params["notes"]):
        raise Refused("a note's name", "it holds a slash", "leave it out")
    return dict(params["notes"])


def read(host: Host, notes: dict[str, str]) -> dict[str, str]:
    return {name: host.read(f"/notes/{name}") or "" for name in notes}


def plan(current: dict[str, str], notes: dict[str, str]) -> Plan:
    steps = [
        Step(
            name,
            "write",
            f"write note {name}",
            {"text": text},
            Effect.IMPOSSIBLE if text == "?" else Effect.LIVE,
        )
        for name, text in notes.items()
        if current[name] != text
    ]
    return make_plan(steps, current, notes)


def apply(host: WritableHost, step: Step) -> dict[str, Any]:
    host.change(["clerk", f"/notes/{step.key}", step.args["text"]])
    return {"bytes": len(step.args["text"])}


NOTES: Subject[Any, Any] = Subject({"notes": {"type": "dict"}}, wanted, read, plan, apply)


def desk() -> MemoryHost:
    host = MemoryHost(files={"/notes/a": "old"})
    host.programs = (Clerk(host.files),)
    return host


def go(host: MemoryHost, subject: Subject[Any, Any] = NOTES, **notes: str) -> Any:
    return reconcile(subject, {"notes": notes}, host.reader(), host)


def test_a_run_does_what_it_says() -> None:
    host = desk()
    outcome = go(host, a="new", b="more")
    assert outcome.result(diff=True) == {
        "changed": True,
        "plan": ["write note a", "write note b"],
        "measured": [{"key": "a", "bytes": 3}, {"key": "b", "bytes": 4}],
        "diff": {"before": {"a": "old", "b": ""}, "after": {"a": "new", "b": "more"}},
    }
    assert host.files == {"/notes/a": "new", "/notes/b": "more"}
    assert go(host, a="new", b="more").result(diff=False) == {"changed": False, "plan": []}


def test_bad_input_is_refused_before_anything_is_read() -> None:
    host = desk()
    with pytest.raises(Refused):
        go(host, **{"a": "new", "b/c": "x"})
    assert host.calls == []
    assert host.files == {"/notes/a": "old"}


def test_an_impossible_step_stops_all_others() -> None:
    host = desk()
    with pytest.raises(Refused):
        go(host, a="new", b="?")
    assert host.changes == []


def test_a_step_that_lies_is_found_out() -> None:
    host = desk()
    host.programs[0].lies = True  # type: ignore[attr-defined]
    with pytest.raises(NotConverged, match="write note a") as failure:
        go(host, a="new")
    assert failure.value.facts["left"] == ["write note a"]


def test_a_failure_says_how_far_it_came() -> None:
    host = desk()

    def fault(argv: tuple[str, ...]) -> Output | None:
        if argv[1].endswith("b"):
            raise CommandFailed("clerk failed", "it answered 'no ink' with exit code 1", rc=1)
        return None

    host.fault = fault
    with pytest.raises(TwinError, match="1 of 3 steps are done") as failure:
        go(host, a="new", b="x", c="y")
    assert failure.value.facts["done"] == ["write note a"]
    assert failure.value.facts["left"] == ["write note b", "write note c"]
    assert failure.value.facts["rc"] == 1
    assert "no ink" in str(failure.value)


def test_a_verb_must_change_its_token() -> None:
    def ring(current: dict[str, str], notes: dict[str, str]) -> Plan:
        return make_plan([Step("a", "ring", "ring a", {"text": "rung"}, token=current["a"])], {}, {})

    host = desk()
    assert go(host, replace(NOTES, plan=ring), a="").plan.changed
    host.programs[0].lies = True  # type: ignore[attr-defined]
    with pytest.raises(NotConverged):
        go(host, replace(NOTES, plan=ring), a="")


CASE = laws.Case(
    module="-",
    name="notes",
    host=desk,
    params={"notes": {"a": "new", "b": "x"}},
    export=lambda host: {"notes": {"a": host.read("/notes/a"), "b": host.read("/notes/b")}},
)


class NotesCase(laws.Case):
    subject = NOTES  # type: ignore[assignment]


@pytest.mark.parametrize("law", laws.LAWS)
def test_the_laws_hold_for_notes(law: Any) -> None:
    law(NotesCase(**{name: getattr(CASE, name) for name in ("module", "name", "host", "params", "export")}))


def broken(**changes: Any) -> laws.Case:
    class Broken(laws.Case):
        subject = replace(NOTES, **changes)  # type: ignore[assignment]

    return Broken("-", "broken", desk, {"notes": {"a": "new", "b": "x"}}, CASE.export, ("b",))


def touching_read(host: Host, notes: dict[str, str]) -> dict[str, str]:
    host.run(["clerk", "/notes/seen", "yes"])
    return read(host, notes)


def leaking(current: dict[str, str], notes: dict[str, str]) -> Plan:
    steps = plan(current, notes).steps
    return Plan(
        tuple(replace(each, sentence=f"{each.sentence} {laws.CANARY}") for each in steps), {"z": 1}, {"z": 2}
    )


def forgetful(host: WritableHost, step: Step) -> None:
    if step.key != "b":
        apply(host, step)


@pytest.mark.parametrize(
    ("law", "case"),
    [
        (laws.plan_after_apply_is_empty, broken(apply=forgetful)),
        (laws.check_mode_writes_nothing, broken(read=touching_read)),
        (laws.purge_stays_in_scope, broken()),
        (laws.diff_names_what_is_touched, broken(plan=leaking)),
        (laws.secrets_stay_secret, broken(plan=leaking)),
        (laws.interrupted_run_converges, broken(apply=forgetful)),
    ],
)
def test_the_laws_find_what_is_broken(law: Any, case: laws.Case) -> None:
    with pytest.raises((AssertionError, NotConverged)):
        law(case)
