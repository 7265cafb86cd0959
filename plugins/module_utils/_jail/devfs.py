# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What jails see of /dev: rulesets of devfs(8), by name in /etc/devfs.rules, by number in the kernel.

Pure. A ruleset that is not loaded is an empty one, which hides nothing: a jail with it sees every
device of the server. The source of facts is sys/fs/devfs/devfs_rule.c: what a ruleset includes is run, but
what that includes is not (vfs.devfs.rule_depth is 1), so that one which includes the jails' ruleset alone
hides nothing either.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

FILE = "/etc/devfs.rules"
DEFAULT, VNET = 4, 5
"""Rulesets of /etc/defaults/devfs.rules: what a jail needs; the same and pf."""
_BASE = (1, 2, 3, DEFAULT)
"""Rulesets that together are the usual one: hide all, show what everybody needs, and terminals."""
LISTING = (
    "sysctl -n vfs.devfs.rule_depth; "
    'for set in $(devfs rule showsets); do echo "[$set]"; devfs rule -s $set show; done'
)
"""What tells a shell to list all that is loaded."""
_DANGEROUS = ("mem", "kmem", "io", "geom.ctl")
"""With one of these a jail has its host; a ruleset that hides none of them hides nothing."""
_FIRST, _LAST = 100, 65535
_RULE = re.compile(r"\d+(?P<type>(?: type \S+)*)(?: path (?P<path>\S+))?(?P<acts>.*)")
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
    sets = (*_BASE, VNET) if vnet else _BASE
    return (*(f"include {number}" for number in sets), *declared)


def parse(text: str) -> dict[str, tuple[int, tuple[str, ...]]]:
    """The rulesets of the file: number and rules by name."""
    found = {}
    for head, body in _sections(text):
        if match := _HEAD.fullmatch(head):
            rules = [" ".join(line.split()[1:]) for line in body if line.split()[:1] == ["add"]]
            found[match["name"]] = int(match["number"]), tuple(rule.replace("'", "") for rule in rules)
    return found


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rulesets that the kernel has.

    :param rules: by number, as devfs(8) shows them: ``100 path bpf* unhide``.
    :param depth: how deep it follows what a ruleset includes.
    """

    rules: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    depth: int = 1

    @classmethod
    def parse(cls, listing: str) -> Loaded:
        """What `LISTING` lists."""
        head, *parts = re.split(r"^\[(\d+)\]\n", listing, flags=re.MULTILINE)
        rules = {
            int(number): tuple(text.splitlines())
            for number, text in zip(parts[::2], parts[1::2], strict=True)
        }
        return cls(rules, int(head) if head.strip().isdigit() else 1)

    def hides(self, number: int, node: str) -> bool:
        """Whether a ruleset surely hides a node; a rule about a type of devices may speak of each."""
        return self._seen(number, node, {True}, self.depth) == {False}

    def hides_nothing(self, number: int) -> bool:
        """Whether a jail with this ruleset sees what nobody but the host may see."""
        return not any(self.hides(number, node) for node in _DANGEROUS)

    def _seen(self, number: int, node: str, seen: set[bool], depth: int) -> set[bool]:
        """Whether a node may be seen, and may not, after the rules of a set."""
        for rule in self.rules.get(number, ()):
            said = _RULE.fullmatch(rule)
            if said is None or not fnmatchcase(node, said["path"] or "*"):
                continue
            acts = said["acts"].split()
            for word, visible in (("hide", False), ("unhide", True)):
                if word in acts:
                    seen = {visible} | (seen if said["type"] else set())
            if "include" in acts and depth:
                seen = self._seen(int(acts[acts.index("include") + 1]), node, seen, depth - 1)
        return seen


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
