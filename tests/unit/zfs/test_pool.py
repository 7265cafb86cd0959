# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zfs_pool plans, says and refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.model import Property
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.pool import (
    Pool,
    State,
    Vdev,
    parse_status,
    parse_values,
    parse_wanted,
    plan_pools,
)
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.pool_host import (
    export_pools,
    pool_health,
    signatures,
)
from ansible_collections.twin.datacenter.plugins.modules.zfs_pool import SUBJECT
from tests.doubles.freebsd import disks
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.kernel import Mount
from tests.doubles.memory import MemoryHost, answered
from tests.doubles.zfs import FLAVOURS, zfs_host

FIXTURES = Path(__file__).parent / "fixtures"
DISKS = tuple(f"/disks/d{number}" for number in range(1, 7))
MIRROR = {"type": "mirror", "devices": ["/disks/d1", "/disks/d2"]}


def pool_host(flavour: str, *commands: str) -> MemoryHost:
    host = zfs_host(flavour, disks=DISKS)
    for line in commands:
        host.change(["zpool", *line.split(" ")])
    host.changes.clear()
    return host


def apply(host: MemoryHost, *pools: dict[str, Any], allow: tuple[str, ...] = ()) -> Outcome:
    return reconcile(SUBJECT, {"pools": list(pools), "allow_destroy": list(allow)}, host, host)


def check(host: MemoryHost, *pools: dict[str, Any]) -> list[str]:
    return reconcile(SUBJECT, {"pools": list(pools)}, host.reader()).plan.sentences


# -- what is printed


def test_status_of_a_real_zfs_fuse() -> None:
    found = parse_status((FIXTURES / "fuse-status.txt").read_text())
    assert found["lawpool"] == Pool("ONLINE", (Vdev("stripe", ("/tmp/zfs/d2.img",)),))
    assert found["safe"] == Pool(
        "DEGRADED",
        (
            Vdev("mirror", ("/disks/d3", "/disks/d4")),
            Vdev("log", ("/disks/d5",)),
            Vdev("spare", ("/disks/small",)),
        ),
        faulty={"/disks/d4": "OFFLINE"},
    )


def test_status_of_openzfs_with_a_replacement_and_errors() -> None:
    text = (
        "  pool: tank\n state: DEGRADED\nstatus: x\n  scan: resilver in progress\nconfig:\n\n"
        "\tNAME                           STATE     READ WRITE CKSUM\n"
        "\ttank                           DEGRADED     0     0     0\n"
        "\t  raidz2-0                     DEGRADED     0     0     0\n"
        "\t    /dev/disk/by-id/a-part1    ONLINE       0     0     0\n"
        "\t    replacing-1                DEGRADED     0     0     0\n"
        "\t      /dev/disk/by-id/b-part1  FAULTED      0     0     0  too many errors\n"
        "\t      /dev/disk/by-id/c-part1  ONLINE       0     0     0  (resilvering)\n"
        "\t    ada3p1                     ONLINE       0     0     0\n"
        "\tspecial\t\n"
        "\t  mirror-1                     ONLINE       0     0     0\n"
        "\t    /dev/nvme0n1p1             ONLINE       0     0     0\n"
        "\t    /dev/nvme1n1p1             ONLINE       0     0     0\n"
        "\nerrors: 3 data errors, use '-v' for a list\n"
    )
    assert parse_status(text)["tank"] == Pool(
        "DEGRADED",
        (
            Vdev(
                "raidz2",
                (
                    "/dev/disk/by-id/a-part1",
                    "/dev/disk/by-id/b-part1",
                    "/dev/disk/by-id/c-part1",
                    "/dev/ada3p1",
                ),
            ),
            Vdev("special", ("/dev/nvme0n1p1", "/dev/nvme1n1p1")),
        ),
        errors="3 data errors, use '-v' for a list",
        faulty={"/dev/disk/by-id/b-part1": "FAULTED"},
    )


def test_status_of_no_pool() -> None:
    assert parse_status("no pools available\n") == {}


def test_values_of_a_real_zfs_fuse() -> None:
    found = parse_values((FIXTURES / "fuse-pool-values.txt").read_text())
    assert found["safe"]["failmode"] == Property("continue", "local")
    assert found["lawpool"] == {
        "autoexpand": Property("off", "default"),
        "failmode": Property("wait", "default"),
        "bootfs": Property("-", "default"),
        "version": Property("23", "default"),
    }


def test_values_of_openzfs() -> None:
    text = "tank\tcomment\ttwo  blanks\tlocal\ntank\tsize\t262144000\t-\n"
    assert parse_values(text) == {
        "tank": {"comment": Property("two  blanks", "local"), "size": Property("262144000", "")}
    }


# -- the plan


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_pool_is_made_and_grows(flavour: str) -> None:
    host = pool_host(flavour)
    assert apply(host, {"name": "safe", "vdevs": [MIRROR]}).plan.sentences == [
        "create pool safe of mirror /disks/d1 /disks/d2"
    ]
    other = {"name": "other", "vdevs": [{"devices": ["/disks/d3"]}], "properties": {"autoexpand": True}}
    assert check(host, other) == ["create pool other of stripe /disks/d3 with autoexpand=on"]
    more = [
        MIRROR,
        {"type": "mirror", "devices": ["/disks/d3", "/disks/d4"]},
        {"type": "spare", "devices": ["/disks/d5"]},
    ]
    outcome = apply(host, {"name": "safe", "vdevs": more, "properties": {"autoexpand": True}})
    assert outcome.plan.sentences == [
        "add mirror /disks/d3 /disks/d4 and spare /disks/d5 to pool safe",
        "set autoexpand of pool safe from off to on",
    ]
    assert [pool["name"] for pool in export_pools(host.reader())] == ["safe", "tank"]


def test_the_order_of_devices_and_vdevs_means_nothing() -> None:
    host = pool_host("fuse", "create safe mirror /disks/d1 /disks/d2 mirror /disks/d3 /disks/d4")
    vdevs = [
        {"type": "mirror", "devices": ["/disks/d4", "/disks/d3"]},
        {"type": "mirror", "devices": ["/disks/d2", "/disks/d1"]},
    ]
    assert check(host, {"name": "safe", "vdevs": vdevs}) == []


def test_a_whole_disk_is_the_partition_that_openzfs_made_on_it() -> None:
    wanted = parse_wanted(
        {
            "pools": [
                {"name": "tank", "vdevs": [{"type": "mirror", "devices": ["/dev/sda", "/dev/disk/by-id/x"]}]}
            ]
        }
    )
    current = State(
        {"tank": Pool(vdevs=(Vdev("mirror", ("/dev/sda1", "/dev/disk/by-id/x-part1")),))},
        real={
            "/dev/sda": "/dev/sda",
            "/dev/sda1": "/dev/sda1",
            "/dev/disk/by-id/x": "/dev/nvme0n1",
            "/dev/disk/by-id/x-part1": "/dev/nvme0n1p1",
        },
    )
    assert not plan_pools(current, wanted).steps


def test_health_names_what_is_not_well() -> None:
    host = pool_host("fuse")
    assert pool_health(host.reader())["tank"]["state"] == "ONLINE"
    host.programs[0].state.pools["tank"].health = "DEGRADED"
    assert pool_health(host.reader())["tank"]["state"] == "DEGRADED"


# -- what is refused, and how it is said


@pytest.mark.parametrize(
    ("pool", "sentence"),
    [
        ({"name": "mirror", "vdevs": [MIRROR]}, "'mirror' is not a pool name"),
        ({"name": "a/b", "vdevs": [MIRROR]}, "is not a pool name"),
        ({"name": "safe", "vdevs": [{"type": "mirror", "devices": ["/disks/d1"]}]}, "give it at least 2"),
        ({"name": "safe", "vdevs": [{"devices": ["sdb"]}]}, "write its full path"),
        ({"name": "safe", "vdevs": [MIRROR, {"devices": ["/disks/d3"]}]}, "it mixes mirror and stripe"),
        ({"name": "safe", "vdevs": [MIRROR, MIRROR]}, "device /disks/d1: it is declared twice"),
        ({"name": "safe", "vdevs": [{"type": "log", "devices": ["/disks/d3"]}]}, "it has no vdev for data"),
        ({"name": "safe", "vdevs": [MIRROR], "properties": {"comment": None}}, "pools do not inherit"),
    ],
)
def test_bad_input_is_refused_before_the_host_is_looked_at(pool: dict[str, Any], sentence: str) -> None:
    host = pool_host("fuse")
    host.calls.clear()
    with pytest.raises(Refused) as refused:
        apply(host, pool)
    assert sentence in str(refused.value)
    assert not host.calls


MIRRORED = "create safe mirror /disks/d1 /disks/d2"


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("commands", "pool", "sentence"),
    [
        (
            [],
            {"name": "new", "vdevs": [{"devices": ["/disks/tank"]}]},
            "/disks/tank is in use, it is in pool tank",
        ),
        ([], {"name": "new"}, "there is no pool new, and its vdevs are not declared"),
        ([], {"name": "new", "vdevs": [{"devices": ["/dev/nope"]}]}, "device /dev/nope does not exist"),
        ([], {"name": "tank", "properties": {"comment": "x"}}, "no pool property comment"),
        ([], {"name": "tank", "properties": {"size": "8G"}}, "size is a figure"),
        (
            [],
            {"name": "tank", "properties": {"failmode": "pray"}},
            "takes for failmode only wait | continue | panic",
        ),
        (
            [MIRRORED],
            {"name": "safe", "vdevs": [MIRROR, {"type": "raidz1", "devices": ["/disks/d3", "/disks/d4"]}]},
            "it mixes",
        ),
        (
            [MIRRORED],
            {"name": "safe", "vdevs": [{"type": "raidz1", "devices": ["/disks/d1", "/disks/d2"]}]},
            "the layout of a pool never changes",
        ),
        (
            [MIRRORED],
            {
                "name": "safe",
                "vdevs": [{"type": "mirror", "devices": ["/disks/d1", "/disks/d2", "/disks/d3"]}],
            },
            "a vdev keeps its devices",
        ),
        (
            [MIRRORED + " mirror /disks/d3 /disks/d4"],
            {"name": "safe", "vdevs": [MIRROR]},
            "pool safe has /disks/d3, /disks/d4 in a mirror, which is not declared",
        ),
        (
            [MIRRORED],
            {"name": "safe", "vdevs": [{"devices": ["/disks/d1"]}, {"devices": ["/disks/d3"]}]},
            "which is not declared",
        ),
    ],
)
def test_what_would_cost_data_is_said_before_anything_is_touched(
    commands: list[str], pool: dict[str, Any], sentence: str, check_mode: bool
) -> None:
    host = pool_host("fuse", *commands)
    with pytest.raises(Refused) as refused:
        _unused = check(host, pool) if check_mode else apply(host, pool).plan.sentences
    assert sentence in str(refused.value)
    assert not host.changes


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_disk_with_a_file_system_is_never_taken(flavour: str) -> None:
    host = pool_host(flavour)
    host.programs[0].state.signatures["/disks/d2"] = "ext4"
    with pytest.raises(Refused, match="device /disks/d2 is in use, it holds ext4; choose another"):
        apply(host, {"name": "safe", "vdevs": [MIRROR]})
    assert not host.changes


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("/proc/mounts", "/disks/d2 /srv xfs rw 0 0\n", "it is mounted at /srv"),
        ("/proc/swaps", "Filename Type\n/disks/d2 partition 1 0 -2\n", "it is swap space"),
    ],
)
def test_a_disk_that_the_system_uses_is_never_taken(path: str, text: str, why: str) -> None:
    host = pool_host("openzfs-2.3")
    host.files[path] = text
    with pytest.raises(Refused, match=f"device /disks/d2 is in use, {why}"):
        apply(host, {"name": "safe", "vdevs": [MIRROR]})


def freebsd(**files: str) -> FreebsdHost:
    """A FreeBSD server with the disks d1 to d6, and these files of `tests.doubles.freebsd.disks`."""
    host = FreebsdHost({disk: "" for disk in DISKS})
    host.zfs.devices |= set(DISKS)
    host.zfs.state.signatures["/disks/d2"] = "ufs"
    for name, text in files.items():
        host.tree.write(getattr(disks, name), text)
    return host


def test_freebsd_tells_signatures_by_fstyp() -> None:
    host = freebsd()
    with pytest.raises(Refused, match="device /disks/d2 is in use, it holds ufs"):
        apply(host, {"name": "safe", "vdevs": [MIRROR]})
    apply(host, {"name": "safe", "vdevs": [{"devices": ["/disks/d1"]}]})


def test_a_disk_that_freebsd_uses_is_never_taken() -> None:
    host = freebsd(SWAP="/disks/d3\n/disks/d4\n")
    host.kernel.mounts.append(Mount("/disks/d1", "/srv", "ufs"))
    with pytest.raises(Refused, match="device /disks/d1 is in use, it is mounted at /srv"):
        apply(host, {"name": "safe", "vdevs": [{"devices": ["/disks/d1"]}]})
    with pytest.raises(Refused, match="device /disks/d4 is in use, it is swap space"):
        apply(host, {"name": "safe", "vdevs": [{"devices": ["/disks/d4"]}]})
    assert not host.changes


def test_a_disk_with_partitions_is_never_taken_on_freebsd() -> None:
    host = freebsd(PARTITIONS="ada0p1 ada0\nada0p2 ada0\n")
    for disk in ("/dev/ada0", "/dev/ada0p2"):
        host.files[disk] = ""
        host.zfs.devices.add(disk)
    with pytest.raises(Refused, match="device /dev/ada0 is in use, it holds partitions"):
        apply(host, {"name": "safe", "vdevs": [{"devices": ["/dev/ada0"]}]})
    apply(host, {"name": "safe", "vdevs": [{"devices": ["/dev/ada0p2"]}]})


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ('/disks/d2: PTUUID="1" PTTYPE="gpt"\n', "it holds gpt"),
        ('/disks/d2: LABEL="tank" TYPE="zfs_member"\n', "it holds zfs_member of tank"),
        ("", "it holds several signatures"),
    ],
)
def test_signatures_that_blkid_tells(printed: str, why: str) -> None:
    class Blkid:
        state: ClassVar = {}
        commands = ("blkid",)

        def call(self, argv: Sequence[str], stdin: str) -> Output:
            return answered(argv, printed, "", 0 if printed else 8)

    assert signatures(MemoryHost(Blkid()), ["/disks/d2"]) == {"/disks/d2": why}


@pytest.mark.parametrize(("more", "found"), [("", {}), (' TYPE="swap"', {"/dev/sda1": "it holds swap"})])
def test_a_partition_holds_what_is_in_it(more: str, found: dict[str, str]) -> None:
    """blkid(8) also tells its place in the table of the disk."""
    place = ' PART_ENTRY_SCHEME="gpt" PART_ENTRY_NAME="pool" PART_ENTRY_TYPE="0fc63daf" PART_ENTRY_NUMBER="1"'

    class Blkid:
        state: ClassVar = {}
        commands = ("blkid",)

        def call(self, argv: Sequence[str], stdin: str) -> Output:
            return answered(argv, f"/dev/sda1:{more}{place}\n", "", 0)

    assert signatures(MemoryHost(Blkid()), ["/dev/sda1"]) == found


def test_the_disk_of_an_exported_pool_is_never_taken() -> None:
    host = pool_host("fuse", "create old /disks/d1")
    host.programs[0].state.pools["old"].exported = True
    with pytest.raises(Refused, match="/disks/d1 is in use, it holds zfs_member of old"):
        apply(host, {"name": "safe", "vdevs": [MIRROR]})


def test_a_folder_with_files_is_not_hidden_by_a_new_pool() -> None:
    host = pool_host("fuse")
    host.files["/safe/precious"] = "1"
    with pytest.raises(Refused, match="would be mounted at /safe, which is not empty"):
        apply(host, {"name": "safe", "vdevs": [MIRROR]})


def test_a_pool_goes_only_by_name() -> None:
    host = pool_host("fuse")
    with pytest.raises(Refused, match="may lose the data of tank"):
        apply(host, {"name": "tank", "state": "absent"})
    apply(host, {"name": "tank", "state": "absent"}, allow=("tank",))
    assert export_pools(host.reader()) == []


def test_check_mode_without_zfs_announces_the_pool() -> None:
    host = MemoryHost()
    host.programs = (pool_host("fuse").programs[0],)
    host.programs[0].commands = ("readlink", "blkid")
    assert check(host, {"name": "tank", "vdevs": [{"devices": ["/var/tank.img"]}]}) == [
        "create pool tank of stripe /var/tank.img"
    ]
    with pytest.raises(TwinError, match="zpool is not installed"):
        apply(host, {"name": "tank", "vdevs": [{"devices": ["/var/tank.img"]}]})
