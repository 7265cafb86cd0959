# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""jail and jail_info on a server that behaves as FreeBSD, where jails run, a foreign one among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._jail import host as jails
from ansible_collections.twin.datacenter.plugins.modules.jail import SUBJECT
from tests.integration.conftest import LabHost
from tests.lab import Lab

ROOT, DATA = "/jails/ssa", "/srv/ssa"
PREPARE = f"""
set -eu
[ -d {ROOT} ] || /usr/lib/freebsd/make-base {ROOT}
mkdir -p {ROOT}/srv {ROOT}/logs {DATA} /jails/other
echo data >{DATA}/note
printf 'httpd_enable=YES\\n' >{ROOT}/etc/rc.conf
echo hello >{ROOT}/usr/local/www/index.html
sysrc -q jail_enable=YES jail_list= >/dev/null
jail -q -c name=foreign path=/jails/other ip4.addr=192.0.2.77 persist
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
def server(freebsd: Lab) -> Iterator[LabHost]:
    host = LabHost(freebsd, "castor", lasting=True)
    host.change(["sh", "-c", PREPARE])
    yield host
    host.change(["jail", "-q", "-r", "foreign"])


def traces(server: LabHost) -> str:
    """What a jail could leave on its server."""
    what = (
        "jls -n jid name; pgrep -f '[k]eeper.py'; grep /jails /proc/mounts; ifconfig; rctl; "
        "ls -d /etc/jail.conf.d/* /etc/fstab.*"
    )
    return server.run(["sh", "-c", what], ok=range(256)).out


@contextmanager
def misbehaving(server: LabHost, **programs: dict[str, Any]) -> Iterator[None]:
    """While programs of the double do as a test says."""
    faults = "/var/db/freebsd-double/faults.json"
    server.write(faults, json.dumps(programs))
    yield
    server.remove(faults)


@pytest.fixture
def run(server: LabHost) -> Iterator[Run]:
    def run(dry: bool = False, **item: Any) -> Outcome:
        params = {"jails": [{**NEW, **item}]}
        return reconcile(SUBJECT, params, server, None if dry else server)

    before = traces(server)
    yield run
    reconcile(SUBJECT, {"jails": [{"name": "ssa", "state": "absent"}]}, server, server)
    assert traces(server) == before
    assert jails.read_info(server, {})["leaks"] == []


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


def test_what_a_jail_has_is_what_jail_info_reads(server: LabHost, run: Run) -> None:
    parameters = {key: value for key, value in PARAMETERS.items() if key != "devfs_ruleset"}
    lines = [f"{DATA} {ROOT}/logs nullfs ro 0 0"]
    run(parameters=parameters, limits={"maxproc": 50}, fstab=lines, cpuset="0", devfs=["path bpf* unhide"])
    items = jails.read_info(server, {"names": ["ssa"]})["jails"]
    assert reconcile(SUBJECT, {"jails": items}, server).plan.sentences == []
    seen = server.run(["jexec", "ssa", "sh", "-c", "cat /logs/note; ls /dev"]).out.split()
    assert {"data", "bpf", "null", "mem", "ada0", "kmem"} & {*seen} == {"data", "bpf", "null"}
    assert run(parameters=parameters, cpuset="0-1").plan.sentences[-1] == (
        "set cpuset of the running jail ssa from 0 to 0-1"
    )
    assert "mask: 0, 1\n" in server.run(["cpuset", "-g", "-j", "ssa"]).out


def test_what_is_left_of_a_jail_whose_file_is_gone(server: LabHost, run: Run) -> None:
    run(mounts=[{"source": DATA, "target": "/srv"}])
    server.remove("/etc/jail.conf.d/ssa.conf")
    server.change(["jail", "-R", "ssa"])
    leaks = jails.read_info(server, {})["leaks"]
    assert leaks == [
        "interface e0a_ssa of jail ssa, which is gone",
        f"mount {ROOT}/dev of jail ssa, which is gone",
        f"mount {ROOT}/srv of jail ssa, which is gone",
    ]


# ---- what goes wrong: it is said, the foreign jail runs on, and nothing stays behind -------------


def test_a_start_that_fails_after_prestart_is_told(server: LabHost, run: Run) -> None:
    before = traces(server)
    with pytest.raises(TwinError, match="jail ssa did not start: ssa: /bin/false: failed"):
        run(parameters={**PARAMETERS, "exec.poststart": "/bin/false"})
    server.remove("/etc/jail.conf.d/ssa.conf")
    assert traces(server) == before


def test_a_jail_that_refuses_to_stop_goes_on(server: LabHost, run: Run) -> None:
    stubborn = {**PARAMETERS, "exec.prestop": "/bin/false"}
    run(parameters=stubborn)
    with pytest.raises(TwinError, match="could not be stopped: it still runs: ssa: /bin/false: failed"):
        run(parameters=stubborn, state="stopped")
    assert server.run(["jexec", "ssa", "hostname"]).out == "ssa.example.org\n"
    run(parameters={**PARAMETERS, "exec.prestop": None}, apply="next_boot")


def test_a_dying_jail_of_the_same_name_is_waited_for(server: LabHost, run: Run) -> None:
    lingering = "/var/db/freebsd-double/lingering"
    plain = {**PARAMETERS, "devfs_ruleset": 4}
    run(parameters=plain, interfaces=[])
    server.write(lingering, "ssa\n")
    run(parameters=plain, interfaces=[], state="stopped")
    assert "ssa" in server.run(["jls", "-d", "name"]).out.split()
    server.change(["daemon", "-f", "sh", "-c", f"sleep 1; rm {lingering}"])
    (sentence,) = run(parameters=plain, interfaces=[]).plan.sentences
    assert sentence.startswith("start jail ssa, when jail ") and sentence.endswith(" of that name has died")


def test_a_mount_that_is_used_is_told(server: LabHost, run: Run) -> None:
    run(mounts=[{"source": DATA, "target": "/srv"}])
    server.change(["daemon", "-f", "sh", "-c", f"cd {ROOT}/srv && exec sleep 77"])
    with pytest.raises(TwinError, match=rf"something of it stays: mount {ROOT}/srv \(.*busy"):
        run(mounts=[{"source": DATA, "target": "/srv"}], state="stopped")
    assert jails.read_info(server, {})["leaks"] == [f"mount {ROOT}/srv of jail ssa"]
    server.change(["pkill", "-x", "sleep"])


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "a parameter that this release has not",
        {"parameters": {**PARAMETERS, "allow.unheard_of": True}},
        "allow.unheard_of of jail ssa: the kernel of this host has no such parameter",
    ),
    (
        "a ruleset that is missing",
        {"parameters": {**PARAMETERS, "devfs_ruleset": 77}},
        "jail ssa: ruleset 77 of devfs is not loaded, it would see every device",
    ),
    (
        "a ruleset that hides nothing",
        {"parameters": {**PARAMETERS, "devfs_ruleset": 78}},
        "jail ssa: ruleset 78 of devfs hides nothing, it would see every device",
    ),
    (
        "an address that is used",
        {"parameters": {**PARAMETERS, "ip4.addr": "192.0.2.77"}, "interfaces": []},
        "jail ssa: jail foreign has the address 192.0.2.77",
    ),
    (
        "limits that are switched off",
        {"limits": {"maxproc": 50}},
        "limit maxproc of jail ssa: limits are switched off on this host until kern.racct.enable=1 stands in",
    ),
]
DISABLED = "rctl: RACCT/RCTL present, but disabled; enable using kern.racct.enable=1 tunable\n"


@pytest.mark.parametrize(("item", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_it_is_refused_before_anything_is_touched(
    server: LabHost, run: Run, item: dict[str, Any], said: str
) -> None:
    before = traces(server)
    server.change(["devfs", "rule", "-s", "78", "add", "include", "4"])
    faults = {"rctl": {"rc": 1, "err": DISABLED}} if "limits" in item else {}
    with misbehaving(server, **faults), pytest.raises(Refused) as error:
        run(**item)
    server.change(["devfs", "rule", "-s", "78", "delset"])
    assert said in str(error.value)
    assert traces(server) == before


def test_an_empty_jail_list_stops_nobody(server: LabHost, run: Run) -> None:
    """service jail stop would remove every jail that runs."""
    run(boot=True)
    assert run(boot=False).plan.sentences == [
        "set jail_list from ssa to nothing and jail_enable to NO, for an empty list would mean all jails"
    ]
    server.change(["service", "jail", "stop"])
    assert server.run(["jls", "name"]).out.split() == ["foreign", "ssa"]
    server.change(["sysrc", "jail_enable=YES"])
