# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of failover out of a declaration, its traps, and its dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._ha import proxmox8, proxmox9
from ansible_collections.twin.datacenter.plugins.module_utils._ha.lint import faults
from ansible_collections.twin.datacenter.plugins.module_utils._ha.model import Policy, policy_of
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    parse_declaration,
    to_mapping,
)

Machines = Mapping[str, Mapping[str, Any]]
TWIN = {
    "name": "sio",
    "platform": "proxmox",
    "servers": ["castor", "pollux"],
    "witness": "witness",
    "network": "192.0.2.0/24",
}
AUTO = {"kind": "lxc", "home": "castor", "image": "debian-13", "failover": "auto", "start_stale": True}
IDS = {"ssa": 21, "tap": 22, "epn": 23, "gpu": 24}


def policy(machines: Machines, **twin: Any) -> Policy:
    pair, parsed = parse_declaration(TWIN | twin, machines)
    return policy_of(to_mapping(pair), {name: to_mapping(machine) for name, machine in parsed.items()})


# ---- the model -----------------------------------------------------------------------------------


def test_companies_are_closed_over_those_who_name_only_one_another() -> None:
    machines = {
        "ssa": AUTO | {"together": ["tap"]},
        "tap": AUTO,
        "epn": AUTO | {"together": ["tap"]},
        "gpu": AUTO,
    }
    assert [[machine.name for machine in company] for company in policy(machines).companies] == [
        ["epn", "ssa", "tap"]
    ]


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6))))
def test_companies_are_disjoint_and_hold_every_wish(wishes: set[tuple[int, int]]) -> None:
    names = [f"m{number}" for number in range(7)]
    machines = {
        name: AUTO | {"together": [names[other] for one, other in sorted(wishes) if one == number != other]}
        for number, name in enumerate(names)
    }
    companies = [{machine.name for machine in company} for company in policy(machines).companies]
    assert sum(map(len, companies)) == len(set().union(*companies))
    for one, other in wishes:
        if one != other:
            assert any({names[one], names[other]} <= company for company in companies)


def test_what_is_absent_has_no_policy() -> None:
    assert not policy({"ssa": AUTO | {"state": "absent"}}).machines


@pytest.mark.parametrize("dialect", [proxmox8.dialect, proxmox9.dialect])
@pytest.mark.parametrize("failover", ["auto", "manual"])
def test_the_manager_lets_go_of_what_is_absent(dialect: Any, failover: str) -> None:
    gone = AUTO | {"state": "absent", "failover": failover}
    said = dialect(policy({"ssa": gone, "tap": AUTO, "new": gone}), IDS)
    assert [item for item in said["resources"] if item["state"] == "absent"] == [
        {"sid": "ct:21", "state": "absent"}
    ]
    assert "ct:21" not in str(said["rules"])


# ---- the traps -----------------------------------------------------------------------------------

TRAPS: dict[str, tuple[Machines, Mapping[str, Any], list[str]]] = {
    "no third vote": (
        {"ssa": AUTO},
        {"witness": None},
        ["failover of machine ssa: auto needs a third vote; declare witness of twin, or use manual."],
    ),
    "different homes": (
        {"ssa": AUTO | {"together": ["tap"]}, "tap": AUTO | {"home": "pollux"}},
        {},
        ["together of machine ssa: ssa has home castor and tap has pollux; give them one home."],
    ),
    "a circle of wishes": (
        {
            "epn": AUTO | {"together": ["ssa"]},
            "ssa": AUTO | {"together": ["tap"]},
            "tap": AUTO | {"apart": ["epn"]},
        },
        {},
        ["apart of machine tap: tap has home castor and epn has castor; give them different homes."],
    ),
    "no fencing": (
        {"ssa": AUTO},
        {"platform": "debian"},
        [
            "failover of machine ssa: auto without fencing may run it on both servers at once;"
            " declare fencing of twin, or use manual."
        ],
    ),
    "apart on the last server": (
        {"ssa": AUTO | {"apart": ["tap"]}, "tap": AUTO | {"home": "pollux"}},
        {},
        [
            "apart of machine ssa: when castor dies only the server of tap is left, so ssa is not started"
            " there; use failover manual, or drop apart.",
            "apart of machine tap: when pollux dies only the server of ssa is left, so tap is not started"
            " there; use failover manual, or drop apart.",
        ],
    ),
    "company that stays behind": (
        {"ssa": AUTO | {"together": ["tap"]}, "tap": AUTO | {"failover": "manual"}},
        {},
        [
            "together of machine ssa: it has failover auto and tap has manual, so a dead server would part"
            " them; give them one failover."
        ],
    ),
    "a replica of any age": (
        {"ssa": AUTO | {"start_stale": False}},
        {},
        [
            "start_stale of machine ssa: Proxmox VE starts the replica that is there, however old;"
            " accept that with start_stale: true, or use failover manual."
        ],
    ),
    "faster than replication": (
        {"ssa": AUTO | {"rpo": "30s"}},
        {},
        ["rpo of machine ssa: 30s; Proxmox VE replicates once a minute at most; use 1m or more."],
    ),
    "the place of a device": (
        {"gpu": AUTO | {"devices": ["0000:01:00.0"]}},
        {},
        [
            "devices of machine gpu: 0000:01:00.0 is a place in one server; map the device of both servers"
            " under one name and write that name."
        ],
    ),
    "a device of one server": (
        {"gpu": AUTO | {"failover": "manual", "devices": [{"mapping": "t4"}]}},
        {},
        ["devices of machine gpu: mapping t4 has none of pollux; map one of each server."],
    ),
}


@pytest.mark.parametrize("machines, twin, sentences", TRAPS.values(), ids=TRAPS)
def test_a_trap_is_told_with_the_way_round_it(
    machines: Machines, twin: Mapping[str, Any], sentences: list[str]
) -> None:
    try:
        told = faults(policy(machines, **twin), {"t4": ["castor"]})
    except Refused as error:
        told = error.facts["faults"] if "faults" in error.facts else [str(error)]
    assert told == sentences


@pytest.mark.parametrize(
    "machines, twin",
    [
        ({"ssa": AUTO, "tap": AUTO | {"home": "pollux", "together": []}}, {}),
        ({"ssa": AUTO | {"start_stale": False}}, {"platform": "debian", "fencing": {"ipmi": "yes"}}),
        (
            {
                "ssa": AUTO | {"failover": "manual", "apart": ["tap"]},
                "tap": AUTO | {"failover": "none", "home": "pollux"},
            },
            {},
        ),
        ({"gpu": AUTO | {"devices": ["t4", "/dev/dri"]}}, {}),
        ({"gpu": AUTO | {"failover": "none", "devices": ["0000:01:00.0"]}}, {}),
    ],
)
def test_what_failover_can_do_is_no_trap(machines: Machines, twin: Mapping[str, Any]) -> None:
    assert faults(policy(machines, **twin), {"t4": ["castor", "pollux"]}) == []


def test_what_is_not_known_of_mappings_is_not_told() -> None:
    assert faults(policy({"gpu": AUTO | {"devices": ["t4"]}})) == []


# ---- the dialects --------------------------------------------------------------------------------

PAIR: Machines = {
    "ssa": AUTO | {"together": ["tap"]},
    "tap": AUTO,
    "gpu": AUTO | {"kind": "qemu", "home": "pollux", "state": "stopped"},
    "epn": AUTO | {"failover": "manual"},
    "new": AUTO,
}


def test_version_9_has_a_rule_for_each_home_and_one_for_each_company() -> None:
    assert proxmox9.dialect(policy(PAIR), IDS) == {
        "resources": [
            {"sid": "ct:23", "state": "absent"},
            {
                "sid": "vm:24",
                "state": "stopped",
                "failback": False,
                "max_restart": 1,
                "max_relocate": 1,
                "comment": "machine gpu",
            },
            *(
                {
                    "sid": sid,
                    "state": "started",
                    "failback": False,
                    "max_restart": 1,
                    "max_relocate": 1,
                    "comment": f"machine {name}",
                }
                for sid, name in (("ct:21", "ssa"), ("ct:22", "tap"))
            ),
        ],
        "rules": [
            {"name": "ha-group-twin-home-castor", "state": "absent"},
            {"name": "ha-group-twin-home-pollux", "state": "absent"},
            {
                "name": "twin-home-castor",
                "type": "node-affinity",
                "nodes": ["castor"],
                "resources": ["ct:21", "ct:22"],
            },
            {
                "name": "twin-home-pollux",
                "type": "node-affinity",
                "nodes": ["pollux"],
                "resources": ["vm:24"],
            },
            {
                "name": "twin-together-ssa",
                "type": "resource-affinity",
                "affinity": "positive",
                "resources": ["ct:21", "ct:22"],
            },
        ],
    }


def test_version_8_says_the_same_with_groups() -> None:
    said = proxmox8.dialect(policy(PAIR), IDS)
    assert said["rules"] == [
        {
            "name": "twin-home-castor",
            "type": "group",
            "nodes": ["castor:2", "pollux:1"],
            "strict": True,
            "nofailback": True,
        },
        {
            "name": "twin-home-pollux",
            "type": "group",
            "nodes": ["pollux:2", "castor:1"],
            "strict": True,
            "nofailback": True,
        },
    ]
    assert {resource["sid"]: resource.get("group") for resource in said["resources"]} == {
        "ct:21": "twin-home-castor",
        "ct:22": "twin-home-castor",
        "ct:23": None,
        "vm:24": "twin-home-pollux",
    }
    # Relocated alone after failed starts, one would leave its company.
    assert {resource["sid"]: resource.get("max_relocate") for resource in said["resources"]} == {
        "ct:21": 0,
        "ct:22": 0,
        "ct:23": None,
        "vm:24": 1,
    }
