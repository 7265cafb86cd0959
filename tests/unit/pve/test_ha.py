# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HA resources and rules: bad input, conflicts, what the manager does with what was declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.filter.proxmox_ha import proxmox_ha
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    NotConverged,
    Refused,
    TwinError,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, Subject, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._pve.errors import Changed
from ansible_collections.twin.datacenter.plugins.modules import pve_ha_resource, pve_ha_rule
from tests.doubles.pve.world import Guest
from tests.doubles.pve_host import DoubleHost
from tests.laws.cases_pve_ha import cluster, managed

RESOURCE, RULE = pve_ha_resource.SUBJECT, pve_ha_rule.SUBJECT
NODE_RULE = {"name": "home", "type": "node-affinity", "nodes": ["castor"], "resources": ["ct:100"]}


def run(
    host: DoubleHost, subject: Subject[Any, Any], *items: Mapping[str, Any], check: bool = False, **more: Any
) -> Outcome:
    key = "resources" if subject is RESOURCE else "rules"
    defaults = {} if subject is RESOURCE else {"type": "node-affinity", "state": "present"}
    params = {key: [{**defaults, **item} for item in items], "purge": False, "scope": None, **more}
    return reconcile(subject, params, host.reader(), None if check else host)


# ---- bad input, before anything is asked ---------------------------------------------------------


@pytest.mark.parametrize(
    "item, sentence",
    [
        (
            {"name": "x", "type": "resource-affinity", "nodes": ["castor"]},
            "HA rule x: resource-affinity has no nodes",
        ),
        ({"name": "x", "type": "group", "resources": ["ct:100"]}, "HA group x: group has no resources"),
        ({"name": "x", "resources": ["100"]}, "resources of HA rule x: '100' names no guest"),
        (
            {"name": "x", "resources": []},
            "resources of HA rule x: there are none; name some, or use state absent",
        ),
        ({"name": "4x", "nodes": ["castor"]}, "name of HA rule 4x: '4x' is not valid"),
    ],
)
def test_bad_input_is_told_before_anything_is_asked(item: Mapping[str, Any], sentence: str) -> None:
    host = cluster()
    with pytest.raises(Refused) as caught:
        run(host, RULE, item)
    assert sentence in str(caught.value)
    assert host.api.log == []


@pytest.mark.parametrize(
    "item, key",
    [
        ({"name": "x", "nodes": ["castor"]}, "resources"),
        ({"name": "x", "resources": ["ct:100"]}, "nodes"),
        ({"name": "x", "type": "resource-affinity", "resources": ["ct:100", "ct:101"]}, "affinity"),
        ({"name": "x", "type": "group"}, "nodes"),
    ],
)
def test_what_a_new_rule_lacks_is_told_before_anything_is_changed(item: Mapping[str, Any], key: str) -> None:
    host = managed()
    host.world.file("ha/groups").update({"old": {"nodes": "castor"}} if item.get("type") == "group" else {})
    with pytest.raises(Refused, match=f"x is not there and cannot be made, for {key} is missing; give it"):
        run(host, RULE, item)
    assert host.changes == []


# ---- drift, and others who work on it ------------------------------------------------------------


def test_drift_is_seen_and_repaired() -> None:
    host = managed()
    run(host, RULE, {"name": "lab-old", "state": "absent"})
    wanted = {"name": "home-castor", "nodes": ["castor"], "resources": ["ct:100", "ct:101"]}
    host.world.file("ha/rules")["home-castor"] |= {"nodes": "pollux", "disable": 1}
    outcome = run(host, RULE, {**wanted, "disable": False})
    assert outcome.plan.before == {"HA rule home-castor": {"disable": True, "nodes": ["pollux"]}}
    assert not run(host, RULE, {**wanted, "disable": False}).plan.changed


def test_what_somebody_else_changed_is_not_overwritten() -> None:
    host = managed()
    params = {"resources": [{"sid": "ct:100", "state": "stopped"}], "purge": False, "scope": None}
    wanted = RESOURCE.wanted(params)
    (step,) = RESOURCE.plan(RESOURCE.read(host, wanted), wanted).steps
    host.world.file("ha/resources")["ct:100"]["comment"] = "mine"
    with pytest.raises(Changed, match="somebody changed it"):
        RESOURCE.apply(host, step)
    assert host.world.file("ha/resources")["ct:100"]["state"] == "enabled"


def test_what_a_rule_says_no_to_is_as_good_as_not_said_but_for_disable() -> None:
    """PVE keeps either; ``disable`` counts as soon as it stands there (PVE::HA::Rules)."""
    host = managed()
    run(host, RULE, {"name": "lab-old", "state": "absent"})
    host.world.file("ha/rules")["home-castor"] |= {"strict": 0}
    host.world.file("ha/rules")["home-pollux"] |= {"disable": 0}
    assert not run(host, RULE, {"name": "home-castor", "strict": False}).plan.changed
    assert not run(host, RULE, {"name": "home-pollux", "disable": True}).plan.changed
    assert run(host, RULE, {"name": "home-pollux", "disable": False}).plan.sentences == [
        "change HA rule home-pollux: unset disable"
    ]


def test_a_rule_that_the_manager_ignores_is_a_blocker() -> None:
    host = managed()
    rules = host.world.file("ha/rules")
    rules["other"] = {"type": "node-affinity", "nodes": "pollux", "resources": "ct:100"}
    with pytest.raises(Refused, match="the manager ignores it .*'ct:100' is already used in another"):
        run(host, RULE, {"name": "home-castor", "nodes": ["castor"]}, check=True)


def test_a_rule_that_would_be_ignored_is_refused_in_words() -> None:
    rules = {"name": "apart", "type": "resource-affinity", "affinity": "negative", "resources": ["ct:100"]}
    host = managed()
    with pytest.raises(TwinError, match="less than two resources"):
        run(host, RULE, rules)


def test_guests_change_places_though_each_rule_is_judged_by_itself() -> None:
    host = managed()
    items = [
        {"name": "lab-old", "state": "absent"},
        {"name": "home-castor", "resources": ["vm:200"]},
        {"name": "home-pollux", "resources": ["ct:100", "ct:101"], "disable": False},
    ]
    assert run(host, RULE, *items).plan.sentences == [
        "remove HA rule lab-old",
        "change HA rule home-castor: set resources from ct:100, ct:101 to vm:200",
        "change HA rule home-pollux: set resources from vm:200 to ct:100, ct:101, unset disable",
    ]
    # Enabled, both have what the other is to get, so one of them makes way.
    items[1], items[2] = (
        {**items[1], "resources": ["ct:100", "ct:101"]},
        {**items[2], "resources": ["vm:200"]},
    )
    assert run(host, RULE, *items).plan.sentences == [
        "remove HA rule home-castor, for it exchanges guests with another rule",
        "change HA rule home-pollux: set resources from ct:100, ct:101 to vm:200",
        "create HA rule home-castor with type node-affinity, nodes castor, resources ct:100, ct:101",
    ]
    assert not run(host, RULE, *items).plan.changed


# ---- what becomes of a declaration ---------------------------------------------------------------

TWIN = {
    "name": "sio",
    "platform": "proxmox",
    "servers": ["castor", "pollux"],
    "witness": "witness",
    "network": "192.0.2.0/24",
}
AUTO = {"kind": "lxc", "image": "debian-13", "home": "castor", "failover": "auto", "start_stale": True}
MACHINES = {
    "ssa": {**AUTO, "together": ["tap"]},
    "tap": AUTO,
    "epn": {**AUTO, "failover": "manual"},
    "vm": {**AUTO, "kind": "qemu", "home": "pollux"},
}
IDS = {"ssa": 100, "tap": 101, "epn": 102, "vm": 200}


def pair(release: str) -> DoubleHost:
    host = DoubleHost()
    host.world.release = release
    host.world.qdevice = {"online": True}
    for name, vmid in IDS.items():
        kind = "qemu" if MACHINES[name]["kind"] == "qemu" else "lxc"
        host.world.guests[vmid] = Guest(vmid, kind, str(MACHINES[name]["home"]), status="running")  # type: ignore[arg-type]
    return host


def live(host: DoubleHost, seconds: float) -> dict[str, str]:
    """Lets time pass; where each machine runs then."""
    host.clock.advance(seconds)
    host.get("cluster/ha/status/current")
    return {name: host.world.guests[vmid].node for name, vmid in IDS.items()}


def test_as_declared_machines_fail_over_and_stay_where_they_landed() -> None:
    host = pair("9.2")
    said = proxmox_ha(TWIN, MACHINES, IDS, release="9.2.11")
    run(host, RESOURCE, *said["resources"])
    run(host, RULE, *said["rules"], purge=True, scope="twin-*")
    assert not run(host, RULE, *said["rules"], purge=True, scope="twin-*").plan.changed
    home = {"ssa": "castor", "tap": "castor", "epn": "castor", "vm": "pollux"}
    assert live(host, 60) == home
    host.world.nodes["castor"].online = False
    host.world.local = "pollux"
    fled = home | {"ssa": "pollux", "tap": "pollux"}
    assert live(host, 300) == fled
    host.world.nodes["castor"].online = True
    assert live(host, 300) == fled
    # A planned move takes the companion along, and nothing undoes it.
    host.post("cluster/ha/resources/ct:100/migrate", {"node": "castor"})
    assert live(host, 300) == home
    assert {host.world.guests[vmid].status for vmid in (100, 101, 200)} == {"running"}


def test_what_is_no_longer_declared_is_no_longer_looked_after() -> None:
    host = pair("9.2")
    said = proxmox_ha(TWIN, MACHINES, IDS, release="9.2.11")
    run(host, RESOURCE, *said["resources"])
    run(host, RULE, *said["rules"], purge=True, scope="twin-*")
    manual = {name: {**machine, "failover": "manual"} for name, machine in MACHINES.items()}
    said = proxmox_ha(TWIN, manual, IDS, release="9.2.11")
    run(host, RESOURCE, *said["resources"])
    run(host, RULE, *said["rules"], purge=True, scope="twin-*")
    assert not host.world.file("ha/resources") and not host.world.file("ha/rules")


def test_groups_of_version_8_are_there_before_and_after_the_guests_in_them() -> None:
    host = pair("8.4")
    said = proxmox_ha(TWIN, MACHINES, IDS, release="8.4")
    run(host, RULE, *said["rules"], purge=True, scope="twin-*")
    run(host, RESOURCE, *said["resources"])
    manual = {name: {**machine, "failover": "manual"} for name, machine in MACHINES.items()}
    said = proxmox_ha(TWIN, manual, IDS, release="8.4")
    run(host, RULE, *said["rules"], purge=True, scope="twin-*")
    run(host, RESOURCE, *said["resources"])
    assert not host.world.file("ha/resources")


@pytest.mark.parametrize("release", ["v9", "pve-manager/9.2"])
def test_a_release_that_is_none(release: str) -> None:
    with pytest.raises(Refused, match="is no release of Proxmox VE"):
        proxmox_ha(TWIN, MACHINES, IDS, release=release)


def test_traps_are_told_at_once() -> None:
    trap = {**MACHINES, "tap": {**AUTO, "failover": "none"}, "vm": {**MACHINES["vm"], "start_stale": False}}
    with pytest.raises(Refused) as caught:
        proxmox_ha(TWIN, trap, IDS, release="9.2.11")
    assert len(caught.value.facts["faults"]) == 2


def test_a_step_that_was_not_done_is_found_out() -> None:
    """Law of every module: what PVE takes and forgets is told."""
    host = managed()
    host.put = lambda path, params=None: None  # type: ignore[method-assign]
    with pytest.raises(NotConverged, match="max_restart"):
        run(host, RESOURCE, {"sid": "ct:100", "max_restart": 5})


def test_version_8_says_it_with_groups_and_after_the_upgrade_rules_take_their_place() -> None:
    host = pair("8.4")
    said = proxmox_ha(TWIN, MACHINES, IDS, release="8.4.1")
    run(host, RULE, *said["rules"], purge=True, scope="twin-*")
    run(host, RESOURCE, *said["resources"])
    assert not run(host, RULE, *said["rules"], purge=True, scope="twin-*").plan.changed
    home = live(host, 60)
    host.world.nodes["castor"].online = False
    host.world.local = "pollux"
    fled = live(host, 300)
    assert fled == home | {"ssa": "pollux", "tap": "pollux"}
    host.world.nodes["castor"].online = True
    assert live(host, 300) == fled
    # Version 9 makes rules of the groups by itself; ours take the place of those.
    host.world.release = "9.2"
    live(host, 120)
    said = proxmox_ha(TWIN, MACHINES, IDS, release="9.2.11")
    run(host, RESOURCE, *said["resources"])
    run(host, RULE, *said["rules"], purge=True, scope="twin-*")
    assert list(host.world.file("ha/rules")) == ["twin-home-castor", "twin-home-pollux", "twin-together-ssa"]
    assert live(host, 300) == fled
