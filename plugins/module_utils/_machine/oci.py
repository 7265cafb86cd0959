# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Container images of the Open Container Initiative, as root file systems. Pure.

A layout is a folder, here in a tar file: ``oci-layout``, ``index.json``, and ``blobs/sha256/DIGEST``, which
hold manifests, configurations and layers (OCI Image Layout Specification 1.0). A manifest names its layers,
the lowest first; each is a tar file with what it adds and changes, and marks for what it takes away (OCI
Image Layer Filesystem Changeset). The FreeBSD project publishes such archives with one layer and one
manifest (release/scripts/make-oci-image.sh of 14.2 and later).
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from .._core.errors import Refused
from .image import inside

MARKER = "oci-layout"
"""The file by which a layout is known."""
INDEX = "index.json"
BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
SMALL = 4 << 20
"""Bytes that no index and no manifest is longer than (recommended for registries by the specification)."""
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_ARCHITECTURE = "amd64"
"""Of several images for one system, that is taken: the servers of a pair have it."""
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_NESTED = 4

Blob = Callable[[str], bytes]
"""Gives the content of a small blob by its digest (64 hexadecimal digits)."""


def layers_of(marker: bytes, index: bytes, blob: Blob, system: str) -> list[str]:
    """The digests of the layers of the image in a layout, the lowest first.

    :param marker: the text of `MARKER`, ``index`` that of `INDEX`.
    :param system: the operating system that the image must be for, such as ``freebsd``.
    :raises Refused: when there is not exactly one such image, or it is none that is known here.
    """
    version = _json(marker, MARKER).get("imageLayoutVersion")
    if version != "1.0.0":
        raise Refused(f"{MARKER} of the image", f"it is of version {version}", "make one of version 1.0.0")
    found = list(_manifests(_json(index, INDEX), blob, system, _NESTED))
    if len(found) > 1:
        found = [each for each in found if each[0] in ("", _ARCHITECTURE)]
    if len(found) != 1:
        raise Refused(
            f"{INDEX} of the image",
            f"it names {len(found) or 'no'} images for {system}",
            "make an archive of the one that is meant",
        )
    _architecture, manifest = found[0]
    _check_system(manifest, blob, system)
    return [_digest(layer, "layer") for layer in _list(manifest, "layers")]


def _manifests(
    index: Mapping[str, Any], blob: Blob, system: str, depth: int
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Architecture and manifest of each image for a system; indexes may lie in each other."""
    if depth == 0:
        raise Refused(f"{INDEX} of the image", "it leads from index to index", "name the image itself in it")
    for each in _list(index, "manifests"):
        platform = each.get("platform") or {}
        if platform.get("os", system) != system:
            continue
        content = _json(blob(_digest(each, "manifest")), "manifest")
        if each.get("mediaType") in _INDEXES:
            yield from _manifests(content, blob, system, depth - 1)
        else:
            yield str(platform.get("architecture", "")), content


def _check_system(manifest: Mapping[str, Any], blob: Blob, system: str) -> None:
    config = _json(blob(_digest(manifest.get("config"), "configuration")), "configuration")
    if config.get("os") != system:
        raise Refused("the image", f"it is for {config.get('os')}", f"take one for {system}")


def _json(text: bytes, what: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Refused(f"{what} of the image", f"it is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise Refused(f"{what} of the image", "it is no JSON object")
    return value


def _list(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise Refused("the image", f"it has no list of {key}", "make it anew")
    return found


def _digest(descriptor: Any, what: str) -> str:
    text = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not (match := _DIGEST.fullmatch(str(text))):
        raise Refused(f"{what} of the image", f"{text!r} is no digest that is known here", "use sha256")
    return match[1]


# ---- the layers -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _File:
    """A file, folder or link, under however many names.

    :param layer: the tar file that it is in.
    """

    layer: tarfile.TarFile
    entry: tarfile.TarInfo


def flatten(layers: Sequence[IO[bytes]], target: IO[bytes]) -> int:
    """Put layers upon each other, as one root file system in a tar stream.

    Files with several names stay so, whichever layers the names are in.

    :param layers: uncompressed tar files, the lowest first; they are read here and there.
    :returns: the number of entries written.
    :raises Refused: when an entry would lie outside the root file system, or leads through a link.
    """
    tree: dict[str, _File] = {}
    with contextlib.ExitStack() as stack:
        for layer in layers:
            tree = _upon(tree, stack.enter_context(tarfile.open(fileobj=layer, mode="r:")))
        new = stack.enter_context(tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT))
        for entry, content in _entries(tree):
            new.addfile(entry, content)
    return len(tree)


def _upon(below: Mapping[str, _File], layer: tarfile.TarFile) -> dict[str, _File]:
    """A tree with one more layer. What is taken away is always of those below, wherever its mark stands."""
    entries = [(inside(entry), entry) for entry in layer]
    entries = [("" if path == "." else path, entry) for path, entry in entries]
    tree = dict(below)
    for path, entry in entries:
        folder, _slash, name = path.rpartition("/")
        if name == _OPAQUE:
            _remove(tree, folder, itself=False)
        elif name.startswith(_WHITEOUT):
            gone = name.removeprefix(_WHITEOUT)
            if gone in ("", ".", ".."):
                raise Refused(f"entry {entry.name!r} of a layer", "it marks no file", "make the layer anew")
            _remove(tree, f"{folder}/{gone}".lstrip("/"))
    for path, entry in entries:
        if not path.rpartition("/")[2].startswith(_WHITEOUT):
            _put(tree, path, _file(tree, layer, entry))
    return tree


def _file(tree: Mapping[str, _File], layer: tarfile.TarFile, entry: tarfile.TarInfo) -> _File:
    if not entry.islnk():
        return _File(layer, entry)
    target = copy.copy(entry)
    target.name = entry.linkname
    known = tree.get(inside(target))
    if known is None or known.entry.isdir():
        raise Refused(
            f"entry {entry.name!r} of a layer", f"it is another name of {entry.linkname!r}, which is no file"
        )
    return known


def _put(tree: dict[str, _File], path: str, file: _File) -> None:
    for above in _above(path):
        if not tree.setdefault(above, _File(file.layer, _folder(above))).entry.isdir():
            raise Refused(
                f"entry {path!r} of a layer", f"{above!r} above it is no folder", "make the layer anew"
            )
    if path in tree and tree[path].entry.isdir() and not file.entry.isdir():
        _remove(tree, path)
    tree[path] = file


def _folder(path: str) -> tarfile.TarInfo:
    """One that is only named by what is in it."""
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry


def _above(path: str) -> Iterator[str]:
    """The folders above a path."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _remove(tree: dict[str, _File], path: str, *, itself: bool = True) -> None:
    """Take a path away with all that is below it; the empty path is the root itself."""
    if itself:
        tree.pop(path, None)
    below = f"{path}/" if path else ""
    for name in [name for name in tree if name and name.startswith(below)]:
        del tree[name]


def _entries(tree: Mapping[str, _File]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """The tree as entries of a tar file: folders before what is in them, files before their further names."""
    names: dict[int, str] = {}
    for path, file in sorted(tree.items(), key=lambda item: item[0].split("/")):
        entry, content = copy.copy(file.entry), None
        entry.name = path or "."
        # Those that say what the entry says itself would win over it (pax(5)); attributes and flags do not.
        entry.pax_headers = {
            key: value
            for key, value in entry.pax_headers.items()
            if key.startswith(("SCHILY.xattr.", "SCHILY.acl.", "SCHILY.fflags", "LIBARCHIVE.xattr."))
        }
        first = names.setdefault(id(file), path)
        if first != path:
            entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, first, 0
        elif entry.isreg():
            # Sparse files too: their content is read whole.
            entry.type, content = tarfile.REGTYPE, file.layer.extractfile(file.entry)
        yield entry, content


def is_layout(entries: Iterable[tarfile.TarInfo]) -> bool:
    """Whether a tar file holds a layout; its first file tells, for no root file system has such files."""
    first = next((entry.name.removeprefix("./") for entry in entries if not entry.isdir()), "")
    # Some tools write these two besides, for those who knew no layouts yet.
    return first in (MARKER, INDEX, "manifest.json", "repositories") or bool(BLOB.fullmatch(first))
