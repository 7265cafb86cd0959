# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab can do to one server, whatever the server is made of."""

from __future__ import annotations

import signal
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from .model import Port, Server


class Box(Protocol):
    """A server as a thing that stands in the room. Everything raises LabError."""

    server: Server
    patience: float
    """Seconds that a start may take."""

    def set_up(self) -> None:
        """Make everything of this server that is its own, from a fresh installation with empty disks.

        A kind that is quicker so may leave it powered on.
        """

    def host_key(self) -> str:
        """The public half of its ssh host key, made by set_up()."""

    def is_on(self) -> bool:
        """Whether it has power."""

    def power_on(self) -> None:
        """Begin to start it; whoever wants to know when that is over asks the server."""

    def power_off(self) -> None:
        """A power cut; nothing to do where it is off."""

    def connect(self, cut: Collection[Port]) -> None:
        """Give carrier to all its cables but those which are cut."""

    def inside(self, *argv: str) -> str:
        """Run a command on it without its network. Returns what it printed, whatever its exit code."""

    def signal(self, number: signal.Signals, pid: int | None, pattern: str | None) -> list[int]:
        """Send a signal to one process (as the server counts) or to those with such a command line.

        Returns the pids that got it, as the server or this machine counts.
        """

    def save(self, kept: Path) -> None:
        """Keep its state, in a new folder of its own or under that folder's place in the work folder.

        A kind that must stop for that leaves it powered off.
        """

    def reset(self, kept: Path) -> None:
        """Bring back the state that was kept so; it is then as save() left it."""
