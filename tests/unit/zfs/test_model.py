# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, capabilities and properties: parsers and comparers."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._zfs import model
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.model import (
    Capabilities,
    Property,
    check_dataset_name,
    check_pool_name,
    check_property,
    check_snapshot_name,
    meaning,
    parse_capabilities,
    parse_properties,
    shown,
    spelled,
)

USAGE = Path(__file__).parents[2] / "doubles/fixtures/zfs"
FIXTURES = Path(__file__).parent / "fixtures"


def capabilities_of(flavour: str) -> Capabilities:
    version = USAGE / f"{flavour}-zfs_version.txt"
    return parse_capabilities(
        (USAGE / f"{flavour}-zfs.txt").read_text(),
        (USAGE / f"{flavour}-zfs_get.txt").read_text(),
        version.read_text() if version.exists() else "",
    )


FUSE, OLD, NEW = (capabilities_of(flavour) for flavour in ("fuse", "openzfs-2.1", "openzfs-2.3"))


# -- names


@pytest.mark.parametrize(
    "name", ["tank", "tank/a", "tank/machines/ssa.lab-1:x_2", "tank/with blank", "t/" + "a" * 253]
)
def test_dataset_names_that_zfs_takes(name: str) -> None:
    assert check_dataset_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty component"),
        ("/tank", "empty component"),
        ("tank/", "empty component"),
        ("tank//a", "empty component"),
        ("tank/ä", "'ä' is not allowed"),
        ("tank/a@b", "'@' is not allowed"),
        ("tank/a#b", "'#' is not allowed"),
        ("tank/%recv", "'%' is not allowed"),
        ("tank/../a", ".. stands for nothing"),
        ("tank/a\nb", "'\\n' is not allowed"),
        ("t/" + "a" * 254, "longer than 255"),
        ("9tank/a", "not a pool name"),
        ("mirror/a", "not a pool name"),
        ("raidz1x/a", "not a pool name"),
        ("c0d/a", "not a pool name"),
        ("log", "not a pool name"),
        ("-tank/a", "not a pool name"),
    ],
)
def test_dataset_names_that_zfs_refuses(name: str, why: str) -> None:
    with pytest.raises(Refused, match="dataset") as refused:
        check_dataset_name(name)
    assert why in str(refused.value)


def test_words_that_only_begin_like_reserved_ones_are_names() -> None:
    assert [check_pool_name(name) for name in ("logs", "cache", "c-pool", "rpool")]


def test_snapshot_names() -> None:
    assert check_snapshot_name("tank/images/debian-13@base") == ("tank/images/debian-13", "base")
    for wrong in ("tank/a", "tank/a@", "@base", "tank/a@b@c", "tank/a@b/c"):
        with pytest.raises(Refused):
            check_snapshot_name(wrong)


@given(st.lists(st.text(string.ascii_letters + string.digits + "_.:- ", min_size=1), min_size=1, max_size=5))
def test_a_name_is_its_pool_and_its_parents(parts: list[str]) -> None:
    name = "/".join(["tank", *parts])
    assert model.pool_of(f"{name}@x") == "tank"
    assert model.below(name, model.parent_of(name))
    assert not model.below(name, name)
    assert not model.below(f"{name}x", name)


@given(st.text())
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        assert check_dataset_name(text) == text
    except Refused as refused:
        assert "\n" not in str(refused)


# -- what a host's ZFS can do


def test_capabilities_of_zfs_fuse() -> None:
    assert FUSE.version is None
    assert not (FUSE.set_many or FUSE.snapshot_many or FUSE.volumes or FUSE.holds or FUSE.get_types)
    assert not (
        FUSE.list_parsable or FUSE.can("bookmark") or FUSE.can("send", "n") or FUSE.can("receive", "u")
    )
    assert FUSE.can("send", "RDpiI") and FUSE.can("receive", "vnFd") and FUSE.can("hold", "r")
    assert not FUSE.can("load-key")


@pytest.mark.parametrize("caps", [OLD, NEW])
def test_capabilities_of_openzfs(caps: Capabilities) -> None:
    assert caps.version is not None and caps.version[:2] in ((2, 1), (2, 3))
    assert caps.set_many and caps.snapshot_many and caps.volumes and caps.holds and caps.get_types
    assert caps.can("send", "nPwLect") and caps.can("receive", "suxoA") and caps.can("bookmark")
    assert caps.can("load-key") and caps.can("create", "u") and not caps.freebsd


def test_capabilities_of_freebsd() -> None:
    usage = (USAGE / "openzfs-2.1-zfs.txt").read_text()
    caps = parse_capabilities(usage, "", "zfs-2.2.7-FreeBSD_ge269af1b3\nzfs-kmod-2.2.7-FreeBSD_ge269af1b3\n")
    assert caps.freebsd and caps.version == (2, 2, 7)


def test_what_nobody_was_asked_is_taken() -> None:
    assert Capabilities().can("send", "w") and not Capabilities().objection("compression", "lz4")
    assert not Capabilities().known


@pytest.mark.parametrize(
    ("name", "value", "fuse", "new"),
    [
        ("compression", "lz4", "only on | off | lzjb", ""),
        ("compression", "gzip-9", "", ""),
        ("compression", "gzip-10", "only on", "only on"),
        ("compression", "zstd-19", "only on", ""),
        ("compression", "zstd-fast-100", "only on", ""),
        ("compression", "zstd-fast-11", "only on", "only on"),
        ("checksum", "blake3", "only on", ""),
        ("dedup", "sha256,verify", "", ""),
        ("dedup", "edonr", "only on", "only on"),
        ("atime", "yes", "", ""),
        ("atime", "perhaps", "only on | off", "only on | off"),
        ("recordsize", "3K", "power of 2", "power of 2"),
        ("recordsize", "1M", "512 to 128k", ""),
        ("recordsize", "16M", "512 to 128k", ""),
        ("recordsize", "256", "512 to", "512 to"),
        ("special_small_blocks", "0", "no property", ""),
        ("acltype", "posix", "no property", ""),
        ("acltype", "posixacl", "no property", ""),
        ("aclinherit", "secure", "", ""),
        ("utf8only", "on", "", ""),
        ("userquota@www", "1G", "", ""),
        ("projectquota@1", "1G", "no property", ""),
        ("used", "1", "cannot be set", "cannot be set"),
        ("guid", "1", "no property", "cannot be set"),
        ("casesensitivity", "mixed", "", ""),
        ("mountpoint", "/srv", "", ""),
        ("sharenfs", "rw=@192.0.2.0/24", "", ""),
        ("frobnicate", "on", "no property", "no property"),
        ("twin:owner", "castor 1", "", ""),
    ],
)
def test_objections(name: str, value: str, fuse: str, new: str) -> None:
    for caps, why in ((FUSE, fuse), (NEW, new)):
        said = caps.objection(name, value)
        assert why in said if why else not said


# -- properties


def test_values_of_a_real_zfs_fuse() -> None:
    found = parse_properties((FIXTURES / "fuse-get.txt").read_text())
    assert found["lawpool/x"] == {
        "quota": Property("8388608", "local"),
        "atime": Property("on", "default"),
        "mountpoint": Property("/lawpool/x", "default"),
        "mounted": Property("yes", ""),
        "twin:owner": Property("castor 1", "local"),
    }
    assert found["lawpool/x/y"]["twin:owner"] == Property("castor 1", "inherited")
    assert found["lawpool/x/y"]["twin:tab"] == Property("a\tb", "local")
    assert found["lawpool/x@1"]["quota"] == Property("-", "")


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("quota", "10G", "10737418240"),
        ("quota", "none", "0"),
        ("quota", "1.5T", "1536G"),
        ("recordsize", "128K", "131072"),
        ("userquota@www", "none", "0"),
        ("snapshot_limit", "none", str(2**64 - 1)),
        ("atime", "yes", "on"),
        ("atime", "false", "off"),
        ("compression", "gzip", "gzip-6"),
        ("compression", "zstd", "zstd-3"),
        ("acltype", "posixacl", "posix"),
        ("volmode", "geom", "full"),
        ("mountpoint", "/srv/", "/srv"),
        ("mountpoint", "/", "//"),
        ("dnodesize", "1k", "1024"),
    ],
)
def test_same_meaning(name: str, left: str, right: str) -> None:
    assert meaning(name, left) == meaning(name, right)


def test_a_property_may_have_a_digit_in_its_name() -> None:
    assert check_property("utf8only", True, "dataset a") == "on"


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("quota", "10G", "10000000000"),
        ("snapshot_limit", "none", "0"),
        ("compression", "on", "lz4"),
        ("mountpoint", "none", "legacy"),
        ("mountpoint", "/none", "none"),
        ("twin:x", "10G", "10737418240"),
        ("twin:x", "yes", "on"),
        ("copies", "1", "2"),
    ],
)
def test_other_meaning(name: str, left: str, right: str) -> None:
    assert meaning(name, left) != meaning(name, right)


def test_xattr_on_means_what_the_version_says() -> None:
    assert meaning("xattr", "on", (2, 3, 9)) == meaning("xattr", "sa") != meaning("xattr", "on", (2, 2, 7))
    assert meaning("xattr", "on", None) == meaning("xattr", "dir")


NAMES = st.sampled_from(
    [*sorted(model.SIZES), "snapshot_limit", "atime", "mountpoint", "compression", "twin:x"]
)
VALUES = st.one_of(
    st.integers(0, 2**62).map(str),
    st.builds("{}{}".format, st.integers(0, 999), st.sampled_from("KMGT")),
    st.sampled_from(["on", "off", "yes", "none", "legacy", "/srv//x/", "gzip-6", "auto"]),
)


@given(NAMES, VALUES)
def test_meaning_is_idempotent_and_survives_spelling(name: str, value: str) -> None:
    try:
        text = check_property(name, value, "dataset tank/a")
    except Refused:
        return
    assert text is not None
    assert meaning(name, meaning(name, text)) == meaning(name, text)
    assert meaning(name, spelled(name, text)) == meaning(name, text)


@given(st.sampled_from(["quota", "recordsize", "volsize"]), st.integers(0, 2**62))
def test_what_is_shown_means_the_same(name: str, count: int) -> None:
    assert meaning(name, shown(name, str(count))) == str(count)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("quota", "8 gigs", "quota of dataset tank/a: '8 gigs' is not a size"),
        ("Quota", "8G", "'Quota' is no property"),
        ("twin:Owner", "x", "'twin:Owner' is no property"),
        ("twin:x", True, "put it in quotes"),
        ("twin:x", "", "is no value"),
        ("twin:x", "a\tb", "without tabs or line breaks"),
        ("twin:x", "a\nb", "without tabs or line breaks"),
        ("twin:x", "a" * 8192, "longer than 8191 bytes"),
        ("mountpoint", "srv", "no absolute path"),
        ("snapshot_limit", "many", "is no number"),
    ],
)
def test_values_that_no_zfs_takes(name: str, value: object, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        check_property(name, value, "dataset tank/a")
    assert sentence in str(refused.value)


def test_yaml_values_become_text() -> None:
    assert check_property("atime", False, "x") == "off"
    assert check_property("quota", 8589934592, "x") == "8589934592"
    assert check_property("compression", None, "x") is None


@pytest.mark.parametrize(("said", "meant"), [("off", "on"), ("on", "off")])
def test_read_only_of_the_mount_is_not_that_of_the_file_system(said: str, meant: str) -> None:
    found = parse_properties(f"tank/a\treadonly\t{said}\ttemporary\ntank/b\treadonly\t{said}\tlocal\n")
    assert found["tank/a"]["readonly"].value == meant
    assert found["tank/b"]["readonly"].value == said
