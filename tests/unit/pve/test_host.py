# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: what is sent again and what is not, errors by kind, tasks, the node's own pvesh."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host, Output
from ansible_collections.twin.datacenter.plugins.module_utils._pve import errors
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import access_of
from ansible_collections.twin.datacenter.plugins.module_utils._pve.errors import Answer
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import LocalTransport, PveHost
from ansible_collections.twin.datacenter.plugins.module_utils._pve.task_host import run_task
from ansible_collections.twin.datacenter.plugins.module_utils._pve.tasks import is_upid, parse_upid

UPID = "UPID:castor:0000022A:0007CED0:6B00713A:vzcreate:200:root@pam:"
TASK = f"nodes/castor/tasks/{UPID}"
RECORDED = (Path(__file__).parent / "fixtures/pvesh.jsonl").read_text()
CLI = [json.loads(line) for line in RECORDED.splitlines()]
RUNS, OK = (
    Answer(200, data={"status": "running"}),
    Answer(200, data={"status": "stopped", "exitstatus": "OK"}),
)


class Wire:
    """The far end of a connection: it answers as it is told, in order, and writes down what it was asked."""

    def __init__(self, *answers: Answer | TwinError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def request(self, method: str, path: str, _params: Mapping[str, Any]) -> Answer:
        self.asked.append(f"{method} {path}")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, TwinError):
            raise answer
        return answer


def host_of(*answers: Answer | TwinError, timeout: float = 600) -> tuple[PveHost, Wire, list[float]]:
    wire, slept = Wire(*answers), []
    return PveHost(wire, timeout, slept.append), wire, slept


def said(status: int, text: str, **faults: str) -> Answer:
    return Answer(status, text, message=f"{text}\n", errors=faults)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (said(500, "pool 'x' does not exist"), errors.Missing, "pool 'x' does not exist"),
        (said(500, "Configuration file 'nodes/a/qemu-server/100.conf' does not exist"), errors.Missing, ""),
        (
            said(400, "Parameter verification failed.", upid="no such task"),
            errors.Missing,
            "upid: no such task",
        ),
        (said(400, "Parameter verification failed.", storage="No such storage."), errors.Missing, "storage"),
        (said(500, "create pool failed: pool 'x' already exists"), errors.Exists, ""),
        (
            said(400, "Parameter verification failed.", cores="type check ('integer') failed"),
            errors.Rejected,
            "cores: type check",
        ),
        (
            said(400, "Parameter verification failed.", skiplock="Only root may use this option."),
            errors.Denied,
            "root@pam",
        ),
        (said(401, "Authentication failed!"), errors.Denied, "api_user"),
        (
            said(403, "Permission check failed (/vms/300, VM.Config.CPU|VM.Config.Disk)"),
            errors.Denied,
            "VM.Config.CPU or VM.Config.Disk on /vms/300",
        ),
        (
            said(500, "update pools failed: 403 Permission check failed (/pool/lab, Pool.Allocate)"),
            errors.Denied,
            "give the user or token a role with Pool.Allocate on /pool/lab",
        ),
        (said(500, "only root can set 'args' config"), errors.Denied, "not for a token"),
        (
            said(500, "detected modified configuration - file changed by other user? Try again."),
            errors.Changed,
            "run this again",
        ),
        (said(500, "checksum mismatch (file change by other user?)"), errors.Changed, "run this again"),
        (
            said(500, "create pool failed: cfs-lock 'file-user_cfg' error: no quorum!"),
            errors.NoQuorum,
            "witness",
        ),
        (said(500, "cluster not ready - no quorum?"), errors.NoQuorum, ""),
        (
            said(500, "unable to open file '/etc/pve/nodes/a/lxc/1.conf.tmp.1' - Permission denied"),
            errors.NoQuorum,
            "",
        ),
        (said(500, "CT is locked (backup)"), errors.Locked, "wait until that is over"),
        (said(501, "Method 'GET /x' not implemented"), errors.NotOffered, "release"),
        (said(500, "storage 'd4' is disabled"), errors.ApiError, "storage 'd4' is disabled."),
    ],
)
def test_errors_by_kind(answer: Answer, kind: type[TwinError], says: str) -> None:
    host, wire, _slept = host_of(answer)
    with pytest.raises(kind) as caught:
        host.put("pools")
    assert caught.type is kind
    assert says in str(caught.value)
    assert len(wire.asked) == 1, "a write that was refused is not sent again"


DROPPED, NOT_SENT = errors.Dropped("x"), errors.NotSent("x")
LOCK = said(500, "can't lock file '/var/lock/qemu-server/lock-300.conf' - got timeout")


@pytest.mark.parametrize(
    "failure", [DROPPED, NOT_SENT, Answer(595, "Connection refused"), Answer(596, "Broken pipe"), LOCK]
)
def test_a_read_is_sent_again(failure: Answer | TwinError) -> None:
    host, wire, slept = host_of(failure, failure, Answer(200, data=7))
    assert host.get("version") == 7
    assert len(wire.asked) == 3 == host.counts["requests"]
    assert slept[1] != slept[0] > 0


@pytest.mark.parametrize(
    "failure",
    [
        NOT_SENT,
        Answer(595, "Connection refused"),
        LOCK,
        said(500, "create pool failed: cfs-lock 'file-user_cfg' error: got lock request timeout"),
    ],
)
def test_a_write_that_did_nothing_is_sent_again(failure: Answer | TwinError) -> None:
    host, wire, _slept = host_of(failure, Answer(200))
    host.put("pools")
    assert len(wire.asked) == 2


@pytest.mark.parametrize(
    "failure",
    [
        DROPPED,
        Answer(596, "Broken pipe"),
        Answer(502, "Bad gateway"),
        Answer(500, "?"),
        # What was begun and took too long, in the same words as a lock that was not to be had.
        said(500, "VM 300 qmp command 'device_del' failed - got timeout"),
        said(500, "command '/sbin/zpool import tank' failed: got timeout"),
        said(500, "error during cfs-locked 'file-user_cfg' operation: got lock timeout - aborting command"),
    ],
)
def test_a_write_that_may_have_been_done_is_not(failure: Answer | TwinError) -> None:
    host, wire, _slept = host_of(failure, Answer(200))
    with pytest.raises(TwinError):
        host.post("nodes/castor/lxc")
    assert len(wire.asked) == 1


def test_a_server_that_is_down_is_not_asked_for_ever() -> None:
    host, wire, _slept = host_of(NOT_SENT)
    with pytest.raises(errors.NotSent):
        host.get("version")
    assert len(wire.asked) == 4


def test_find_is_none_for_what_does_not_exist() -> None:
    host, _wire, _slept = host_of(said(500, "pool 'x' does not exist"))
    assert host.find("pools/x") is None
    assert host.find_all([("pools/x", {}), ("pools/y", {})]) == [None, None]


def test_a_task_is_waited_for_and_its_name_is_told() -> None:
    host, wire, _slept = host_of(Answer(200, data=UPID), RUNS, RUNS, OK)
    assert run_task(host, "nodes/castor/lxc") == {"upid": UPID}
    assert wire.asked == ["POST nodes/castor/lxc", *[f"GET {TASK}/status"] * 3]
    assert host.counts == {"requests": 1, "polls": 3}


def test_a_call_without_a_task_is_done_at_once() -> None:
    host, wire, _slept = host_of(Answer(200, data=None))
    assert run_task(host, "pools", method="PUT") == {}
    assert wire.asked == ["PUT pools"]


def test_warnings_are_success_and_told() -> None:
    log = Answer(
        200,
        data=[
            {"n": 1, "t": "all is well"},
            {"n": 2, "t": "WARN: old template"},
            {"n": 3, "t": "TASK WARNINGS: 1"},
        ],
    )
    host, _wire, _slept = host_of(
        Answer(200, data=UPID), Answer(200, data={"status": "stopped", "exitstatus": "WARNINGS: 1"}), log
    )
    assert run_task(host, "x") == {"upid": UPID, "warnings": ["WARN: old template"]}


def test_a_task_that_failed_is_told_at_once_with_its_last_lines() -> None:
    log = Answer(
        200,
        data=[{"n": n, "t": f"line {n}"} for n in range(1, 40)] + [{"n": 40, "t": "TASK ERROR: no space"}],
    )
    host, wire, slept = host_of(
        Answer(200, data=UPID), Answer(200, data={"status": "stopped", "exitstatus": "no space"}), log
    )
    with pytest.raises(errors.TaskFailed) as caught:
        run_task(host, "x")
    assert str(caught.value) == (
        "task vzcreate of 200 on castor: no space; its log ends: line 38 | line 39 | TASK ERROR: no space."
    )
    assert caught.value.facts["upid"] == UPID
    assert caught.value.facts["log"][-1] == "TASK ERROR: no space"
    assert len(wire.asked) == 3
    assert slept == []


def test_a_task_that_takes_too_long_is_told_to_stop() -> None:
    interrupted = Answer(200, data={"status": "stopped", "exitstatus": "received interrupt"})
    log = Answer(200, data=[{"n": 1, "t": "copying"}])
    host, wire, _slept = host_of(Answer(200, data=UPID), RUNS, Answer(200), interrupted, log, timeout=0)
    with pytest.raises(errors.TaskTimeout, match="was not over after 0 s and was told to stop") as caught:
        run_task(host, "x")
    assert wire.asked[2] == f"DELETE {TASK}"
    assert caught.value.facts["log"] == ["copying"]


def test_a_task_that_cannot_be_told_to_stop_is_told_of_too() -> None:
    denied = said(403, "Permission check failed (/nodes/castor, Sys.Modify)")
    host, _wire, _slept = host_of(Answer(200, data=UPID), RUNS, denied, OK, Answer(200, data=[]), timeout=0)
    with pytest.raises(errors.TaskTimeout, match="cannot be told to stop .*Sys.Modify"):
        run_task(host, "x")


def test_the_name_of_a_task_is_read() -> None:
    upid = parse_upid("UPID:pve-1:000002A4:0007D120:6B007140:startall::ansible@pve!twin:")
    assert (upid.node, upid.type, upid.id, upid.user, upid.start) == (
        "pve-1",
        "startall",
        "",
        "ansible@pve!twin",
        0x6B007140,
    )
    assert upid.sentence == "task startall on pve-1"
    assert not is_upid(None) and not is_upid("UPID:bogus") and not is_upid({"a": 1})


class Node(Host):
    """A node on which pvesh has said what was recorded of a real one."""

    system = "Linux"

    def __init__(self, output: Output) -> None:
        self.output = output
        self.argv: tuple[str, ...] = ()

    def answer(self, argv: Sequence[str], stdin: str, timeout: float | None) -> Output:
        self.argv = tuple(argv)
        return self.output

    def read(self, path: str) -> str | None:
        raise AssertionError(path)

    def listing(self, path: str) -> list[str]:
        raise AssertionError(path)


@pytest.mark.parametrize("record", CLI, ids=lambda record: record["command"][:60])
def test_pvesh_as_it_was_recorded(record: dict[str, Any]) -> None:
    node = Node(Output((), record["rc"], record["stdout"], record["stderr"]))
    host = PveHost(LocalTransport(node))
    _pvesh, verb, path = record["command"].split()[:3]
    call = {"get": host.get, "create": host.post, "set": host.put, "delete": host.delete}[verb]
    if record["rc"]:
        with pytest.raises(getattr(errors, record["kind"]), match=record["says"]):
            call(path.strip("/"))
    else:
        assert call(path.strip("/")) == record["data"]
    assert node.argv == ("pvesh", verb, path, "--output-format", "json")


def test_pvesh_gets_parameters_as_words_and_no_secrets() -> None:
    node = Node(Output((), 0, "", ""))
    host = PveHost(LocalTransport(node))
    host.post("storage", {"storage": "a", "map": ["x", "y"]})
    assert node.argv[3:-2] == ("--storage", "a", "--map", "x", "--map", "y")
    with pytest.raises(Refused, match="password would stand on the command line"):
        host.post("storage", {"storage": "a", "password": "canary"})


ENVIRONMENT = {"PROXMOX_HOST": "castor", "PROXMOX_USER": "root@pam", "PROXMOX_PASSWORD": "secret"}


def test_access_from_the_environment_and_from_options() -> None:
    access = access_of(
        {"validate_certs": None, "timeout": 5}, {**ENVIRONMENT, "PROXMOX_VALIDATE_CERTS": "no"}
    )
    assert (access.host, access.user, access.password, access.verify, access.timeout) == (
        "castor", "root@pam", "secret", False, 5
    )  # fmt: skip
    access = access_of(
        {"api_host": "pollux", "api_token_id": "a@pve!b", "api_token_secret": "c"}, ENVIRONMENT
    )
    assert (access.host, access.user, access.token_id, access.verify) == ("pollux", "a@pve", "b", True)
    assert "secret" not in repr(access)
    assert access_of({}, {}).host == ""


TOKEN = {"api_host": "a", "api_user": "root@pam", "api_token_id": "x", "api_token_secret": "y"}


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"api_host": "a"}, "api_user is missing"),
        ({"api_host": "a", "api_user": "root@pam"}, "neither a password nor a token"),
        ({"api_host": "a", "api_user": "root@pam", "api_token_id": "x"}, "half of the token is missing"),
        ({**TOKEN, "api_token_secret": "canary\n"}, "what no header can hold"),
        ({**TOKEN, "api_token_secret": "canary\u2019"}, "what no header can hold"),
        ({**TOKEN, "api_host": "https://castor:8006/api2/json"}, "is no host"),
        ({**TOKEN, "api_host": "[castor"}, "is no host"),
        ({**TOKEN, "api_host": "castor:80060"}, "api_port: 80060 is too large"),
        ({**TOKEN, "api_port": "pve"}, "api_port: 'pve' is not a whole number"),
        ({**TOKEN, "api_timeout": "long"}, "api_timeout: 'long' is not a number"),
        ({**TOKEN, "fingerprint": "AA:" * 15 + "AA"}, "is no SHA-256"),
        ({**TOKEN, "fingerprint": "zz:" * 31 + "zz"}, "is no SHA-256"),
    ],
)
def test_access_that_cannot_be(params: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says) as caught:
        access_of(params, {})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("castor", "castor", 8006),
        ("castor:443", "castor", 443),
        ("https://castor.example.org:8006/", "castor.example.org", 8006),
        ("2001:db8::11", "2001:db8::11", 8006),
        ("[2001:db8::11]:443", "2001:db8::11", 443),
    ],
)
def test_the_ways_to_write_a_host(given: str, host: str, port: int) -> None:
    access = access_of({"api_host": given}, ENVIRONMENT)
    assert (access.host, access.port) == (host, port)
