# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask an address every 20 ms until told to end; then print the longest time without an answer.

Runs on the control node: prober.py URL. Ends when its standard input does.
A question does not wait for the one before: who is not there answers none of them, and the first
that is answered again tells to 20 ms when that was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from urllib.parse import urlsplit

PACE = 0.02
PATIENCE = 0.5


class Prober:
    """What was asked so far, and the longest time between two good answers."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.question = f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {self.host}\r\n\r\n".encode()
        self.asked = self.good = 0
        self.gap, self.back, self.last = 0.0, 0.0, time.time()

    async def ask(self) -> None:
        """One question."""
        self.asked += 1
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    writer.write(self.question)
                    status = await reader.readline()
                finally:
                    writer.close()
            if status.split()[1:2] == [b"200"]:
                self.good += 1
                now = time.time()
                if now - self.last > self.gap:
                    self.gap, self.back = now - self.last, now
                self.last = now

    async def run(self) -> None:
        """Ask until standard input ends."""
        told = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        async with asyncio.TaskGroup() as questions:
            while not told.done():
                questions.create_task(self.ask())
                await asyncio.sleep(PACE)


if __name__ == "__main__":
    prober = Prober(sys.argv[1])
    asyncio.run(prober.run())
    print(
        json.dumps(
            {
                "asked": prober.asked,
                "good": prober.good,
                "longest_gap_s": round(prober.gap, 3),
                "back_at": round(prober.back, 3),
            }
        )
    )
