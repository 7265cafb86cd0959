# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The room that a lab stands in.

A folder, a control group, and namespaces with bridges and a file system of tools.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

from .cgroup import Group
from .model import BRIDGES, CONTROL_ADDRESS, LabError

HERE = Path(__file__).parent


class Room:
    """The room of one lab."""

    def __init__(self, work: Path, group: Group, absent: str) -> None:
        """absent: what to tell somebody who wants something of a room that is not open."""
        self.work, self.group, self._absent = work, group, absent

    def open(self, tools: Path, cache: Path) -> None:
        """Start the first process, which makes the namespaces and bridges. Raises LabError.

        tools: the file system with the lab's own tools. cache: a folder that is to be seen inside.
        """
        self.group.create("init.scope", "control")
        bridges = [f"{name}={CONTROL_ADDRESS if name == 'public' else ''}" for name in BRIDGES]
        # First the view of control groups; then out of the group's root, which must stay empty to hand
        # controllers down; then the rest, behind our back: the lab is nobody's child.
        move = f'echo $$ >"{self.group.path}/init.scope/cgroup.procs"; "$@" &'
        rest = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        holder = map(str, [HERE / "holder.sh", tools, cache, self.work])
        argv = ["unshare", "--cgroup", "sh", "-c", move, "sh", *rest, *holder, *bridges]
        with (self.work / "holder.log").open("w") as log:
            subprocess.run(
                argv,
                check=True,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self.group.enter,
            )
        while not (self.work / "ready").exists():
            if not any(self.group.processes()):
                last_words = (self.work / "holder.log").read_text().strip()
                raise LabError(f"the lab's first process died: {last_words}")
            time.sleep(0.01)

    def is_open(self) -> bool:
        return self._find_holder() is not None

    def holder(self) -> int:
        """The pid of the first process, as this machine counts. Raises LabError."""
        holder = self._find_holder()
        if holder is None:
            raise self.absent()
        return holder

    def absent(self) -> LabError:
        return LabError(self._absent)

    def tool(self, *argv: str | Path, check: bool = True, text: str = "", leaf: str = "control") -> str:
        """Run a command of the tools in all namespaces of the lab, with a text to read.

        leaf: the child of the control group in which the command is born. Returns what it printed.
        """
        enter = ["nsenter", "--target", str(self.holder()), "--all", "--root", "--wd=/", "env", "-i"]
        environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        done = subprocess.run(
            [*enter, *environment, *map(str, argv)],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: self.group.enter(leaf),
        )
        if check and done.returncode:
            raise LabError(
                f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip() or done.returncode}"
            )
        return done.stdout

    def _find_holder(self) -> int | None:
        """The lab's first process, as this machine counts: the one which calls itself 1."""
        for pid in self.group.processes("init.scope"):
            with contextlib.suppress(OSError):
                if own_pids(pid)[1:] == [1]:
                    return pid
        return None


def own_pids(pid: int) -> list[int]:
    """The pids of a process, from this machine's view inwards (proc_pid_status(5), NSpid)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return [int(word) for line in lines if line.startswith("NSpid:") for word in line.split()[1:]]
