# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: what is declared, what is planned, and what becomes of a tarball."""

from __future__ import annotations

import io
import struct
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandMissing,
    Refused,
    TwinError,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image import (
    Store,
    bootstrap_argv,
    parse_image,
    parse_images,
    plan_images,
    shift_tarball,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image_host import read_store
from ansible_collections.twin.datacenter.plugins.modules.machine_image import SUBJECT
from tests.doubles.image import image_host
from tests.doubles.memory import MemoryHost

SHA = "0123456789abcdef" * 4
DEBIAN = {"name": "debian-13", "suite": "trixie", "packages": ["systemd-sysv", "dbus"]}
TARBALL = {"name": "x", "tarball": "/t", "sha256": SHA}
# struct vfs_ns_cap_data of linux/capability.h, version 2: CAP_NET_RAW permitted and effective.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"name": "../x", "suite": "trixie"}, "name of image '../x': it does not serve"),
        ({"name": "x.new", "suite": "trixie"}, "name of image x.new: .new marks images that are being made"),
        ({"name": "x"}, "image x: it is made of either a suite or a tarball"),
        ({"name": "x", "suite": "trixie", "tarball": "/t", "sha256": SHA}, "either a suite or a tarball"),
        ({"name": "x", "tarball": "/t"}, "sha256 of image x: None is no checksum"),
        ({"name": "x", "tarball": "/t", "sha256": SHA.upper()}, "is no checksum"),
        (
            {"name": "x", "tarball": "/t", "sha256": SHA, "packages": ["a"]},
            "packages and mirror belong to a suite",
        ),
        (
            {"name": "x", "suite": "trixie", "packages": ["--hook=evil"]},
            "'--hook=evil' is no name of a suite",
        ),
        ({"name": "x", "suite": "trixie;rm"}, "'trixie;rm' is no name of a suite"),
    ],
)
def test_bad_input_is_one_sentence(item: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as error:
        parse_images({"pool": "tank", "images": [item]})
    assert said in str(error.value)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(Refused) as error:
        parse_images({"pool": "-", "images": [DEBIAN, DEBIAN, {"name": "y"}]})
    assert len(error.value.facts["faults"]) == 3


def test_the_digest_names_the_content_and_not_where_it_comes_from() -> None:
    image = parse_image(DEBIAN)
    assert parse_image({**DEBIAN, "packages": ["dbus", "systemd-sysv"]}).digest == image.digest
    assert parse_image({**DEBIAN, "mirror": ["deb copy:/x ./"]}).digest == image.digest
    assert parse_image({**DEBIAN, "packages": ["dbus"]}).digest != image.digest
    assert parse_image({**DEBIAN, "privileged": True}).digest != image.digest


def test_a_changed_definition_under_an_old_name_is_refused() -> None:
    wanted = parse_images({"pool": "tank", "images": [DEBIAN]})
    with pytest.raises(Refused) as error:
        plan_images(Store({"debian-13": "f" * 32}), wanted).guard()
    assert "image debian-13 was made of something else (ffffffffffff, declared" in str(error.value)
    assert "give the new image a new name" in str(error.value)


def test_a_server_needs_the_tarball() -> None:
    host = image_host()
    with pytest.raises(TwinError, match="no tarball was sent to this host"):
        reconcile(SUBJECT, {"pool": "tank", "images": [DEBIAN]}, host, host)
    assert not host.changes


def test_an_image_is_whole_or_not_there() -> None:
    host = image_host()
    params = {"pool": "tank", "images": [DEBIAN], "archives": {"debian-13": "/tmp/a"}}
    host.programs[1].unreadable.add("/tmp/a")  # type: ignore[attr-defined]
    with pytest.raises(TwinError, match="Cannot open"):
        reconcile(SUBJECT, params, host, host)
    assert read_store(host, parse_images(params)) == Store()


def test_a_host_without_zfs_has_no_images_and_cannot_make_any() -> None:
    wanted = parse_images({"pool": "tank", "images": [DEBIAN]})
    assert read_store(MemoryHost().reader(), wanted) == Store()
    with pytest.raises(CommandMissing):
        read_store(MemoryHost(), wanted)


def test_the_call_of_mmdebstrap() -> None:
    argv = bootstrap_argv(parse_image({**DEBIAN, "mirror": ["deb copy:/x ./"]}), "/out")
    assert argv[-3:] == ["trixie", "/out", "deb copy:/x ./"]
    assert "--include=systemd-sysv,dbus" in argv
    bare = bootstrap_argv(parse_image({"name": "x", "suite": "sid"}), "/out")
    assert not [word for word in bare if word.startswith("--include")]


# ---- the tarball ------------------------------------------------------------------------------


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def shifted(*entries: tarfile.TarInfo, by: int = 100000) -> dict[str, tarfile.TarInfo]:
    source, target = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=source, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for each in entries:
            tar.addfile(each, io.BytesIO(b"x" * each.size))
    source.seek(0)
    count = shift_tarball(source, target, by)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        members = tar.getmembers()
    assert len(members) == count
    return {member.name.removeprefix("./"): member for member in members}


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 0o7777), st.integers(0, 2000))
def test_ids_are_shifted_and_modes_kept(uid: int, gid: int, mode: int, size: int) -> None:
    made = shifted(entry("./usr/bin/x", uid=uid, gid=gid, mode=mode, size=size))["usr/bin/x"]
    assert (made.uid, made.gid, made.mode, made.size) == (uid + 100000, gid + 100000, mode, size)


def test_links_are_kept_and_device_nodes_left_out() -> None:
    made = shifted(
        entry("./a"),
        entry("./b", tarfile.LNKTYPE, linkname="./a"),
        entry("./c", tarfile.SYMTYPE, linkname="/etc/passwd", uid=5),
        entry("./dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("./dev/sda", tarfile.BLKTYPE, devmajor=8),
    )
    assert made["b"].islnk() and made["c"].issym() and made["c"].uid == 100005
    assert not [name for name in made if name.startswith("dev/")]


def test_each_machine_draws_its_own_id_and_name_and_some_units_are_masked() -> None:
    made = shifted(
        entry("./etc/machine-id", size=33), entry("etc/hostname", size=4), entry("./etc/hosts", size=1)
    )
    assert made["etc/machine-id"].size == 0 and made["etc/machine-id"].uid == 100000
    assert "etc/hostname" not in made and made["etc/hosts"].size == 1
    mask = made["etc/systemd/system/sys-kernel-debug.mount"]
    assert (mask.issym(), mask.linkname) == (True, "/dev/null")


@pytest.mark.parametrize(("by", "bound"), [(100000, True), (0, False)])
def test_capabilities_are_bound_to_the_shifted_root(by: int, bound: bool) -> None:
    key = "SCHILY.xattr.security.capability"
    ping = entry("./bin/ping", pax_headers={key: CAPABILITY.decode("utf-8", "surrogateescape")})
    header = shifted(ping, by=by)["bin/ping"].pax_headers[key].encode("utf-8", "surrogateescape")
    wanted = struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, 100000) if bound else CAPABILITY
    assert header == wanted


def test_what_names_ids_of_the_build_is_left_out() -> None:
    acl = entry("./var/log", tarfile.DIRTYPE, pax_headers={"SCHILY.xattr.system.posix_acl_access": "x"})
    assert shifted(acl)["var/log"].pax_headers == {}


@pytest.mark.parametrize("name", ["/etc/passwd", "./../x", "a/../../x"])
def test_an_entry_outside_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="it lies outside the root file system"):
        shifted(entry(name))
