# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process that has all programs of the double in memory, and a clerk for each that is called.

A program's own work is a millisecond, importing it fifty. So what is called hands its words and its
environment to this process, which forks a child to do the work with the caller's files. Where nobody listens,
and for users other than root, the program does its work itself.

A message is its length, four bytes, and words that end with NUL: how many the command line has, that, and the
environment. The answer is an exit code, or ``x`` and such words: what the caller shall become.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import Become
from .shelf import Shelf

SOCKET = Path("/run/freebsd/socket")
LENGTH = 4
"""Bytes that tell how long a message is."""
PIDFD_GETFD = 438
"""Number of a system call, the same on all machines, which Python has no function for."""
Main = Callable[[Sequence[str], Become], int]


def serve(main: Main) -> None:
    """Wait for programs to be called, for ever.

    :param main: does the work of one: gets its words, and what makes the caller become another program.
    """
    # All of them are in memory from now on.
    importlib.import_module(f"{__package__}.zfs")
    dict(Shelf())
    SOCKET.parent.mkdir(parents=True, exist_ok=True)
    SOCKET.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(SOCKET))
    SOCKET.chmod(0o600)
    listening.listen(64)
    _tell_systemd()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        caller, _address = listening.accept()
        if os.fork() == 0:
            listening.close()
            _work(caller, main)
        caller.close()


def _tell_systemd() -> None:
    """Whoever waits for us may go on (sd_notify(3))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
        notice.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def _work(caller: socket.socket, main: Main) -> None:
    """Be the program of one caller, and end."""
    rc = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        size = int.from_bytes(caller.recv(LENGTH, socket.MSG_WAITALL), "little")
        count, *words = os.fsdecode(caller.recv(size, socket.MSG_WAITALL)).split("\0")
        argv, environment = words[: int(count)], words[int(count) :]
        _take_files(caller)
        os.environ.clear()
        os.environ.update(each.split("=", 1) for each in environment)
        _end_with(caller)
        rc = main(argv, lambda words, env: _become(caller, words, env))
    except SystemExit as end:
        rc = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.send(b"%d" % rc)
        os._exit(0)


def _take_files(caller: socket.socket) -> None:
    """Have the caller's three files and its folder as one's own (pidfd_getfd(2))."""
    pid, _uid, _gid = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    process = os.pidfd_open(pid)
    for number in range(3):
        file = ctypes.CDLL(None).syscall(PIDFD_GETFD, process, number, 0)
        os.dup2(file, number)
        os.close(file)
    os.close(process)
    os.chdir(f"/proc/{pid}/cwd")


def _end_with(caller: socket.socket) -> None:
    """End when the caller is killed, as he would if he did the work himself."""

    def look(_number: int, _frame: object) -> None:
        try:
            gone = not caller.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if gone:
            os._exit(1)

    signal.signal(signal.SIGIO, look)
    fcntl.fcntl(caller, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(caller, fcntl.F_SETFL, fcntl.fcntl(caller, fcntl.F_GETFL) | os.O_ASYNC)


def _become(caller: socket.socket, words: Sequence[str], environment: dict[str, str]) -> None:
    """Have the caller become another program, which has his terminal and his place among the processes."""
    parts = [str(len(words)), *words, *(f"{name}={value}" for name, value in environment.items())]
    caller.sendall(b"x" + os.fsencode("\0".join(parts)))
    os._exit(0)
