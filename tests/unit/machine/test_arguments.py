# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the declaration to the options of modules."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.arguments import (
    data_folders,
    datasets_beside,
    datasets_of,
    evacuated,
    items_of,
    machines_here,
    migration_report,
    migration_target,
    removals_of,
    replicas_of,
    timers_of,
    upgrades_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    Machine,
    Pair,
    Peer,
    Twin,
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


GONE = {"ssa": replace(SSA, state="absent"), "tap": TAP}
BOTH = ("castor", "pollux")


def test_an_absent_machine_is_not_made() -> None:
    assert machines_here(GONE, "castor", {"castor": [], "pollux": None}) == []
    assert machines_here(GONE, "castor", {"castor": [record("ssa", "castor")], "pollux": []}) == []


def removals(server: str, playing: tuple[str, ...] = BOTH, **answers: object) -> dict[str, list[str]]:
    return removals_of(GONE.values(), server, answers, playing)  # type: ignore[arg-type]


def test_a_machine_goes_from_its_owner_before_its_replica() -> None:
    answers = {"castor": [record("ssa", "pollux", 2)], "pollux": [record("ssa", "pollux", 2)]}
    assert removals("pollux", **answers) == {"owned": ["ssa"], "copies": []}
    assert removals("castor", **answers) == {"owned": [], "copies": ["ssa"]}


def test_what_is_gone_asks_for_nobody() -> None:
    assert removals("castor", ("castor",), castor=[], pollux=None) == {"owned": [], "copies": ["ssa"]}


@pytest.mark.parametrize("there", [None, [], [record("ssa", "castor")]])
def test_a_machine_goes_from_both_servers_or_from_none(there: object) -> None:
    with pytest.raises(Refused, match="machine ssa cannot be removed: this run is without pollux"):
        removals("castor", ("castor",), castor=[record("ssa", "castor")], pollux=there)


@pytest.mark.parametrize(("root", "due"), [("debian-13", []), ("debian-12", ["ssa"]), (None, ["ssa"])])
def test_a_machine_of_another_image_is_upgraded_where_it_lives(root: str | None, due: list[str]) -> None:
    mine, replica = (
        {**record("ssa", "castor"), "root_image": root},
        {**record("ssa", "castor"), "root_image": "older"},
    )
    answers = {"castor": [mine], "pollux": [replica]}
    assert upgrades_of(machines_here(MACHINES, "castor", answers), answers) == due
    assert upgrades_of(machines_here(MACHINES, "pollux", answers), answers) == []


def test_an_upgrade_leaves_the_data_to_others() -> None:
    assert [item["name"] for item in datasets_beside(SSA, PAIR)] == ["tank/machines/ssa/data"]


def test_the_timer_of_an_absent_machine_goes() -> None:
    arguments = timers_of(GONE.values(), "debian")
    assert [unit["name"] for unit in arguments["units"]] == ["twin-replicate@tap.timer"]
    assert arguments["gone"] == [{"name": "twin-replicate@ssa.timer", "enabled": False, "active": False}]
    assert arguments["files"][0] == {
        "path": "/etc/systemd/system/twin-replicate@ssa.timer.d/rpo.conf",
        "state": "absent",
    }
    assert [item["name"] for item in replicas_of(GONE.values(), "castor")] == ["tap"]


def test_a_machine_of_freebsd_is_a_jail_that_boots_where_it_belongs() -> None:
    web = Machine("web", "jail", "castor", "freebsd-14.3", memory=2**30, addresses=("192.0.2.22/24",))
    pair = Pair("lab", "freebsd", "castor", "tank", "br0", Peer("pollux", ("10.1.0.2",)))
    items = items_of([web], pair)
    (jail,) = items["jails"]
    assert items["containers"] == data_folders([web], pair, []) == []
    assert (jail["name"], jail["state"], jail["boot"], jail["check"]) == ("web", "started", True, None)
    assert jail["path"] == "/tank/machines/web/root"
    assert jail["limits"] == {"memoryuse": 2**30}
    assert jail["parameters"]["exec.prepare"] == ["/usr/local/sbin/twin guard web"]


def test_cron_replicates_on_freebsd() -> None:
    arguments = timers_of([SSA, *GONE.values()], "freebsd")
    path = "PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin\n"
    line = path + "@450 root /usr/local/sbin/twin replicate ssa 2>&1 | logger -t twin-replicate\n"
    assert arguments["files"][:2] == [
        {"path": "/etc/cron.d/twin-replicate-ssa", "content": line},
        {"path": "/etc/cron.d/twin-replicate-ssa", "state": "absent"},
    ]
    assert arguments["units"] == arguments["gone"] == []


def test_the_datasets_of_a_machine() -> None:
    top, root, data = datasets_of(SSA, PAIR)
    assert top["name"] == "tank/machines/ssa"
    assert top["initial"] == {"twin:owner": "castor 1"}
    assert from_property("ssa", top["properties"]["twin:machine"]) == SSA
    assert root["origin"] == "tank/images/debian-13@base"
    assert root["properties"] == data["properties"] == {"refquota": "8G"}


def test_a_thick_jail_has_a_root_of_its_own() -> None:
    web = Machine("web", "jail", "castor", "freebsd-14.3", options={"thick": True, "allow.raw_sockets": True})
    pair = replace(PAIR, platform="freebsd")
    _top, root, _data = datasets_of(web, pair)
    assert root["copy_of"] == "tank/images/freebsd-14.3@base"
    assert "origin" not in root
    (jail,) = items_of([web], pair)["jails"]
    assert jail["parameters"]["allow.raw_sockets"] is True
    assert "thick" not in jail["parameters"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("lxc", "control groups do not see the disk of a machine on ZFS"),
        ("jail", "rctl(8) has no such resource"),
    ],
)
def test_an_accepted_limit_that_a_kind_has_not_is_handed_on(kind: str, reason: str) -> None:
    machine = Machine("web", kind, "castor", "tiny", limits={"io": 5, "processes": 9})
    items = items_of([machine], replace(PAIR, unenforced=("io",)))
    (item,) = [*items["containers"], *items["jails"]]
    assert item["omitted"] == {"io": reason}
    with pytest.raises(Refused, match=re.escape(f"limit io of machine web: {reason}")):
        items_of([machine], PAIR)


def test_a_container_need_not_serve_before_its_service_is_there() -> None:
    items = items_of([SSA], PAIR)
    (container,) = items["containers"]
    assert items["jails"] == []
    assert container["check"] is None
    assert container["name"] == "ssa"


def test_the_data_folder_is_given_away_until_the_machine_is_defined() -> None:
    (folder,) = data_folders([SSA], PAIR, [])
    assert (folder["path"], folder["owner"]) == ("/tank/machines/ssa/data", "100000")
    assert data_folders([SSA], PAIR, ["ssa"]) == []


def test_a_replica_is_made_twice_within_the_rpo() -> None:
    arguments = timers_of([SSA, TAP], "debian")
    assert [file["content"] for file in arguments["files"]] == [
        "[Timer]\nOnActiveSec=450s\nOnUnitInactiveSec=450s\n",
        "[Timer]\nOnActiveSec=1s\nOnUnitInactiveSec=1s\n",
    ]
    assert [unit["name"] for unit in arguments["units"]] == [
        "twin-replicate@ssa.timer",
        "twin-replicate@tap.timer",
    ]


TWIN = Twin("lab", "debian", ("castor", "pollux"), ("192.0.2.0/24",))


@pytest.mark.parametrize(
    ("request_", "target"),
    [
        ({"machines": ["ssa"], "to": "pollux"}, "pollux"),
        ({"machines": [], "server": "castor", "to": ""}, "pollux"),
        ({"server": "pollux"}, "castor"),
    ],
)
def test_where_a_migration_goes(request_: dict[str, object], target: str) -> None:
    assert migration_target(TWIN, MACHINES, request_) == target


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (
            {},
            "nothing is named to be moved; name a machine (ssa, tap), or the server",
        ),
        ({"machines": ["sas"], "to": "pollux"}, "machine sas is not declared; name one of ssa, tap."),
        ({"machines": ["ssa"]}, "server (none) is none of the pair; name castor or pollux."),
        ({"machines": ["ssa"], "to": "helena"}, "server helena is none of the pair; name castor or pollux."),
        ({"server": "helena"}, "server helena is none of the pair; name castor or pollux."),
        (
            {"server": "castor", "to": "castor"},
            "machines of castor cannot move to castor; name the other server.",
        ),
    ],
)
def test_a_migration_that_cannot_be_meant(request_: dict[str, object], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        migration_target(TWIN, MACHINES, request_)
    assert str(refused.value).startswith(sentence)


def test_every_fault_of_a_request_is_told_at_once() -> None:
    with pytest.raises(Refused, match="machine sas is not declared.*server helena is none"):
        migration_target(TWIN, MACHINES, {"machines": ["sas"], "to": "helena"})


def test_who_leaves_a_server_and_in_which_order() -> None:
    records = [
        {"name": "last", "owner": "castor", "machine": {"priority": -1}},
        {"name": "b", "owner": "castor", "machine": {}},
        {"name": "a", "owner": "castor", "machine": None},
        {"name": "first", "owner": "castor", "machine": {"priority": 5}},
        {"name": "other", "owner": "pollux", "machine": {"priority": 9}},
        {"name": "copy", "owner": None, "machine": None},
    ]
    assert evacuated(records, "castor") == ["first", "a", "b", "last"]


def test_what_moves_have_cost() -> None:
    move = {
        "machine": "ssa",
        "from": "castor",
        "to": "pollux",
        "rounds": [{"bytes": 7, "seconds": 0.5}, {"bytes": 1, "seconds": 0.1}],
        "bytes": 8,
        "downtime_s": 2.5,
    }
    report = migration_report([{"plan": ["move"], "measured": [move]}, {"plan": []}])
    assert report["moves"] == [move]
    assert report["lines"] == [
        "server: pollux",
        "machine: ssa, from castor",
        "round 1: 7 bytes sent in 0.5 s",
        "round 2: 1 bytes sent in 0.1 s",
        "downtime: 2.5 s",
    ]
    assert migration_report([{"plan": ["move ssa"]}]) == {"moves": [], "lines": ["move ssa"]}
    assert migration_report([{"plan": []}])["lines"] == ["nothing to move"]


def test_replicas_are_planned_for_machines_at_home() -> None:
    assert replicas_of(MACHINES.values(), "castor") == [
        {"name": "ssa", "planned": True},
        {"name": "tap", "planned": False},
    ]


@pytest.mark.parametrize(
    ("kind", "platform", "hook"),
    [
        ("lxc", "debian", "lxc.hook.pre-start"),
        ("jail", "freebsd", "exec.prepare"),
    ],
)
@pytest.mark.parametrize("own", ["/bin/own", ["/bin/own"]])
def test_no_option_takes_the_place_of_the_guard(kind: str, platform: str, hook: str, own: object) -> None:
    machine = Machine("web", kind, "castor", "tiny", options={hook: own})
    pair = Pair("lab", platform, "castor", "tank", "br0", Peer("pollux", ("10.1.0.2",)))
    items = items_of([machine], pair)
    (item,) = [*items["containers"], *items["jails"]]
    settings = item["config" if kind == "lxc" else "parameters"]
    assert settings[hook] == ["/usr/local/sbin/twin guard web", "/bin/own"]


def test_a_jail_with_addresses_of_its_server_and_one_with_its_own_may_become_the_other() -> None:
    """What the one says of the network, the other takes away; else its file would say both."""
    pair = Pair("lab", "freebsd", "castor", "tank", "br0", Peer("pollux", ("10.1.0.2",)))
    own = Machine("web", "jail", "castor", "tiny", addresses=("192.0.2.21/24", "2001:db8::21/64"))
    (item,) = items_of([own], pair)["jails"]
    assert (item["parameters"]["ip4.addr"], item["parameters"]["ip6.addr"]) == (None, None)
    assert item["interfaces"][0]["addresses"] == ["192.0.2.21/24", "2001:db8::21/64"]
    (item,) = items_of([replace(own, options={"vnet": False})], pair)["jails"]
    assert item["interfaces"] == []
    assert item["parameters"]["ip4.addr"] == ["br0|192.0.2.21/24"]
    assert item["parameters"]["ip6.addr"] == ["br0|2001:db8::21/64"]
