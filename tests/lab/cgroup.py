# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One control group (version 2) per lab.

Every process of the lab is born in it, so ending the group ends the lab and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from .model import LabError


def mount_point() -> Path:
    """Where this machine shows the cgroup2 hierarchy. Raises LabError."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _unused, source = line.partition(" - ")
        if source.startswith("cgroup2 "):
            return Path(fields.split()[4])
    raise LabError(
        "this machine mounts no cgroup2 file system (mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified)"
    )


class Group:
    """The control group of one lab."""

    def __init__(self, name: str) -> None:
        self.path = mount_point() / name

    def create(self, *leaves: str) -> None:
        """Make children for processes to be born in."""
        for leaf in leaves:
            (self.path / leaf).mkdir(parents=True, exist_ok=True)

    def enter(self, leaf: str = "") -> None:
        """Move the calling process in."""
        (self.path / leaf / "cgroup.procs").write_text(str(os.getpid()))

    def processes(self, under: str = "") -> Iterator[int]:
        """The pids, as this machine counts them, of all processes below a child of the group."""
        # Unlike Path.glob, os.walk goes on when a group ends while it is read.
        for folder, _unused, _unused in os.walk(self.path / under):
            with contextlib.suppress(OSError):
                yield from map(int, Path(folder, "cgroup.procs").read_text().split())

    def end(self, under: str = "") -> None:
        """Kill every process of the group, or of a child, and remove it.

        Raises LabError when one does not die.
        """
        path = self.path / under
        if not path.is_dir():
            return
        (path / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + 30
        while "populated 1" in (path / "cgroup.events").read_text():
            if time.monotonic() > deadline:
                left = " ".join(map(str, self.processes(under)))
                raise LabError(f"processes of the lab do not die: {left}")
            time.sleep(0.02)
        for folder, _unused, _unused in os.walk(path, topdown=False):
            os.rmdir(folder)
