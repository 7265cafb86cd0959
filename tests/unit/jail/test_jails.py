# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for jails, and what becomes of them on a FreeBSD host in memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core import check as asking
from ansible_collections.twin.datacenter.plugins.module_utils._core.check import Check
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    CommandMissing,
    NotConverged,
    Refused,
    TwinError,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._core.plan import Effect
from ansible_collections.twin.datacenter.plugins.module_utils._jail import host as jail
from ansible_collections.twin.datacenter.plugins.module_utils._jail import life_host as life
from ansible_collections.twin.datacenter.plugins.module_utils._jail.machine import jail_config
from ansible_collections.twin.datacenter.plugins.module_utils._jail.model import parse_jail
from ansible_collections.twin.datacenter.plugins.modules.jail import SUBJECT
from tests.doubles.freebsd import devfs
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.kernel import Interface, Mount
from tests.doubles.freebsd.kernel import Outcome as Told
from tests.doubles.freebsd.world import Fault
from tests.doubles.memory import MemoryHost, answered, power_cut_before

ROOT = "/tank/machines/web/root"
FILE = "/etc/jail.conf.d/web.conf"
CONFIG = """# by hand
web {
    path = /tank/machines/web/root;
    host.hostname = "web";
    ip4.addr = 192.0.2.30;
    exec.start = "/bin/sh /etc/rc";
    exec.stop = "/bin/sh /etc/rc.shutdown jail";
    exec.consolelog = "/var/log/jail_web.log";
    mount.devfs;
    persist;
}
"""
OTHER = CONFIG.replace("web", "db").replace(".30", ".31")
FOREIGN = 'poudriere { path = "/"; persist; exec.start = "true"; }\n'
CARD = {"bridge": "br0", "mac": "02:00:00:00:00:2a", "addresses": ["192.0.2.21/24"], "gateway": ["192.0.2.1"]}


def server(
    files: Mapping[str, str] | None = None, up: tuple[str, ...] = (), rules: Sequence[str] = (), **more: Any
) -> FreebsdHost:
    """With a jail web that is defined, and a foreign one that runs.

    :param rules: of a ruleset with the number 77.
    """
    folders = [f"/tank/machines/{name}/{place}" for name in ("web", "db") for place in ("root/dev", "data")]
    host = FreebsdHost(
        {FILE: CONFIG, **(files or {})}, folders=[*folders, f"{ROOT}/srv", f"{ROOT}/logs"], **more
    )
    host.kernel.interfaces.append(Interface("br0", kind="bridge"))
    for rule in rules:
        assert host.world.call(["devfs", "rule", "-s", "77", "add", *rule.split()]).rc == 0
    host.files["/etc/jail.conf"] = FOREIGN
    assert host.world.call(["jail", "-c", "poudriere"]).rc == 0
    for name in up:
        host.start(name)
    host.calls.clear()
    return host


def up(**more: Any) -> FreebsdHost:
    return server(up=("web",), **more)


def run(host: FreebsdHost, dry: bool = False, **item: Any) -> Outcome:
    params = {"jails": [{"name": "web", **item}]}
    return reconcile(SUBJECT, params, host.reader(), None if dry else host)


def said(host: FreebsdHost, **item: Any) -> list[str]:
    return run(host, **item).plan.sentences


def names(host: FreebsdHost) -> list[str]:
    return sorted(each.name for each in host.kernel.jails())


def jid(host: FreebsdHost) -> int:
    found = host.kernel.find("web")
    assert found is not None
    return found.jid


def em0(host: FreebsdHost) -> Interface:
    return next(each for each in host.kernel.interfaces if each.name == "em0")


def clean(host: FreebsdHost) -> None:
    """The foreign jail is as it was, and nothing is left of others that do not run."""
    assert "poudriere" in names(host)
    assert jail.read_info(host.reader(), {})["leaks"] == []


# ---- changes ----------------------------------------------------------------------------------


def test_what_the_kernel_can_change_is_changed_in_the_running_jail() -> None:
    """Every jail tool and role restarts the jail for it."""
    host = up()
    before = jid(host)
    outcome = run(host, parameters={"allow.raw_sockets": True, "host.hostname": "www"})
    assert outcome.plan.sentences == [
        "set allow.raw_sockets of jail web to true",
        "set host.hostname of jail web from web to www",
    ]
    assert {step.effect for step in outcome.plan.steps} == {Effect.LIVE}
    assert jid(host) == before
    assert host.files[FILE] == CONFIG.replace('"web"', '"www"').replace(
        "    persist;\n", "    persist;\n    allow.raw_sockets;\n"
    )


def test_what_somebody_changed_in_the_running_jail_is_put_back() -> None:
    host = up()
    host.world.call(["jail", "-m", "name=web", "host.hostname=odd"])
    assert said(host, parameters={"host.hostname": "web"}) == [
        "set host.hostname of the running jail web from odd to web"
    ]


def test_what_only_a_start_can_change_restarts_it_once() -> None:
    host = up()
    outcome = run(host, parameters={"exec.clean": True, "devfs_ruleset": 5})
    assert outcome.plan.sentences == [
        "set exec.clean of jail web from false to true",
        "set devfs_ruleset of jail web to 5",
        "restart jail web for exec.clean and devfs_ruleset to take effect",
    ]
    assert {step.effect for step in outcome.plan.steps} == {Effect.RESTART}


def test_an_address_with_an_interface_is_given_by_a_start_alone() -> None:
    host = up()
    assert said(host, parameters={"ip4.addr": "192.0.2.40"}) == [
        "set ip4.addr of jail web from 192.0.2.30 to 192.0.2.40"
    ]
    assert said(host, parameters={"ip4.addr": "em0|192.0.2.40/24"})[-1] == (
        "restart jail web for ip4.addr to take effect"
    )
    assert run(host, state="stopped").plan.changed
    clean(host)


def test_a_restart_can_be_left_to_the_next_start_and_stays_owed() -> None:
    host = up()
    owed = "restart jail web for exec.clean to take effect (owed)"
    assert said(host, parameters={"exec.clean": True}, apply="next_boot")[-1] == owed
    again = run(host, parameters={"exec.clean": True}, apply="next_boot")
    assert again.plan.sentences == [owed] and not again.plan.changed
    run(host, state="stopped")
    run(host)
    assert said(host, parameters={"exec.clean": True}, apply="next_boot") == []


def test_what_is_needed_only_at_a_stop_asks_for_no_restart() -> None:
    assert len(said(up(), parameters={"exec.stop": "/bin/sh /etc/rc.shutdown"})) == 1


def test_check_mode_tells_the_difference_and_writes_nothing() -> None:
    host = up()
    outcome = run(host, dry=True, parameters={"allow.raw_sockets": True, "exec.clean": True})
    assert outcome.result(diff=True)["diff"] == {
        "before": {"web": {"allow.raw_sockets (running)": "false", "exec.clean": "false"}},
        "after": {
            "web": {"allow.raw_sockets": "true", "allow.raw_sockets (running)": "true", "exec.clean": "true"}
        },
    }
    assert host.files[FILE] == CONFIG and not host.changes


def test_equal_values_are_equal_however_they_are_written() -> None:
    same = {"persist": "1", "mount.devfs": True, "ip4.addr": ["192.0.2.30"], "exec.system_jail_user": False}
    assert said(up(), parameters=same) == []


def test_a_new_jail_has_a_log_so_that_nobody_waits_for_what_it_writes() -> None:
    host = server()
    run(host, name="db", path="/tank/machines/db/root", parameters={"persist": True})
    assert 'exec.consolelog = "/var/log/jail_db.log";' in host.files["/etc/jail.conf.d/db.conf"]


def test_values_of_a_jail_come_from_its_whole_file() -> None:
    text = CONFIG.replace('"web"', "$host")
    host = server({FILE: f"allow.raw_sockets;\n$host = web;\n{text}"})
    wanted = {"allow.raw_sockets": True, "host.hostname": "web"}
    assert said(host, parameters=wanted, state="stopped") == []


def test_a_file_that_includes_others_is_understood() -> None:
    host = server({FILE: f'.include "/etc/common.conf";\n{CONFIG}', "/etc/common.conf": "exec.clean;\n"})
    assert said(host, parameters={"exec.clean": True}) == ["start jail web"]
    assert said(host, parameters={"exec.clean": True}) == []


def test_a_file_may_be_included_from_beside_it() -> None:
    """jail(8) judges what it reads from its standard input, which lies nowhere."""
    host = server({FILE: f'.include "common";\n{CONFIG}', "/etc/jail.conf.d/common": "exec.clean;\n"})
    assert said(host, parameters={"exec.clean": True, "allow.raw_sockets": True}) == [
        "set allow.raw_sockets of jail web to true",
        "start jail web",
    ]
    assert host.files[FILE].startswith('.include "common";\n# by hand')


def test_a_broken_file_is_refused_with_file_and_line() -> None:
    host = server({FILE: "web {\n  path = /x\n}\n"})
    with pytest.raises(Refused, match=rf"{FILE} line 3"):
        run(host)


# ---- network ----------------------------------------------------------------------------------


def test_a_cable_into_the_jail_is_made_and_removed() -> None:
    host = server()
    run(host, parameters={"ip4.addr": None}, interfaces=[CARD])
    inside = next(each for each in host.kernel.interfaces if each.name == "e0b_web")
    assert (inside.mac, inside.vnet, inside.addresses) == (CARD["mac"], jid(host), ["192.0.2.21/24"])
    assert next(each for each in host.kernel.interfaces if each.name == "br0").members == ["e0a_web"]
    run(host, state="stopped")
    assert [each.name for each in host.kernel.interfaces if "web" in each.name] == []
    clean(host)


def test_the_number_of_a_cable_is_kept_and_nobody_elses() -> None:
    host = server()
    run(host, parameters={"ip4.addr": None}, interfaces=[CARD])
    line = next(line for line in host.files[FILE].splitlines() if "create" in line)
    number = line.split("epair")[1].split()[0]
    host.files["/etc/jail.conf.d/db.conf"] = OTHER.replace(
        "persist", f'exec.prestart = "ifconfig epair{number} x"'
    )
    del host.files[FILE]
    host.world.call(["jail", "-R", "web"])
    host.files[FILE] = CONFIG
    run(host, parameters={"ip4.addr": None}, interfaces=[CARD])
    assert f"epair{int(number) + 1} create" in host.files[FILE]
    assert said(host, parameters={"ip4.addr": None}, interfaces=[CARD]) == []


def test_a_change_of_the_card_restarts_the_jail() -> None:
    host = server()
    run(host, parameters={"ip4.addr": None}, interfaces=[CARD])
    other = {**CARD, "mac": "02:00:00:00:00:2b"}
    assert said(host, parameters={"ip4.addr": None}, interfaces=[other])[-1] == (
        "restart jail web for exec.prestart to take effect"
    )
    clean(host)


def test_files_keep_their_permissions() -> None:
    """Values of a jail may be nobody else's business."""
    files = {name: "# mine\n" for name in ("/etc/rctl.conf", "/etc/devfs.rules", "/etc/fstab.web")}
    host = server(files=files)
    host.modes |= dict.fromkeys([FILE, *files], 0o600)
    run(host, limits={"maxproc": 50}, devfs=["path bpf* unhide"], fstab=[DATA])
    assert all(host.files[file].startswith("# mine\n") and host.files[file] != "# mine\n" for file in files)
    run(host, state="present", limits={"maxproc": None}, parameters={"exec.clean": True})
    assert {file: host.modes[file] for file in [FILE, *files]} == dict.fromkeys([FILE, *files], 0o600)


# ---- limits, devices, boot --------------------------------------------------------------------


def test_a_limit_is_the_same_in_the_kernel_and_for_the_next_boot() -> None:
    host = up()
    assert said(host, limits={"memoryuse": "1G"}) == ["set limit memoryuse of jail web to 1073741824"]
    assert host.files["/etc/rctl.conf"] == "jail:web:memoryuse:deny=1073741824\n"
    host.world.call(["rctl", "-a", "jail:web:memoryuse:deny=1m"])
    assert said(host, limits={"memoryuse": "1G"}) == [
        "set limit memoryuse of jail web from 1048576 to 1073741824"
    ]
    assert host.world.call(["rctl"]).out == "jail:web:memoryuse:deny=1073741824\n"


def test_limits_are_loaded_at_boot() -> None:
    host = up(files={"/etc/rc.conf": 'rctl_enable="NO"\n'})
    assert said(host, limits={"memoryuse": "1G"})[-1] == "load limits at boot (rctl_enable=YES)"
    assert said(host, limits={"memoryuse": "1G"}) == []


def test_a_rate_takes_the_place_of_the_old_one() -> None:
    """rctl -a of anything but a denial comes beside the rule that is there."""
    host = up()
    for amount in ("1M", "2M"):
        run(host, limits={"readbps": amount})
    assert host.world.call(["rctl"]).out == "jail:web:readbps:throttle=2097152\n"


def test_a_limit_that_the_kernel_does_not_let_go_is_told() -> None:
    host = up()
    run(host, limits={"maxproc": 5})
    host.world.faults["rctl"] = Fault(err="rctl: failed to remove rule: Permission denied\n", about="-r")
    with pytest.raises(TwinError, match="Permission denied"):
        run(host, limits={"maxproc": None})


def test_rules_of_a_jail_make_a_ruleset_which_hides_the_rest() -> None:
    host = up()
    run(host, devfs=["path bpf* unhide"])
    includes = "".join(f"add include {number}\n" for number in (1, 2, 3, 4))
    assert host.files["/etc/devfs.rules"] == f"[twin_web=100]\n{includes}add path 'bpf*' unhide\n"
    seen = {"bpf", "bpf0", "mem", "kmem", "ada0"} & {*devfs.nodes(host.world, f"{ROOT}/dev")}
    assert seen == {"bpf", "bpf0"}
    assert 'devfs_ruleset = "100";' in host.files[FILE]
    assert said(host, devfs=["path bpf* unhide"]) == []
    host.world.call(["devfs", "rule", "-s", "100", "delset"])
    assert said(host, devfs=["path bpf* unhide"]) == ["load ruleset 100 of jail web"]


def test_a_jail_after_which_none_would_be_left_in_the_list_of_the_boot() -> None:
    """service jail stop with an empty jail_list removes every jail that runs."""
    host = up(files={"/etc/rc.conf": 'jail_enable="YES"\njail_list="web"\n'})
    assert said(host, boot=False) == [
        "set jail_list from web to nothing and jail_enable to NO, for an empty list would mean all jails"
    ]
    clean(host)


def test_an_empty_list_of_the_boot_means_jails_that_would_no_longer_start() -> None:
    host = up(files={"/etc/rc.conf": 'jail_enable="YES"\n'})
    with pytest.raises(Refused) as error:
        run(host, boot=True)
    assert str(error.value) == (
        "boot of jail web: jail_list is empty, which starts every jail of /etc/jail.conf; write poudriere "
        "into jail_list first."
    )
    clean(host)


def test_a_list_of_the_boot_that_is_not_used_may_be_begun() -> None:
    host = up()
    assert said(host, boot=True) == ["set jail_list to web", "start jails at boot (jail_enable=YES)"]


def test_jails_start_after_those_they_depend_on_and_stop_before_them() -> None:
    host = server({"/etc/jail.conf.d/db.conf": OTHER, "/etc/rc.conf": 'jail_enable="YES"\njail_list=""\n'})
    host.files["/etc/jail.conf"] = ""
    both = [{"name": "web", "depend": ["db"], "boot": True}, {"name": "db", "boot": True}]
    plan = reconcile(SUBJECT, {"jails": both}, host.reader(), host).plan
    assert plan.sentences == [
        "start jail db",
        "start jail web",
        "set jail_list to db web",
    ]  # fmt: skip
    assert 'jail_list="db web"' in host.files["/etc/rc.conf"]
    down = [{**item, "state": "stopped", "boot": None} for item in both]
    assert reconcile(SUBJECT, {"jails": list(reversed(down))}, host.reader(), host).plan.sentences == [
        "stop jail web", "stop jail db",
    ]  # fmt: skip


# ---- files of mounts --------------------------------------------------------------------------

DATA, LOGS = f"/tank/machines/web/data {ROOT}/srv nullfs rw 0 0", f"/var/log {ROOT}/logs nullfs ro 0 0"
FSTAB = "/etc/fstab.web"


def mounted(host: FreebsdHost) -> list[str]:
    return [each.target for each in host.kernel.mounts if each.kind == "nullfs"]


def test_a_file_of_mounts_is_made_changed_and_removed() -> None:
    host = server()
    assert said(host, fstab=[DATA]) == [
        f"set mounts of jail web in {FSTAB} to /tank/machines/web/data {ROOT}/srv nullfs",
        f"set mount.fstab of jail web to {FSTAB}",
        "start jail web",
    ]
    assert mounted(host) == [f"{ROOT}/srv"]
    host.files[FSTAB] = f"# mine\n{host.files[FSTAB]}"
    assert said(host, fstab=[DATA]) == []
    outcome = run(host, fstab=[DATA, LOGS])
    assert outcome.plan.sentences[-1] == "restart jail web for fstab to take effect"
    assert {step.effect for step in outcome.plan.steps} == {Effect.RESTART}
    assert host.files[FSTAB] == f"# mine\n{DATA}\n{LOGS}\n"
    assert mounted(host) == [f"{ROOT}/srv", f"{ROOT}/logs"]
    # jail(8) unmounts at a stop what the file says then; what it has mounted goes all the same.
    run(host, fstab=[LOGS])
    assert mounted(host) == [f"{ROOT}/logs"]
    assert said(host, fstab=[])[0] == f"set mounts of jail web in {FSTAB} to nothing"
    assert host.files[FSTAB] == "# mine\n" and mounted(host) == []
    run(host, state="absent")
    assert FSTAB not in host.files
    clean(host)


def test_a_file_of_mounts_of_its_own_name_is_kept() -> None:
    """Nobody declares a file of mounts, which somebody wrote; it is exported, compared and never removed."""
    text = CONFIG.replace("persist;", 'persist;\n    mount.fstab = "/etc/web.mounts";')
    own = f"# by hand\n\n  {DATA} # data\n"
    host = server(files={FILE: text, "/etc/web.mounts": own}, up=("web",))
    item = jail.read_info(host.reader(), {})["jails"][0]
    assert item["fstab"] == [f"/tank/machines/web/data {ROOT}/srv nullfs"]
    assert reconcile(SUBJECT, {"jails": [item]}, host.reader()).plan.sentences == []
    assert said(host, fstab=[DATA]) == []
    assert said(host, fstab=[DATA, LOGS], apply="next_boot") == [
        f"set mounts of jail web in /etc/web.mounts to /tank/machines/web/data {ROOT}/srv nullfs, "
        f"/var/log {ROOT}/logs nullfs ro",
        "restart jail web for fstab to take effect (owed)",
    ]
    item = jail.read_info(host.reader(), {})["jails"][0]
    assert item["apply"] == "next_boot"
    run(host, state="absent")
    assert host.files["/etc/web.mounts"] == f"{own}{LOGS}\n"
    clean(host)


def test_no_mounts_need_no_file_of_mounts() -> None:
    host = server()
    assert said(host, fstab=[], state="present") == []
    assert FSTAB not in host.files


def test_a_file_of_mounts_that_was_changed_while_the_jail_ran_leaves_nothing_behind() -> None:
    host = server()
    run(host, fstab=[DATA, LOGS])
    host.files[FSTAB] = ""
    assert said(host, fstab=[]) == ["restart jail web for fstab to take effect"]
    assert mounted(host) == []
    run(host, fstab=[DATA])
    host.files[FSTAB] = f"{LOGS}\n"
    host.world.call(["jail", "-R", "web"])
    assert said(host, state="stopped") == [
        f"remove what is left of jail web: mount {ROOT}/dev and mount {ROOT}/srv"
    ]
    clean(host)


# ---- processors -------------------------------------------------------------------------------


def pinned(host: FreebsdHost) -> str:
    return host.world.kernel.cpusets.get(jid(host), "all")


def test_processors_are_given_and_taken_while_the_jail_runs() -> None:
    host = up()
    number = jid(host)
    outcome = run(host, cpuset="0-1")
    assert outcome.plan.sentences == [
        "set exec.created of jail web to /usr/bin/cpuset -l 0-1 -j web",
        "set cpuset of the running jail web from 0-3 to 0-1",
    ]
    assert {step.effect for step in outcome.plan.steps} == {Effect.LIVE}
    assert outcome.result(diff=True)["diff"]["after"]["web"]["cpuset (running)"] == "0-1"
    assert (pinned(host), jid(host)) == ("0-1", number)
    assert said(host, cpuset="0,1") == []
    assert said(host, cpuset="all")[-1] == "set cpuset of the running jail web from 0-1 to 0-3"
    assert (pinned(host), jid(host)) == ("all", number)


def test_processors_that_somebody_gave_the_running_jail_are_taken_back() -> None:
    host = up()
    run(host, cpuset="0-1")
    host.world.call(["cpuset", "-l", "2", "-j", "web"])
    info = jail.read_info(host.reader(), {})
    assert info["running"][0]["cpuset"] == "2"
    assert reconcile(SUBJECT, {"jails": info["jails"]}, host.reader()).plan.sentences == [
        "set cpuset of the running jail web from 2 to 0-1"
    ]
    assert said(host, cpuset="0-1") == ["set cpuset of the running jail web from 2 to 0-1"]
    assert said(host, cpuset="0-1", state="stopped") == ["stop jail web"]


def test_a_jail_that_is_no_longer_to_be_on_some_processors_gets_all() -> None:
    host = server()
    run(host, cpuset="0-1", parameters={"exec.created": "true"})
    assert pinned(host) == "0-1"
    assert said(host, parameters={"exec.created": "true"}) == [
        "set exec.created of jail web to true",
        "set cpuset of the running jail web from 0-1 to 0-3",
    ]
    assert said(host, parameters={"exec.created": "true"}) == []


def test_a_start_gives_the_processors_by_itself() -> None:
    host = up()
    assert said(host, cpuset="3", parameters={"exec.clean": True})[-1] == (
        "restart jail web for exec.clean to take effect"
    )
    assert pinned(host) == "3"
    assert said(host, cpuset="3", parameters={"exec.created": "true"})[-1] == (
        "restart jail web for exec.created to take effect"
    )


def test_processors_of_a_jail_that_waits_for_its_next_start_are_set_now() -> None:
    host = up()
    assert said(host, cpuset="3", parameters={"exec.clean": True}, apply="next_boot")[-2:] == [
        "set cpuset of the running jail web from 0-3 to 3",
        "restart jail web for exec.clean to take effect (owed)",
    ]


def test_processors_of_many_jails_are_read_by_one_command() -> None:
    names = [f"j{number}" for number in range(9)]
    files = {f"/etc/jail.conf.d/{name}.conf": CONFIG.replace("web", name).replace(".30", f".4{name[1]}")
             for name in names}  # fmt: skip
    host = FreebsdHost(files, folders=[f"/tank/machines/{name}/root/dev" for name in names], up=names)
    items = [{"name": name, "cpuset": "0"} for name in names]
    reconcile(SUBJECT, {"jails": items}, host.reader(), host)
    host.calls.clear()
    assert reconcile(SUBJECT, {"jails": items}, host.reader()).plan.sentences == []
    assert len(host.calls) == 2


# ---- what cannot be ---------------------------------------------------------------------------


def dark() -> FreebsdHost:
    host = up()
    host.kernel.racct = False
    return host


REFUSALS: list[tuple[str, Callable[[], FreebsdHost], dict[str, Any], str]] = [
    (
        "no root", server, {"name": "db"},
        "jail db: a new jail needs a root file system; name it in path.",
    ),
    (
        "unknown parameter", up, {"parameters": {"allow.unheard_of": True}},
        "allow.unheard_of of jail web: the kernel of this host has no such parameter; leave it out, or load "
        "the module that brings it.",
    ),
    (
        "parameter of a later release", up, {"parameters": {"zfs.dataset": "tank/x", "meta": "x"}},
        "meta of jail web: the kernel of this host has no such parameter; leave it out, or load the module "
        "that brings it.",
    ),
    (
        "limits switched off", dark, {"limits": {"maxproc": 5}},
        "limit maxproc of jail web: limits are switched off on this host until kern.racct.enable=1 stands in "
        "/boot/loader.conf at a boot; leave it out, or accept that in unenforced (maxproc).",
    ),
    (
        "ruleset missing", server, {"parameters": {"devfs_ruleset": 77}},
        "jail web: ruleset 77 of devfs is not loaded, it would see every device; write it into "
        "/etc/devfs.rules and run service devfs restart.",
    ),
    (
        "ruleset hides nothing", lambda: server({}, rules=["include 4", "path bpf* unhide"]),
        {"parameters": {"devfs_ruleset": 77}},
        "jail web: ruleset 77 of devfs hides nothing, it would see every device; write it into "
        "/etc/devfs.rules and run service devfs restart.",
    ),
    (
        "address used", lambda: server({"/etc/jail.conf.d/db.conf": OTHER}, up=("db",)),
        {"parameters": {"ip4.addr": "192.0.2.31"}},
        "jail web: jail db has the address 192.0.2.31; give one of them another.",
    ),
    (
        "bridge missing", server,
        {"parameters": {"ip4.addr": None}, "interfaces": [{**CARD, "bridge": "br9"}]},
        "interfaces of jail web: there is no bridge br9; make it first.",
    ),
    (
        "processor missing", up, {"cpuset": "0-1,6-7"},
        "cpuset of jail web: this host has no processor 6-7, but 0-3; name some of these.",
    ),
    (
        "foreign", server, {"name": "poudriere", "state": "absent"},
        "jail poudriere runs, but /etc/jail.conf.d/poudriere.conf does not define it; stop it by what "
        "started it, or move its definition there.",
    ),
    (
        "depend across files", server, {"parameters": {"depend": "db"}},
        "parameter depend of jail web: db is not in its own file, and jail(8) looks nowhere else; write it "
        "in depend of the jail.",
    ),
    (
        "hidden file", lambda: server({"/etc/jail.web.conf": CONFIG}), {},
        "jail web: /etc/jail.web.conf defines a jail of that name; "
        "move its definition to /etc/jail.conf.d/web.conf, or choose another name.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "item", "sentence"), [case[1:] for case in REFUSALS], ids=[c[0] for c in REFUSALS]
)
def test_what_cannot_be_is_refused_before_anything_is_touched(
    make: Callable[[], FreebsdHost], item: dict[str, Any], sentence: str
) -> None:
    host = make()
    with pytest.raises(Refused) as error:
        run(host, **item)
    assert str(error.value) == sentence
    assert not host.changes
    clean(host)


def test_what_has_a_parameter_of_its_own_release_may_use_it() -> None:
    host = server(release="15.0")
    assert said(host, parameters={"zfs.dataset": "tank/x"}, state="stopped") == [
        "set zfs.dataset of jail web to tank/x"
    ]


def test_an_accepted_limit_is_not_written_and_said_to_be_owed() -> None:
    host = dark()
    for _time in range(2):
        outcome = run(host, limits={"maxproc": 5}, unenforced=["maxproc"])
        assert outcome.plan.sentences == [
            "limit maxproc of jail web is not enforced: limits are switched off on this host until "
            "kern.racct.enable=1 stands in /boot/loader.conf at a boot (owed)"
        ]
    assert not outcome.plan.changed and "/etc/rctl.conf" not in host.files


def test_a_limit_that_no_resource_stands_for_is_said_to_be_owed() -> None:
    outcome = run(server(), omitted={"io": "rctl(8) has no such resource"}, state="stopped")
    assert outcome.plan.sentences == [
        "limit io of jail web is not enforced: rctl(8) has no such resource (owed)"
    ]
    assert not outcome.plan.changed


# ---- what goes wrong --------------------------------------------------------------------------


def test_a_start_that_fails_after_prestart_leaves_nothing() -> None:
    """jail(8) undoes none of its hooks: every tool leaks the epair."""
    host = server()
    host.kernel.outcomes[(ROOT, "/bin/sh /etc/rc")] = Told(rc=1, err="rc: no\n")
    with pytest.raises(TwinError) as error:
        run(host, parameters={"ip4.addr": None}, interfaces=[CARD])
    assert "jail web did not start: web: /bin/sh /etc/rc: failed" in str(error.value)
    assert "its log is /var/log/jail_web.log" in str(error.value)
    assert names(host) == ["poudriere"]
    assert [each.name for each in host.kernel.interfaces if "web" in each.name] == []
    assert [each.target for each in host.kernel.mounts if each.target.startswith(ROOT)] == []
    clean(host)


def test_a_start_that_does_not_end_is_ended_and_swept() -> None:
    host = server()
    host.kernel.outcomes[(ROOT, "/bin/sh /etc/rc")] = Told(hangs=True)
    with pytest.raises(TwinError, match="jail web did not start: its start did not end within 5 s"):
        run(host, timeout=5, parameters={"ip4.addr": None}, interfaces=[CARD])
    assert names(host) == ["poudriere"]
    clean(host)


def test_a_hook_that_refuses_the_stop_is_heard_and_the_jail_runs_on() -> None:
    host = up()
    host.kernel.outcomes[(ROOT, "/bin/sh /etc/rc.shutdown jail")] = Told(rc=1)
    with pytest.raises(TwinError) as error:
        run(host, state="stopped")
    assert (
        "jail web could not be stopped: it still runs: web: /bin/sh /etc/rc.shutdown jail: failed; repair "
        "what its hooks prestop and stop do"
    ) in str(error.value)
    assert "web" in names(host)
    clean(host)


def test_a_jail_that_does_not_halt_is_ended_and_swept() -> None:
    host = up()
    host.kernel.outcomes[(ROOT, "/bin/sh /etc/rc.shutdown jail")] = Told(hangs=True)
    assert run(host, state="stopped").measured == [{"key": "web", "killed": True}]
    assert [each.target for each in host.kernel.mounts if each.target.startswith(ROOT)] == []
    clean(host)


def test_a_dying_jail_of_the_same_name_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    host = up()
    host.kernel.lingering.add("web")
    host.kernel.dying_keeps_name = True
    number = jid(host)
    run(host, state="stopped")
    monkeypatch.setattr(asking.time, "sleep", lambda _seconds: host.kernel.settle())
    assert said(host) == [f"start jail web, when jail {number} of that name has died"]
    assert "web" in names(host)


def test_a_dying_jail_that_does_not_go_is_said() -> None:
    host = up()
    host.kernel.lingering.add("web")
    host.kernel.dying_keeps_name = True
    run(host, state="stopped")
    with pytest.raises(CommandFailed) as error:
        life.start(host, "web", timeout=0)
    assert "is dying" in str(error.value)
    clean(host)


def test_a_mount_that_is_busy_is_named() -> None:
    host = server()
    mounts = [{"source": "/tank/machines/web/data", "target": "/srv"}]
    run(host, path=ROOT, mounts=mounts)
    next(each for each in host.kernel.mounts if each.target == f"{ROOT}/srv").busy = True
    with pytest.raises(TwinError) as error:
        run(host, state="stopped")
    assert f"something of it stays: mount {ROOT}/srv" in str(error.value)
    assert "fstat" in str(error.value)
    assert jail.read_info(host.reader(), {})["leaks"] == [f"mount {ROOT}/srv of jail web"]
    next(each for each in host.kernel.mounts if each.target == f"{ROOT}/srv").busy = False
    assert said(host, state="stopped") == [f"remove what is left of jail web: mount {ROOT}/srv"]
    clean(host)


def test_what_a_jail_left_that_was_removed_by_hand_is_removed() -> None:
    """jail -R removes the jail and nothing else; its address would answer beside that of its other server."""
    host = server()
    run(host, parameters={"ip4.addr": "em0|192.0.2.40/24"})
    host.world.call(["jail", "-R", "web"])
    assert said(host, state="stopped") == [
        f"remove what is left of jail web: mount {ROOT}/dev and address 192.0.2.40 of em0"
    ]
    assert em0(host).addresses == ["192.0.2.11/24"]
    clean(host)


def test_an_address_that_may_be_the_hosts_own_stays() -> None:
    host = server()
    item = {"parameters": {"ip4.addr": "em0|192.0.2.11/24"}, "state": "stopped"}
    assert len(said(host, **item)) == 1 and said(host, **item) == []
    assert em0(host).addresses == ["192.0.2.11/24"]


def test_a_ruleset_that_was_emptied_since_it_was_seen_stops_the_start() -> None:
    host = server()
    host.fault = lambda argv: None
    host.world.call(["devfs", "rule", "-s", "4", "delset"])
    with pytest.raises(CommandFailed, match="ruleset 4 of devfs is empty, so it would see every device"):
        life.start(host, "web")
    clean(host)


def test_a_ruleset_that_includes_the_usual_one_alone_stops_the_start() -> None:
    """Its includes do not count, so it hides nothing."""
    text = CONFIG.replace("persist;", "persist;\n    devfs_ruleset = 77;")
    host = server({FILE: text}, rules=["include 4", "path bpf* unhide"])
    with pytest.raises(
        CommandFailed, match="ruleset 77 of devfs hides nothing, so it would see every device"
    ):
        life.start(host, "web")
    assert names(host) == ["poudriere"]
    clean(host)


def test_a_jail_that_sees_what_its_ruleset_hides_is_ended() -> None:
    host = server()
    mount = host.world.programs["mount"]
    host.world.programs["mount"] = lambda world, argv, stdin: mount(
        world, [word for word in argv if not word.startswith("-oruleset")], stdin
    )
    with pytest.raises(TwinError) as error:
        run(host, parameters={"ip4.addr": None}, interfaces=[CARD])
    assert (
        "jail web was ended as soon as it ran: it saw ada0, ada0p1, bpf in its /dev, which ruleset 4 of "
        f"devfs hides; look what is mounted at {ROOT}/dev before it, and with which ruleset"
    ) in str(error.value)
    assert names(host) == ["poudriere"]
    assert [each.name for each in host.kernel.interfaces if "web" in each.name] == []
    clean(host)


def test_links_that_a_jail_makes_in_its_dev_are_its_own() -> None:
    host = server()
    host.world.faults["ls"] = Fault(rc=0, out="fd/\nlog@\nnull\n", about="/dev")
    assert said(host) == ["start jail web"]


def test_a_step_that_lies_is_found_out() -> None:
    host = up()
    host.fault = lambda argv: answered(argv) if argv[:2] == ("jail", "-m") else None
    with pytest.raises(NotConverged, match="set allow.raw_sockets of the running jail web"):
        run(host, parameters={"allow.raw_sockets": True})


def test_a_start_that_lies_is_found_out() -> None:
    """service(8) says yes to a start that failed; whoever starts a jail, jls(8) is asked."""
    host = server()
    host.fault = lambda argv: answered(argv) if argv[:2] == ("jail", "-c") else None
    with pytest.raises(TwinError, match=r"jail web did not start: jail\(8\) gave no reason"):
        run(host)


def test_a_file_that_jail_refuses_is_not_written() -> None:
    host = up()
    host.world.faults["jail"] = Fault(err="jail: web: no such luck\n", about="-e")
    with pytest.raises(Refused, match=r"jail\(8\) refuses it: web: no such luck"):
        run(host, parameters={"exec.clean": True})
    assert host.files[FILE] == CONFIG


FULL = {
    "path": ROOT,
    "parameters": {
        "ip4.addr": None, "exec.start": "/bin/sh /etc/rc", "exec.stop": "/bin/sh /etc/rc.shutdown jail",
        "exec.clean": True,
    },
    "interfaces": [CARD],
    "mounts": [{"source": "/tank/machines/web/data", "target": "/srv"}],
    "limits": {"memoryuse": "1G"},
    "devfs": ["path bpf* unhide"],
    "fstab": [f"tmpfs {ROOT}/logs tmpfs rw 0 0"],
    "boot": True,
}  # fmt: skip


def booting() -> FreebsdHost:
    return server({"/etc/rc.conf": 'jail_enable="YES"\njail_list="db"\n'})


@pytest.mark.parametrize("goal", ["started", "absent"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_fails_once_another_run_does_the_rest(goal: str, when: str) -> None:
    """Each command that is run on the way, those of jail(8) among them, fails once, or says it did."""

    def begin() -> FreebsdHost:
        host = booting()
        if goal == "absent":
            run(host, **FULL)
            host.world.log.clear()
        return host

    whole = begin()
    run(whole, **FULL, state=goal)
    for argv in dict.fromkeys(whole.world.log):
        host = begin()
        program = argv[0].rpartition("/")[2]
        host.world.faults[program] = Fault(err=f"{program}: no\n", about=" ".join(argv), when=when, times=1)
        with contextlib.suppress(TwinError):
            run(host, **FULL, state=goal)
        host.world.faults.clear()
        run(host, **FULL, state=goal)
        assert {name: text for name, text in host.files.items() if not name.startswith("/var")} == {
            name: text for name, text in whole.files.items() if not name.startswith("/var")
        }, argv
        assert names(host) == names(whole), argv
        clean(host)


def test_wherever_the_host_dies_another_run_does_the_rest() -> None:
    """Between any two changes, those within one step too."""
    whole = booting()
    run(whole, **FULL)
    for number in range(len(whole.changes)):
        host = booting()
        host.fault = power_cut_before(number)
        with pytest.raises(TwinError):
            run(host, **FULL)
        host.fault = lambda argv: None
        run(host, **FULL)
        assert {**host.files, "/var/run/twin/jail/web": ""} == {**whole.files, "/var/run/twin/jail/web": ""}
        clean(host)


# ---- whether it answers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "program", "sentence"),
    [
        (Check("http", "192.0.2.30"), "fetch", "http://192.0.2.30/ last said: no route"),
        (Check("tcp", "192.0.2.30", 22), "nc", "tcp://192.0.2.30:22 last said: no route"),
        (Check("command", argv=("true",)), "jexec", "command true last said: no route"),
    ],
)
def test_a_jail_that_never_answers(
    check: Check, program: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)
    host = up()
    answer = {"rc": 1, "err": f"{program}: no route\n"}

    def instead(argv: Any, stdin: str, timeout: float | None) -> Any:
        return answered(argv, **answer) if program in argv else FreebsdHost.answer(host, argv, stdin, timeout)

    monkeypatch.setattr(host, "answer", instead)
    with pytest.raises(CommandFailed) as error:
        life.wait_for_answer(host, "web", check, 0.01)
    assert "jail web runs, but did not answer within 0.01 s" in str(error.value)
    assert sentence in str(error.value)
    answer.update(rc=0)
    life.wait_for_answer(host, "web", check, 0.01)


def test_a_jail_that_stops_while_it_is_waited_for() -> None:
    with pytest.raises(CommandFailed, match="jail web was started, then stopped by itself"):
        life.wait_for_answer(server(), "web", Check(), 5)


# ---- reading ----------------------------------------------------------------------------------


def test_info_names_jails_what_is_foreign_and_what_leaks() -> None:
    host = up()
    host.world.call(["rctl", "-a", "jail:gone:maxproc:deny=5"])
    host.world.call(["ifconfig", "epair7", "create"])
    host.world.call(["ifconfig", "epair7a", "name", "e0a_gone"])
    host.files["/var/run/jail_gone.id"] = "12\n"
    host.world.call(["rctl", "-a", "jail:web:maxproc:deny=50"])
    info = jail.read_info(host.reader(), {})
    (running,) = info.pop("running")
    assert (running["name"], running["jid"], running["limits"]) == ("web", jid(host), {"maxproc:deny": 50})
    assert running["parameters"]["ip4.addr"] == ["192.0.2.30"] and running["parameters"]["persist"] is True
    assert running["parameters"]["ip6.addr"] == [] and running["parameters"]["ip4.saddrsel"] is True
    assert info == {
        "jails": [
            {
                "name": "web",
                "state": "started",
                "boot": False,
                "parameters": {
                    "path": ROOT,
                    "host.hostname": "web",
                    "ip4.addr": ["192.0.2.30"],
                    "exec.start": ["/bin/sh /etc/rc"],
                    "exec.stop": ["/bin/sh /etc/rc.shutdown jail"],
                    "exec.consolelog": "/var/log/jail_web.log",
                    "mount.devfs": True,
                    "persist": True,
                },
            }
        ],
        "foreign": ["poudriere"],
        "leaks": [
            "interface e0a_gone of a jail that is gone",
            "limits of jail gone, which is gone",
            "/var/run/jail_gone.id of a jail that does not run",
        ],
    }
    assert jail.read_info(host, {"names": ["none"]})["jails"] == []


def lost(started: Callable[[FreebsdHost], Any]) -> FreebsdHost:
    """Somebody has removed the file of jail web, and then the jail, while it ran."""
    host = server()
    for target in ("/mnt/web", f"{ROOT}/srv", "/tank/machines/db/root/dev"):
        host.tree.make_folder(target)
    # What somebody mounted, and a jail of others with the root of a machine, are not of jail web.
    host.kernel.mounts.append(Mount("/usr/ports", "/mnt/web", "nullfs"))
    argv = ["jail", "-c", "name=other", "path=/tank/machines/db/root", "persist", "mount.devfs"]
    assert host.world.call(argv).rc == 0
    host.kernel.mounts.append(Mount("tank/machines/web/root", ROOT, "zfs"))
    started(host)
    del host.files[FILE]
    assert host.world.call(["jail", "-R", "web"]).rc == 0
    return host


def by_us(host: FreebsdHost) -> None:
    parameters = {"ip4.addr": "em0|192.0.2.40/24", "mount.devfs": True}
    run(
        host,
        parameters=parameters,
        mounts=[{"source": "/tank/machines/web/data", "target": "/srv"}],
        path=ROOT,
    )


LOST = [
    f"mount {ROOT}/dev of jail web, which is gone",
    f"mount {ROOT}/srv of jail web, which is gone",
    "address 192.0.2.40 of em0 of jail web, which is gone",
]


@pytest.mark.parametrize(
    "options",
    [
        {"jails": [{"name": "web", "state": "absent"}]},
        {"jails": [], "purge": True, "scope": "w*"},
    ],
)
def test_what_is_left_of_a_jail_whose_file_is_gone_is_found_and_removed(options: Mapping[str, Any]) -> None:
    host = lost(by_us)
    kept = [each.target for each in host.kernel.mounts if each.kind == "zfs" or "web/" not in each.target]
    assert jail.read_info(host.reader(), {})["leaks"] == LOST
    nothing = {**options, "scope": "d*"}
    if "purge" in options:
        assert reconcile(SUBJECT, nothing, host.reader(), host).plan.sentences == []
    outcome = reconcile(SUBJECT, options, host.reader(), host)
    assert outcome.plan.sentences == [
        f"remove what is left of jail web: mount {ROOT}/dev, mount {ROOT}/srv and address 192.0.2.40 of em0"
    ]
    assert [each.target for each in host.kernel.mounts] == kept
    assert em0(host).addresses == ["192.0.2.11/24"]
    assert names(host) == ["other", "poudriere"]
    clean(host)


def test_mounts_of_a_machine_are_found_that_was_started_by_others() -> None:
    """rc.d/jail leaves no note at boot; the path tells whose they are."""
    host = lost(lambda host: host.start("web"))
    assert jail.read_info(host.reader(), {})["leaks"] == LOST[:1]
    assert run(host, state="absent").plan.sentences == [f"remove what is left of jail web: mount {ROOT}/dev"]
    clean(host)


def test_a_machine_that_others_define_is_not_gone() -> None:
    host = lost(lambda host: host.start("web"))
    for file in ("/etc/jail.web.conf", "/etc/jail.conf"):
        own = host.files.pop(file, "")
        host.files[file] = own + CONFIG
        assert jail.read_info(host.reader(), {})["leaks"] == []
        purge = {"jails": [], "purge": True, "scope": "*"}
        assert reconcile(SUBJECT, purge, host.reader(), host).plan.sentences == []
        host.files[file] = own


def test_a_note_that_can_no_longer_be_read_hides_nothing_else() -> None:
    host = lost(by_us)
    host.files["/var/run/twin/jail/web"] = '7\n.include "/etc/gone.conf";\n'
    assert jail.read_info(host.reader(), {})["leaks"] == LOST[:2]


def test_a_host_without_jails_reads_as_empty_and_cannot_be_changed() -> None:
    host = MemoryHost()
    params = {"jails": [{"name": "web", "path": "/r", "parameters": {"persist": True}}]}
    assert reconcile(SUBJECT, params, host.reader()).plan.sentences == ["define jail web", "start jail web"]
    with pytest.raises(CommandMissing):
        reconcile(SUBJECT, params, host, host)
    assert jail.read_info(host.reader(), {}) == {
        "jails": [],
        "running": [],
        "foreign": [],
        "leaks": [],
    }


@pytest.mark.parametrize("count", [1, 50])
def test_stopped_jails_are_read_by_six_commands_however_many(count: int) -> None:
    names = [f"j{number}" for number in range(count)]
    host = server({f"/etc/jail.conf.d/{name}.conf": CONFIG.replace("web", name) for name in names})
    items = [{"name": name, "state": "stopped", "boot": False, "limits": {"maxproc": None}} for name in names]
    assert reconcile(SUBJECT, {"jails": items}, host.reader()).plan.sentences == []
    assert len(host.calls) == 6


@pytest.mark.parametrize("count", [1, 50])
def test_running_jails_are_read_by_six_commands_however_many(count: int) -> None:
    """With all that a declared machine has: a network of its own, a limit, a ruleset, a place in the boot."""
    items = [_machine(f"j{number:02}", number) for number in range(count)]
    roots = [item["path"] for item in items]
    folders = [f"{root}/{place}" for root in roots for place in ("dev", "srv", "../data")]
    host = FreebsdHost({}, folders=[os.path.normpath(folder) for folder in folders])
    host.kernel.interfaces.append(Interface("br0", kind="bridge"))
    assert reconcile(SUBJECT, {"jails": items}, host.reader(), host).plan.changed
    host.calls.clear()
    assert reconcile(SUBJECT, {"jails": items}, host.reader()).plan.sentences == []
    assert len(host.calls) == 6


def _machine(name: str, number: int) -> dict[str, Any]:
    place = f"/tank/machines/{name}"
    item = jail_config(
        name,
        root=f"{place}/root",
        data=f"{place}/data",
        bridge="br0",
        hwaddr=f"02:00:00:00:00:{number:02x}",
        addresses=[f"198.51.100.{number + 1}/24"],
        memory=2**26,
        guard=["/usr/bin/true"],
    )
    return {**item, "boot": True}


# ---- kinds of jails ----------------------------------------------------------------------------


def test_a_jail_of_parts_of_the_host_sees_them() -> None:
    """A thin one: the base of all, readonly, and its own data above that."""
    host = server()
    for place in ("dev", "srv"):
        host.tree.make_folder(f"/tank/base/{place}")
    thin = [
        {"source": "/tank/base", "target": "/", "readonly": True},
        {"source": "/tank/machines/web/data", "target": "/srv"},
    ]
    run(host, path=ROOT, mounts=thin)
    mounted = [
        (each.source, each.target, "ro" in each.options)
        for each in host.kernel.mounts
        if "web" in each.target
    ]
    assert mounted[:2] == [("/tank/base", ROOT, True), ("/tank/machines/web/data", f"{ROOT}/srv", False)]
    run(host, state="absent")
    assert not [each for each in host.kernel.mounts if "web" in each.target]
    clean(host)


def test_a_jail_manages_its_own_dataset() -> None:
    host = server()
    host.fault = lambda argv: None
    for argv in (
        ["zpool", "create", "tank", "da0"],
        ["zfs", "create", "tank/own"],
        ["zfs", "set", "jailed=on", "tank/own"],
    ):
        host.world.call(argv)
    run(host, datasets=["tank/own"])
    assert host.kernel.delegated == {"tank/own": jid(host)}
    assert 'exec.created = "/sbin/zfs jail web tank/own";' in host.files[FILE]
    assert said(host, datasets=["tank/own"]) == []


LINUX: dict[str, Any] = {
    "linux": "new",
    "linux.osrelease": "5.15.0",
    "mount": [
        f"{kind} {ROOT}/{place} {kind} rw 0 0" for kind, place in (("linprocfs", "proc"), ("linsysfs", "sys"))
    ],
    "exec.start": "/etc/init.d/rc 3",
}


def test_a_linux_jail() -> None:
    """The modules are the server's: rc_conf with linux_enable."""
    host = server()
    for place in ("proc", "sys"):
        host.tree.make_folder(f"{ROOT}/{place}")
    with pytest.raises(Refused, match=r"linux of jail web: .* or load the module that brings it"):
        run(host, parameters=LINUX)
    host.kernel.modules += ["linux", "linux64", "linprocfs", "linsysfs"]
    run(host, parameters=LINUX)
    assert host.kernel.jails()[-1].params["linux"] == "new"
    mounted = [each.kind for each in host.kernel.mounts if each.target.startswith(ROOT)]
    assert sorted(mounted) == ["devfs", "linprocfs", "linsysfs"]
    assert said(host, parameters=LINUX) == []
    run(host, state="absent")
    clean(host)


def test_a_jail_runs_within_another_one() -> None:
    host = server()
    inner = {"name": "web.inner", "path": f"{ROOT}/srv", "parameters": {"persist": True}}
    outer = {"name": "web", "parameters": {"children.max": 2}}
    assert reconcile(SUBJECT, {"jails": [inner, outer]}, host.reader(), host).plan.sentences == [
        "set children.max of jail web to 2",
        "start jail web",
        "define jail web.inner",
        "start jail web.inner",
    ]
    assert names(host) == ["poudriere", "web", "web.inner"]
    down = [{"name": "web", "state": "stopped"}, {"name": "web.inner", "state": "stopped"}]
    assert reconcile(SUBJECT, {"jails": down}, host.reader(), host).plan.sentences == [
        "stop jail web.inner", "stop jail web",
    ]  # fmt: skip
    clean(host)


def nest() -> FreebsdHost:
    """A jail runs in jail web, and has its own /dev."""
    host = server({FILE: CONFIG.replace("persist;", "persist; children.max = 2;")}, up=("web",))
    host.tree.make_folder(f"{ROOT}/srv/dev")
    item = {"name": "web.inner", "path": f"{ROOT}/srv", "parameters": {"persist": True, "mount.devfs": True}}
    reconcile(SUBJECT, {"jails": [item]}, host.reader(), host)
    return host


def test_a_jail_is_stopped_with_those_in_it() -> None:
    """The kernel ends them without a word, without their hooks, and leaves their mounts."""
    host = nest()
    assert said(host, state="stopped") == ["stop jail web with web.inner in it"]
    assert names(host) == ["poudriere"]
    clean(host)


def test_a_jail_is_restarted_with_those_in_it() -> None:
    host = nest()
    assert said(host, state="restarted") == ["restart jail web with web.inner in it"]
    assert names(host) == ["poudriere", "web", "web.inner"]


def test_mounts_of_a_running_jail_with_the_same_root_are_no_leftovers() -> None:
    host = server({"/etc/jail.conf.d/db.conf": OTHER.replace("machines/db", "machines/web")}, up=("web",))
    assert f"{ROOT}/dev" in [each.target for each in host.kernel.mounts]
    item = {"name": "db", "state": "stopped"}
    assert reconcile(SUBJECT, {"jails": [item]}, host.reader(), host).plan.sentences == []
    assert f"{ROOT}/dev" in [each.target for each in host.kernel.mounts]


def test_the_file_system_below_a_mount_of_the_jail_is_no_leftover() -> None:
    """The root is a dataset, over which the base is mounted while the jail runs."""
    host = server()
    host.kernel.mounts.append(Mount("tank/machines/web/root", ROOT, "zfs"))
    host.tree.make_folder("/tank/base/dev")
    run(host, path=ROOT, mounts=[{"source": "/tank/base", "target": "/", "readonly": True}])
    run(host, state="stopped")
    assert [each.kind for each in host.kernel.mounts if each.target == ROOT] == ["zfs"]
    assert said(host, state="stopped") == []


def test_no_mounts_remove_the_mounts_and_no_hook() -> None:
    """A guard among the hooks decides where a jail may run."""
    text = CONFIG.replace("persist;", "persist;\n    exec.prepare = guard;")
    host = server({FILE: text.replace("persist;", 'persist;\n    mount = "/a /b nullfs rw 0 0";')})
    assert said(host, state="present", path=ROOT, mounts=[]) == ["remove mount of jail web"]
    assert host.files[FILE] == text


def test_a_bare_name_is_an_empty_text() -> None:
    host = up()
    assert said(host, parameters={"host.hostname": True}) == [
        "set host.hostname of jail web from web to nothing"
    ]
    assert said(host, parameters={"host.hostname": True}) == []


def test_the_name_of_a_jail_of_the_common_file_is_taken() -> None:
    """rc.d/jail would read the new file at boot, and the other jail would be gone."""
    host = server()
    host.world.call(["jail", "-r", "poudriere"])
    host.files["/etc/rc.conf"] = 'jail_list="poudriere"\n'
    for state in ("present", "absent"):
        item = {"name": "poudriere", "path": ROOT, "state": state}
        with pytest.raises(Refused, match=r"/etc/jail.conf defines a jail of that name"):
            reconcile(SUBJECT, {"jails": [item]}, host.reader(), host)
    assert host.files["/etc/rc.conf"] == 'jail_list="poudriere"\n'


def test_an_empty_list_starts_the_jails_of_included_files_too() -> None:
    host = server({"/etc/jail.conf.d/db.conf": OTHER, "/etc/rc.conf": 'jail_enable="YES"\n'})
    host.files["/etc/jail.conf"] = '.include "/etc/jail.conf.d/*.conf";\n'
    with pytest.raises(Refused, match="write db into jail_list first"):
        run(host, state="present", boot=True)


# ---- anything ---------------------------------------------------------------------------------

CHOICES: dict[str, list[Any]] = {
    "persist": [True, False, None, "1"],
    "allow.raw_sockets": [True, False, None],
    "host.hostname": ["a", "b.c", None],
    "ip4.addr": ["192.0.2.30", ["192.0.2.9", "192.0.2.8"], "em0|192.0.2.60/24", None],
    "ip4": ["inherit", "new", None],
    "ip6.addr": ["2001:db8::1", "em0|2001:DB8:0::2/64", None],
    "exec.start": ["/bin/sh /etc/rc", ["/usr/bin/true", "/bin/sh /etc/rc"]],
    "exec.clean": [True, False, None],
    "mount.devfs": [True, False, None],
    "children.max": [0, 3, "5", None],
    "sysvshm": ["new", "inherit", None],
    "exec.consolelog": ["/var/log/x.log", None],
    "interface": ["em0", None],
    "osrelease": ["13.2-RELEASE", None],
}
OPTIONS: dict[str, list[Any]] = {
    "state": ["present", "started", "stopped", "restarted", "absent"],
    "interfaces": [[CARD], [], [{"bridge": "br0"}, {"bridge": "br0", "addresses": ["2001:db8::7/64"]}]],
    "limits": [{"maxproc": 5}, {"maxproc": 6, "readbps": "1M"}, {"maxproc": None, "readbps": None}],
    "devfs": [[], ["path bpf* unhide"]],
    "mounts": [[], [{"source": "/tank/machines/web/data", "target": "/srv"}]],
    "cpuset": ["0", "0-1"],
    "fstab": [[], [f"tmpfs {ROOT}/srv tmpfs rw"]],
    "boot": [True, False],
    "apply": ["next_boot"],
}


def some(choices: Mapping[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {}, optional={key: st.sampled_from(values) for key, values in choices.items()}
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(some(OPTIONS), some(CHOICES)), min_size=1, max_size=4))
def test_whatever_was_declared_before_what_is_declared_now_is_reached(
    declared: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    host = server()
    host.files["/etc/jail.conf"] = ""
    for item, parameters in declared:
        item = {"path": ROOT, **item, "parameters": {"exec.start": "/bin/sh /etc/rc", **parameters}}
        try:
            announced = run(host, dry=True, **item).plan
        except Refused:
            continue
        assert run(host, **item).plan == announced
        again = run(host, dry=True, **item).plan
        assert not again.changed or all(step.token is not None for step in again.due)
        exported = jail.read_info(host.reader(), {})["jails"]
        assert not reconcile(SUBJECT, {"jails": exported}, host.reader()).plan.changed
        clean(host)


# ---- machines ---------------------------------------------------------------------------------


def test_a_machine_runs_as_a_jail() -> None:
    host = server()
    host.world.programs["twin"] = lambda world, argv, stdin: answered(argv)
    item = jail_config(
        "web", root=ROOT, data="/tank/machines/web/data", bridge="br0", hwaddr="02:00:00:00:00:2a",
        addresses=["192.0.2.21/24", "2001:db8::21/64"], gateways=["192.0.2.1"], cores=2, memory=1 << 30,
        limits={"processes": 200}, devices=["/dev/fuse"],
    )  # fmt: skip
    del host.files[FILE]
    run(host, **item)
    assert run(host, **item).plan.sentences == []
    found = {each.target: each.source for each in host.kernel.mounts}
    assert found[f"{ROOT}/srv"] == "/tank/machines/web/data"
    assert "jail:web:pcpu:deny=200" in host.files["/etc/rctl.conf"]
    run(host, state="absent")
    assert FILE not in host.files and not host.files["/etc/rctl.conf"] and not host.files["/etc/devfs.rules"]
    clean(host)


def test_a_guard_that_refuses_keeps_a_machine_down() -> None:
    host = server()
    host.world.programs["twin"] = lambda world, argv, stdin: answered(
        argv, err="web belongs to pollux\n", rc=1
    )
    with pytest.raises(TwinError, match=r"web: /usr/local/sbin/twin guard web: failed"):
        run(host, parameters={"exec.prepare": "/usr/local/sbin/twin guard web"})
    assert names(host) == ["poudriere"]


def test_a_definition_can_be_made_without_a_start() -> None:
    host = up()
    number = jid(host)
    jail.define(host, parse_jail({"name": "web", "parameters": {"exec.clean": True}}))
    assert "exec.clean;" in host.files[FILE] and jid(host) == number


@pytest.mark.parametrize("said", ["nonsense", "[]", "{}", ""])
def test_an_answer_of_jls_that_cannot_be_read_is_one_sentence(said: str) -> None:
    host = FreebsdHost()
    host.world.faults["jls"] = Fault(rc=0, out=said)
    with pytest.raises(TwinError, match="jails cannot be read: jls answered .* which is no list of jails"):
        life.read_kernel(host)
