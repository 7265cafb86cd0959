# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for guests of Proxmox VE, from what was found to what was declared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.plan import Effect, Plan
from ansible_collections.twin.datacenter.plugins.module_utils._pve import table
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest import (
    Cluster,
    Entry,
    Found,
    Kind,
    Wanted,
    wanted_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_export import export
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_host import found_of
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_plan import plan_guests, touched
from ansible_collections.twin.datacenter.plugins.module_utils._pve.lxc import LXC
from ansible_collections.twin.datacenter.plugins.module_utils._pve.note import Note, print_note
from ansible_collections.twin.datacenter.plugins.module_utils._pve.qemu import QEMU

RECORDINGS = Path(__file__).parents[2] / "doubles" / "pve" / "recordings"
# As PVE 9.2 answers for a container and for a virtual machine.
SSA = MappingProxyType(
    {
        "arch": "amd64",
        "cores": 1,
        "description": "line1\nline2\n",
        "features": "nesting=1",
        "hostname": "ssa",
        "memory": 512,
        "mp0": "tank:subvol-200-disk-1,mp=/data,backup=1,size=1G",
        "net0": "name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:DD:94:05,ip=10.99.0.200/24,type=veth",
        "ostype": "debian",
        "rootfs": "tank:subvol-200-disk-0,size=8G",
        "swap": 64,
        "tags": "lab;web",
        "unprivileged": 1,
    }
)
WEB = MappingProxyType(
    {
        "agent": "enabled=1",
        "boot": "order=scsi0;net0",
        "cipassword": "**********",
        "cores": 1,
        "hotplug": "network,disk,usb",
        "ide2": "tank:vm-300-cloudinit,media=cdrom",
        "memory": "1024",
        "name": "web",
        "net0": "virtio=BC:24:11:FE:EF:9C,bridge=vmbr0,firewall=1",
        "ostype": "l26",
        "scsi0": "tank:vm-300-disk-0,iothread=1,size=8G",
        "scsihw": "virtio-scsi-single",
        "sshkeys": "ssh-ed25519%20AAAAC3Nz%20lab",
    }
)


def found(kind: Kind, config: Mapping[str, Any], live: Mapping[str, Any] | None = None, **more: Any) -> Found:
    """A guest on castor; with ``live`` it runs."""
    vmid, name = (200, "ssa") if kind is LXC else (300, "web")
    known = table.known(kind.config, config)
    running = live is not None
    now = Found(
        vmid, "castor", name, running=running, token="71", digest="d1", configured=known,
        live=table.known(kind.config, live or {}),
    )  # fmt: skip
    return replace(now, **more)


def cluster(*guests: tuple[Kind, Found], entries: tuple[Entry, ...] = (), **more: Any) -> Cluster:
    listed = [
        Entry(each.vmid, kind.path, each.name, each.node, each.template, each.lock) for kind, each in guests
    ]
    return Cluster(
        (*listed, *entries),
        {each.vmid: each for _kind, each in guests},
        nodes=frozenset({"castor", "pollux"}),
        free=(100, 101),
        **more,
    )


def want(kind: Kind, *items: Mapping[str, Any], **more: Any) -> Wanted:
    full = [{"state": "started", "apply": "now", "timeout": 60, **item} for item in items]
    return wanted_of(kind, {"guests": full, **more})


def ssa(config: Mapping[str, Any] = SSA, live: Mapping[str, Any] | None = SSA, **more: Any) -> Cluster:
    return cluster((LXC, found(LXC, config, live, **more)))


def web(config: Mapping[str, Any] = WEB, live: Mapping[str, Any] | None = WEB, **more: Any) -> Cluster:
    return cluster((QEMU, found(QEMU, config, live, **more)))


def plan(kind: Kind, current: Cluster, **item: Any) -> Plan:
    return plan_guests(current, want(kind, {"name": "ssa" if kind is LXC else "web", **item}))


def effects(planned: Plan) -> list[tuple[str, Effect]]:
    return [(step.verb, step.effect) for step in planned.steps]


def blockers(planned: Plan) -> str:
    with pytest.raises(Refused) as caught:
        planned.guard()
    return str(caught.value)


# -- nothing to do


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("memory", "512"),
        ("onboot", False),
        ("description", "line1\nline2"),
        ("tags", ["web", "lab"]),
        ("tags", "web,lab"),
        ("net0", {"bridge": "vmbr0"}),
        ("net0", {"firewall": True, "tag": None}),
        ("net0", "name=eth0,ip=10.99.0.200/24,bridge=vmbr0,firewall=1"),
        ("net0", {"hwaddr": "bc:24:11:dd:94:05"}),
        ("features", {"nesting": True, "keyctl": False}),
        ("startup", None),
        ("cmode", "tty"),
    ],
)
def test_what_means_the_same_is_no_change(key: str, value: Any) -> None:
    assert not plan(LXC, ssa(), config={key: value}).steps


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sshkeys", "ssh-ed25519 AAAAC3Nz lab"),
        ("sshkeys", "ssh-ed25519 AAAAC3Nz lab\n"),
        ("memory", 1024),
        ("agent", "1"),
        ("agent", {"enabled": True}),
        ("net0", "virtio,bridge=vmbr0,firewall=1"),
        ("net0", {"model": "virtio"}),
        ("boot", "order=scsi0;net0"),
    ],
)
def test_what_means_the_same_for_a_machine_is_no_change(key: str, value: Any) -> None:
    assert not plan(QEMU, web(), config={key: value}).steps


def test_disks_that_are_as_declared_are_left_alone() -> None:
    disks = {"rootfs": {"storage": "tank", "size": "8192M"}, "mp0": {"mp": "/data"}, "mp3": None}
    assert not plan(LXC, ssa(), disks=disks).steps
    assert not plan(
        QEMU, web(), disks={"scsi0": {"size": "8G"}, "ide2": {"storage": "tank", "volume": "cloudinit"}}
    ).steps


def test_an_empty_drive_stays_empty() -> None:
    """No drive becomes none again and again."""
    config = {**WEB, "ide0": "none,media=cdrom"}
    drive = {"volume": "none", "media": "cdrom"}
    assert not plan(QEMU, web(config, config), disks={"ide0": drive}).steps
    planned = plan(QEMU, web({**WEB, "ide0": "local:iso/a.iso,media=cdrom"}), disks={"ide0": drive})
    assert planned.steps[0].args["changes"]["ide0"] == {"file": "none", "media": "cdrom"}


# -- changes


def test_all_keys_go_into_one_request_with_the_digest() -> None:
    planned = plan(LXC, ssa(), config={"memory": 1024, "swap": 64, "tags": None, "cores": 2})
    (step,) = planned.steps
    assert step.sentence == "change container ssa: memory from 512 to 1024, no tags, cores from 1 to 2"
    assert step.args["digest"] == "d1"
    assert list(step.args["changes"]) == ["memory", "tags", "cores"]
    assert planned.before["ssa"] == {"memory": "512", "tags": "lab,web", "cores": "1"}
    assert planned.after["ssa"] == {"memory": "1024", "cores": "2"}


def test_a_mapping_changes_the_parts_that_it_names() -> None:
    (step,) = plan(LXC, ssa(), config={"net0": {"tag": 5, "firewall": None}}).steps
    assert step.sentence == "change container ssa: net0 (no firewall, tag to 5)"


def test_a_text_is_all_of_a_value_but_for_its_mac_address() -> None:
    planned = plan(LXC, ssa(), config={"net0": "name=eth0,bridge=vmbr1"})
    assert planned.after["ssa"]["net0"] == "name=eth0,bridge=vmbr1,hwaddr=BC:24:11:DD:94:05,type=veth"


def test_a_change_that_needs_a_restart_restarts() -> None:
    planned = plan(LXC, ssa(), config={"features": {"keyctl": True}, "memory": 1024})
    assert effects(planned) == [("set", Effect.RESTART), ("restart", Effect.RESTART)]
    assert planned.steps[1].sentence == "restart container ssa for features to take effect"


def test_a_change_that_needs_a_restart_may_wait_for_it() -> None:
    planned = plan(LXC, ssa(), config={"features": {"keyctl": True}}, apply="next_boot")
    assert effects(planned) == [("set", Effect.LIVE), ("restart", Effect.OWED)]
    pending = ssa({**SSA, "features": "nesting=1,keyctl=1"})
    planned = plan(LXC, pending, config={"features": {"keyctl": True}}, apply="next_boot")
    assert effects(planned) == [("restart", Effect.OWED)]
    assert not planned.changed


def test_what_waits_for_a_restart_is_seen() -> None:
    pending = ssa({**SSA, "features": "nesting=1,keyctl=1"})
    assert effects(plan(LXC, pending, config={"features": {"keyctl": True}})) == [("restart", Effect.RESTART)]


def test_a_guest_that_does_not_run_needs_no_restart() -> None:
    planned = plan(LXC, ssa(live=None), config={"features": {"keyctl": True}}, state="stopped")
    assert effects(planned) == [("set", Effect.LIVE)]


def test_a_guest_is_stopped_before_and_started_after_its_change() -> None:
    assert effects(plan(LXC, ssa(), config={"features": {"keyctl": True}}, state="stopped")) == [
        ("stop", Effect.RESTART),
        ("set", Effect.LIVE),
    ]
    assert [step.verb for step in plan(LXC, ssa(live=None), config={"memory": 1024}).steps] == [
        "set",
        "start",
    ]


@pytest.mark.parametrize(
    ("kind", "key", "old", "new", "word"),
    [
        (LXC, "memory", 512, 1024, "live"),
        (LXC, "memory", 512, None, "restart"),
        (LXC, "hostname", "a", "b", "live"),
        (LXC, "nameserver", None, ["::1"], "restart"),
        (LXC, "mp1", None, {"volume": "a:1"}, "live"),
        (LXC, "mp1", {"volume": "a:1"}, {"volume": "a:1", "ro": True}, "restart"),
        (LXC, "rootfs", {"volume": "a:1"}, {"volume": "a:1", "ro": True}, "restart"),
        (LXC, "net1", None, {"name": "eth1"}, "live"),
        (QEMU, "cores", 1, 2, "restart"),
        (QEMU, "vcpus", 1, 2, "restart"),
        (QEMU, "memory", {"current": 1}, {"current": 2}, "restart"),
        (QEMU, "cpulimit", 1, 2, "live"),
        (QEMU, "sshkeys", "a", "b", "live"),
        (QEMU, "balloon", 512, 0, "restart"),
        (QEMU, "balloon", 512, 256, "live"),
        (QEMU, "net1", None, {"model": "virtio"}, "live"),
        (QEMU, "scsi1", None, {"file": "a:1"}, "live"),
        (QEMU, "sata1", None, {"file": "a:1"}, "restart"),
        (QEMU, "scsi1", {"file": "a:1"}, {"file": "a:1", "cache": "none"}, "restart"),
        (QEMU, "scsi1", {"file": "a:1"}, {"file": "a:1", "backup": False}, "live"),
        (QEMU, "ide2", {"file": "none", "media": "cdrom"}, {"file": "a.iso", "media": "cdrom"}, "live"),
        (QEMU, "efidisk0", None, {"file": "a:1"}, "restart"),
        (QEMU, "usb0", None, {"host": "spice"}, "live"),
        (QEMU, "hotplug", "network", "network,memory", "restart"),
        (QEMU, "agent", {"enabled": True}, {"enabled": False}, "restart"),
        (QEMU, "machine", None, {"type": "q35"}, "restart"),
    ],
)
def test_verdicts(kind: Kind, key: str, old: Any, new: Any, word: str) -> None:
    assert kind.verdict(key, old, new, {"ostype": "l26"}) == word


def test_verdicts_follow_hotplug() -> None:
    assert QEMU.verdict("memory", 1, 2, {"hotplug": "memory,cpu"}) == "live"
    assert QEMU.verdict("scsi1", None, {"file": "a:1"}, {"hotplug": "network"}) == "restart"
    assert QEMU.verdict("net0", {"bridge": "a"}, {"bridge": "b"}, {"hotplug": "0"}) == "live"
    assert QEMU.verdict("net0", {"model": "e1000"}, {"model": "virtio"}, {"hotplug": "0"}) == "restart"


# -- disks


def test_a_disk_grows() -> None:
    planned = plan(LXC, ssa(), disks={"rootfs": {"size": "16G"}})
    assert planned.sentences == ["grow rootfs of container ssa from 8G to 16G"]
    assert planned.before["ssa"] == {"rootfs": "tank:subvol-200-disk-0,size=8G"}


def test_no_disk_is_made_smaller() -> None:
    assert blockers(plan(LXC, ssa(), disks={"rootfs": {"size": "4G"}})) == (
        "rootfs of container ssa has 8G, and no disk is made smaller; write 8G or more."
    )


def test_a_disk_moves_and_grows() -> None:
    planned = plan(QEMU, web(), disks={"scsi0": {"storage": "fast", "size": "9G"}})
    assert planned.sentences == [
        "move scsi0 of virtual machine web from tank to fast",
        "grow scsi0 of virtual machine web from 8G to 9G",
    ]


def test_a_container_is_stopped_for_the_move_of_its_disk() -> None:
    disks = {"mp0": {"storage": "fast"}}
    assert [step.verb for step in plan(LXC, ssa(), disks=disks).steps] == ["stop", "move", "start"]
    assert effects(plan(LXC, ssa(), disks=disks, apply="next_boot")) == [("move", Effect.OWED)]


def test_options_of_a_disk_that_nobody_declares_stay() -> None:
    (step,) = plan(QEMU, web(), disks={"scsi0": {"backup": False}}).steps
    assert step.sentence == "change virtual machine web: scsi0 (backup to 0)"
    assert plan(QEMU, web(), disks={"scsi0": {"backup": False}}).after["web"]["scsi0"] == (
        "tank:vm-300-disk-0,iothread=1,size=8G,backup=0"
    )


def test_new_disks() -> None:
    disks = {
        "scsi1": {"storage": "tank", "size": "1536M", "discard": "on"},
        "scsi2": {"storage": "tank", "image": "local:import/a.qcow2", "size": "20G"},
        "virtio3": {"volume": "tank:vm-300-disk-9"},
    }
    planned = plan(QEMU, web(), disks=disks)
    changes = planned.steps[0].args["changes"]
    assert changes["scsi1"] == {"file": "tank:1.5", "discard": "on"}
    assert changes["scsi2"] == {"file": "tank:0", "import-from": "local:import/a.qcow2"}
    assert changes["virtio3"] == {"file": "tank:vm-300-disk-9"}
    assert planned.sentences == [
        "change virtual machine web: new scsi1 of 1536M on tank, "
        "new scsi2 filled from local:import/a.qcow2 on tank, virtio3 of volume tank:vm-300-disk-9",
        "grow scsi2 of virtual machine web to 20G",
    ]


def test_a_disk_is_detached_and_kept() -> None:
    planned = plan(QEMU, web(), disks={"scsi0": {"state": "detached"}})
    assert planned.sentences == ["change virtual machine web: scsi0 detached"]
    planned.guard()


def test_a_disk_is_removed_when_that_is_allowed() -> None:
    planned = plan(QEMU, web(), disks={"scsi0": {"state": "absent"}})
    with pytest.raises(Refused, match=r"name it in allow_destroy \(web/scsi0\)"):
        planned.guard()
    planned.guard(["web/scsi0"])
    assert [step.verb for step in planned.steps] == ["destroy"]
    assert [step.verb for step in plan(LXC, ssa(), disks={"mp0": {"state": "absent"}}).steps] == [
        "stop",
        "destroy",
        "start",
    ]


@pytest.mark.parametrize(
    ("disk", "fault"),
    [
        ({"size": "1G", "mp": "/srv"}, "mp1 of container ssa: a new disk needs a storage"),
        ({"storage": "tank", "mp": "/srv"}, "mp1 of container ssa: a new disk needs a size"),
        ({"storage": "tank", "size": "1G"}, "a new mount needs a place inside; name it in mp"),
    ],
)
def test_what_a_new_disk_needs(disk: Any, fault: str) -> None:
    assert fault in blockers(plan(LXC, ssa(), disks={"mp1": disk}))


# -- new guests


def test_a_new_container() -> None:
    planned = plan(
        LXC,
        cluster(),
        node="castor",
        source={"template": "local:vztmpl/debian-13.tar.zst", "storage": "tank"},
        config={"memory": 512},
        disks={"rootfs": {"size": "8G"}},
        secrets={"password": "x"},
    )
    assert planned.sentences == [
        "make container ssa (100) on castor from local:vztmpl/debian-13.tar.zst",
        "start container ssa",
    ]
    assert planned.steps[0].args["values"] == {
        "hostname": "ssa",
        "memory": 512,
        "unprivileged": True,
        "rootfs": {"volume": "tank:8"},
    }


def test_a_clone_gets_what_was_declared() -> None:
    """What its source has is not written again, what it has not is."""
    template = Entry(900, "qemu", "debian-13", "castor", template=True)
    source = table.known(QEMU.config, {**WEB, "name": "debian-13", "memory": "2048", "template": 1})
    planned = plan(
        QEMU,
        cluster(entries=(template,), sources={"web": source}),
        node="castor",
        source={"clone": "debian-13"},
        config={"memory": 1024, "cores": 1, "ciuser": "me"},
        disks={"scsi0": {"size": "20G"}},
        secrets={"cipassword": "x"},
    )
    assert planned.sentences == [
        "make virtual machine web (100) on castor, a linked clone of debian-13",
        "change virtual machine web: memory (current from 2048 to 1024), ciuser to me",
        "set cipassword of virtual machine web",
        "grow scsi0 of virtual machine web from 8G to 20G",
        "start virtual machine web",
    ]
    assert planned.steps[1].args["base"] is None


def test_a_guest_is_made_where_its_source_says_and_left_where_it_went() -> None:
    source = {"template": "local:vztmpl/debian-13.tar.zst", "storage": "tank", "node": "pollux"}
    new = plan(LXC, cluster(), source=source, disks={"rootfs": {"size": "8G"}})
    assert new.steps[0].sentence.startswith("make container ssa (100) on pollux")
    assert not plan(LXC, ssa(), source=source).steps
    lost = plan(LXC, cluster(), source={**source, "node": "elsewhere"}, disks={"rootfs": {"size": "8G"}})
    assert "elsewhere is not up, or no node of this cluster" in blockers(lost)


def test_of_two_templates_of_a_name_that_of_the_own_node_is_cloned() -> None:
    entries = tuple(
        Entry(900 + i, "lxc", "debian", node, True) for i, node in enumerate(("castor", "pollux"))
    )
    planned = plan(LXC, cluster(entries=entries), node="pollux", source={"clone": "debian"}, state="present")
    assert planned.steps[0].args["source"] == ("pollux", 901)


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({"source": {"template": "a:b"}}, "a new one needs a place; name it in node"),
        ({"node": "castor"}, "a new one needs a source"),
        ({"node": "kastor"}, "node of container ssa: kastor is not up, or no node of this cluster"),
        ({"node": "castor", "source": {"clone": "none"}}, "there is no one container none to clone"),
        ({"node": "castor", "source": {"template": "a:b"}}, "a new one needs a storage"),
        (
            {"node": "castor", "source": {"clone": "db"}, "secrets": {"password": "x"}},
            "password of container ssa: a copy keeps those of its source; leave it out",
        ),
    ],
)
def test_what_a_new_container_needs(item: Any, fault: str) -> None:
    assert fault in blockers(plan(LXC, cluster(entries=(Entry(205, "lxc", "db", "castor"),)), **item))


def test_new_numbers_differ() -> None:
    item = {"node": "castor", "source": {"template": "a:b", "storage": "tank"}, "state": "present"}
    planned = plan_guests(cluster(), want(LXC, {"name": "one", **item}, {"name": "two", **item}))
    assert [step.args["vmid"] for step in planned.steps] == [100, 101]


def test_what_is_half_made_is_never_made_twice() -> None:
    half = Entry(121, "lxc", "CT121", "castor", lock="create")
    item = {"node": "castor", "source": {"template": "a:b", "storage": "tank"}}
    assert "121 on castor is half made and may be this one" in blockers(
        plan(LXC, cluster(entries=(half,)), **item)
    )
    assert "pct destroy 200" in blockers(plan(LXC, ssa({}, None, lock="create"), **item))


# -- which one


def test_a_name_that_two_guests_have_is_refused() -> None:
    twin = Entry(205, "lxc", "ssa", "pollux")
    current = cluster((LXC, found(LXC, SSA, SSA)), entries=(twin,))
    assert blockers(plan(LXC, current)) == (
        "container ssa: 200 on castor and 205 on pollux have that name; say by vmid which one is meant."
    )
    assert not plan_guests(current, want(LXC, {"vmid": 200})).steps


def test_a_name_is_given_once() -> None:
    item = {"node": "castor", "source": {"template": "a:b", "storage": "tank"}, "vmid": 300}
    assert "200 on castor has that name already" in blockers(plan(LXC, ssa(), **item))
    again = cluster((LXC, found(LXC, SSA, template=True)))
    assert plan(LXC, again, **item).steps[0].verb == "create"


def test_a_clone_keeps_what_is_fixed() -> None:
    template = Entry(900, "lxc", "debian", "castor", template=True)
    current = cluster(entries=(template,), sources={"ssa": {"unprivileged": True}})
    item = {"node": "castor", "source": {"clone": "debian"}}
    assert "unprivileged of container ssa cannot be other than that of debian" in blockers(
        plan(LXC, current, config={"unprivileged": False}, **item)
    )
    assert plan(LXC, current, config={"unprivileged": True}, **item).steps[0].verb == "clone"


def test_a_drive_for_cloud_init_is_made_anew_elsewhere() -> None:
    planned = plan(QEMU, web(), disks={"ide2": {"storage": "fast", "volume": "cloudinit"}})
    assert planned.steps[0].args["changes"] == {"ide2": {"file": "fast:cloudinit"}}
    assert [step.verb for step in planned.steps] == ["set", "restart"]


def test_a_guest_of_the_other_kind_is_refused() -> None:
    current = cluster(entries=(Entry(300, "qemu", "ssa", "castor"),))
    assert "300 on castor is a virtual machine" in blockers(plan(LXC, current, state="absent"))


def test_a_guest_is_renamed_by_its_number() -> None:
    planned = plan_guests(ssa(), want(LXC, {"name": "new", "vmid": 200}))
    assert planned.sentences == ["change container new: hostname from ssa to new"]


def test_the_image_of_a_machine_does_not_change_by_its_note_alone() -> None:
    old, new = (print_note(Note("ssa", {"image": image})) for image in ("debian-13", "debian-14"))
    noted = {**SSA, "description": f"Ask Alice.\n\n{old}"}
    current = ssa(noted, noted)
    refused = plan(LXC, current, config={"description": new, "memory": 1024})
    assert blockers(refused) == (
        "image of machine ssa is debian-13, and Proxmox VE cannot change it to debian-14; name debian-13, "
        "or make a new machine of debian-14."
    )
    assert not plan(LXC, current, config={"description": old}).steps
    plan(LXC, current, state="absent").guard(["ssa"])


# -- state and place


def test_what_is_absent_and_was_never_there() -> None:
    assert not plan(LXC, cluster(), state="absent").steps


def test_removal_must_be_allowed() -> None:
    planned = plan(LXC, ssa(), state="absent")
    assert planned.sentences == [
        "stop container ssa",
        "remove container ssa (200) from castor with its disks",
    ]
    with pytest.raises(Refused, match="allow_destroy"):
        planned.guard()
    planned.guard(["ssa"])
    assert "is protected" in blockers(plan(LXC, ssa({**SSA, "protection": 1}), state="absent"))


def test_purge_stays_in_its_scope() -> None:
    others = [found(LXC, SSA, None, vmid=vmid, name=name) for vmid, name in ((201, "test-a"), (202, "db"))]
    current = cluster((LXC, found(LXC, SSA, SSA)), *((LXC, each) for each in others))
    planned = plan_guests(current, want(LXC, {"name": "ssa"}, purge=True, scope="test-*"))
    assert planned.sentences == ["remove container test-a (201) from castor with its disks"]
    with pytest.raises(Refused, match="scope"):
        want(LXC, {"name": "ssa"}, purge=True)


@pytest.mark.parametrize(
    ("current", "kind", "live", "sentences"),
    [
        (ssa(), LXC, True, ["move container ssa from castor to pollux, restarting it"]),
        (ssa(live=None), LXC, True, ["move container ssa from castor to pollux", "start container ssa"]),
        (web(), QEMU, True, ["move virtual machine web from castor to pollux while it runs"]),
        (
            web(),
            QEMU,
            False,
            [
                "stop virtual machine web",
                "move virtual machine web from castor to pollux",
                "start virtual machine web",
            ],
        ),
    ],
)
def test_moves(current: Cluster, kind: Kind, live: bool, sentences: list[str]) -> None:
    assert plan(kind, current, node="pollux", live=live).sentences == sentences


def test_a_move_that_restarts_makes_pending_changes_count() -> None:
    planned = plan(LXC, ssa(), node="pollux", config={"features": {"keyctl": True}})
    assert [step.verb for step in planned.steps] == ["set", "migrate"]
    assert effects(plan(LXC, ssa(), node="pollux", apply="next_boot")) == [("migrate", Effect.OWED)]


def test_what_cannot_move_says_why() -> None:
    current = web(faults=("it uses hostpci0, which is on its node alone",))
    assert "cannot move to pollux: it uses hostpci0" in blockers(plan(QEMU, current, node="pollux"))
    assert "kastor is not up" in blockers(plan(QEMU, web(), node="kastor"))


def test_a_lock_is_said_when_there_is_something_to_do() -> None:
    assert not plan(LXC, ssa(lock="backup")).steps
    assert "is locked (backup)" in blockers(plan(LXC, ssa(lock="backup"), config={"memory": 1024}))


def test_templates() -> None:
    assert [step.verb for step in plan(LXC, ssa(), state="template").steps] == ["stop", "template"]
    assert not plan(LXC, ssa(live=None, template=True), state="template").steps
    assert "never runs" in blockers(plan(LXC, ssa(live=None, template=True)))


def test_what_can_be_given_to_a_new_one_only() -> None:
    assert "unprivileged of container ssa cannot change" in blockers(
        plan(LXC, ssa(), config={"unprivileged": False})
    )


def test_a_restart_is_one_step_with_a_token() -> None:
    (step,) = plan(LXC, ssa(), state="restarted").steps
    assert (step.verb, step.token) == ("restart", "71")
    assert plan(LXC, ssa(live=None), state="restarted").sentences == ["start container ssa"]


# -- snapshots


def test_snapshots() -> None:
    names = ("auto-20261120T100000Z", "auto-20261120T110000Z", "auto-hand", "mine")
    series = want(LXC, {"name": "ssa", "snapshots": [{"prefix": "auto-", "every": "1h", "keep": 2}]})
    noon = 1795176000  # 2026-11-20T12:00:00Z
    assert plan_guests(replace(ssa(snapshots=names), now=noon), series).sentences == [
        "take a snapshot auto-* of container ssa",
        "remove snapshot auto-20261120T100000Z of container ssa",
    ]
    assert not plan_guests(replace(ssa(snapshots=names), now=noon - 1), series).steps
    planned = plan(LXC, ssa(snapshots=names), snapshots=[{"name": "mine", "state": "absent"}])
    with pytest.raises(Refused, match="ssa@mine"):
        planned.guard()


# -- secrets


def test_secrets_are_written_when_they_are_not_there_or_shall_be() -> None:
    item = {"name": "web", "secrets": {"cipassword": "geheim"}}
    assert not plan_guests(web(), want(QEMU, item)).steps
    planned = plan_guests(web(), want(QEMU, item, update_secrets=True))
    assert planned.sentences == ["set cipassword of virtual machine web"]
    assert planned.steps[0].token == "0"
    bare = {key: value for key, value in WEB.items() if key != "cipassword"}
    planned = plan_guests(web(bare, bare), want(QEMU, item))
    assert planned.sentences == ["set cipassword of virtual machine web"]
    assert "geheim" not in repr(planned)


# -- faults


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({"config": {"memroy": 1}}, "container ssa: there is no key 'memroy'; was 'memory' meant?"),
        ({"config": {"memory": "much"}}, "memory of container ssa: 'much' is not a whole number."),
        ({"config": {"memory": None}}, "memory of container ssa: no container is without it; write a value."),
        ({"config": {"memory": 1}}, "memory of container ssa: 1 is too small"),
        ({"config": {"net0": {"brdige": "a"}}}, "net0 of container ssa: there is no key 'brdige' in it"),
        ({"config": {"net0": {"tag": 5000}}}, "tag in net0 of container ssa: 5000 is too large"),
        ({"config": {"net0": {"tga": None}}}, "net0 of container ssa: there is no key 'tga' in it"),
        (
            {"config": {"rootfs": "a:1"}},
            "rootfs of container ssa: it has a place of its own; write it in disks",
        ),
        ({"config": {"hostname": "b"}}, "it has a place of its own; write it in name"),
        ({"config": {"password": "b"}}, "it has a place of its own; write it in secrets"),
        ({"disks": {"scsi0": {"size": "1G"}}}, "scsi0 of container ssa: there is no disk of that name"),
        ({"disks": {"mp0": {"size": "1 gig"}}}, "size of mp0 of container ssa: '1 gig' is not a size"),
        ({"disks": {"mp0": {"state": "gone"}}}, "mp0 of container ssa: 'gone' is no state"),
        ({"node": "castor!"}, "node of container ssa: 'castor!' is not valid; write the name of a node."),
        ({"timeout": -1}, "timeout of container ssa: -1 is too small; it begins at 0."),
        (
            {"source": {"template": "debian"}},
            "template in source of container ssa: 'debian' is no volume; write STORAGE:VOLUME, such as",
        ),
        ({"source": {"backup": "last"}}, "backup in source of container ssa: 'last' is no volume"),
        ({"disks": {"mp0": {"volume": "data"}}}, "volume of mp0 of container ssa: 'data' is no volume"),
        ({"disks": {"mp0": {"image": "a:b"}}}, "mp0 of container ssa: it cannot be filled from an image"),
        ({"disks": {"mp0": "tank:1"}}, "mp0 of container ssa: it is no mapping"),
        ({"disks": {"mp0": {"storage": "!"}}}, "storage of mp0 of container ssa: '!' is not valid"),
        ({"name": "s_a"}, "hostname of container s_a: 's_a' is not valid; write a host name."),
        (
            {"config": {"lock": "backup"}},
            "lock of container ssa: Proxmox VE itself sets and clears it; leave it out.",
        ),
        (
            {"config": {"lock": None}},
            "lock of container ssa: Proxmox VE itself sets and clears it; leave it out.",
        ),
        ({"vmid": 99}, "vmid of container ssa: 99 is out of range"),
        ({"source": {"template": "a:b", "clone": "b"}}, "source of container ssa: it has template and clone"),
        ({"source": {"template": "a:b", "full": True}}, "source of container ssa: full is of clones alone"),
        ({"secrets": {"cipassword": "x"}}, "secrets of container ssa: there is no key 'cipassword'"),
        ({"snapshots": [{"name": "current"}]}, "snapshot current of container ssa: that is no name for one"),
        ({"snapshots": [{}]}, "a snapshot of container ssa: it needs either name or prefix"),
        ({"snapshots": [{"name": "aa", "keep": 1}]}, "snapshot aa of container ssa: keep is of a series"),
    ],
)
def test_bad_input_is_one_sentence_which_names_guest_and_key(item: Any, fault: str) -> None:
    with pytest.raises(Refused) as caught:
        want(LXC, {"name": "ssa", **item})
    assert fault in str(caught.value)


@pytest.mark.parametrize("value", [1, "1"])
def test_another_vmgenid_in_each_run_is_refused(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        want(QEMU, {"name": "web", "config": {"vmgenid": value}})
    assert str(caught.value) == (
        "vmgenid of virtual machine web: 1 stands for another one in each run; "
        "write a UUID, 0 for none, or leave it out."
    )


@pytest.mark.parametrize("value", ["66903ceb-ce12-4f30-bcd3-9395ed5dfcc0", "0", 0, None])
def test_a_vmgenid_may_be_declared(value: Any) -> None:
    config = {key: each for key, each in WEB.items() if key != "vmgenid"}
    held = config if value is None else {**config, "vmgenid": str(value)}
    assert not plan(QEMU, web(held, held), config={"vmgenid": value}).steps


STATIC = {"ipconfig0": "ip=192.0.2.31/24,gw=192.0.2.1"}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (
            {"ipconfig0": "gw=192.0.2.1"},
            "ipconfig0 of virtual machine web: gw needs ip; give both or neither",
        ),
        ({"ipconfig0": {"ip": None}}, "ipconfig0 of virtual machine web: gw needs ip; give both or neither"),
        ({"ipconfig1": {"gw6": "2001:db8::1"}}, "ipconfig1 of virtual machine web: gw6 needs ip6; give both"),
    ],
)
def test_a_gateway_needs_an_address(config: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as caught:
        plan(QEMU, web(WEB | STATIC, WEB | STATIC), config=config).guard()
    assert says in str(caught.value)


@pytest.mark.parametrize("parts", [{"gw": "192.0.2.2"}, {"ip": None, "gw": None}])
def test_a_gateway_comes_to_an_address_that_is_there_and_goes_with_it(parts: dict[str, Any]) -> None:
    planned = plan(QEMU, web(WEB | STATIC, WEB | STATIC), config={"ipconfig0": parts})
    assert effects(planned) == [("set", Effect.LIVE)]


def test_all_faults_come_at_once() -> None:
    with pytest.raises(Refused) as caught:
        want(LXC, {"name": "a", "config": {"x": 1}}, {"name": "b", "config": {"cores": 0}}, {"name": "b"}, {})
    text = str(caught.value)
    assert "container a" in text and "cores of container b" in text and "neither name nor vmid" in text


def test_only_what_was_touched_is_read_again() -> None:
    wanted = want(LXC, {"name": "ssa", "config": {"memory": 1024}}, {"vmid": 205})
    current = cluster((LXC, found(LXC, SSA, SSA)), (LXC, found(LXC, {}, {}, vmid=205, name="db")))
    assert [guest.label for guest in touched(plan_guests(current, wanted), wanted).guests] == ["ssa"]


# -- what a real cluster has answered


def recorded() -> list[tuple[str, Kind, list[dict[str, Any]]]]:
    answers = []
    for kind, name in ((LXC, "lxc"), (QEMU, "qemu")):
        for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines():
            exchange = json.loads(line)
            request = exchange["request"]
            if (
                request["method"] == "GET"
                and request["path"].endswith("/pending")
                and exchange["status"] == 200
            ):
                answers.append((f"{name}-{len(answers)}", kind, exchange["body"]["data"]))
    return answers


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize(("kind", "answer"), [pytest.param(k, a, id=name) for name, k, a in recorded()])
def test_what_a_real_cluster_has_is_exported_and_applied_without_a_change(
    kind: Kind, answer: list[dict[str, Any]], running: bool
) -> None:
    configured = {item["key"]: item.get("value") for item in answer}
    entry = Entry(300, kind.path, str(configured[kind.name_key]), "castor")
    now = found_of(kind, entry, {"status": "running" if running else "stopped", "pid": 7}, answer)
    planned = plan_guests(cluster((kind, now)), want(kind, *export(kind, [now])))
    assert not planned.changed, planned.sentences
