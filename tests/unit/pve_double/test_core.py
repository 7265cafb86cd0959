# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Proxmox VE: requests judged as it does, tasks, permissions, quorum, faults, HTTPS."""

from __future__ import annotations

import pytest
import requests

from tests.doubles.pve.access import Grant, Token, User
from tests.doubles.pve.api import Api, Dropped, Response
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.faults import Fault, TaskFault
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import Volume, World, pair

TEMPLATE = "local:vztmpl/debian-13-standard_amd64.tar.zst"


@pytest.fixture
def world() -> World:
    made = pair("castor", "pollux", clock=StillClock())
    made.volumes["castor", TEMPLATE] = Volume(TEMPLATE, 1024, "tzst", "vztmpl")
    return made


@pytest.fixture
def api(world: World) -> Api:
    return Api(world)


def done(api: Api, answer: Response) -> str:
    """The exit status of the task that an answer names."""
    assert answer.status == 200, answer
    return str(api.world.finish(answer.data).exitstatus)


def container(api: Api, vmid: int = 100, **options: object) -> None:
    asked = {"vmid": vmid, "ostemplate": TEMPLATE, "hostname": "ssa", **options}
    assert done(api, api.request("POST", "/nodes/castor/lxc", asked)) == "OK"


def machine(api: Api, vmid: int = 101, **options: object) -> None:
    assert done(api, api.request("POST", "/nodes/castor/qemu", {"vmid": vmid, **options})) == "OK"


def test_wrong_parameters_are_named_in_the_words_of_proxmox(api: Api) -> None:
    answer = api.request("POST", "/nodes/castor/qemu", {"vmid": 100, "memory": "abc", "cores": 0, "bogus": 1})
    assert (answer.status, answer.reason) == (400, "Parameter verification failed.")
    assert answer.body["errors"] == {
        "bogus": "property is not defined in schema and the schema does not allow additional properties",
        "memory": "invalid format - format error\nmemory.current: type check ('integer') failed - got "
        "'abc'\n",
        "cores": "value must have a minimum value of 1",
    }


def test_booleans_are_zero_and_one_and_those_of_json(api: Api) -> None:
    machine(api)
    assert api.request("PUT", "/nodes/castor/qemu/101/config", {"onboot": True}).status == 200
    assert api.request("PUT", "/nodes/castor/qemu/101/config", {"onboot": "yes"}).status == 400
    assert api.request("GET", "/nodes/castor/qemu/101/config").data["onboot"] == 1


def test_what_does_not_exist_is_500_with_the_text_as_the_reason(api: Api) -> None:
    answer = api.request("GET", "/nodes/castor/qemu/999/config")
    text = "Configuration file 'nodes/castor/qemu-server/999.conf' does not exist"
    assert (answer.status, answer.reason, answer.body) == (500, text, {"data": None, "message": text + "\n"})
    assert api.request("POST", "/nodes/castor/lxc/100/status/bogus").status == 501


def test_a_container_is_only_a_lock_while_it_is_created(api: Api, world: World) -> None:
    upid = api.request("POST", "/nodes/castor/lxc", {"vmid": 100, "ostemplate": TEMPLATE}).data
    assert set(api.request("GET", "/nodes/castor/lxc/100/config").data) == {"lock", "digest"}
    assert api.request("GET", f"/nodes/castor/tasks/{upid}/status").data["status"] == "running"
    assert isinstance(world.clock, StillClock)
    world.clock.advance(5)
    assert api.request("GET", f"/nodes/castor/tasks/{upid}/status").data["exitstatus"] == "OK"
    config = api.request("GET", "/nodes/castor/lxc/100/config").data
    assert (config["memory"], config["swap"], config["unprivileged"]) == (512, 512, 1)


def test_a_missing_template_fails_the_task_and_leaves_nothing(api: Api) -> None:
    asked = {"vmid": 100, "ostemplate": "local:vztmpl/none.tar.gz"}
    assert "does not exist" in done(api, api.request("POST", "/nodes/castor/lxc", asked))
    assert api.request("GET", "/nodes/castor/lxc").data == []


def test_a_change_of_a_running_container_waits_unless_it_can_be_plugged_in(api: Api) -> None:
    container(api)
    done(api, api.request("POST", "/nodes/castor/lxc/100/status/start"))
    api.request("PUT", "/nodes/castor/lxc/100/config", {"memory": 256, "features": "nesting=1"})
    waiting = {each["key"]: each for each in api.request("GET", "/nodes/castor/lxc/100/pending").data}
    assert waiting["memory"] == {"key": "memory", "value": 256}
    assert waiting["features"] == {"key": "features", "pending": "nesting=1"}
    assert "features" not in api.request("GET", "/nodes/castor/lxc/100/config", {"current": 1}).data
    api.request("PUT", "/nodes/castor/lxc/100/config", {"revert": "features"})
    assert "features" not in api.request("GET", "/nodes/castor/lxc/100/config").data


def test_a_detached_disk_becomes_unused_and_is_removed_when_it_was(api: Api, world: World) -> None:
    machine(api, scsi0="local:4")
    api.request("PUT", "/nodes/castor/qemu/101/config", {"delete": "scsi0"})
    assert (
        api.request("GET", "/nodes/castor/qemu/101/config").data["unused0"] == "local:101/vm-101-disk-0.raw"
    )
    api.request("PUT", "/nodes/castor/qemu/101/config", {"delete": "unused0"})
    assert not [each for each in world.volumes.values() if each.vmid == 101]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("qemu", "checksum mismatch (file change by other user?)"),
        ("lxc", "detected modified configuration - file changed by other user? Try again."),
    ],
)
def test_an_old_digest_is_refused(api: Api, kind: str, text: str) -> None:
    container(api)
    machine(api)
    path = f"/nodes/castor/{kind}/{100 if kind == 'lxc' else 101}/config"
    old = api.request("GET", path).data["digest"]
    assert api.request("PUT", path, {"description": "one", "digest": old}).status == 200
    answer = api.request("PUT", path, {"description": "two", "digest": old})
    assert (answer.status, answer.reason) == (500, text)
    note = api.request("GET", path).data["description"]
    assert note == ("one\n" if kind == "lxc" else "one")


def test_start_and_stop_fail_where_proxmox_says_so(api: Api) -> None:
    container(api)
    machine(api)
    assert api.request("POST", "/nodes/castor/lxc/100/status/stop").reason == "CT 100 not running"
    assert done(api, api.request("POST", "/nodes/castor/qemu/101/status/stop")) == "OK"
    for kind, vmid in (("lxc", 100), ("qemu", 101)):
        assert done(api, api.request("POST", f"/nodes/castor/{kind}/{vmid}/status/start")) == "OK"
    assert api.request("POST", "/nodes/castor/lxc/100/status/start").reason == "CT 100 already running"
    assert done(api, api.request("POST", "/nodes/castor/qemu/101/status/start")) == "VM 101 already running"


def test_a_long_shutdown_holds_the_lock_of_the_configuration(api: Api, world: World) -> None:
    machine(api)
    done(api, api.request("POST", "/nodes/castor/qemu/101/status/start"))
    world.guests[101].deaf = True
    upid = api.request("POST", "/nodes/castor/qemu/101/status/shutdown", {"timeout": 60}).data
    answer = api.request("PUT", "/nodes/castor/qemu/101/config", {"cores": 2})
    assert answer.reason == "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout"
    assert answer.delay == 10
    assert world.finish(upid).exitstatus == "VM quit/powerdown failed - got timeout"


def test_an_aborted_task_says_so(api: Api, world: World) -> None:
    upid = api.request("POST", "/nodes/castor/qemu", {"vmid": 101}).data
    api.request("DELETE", f"/nodes/castor/tasks/{upid}")
    assert world.tasks[upid].exitstatus == "received interrupt"
    assert api.request("GET", f"/nodes/pollux/tasks/{upid}/status").body["errors"] == {"upid": "no such task"}


def test_privileges_are_checked_per_path_and_token(api: Api, world: World) -> None:
    container(api)
    world.access.users["ops@pve"] = User(tokens={"sep": Token(), "full": Token(privsep=0)})
    world.access.acl[Grant("/vms", "user", "ops@pve", "PVEAuditor")] = 1
    for user, seen in (("ops@pve", 1), ("ops@pve!full", 1), ("ops@pve!sep", 0)):
        assert len(api.request("GET", "/nodes/castor/lxc", user=user).data) == seen
    refused = api.request("PUT", "/nodes/castor/lxc/100/config", {"memory": 64}, user="ops@pve")
    assert refused.status == 403
    world.access.acl[Grant("/vms/100", "user", "ops@pve", "PVEVMAdmin")] = 1
    assert api.request("PUT", "/nodes/castor/lxc/100/config", {"memory": 64}, user="ops@pve").status == 200
    refused = api.request("PUT", "/nodes/castor/lxc/100/config", {"features": "keyctl=1"}, user="ops@pve")
    assert "only allowed for root@pam" in refused.reason


def test_without_quorum_nothing_is_created(api: Api, world: World) -> None:
    api.faults.requests.append(Fault("GET /version", status=200, quorum=True))
    api.request("GET", "/version")
    assert api.request("GET", "/cluster/status").data[0]["quorate"] == 0
    assert api.request("POST", "/nodes/castor/qemu", {"vmid": 101}).reason == "cluster not ready - no quorum?"
    assert api.request("GET", "/nodes/pollux/status").status == 595


def test_faults_strike_the_request_and_the_task_they_are_meant_for(api: Api) -> None:
    api.faults.requests += [
        Fault("GET /version", status=500, text="got timeout", after=2),
        Fault("GET /nodes$", drop=True),
        Fault("PUT .*/config", drop=True, late=True),
    ]
    assert [api.request("GET", "/version").status for _time in range(3)] == [200, 500, 200]
    with pytest.raises(Dropped):
        api.request("GET", "/nodes")
    api.faults.tasks.append(TaskFault("qmstart 101", "start failed: QEMU exited with code 1"))
    machine(api)
    assert (
        done(api, api.request("POST", "/nodes/castor/qemu/101/status/start"))
        == "start failed: QEMU exited with code 1"
    )
    assert done(api, api.request("POST", "/nodes/castor/qemu/101/status/start")) == "OK"
    with pytest.raises(Dropped):
        api.request("PUT", "/nodes/castor/qemu/101/config", {"description": "written all the same"})
    assert api.request("GET", "/nodes/castor/qemu/101/config").data["description"] == "written all the same"


def test_the_server_knows_tickets_forged_writes_and_tokens(world: World) -> None:
    world.access.users["root@pam"].tokens["deploy"] = Token(privsep=0, secret="geheim")
    with Server(world) as server:
        session = requests.Session()
        session.trust_env = False  # no other certificates, no proxies
        session.verify = str(server.certificate)
        base = f"{server.address}/api2/json"
        assert (nobody := session.get(f"{base}/version")).status_code == 401 and nobody.reason == "No ticket"
        wrong = session.post(f"{base}/access/ticket", data={"username": "root@pam", "password": "wrong"})
        assert (wrong.status_code, wrong.reason) == (401, "authentication failure")
        login = session.post(
            f"{base}/access/ticket", data={"username": "root@pam", "password": "secret"}
        ).json()["data"]
        session.cookies.set("PVEAuthCookie", login["ticket"])
        forged = session.post(f"{base}/nodes/castor/qemu", data={"vmid": 101})
        assert (forged.status_code, forged.reason) == (401, "Permission denied - invalid csrf token")
        session.headers["CSRFPreventionToken"] = login["CSRFPreventionToken"]
        assert session.post(f"{base}/nodes/castor/qemu", data={"vmid": 101}).status_code == 200
        token = {"Authorization": "PVEAPIToken=root@pam!deploy=geheim"}
        assert (
            requests.get(f"{base}/version", headers=token, verify=str(server.certificate)).json()["data"][
                "release"
            ]
            == "9.2"
        )
        server.api.faults.requests.append(Fault("GET /version", drop=True))
        with pytest.raises(requests.ConnectionError):
            session.get(f"{base}/version")
