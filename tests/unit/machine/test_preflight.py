# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a move: each blocker by itself, and all of them at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import parse_machine
from ansible_collections.twin.datacenter.plugins.module_utils._machine.preflight import (
    Prospect,
    blockers,
    prospect_data,
    prospect_of,
)

MACHINE = parse_machine(
    "ssa",
    {"kind": "lxc", "home": "castor", "image": "debian-13", "memory": "1G", "addresses": ["192.0.2.21/24"]},
)
G = 1024**3
SOURCE = Prospect("castor", "23", frozenset({"lz4"}), 9 * G, 8 * G, images={"debian-13": "7"})
TARGET = replace(SOURCE, server="pollux")


def test_nothing_stands_against_it() -> None:
    assert blockers(MACHINE, SOURCE, TARGET, G) == []
    assert blockers(MACHINE, SOURCE, replace(TARGET, promised=7 * G), G) == []


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (replace(TARGET, free=G), "pool of pollux has 1G free, up to 1G would be sent"),
        (replace(TARGET, promised=7 * G + 1), "memory of pollux is 8G, its machines have 7G of it"),
        (replace(TARGET, images={}), "image debian-13 is missing on pollux"),
        (
            replace(TARGET, images={"debian-13": "8"}),
            "another one than that of castor (GUID 8 instead of 7)",
        ),
        (replace(TARGET, foreign="a container"), "its name is taken on pollux by a container"),
        (replace(TARGET, addresses={"192.0.2.21": "machine tap"}), "192.0.2.21 is in use by machine tap"),
        (replace(TARGET, pool="28"), "pool of castor has version 23, that of pollux 28"),
        (replace(TARGET, features=frozenset()), "pool of pollux lacks the features lz4"),
        (replace(TARGET, lacking=("pollux: LXC is not installed",)), "pollux: LXC is not installed"),
    ],
)
def test_each_blocker(target: Prospect, reason: str) -> None:
    (found,) = blockers(MACHINE, SOURCE, target, G)
    assert reason in found


def test_all_of_them_at_once() -> None:
    target = Prospect("pollux", "28", foreign="a dataset", addresses={"192.0.2.21": "server pollux"})
    assert len(blockers(MACHINE, SOURCE, target, G, ["a stream cannot be made"])) == 8


def test_a_machine_without_a_limit_of_memory_fits_everywhere() -> None:
    machine = replace(MACHINE, memory=None)
    assert blockers(machine, SOURCE, replace(TARGET, memory=0), G) == []


@pytest.mark.parametrize("prospect", [SOURCE, replace(TARGET, lacking=("x",), addresses={"a": "b"})])
def test_a_prospect_travels_whole(prospect: Prospect) -> None:
    assert prospect_of(prospect_data(prospect)) == prospect
