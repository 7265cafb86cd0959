# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a replica is older than it may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._machine.rpo import PREFIX, Age, age_of
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot import stamp, stamped

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("age", "rpo", "late", "sentence"),
    [
        (0, 900, False, "is 0 s old, within its rpo of 15 min"),
        (900, 900, False, "is 15 min old, within its rpo of 15 min"),
        (901, 900, True, "is 15 min old, more than its rpo of 15 min"),
        (2700, 900, True, "is 45 min old, more than its rpo of 15 min"),
        (90, 60, True, "is 90 s old, more than its rpo of 1 min"),
        (7200, 86400, False, "is 2 h old, within its rpo of 1 d"),
        (-5, 60, False, "is 0 s old, within its rpo of 1 min"),
    ],
)
def test_an_age(age: int, rpo: int, late: bool, sentence: str) -> None:
    snapshot = stamp(PREFIX, NOW - age, ())
    assert age_of("ssa", "pollux", rpo, snapshot, NOW) == Age(
        late, f"the replica of ssa on pollux {sentence}"
    )


@pytest.mark.parametrize("snapshot", [None, "", "by-hand", "twin-soon"])
def test_none_is_late(snapshot: str | None) -> None:
    assert age_of("ssa", "pollux", 900, snapshot, NOW) == Age(True, "machine ssa has no replica on pollux")


@given(st.integers(0, 2**32), st.integers(0, 3))
def test_a_name_tells_its_time(now: int, others: int) -> None:
    taken: list[str] = []
    for _number in range(others + 1):
        taken.append(stamp(PREFIX, now, taken))
    assert stamped(PREFIX, taken[-1]) == now
