# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources of a cluster: faults at every request, rights, the number of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._pve import errors, info
from tests.doubles.pve.access import Grant, Pool, Token, User
from tests.doubles.pve.faults import Fault
from tests.doubles.pve.world import World
from tests.doubles.pve_guests import machine
from tests.doubles.pve_host import DoubleHost
from tests.laws import (
    cases_pve_datacenter,
    cases_pve_ha,
    cases_pve_mapping,
    cases_pve_node,
    cases_pve_pool,
    cases_pve_qemu,
    cases_pve_replication,
    cases_pve_storage,
)
from tests.laws.laws import CANARY, Case, comparable, picture, run
from tests.unit.pve.test_guest_faults import FAULTS, Killed, kill_after

CASES = [
    *cases_pve_pool.CASES,
    *cases_pve_storage.CASES,
    *cases_pve_datacenter.CASES,
    *cases_pve_ha.CASES,
    *cases_pve_mapping.CASES,
    *cases_pve_replication.CASES,
]
WRITES = "^(POST|PUT|DELETE) "
LOCK = "error during cfs-locked 'file-user_cfg' operation: got lock request timeout"


def host_of(case: Case) -> DoubleHost:
    host = case.host()
    assert isinstance(host, DoubleHost)
    return host


def writing() -> Iterator[Any]:
    """Each case with the number of each of its requests that write."""
    for case in CASES:
        host = host_of(case)
        run(case, host)
        for number in range(1, len(host.changes) + 1):
            yield pytest.param(case, number, id=f"{case}-{number}")


@pytest.mark.parametrize(("case", "number"), [*writing()])
@pytest.mark.parametrize(
    "fault",
    [
        {"text": "unexpected"},
        {"drop": True},
        {"drop": True, "late": True},
        {"text": "Broken pipe", "status": 596, "late": True},
        {"text": "cfs-lock 'file-user_cfg' error: no quorum!"},
    ],
    ids=["refused", "dropped before", "dropped after", "proxy broke after", "no quorum"],
)
def test_a_run_that_breaks_off_is_told_and_the_next_one_finishes(
    case: Case, number: int, fault: dict[str, Any]
) -> None:
    whole, host = host_of(case), host_of(case)
    run(case, whole)
    host.api.faults.requests.append(Fault(WRITES, after=number, **fault))
    with pytest.raises(TwinError) as caught:
        run(case, host)
    assert "another run does the rest" in str(caught.value)
    assert len(caught.value.facts["done"]) + len(caught.value.facts["left"]) == len(
        run(case, host_of(case), check=True).plan.due
    )
    run(case, host)
    assert comparable(picture(case, host)) == comparable(picture(case, whole))


@pytest.mark.parametrize(("case", "number"), [*writing()])
def test_a_lock_and_a_connection_that_is_not_there_are_waited_for(case: Case, number: int) -> None:
    whole, host = host_of(case), host_of(case)
    run(case, whole)
    host.api.faults.requests.append(Fault(WRITES, text=LOCK, after=number, times=2))
    host.api.faults.requests.append(Fault("^GET ", text="Connection refused", status=595, times=2))
    run(case, host)
    assert comparable(picture(case, host)) == comparable(picture(case, whole))


@pytest.mark.parametrize("fault", ["answers 500", "stalls, and is done", "loses the quorum"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_request_fails_once(case: Case, fault: str) -> None:
    """Questions too: the first run ends well or says what happened, and the second one finishes."""
    whole = host_of(case)
    run(case, whole)
    for number in range(1, len(whole.api.log) + 1):
        host = host_of(case)
        host.api.faults.requests.append(Fault("", after=number, **FAULTS[fault]))
        try:
            run(case, host)
        except TwinError as error:
            assert len(str(error)) > 20
        finish(case, host, whole)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_controller_is_killed_after_each_request(case: Case) -> None:
    whole = host_of(case)
    run(case, whole)
    for number in range(1, len(whole.api.log) + 1):
        host = host_of(case)
        kill_after(host, number)
        with pytest.raises(Killed):
            run(case, host)
        finish(case, host, whole)


def finish(case: Case, host: DoubleHost, whole: DoubleHost) -> None:
    """Run again, as somebody else would, on what is there."""
    for node in host.world.nodes.values():
        node.online = True
    again = DoubleHost(host.world)
    run(case, again)
    assert comparable(picture(case, again)) == comparable(picture(case, whole))


# -- what others do behind our back


def spoil_file(file: str, name: str, key: str, *values: Any) -> Callable[[World, int], None]:
    """Somebody gives a key of one thing in a file of the cluster another value, twice."""

    def spoil(world: World, which: int) -> None:
        world.file(file)[name][key] = values[which]

    return spoil


def spoil_comment(world: World, which: int) -> None:
    world.access.pools["lab"].comment = ("theirs", "theirs too")[which]


def spoil_members(world: World, which: int) -> None:
    world.access.pools["lab"].guests = ({100, 102, 103}, {103})[which]


def spoil_options(world: World, which: int) -> None:
    world.options["keyboard"] = ("fr", "it")[which]


def spoil_certificate(world: World, which: int) -> None:
    world.nodes["castor"].facts["certificates"]["custom"]["fingerprint"] = ("00", "01")[which]


JOB = {"name": "100-0", "target": "pollux", "schedule": "*/5", "comment": "rep"}
NETWORK = {"type": "insecure", "network": "10.1.0.0/24"}
SPOILED: dict[str, tuple[Case, Callable[[World, int], None]]] = {
    "comment of a pool": (cases_pve_pool.case("x", {"name": "lab", "comment": "Laboratory"}), spoil_comment),
    "members of a pool": (cases_pve_pool.case("x", {"name": "lab", "guests": [102]}), spoil_members),
    "storage": (
        cases_pve_storage.case("x", {"name": "old", "settings": {"content": ["iso", "backup"]}}),
        spoil_file("storage", "old", "content", "iso", "vztmpl"),
    ),
    "datacenter": (cases_pve_datacenter.case("x", keyboard="de", migration=NETWORK), spoil_options),
    "HA resource": (
        cases_pve_ha.resource("x", {"sid": "vm:200", "max_restart": 3}),
        spoil_file("ha/resources", "vm:200", "max_restart", 1, 2),
    ),
    "HA rule": (
        cases_pve_ha.rule("x", {"name": "home-pollux", "nodes": ["pollux"], "resources": ["vm:200"]}),
        spoil_file("ha/rules", "home-pollux", "nodes", "castor", "castor,pollux"),
    ),
    "mapping": (
        cases_pve_mapping.case("x", {"name": "gpu", "map": ["node=castor,path=0000:01:00.0,id=10de:1eb8"]}),
        spoil_file(
            "mapping/pci", "gpu", "map",
            ["node=castor,path=0000:02:00.0,id=10de:1eb8"], ["node=castor,path=0000:03:00.0,id=10de:1eb8"],
        ),
    ),
    "replication job": (
        cases_pve_replication.case("x", JOB), spoil_file("replication", "100-0", "schedule", "*/1", "*/2"),
    ),
    "certificate of a node": (
        next(case for case in cases_pve_node.CASES if case.name == "a certificate"), spoil_certificate,
    ),
}  # fmt: skip
"""Declarations, each with what others may do to the thing."""
WITHOUT_DIGEST = ("comment of a pool", "members of a pool", "datacenter", "certificate of a node")
"""What Proxmox VE guards by none."""


def spoiled(name: str) -> tuple[DoubleHost, Case, Callable[[World, int], None]]:
    """Somebody has changed what was as it had been declared."""
    case, spoil = SPOILED[name]
    host = host_of(case)
    run(case, host)
    assert not run(case, host, check=True).plan.changed
    spoil(host.world, 0)
    host.api.log.clear()
    return host, case, spoil


@pytest.mark.parametrize("name", SPOILED)
def test_drift_behind_our_back_is_seen_and_repaired(name: str) -> None:
    case, _spoil = SPOILED[name]
    whole = host_of(case)
    run(case, whole)
    host, case, _spoil = spoiled(name)
    plan = run(case, host, check=True).plan
    assert plan.changed and not host.changes
    assert run(case, host).plan.sentences == plan.sentences
    assert comparable(picture(case, host)) == comparable(picture(case, whole))
    assert not run(case, host).plan.changed


@pytest.mark.parametrize("name", [name for name in SPOILED if name != "certificate of a node"])
def test_what_changes_after_it_was_read_is_not_overwritten(name: str) -> None:
    """Each is read again before it is changed; members alone come and go one by one, and nothing is lost."""
    host, case, spoil = spoiled(name)
    wanted = case.subject.wanted(case.params)
    (step,) = case.subject.plan(case.subject.read(host.reader(), wanted), wanted).steps
    spoil(host.world, 1)
    seen = picture(case, host)
    if name == "members of a pool":
        case.subject.apply(host, step)
        assert host.world.access.pools["lab"].guests == {102}
        return
    with pytest.raises(errors.Changed, match="somebody changed it after it was read; run this again"):
        case.subject.apply(host, step)
    assert picture(case, host) == seen and not host.changes


@pytest.mark.parametrize("name", [name for name in SPOILED if name not in WITHOUT_DIGEST])
def test_what_changes_in_the_last_moment_is_refused_by_its_digest(name: str) -> None:
    """Between the second reading and the write."""
    host, case, spoil = spoiled(name)
    put = host.put

    def meddle(path: str, params: Any = None) -> Any:
        spoil(host.world, 1)
        return put(path, params)

    host.put = meddle  # type: ignore[method-assign]
    with pytest.raises(TwinError, match="detected modified configuration") as caught:
        reconcile(case.subject, case.params, host.reader(), host)
    assert isinstance(caught.value.__cause__, errors.Changed)
    host.put = put  # type: ignore[method-assign]
    assert run(case, host).plan.changed


def as_user(host: DoubleHost, **grants: str) -> DoubleHost:
    """The same cluster as a token sees it that has but these privileges, by path."""
    access = host.world.access
    access.users["ansible@pve"] = User(tokens={"twin": Token(privsep=0)})
    for number, (path, privileges) in enumerate(grants.items()):
        access.roles[f"Twin{number}"] = set(privileges.split())
        access.acl[Grant(path, "user", "ansible@pve", f"Twin{number}")] = 1
    return DoubleHost(host.world, user="ansible@pve!twin")


RIGHTS = {
    "pve_pool": {
        "/pool": "Pool.Allocate Pool.Audit",
        "/vms": "VM.Allocate",
        "/storage": "Datastore.Allocate",
    },
    "pve_storage": {"/storage": "Datastore.Allocate Datastore.Audit"},
    "pve_datacenter": {"/": "Sys.Modify Sys.Audit"},
    "pve_ha_resource": {"/": "Sys.Console Sys.Audit"},
    "pve_ha_rule": {"/": "Sys.Console Sys.Audit"},
    "pve_mapping": {"/": "Sys.Audit", "/mapping": "Mapping.Modify Mapping.Audit"},
    "pve_replication": {"/vms": "VM.Audit VM.Replicate"},
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_documented_privileges_suffice(case: Case) -> None:
    host = as_user(host_of(case), **RIGHTS[case.module])
    run(case, host)
    assert not run(case, host, check=True).plan.changed or case.params.get("update_secrets")


def test_who_moves_a_guest_needs_the_pool_it_comes_from_too() -> None:
    rights = {"/pool/lab": "Pool.Allocate Pool.Audit", "/vms": "VM.Allocate"}
    case = cases_pve_pool.case("x", {"name": "lab", "guests": [100, 102]})
    with pytest.raises(TwinError, match="give the user or token a role with Pool.Allocate on /pool/prod/web"):
        run(case, as_user(host_of(case), **rights))
    run(case, as_user(host_of(case), **rights, **{"/pool/prod": "Pool.Allocate"}))


@pytest.mark.parametrize(
    "case", [case for case in CASES if run(case, case.host(), check=True).plan.changed], ids=str
)
def test_without_them_nothing_is_done_and_the_missing_one_is_named(case: Case) -> None:
    host = as_user(host_of(case), **{"/": "Sys.Audit Pool.Audit Datastore.Audit VM.Audit Mapping.Audit"})
    before = picture(case, host)
    with pytest.raises(
        TwinError, match=r"give the user or token a role with [\w.]+ on /|a role that may do this"
    ):
        run(case, host)
    assert picture(case, host) == before


def test_what_is_unchanged_costs_one_request_and_pools_one_more_each() -> None:
    host = DoubleHost()
    host.world.access.pools |= {f"p{number}": Pool() for number in range(20)}
    case = cases_pve_pool.case("many", *({"name": f"p{number}"} for number in range(20)), fresh=lambda: host)
    run(case, host, check=True)
    assert host.counts["requests"] == 0, "it is the reader that asked"
    assert len(host.api.log) == 21


def test_a_guest_that_is_not_there_is_found_out() -> None:
    """PVE takes any number into a pool and shows only those that it knows."""
    host = DoubleHost()
    case = cases_pve_pool.case("x", {"name": "prod", "guests": [4711]}, fresh=lambda: host)
    with pytest.raises(TwinError, match="yet read again the host still needs"):
        run(case, host)


def test_a_guest_that_is_named_twice_is_put_in_once() -> None:
    """PVE refuses one that it has just put in."""
    host = cases_pve_pool.pools()
    plan = run(cases_pve_pool.case("x", {"name": "lab", "guests": [102, 103, 103]}), host).plan
    assert plan.sentences == ["change pool lab: set guests from 102 to 102, 103"]
    assert [params["vms"] for verb, _path, params in host.api.log if verb == "PUT"] == ["103"]


@pytest.mark.parametrize("settings", [{"path": "/srv/x", "disable": False}, {"path": "/srv/x"}], ids=str)
def test_a_storage_that_is_not_disabled_says_nothing_of_it(settings: dict[str, Any]) -> None:
    """PVE::SectionConfig writes ``disable`` or nothing."""
    host = DoubleHost()
    run(
        cases_pve_storage.case(
            "x", {"name": "spare", "type": "dir", "settings": settings}, fresh=lambda: host
        ),
        host,
    )
    again = cases_pve_storage.case("x", {"name": "spare", "settings": {"disable": False}})
    assert not run(again, host).plan.changed


def test_a_plan_has_a_line_for_each_step() -> None:
    case = cases_pve_pool.case("x", {"name": "lab", "comment": "one\ntwo"})
    assert run(case, case.host(), check=True).plan.sentences == [
        r"change pool lab: set comment from Laboratory to 'one\ntwo'"
    ]


@pytest.mark.parametrize(
    "held, says", [({"mac_prefix": "AA:00:11"}, ["change datacenter: unset mac_prefix"]), ({}, [])], ids=str
)
def test_null_asks_for_the_default_where_pve_shows_it(held: dict[str, Any], says: list[str]) -> None:
    host = DoubleHost()
    host.world.options |= held
    case = cases_pve_datacenter.case("x", mac_prefix=None)
    assert run(case, host).plan.sentences == says
    assert not run(case, host).plan.changed


@pytest.mark.parametrize("nothing", [None, []], ids=str)
def test_no_storage_is_without_content(nothing: Any) -> None:
    """What PVE shows where none is kept depends on the type."""
    host = cases_pve_storage.storages()
    with pytest.raises(TwinError) as caught:
        run(cases_pve_storage.case("x", {"name": "tank", "settings": {"content": nothing}}), host)
    assert str(caught.value) == "content of storage tank: no storage is without it; write a value."
    assert host.api.log == []


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (
            cases_pve_storage.case(
                "x",
                {"name": "lab-a", "state": "absent"},
                {"name": "nas", "type": "cifs", "settings": {}, "secrets": {"password": CANARY}},
            ),
            "storage nas: password would",
        ),
        (
            cases_pve_datacenter.case("x", keyboard="fr", http_proxy=f"http://lab:{CANARY}@192.0.2.3"),
            "datacenter: http_proxy would",
        ),
        (
            cases_pve_qemu.case("x", machine, cases_pve_qemu.web(secrets={"cipassword": CANARY})),
            "virtual machine web: cipassword would",
        ),
    ],
    ids=["storage", "datacenter", "guest"],
)
def test_on_a_node_secrets_are_refused_before_anything_is_asked(case: Case, says: str) -> None:
    host = host_of(case)
    host.transport.private = False
    with pytest.raises(TwinError) as caught:
        run(case, host)
    assert str(caught.value) == (
        f"{says} stand on the command line of pvesh, for all to see; give api_host and credentials."
    )
    assert host.api.log == []


def test_on_a_node_all_else_may_be_given() -> None:
    case = cases_pve_datacenter.case("x", http_proxy="http://192.0.2.3:3128")
    host = host_of(case)
    host.transport.private = False
    assert run(case, host).plan.changed


def test_the_password_of_a_proxy_is_compared_and_never_shown() -> None:
    old, new = (f"http://lab:{CANARY}{number}@192.0.2.3:3128" for number in (1, 2))
    host = cases_pve_datacenter.cluster()
    host.world.options["http_proxy"] = old
    outcome = run(cases_pve_datacenter.case("x", http_proxy=new), host)
    seen = "http://********@192.0.2.3:3128"
    assert outcome.plan.sentences == [
        f"change datacenter: set http_proxy from {seen} to '{seen} (another password)'"
    ]
    assert outcome.plan.before == {"datacenter": {"http_proxy": seen}}
    assert outcome.plan.after == {"datacenter": {"http_proxy": f"{seen} (another password)"}}
    assert host.world.options["http_proxy"] == new
    assert "http_proxy" not in info.datacenter(host)


@pytest.mark.parametrize("proxy", [f"lab:{CANARY}@192.0.2.3", f"https://lab:{CANARY}@192.0.2.3"])
def test_the_password_of_a_proxy_is_in_no_error(proxy: str) -> None:
    with pytest.raises(
        TwinError, match=r"http_proxy of datacenter: .*\*{8}@192.0.2.3' does not match"
    ) as caught:
        run(cases_pve_datacenter.case("x", http_proxy=proxy), DoubleHost())
    assert CANARY not in f"{caught.value} {caught.value.facts}"


def test_a_storage_of_another_type_is_refused_before_anything_is_touched() -> None:
    host = cases_pve_storage.storages()
    case = cases_pve_storage.case(
        "x",
        {"name": "new", "type": "dir", "settings": {"path": "/x"}},
        {"name": "tank", "type": "dir"},
        fresh=lambda: host,
    )
    with pytest.raises(
        TwinError, match="storage tank has type zfspool, which PVE cannot change to dir; remove it"
    ):
        run(case, host)
    assert host.changes == []


def test_a_new_storage_needs_its_type() -> None:
    case = cases_pve_storage.case("x", {"name": "new", "settings": {"path": "/x"}})
    with pytest.raises(
        TwinError, match="storage new is not there and cannot be made, for type is missing; give it"
    ):
        run(case, case.host())


def test_what_pve_alone_can_judge_is_told_by_parameter() -> None:
    case = cases_pve_storage.case("x", {"name": "new", "type": "dir", "settings": {"content": ["images"]}})
    with pytest.raises(TwinError, match="missing value for required option 'path'"):
        run(case, case.host())
