# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that can become nodes of Proxmox VE: Debian with its repository, and the office of the double."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import build_proxmox
from .container import Container
from .model import SERVERS, LabError, Server
from .room import Room

CHECKOUT = Path(__file__).parents[2]
SPEED = 10.0
"""How much faster than real time tasks run and nodes are missed."""
PASSWORD = "lab-root"
SHADOW = (
    "$6$proxmoxlab$3piW4Me0zXzHHoBlvuNXmTuZDO2NuTYHeVi00Kx0K2CVifLekRAzgCqTYGb3IjfjrEehRThaZtYl2ynzyGWL2/"
)
"""Of root on every server, as its installer would have asked for one."""
OFFICE, REPOSITORY = "srv/pve", "srv/proxmox"
"""Where a server sees its folder of the office, and the repository."""
FILES = {
    # The lab's zfs-fuse and LXC want these (docs/lab.md); dpkg keeps what is there.
    "etc/dpkg/dpkg.cfg.d/lab": "force-confold\n",
    **dict.fromkeys(("etc/subuid", "etc/subgid"), "root:100000:65536\n"),
    "etc/default/lxc-net": 'USE_LXC_BRIDGE="false"\n',
    "etc/systemd/system/zfs-fuse.service.d/lab.conf": """[Service]
Type=simple
RemainAfterExit=no
ExecStart=
ExecStart=/usr/sbin/zfs-fuse --no-daemon --pidfile /run/zfs-fuse.pid
ExecStartPost=/bin/sh -c 'until zpool list >/dev/null 2>&1; do sleep 0.05; done; exec zfs mount -a'
ExecStop=
ExecStop=/usr/sbin/zfs umount -a
TimeoutSec=60
""",
}
BOOKWORM = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""
"""What a server of release 8 says of itself, though it is of the lab's Debian."""


VOTER = """# Debian's own corosync-qnetd runs on the witness; while it does, the office counts its vote.
[Unit]
BindsTo=corosync-qnetd.service
After=corosync-qnetd.service
ConditionPathExists=!/usr/lib/pve-double/voter.py
[Service]
Type=notify
ExecStart=/usr/bin/python3 -IS /usr/local/lib/twin-lab-voter.py
Restart=always
RestartSec=0.2
"""


class ProxmoxServer(Container):
    """A Box."""

    def __init__(self, server: Server, room: Room, built: Path, key: Path, release: str) -> None:
        """release: of which the repository is."""
        super().__init__(server, room, built, key)
        self._release = release

    def set_up(self) -> None:
        super().set_up()
        shadow = (self._built / "server/etc/shadow").read_text().splitlines()
        files = {**FILES, "etc/shadow": "".join(f"{_with_password(line)}\n" for line in shadow)}
        if build_proxmox.suite(self._release) == "bookworm":
            files |= {"usr/lib/os-release": BOOKWORM, "etc/debian_version": "12.12\n"}
        if self.server.name == "witness":
            voter = build_proxmox.FILES / "corosync-qnetd/usr/lib/pve-double/voter.py"
            files |= {"usr/local/lib/twin-lab-voter.py": voter.read_text()}
            files |= {"etc/systemd/system/twin-lab-voter.service": VOTER}
            wants = self._of / "upper/etc/systemd/system/corosync-qnetd.service.wants"
            wants.mkdir(parents=True)
            (wants / "twin-lab-voter.service").symlink_to("../twin-lab-voter.service")
        for name, text in files.items():
            path = self._of / "upper" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self._of / "upper/etc/shadow").chmod(0o640)
        mounts = {OFFICE: office_folder(self._room.work) / self.server.name}
        mounts[REPOSITORY] = build_proxmox.ready(self._release)
        with (self._of / "config").open("a") as config:
            for target, source in mounts.items():
                config.write(f"lxc.mount.entry = {source} {target} none bind,create=dir 0 0\n")


def _with_password(line: str) -> str:
    name, _old, *rest = line.split(":")
    return ":".join([name, SHADOW, *rest]) if name == "root" else line


def office_folder(work: Path) -> Path:
    return work / "proxmox"


_OFFICES: list[subprocess.Popen[bytes]] = []
"""Those that this process has opened: one that is forgotten while it runs is complained of."""


def open_office(work: Path, command: Callable[..., list[str]], release: str, repository: Path) -> None:
    """Start the process that has the state of all nodes; it ends with the lab. Raises LabError.

    repository: of Debian's packages. command: makes of words the command line that runs them on the
    control node.
    """
    folder = office_folder(work)
    folder.mkdir()
    servers = {
        server.name: [port.address.partition("/")[0] for port in server.ports] for server in SERVERS.values()
    }
    (busybox,) = repository.glob("busybox-static_*.deb")
    subprocess.run(["dpkg-deb", "-x", busybox, folder / "busybox"], check=True)
    settings = {
        "busybox": str(folder / "busybox/usr/bin/busybox"),
        "release": release,
        "password": PASSWORD,
        "servers": servers,
        "speed": SPEED,
    }
    argv = command(sys.executable, "-m", "tests.doubles.pve.office", folder, json.dumps(settings))
    log = folder / "log"
    with log.open("w") as out:
        office = subprocess.Popen(
            argv, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    _OFFICES.append(office)
    while not (folder / "ready").exists():
        if office.poll() is not None:
            last = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
            raise LabError(
                f"the office of the double of Proxmox VE ended: {last}; what it wants comes with `make venv`"
            )
        time.sleep(0.05)
