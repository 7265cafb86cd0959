# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture of the pair's machines."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._machine.view import one_picture

SERVERS = ("castor", "pollux")


def seen(server: str | None, state: str | None = None) -> dict[str, Any]:
    return {"server": server, "state": state}


def short(picture: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {key: record[key] for key in ("server", "state")} for name, record in picture.items()}


def told(name: str, owner: str | None, epoch: int | None, state: str = "stopped") -> dict[str, Any]:
    return {"name": name, "owner": owner, "epoch": epoch, "state": state}


def test_the_owner_knows_best() -> None:
    answers = {"castor": [told("ssa", "castor", 3, "running")], "pollux": [told("ssa", "castor", 3)]}
    assert short(one_picture(answers)) == {"ssa": seen("castor", "running")}


def test_the_higher_epoch_wins() -> None:
    answers = {"castor": [told("ssa", "castor", 3)], "pollux": [told("ssa", "pollux", 4, "running")]}
    assert short(one_picture(answers)) == {"ssa": seen("pollux", "running")}


def test_a_machine_handed_over_and_not_yet_taken() -> None:
    answers = {"castor": [told("ssa", "pollux", 4)], "pollux": [told("ssa", None, None)]}
    assert short(one_picture(answers)) == {"ssa": seen("pollux", "unknown")}


def test_a_replica_of_a_silent_owner() -> None:
    for owner in ("castor", None):
        answers = {"castor": None, "pollux": [told("ssa", owner, 3 if owner else None)]}
        assert short(one_picture(answers)) == {"ssa": seen("castor", "unknown")}


def test_a_machine_that_nobody_owns_is_where_it_lies() -> None:
    assert short(one_picture({"castor": [], "pollux": [told("ssa", None, None)]})) == {
        "ssa": seen("pollux", "stopped")
    }


records = st.builds(
    told,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([None, *SERVERS]),
    st.none() | st.integers(1, 5),
    st.sampled_from(["running", "stopped"]),
)
answers = st.fixed_dictionaries(
    {server: st.none() | st.lists(records, unique_by=lambda record: record["name"]) for server in SERVERS}
)


@given(answers)
def test_every_machine_once_on_a_server_of_the_pair(answers: dict[str, Any]) -> None:
    names = {record["name"] for machines in answers.values() for record in machines or ()}
    picture = one_picture(answers)
    assert list(picture) == sorted(names)
    assert {record["server"] for record in picture.values()} <= set(SERVERS)


@given(answers)
def test_a_state_is_told_by_the_server_itself(answers: dict[str, Any]) -> None:
    for name, record in one_picture(answers).items():
        mine = [each["state"] for each in answers[record["server"]] or () if each["name"] == name]
        assert record["state"] in (mine or ["unknown"]) or record["state"] == "unknown"
