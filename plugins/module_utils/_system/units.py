# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units of systemd and services of rc(8): whether they start at boot and whether they run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, differing, make_plan
from .._core.values import doubles

# systemctl(1), is-enabled: with these the unit starts at boot, or when it is asked for, without more ado.
ENABLED = frozenset({"enabled", "alias", "static", "generated", "indirect"})
ACTIVE = frozenset({"active", "reloading", "activating"})


@dataclass(frozen=True, slots=True)
class Unit:
    """What is wanted; None leaves it alone."""

    name: str
    enabled: bool | None = None
    active: bool | None = None

    @property
    def declared(self) -> dict[str, bool]:
        both = {"enabled": self.enabled, "active": self.active}
        return {key: value for key, value in both.items() if value is not None}


Units: TypeAlias = "Mapping[str, Mapping[str, bool] | None]"
"""Per name ``enabled`` and ``active``, as far as they are asked for; None for a unit that does not exist."""


def parse_units(items: Iterable[Mapping[str, Any]]) -> tuple[Unit, ...]:
    """The options of module ``units``.

    :raises Refused: for a name listed twice.
    """
    units = tuple(Unit(item["name"], item.get("enabled"), item.get("active")) for item in items)
    twice = doubles(unit.name for unit in units)
    if twice:
        raise Refused(f"units {', '.join(twice)}", "listed more than once", "describe each unit in one item")
    return units


def demand_types(units: Iterable[Unit]) -> None:
    """See that each name has its type, as systemd wants it.

    :raises Refused: for one without.
    """
    bare = [unit.name for unit in units if "." not in unit.name]
    if bare:
        raise Refused(
            f"units {', '.join(bare)}", "the type is missing", f"write {bare[0]}.service or the like"
        )


def parse_show(text: str) -> dict[str, dict[str, bool] | None]:
    """``systemctl show --property=Names,LoadState,UnitFileState,ActiveState`` of several units."""
    units: dict[str, dict[str, bool] | None] = {}
    for paragraph in text.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        exists = values.get("LoadState") != "not-found"
        state = {
            "enabled": values.get("UnitFileState") in ENABLED,
            "active": values.get("ActiveState") in ACTIVE,
        }
        for name in values.get("Names", "").split():
            units[name] = state if exists else None
    return units


def plan_units(current: Units, wanted: tuple[Unit, ...]) -> Plan:
    """Enable before start, stop before disable."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for unit in wanted:
        found = current.get(unit.name)
        if found is None:
            if any(unit.declared.values()):
                sentence = f"unit {unit.name}: the host knows no such unit; install what brings it"
                steps.append(Step(unit.name, "refuse", sentence, effect=Effect.IMPOSSIBLE))
            continue
        differ = differing(unit.declared, found)
        verbs = []
        if "enabled" in differ:
            verbs.append("enable" if differ["enabled"] else "disable")
        if "active" in differ:
            verbs.insert(0 if not differ["active"] else len(verbs), "start" if differ["active"] else "stop")
        steps += [Step(unit.name, verb, f"{verb} {unit.name}") for verb in verbs]
        before[unit.name], after[unit.name] = dict(found), {**found, **differ}
    return make_plan(steps, before, after)
