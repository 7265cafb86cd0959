# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in memory: files, and programs of a technology as state machines.

It holds the promise of the read half: a command that is run as a read and changes something
fails the test, and so does a write by whoever was handed the read half only.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    CommandMissing,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host, Output, WritableHost


class Program(Protocol):
    """One or more commands over one state. ``state`` is plain data, all of it."""

    state: Any
    commands: Sequence[str]

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        """Answer as the real program does, exit code and messages included."""


def answered(argv: Sequence[str], out: str = "", err: str = "", rc: int = 0) -> Output:
    """An answer, for programs."""
    return Output(tuple(argv), rc, out, err)


@contextmanager
def only_read(host: MemoryHost, argv: Sequence[str]) -> Iterator[None]:
    """Fail the test when what is done inside changes a host; argv: what that is."""
    # Not copied, for there are thousands of reads, and pickle is ten times as quick. Equal bytes are equal
    # states; the opposite need not be so.
    before = pickle.dumps(host.state())
    yield
    after = host.state()
    same = pickle.dumps(after) == before or pickle.loads(before) == after
    assert same, f"a read changed the system: {' '.join(argv)}"


class MemoryReader(Host):
    """The read half over the state of a `MemoryHost`."""

    def __init__(self, host: MemoryHost) -> None:
        self._host = host

    @property
    def system(self) -> str:
        return self._host.system

    def answer(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        with only_read(self._host, argv):
            return self._host.answer(argv, stdin, timeout)

    def read(self, path: str) -> str | None:
        return self._host.read(path)

    def listing(self, path: str) -> list[str]:
        return self._host.listing(path)


class MemoryHost(WritableHost):
    """Both halves.

    :param fault: called before each change with its argv (or ``("write", path)``,
        ``("remove", path)``); may raise, or return an output that is given instead of the real one.
    """

    system = "Linux"

    def __init__(self, *programs: Program, files: dict[str, str] | None = None) -> None:
        self.programs = programs
        self.files: dict[str, str] = dict(files or {})
        self.modes: dict[str, int] = {}
        self.calls: list[tuple[str, ...]] = []
        self.changes: list[tuple[str, ...]] = []
        self.fault: Callable[[tuple[str, ...]], Output | None] = lambda argv: None

    def reader(self) -> MemoryReader:
        """The read half alone."""
        return MemoryReader(self)

    def state(self) -> Any:
        """All that the system is, to be compared."""
        return [self.files, self.modes, *(program.state for program in self.programs)]

    def answer(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        self.calls.append(tuple(argv))
        for program in self.programs:
            if argv[0] in program.commands:
                return program.call(argv, stdin)
        raise CommandMissing(f"{argv[0]} is not installed on this host", command=list(argv))

    def run(self, argv: Sequence[str], **options: Any) -> Output:
        with only_read(self, argv):
            return super().run(argv, **options)

    def change(self, argv: Sequence[str], **options: Any) -> Output:
        instead = self._about_to(tuple(argv))
        return instead if instead is not None else super().change(argv, **options)

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def listing(self, path: str) -> list[str]:
        below = path.rstrip("/") + "/"
        return sorted({name[len(below) :].split("/")[0] for name in self.files if name.startswith(below)})

    def write(self, path: str, text: str, mode: int | None = None) -> None:
        self._about_to(("write", path))
        self.files[path] = text
        self.modes[path] = self.modes.get(path, 0o644) if mode is None else mode

    def remove(self, path: str) -> None:
        self._about_to(("remove", path))
        self.files.pop(path, None)
        self.modes.pop(path, None)

    def _about_to(self, argv: tuple[str, ...]) -> Output | None:
        self.changes.append(argv)
        return self.fault(argv)


def power_cut_before(number: int) -> Callable[[tuple[str, ...]], Output | None]:
    """A fault: the host dies before its change with this number (from 0)."""
    count = -1

    def fault(argv: tuple[str, ...]) -> Output | None:
        nonlocal count
        count += 1
        if count >= number:
            raise CommandFailed("the host died", f"before {' '.join(argv)}")
        return None

    return fault
