# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of machines: what they are made of, and what is to be done to have them.

Pure. An image is a dataset ``POOL/images/NAME`` with one snapshot, ``@base``, of which the root file
systems of machines are clones. It is made once for a pair: the twin receives it as a stream, so that
``@base`` has one GUID on both servers.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, make_plan

IMAGES = "images"
UNFINISHED = ".new"
"""How the name of a dataset ends while its image is being made."""
BASE = "base"
PROPERTY = "twin:image"
"""User property of an image: the digest of its definition."""
UID_BASE = 100000
"""The user id of the server that root of an unprivileged machine has."""
RECIPE = 1
"""Part of every digest; raised when the same definition would give another image."""

# What an unprivileged machine may not do, and would be "degraded" for trying.
_MASKED = ("sys-kernel-debug.mount", "systemd-modules-load.service")
_CAPABILITY = "SCHILY.xattr.security.capability"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[a-z0-9][a-z0-9+.:~=-]*")


@dataclass(frozen=True, slots=True)
class Image:
    """What an image is made of: a suite of Debian, or a tarball.

    :param mirror: lines of sources.list(5); none: Debian's own mirror.
    :param sha256: of the tarball.
    :param privileged: user ids are not shifted.
    """

    name: str
    suite: str | None = None
    packages: tuple[str, ...] = ()
    mirror: tuple[str, ...] = ()
    tarball: str | None = None
    sha256: str | None = None
    privileged: bool = False

    @property
    def digest(self) -> str:
        """Names the content. Where it comes from (mirror, path of a tarball) is no part of it."""
        content = {
            "recipe": RECIPE,
            "suite": self.suite,
            "packages": sorted(self.packages),
            "sha256": self.sha256,
            "shift": self.shift,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def shift(self) -> int:
        """What is added to each user and group id."""
        return 0 if self.privileged else UID_BASE


@dataclass(frozen=True, slots=True)
class Images:
    """The images of one task.

    :param archives: by image, where its shifted tarball lies on this host.
    """

    pool: str
    images: tuple[Image, ...]
    archives: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Store:
    """The images that a server has.

    :param images: their digests by name; empty for one that came as a stream, which carries no properties.
    """

    images: Mapping[str, str] = field(default_factory=dict)


def parse_images(params: Mapping[str, Any]) -> Images:
    """The options of module machine_image as plain data.

    :raises Refused: with every fault at once.
    """
    faults: list[str] = []
    images: list[Image] = []
    for item in params["images"]:
        try:
            images.append(parse_image(item))
        except Refused as error:
            faults.append(str(error))
    names = [image.name for image in images]
    faults += [
        f"image {name}: it is listed twice; write it once."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    pool = str(params["pool"])
    if not _NAME.fullmatch(pool):
        faults.append(f"pool: {pool!r} is no name of a pool.")
    if faults:
        raise Refused("\n".join(faults), faults=faults)
    return Images(pool, tuple(images), dict(params.get("archives") or {}))


def parse_image(item: Mapping[str, Any]) -> Image:
    """One declared image.

    :raises Refused: when it cannot be meant.
    """
    name = str(item["name"])
    what = f"image {name}"
    if not _NAME.fullmatch(name):
        raise Refused(f"name of image {name!r}", "it does not serve", "use letters, digits and _ . : -")
    if name.endswith(UNFINISHED):
        raise Refused(
            f"name of {what}", f"{UNFINISHED} marks images that are being made", "choose another one"
        )
    image = Image(
        name=name,
        suite=item.get("suite"),
        packages=tuple(item.get("packages") or ()),
        mirror=tuple(item.get("mirror") or ()),
        tarball=item.get("tarball"),
        sha256=item.get("sha256"),
        privileged=bool(item.get("privileged")),
    )
    if (image.suite is None) == (image.tarball is None):
        raise Refused(what, "it is made of either a suite or a tarball", "declare one of them")
    if image.tarball is not None and not _SHA256.fullmatch(image.sha256 or ""):
        raise Refused(
            f"sha256 of {what}", f"{image.sha256!r} is no checksum", "write its 64 hexadecimal digits"
        )
    if image.tarball is not None and (image.packages or image.mirror):
        raise Refused(what, "packages and mirror belong to a suite", "leave them out beside a tarball")
    for word in (*image.packages, *([image.suite] if image.suite else [])):
        if not _WORD.fullmatch(word):
            raise Refused(what, f"{word!r} is no name of a suite or package", "write one such as trixie")
    return image


def plan_images(store: Store, wanted: Images) -> Plan:
    """The steps to have these images. One that is there is never changed: machines are clones of it."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for image in wanted.images:
        dataset = f"{wanted.pool}/{IMAGES}/{image.name}"
        digest = store.images.get(image.name)
        if digest is None:
            steps.append(
                Step(
                    image.name,
                    "import",
                    f"make image {image.name} in {dataset} of {_source(image)}",
                    {
                        "dataset": dataset,
                        "digest": image.digest,
                        "archive": wanted.archives.get(image.name, ""),
                    },
                )
            )
            before[image.name], after[image.name] = None, {"dataset": dataset, "digest": image.digest}
        elif not digest:
            sentence = f"note of what image {image.name} was made, it came as a stream"
            steps.append(Step(image.name, "note", sentence, {"dataset": dataset, "digest": image.digest}))
            before[image.name], after[image.name] = {}, {"digest": image.digest}
        elif digest != image.digest:
            steps.append(
                Step(
                    image.name,
                    "refuse",
                    f"image {image.name} was made of something else ({digest[:12]}, declared"
                    f" {image.digest[:12]}), and machines may be clones of it; give the new image a new name",
                    effect=Effect.IMPOSSIBLE,
                )
            )
            before[image.name], after[image.name] = {"digest": digest}, {"digest": image.digest}
    return make_plan(steps, before, after)


def _source(image: Image) -> str:
    if image.suite is None:
        return f"a tarball with sha256 {(image.sha256 or '')[:12]}"
    return f"suite {image.suite} with {len(image.packages)} packages"


def bootstrap_argv(image: Image, target: str) -> list[str]:
    """The call of mmdebstrap(1) that builds the image of a suite into a tarball."""
    return [
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        *([f"--include={','.join(image.packages)}"] if image.packages else []),
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        '--aptopt=Apt::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        str(image.suite),
        target,
        *image.mirror,
    ]


# ---- the tarball ------------------------------------------------------------------------------


def shift_tarball(source: IO[bytes], target: IO[bytes], shift: int) -> int:
    """Copy a root file system as a tar stream, made fit to be a machine's.

    User and group ids are shifted, capabilities of files are bound to the shifted root
    (capabilities(7), namespaced file capabilities), device nodes are left out, the machine's id is
    emptied so that each machine draws its own, the name of the build host is left out so that each keeps
    its own, and units that cannot work inside are masked.

    :returns: the number of entries written.
    :raises Refused: when an entry would lie outside the root file system.
    """
    count = 0
    emptied, masks = "etc/machine-id", {f"etc/systemd/system/{unit}" for unit in _MASKED}
    left_out = {emptied, "etc/hostname", *masks}
    with (
        tarfile.open(fileobj=source, mode="r|*") as old,
        tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as new,
    ):
        for entry in old:
            path = _inside(entry)
            if entry.ischr() or entry.isblk() or path in left_out:
                continue
            new.addfile(_shifted(entry, shift), old.extractfile(entry) if entry.isreg() else None)
            count += 1
        for entry in _added(emptied, sorted(masks), shift):
            new.addfile(entry)
            count += 1
    return count


def _inside(entry: tarfile.TarInfo) -> str:
    """The path of an entry, relative to the root file system."""
    path = entry.name.removeprefix("./").strip("/")
    if entry.name.startswith("/") or ".." in path.split("/"):
        raise Refused(f"entry {entry.name!r} of the tarball", "it lies outside the root file system")
    return path


def _shifted(entry: tarfile.TarInfo, shift: int) -> tarfile.TarInfo:
    capability = entry.pax_headers.get(_CAPABILITY)
    entry.uid, entry.gid, entry.uname, entry.gname = entry.uid + shift, entry.gid + shift, "", ""
    # Other extended attributes name user ids of the build (ACLs) or its security module.
    entry.pax_headers = {} if capability is None else {_CAPABILITY: _bound(capability, shift)}
    return entry


def _bound(capability: str, shift: int) -> str:
    """A file's capabilities (struct vfs_ns_cap_data of linux/capability.h, version 3) bound to a root."""
    raw = capability.encode("utf-8", "surrogateescape")
    if shift and len(raw) >= 20:
        flags = struct.unpack_from("<I", raw)[0] & 0x00FFFFFF
        raw = struct.pack("<I", 0x03000000 | flags) + raw[4:20] + struct.pack("<I", shift)
    return raw.decode("utf-8", "surrogateescape")


def _added(emptied: str, masks: Sequence[str], shift: int) -> Iterator[tarfile.TarInfo]:
    for path in (emptied, *masks):
        entry = tarfile.TarInfo(f"./{path}")
        entry.uid = entry.gid = shift
        entry.mode = 0o444
        if path in masks:
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, "/dev/null", 0o777
        yield entry
