# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts of parity, and two servers compared by them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused

WEIGHTS: Mapping[str, int] = {"blocker": 100, "warning": 10, "note": 1}
"""What a difference costs: a blocker keeps machines from moving, a note is good to know."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing in which servers may differ.

    :param key: what it is, in a few words ("package lxc", "image debian-13").
    :param value: plain data; None where the server has no such thing. A list is a set.
    :param weight: of a difference: ``blocker``, ``warning`` or ``note``.
    """

    key: str
    value: Any
    weight: str

    def plain(self) -> dict[str, Any]:
        """The fact as a module returns it."""
        return {"key": self.key, "value": self.value, "weight": self.weight}


def parse_facts(items: Iterable[Mapping[str, Any]]) -> dict[str, Fact]:
    """Facts by their keys, from what a module returned.

    :raises Refused: for a weight that is none.
    """
    facts = {item["key"]: Fact(item["key"], item["value"], item["weight"]) for item in items}
    wrong = sorted({fact.weight for fact in facts.values()} - set(WEIGHTS))
    if wrong:
        raise Refused(f"weight {', '.join(wrong)}", "is none", f"use {', '.join(WEIGHTS)}")
    return facts


def compare(
    servers: Mapping[str, Iterable[Mapping[str, Any]]], accepted: Collection[str] = ()
) -> dict[str, Any]:
    """The report: what differs between two servers, the gravest first.

    A difference whose key is accepted weighs no more than a note.

    :param servers: facts by the name of the server.
    :raises Refused: when there are not two of them.
    """
    if len(servers) != 2:
        raise Refused("parity", f"{len(servers)} servers are no pair", "give the facts of two servers")
    sides = {name: parse_facts(items) for name, items in servers.items()}
    keys = dict.fromkeys(key for facts in sides.values() for key in facts)
    differences = [found for key in keys if (found := _difference(key, sides, accepted))]
    differences.sort(key=lambda found: -WEIGHTS[found["weight"]])
    report: dict[str, Any] = {
        "servers": list(servers),
        "compared": len(keys),
        "score": sum(WEIGHTS[found["weight"]] for found in differences),
        "alike": not any(found["weight"] == "blocker" for found in differences),
        "differences": differences,
    }
    report["table"] = _table(report)
    return report


def _difference(
    key: str, sides: Mapping[str, Mapping[str, Fact]], accepted: Collection[str]
) -> dict[str, Any] | None:
    facts = [facts.get(key) for facts in sides.values()]
    values = [_set(fact.value) if fact else None for fact in facts]
    if values[0] == values[1]:
        return None
    weight = max((fact.weight for fact in facts if fact), key=lambda name: WEIGHTS[name])
    one, other = values
    if isinstance(one, list) and isinstance(other, list):
        # Of long sets only what one side has and the other has not.
        values = [[item for item in one if item not in other], [item for item in other if item not in one]]
    return {
        "key": key,
        "weight": "note" if key in accepted else weight,
        "accepted": key in accepted,
        "values": dict(zip(sides, values, strict=True)),
    }


def _set(value: Any) -> Any:
    return sorted(set(value)) if isinstance(value, list | tuple) else value


def _table(report: Mapping[str, Any]) -> list[str]:
    """The report for people, line by line."""
    names = report["servers"]
    if not report["differences"]:
        return [f"{' and '.join(names)} are alike in all of {report['compared']} things."]
    rows = [["weight", "what", *names]]
    for found in report["differences"]:
        weight = f"{found['weight']}{' (accepted)' if found['accepted'] else ''}"
        rows.append([weight, found["key"], *(_cell(found["values"][name]) for name in names)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return (" ".join(map(str, value)) or "nothing more") if isinstance(value, list) else str(value)
