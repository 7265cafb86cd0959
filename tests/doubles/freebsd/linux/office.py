# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process that has all programs of the double in memory, and a clerk for each that is called.

A program's own work is a millisecond, importing it fifty. So what is called hands its words, its environment
and its three files to this process, which forks a child to do the work. Where nobody listens, and for
users other than root, the program does its work itself.
"""

from __future__ import annotations

import fcntl
import importlib
import marshal
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import Become
from .shelf import Shelf

SOCKET = Path("/run/freebsd/socket")
LENGTH = 8
"""Bytes that tell how long a message is."""
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        caller, _address = listening.accept()
        if os.fork() == 0:
            listening.close()
            _work(caller, main)
        caller.close()


def _work(caller: socket.socket, main: Main) -> None:
    """Be the program of one caller, and end."""
    rc = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        data, files, _flags, _address = socket.recv_fds(caller, 1 << 16, 4)
        size = int.from_bytes(data[:LENGTH], "little")
        while len(data) < size + LENGTH:
            data += caller.recv(1 << 16)
        argv, environment = marshal.loads(data[LENGTH:])
        *standard, folder = files
        for number, file in enumerate(standard):
            os.dup2(file, number)
        os.fchdir(folder)
        for file in files:
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
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
    caller.send(b"x" + marshal.dumps((list(words), environment)))
    os._exit(0)
