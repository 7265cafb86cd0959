# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: options, names, retention, reading, holds."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import capabilities
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot import (
    UNKNOWN_HOLD,
    Snapshot,
    parse_holds,
    parse_wanted,
    stamp,
    superfluous,
)
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot_host import (
    parse_datasets,
    read_datasets,
    set_holds,
)
from ansible_collections.twin.datacenter.plugins.modules.zfs_snapshot import SUBJECT
from tests.doubles.memory import power_cut_before
from tests.doubles.zfs_streams import Server, pair
from tests.laws.cases_zfs_snapshot import item

HOUR, DAY = 3600, 86400


def snapshots(*creations: int, held: tuple[int, ...] = ()) -> list[Snapshot]:
    """Snapshots made at these times; those with these indexes are held."""
    return [
        Snapshot(
            f"s{index}",
            guid=index + 1,
            txg=index,
            creation=creation,
            holds=frozenset({"x"} if index in held else ()),
        )
        for index, creation in enumerate(creations)
    ]


histories = st.lists(st.integers(0, 400 * DAY), max_size=40).map(sorted).map(lambda times: snapshots(*times))
counts = st.dictionaries(st.sampled_from(["last", "hourly", "daily", "weekly", "monthly"]), st.integers(0, 5))


@given(histories, counts)
def test_of_what_retention_leaves_nothing_is_superfluous(
    history: list[Snapshot], keep: dict[str, int]
) -> None:
    gone = {snapshot.guid for snapshot in superfluous(history, keep)}
    left = [snapshot for snapshot in history if snapshot.guid not in gone]
    assert superfluous(left, keep) == []


@given(histories, counts, st.sets(st.integers(0, 39)))
def test_retention_never_takes_the_newest_nor_what_is_held(
    history: list[Snapshot], keep: dict[str, int], held: set[int]
) -> None:
    history = snapshots(*(each.creation for each in history), held=tuple(held))
    gone = superfluous(history, keep)
    assert not any(snapshot.holds for snapshot in gone)
    assert not history or history[-1] not in gone


@given(histories, st.integers(1, 10))
def test_the_last_ones_are_kept(history: list[Snapshot], last: int) -> None:
    assert superfluous(history, {"last": last}) == history[: max(0, len(history) - last)]


def test_hours_days_weeks_and_months_keep_the_newest_of_each() -> None:
    history = snapshots(0, 10, HOUR, HOUR + 10, DAY, DAY + HOUR, 40 * DAY)
    assert [each.name for each in superfluous(history, {"hourly": 3})] == ["s0", "s1", "s2", "s3"]
    assert [each.name for each in superfluous(history, {"daily": 3})] == ["s0", "s1", "s2", "s4"]
    assert [each.name for each in superfluous(history, {"monthly": 2})] == ["s0", "s1", "s2", "s3", "s4"]


def test_two_snapshots_of_one_second_have_two_names() -> None:
    assert stamp("twin-", 1_795_198_202, ()) == "twin-20261120T181002Z"
    assert stamp("twin-", 1_795_198_202, {"twin-20261120T181002Z"}) == "twin-20261120T181002Z-2"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "either a name or a prefix"),
        ({"name": "s", "prefix": "p-"}, "either a name or a prefix"),
        ({"name": "a b"}, "is not a name"),
        ({"name": "a@b"}, "is not a name"),
        ({"name": "$(reboot)"}, "is not a name"),
        ({"name": "-r"}, ""),
        ({"prefix": "p-"}, "asks for nothing"),
        ({"prefix": "p-", "every": "soon"}, "is not a duration"),
        ({"prefix": "p-", "keep": {"last": 0}}, "keep at least one"),
        ({"prefix": "p-", "keep": {"last": -1, "daily": 1}}, "keep at least one"),
        ({"prefix": "p-", "every": "1h", "holds": ["x"]}, "need a named snapshot"),
        ({"prefix": "p-", "keep": {"last": 1}, "state": "absent"}, "only a named snapshot"),
        ({"name": "s", "keep": {"last": 1}}, "prefix"),
        ({"name": "s", "holds": ["x"], "releases": ["x"]}, "held and released"),
        ({"name": "s", "holds": ["a\tb"]}, "is not a name"),
        ({"name": "s", "bookmark": "#x"}, "is not a name"),
        ({"dataset": "tank/a;b", "name": "s"}, "no dataset name"),
    ],
)
def test_bad_input_is_refused_with_one_sentence(options: dict[str, Any], says: str) -> None:
    params = {"snapshots": [item(**{"dataset": "tank/a", **options})]}
    if not says:
        # A hyphen may begin a snapshot's name: its full name begins with the pool's.
        assert parse_wanted(params)
        return
    with pytest.raises(Refused, match=re.escape(says)) as refused:
        parse_wanted(params)
    assert "\n" not in str(refused.value)


def test_what_is_declared_twice_is_refused() -> None:
    with pytest.raises(Refused, match="more than once"):
        parse_wanted({"snapshots": [item(dataset="tank/a", name="s")] * 2})


def run(server: Server, *items: dict[str, Any], allow: tuple[str, ...] = ()) -> list[str]:
    """The sentences of a run."""
    params = {"snapshots": list(items), "allow_destroy": list(allow)}
    return reconcile(SUBJECT, params, server.reader(), server).plan.sentences


def test_a_tree_is_taken_at_one_moment() -> None:
    server = pair("fuse", "", "create tank/m", "create tank/m/data")[0]
    said = run(server, item(dataset="tank/m", name="s", recursive=True))
    assert said == ["make snapshot tank/m@s and of all below it, at one moment"]
    assert list(server.changes) == [("zfs", "snapshot", "-r", "tank/m@s")]


@pytest.mark.parametrize("flavour", ["fuse", "openzfs-2.3"])
def test_what_is_held_is_not_removed_without_a_word(flavour: str) -> None:
    server = pair(flavour, "", "create tank/m", "snapshot tank/m@s")[0]
    set_holds(server, capabilities(server), {"tank/m@s": ((), ("backup",))})
    with pytest.raises(Refused, match="held by backup; release it first"):
        run(server, item(dataset="tank/m", name="s", state="absent"), allow=("tank/m@s",))


def test_removing_needs_to_be_allowed() -> None:
    server = pair("fuse", "", "create tank/m", "snapshot tank/m@s")[0]
    with pytest.raises(Refused, match=r"allow_destroy \(tank/m@s\)"):
        run(server, item(dataset="tank/m", name="s", state="absent"))
    assert not server.changes


def test_a_cloned_snapshot_is_not_removed() -> None:
    server = pair("openzfs-2.3", "", "create tank/m", "snapshot tank/m@s", "clone tank/m@s tank/c")[0]
    with pytest.raises(Refused, match="it has clones"):
        run(server, item(dataset="tank/m", name="s", state="absent"), allow=("tank/m@s",))


def test_a_dataset_that_is_not_there_is_named() -> None:
    with pytest.raises(Refused, match="dataset tank/nowhere does not exist"):
        run(pair()[0], item(dataset="tank/nowhere", name="s"))


def test_bookmarks_need_a_zfs_that_has_them() -> None:
    server = pair("fuse", "", "create tank/m")[0]
    with pytest.raises(Refused, match="ZFS has none"):
        run(server, item(dataset="tank/m", name="s", bookmark="b"))


def test_a_bookmark_of_another_snapshot_is_not_replaced() -> None:
    server = pair("openzfs-2.3", "", "create tank/m", "snapshot tank/m@a", "bookmark tank/m@a tank/m#b")[0]
    with pytest.raises(Refused, match="of another snapshot"):
        run(server, item(dataset="tank/m", name="s", bookmark="b"))


def test_a_series_makes_none_before_its_time() -> None:
    server = pair("fuse", "", "create tank/m")[0]
    hourly = item(dataset="tank/m", prefix="auto-", every="1h")
    assert len(run(server, hourly)) == 1
    assert run(server, hourly) == []
    server.zfs.state.clock += HOUR
    server.change(["zfs", "snapshot", "tank/m@by-hand"])
    assert len(run(server, hourly)) == 1


def test_what_is_asked_of_a_tree_is_not_asked_of_others() -> None:
    server = pair("fuse", "", "create tank/m", "create tank/m/data", "create tank/n")[0]
    held = item(dataset="tank/m", name="s", recursive=True, holds=["x"])
    said = run(server, held, item(dataset="tank/n", name="s"))
    assert len([sentence for sentence in said if "hold" in sentence]) == 2


@pytest.mark.parametrize("flavour", ["fuse", "openzfs-2.3"])
@pytest.mark.parametrize("number", range(6))
def test_whatever_interrupts_a_hold_nobody_loses_it(flavour: str, number: int) -> None:
    """Killed before any of its commands: a second run knows every tag, and sets the right ones."""
    server = pair(flavour, "", "create tank/m", "snapshot tank/m@a", "snapshot tank/m@b")[0]
    able = capabilities(server)
    set_holds(server, able, {"tank/m@a": ((), ("twin",))})
    server.fault = power_cut_before(number)
    try:
        set_holds(server, able, {"tank/m@a": (("twin",), ()), "tank/m@b": ((), ("twin",))})
    except Exception:
        server.fault = lambda argv: None
    now = read_datasets(server.reader(), able, ["tank/m"], recursive=True)["tank/m"]
    assert not any(UNKNOWN_HOLD in snapshot.holds for snapshot in now.snapshots)
    changes = {
        f"tank/m@{each.name}": (each.holds, {"twin"} if each.name == "b" else set()) for each in now.snapshots
    }
    set_holds(server, able, changes)
    assert [bool(each.holds) for each in server.zfs.state.snapshots.values()] == [False, True]
    again = read_datasets(server.reader(), able, ["tank/m"], recursive=True)["tank/m"]
    assert [sorted(each.holds) for each in again.snapshots] == [[], ["twin"]]


def test_a_hold_of_somebody_else_is_seen_where_tags_cannot_be_listed() -> None:
    server = pair("fuse", "", "create tank/m", "snapshot tank/m@s", "hold backup tank/m@s")[0]
    now = read_datasets(server.reader(), capabilities(server), ["tank/m"], recursive=False)["tank/m"]
    assert now.snapshots[0].holds == {UNKNOWN_HOLD}


TEXT = """\
tank/m\tguid\t10\t-
tank/m\tcreatetxg\t9\t-
tank/m\twritten\t512\t-
tank/m\torigin\ttank/i@base\t-
tank/m\tcompressratio\t1.50x\t-
tank/m\tmounted\tyes\t-
tank/m\treadonly\ton\tlocal
tank/m\tcanmount\tnoauto\tlocal
tank/m\tencryption\taes-256-gcm\t-
tank/m\treceive_resume_token\t-\t-
tank/m@b\tguid\t12\t-
tank/m@b\tcreatetxg\t30\t-
tank/m@b\tuserrefs\t2\t-
tank/m@b\ttwin:holds\tx\tlocal
tank/m@a\tguid\t11\t-
tank/m@a\tcreatetxg\t20\t-
tank/m@a\tuserrefs\t0\t-
tank/m@a\ttwin:holds\tx\tlocal
tank/m#mark\tguid\t11\t-
"""


def test_what_zfs_get_prints_is_understood() -> None:
    (dataset,) = parse_datasets(TEXT).values()
    assert [each.name for each in dataset.snapshots] == ["a", "b"]
    assert dataset.snapshots[0].holds == frozenset()
    assert dataset.snapshots[1].holds == {"x", UNKNOWN_HOLD}
    assert dataset.bookmarks == {"mark": 11}
    assert (dataset.origin, dataset.written, dataset.ratio) == ("tank/i@base", 512, 1.5)
    assert (dataset.mounted, dataset.readonly, dataset.canmount) == (True, True, "noauto")
    assert dataset.encrypted
    assert dataset.token == ""


def test_holds_are_parsed_with_blanks_in_their_time() -> None:
    text = "tank/m@a\ttwin\tFri Nov 20 18:10 2026\ntank/m@b\tx\t1795198202\n"
    assert list(parse_holds(text)) == [("tank/m@a", "twin"), ("tank/m@b", "x")]


def test_ten_thousand_snapshots_cost_one_command() -> None:
    server = pair("openzfs-2.3", "", "create tank/m")[0]
    for number in range(300):
        server.change(["zfs", "snapshot", f"tank/m@s{number}"])
    server.calls.clear()
    read_datasets(server.reader(), capabilities(server), ["tank/m"], recursive=True)
    assert len([call for call in server.calls if call[:2] == ("zfs", "get") and len(call) > 2]) == 1
