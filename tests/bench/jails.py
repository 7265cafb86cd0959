# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured on servers that behave as FreeBSD: each function gives one or more figures.

Every program of such a server costs the double 0.2 s and more, which no FreeBSD takes. So what is measured
is a difference in which those programs stand on both sides, or their time is taken in the same round and
subtracted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    Machine,
    parse_machine,
    to_property,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.kinds import jail_item

from .figures import Figure
from .ground import PAIR, ROOT, Failed, Ground

RELEASE = "14.3"
FEW, MANY = 5, 50
TIMES = 5
"""How often a task is repeated in one run of a playbook, to be told from what happens by chance."""
MACHINES = 200
JAIL = "probe"
SERVERS = ("castor", "pollux")
# Reads lines of name, owner, declaration.
MAKE = """
# The one below the double's, which takes long to start.
zfs=/usr/lib/linux/zfs
mkdir -p /etc/jail.conf.d
while IFS='\t' read -r name owner declaration; do
    $zfs create -o twin:owner="$owner" -o twin:machine="$declaration" tank/machines/$name
    if [ "$1" = whole ]; then
        $zfs clone tank/images/tiny@base tank/machines/$name/root
        $zfs create tank/machines/$name/data
    else
        echo "$name { path = /tank/machines/$name/root; }" >/etc/jail.conf.d/$name.conf
    fi
done
"""
CLOCK = "/usr/local/bin/python3-clock"
# An interpreter that writes down the processor time of each module and its commands, in seconds.
CLOCK_SCRIPT = b"""#!/usr/bin/python3
import resource, subprocess, sys
code = subprocess.run(["/usr/bin/python3", *sys.argv[1:]]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open("/root/clock", "a") as file:
    print(used.ru_utime + used.ru_stime, file=file)
sys.exit(code)
"""
# What enters a jail, without what is done there.
ENTER = """
began=$(date +%s%N)
for _ in $(seq "$2"); do
    jls -j "$1" name >/dev/null
    jexec "$1" /bin/sh -c true
done
echo $((($(date +%s%N) - began) / $2))
"""


def jails(ground: Ground) -> Iterator[Figure]:
    """Running jails, unchanged: the processor time that each further one costs on their server."""
    ground.at(PAIR)
    machines = [_light(number) for number in range(MANY)]
    _make(ground, "castor", machines, "whole")
    items = [jail_item(machine, ground.bed.pair_for("castor")) for machine in machines]
    print(f"  starting {MANY} jails", flush=True)
    ground.task("jails", changed=True, jails=items, times=1)

    ground.bed.install("castor", CLOCK, CLOCK_SCRIPT, 0o755)

    def unchanged(count: int) -> Callable[[], float]:
        def measure() -> float:
            ground.task(
                "jails", changed=False, jails=items[:count], times=TIMES, ansible_python_interpreter=CLOCK
            )
            used = ground.sh("castor", "cat /root/clock; rm /root/clock").split()
            return statistics.median(map(float, used[-TIMES:]))

        return measure

    taken = ground.interleaved(few=unchanged(FEW), many=unchanged(MANY))
    each = (taken["many"] - taken["few"]) / (MANY - FEW) * 1000
    yield Figure(
        f"running jails unchanged, per further jail ({FEW} to {MANY})", max(each, 0.01), 2, "ms", "<= 1"
    )


def inventory(ground: Ground) -> Iterator[Figure]:
    """The inventory of two servers with many machines: its time beyond those of Ansible and of ssh."""
    ground.at(PAIR)
    machines = [_light(number) for number in range(MACHINES)]
    for server in SERVERS:
        _make(ground, server, machines, "definition")
    log = ground.lab.work / "ssh.log"
    servers: list[str | Path] = ["-i", ground.lab.inventory(), "-i", ROOT / "inventories/lab/10-servers.yml"]
    asking = [*servers, "-i", ROOT / "inventories/lab/20-machines.yml"]

    def whole() -> float:
        log.write_text("")
        seconds, listed = _listed(ground, log, asking)
        if not {machine.name for machine in machines} <= listed:
            raise Failed("the inventory does not know all machines")
        if (asked := log.read_text().count("\n")) != len(SERVERS):
            raise Failed(f"the inventory took {asked} commands by ssh")
        return seconds

    taken = ground.interleaved(
        whole=whole, ansible=lambda: _listed(ground, log, servers)[0], ssh=lambda: _ssh(ground)
    )
    beyond = taken["whole"] - taken["ansible"] - taken["ssh"]
    yield Figure(f"inventory of {MACHINES} machines, beyond Ansible and ssh", beyond, 1, "s", "<= 1")


def entrance(ground: Ground) -> Iterator[Figure]:
    """A task in a jail, less what jls and jexec of the double take, beside the same task on its server."""
    ground.at(PAIR)
    ground.bed.sh("castor", (ROOT / "tests/integration/small_jail.sh").read_text(), JAIL)

    def task(side: str) -> Callable[[], float]:
        return lambda: ground.task(side, changed=False, jail=JAIL, times=TIMES).tasks[side] / TIMES

    taken = ground.interleaved(
        inside=task("inside"),
        outside=task("outside"),
        double=lambda: float(ground.sh("castor", ENTER, JAIL, str(TIMES))) / 1e9,
    )
    yield Figure(
        "task in a jail beside the same on its server (less jls and jexec)",
        taken["inside"] - taken["double"],
        taken["outside"],
        "s",
        "<= 1.15",
    )


def _light(number: int) -> Machine:
    """A machine in which nothing runs, at home on either server in turn."""
    declared = {
        "kind": "jail",
        "home": SERVERS[number % 2],
        "image": "tiny",
        "memory": "64M",
        "rpo": "1d",
        "addresses": [f"198.51.100.{number + 1}/24"],
        "options": {"exec.start": "/usr/bin/true", "exec.stop": "/usr/bin/true", "persist": True},
    }
    return parse_machine(f"m{number:03}", declared)


def _make(ground: Ground, server: str, machines: Iterable[Machine], how: str) -> None:
    """Machines on a server, ``whole`` ones of castor, or by the ``definition`` alone."""
    lines = [
        f"{machine.name}\t{'castor' if how == 'whole' else machine.home} 1\t{to_property(machine)}\n"
        for machine in machines
    ]
    ground.bed.sh(server, f"set -eu\n{MAKE}", how, stdin="".join(lines))


def _listed(ground: Ground, log: Path, sources: Iterable[str | Path]) -> tuple[float, set[str]]:
    """How long Ansible takes to list all hosts, and their names; each ssh is a line in the log."""
    ssh = ground.lab.work / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" | tr -d "\\n" >>{log}\necho >>{log}\nexec ssh "$@"\n')
    ssh.chmod(0o755)
    # Each run has its own connections, as for somebody who comes.
    settings = {"ANSIBLE_SSH_EXECUTABLE": str(ssh), "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}
    program = ROOT / "build/venv-bench/bin/ansible"
    began = time.monotonic()
    done = subprocess.run(
        ground.lab.command(program, "all", *sources, "--list-hosts"),
        cwd=ROOT, env={**os.environ, **settings}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    if done.returncode or "WARNING" in done.stderr:
        raise Failed(f"ansible --list-hosts: {done.stderr[-3000:]}")
    return seconds, set(done.stdout.split())


def _ssh(ground: Ground) -> float:
    """How long ssh takes to both servers at the same time."""
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda server: ground.lab.ssh(server, "true", check=True), SERVERS))
    return time.monotonic() - began


MEASURES: Mapping[str, Callable[[Ground], Iterator[Figure]]] = {
    "jails": jails,
    "inventory": inventory,
    "entrance": entrance,
}
