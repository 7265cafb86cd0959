# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several kinds of resources in one module: each has its own path, and an item tells which it is of. Pure.

Only kinds that occur are read, so that no rights are needed for others; of none listed, the first is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from .._core.errors import Refused
from .._core.plan import Plan, join_plans
from . import resource as engine
from . import table as tables
from .resource import Current, Resource

Kinds: TypeAlias = "Mapping[str, Resource]"
"""Resources by their nouns; no noun may begin another."""


def by_noun(*resources: Resource) -> Kinds:
    """Those kinds."""
    return {resource.noun: resource for resource in resources}


def kind_of(kinds: Kinds, key: str) -> Resource:
    """Which one the key of a step is of."""
    return next(resource for noun, resource in kinds.items() if key.startswith(f"{noun} "))


def parse_wanted(
    kinds: Kinds, items: Iterable[tuple[str, Mapping[str, Any]]], params: Mapping[str, Any]
) -> dict[str, engine.Wanted]:
    """What is declared, by noun.

    :param items: each as `resource.parse_wanted` takes it, with the noun of its kind before it.
    :raises Refused: with every fault at once.
    """
    sorted_out: dict[str, list[Mapping[str, Any]]] = {}
    for noun, item in items:
        sorted_out.setdefault(noun, []).append(item)
    wanted, faults = {}, []
    for noun, listed in (sorted_out or {next(iter(kinds)): []}).items():
        try:
            wanted[noun] = engine.parse_wanted(kinds[noun], listed, params)
        except Refused as fault:
            faults.append(fault)
    tables.refuse(faults)
    return wanted


def make(kinds: Kinds, current: Mapping[str, Current], wanted: Mapping[str, engine.Wanted]) -> Plan:
    """The plan of each kind, one after the other."""
    return join_plans(engine.make(kinds[noun], current[noun], wanted[noun]) for noun in wanted)
