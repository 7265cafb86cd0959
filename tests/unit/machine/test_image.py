# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: what is declared, what is planned, and what becomes of a tarball."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from collections.abc import Callable
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
    base_checksum,
    bootstrap_argv,
    parse_image,
    parse_images,
    plan_images,
    repository_conf,
    shift_tarball,
    thin_tarball,
    version_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image_host import read_info, read_store
from ansible_collections.twin.datacenter.plugins.modules.machine_image import SUBJECT
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.pkg import REMOTE
from tests.doubles.image import Tar, image_host
from tests.doubles.memory import MemoryHost

SHA = "0123456789abcdef" * 4
DEBIAN = {"name": "debian-13", "suite": "trixie", "packages": ["systemd-sysv", "dbus"]}
TARBALL = {"name": "x", "tarball": "/t", "sha256": SHA}
FREEBSD = {"name": "freebsd-14.3", "release": "14.3"}
PACKAGED = {"name": "freebsd-15.0", "release": "15.0", "packages": ["FreeBSD-set-minimal-jail"]}
SCRIPT = '#!/bin/sh\n#\nset -e\n\nUSERLAND_VERSION="14.3-RELEASE-p2"\n\nprogname=${0##*/}\n'
# struct vfs_ns_cap_data of linux/capability.h, version 2: CAP_NET_RAW permitted and effective.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"name": "../x", "suite": "trixie"}, "name of image '../x': it does not serve"),
        ({"name": "x.new", "suite": "trixie"}, "name of image x.new: .new marks images that are being made"),
        ({"name": "x"}, "image x: it is made of a suite, a release or a tarball; declare one of them"),
        ({"name": "x", "suite": "trixie", "tarball": "/t", "sha256": SHA}, "declare one of them"),
        ({"name": "x", "suite": "trixie", "release": "14.3"}, "declare one of them"),
        ({"name": "x", "tarball": "/t"}, "sha256 of image x: None is no checksum"),
        ({"name": "x", "tarball": "/t", "sha256": SHA.upper()}, "is no checksum"),
        (
            {"name": "x", "tarball": "/t", "sha256": SHA, "packages": ["a"]},
            "packages belong to a suite or a release; leave them out",
        ),
        ({"name": "x", "tarball": "/t", "sha256": SHA, "mirror": ["a"]}, "a tarball comes from no mirror"),
        ({"name": "x", "release": "14"}, "'14' is no release of FreeBSD; write one such as \"14.3\""),
        ({"name": "x", "release": "14.3-RELEASE"}, "'14.3-RELEASE' is no release of FreeBSD"),
        ({"name": "x", "release": "../15.0"}, "is no release of FreeBSD"),
        ({"name": "x", "release": "14.3", "sha256": "abc"}, "sha256 of image x: 'abc' is no checksum"),
        ({"name": "x", "release": "14.3", "tarball": "/t"}, "sha256 of image x: None is no checksum"),
        (
            {"name": "x", "suite": "trixie", "thin": True},
            "thin belongs to a release of FreeBSD; leave it out",
        ),
        (
            {"name": "x", "release": "14.3", "packages": ["a"]},
            "release 14.3 has no packages of the base system",
        ),
        (
            {**PACKAGED, "tarball": "/t", "sha256": SHA},
            "packages belong to a suite or a release; leave them out",
        ),
        ({**PACKAGED, "sha256": SHA}, "of packages there is no one checksum, and no thin image is made"),
        ({**PACKAGED, "thin": True}, "of packages there is no one checksum, and no thin image is made"),
        ({**PACKAGED, "packages": ["-o"]}, "'-o' is no name of a suite or package"),
        (
            {"name": "x", "release": "14.3", "mirror": ["a", "b"]},
            "mirror of image x: a release comes from one",
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


def test_a_release_or_its_manifest_makes_another_image() -> None:
    digests = {
        parse_image({**FREEBSD, **changed}).digest
        for changed in (
            {},
            {"release": "14.4"},
            {"sha256": SHA},
            {"tarball": "/t", "sha256": SHA[::-1]},
            {"thin": True},
        )
    }
    assert (
        len({*digests, parse_image(PACKAGED).digest, parse_image({**PACKAGED, "packages": []}).digest}) == 7
    )
    assert parse_image({**FREEBSD, "mirror": ["/srv/14.3"]}).digest == parse_image(FREEBSD).digest


def test_the_digests_of_images_that_exist_stay() -> None:
    """Else every pair that runs would be told that its images were made of something else."""
    assert parse_image(DEBIAN).digest == "d676988fac2c0dc9ac527ca2f0f5024c"


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


# ---- FreeBSD ------------------------------------------------------------------------------------


def test_a_release_comes_from_its_project_unless_a_place_is_declared() -> None:
    site = "https://download.freebsd.org/releases/amd64/amd64/14.3-RELEASE"
    assert parse_image(FREEBSD).site == site
    assert parse_image({**FREEBSD, "mirror": ["/srv/14.3/"]}).site == "/srv/14.3"


def manifest(checksum: str = SHA, name: str = "base.txz") -> bytes:
    """As make-manifest.sh of FreeBSD writes it."""
    others = [f'kernel.txz\t{"1" * 64}\t900\tkernel\t"Kernel (MANDATORY)"\ton']
    lines = [f'{name}\t{checksum}\t29000\tbase\t"Base system (MANDATORY)"\ton', *others]
    return "".join(f"{line}\n" for line in lines).encode()


def test_the_checksum_of_base_is_in_the_manifest() -> None:
    assert base_checksum(parse_image(FREEBSD), manifest()) == SHA
    pinned = parse_image({**FREEBSD, "sha256": hashlib.sha256(manifest()).hexdigest()})
    assert base_checksum(pinned, manifest()) == SHA


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"base.txz\n",
        manifest("cafe"),
        manifest(name="base.tgz"),
        manifest() * 2,
        b"<html>Not found</html>",
    ],
)
def test_a_manifest_that_tells_no_checksum_is_refused(text: bytes) -> None:
    with pytest.raises(Refused) as error:
        base_checksum(parse_image({**FREEBSD, "mirror": ["/srv/14.3"]}), text)
    assert str(error.value) == (
        "MANIFEST of image freebsd-14.3: it does not tell the sha256 of base.txz;"
        " see whether /srv/14.3 is the place meant."
    )


def test_another_manifest_than_the_one_declared_is_refused() -> None:
    with pytest.raises(
        Refused, match=f"MANIFEST of image freebsd-14.3: its sha256 is .*; {SHA} was declared"
    ):
        base_checksum(parse_image({**FREEBSD, "sha256": SHA}), manifest())


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"bin/freebsd-version": SCRIPT}, "14.3-RELEASE-p2"),
        ({"etc/debian_version": "13.1\n"}, "13.1"),
        ({"etc/debian_version": "trixie/sid\n"}, "trixie/sid"),
        ({"bin/freebsd-version": "#!/bin/sh\n", "etc/debian_version": "root:x:0:0\nsecond line\n"}, None),
        ({}, None),
    ],
)
def test_the_version_is_told_by_what_is_inside(files: dict[str, str], version: str | None) -> None:
    assert version_of(files.get) == version


def test_a_release_is_unpacked_by_the_tar_of_freebsd() -> None:
    host = image_host("openzfs-2.3", "FreeBSD", {"/tmp/a": {"bin/freebsd-version": SCRIPT}})
    params = {"pool": "tank", "images": [FREEBSD], "archives": {"freebsd-14.3": "/tmp/a"}}
    outcome = reconcile(SUBJECT, params, host, host)
    assert outcome.plan.sentences == [
        "make image freebsd-14.3 in tank/images/freebsd-14.3 of release 14.3 of FreeBSD"
    ]
    (measured,) = outcome.measured
    assert (measured["key"], measured["version"]) == ("freebsd-14.3", "14.3-RELEASE-p2")
    (call,) = (argv for argv in host.changes if argv[0] == "tar")
    assert "--same-permissions" in call and "--numeric-owner" in call


def test_capabilities_that_the_server_cannot_keep_are_named() -> None:
    host = image_host("fuse")
    next(each for each in host.programs if isinstance(each, Tar)).unkept = ["usr/bin/ping", "usr/bin/dumpcap"]
    params = {"pool": "tank", "images": [DEBIAN], "archives": {DEBIAN["name"]: "/tmp/a"}}
    (measured,) = reconcile(SUBJECT, params, host, host).measured
    assert measured["lost_capabilities"] == ["usr/bin/ping", "usr/bin/dumpcap"]


@pytest.fixture
def builder() -> FreebsdHost:
    """A server that can install the base system of 15.0 somewhere."""
    host = FreebsdHost(release="15.0")
    host.files["/usr/share/keys/pkgbase-15/trusted/awskms-15"] = "fingerprint"
    host.files[REMOTE.format("FreeBSD")] = "pkg 2.4.2\n"
    host.files[REMOTE.format("FreeBSD-base")] = "FreeBSD-set-minimal-jail 15.0p2\n"
    host.change(["zfs", "create", "tank/images"])
    host.changes.clear()
    return host


def test_an_image_of_packages(builder: FreebsdHost) -> None:
    params = {"pool": "tank", "images": [PACKAGED]}
    outcome = reconcile(SUBJECT, params, builder, builder)
    assert outcome.plan.sentences == [
        "make image freebsd-15.0 in tank/images/freebsd-15.0 "
        "of release 15.0 of FreeBSD with FreeBSD-set-minimal-jail"
    ]
    assert outcome.measured[0]["version"] == "15.0-RELEASE-p2"
    (install,) = [argv for argv in builder.changes if "install" in argv]
    root = "/tank/images/freebsd-15.0.new"
    assert install[install.index("-r") + 1] == root
    assert not [path for path in builder.files if path.startswith(f"{root}/.repositories")]
    assert "tank/images/freebsd-15.0@base" in builder.zfs.state.snapshots
    assert not reconcile(SUBJECT, params, builder, builder).plan.changed


@pytest.mark.parametrize(
    ("mirror", "url", "kind"),
    [
        ([], "pkg+https://pkg.FreeBSD.org/${ABI}/base_release_0", '  mirror_type: "srv",\n'),
        (["https://mirror.example.org/base"], "https://mirror.example.org/base", ""),
    ],
)
def test_where_the_packages_come_from(mirror: list[str], url: str, kind: str) -> None:
    image = parse_image({**PACKAGED, "mirror": mirror})
    assert repository_conf(image.repository, "15.0") == (
        f'FreeBSD-base: {{\n  url: "{url}",\n{kind}  signature_type: "fingerprints",\n'
        '  fingerprints: "/usr/share/keys/pkgbase-15",\n  enabled: yes\n}\n'
    )


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("FreeBSD-set-minimal-jail 15.1\n", "its packages are 15.1-RELEASE; release 15.0 was declared"),
        ("FreeBSD-runtime 15.0\n", "No packages available to install matching 'FreeBSD-set-minimal-jail'"),
    ],
)
def test_packages_that_do_not_serve(builder: FreebsdHost, there: str, said: str) -> None:
    builder.files[REMOTE.format("FreeBSD-base")] = there
    with pytest.raises(TwinError, match=said):
        reconcile(SUBJECT, {"pool": "tank", "images": [PACKAGED]}, builder, builder)
    assert read_info(builder.reader(), {"pool": "tank"}) == {"images": []}


@pytest.mark.parametrize("host", [image_host(), FreebsdHost(release="14.3")], ids=["Linux", "14.3"])
def test_a_server_without_the_keys_of_the_packages(host: MemoryHost) -> None:
    params = {"pool": "tank", "images": [PACKAGED]}
    host.changes.clear()
    with pytest.raises(
        TwinError, match="this server has no /usr/share/keys/pkgbase-15; make it on a server that has"
    ):
        reconcile(SUBJECT, params, host, host)
    assert not host.changes


def test_what_images_a_server_has_is_told() -> None:
    host = image_host("openzfs-2.3", "FreeBSD")
    assert read_info(host.reader(), {"pool": "tank"}) == {"images": []}
    params = {"pool": "tank", "images": [FREEBSD], "archives": {"freebsd-14.3": "/tmp/a"}}
    reconcile(SUBJECT, params, host, host)
    for argv in (
        ["zfs", "create", "tank/images/streamed"],
        ["zfs", "snapshot", "tank/images/streamed@base"],
        ["zfs", "create", "tank/machines"],
        ["zfs", "create", "tank/machines/ssa"],
        ["zfs", "clone", "tank/images/freebsd-14.3@base", "tank/machines/ssa/root"],
        ["zfs", "create", "tank/machines/tap"],
        ["zfs", "clone", "tank/images/streamed@base", "tank/machines/tap/root"],
        ["zfs", "clone", "tank/images/freebsd-14.3@base", "tank/machines/tap/root.freebsd-14.3"],
    ):
        host.change(argv)
    host.files["/tank/images/freebsd-14.3/bin/freebsd-version"] = SCRIPT
    assert read_info(host.reader(), {"pool": "tank"})["images"] == [
        {
            "name": "freebsd-14.3",
            "digest": parse_image(FREEBSD).digest,
            "version": "14.3-RELEASE-p2",
            "machines": ["ssa"],
            "kept": ["tap"],
        },
        {"name": "streamed", "digest": None, "version": None, "machines": ["tap"], "kept": []},
    ]
    assert read_info(MemoryHost().reader(), {"pool": "tank"}) == {"images": []}


# ---- the tarball ------------------------------------------------------------------------------


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def shifted(*entries: tarfile.TarInfo, by: int = 100000) -> dict[str, tarfile.TarInfo]:
    return poured(lambda source, target: shift_tarball(source, target, by), *entries)


def poured(
    pour: Callable[[io.BytesIO, io.BytesIO], int], *entries: tarfile.TarInfo
) -> dict[str, tarfile.TarInfo]:
    source, target = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=source, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for each in entries:
            tar.addfile(each, io.BytesIO(b"x" * each.size))
    source.seek(0)
    count = pour(source, target)
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
@pytest.mark.parametrize("pour", [thin_tarball, lambda source, target: shift_tarball(source, target, 0)])
def test_an_entry_outside_is_refused(name: str, pour: Callable[..., int]) -> None:
    with pytest.raises(Refused, match="it lies outside the root file system"):
        poured(pour, entry(name))


def test_a_thin_image_has_links_for_what_is_shared() -> None:
    folder, link, again = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
    made = poured(
        thin_tarball,
        entry(".", folder, mode=0o755),
        entry("./COPYRIGHT", size=3),
        entry("./bin", folder),
        entry("./bin/sh", size=4),
        entry("./bin/freebsd-version", size=5, mode=0o555),
        entry("./etc", folder),
        entry("./etc/rc", size=6, uid=3, pax_headers={"SCHILY.fflags": "schg"}),
        entry("./etc/sh", again, linkname="./bin/sh"),
        entry("./root/.cshrc", again, linkname="./COPYRIGHT"),
        entry("./sys", link, linkname="usr/src/sys"),
        entry("./usr", folder),
        entry("./usr/lib/libc.so", size=7),
        entry("./usr/local", folder),
        entry("./usr/local/etc", folder),
        entry("./var/empty", folder, mode=0o555),
    )
    assert sorted(made) == sorted(
        [".", ".base/bin/freebsd-version", "COPYRIGHT", "bin", "etc", "etc/rc", "etc/sh", "root/.cshrc",
         "sys", "usr", "usr/lib", "usr/local", "usr/local/etc", "var/empty"]
    )  # fmt: skip
    links = {name: member.linkname for name, member in made.items() if member.issym()}
    assert links == {
        "bin": ".base/bin",
        "etc/sh": "../.base/bin/sh",
        "sys": "usr/src/sys",
        "usr/lib": "../.base/usr/lib",
    }
    assert made["root/.cshrc"].islnk()
    assert (made["etc/rc"].uid, made["etc/rc"].size) == (3, 6)
    assert made["etc/rc"].pax_headers == {"SCHILY.fflags": "schg"}
    assert (made[".base/bin/freebsd-version"].mode, made["var/empty"].mode) == (0o555, 0o555)
