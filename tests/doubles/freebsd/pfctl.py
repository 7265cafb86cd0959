# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pfctl(8): the rules of the packet filter and of its anchors, as they were written.

Rests on sbin/pfctl/pfctl.c. Rules are not parsed; a line whose first word begins no rule is refused.
Its lie: rules of an anchor are loaded whether or not any rule of the main set calls that anchor.
"""

from __future__ import annotations

import re

from .answers import Refusal, options, program
from .world import World

TRANSLATING = ("nat", "rdr", "binat", "no")
FILTERING = ("pass", "block", "match", "anchor", "scrub", "antispoof")
KINDS = {"nat": TRANSLATING, "rules": FILTERING, "n": TRANSLATING, "r": FILTERING}
OTHERS = ("set", "table", "nat-anchor", "rdr-anchor", "binat-anchor", "load")


def pfctl(world: World, args: list[str], stdin: str) -> str:
    """``pfctl [-a ANCHOR] [-de] [-n] [-f FILE] [-F WHAT] [-s WHAT]``."""
    given, _macros = options(args, "a:def:F:hk:mnNOo:Pp:qRrs:T:t:vx:z")
    if "pf" not in world.kernel.modules:
        raise Refusal("/dev/pf: No such file or directory")
    anchor = given.get("a", "")
    if "f" in given:
        load(world, anchor, given["f"], stdin, pretend="n" in given)
    if "F" in given:
        flush(world, anchor, given["F"])
        return ""
    if "s" in given:
        return show(world, anchor, given["s"])
    if "e" in given or "d" in given:
        switch(world, on="e" in given, quiet="q" in given)
    return ""


def switch(world: World, *, on: bool, quiet: bool) -> None:
    """``-e`` and ``-d``, which speak on standard error."""
    word = "enabled" if on else "disabled"
    if world.kernel.firewall == on:
        raise Refusal(f"pf {'already enabled' if on else 'not enabled'}")
    world.kernel.firewall = on
    raise Refusal("" if quiet else f"pf {word}", 0, plain=True)


def load(world: World, anchor: str, file: str, stdin: str, *, pretend: bool) -> None:
    """``-f``: the rules of a file take the place of those of the anchor."""
    text = stdin if file == "-" else world.files.read(world.rooted(file))
    if text is None:
        none = "No such file or directory"
        raise Refusal(f"{file}: {none}\npfctl: cannot open the main config file!: {none}")
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines, 1):
        word = line.partition(" ")[0]
        plain = re.match(r"#|\w+\s*=|$", line)
        if not plain and word not in (*TRANSLATING, *FILTERING, *OTHERS):
            shown = "stdin" if file == "-" else file
            raise Refusal(
                f"{shown}:{number}: syntax error\npfctl: Syntax error in config file: pf rules not loaded",
                plain=True,
            )
    if not pretend:
        world.kernel.anchors[anchor] = [line for line in lines if line and line[0] != "#"]


def flush(world: World, anchor: str, what: str) -> None:
    """``-F``: all rules, or those of one kind; what was done is said on standard error."""
    rules = world.kernel.anchors.get(anchor, [])
    kind = KINDS.get(what)
    if kind is None and what not in ("all", "a"):
        raise Refusal(f"Unknown flush modifier '{what}'")
    kept = [] if kind is None else [rule for rule in rules if rule.split(" ")[0] not in kind]
    world.kernel.anchors[anchor] = kept
    if not kept:
        del world.kernel.anchors[anchor]
    words = ["rules"] if kind == FILTERING else ["nat"] if kind == TRANSLATING else ["rules", "nat"]
    raise Refusal("\n".join(f"{word} cleared" for word in words), 0, plain=True)


def show(world: World, anchor: str, what: str) -> str:
    """``-s``: rules, translations, anchors, or whether it runs."""
    if what in ("info", "i"):
        word = "Enabled" if world.kernel.firewall else "Disabled"
        return f"Status: {word} for 0 days 00:00:01           Debug: Urgent\n"
    if what in ("Anchors", "A"):
        return "".join(f"  {name}\n" for name in sorted(world.kernel.anchors) if name)
    if what not in KINDS:
        raise Refusal(f"Unknown show modifier '{what}'")
    rules = world.kernel.anchors.get(anchor, [])
    return "".join(f"{rule}\n" for rule in rules if rule.split(" ")[0] in KINDS[what])


PROGRAMS = {"pfctl": program(pfctl)}
