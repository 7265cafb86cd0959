# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of the programs: files, a kernel, a release, and the faults that a test has ordered.

A program is a function ``main(world, argv, stdin) -> Output``. It starts other programs by
`World.call`, runs one in a jail by `World.execute`, and knows by `World.jail` in which jail it runs.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .kernel import Hung, Kernel, MemoryKernel, Missing

Main = Callable[["World", Sequence[str], str], Output]
FOLDERS = ("", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/etc/rc.d")
FROM_THE_START = (
    "/", "/dev", "/etc", "/etc/jail.conf.d", "/mnt", "/root", "/tmp", "/usr", "/var", "/var/log", "/var/run",
)  # fmt: skip


class Zfs(Protocol):
    """zfs(8) and zpool(8) with their state."""

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        """Answer as they do."""

    def plain_state(self) -> Any:
        """All of it, to be compared."""


class Files(Protocol):
    """The files that programs see."""

    def read(self, path: str) -> str | None:
        """The text of a file; None when there is none."""

    def write(self, path: str, text: str) -> None:
        """Replace or make a file; the folder above it need not exist."""

    def remove(self, path: str) -> None:
        """Remove a file or an empty folder, if it is there."""

    def listing(self, path: str) -> list[str]:
        """The names in a folder, sorted."""

    def glob(self, pattern: str) -> list[str]:
        """The files whose path matches, sorted; no wildcard matches a slash."""

    def exists(self, path: str) -> bool:
        """Whether there is a file, folder or link."""

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""

    def is_link(self, path: str) -> bool:
        """Whether there is a symbolic link."""

    def make_folder(self, path: str) -> None:
        """Make a folder, and those above it."""


@dataclass
class MemoryFiles:
    """Files in memory. A folder is there when something lies in it, or when it was made."""

    texts: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: set(FROM_THE_START))
    links: dict[str, str] = field(default_factory=dict)

    def read(self, path: str) -> str | None:
        return self.texts.get(path)

    def write(self, path: str, text: str) -> None:
        self.texts[path] = text

    def remove(self, path: str) -> None:
        self.texts.pop(path, None)
        self.links.pop(path, None)
        self.folders.discard(path)

    def listing(self, path: str) -> list[str]:
        below = path.rstrip("/") + "/"
        paths = (*self.texts, *self.links, *self.folders)
        return sorted({name[len(below) :].split("/")[0] for name in paths if name.startswith(below)} - {""})

    def glob(self, pattern: str) -> list[str]:
        return sorted(
            path
            for path in self.texts
            if path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
        )

    def exists(self, path: str) -> bool:
        return path in self.texts or path in self.links or self.is_folder(path)

    def is_folder(self, path: str) -> bool:
        return path in self.folders or bool(self.listing(path))

    def is_link(self, path: str) -> bool:
        return path in self.links

    def make_folder(self, path: str) -> None:
        parts = path.strip("/").split("/")
        self.folders |= {"/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)}


@dataclass
class Fault:
    """How a program misbehaves.

    :param about: words which the command line must contain, as it is joined by blanks.
    :param when: ``before``: it fails and has done nothing; ``after``: it has done its work and
        says it failed; ``hang``: it never ends; ``hang after``: it has done its work and never ends.
    :param times: after so many failures it works again; None: it never does.
    """

    rc: int = 1
    err: str = ""
    out: str = ""
    about: str = ""
    when: str = "before"
    times: int | None = None


class World:
    """A host.

    :param release: ``14.3`` or ``15.0``.
    :param files: by path.
    :param table: the programs by name, if not all that this package has.
    """

    def __init__(
        self,
        release: str = "14.3",
        files: Files | None = None,
        kernel: Kernel | None = None,
        table: MutableMapping[str, Main] | None = None,
    ) -> None:
        self.release = release
        self.files: Files = MemoryFiles() if files is None else files
        self.kernel: Kernel = MemoryKernel(release) if kernel is None else kernel
        self.faults: dict[str, Fault] = {}
        """By name of the program, without its folder."""
        self.programs: MutableMapping[str, Main] = dict(programs()) if table is None else table
        self.log: list[tuple[str, ...]] = []
        """Every command line, those that programs start included, in order."""
        self.zfs: Zfs | None = None
        """The pools, where this ground has them in memory."""
        self.jail = 0
        """The jail in which the program runs that is asked just now; 0: the host."""
        self.env: Mapping[str, str] = {"HOME": "/root", "PATH": "/sbin:/bin:/usr/sbin:/usr/bin"}
        """The environment of that program."""
        self.patience: float | None = None
        """Seconds after which what it starts is given up; in memory a fault or an outcome says what hangs."""

    @property
    def major(self) -> int:
        """First number of the release."""
        return int(self.release.partition(".")[0])

    def state(self) -> Any:
        """All that the host is, as data that can be compared and copied."""
        return [self.files, self.kernel.state(), self.zfs.plain_state() if self.zfs else None]

    def has(self, program: str) -> bool:
        """Whether there is a program of this name or path."""
        folder, _slash, name = program.rpartition("/")
        return folder in FOLDERS and name in self.programs

    def call(self, argv: Sequence[str], stdin: str = "", env: Mapping[str, str] | None = None) -> Output:
        """Run a program on the host, or in the jail in which the caller runs.

        :raises Missing: when there is none of this name.
        :raises Hung: when a fault says so.
        """
        if not self.has(argv[0]):
            raise Missing(argv[0])
        self.log.append(tuple(argv))
        outside, self.env = self.env, self.env if env is None else env
        try:
            return self._run(argv, stdin)
        finally:
            self.env = outside

    def rooted(self, path: str) -> str:
        """A path of the jail in which the program runs, as the host has it."""
        jail = self.kernel.find(self.jail) if self.jail else None
        return f"{jail.path.rstrip('/')}{path}" if jail else path

    def exists(self, path: str) -> bool:
        """Whether there is something at a path on the host, with what is mounted over it."""
        for mount in reversed(self.kernel.mounts):
            if path == mount.target:
                return True
            if path.startswith(f"{mount.target.rstrip('/')}/"):
                below = path[len(mount.target.rstrip("/")) :]
                if mount.kind == "nullfs":
                    return self.exists(mount.source + below)
                if mount.kind == "devfs":
                    return below in ("/fd", "/null", "/zero", "/random", "/urandom", "/stdin", "/stdout")
        return self.files.exists(path)

    def execute(
        self,
        jid: int,
        argv: Sequence[str],
        stdin: str = "",
        *,
        ids: tuple[int, int] = (0, 0),
        folder: str = "/",
    ) -> Output:
        """Run a program in a jail. One that nobody knows is taken to succeed.

        :param ids: numbers of the user and the group who run it; in memory there is nobody but root.
        :param folder: in which it begins.
        :raises Missing: when there is no such program in the jail.
        :raises Hung: when it does not end.
        """
        output = self.kernel.execute(jid, argv, stdin)
        if output is not None:
            return output
        with self.inside(jid):
            return self.call(argv, stdin) if self.has(argv[0]) else answered(argv)

    @contextmanager
    def inside(self, jid: int) -> Iterator[None]:
        """What is called within runs in this jail."""
        outside, self.jail = self.jail, jid
        try:
            yield
        finally:
            self.jail = outside

    def _run(self, argv: Sequence[str], stdin: str) -> Output:
        name = argv[0].rpartition("/")[2]
        fault = self._fault(name, argv)
        if fault is None:
            return self.programs[name](self, argv, stdin)
        if fault.when.endswith("after"):
            self.programs[name](self, argv, stdin)
        if fault.when.startswith("hang"):
            raise Hung(" ".join(argv))
        return answered(argv, fault.out, fault.err, fault.rc)

    def _fault(self, name: str, argv: Sequence[str]) -> Fault | None:
        fault = self.faults.get(name)
        if fault is None or fault.about not in " ".join(argv):
            return None
        if fault.times is not None:
            if fault.times == 0:
                return None
            fault.times -= 1
        return fault


@functools.cache
def programs() -> Mapping[str, Main]:
    """The programs of all modules of this package, by name."""
    found: dict[str, Main] = {}
    for module in pkgutil.iter_modules(importlib.import_module(__package__).__path__):
        if module.name == "__main__":
            continue
        found.update(getattr(importlib.import_module(f"{__package__}.{module.name}"), "PROGRAMS", {}))
    return found
