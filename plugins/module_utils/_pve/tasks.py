# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks: what PVE does behind our back, each with a name, its UPID. Pure; `task_host` waits for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused

_UPID = re.compile(
    r"UPID:(?P<node>[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):(?P<pstart>[0-9A-Fa-f]{8,9})"
    r":(?P<start>[0-9A-Fa-f]{8}):(?P<type>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)
LAST_LINES = 15
"""How many lines of a log are told."""


@dataclass(frozen=True, slots=True)
class Upid:
    """The name of a task (PVE::UPID, pve-common).

    :param node: where it runs; only this node knows it.
    :param start: when it began, in seconds since 1970.
    :param type: what it does, such as ``qmstart``.
    :param id: of what, such as ``100``; may be empty.
    """

    text: str
    node: str
    start: int
    type: str
    id: str
    user: str

    def __str__(self) -> str:
        return self.text

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"nodes/{self.node}/tasks/{self.text}"

    @property
    def sentence(self) -> str:
        """The task for people."""
        return f"task {self.type}{f' of {self.id}' if self.id else ''} on {self.node}"


def parse_upid(text: Any) -> Upid:
    """A UPID as PVE returns it.

    :raises Refused: when it is none.
    """
    match = _UPID.fullmatch(str(text))
    if match is None:
        raise Refused("task", f"{text!r} is no UPID")
    return Upid(str(text), match["node"], int(match["start"], 16), match["type"], match["id"], match["user"])


def is_upid(answer: Any) -> bool:
    """Whether a call has started a task: then this is what it answers."""
    return isinstance(answer, str) and _UPID.fullmatch(answer) is not None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended.

    :param status: ``OK``, ``WARNINGS: n``, or what went wrong.
    :param log: its last lines; asked for only when it did not end well.
    """

    upid: Upid
    status: str
    log: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Warnings are success."""
        return self.status == "OK" or self.status.startswith("WARNINGS")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its log warns of."""
        return tuple(line for line in self.log if line.startswith(("WARN", "warning")))

    @property
    def result(self) -> dict[str, Any]:
        """What a module tells of it."""
        told: dict[str, Any] = {"upid": str(self.upid)}
        if self.status != "OK":
            told["warnings"] = list(self.warnings) or [self.status]
        return told


def exit_status(status: Mapping[str, Any]) -> str | None:
    """How a task ended, of what ``GET …/status`` answers; None while it runs.

    A task is over when ``status`` says so; ``exitstatus`` comes a moment later where the node is slow.
    """
    if status.get("status") != "stopped":
        return None
    ended = status.get("exitstatus")
    return None if ended is None else str(ended)


def lines_of(log: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The lines of a task's log that say something."""
    return tuple(text for line in log if (text := str(line.get("t", "")).rstrip()) and text != "no content")
