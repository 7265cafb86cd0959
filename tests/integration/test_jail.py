# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""jail and jail_info on a server that behaves as FreeBSD, where jails run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
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


@pytest.fixture
def run(server: LabHost) -> Iterator[Run]:
    def run(dry: bool = False, **item: Any) -> Outcome:
        params = {"jails": [{**NEW, **item}]}
        return reconcile(SUBJECT, params, server, None if dry else server)

    yield run
    reconcile(SUBJECT, {"jails": [{"name": "ssa", "state": "absent"}]}, server, server)


def test_the_life_of_a_jail(server: LabHost, run: Run, lab: Lab) -> None:
    print(run(dry=True).plan.sentences)
    print(run(check={"http": "/"}).plan.sentences)
    assert run().plan.sentences == []
    assert lab.run("curl", "-sf", "--max-time", "3", "http://192.0.2.42/").stdout == "hello\n"
    print(run(limits={"maxproc": 50}).plan.sentences)
    assert server.run(["rctl", "jail:ssa"]).out == "jail:ssa:maxproc:deny=50\n"
    print(run(state="restarted").plan.sentences)
    mounts = [{"source": DATA, "target": "/srv"}]
    print(run(mounts=mounts).plan.sentences)
    assert server.run(["jexec", "ssa", "cat", "/srv/note"]).out == "data\n"
    print(run(mounts=mounts, state="stopped").plan.sentences)
    print(run(mounts=mounts, state="absent").plan.sentences)
    left = server.run(
        ["sh", "-c", "jls; mount | grep ssa; ifconfig -l; ls /etc/jail.conf.d"], ok=range(2)
    ).out
    print(left)
