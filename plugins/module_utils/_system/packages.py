# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages of a server. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.plan import Plan, Step, make_plan

KEY = "packages"
# Those of Debian have no upper case (Policy, 5.6.7), those of FreeBSD may (pkg(8)).
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]+")


@dataclass(frozen=True, slots=True)
class Choice:
    """Packages that depend on whether the kernel has a module."""

    module: str
    present: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Packages:
    """What is wanted."""

    always: tuple[str, ...]
    choices: tuple[Choice, ...]

    @property
    def candidates(self) -> tuple[str, ...]:
        """Every name that may be wanted."""
        chosen = (name for choice in self.choices for name in (*choice.present, *choice.absent))
        return tuple(dict.fromkeys((*self.always, *chosen)))


@dataclass(frozen=True, slots=True)
class Installed:
    """What there is: versions of installed packages by name, and modules that the kernel has."""

    versions: Mapping[str, str]
    modules: frozenset[str]


def parse_packages(params: Mapping[str, Any]) -> Packages:
    """The options of module ``packages``.

    :raises Refused: for a name that no package can have.
    """
    wanted = Packages(
        tuple(params.get("packages") or ()),
        tuple(
            Choice(item["module"], tuple(item.get("present") or ()), tuple(item.get("absent") or ()))
            for item in params.get("by_kernel") or ()
        ),
    )
    wrong = [name for name in wanted.candidates if not _NAME.fullmatch(name)]
    if wrong:
        raise Refused(
            f"packages {', '.join(map(repr, wrong))}",
            "no package can have such a name",
            "use letters, digits and _ + - .",
        )
    return wanted


def parse_versions(text: str) -> dict[str, str]:
    """Installed packages from ``dpkg-query -W -f '${db:Status-Abbrev}\\t${Package}\\t${Version}\\n'``.

    Only the second letter of the abbreviation counts: ``i`` is installed (dpkg-query(1)).
    """
    versions = {}
    for line in text.splitlines():
        status, name, version = line.split("\t")
        if status[1:2] == "i":
            versions[name] = version
    return versions


def parse_query(text: str) -> dict[str, str]:
    """Installed packages from ``pkg query -a '%n %v'`` (pkg-query(8))."""
    return dict(line.split(" ", 1) for line in text.splitlines())


def chosen(current: Installed, wanted: Packages) -> list[str]:
    """The packages that this host should have."""
    names = list(wanted.always)
    for choice in wanted.choices:
        names += choice.present if choice.module in current.modules else choice.absent
    return list(dict.fromkeys(names))


def plan_packages(current: Installed, wanted: Packages) -> Plan:
    """One step which installs all that is missing; nothing is upgraded or removed."""
    missing: Sequence[str] = sorted(name for name in chosen(current, wanted) if name not in current.versions)
    if not missing:
        return make_plan((), {}, {})
    step = Step(KEY, "install", f"install {', '.join(missing)}", {"names": tuple(missing)})
    return make_plan([step], {KEY: []}, {KEY: missing})
