#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask an address every 20 ms until told to end; then print the longest time without an answer.

Runs on the control node: prober.py URL. Ends when its standard input does.
"""

from __future__ import annotations

import json
import select
import sys
import time
import urllib.request

PACE = 0.02


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=0.5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main(url: str) -> None:
    last = time.monotonic()
    gap, asked, good = 0.0, 0, 0
    while not select.select([sys.stdin], [], [], PACE)[0]:
        asked += 1
        if answers(url):
            good += 1
            gap = max(gap, time.monotonic() - last)
            last = time.monotonic()
    print(json.dumps({"asked": asked, "good": good, "longest_gap_s": round(gap, 3)}))


if __name__ == "__main__":
    main(sys.argv[1])
