# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One conversation with the twin: commands there and their answers back, each a line of JSON.

A move asks some thirty times, and a channel and a program for each would cost a tenth of a second
every time. ``twin line`` at the other end judges each command as it would judge it alone; see gate.py.
Streams have channels of their own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import IO, cast

from .._core.errors import TwinError
from .._core.host import Output, SshHost
from .gate import LINE


def serve(requests: Iterable[str], replies: IO[str], run: Callable[[list[str], str], Output]) -> None:
    """Answer until the other end hangs up.

    :param run: carries out one command with its standard input.
    """
    for line in requests:
        output = run(*json.loads(line))
        replies.write(f"{json.dumps([output.rc, output.out, output.err])}\n")
        replies.flush()


class Line:
    """This end of a conversation; whoever asks waits for the answer.

    :param argv: the program that leads to ``serve``.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the line)
        # In a session of its own: a Ctrl-C is for us, who need the connection to take back what we do.
        self._process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, encoding="ascii",
            start_new_session=True,
        )  # fmt: skip
        weakref.finalize(self, _hang_up, self._process, self._errors)

    def ask(self, argv: Sequence[str], stdin: str) -> Output | None:
        """Have a command carried out.

        :returns: None when the line is dead; the command may have been carried out all the same.
        """
        requests, replies = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        with contextlib.suppress(BrokenPipeError):
            requests.write(f"{json.dumps([argv, stdin])}\n")
            requests.flush()
        reply = replies.readline()
        return Output(tuple(argv), *json.loads(reply)) if reply.endswith("\n") else None

    def end(self) -> Output:
        """How the program of a dead line ended."""
        rc = self._process.wait()
        self._errors.seek(0)
        return Output((), rc, "", self._errors.read().decode("utf-8", "replace"))


def _hang_up(process: subprocess.Popen[str], errors: IO[bytes]) -> None:
    process.kill()
    with errors, contextlib.suppress(BrokenPipeError), process:
        pass


class LineHost(SshHost):
    """The twin; its commands go over one line.

    :ivar lost: whether the line broke; from then on nothing is answered.
    """

    def __init__(self, address: str, options: Sequence[str]) -> None:
        super().__init__(address, options)
        self.lost = False
        self._line: Line | None = None
        self._lock = threading.Lock()

    def ask(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        with self._lock:
            if self.lost:
                raise self.unreachable(argv, "the connection broke")
            self._line = self._line or Line(self.argv(LINE))
            # A signal may end the waiting; then the answer would be taken for that of the next question.
            self.lost = True
            output = self._line.ask(argv, stdin)
            if output is None:
                raise self._dead(self._line.end(), argv)
            self.lost = False
            return output

    def _dead(self, end: Output, argv: Sequence[str]) -> TwinError:
        if end.rc == self.NO_CONNECTION:
            return self.unreachable(argv, end.err)
        return TwinError(
            f"{' '.join(argv[:3])} on {self.address}",
            f"it answered {(end.err.strip().splitlines() or ['nothing'])[-1]!r}",
            "see that its program twin is the same as here",
        )
