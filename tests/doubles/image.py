# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that makes images, in memory: ZFS, and tar(1), which notes what was unpacked where."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output

from .memory import MemoryHost, answered
from .zfs import Zfs


class Tar:
    """tar(1) of GNU: it ends with 2 when it cannot read its archive."""

    commands = ("tar",)

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.unreadable: set[str] = set()

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        options = dict(word.partition("=")[::2] for word in argv[1:])
        archive = options["--file"]
        if archive in self.unreadable:
            return answered(argv, err=f"tar: {archive}: Cannot open: No such file or directory\n", rc=2)
        self.state[options["--directory"]] = archive
        return answered(argv)


def image_host(flavour: str = "fuse") -> MemoryHost:
    """A server with a pool ``tank``, laid out for images."""
    host = MemoryHost(Zfs(flavour), Tar())
    host.change(["zfs", "create", "tank/images"])
    host.changes.clear()
    return host
