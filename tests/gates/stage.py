# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python3 tests/gates/stage.py NAME COMMAND...

Runs one stage of a longer job: its name before each line, so that stages which run side by side can be told
apart, a sign of life in long silences, its time at the end. The exit status is the command's.
"""

from __future__ import annotations

import selectors
import signal
import subprocess
import sys
import time

SILENCE = 4.0  # seconds; whoever watches should never wonder for longer whether it still runs


def main(name: str, command: list[str]) -> int:
    def say(text: str) -> None:
        print(f"{name:<12}| {text}", flush=True)

    started = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as child:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: child.send_signal(received))
        assert child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            rest = b""
            while True:
                if not selector.select(SILENCE):
                    say(f"... {time.monotonic() - started:.0f} s")
                    continue
                chunk = child.stdout.read(65536)
                if not chunk:
                    break
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    say(line.decode(errors="replace"))
            if rest:
                say(rest.decode(errors="replace"))
    say(f"{'passed' if child.returncode == 0 else 'FAILED'} after {time.monotonic() - started:.1f} s")
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
