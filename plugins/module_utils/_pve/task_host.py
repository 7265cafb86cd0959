# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for tasks: started, followed, told to stop when they take too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.errors import TwinError
from .errors import TaskFailed, TaskTimeout
from .host import PveHost, PveReader
from .tasks import LAST_LINES, Ended, Upid, exit_status, is_upid, lines_of, parse_upid

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_GRACE = 10.0
"""Seconds that a task has to stop when it is told to."""


def run_task(
    host: PveHost, path: str, params: Mapping[str, Any] | None = None, *, method: str = "POST"
) -> dict[str, Any]:
    """A call which may start a task; wait for that.

    :return: what a module tells of it: ``upid``, and ``warnings`` if there were any; empty without a task.
    :raises TaskFailed: at once when the task fails, with the last lines of its log.
    :raises TaskTimeout: when it takes longer than ``host.timeout`` seconds; it is told to stop.
    """
    call = {"POST": host.post, "PUT": host.put, "DELETE": host.delete}[method]
    answer = call(path, params)
    return finish(host, parse_upid(answer)).result if is_upid(answer) else {}


def finish(host: PveHost, upid: Upid) -> Ended:
    """Wait for a task, whoever started it; errors as in `run_task`."""
    end = host.now() + host.timeout
    pause = _FIRST_PAUSE
    while (status := exit_status(host.poll(f"{upid.path}/status"))) is None:
        if host.now() >= end:
            _cancel(host, upid)
        host.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    ended = Ended(upid, status)
    if status != "OK":
        ended = Ended(upid, status, last_lines(host, upid))
    if not ended.succeeded:
        raise TaskFailed(
            upid.sentence, status, f"its log ends: {' | '.join(ended.log[-3:])}" if ended.log else "",
            upid=str(upid), log=list(ended.log),
        )  # fmt: skip
    return ended


def is_over(host: PveReader, upid: Upid) -> bool:
    """Whether a task has ended, well or not."""
    return exit_status(host.poll(f"{upid.path}/status")) is not None


def last_lines(host: PveReader, upid: Upid) -> tuple[str, ...]:
    """The last lines of a task's log; none when it cannot be read."""
    try:
        # The log is read from its beginning, and its length is only told beside it.
        return lines_of(host.poll(f"{upid.path}/log", {"limit": 5000}))[-LAST_LINES:]
    except TwinError:
        return ()


def _cancel(host: PveHost, upid: Upid) -> None:
    """Tell a task to stop, and say what it was doing."""
    said = f"it was not over after {host.timeout:g} s and was told to stop"
    try:
        host.delete(upid.path)
    except TwinError as error:
        said = f"it was not over after {host.timeout:g} s, and cannot be told to stop ({error.answered})"
    end = host.now() + _GRACE
    while exit_status(host.poll(f"{upid.path}/status")) is None and host.now() < end:
        host.sleep(_LONGEST_PAUSE)
    log = list(last_lines(host, upid))
    remedy = "look at its log, or give it a longer timeout"
    raise TaskTimeout(upid.sentence, said, remedy, upid=str(upid), log=log)
