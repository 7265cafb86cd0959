# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of machines on a server: read them, make one of its tarball."""

from __future__ import annotations

import time
from typing import Any

from .._core.errors import CommandMissing, TwinError
from .._core.host import Host, WritableHost
from .._core.plan import Step
from .._zfs.host import patiently
from .image import BASE, IMAGES, PROPERTY, UNFINISHED, Images, Store


def read_store(host: Host, wanted: Images) -> Store:
    """The images of a pool: those that have ``@base``. A host without ZFS, or the pool, has none."""
    root = f"{wanted.pool}/{IMAGES}"
    try:
        output = host.run(
            ["zfs", "list", "-H", "-r", "-t", "filesystem,snapshot", "-o", f"name,{PROPERTY}", root],
            ok=(0, 1),
        )
    except CommandMissing:
        if host.writable:
            raise
        return Store()
    digests = dict(line.split("\t") for line in output.out.splitlines())
    return Store(
        {
            name.removeprefix(f"{root}/"): "" if digest == "-" else digest
            for name, digest in digests.items()
            if f"{name}@{BASE}" in digests and not name.endswith(UNFINISHED)
        }
    )


def apply_image(host: WritableHost, step: Step) -> dict[str, Any] | None:
    """Carry out one step."""
    dataset, digest = step.args["dataset"], step.args["digest"]
    if step.verb == "note":
        host.change(["zfs", "set", f"{PROPERTY}={digest}", dataset])
        return None
    began = time.monotonic()
    _import(host, dataset, digest, step.args["archive"])
    return {"seconds": round(time.monotonic() - began, 1)}


def _import(host: WritableHost, dataset: str, digest: str, archive: str) -> None:
    """Make an image under another name, and rename it when it is complete: it is whole or not there."""
    if not archive:
        raise TwinError(
            f"image {dataset} cannot be made",
            "no tarball was sent to this host",
            "run machine_image as a task of a playbook, its control side sends it",
        )
    unfinished = f"{dataset}{UNFINISHED}"
    if host.run(["zfs", "list", "-H", "-o", "name", unfinished], ok=(0, 1)).rc == 0:
        patiently(host, ["zfs", "destroy", "-r", unfinished])
    host.change(["zfs", "create", unfinished])
    folder = host.run(["zfs", "get", "-H", "-o", "value", "mountpoint", unfinished]).out.strip()
    # GNU tar refuses members and links that would lead out of the folder.
    xattrs = ["--xattrs", "--xattrs-include=security.capability"]
    host.change(["tar", "--extract", f"--file={archive}", f"--directory={folder}", "--numeric-owner",
                 "--same-permissions", "--same-owner", "--delay-directory-restore", *xattrs])  # fmt: skip
    host.change(["zfs", "set", f"{PROPERTY}={digest}", unfinished])
    host.change(["zfs", "snapshot", f"{unfinished}@{BASE}"])
    host.change(["zfs", "set", "readonly=on", unfinished])
    # zfs-fuse does not rename what is mounted.
    patiently(host, ["zfs", "unmount", unfinished])
    patiently(host, ["zfs", "rename", unfinished, dataset])
    patiently(host, ["zfs", "mount", dataset])
