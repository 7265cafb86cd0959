# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest agent of a lab's virtual machine has: a root of BusyBox, and programs that really run in it.

There is no machine: each program runs in namespaces of its own on the machine underneath, as root, without a
network, and nothing goes on between two of them but the files.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "srv", "tmp", "usr/bin", "var/tmp")
ISOLATED = (
    "unshare",
    "--mount",
    "--uts",
    "--ipc",
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)
START = 'hostname "$0" && exec "$@"'
PATIENCE = 30
"""Seconds that a program may take: the office waits for it."""


class Sandbox:
    """A virtual machine from the inside. It is the `files` of a guest, and `run` its `program`."""

    def __init__(self, root: Path, busybox: Path, name: str) -> None:
        self.root, self.name = root, name
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(busybox, root / "bin/busybox")
        subprocess.run(["chroot", root, "/bin/busybox", "--install", "-s", "/bin"], check=True)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "usr/bin/env").unlink(missing_ok=True)
        (root / "usr/bin/env").symlink_to("/bin/busybox")

    def run(self, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        words = [*ISOLATED, f"--root={self.root}", "/bin/sh", "-c", START, self.name, *argv]
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        try:
            done = subprocess.run(
                words, input=stdin, capture_output=True, env=path, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return 124, b"", b"killed\n"
        return done.returncode, done.stdout, done.stderr

    def get(self, path: str) -> bytes | None:
        """A file that the agent reads."""
        code, out, _problem = self.run(["cat", path], b"")
        return out if code == 0 else None

    def __setitem__(self, path: str, content: bytes) -> None:
        """A file that the agent writes."""
        self.run(["sh", "-c", 'cat >"$1"', "sh", path], content)
