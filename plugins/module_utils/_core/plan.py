# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans: what would be done, in which order, and what it would do to people.

Pure: no host, no module, no clock.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import Refused


class Effect(enum.StrEnum):
    """What carrying out a step means for what runs on the host."""

    LIVE = "live"
    RESTART = "restart"
    RECREATE = "recreate"
    OWED = "owed"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Hidden:
    """A text that must never be shown."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One change, as a sentence for people and as data for ``host.py``.

    :param key: the thing that is touched, and its key in ``Plan.before`` and ``Plan.after``.
    :param verb: what is done to it; ``host.py`` turns verb and args into calls.
    :param sentence: the same for people. For an impossible step: why, and the way out.
    :param args: what the verb needs, as plain data; a secret only as `Hidden`.
    :param needs: keys whose steps must be carried out first.
    :param destroys: names of what may lose data; each must stand in ``allow_destroy``.
    :param token: for a verb that has no lasting goal (restart, rotate): a value read before it
        (pid, boot time, version) which it must change.
    """

    key: str
    verb: str
    sentence: str
    args: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect = Effect.LIVE
    needs: tuple[str, ...] = ()
    destroys: tuple[str, ...] = ()
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, and what they touch before and after them.

    Made by `make_plan`, which keeps in ``before`` and ``after`` exactly what the steps touch.
    """

    steps: tuple[Step, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """True when any step other than an owed one is to be run."""
        return any(step.effect is not Effect.OWED for step in self.steps)

    @property
    def due(self) -> tuple[Step, ...]:
        """The steps that are run now, in order."""
        return tuple(step for step in self.steps if step.effect is not Effect.OWED)

    @property
    def sentences(self) -> list[str]:
        """The steps for people, in order."""
        return [
            f"{step.sentence} (owed)" if step.effect is Effect.OWED else step.sentence for step in self.steps
        ]

    def guard(self, allow_destroy: Collection[str] = ()) -> None:
        """Refuse what cannot be done, and what may lose data that nobody named.

        :raises Refused: with every blocker at once.
        """
        blockers = [step.sentence for step in self.steps if step.effect is Effect.IMPOSSIBLE]
        if blockers:
            raise Refused("; ".join(blockers), blockers=blockers)
        lost = sorted({name for step in self.steps for name in step.destroys} - set(allow_destroy))
        if lost:
            sentences = [step.sentence for step in self.steps if set(step.destroys) & set(lost)]
            raise Refused(
                "; ".join(sentences),
                f"this may lose the data of {', '.join(lost)}",
                f"name it in allow_destroy ({', '.join(lost)}) if that is meant",
                blockers=sentences,
            )


def make_plan(
    steps: Iterable[Step],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Plan:
    """Order the steps and cut both pictures down to what the steps touch.

    :raises Refused: when needs go round in a circle.
    :raises ValueError: when a step touches a key without showing it.
    """
    ordered = order(tuple(steps))
    keys = sorted({step.key for step in ordered})
    cut_before, cut_after = {}, {}
    for key in keys:
        if before.get(key) == after.get(key) and not _is_verb(ordered, key):
            raise ValueError(f"a step touches {key!r} but its picture does not change")
        cut_before[key], cut_after[key] = _difference(before.get(key), after.get(key))
    return Plan(ordered, cut_before, cut_after)


def join_plans(plans: Iterable[Plan]) -> Plan:
    """Several plans as one; their keys must differ."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for plan in plans:
        steps.extend(plan.steps)
        before.update(plan.before)
        after.update(plan.after)
    return Plan(order(tuple(steps)), before, after)


def order(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Steps so that each comes after those it needs; else as they were given (deterministic).

    Steps with one key keep their order among themselves.

    :raises Refused: when needs go round in a circle.
    """
    by_key: dict[str, list[Step]] = {}
    for step in steps:
        by_key.setdefault(step.key, []).append(step)
    placed: dict[str, bool] = {}
    result: list[Step] = []

    def place(key: str) -> None:
        if placed.get(key):
            return
        if key in placed:
            raise Refused(f"steps of {key}", "what they need needs them", "declare that in two tasks")
        placed[key] = False
        for step in by_key[key]:
            for need in step.needs:
                if need != key and need in by_key:
                    place(need)
        placed[key] = True
        result.extend(by_key[key])

    for key in by_key:
        place(key)
    return tuple(result)


def differing(
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
    same: Callable[[str, Any, Any], bool] = lambda key, left, right: bool(left == right),
) -> dict[str, Any]:
    """Those declared values that the system does not have; what nobody declared is left alone.

    :param same: compares by meaning: ``same(key, wanted value, current value)``.
    """
    return {
        key: value
        for key, value in wanted.items()
        if key not in current or not same(key, value, current[key])
    }


def _is_verb(steps: Sequence[Step], key: str) -> bool:
    return any(
        step.key == key and (step.token is not None or step.effect in (Effect.IMPOSSIBLE, Effect.OWED))
        for step in steps
    )


def _difference(before: Any, after: Any) -> tuple[Any, Any]:
    """Two pictures of one thing, reduced to the keys in which they differ."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return before, after
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return (
        {key: before[key] for key in keys if key in before},
        {key: after[key] for key in keys if key in after},
    )
