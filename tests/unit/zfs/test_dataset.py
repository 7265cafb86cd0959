# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zfs_dataset plans, says and refuses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    Refused,
    TwinError,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import export_datasets
from ansible_collections.twin.datacenter.plugins.modules.zfs_dataset import SUBJECT
from tests.doubles.memory import MemoryHost, Program, answered
from tests.doubles.zfs import FLAVOURS, zfs_host
from tests.doubles.zfs_streams import pair, written

BOTH = pytest.mark.parametrize("flavour", ["fuse", "openzfs-2.3"])


def params(*datasets: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"datasets": list(datasets), **options}


def apply(host: MemoryHost, *datasets: dict[str, Any], **options: Any) -> Outcome:
    return reconcile(SUBJECT, params(*datasets, **options), host, host)


def check(host: MemoryHost, *datasets: dict[str, Any], **options: Any) -> list[str]:
    return reconcile(SUBJECT, params(*datasets, **options), host.reader()).plan.sentences


def value(host: MemoryHost, key: str, name: str) -> str:
    return host.run(["zfs", "get", "-Hp", "-o", "value", key, name]).out.strip()


def names(host: MemoryHost) -> list[str]:
    return host.run(["zfs", "list", "-H", "-o", "name"]).out.split("\n")[:-1]


# -- the plan in words


def test_sentences_of_an_old_zfs_come_one_by_one() -> None:
    host = zfs_host("fuse", "create -o quota=8M tank/a")
    outcome = apply(host, {"name": "tank/a", "properties": {"quota": "16M", "atime": False}})
    assert outcome.plan.sentences == [
        "set quota of tank/a from 8M to 16M",
        "set atime of tank/a from on to off",
    ]
    assert outcome.plan.before == {"tank/a": {"quota": "8M", "atime": "on"}}
    assert outcome.plan.after == {"tank/a": {"quota": "16M", "atime": "off"}}
    assert [call for call in host.changes if call[1] == "set"] == [
        ("zfs", "set", "quota=16777216", "tank/a"),
        ("zfs", "set", "atime=off", "tank/a"),
    ]


def test_a_newer_zfs_sets_all_at_once() -> None:
    host = zfs_host("openzfs-2.3", "create -o quota=8M tank/a")
    outcome = apply(host, {"name": "tank/a", "properties": {"quota": "16M", "atime": False}})
    assert outcome.plan.sentences == ["set quota of tank/a from 8M to 16M and atime from on to off"]
    assert host.changes == [("zfs", "set", "quota=16777216", "atime=off", "tank/a")]


def test_sentences_of_creation() -> None:
    host = zfs_host("openzfs-2.3", "create tank/i", "snapshot tank/i@base")
    assert check(
        host,
        {"name": "tank/a", "properties": {"quota": "8589934592"}, "initial": {"twin:owner": "castor 1"}},
        {"name": "tank/c", "origin": "tank/i@base"},
        {"name": "tank/v", "size": "1024M"},
    ) == [
        "create file system tank/a with twin:owner=castor 1, quota=8G",
        "create file system tank/c as a clone of tank/i@base",
        "create volume tank/v of 1G",
    ]


def test_what_is_given_at_creation_is_never_compared() -> None:
    host = zfs_host("fuse")
    apply(host, {"name": "tank/a", "initial": {"twin:owner": "castor 1"}})
    assert value(host, "twin:owner", "tank/a") == "castor 1"
    assert check(host, {"name": "tank/a", "initial": {"twin:owner": "pollux 2"}}) == []


def test_two_hundred_datasets_are_read_by_six_commands() -> None:
    items = [
        {"name": f"tank/d{number}", "properties": {"quota": "8M", "atime": False, "twin:x": "1"}}
        for number in range(200)
    ]
    host = zfs_host("fuse")
    apply(host, *items)
    host.calls.clear()
    assert check(host, *items) == []
    assert len(host.calls) <= 6


# -- meaning and source


@BOTH
def test_a_received_value_holds_and_null_takes_it_away(flavour: str) -> None:
    host = zfs_host(flavour, "create tank/a")
    host.programs[0].state.datasets["tank/a"].received["atime"] = "off"
    assert check(host, {"name": "tank/a", "properties": {"atime": False}}) == []
    apply(host, {"name": "tank/a", "properties": {"atime": None}})
    assert value(host, "atime", "tank/a") == "on"


@BOTH
def test_null_leaves_what_is_inherited_alone(flavour: str) -> None:
    host = zfs_host(flavour, "create -o atime=off tank/a", "create tank/a/b")
    assert (
        check(host, {"name": "tank/a/b", "properties": {"atime": None, "quota": None, "twin:x": None}}) == []
    )


@BOTH
def test_an_unset_user_property_differs_from_a_dash(flavour: str) -> None:
    host = zfs_host(flavour, "create tank/a")
    assert check(host, {"name": "tank/a", "properties": {"twin:x": "-"}}) == [
        "set twin:x of tank/a from unset to -"
    ]
    apply(host, {"name": "tank/a", "properties": {"twin:x": "-"}})
    assert check(host, {"name": "tank/a", "properties": {"twin:x": "-"}}) == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_export_names_only_what_the_dataset_itself_has(flavour: str) -> None:
    host = zfs_host(flavour, "create -o atime=off -o twin:owner=castor tank/a", "create tank/a/b")
    assert export_datasets(host.reader(), "tank/a") == [
        {
            "name": "tank/a",
            "type": "filesystem",
            "mounted": True,
            "properties": {"atime": "off", "twin:owner": "castor"},
        },
        {"name": "tank/a/b", "type": "filesystem", "mounted": True, "properties": {}},
    ]


# -- what is refused, and how it is said


@pytest.mark.parametrize(
    ("datasets", "options", "sentence"),
    [
        ([{"name": "tank/a b@c"}], {}, "'tank/a b@c' is no dataset name"),
        ([{"name": "tank/a"}, {"name": "tank/a"}], {}, "dataset tank/a: it is declared twice"),
        ([{"name": "tank/a", "properties": {"quota": "8 gigs"}}], {}, "'8 gigs' is not a size"),
        ([{"name": "tank/a", "size": "8G", "type": "filesystem"}], {}, "a file system has no size"),
        ([{"name": "tank/a", "size": "8G", "mounted": True}], {}, "a volume is never mounted"),
        ([{"name": "tank/a", "mounted": True, "properties": {"canmount": False}}], {}, "with canmount=off"),
        (
            [{"name": "tank/a", "mounted": True, "properties": {"mountpoint": "none"}}],
            {},
            "to be mounted at none",
        ),
        ([{"name": "tank/a", "origin": "other/i@base"}], {}, "is in another pool"),
        ([{"name": "tank/a", "origin": "tank/i"}], {}, "no snapshot name"),
        ([{"name": "tank/a", "copy_of": "tank/i"}], {}, "no snapshot name"),
        ([{"name": "tank/a", "copy_of": "tank/i@1", "origin": "tank/i@1"}], {}, "a clone and a copy"),
        ([{"name": "tank/a", "copy_of": "tank/i@1", "size": "8M"}], {}, "volumes are not copied"),
        ([{"name": "tank/a", "copy_of": "tank/i@1", "initial": {"x:y": "1"}}], {}, "no initial properties"),
        (
            [{"name": "tank/a", "copy_of": "tank/i@1", "properties": {"utf8only": True}}],
            {},
            "a copy has the utf8only of what it is a copy of; leave utf8only out",
        ),
        ([{"name": "tank/a", "renamed_from": "other/a"}], {}, "is in another pool"),
        ([{"name": "tank/a", "renamed_from": "tank/a"}], {}, "tank/a cannot become a part of itself"),
        ([{"name": "tank/a/b", "renamed_from": "tank/a"}], {}, "tank/a cannot become a part of itself"),
        ([{"name": "tank/a", "renamed_from": "tank/a/b"}], {}, "tank/a/b cannot become a part of itself"),
        ([{"name": "tank", "state": "absent"}], {}, "it is the pool itself"),
        ([{"name": "tank/a", "state": "absent"}, {"name": "tank/a/b"}], {}, "tank/a/b is to be present"),
        (
            [{"name": "tank/a", "properties": {"quota": "1G"}, "initial": {"quota": "2G"}}],
            {},
            "and in initial",
        ),
        ([{"name": "tank/a", "initial": {"quota": None}}], {}, "in initial has no value"),
        ([], {"purge": True}, "purge: it has no scope"),
    ],
)
def test_bad_input_is_refused_before_the_host_is_looked_at(
    datasets: list[dict[str, Any]], options: dict[str, Any], sentence: str
) -> None:
    host = zfs_host("fuse")
    with pytest.raises(Refused) as refused:
        apply(host, *datasets, **options)
    assert sentence in str(refused.value)
    assert not host.calls


@pytest.mark.parametrize(
    ("flavour", "system", "item", "sentence"),
    [
        (
            "fuse",
            [],
            {"name": "tank/a", "properties": {"compression": "lz4"}},
            "takes for compression only on | off",
        ),
        ("fuse", [], {"name": "tank/v", "size": "8M"}, "(zfs-fuse) has no volumes"),
        ("openzfs-2.3", [], {"name": "tank/v", "type": "volume"}, "a new volume needs a size"),
        ("fuse", [], {"name": "tank/a/b"}, "tank/a/b cannot be made because tank/a does not exist"),
        ("fuse", [], {"name": "nopool"}, "there is no pool nopool"),
        (
            "fuse",
            ["create tank/i"],
            {"name": "tank/a", "origin": "tank/i@base"},
            "tank/i@base does not exist",
        ),
        (
            "fuse",
            ["create tank/i", "snapshot tank/i@base", "create tank/a"],
            {"name": "tank/a", "origin": "tank/i@base"},
            "tank/a is no clone, not a clone of tank/i@base",
        ),
        (
            "fuse",
            ["create tank/i"],
            {"name": "tank/a", "copy_of": "tank/i@base"},
            "tank/i@base, of which tank/a is to be a copy, does not exist",
        ),
        (
            "fuse",
            ["create tank/i", "snapshot tank/i@base", "clone tank/i@base tank/a"],
            {"name": "tank/a", "copy_of": "tank/i@base"},
            "tank/a is a clone of tank/i@base, no copy",
        ),
        (
            "openzfs-2.3",
            ["create -V 16M tank/v"],
            {"name": "tank/v", "size": "8M"},
            "tank/v cannot shrink from 16M to 8M",
        ),
        (
            "openzfs-2.3",
            ["create -V 16M tank/v"],
            {"name": "tank/v", "type": "filesystem"},
            "is a volume and cannot become",
        ),
        (
            "openzfs-2.3",
            ["create -V 16M tank/v"],
            {"name": "tank/v", "properties": {"quota": "1G"}},
            "tank/v is a volume and has no property quota",
        ),
        (
            "fuse",
            ["create tank/a"],
            {"name": "tank/a", "properties": {"casesensitivity": "mixed"}},
            "casesensitivity of tank/a is sensitive for good",
        ),
        (
            "fuse",
            ["create tank/a", "create tank/b"],
            {"name": "tank/a", "renamed_from": "tank/b"},
            "both tank/b and tank/a exist",
        ),
        (
            "fuse",
            ["create tank/a", "create tank/a/b"],
            {"name": "tank/a", "mounted": False},
            "tank/a cannot be unmounted without tank/a/b",
        ),
        (
            "fuse",
            ["create tank/a", "create tank/a/b"],
            {"name": "tank/a", "state": "absent"},
            "tank/a is not empty, it has tank/a/b; write recursive: true",
        ),
        (
            "fuse",
            ["create tank/a", "snapshot tank/a@1", "clone tank/a@1 tank/c"],
            {"name": "tank/a", "state": "absent", "recursive": True},
            "tank/c is a clone of its snapshot tank/a@1",
        ),
        (
            "fuse",
            ["create tank/a", "snapshot tank/a@1", "hold twin tank/a@1"],
            {"name": "tank/a", "state": "absent", "recursive": True},
            "its snapshot tank/a@1 is held",
        ),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_touched(
    flavour: str, system: list[str], item: dict[str, Any], sentence: str
) -> None:
    host = zfs_host(flavour, *system)
    with pytest.raises(Refused) as refused:
        apply(host, {"name": "tank/zz"}, item, allow_destroy=["tank/a"])
    assert sentence in str(refused.value)
    assert not host.changes


COPY = {"name": "tank/a", "copy_of": "tank/i@base", "properties": {"atime": False}}


@BOTH
def test_a_copy_needs_nothing_of_what_it_was_made_of(flavour: str) -> None:
    host, _peer = pair(flavour, "", "create tank/i", "write tank/i hello", "snapshot tank/i@base")
    assert apply(host, COPY).plan.sentences == [
        "create file system tank/a as a copy of tank/i@base with atime=off"
    ]
    assert written(host, "tank/a") == "hello"
    assert value(host, "origin", "tank/a") == "-"
    apply(host, {"name": "tank/i", "state": "absent", "recursive": True}, allow_destroy=["tank/i"])
    assert host.run(["zfs", "list", "-H", "-o", "name", "-t", "all"]).out.split() == ["tank", "tank/a"]
    assert check(host, COPY) == []


def test_a_copy_that_breaks_off_says_why_and_leaves_nothing() -> None:
    host, _peer = pair("openzfs-2.3", "", "create tank/i", "snapshot tank/i@base")
    host.link.breaks = lambda stream: True
    with pytest.raises(TwinError, match=r"as a copy of tank/i@base: cannot receive .* incomplete stream"):
        apply(host, COPY)
    assert names(host) == ["tank", "tank/i"]


@BOTH
def test_a_copy_whose_mount_fails_is_there(flavour: str) -> None:
    system = ("create tank/i", "snapshot tank/i@base", "create -o readonly=on tank/b")
    host, _peer = pair(flavour, "", *system)
    apply(host, {**COPY, "name": "tank/b/a"})
    assert names(host) == ["tank", "tank/b", "tank/b/a", "tank/i"]


def test_two_clones_of_one_dataset_cannot_both_be_promoted() -> None:
    host = zfs_host(
        "fuse", "create tank/i", "snapshot tank/i@1", "clone tank/i@1 tank/a", "clone tank/i@1 tank/b"
    )
    with pytest.raises(Refused, match="tank/a and tank/b are both clones of tank/i"):
        apply(host, {"name": "tank/a", "promote": True}, {"name": "tank/b", "promote": True})


def test_a_dataset_may_be_the_clone_of_its_own_child() -> None:
    """Which it is once the child was promoted."""
    host = zfs_host(
        "fuse", "create tank/a", "snapshot tank/a@1", "clone tank/a@1 tank/a/b", "promote tank/a/b"
    )
    declared = {"name": "tank/a", "origin": "tank/a/b@1", "properties": {"atime": False}}
    assert apply(host, declared, {"name": "tank/a/b", "properties": {"atime": True}}).plan.sentences == [
        "set atime of tank/a from on to off",
        "set atime of tank/a/b from on (inherited) to on",
    ]
    with pytest.raises(Refused, match="it is a clone of tank/a/b@1 below it; promote tank/a first"):
        check(host, {"name": "tank/a", "state": "absent", "recursive": True}, allow_destroy=["tank/a"])


@BOTH
@pytest.mark.parametrize("quota", ["quota", "userquota@1000"])
def test_null_takes_a_limit_away(flavour: str, quota: str) -> None:
    host = zfs_host(flavour, f"create -o {quota}=8M tank/a")
    said = apply(host, {"name": "tank/a", "properties": {quota: None}}).plan.sentences
    assert said == [f"set {quota} of tank/a from 8M to none"]
    assert value(host, quota, "tank/a") == "0"


def test_a_clone_comes_after_its_origin() -> None:
    said = check(zfs_host("fuse"), {"name": "tank/a", "origin": "tank/i@base"}, {"name": "tank/i"})
    assert said == ["create file system tank/i", "create file system tank/a as a clone of tank/i@base"]


def test_what_is_to_be_made_of_itself_is_refused() -> None:
    host = zfs_host("fuse")
    with pytest.raises(Refused, match="tank/a cannot be made as a clone of tank/a/b@1, a part of itself"):
        check(host, {"name": "tank/a", "origin": "tank/a/b@1"}, {"name": "tank/a/b"})
    with pytest.raises(Refused, match="what they need needs them"):
        check(host, {"name": "tank/a", "origin": "tank/b@1"}, {"name": "tank/b", "origin": "tank/a@1"})


@BOTH
def test_every_dataset_that_goes_must_be_allowed(flavour: str) -> None:
    host = zfs_host(flavour, "create tank/a", "create tank/a/b")
    item = {"name": "tank/a", "state": "absent", "recursive": True}
    with pytest.raises(Refused, match=r"may lose the data of tank/a/b; name it in allow_destroy"):
        apply(host, item, allow_destroy=["tank/a"])
    assert names(host) == ["tank", "tank/a", "tank/a/b"]
    apply(host, item, allow_destroy=["tank/a", "tank/a/b"])
    assert names(host) == ["tank"]


@BOTH
def test_a_purge_never_leaves_its_scope(flavour: str) -> None:
    host = zfs_host(flavour, "create tank/s", "create tank/s/x", "create tank/s2", "create tank/sx")
    apply(host, {"name": "tank/sx"}, purge=True, scope="tank/s", allow_destroy=["tank/s/x"])
    assert names(host) == ["tank", "tank/s", "tank/s2", "tank/sx"]


# -- check mode on an empty system


def test_check_mode_without_zfs_announces_the_whole_work() -> None:
    host = MemoryHost()
    assert check(
        host, {"name": "tank", "properties": {"atime": False}}, {"name": "tank/a", "origin": "tank/i@base"}
    ) == [
        "set atime of tank from unset to off",
        "create file system tank/a as a clone of tank/i@base",
    ]


def test_a_run_without_zfs_says_what_is_missing() -> None:
    with pytest.raises(TwinError, match="zfs is not installed on this host"):
        apply(MemoryHost(), {"name": "tank/a"})


class Asleep:
    """zfs-fuse as it answers while its daemon is stopped."""

    state = None
    commands = ("zfs", "zpool")

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        said = (
            "connect: No such file or directory\nPlease make sure that the zfs-fuse daemon is running.\n"
            "internal error: failed to initialize ZFS library\n"
        )
        return answered(argv, "", said, 1)


def test_a_stopped_zfs_is_named_and_reads_as_none_in_check_mode() -> None:
    host = MemoryHost(Asleep())
    with pytest.raises(TwinError, match="ZFS does not run on this host: .*daemon is running.*start zfs-fuse"):
        apply(host, {"name": "tank/a"})
    assert check(host, {"name": "tank/a"}) == ["create file system tank/a"]


# -- faults


def test_a_truly_busy_file_system_is_reported_at_once() -> None:
    host = zfs_host("fuse", "create tank/a")
    host.programs[0].state.in_use.add("tank/a")
    with pytest.raises(TwinError, match="unmount tank/a: .*umount failed") as failed:
        apply(host, {"name": "tank/a", "mounted": False})
    assert failed.value.facts["left"] == ["unmount tank/a"]


def test_an_answer_that_is_no_answer_is_not_taken_for_absence() -> None:
    host = zfs_host("fuse", "create tank/a")
    program = host.programs[0]
    host.programs = (Broken(program),)
    with pytest.raises(CommandFailed, match="permission denied"):
        apply(host, {"name": "tank/a", "properties": {"quota": "8M"}})
    assert not host.changes


class Broken:
    """A ZFS which tells nobody its properties."""

    commands = ("zfs",)

    def __init__(self, zfs: Program) -> None:
        self.zfs = zfs
        self.state = zfs.state

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        if argv[1:2] == ["get"] and len(argv) > 2:
            return answered(argv, "", "cannot open 'tank/a': permission denied\n", 1)
        return self.zfs.call(argv, stdin)


def test_a_failed_creation_is_an_error() -> None:
    host = zfs_host("fuse")
    host.fault = lambda argv: (item for item in ()).throw(
        CommandFailed("zfs create", "out of space", stderr="out of space")
    )
    with pytest.raises(TwinError, match="create file system tank/a: zfs create: out of space"):
        apply(host, {"name": "tank/a"})


# -- whatever is declared


def trees() -> st.SearchStrategy[list[dict[str, Any]]]:
    properties = st.fixed_dictionaries(
        {},
        optional={
            "quota": st.sampled_from(["none", "8M", "16777216", None]),
            "atime": st.sampled_from([True, False, "on", None]),
            "compression": st.sampled_from(["off", "gzip", "gzip-6", None]),
            "canmount": st.sampled_from(["on", "noauto", None]),
            "mountpoint": st.sampled_from(["none", "/elsewhere", None]),
            "twin:x": st.sampled_from(["1", "-", None]),
        },
    )
    present = st.fixed_dictionaries(
        {
            "name": st.sampled_from(["tank/a", "tank/b", "tank/a/x", "tank/a/x/y"]),
            "properties": properties,
            "mounted": st.sampled_from([True, False, None]),
        }
    )
    return st.lists(present, unique_by=lambda item: item["name"])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_it_goes_back_to_decides_whether_it_can_be_mounted(flavour: str) -> None:
    host = zfs_host(flavour)
    apply(
        host,
        {"name": "tank/a", "properties": {"mountpoint": "none"}},
        {"name": "tank/a/x", "properties": {"mountpoint": "/elsewhere"}},
        {"name": "tank/b", "properties": {"canmount": "off"}},
    )
    with pytest.raises(Refused, match="tank/a/x is to be mounted, yet its mountpoint is none"):
        apply(host, {"name": "tank/a/x", "properties": {"mountpoint": None}, "mounted": True})
    mounted = {"name": "tank/b", "properties": {"canmount": None}, "mounted": True}
    apply(host, mounted)
    assert check(host, mounted) == []


@settings(deadline=None)
@given(trees(), trees(), st.sampled_from(FLAVOURS))
def test_whatever_is_declared_after_whatever_was_is_reached(
    first: list[dict[str, Any]], second: list[dict[str, Any]], flavour: str
) -> None:
    parents = [{"name": "tank/a"}, {"name": "tank/a/x"}]
    host = zfs_host(flavour)
    for items in (first, second):
        declared = [
            *items,
            *(each for each in parents if each["name"] not in {item["name"] for item in items}),
        ]
        before = copy.deepcopy(host.state())
        try:
            apply(host, *declared)
        except Refused:
            assert host.state() == before
        else:
            assert check(host, *declared) == []
    exported = export_datasets(host.reader())
    assert check(host, *exported) == []
