# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the ZFS of a kernel has: all its properties, volumes, encryption, bookmarks, resumed streams."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._core.pipe import Progress
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import capabilities
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.model import (
    CREATION_ONLY,
    Property,
    PropertyKind,
    cleared_value,
    meaning,
    parse_properties,
)
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.replica import Item
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.transfer import read_replica, replicate
from ansible_collections.twin.datacenter.plugins.modules import zfs_dataset, zfs_snapshot
from tests.integration.test_zfs_streams import Server
from tests.integration.zfs_bed import DISKS, OPENZFS
from tests.lab import Lab
from tests.laws import cases_zfs_snapshot

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not OPENZFS, reason="the servers have zfs-fuse; use KIND=vm"),
]

POOL = "flow"
KEY = "/root/zfs.key"


@pytest.fixture(scope="module")
def servers(lab: Lab) -> Iterator[tuple[Server, Server]]:
    castor, pollux = (Server(lab, name) for name in ("castor", "pollux"))
    castor.other, pollux.other = pollux, castor
    with ThreadPoolExecutor() as pool:
        list(pool.map(Server.install, (castor, pollux)))
        list(pool.map(Server.fresh, (castor, pollux)))
    yield castor, pollux
    for server in (castor, pollux):
        server.new_disks((), [POOL])
        server.change(["rm", "-rf", DISKS, KEY])


# Each test has datasets of its own in the pool: emptying it takes seconds on an emulated processor.


@pytest.fixture
def castor(servers: tuple[Server, Server]) -> Server:
    return servers[0]


@pytest.fixture
def pollux(servers: tuple[Server, Server]) -> Server:
    return servers[1]


def datasets(server: Server, *items: Mapping[str, Any], check: bool = False) -> Outcome:
    """Module zfs_dataset."""
    return reconcile(zfs_dataset.SUBJECT, {"datasets": list(items)}, server, None if check else server)


def snapshots(server: Server, **values: Any) -> Outcome:
    """Module zfs_snapshot."""
    params = {"snapshots": [cases_zfs_snapshot.item(**values)]}
    return reconcile(zfs_snapshot.SUBJECT, params, server, server)


def get(server: Server, name: str, properties: str = "all") -> dict[str, dict[str, Any]]:
    """Properties of a dataset and all below it, read without our code for it."""
    out = server.run(["zfs", "get", "-Hp", "-r", "-o", "name,property,value,source", properties, name]).out
    return parse_properties(out)


# ---- properties -------------------------------------------------------------------------------

# What a lone server in a lab cannot have: SELinux, labels, exports, zones. What FreeBSD alone has.
ELSEWHERE = {
    "context", "defcontext", "fscontext", "rootcontext", "mlslabel", "sharenfs", "sharesmb", "zoned",
    "aclmode", "nbmand", "vscan", "version",
}  # fmt: skip
# Told about a volume, an encryption or one place: they have tests of their own, here and among the laws.
OTHERWISE = {
    "mountpoint", "volsize", "volblocksize", "volthreading", "encryption", "keyformat",
    "keylocation", "pbkdf2iters",
}  # fmt: skip
# What the table leaves open. The first values of a tuple are all the same to ZFS.
SIZES = ("64M", "65536K", str(64 * 2**20)), ("none", "0"), ("1G",)
OPEN: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "recordsize": (("128K", "131072"), ("512",), ("1M",), ("16M", "16384K")),
    "special_small_blocks": (("0",), ("512",), ("1M",)),
    "filesystem_limit": (("10",), ("none",)),
    "snapshot_limit": (("10",), ("none",)),
    **dict.fromkeys(("quota", "refquota", "userquota@1000", "groupquota@1000"), SIZES),
    **dict.fromkeys(("reservation", "refreservation"), (("8M", "8192K"), ("none",))),
    "userobjquota@1000": (("1000",), ("none",)),
}
SAME: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "compression": (("gzip", "gzip-6"), ("zstd", "zstd-3"), ("zstd-fast", "zstd-fast-1")),
    "acltype": (("posix", "posixacl"), ("off", "noacl")),
    "aclinherit": (("restricted", "secure"),),
    "atime": (("on", "yes", "true"), ("off", "no", "false")),
    "volmode": (("full", "geom"),),
    "xattr": (("sa", "on"),),
}


def choices(kind: PropertyKind) -> Iterator[str]:
    """The values that a line of the table lists, of a range its ends."""
    for word in kind.values.split(" | "):
        head, bracket, rest = word.partition("[")
        if not bracket:
            yield word
        elif rest.startswith(","):
            yield from (head, head + rest.rstrip("]"))
        else:
            numbers = re.findall(r"\d+", rest)
            yield from (f"{head}{numbers[0]}", f"{head}{numbers[-1]}")


def trials(server: Server) -> dict[str, list[tuple[str, ...]]]:
    """Per property that can be set its values, each with the other words for it."""
    table = capabilities(server).properties
    found: dict[str, list[tuple[str, ...]]] = {}
    for name, kind in table.items():
        if kind.editable and "@" not in name and name not in ELSEWHERE | OTHERWISE | OPEN.keys():
            same = SAME.get(name, ())
            said = {word for group in same for word in group}
            found[name] = [*same, *((value,) for value in choices(kind) if value not in said)]
    # Known in the kernel of Solaris and FreeBSD only.
    found["acltype"].remove(("nfsv4",))
    return found | {name: list(groups) for name, groups in OPEN.items()}


def test_every_property(castor: Server) -> None:
    """Each value of each: set, read, inherited, compared by meaning, taken back."""
    all_values = trials(castor)
    able = capabilities(castor)
    names = [f"{POOL}/p{number}" for number in range(max(map(len, all_values.values())))]
    children = [{"name": f"{name}/child"} for name in names]

    def declared(word: int) -> list[dict[str, Any]]:
        """Each dataset with another value of each property, by that word for it."""
        return [
            {"name": name, "properties": _row(all_values, number, word)} for number, name in enumerate(names)
        ]

    datasets(castor, *({"name": name} for name in names), *children)
    announced = datasets(castor, *declared(0), check=True).plan.sentences
    assert datasets(castor, *declared(0)).plan.sentences == announced
    for word in range(3):
        assert datasets(castor, *declared(word), check=True).plan.sentences == []
    there = get(castor, POOL, ",".join(all_values))
    for each in declared(0):
        for name, value in each["properties"].items():
            mine = there[each["name"]][name]
            assert (name, meaning(name, mine.value, able.version)) == (
                name,
                meaning(name, value, able.version),
            )
            kind = able.property_kind(name)
            if kind and kind.inheritable:
                child = there[f"{each['name']}/child"][name]
                # zfsprops(7), Temporary Mount Point Properties: what it was mounted with, until it is again.
                if child.source == "temporary":
                    continue
                assert (name, child.value, child.source) == (name, mine.value, _source_of_child(mine))
    cleared = {"name": names[0], "properties": dict.fromkeys(all_values)}
    datasets(castor, cleared)
    assert datasets(castor, cleared, check=True).plan.sentences == []
    there = get(castor, names[0], ",".join(all_values))
    own = {name for name, value in there[names[0]].items() if value.own}
    assert own <= {name for name in all_values if cleared_value(name)}


def _source_of_child(parent: Property) -> str:
    return "inherited" if parent.own else parent.source


def _row(all_values: Mapping[str, list[tuple[str, ...]]], number: int, word: int) -> dict[str, str]:
    groups = {name: groups[number % len(groups)] for name, groups in all_values.items()}
    return {name: group[min(word, len(group) - 1)] for name, group in groups.items()}


def test_what_is_given_at_creation_only(castor: Server) -> None:
    table = capabilities(castor).properties
    names = sorted(CREATION_ONLY - OTHERWISE)
    values = {name: list(choices(table[name])) for name in names}
    items = [
        {"name": f"{POOL}/{name}-{value}".lower(), "properties": {name: value}}
        for name, those in values.items()
        for value in those
    ]
    datasets(castor, *items)
    there = get(castor, POOL)
    for item in items:
        ((name, value),) = item["properties"].items()
        assert there[item["name"]][name].value == value
    assert datasets(castor, *items, check=True).plan.sentences == []
    with pytest.raises(Refused, match="casesensitivity"):
        datasets(
            castor, {"name": f"{POOL}/casesensitivity-mixed", "properties": {"casesensitivity": "sensitive"}}
        )


# ---- volumes, encryption, what files carry ----------------------------------------------------


def test_a_volume_grows_and_travels(castor: Server, pollux: Server) -> None:
    volume = {
        "name": f"{POOL}/v",
        "size": "16M",
        "properties": {"volblocksize": "16K", "compression": "zstd"},
    }
    datasets(castor, volume)
    castor.change(["sh", "-c", f"udevadm settle; head -c 3000000 /dev/urandom >/dev/zvol/{POOL}/v"])
    assert datasets(castor, {**volume, "size": "32M"}).plan.changed
    with pytest.raises(Refused, match="never shrinks|shrink"):
        datasets(castor, volume)
    castor.script([f"snapshot {POOL}/v@s1"])
    replicate(castor, pollux, f"{POOL}/v")
    digests = [_volume_digest(server) for server in (castor, pollux)]
    assert digests[0] == digests[1]
    there = get(pollux, f"{POOL}/v")[f"{POOL}/v"]
    assert (there["volsize"].value, there["readonly"].value) == (str(32 * 2**20), "on")


def _volume_digest(server: Server) -> str:
    script = f"udevadm settle; head -c 3000000 /dev/zvol/{POOL}/v | sha256sum"
    return server.run(["sh", "-c", script]).out


def test_an_encrypted_dataset_travels_raw(castor: Server, pollux: Server) -> None:
    """The peer never has the key, and what it receives is what it would need it for."""
    castor.write(KEY, "one pass phrase\n", 0o600)
    secret = {
        "name": f"{POOL}/secret",
        "initial": {"encryption": "aes-256-gcm", "keyformat": "passphrase", "keylocation": f"file://{KEY}"},
    }
    datasets(castor, secret)
    assert datasets(castor, secret, check=True).plan.sentences == []
    for number in (1, 2):
        castor.data(f"{POOL}/secret", 1, f"file{number}")
        castor.script([f"snapshot {POOL}/secret@s{number}"])
        replicate(castor, pollux, f"{POOL}/secret")
    there = get(pollux, f"{POOL}/secret")[f"{POOL}/secret"]
    assert (there["encryption"].value, there["keystatus"].value) == ("aes-256-gcm", "unavailable")
    assert "file2" not in pollux.run(["sh", "-c", f"strings {DISKS}/{POOL} | grep file || true"]).out
    pollux.change(["zfs", "load-key", "-L", "prompt", f"{POOL}/secret"], stdin="one pass phrase\n")
    digests = [server.digest(f"{POOL}/secret", "s2", "file2") for server in (castor, pollux)]
    assert digests[0] == digests[1]
    pollux.change(["zfs", "unload-key", f"{POOL}/secret"])


ATTRIBUTES = """
import os, struct, sys
path = sys.argv[1]
acl = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *each)
    for each in ((1, 6, 2**32 - 1), (2, 4, 1234), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))
)
if len(sys.argv) == 2:
    open(path, "w").close()
    os.setxattr(path, "system.posix_acl_access", acl)
    os.setxattr(path, "user.twin", b"kept")
print(os.getxattr(path, "system.posix_acl_access") == acl, os.getxattr(path, "user.twin"))
"""


def test_access_lists_and_attributes_travel(castor: Server, pollux: Server) -> None:
    datasets(castor, {"name": f"{POOL}/acl", "properties": {"acltype": "posix", "xattr": "sa"}})
    castor.change(["python3", "-c", ATTRIBUTES, f"/{POOL}/acl/file"])
    castor.script([f"snapshot {POOL}/acl@s1"])
    replicate(castor, pollux, f"{POOL}/acl")
    pollux.script([f"clone -o acltype=posix {POOL}/acl@s1 {POOL}/acl-look"])
    assert pollux.run(["python3", "-c", ATTRIBUTES, f"/{POOL}/acl-look/file", "read"]).out == "True b'kept'\n"


# ---- streams ----------------------------------------------------------------------------------


def test_a_bookmark_is_a_base(castor: Server, pollux: Server) -> None:
    """The snapshot that both shared is gone from the source, its bookmark is not."""
    datasets(castor, {"name": f"{POOL}/marked"})
    castor.data(f"{POOL}/marked", 2, "old")
    castor.script([f"snapshot {POOL}/marked@s1"])
    replicate(castor, pollux, f"{POOL}/marked")
    snapshots(castor, dataset=f"{POOL}/marked", name="s1", bookmark="s1")
    assert not snapshots(castor, dataset=f"{POOL}/marked", name="s1", bookmark="s1").plan.changed
    castor.script([f"release twin {POOL}/marked@s1", f"destroy {POOL}/marked@s1"])
    castor.data(f"{POOL}/marked", 0.5, "new")
    castor.script([f"snapshot {POOL}/marked@s2"])
    assert replicate(castor, pollux, f"{POOL}/marked").count < 1e6
    assert pollux.digest(f"{POOL}/marked", "s2", "new") == castor.digest(f"{POOL}/marked", "s2", "new")


def test_a_cut_stream_goes_on_where_it_was(castor: Server, pollux: Server, lab: Lab) -> None:
    datasets(castor, {"name": f"{POOL}/cut"}, {"name": f"{POOL}/cut/data"})
    castor.script([f"snapshot -r {POOL}/cut@s1"])
    replicate(castor, pollux, f"{POOL}/cut")
    castor.data(f"{POOL}/cut/data", 16)
    castor.script([f"snapshot -r {POOL}/cut@s2"])
    some = threading.Event()

    def seen(progress: Progress) -> None:
        if progress.count > 1e6:
            some.set()

    with ThreadPoolExecutor(1) as pool:
        # What is left takes 25 s, in which even an emulated processor comes to kill the program.
        sending = pool.submit(replicate, castor, pollux, f"{POOL}/cut", limit=500_000, on_progress=seen)
        assert some.wait(60), "no stream came"
        lab.signal("castor", signal.SIGKILL, pattern=r"^zfs send .*data")
        with pytest.raises(TwinError):
            sending.result(60)
    token = get(pollux, f"{POOL}/cut/data")[f"{POOL}/cut/data"]["receive_resume_token"].value
    assert token.startswith("1-")
    replica = read_replica(castor, pollux, Item(f"{POOL}/cut", f"{POOL}/cut", True, 0))
    assert "resume" in [str(send.how) for send in replica.sends]
    assert replicate(castor, pollux, f"{POOL}/cut").count < 15.5e6
    assert pollux.digest(f"{POOL}/cut/data", "s2") == castor.digest(f"{POOL}/cut/data", "s2")


def test_holds_are_those_of_zfs(castor: Server) -> None:
    datasets(castor, {"name": f"{POOL}/held"}, {"name": f"{POOL}/held/data"})
    snapshots(castor, dataset=f"{POOL}/held", name="s", recursive=True, holds=["mine"])
    held = castor.run(["zfs", "holds", "-H", f"{POOL}/held@s", f"{POOL}/held/data@s"]).out
    assert [line.split("\t")[1] for line in held.splitlines()] == ["mine", "mine"]
    assert not snapshots(
        castor, dataset=f"{POOL}/held", name="s", recursive=True, holds=["mine"]
    ).plan.changed
    snapshots(castor, dataset=f"{POOL}/held", name="s", recursive=True, releases=["mine"])
    assert castor.run(["zfs", "holds", "-H", f"{POOL}/held@s"]).out == ""
