# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double answers as Proxmox VE did, and does so by rules rather than by memory of the recordings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.pve import fidelity

# Names that the recordings use, and others in their place.
RENAMED = {
    "pve1": "node7", "pve2": "alpha", "pve3": "omega", "labcluster": "elsewhere",
    "bt": "fast", "d2": "slow9", "alice": "robin", "bob": "erin",
    "100": "4100", "101": "4101", "102": "4102", "200": "7200", "201": "7201", "202": "7202", "300": "9300",
}  # fmt: skip
NAME = re.compile(rf"(?:(?<=%3A)|(?<=%2F)|(?<![A-Za-z0-9]))({'|'.join(RENAMED)})(?![A-Za-z0-9])")


def renamed(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {renamed(name): renamed(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [renamed(each) for each in value]
    if isinstance(value, str):
        return NAME.sub(lambda found: RENAMED[found[0]], value)
    if key in ("vmid", "newid", "guest"):
        return int(RENAMED.get(str(value), value))
    return value


def unlike(results: list[fidelity.Result]) -> set[tuple[str, int]]:
    return {(result.file, result.line) for result in results if result.differences}


@pytest.fixture(scope="module")
def results() -> list[fidelity.Result]:
    return fidelity.run(fidelity.RECORDINGS)


def test_answers_as_was_recorded(results: list[fidelity.Result]) -> None:
    assert len(results) > 1000
    assert fidelity.agreement(results) >= 97


def test_pvesh_prints_as_was_recorded() -> None:
    assert fidelity.agreement(fidelity.run_commands(fidelity.RECORDINGS)) >= 95


def test_knows_none_of_the_names_that_were_recorded(results: list[fidelity.Result], tmp_path: Path) -> None:
    for recording in fidelity.RECORDINGS.glob("*.jsonl"):
        lines = [json.dumps(renamed(json.loads(line))) + "\n" for line in recording.read_text().splitlines()]
        tmp_path.joinpath(recording.name).write_text("".join(lines))
    others = fidelity.run(tmp_path)
    assert str(others[-1].exchange).count("node7") > 0
    assert unlike(others) == unlike(results)


def recorded(**changes: Any) -> dict[str, Any]:
    """An exchange as the harness reads it, altered."""
    exchange = {
        "request": {"method": "GET", "path": "/api2/json/nodes/n/lxc/100/config", "params": None},
        "status": 500,
        "reason": "Configuration file 'nodes/n/lxc/100.conf' does not exist",
        "body": {
            "data": None,
            "message": "Configuration file 'nodes/n/lxc/100.conf' does not exist\n",
        },
    }
    return exchange | changes


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, []),
        ({"status": 501}, ["status"]),
        ({"reason": "OK"}, ["reason"]),
        (
            {"body": recorded()["body"] | {"errors": {"vmid": "no such thing"}}},
            ["body.errors"],
        ),
        ({"body": recorded()["body"] | {"data": []}}, ["body.data"]),
    ],
)
def test_every_part_of_an_answer_counts(changes: dict[str, Any], where: list[str]) -> None:
    assert [each.where for each in fidelity.replay(recorded(**changes))] == where


@pytest.mark.parametrize(
    ("theirs", "ours", "found"),
    [
        ({"hostname": "a"}, {"hostname": "b"}, True),
        ({"hostname": "a"}, {"hostname": "a", "more": 1}, True),
        ({"hostname": "a", "more": 1}, {"hostname": "a"}, True),
        ({"cores": 1}, {"cores": "1"}, True),
        ({"uptime": 5}, {"uptime": 9}, False),
        ({"uptime": 5}, {"uptime": "9"}, True),
        ([{"vmid": 1}, {"vmid": 2}], [{"vmid": 2}, {"vmid": 1}], False),
        ([{"vmid": 1}, {"vmid": 2}], [{"vmid": 1}], True),
    ],
)
def test_what_is_of_the_moment_is_compared_by_its_type(theirs: Any, ours: Any, found: bool) -> None:
    assert bool(list(fidelity.compare(theirs, ours, "body", ""))) is found
