# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host: the one injectable object through which systems are read and changed.

It has a read half (`Host`) and a write half (`WritableHost`). Check mode hands out the read half
alone, so that a plan which is only announced cannot write.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import stat
import subprocess
import tempfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CommandFailed, CommandMissing, TwinError, Unreachable
from .pipe import Joined, Meter, join


@dataclass(frozen=True, slots=True)
class Output:
    """What a command answered."""

    argv: tuple[str, ...]
    rc: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Peer:
    """How another host is reached.

    :param addresses: tried in order.
    :param key: file of the private key; empty for ssh's own choice.
    :param known_hosts: file of the host keys; empty for ssh's own choice.
    """

    addresses: tuple[str, ...]
    user: str = "root"
    key: str = ""
    known_hosts: str = ""


class Host(ABC):
    """The read half: looks at a system and changes nothing."""

    writable = False

    @property
    @abstractmethod
    def system(self) -> str:
        """The name of its operating system, as uname(1) tells it: ``Linux``, ``FreeBSD``."""

    @abstractmethod
    def answer(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        """Run a command to its end, whatever its exit code.

        :param timeout: seconds, after which the command is ended.
        :raises CommandMissing: when the program is not installed.
        :raises CommandFailed: when the timeout ran out.
        """

    @abstractmethod
    def read(self, path: str) -> str | None:
        """The text of a file; None when there is none."""

    @abstractmethod
    def listing(self, path: str) -> list[str]:
        """The names in a folder, sorted; empty when there is none."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        ok: Collection[int] = (0,),
        timeout: float | None = None,
    ) -> Output:
        """Run a command that only reads.

        :param ok: exit codes that are answers, not failures.
        :raises CommandMissing: when the program is not installed.
        :raises CommandFailed: on any other exit code, and when the timeout ran out.
        """
        return expect(self.answer(argv, stdin, timeout), ok)

    def reach(self, peer: Peer) -> WritableHost:
        """Another host, at the first of its addresses that answers.

        :raises Unreachable: when none does.
        """
        refusals = []
        for address in peer.addresses:
            host = SshHost(address, ssh_options(peer), peer.user)
            try:
                host.answer(["true"], "", None)
            except Unreachable as error:
                refusals.append(f"{address}: {error.answered}")
            else:
                return host
        raise Unreachable(
            "the other server could not be reached by ssh",
            ", ".join(refusals),
            "see that it is up, that the network is whole and that its key is known here",
        )


class WritableHost(Host):
    """Both halves."""

    writable = True

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line which runs a command on this host from where this code runs."""
        return tuple(argv)

    def pipe(self, argv: Sequence[str], into: WritableHost, into_argv: Sequence[str], meter: Meter) -> Joined:
        """Run a command on this host with its output flowing into a command on another one.

        Both exit codes are given back, none is judged: what the receiver says is often the cause
        of what the sender says.
        """
        return join(self.argv(argv), into.argv(into_argv), meter)

    def change(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        ok: Collection[int] = (0,),
        timeout: float | None = None,
    ) -> Output:
        """Run a command that changes the system; arguments and errors as in `run`."""
        return expect(self.answer(argv, stdin, timeout), ok)

    @abstractmethod
    def write(self, path: str, text: str, mode: int | None = None) -> None:
        """Replace a file at once and for good: a power cut leaves the old or the new one.

        Missing folders above it are made, and all may look into them, whatever the umask: services
        that are not root read their files there.

        :param mode: None: the mode and the owner of the file that is there; a new one has 0644.
        """

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""


def expect(output: Output, ok: Collection[int]) -> Output:
    """The same output, if its exit code is expected.

    :raises CommandFailed: when it is not.
    """
    if output.rc in ok:
        return output
    said = (output.err.strip() or output.out.strip() or "nothing").splitlines()
    raise CommandFailed(
        f"{' '.join(output.argv[:3])} failed",
        f"it answered {said[-1]!r} with exit code {output.rc}",
        command=list(output.argv),
        rc=output.rc,
        stderr=output.err,
    )


class LocalReader(Host):
    """The read half of the machine that this code runs on."""

    @property
    def system(self) -> str:
        return os.uname().sysname

    def answer(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        # Messages are parsed, so they must come in one language.
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
        try:
            done = subprocess.run(
                list(argv), input=stdin, capture_output=True, text=True, timeout=timeout, env=environment,
                errors="surrogateescape", check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise CommandMissing(
                f"{argv[0]} is not installed on this host", remedy="run role server", command=list(argv)
            ) from error
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(
                f"{' '.join(argv[:3])} did not end", f"it was stopped after {timeout} s", command=list(argv)
            ) from error
        return Output(tuple(argv), done.returncode, done.stdout, done.stderr)

    def read(self, path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def listing(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []


class LocalHost(LocalReader, WritableHost):
    """Both halves of the machine that this code runs on."""

    def write(self, path: str, text: str, mode: int | None = None) -> None:
        target = Path(path)
        try:
            _make_folder(target.parent)
            # A link is replaced; what it points to stays as it is.
            old = target.lstat() if mode is None and target.is_file() and not target.is_symlink() else None
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(text)
                    if old:
                        os.fchown(file.fileno(), old.st_uid, old.st_gid)
                    # After chown(2), which takes away setuid bits.
                    os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode) if old else mode or 0o644)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, target)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
                raise
            sync_folder(target.parent)
        except OSError as error:
            raise TwinError(f"file {path} could not be written", str(error)) from error

    def remove(self, path: str) -> None:
        target = Path(path)
        try:
            target.unlink(missing_ok=True)
            if target.parent.is_dir():
                sync_folder(target.parent)
        except OSError as error:
            raise TwinError(f"file {path} could not be removed", str(error)) from error


def _make_folder(folder: Path) -> None:
    umask = os.umask(0o022)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(umask)


def sync_folder(folder: Path) -> None:
    """Make a rename or an unlink in a folder survive a power cut (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SshHost(WritableHost):
    """Another host, reached by ssh(1) from this one.

    Commands travel as one quoted line (ssh hands it to the other side's shell), so the same read
    and apply code serves a host here and a host there.

    :param address: name or address of the other host.
    :param options: further arguments of ssh (``-i KEY``, ``-o UserKnownHostsFile=FILE`` …).
    :param user: the account there.
    """

    # ssh itself answers 255 when it could not connect or a signal ended the command (ssh(1), EXIT STATUS).
    NO_CONNECTION = 255
    # Runs a command whose own 255 travels as 254 with a mark: some verbs of zfs(8) answer that.
    EXACT = ("sh", "-c", '"$@"; rc=$?; [ $rc -ne 255 ] || { echo twin-255 >&2; rc=254; }; exit $rc', "sh")
    _MARK = "twin-255\n"
    # A peer that lost its power answers nothing at all: it is given up after about five seconds.
    OPTIONS = (
        "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=2",
        "-o", "ServerAliveCountMax=2",
    )  # fmt: skip

    def __init__(self, address: str, options: Sequence[str] = (), user: str = "root") -> None:
        self.address = address
        self.prefix = ("ssh", *options, *self.OPTIONS, "-l", user, address, "--")
        self._here = LocalReader()

    @functools.cached_property
    def system(self) -> str:
        return self.run(["uname", "-s"]).out.strip()

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        return (*self.prefix, shlex.join(argv))

    def answer(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        output = self.ask(argv, stdin, timeout)
        if output.rc == 127:
            raise CommandMissing(f"{argv[0]} is not installed on {self.address}", command=list(argv))
        return Output(tuple(argv), output.rc, output.out, output.err)

    def ask(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        """Have a command run there.

        :raises Unreachable: when it could not be, or nobody knows how it ended.
        """
        output = self._here.answer(self.argv((*self.EXACT, *argv)), stdin, timeout)
        if output.rc == self.NO_CONNECTION:
            raise self.unreachable(argv, output.err)
        if output.rc == 254 and output.err.endswith(self._MARK):
            return Output(tuple(argv), 255, output.out, output.err.removesuffix(self._MARK))
        return output

    def unreachable(self, argv: Sequence[str], said: str) -> Unreachable:
        """The error of a connection that broke, or was never made.

        :param said: by ssh.
        """
        return Unreachable(
            f"{self.address} could not be reached by ssh",
            (said.strip().splitlines() or ["it said nothing"])[-1],
            "see that it is up, that the network is whole and that its key is known here",
            command=list(argv),
            stderr=said,
        )

    def read(self, path: str) -> str | None:
        output = self.answer(["cat", path], "", None)
        return output.out if output.rc == 0 else None

    def listing(self, path: str) -> list[str]:
        return sorted(self.answer(["ls", "-1A", path], "", None).out.splitlines())

    def write(self, path: str, text: str, mode: int | None = None) -> None:
        script = (
            'umask 022; mkdir -p "${1%/*}" && umask 077 || exit; rm -f "$1.new"; '
            'if [ -z "$2" ] && [ -f "$1" ] && [ ! -L "$1" ]; then cp -p "$1" "$1.new" && cat >"$1.new"; '
            'else cat >"$1.new" && chmod "${2:-644}" "$1.new"; fi'
            ' && sync "$1.new" && mv "$1.new" "$1" && sync "${1%/*}"'
        )
        self.change(["sh", "-c", script, "sh", path, "" if mode is None else f"{mode:o}"], stdin=text)

    def remove(self, path: str) -> None:
        script = 'rm -f "$1" && { [ ! -d "${1%/*}" ] || sync "${1%/*}"; }'
        self.change(["sh", "-c", script, "sh", path])


def ssh_options(peer: Peer) -> tuple[str, ...]:
    """Arguments of ssh(1) for a peer: its own key and host keys only, and one connection for all commands."""
    options: tuple[str, ...] = ()
    if peer.key:
        options += ("-i", peer.key, "-o", "IdentitiesOnly=yes")
    if peer.known_hosts:
        options += ("-o", f"UserKnownHostsFile={peer.known_hosts}", "-o", "StrictHostKeyChecking=yes")
    if os.access("/var/run", os.W_OK):
        # A connection costs ten times what a command does; it is kept between the commands of one job.
        # One per key, so that a key which is not known over there never passes on another's connection;
        # and one per process, for systemd ends the connection together with the job that opened it.
        number = zlib.crc32(repr(peer).encode())
        options += ("-o", f"ControlPath=/var/run/twin-%C-{number:08x}-{os.getpid()}")
        options += ("-o", "ControlMaster=auto", "-o", "ControlPersist=15")
    return options
