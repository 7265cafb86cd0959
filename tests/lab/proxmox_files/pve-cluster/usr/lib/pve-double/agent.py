# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of a server: it tells the office of the double that it is there, and runs what it is told.

It is what pve-cluster and corosync are on a node. Scripts run beside each other.
"""

import contextlib
import hashlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

OFFICE = "/srv/pve/node"
CERTIFICATE = Path("/etc/pve/local/pve-ssl.pem")
INSTALLATION = Path("/var/lib/pve-double/installation")
KERNEL = Path("/proc/sys/kernel/osrelease")
QDEVICE = Path("/usr/sbin/corosync-qdevice")


def fingerprint() -> str:
    if not CERTIFICATE.exists():
        return ""
    der = ssl.PEM_cert_to_DER_cert(CERTIFICATE.read_text())
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def boot() -> str:
    """When the first process began: another one after each start of the server."""
    return Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]


def hello() -> dict[str, str | bool]:
    installation = INSTALLATION.read_text().strip() if INSTALLATION.exists() else ""
    return {
        "installation": installation,
        "boot": boot(),
        "fingerprint": fingerprint(),
        "kernel": KERNEL.read_text().strip(),
        "qdevice": QDEVICE.exists(),
    }


def ready() -> None:
    """Tell systemd that the node is in the office's books."""
    if "NOTIFY_SOCKET" in os.environ:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def work(task: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> None:
    argv = ["sh", "-c", task["script"], "sh", *task["words"]]
    done = subprocess.run(
        argv, input=task["stdin"], capture_output=True, text=True, errors="replace", check=False
    )
    send({"id": task["id"], "rc": done.returncode, "out": done.stdout, "err": done.stderr})


def talk() -> None:
    lock = threading.Lock()
    with socket.socket(socket.AF_UNIX) as office:
        office.connect(OFFICE)

        def send(message: dict[str, Any]) -> None:
            with lock:
                office.sendall(json.dumps(message).encode() + b"\n")

        send(hello())
        for line in office.makefile():
            task = json.loads(line)
            if "welcome" in task:
                ready()
            else:
                threading.Thread(target=work, args=(task, send), daemon=True).start()


while True:
    with contextlib.suppress(OSError):
        talk()
    time.sleep(0.2)
