# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, and how it is shown. Pure."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One comparison: a median of ours beside a median of another way, or beside a budget.

    goal: ">= N", then the ratio is other/ours, or "<= N", then it is ours/other.
    """

    name: str
    ours: float
    other: float
    unit: str
    goal: str

    @property
    def ratio(self) -> float:
        above, below = (self.other, self.ours) if self.goal.startswith(">=") else (self.ours, self.other)
        return above / below

    @property
    def met(self) -> bool:
        sign, _blank, bound = self.goal.partition(" ")
        return bool({">=": operator.ge, "<=": operator.le}[sign](self.ratio, float(bound)))

    def plain(self) -> dict[str, Any]:
        """The figure as build/bench.json has it."""
        return {
            "name": self.name,
            "ours": round(self.ours, 4),
            "other": round(self.other, 4),
            "unit": self.unit,
            "ratio": round(self.ratio, 3),
            "goal": self.goal,
        }


def table(figures: Iterable[Figure], rounds: int) -> list[str]:
    """The figures for people, as lines of a Markdown table."""
    rows: list[tuple[str, ...]] = [(f"median of {rounds}", "ours", "other", "unit", "ratio", "goal", "met")]
    for each in figures:
        numbers = [_short(number) for number in (each.ours, each.other, each.ratio)]
        rows.append((each.name, *numbers[:2], each.unit, numbers[2], each.goal, "yes" if each.met else "NO"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *body = (_line(row, widths) for row in rows)
    return [head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *body]


def replaced(page: str, lines: Iterable[str]) -> str:
    """A page in Markdown with these lines in place of its first table."""
    old = page.splitlines()
    start = next(number for number, line in enumerate(old) if line.startswith("|"))
    end = next((number for number in range(start, len(old)) if not old[number].startswith("|")), len(old))
    return "\n".join([*old[:start], *lines, *old[end:], ""])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
