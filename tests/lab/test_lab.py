# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab does to its servers what it says, and nothing to the machine underneath."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab import Lab, LabError, cables, cgroup, model

ROOT = Path(__file__).parents[2]
KIND = os.environ.get("TWIN_LAB_KIND", "container")
OPENZFS = """
set -e
zpool create tank /srv/disks/disk0.img
zfs create tank/kept
"""
ZFS_FUSE = """
set -e
mkdir -p /etc/systemd/system/zfs-fuse.service.d
cat >/etc/systemd/system/zfs-fuse.service.d/twin.conf <<'END'
[Service]
Type=simple
RemainAfterExit=no
ExecStart=
ExecStart=/usr/sbin/zfs-fuse --no-daemon --pidfile /run/zfs-fuse.pid
ExecStartPost=/bin/sh -c 'until zpool list >/dev/null 2>&1; do sleep 0.05; done; exec zfs mount -a'
ExecStop=
ExecStop=/usr/sbin/zfs umount -a
END
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install zfs-fuse >/dev/null
zpool create tank /srv/disks/disk0.img
zfs create tank/kept
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Not the folder of other labs: what is left behind there is theirs.
    return tmp_path_factory.mktemp("labs")


@pytest.fixture(scope="module")
def lab(base: Path) -> Iterator[Lab]:
    with Lab("first", base) as lab:
        yield lab


def traces(base: Path) -> set[str]:
    """What labs of a base folder have left on this machine: control groups, mounts, processes."""
    found = {str(path) for path in cgroup.mount_point().glob("twin-lab.*") if _is_of(path, base)}
    found |= {line for line in Path("/proc/self/mounts").read_text().splitlines() if str(base) in line}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            mounts = (process / "mounts").read_text()
        except OSError:
            continue
        if str(base) in mounts or (str(base) in " ".join(words) and int(process.name) != os.getpid()):
            found.add(" ".join(words))
    return found


def _is_of(group: Path, base: Path) -> bool:
    name = group.name.split(".")[1]
    return Lab(name, base).group.path == group


def until(true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def said(lab: Lab, name: str, command: str) -> str:
    done = lab.ssh(name, command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def pings(lab: Lab, name: str, address: str) -> bool:
    return lab.ssh(name, f"ping -q -c1 -W5 {address}").returncode == 0


def hears_nothing(lab: Lab, name: str, address: str) -> bool:
    return lab.ssh(name, f"ping -q -c1 -W1 {address}").returncode != 0


@pytest.mark.kernel
@pytest.mark.parametrize("name", model.SERVERS)
def test_a_server_starts_in_good_order(lab: Lab, name: str) -> None:
    assert said(lab, name, "hostname; systemctl is-system-running").split() == [name, "running"]


@pytest.mark.kernel
def test_servers_have_ssh_and_python_and_virtual_ones_zfs_and_lxc(lab: Lab) -> None:
    assert said(lab, "castor", "command -v chronyd sudo zfs lxc-start || true").split() == (
        ["/usr/sbin/zfs", "/usr/bin/lxc-start"] if KIND == "vm" else []
    )
    assert said(lab, "castor", "/usr/bin/python3 -c 'print(6 * 7)'") == "42"


def test_the_control_node_sees_this_machines_files_in_the_labs_network(lab: Lab) -> None:
    done = lab.run("sh", "-c", f"test -f {__file__} && getent hosts castor pollux witness")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "192.0.2.11",
        "192.0.2.12",
        "192.0.2.13",
    ]
    assert "castor" not in Path("/etc/hosts").read_text()


def test_ssh_and_run_keep_exit_code_and_input(lab: Lab) -> None:
    assert lab.ssh("pollux", "cat; exit 7", input="words").returncode == 7
    assert lab.run("cat", input="words").stdout == "words"


@pytest.mark.kernel
def test_every_address_of_the_plan_answers(lab: Lab) -> None:
    others = [
        port.address.split("/")[0] for host in ("pollux", "witness") for port in model.server(host).ports
    ]
    assert [address for address in others if not pings(lab, "castor", address)] == []


def test_two_labs_at_once_know_nothing_of_each_other(lab: Lab, base: Path) -> None:
    said(lab, "castor", "echo first >/run/which")
    with Lab("second", base) as second:
        assert second.ssh("castor", "cat /run/which").returncode
        # Virtual machines have their keys from the day when they were frozen.
        assert KIND == "vm" or second.known_hosts.read_text() != lab.known_hosts.read_text()
        second.power("pollux", "off")
        assert pings(lab, "castor", "192.0.2.12")
        assert hears_nothing(second, "castor", "192.0.2.12")
    assert said(lab, "castor", "cat /run/which") == "first"


@pytest.mark.kernel
def test_a_cut_link_loses_its_carrier_on_both_ends_and_alone(lab: Lab) -> None:
    link = cables("castor:pollux", 0)
    lab.cut(link)
    try:
        for name in ("castor", "pollux"):
            assert said(
                lab, name, "cat /sys/class/net/link0/carrier /sys/class/net/link1/carrier"
            ).split() == ["0", "1"]
        assert hears_nothing(lab, "castor", "10.1.0.2")
        assert pings(lab, "castor", "10.2.0.2")
    finally:
        lab.restore(link)
    until(lambda: pings(lab, "castor", "10.1.0.2"), "the link is mended")


def test_one_twin_may_lose_the_witness_alone(lab: Lab) -> None:
    path = cables("castor:witness")
    lab.cut(path)
    try:
        assert hears_nothing(lab, "castor", "10.3.0.3")
        assert pings(lab, "pollux", "10.3.0.3")
    finally:
        lab.restore(path)
    until(lambda: pings(lab, "castor", "10.3.0.3"), "the path is mended")


def test_a_cut_survives_a_power_cycle(lab: Lab) -> None:
    link = cables("castor:pollux", 1)
    lab.cut(link)
    try:
        lab.power("pollux", "cycle")
        assert said(lab, "pollux", "cat /sys/class/net/link1/carrier") == "0"
    finally:
        lab.restore(link)
    until(lambda: pings(lab, "castor", "10.2.0.2"), "the link is mended")


@pytest.mark.kernel
def test_a_slow_link_takes_its_time_both_ways(lab: Lab) -> None:
    link = cables("castor:pollux", 0)
    lab.slow(link, "2mbit")
    try:
        # 1 MB at 250 kB/s, less the burst: far from what the busiest machine takes for it
        for name, address in ("castor", "10.1.0.2"), ("pollux", "10.1.0.1"):
            assert _seconds(lab, name, address) > 2.5
    finally:
        lab.restore(link)
    assert _seconds(lab, "castor", "10.1.0.2") < 2.5


def _seconds(lab: Lab, name: str, address: str) -> float:
    """How long 1 MB takes from a server to an address: a plain TCP sink there, both ends in Python."""
    sink = (
        "import socket; s = socket.create_server(('', 4040)).accept()[0]\n"
        "while s.recv(65536): pass\n"
        "s.send(b'.')"
    )
    send = (
        "import socket, time; begun = time.monotonic(); "
        f"s = socket.create_connection(('{address}', 4040)); s.sendall(bytes(1000000)); "
        "s.shutdown(socket.SHUT_WR); s.recv(1); print(time.monotonic() - begun)"
    )
    far = "pollux" if name == "castor" else "castor"
    with subprocess.Popen(lab.ssh_command(far, "python3", "-"), stdin=subprocess.PIPE, text=True) as listener:
        assert listener.stdin is not None
        listener.stdin.write(sink)
        listener.stdin.close()
        until(lambda: lab.ssh(far, "ss -tln | grep -q :4040").returncode == 0, "the sink listens")
        return float(said(lab, name, f'python3 -c "{send}"'))


@pytest.mark.kernel
def test_a_frozen_process_stands_still_and_goes_on(lab: Lab) -> None:
    said(
        lab,
        "castor",
        "systemd-run -q --unit ticker sh -c 'while :; do date +%s%N >/run/tick; sleep 0.05; done'",
    )

    def ticks() -> bool:
        before = said(lab, "castor", "cat /run/tick")
        time.sleep(0.3)
        return said(lab, "castor", "cat /run/tick") != before

    until(ticks, "the clock ticks")
    pid = int(said(lab, "castor", "systemctl show -P MainPID ticker"))
    lab.signal("castor", signal.SIGSTOP, pid=pid)
    assert not ticks()
    lab.signal("castor", signal.SIGCONT, pattern="run/tick")
    until(ticks, "the clock goes on")
    lab.signal("castor", signal.SIGKILL, pid=pid)
    until(lambda: lab.ssh("castor", "systemctl -q is-active ticker").returncode != 0, "the clock is dead")


def test_processes_are_listed_while_groups_come_and_go(lab: Lab) -> None:
    passing = lab.group.path / "control/passing/inner"
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            passing.mkdir(parents=True)
            passing.rmdir()
            passing.parent.rmdir()

    with ThreadPoolExecutor() as pool:
        coming = pool.submit(come_and_go)
        try:
            for _unused in range(200):
                assert any(lab.group.processes())
        finally:
            stop.set()
        coming.result()


@pytest.mark.kernel
def test_a_power_cut_keeps_what_was_synced_and_a_reset_puts_it_back(lab: Lab) -> None:
    said(lab, "castor", OPENZFS if KIND == "vm" else ZFS_FUSE)
    said(lab, "castor", "echo saved >/tank/kept/file")
    lab.save("pool")
    said(
        lab,
        "castor",
        "touch /root/later; rm /etc/hostname; sync; echo later | dd of=/tank/kept/file conv=fsync",
    )
    lab.power("castor", "off")
    assert lab.status()["servers"]["castor"] == "STOPPED"
    lab.power("castor", "on")
    there = said(lab, "castor", "cat /tank/kept/file; ls /root; test -e /etc/hostname || echo nameless")
    assert there.split() == ["later", "later", "nameless"]
    lab.cut(cables("castor:public"))
    lab.reset("pool", ["castor"])
    assert said(lab, "castor", "cat /tank/kept/file; cat /etc/hostname; ls /root").split() == [
        "saved",
        "castor",
    ]


@pytest.mark.kernel
def test_a_lab_killed_while_it_comes_up_is_cleared_away_by_the_next(base: Path) -> None:
    command = [sys.executable, "-m", "tests.lab", "up", "--name", "killed", "--work", str(base)]
    killed = Lab("killed", base)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as up:
        until((killed.work / "ready").exists, "the first process of the lab runs", 60)
        up.kill()
    assert any("killed" in trace for trace in traces(base))
    killed.up(owner=os.getpid())
    assert said(killed, "castor", "hostname") == "castor"
    killed.down()
    assert not any("killed" in trace for trace in traces(base))


@pytest.mark.kernel
def test_a_lab_whose_owner_died_is_garbage(base: Path) -> None:
    interfaces = sorted(os.listdir("/sys/class/net"))
    with subprocess.Popen(["sleep", "infinity"]) as owner:
        orphan = Lab("orphan", base)
        try:
            orphan.up(owner=owner.pid)
            assert "orphan" not in orphan.gc()
        finally:
            owner.kill()
    assert len([trace for trace in traces(base) if "orphan" in trace]) > 3
    assert orphan.gc() == ["orphan"]
    assert not [trace for trace in traces(base) if "orphan" in trace]
    assert not orphan.work.exists()
    assert sorted(os.listdir("/sys/class/net")) == interfaces


@pytest.mark.kernel
def test_nothing_is_left_after_down(tmp_path: Path) -> None:
    interfaces = sorted(os.listdir("/sys/class/net"))
    with Lab("gone", tmp_path) as lab:
        lab.run("sh", "-c", "sleep 1000 & exit 0", capture_output=False)
        assert len(traces(tmp_path)) > 3
        assert sorted(os.listdir("/sys/class/net")) == interfaces
    assert traces(tmp_path) == set()
    assert not lab.work.exists()


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (lambda lab: Lab("No Such Name"), "small letters, digits and -"),
        (lambda lab: cables("castor"), "wants two ends"),
        (lambda lab: cables("castor:helena"), "no server is called 'helena'"),
        (lambda lab: cables("castor:pollux", 2), "the links are 0 and 1"),
        (lambda lab: lab.power("castor", "sideways"), "power is off, on or cycle"),
        (
            lambda lab: lab.signal("castor", signal.SIGSTOP, pattern="no-such-process"),
            "castor has no process like",
        ),
        (lambda lab: lab.reset("never"), "no state 'never' was saved"),
        (lambda lab: Lab("absent", lab.base).run("true"), "absent is not up"),
        (lambda lab: Lab("absent", lab.base).cut(cables("castor:pollux")), "absent is not up"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(lab: Lab, what: Callable[[Lab], object], sentence: str) -> None:
    with pytest.raises(LabError, match=re.escape(sentence)):
        what(lab)
