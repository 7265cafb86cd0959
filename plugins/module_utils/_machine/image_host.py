# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of machines on a server: read and tell them, make one of its tarball."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .._core.errors import CommandMissing, TwinError
from .._core.host import Host, WritableHost
from .._core.plan import Step
from .._zfs.host import patiently
from .image import (
    BASE,
    BASE_REPOSITORY,
    IMAGES,
    PROPERTY,
    UNFINISHED,
    Images,
    Store,
    keys_of,
    repository_conf,
    version_of,
)

# What tar(1) of GNU needs besides, to keep the capabilities(7) of files; that of FreeBSD knows none of it.
_GNU = ("--delay-directory-restore", "--xattrs", "--xattrs-include=security.capability")
# What it says, and goes on, where the file system has no extended attributes: zfs-fuse as Debian starts it.
_LOST = re.compile(r"Cannot set 'security\.capability' extended attribute for file '(?:\./)?(.+)'")
# Seconds: hundreds of packages are fetched.
_PATIENCE = 3600


def read_store(host: Host, wanted: Images) -> Store:
    """The images of a pool: those that have ``@base``. A host without ZFS, or the pool, has none."""
    return Store(_digests(host, f"{wanted.pool}/{IMAGES}"))


def read_info(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """The images of a pool for people: what is in each, and which machines are clones of it."""
    root = f"{params['pool']}/{IMAGES}"
    digests = _digests(host, root)
    if not digests:
        return {"images": []}
    listed = ["zfs", "list", "-H", "-r", "-t", "filesystem", "-o", "name,mountpoint,origin", params["pool"]]
    datasets = [line.split("\t") for line in host.run(listed).out.splitlines()]
    folders = {name: folder for name, folder, _origin in datasets}
    return {
        "images": [
            {
                "name": name,
                "digest": digest or None,
                "version": _version(host, folders[f"{root}/{name}"]),
                "machines": _machines(datasets, f"{root}/{name}@{BASE}", "root"),
                "kept": _machines(datasets, f"{root}/{name}@{BASE}", f"root.{name}"),
            }
            for name, digest in sorted(digests.items())
        ]
    }


def _machines(datasets: Iterable[Sequence[str]], base: str, root: str) -> list[str]:
    """The machines of which a dataset of this name is a clone of a snapshot."""
    clones = (name.split("/") for name, _folder, origin in datasets if origin == base)
    return [parts[-2] for parts in clones if parts[-1] == root]


def _version(host: Host, folder: str) -> str | None:
    return version_of(lambda path: host.read(f"{folder}/{path}"))


def _digests(host: Host, root: str) -> dict[str, str]:
    """The digest of each image by its name; empty for one that came as a stream."""
    try:
        output = host.run(
            ["zfs", "list", "-H", "-r", "-t", "filesystem,snapshot", "-o", f"name,{PROPERTY}", root],
            ok=(0, 1),
        )
    except CommandMissing:
        if host.writable:
            raise
        return {}
    digests = dict(line.split("\t") for line in output.out.splitlines())
    return {
        name.removeprefix(f"{root}/"): "" if digest == "-" else digest
        for name, digest in digests.items()
        if f"{name}@{BASE}" in digests and not name.endswith(UNFINISHED)
    }


def apply_image(host: WritableHost, step: Step) -> dict[str, Any] | None:
    """Carry out one step."""
    dataset, digest = step.args["dataset"], step.args["digest"]
    if step.verb == "note":
        host.change(["zfs", "set", f"{PROPERTY}={digest}", dataset])
        return None
    began = time.monotonic()
    fill = _install if step.verb == "install" else _unpack
    _check(host, step)
    told = _make(host, dataset, digest, lambda folder: fill(host, folder, step.args))
    return {"seconds": round(time.monotonic() - began, 1), **told}


def _check(host: Host, step: Step) -> None:
    """See that there is what the image is to be made of."""
    if step.verb == "install":
        keys = keys_of(step.args["release"])
        if host.system != "FreeBSD" or not host.listing(keys):
            raise TwinError(
                f"image {step.key} cannot be made of packages",
                f"this server has no {keys}",
                f"make it on a server that has FreeBSD {step.args['release']}",
            )
    elif not step.args["archive"]:
        raise TwinError(
            f"image {step.args['dataset']} cannot be made",
            "no tarball was sent to this host",
            "run machine_image as a task of a playbook, its control side sends it",
        )


def _make(
    host: WritableHost, dataset: str, digest: str, fill: Callable[[str], Mapping[str, Any]]
) -> dict[str, Any]:
    """Make an image under another name, and rename it when it is complete: it is whole or not there.

    :param fill: puts its files into a folder, and returns what is to be told of them.
    :returns: that, and its version.
    """
    unfinished = f"{dataset}{UNFINISHED}"
    if host.run(["zfs", "list", "-H", "-o", "name", unfinished], ok=(0, 1)).rc == 0:
        patiently(host, ["zfs", "destroy", "-r", unfinished])
    host.change(["zfs", "create", unfinished])
    folder = host.run(["zfs", "get", "-H", "-o", "value", "mountpoint", unfinished]).out.strip()
    told = {**fill(folder), "version": _version(host, folder)}
    host.change(["zfs", "set", f"{PROPERTY}={digest}", unfinished])
    host.change(["zfs", "snapshot", f"{unfinished}@{BASE}"])
    host.change(["zfs", "set", "readonly=on", unfinished])
    # zfs-fuse does not rename what is mounted.
    patiently(host, ["zfs", "unmount", unfinished])
    patiently(host, ["zfs", "rename", unfinished, dataset])
    patiently(host, ["zfs", "mount", dataset])
    return told


def _unpack(host: WritableHost, folder: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Fill an image with what a tarball holds; told are files whose capabilities this host could not keep."""
    # Both refuse members and links that would lead out of the folder.
    options = ["--numeric-owner", "--same-permissions", "--same-owner"]
    options += _GNU if host.system == "Linux" else ()
    unpacked = host.change(
        ["tar", "--extract", f"--file={args['archive']}", f"--directory={folder}", *options]
    )
    lost = _LOST.findall(unpacked.err)
    return {"lost_capabilities": lost} if lost else {}


def _install(host: WritableHost, folder: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Fill an image with packages of the base system of FreeBSD, as bsdinstall(8) does in script pkgbase."""
    release, repositories = args["release"], f"{folder}/.repositories"
    # pkg(8) looks for the keys below the root that it fills.
    host.change(["mkdir", "-p", f"{folder}/usr/share/keys"])
    host.change(["cp", "-R", keys_of(release), f"{folder}/usr/share/keys/"])
    host.write(f"{repositories}/{BASE_REPOSITORY}.conf", repository_conf(args["repository"], release))
    # The first call brings pkg(8) itself (pkg(7), ASSUME_ALWAYS_YES). The kernel may be an older one.
    pkg = [
        "env",
        "ASSUME_ALWAYS_YES=yes",
        "pkg",
        "-r",
        folder,
        "-R",
        repositories,
        "-o",
        "IGNORE_OSVERSION=yes",
    ]
    host.change([*pkg, "install", "-r", BASE_REPOSITORY, *args["packages"]], timeout=_PATIENCE)
    caches = [f"{folder}/var/{each}" for each in ("cache/pkg", "db/pkg/repos")]
    host.change(["rm", "-rf", repositories, *caches])
    version = _version(host, folder) or "no FreeBSD"
    if not version.startswith(f"{release}-"):
        raise TwinError(
            f"image {args['dataset']}", f"its packages are {version}", f"release {release} was declared"
        )
    return {}
