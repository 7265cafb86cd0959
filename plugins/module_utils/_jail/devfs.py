# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What jails see of /dev: rulesets of devfs(8), by name in /etc/devfs.rules, by number in the kernel.

Pure. A ruleset that is not loaded is an empty one, which hides nothing: a jail with it sees every
device of the server.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence

FILE = "/etc/devfs.rules"
DEFAULT, VNET = 4, 5
"""Rulesets of /etc/defaults/devfs.rules: what a jail needs; the same and pf."""
_FIRST, _LAST = 100, 65535
_HEAD = re.compile(r"\s*\[(?P<name>[^=\]]+)=(?P<number>\d+)\]\s*(#.*)?")


def name_of(jail: str) -> str:
    """The name of a jail's own ruleset; a shell variable of rc.d/devfs bears it."""
    return f"twin_{re.sub('[^A-Za-z0-9_]', '_', jail)}"


def number_of(values: Sequence[str]) -> int:
    """The ruleset which a jail with this ``devfs_ruleset`` gets; without one it is the usual."""
    number = values[-1] if values else ""
    return (int(number) if number.isdigit() else 0) or DEFAULT


def rules_of(declared: Sequence[str], vnet: bool) -> tuple[str, ...]:
    """The rules of a jail's own ruleset: those of every jail, then those declared."""
    return (f"include {VNET if vnet else DEFAULT}", *declared)


def parse(text: str) -> dict[str, tuple[int, tuple[str, ...]]]:
    """The rulesets of the file: number and rules by name."""
    found = {}
    for head, body in _sections(text):
        if match := _HEAD.fullmatch(head):
            rules = [" ".join(line.split()[1:]) for line in body if line.split()[:1] == ["add"]]
            found[match["name"]] = int(match["number"]), tuple(rule.replace("'", "") for rule in rules)
    return found


def choose(taken: Collection[int]) -> int:
    """The first free number.

    :raises StopIteration: never: there are 65 000.
    """
    return next(number for number in range(_FIRST, _LAST) if number not in taken)


def edit(text: str, jail: str, number: int, rules: Sequence[str]) -> str:
    """The file with this ruleset for a jail; no rules remove it. All else stays as it is."""
    kept: list[str] = []
    for head, body in _sections(text):
        match = _HEAD.fullmatch(head)
        if not (match and match["name"] == name_of(jail)):
            kept += [head] * bool(head) + body
    if rules:
        kept += [f"[{name_of(jail)}={number}]", *(f"add {_quoted(rule)}" for rule in rules)]
    return "".join(f"{line}\n" for line in kept)


def _quoted(rule: str) -> str:
    """A rule as rc.d/devfs reads it, which leaves it to a shell: a pattern must not meet files there."""
    return shlex.join(rule.split())


def _sections(text: str) -> list[tuple[str, list[str]]]:
    """The lines of the file, by the heading above them; the first have none."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        if _HEAD.fullmatch(line):
            sections.append((line, []))
        else:
            sections[-1][1].append(line)
    return sections
