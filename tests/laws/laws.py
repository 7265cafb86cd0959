# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laws that every module keeps, as functions over a case.

A case is a module, its options and a system to begin with. The same cases run against hosts in
memory (milliseconds) and against real ones in a lab, which is what keeps the former honest.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host, WritableHost
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, Subject, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._core.plan import Step

MODULES = "ansible_collections.twin.datacenter.plugins.modules"
CANARY = "canary-5f1e0c"


@dataclass(frozen=True)
class Case:
    """One use of a module.

    :param module: its file name under plugins/modules, without the ending.
    :param name: what the case shows, for the test's name.
    :param host: makes a fresh system in the state in which the case begins.
    :param params: the options, complete (no defaults are filled in).
    :param export: what the ``_info`` module returns of a system, as options of this module;
        None where an export is not an input (verbs).
    :param outside: names in the picture of the system that a purge must leave alone.
    """

    module: str
    name: str
    host: Callable[[], WritableHost]
    params: Mapping[str, Any]
    export: Callable[[Host], Mapping[str, Any]] | None = None
    outside: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.module}-{self.name}".replace(" ", "_")

    @property
    def subject(self) -> Subject[Any, Any]:
        """The module's own subject."""
        return importlib.import_module(f"{MODULES}.{self.module}").SUBJECT  # type: ignore[no-any-return]


def reader_of(host: WritableHost) -> Host:
    """The read half of a host, where it has one of its own."""
    make = getattr(host, "reader", None)
    return make() if make else host


def run(case: Case, host: WritableHost, *, check: bool = False) -> Outcome:
    """The module's body, without Ansible around it."""
    return reconcile(case.subject, case.params, reader_of(host), None if check else host)


def picture(case: Case, host: WritableHost) -> Any:
    """The system as the module sees it."""
    return case.subject.read(reader_of(host), case.subject.wanted(case.params))


def plan_after_apply_is_empty(case: Case) -> None:
    """Law 1."""
    host = case.host()
    run(case, host)
    again = run(case, host)
    assert not again.plan.changed or all(step.token is not None for step in again.plan.due), (
        again.plan.sentences
    )


def announced_is_executed(case: Case) -> None:
    """Law 2: the steps announced in check mode are the steps that were applied, in order."""
    host = case.host()
    announced = run(case, host, check=True)
    applied: list[str] = []
    outcome = reconcile(recording(case.subject, applied), case.params, reader_of(host), host)
    assert announced.plan.sentences == outcome.plan.sentences
    assert applied == [step.sentence for step in announced.plan.due]
    assert announced.plan.before == outcome.plan.before
    assert announced.plan.after == outcome.plan.after


def check_mode_writes_nothing(case: Case) -> None:
    """Law 3: the reader in memory fails by itself when it is made to write."""
    host = case.host()
    before = picture(case, host)
    run(case, host, check=True)
    assert picture(case, host) == before
    assert not getattr(host, "changes", None)


def export_then_apply_is_empty(case: Case) -> None:
    """Law 4."""
    if case.export is None:
        return
    host = case.host()
    run(case, host)
    exported = {**case.params, "purge": False, "scope": None, **case.export(reader_of(host))}
    again = reconcile(case.subject, exported, reader_of(host))
    assert not again.plan.changed, again.plan.sentences


def purge_stays_in_scope(case: Case) -> None:
    """Law 5: what lies outside is in no step and no picture."""
    plan = run(case, case.host(), check=True).plan
    touched = {step.key for step in plan.steps} | set(plan.before) | set(plan.after)
    assert not touched & set(case.outside), touched


def order_is_deterministic_and_respects_needs(case: Case) -> None:
    """Law 6."""
    first, second = (run(case, case.host(), check=True).plan for _unused in range(2))
    assert first.steps == second.steps
    last = {step.key: index for index, step in enumerate(first.steps)}
    for index, step in enumerate(first.steps):
        assert all(last[need] < index for need in step.needs if need in last and need != step.key), step


def diff_names_what_is_touched(case: Case) -> None:
    """Law 7."""
    plan = run(case, case.host(), check=True).plan
    keys = {step.key for step in plan.steps}
    assert set(plan.before) == set(plan.after) == keys


def secrets_stay_secret(case: Case) -> None:
    """Law 8: a canary among the options appears in no result, diff or error."""
    host = case.host()
    said = []
    for check in (True, False):
        try:
            said.append(json.dumps(run(case, host, check=check).result(diff=True), default=str))
        except TwinError as error:
            said.append(f"{error} {error.facts}")
    assert not [text for text in said if CANARY in text]
    assert not [call for call in getattr(host, "calls", ()) if CANARY in " ".join(call)]


def interrupted_run_converges(case: Case) -> None:
    """Law 10: stopped after any step, a second run comes to the same end."""
    whole = case.host()
    plan = run(case, whole).plan
    goal = comparable(picture(case, whole))
    for count in range(len(plan.due)):
        host = case.host()
        for step in plan.due[:count]:
            case.subject.apply(host, step)
        run(case, host)
        assert comparable(picture(case, host)) == goal, f"interrupted after {count} steps"


def comparable(read: Any) -> Any:
    """A picture without what differs from run to run (GUIDs, pids): its ``stable()``, if it has one."""
    strip = getattr(read, "stable", None)
    return strip() if strip else read


def recording(subject: Subject[Any, Any], applied: list[str]) -> Subject[Any, Any]:
    """The same subject, which notes the sentence of each step that it applies."""

    def apply(host: WritableHost, step: Step) -> Mapping[str, Any] | None:
        applied.append(step.sentence)
        return subject.apply(host, step)

    return replace(subject, apply=apply)


LAWS: tuple[Callable[[Case], None], ...] = (
    plan_after_apply_is_empty,
    announced_is_executed,
    check_mode_writes_nothing,
    export_then_apply_is_empty,
    purge_stays_in_scope,
    order_is_deterministic_and_respects_needs,
    diff_names_what_is_touched,
    secrets_stay_secret,
    interrupted_run_converges,
)


def all_pairs(cases: list[Case]) -> Iterator[tuple[Callable[[Case], None], Case]]:
    """Every law with every case."""
    for case in cases:
        for law in LAWS:
            yield law, case
