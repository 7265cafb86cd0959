# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits of jails: rules of rctl(8), which live in the kernel and, for the next boot, in /etc/rctl.conf.

Pure. What the kernel refuses is read in sys/kern/kern_rctl.c.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._core.errors import Refused
from .._core.values import parse_size

FILE = "/etc/rctl.conf"
_DENIED = frozenset((
    "datasize", "stacksize", "coredumpsize", "memoryuse", "memorylocked", "maxproc", "openfiles",
    "vmemoryuse", "pseudoterminals", "swapuse", "nthr", "msgqqueued", "msgqsize", "nmsgq", "nsem",
    "nsemop", "nshm", "shmsize", "pcpu",
))  # fmt: skip
_RATES = frozenset({"readbps", "writebps", "readiops", "writeiops"})
_TIMES = frozenset({"cputime", "wallclock"})
_RULE = re.compile(
    r"\s*(?:jail|j):(?P<jail>[^:]+):(?P<resource>[a-z]+):(?P<action>[a-z0-9]+)=(?P<amount>\w+)(?:/jail|/j)?\s*(?:#.*)?"
)


def check_limit(resource: str, value: Any, what: str) -> int | None:
    """A declared limit as a number; None when it is to be removed.

    :raises Refused: when the kernel has no such limit.
    """
    if resource in _TIMES:
        raise Refused(
            f"limit {resource} of {what}", "the kernel cannot deny time that has passed", "leave it out"
        )
    if resource not in _DENIED | _RATES:
        known = ", ".join(sorted(_DENIED | _RATES))
        raise Refused(f"limit {resource} of {what}", "rctl(8) has no such resource", f"use one of {known}")
    return None if value is None else parse_size(value, f"limit {resource} of {what}")


def rule_of(resource: str) -> str:
    """Resource and action of the rule which is the limit: rates are throttled, all else is denied."""
    return f"{resource}:{'throttle' if resource in _RATES else 'deny'}"


def parse_rules(text: str) -> dict[str, dict[str, int]]:
    """The rules of jails, in a listing of rctl(8) or in its file: by jail, then by resource and action.

    Rules of other subjects, and those that count per process or user, are nobody's of ours.
    """
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        match = _RULE.fullmatch(line)
        if match is not None:
            try:
                amount = parse_size(match["amount"])
            except Refused:
                continue
            found.setdefault(match["jail"], {})[f"{match['resource']}:{match['action']}"] = amount
    return found


def edit_rules(text: str, jail: str, rules: Mapping[str, int | None]) -> str:
    """The file with these rules of a jail; None removes one. All other lines stay as they are."""
    left = {rule: amount for rule, amount in rules.items() if amount is not None}
    lines: list[str] = []
    for line in text.splitlines():
        match = _RULE.fullmatch(line)
        rule = f"{match['resource']}:{match['action']}" if match and match["jail"] == jail else ""
        if rule in left:
            lines.append(f"jail:{jail}:{rule}={left.pop(rule)}")
        elif rule not in rules:
            lines.append(line)
    lines += [f"jail:{jail}:{rule}={amount}" for rule, amount in left.items()]
    return "".join(f"{line}\n" for line in lines)


def forget(text: str, jail: str) -> str:
    """The file without the rules of a jail."""
    return edit_rules(text, jail, dict.fromkeys(parse_rules(text).get(jail, {})))
