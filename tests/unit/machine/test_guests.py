# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the declaration to the options of the modules for guests of Proxmox VE."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine import identity
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    parse_machine,
    parse_twin,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.guests import (
    guests_of,
    ids_of,
    images_of,
    jobs_of,
    mappings_of,
    schedule_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest import wanted_of
from ansible_collections.twin.datacenter.plugins.module_utils._pve.lxc import LXC
from ansible_collections.twin.datacenter.plugins.module_utils._pve.qemu import QEMU

TWIN: dict[str, Any] = {
    "name": "sio",
    "platform": "proxmox",
    "servers": ["castor", "pollux"],
    "witness": "witness",
    "network": ["192.0.2.0/24", "2001:db8::/64"],
    "bridge": "vmbr0",
}
SSA: dict[str, Any] = {
    "kind": "lxc",
    "home": "castor",
    "image": "debian-13",
    "disk": "8G",
    "memory": "1G",
    "addresses": ["192.0.2.21/24"],
    "gateway": "192.0.2.1",
}
WEB = {**SSA, "kind": "qemu", "home": "pollux", "addresses": ["192.0.2.22/24", "2001:db8::22/64"]}


def item(of: dict[str, Any], twin: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The only guest of a declaration, which its module takes."""
    machine = parse_machine("ssa", {**of, **more})
    found = guests_of(
        [machine], parse_twin({**TWIN, **(twin or {})}), "local", lambda each: f"note of {each.name}"
    )
    ((kind, key),) = [pair for pair in ((LXC, "containers"), (QEMU, "virtual_machines")) if found[pair[1]]]
    (guest,) = found[key]
    options = {"apply": "now", "timeout": 60, **guest}
    assert wanted_of(kind, {"guests": [options]}).guests[0].label == "ssa"
    return guest


def refused(of: dict[str, Any], **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        item(of, **more)
    return str(caught.value)


def test_a_number_is_of_pair_and_machine_alone() -> None:
    assert identity.guest_id("sio", "ssa") == identity.guest_id("sio", "ssa")
    assert len({identity.guest_id(pair, name) for pair in ("sio", "lab") for name in ("ssa", "tap")}) == 4


@given(st.text(), st.text())
def test_every_number_is_one_that_proxmox_ve_takes(twin: str, machine: str) -> None:
    assert 100_000_000 <= identity.guest_id(twin, machine) <= 999_999_999


def test_numbers_that_meet_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "guest_id", lambda _twin, _machine: 100_000_000)
    with pytest.raises(Refused, match="machines ssa and tap: both would be guest 100000000"):
        ids_of(["ssa", "tap"], "sio")


def test_a_container() -> None:
    guest = item(SSA, cores=2, limits={"cpu_weight": 200})
    assert guest["vmid"] == identity.guest_id("sio", "ssa")
    assert guest["state"] == "started"
    # Where it is made, not where it is.
    assert "node" not in guest
    assert guest["source"] == {
        "template": "local:vztmpl/debian-13.tar.zst", "storage": "tank", "node": "castor",
    }  # fmt: skip
    config = guest["config"]
    assert (config["memory"], config["cores"], config["cpuunits"]) == (1024, 2, 200)
    assert config["unprivileged"] is True
    assert config["onboot"] is True
    assert config["description"] == "note of ssa"
    assert config["net0"] == {
        "name": "eth0", "bridge": "vmbr0", "hwaddr": identity.mac("sio", "ssa").upper(),
        "ip": "192.0.2.21/24", "gw": "192.0.2.1", "ip6": None, "gw6": None,
    }  # fmt: skip
    assert guest["disks"] == {
        "rootfs": {"size": "8G"},
        "mp0": {"size": "8G", "mp": "/srv", "backup": True},
    }


def test_an_archive_may_be_named_with_its_ending() -> None:
    name = "debian-13-standard_13.1-2_amd64.tar.gz"
    assert item(SSA, image=name)["source"]["template"] == f"local:vztmpl/{name}"


def test_a_virtual_machine_is_a_full_clone_of_its_template() -> None:
    guest = item(WEB, limits={"io": "10M"})
    assert guest["source"] == {"clone": "debian-13", "full": True, "storage": "tank", "node": "pollux"}
    config = guest["config"]
    assert config["ipconfig0"] == {
        "ip": "192.0.2.22/24", "gw": "192.0.2.1", "ip6": "2001:db8::22/64", "gw6": None,
    }  # fmt: skip
    assert config["net0"]["macaddr"] == identity.mac("sio", "ssa").upper()
    assert config["smbios1"] == {"uuid": identity.uuid("sio", "ssa")}
    assert guest["disks"] == {
        "scsi0": {"size": "8G", "storage": "tank", "bps": 10 * 1024**2},
        "ide2": {"volume": "cloudinit", "storage": "tank"},
    }


def test_a_virtual_machine_without_addresses_asks_cloud_init_for_none() -> None:
    assert item(WEB, addresses=[], gateway=[])["config"]["ipconfig0"] is None


def test_one_that_stands_still_does_not_start_at_boot() -> None:
    guest = item(SSA, state="stopped")
    assert (guest["state"], guest["config"]["onboot"]) == ("stopped", False)


def test_one_that_goes_is_named_and_nothing_else() -> None:
    assert item(SSA, state="absent", disk=None) == {
        "name": "ssa", "vmid": identity.guest_id("sio", "ssa"), "state": "absent",
    }  # fmt: skip


def test_options_are_added_or_stand_instead() -> None:
    config = item(SSA, options={"privileged": True, "tags": "web", "net0": {"firewall": True}, "cores": 3})[
        "config"
    ]
    assert (config["unprivileged"], config["tags"], config["cores"]) == (False, "web", 3)
    assert config["net0"]["firewall"] is True
    assert config["net0"]["ip"] == "192.0.2.21/24"
    assert "privileged" not in config


def test_the_note_stands_beside_a_description_of_ones_own() -> None:
    guest = item(SSA, options={"description": "Ask Alice."})
    assert guest["config"]["description"] == "Ask Alice.\n\nnote of ssa"


def test_folders_of_the_server_are_said_to_be_on_both() -> None:
    disks = item(SSA, mounts=[{"source": "/tank/shared", "target": "/shared", "readonly": True}])["disks"]
    assert disks["mp1"] == {
        "volume": "/tank/shared", "mp": "/shared", "ro": True, "shared": True, "replicate": False,
    }  # fmt: skip


def test_devices() -> None:
    nodes = item(SSA, devices=["/dev/dri/renderD128", {"path": "/dev/ttyUSB0", "mode": "0660"}])["config"]
    assert nodes["dev0"] == {"path": "/dev/dri/renderD128"}
    assert nodes["dev1"] == {"path": "/dev/ttyUSB0", "mode": "0660"}
    functions = item(WEB, devices=["t4", {"mapping": "a10", "id": "10de:2236", "pcie": True}])["config"]
    assert functions["hostpci0"] == {"mapping": "t4"}
    assert functions["hostpci1"] == {"mapping": "a10", "pcie": True}


def test_what_is_mapped_is_looked_for_on_both_servers() -> None:
    one = parse_machine(
        "one", {**WEB, "devices": [{"mapping": "a10", "id": "10de:2236", "mdev": "nvidia-592"}, "t4"]}
    )
    gone = parse_machine("gone", {**WEB, "state": "absent", "devices": [{"mapping": "x", "id": "10de:1"}]})
    discover = {"id": "10de:2236", "nodes": ["castor", "pollux"]}
    twin = parse_twin(TWIN)
    assert mappings_of([one, gone, one], twin) == [{"name": "a10", "discover": discover, "mdev": True}]
    other = parse_machine("other", {**WEB, "devices": [{"mapping": "a10", "id": "10de:2237"}]})
    with pytest.raises(
        Refused, match="devices of machine other: another machine says otherwise what mapping a10"
    ):
        mappings_of([one, other], twin)


@pytest.mark.parametrize(
    ("of", "more", "sentence"),
    [
        (SSA, {"disk": None}, "disk of machine ssa: Proxmox VE makes no volume without a size; declare one"),
        (SSA, {"memory": "1025K"}, "memory of machine ssa: Proxmox VE counts in MiB"),
        (
            SSA,
            {"limits": {"processes": 9}},
            "limit processes of machine ssa: Proxmox VE has none for kind lxc",
        ),
        (SSA, {"limits": {"io": "1M"}}, "limit io of machine ssa: Proxmox VE has none for kind lxc"),
        (SSA, {"addresses": ["192.0.2.21/24", "192.0.2.23/24"]}, "Proxmox VE gives a card one of IPv4"),
        (SSA, {"devices": ["t4"]}, "devices of machine ssa: a container has nodes of /dev"),
        (WEB, {"devices": ["/dev/dri"]}, "devices of machine ssa: a virtual machine has PCI functions"),
        (WEB, {"devices": [{"id": "10de:2236", "host": "01:00"}]}, "10de:2236 needs a name for both servers"),
        (
            WEB,
            {"mounts": [{"source": "/a", "target": "/b"}]},
            "mounts of machine ssa: a virtual machine sees no",
        ),
    ],
)
def test_what_proxmox_ve_cannot_give_is_refused(
    of: dict[str, Any], more: dict[str, Any], sentence: str
) -> None:
    assert sentence in refused(of, **more)


def test_every_fault_is_told_at_once() -> None:
    said = refused(SSA, disk=None, devices=["t4"])
    assert "disk of machine ssa" in said
    assert "devices of machine ssa" in said


def test_a_limit_whose_absence_is_accepted_is_left_out() -> None:
    guest = item(SSA, {"unenforced": ["processes"]}, limits={"processes": 9})
    assert "cpuunits" in guest["config"]


def test_each_machine_is_replicated_to_the_other_server() -> None:
    jobs = jobs_of(
        [parse_machine("web", WEB), parse_machine("gone", {**SSA, "state": "absent"})], parse_twin(TWIN)
    )
    number = identity.guest_id("sio", "web")
    between = {"source": "pollux", "target": "castor"}
    assert jobs == [{"name": f"{number}-0", **between, "schedule": "*/7", "comment": "machine web"}]


@pytest.mark.parametrize(
    ("rpo", "schedule"),
    [
        (1, "*/1"),
        (120, "*/1"),
        (900, "*/7"),
        (7199, "*/59"),
        (7200, "0/1:00"),
        (6 * 3600, "0/3:00"),
        (172800, "00:00"),
    ],
)
def test_a_replica_is_made_twice_within_its_age(rpo: int, schedule: str) -> None:
    assert schedule_of(rpo) == schedule


def test_images_are_files_and_templates_of_one_name_on_both_servers() -> None:
    archive = {"name": "debian-13", "source": "https://example.org/a.tar.zst", "checksum": "sha256:1"}
    cloud = {"name": "debian-13", "kind": "qemu", "source": "/srv/b.qcow2", "options": {"vga": "serial0"}}
    twin = parse_twin(TWIN)
    castor, pollux = (images_of([archive, cloud], twin, server) for server in twin.servers)
    assert (
        castor["files"]
        == pollux["files"]
        == [
            {
                "path": "/var/lib/vz/template/cache/debian-13.tar.zst",
                "source": "https://example.org/a.tar.zst",
                "checksum": "sha256:1",
            },
            {"path": "/var/lib/vz/import/debian-13.qcow2", "source": "/srv/b.qcow2", "checksum": ""},
        ]
    )
    (one,), (other,) = castor["templates"], pollux["templates"]
    assert one["name"] == other["name"] == "debian-13"
    assert one["vmid"] != other["vmid"]
    assert one["source"] == {"storage": "tank", "node": "castor"}
    assert one["config"]["vga"] == "serial0"
    assert wanted_of(QEMU, {"guests": [{"apply": "now", "timeout": 60, **one}]}).guests[0].state == "template"


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ({"source": "/a"}, "name of an image: None is no line of text"),
        ({"name": "a", "kind": "jail", "source": "/a"}, "kind of image a: 'jail' is unknown"),
        ({"name": "a"}, "source of image a: None is no line of text"),
    ],
)
def test_an_image_that_cannot_be_meant_is_refused(image: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        images_of([image], parse_twin(TWIN), "castor")
