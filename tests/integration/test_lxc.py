# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_container and lxc_info on a real LXC: an unprivileged container on castor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.check import Check
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._lxc import host as lxc
from ansible_collections.twin.datacenter.plugins.modules.lxc_container import SUBJECT
from tests.integration.bed import INSTALL_LXC
from tests.integration.conftest import LabHost
from tests.lab import Lab
from tests.laws import laws

NAME = "lxc-test"
ROOT = f"/srv/{NAME}"
# Over the programs of the server. Its init halts when LXC asks it to (SIGPWR), unless a file says it is deaf.
PREPARE = f"""
set -eu
command -v lxc-ls >/dev/null || {{ {INSTALL_LXC} }}
for ids in subuid subgid; do grep -q ^root: /etc/$ids || echo root:100000:65536 >>/etc/$ids; done
mkdir -p {ROOT}/usr {ROOT}/proc {ROOT}/sys {ROOT}/dev {ROOT}/etc {ROOT}/run
for part in bin sbin lib lib64; do ln -sfn usr/$part {ROOT}/$part; done
cat >{ROOT}/etc/start <<'END'
#!/bin/sh
[ -e /etc/deaf ] || trap 'exit 0' PWR
while :; do sleep 0.1; done
END
chmod 755 {ROOT}/etc/start
chown -R -h 100000:100000 {ROOT}
"""
CONFIG = {
    "lxc.uts.name": NAME,
    "lxc.net.0.type": "empty",
    "lxc.mount.auto": "proc:mixed",
    "lxc.mount.entry": "/usr usr none bind,ro 0 0",
    "lxc.apparmor.profile": "unconfined",
    "lxc.init.cmd": "/etc/start",
}
NEW = {"name": NAME, "rootfs": ROOT, "config": CONFIG, "check": {"command": ["true"]}, "timeout": 10}

Run = Callable[..., Outcome]


def clear(host: LabHost) -> None:
    lxc.stop(host, NAME, 5)
    lxc.remove(host, NAME)
    host.remove(f"{ROOT}/etc/deaf")


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[LabHost]:
    prepared = lab.ssh("castor", "sh", "-s", input=PREPARE)
    assert prepared.returncode == 0, prepared.stderr
    host = LabHost(lab, "castor", lasting=True)
    clear(host)
    yield host
    clear(host)
    host.change(["rm", "-rf", "--one-file-system", ROOT])


@pytest.fixture
def run(server: LabHost) -> Iterator[Run]:
    def run(dry: bool = False, **item: Any) -> Outcome:
        params = {"containers": [{**NEW, **item}]}
        return reconcile(SUBJECT, params, server, None if dry else server)

    yield run
    clear(server)


def pid(server: LabHost) -> int:
    return lxc.state_of(server, NAME)[1]


def test_the_life_of_a_container(server: LabHost, run: Run) -> None:
    assert run().plan.sentences == [f"define container {NAME}", f"start container {NAME}"]
    first = pid(server)
    assert run().plan.sentences == []

    owed = f"restart container {NAME} for lxc.uts.name to take effect (owed)"
    changed = {"lxc.uts.name": "other"}
    assert run(config=changed, apply="next_boot").plan.sentences[-1] == owed
    assert (run(config=changed, apply="next_boot").plan.sentences, pid(server)) == ([owed], first)
    assert run(config=changed).plan.changed
    assert pid(server) != first
    name = server.run(["lxc-attach", "--name", NAME, "--", "uname", "--nodename"]).out.strip()
    assert name == "other"

    assert run(config={}, state="frozen").plan.sentences == [f"freeze container {NAME}"]
    assert run(config={}, state="started").plan.sentences == [f"unfreeze container {NAME}"]
    assert run(config={}, state="stopped").measured == []
    assert run(config={}, state="absent").plan.sentences == [f"remove the definition of container {NAME}"]
    assert server.listing(ROOT) != [] and NAME not in server.listing(lxc.PATH)


def test_a_new_container_is_unprivileged(server: LabHost, run: Run) -> None:
    run()
    assert server.run(["stat", "--format=%u", f"/proc/{pid(server)}"]).out.strip() == "100000"


def test_what_lxc_info_reads_is_what_is_there(server: LabHost, run: Run) -> None:
    run()
    (item,) = lxc.read_info(server, {"names": [NAME]})["containers"]
    assert item["config"]["lxc.uts.name"] == NAME
    assert reconcile(SUBJECT, {"containers": [item]}, server).plan.sentences == []


def test_a_limit_this_host_cannot_enforce(server: LabHost, run: Run) -> None:
    # A controller of control groups version 1, which no kernel has in version 2.
    limit = {**CONFIG, "lxc.cgroup2.net_cls.classid": "1"}
    with pytest.raises(Refused, match="this host has no net_cls controller to enforce it"):
        run(config=limit)
    assert NAME not in server.listing(lxc.PATH)
    outcome = run(config=limit, unenforced=["net_cls"])
    assert "is not enforced, this host has no net_cls controller (owed)" in outcome.plan.sentences[0]
    assert lxc.running(server, NAME)


def test_the_reason_of_a_failed_start_comes_from_the_log(run: Run) -> None:
    with pytest.raises(TwinError) as error:
        run(config={**CONFIG, "lxc.net.0.type": "veth", "lxc.net.0.link": "nosuch"})
    assert 'bridge "nosuch"' in str(error.value)
    assert "ERROR" in error.value.facts["stderr"]


def test_a_container_that_does_not_halt_is_ended(server: LabHost, run: Run) -> None:
    server.write(f"{ROOT}/etc/deaf", "")
    run()
    assert run(state="stopped", timeout=1).measured == [{"key": NAME, "killed": True}]


def test_questions_are_asked_from_the_server(server: LabHost) -> None:
    assert lxc.answer(server, NAME, Check("tcp", "127.0.0.1", 22)) is None
    assert "refused" in (lxc.answer(server, NAME, Check("http", "127.0.0.1", 81)) or "")


def prepared(server: LabHost, item: Mapping[str, Any] | None) -> Callable[[], LabHost]:
    def make() -> LabHost:
        clear(server)
        if item:
            reconcile(SUBJECT, {"containers": [item]}, server, server)
        return server

    return make


@pytest.mark.parametrize("law", [law for law in laws.LAWS if "secrets" not in law.__name__])
def test_laws_of_a_new_container(server: LabHost, law: Callable[[laws.Case], None]) -> None:
    params = {"containers": [{**NEW, "state": "present"}]}
    law(laws.Case("lxc_container", "new", prepared(server, None), params, export=_export))


@pytest.mark.parametrize("law", [laws.plan_after_apply_is_empty, laws.interrupted_run_converges])
def test_laws_of_a_change_that_needs_a_restart(server: LabHost, law: Callable[[laws.Case], None]) -> None:
    params = {"containers": [{**NEW, "config": {"lxc.uts.name": "other"}}]}
    law(laws.Case("lxc_container", "changed", prepared(server, NEW), params))


def _export(host: Any) -> dict[str, Any]:
    return lxc.read_info(host, {"names": [NAME]})
