# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of several sizes on a pair, and how long nobody answers while one of them changes its server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    parse_machine,
    to_property,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.kinds import container_of

from .ground import PAIR, ROOT, Failed, Ground

STATE = "machines"
PATIENCE = 30.0

MAKE = """
name=$1 declaration=$2 size=$3
zfs create -o twin:owner='castor 1' -o twin:machine="$declaration" tank/machines/$name
zfs clone tank/images/tiny@base tank/machines/$name/root
zfs create tank/machines/$name/data
[ -e /root/noise ] || head -c 10000000 /dev/urandom >/root/noise
for part in $(seq $((size / 10))); do cat /root/noise; done >/tank/machines/$name/data/seed
chown -R 100000:100000 /tank/machines/$name/data
mkdir -p /var/lib/lxc/$name /var/log/lxc
cat >/var/lib/lxc/$name/config
lxc-start -n $name
"""
WRITE = "head -c 2000000 /dev/urandom | dd of=/tank/machines/$1/data/meanwhile conv=fsync 2>/dev/null"
# What an administrator would do by hand: stop it, send all of it, start it there.
BY_HAND_HERE = """
name=$1
beginning=$(date +%s.%N)
lxc-stop -n $name
echo "$beginning $(date +%s.%N)"
zfs snapshot -r tank/machines/$name@hand
to="ssh -i /root/bench -o UserKnownHostsFile=/etc/twin/known_hosts 10.1.0.1"
$to zfs create tank/hand
for part in root data; do zfs send tank/machines/$name/$part@hand | $to zfs receive tank/hand/$part; done
"""
BY_HAND_THERE = """
name=$1
sed -e "s#/tank/machines/$name#/tank/hand#" -e /lxc.hook/d /var/lib/lxc/$name/config >/root/hand
date +%s.%N
lxc-start -n $name -f /root/hand
"""
# The administrator's own key, for what twin's key does not allow.
KEYS = "[ -e /root/bench ] || ssh-keygen -q -t ed25519 -N '' -f /root/bench; cat /root/bench.pub"


@dataclass(frozen=True)
class Sized:
    """A machine with so many megabytes of data."""

    name: str
    megabytes: int
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}/count"


SMALL = Sized("small", 50, "192.0.2.31")
BIG = Sized("big", 500, "192.0.2.32")
HUGE = Sized("huge", 2000, "192.0.2.33")


def ready(ground: Ground) -> None:
    """A pair with these machines on castor, never replicated, and keys between its administrators."""
    if STATE in ground.lab.status()["saved"]:
        return ground.at(STATE)
    ground.at(PAIR)
    introduce(ground)
    for server in ("castor", "pollux"):
        ground.sh(server, "zpool add -f tank /srv/disks/disk1.img")
    for machine in (SMALL, BIG, HUGE):
        print(f"  making a machine of {machine.megabytes} MB", flush=True)
        make(ground, machine)
    ground.lab.save(STATE)


def introduce(ground: Ground) -> None:
    """Let root of each server into the other one."""
    keys = {server: ground.sh(server, KEYS) for server in ("castor", "pollux")}
    ground.sh("castor", f"echo '{keys['pollux'].strip()}' >>/root/.ssh/authorized_keys")
    ground.sh("pollux", f"echo '{keys['castor'].strip()}' >>/root/.ssh/authorized_keys")


def make(ground: Ground, sized: Sized) -> None:
    """The machine on castor, running."""
    declared = {
        "kind": "lxc",
        "home": "castor",
        "image": "tiny",
        "addresses": [f"{sized.address}/24"],
        "check": {"http": "/count"},
    }
    machine = parse_machine(sized.name, declared)
    config = container_of(machine, ground.bed.pair_for("castor")).config
    text = "".join(f"{key} = {value}\n" for key, values in config.items() for value in values)
    script = f"set -eu\n{MAKE}"
    ground.bed.sh("castor", script, sized.name, to_property(machine), str(sized.megabytes), stdin=text)


@dataclass
class Gap:
    """The longest time without an answer.

    :param ended: when it was over, in seconds since 1970.
    """

    seconds: float = 0.0
    ended: float = 0.0


@contextmanager
def probed(ground: Ground, sized: Sized) -> Iterator[Gap]:
    """Ask the machine every 20 ms; afterwards the gap is known."""
    wait(ground, sized)
    prober = subprocess.Popen(
        ground.lab.command(sys.executable, ROOT / "tests/demo/prober.py", sized.url),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    gap = Gap()
    try:
        time.sleep(0.5)
        yield gap
        wait(ground, sized)
        time.sleep(0.5)
    finally:
        said = json.loads(prober.communicate()[0])
    gap.seconds, gap.ended = said["longest_gap_s"], said["back_at"]


def wait(ground: Ground, sized: Sized) -> None:
    """Wait until the machine answers."""
    end = time.monotonic() + PATIENCE
    while ground.lab.run("curl", "-sf", "-o", "/dev/null", "--max-time", "0.2", sized.url).returncode:
        if time.monotonic() > end:
            raise Failed(f"machine {sized.name} does not answer")


def move(ground: Ground, sized: Sized) -> float:
    """Move it to pollux while 2 MB are written in it, behind the first snapshot; its downtime in seconds."""
    with probed(ground, sized) as gap:
        argv = ground.lab.ssh_command("castor", f"twin move {sized.name} --to pollux --json")
        written = False
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said = json.loads(line)
                if said.get("progress") and not written:
                    ground.sh("castor", WRITE, sized.name)
                    written = True
        if said.get("rc") != 0:
            raise Failed(f"the move of {sized.name} ended with: {said.get('end')}")
    return gap.seconds


def by_hand(ground: Ground, sized: Sized) -> tuple[float, float]:
    """Bring it from pollux to castor by stop, full send and start.

    Returns the downtime in seconds, and how much of it the stop and the start took.
    """
    with probed(ground, sized) as gap:
        stop_began, stop_ended = map(float, ground.sh("pollux", BY_HAND_HERE, sized.name).split())
        start_began = float(ground.sh("castor", BY_HAND_THERE, sized.name))
    return gap.seconds, stop_ended - stop_began + gap.ended - start_began
