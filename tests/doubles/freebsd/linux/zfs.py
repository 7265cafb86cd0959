# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""zfs(8) of FreeBSD over the ZFS that the lab has: what a jail can be given.

The lab's own programs do the work. They say `zoned` where FreeBSD says `jailed` (module/zcommon/zfs_prop.c),
and behave alike: the host unmounts what is jailed, and does not mount it. `jail` and `unjail` are new.
Everything else is what the lab's ZFS is: zfs-fuse of 2011 has no `receive -s`, `-u`, `-o`, `-x`, no
bookmarks, no JSON, and its usage says so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence

from . import Become

LINUX = "/usr/lib/linux"
STREAMS = ("send", "receive", "recv", "diff")
"""Verbs that speak of no property, and whose output is nothing to read."""


def main(args: Sequence[str], become: Become) -> int:
    """Run zfs(8); its exit code.

    :param become: makes this program another one.
    """
    program = f"{LINUX}/zfs"
    if args[:1] in [[verb] for verb in STREAMS]:
        become([program, *args], dict(os.environ))
    if args[:1] in (["jail"], ["unjail"]):
        return attach(args, become)
    done = subprocess.run(
        [program, *map(translated, args)],
        check=False,
        capture_output=True,
        text=True,
        errors="surrogateescape",
    )
    for stream, text in ((sys.stdout, done.stdout), (sys.stderr, done.stderr)):
        stream.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
        stream.write(freebsd(text))
    return done.returncode


def translated(word: str) -> str:
    """An argument in the words of the lab's ZFS: a property, with or without a value, or a list of some."""
    return re.sub(r"(^|,)jailed(?=[=,]|$)", r"\1zoned", word)


def freebsd(text: str) -> str:
    """An answer in the words of FreeBSD."""
    text = re.sub(r"(^|[\t ':])zoned(?=[\t '=:]|$)", r"\1jailed", text, flags=re.MULTILINE)
    verbs = "\tjail <jailid|jailname> <filesystem>\n\tunjail <jailid|jailname> <filesystem>\n"
    return text.replace("\tsend [-", f"{verbs}\n\tsend [-", 1) if "usage: zfs command" in text else text


def attach(args: Sequence[str], become: Become) -> int:
    """``zfs jail JAIL DATASET`` and ``zfs unjail``."""
    from .world import LinuxWorld, release

    verb, *operands = args
    usage = f"usage:\n\t{verb} <jailid|jailname> <filesystem>\n"
    if len(operands) != 2:
        sys.stderr.write(f"{'missing argument(s)' if len(operands) < 2 else 'too many arguments'}\n{usage}")
        return 2
    key, name = operands
    world = LinuxWorld(release(), become)
    with world.held():
        jail = world.kernel.find(key)
        if jail is None:
            sys.stderr.write(f"invalid jail id or name\n{usage}")
            return 2
        listed = subprocess.run(
            [f"{LINUX}/zfs", "list", "-H", name], check=False, capture_output=True, text=True
        )
        if listed.returncode:
            sys.stderr.write(listed.stderr)
            return 1
        owner = world.kernel.delegated.get(name)
        if (owner == jail.jid) == (verb == "jail"):
            why = "already exists" if verb == "jail" else "does not exist"
            sys.stderr.write(f"cannot {verb} '{name}': dataset {why}\n")
            return 1
        mounts = Inside(name, jail.path, world.server.keepers[jail.jid])
        if verb == "jail":
            world.kernel.delegated[name] = jail.jid
            mounts.make()
        else:
            mounts.undo()
            del world.kernel.delegated[name]
    return 0


class Inside:
    """The file systems of a dataset, mounted in a jail where they want to be, and nowhere else.

    That is what `zfs mount -a` in the jail would do; here the attachment does it, for no program in a jail
    reaches the host's ZFS. The host mounts them for a moment, as this ZFS mounts for nobody what is jailed.
    """

    def __init__(self, name: str, root: str, keeper: int) -> None:
        self._name, self._root = name, root.rstrip("/")
        self._enter = [f"{LINUX}/nsenter", "--target", str(keeper), "--mount", "--"]

    def make(self) -> None:
        """Mount all that can be."""
        if _real("get", "-H", "-o", "value", "zoned", self._name).strip() != "on":
            return
        _real("set", "zoned=off", self._name)
        for name, point in self._points():
            # Not over what lies there (-O): zfs-fuse dies of it.
            _real("mount", name)
            os.makedirs(f"{self._root}{point}", exist_ok=True)
            _run(*self._enter, "/usr/bin/mount", "--bind", point, f"{self._root}{point}")
            _run("/usr/bin/umount", "--lazy", point)
        _real("set", "zoned=on", self._name)

    def undo(self) -> None:
        """Unmount them, the deepest first."""
        for _each, point in reversed(self._points()):
            _run(*self._enter, "/usr/bin/umount", f"{self._root}{point}")

    def _points(self) -> list[tuple[str, str]]:
        lines = _real("list", "-H", "-r", "-o", "name,mountpoint,canmount", self._name).splitlines()
        rows = [line.split("\t") for line in lines]
        return [(name, point) for name, point, can in rows if point.startswith("/") and can == "on"]


def _real(*words: str) -> str:
    return _run(f"{LINUX}/zfs", *words)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(f"{' '.join(argv)}: {done.stderr}")
    return done.stdout
