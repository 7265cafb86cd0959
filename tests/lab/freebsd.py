# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the lab that behaves as a FreeBSD server: a container with one more layer."""

from __future__ import annotations

from pathlib import Path

from . import build_freebsd
from .container import Container
from .model import Server
from .room import Room


class FreebsdServer(Container):
    """A Box."""

    def __init__(self, server: Server, room: Room, built: Path, key: Path, release: str) -> None:
        """release: as which it shows itself."""
        super().__init__(server, room, built, key)
        self._release = release

    def set_up(self) -> None:
        super().set_up()
        for name, text in build_freebsd.own_files(self.server, self._release).items():
            path = self._of / "upper" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._write_layers([str(build_freebsd.ready(self._built))])

    def inside(self, *argv: str) -> str:
        path = "PATH=/usr/sbin:/usr/bin:/usr/lib/linux"
        return super().inside("/usr/bin/env", path, *argv)
