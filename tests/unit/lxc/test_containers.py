# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for containers, and what becomes of them on a host in memory."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core import check as asking
from ansible_collections.twin.datacenter.plugins.module_utils._core.check import Check
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    CommandMissing,
    NotConverged,
    Refused,
    TwinError,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import LocalReader
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._core.plan import Effect
from ansible_collections.twin.datacenter.plugins.module_utils._lxc import host as lxc
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.model import parse_container
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.plan import verdict
from ansible_collections.twin.datacenter.plugins.modules.lxc_container import SUBJECT
from tests.doubles.lxc import PATH, LxcHost
from tests.doubles.memory import MemoryHost, answered

CONFIG = """# by hand
lxc.uts.name = web
lxc.rootfs.path = dir:/tank/machines/web/root
lxc.net.0.ipv4.address = 192.0.2.30/24
lxc.cgroup2.memory.max = 512M
"""


def run(host: LxcHost, dry: bool = False, **item: Any) -> Outcome:
    params = {"containers": [{"name": "web", **item}]}
    return reconcile(SUBJECT, params, host.reader(), None if dry else host)


def up(**more: Any) -> LxcHost:
    return LxcHost({"web": CONFIG}, up=["web"], **more)


def file_of(host: LxcHost) -> str:
    return host.files[f"{PATH}/web/config"]


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("lxc.cgroup2.memory.max", "live"),
        ("lxc.cgroup2.io.max", "restart"),
        ("lxc.cgroup2.devices.allow", "restart"),
        ("lxc.start.auto", "file"),
        ("lxc.hook.pre-start", "file"),
        ("lxc.hook.post-stop", "restart"),
        ("lxc.rootfs.path", "restart"),
        ("lxc.unheard.of", "restart"),
    ],
)
def test_verdict_of_a_key(key: str, word: str) -> None:
    assert verdict(key) == word


def test_of_a_key_that_is_written_twice_the_last_one_counts() -> None:
    host = LxcHost({"web": f"lxc.uts.name = old\n{CONFIG}"})
    assert run(host, state="stopped", config={"lxc.uts.name": "web"}).plan.sentences == []
    said = run(host, state="stopped", config={"lxc.uts.name": "new"}).plan.sentences
    assert said == ["set lxc.uts.name of container web from web to new"]


def test_a_limit_changes_in_flight_without_a_restart() -> None:
    """community.general.lxc_container restarts for every change."""
    host = up()
    pid = host.lxc.state["up"]["web"]["pid"]
    outcome = run(host, config={"lxc.cgroup2.memory.max": "1G"})
    assert outcome.plan.sentences == ["set lxc.cgroup2.memory.max of container web from 512M to 1G"]
    assert outcome.plan.steps[0].effect is Effect.LIVE
    assert host.lxc.state["up"]["web"]["pid"] == pid
    assert host.files["/sys/fs/cgroup/lxc.payload.web/memory.max"] == "1G\n"


def test_a_limit_somebody_changed_in_flight_is_put_back() -> None:
    host = up()
    host.files["/sys/fs/cgroup/lxc.payload.web/memory.max"] = "4096\n"
    outcome = run(host, config={"lxc.cgroup2.memory.max": "512M"})
    assert outcome.plan.sentences == [
        "set lxc.cgroup2.memory.max of the running container web from 4096 to 512M"
    ]


def test_a_key_that_is_read_once_restarts_the_container_once() -> None:
    host = up()
    outcome = run(host, config={"lxc.uts.name": "www", "lxc.arch": "x86_64"})
    assert outcome.plan.sentences == [
        "set lxc.uts.name of container web from web to www",
        "set lxc.arch of container web to x86_64",
        "restart container web for lxc.uts.name and lxc.arch to take effect",
    ]
    assert {step.effect for step in outcome.plan.steps} == {Effect.RESTART}


def test_a_restart_can_be_left_to_the_next_boot_and_stays_owed() -> None:
    """community.general.lxc_container: a restart could not be avoided (ansible-modules-extras 2612)."""
    host = up()
    owed = "restart container web for lxc.uts.name to take effect (owed)"
    assert run(host, config={"lxc.uts.name": "www"}, apply="next_boot").plan.sentences[-1] == owed
    again = run(host, config={"lxc.uts.name": "www"}, apply="next_boot")
    assert again.plan.sentences == [owed] and not again.plan.changed
    run(host, state="stopped")
    run(host, state="started")
    assert run(host, config={"lxc.uts.name": "www"}, apply="next_boot").plan.sentences == []


def test_what_counts_only_at_a_start_asks_for_no_restart() -> None:
    outcome = run(up(), config={"lxc.hook.pre-start": "/usr/local/sbin/twin guard web"})
    assert len(outcome.plan.steps) == 1


def test_check_mode_tells_the_difference_and_writes_nothing() -> None:
    """community.general.lxc_container has neither check mode nor diff."""
    host = up()
    outcome = run(host, dry=True, config={"lxc.uts.name": "www"})
    assert outcome.result(diff=True)["diff"] == {
        "before": {"web": {"lxc.uts.name": "web"}},
        "after": {"web": {"lxc.uts.name": "www"}},
    }
    assert file_of(host) == CONFIG and not host.changes


def test_undeclared_keys_and_comments_are_kept() -> None:
    host = up()
    run(host, config={"lxc.cgroup2.memory.max": "1G"})
    assert file_of(host) == CONFIG.replace("512M", "1G")


def test_a_new_container_is_unprivileged_unless_it_says_otherwise() -> None:
    for more, wanted in (({}, True), ({"privileged": True}, False)):
        host = LxcHost()
        run(host, rootfs="/r", state="present", **more)
        assert ("lxc.idmap = u 0 100000 65536" in file_of(host)) is wanted


def test_a_container_that_is_there_keeps_its_user_ids() -> None:
    assert run(up(), config={"lxc.uts.name": "web"}).plan.sentences == []


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({}, "container web: a new container needs a root file system; name it in rootfs."),
        (
            {"rootfs": "/r", "config": {"lxc.cgroup2.memory.max": "1G"}},
            "lxc.cgroup2.memory.max of container web: this host has no memory controller to enforce it;"
            " leave it out, or accept that in unenforced (memory).",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_touched(item: dict[str, Any], said: str) -> None:
    host = LxcHost(controllers="hugetlb")
    with pytest.raises(Refused) as error:
        run(host, **item)
    assert str(error.value) == said
    assert not host.changes


@pytest.mark.parametrize("accepted", ["memory", "lxc.cgroup2.memory.max"])
def test_an_accepted_limit_is_not_written_and_said_to_be_owed(accepted: str) -> None:
    host = LxcHost(controllers="hugetlb")
    limits = {"lxc.cgroup2.memory.max": "1G"}
    for _time in range(2):
        outcome = run(host, rootfs="/r", config=limits, unenforced=[accepted])
        assert outcome.plan.sentences[0] == (
            "lxc.cgroup2.memory.max of container web is not enforced,"
            " this host has no memory controller (owed)"
        )
    assert not outcome.plan.changed
    assert "memory" not in file_of(host)


def test_a_limit_that_no_key_stands_for_is_said_to_be_owed() -> None:
    outcome = run(up(), omitted={"io": "nobody sees the disk"})
    assert outcome.plan.sentences == [
        "limit io of container web is not enforced: nobody sees the disk (owed)"
    ]
    assert not outcome.plan.changed


def test_a_limit_is_written_where_it_is_not_known_what_the_host_can_enforce() -> None:
    host = LxcHost(controllers=None)
    run(host, rootfs="/r", config={"lxc.cgroup2.memory.max": "1G"}, state="present")
    assert "lxc.cgroup2.memory.max = 1G" in file_of(host)


def test_a_container_that_dies_after_a_start_that_succeeded() -> None:
    host = LxcHost({"web": CONFIG}, dying=["web"])
    with pytest.raises(TwinError) as error:
        run(host)
    assert "container web did not start: Exec format error - Failed to exec /sbin/init" in str(error.value)
    assert "its log is /var/log/lxc/web.log" in str(error.value)


def test_the_reason_of_a_failed_start_is_of_this_start() -> None:
    host = LxcHost({"web": CONFIG}, dying=["web"])
    host.files["/var/log/lxc/web.log"] = "lxc-start web 1 ERROR    a - b - yesterday's trouble\n"
    with pytest.raises(TwinError) as error:
        run(host)
    assert "yesterday" not in f"{error.value} {error.value.facts}"


def test_a_log_of_its_own_is_read_instead() -> None:
    host = LxcHost({"web": f"{CONFIG}lxc.log.file = /srv/own.log\n"}, dying=["web"])
    with pytest.raises(CommandFailed) as error:
        lxc.start(host, "web")
    assert "its log is /srv/own.log" in str(error.value)


def test_a_container_that_does_not_halt_is_ended() -> None:
    host = up(deaf=["web"])
    outcome = run(host, state="stopped")
    assert outcome.measured == [{"key": "web", "killed": True}]
    assert host.lxc.state["up"] == {}


def test_a_frozen_container_is_woken_to_halt() -> None:
    host = up()
    run(host, state="frozen")
    assert run(host, state="stopped").measured == []


def test_a_container_that_nothing_stops_is_an_error() -> None:
    host = up(deaf=["web"])
    host.fault = lambda argv: answered(argv) if argv[0] == "lxc-stop" else None
    with pytest.raises(TwinError, match="could not be stopped: it still runs after 60 s"):
        run(host, state="stopped")


def test_a_step_that_lies_is_found_out() -> None:
    host = up()
    host.fault = lambda argv: answered(argv) if argv[0] == "lxc-freeze" else None
    with pytest.raises(NotConverged, match="freeze container web"):
        run(host, state="frozen")


def test_a_start_waits_for_an_answer_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """community.general.lxc_container waits for whole seconds, whether it answers or not."""
    monkeypatch.setattr(asking, "PAUSE", 0)
    host = LxcHost({"web": CONFIG})
    outcome = run(host, config={"lxc.net.0.ipv4.address": "192.0.2.30/24"}, check={"http": "/"})
    assert outcome.measured[0]["answered_after"] < 1


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"http": "/"}, "http://192.0.2.30/ last said: [Errno 113] No route to host"),
        ({"tcp": 22}, "tcp://192.0.2.30:22 last said: [Errno 113] No route to host"),
        ({"command": ["true"]}, "command true last said: starting"),
        (None, "the state of its system last said: starting"),
    ],
)
def test_a_container_that_never_answers(
    check: dict[str, Any] | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)
    host = LxcHost({"web": CONFIG}, silent=["web"])
    container = parse_container({"name": "web", "address": "192.0.2.30", "check": check})
    lxc.start(host, "web")
    with pytest.raises(CommandFailed) as error:
        lxc.wait_for_answer(host, "web", container.check, 0.01)
    assert "container web runs, but did not answer within 0.01 s" in str(error.value)
    assert said in str(error.value)


def test_a_container_that_stops_while_it_is_waited_for() -> None:
    with pytest.raises(CommandFailed, match="container web was started, then stopped by itself"):
        lxc.wait_for_answer(LxcHost({"web": CONFIG}), "web", Check(), 5)


def test_the_definition_goes_and_the_root_file_system_stays() -> None:
    """lxc-destroy(1) would remove the root file system too, wherever it lies."""
    host = up()
    assert run(host, state="absent").plan.sentences == [
        "stop container web",
        "remove the definition of container web",
    ]
    assert not [call for call in host.calls if call[0] == "lxc-destroy"]


def test_data_in_its_own_folder_must_be_named() -> None:
    host = up()
    host.files[f"{PATH}/web/rootfs/etc/hostname"] = "web\n"
    with pytest.raises(Refused, match="this may lose the data of web; name it in allow_destroy"):
        run(host, state="absent")
    assert host.lxc.state["up"]


def test_a_host_without_lxc_reads_as_empty_and_cannot_be_changed() -> None:
    host = MemoryHost()
    params = {"containers": [{"name": "web", "rootfs": "/r"}]}
    assert reconcile(SUBJECT, params, host.reader()).plan.sentences == [
        "define container web",
        "start container web",
    ]
    with pytest.raises(CommandMissing):
        reconcile(SUBJECT, params, host, host)
    assert lxc.read_info(host.reader(), {}) == {"containers": []}


def test_a_definition_can_be_made_without_a_start() -> None:
    host = up()
    lxc.define(host, parse_container({"name": "web", "config": {"lxc.uts.name": "www"}}))
    assert "lxc.uts.name = www" in file_of(host)
    assert lxc.running(host, "web")


def test_info_names_what_was_asked_for() -> None:
    host = LxcHost({"web": CONFIG, "db": CONFIG}, up=["web"])
    assert [item["name"] for item in lxc.read_info(host, {"names": ["web", "none"]})["containers"]] == ["web"]
    assert lxc.read_info(host, {})["containers"][1] == {
        "name": "web",
        "state": "started",
        "config": {
            "lxc.uts.name": "web",
            "lxc.rootfs.path": "dir:/tank/machines/web/root",
            "lxc.net.0.ipv4.address": ["192.0.2.30/24"],
            "lxc.cgroup2.memory.max": "512M",
        },
    }


def test_reading_costs_one_command_however_many_containers() -> None:
    host = LxcHost({f"c{number}": CONFIG for number in range(50)})
    params = {"containers": [{"name": f"c{number}", "state": "stopped"} for number in range(50)]}
    reconcile(SUBJECT, params, host.reader())
    assert len(host.calls) == 1


class Answer(http.server.BaseHTTPRequestHandler):
    """Says 200 to /good and 500 to everything else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/good" else 500)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_questions_are_asked_for_real(port: int) -> None:
    host = LocalReader()
    assert lxc.answer(host, "web", Check("http", "127.0.0.1", port, "/good")) is None
    assert lxc.answer(host, "web", Check("tcp", "127.0.0.1", port)) is None
    bad = lxc.answer(host, "web", Check("http", "127.0.0.1", port, "/bad"), 0.1)
    assert bad == "HTTP Error 500: Internal Server Error"


def test_a_silent_address_is_said_to_be_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "refused" in (lxc.answer(LocalReader(), "web", Check("tcp", "127.0.0.1", port)) or "")
