# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, plan, apply: the one way in which every module works.

The only file of module_utils that imports Ansible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ansible.module_utils.basic import AnsibleModule

from .errors import NotConverged, TwinError
from .host import Host, LocalHost, LocalReader
from .plan import Effect, Plan, Step

Wanted = TypeVar("Wanted")
Current = TypeVar("Current")

ALLOW_DESTROY: dict[str, Any] = {"allow_destroy": {"type": "list", "elements": "str", "default": []}}
PURGE: dict[str, Any] = {"purge": {"type": "bool", "default": False}, "scope": {"type": "str"}}


def local_host(_params: Mapping[str, Any], writable: bool) -> Host:
    """The machine that this code runs on, for `Subject.host`."""
    return LocalHost() if writable else LocalReader()


@dataclass(frozen=True, slots=True)
class Subject(Generic[Wanted, Current]):
    """What a module converges: its options, and the four functions of its technology.

    :param options: the argument_spec.
    :param wanted: options to plain data; refuses bad input, all of it, before anything is read.
    :param read: the only look at the system. In check mode the host has no write half
        (``host.writable`` is false): a missing tool or parent then reads as an empty system.
    :param plan: pure: current and wanted to a plan.
    :param apply: one step to the calls that it stands for; may return measured values (bytes …).
    :param host: the system that the options name, with its write half if it is to be changed: this machine,
        unless the module says otherwise (an API).
    :param narrow: those of the wanted things that a plan touches, which alone are read again after it; all of
        them unless the module says otherwise.
    :param passwords: texts that stand somewhere in the options and must not be shown with them.
    """

    options: Mapping[str, Any]
    wanted: Callable[[Mapping[str, Any]], Wanted]
    read: Callable[[Any, Wanted], Current]
    plan: Callable[[Current, Wanted], Plan]
    apply: Callable[[Any, Step], Mapping[str, Any] | None]
    rules: Mapping[str, Any] = field(default_factory=dict)
    host: Callable[[Mapping[str, Any], bool], Any] = local_host
    narrow: Callable[[Plan, Wanted], Wanted] = lambda _plan, wanted: wanted
    passwords: Callable[[Mapping[str, Any]], Iterable[str]] = lambda _params: ()


@dataclass(slots=True)
class Outcome:
    """What a run did, or would do."""

    plan: Plan
    measured: list[dict[str, Any]] = field(default_factory=list)

    def result(self, *, diff: bool) -> dict[str, Any]:
        """The keys that a module returns."""
        result: dict[str, Any] = {"changed": self.plan.changed, "plan": self.plan.sentences}
        if self.measured:
            result["measured"] = self.measured
        if diff:
            result["diff"] = {"before": dict(self.plan.before), "after": dict(self.plan.after)}
        return result


def reconcile(
    subject: Subject[Any, Any],
    params: Mapping[str, Any],
    reader: Any,
    writer: Any | None = None,
) -> Outcome:
    """Validate, read, plan, guard, apply, read and plan again.

    :param writer: the host with its write half; None only plans (check mode).
    :raises Refused: before anything is touched.
    :raises NotConverged: when a step reported success and changed nothing.
    :raises TwinError: when a step failed; its facts say which steps were done and which are left.
    """
    wanted = subject.wanted(params)
    plan = subject.plan(subject.read(reader, wanted), wanted)
    plan.guard(params.get("allow_destroy") or ())
    outcome = Outcome(plan)
    if writer is None or not plan.changed:
        return outcome
    for index, step in enumerate(plan.due):
        try:
            measured = subject.apply(writer, step)
        except TwinError as error:
            raise _interrupted(error, plan.due, index) from error
        if measured:
            outcome.measured.append({"key": step.key, **measured})
    touched = subject.narrow(plan, wanted)
    _verify(plan, subject.plan(subject.read(writer, touched), touched))
    return outcome


def converge(subject: Subject[Any, Any]) -> None:
    """The body of every module that changes something."""
    module = AnsibleModule(argument_spec=dict(subject.options), supports_check_mode=True, **subject.rules)
    module.no_log_values.update(subject.passwords(module.params))
    try:
        host = subject.host(module.params, not module.check_mode)
        outcome = reconcile(subject, module.params, host, None if module.check_mode else host)
    except TwinError as error:
        _fail(module, error)
    module.exit_json(**outcome.result(diff=module._diff))


def report(
    options: Mapping[str, Any],
    read: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]],
    host: Callable[[Mapping[str, Any], bool], Any] = local_host,
) -> None:
    """The body of every ``_info`` module: what is read is what is returned."""
    module = AnsibleModule(argument_spec=dict(options), supports_check_mode=True)
    try:
        facts = read(host(module.params, False), module.params)
    except TwinError as error:
        _fail(module, error)
    module.exit_json(changed=False, **facts)


def _fail(module: AnsibleModule, error: TwinError) -> None:
    module.fail_json(msg=str(error), **error.facts)


def _interrupted(error: TwinError, steps: tuple[Step, ...], index: int) -> TwinError:
    """The same error, with how far the work had come."""
    done = [step.sentence for step in steps[:index]]
    left = [step.sentence for step in steps[index:]]
    return TwinError(
        steps[index].sentence,
        str(error).rstrip("."),
        f"{len(done)} of {len(steps)} steps are done, another run does the rest",
        **{**error.facts, "done": done, "left": left},
    )


def _verify(plan: Plan, again: Plan) -> None:
    tokens = {(step.key, step.verb): step.token for step in plan.due if step.token is not None}
    left = [
        step.sentence
        for step in again.steps
        if step.effect is not Effect.OWED
        and (step.token is None or tokens.get((step.key, step.verb), step.token) == step.token)
    ]
    if left:
        raise NotConverged(
            "every step reported success",
            f"yet read again the host still needs: {'; '.join(left)}",
            "look at the host, its answer to one of these steps was not the truth",
            left=left,
            plan=plan.sentences,
        )
