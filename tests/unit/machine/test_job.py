# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The move as a job: what its log says, and what the module makes of it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._machine.job import (
    Current,
    Wanted,
    ending,
    entry,
    job_argv,
    measured,
    plan,
    wanted_of,
)

WANTED = Wanted("ssa", "pollux")
END = {
    "end": "machine ssa is on pollux",
    "rc": 0,
    "journal": {
        "source": "castor",
        "rounds": [
            {"snapshot": "a", "sent": 10, "seconds": 1.0},
            {"snapshot": "b", "sent": 5, "seconds": 0.5},
        ],
        "downtime": 2.5,
    },
}


def test_the_end_is_found_behind_whatever_else_is_said() -> None:
    log = "\n".join(['{"say": "stop ssa"}', "ssh: a word of warning", json.dumps(END), ""])
    assert ending(log) == END
    assert ending('{"say": "stop ssa"}\n{"en') is None
    assert entry("[1]") is None


def test_what_it_has_cost() -> None:
    assert measured(WANTED, END) == {
        "machine": "ssa",
        "from": "castor",
        "to": "pollux",
        "rounds": [{"bytes": 10, "seconds": 1.0}, {"bytes": 5, "seconds": 0.5}],
        "bytes": 15,
        "downtime_s": 2.5,
    }


def test_a_move_that_was_undone_is_an_error_with_its_reason() -> None:
    with pytest.raises(TwinError, match=r"^machine ssa stayed on castor: pool is full\.$"):
        measured(WANTED, {"end": "x", "rc": 1, "error": "machine ssa stayed on castor: pool is full"})


def test_one_step_or_none() -> None:
    assert not plan(Current(), WANTED).changed
    assert plan(Current("castor", ("send", "move")), WANTED).sentences == ["send; move"]
    assert plan(Current(busy=True), WANTED).sentences == ["wait for the move of ssa that is under way"]


def test_the_job_outlives_whoever_started_it() -> None:
    assert job_argv(WANTED, "Linux")[0] == "systemd-run"
    assert job_argv(WANTED, "FreeBSD")[:2] == ["daemon", "-f"]


@pytest.mark.parametrize("params", [{"name": "a b", "to": "pollux"}, {"name": "ssa", "to": "-x"}])
def test_bad_names_are_refused(params: dict[str, str]) -> None:
    with pytest.raises(Refused, match="is not a host name"):
        wanted_of(params)
