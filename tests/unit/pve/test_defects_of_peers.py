# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other automation of Proxmox VE got wrong, and that this does not: a test for each.

The names are those of modules of community.proxmox (read at its commit 4a7ebd9), the numbers those of its
issues; at the end stands what users of other tools report. Where there is no module of ours for a thing
(users, tokens, scheduled backups), the engine that all resources share shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, Subject, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import access_of
from ansible_collections.twin.datacenter.plugins.module_utils._pve.errors import TaskFailed
from ansible_collections.twin.datacenter.plugins.module_utils._pve.machine_host import read_machines
from ansible_collections.twin.datacenter.plugins.modules import (
    pve_datacenter,
    pve_ha_resource,
    pve_ha_rule,
    pve_lxc,
    pve_mapping,
    pve_pool,
    pve_qemu,
    pve_replication,
    pve_storage,
)
from tests.doubles.pve.access import Group, Token, User
from tests.doubles.pve.api import Api
from tests.doubles.pve.faults import Fault, TaskFault
from tests.doubles.pve_guests import SSA, WEB, container, house, machine
from tests.doubles.pve_host import DoubleHost
from tests.laws import (
    cases_pve_cluster,
    cases_pve_datacenter,
    cases_pve_ha,
    cases_pve_lxc,
    cases_pve_mapping,
    cases_pve_pool,
    cases_pve_qemu,
    cases_pve_replication,
    cases_pve_storage,
    laws,
)
from tests.unit.pve.test_resource import CANARY, GROUP, USER, item
from tests.unit.pve.test_resource import run as run_engine

LISTS: Mapping[Any, tuple[str, Mapping[str, Any]]] = {
    pve_lxc: ("guests", cases_pve_lxc.DEFAULTS),
    pve_qemu: ("guests", cases_pve_qemu.DEFAULTS),
    pve_pool: ("pools", {"state": "present"}),
    pve_storage: ("storages", {"state": "present", "settings": {}, "secrets": {}}),
    pve_ha_resource: ("resources", {}),
    pve_ha_rule: ("rules", {"type": "node-affinity", "state": "present"}),
    pve_mapping: ("mappings", {"type": "pci", "state": "present"}),
    pve_replication: ("jobs", {"state": "present"}),
}
"""Modules, each with the name of its list and what an item of it has that says nothing."""
NEW = {"name": "new", **cases_pve_lxc.NEW}


def run(
    module: Any, host: DoubleHost, *items: Mapping[str, Any], check: bool = False, **more: Any
) -> Outcome:
    """A module of ours against the double."""
    plural, defaults = LISTS[module]
    params = {plural: [{**defaults, **each} for each in items], "purge": False, "scope": None, **more}
    subject: Subject[Any, Any] = module.SUBJECT
    return reconcile(subject, params, host.reader(), None if check else host)


def sent(host: DoubleHost, verb: str, ending: str) -> list[dict[str, Any]]:
    """The parameters of requests, without what guards them against others."""
    return [
        {key: value for key, value in params.items() if key != "digest"}
        for method, path, params in host.api.log
        if method == verb and path.endswith(ending)
    ]


def cluster_case(name: str) -> laws.Case:
    return next(case for case in cases_pve_cluster.CASES if case.name == name)


def users() -> DoubleHost:
    """A user who has a token, and a group."""
    host = DoubleHost()
    host.world.access.users["ssa@pve"] = User(tokens={"deploy": Token()})
    host.world.access.groups["old"] = Group(comment="gone")
    return host


# -- proxmox_user


def test_proxmox_user_deletes_tokens_that_nobody_mentioned() -> None:
    """A user without ``tokens`` in the playbook counted as one who has to have none."""
    host = users()
    run_engine(host, USER, item("ssa@pve", comment="telescope"))
    user = host.world.access.users["ssa@pve"]
    assert (user.fields["comment"], list(user.tokens)) == ("telescope", ["deploy"])
    assert not [request for request in host.changes if "DELETE" in request]


def test_proxmox_user_forgets_the_password_when_something_else_differs() -> None:
    """Its branch for other drift returned before the password was written.

    PVE itself takes a password with a new user only (PUT /access/users has no such parameter), so it is shown
    on a storage, whose password is written with what else differs.
    """
    host = cases_pve_storage.storages()
    old = {"name": "old", "settings": {"content": ["iso"]}, "secrets": {"password": CANARY}}
    run(pve_storage, host, old, update_secrets=True)
    assert sent(host, "PUT", "/storage/old") == [{"content": "iso", "password": CANARY}]


def test_proxmox_user_reports_a_password_as_changed_each_time() -> None:
    """What PVE never shows is written when a thing is made, and again only when that is asked for."""
    host = users()
    wanted = item("new@pve", comment="x", secrets={"password": CANARY})
    assert run_engine(host, USER, wanted).plan.sentences == ["create user new@pve with comment x"]
    assert not run_engine(host, USER, wanted).plan.changed
    assert host.world.access.users["new@pve"].password == CANARY


def test_proxmox_user_says_in_check_mode_that_a_removal_changes_nothing() -> None:
    host = users()
    outcome = run_engine(host, USER, item("ssa@pve", "absent"), check=True)
    assert outcome.plan.changed and outcome.plan.sentences == ["remove user ssa@pve"]
    assert "ssa@pve" in host.world.access.users


# -- proxmox_backup_schedule


@pytest.mark.parametrize("state", ["present", "absent"])
def test_proxmox_backup_schedule_writes_in_check_mode(state: str) -> None:
    """It said that it knows check mode and never looked.

    What has a schedule here is the job of a replica; for all modules it is a law (tests/laws).
    """
    host = cases_pve_replication.servers()
    job = {"name": "100-0", "target": "pollux", "schedule": "*/1", "state": state}
    allowed = {"allow_destroy": ["100-0"]}
    assert run(pve_replication, host, job, check=True, **allowed).plan.changed
    assert host.changes == []


# -- proxmox_firewall


def test_proxmox_firewall_writes_what_differs_twice() -> None:
    """Of a rule that differed in two keys it made two updates, the second of rule "None"; users met it as 485
    and 501. A thing of ours has a name and not a position, and is changed once with all that differs.
    """
    host = cases_pve_ha.managed()
    rule = {"name": "home-pollux", "nodes": ["castor"], "disable": False, "comment": "moved"}
    (step,) = run(pve_ha_rule, host, {"name": "lab-old", "state": "absent"}, rule).plan.steps[1:]
    assert step.key == "HA rule home-pollux"
    changes = [request for request in host.changes if request.startswith("PUT")]
    assert changes == ["PUT /cluster/ha/rules/home-pollux"]
    (params,) = sent(host, "PUT", "/home-pollux")
    assert params == {"type": "node-affinity", "nodes": "castor", "comment": "moved", "delete": "disable"}


# -- proxmox_cluster_ha_groups, _ha_resources, _ha_rules


def test_proxmox_cluster_ha_groups_needs_nodes_for_a_group_that_is_to_go() -> None:
    """It sorted the nodes first, and ended in a TypeError in the example of its own documentation."""
    host = cases_pve_ha.cluster()
    host.world.file("ha/groups").update({"old": {"nodes": "castor"}, "kept": {"nodes": "pollux"}})
    outcome = run(pve_ha_rule, host, {"name": "old", "type": "group", "state": "absent"})
    assert outcome.plan.sentences == ["remove HA group old"]


@pytest.mark.parametrize(
    ("module", "host", "name"),
    [
        (pve_storage, cases_pve_storage.storages, "old"),
        (pve_pool, cases_pve_pool.pools, "lab"),
        (pve_mapping, cases_pve_mapping.servers, "gpu"),
    ],
)
def test_no_resource_needs_more_than_its_name_to_go(module: Any, host: Callable[[], Any], name: str) -> None:
    there = host()
    assert run(module, there, {"name": name, "state": "absent"}).plan.changed
    assert not run(module, there, {"name": name, "state": "absent"}).plan.changed


def test_proxmox_cluster_ha_resources_takes_a_container_for_a_machine() -> None:
    """It compared numbers without the kind, ct:100 being as good as vm:100."""
    host = cases_pve_ha.managed()
    with pytest.raises(TwinError, match="guest with ID 100 is not a VM"):
        run(pve_ha_resource, host, {"sid": "vm:100", "state": "started"})
    with pytest.raises(Refused, match="'100' names no guest; write vm:NUMBER or ct:NUMBER"):
        run(pve_ha_resource, host, {"sid": "100"})


def test_proxmox_cluster_ha_resources_changes_an_empty_comment_in_each_run() -> None:
    """Its default "" differed from the key that the API leaves out."""
    host = cases_pve_ha.managed()
    assert not run(pve_ha_resource, host, {"sid": "ct:101", "comment": ""}).plan.changed
    outcome = run(pve_ha_resource, host, {"sid": "ct:100", "comment": ""})
    assert outcome.plan.sentences == ["change HA resource ct:100: unset comment"]
    assert "comment" not in host.world.file("ha/resources")["ct:100"]


def test_proxmox_cluster_ha_resources_has_no_failback_and_sends_a_group() -> None:
    """PVE 9 refuses any ``group``."""
    host = cases_pve_ha.managed()
    run(pve_ha_resource, host, {"sid": "ct:101", "failback": False})
    assert sent(host, "PUT", "/ct:101") == [{"failback": "0"}]


def test_proxmox_cluster_ha_rules_cannot_put_a_guest_into_a_rule_that_is_there() -> None:
    """286."""
    host = cases_pve_ha.managed()
    run(pve_ha_rule, host, {"name": "lab-old", "state": "absent"})
    rule = {"name": "home-castor", "resources": ["ct:100", "ct:101", "vm:200"]}
    assert run(pve_ha_rule, host, rule).plan.sentences == [
        "change HA rule home-castor: set resources from ct:100, ct:101 to ct:100, ct:101, vm:200"
    ]


def test_proxmox_cluster_ha_groups_breaks_on_version_9() -> None:
    """413: here it is said what has become of groups."""
    group = {"name": "home", "type": "group", "nodes": ["castor"]}
    with pytest.raises(TwinError, match="ha groups have been migrated to rules"):
        run(pve_ha_rule, cases_pve_ha.cluster(), group, check=True)


# -- proxmox_access_acl


@pytest.mark.parametrize(
    ("module", "host", "wanted"),
    [
        (pve_ha_resource, cases_pve_ha.managed, {"sid": "ct:101", "failback": False}),
        (pve_ha_rule, cases_pve_ha.managed, {"name": "home-pollux", "disable": False}),
        (pve_storage, cases_pve_storage.storages, {"name": "tank", "settings": {"sparse": False}}),
        (pve_lxc, container, {"name": "ssa", "config": {"onboot": False}}),
        (pve_qemu, machine, {"name": "web", "config": {"net0": {"firewall": False}}}),
    ],
)
def test_proxmox_access_acl_never_compares_false(module: Any, host: Callable[[], Any], wanted: Any) -> None:
    """``propagate: false`` was no wish to it. False is a value: it is drift once, and then it holds."""
    there = host()
    if module is pve_ha_rule:
        run(module, there, {"name": "lab-old", "state": "absent"})
    assert run(module, there, wanted).plan.changed
    assert not run(module, there, wanted).plan.changed


def test_a_user_who_is_to_be_disabled_is() -> None:
    host = users()
    assert run_engine(host, USER, item("ssa@pve", enable=False)).plan.sentences == [
        "change user ssa@pve: set enable from yes to no"
    ]
    assert not run_engine(host, USER, item("ssa@pve", enable=False)).plan.changed


# -- proxmox (containers)


def test_proxmox_has_two_meanings_for_the_limit_of_processors() -> None:
    """``cpus`` was cpuunits at creation and cpulimit in an update."""
    host = house()
    limits = {**NEW, "config": {"cpulimit": 2, "cpuunits": 200, "cores": 3}}
    run(pve_lxc, host, limits)
    config = host.world.guests[100].config
    assert (config["cpulimit"], config["cpuunits"], config["cores"]) == (2, 200, 3)
    assert not run(pve_lxc, host, limits).plan.changed
    run(pve_lxc, host, {**limits, "config": {**limits["config"], "cpulimit": 1}})
    assert (config["cpulimit"], config["cpuunits"], config["cores"]) == (1, 200, 3)


def test_proxmox_calls_what_is_not_there_to_remove_by_force() -> None:
    """A guest that runs is stopped and removed, with its disks."""
    host = container()
    run(pve_lxc, host, {"name": "ssa", "state": "absent"}, allow_destroy=["ssa"])
    assert not host.world.guests
    assert not [volume for _node, volume in host.world.volumes if "-200-" in volume]


@pytest.mark.parametrize(
    ("module", "host", "name"), [(pve_lxc, container, "ssa"), (pve_qemu, machine, "web")], ids=["ct", "vm"]
)
def test_proxmox_and_proxmox_kvm_call_what_is_not_there_for_a_template(
    module: Any, host: Callable[[], DoubleHost], name: str
) -> None:
    """``stop_instance`` existed nowhere, so no guest that ran became a template."""
    there = host()
    run(module, there, {"name": name, "state": "template"})
    (guest,) = there.world.guests.values()
    assert guest.config["template"] == 1 and guest.status == "stopped"
    assert not run(module, there, {"name": name, "state": "template"}).plan.changed


def test_proxmox_sees_no_part_of_a_value_that_has_to_go() -> None:
    """``firewall=1`` in the configuration and none in the playbook was "up to date"; a text is all of a value
    here, and in a mapping null says it.
    """
    for wish in ({"firewall": None}, SSA["net0"].replace("firewall=1,", "")):
        host = container()
        assert run(pve_lxc, host, {"name": "ssa", "config": {"net0": wish}}).plan.changed
        assert "firewall" not in host.world.guests[200].config["net0"]


def test_proxmox_sends_all_keys_though_one_differs() -> None:
    host = container()
    config = {"memory": 1024, "swap": 64, "cores": 1, "onboot": True, "tags": "lab;web"}
    run(pve_lxc, host, {"name": "ssa", "config": config})
    assert sent(host, "PUT", "/config") == [{"memory": "1024"}]


def test_proxmox_makes_volumes_anew_and_cannot_change_memory() -> None:
    """69 and 132."""
    host = container()
    wanted = {
        "name": "ssa",
        "config": {"memory": 1024},
        "disks": {
            "mp0": {"storage": "tank", "size": "1G"},
            "mp1": {"storage": "tank", "size": "2G", "mp": "/srv"},
        },
    }
    assert run(pve_lxc, host, wanted).plan.changed
    config = host.world.guests[200].config
    assert config["memory"] == 1024 and config["mp0"] == SSA["mp0"]
    assert config["mp1"] == "tank:subvol-200-disk-2,mp=/srv,size=2G"
    assert not run(pve_lxc, host, wanted).plan.changed
    assert len([volume for _node, volume in host.world.volumes if "-200-" in volume]) == 3


@pytest.mark.parametrize("module", [pve_lxc, pve_qemu])
def test_proxmox_changes_nothing_without_a_flag(module: Any) -> None:
    """89 and 92: ``update`` was off by default, and drift not looked for; here no such flag is known."""
    assert not [name for name in module.SUBJECT.options["guests"]["options"] if name.startswith("update")]
    host = container() if module is pve_lxc else machine()
    name, memory = ("ssa", 256) if module is pve_lxc else ("web", "256")
    next(iter(host.world.guests.values())).config["memory"] = memory
    assert run(module, host, {"name": name, "config": {"memory": 512}}).plan.changed


def test_proxmox_detaches_a_mount_at_a_wrong_place() -> None:
    """``umount`` gave the name of the guest for that of its node."""
    host = container(running=False)
    run(pve_lxc, host, {"name": "ssa", "state": "stopped", "disks": {"mp0": None}})
    config = host.world.guests[200].config
    assert "mp0" not in config and config["unused0"] == "tank:subvol-200-disk-1"


# -- proxmox_kvm


def test_proxmox_kvm_is_changed_by_each_update() -> None:
    """24, open since 2021."""
    keys = ("agent", "boot", "cores", "ipconfig0", "memory", "net0", "ostype", "scsihw")
    config = {key: WEB[key] for key in keys}
    assert not run(pve_qemu, machine(), {"name": "web", "config": config}).plan.changed


def test_proxmox_kvm_changes_keys_of_cloud_init_for_ever() -> None:
    """200: it compared their encoding."""
    host = machine()
    wanted = {"name": "web", "config": {"sshkeys": "ssh-ed25519 AAAA+/b= me@home\nssh-rsa BBBB you"}}
    assert run(pve_qemu, host, wanted).plan.changed
    keys = host.world.guests[300].config["sshkeys"]
    assert keys == "ssh-ed25519%20AAAA%2B%2Fb%3D%20me%40home%0Assh-rsa%20BBBB%20you"
    assert not run(pve_qemu, host, wanted).plan.changed


def test_proxmox_kvm_gives_a_card_another_address() -> None:
    """132: the MAC address was new after each update."""
    host = machine()
    run(pve_qemu, host, {"name": "web", "config": {"net0": "virtio,bridge=vmbr1"}})
    assert host.world.guests[300].config["net0"] == "virtio=BC:24:11:FE:EF:9C,bridge=vmbr1"


def test_proxmox_kvm_drops_disks_and_cards_from_an_update() -> None:
    """Without ``update_unsafe`` they were left out, and nothing said so."""
    host = machine()
    wanted = {
        "name": "web",
        "config": {"net1": {"model": "virtio", "bridge": "vmbr0"}},
        "disks": {"scsi1": {"storage": "tank", "size": "3G"}},
    }
    run(pve_qemu, host, wanted)
    config = host.world.guests[300].config
    assert config["net1"].startswith("virtio=") and config["scsi1"] == "tank:vm-300-disk-1,size=3G"
    assert not run(pve_qemu, host, wanted).plan.changed


def test_proxmox_kvm_does_not_say_what_waits_for_a_restart() -> None:
    host = machine()
    wanted = {"name": "web", "config": {"cores": 2}, "apply": "next_boot"}
    plan = run(pve_qemu, host, wanted).plan
    assert plan.sentences[-1] == "restart virtual machine web for cores to take effect (owed)"
    again = run(pve_qemu, host, wanted).plan
    assert not again.changed and again.sentences == plan.sentences[-1:]


def test_proxmox_kvm_ignores_all_options_of_a_clone() -> None:
    """115 and 75: a second task was needed, and no drive for cloud-init came to be."""
    host = cases_pve_qemu.templates()
    wanted = {"name": "new", **cases_pve_qemu.CLONE}
    run(pve_qemu, host, wanted)
    made = next(guest for guest in host.world.guests.values() if guest.name == "new")
    assert (made.config["memory"], made.config["ciuser"]) == ("4096", "me")
    assert "tag=7" in made.config["net0"]
    assert "size=20G" in made.config["scsi0"] and "cloudinit" in made.config["ide2"]
    assert not run(pve_qemu, host, wanted).plan.changed


def test_proxmox_kvm_makes_no_guest_from_a_backup() -> None:
    """42."""
    host = cases_pve_lxc.backed_up()
    source = {"backup": cases_pve_lxc.BACKUP, "storage": "fast"}
    run(pve_lxc, host, {"name": "ssa", "vmid": 200, "node": "castor", "source": source})
    assert host.world.guests[200].config["rootfs"].startswith("fast:")


@pytest.mark.parametrize(
    ("running", "live", "params"),
    [
        (True, True, {"target": "pollux", "online": 1, "with-local-disks": 1}),
        (True, False, {"target": "pollux", "with-local-disks": 1}),
        (False, True, {"target": "pollux", "with-local-disks": 1}),
    ],
    ids=["live", "stopped for it", "stands still"],
)
def test_proxmox_kvm_moves_machines_that_run_and_have_no_disk_alone(
    running: bool, live: bool, params: dict[str, Any]
) -> None:
    """76: ``online`` was always asked for, and local disks refused."""
    host = machine(running=running)
    state = "started" if running else "stopped"
    run(pve_qemu, host, {"name": "web", "node": "pollux", "live": live, "state": state})
    assert sent(host, "POST", "/migrate") == [params]
    guest = host.world.guests[300]
    assert (guest.node, guest.status) == ("pollux", "running" if running else "stopped")


def test_proxmox_kvm_gives_up_a_slow_disk_after_30_seconds() -> None:
    """67."""
    host = house()
    real: Callable[..., Any] = host.transport.request

    def slow(*args: Any) -> Any:
        answer = real(*args)
        if args[:2] == ("POST", "nodes/castor/lxc"):
            host.world.tasks[answer.data].wake += 120
        return answer

    host.transport.request = slow  # type: ignore[method-assign]
    begun = host.clock.now()
    run(pve_lxc, host, NEW)
    assert host.world.guests[100].status == "running" and host.clock.now() - begun > 120


def test_proxmox_kvm_waits_out_its_timeout_for_a_task_that_has_failed() -> None:
    """... and then told the first line of the log for the last."""
    host = container(running=False)
    host.api.faults.tasks.append(TaskFault("vzstart", "command 'lxc-start' failed: exit code 1"))
    before = host.clock.now()
    with pytest.raises(TwinError, match="lxc-start' failed: exit code 1") as caught:
        run(pve_lxc, host, {"name": "ssa"})
    assert isinstance(caught.value.__cause__, TaskFailed)
    assert caught.value.facts["upid"].startswith("UPID:castor:")
    assert "lxc-start" in caught.value.facts["log"][-1]
    assert host.clock.now() - before < 5


def test_proxmox_snap_ends_where_one_answer_is_late() -> None:
    """160: a question after a task that took more than 5 s to be answered ended the module, though the task
    went on.
    """
    host = container()
    host.api.faults.requests.append(Fault("GET .*/tasks/.*/status", drop=True, times=2))
    run(pve_lxc, host, {"name": "ssa", "snapshots": [{"name": "mine"}]})
    assert list(host.world.guests[200].snapshots) == ["mine"]


@pytest.mark.parametrize(
    "fault",
    [
        {"text": "can't lock file '/run/lock/lxc/pve-config-200.lock' - got timeout"},
        {"status": 595, "text": "Connection refused"},
    ],
    ids=["lock", "no connection"],
)
def test_no_module_of_community_proxmox_tries_again(fault: dict[str, Any]) -> None:
    """A lock of a moment, or a node that was busy, ended the task."""
    host = container()
    host.api.faults.requests.append(Fault("^PUT", times=2, **fault))
    run(pve_lxc, host, {"name": "ssa", "config": {"memory": 1024}})
    assert host.world.guests[200].config["memory"] == 1024


@pytest.mark.parametrize(
    ("module", "host", "name"), [(pve_lxc, container, "ssa"), (pve_qemu, machine, "web")], ids=["ct", "vm"]
)
def test_each_module_of_community_proxmox_asks_for_the_version(
    module: Any, host: Callable[[], DoubleHost], name: str
) -> None:
    """Up to six times for one container that was as it should be, of eight requests."""
    there = host()
    run(module, there, {"name": name, "config": {"cores": 1}})
    assert [verb for verb, _path, _params in there.api.log] == ["GET"] * 3
    assert not [path for _verb, path, _params in there.api.log if path == "/version"]


# -- proxmox_disk, proxmox_nic


def test_proxmox_disk_drops_options_that_others_have_set() -> None:
    """Its update held the options of the playbook and no other."""
    host = machine()
    run(pve_qemu, host, {"name": "web", "disks": {"scsi0": {"backup": False}}})
    assert "iothread=1" in host.world.guests[300].config["scsi0"]


def test_proxmox_disk_empties_an_empty_drive_in_each_run() -> None:
    """94."""
    host = machine(ide0="none,media=cdrom")
    wanted = {"name": "web", "disks": {"ide0": {"volume": "none", "media": "cdrom"}}}
    assert not run(pve_qemu, host, wanted).plan.changed


def test_proxmox_nic_compares_the_text_of_a_card() -> None:
    """Options in another order were a change, and so was one that the playbook does not name."""
    reverse = ",".join(reversed(SSA["net0"].split(",")))
    for wish in (reverse, {"bridge": "vmbr0"}, {"hwaddr": "bc:24:11:dd:94:05", "firewall": "yes"}):
        assert not run(pve_lxc, container(), {"name": "ssa", "config": {"net0": wish}}).plan.changed


# -- proxmox_ceph_mon, _mgr, _mds, _osd


def test_proxmox_ceph_modules_do_not_wait_for_what_they_start() -> None:
    """They returned with the UPID of a task that might still fail. Ours that start one tell how it ended."""
    host = house()
    outcome = run(pve_lxc, host, NEW)
    upids = [told["upid"] for told in outcome.measured if "upid" in told]
    assert upids and all(host.world.tasks[upid].exitstatus == "OK" for upid in upids)
    failing = house()
    failing.api.faults.tasks.append(TaskFault("vzcreate", "no space left on device"))
    with pytest.raises(TwinError, match="no space left on device"):
        run(pve_lxc, failing, NEW)


# -- proxmox_pool_member, proxmox_pool


def test_proxmox_pool_member_has_no_diff() -> None:
    """It was documented, and the result carried none. Pool and members are one thing here (320)."""
    host = cases_pve_pool.pools()
    outcome = run(pve_pool, host, {"name": "prod/web", "comment": "Sites", "guests": [101, 103]}, check=True)
    assert outcome.result(diff=True)["diff"] == {
        "before": {"pool prod/web": {"comment": "", "guests": ["100", "101"]}},
        "after": {"pool prod/web": {"comment": "Sites", "guests": ["101", "103"]}},
    }


def test_proxmox_pool_member_overwrites_what_others_did_meanwhile() -> None:
    """Members that somebody else puts in between reading and writing stay."""
    host = cases_pve_pool.pools()
    wanted = pve_pool.SUBJECT.wanted({"pools": [{"name": "lab", "guests": [102, 103], "state": "present"}]})
    (step,) = pve_pool.SUBJECT.plan(pve_pool.SUBJECT.read(host, wanted), wanted).steps
    host.world.access.pools["lab"].guests.add(101)
    pve_pool.SUBJECT.apply(host, step)
    assert host.world.access.pools["lab"].guests == {101, 102, 103}


# -- proxmox_cluster


def test_proxmox_cluster_is_changed_before_the_node_is_a_member() -> None:
    """196: it had changed something as soon as PVE had begun, even where that failed a moment later."""
    host = cluster_case("joined").host()
    outcome = laws.run(cluster_case("joined"), host)
    status = Api(host.theirs.world).request("GET", "/cluster/status").data
    assert {each["name"] for each in status if each.get("online")} == {"castor", "pollux"}
    assert outcome.plan.changed and outcome.measured[0]["upid"].startswith("UPID:pollux:")
    failing = cluster_case("joined").host()
    failing.double.api.faults.tasks.append(TaskFault("clusterjoin", "unable to join: no quorum on peer"))
    with pytest.raises(TwinError, match="unable to join: no quorum on peer"):
        laws.run(cluster_case("joined"), failing)


@pytest.mark.parametrize("name", ["made", "joined"])
def test_proxmox_cluster_is_not_idempotent(name: str) -> None:
    """125, 197, 244: a second run failed, for the node was in a cluster already."""
    host = cluster_case(name).host()
    assert laws.run(cluster_case(name), host).plan.changed
    before = list(host.changes)
    assert not laws.run(cluster_case(name), host).plan.changed
    assert host.changes == before


def test_proxmox_cluster_joins_over_other_links() -> None:
    """199: those that were given had no effect. What a member has is compared with them, too."""
    host = cluster_case("joined").host()
    laws.run(cluster_case("joined"), host)
    members = Api(host.theirs.world).request("GET", "/cluster/config/nodes").data
    (pollux,) = (each for each in members if each["name"] == "pollux")
    assert [pollux["ring0_addr"], pollux["ring1_addr"]] == cases_pve_cluster.SECOND
    other = cases_pve_cluster.case("x", lambda: host, links=["10.1.0.2", "10.3.0.2"])
    with pytest.raises(Refused, match="links of node pollux are 10.1.0.2, 10.2.0.2, not 10.1.0.2, 10.3.0.2"):
        laws.run(other, host)


def test_proxmox_cluster_holds_that_no_node_can_be_removed() -> None:
    """Its documentation said so; a call for it is there, for a node that is off."""
    host = cluster_case("a dead node").host()
    laws.run(cluster_case("a dead node"), host)
    assert host.changes == ["DELETE /cluster/config/nodes/pollux"]
    assert list(host.double.world.nodes) == ["castor"]


# -- the inventory plugin


def test_the_inventory_asks_several_times_for_each_guest() -> None:
    """257: 10 to 20 minutes for a large cluster. Here one request tells of all."""
    host = cases_pve_pool.pools()
    assert len(read_machines(host, facts=False)) == 4
    assert [path for _verb, path, _params in host.api.log] == ["/cluster/resources"]


# -- what there was no module for


def test_there_was_no_module_for_options_of_the_datacenter() -> None:
    """84."""
    host = cases_pve_datacenter.cluster()
    params = {"datacenter": {"migration": {"type": "secure"}}}
    plan = reconcile(pve_datacenter.SUBJECT, params, host.reader(), host).plan
    assert plan.sentences == [
        "change datacenter: set migration from type=insecure,network=10.1.0.0/24 to type=secure"
    ]
    assert not reconcile(pve_datacenter.SUBJECT, params, host.reader(), host).plan.changed


def test_secrets_need_not_stand_in_a_playbook() -> None:
    """community.general 1644: without the environment, automation controllers had to keep them in files."""
    environment = {"PROXMOX_HOST": "castor", "PROXMOX_TOKEN_ID": "a@pve!b", "PROXMOX_TOKEN_SECRET": CANARY}
    access = access_of({}, environment)
    assert (access.host, access.user, access.token_id, access.token_secret) == (
        "castor",
        "a@pve",
        "b",
        CANARY,
    )


# -- what users of others report


def test_terraform_makes_a_guest_anew_that_has_failed_over() -> None:
    """bpg/terraform-provider-proxmox 2081: the node is part of what a guest is. Here it is found where it
    runs, and left there where no node is declared.
    """
    host = container()
    host.world.guests[200].node = "pollux"
    assert run(pve_lxc, host, {"name": "ssa", "config": {"memory": 1024}}).plan.changed
    assert host.changes == ["PUT /nodes/pollux/lxc/200/config"]


def test_terraform_takes_the_order_of_disks_for_a_change() -> None:
    """bpg/terraform-provider-proxmox 103, 185, 1138: disks are told by their keys here."""
    disks = {"rootfs": {"size": "8G"}, "mp0": {"mp": "/data"}}
    for order in (disks, dict(reversed(disks.items()))):
        assert not run(pve_lxc, container(), {"name": "ssa", "disks": order}).plan.changed


def test_terraform_destroys_a_guest_for_another_size_of_its_disk() -> None:
    """bpg/terraform-provider-proxmox 1083, 1636: a disk grows where it is, and shrinking is refused."""
    host = machine()
    plan = run(pve_qemu, host, {"name": "web", "disks": {"scsi0": {"size": "9G"}}}).plan
    assert plan.sentences == ["grow scsi0 of virtual machine web from 8G to 9G"]
    with pytest.raises(Refused, match="scsi0 of virtual machine web has 9G, and no disk is made smaller"):
        run(pve_qemu, host, {"name": "web", "disks": {"scsi0": {"size": "8G"}}})


def test_terraform_does_not_move_containers() -> None:
    """bpg/terraform-provider-proxmox 658; PVE restarts one that runs for it."""
    host = container()
    run(pve_lxc, host, {"name": "ssa", "node": "pollux"})
    assert sent(host, "POST", "/migrate") == [{"target": "pollux", "restart": 1}]
    assert (host.world.guests[200].node, host.world.guests[200].status) == ("pollux", "running")


def test_a_group_that_nobody_declares_is_left_alone() -> None:
    """Roles that write a whole file, or replace a whole cluster, remove what they do not know."""
    host = users()
    run_engine(host, GROUP, item("new", comment="fresh"))
    assert sorted(host.world.access.groups) == ["new", "old"]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case))
        for cases in (cases_pve_lxc, cases_pve_qemu, cases_pve_storage, cases_pve_ha, cases_pve_mapping)
        for case in cases.CASES
        if case.name in ("new", "changed", "changed in flight", "absent")
    ],
)
def test_most_modules_of_community_proxmox_have_neither_check_mode_nor_diff(case: laws.Case) -> None:
    """The two for guests, which are used most, had neither; four claimed a diff and three gave one."""
    host = case.host()
    result = laws.run(case, host, check=True).result(diff=True)
    assert result["changed"] and not getattr(host, "changes", None)
    assert result["diff"]["before"] != result["diff"]["after"]
