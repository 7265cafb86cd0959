# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that are lists of things with names: all of it is judged before anything is refused.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from .errors import Refused
from .values import doubles


class Named(Protocol):
    """What was declared, with its name."""

    @property
    def name(self) -> str:
        """By which it is told from the others."""


Item = TypeVar("Item", bound=Named)


def parse_items(
    what: str, items: Iterable[Mapping[str, Any]], parse: Callable[[Mapping[str, Any]], Item]
) -> tuple[tuple[Item, ...], list[str]]:
    """The items that can be meant, and the faults of the others, and of names that are listed twice.

    :param what: one of them is, such as ``jail``.
    """
    found: list[Item] = []
    faults: list[str] = []
    for item in items:
        try:
            found.append(parse(item))
        except Refused as error:
            faults.append(str(error))
    twice = doubles(item.name for item in found)
    faults += [f"{what} {name}: it is listed twice; write it once." for name in twice]
    return tuple(found), faults


def purge_scope(params: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The pattern within which ``purge`` removes what is not listed, None without purge; and its faults."""
    if not params.get("purge"):
        return None, []
    if not params.get("scope"):
        return None, ["purge: it needs a scope; name a pattern such as web-*."]
    return str(params["scope"]), []


def refuse(faults: Sequence[str]) -> None:
    """Refuse all of them at once, if there are any.

    :raises Refused: with every fault.
    """
    if faults:
        raise Refused("\n".join(faults), faults=list(faults))
