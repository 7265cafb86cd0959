# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the lab as an LXC container: quick to start, on the kernel of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Collection
from pathlib import Path

from .model import DISK_SIZE, DISKS, Port, Server, lxc_config, server_files
from .room import Room, own_pids


class Container:
    """A Box; its root is an overlay on the built one, its disks are sparse files."""

    patience = 300.0

    def __init__(self, server: Server, room: Room, built: Path, key: Path) -> None:
        """built: the folder with `server` and `repository`. key: whom root of the server lets in."""
        self.server, self._room, self._built, self._key = server, room, built, key
        self._of = room.work / "servers" / server.name
        self._payload = f"lxc.payload.{server.name}"
        """The control group that LXC gives its processes."""

    # -- making it -------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        keys = self._of / "upper/etc/ssh"
        keys.mkdir(parents=True)
        ssh_keygen(keys / "ssh_host_ed25519_key", self.server.name)
        files = server_files(self.server, uuid.uuid4().hex, self._key.with_suffix(".pub").read_text())
        for name, text in files.items():
            path = self._of / "upper" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for folder in ("overlay", "rootfs", "disks"):
            (self._of / folder).mkdir()
        for number in range(DISKS):
            with (self._of / "disks" / f"disk{number}.img").open("wb") as disk:
                disk.truncate(DISK_SIZE)
        (self._of / "config").write_text(
            lxc_config(
                self.server,
                self._of / "rootfs",
                self._of / "disks",
                self._built / "repository",
                self._of / "lxc.log",
            )
        )
        self._write_layers([])

    def host_key(self) -> str:
        return (self._of / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text()

    # -- power and cables ------------------------------------------------------------------------------------

    def is_on(self) -> bool:
        # Asked for often, and ten times as quick as lxc-info.
        return any(self._room.group.processes(self._payload))

    def power_on(self) -> None:
        lower = ":".join([*self._layers(), f"{self._built}/server"])
        options = f"lowerdir={lower},upperdir={self._of}/upper,workdir={self._of}/overlay"
        if not self._is_mounted():
            self._room.tool("mount", "-t", "overlay", "overlay", "-o", options, self._of / "rootfs")
        self._lxc("start")

    def power_off(self) -> None:
        self._stop("-k")

    def connect(self, cut: Collection[Port]) -> None:
        lines = [f"link set {port.plug} {'down' if port in cut else 'up'}" for port in self.server.ports]
        self._room.tool("ip", "-batch", "-", text="\n".join(lines))

    # -- its processes ---------------------------------------------------------------------------------------

    def inside(self, *argv: str) -> str:
        return self._lxc("attach", "--", *argv, check=False)

    def signal(self, number: signal.Signals, pid: int | None, pattern: str | None) -> list[int]:
        hit = []
        for host_pid in self._room.group.processes(self._payload):
            with contextlib.suppress(OSError):
                if _is_wanted(host_pid, pid, pattern):
                    os.kill(host_pid, number)
                    hit.append(host_pid)
        return hit

    # -- saved states ----------------------------------------------------------------------------------------

    def save(self, kept: Path) -> None:
        """Shut down in good order; the upper layer becomes one more lower layer, the disks are copied."""
        self._stop("-t", "300")
        kept.mkdir(parents=True)
        self._unmount()
        (self._of / "upper").rename(kept / "files")
        _copy(self._of / "disks", kept / "disks")
        layers = [str(kept / "files"), *self._layers()]
        (kept / "layers.json").write_text(json.dumps(layers))
        self._write_layers(layers)
        (self._of / "upper").mkdir()

    def reset(self, kept: Path) -> None:
        self.power_off()
        self._unmount()
        for folder in ("upper", "overlay"):
            shutil.rmtree(self._of / folder)
            (self._of / folder).mkdir()
        _copy(kept / "disks", self._of / "disks")
        self._write_layers(json.loads((kept / "layers.json").read_text()))

    # -- inside ----------------------------------------------------------------------------------------------

    def _lxc(self, verb: str, *argv: str, check: bool = True) -> str:
        """Run lxc-VERB for this server. Returns what it printed."""
        where = ("-P", self._room.work / "servers", "-n", self.server.name)
        return self._room.tool(f"lxc-{verb}", *where, *argv, check=check).strip()

    def _stop(self, *how: str) -> None:
        if self.is_on():
            self._lxc("stop", *how)
            self._lxc("wait", "-s", "STOPPED", "-t", "60")

    def _layers(self) -> list[str]:
        """The saved layers below its own, newest first."""
        layers: list[str] = json.loads((self._of / "layers.json").read_text())
        return layers

    def _write_layers(self, layers: list[str]) -> None:
        (self._of / "layers.json").write_text(json.dumps(layers))

    def _is_mounted(self) -> bool:
        return f" {self._of}/rootfs " in Path(f"/proc/{self._room.holder()}/mounts").read_text()

    def _unmount(self) -> None:
        if self._is_mounted():
            self._room.tool("umount", self._of / "rootfs")


def ssh_keygen(path: Path, comment: str) -> None:
    """Make a pair of ssh keys."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder of sparse files onto another."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        subprocess.run(["cp", "--sparse=always", path, target], check=True)


def _is_wanted(host_pid: int, pid: int | None, pattern: str | None) -> bool:
    if pattern is not None:
        line = Path(f"/proc/{host_pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return re.search(pattern, line) is not None
    # This machine's view, the lab's, the server's.
    return own_pids(host_pid)[2:3] == [pid]
