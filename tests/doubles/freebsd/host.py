# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world as the host that modules are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    CommandMissing,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.zfs_streams import Sending

from .kernel import Hung, MemoryKernel, Missing
from .world import MemoryFiles, World
from .zfs import FreebsdZfs


class FreebsdHost(Sending):
    """A FreeBSD server in memory.

    :param files: by path; a jail's configuration is ``/etc/jail.conf.d/NAME.conf``.
    :param release: ``14.3`` or ``15.0``.
    :param folders: that are there besides those of files, such as the roots of jails.
    :param up: jails to be started, as by somebody else than our code: from their files.
    :param number: distinguishes the GUIDs of two hosts' snapshots.
    """

    system = "FreeBSD"

    def __init__(
        self,
        files: Mapping[str, str] | None = None,
        *,
        release: str = "14.3",
        folders: Sequence[str] = (),
        up: Sequence[str] = (),
        number: int = 1,
    ) -> None:
        self.tree = MemoryFiles(dict(files or {}))
        self.kernel = MemoryKernel(release)
        self.world = World(release, self.tree, self.kernel)
        self.zfs = FreebsdZfs(self.world, host_number=number)
        self.world.zfs = self.zfs
        super().__init__(files=self.tree.texts)
        self.files = self.tree.texts
        for folder in folders:
            self.tree.make_folder(folder)
        for name in up:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a jail from its own file."""
        output = self.world.call(["jail", "-f", f"/etc/jail.conf.d/{name}.conf", "-c", name])
        assert output.rc == 0, output

    def state(self) -> Any:
        return [self.modes, self.world.state()]

    def listing(self, path: str) -> list[str]:
        return self.tree.listing(path)

    def answer(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        self.calls.append(tuple(argv))
        try:
            return self.world.call(argv, stdin)
        except Missing as error:
            raise CommandMissing(f"{error} is not installed on this host", command=list(argv)) from error
        except Hung as error:
            raise CommandFailed(
                f"{' '.join(argv[:3])} did not end", f"it was stopped after {timeout} s", command=list(argv)
            ) from error
