# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Proxmox VE, area by area: what the recordings show of one exchange must hold for a whole
story.
"""

from __future__ import annotations

import pytest
import requests

from tests.doubles.pve.access import Grant, User
from tests.doubles.pve.api import Api, Response
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import Volume, World, pair, single

TEMPLATE = "local:vztmpl/debian-13-standard_amd64.tar.zst"
CT = "/nodes/castor/lxc/100"
VM = "/nodes/castor/qemu/101"


@pytest.fixture
def api() -> Api:
    world = pair("castor", "pollux", clock=StillClock())
    world.volumes["castor", TEMPLATE] = Volume(TEMPLATE, 1024, "tzst", "vztmpl")
    made = Api(world)
    snap = {"storage": "snap", "type": "zfspool", "pool": "tank", "content": "images,rootdir"}
    assert made.request("POST", "/storage", snap).status == 200
    done(made, "POST", "/nodes/castor/lxc", vmid=100, ostemplate=TEMPLATE, hostname="ssa", rootfs="snap:1")
    done(made, "POST", "/nodes/castor/qemu", vmid=101, name="vm", scsi0="snap:4", net0="virtio,bridge=vmbr0")
    return made


def done(api: Api, verb: str, path: str, **params: object) -> str:
    """The exit status of the task."""
    answer = api.request(verb, path, params)
    assert answer.status == 200, answer
    return str(api.world.finish(answer.data).exitstatus)


def get(api: Api, path: str, **params: object) -> object:
    answer = api.request("GET", path, params)
    assert answer.status == 200, answer
    return answer.data


@pytest.mark.parametrize("path", [CT, VM])
def test_a_snapshot_is_taken_back_to(api: Api, path: str) -> None:
    assert done(api, "POST", f"{path}/snapshot", snapname="before", description="as it was") == "OK"
    assert done(api, "POST", f"{path}/snapshot", snapname="before") == "snapshot name 'before' already used"
    api.request("PUT", f"{path}/config", {"cores": 4})
    assert done(api, "POST", f"{path}/snapshot/before/rollback") == "OK"
    config = api.request("GET", f"{path}/config").data
    assert "cores" not in config
    assert config["parent"] == "before"
    assert [each["name"] for each in api.request("GET", f"{path}/snapshot").data] == ["before", "current"]
    assert done(api, "DELETE", f"{path}/snapshot/before") == "OK"
    assert "parent" not in api.request("GET", f"{path}/config").data


@pytest.mark.parametrize(("path", "kind"), [(CT, "lxc"), (VM, "qemu")])
def test_a_template_gives_linked_clones_and_stays_while_they_do(api: Api, path: str, kind: str) -> None:
    if kind == "lxc":
        assert api.request("POST", f"{path}/template").data is None
    else:
        assert done(api, "POST", f"{path}/template") == "OK"
    assert done(api, "POST", f"{path}/clone", newid=200) == "OK"
    clone = api.request("GET", f"/nodes/castor/{kind}/200/config").data
    assert "template" not in clone
    gone = api.request("DELETE", path)
    if gone.status == 200:
        assert "still in use by linked cloned" in str(api.world.finish(gone.data).exitstatus)
    assert api.world.guests[100 if kind == "lxc" else 101]


def test_a_full_clone_has_its_own_name_address_and_volume(api: Api) -> None:
    assert done(api, "POST", f"{VM}/clone", newid=200, full=1) == "OK"
    old, new = (api.request("GET", f"/nodes/castor/qemu/{vmid}/config").data for vmid in (101, 200))
    assert new["name"] == "Copy-of-VM-vm"
    assert {key for key in new if new[key] != old.get(key)} == {
        "digest",
        "name",
        "net0",
        "scsi0",
        "smbios1",
        "vmgenid",
    }


def test_disks_grow_and_move_but_do_not_shrink(api: Api) -> None:
    assert done(api, "PUT", f"{VM}/resize", disk="scsi0", size="+2G") == "OK"
    assert api.request("GET", f"{VM}/config").data["scsi0"].endswith("size=6G")
    assert done(api, "PUT", f"{VM}/resize", disk="scsi0", size="1G") == "shrinking disks is not supported"
    assert (
        api.request("PUT", f"{CT}/resize", {"disk": "rootfs", "size": "0.5G"}).reason
        == "unable to shrink disk size"
    )
    assert (
        done(api, "POST", f"{VM}/move_disk", disk="scsi0", storage="local", format="qcow2", delete=1) == "OK"
    )
    assert api.request("GET", f"{VM}/config").data["scsi0"] == "local:101/vm-101-disk-0.qcow2,size=6G"


def test_a_migration_takes_the_guest_with_its_volumes(api: Api) -> None:
    assert api.request("POST", f"{VM}/migrate", {"target": "castor"}).body["errors"] == {
        "target": "target is local node."
    }
    assert done(api, "POST", f"{VM}/migrate", target="pollux") == "OK"
    assert api.request("GET", f"{VM}/config").status == 500
    assert api.request("GET", "/nodes/pollux/qemu/101/config").data["name"] == "vm"
    assert [each["volid"] for each in api.request("GET", "/nodes/pollux/storage/snap/content").data] == [
        "snap:vm-101-disk-0"
    ]


def test_a_migration_that_is_aborted_leaves_the_guest_unlocked_where_it_was(api: Api) -> None:
    upid = api.request("POST", f"{CT}/migrate", {"target": "pollux"}).data
    assert api.request("GET", f"{CT}/config").data["lock"] == "migrate"
    api.request("DELETE", f"/nodes/castor/tasks/{upid}")
    assert "lock" not in api.request("GET", f"{CT}/config").data


@pytest.mark.parametrize(("path", "kind"), [(CT, "lxc"), (VM, "qemu")])
def test_a_backup_is_restored_under_another_number(api: Api, path: str, kind: str) -> None:
    vmid = path.rpartition("/")[2]
    assert done(api, "POST", "/nodes/castor/vzdump", vmid=vmid, storage="local", compress="zstd") == "OK"
    (volume,) = api.request("GET", "/nodes/castor/storage/local/content", {"content": "backup"}).data
    how = {"ostemplate": volume["volid"], "restore": 1} if kind == "lxc" else {"archive": volume["volid"]}
    assert done(api, "POST", f"/nodes/castor/{kind}", vmid=300, unique=1, **how) == "OK"
    old, new = (api.request("GET", f"/nodes/castor/{kind}/{each}/config").data for each in (vmid, 300))
    disk, net = ("rootfs", None) if kind == "lxc" else ("scsi0", "net0")
    assert new[disk] != old[disk] and new[disk].partition("size=")[2] == old[disk].partition("size=")[2]
    assert net is None or new[net] != old[net]
    assert done(api, "POST", "/nodes/castor/vzdump", vmid="999") == "job errors"


def test_an_agent_runs_commands_once_it_answers(api: Api) -> None:
    assert api.request("POST", f"{VM}/agent/exec", {"command": ["id"]}).reason == "VM 101 is not running"
    done(api, "POST", f"{VM}/status/start")
    assert (
        api.request("POST", f"{VM}/agent/exec", {"command": ["id"]}).reason
        == "No QEMU guest agent configured"
    )
    guest = api.world.guests[101]
    guest.config["agent"] = "1"
    assert (
        api.request("POST", f"{VM}/agent/exec", {"command": ["id"]}).reason
        == "QEMU guest agent is not running"
    )
    guest.agent, guest.program = True, lambda command, given: (3, " ".join(command).encode() + given, b"")
    pid = api.request("POST", f"{VM}/agent/exec", {"command": ["cat", "-"], "input-data": "x"}).data["pid"]
    told = api.request("GET", f"{VM}/agent/exec-status", {"pid": pid}).data
    assert told == {"exited": 1, "exitcode": 3, "out-data": "cat -x"}


def test_an_agent_keeps_files(api: Api) -> None:
    done(api, "POST", f"{VM}/status/start")
    guest = api.world.guests[101]
    guest.config["agent"], guest.agent = "1", True
    assert "No such file" in api.request("GET", f"{VM}/agent/file-read", {"file": "/a"}).reason
    assert api.request("POST", f"{VM}/agent/file-write", {"file": "/a", "content": "abc"}).status == 200
    assert api.request("GET", f"{VM}/agent/file-read", {"file": "/a"}).data == {"content": "abc"}
    coded = {"file": "/b", "content": "/w==", "encode": 0}
    assert api.request("POST", f"{VM}/agent/file-write", coded).status == 200
    read = api.request("GET", f"{VM}/agent/file-read", {"file": "/b", "decode": 0, "count": 1}).data
    assert read == {"content": "/w=="} and guest.files["/b"] == b"\xff"


def test_pools_hold_what_does_not_exist_and_are_deleted_empty(api: Api) -> None:
    assert api.request("POST", "/pools", {"poolid": "lab"}).status == 200
    assert api.request("PUT", "/pools", {"poolid": "lab", "vms": "100,4711"}).status == 200
    (pool,) = api.request("GET", "/pools", {"poolid": "lab"}).data
    assert [each["vmid"] for each in pool["members"]] == [100]
    assert "is not empty" in api.request("DELETE", "/pools", {"poolid": "lab"}).reason
    assert api.request("GET", "/cluster/resources", {"type": "vm"}).data[0]["pool"] == "lab"


def test_a_pool_gives_its_privileges_on_its_guests(api: Api) -> None:
    access = api.world.access
    access.users["dev@pve"] = User()
    api.request("POST", "/pools", {"poolid": "lab"})
    api.request("PUT", "/pools", {"poolid": "lab", "vms": "100"})
    access.acl[Grant("/pool/lab", "user", "dev@pve", "PVEVMUser")] = 1
    assert api.request("POST", f"{CT}/status/start", user="dev@pve").status == 200
    assert api.request("POST", f"{VM}/status/start", user="dev@pve").status == 403


def test_a_network_changes_when_it_is_applied(api: Api) -> None:
    assert (
        api.request(
            "POST", "/nodes/castor/network", {"iface": "vmbr1", "type": "bridge", "cidr": "198.51.100.1/24"}
        ).status
        == 200
    )
    waiting = api.request("GET", "/nodes/castor/network")
    assert "vmbr1" in waiting.body["changes"]
    assert done(api, "PUT", "/nodes/castor/network") == "OK"
    applied = api.request("GET", "/nodes/castor/network")
    assert "changes" not in applied.body
    assert {each["iface"]: each.get("active") for each in applied.data} == {"eth0": 1, "vmbr0": 1, "vmbr1": 1}


def test_a_firewall_rule_is_inserted_first_and_off(api: Api) -> None:
    for port in ("22", "80"):
        rule = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": port, "pos": 5}
        assert api.request("POST", "/cluster/firewall/rules", rule).status == 200
    found = api.request("GET", "/cluster/firewall/rules").data
    assert [(each["pos"], each["dport"], each["enable"]) for each in found] == [(0, "80", 0), (1, "22", 0)]
    api.request("PUT", "/cluster/firewall/rules/0", {"moveto": 2})
    assert [each["dport"] for each in api.request("GET", "/cluster/firewall/rules").data] == ["22", "80"]


def test_nodes_that_stand_alone_become_a_cluster() -> None:
    first, second = (single(name, clock=StillClock()) for name in ("castor", "pollux"))
    second.nodes["pollux"].ip = "192.0.2.12"
    second.facts["peers"] = {"192.0.2.11": first}
    one, two = Api(first), Api(second)
    assert one.request("GET", "/cluster/config/join").status == 424
    assert done(one, "POST", "/cluster/config", clustername="twin") == "OK"
    told = one.request("GET", "/cluster/config/join").data["nodelist"][0]
    asked = {"hostname": "192.0.2.11", "password": "secret"}
    wrong = ":".join(["00"] * 32)
    assert "not verified" in done(two, "POST", "/cluster/config/join", fingerprint=wrong, **asked)
    ticket = two.ticket("root@pam")[0]
    assert done(two, "POST", "/cluster/config/join", fingerprint=told["pve_fp"], **asked) == "OK"
    assert ticket.rpartition("::")[2] not in two.tickets
    for api, local in ((one, "castor"), (two, "pollux")):
        status = {each["name"]: each for each in api.request("GET", "/cluster/status").data}
        assert (status["twin"]["nodes"], status["twin"]["version"], status["twin"]["quorate"]) == (2, 2, 1)
        assert status[local]["local"] == 1
    assert done(two, "POST", "/nodes/castor/qemu", vmid=100) == "OK"
    assert one.request("GET", "/nodes/castor/qemu").data[0]["vmid"] == 100


def test_without_quorum_files_of_the_cluster_cannot_be_written(api: Api) -> None:
    api.world.nodes["pollux"].online = False
    said = {
        "/pools": ({"poolid": "q"}, "create pool failed: cfs-lock 'file-user_cfg' error: no quorum!"),
        "/storage": (
            {"storage": "qq", "type": "dir", "path": "/qq"},
            "create storage failed: cfs-lock 'file-storage_cfg' error: no quorum!",
        ),
    }
    for path, (params, reason) in said.items():
        assert api.request("POST", path, params).reason == reason
    answer: Response = api.request("PUT", f"{VM}/config", {"cores": 2})
    assert answer.reason.endswith("Permission denied")


def test_a_volume_is_uploaded(api: Api) -> None:
    world: World = api.world
    with Server(world) as server:
        login = server.api.ticket("root@pam")
        session = requests.Session()
        session.trust_env, session.verify = False, str(server.certificate)
        session.cookies.set("PVEAuthCookie", login[0])
        session.headers["CSRFPreventionToken"] = login[1]
        path = f"{server.address}/api2/json/nodes/castor/storage/local/upload"
        upid = session.post(
            path, data={"content": "iso"}, files={"filename": ("tiny.iso", b"x" * 2048)}
        ).json()["data"]
    assert world.finish(upid).exitstatus == "OK"
    assert world.volumes["castor", "local:iso/tiny.iso"].size == 2048
