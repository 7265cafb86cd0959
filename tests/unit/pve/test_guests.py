# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests on the double of Proxmox VE: requests, conflicts, drift, privileges, locks, releases."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, Subject, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._pve.errors import Changed
from ansible_collections.twin.datacenter.plugins.module_utils._pve.note import Note, print_note
from ansible_collections.twin.datacenter.plugins.modules import pve_lxc, pve_qemu
from tests.doubles.pve.access import Grant, Token, User
from tests.doubles.pve_guests import (
    ARCHIVE,
    SSA,
    WEB,
    add_guest,
    container,
    copies,
    house,
    machine,
    renumbered,
    replicate,
)
from tests.doubles.pve_host import DoubleHost
from tests.laws import cases_pve_lxc, cases_pve_qemu, laws

LXC, QEMU = pve_lxc.SUBJECT, pve_qemu.SUBJECT
NEW = {"name": "new", **cases_pve_lxc.NEW}
CASES = (*cases_pve_lxc.CASES, *cases_pve_qemu.CASES)


def apply(
    host: DoubleHost,
    *guests: Mapping[str, Any],
    subject: Subject[Any, Any] = LXC,
    check: bool = False,
    **more: Any,
) -> Outcome:
    make = cases_pve_lxc.params if subject is LXC else cases_pve_qemu.params
    return reconcile(subject, make(*guests, **more), host.reader(), None if check else host)


def requests(host: DoubleHost, work: Callable[[], Any]) -> int:
    """How many requests it makes, polls of tasks not counted."""
    before = len(host.api.log)
    work()
    return len(
        [
            entry
            for entry in host.api.log[before:]
            if "/status/current" not in entry[1] and "/tasks/" not in entry[1]
        ]
    )


# -- requests


def test_one_guest_costs_three_requests() -> None:
    host, other = container(), machine()
    assert requests(host, lambda: apply(host, {"name": "ssa", "config": {"memory": 512}})) == 3
    web = {"name": "web", "config": {"memory": 1024}}
    assert requests(other, lambda: apply(other, web, subject=QEMU)) == 3


def test_a_disk_that_comes_to_a_machine_costs_five_more_at_most() -> None:
    """One of them looks for a task that may be making it already."""
    host = machine()
    item = {"name": "web", "disks": {"scsi1": {"storage": "tank", "size": "3G"}}}
    assert requests(host, lambda: apply(host, item, subject=QEMU)) <= 3 + 5


def many(count: int, like: dict[str, Any], old: int) -> tuple[DoubleHost, list[dict[str, Any]]]:
    """A house with many guests like one."""
    host = house()
    for vmid in range(200, 200 + count):
        node = ("castor", "pollux")[vmid % 2]
        add_guest(host.world, vmid, renumbered(like, old, vmid, f"g{vmid}"), running=True, node=node)
    config = {"memory": like["memory"]}
    return host, [{"name": f"g{vmid}", "config": config} for vmid in range(200, 200 + count)]


@pytest.mark.parametrize(
    ("subject", "like", "old"), [(LXC, SSA, 200), (QEMU, WEB, 300)], ids=["containers", "virtual machines"]
)
def test_a_hundred_guests_cost_a_hundred_and_three_requests(
    subject: Subject[Any, Any], like: dict[str, Any], old: int
) -> None:
    host, items = many(100, like, old)
    assert requests(host, lambda: apply(host, *items, subject=subject)) == 103


def test_virtual_machines_with_all_that_can_be_declared_cost_no_more() -> None:
    host, items = many(10, WEB, 300)
    disks = {"scsi0": {"storage": "tank", "size": "8G"}, "ide2": {"storage": "tank", "volume": "cloudinit"}}
    for number, item in enumerate(items):
        node = ("castor", "pollux")[number % 2]
        item |= {"node": node, "disks": disks, "secrets": {"cipassword": laws.CANARY}}
    assert requests(host, lambda: apply(host, *items, subject=QEMU)) == 13


def test_one_of_a_hundred_that_changes_costs_five_more_at_most() -> None:
    host, items = many(100, SSA, 200)
    items[7]["config"] = {"memory": 1024, "features": {"nesting": False}}
    cost = requests(host, lambda: apply(host, *items))
    assert host.changes == ["PUT /nodes/pollux/lxc/207/config", "POST /nodes/pollux/lxc/207/status/reboot"]
    assert cost <= 103 + 5


# -- conflicts and drift


def meanwhile(host: DoubleHost, request: str, change: Callable[[], None]) -> None:
    """Let something happen right before a request."""
    real: Callable[..., Any] = host.transport.request

    def hooked(method: str, path: str, params: Mapping[str, Any]) -> Any:
        if f"{method} {path}".endswith(request):
            change()
        return real(method, path, params)

    host.transport.request = hooked  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("host", "subject", "request_", "item"),
    [
        (container(), LXC, "PUT nodes/castor/lxc/200/config", {"name": "ssa", "config": {"memory": 1024}}),
        (machine(), QEMU, "PUT nodes/castor/qemu/300/config", {"name": "web", "config": {"cpulimit": 2}}),
    ],
)
def test_what_somebody_else_changed_meanwhile_is_not_overwritten(
    host: DoubleHost, subject: Any, request_: str, item: Any
) -> None:
    guest = next(iter(host.world.guests.values()))
    meanwhile(host, request_, lambda: guest.config.update(description="mine"))
    with pytest.raises(TwinError) as caught:
        apply(host, item, subject=subject)
    assert isinstance(caught.value.__cause__, Changed)
    assert guest.config["description"] == "mine"
    assert "memory" not in guest.config or guest.config["memory"] in (512, "1024")
    assert "cpulimit" not in guest.config


def test_a_disk_that_was_exchanged_meanwhile_is_not_removed() -> None:
    host = container()
    guest = host.world.guests[200]
    guest.status = "stopped"

    def exchange() -> None:
        guest.config["mp0"] = "tank:subvol-200-disk-7,mp=/data,size=1G"

    meanwhile(host, "GET nodes/castor/lxc/200/config", exchange)
    item = {"name": "ssa", "state": "stopped", "disks": {"mp0": {"state": "absent"}}}
    with pytest.raises(TwinError, match="its volume is tank:subvol-200-disk-7 now"):
        apply(host, item, allow_destroy=["ssa/mp0"])
    assert "mp0" in guest.config


@pytest.mark.parametrize(
    "drift",
    [
        {"memory": 256},
        {"net0": "name=eth0,bridge=vmbr9,firewall=1,hwaddr=BC:24:11:DD:94:05,type=veth"},
        {"tags": "lab"},
        {"onboot": None},
    ],
)
def test_drift_behind_our_back_is_seen_and_repaired(drift: dict[str, Any]) -> None:
    host = container()
    config = {"memory": 512, "net0": {"bridge": "vmbr0"}, "tags": "lab;web", "onboot": True}
    item = {"name": "ssa", "config": config}
    assert not apply(host, item).plan.changed
    guest = host.world.guests[200]
    before = dict(guest.config)
    for key, value in drift.items():
        if value is None:
            del guest.config[key]
        else:
            guest.config[key] = value
    assert apply(host, item, check=True).plan.changed
    assert apply(host, item).plan.changed
    keys = set(drift)
    if "net0" in keys:
        assert "bridge=vmbr0" in guest.config["net0"]
    else:
        assert {key: str(guest.config[key]) for key in keys} == {key: str(before[key]) for key in keys}
    assert not apply(host, item).plan.changed


def test_a_guest_that_somebody_stopped_is_started() -> None:
    host = container()
    host.world.guests[200].status = "stopped"
    assert apply(host, {"name": "ssa"}).plan.sentences == ["start container ssa"]


def test_a_guest_is_found_wherever_it_runs() -> None:
    host = container()
    host.world.guests[200].node = "pollux"
    apply(host, {"name": "ssa", "config": {"memory": 1024}})
    assert host.changes == ["PUT /nodes/pollux/lxc/200/config"]


@pytest.mark.parametrize(
    ("item", "more"),
    [
        ({"state": "started"}, {}),
        ({"state": "present", "config": {"memory": 1024}}, {}),
        ({"state": "absent"}, {"allow_destroy": ["ssa"]}),
    ],
    ids=["started", "changed", "removed"],
)
def test_a_machine_that_is_being_moved_is_left_to_its_move(
    item: dict[str, Any], more: dict[str, Any]
) -> None:
    """Between the steps of a move PVE holds no lock of the guest."""
    host = container()
    guest = host.world.guests[200]
    guest.status = "stopped"
    journal = {"stage": "final", "source": "castor", "target": "pollux"}
    guest.config["description"] = print_note(Note("ssa", {"kind": "lxc"}, journal=journal))
    with pytest.raises(Refused) as caught:
        apply(host, {"name": "ssa", **item}, **more)
    way = "being moved from castor to pollux; finish that with: twin resume ssa, or: twin undo ssa"
    assert f"container ssa is {way}" in str(caught.value)
    assert not host.changes
    assert not apply(host, {"name": "ssa", "state": "present"}).plan.changed
    guest.config["description"] = print_note(
        Note("ssa", {"kind": "lxc"}, journal={**journal, "stage": "done"})
    )
    assert apply(host, {"name": "ssa", **item}, **more).plan.changed


def half_down() -> DoubleHost:
    """Container ssa is on pollux, which is down; db on castor, which goes on by the vote of the witness."""
    host = container()
    host.world.guests[200].node = "pollux"
    host.world.nodes["pollux"].online = False
    host.world.qdevice = {"online": True}
    add_guest(host.world, 201, renumbered(SSA, 200, 201, "db"), running=True)
    return host


MORE = {"memory": 1024}
SILENT = "container ssa is on pollux, which is not up; it is left as it is until that node answers"


@pytest.mark.parametrize("state", ["present", "started", "stopped", "restarted"])
def test_a_guest_on_a_node_that_is_down_is_owed_and_the_others_are_done(state: str) -> None:
    items = {"name": "ssa", "state": state, "config": MORE, "node": "castor"}, {"name": "db", "config": MORE}
    host = half_down()
    announced = apply(host, *items, check=True)
    done = apply(host, *items)
    assert announced.plan.sentences == done.plan.sentences
    assert done.plan.sentences == [f"{SILENT} (owed)", "change container db: memory from 512 to 1024"]
    assert host.world.guests[201].config["memory"] == 1024
    assert host.changes == ["PUT /nodes/castor/lxc/201/config"]
    again = apply(host, *items)
    assert again.plan.sentences == [f"{SILENT} (owed)"]
    assert again.result(diff=True) == {
        "changed": False,
        "plan": [f"{SILENT} (owed)"],
        "diff": {"before": {"ssa": {}}, "after": {"ssa": {}}},
    }


def test_the_names_of_guests_on_a_node_that_is_down_for_long_are_not_known() -> None:
    """So one that is declared by its name alone may be there, and is not made once more."""
    host = half_down()
    host.get("cluster/resources")
    host.clock.advance(400)
    item = {**NEW, "name": "ssa"}
    maybe = SILENT.replace("is on pollux", "may be 200 on pollux")
    assert apply(host, item, {"name": "db"}).plan.sentences == [f"{maybe} (owed)"]
    assert apply(host, {"name": "ssa", "vmid": 200}).plan.sentences == [f"{SILENT} (owed)"]
    with pytest.raises(
        Refused, match="container ssa may be 200 on pollux, which is not up; nothing is known"
    ):
        apply(host, {"name": "ssa", "state": "absent"}, allow_destroy=["ssa"])
    assert not host.changes
    assert apply(host, {**item, "vmid": 210}).plan.sentences[0].startswith("make container ssa (210)")


@pytest.mark.parametrize(
    ("guests", "more"),
    [([{"name": "ssa", "state": "absent"}], {}), ([], {"purge": True, "scope": "ssa"})],
    ids=["absent", "purged"],
)
def test_a_guest_on_a_node_that_is_down_is_not_removed(guests: list[Any], more: dict[str, Any]) -> None:
    host = half_down()
    with pytest.raises(Refused, match=r"container ssa is on pollux, which is not up; nothing is known of it"):
        apply(host, *guests, {"name": "db", "config": MORE}, allow_destroy=["ssa"], **more)
    assert not host.changes


# -- creations at work, and dead ones


def test_a_creation_at_work_is_waited_for() -> None:
    host = house()
    params = {"vmid": 100, "ostemplate": ARCHIVE, "hostname": "new", "rootfs": "tank:8", "memory": 512}
    host.post("nodes/castor/lxc", params)
    outcome = apply(host, {**NEW, "secrets": None})
    assert list(host.world.guests) == [100]
    assert outcome.plan.sentences[0].startswith("change container new: ")


def test_a_dead_creation_is_said_and_not_repeated() -> None:
    host = house()
    add_guest(host.world, 100, {"rootfs": "x"}).config = {"lock": "create"}
    with pytest.raises(Refused, match="100 on castor is half made and may be this one"):
        apply(host, NEW)
    with pytest.raises(Refused, match="pct destroy 100"):
        apply(host, {**NEW, "vmid": 100})
    assert not host.changes


# -- failures


def test_a_guest_that_does_not_listen_is_ended() -> None:
    host = container()
    host.world.guests[200].deaf = True
    apply(host, {"name": "ssa", "state": "stopped"})
    assert host.world.guests[200].status == "stopped"


def test_a_lock_of_another_task_is_waited_for() -> None:
    host = container()
    host.world.guests[200].deaf = True
    host.post("nodes/castor/lxc/200/status/shutdown", {"timeout": 40})
    apply(host, {"name": "ssa", "config": {"memory": 1024}})
    assert host.world.guests[200].config["memory"] == 1024


def test_bad_input_is_refused_before_any_request() -> None:
    host = container()
    with pytest.raises(Refused, match="memory of container ssa"):
        apply(host, {"name": "ssa", "config": {"memory": "much"}})
    assert not host.api.log


def test_what_is_refused_writes_nothing() -> None:
    host = container()
    with pytest.raises(Refused, match="allow_destroy"):
        apply(host, {"name": "ssa", "state": "absent"})
    assert not host.changes


# -- copies


GONE = {"name": "ssa", "state": "absent"}
REMOVED = [
    "remove the copies of container ssa on pollux (replication job 200-0)",
    "stop container ssa",
    "remove container ssa (200) from castor with its disks",
]


@pytest.mark.parametrize(
    "job",
    [{}, {"disable": 1}, {"remove_job": "full"}, {"remove_job": "local"}],
    ids=["works", "rests", "goes", "goes without its copies"],
)
def test_a_guest_goes_with_its_copies(job: dict[str, Any]) -> None:
    """By itself Proxmox VE forgets the job of a guest that is destroyed, and leaves its copies for ever."""
    host = container()
    replicate(host.world, 200, **job)
    assert copies(host.world, 200)
    with pytest.raises(Refused, match="may lose the data of ssa"):
        apply(host, GONE)
    assert apply(host, GONE, check=True, allow_destroy=["ssa"]).plan.sentences == REMOVED
    assert copies(host.world, 200)
    assert apply(host, GONE, allow_destroy=["ssa"]).plan.sentences == REMOVED
    assert not copies(host.world, 200)
    assert not copies(host.world, 200, "castor")
    assert host.world.file("replication") == {}
    assert not apply(host, GONE).plan.changed


def test_the_copies_of_others_stay() -> None:
    host = container()
    add_guest(host.world, 201, renumbered(SSA, 200, 201, "db"))
    replicate(host.world, 200)
    replicate(host.world, 201)
    before = copies(host.world, 201)
    apply(host, GONE, allow_destroy=["ssa"])
    assert copies(host.world, 201) == before
    assert list(host.world.file("replication")) == ["201-0"]


def test_what_is_purged_goes_with_its_copies() -> None:
    host = container()
    replicate(host.world, 200)
    apply(host, purge=True, scope="s*", allow_destroy=["ssa"])
    assert not copies(host.world, 200)


def test_a_guest_that_has_changed_its_node_has_its_copies_where_it_came_from() -> None:
    host = container()
    replicate(host.world, 200)
    host.world.guests[200].node = "pollux"
    announced = apply(host, GONE, check=True, allow_destroy=["ssa"]).plan.sentences
    assert announced[0] == "remove the copies of container ssa on castor (replication job 200-0)"
    apply(host, GONE, allow_destroy=["ssa"])
    assert not copies(host.world, 200, "castor")
    assert not copies(host.world, 200, "pollux")


def test_a_guest_whose_copies_cannot_be_reached_is_left_as_it_is() -> None:
    host = container()
    replicate(host.world, 200)
    host.world.nodes["pollux"].online = False
    with pytest.raises(Refused) as caught:
        apply(host, GONE, allow_destroy=["ssa"])
    assert str(caught.value) == (
        "container ssa has copies on pollux, which is not up; remove it once that is, "
        "or give them up by 'pvesr delete 200-0 --force' on castor."
    )
    assert not host.changes


def test_copies_that_do_not_go_are_said_and_the_guest_stays() -> None:
    host = container()
    host.world.qdevice = {"online": True}
    replicate(host.world, 200)
    meanwhile(
        host, "DELETE cluster/replication/200-0", lambda: setattr(host.world.nodes["pollux"], "online", False)
    )
    with pytest.raises(TwinError) as caught:
        apply(host, GONE, allow_destroy=["ssa"])
    said = str(caught.value)
    assert "replication job 200-0 is not gone (that has not come within 600 s; command '/usr/bin/ssh" in said
    assert "container ssa is left as it is; run again once pollux answers castor" in said
    assert host.world.guests[200].status == "running"
    assert copies(host.world, 200)
    host.world.nodes["pollux"].online = True
    apply(host, GONE, allow_destroy=["ssa"])
    assert not copies(host.world, 200)


def test_jobs_are_asked_for_only_where_a_guest_goes() -> None:
    host = container()
    apply(host, {"name": "ssa"})
    apply(host, {"name": "other", "state": "absent"})
    assert "/cluster/replication" not in [path for _method, path, _params in host.api.log]


# -- privileges

COMMON = (
    "VM.Audit VM.Allocate VM.Clone VM.Migrate VM.PowerMgmt VM.Snapshot VM.Backup VM.Replicate "
    "VM.Config.Disk VM.Config.CPU VM.Config.Memory VM.Config.Network VM.Config.Options"
)
PRIVILEGES = {"lxc": COMMON, "qemu": f"{COMMON} VM.Config.HWType VM.Config.CDROM VM.Config.Cloudinit"}
MAPPINGS: dict[str, dict[str, str]] = {"lxc": {}, "qemu": {"/mapping": "Mapping.Use"}}
TOKEN = "guests@pve!ansible"


def least(host: DoubleHost, kind: str) -> DoubleHost:
    """The same house, seen by a token that has the documented privileges and no other."""
    access = host.world.access
    access.users["guests@pve"] = User(tokens={"ansible": Token()})
    roles = {
        "/vms": PRIVILEGES[kind],
        "/storage": "Datastore.AllocateSpace Datastore.Audit",
        "/sdn": "SDN.Use",
        **MAPPINGS[kind],
    }
    for path, privileges in roles.items():
        access.roles[path] = set(privileges.split())
        access.acl[Grant(path, "user", "guests@pve", path)] = 1
        access.acl[Grant(path, "token", TOKEN, path)] = 1
    return DoubleHost(host.world, user=TOKEN)


NOT_FOR_TOKENS = {"folder of the node mounted"}
"""Cases that Proxmox VE leaves to root."""


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=str(case)) for case in CASES if case.name not in NOT_FOR_TOKENS],
)
def test_the_documented_privileges_suffice(case: laws.Case) -> None:
    """A token that has them, and no other, does all that root does."""
    host = case.host()
    laws.run(case, least(host, case.module.removeprefix("pve_")))
    assert all(step.token is not None for step in laws.run(case, host, check=True).plan.due)


@pytest.mark.parametrize("module", [pve_lxc, pve_qemu])
def test_these_privileges_are_the_documented_ones(module: Any) -> None:
    documented = set(re.findall(r"C\(([A-Z][A-Za-z]+\.[A-Za-z.]+)\)", module.DOCUMENTATION))
    kind = "lxc" if module is pve_lxc else "qemu"
    common = {"Datastore.AllocateSpace", "Datastore.Audit", "SDN.Use"}
    assert documented == {*PRIVILEGES[kind].split(), *common, *MAPPINGS[kind].values()}


def test_what_only_root_may_do_is_said() -> None:
    host = least(container(), "lxc")
    with pytest.raises(TwinError, match="only allowed for root@pam"):
        apply(host, {"name": "ssa", "disks": {"mp3": {"volume": "/srv", "mp": "/x"}}})


# -- high availability


def managed(host: DoubleHost) -> DoubleHost:
    host.world.file("ha/resources")["ct:200"] = {"type": "ct", "state": "started"}
    return host


def test_a_guest_under_high_availability_is_stopped_started_and_moved() -> None:
    host = managed(container())
    apply(host, {"name": "ssa", "state": "stopped"})
    assert host.world.file("ha/resources")["ct:200"]["state"] == "stopped"
    apply(host, {"name": "ssa"})
    assert host.world.guests[200].status == "running"
    apply(host, {"name": "ssa", "node": "pollux"})
    assert (host.world.guests[200].node, host.world.guests[200].status) == ("pollux", "running")


def test_what_is_removed_leaves_high_availability_too() -> None:
    host = managed(container(running=False))
    apply(host, {"name": "ssa", "state": "absent"}, allow_destroy=["ssa"])
    assert not host.world.file("ha/resources")


# -- check mode


def test_check_mode_tells_and_writes_nothing() -> None:
    host = container()
    outcome = apply(host, {"name": "ssa", "config": {"memory": 1024}}, NEW, check=True)
    assert outcome.plan.changed and not host.changes
    assert outcome.result(diff=True)["diff"]["before"]["ssa"] == {"memory": "512"}


# -- releases


@pytest.mark.parametrize("release", ["8.4", "9.1"])
@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in CASES])
def test_older_releases_come_to_the_same_end(case: laws.Case, release: str) -> None:
    host = case.host()
    host.world.release = release
    laws.run(case, host)
    assert all(step.token is not None for step in laws.run(case, host, check=True).plan.due)
