# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a machine is asked whether it answers, whatever its kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import CommandFailed, Refused
from .host import Host

PAUSE = 0.05
"""Seconds between two looks at something that is waited for."""
_SLICE = 2.0
"""Seconds for which one question is asked, before it is looked whether the machine still runs."""

# Runs on the server beside the machine. Asks until it is answered, else says why not.
_PROBE = """
import socket, sys, time, urllib.error, urllib.request
kind, target, port, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
end = time.monotonic() + seconds
while True:
    try:
        if kind == "http":
            direct.open(target, timeout=2).close()
        else:
            socket.create_connection((target, port), timeout=2).close()
        break
    except (OSError, ValueError) as error:
        said = error
    if time.monotonic() > end:
        sys.exit(str(said))
    time.sleep(0.03)
"""


@dataclass(frozen=True, slots=True)
class Check:
    """How a machine is asked whether it answers.

    :param kind: ``http`` or ``tcp`` (asked at its address, from the server), ``command`` (run inside;
        exit code 0), or ``init``: its system is up.
    """

    kind: str = "init"
    address: str = ""
    port: int = 80
    path: str = "/"
    argv: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "command":
            return f"command {' '.join(self.argv)}"
        if self.kind == "init":
            return "the state of its system"
        host = f"[{self.address}]" if ":" in self.address else self.address
        port = "" if (self.kind, self.port) == ("http", 80) else f":{self.port}"
        return f"{self.kind}://{host}{port}{self.path if self.kind == 'http' else ''}"


def check_of(given: Mapping[str, Any] | None, address: str, what: str) -> Check:
    """Option ``check`` of a machine.

    :param address: at which it is asked, with or without a prefix length; empty for none.
    :param what: the machine, for the error.
    :raises Refused: when it cannot be asked like that.
    """
    asked = {key: value for key, value in (given or {}).items() if value is not None}
    if not asked:
        return Check()
    kind, value = next(iter(asked.items()))
    if len(asked) > 1 or kind not in ("http", "tcp", "command"):
        raise Refused(
            f"check of {what}", f"{' and '.join(asked)} does not serve", "use one of http, tcp, command"
        )
    if kind == "command":
        return Check("command", argv=tuple(str(word) for word in value))
    address = address.partition("/")[0]
    if not address:
        raise Refused(f"check of {what}", f"{kind} needs its address", "name it in address")
    if kind == "tcp":
        return Check("tcp", address, int(value))
    if not str(value).startswith("/"):
        raise Refused(f"check of {what}", f"{value!r} is no path", "begin it with /")
    return Check("http", address, path=str(value))


def probe(host: Host, check: Check, patience: float) -> str | None:
    """Ask at an address from a server of Linux: None if it answers, else what was said instead.

    :param patience: seconds for which it is asked again.
    """
    argv = ["/usr/bin/python3", "-c", _PROBE, check.kind]
    target = str(check) if check.kind == "http" else check.address
    output = host.run([*argv, target, str(check.port), f"{patience:g}"], ok=range(256))
    return None if output.rc == 0 else "".join(output.err.strip().splitlines()[-1:]) or "nothing"


def wait_for_answer(
    what: str, check: Check, ask: Callable[[float], str | None], runs: Callable[[], bool], timeout: float
) -> None:
    """Wait until a machine answers.

    :param what: the machine, for the error.
    :param ask: asks once, or for as many seconds: None if it answers, else what was said instead.
    :param runs: whether it still runs.
    :param timeout: seconds.
    :raises CommandFailed: when it does not, or stops running; with what it said last.
    """
    end = time.monotonic() + timeout
    while True:
        said = ask(min(_SLICE, max(0.0, end - time.monotonic())))
        if said is None:
            return
        if not runs():
            raise CommandFailed(
                f"{what} was started, then stopped by itself",
                f"{check} last said: {said}",
                "look at the logs in its root file system",
            )
        if time.monotonic() >= end:
            raise CommandFailed(
                f"{what} runs, but did not answer within {timeout:g} s",
                f"{check} last said: {said}",
                "look at its services, or give it a longer timeout",
            )
        time.sleep(PAUSE)
