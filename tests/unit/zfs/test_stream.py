# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be sent, judged by GUIDs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.model import Capabilities
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.replica import parse_wanted
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot import Dataset, Snapshot
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.stream import (
    How,
    Resumable,
    Send,
    Side,
    differences,
    follow,
    parse_resumable,
    parse_size_told,
    plan_tree,
    receive_argv,
    send_argv,
    send_data,
    send_from,
    upper_bound,
)

FUSE = Capabilities(
    version=None,
    options={"send": frozenset("RDpiI"), "receive": frozenset("vnFd"), "get": frozenset("rHpdos")},
)
OPEN = Capabilities(
    version=(2, 3),
    options={"send": frozenset("LecwnPtiI"), "receive": frozenset("suoxAF"), "holds": frozenset("H")},
)


def dataset(name: str, *guids: int, **more: Any) -> Dataset:
    """A dataset whose snapshots have these GUIDs, are named after them and were made in this order."""
    snapshots = tuple(
        Snapshot(f"s{guid}", guid, txg=10 * index, referenced=1000) for index, guid in enumerate(guids)
    )
    return Dataset(name, **{"snapshots": snapshots, **more})


def side(*datasets: Dataset, able: Capabilities = OPEN, **more: Any) -> Side:
    """A side whose root is the first of these."""
    root = datasets[0].name if datasets else "tank/a"
    return Side(root, {each.name.removeprefix(root): each for each in datasets}, able, **more)


def one(source: Side, target: Side, allowed: tuple[str, ...] = ()) -> Send:
    """The only stream of a plan."""
    (send,) = plan_tree(source, target, allowed)
    return send


def test_what_is_not_there_goes_in_full() -> None:
    send = one(side(dataset("tank/a", 1, 2)), side())
    assert (send.how, send.snapshot, send.guid, send.fresh) == (How.FULL, "s2", 2, True)
    assert send_argv(send) == ["zfs", "send", "-c", "tank/a@s2"]
    assert receive_argv(send) == [
        "zfs", "receive", "-s", "-u", "-o", "readonly=on", "-o", "canmount=noauto", "tank/a",
    ]  # fmt: skip


def test_where_a_receive_would_mount_it_arrives_aside() -> None:
    send = one(side(dataset("tank/a/b", 1), able=FUSE), Side("tank/a/b", capabilities=FUSE))
    assert receive_argv(send) == ["zfs", "receive", "tank/.incoming/a:b"]
    assert send_argv(send) == ["zfs", "send", "tank/a/b@s1"]


def test_the_newest_common_snapshot_is_known_by_its_guid_not_its_name() -> None:
    renamed = dataclasses.replace(dataset("tank/a", 1, 2).snapshots[1], name="other")
    target = Dataset("tank/a", snapshots=(dataset("tank/a", 1).snapshots[0], renamed), written=0)
    send = one(side(dataset("tank/a", 1, 2, 3)), side(target))
    assert (send.how, send.base, send.through) == (How.INCREMENT, "tank/a@s2", False)


def test_a_name_that_lies_is_no_common_snapshot() -> None:
    liar = Dataset("tank/a", snapshots=(Snapshot("s1", 99, 1),))
    send = one(side(dataset("tank/a", 1)), side(liar))
    assert send.how is How.IMPOSSIBLE
    assert "shares no snapshot with tank/a" in send.why


def test_the_snapshots_between_go_along() -> None:
    send = one(side(dataset("tank/a", 1, 2, 3)), side(dataset("tank/a", 1, written=0)))
    assert send_argv(send)[-3:] == ["-I", "tank/a@s1", "tank/a@s3"]


def test_a_bookmark_is_a_base_too() -> None:
    source = dataset("tank/a", 2, 3, bookmarks={"mark": 1})
    send = one(side(source), side(dataset("tank/a", 1, written=0)))
    assert send_argv(send)[-3:] == ["-i", "tank/a#mark", "tank/a@s3"]


def test_nothing_is_sent_twice() -> None:
    send = one(side(dataset("tank/a", 1, 2)), side(dataset("tank/a", 1, 2, written=0)))
    assert (send.how, send.rollback) == (How.NOTHING, "")


def test_a_clone_of_an_image_that_both_have_is_an_increment() -> None:
    source = dataset("tank/m/root", 5, origin="tank/i@base", used=100)
    image = {"tank/i@base": 7}
    send = one(side(source, guids=image), Side("tank/m/root", guids=image, capabilities=OPEN))
    assert (send.how, send.base) == (How.CLONE, "tank/i@base")
    assert send_argv(send)[-3:] == ["-i", "tank/i@base", "tank/m/root@s5"]


def test_an_image_of_the_same_name_and_another_guid_is_no_origin() -> None:
    source = dataset("tank/m/root", 5, origin="tank/i@base")
    send = one(side(source, guids={"tank/i@base": 7}), Side("tank/m/root", guids={"tank/i@base": 8}))
    assert send.how is How.FULL


@pytest.mark.parametrize("written", [512, None])
def test_what_only_the_target_has_is_named_before_it_is_lost(written: int | None) -> None:
    theirs = dataset("tank/a", 1, 50, written=written)
    send = one(side(dataset("tank/a", 1, 2)), side(theirs))
    assert send.rollback == "s1"
    assert send.lost[0] == "@s50"


def test_what_was_written_there_is_seen_even_when_nothing_is_to_be_sent() -> None:
    send = one(side(dataset("tank/a", 1)), side(dataset("tank/a", 1, written=2048)))
    assert (send.how, send.rollback, send.lost) == (How.NOTHING, "s1", ("2K written since",))


def test_where_the_host_does_not_tell_only_what_is_allowed_is_rolled_back() -> None:
    source, target = side(dataset("tank/a", 1, 2)), side(dataset("tank/a", 1, written=None))
    assert one(source, target).rollback == ""
    assert one(source, target, ("tank/a",)).rollback == "s1"


def test_a_tree_is_sent_parents_first_from_the_newest_snapshot_that_all_have() -> None:
    source = side(dataset("tank/a", 1, 2, 3), dataset("tank/a/c", 1, 2), dataset("tank/a/b", 1, 2, 9))
    sends = plan_tree(source, Side("tank/x", capabilities=OPEN))
    assert [send.target for send in sends] == ["tank/x", "tank/x/b", "tank/x/c"]
    assert {send.snapshot for send in sends} == {"s2"}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (side(), "dataset tank/a does not exist"),
        (side(dataset("tank/a")), "tank/a has no snapshot"),
        (side(dataset("tank/a", 1), dataset("tank/a/new")), "and all below it have no snapshot in common"),
    ],
)
def test_without_a_snapshot_nothing_can_be_sent(source: Side, says: str) -> None:
    send = one(source, Side("tank/a"))
    assert send.how is How.IMPOSSIBLE
    assert says in send.why


def test_a_target_without_parent_is_refused() -> None:
    send = one(side(dataset("tank/a/b", 1)), Side("tank/x/b", parent=False))
    assert send.how is How.IMPOSSIBLE
    assert "tank/x does not exist there" in send.why


def test_a_target_that_has_newer_ones_of_only_a_part_of_the_tree_is_refused() -> None:
    source = side(dataset("tank/a", 1, 2), dataset("tank/a/b", 1, 2, 3))
    target = side(dataset("tank/a", 1, written=0), dataset("tank/a/b", 1, 3, written=0))
    assert [send.how for send in plan_tree(source, target)] == [How.INCREMENT, How.IMPOSSIBLE]


def test_an_interrupted_stream_is_resumed_and_then_continued() -> None:
    target = dataset("tank/a", 1, token="1-abc", written=0)
    source = side(dataset("tank/a", 1, 2, 3), tokens={"1-abc": Resumable(2, 400)})
    resume, further = plan_tree(source, side(target))
    assert send_argv(resume) == ["zfs", "send", "-t", "1-abc"]
    assert receive_argv(resume) == ["zfs", "receive", "-s", "-u", "tank/a"]
    assert (resume.snapshot, resume.size, further.base) == ("s2", 400, "tank/a@s2")
    assert not resume.fresh and not further.fresh


def test_a_stream_that_cannot_be_resumed_is_given_up_first() -> None:
    # Its sender cannot go on with it, or the snapshot that it sent is gone.
    for tokens in ({}, {"1-old": Resumable(77, 400)}):
        send = one(side(dataset("tank/a", 1, 2), tokens=tokens), side(dataset("tank/a", token="1-old")))
        assert (send.abandon, send.how) == (True, How.FULL)


def test_flags_are_what_both_sides_know() -> None:
    full = frozenset({"large_blocks", "embedded_data", "lz4_compress"})
    source = side(dataset("tank/a", 1), features=full)
    assert one(source, Side("tank/a", capabilities=OPEN, features=full)).flags == "Lec"
    assert one(source, Side("tank/a", capabilities=OPEN, features=frozenset({"large_blocks"}))).flags == "L"
    assert one(source, Side("tank/a", capabilities=FUSE)).flags == ""


def test_an_encrypted_dataset_travels_raw_or_not_at_all() -> None:
    source = side(dataset("tank/a", 1, encrypted=True), features=frozenset({"encryption"}))
    send = one(source, Side("tank/a", capabilities=OPEN, features=frozenset({"encryption"})))
    assert (send.how, send.flags) == (How.FULL, "w")
    refused = one(source, Side("tank/a", capabilities=FUSE))
    assert refused.how is How.IMPOSSIBLE
    assert "is encrypted" in refused.why


def test_a_volume_has_no_mount_to_prevent() -> None:
    send = one(side(dataset("tank/a", 1, volume=True)), Side("tank/a", capabilities=OPEN))
    assert "canmount=noauto" not in receive_argv(send)


def test_the_bound_of_an_increment_counts_what_the_base_lost() -> None:
    base, now = Snapshot("a", 1, 1, referenced=1000), Snapshot("b", 2, 2, referenced=1500)
    here = Dataset("tank/a", snapshots=(base, now), usedbysnapshots=300, ratio=2.0)
    send = Send("tank/a", "tank/a", "b", 2, How.INCREMENT, base="tank/a@a")
    assert upper_bound(here, send) == pytest.approx((1500 - 1000 + 300) * 2 * 1.1 + 65536, abs=1)


def test_sizes_say_whether_they_are_bounds() -> None:
    send = Send("tank/a", "tank/a", "b", 2, How.FULL, size=12_500_000)
    assert send.sentence == "send tank/a@b to tank/a on the peer in full (≤ 11.9M)"
    assert dataclasses.replace(send, told=True).predicted == "≈ 11.9M"


def test_a_dry_run_is_the_same_command() -> None:
    send = one(side(dataset("tank/a", 1, 2)), side(dataset("tank/a", 1, written=0)))
    assert send_argv(send, dry=True) == ["zfs", "send", "-nP", *send_argv(send)[2:]]


def test_what_a_dry_run_says_is_understood() -> None:
    assert parse_size_told("incremental\ts1\ttank/a@s2\t4711\nsize\t4711\n") == 4711
    assert parse_size_told("") is None
    told = "resume token contents:\nnvlist version: 0\n\ttoguid = 0x1f\nfull\ttank/a@s2\t9\nsize\t9\n"
    assert parse_resumable(told) == Resumable(31, 9)
    assert parse_resumable("cannot resume send") is None


def test_a_stream_survives_being_data() -> None:
    send = one(side(dataset("tank/a", 1, 2)), side(dataset("tank/a", 1, 50, written=0)))
    assert send_from(send_data(send)) == send


def test_differences_are_told_by_guid() -> None:
    source = side(dataset("tank/a", 1), dataset("tank/a/b", 2), dataset("tank/a/c", 3))
    liar = Dataset("tank/a/b", snapshots=(Snapshot("s2", 99),))
    assert differences(side(dataset("tank/a", 1)), side(dataset("tank/a", 1)), "s1") == []
    assert differences(source, side(dataset("tank/a", 1), liar), "s2") == ["tank/a", "tank/a/b", "tank/a/c"]


@pytest.mark.parametrize(
    ("replica", "peer", "says"),
    [
        ({"dataset": "tank/a b;c"}, {}, "is no dataset name"),
        ({"dataset": "tank/../etc"}, {}, "is no dataset name"),
        ({"dataset": "-R"}, {}, "is not a pool name"),
        ({"dataset": "tank/a", "target": "tank/$(id)"}, {}, "is no dataset name"),
        ({"dataset": "tank/a", "target": "tank"}, {}, "is a pool"),
        ({"dataset": "tank/a", "rate": "8 gigs"}, {}, "is not a size"),
        ({"dataset": "tank/a"}, {"addresses": []}, "no list of addresses"),
        ({"dataset": "tank/a"}, {"addresses": ["-oProxyCommand=reboot"]}, "no list of addresses"),
    ],
)
def test_hostile_names_are_refused(replica: dict[str, Any], peer: dict[str, Any], says: str) -> None:
    params = {"replicas": [replica], "peer": {"addresses": ["10.1.0.2"], **peer}}
    with pytest.raises(Refused, match=says) as refused:
        parse_wanted(params)
    assert "\n" not in str(refused.value)


def test_two_datasets_cannot_have_one_target() -> None:
    with pytest.raises(Refused, match="more than once"):
        parse_wanted(
            {
                "replicas": [{"dataset": "tank/a"}, {"dataset": "tank/b", "target": "tank/a"}],
                "peer": {"addresses": ["10.1.0.2"]},
            }
        )


MACHINE = (dataset("tank/m", 1, 9), dataset("tank/m/root", 2), dataset("tank/m/data", 3))


def names(followed: Side) -> dict[str, list[int]]:
    """The GUIDs of the snapshots of each dataset by its name."""
    assert [each.name for each in followed.datasets.values()] == [
        f"tank/m{name}" for name in followed.datasets
    ]
    return {name: [each.guid for each in of.snapshots] for name, of in followed.datasets.items()}


def test_a_dataset_is_known_by_its_snapshots_whatever_it_is_called() -> None:
    upgraded = side(dataset("tank/m", 1, 9), dataset("tank/m/root", 12), dataset("tank/m/root.a", 2, 13))
    target, renames = follow(upgraded, side(*MACHINE))
    assert renames == (("tank/m/root", "tank/m/root.a"),)
    assert names(target) == {"": [1, 9], "/root.a": [2], "/data": [3]}


def test_names_that_changed_places_are_followed_in_order() -> None:
    old = side(dataset("tank/m", 1), dataset("tank/m/root", 2), dataset("tank/m/root.b", 3))
    new = side(dataset("tank/m", 1), dataset("tank/m/root", 3), dataset("tank/m/root.a", 2))
    target, renames = follow(new, old)
    assert renames == (("tank/m/root", "tank/m/root.a"), ("tank/m/root.b", "tank/m/root"))
    assert names(target) == {"": [1], "/root.a": [2], "/root": [3]}


def test_what_is_below_goes_along() -> None:
    old = side(dataset("tank/m", 1), dataset("tank/m/a", 2), dataset("tank/m/a/b", 3))
    new = side(dataset("tank/m", 1), dataset("tank/m/c", 2), dataset("tank/m/c/b", 3))
    target, renames = follow(new, old)
    assert renames == (("tank/m/a", "tank/m/c"),)
    assert names(target) == {"": [1], "/c": [2], "/c/b": [3]}


@pytest.mark.parametrize(
    "target",
    [
        side(*MACHINE),
        side(dataset("tank/m", 1), dataset("tank/m/root", 7), dataset("tank/m/other", 8)),
        side(dataset("tank/m", 1), dataset("tank/m/root", 3), dataset("tank/m/data", 2)),
        side(),
    ],
    ids=["as it is here", "of no kin", "in each other's way", "nothing"],
)
def test_nothing_else_is_renamed(target: Side) -> None:
    assert follow(side(*MACHINE), target) == (target, ())
