# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""jail and jail_info on a server that behaves as FreeBSD, where jails run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._jail import host as jails
from ansible_collections.twin.datacenter.plugins.modules.jail import SUBJECT
from tests.integration.conftest import LabHost
from tests.lab import Lab

ROOT, DATA = "/jails/ssa", "/srv/ssa"
PREPARE = f"""
set -eu
[ -d {ROOT} ] || /usr/lib/freebsd/make-base {ROOT}
mkdir -p {ROOT}/srv {DATA}
echo data >{DATA}/note
printf 'httpd_enable=YES\\n' >{ROOT}/etc/rc.conf
echo hello >{ROOT}/usr/local/www/index.html
sysrc -q jail_enable=YES jail_list= >/dev/null
"""
PARAMETERS = {
    "host.hostname": "ssa.example.org",
    "exec.start": "/bin/sh /etc/rc",
    "exec.stop": "/bin/sh /etc/rc.shutdown jail",
    "exec.clean": True,
    "mount.devfs": True,
    "devfs_ruleset": 5,
    "exec.consolelog": "/var/log/jail_ssa.log",
    "persist": True,
}
CARD = {"bridge": "br0", "mac": "02:00:00:00:00:2a", "addresses": ["192.0.2.42/24"], "gateway": ["192.0.2.1"]}
NEW = {"name": "ssa", "path": ROOT, "parameters": PARAMETERS, "interfaces": [CARD], "timeout": 20}

Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def server(freebsd: Lab) -> LabHost:
    host = LabHost(freebsd, "castor", lasting=True)
    host.change(["sh", "-c", PREPARE])
    return host


def traces(server: LabHost) -> str:
    """What a jail could leave on its server."""
    what = "pgrep -f '[k]eeper.py'; grep /jails /proc/mounts; ifconfig -l; rctl; ls -d /etc/jail.conf.d/*"
    return server.run(["sh", "-c", what], ok=range(256)).out


@pytest.fixture
def run(server: LabHost) -> Iterator[Run]:
    def run(dry: bool = False, **item: Any) -> Outcome:
        params = {"jails": [{**NEW, **item}]}
        return reconcile(SUBJECT, params, server, None if dry else server)

    before = traces(server)
    yield run
    reconcile(SUBJECT, {"jails": [{"name": "ssa", "state": "absent"}]}, server, server)
    assert traces(server) == before


def test_the_life_of_a_jail(server: LabHost, run: Run, lab: Lab) -> None:
    born = ["define jail ssa", "start jail ssa"]
    assert run(dry=True).plan.sentences == born
    assert run(check={"http": "/"}).plan.sentences == born
    assert run().plan.sentences == []
    assert lab.run("curl", "-sf", "--max-time", "3", "http://192.0.2.42/").stdout == "hello\n"
    assert run(limits={"maxproc": 50}).plan.sentences == ["set limit maxproc of jail ssa to 50"]
    assert server.run(["rctl", "jail:ssa"]).out == "jail:ssa:maxproc:deny=50\n"

    mounts = [{"source": DATA, "target": "/srv"}]
    assert run(mounts=mounts).plan.sentences[-1] == "restart jail ssa for mount to take effect"
    assert server.run(["jexec", "ssa", "cat", "/srv/note"]).out == "data\n"
    assert run(mounts=mounts, state="stopped").plan.sentences == ["stop jail ssa"]


def test_what_jail_info_reads_is_what_is_there(server: LabHost, run: Run) -> None:
    run(limits={"maxproc": 50})
    items = jails.read_info(server, {"names": ["ssa"]})["jails"]
    assert reconcile(SUBJECT, {"jails": items}, server).plan.sentences == []


def test_a_failed_start_is_told_and_leaves_nothing(server: LabHost, run: Run) -> None:
    before = traces(server)
    with pytest.raises(TwinError, match="/bin/false: failed"):
        run(parameters={**PARAMETERS, "exec.poststart": "/bin/false"})
    server.remove("/etc/jail.conf.d/ssa.conf")
    assert traces(server) == before


def test_a_jail_that_refuses_to_stop_goes_on(server: LabHost, run: Run) -> None:
    stubborn = {**PARAMETERS, "exec.prestop": "/bin/false"}
    run(parameters=stubborn)
    with pytest.raises(TwinError, match="/bin/false: failed"):
        run(parameters=stubborn, state="stopped")
    assert server.run(["jexec", "ssa", "hostname"]).out == "ssa.example.org\n"
    run(parameters={**PARAMETERS, "exec.prestop": None}, apply="next_boot")


def test_a_mount_that_is_used_is_told(server: LabHost, run: Run) -> None:
    run(mounts=[{"source": DATA, "target": "/srv"}])
    server.change(["daemon", "-f", "sh", "-c", f"cd {ROOT}/srv && exec sleep 77"])
    with pytest.raises(TwinError, match="busy"):
        run(mounts=[{"source": DATA, "target": "/srv"}], state="stopped")
    server.change(["pkill", "-x", "sleep"])


def test_a_parameter_that_this_release_has_not(server: LabHost, run: Run) -> None:
    with pytest.raises(TwinError, match=r"allow\.nothing"):
        run(parameters={**PARAMETERS, "allow.nothing": True})
    assert "ssa.conf" not in server.listing("/etc/jail.conf.d")


def test_jails_of_others_are_left_alone(server: LabHost, run: Run) -> None:
    server.change(["jail", "-q", "-c", "name=foreign", f"path={ROOT}", "persist"])
    run()
    run(state="absent")
    assert server.run(["jls", "name"]).out.split() == ["foreign"]
    server.change(["jail", "-q", "-r", "foreign"])
