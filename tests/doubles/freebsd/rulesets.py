# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulesets of devfs(8) that a host has from its start.

Rests on sbin/devfs/devfs.rules of 14. Believed, not verified: which releases have a ruleset 5 that repeats
the includes of 4; before that it included 4 alone, and so hid nothing.
"""

from __future__ import annotations

BASIC = ("null", "zero", "crypto", "random", "urandom")
LOGIN = (
    *(f"{kind}ty{letter}*" for kind in "pt" for letter in "pqrsPQRSlmnoLMNO"),
    "ptmx", "pts", "pts/*", "fd", "fd/*", "stdin", "stdout", "stderr",
)  # fmt: skip


def numbered(*rules: str) -> list[str]:
    """Rules as ``devfs rule show`` prints them."""
    return [f"{place}00 {rule}" for place, rule in enumerate(rules, 1)]


DEFAULTS: dict[int, list[str]] = {
    1: numbered("hide"),
    2: numbered(*(f"path {name} unhide" for name in BASIC)),
    3: numbered(*(f"path {name} unhide" for name in LOGIN)),
    4: numbered("include 1", "include 2", "include 3", "path fuse unhide", "path zfs unhide"),
    5: numbered("include 1", "include 2", "include 3", "include 4", "path pf unhide"),
}
"""By number of the set."""

NAMES = {
    "devfsrules_hide_all": 1,
    "devfsrules_unhide_basic": 2,
    "devfsrules_unhide_login": 3,
    "devfsrules_jail": 4,
    "devfsrules_jail_vnet": 5,
}
