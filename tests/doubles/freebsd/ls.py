# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ls(1) of folders, the /dev of a jail among them, which shows what its ruleset leaves to be seen.

With ``-F`` it marks the folders and links of /dev; of other folders it knows names only.

Rests on bin/ls/ls.c: without a terminal one name a line, sorted by their bytes.
"""

from __future__ import annotations

from . import devfs
from .answers import Refusal, options, program
from .world import World

MARKS = {**dict.fromkeys(("fd", "pts"), "/"), **dict.fromkeys(("stdin", "stdout", "stderr"), "@")}


def ls(world: World, args: list[str], stdin: str) -> str:
    """``ls [-1aA] [PATH ...]``."""
    given, paths = options(args, "1aAdFlp")
    out = ""
    for path in paths or ["."]:
        where = world.rooted("/" if path == "." else path).rstrip("/") or "/"
        if not world.exists(where):
            raise Refusal(f"{path}: No such file or directory", 1, out)
        names = contents(world, where)
        if names is not None and "F" in given and is_devfs(world, where):
            names = [name + MARKS.get(name, "") for name in names]
        if len(paths) > 1:
            out += f"{path}:\n"
        out += (
            "".join(f"{name}\n" for name in names) if names is not None and "d" not in given else f"{path}\n"
        )
    return out


def is_devfs(world: World, where: str) -> bool:
    """Whether a devfs is what is seen there."""
    over = [each for each in world.kernel.mounts if each.target == where]
    return bool(over) and over[-1].kind == "devfs"


def contents(world: World, where: str) -> list[str] | None:
    """The names in a folder of the host, with what is mounted over it; None: it is none."""
    over = [each for each in world.kernel.mounts if each.target == where]
    if is_devfs(world, where):
        return sorted({each.split("/")[0] for each in devfs.nodes(world, where)})
    if over and over[-1].kind == "nullfs":
        return contents(world, over[-1].source)
    return world.files.listing(where) if world.files.is_folder(where) else None


PROGRAMS = {"ls": program(ls)}
