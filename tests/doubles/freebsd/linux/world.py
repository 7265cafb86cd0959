# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of the second ground: the server's own files, and its own programs where the double has none."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from glob import glob
from pathlib import Path
from typing import TextIO

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from ..kernel import Hung, Missing
from ..world import Fault, World
from . import Become
from .kernel import STATE, LinuxKernel
from .shelf import Shelf

LOCK = STATE.with_name("lock")
FAULTS = Path("/var/db/freebsd-double/faults.json")
"""How programs shall misbehave: fields of `Fault` by name of the program."""
LOG = Path("/var/log/freebsd-double.log")
"""Every command line that began a program of the double, as a shell reads it."""


class ServerFiles:
    """The files of this server."""

    def read(self, path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def write(self, path: str, text: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8", errors="surrogateescape")

    def remove(self, path: str) -> None:
        if self.is_folder(path) and not self.is_link(path):
            os.rmdir(path)
        else:
            Path(path).unlink(missing_ok=True)

    def listing(self, path: str) -> list[str]:
        return sorted(os.listdir(path)) if self.is_folder(path) else []

    def glob(self, pattern: str) -> list[str]:
        return sorted(glob(pattern))

    def exists(self, path: str) -> bool:
        return os.path.lexists(path)

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)

    def is_link(self, path: str) -> bool:
        return os.path.islink(path)

    def make_folder(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)


RELEASE = Path("/etc/freebsd-double-release")
INSIDE = ("hostname", "ifconfig", "jls", "route", "service", "sysctl", "sysrc", "uname")
"""Programs which, asked for in a jail that has them, are those of the double and look at its tables."""


def release() -> str:
    """The release which this server is."""
    return RELEASE.read_text().strip()


class LinuxWorld(World):
    """This server. One program at a time works on its tables.

    :param become: makes this program another one.
    """

    def __init__(self, release: str, become: Become) -> None:
        self.server = LinuxKernel(release)
        super().__init__(release, ServerFiles(), self.server, Shelf())
        self.server.shown = self._shown
        if FAULTS.exists():
            self.faults = faults()
        self._lock = -1
        self._program = ""
        self._become = become

    def serve(self, argv: Sequence[str]) -> int:
        """Run a program for whoever called it; its exit code."""
        with LOG.open("a", errors="surrogateescape") as log:
            log.write(f"{shlex.join(argv)}\n")
        stdin = sys.stdin.read() if "-" in argv else ""
        self._program = argv[0]
        try:
            with self.held():
                output = self.call(argv, stdin, _environment())
            if self.faults:
                # How often it shall still happen.
                keep(self.faults)
        except Hung:
            while True:
                signal.pause()
        sys.stdout.write(output.out)
        sys.stdout.flush()
        sys.stderr.write(output.err)
        return output.rc

    @contextmanager
    def held(self) -> Iterator[None]:
        """The tables, as the last program left them; what is changed is kept."""
        self._take()
        try:
            yield
        finally:
            self._give()

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """The tables are for other programs for a while."""
        self._give()
        try:
            yield
        finally:
            self._take()

    def has(self, program: str) -> bool:
        return super().has(program) or shutil.which(program) is not None

    def exists(self, path: str) -> bool:
        return os.path.lexists(path)

    def call(self, argv: Sequence[str], stdin: str = "", env: Mapping[str, str] | None = None) -> Output:
        if not super().has(argv[0]):
            return self._spawn(argv, stdin, env)
        if argv[0].rpartition("/")[2] == "umount":
            self.server.look_for_busy_mounts()
        output = super().call(argv, stdin, env)
        try:
            self.server.realise()
        except RuntimeError as error:
            return answered(argv, output.out, f"{output.err}{argv[0].rpartition('/')[2]}: {error}\n", 1)
        return output

    def execute(
        self,
        jid: int,
        argv: Sequence[str],
        stdin: str = "",
        *,
        ids: tuple[int, int] = (0, 0),
        folder: str = "/",
    ) -> Output:
        if not self._has_inside(jid, argv[0]):
            raise Missing(argv[0])
        if argv[0].rpartition("/")[2] in INSIDE:
            with self.inside(jid):
                return self.call(argv, stdin)
        command = self.server.entering(jid, argv, ids, folder)
        if self._program == "jexec":
            # It becomes what it starts.
            self._give()
            self._become(command, dict(self.env))
        with self.given_up():
            return _run(command, stdin, self.env, self.patience)

    def _spawn(self, argv: Sequence[str], stdin: str, env: Mapping[str, str] | None) -> Output:
        if shutil.which(argv[0]) is None:
            raise Missing(argv[0])
        with self.given_up():
            return _run(argv, stdin, env or self.env, self.patience)

    def _shown(self, ruleset: int) -> set[str]:
        from .. import devfs

        return devfs.visible(self, ruleset)

    def _has_inside(self, jid: int, program: str) -> bool:
        folders = [""] if "/" in program else self.env.get("PATH", "/bin:/usr/bin").split(":")
        root = self.server.path_of(jid)
        return any(
            os.path.lexists(os.path.join(root, folder.strip("/"), program.lstrip("/"))) for folder in folders
        )

    def _take(self) -> None:
        LOCK.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.server.load(inside=self._program == "ifconfig")

    def _give(self) -> None:
        if self._lock >= 0:
            self.server.save()
            os.close(self._lock)
            self._lock = -1


def faults() -> dict[str, Fault]:
    """How programs shall misbehave."""
    import json

    return {name: Fault(**each) for name, each in json.loads(FAULTS.read_text()).items()}


def keep(ordered: Mapping[str, Fault]) -> None:
    """Write down how they shall from now on."""
    import json

    FAULTS.write_text(json.dumps({name: asdict(each) for name, each in ordered.items()}))


def _environment() -> dict[str, str]:
    """That of our caller: Python adds a variable of its own where there is no locale (PEP 538)."""
    return {name: value for name, value in os.environ.items() if (name, value) != ("LC_CTYPE", "C.UTF-8")}


def _run(argv: Sequence[str], stdin: str, env: Mapping[str, str], patience: float | None) -> Output:
    """Run a program to its end. Its output goes into files, for what it leaves running keeps them open.

    :raises Hung: when it did not end in time; it is killed.
    """
    with _file("out") as out, _file("err") as err:
        try:
            done = subprocess.run(
                argv, check=False, input=stdin, stdout=out, stderr=err, env=env, timeout=patience,
                text=True, errors="surrogateescape",
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Hung(" ".join(argv)) from error
        out.seek(0)
        err.seek(0)
        return Output(tuple(argv), done.returncode, out.read(), err.read())


def _file(name: str) -> TextIO:
    """A file in memory for the output of a program, whatever bytes that is."""
    return open(os.memfd_create(name), "w+", errors="surrogateescape")
