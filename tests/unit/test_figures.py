# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bench that turns its ratios round would praise what is slow."""

from __future__ import annotations

import pytest

from tests.bench.figures import Figure, replaced, table
from tests.bench.ground import Told

SAID = """
TASK [ours] ********************************************************************
Friday 20 November 2026  18:34:18 +0000 (0:00:00.088)       0:00:00.088 *******
ok: [castor]

TASK [the loop - of theirs] ****************************************************
Friday 20 November 2026  18:34:23 +0000 (0:00:04.239)       0:00:04.328 *******
ok: [castor] => (item=0)
changed: [castor] => (item=1)

PLAY RECAP *********************************************************************
castor                     : ok=2    changed=1    unreachable=0    failed=0
pollux                     : ok=2    changed=2    unreachable=0    failed=0

TASKS RECAP ********************************************************************
Friday 20 November 2026  18:35:07 +0000 (0:00:44.588)       0:00:48.917 *******
===============================================================================
the loop - of theirs ---------------------------------------------------- 44.59s
ours -------------------------------------------------------------------- 4.24s
"""


@pytest.mark.parametrize(
    ("ours", "other", "goal", "ratio", "met"),
    [
        (2, 200, ">= 100", 100, True),
        (2, 199, ">= 100", 99.5, False),
        (13, 10, "<= 1.3", 1.3, True),
        (48, 64, "<= 1", 0.75, True),
        (65, 64, "<= 1", 65 / 64, False),
    ],
)
def test_a_goal_is_met_or_not(ours: float, other: float, goal: str, ratio: float, met: bool) -> None:
    figure = Figure("what", ours, other, "s", goal)
    assert figure.ratio == pytest.approx(ratio)
    assert figure.met is met


def test_a_figure_is_written_as_others_read_it() -> None:
    assert Figure("what", 2, 200.00001, "s", ">= 100").plain() == {
        "name": "what", "ours": 2, "other": 200.0, "unit": "s", "ratio": 100.0, "goal": ">= 100"
    }  # fmt: skip


def test_a_page_gets_the_new_table_and_keeps_its_text() -> None:
    page = "before\n\n| old |\n|-----|\n| 1 |\n\nafter\n\n| another |\n"
    assert replaced(page, ["| new |"]) == "before\n\n| new |\n\nafter\n\n| another |\n"


def test_a_table_says_what_is_not_met() -> None:
    lines = table([Figure("good", 1, 10, "s", ">= 5"), Figure("bad", 1, 4, "s", ">= 5")], 5)
    assert [line.split("|")[-2].strip() for line in lines] == ["met", "-----", "yes", "NO"]


def test_times_and_changes_are_read_from_what_a_playbook_says() -> None:
    told = Told(50.0, SAID)
    assert told.tasks == {"the loop - of theirs": 44.59, "ours": 4.24}
    assert told.changes == 3
    assert told.changed == ["the loop - of theirs"]
