# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: what runs in the background, has a UPID, a log and an exit status.

Rests on: PVE::RESTEnvironment::fork_worker and PVE::UPID (pve-common), and the recorded exchanges:
`exitstatus` exists only once a task has stopped, is OK or the text of the error; the last line of the log is
"TASK OK" or "TASK ERROR: …"; an aborted task ends with "received interrupt".
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.pve.errors import Refusal

Steps = Generator[float, None, None]
Worker = Callable[["Task"], Steps | None]
"""What a task does. What stands before the first `yield` happens at once; a `yield` says how many seconds the
task works before it goes on; a Refusal is its failure. A worker without a `yield` is over at once."""

UPID = re.compile(
    r"UPID:(?P<node>[^:]+):(?P<pid>[0-9A-F]{8}):(?P<pstart>[0-9A-F]{8,9}):(?P<starttime>[0-9A-F]{8})"
    r":(?P<type>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)


@dataclass
class Task:
    node: str
    type: str
    id: str
    user: str
    pid: int
    pstart: int
    starttime: int
    steps: Steps | None = None
    wake: float = 0.0
    """When it goes on, while it runs."""
    endtime: int | None = None
    exitstatus: str | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def upid(self) -> str:
        start = f"{self.node}:{self.pid:08X}:{self.pstart:08X}:{self.starttime:08X}"
        return f"UPID:{start}:{self.type}:{self.id}:{self.user}:"

    @property
    def running(self) -> bool:
        return self.exitstatus is None

    def log(self, line: str) -> None:
        self.lines.append(line)

    def go_on(self, now: float) -> None:
        """Works until the next pause or the end."""
        if self.steps is None:
            return self.end(now)
        try:
            self.wake = now + next(self.steps)
        except StopIteration:
            self.end(now)
        except Refusal as refusal:
            self.end(now, refusal.perl)

    def interrupt(self, now: float, text: str = "received interrupt") -> None:
        """Stops it: the worker may clean up."""
        if self.steps is not None:
            with contextlib.suppress(Refusal, StopIteration):
                self.steps.throw(Refusal(text))
        self.end(now, text)

    def end(self, now: float, problem: str | None = None) -> None:
        self.endtime = int(now)
        self.exitstatus = "OK" if problem is None else problem.split("\n", 1)[0]
        self.lines += ["TASK OK"] if problem is None else f"TASK ERROR: {problem}".split("\n")
        self.steps = None

    def status(self) -> dict[str, Any]:
        """As GET /nodes/{node}/tasks/{upid}/status shows it."""
        return {
            "upid": self.upid,
            "node": self.node,
            "pid": self.pid,
            "pstart": self.pstart,
            "starttime": self.starttime,
            "type": self.type,
            "id": self.id,
            "user": self.user,
            **(
                {"status": "running"}
                if self.running
                else {"status": "stopped", "exitstatus": self.exitstatus}
            ),
        }
