# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the declaration to the options of modules."""

from __future__ import annotations

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.arguments import (
    containers_of,
    data_folders,
    datasets_of,
    machines_here,
    timers_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    Machine,
    Pair,
    Peer,
    from_property,
)

PAIR = Pair("lab", "debian", "castor", "tank", "br0", Peer("pollux", ("10.1.0.2",)))
SSA = Machine(
    "ssa",
    "lxc",
    "castor",
    "debian-13",
    disk=2**33,
    addresses=("192.0.2.21/24",),
    check={"http": "/"},
    rpo=900,
)
TAP = Machine("tap", "lxc", "pollux", "debian-13", rpo=1)
MACHINES = {"ssa": SSA, "tap": TAP}


def record(name: str, owner: str, epoch: int = 1) -> dict[str, object]:
    return {"name": name, "owner": owner, "epoch": epoch, "state": "running"}


def here(server: str, **answers: object) -> list[str]:
    return [machine.name for machine in machines_here(MACHINES, server, answers)]  # type: ignore[arg-type]


def test_a_new_machine_is_made_at_home() -> None:
    assert here("castor", castor=[], pollux=[]) == ["ssa"]
    assert here("pollux", castor=[], pollux=[]) == ["tap"]


def test_a_machine_that_moved_is_looked_after_where_it_is() -> None:
    castor, pollux = [record("ssa", "pollux", 2)], [record("ssa", "pollux", 2)]
    assert here("castor", castor=castor, pollux=pollux) == []
    assert here("pollux", castor=castor, pollux=pollux) == ["ssa", "tap"]


def test_nothing_is_made_while_the_other_server_may_have_it() -> None:
    with pytest.raises(Refused, match="machine ssa cannot be made on castor: pollux does not answer"):
        here("castor", castor=[], pollux=None)


def test_what_is_owned_is_looked_after_while_the_other_server_is_silent() -> None:
    assert here("castor", castor=[record("ssa", "castor")], pollux=None) == ["ssa"]


def test_undeclared_machines_are_left_alone() -> None:
    assert here("castor", castor=[record("old", "castor"), record("ssa", "castor")], pollux=[]) == ["ssa"]


def test_the_datasets_of_a_machine() -> None:
    top, root, data = datasets_of(SSA, PAIR)
    assert top["name"] == "tank/machines/ssa"
    assert top["initial"] == {"twin:owner": "castor 1"}
    assert from_property("ssa", top["properties"]["twin:machine"]) == SSA
    assert root["origin"] == "tank/images/debian-13@base"
    assert root["properties"] == data["properties"] == {"refquota": "8G"}


def test_a_container_need_not_serve_before_its_service_is_there() -> None:
    (container,) = containers_of([SSA], PAIR)
    assert container["check"] is None
    assert container["name"] == "ssa"


def test_the_data_folder_is_given_away_until_the_machine_is_defined() -> None:
    (folder,) = data_folders([SSA], PAIR, [])
    assert (folder["path"], folder["owner"]) == ("/tank/machines/ssa/data", "100000")
    assert data_folders([SSA], PAIR, ["ssa"]) == []


def test_a_replica_is_made_twice_within_the_rpo() -> None:
    arguments = timers_of([SSA, TAP])
    assert [file["content"] for file in arguments["files"]] == [
        "[Timer]\nOnUnitInactiveSec=450s\n",
        "[Timer]\nOnUnitInactiveSec=1s\n",
    ]
    assert [unit["name"] for unit in arguments["units"]] == [
        "twin-replicate@ssa.timer",
        "twin-replicate@tap.timer",
    ]
