# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""devfs(8): rulesets, and what they leave to be seen below the /dev of a jail.

Rests on sbin/devfs/rule.c, devfs.rules(5) and the functions of /etc/rc.subr which read such files.
What becomes of a rule is read in sys/fs/devfs/devfs_rule.c and devfs_devs.c.

Its lies: a ruleset that is not there is an empty one, which hides nothing, and is listed while something is
mounted with it; what a ruleset includes is run, but what that includes is not, as vfs.devfs.rule_depth is
1; a change of the rules does not touch what is mounted until they are applied to it.
"""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatchcase

from . import sysctl
from .answers import Refusal, options, program
from .kernel import Mount
from .rulesets import DEFAULTS, NAMES
from .world import World

FILE = "/etc/devfs.rules"
USAGE = "usage: devfs rule|ruleset arguments"
CONDITIONS, ALONE = ("type", "path"), ("hide", "unhide")
ORDER = (*CONDITIONS, *ALONE, "user", "group", "mode", "include")
"""The words of a rule, as they are shown: what it is about stands before what it does."""
NODES = (
    "ada0", "ada0p1", "bpf", "bpf0", "console", "crypto", "fd", "fd/0", "fd/1", "fd/2", "fuse", "geom.ctl",
    "io", "kmem", "klog", "log", "mdctl", "mem", "null", "pci", "pf", "ptmx", "pts", "pts/0", "random",
    "stderr", "stdin", "stdout", "ttyv0", "urandom", "zero", "zfs",
)  # fmt: skip


def devfs(world: World, args: list[str], stdin: str) -> str:
    """``devfs [-m MOUNT] rule [-s RULESET] VERB ...`` and ``devfs [-m MOUNT] ruleset NUMBER``."""
    given, words = options(args, "m:")
    if not words:
        raise Refusal(USAGE, plain=True)
    mount = mounted(world, given.get("m", "/dev"))
    if words[0] == "ruleset":
        choose(mount, number("ruleset", (words[1:] or [""])[0]))
        return ""
    if words[0] != "rule":
        raise Refusal(f"unknown command: {words[0]}")
    more, words = options(words[1:], "s:")
    current = number("rule", more["s"]) if "s" in more else ruleset_of(mount)
    try:
        return rule(world, mount, current, words, stdin)
    except Refusal as refusal:
        # It has another name by then.
        raise Refusal(f"devfs rule: {refusal.text}", plain=True) from refusal


def rule(world: World, mount: Mount, current: int, words: list[str], stdin: str) -> str:
    """``rule VERB``."""
    sets = world.kernel.rulesets
    verb, *rest = words
    if verb == "showsets":
        return "".join(f"{each}\n" for each in sorted(present(world)))
    if verb == "show":
        shown = [each for each in sets.get(current, []) if not rest or each.split(" ")[0] == rest[0]]
        return "".join(f"{each}\n" for each in shown)
    if verb == "delset":
        sets.pop(current, None)
    elif verb == "del":
        if not any(each.split(" ")[0] == rest[0] for each in sets.get(current, [])):
            raise Refusal("ioctl DEVFSIO_RDEL: No such file or directory")
        sets[current] = [each for each in sets[current] if each.split(" ")[0] != rest[0]]
    elif verb == "add":
        for line in [line.split() for line in stdin.splitlines()] if rest == ["-"] else [rest]:
            add(world, current, line)
    elif verb == "applyset":
        apply(mount, current)
    else:
        raise Refusal(f"unknown command: {verb}")
    return ""


def present(world: World) -> set[int]:
    """The rulesets that the kernel has: those with rules, and those which somebody speaks of."""
    sets = world.kernel.rulesets
    included = {int(line.split(" ")[-1]) for rules in sets.values() for line in rules if " include " in line}
    mounted = {ruleset_of(each) for each in world.kernel.mounts if each.kind == "devfs"}
    return {each for each in sets if sets[each]} | included | mounted - {0}


def number(verb: str, text: str) -> int:
    """The number of a ruleset: 16 bits."""
    if not text.isdigit() or int(text) > 65535:
        raise Refusal(f"devfs {verb}: error converting to number: {text}", plain=True)
    return int(text)


def mounted(world: World, target: str) -> Mount:
    """The devfs that is mounted somewhere."""
    found = [each for each in world.kernel.mounts if each.target == target and each.kind == "devfs"]
    if not found:
        raise Refusal(f"open: {target}: No such file or directory")
    return found[-1]


def ruleset_of(mount: Mount) -> int:
    """The ruleset with which it was mounted; 0 is none."""
    found = [each for each in mount.options if each.startswith("ruleset=")]
    return int(found[-1].partition("=")[2]) if found else 0


def choose(mount: Mount, ruleset: int) -> None:
    """Give a mounted devfs another ruleset; what it shows changes when that is applied."""
    mount.options = (
        *(each for each in mount.options if not each.startswith("ruleset=")),
        f"ruleset={ruleset}",
    )


def apply(mount: Mount, ruleset: int) -> None:
    """Hide and show nodes by a ruleset."""
    mount.options = (
        *(each for each in mount.options if not each.startswith("applied=")),
        f"applied={ruleset}",
    )


def add(world: World, ruleset: int, words: list[str]) -> None:
    """``add [NUMBER] [path PATTERN | type T] [hide | unhide] [user U] [group G] [mode M] [include N]``."""
    rules = world.kernel.rulesets.setdefault(ruleset, [])
    if words and words[0].isdigit():
        place, words = int(words[0]), words[1:]
    else:
        place = 100 * (1 + max((int(each.split(" ")[0]) // 100 for each in rules), default=0))
    if not words:
        raise Refusal("unexpected end of rulespec")
    said: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word not in ORDER or (word in CONDITIONS and set(said) - set(CONDITIONS)):
            raise Refusal(f"unknown argument: {word}")
        if word not in ALONE and not rest:
            raise Refusal(f"expecting argument for {word}")
        said[word] = "" if word in ALONE else f" {rest.pop(0)}"
    if "include" in said and int(said["include"]) not in present(world):
        raise Refusal("ioctl DEVFSIO_RADD: No such process")
    if any(each.split(" ")[0] == str(place) for each in rules):
        raise Refusal("ioctl DEVFSIO_RADD: File exists")
    rules.append(" ".join([str(place), *(f"{word}{said[word]}" for word in ORDER if word in said)]))
    rules.sort(key=lambda each: int(each.split(" ")[0]))


# -- what is to be seen


def visible(world: World, ruleset: int) -> set[str]:
    """The nodes which a ruleset leaves to be seen when it is applied to all of them."""
    said = verdicts(world, ruleset, int(sysctl.value(world, "vfs.devfs.rule_depth") or 1))
    return {node for node in NODES if said.get(node, True)}


def verdicts(world: World, ruleset: int, depth: int) -> dict[str, bool]:
    """What the rules of a set, and of those it includes, say last about each node they speak of.

    :param depth: of includes that are run.
    """
    said: dict[str, bool] = {}
    for line in world.kernel.rulesets.get(ruleset, []):
        words = line.split(" ")[1:]
        pattern = words[words.index("path") + 1] if "path" in words[:-1] else None
        matched = [node for node in NODES if pattern is None or fnmatchcase(node, pattern)]
        if {"hide", "unhide"} & set(words):
            said |= dict.fromkeys(matched, "unhide" in words)
        if words[-2:-1] == ["include"] and depth:
            inner = verdicts(world, int(words[-1]), depth - 1)
            said |= {node: inner[node] for node in matched if node in inner}
    return said


def nodes(world: World, target: str) -> list[str]:
    """What is seen in a devfs that is mounted somewhere, by the rules it was given last."""
    shown = [each.partition("=")[2] for each in mounted(world, target).options if each.startswith("applied=")]
    return sorted(visible(world, int(shown[-1])) if shown else NODES)


# -- /etc/devfs.rules


def load(world: World) -> str:
    """What ``service devfs restart`` does: all rulesets anew, from the system's file and the admin's.

    :returns: what it says on standard error.
    """
    names, said = dict(NAMES), ""
    world.kernel.rulesets.update({number: list(rules) for number, rules in DEFAULTS.items()})
    current = 0
    for line in (world.files.read(FILE) or "").splitlines():
        text = line.partition("#")[0].strip()
        if match := re.fullmatch(r"\[(\w+)=(\d+)\]", text):
            current = int(match[2])
            names[match[1]] = current
            world.kernel.rulesets.pop(current, None)
        elif text.startswith("add ") and current:
            words = [
                str(names.get(word[1:], word)) if word[0] == "$" else word for word in shlex.split(text)[1:]
            ]
            try:
                add(world, current, words)
            except Refusal as refusal:
                said += f"devfs rule: {refusal.text}\n"
    return said


PROGRAMS = {"devfs": program(devfs)}
