# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cron(8) for the tables of the system: /etc/crontab, and the files of /etc/cron.d and /usr/local/etc/cron.d.

Rests on crontab(5) of FreeBSD 14: settings of the environment, five fields and a user, ``@reboot``, and
``@SECONDS``, which runs a command so long after the end of its last run. The tables are read again when they
have changed. What a command says goes nowhere, as nobody here reads mail. Names of months and of days, ranges
with a step and the users of /var/cron/tabs are left out.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path

TABLES = ("/etc/crontab", "/etc/cron.d/*", "/usr/local/etc/cron.d/*")
PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
PAUSE = 0.25
"""Seconds between two looks at the clock."""


@dataclass(frozen=True)
class Job:
    """A line of a table.

    :param when: five fields, ``@reboot``, or ``@`` and a number of seconds.
    """

    when: str
    user: str
    command: str
    environment: tuple[tuple[str, str], ...]

    def start(self) -> subprocess.Popen[bytes]:
        """Run the command."""
        account = pwd.getpwnam(self.user)
        known = {
            "HOME": account.pw_dir,
            "LOGNAME": self.user,
            "USER": self.user,
            "SHELL": "/bin/sh",
            "PATH": PATH,
        }
        environment = {**known, **dict(self.environment)}
        null = subprocess.DEVNULL
        return subprocess.Popen(
            [environment["SHELL"], "-c", self.command], stdin=null, stdout=null, stderr=null,
            env=environment, cwd=account.pw_dir, user=account.pw_uid, group=account.pw_gid,
        )  # fmt: skip

    def is_due(self, now: time.struct_time) -> bool:
        """Whether it is to run in this minute."""
        fields = self.when.split()
        values = (now.tm_min, now.tm_hour, now.tm_mday, now.tm_mon, (now.tm_wday + 1) % 7)
        return len(fields) == 5 and all(map(_fits, fields, values))


def _fits(field: str, value: int) -> bool:
    for part in field.split(","):
        span, _slash, step = part.partition("/")
        first, _dash, last = span.partition("-")
        if span == "*":
            if value % int(step or 1) == 0:
                return True
        elif int(first) <= value <= int(last or first):
            return True
    return False


def jobs() -> Iterator[Job]:
    """The lines of all tables."""
    for path in sorted(path for pattern in TABLES for path in glob(pattern)):
        settings: dict[str, str] = {}
        for line in map(str.strip, Path(path).read_text().splitlines()):
            name, equals, value = line.partition("=")
            if equals and name.strip().isidentifier():
                settings[name.strip()] = value.strip().strip("\"'")
            elif line and not line.startswith("#"):
                count = 1 if line.startswith("@") else 5
                *when, user, command = line.split(None, count + 1)
                yield Job(" ".join(when), user, command, tuple(settings.items()))


class Cron:
    """The daemon."""

    def __init__(self) -> None:
        self.running: dict[Job, subprocess.Popen[bytes]] = {}
        self.ended: dict[Job, float] = {}
        self.seen: object = None
        self.table: list[Job] = []
        self.minute = time.localtime().tm_min

    def look(self) -> None:
        """Reap what has ended, start what is due."""
        for job, process in list(self.running.items()):
            if process.poll() is not None:
                del self.running[job]
                self.ended[job] = time.monotonic()
        state = {path: os.stat(path).st_mtime_ns for pattern in TABLES for path in glob(pattern)}
        if state != self.seen:
            self.seen, self.table = state, list(jobs())
        now = time.localtime()
        if now.tm_min != self.minute:
            self.minute = now.tm_min
            self._start(job for job in self.table if job.is_due(now))
        self._start(job for job in self.table if self._has_waited(job))

    def boot(self) -> None:
        """The jobs of a start."""
        self._start(job for job in jobs() if job.when == "@reboot")

    def _has_waited(self, job: Job) -> bool:
        seconds = job.when.removeprefix("@")
        begin = self.ended.setdefault(job, time.monotonic())
        return job.when != seconds and seconds.isdigit() and time.monotonic() - begin >= int(seconds)

    def _start(self, due: Iterator[Job]) -> None:
        for job in due:
            if job not in self.running:
                self.running[job] = job.start()


def main() -> None:
    """Go on until the server halts."""
    cron = Cron()
    cron.boot()
    while True:
        cron.look()
        time.sleep(PAUSE)
