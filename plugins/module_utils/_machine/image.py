# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of machines: what they are made of, and what is to be done to have them.

Pure. An image is a dataset ``POOL/images/NAME`` with one snapshot, ``@base``, of which the root file
systems of machines are clones. It is made once for a pair: the twin receives it as a stream, so that
``@base`` has one GUID on both servers.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import struct
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from .._core.errors import Refused
from .._core.items import parse_items, refuse
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
_RELEASE = re.compile(r"[1-9][0-9]*\.[0-9]+")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
# Where the FreeBSD project has the distribution files of a release (BSDINSTALL_DISTSITE of bsdinstall(8)).
_SITE = "https://download.freebsd.org/releases/amd64/amd64/{}-RELEASE"
# Where it has the packages of the base system (usr.sbin/pkg/FreeBSD.conf.quarterly-release, 15.0).
_REPOSITORY = "pkg+https://pkg.FreeBSD.org/${{ABI}}/base_release_{}"
BASE_REPOSITORY = "FreeBSD-base"
PACKAGED = 15
"""The first release of FreeBSD whose base system is published as packages, signed by a key of its own."""
SHARED = ".base"
"""Where a thin jail mounts the whole image of its release."""
# What it has of its own besides the files in / and /usr; every other folder there is a link.
_OWN = frozenset({
    "", "dev", "etc", "home", "media", "mnt", "net", "proc", "root", "tmp", "usr", "var",
    "usr/home", "usr/local", "usr/obj", "usr/ports",
})  # fmt: skip
# Each tells its version inside: by a line of a script, freebsd-version(1), or by its only line.
_VERSIONS = (
    ("bin/freebsd-version", re.compile(r'^USERLAND_VERSION="([\w.-]+)"$', re.MULTILINE)),
    ("etc/debian_version", re.compile(r"\A([\w./+~-]+)\n?\Z")),
)


@dataclass(frozen=True, slots=True)
class Image:
    """What an image is made of: a suite of Debian, a release of FreeBSD, or a tarball.

    :param release: such as ``14.3``; made of base.txz, of the tarball, or of packages.
    :param packages: of a suite, beside the essential ones; of a release, those of its base system.
    :param mirror: of a suite lines of sources.list(5), of a release the folder or address of its base.txz
        and MANIFEST; none: the project's own mirror.
    :param sha256: of the tarball, else of the MANIFEST of the release.
    :param privileged: user ids are not shifted.
    :param thin: of a release, only what a jail has of its own; see `thin_tarball`.
    """

    name: str
    suite: str | None = None
    release: str | None = None
    packages: tuple[str, ...] = ()
    mirror: tuple[str, ...] = ()
    tarball: str | None = None
    sha256: str | None = None
    privileged: bool = False
    thin: bool = False

    @property
    def digest(self) -> str:
        """Names the content. Where it comes from (mirror, path of a tarball) is no part of it."""
        content = {
            "recipe": RECIPE,
            "suite": self.suite,
            "packages": sorted(self.packages),
            "sha256": self.sha256,
            "shift": self.shift,
            **({"release": self.release} if self.release else {}),
            **({"thin": True} if self.thin else {}),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def shift(self) -> int:
        """What is added to each user and group id. A jail has the ids of its server."""
        return 0 if self.privileged or self.release else UID_BASE

    @property
    def packaged(self) -> bool:
        """Whether it is made of packages of the base system of FreeBSD, which takes a server with that."""
        return self.release is not None and bool(self.packages)

    @property
    def repository(self) -> str:
        """The address of the packages of the base system of its release."""
        return (self.mirror or (_REPOSITORY.format(str(self.release).partition(".")[2]),))[0]

    @property
    def site(self) -> str:
        """The folder or address of the distribution files of its release."""
        return (self.mirror or (_SITE.format(self.release),))[0].rstrip("/")


@dataclass(frozen=True, slots=True)
class Images:
    """The images of one task.

    :param archives: by image, where its finished tarball lies on this host.
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
    images, faults = parse_items("image", params["images"], parse_image)
    pool = str(params["pool"])
    if not _NAME.fullmatch(pool):
        faults.append(f"pool: {pool!r} is no name of a pool.")
    refuse(faults)
    return Images(pool, images, dict(params.get("archives") or {}))


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
        release=item.get("release"),
        packages=tuple(item.get("packages") or ()),
        mirror=tuple(item.get("mirror") or ()),
        tarball=item.get("tarball"),
        sha256=item.get("sha256"),
        privileged=bool(item.get("privileged")),
        thin=bool(item.get("thin")),
    )
    if (image.suite is None) == (image.release is None and image.tarball is None):
        raise Refused(what, "it is made of a suite, a release or a tarball", "declare one of them")
    if image.release is not None and not _RELEASE.fullmatch(image.release):
        raise Refused(what, f"{image.release!r} is no release of FreeBSD", 'write one such as "14.3"')
    if (image.tarball or image.sha256) and not _SHA256.fullmatch(image.sha256 or ""):
        raise Refused(
            f"sha256 of {what}", f"{image.sha256!r} is no checksum", "write its 64 hexadecimal digits"
        )
    if image.thin and image.release is None:
        raise Refused(what, "thin belongs to a release of FreeBSD", "leave it out")
    if image.packages and image.suite is None:
        _check_packaged(image, what)
    if image.tarball is not None and image.mirror:
        raise Refused(what, "a tarball comes from no mirror", "leave out one of them")
    if image.release is not None and len(image.mirror) > 1:
        raise Refused(f"mirror of {what}", "a release comes from one place", "keep one of them")
    for word in (image.suite, *image.packages):
        if word is not None and not (_PACKAGE if image.packaged else _WORD).fullmatch(word):
            raise Refused(what, f"{word!r} is no name of a suite or package", "write one such as trixie")
    return image


def _check_packaged(image: Image, what: str) -> None:
    if image.release is None or image.tarball is not None:
        raise Refused(what, "packages belong to a suite or a release", "leave them out")
    if int(image.release.partition(".")[0]) < PACKAGED:
        raise Refused(
            what,
            f"release {image.release} has no packages of the base system",
            "leave packages out, base.txz is taken",
        )
    if image.sha256 is not None or image.thin:
        raise Refused(
            what,
            "of packages there is no one checksum, and no thin image is made",
            "leave out packages, or sha256 and thin",
        )


def plan_images(store: Store, wanted: Images) -> Plan:
    """The steps to have these images. One that is there is never changed: machines are clones of it."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for image in wanted.images:
        dataset = f"{wanted.pool}/{IMAGES}/{image.name}"
        digest = store.images.get(image.name)
        if digest is None:
            args: dict[str, Any] = {"dataset": dataset, "digest": image.digest}
            if image.packaged:
                args |= {"release": image.release, "packages": image.packages, "repository": image.repository}
            else:
                args["archive"] = wanted.archives.get(image.name, "")
            verb = "install" if image.packaged else "import"
            sentence = f"make image {image.name} in {dataset} of {_source(image)}"
            steps.append(Step(image.name, verb, sentence, args))
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
    if image.suite is not None:
        return f"suite {image.suite} with {len(image.packages)} packages"
    tarball = f"a tarball with sha256 {(image.sha256 or '')[:12]}" if image.tarball is not None else ""
    release = f"release {image.release} of FreeBSD" if image.release is not None else ""
    release += " without what its machines share" if image.thin else ""
    release += f" with {', '.join(image.packages)}" if image.packaged else ""
    return ", ".join(filter(None, [release, tarball]))


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


def repository_conf(repository: str, release: str) -> str:
    """The file for pkg(8) that leads to the packages of a base system (pkg.conf(5))."""
    kind = '  mirror_type: "srv",\n' if repository.startswith("pkg+") else ""
    return (
        f'{BASE_REPOSITORY}: {{\n  url: "{repository}",\n{kind}'
        f'  signature_type: "fingerprints",\n  fingerprints: "{keys_of(release)}",\n  enabled: yes\n}}\n'
    )


def keys_of(release: str) -> str:
    """The folder of the keys by which the packages of a release are known."""
    return f"/usr/share/keys/pkgbase-{release.partition('.')[0]}"


def base_checksum(image: Image, manifest: bytes) -> str:
    """The sha256 of the base.txz of a release, out of its MANIFEST.

    A line of it is the name of a file, its sha256, and more, with tabs between (release/scripts/
    make-manifest.sh of FreeBSD).

    :raises Refused: when it is not the MANIFEST that was declared, or does not tell the checksum.
    """
    what = f"MANIFEST of image {image.name}"
    found = hashlib.sha256(manifest).hexdigest()
    if image.sha256 not in (None, found):
        raise Refused(what, f"its sha256 is {found}", f"{image.sha256} was declared")
    lines = (line.split("\t") for line in manifest.decode(errors="replace").splitlines())
    checksums = [words[1] for words in lines if words[0] == "base.txz" and len(words) > 1]
    if len(checksums) != 1 or not _SHA256.fullmatch(checksums[0]):
        raise Refused(
            what, "it does not tell the sha256 of base.txz", f"see whether {image.site} is the place meant"
        )
    return checksums[0]


def version_of(read: Callable[[str], str | None]) -> str | None:
    """The version of a root file system, such as ``14.3-RELEASE-p2`` or ``13.1``; None when it is unknown.

    :param read: the text of a file by its path inside; None when there is none.
    """
    for path, pattern in _VERSIONS:
        told = pattern.search(read(path) or "")
        if told:
            return told[1]
    return None


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
            path = inside(entry)
            if entry.ischr() or entry.isblk() or path in left_out:
                continue
            new.addfile(_shifted(entry, shift), old.extractfile(entry) if entry.isreg() else None)
            count += 1
        for entry in _added(emptied, sorted(masks), shift):
            new.addfile(entry)
            count += 1
    return count


def thin_tarball(source: IO[bytes], target: IO[bytes]) -> int:
    """Copy of the base system of FreeBSD what each jail has of its own; the rest become links into `SHARED`.

    The script that tells its version also lies below `SHARED`, so that the image tells it while
    nothing is mounted there.

    :returns: the number of entries written.
    :raises Refused: when an entry would lie outside the root file system.
    """
    links: set[str] = set()
    count = 0
    with (
        tarfile.open(fileobj=source, mode="r|*") as old,
        tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as new,
    ):
        for entry in old:
            path = inside(entry)
            place = _place(path)
            if path == _VERSIONS[0][0]:
                moved = copy.copy(entry)
                moved.name = f"{SHARED}/{path}"
                new.addfile(moved, old.extractfile(entry))
                count += 1
            if place in _OWN or (path == place and not entry.isdir()):
                linked = entry.linkname.removeprefix("./")
                if entry.islnk() and _place(linked) not in _OWN | {linked}:
                    entry = _link(path, linked)
                new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
            elif place not in links:
                links.add(place)
                new.addfile(_link(place, place))
            else:
                continue
            count += 1
    return count


def _place(path: str) -> str:
    """The part of / or of /usr in which a path lies; empty for / itself."""
    first, _slash, rest = ("" if path == "." else path).partition("/")
    return f"{first}/{rest.partition('/')[0]}" if first == "usr" and rest else first


def _link(path: str, shared: str) -> tarfile.TarInfo:
    """A symbolic link that leads to the same place in a jail and on its server."""
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = tarfile.SYMTYPE, 0o755
    entry.linkname = f"{'../' * path.count('/')}{SHARED}/{shared}"
    return entry


def inside(entry: tarfile.TarInfo) -> str:
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
