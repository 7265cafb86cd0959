# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second ground of the FreeBSD double: jails run, and nothing of them is left when they do not."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.integration.conftest import LabHost
from tests.lab import Lab

ADDRESS, MAC = "192.0.2.41", "02:00:00:00:00:29"
VNET = f"""
web {{
  path = /jails/web;
  host.hostname = web.example.org;
  vnet;
  vnet.interface = e0b_web;
  exec.prestart = "/sbin/ifconfig epair7 create";
  exec.prestart += "/sbin/ifconfig epair7a name e0a_web";
  exec.prestart += "/sbin/ifconfig epair7b name e0b_web";
  exec.prestart += "/sbin/ifconfig e0b_web ether {MAC}";
  exec.prestart += "/sbin/ifconfig br0 addm e0a_web";
  exec.prestart += "/sbin/ifconfig e0a_web up";
  exec.start = "/sbin/ifconfig e0b_web inet {ADDRESS}/24 alias";
  exec.start += "/sbin/route add default 192.0.2.1";
  exec.start += "/bin/sh /etc/rc";
  exec.stop = "/bin/sh /etc/rc.shutdown jail";
  exec.poststop = "/sbin/ifconfig e0a_web destroy";
  exec.clean;
  exec.consolelog = /var/log/jail_web.log;
  mount.devfs;
  devfs_ruleset = 5;
}}
"""
SHARED = """
db {
  path = /jails/db;
  host.hostname = db.example.org;
  ip4.addr = "br0|192.0.2.42/32";
  exec.start = "/bin/sh /etc/rc";
  exec.stop = "/bin/sh /etc/rc.shutdown jail";
  mount += "/srv/shared /jails/db/mnt nullfs ro 0 0";
  mount.devfs;
}
"""


class Server:
    """castor, as its administrator sees it."""

    def __init__(self, lab: Lab) -> None:
        self.host = LabHost(lab, "castor", lasting=True)

    def ask(self, line: str, stdin: str = "") -> Output:
        output = self.host.ask(["sh", "-c", line], stdin, 30)
        assert "Traceback" not in output.err, output.err
        return output

    def said(self, line: str, stdin: str = "") -> str:
        done = self.ask(line, stdin)
        assert done.rc == 0, f"{line}: {done.out}{done.err}"
        return done.out

    def write(self, path: str, text: str) -> None:
        self.said(f"mkdir -p {shlex.quote(os.path.dirname(path))} && cat >{shlex.quote(path)}", text)

    def traces(self) -> str:
        """What a jail could leave: processes, mounts, interfaces, network stacks."""
        return self.said(
            "pgrep -f '[k]eeper.py' || :; grep /jails /proc/mounts || :; ifconfig -l; /usr/lib/linux/ip netns"
        )


@pytest.fixture(scope="module")
def castor(freebsd: Lab) -> Server:
    server = Server(freebsd)
    server.said("for name in web db; do /usr/lib/freebsd/make-base /jails/$name; done; mkdir -p /srv/shared")
    server.write("/jails/web/etc/rc.conf", 'httpd_enable="YES"\n')
    server.write("/jails/web/usr/local/www/index.html", "hello from web\n")
    server.write("/jails/db/etc/rc.conf", 'httpd_enable="YES"\nhttpd_address="192.0.2.42"\n')
    server.write("/jails/db/usr/local/www/index.html", "hello from db\n")
    server.write("/srv/shared/note", "shared\n")
    server.write("/etc/jail.conf.d/web.conf", VNET)
    server.write("/etc/jail.conf.d/db.conf", SHARED)
    server.said('sysrc jail_enable=YES jail_list="web db"')
    return server


@pytest.fixture
def running(castor: Server) -> Iterator[Server]:
    """With both jails up; down they leave nothing."""
    before = castor.traces()
    assert castor.said("service jail start") == "Starting jails: web db.\n"
    yield castor
    assert castor.said("service jail stop") == "Stopping jails: web db.\n"
    assert castor.traces() == before


def test_a_server_shows_itself_as_freebsd(castor: Server) -> None:
    release = castor.said("cat /etc/freebsd-double-release").strip()
    assert castor.said("uname -s; freebsd-version").split() == ["FreeBSD", f"{release}-RELEASE"]
    python = "import os, platform, sys; print(platform.system(), os.uname().release, sys.platform)"
    said = castor.said(f"/usr/local/bin/python3.11 -c {shlex.quote(python)}").split()
    assert said == ["FreeBSD", f"{release}-RELEASE", f"freebsd{release[:2]}"]
    assert castor.ask("systemctl").rc == 127
    assert "jail_enable: YES" in castor.said("sysrc jail_enable")


def test_a_jail_has_its_own_name_processes_and_network(running: Server) -> None:
    assert running.said("jls -N name host.hostname path").splitlines()[0] == "web web.example.org /jails/web"
    assert running.said("jexec web hostname").strip() == "web.example.org"
    processes = running.said("jexec web ps")
    assert "httpd" in processes and "sshd" not in processes
    assert MAC in running.said("ifconfig -j web e0b_web") and ADDRESS in running.said(
        "jexec web busybox ip address"
    )
    assert "e0b_web" not in running.said("ifconfig -l")


def test_it_answers_at_its_address_with_its_pinned_mac(running: Server, lab: Lab) -> None:
    assert lab.run("curl", "-sf", "--max-time", "3", f"http://{ADDRESS}/").stdout == "hello from web\n"
    assert lab.run("curl", "-sf", "--max-time", "3", "http://192.0.2.42/").stdout == "hello from db\n"
    assert MAC in lab.run("ip", "neigh", "show", ADDRESS).stdout
    assert lab.ssh("pollux", f"ping -q -c1 -W1 {ADDRESS}").returncode == 0


def test_commands_in_it_keep_input_output_and_exit_code(running: Server) -> None:
    data = "".join(f"line {number}\n" for number in range(20000))
    assert running.said("jexec web cat", data) == data
    assert running.ask("jexec web sh -c 'echo out; echo err >&2; exit 7'").rc == 7
    missing = running.ask("jexec web nope")
    assert (missing.rc, missing.err) == (1, "jexec: execvp: nope: No such file or directory\n")
    assert running.ask("jexec ghost true").err == 'jexec: jail "ghost" not found\n'
    assert running.said("jexec -l web env | sort").split() == [
        "HOME=/root", "PATH=/bin:/usr/bin", "SHELL=/bin/sh", "USER=root"
    ]  # fmt: skip


def test_its_dev_shows_what_the_ruleset_shows(running: Server) -> None:
    shown = running.said("jexec web ls /dev").split()
    assert {"null", "pf", "zfs"} <= set(shown) and not {"mem", "kmem", "ada0"} & set(shown)
    assert "pf" not in running.said("jexec db ls /dev").split()
    running.said("jexec web sh -c 'echo x >/dev/null; head -c 8 /dev/urandom | wc -c'")


def test_a_nullfs_is_seen_inside_and_can_be_read_only(running: Server) -> None:
    assert running.said("jexec db cat /mnt/note") == "shared\n"
    assert running.ask("jexec db touch /mnt/new").rc
    assert "/srv/shared on /jails/db/mnt (nullfs" in running.said("mount")


def test_a_mount_that_is_used_is_busy(castor: Server) -> None:
    castor.said("service jail start db")
    castor.said("(cd /jails/db/mnt && exec sleep 60 >/dev/null 2>&1 </dev/null &) ; sleep 0.1")
    done = castor.ask("jail -f /etc/jail.conf.d/db.conf -r db")
    assert done.rc == 1 and "busy" in done.err
    castor.said("pkill -x sleep; umount /jails/db/mnt")
    assert "/jails/db" not in castor.said("cat /proc/mounts")


def test_a_jail_without_persist_ends_with_its_last_process(castor: Server) -> None:
    castor.said("jail -c name=brief path=/jails/db mount.devfs command=/bin/sh -c '(sleep 77 &)'")
    assert "brief" in castor.said("jls name")
    castor.said("pkill -x sleep")
    end = time.monotonic() + 60
    while "brief" in castor.said("jls name"):
        assert time.monotonic() < end
        time.sleep(0.1)
    castor.said("umount /jails/db/dev")


def test_a_stop_waits_for_its_processes_and_then_ends_them(castor: Server) -> None:
    deaf = "/bin/sh -c 'trap : TERM; while :; do sleep 1; done' >/dev/null 2>&1 </dev/null &"
    castor.said(f"jail -c name=deaf path=/jails/db persist; jexec deaf {deaf} sleep 0.5")
    castor.write("/tmp/deaf.conf", "deaf { path = /jails/db; stop.timeout = 1; }")
    started = time.monotonic()
    castor.said("jail -f /tmp/deaf.conf -r deaf")
    assert 0.8 < time.monotonic() - started < 9
    assert castor.ask("pgrep -f '[t]rap : TERM'").rc == 1


def test_a_start_hook_that_takes_too_long_is_given_up(castor: Server) -> None:
    castor.write(
        "/tmp/slow.conf", 'slow { path = /jails/db; exec.timeout = 1; exec.start = "/bin/sleep 30"; }'
    )
    done = castor.ask("jail -f /tmp/slow.conf -c slow")
    assert done.rc == 1 and "jail: slow: /bin/sleep 30: timed out" in done.err
    assert "slow" not in castor.said("jls name")


def test_programs_misbehave_as_they_are_told(castor: Server) -> None:
    fault = '{"jail": {"rc": 1, "err": "jail: told to\\n", "about": "-c", "times": 1}}'
    castor.write("/var/db/freebsd-double/faults.json", fault)
    assert "told to" in castor.said("service jail start db")
    assert castor.ask("jls -j db").rc == 1
    assert castor.said("service jail start db; service jail stop db").startswith("Starting jails: db.")
    castor.said("rm /var/db/freebsd-double/faults.json")


def test_limits_are_there_until_the_next_boot(castor: Server) -> None:
    castor.said("rctl -a jail:web:maxproc:deny=50")
    assert castor.said("rctl jail:web") == "jail:web:maxproc:deny=50\n"
    castor.said("rctl -r jail:web")


def test_cron_runs_what_its_tables_say(castor: Server) -> None:
    castor.write("/etc/cron.d/test", "MARK=told\n@1 root echo $MARK >>/tmp/cron.$LOGNAME\n")
    end = time.monotonic() + 60
    while "told\ntold\n" not in castor.said("cat /tmp/cron.root 2>/dev/null || :"):
        assert time.monotonic() < end
        time.sleep(0.2)
    castor.said("rm /etc/cron.d/test")


def test_daemon_starts_what_goes_on_after_it(castor: Server) -> None:
    castor.said("daemon -f sh -c 'until [ -e /tmp/go ]; do sleep 0.1; done; jls name >/tmp/daemon'")
    castor.said("test ! -e /tmp/daemon; touch /tmp/go; until [ -e /tmp/daemon ]; do sleep 0.1; done")


def test_jails_of_the_list_come_back_after_a_power_cut(castor: Server, lab: Lab) -> None:
    castor.said("service jail start web; rctl -a jail:web:maxproc:deny=50")
    lab.power("castor", "cycle")
    assert castor.said("jls name").split() == ["web", "db"]
    assert castor.said("rctl") == ""
    assert lab.run("curl", "-sf", "--max-time", "3", f"http://{ADDRESS}/").stdout == "hello from web\n"
    castor.said("service jail stop")


def test_a_dataset_of_a_jail_leaves_the_host_and_is_mounted_inside(castor: Server) -> None:
    castor.said("truncate -s 200M /srv/pool; zpool create tank /srv/pool")
    castor.said("zfs create -o mountpoint=/srv/own tank/x; echo own >/srv/own/note; zfs set jailed=on tank/x")
    assert castor.said("zfs get -H -o property,value jailed tank/x") == "jailed\ton\n"
    assert "cannot mount" in castor.ask("zfs mount tank/x").err
    castor.said("jail -c name=zz path=/jails/db persist; zfs jail zz tank/x")
    assert castor.ask("zfs jail zz tank/x").err == "cannot jail 'tank/x': dataset already exists\n"
    assert castor.said("jexec zz cat /srv/own/note") == "own\n"
    assert castor.said("ls /srv/own; mount -t zfs | grep -c tank/x || :") == "0\n"
    castor.said("zfs snapshot tank/x@a; zfs unjail zz tank/x; jail -R zz; zpool destroy tank")
