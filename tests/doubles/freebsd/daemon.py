# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon(8), pgrep(1) and kill(1), in memory: programs that go on after the one which started them.

Rests on usr.sbin/daemon/daemon.c and bin/pkill/pkill.c. Nobody waits in memory: a sleep of a few seconds is
over at once, at a longer one the program stays asleep until `wake`, and then runs again from its start.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .answers import Refusal, options, program
from .kernel import HOST, Process
from .world import World

SHORT = 5
"""Seconds after which a program counts as asleep."""


class Asleep(Exception):
    """The program sleeps for longer than a test takes."""


def daemon(world: World, args: list[str], stdin: str) -> str:
    """``daemon [-f] PROGRAM [WORD ...]``."""
    _given, words = options(args, "cf")
    if not world.has(words[0]):
        # The one who called has his answer before anybody looks for the program.
        return ""
    pid = world.kernel.start_process(HOST, shlex.join(words))
    usual, world.programs["sleep"] = world.programs["sleep"], sleep
    try:
        world.call(words)
    except Asleep:
        return ""
    finally:
        world.programs["sleep"] = usual
    world.kernel.end_process(pid)
    return ""


def sleep(world: World, argv: Sequence[str], stdin: str) -> Output:
    """``sleep SECONDS``."""
    if int(argv[1]) > SHORT:
        raise Asleep
    return answered(argv)


def wake(world: World) -> None:
    """The time of all that sleep has come."""
    for process in processes(world, "^/bin/sh "):
        world.call(shlex.split(process.command))
        world.kernel.end_process(process.pid)


def processes(world: World, pattern: str) -> list[Process]:
    """Those of the host whose command line fits."""
    return [each for each in world.kernel.processes(HOST) if re.search(pattern, each.command)]


def pgrep(world: World, args: list[str], stdin: str) -> str:
    """``pgrep -f PATTERN``."""
    _given, (pattern,) = options(args, "f")
    found = processes(world, pattern)
    if not found:
        raise Refusal("")
    return "".join(f"{each.pid}\n" for each in found)


def kill(world: World, args: list[str], stdin: str) -> str:
    """``kill PID ...``."""
    there = {str(each.pid) for each in world.kernel.processes(HOST)}
    for pid in args:
        if pid in there:
            world.kernel.end_process(int(pid))
    gone = [pid for pid in args if pid not in there]
    if gone:
        raise Refusal("\nkill: ".join(f"{pid}: No such process" for pid in gone))
    return ""


PROGRAMS = {"daemon": program(daemon), "pgrep": program(pgrep), "kill": program(kill)}
