# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cpuset(1): the CPUs of jails.

Rests on usr.bin/cpuset/cpuset.c. Believed, not verified: the answer to a CPU that is not there.
Its lie: what was set goes with the jail, so it must be set at each start.
"""

from __future__ import annotations

from . import sysctl
from .answers import Refusal, options, program
from .world import World


def cpuset(world: World, args: list[str], stdin: str) -> str:
    """``cpuset -g [-r] [-j JAIL]`` and ``cpuset -l LIST -j JAIL``."""
    given, _command = options(args, "Ccd:giIj:l:n:p:rs:t:x:")
    count = int(sysctl.value(world, "hw.ncpu") or 1)
    if "j" not in given:
        if "g" in given:
            return shown("pid -1 root" if "r" in given else "pid -1", list(range(count)))
        raise Refusal("usage: cpuset [-l cpu-list] [-n policy:domain-list] [-s setid] cmd ...", plain=True)
    jail = world.kernel.find(given["j"], world.jail)
    if jail is None:
        key = given["j"]
        raise Refusal(f"jail {key} not found" if key.isdigit() else f'jail "{key}" not found')
    if "l" in given:
        wanted = parsed(given["l"], count)
        if any(cpu >= count for cpu in wanted):
            raise Refusal("setaffinity: Resource deadlock avoided")
        world.kernel.cpusets[jail.jid] = printed(wanted)
        if len(wanted) == count:
            del world.kernel.cpusets[jail.jid]
        return ""
    return shown(f"jail {jail.jid}", parsed(world.kernel.cpusets.get(jail.jid, "all"), count))


def parsed(text: str, count: int) -> list[int]:
    """The CPUs of a list such as ``0-1,3``."""
    if text == "all":
        return list(range(count))
    found: set[int] = set()
    for part in text.split(","):
        first, _dash, last = part.strip().partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            raise Refusal(f"Malformed list {text}")
        found |= set(range(int(first), int(last or first) + 1))
    return sorted(found)


def printed(cpus: list[int]) -> str:
    """The shortest list of these CPUs."""
    parts: list[str] = []
    for cpu in cpus:
        first = cpu
        while first - 1 in cpus:
            first -= 1
        if cpu + 1 not in cpus:
            parts.append(str(cpu) if first == cpu else f"{first}-{cpu}")
    return ",".join(parts)


def shown(what: str, cpus: list[int]) -> str:
    """What ``-g`` prints."""
    mask = ", ".join(map(str, cpus))
    return f"{what} mask: {mask}\n{what} domain policy: first-touch mask: 0\n"


PROGRAMS = {"cpuset": program(cpuset)}
