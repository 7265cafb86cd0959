# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sockets of a QEMU machine: its monitor (QMP) and the agent inside it (QGA).

Both talk JSON, a line each way. Facts: QEMU's docs/interop/qmp-spec and qemu-qga-ref.
"""

from __future__ import annotations

import base64
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .model import LabError

_POLL = 0.02, 0.5
"""Seconds between two questions whether a command has ended: at first, and at most. Each is guest's work."""
_BETWEEN_GREETINGS = 0.5, 30.0
"""Seconds that an answer to a greeting may take: at first, and at most. A guest that is busy needs longer."""


class Channel:
    """One conversation. A socket of QEMU serves one after the other; the next one waits."""

    def __init__(self, connection: socket.socket, who: str) -> None:
        self._connection, self._who = connection, who
        self._unread = b""

    def patience(self, seconds: float) -> None:
        """How long an answer may take from now on."""
        self._connection.settimeout(seconds)

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def line(self) -> Any:
        """The next line. Raises LabError at the end of the conversation, TimeoutError."""
        while b"\n" not in self._unread:
            data = self._connection.recv(65536)
            if not data:
                raise LabError(f"{self._who} has hung up")
            self._unread += data
        line, _newline, self._unread = self._unread.partition(b"\n")
        # The agent marks with 0xff where it begins anew.
        return json.loads(line.rpartition(b"\xff")[2])

    def call(self, command: str, **arguments: Any) -> Any:
        """What a command returns. Raises LabError."""
        self.send(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = self.line()
            if "error" in answer:
                raise LabError(f"{self._who}: {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


@contextmanager
def _channel(path: Path, who: str, seconds: float) -> Iterator[Channel]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(str(path))
            yield Channel(connection, who)
        except TimeoutError as error:
            raise LabError(f"{who} does not answer in time") from error
        except (ConnectionError, FileNotFoundError) as error:
            raise LabError(f"{who} does not answer: {error}") from error


@contextmanager
def monitor(path: Path, seconds: float = 120.0) -> Iterator[Channel]:
    """The monitor of a machine, ready for commands. Raises LabError."""
    with _channel(path, f"the monitor of {path.parent.name}", seconds) as channel:
        channel.line()
        channel.call("qmp_capabilities")
        yield channel


def human(channel: Channel, line: str) -> None:
    """Have the monitor do a line of its older language, which answers success with silence."""
    said = channel.call("human-monitor-command", **{"command-line": line})
    if said.strip():
        raise LabError(f"{line}: {said.strip()}")


@contextmanager
def agent(path: Path, seconds: float) -> Iterator[Channel]:
    """The agent of a machine, as soon as it answers. Raises LabError."""
    who = f"the agent of {path.parent.name}"
    wait, longest = _BETWEEN_GREETINGS
    with _channel(path, who, wait) as channel:
        deadline = time.monotonic() + seconds
        # It answers in order: after the answer to the last greeting comes nothing of old.
        while not _greet(channel, random.getrandbits(30)):
            if time.monotonic() > deadline:
                raise LabError(f"{who} does not answer within {seconds:.0f} s")
            wait = min(2 * wait, longest)
            channel.patience(wait)
        channel.patience(seconds)
        yield channel


def _greet(channel: Channel, number: int) -> bool:
    """Begin anew with the agent. Returns whether it answers."""
    greeting = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
    # 0xff ends whatever an earlier conversation has left half said.
    try:
        channel.send(b"\xff" + json.dumps(greeting).encode() + b"\n")
        while channel.line() != {"return": number}:
            pass
    except TimeoutError:
        return False
    return True


def execute(channel: Channel, argv: list[str], seconds: float) -> tuple[int, str]:
    """Run a command by the agent. Returns exit code (-1: ended by a signal) and what it printed."""
    arguments = {"path": argv[0], "arg": argv[1:], "capture-output": True}
    pid = channel.call("guest-exec", **arguments)["pid"]
    deadline = time.monotonic() + seconds
    pause, longest = _POLL
    while True:
        status = channel.call("guest-exec-status", pid=pid)
        if status["exited"]:
            printed = base64.b64decode(status.get("out-data", "")).decode(errors="replace")
            return status.get("exitcode", -1), printed
        if time.monotonic() > deadline:
            raise LabError(f"{' '.join(argv)} has not ended within {seconds:.0f} s")
        time.sleep(pause)
        pause = min(1.5 * pause, longest)
