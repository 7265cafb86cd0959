# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables of a FreeBSD server: rc.conf(5), loader.conf(5), sysctl.conf(5). Pure.

rc.conf and its like are shell: sysrc(8) reads and writes them. loader.conf and sysctl.conf are not,
and sysrc refuses the names of tunables (``kern.racct.enable``), so their lines are kept here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, make_plan
from .._core.values import doubles

DEFAULTS = "/etc/defaults/rc.conf"
LOADER, SYSCTL = "/boot/", "/etc/sysctl."
"""What the paths of files begin with that are no shell."""
_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TUNABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.%-]*")
# sysrc writes a value between double quotes, as it is, and the shell reads it back.
_SHELL_SIGNS = '"$`\\\n'
# rc.subr(8), checkyesno.
_SWITCHES = {word: True for word in ("yes", "true", "on", "1")} | {
    word: False for word in ("no", "false", "off", "0")
}
_LINE = re.compile(
    r"""(?P<head>\s*(?P<name>[^\s=#]+)\s*=\s*)(?:"(?P<quoted>[^"]*)"|(?P<bare>[^#"]*?))(?P<rest>\s*(?:\#.*)?)"""
)


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable as it is wanted.

    :param file: empty for the files that rc.conf(5) names, all of them.
    :param value: the whole value; None when it is to be absent, or when only words of it count.
    :param switch: whether YES, true and 1 are the same value.
    :param add: words that the value, a list of words, must have.
    :param remove: words that it must not have.
    """

    name: str
    file: str = ""
    value: str | None = None
    switch: bool = False
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.name} in {self.file}" if self.file else self.name

    @property
    def is_tunable(self) -> bool:
        """Whether loader(8) gives it to the kernel at boot, and kenv(1) shows it."""
        return self.file.startswith(LOADER) and "." in self.name

    @property
    def is_sysctl(self) -> bool:
        """Whether sysctl(8) sets it in the running kernel."""
        return self.file.startswith(SYSCTL)


@dataclass(frozen=True, slots=True)
class Found:
    """A variable as it is.

    :param default: whether /etc/defaults/rc.conf alone sets it.
    """

    value: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class Variables:
    """What there is.

    :param found: variables by key.
    :param kernel: those of the running kernel by key: tunables that the loader gave it, and sysctls.
    """

    found: Mapping[str, Found]
    kernel: Mapping[str, str] = field(default_factory=dict)


def is_shell(file: str) -> bool:
    """Whether sysrc(8) reads and writes the file."""
    return not file.startswith((LOADER, SYSCTL))


def parse_variables(items: Iterable[Mapping[str, Any]]) -> tuple[Variable, ...]:
    """The options of module ``rc_conf``.

    :raises Refused: for a name or value that the file cannot hold, a variable listed twice, and an item
        which says nothing, or two things at once.
    """
    variables = tuple(_parse_variable(item) for item in items)
    twice = doubles(variable.key for variable in variables)
    if twice:
        raise Refused(
            f"variables {', '.join(twice)}", "listed more than once", "describe each variable in one item"
        )
    return variables


def _parse_variable(item: Mapping[str, Any]) -> Variable:
    name, file, value = item["name"], item.get("file") or "", item.get("value")
    what = f"variable {name}"
    if file and (not file.startswith("/") or posixpath.normpath(file) != file or re.search(r"\s", file)):
        raise Refused(what, f"file {file!r} is not absolute and plain", "write one such as /boot/loader.conf")
    if not (_SHELL_NAME if is_shell(file) else _TUNABLE).fullmatch(name):
        remedy = "tunables belong in file /boot/loader.conf or /etc/sysctl.conf" if "." in name else ""
        raise Refused(what, f"{file or 'rc.conf'} can hold no variable of that name", remedy)
    words = tuple(item.get("add") or ()), tuple(item.get("remove") or ())
    absent = item.get("state") == "absent"
    if (value is not None) + bool(words[0] or words[1]) + absent != 1:
        raise Refused(what, "it is not clear what is wanted", "give value, add and remove, or state absent")
    if isinstance(value, (dict, list)):
        raise Refused(what, "its value is no text", "write words of a list with spaces between them")
    text = None if value is None else _text(name, value)
    _judge(what, text, *words)
    variable = Variable(name, file, text, isinstance(value, bool) or name.endswith("_enable"), *words)
    if variable.is_sysctl and text is not None and ("#" in text or text != text.strip()):
        raise Refused(what, f"{file} can hold no # and no blanks at the ends", "leave them out")
    return variable


def _text(name: str, value: Any) -> str:
    """A switch is YES or NO to scripts, 1 or 0 to the kernel."""
    if isinstance(value, bool):
        return str(int(value)) if "." in name else ("NO", "YES")[value]
    return str(value)


def _judge(what: str, text: str | None, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    if any(sign in part for part in (text or "", *add) for sign in _SHELL_SIGNS):
        raise Refused(
            what,
            'its value holds a newline or one of " $ ` \\, which the shell would not read as they stand',
            "leave that out, or write the line by module files",
        )
    broken = [word for word in (*add, *remove) if len(word.split()) != 1 or word != word.strip()]
    if broken:
        raise Refused(what, f"{broken[0]!r} is not one word", "list each word by itself")
    both = sorted(set(add) & set(remove))
    if both:
        raise Refused(what, f"{both[0]!r} is to be added and removed", "keep one of them")


def parse_sysrc(text: str, names: Iterable[str]) -> dict[str, Found]:
    """``sysrc -i -e -v NAME …``: a line ``: FILE; NAME="VALUE"`` for each that is set.

    A value may go on over several lines; quotes in it are not escaped, so the last one ends it.
    """
    heads = "|".join(map(re.escape, names))
    parts = re.split(rf'^: (\S*); ({heads})="', text, flags=re.MULTILINE)
    found = {}
    for file, name, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        found[name] = Found(rest.removesuffix("\n").removesuffix('"'), file == DEFAULTS)
    return found


def parse_lines(text: str) -> dict[str, str]:
    """The variables of loader.conf or sysctl.conf, and those that kenv(1) lists; the last one counts."""
    matches = filter(None, map(_LINE.fullmatch, text.splitlines()))
    return {match["name"]: _value(match) for match in matches}


def _value(match: re.Match[str]) -> str:
    quoted: str | None = match["quoted"]
    return str(match["bare"]) if quoted is None else quoted


def with_line(text: str, name: str, value: str, file: str) -> str:
    """The text with the variable set where it was set last, or else at the end.

    Laws: the variable reads as the value; every other line is kept, and the comment behind it.
    """
    # sysctl.conf(5) shows no quotes; loader.conf(5) wants them.
    written = f'"{value}"' if file.startswith(LOADER) else value
    lines = text.splitlines(keepends=True)
    for index in reversed(range(len(lines))):
        match = _LINE.fullmatch(lines[index].rstrip("\r\n"))
        if match and match["name"] == name:
            lines[index] = f"{match['head']}{written}{match['rest']}\n"
            return "".join(lines)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join([*lines, f"{name}={written}\n"])


def without_line(text: str, name: str) -> str:
    """The text without any line that sets the variable."""

    def sets(line: str) -> bool:
        match = _LINE.fullmatch(line.rstrip("\r\n"))
        return bool(match and match["name"] == name)

    return "".join(line for line in text.splitlines(keepends=True) if not sets(line))


def plan_variables(current: Variables, wanted: tuple[Variable, ...]) -> Plan:
    """A step for each variable that differs, and one for the running kernel: for a tunable it is owed."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for variable in wanted:
        found = current.found.get(variable.key)
        # A default is no setting: another release may have another one.
        here = None if found is None or found.default else found.value
        goal = goal_of(variable, found)
        running = current.kernel.get(variable.key)
        kernel = _kernel_step(variable, running, goal)
        if kernel is not None:
            # First, for it is the kernel that refuses a wrong value.
            steps.append(kernel)
            before[kernel.key], after[kernel.key] = running, goal
        if not _same(variable, here, goal):
            steps.append(_step(variable, here, goal))
            before[variable.key], after[variable.key] = here, goal
    return make_plan(steps, before, after)


def _kernel_step(variable: Variable, running: str | None, goal: str | None) -> Step | None:
    if goal is None or running == goal:
        return None
    if variable.is_tunable:
        instead = "" if running is None else f" instead of {_shown(running)}"
        sentence = f"boot to give the kernel {variable.name} {_shown(goal)}{instead}"
        return Step(f"{variable.name} since boot", "boot", sentence, effect=Effect.OWED)
    # The module of the kernel that has it may not be loaded yet.
    if not variable.is_sysctl or running is None:
        return None
    key = f"{variable.name} of the running kernel"
    sentence = f"set {key} from {_shown(running)} to {_shown(goal)}"
    return Step(key, "sysctl", sentence, {"name": variable.name, "value": goal})


def goal_of(variable: Variable, found: Found | None) -> str | None:
    """The value that the variable should have; None for one that should not be set."""
    if not (variable.add or variable.remove):
        return variable.value
    words = found.value.split() if found else []
    new = [word for word in words if word not in variable.remove]
    new += [word for word in dict.fromkeys(variable.add) if word not in new]
    if new != words:
        return " ".join(new)
    return None if found is None or found.default else found.value


def _same(variable: Variable, here: str | None, goal: str | None) -> bool:
    if here is not None and goal is not None and variable.switch:
        meant = _SWITCHES.get(here.lower())
        return here == goal or (meant is not None and meant is _SWITCHES.get(goal.lower()))
    return here == goal


def _step(variable: Variable, here: str | None, goal: str | None) -> Step:
    # Scripts read rc.conf when a service starts; the loader reads its files at boot only.
    when = ", for the next boot" if variable.file.startswith(LOADER) else ""
    args = {"name": variable.name, "file": variable.file}
    if goal is None:
        return Step(variable.key, "remove", f"remove {variable.key}{when}", args)
    change = f"from {_shown(here)} to" if here is not None else "to"
    sentence = f"set {variable.key} {change} {_shown(goal)}{when}"
    return Step(variable.key, "set", sentence, {**args, "value": goal})


def _shown(value: str | None) -> str:
    return value or '""'
