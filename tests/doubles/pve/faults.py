# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong, when, and how often.

Rests on: the recorded exchanges for 595 and 596, which come from the proxy with a reason and no body; the
other faults are a client's view of a broken network or a busy node.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.doubles.pve.errors import Dropped, Refusal

if TYPE_CHECKING:
    from tests.doubles.pve.world import World


@dataclass
class Fault:
    """Strikes requests whose "VERB /path" matches, from the `after`-th on, `times` times (None: for ever).

    `late`: the request is carried out first and its answer is lost.
    """

    pattern: str
    status: int = 500
    text: str = "internal error"
    stall: float = 0.0
    """Seconds that the answer takes longer; with status 200 nothing else happens."""
    drop: bool = False
    quorum: bool = False
    """Whether all other nodes go away at that moment, and with them the quorum."""
    late: bool = False
    after: int = 1
    times: int | None = 1
    seen: int = 0

    def strikes(self, verb: str, path: str) -> bool:
        if not re.search(self.pattern, f"{verb} {path}"):
            return False
        self.seen += 1
        return self.seen >= self.after and (self.times is None or self.seen < self.after + self.times)

    def act(self, world: World) -> None:
        if self.quorum:
            for node in world.nodes.values():
                node.online = node.name == world.local
            return
        if self.drop:
            raise Dropped
        if self.status != 200:
            raise Refusal(self.text, self.status, bare=self.status in (401, 595, 596))


@dataclass
class TaskFault:
    """Makes tasks fail whose "type id" matches, as they end or (`early`) before they do anything."""

    pattern: str
    text: str = "command failed: exit code 1"
    early: bool = False
    after: int = 1
    times: int | None = 1
    seen: int = 0

    def strikes(self, kind: str, subject: str) -> bool:
        if not re.search(self.pattern, f"{kind} {subject}"):
            return False
        self.seen += 1
        return self.seen >= self.after and (self.times is None or self.seen < self.after + self.times)


@dataclass
class Faults:
    requests: list[Fault] = field(default_factory=list)
    tasks: list[TaskFault] = field(default_factory=list)

    def of_request(self, verb: str, path: str) -> list[Fault]:
        return [fault for fault in self.requests if fault.strikes(verb, path)]

    def of_task(self, kind: str, subject: str) -> TaskFault | None:
        return next((fault for fault in self.tasks if fault.strikes(kind, subject)), None)
