# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that makes images, in memory: ZFS, and tar(1), which notes what was unpacked where.

Facts of tar: GNU's ends with 2 when it cannot read its archive; FreeBSD's (bsdtar of libarchive) with 1, and
so it does for each long option that it does not know, after a page of usage (tar/cmdline.c, tar/bsdtar.c).
GNU's warns of an extended attribute that the file system does not keep, and ends with 0 (src/xattrs.c).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output

from .memory import MemoryHost, answered
from .zfs import Zfs

_BSD = {
    "--extract", "--file", "--directory", "--numeric-owner", "--same-permissions", "--same-owner", "--xattrs",
}  # fmt: skip
_WARNING = (
    "tar: setxattrat: Cannot set 'security.capability' extended attribute for file './{}': "
    "Operation not supported\n"
)


class Tar:
    """tar(1) of one of the two.

    :param files: of the host, by path.
    :param archives: text files by their path inside, of archives by path; any other archive has none.
    """

    commands = ("tar",)

    def __init__(self, files: dict[str, str], archives: Mapping[str, Mapping[str, str]], bsd: bool) -> None:
        self.state: dict[str, str] = {}
        self.unreadable: set[str] = set()
        self.unkept: list[str] = []
        """Paths inside of files with capabilities, for a file system that does not keep them."""
        self._files, self._archives, self._bsd = files, archives, bsd

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        options = dict(word.partition("=")[::2] for word in argv[1:])
        unknown = [word for word in options if word not in _BSD]
        if self._bsd and unknown:
            return answered(argv, err=f"tar: Option {unknown[0]} is not supported\nUsage:\n", rc=1)
        archive, folder = options["--file"], options["--directory"]
        if archive in self.unreadable and self._bsd:
            return answered(argv, err=f"tar: Error opening archive: Failed to open '{archive}'\n", rc=1)
        if archive in self.unreadable:
            return answered(argv, err=f"tar: {archive}: Cannot open: No such file or directory\n", rc=2)
        self.state[folder] = archive
        for path, text in self._archives.get(archive, {}).items():
            self._files[f"{folder}/{path}"] = text
        return answered(argv, err="".join(map(_WARNING.format, self.unkept)))


def image_host(
    flavour: str = "fuse", system: str = "Linux", archives: Mapping[str, Mapping[str, str]] | None = None
) -> MemoryHost:
    """A server with a pool ``tank``, laid out for images."""
    files: dict[str, str] = {}
    host = MemoryHost(Zfs(flavour), Tar(files, archives or {}, system == "FreeBSD"))
    host.files, host.system = files, system
    host.change(["zfs", "create", "tank/images"])
    host.changes.clear()
    return host
