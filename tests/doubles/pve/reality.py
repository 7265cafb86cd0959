# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is real of the guests of a node: containers that run on its server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any


class Gone(Exception):
    """The server went away before it answered."""


@dataclass
class Agent:
    """The connection to a server, on which its agent runs what it is told."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    count: int = 0

    def tell(self, message: dict[str, Any]) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def listen(self) -> None:
        """Takes answers until the connection ends."""
        try:
            while line := await self.reader.readline():
                answer = json.loads(line)
                self.waiting.pop(answer["id"]).set_result(answer)
        except (OSError, ValueError):
            pass
        for future in self.waiting.values():
            future.set_exception(Gone())

    async def run(self, script: str, *words: str, stdin: str = "") -> dict[str, Any]:
        """Runs a script of sh(1) on the server: its rc, out and err. Raises Gone."""
        self.count += 1
        future = self.waiting[self.count] = asyncio.get_running_loop().create_future()
        self.tell({"id": self.count, "script": script, "words": words, "stdin": stdin})
        return await future


@dataclass
class Reality:
    """What is known to be on a server."""

    running: dict[int, int] = field(default_factory=dict)
    """Containers, and the process id that the state gave them as they began."""
