# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is started at boot: the list of jails and the switches beside it, in rc.conf(5).

Pure. The source of facts is libexec/rc/rc.d/jail: it starts jails in the order of jail_list; an empty
list means every jail, of /etc/jail.conf at a start, all that run at a stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._core.plan import Step
from .model import Jail

JAIL_LIST, JAIL_ENABLE, RCTL_ENABLE = "jail_list", "jail_enable", "rctl_enable"
KEY = "rc.conf"


def boot_list(current: Sequence[str], jails: Sequence[Jail]) -> tuple[str, ...]:
    """jail_list as it is to be: names that nobody declared stay; what a jail depends on comes before it."""
    going = {jail.name for jail in jails if jail.boot is False or jail.state == "absent"}
    coming = [jail.name for jail in jails if jail.boot and jail.state != "absent"]
    names = [name for name in dict.fromkeys([*current, *coming]) if name not in going]
    depend = {jail.name: jail.depend for jail in jails}
    placed: dict[str, None] = {}

    def place(name: str, above: tuple[str, ...] = ()) -> None:
        for other in depend.get(name, ()):
            if other in names and other not in above:
                place(other, (*above, name))
        placed.setdefault(name)

    for name in names:
        place(name)
    return tuple(placed)


def boot_words(current: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """What sysrc(8) is to set so that jail_list is this; nothing when it is."""
    if tuple(names) == tuple(current):
        return {}
    return {JAIL_LIST: " ".join(names)} | ({} if names else {JAIL_ENABLE: "NO"})


def plan_boot(
    current: Sequence[str], switches: Mapping[str, bool], jails: Sequence[Jail], *, limits: bool
) -> tuple[list[Step], dict[str, str], dict[str, str]]:
    """The steps for the next boot, and what they touch before and after them.

    :param limits: whether there are limits which it must load.
    """
    words = boot_words(current, boot_list(current, jails))
    steps = [_step(_sentence(" ".join(current), words), words)] if words else []
    needed = {
        JAIL_ENABLE: ("start jails at boot", any(jail.boot and jail.state != "absent" for jail in jails)),
        RCTL_ENABLE: ("load limits at boot", limits),
    }
    for switch, (sentence, on) in needed.items():
        if on and not switches.get(switch):
            steps.append(_step(f"{sentence} ({switch}=YES)", {switch: "YES"}))
    after = {key: value for step in steps for key, value in step.args["words"].items()}
    now = {JAIL_LIST: " ".join(current), **{key: "YES" if on else "NO" for key, on in switches.items()}}
    return steps, {key: now.get(key, "NO") for key in after}, after


def _sentence(old: str, words: Mapping[str, str]) -> str:
    start = f" from {old}" if old else ""
    end = "" if words[JAIL_LIST] else f" and {JAIL_ENABLE} to NO, for an empty list would mean all jails"
    return f"set {JAIL_LIST}{start} to {words[JAIL_LIST] or 'nothing'}{end}"


def _step(sentence: str, words: Mapping[str, str]) -> Step:
    return Step(KEY, "boot", sentence, {"words": dict(words)})
