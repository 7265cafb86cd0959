# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time as the double sees it: that of the machine, or one that a test drives."""

from __future__ import annotations

import time


class Clock:
    """The time of the machine, which may run faster: `speed` 10 makes a task of 2 s last 0.2 s."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.start = time.time()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.start + (time.time() - self.start) * self.speed


class StillClock(Clock):
    """A clock that moves only when it is told to."""

    def __init__(self, start: float = 1_795_190_000.0) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds
