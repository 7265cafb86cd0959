# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The voter: as long as it keeps its connection to the office of the double, the witness gives its vote."""

import contextlib
import os
import socket
import time


def vote() -> None:
    with socket.socket(socket.AF_UNIX) as office:
        office.connect("/srv/pve/node")
        office.sendall(b'{"voter": true}\n')
        for _line in office.makefile():
            if "NOTIFY_SOCKET" in os.environ:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


while True:
    with contextlib.suppress(OSError):
        vote()
    time.sleep(0.2)
