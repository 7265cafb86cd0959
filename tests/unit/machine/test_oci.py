# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images for containers: which layers they have, and the root file system that those make."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.oci import (
    flatten,
    is_layout,
    layers_of,
)

MARKER = b'{"imageLayoutVersion": "1.0.0"}'
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Blobs(dict[str, bytes]):
    """Small blobs by their digests."""

    def put(self, value: Any, **more: Any) -> dict[str, Any]:
        """Add one; its descriptor."""
        text = json.dumps(value).encode()
        digest = hashlib.sha256(text).hexdigest()
        self[digest] = text
        return {"digest": f"sha256:{digest}", "size": len(text), **more}

    def image(self, *layers: str, system: str = "freebsd", **more: Any) -> dict[str, Any]:
        """An image with layers of which these are the digests; the descriptor of its manifest."""
        config = self.put({"os": system, "rootfs": {"type": "layers"}})
        named = [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": each} for each in layers
        ]
        return self.put({"schemaVersion": 2, "config": config, "layers": named}, mediaType=MANIFEST, **more)


def layers(
    blobs: Blobs, *manifests: dict[str, Any], system: str = "freebsd", marker: bytes = MARKER
) -> list[str]:
    index = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    return layers_of(marker, index, blobs.__getitem__, system)


A, B = (f"sha256:{letter * 64}" for letter in "ab")


def test_the_layers_of_an_image_as_the_freebsd_project_makes_it() -> None:
    blobs = Blobs()
    image = blobs.image(
        A, annotations={"org.opencontainers.image.ref.name": "freebsd-runtime:14.3-RELEASE-amd64"}
    )
    assert layers(blobs, image) == ["a" * 64]


def test_of_several_images_that_for_the_servers_is_taken() -> None:
    blobs = Blobs()
    amd = blobs.image(A, B, system="linux", platform={"os": "linux", "architecture": "amd64"})
    arm = blobs.image(B, system="linux", platform={"os": "linux", "architecture": "arm64"})
    note = blobs.put({}, mediaType=MANIFEST, platform={"os": "unknown", "architecture": "unknown"})
    inner = blobs.put({"manifests": [arm, amd, note]}, mediaType=INDEX)
    assert layers(blobs, inner, system="linux") == ["a" * 64, "b" * 64]


def loop(blobs: Blobs) -> dict[str, Any]:
    inner = blobs.image(A)
    for _level in range(5):
        inner = blobs.put({"manifests": [inner]}, mediaType=INDEX)
    return inner


@pytest.mark.parametrize(
    ("manifests", "said"),
    [
        (lambda blobs: [], "it has no list of manifests"),
        (lambda blobs: [blobs.image(A, system="linux")], "it is for linux; take one for freebsd"),
        (
            lambda blobs: [blobs.image(A), blobs.image(B)],
            "it names 2 images for freebsd; make an archive of the one",
        ),
        (lambda blobs: [blobs.image(A, platform={"os": "linux"})], "it names no images for freebsd"),
        (lambda blobs: [blobs.image()], "it has no list of layers"),
        (lambda blobs: [blobs.image("sha512:" + "a" * 128)], "is no digest that is known here; use sha256"),
        (lambda blobs: [blobs.image("sha256:../../etc/passwd")], "is no digest that is known here"),
        (lambda blobs: [{"mediaType": MANIFEST}], "manifest of the image: None is no digest"),
        (lambda blobs: [blobs.put([1], mediaType=MANIFEST)], "manifest of the image: it is no JSON object"),
        (
            lambda blobs: [blobs.put({"layers": [{}]}, mediaType=MANIFEST)],
            "configuration of the image: None is no",
        ),
        (lambda blobs: [loop(blobs)], "it leads from index to index"),
    ],
)
def test_what_is_no_such_image(manifests: Any, said: str) -> None:
    blobs = Blobs()
    with pytest.raises(Refused, match=said):
        layers(blobs, *manifests(blobs))


@pytest.mark.parametrize(
    ("marker", "said"), [(b'{"imageLayoutVersion": "2.0"}', "it is of version 2.0"), (b"{", "it is no JSON")]
)
def test_a_layout_of_another_version(marker: bytes, said: str) -> None:
    with pytest.raises(Refused, match=said):
        layers(Blobs(), marker=marker)


# ---- the layers -------------------------------------------------------------------------------


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", **more: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    for key, value in more.items():
        setattr(made, key, value)
    return made


def layer(*entries: tuple[tarfile.TarInfo, str] | tarfile.TarInfo) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for each in entries:
            made, text = each if isinstance(each, tuple) else (each, "")
            made.size = len(text)
            tar.addfile(made, io.BytesIO(text.encode()))
    packed.seek(0)
    return packed


def file(name: str, text: str = "", **more: Any) -> tuple[tarfile.TarInfo, str]:
    return entry(name, **more), text


def folder(name: str, **more: Any) -> tarfile.TarInfo:
    return entry(name, tarfile.DIRTYPE, **more)


def flat(*packed: io.BytesIO) -> dict[str, str]:
    """The files of the root file system that layers make, with their texts; folders end with a slash."""
    target = io.BytesIO()
    for each in packed:
        each.seek(0)
    count = flatten(packed, target)
    target.seek(0)
    found: dict[str, str] = {}
    with tarfile.open(fileobj=target) as tar:
        for member in tar:
            assert all(f"{above}/" in found for above in above_of(member.name))
            text = tar.extractfile(member) if member.isreg() or member.islnk() else None
            found[f"{member.name}/" if member.isdir() else member.name] = (
                text.read().decode() if text else member.linkname
            )
    assert len(found) == count
    return found


def above_of(name: str) -> Iterable[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def test_one_layer() -> None:
    link = entry("./bin", tarfile.SYMTYPE, "usr/bin")
    found = flat(layer(folder("."), folder("./etc"), file("./etc/motd", "hello"), link))
    assert found == {"./": "", "etc/": "", "etc/motd": "hello", "bin": "usr/bin"}


def test_what_a_layer_takes_away() -> None:
    below = layer(folder("etc"), file("etc/a", "1"), file("etc/b", "2"), folder("opt"), file("opt/x/y", "3"))
    above = layer(file("etc/.wh.a"), file(".wh.opt"), file("etc/c", "4"))
    assert flat(below, above) == {"etc/": "", "etc/b": "2", "etc/c": "4"}


def test_a_mark_is_about_what_is_below_wherever_it_stands() -> None:
    below = layer(folder("etc"), file("etc/a", "old"), file("etc/b", "old"))
    above = layer(file("etc/a", "new"), file("etc/.wh.a"), file("etc/.wh..wh..opq"), file("etc/c", "new"))
    assert flat(below, above) == {"etc/": "", "etc/a": "new", "etc/c": "new"}
    assert flat(layer(folder("."), folder("etc")), layer(file(".wh..wh..opq"), file("x"))) == {
        "./": "",
        "x": "",
    }


def test_a_folder_becomes_a_file_and_a_link_a_folder() -> None:
    below = layer(folder("a"), file("a/x", "1"), entry("b", tarfile.SYMTYPE, "a"))
    above = layer(file("a", "2"), folder("b"), file("b/y", "3"))
    assert flat(below, above) == {"a": "2", "b/": "", "b/y": "3"}


def test_a_folder_that_changes_its_owner_keeps_what_is_in_it() -> None:
    target = io.BytesIO()
    flatten([layer(folder("a", uid=1), file("a/x", "1")), layer(folder("a", uid=2))], target)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        assert [(member.name, member.uid) for member in tar] == [("a", 2), ("a/x", 0)]


def test_a_further_name_outlives_the_first() -> None:
    below = layer(file("z", "text", mode=0o4755), entry("y", tarfile.LNKTYPE, "./z"))
    above = layer(file(".wh.z"), entry("b", tarfile.LNKTYPE, "y"))
    target = io.BytesIO()
    flatten([below, above], target)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        first, second = tar.getmembers()
        assert (first.name, first.mode, first.isreg()) == ("b", 0o4755, True)
        assert (second.name, second.islnk(), second.linkname) == ("y", True, "b")
    assert flat(below, above) == {"b": "text", "y": "text"}


def test_attributes_and_long_names_stay() -> None:
    name = "./" + "/".join(["long" * 20] * 3)
    headers = {"SCHILY.fflags": "schg", "SCHILY.xattr.user.x": "1", "mtime": "1.5"}
    target = io.BytesIO()
    flatten([layer(file(name, "text", pax_headers=headers, mtime=1.5))], target)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        *_folders, member = tar.getmembers()
        assert (member.name, member.mtime) == (name.removeprefix("./"), 1.5)
        assert member.pax_headers["SCHILY.fflags"] == "schg"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([file("../x")], "it lies outside the root file system"),
        ([file("/etc/passwd")], "it lies outside the root file system"),
        ([file("a/../../x")], "it lies outside the root file system"),
        ([entry("x", tarfile.LNKTYPE, "../../etc/passwd")], "it lies outside the root file system"),
        ([entry("x", tarfile.LNKTYPE, "/etc/passwd")], "it lies outside the root file system"),
        ([entry("x", tarfile.LNKTYPE, "y")], "it is another name of 'y', which is no file"),
        ([folder("y"), entry("x", tarfile.LNKTYPE, "y")], "which is no file"),
        ([entry("out", tarfile.SYMTYPE, "/etc"), file("out/passwd")], "'out' above it is no folder"),
        ([file("a/.wh...")], "it marks no file"),
        ([file(".wh.")], "it marks no file"),
        ([file(".wh..")], "it marks no file"),
    ],
)
def test_what_leads_out_of_the_root_is_refused(entries: list[Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        flat(layer(*entries))
    # And when the link is of the layer below.
    with pytest.raises(Refused, match=said):
        flat(layer(*entries[:-1]), layer(entries[-1]))


NAMES = st.sampled_from(["a", "b", "c", "a/a", "a/b", "b/a", "b/a/a"])
CHANGES = st.lists(st.tuples(st.sampled_from(["file", "folder", "gone", "opaque"]), NAMES), max_size=5)


@given(st.lists(CHANGES, max_size=4))
def test_layers_upon_each_other_are_the_last_word_of_each(stack: list[list[tuple[str, str]]]) -> None:
    """Against a model without tar: a tree as a mapping, on which each layer's marks go first."""
    model: dict[str, str] = {}
    packed = []
    for number, changes in enumerate(stack):
        entries: list[Any] = []
        for what, name in changes:
            head, _slash, tail = name.rpartition("/")
            mark = f"{head}/.wh.{tail}".lstrip("/") if what == "gone" else f"{name}/.wh..wh..opq"
            entries.append(
                file(name, f"{number}")
                if what == "file"
                else folder(name)
                if what == "folder"
                else file(mark)
            )
            if what in ("gone", "opaque"):
                model = {
                    path: text
                    for path, text in model.items()
                    if not path.startswith(f"{name}/") and (path != name or what == "opaque")
                }
        try:
            for what, name in changes:
                if what in ("file", "folder"):
                    model = upon(model, name, f"{number}" if what == "file" else "/")
        except KeyError:
            with pytest.raises(Refused, match="is no folder"):
                flat(*packed, layer(*entries))
            return
        packed.append(layer(*entries))
    assert flat(*packed) == {
        f"{name}/" if text == "/" else name: text.strip("/") for name, text in model.items()
    }


def upon(model: dict[str, str], name: str, text: str) -> dict[str, str]:
    """A model with one more file or folder; KeyError where there is a file above it."""
    for above in above_of(name):
        if model.get(above, "/") != "/":
            raise KeyError(above)
    kept = (
        model
        if text == "/"
        else {path: old for path, old in model.items() if not path.startswith(f"{name}/")}
    )
    return {**kept, **dict.fromkeys(above_of(name), "/"), name: text}


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["oci-layout"], True),
        (["./index.json"], True),
        (["blobs/sha256/" + "a" * 64, "oci-layout"], True),
        (["manifest.json"], True),
        (["etc/passwd", "oci-layout"], False),
        (["blobs/sha256/readme"], False),
        ([], False),
    ],
)
def test_a_layout_is_known_by_its_first_file(names: list[str], layout: bool) -> None:
    assert is_layout([folder("."), folder("blobs"), *(entry(name) for name in names)]) is layout
