# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two programs joined by a pipe; what flows between them is counted, shown and limited."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, cast

# Also the size of the pipes, where the kernel lets it be chosen: large ones keep both programs busy.
CHUNK = 1 << 20
REPORT_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer has come.

    :param count: bytes so far.
    :param seconds: since it began.
    :param rate: bytes per second since the report before.
    """

    count: int
    seconds: float
    rate: float


class Meter:
    """Counts what flows through one pipe or several, and keeps all of them together below a rate.

    Used as a context manager, so that progress is reported every second even when nothing flows.

    :param limit: bytes per second; 0 is no limit.
    :param on_progress: is called from a thread of its own.
    """

    def __init__(self, limit: int = 0, on_progress: Callable[[Progress], None] | None = None) -> None:
        self.limit = limit
        self.count = 0
        self._on_progress = on_progress
        self._began = time.monotonic()
        self._free_at = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._reporter: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        """Time since the meter was made."""
        return time.monotonic() - self._began

    @property
    def chunk(self) -> int:
        """How much to let pass at once; under a limit a tenth of a second's worth, for an even flow."""
        return min(CHUNK, max(1, self.limit // 10)) if self.limit else CHUNK

    def passed(self, count: int) -> None:
        """Note bytes that went through; waits as long as they were ahead of the limit."""
        with self._lock:
            self.count += count
            if not self.limit:
                return
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + count / self.limit
            wait = self._free_at - now
        time.sleep(wait)

    def __enter__(self) -> Meter:
        if self._on_progress:
            self._reporter = threading.Thread(target=self._report, args=(self._on_progress,), daemon=True)
            self._reporter.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        if self._reporter:
            self._reporter.join()

    def _report(self, on_progress: Callable[[Progress], None]) -> None:
        count, seconds = 0, 0.0
        while True:
            ended = self._ended.wait(REPORT_EVERY)
            rate = (self.count - count) / max(self.seconds - seconds, 0.001)
            count, seconds = self.count, self.seconds
            on_progress(Progress(count, seconds, rate))
            if ended:
                return


@dataclass(frozen=True, slots=True)
class Joined:
    """How the two programs ended; an exit code below 0 is the signal that ended one (subprocess)."""

    sender_rc: int
    sender_err: str
    receiver_rc: int
    receiver_err: str


def join(sender: Sequence[str], receiver: Sequence[str], meter: Meter) -> Joined:
    """Run ``sender | receiver`` to the end of both.

    When this process is killed, the sender gets SIGPIPE and the receiver the end of its input.

    :raises FileNotFoundError: when one of the programs is not installed here.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
    with tempfile.TemporaryFile() as sender_err, tempfile.TemporaryFile() as receiver_err:
        source = subprocess.Popen(
            list(sender), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=sender_err,
            env=environment, pipesize=CHUNK,
        )  # fmt: skip
        sink: subprocess.Popen[bytes] | None = None
        try:
            sink = subprocess.Popen(
                list(receiver), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=receiver_err,
                env=environment, pipesize=CHUNK,
            )  # fmt: skip
            with cast(IO[bytes], source.stdout) as outlet, cast(IO[bytes], sink.stdin) as inlet:
                pump(outlet.fileno(), inlet.fileno(), meter)
            receiver_rc, sender_rc = sink.wait(), source.wait()
        finally:
            for process in (source, sink):
                if process is not None:
                    _end(process)
        return Joined(sender_rc, _text(sender_err), receiver_rc, _text(receiver_err))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def pump(source: int, sink: int, meter: Meter) -> None:
    """Let everything flow from one descriptor to the other, until the source ends or the sink is gone."""
    forward = _splice if hasattr(os, "splice") else _copy
    while True:
        try:
            count = forward(source, sink, meter.chunk)
        except BrokenPipeError:
            return
        except OSError as error:
            # Some kernels and sandboxes have no splice(2) for these descriptors.
            if forward is _copy or error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
            forward = _copy
            continue
        if not count:
            return
        meter.passed(count)


def _splice(source: int, sink: int, count: int) -> int:
    return os.splice(source, sink, count)


def _copy(source: int, sink: int, count: int) -> int:
    data = memoryview(os.read(source, count))
    sent = 0
    while sent < len(data):
        sent += os.write(sink, data[sent:])
    return sent


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
