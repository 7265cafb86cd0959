# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until ssh greets at every address.

Run inside the lab's network: `probe.py SECONDS ADDRESS…`; prints who does not answer.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time

deadline = time.monotonic() + float(sys.argv[1])
silent = set(sys.argv[2:])
while silent and time.monotonic() < deadline:
    for address in sorted(silent):
        with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=0.2) as connection:
            # An emulated server takes its time to greet; asking it again would only make it slower.
            connection.settimeout(10)
            if connection.recv(4) == b"SSH-":
                silent.discard(address)
    time.sleep(0.02)
print(*sorted(silent))
