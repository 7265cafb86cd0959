# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mappings, looked for on both servers or written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    Refused,
    Unreachable,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.modules.pve_mapping import SUBJECT
from tests.doubles.pve_host import DoubleHost
from tests.laws.cases_pve_mapping import device, servers

FOUND = {"name": "t4", "discover": {"id": "10de:1eb8"}}
LINES = [
    "node=castor,path=0000:01:00.0,id=10de:1eb8,subsystem-id=10de:12a2,iommugroup=14",
    "node=pollux,path=0000:41:00.0,id=10de:1eb8,subsystem-id=10de:12a2,iommugroup=60",
]


def run(host: DoubleHost, *items: Mapping[str, Any], check: bool = False) -> Outcome:
    filled = [{"type": "pci", "state": "present", **item} for item in items]
    params = {"mappings": filled, "purge": False, "scope": None}
    return reconcile(SUBJECT, params, host.reader(), None if check else host)


def test_what_is_found_is_what_the_nodes_expect() -> None:
    host = servers()
    run(host, FOUND)
    assert host.world.file("mapping/pci")["t4"]["map"] == LINES
    for node in ("castor", "pollux"):
        told = {each["id"]: each["checks"] for each in host.get("cluster/mapping/pci", {"check-node": node})}
        assert told["t4"] == []


@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_address_that_yaml_has_made_a_number_is_refused(state: str) -> None:
    host = servers()
    line = {"node": "castor", "path": yaml.safe_load("0000:01:00.0"), "id": "10de:1eb8"}
    with pytest.raises(Refused) as caught:
        run(host, {"name": "t4", "map": [line], "state": state})
    assert str(caught.value) == (
        "path in map of pci mapping t4: YAML has made the number 60.0 of it; quote it, '0000:01:00.0'."
    )
    assert host.api.log == []


def test_a_card_that_was_put_elsewhere_is_followed() -> None:
    host = servers()
    run(host, FOUND)
    host.world.nodes["pollux"].pci = [device("0000:42:00.0", "0x10de", "0x1eb8", 61)]
    (step,) = run(host, FOUND, check=True).plan.steps
    assert step.sentence.startswith("change pci mapping t4: set map from node=castor")
    run(host, FOUND)
    assert "path=0000:42:00.0" in host.world.file("mapping/pci")["t4"]["map"][1]


def test_a_no_op_costs_a_request_for_each_thing_that_is_looked_at() -> None:
    host = servers()
    run(host, FOUND)
    host.counts.clear()
    again = DoubleHost(host.world)
    run(again, FOUND)
    assert [path for _method, path, _params in again.api.log] == [
        "/cluster/mapping/pci",
        "/nodes",
        "/nodes/castor/hardware/pci",
        "/nodes/pollux/hardware/pci",
    ]


def test_servers_that_differ_are_told_and_nothing_is_made() -> None:
    host = servers()
    host.world.nodes["pollux"].pci.append(device("0000:42:00.0", "0x10de", "0x1eb8", 61))
    with pytest.raises(Refused) as caught:
        run(host, {"name": "key", "type": "usb", "map": ["node=castor,id=0529:0003"]}, FOUND)
    assert "the nodes have different numbers of 10de:1eb8 (castor 1, pollux 2)" in str(caught.value)
    assert host.changes == []


def test_a_server_that_is_down_is_not_taken_for_one_without_cards() -> None:
    host = servers()
    host.world.nodes["pollux"].online = False
    host.world.qdevice = {"online": True}
    with pytest.raises(Unreachable):
        run(host, FOUND)


@pytest.mark.parametrize(
    "item, sentence",
    [
        ({**FOUND, "map": ["x"]}, "pci mapping t4: map and discover exclude each other"),
        ({**FOUND, "type": "usb"}, "usb mapping t4: a usb mapping has no discover"),
        ({"name": "t4", "type": "dir", "mdev": True}, "dir mapping t4: a dir mapping has no mdev"),
        ({"name": "t4", "discover": {"id": "T4"}}, "id in discover of pci mapping t4: 'T4'"),
        ({"name": "t4", "map": ["node=castor,id=10de:1eb8"]}, "map of pci mapping t4: path is missing"),
        (
            {"name": "t4", "map": ["node=castor,place=1"]},
            "map of pci mapping t4: there is no key 'place' in it",
        ),
        ({"name": "t 4", "map": LINES}, "name of pci mapping t 4: 't 4' is not valid"),
    ],
)
def test_bad_input_is_told_before_anything_is_asked(item: Mapping[str, Any], sentence: str) -> None:
    host = servers()
    with pytest.raises(Refused) as caught:
        run(host, item)
    assert sentence in str(caught.value)
    assert host.api.log == []


def test_a_new_mapping_needs_lines() -> None:
    with pytest.raises(Refused, match="pci mapping t4 is not there and cannot be made, for map is missing"):
        run(servers(), {"name": "t4", "description": "the card of both"})
