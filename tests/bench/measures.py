# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: each function gives one or more figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from . import machines
from .figures import Figure
from .ground import BARE, PAIR, ROOT, Failed, Ground, Told, declared

DATASETS = 200
PROPERTIES = {"atime": "off", "compression": "gzip", "recordsize": "65536", "quota": "1073741824"}
SNAPSHOTS = 50
"""Of each of the datasets: together ten thousand."""
PEAK = "/usr/local/bin/python3-peak"
# An interpreter that writes down how much memory the largest process of a module took, in kilobytes.
PEAK_SCRIPT = b"""#!/usr/bin/python3
import resource, subprocess, sys
code = subprocess.run(["/usr/bin/python3", *sys.argv[1:]]).returncode
with open("/run/peak", "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
STREAM = 1000
"""Megabytes of the dataset whose stream is timed."""
STREAM_SCRIPT = """
zfs create tank/stream
head -c 10000000 /dev/urandom >/root/noise
for part in $(seq $(($1 / 10))); do cat /root/noise; done >/tank/stream/data
zfs snapshot tank/stream@s
"""
BARE_PIPE = """
began=$(date +%s.%N)
to="ssh -i /root/bench -o UserKnownHostsFile=/etc/twin/known_hosts 10.1.0.2"
zfs send tank/stream@s | $to zfs receive tank/copy
ended=$(date +%s.%N)
python3 -c "print($ended - $began)"
"""
PACE = 0.02
"""Seconds between two questions of the prober."""
FEW, MANY = 5, 50
# Timers that were just started replicate each machine once; that is not what is measured.
QUIET = """
busy() { systemctl list-units --no-legend --state=activating 'twin-replicate@*.service'; }
while [ -n "$(busy)" ]; do sleep 1; done
"""


def datasets(ground: Ground) -> Iterator[Figure]:
    """Many datasets, made and unchanged: one task of ours beside a loop of community.general.zfs."""

    wanted = [{"name": f"tank/many/{number:03}", "properties": PROPERTIES} for number in range(DATASETS)]

    def creating(side: str) -> Callable[[], float]:
        def measure() -> float:
            ground.at(PAIR)
            ground.sh("castor", "zfs create tank/many")
            return ground.task(side, changed=True, datasets=wanted).tasks[side]

        return measure

    def unchanged(side: str) -> Callable[[], float]:
        return lambda: ground.task(side, changed=False, datasets=wanted).tasks[side]

    made = ground.interleaved(ours=creating("ours"), theirs=creating("theirs"))
    yield Figure(f"create {DATASETS} datasets", made["ours"], made["theirs"], "s", ">= 10")
    kept = ground.interleaved(ours=unchanged("ours"), theirs=unchanged("theirs"))
    yield Figure(f"{DATASETS} datasets unchanged", kept["ours"], kept["theirs"], "s", ">= 100")


def memory(ground: Ground) -> Iterator[Figure]:
    """The largest process of a module which reads ten thousand snapshots."""
    ground.at(PAIR)
    ground.bed.install("castor", PEAK, PEAK_SCRIPT, 0o755)
    ground.sh("castor", "zfs create tank/many")
    names = [{"name": f"tank/many/{number:03}"} for number in range(DATASETS)]
    ground.task("ours", changed=True, datasets=names)
    make = 'for number in $(seq -w "$1"); do zfs snapshot -r tank/many@s20260101T0000${number}Z; done'
    ground.sh("castor", make, str(SNAPSHOTS))

    def measure() -> float:
        ground.task("snapshots", changed=False)
        return int(ground.sh("castor", "cat /run/peak")) * 1024 / 1e6

    peak = ground.interleaved(ours=measure)["ours"]
    yield Figure(f"memory to read {DATASETS * SNAPSHOTS} snapshots", peak, 64, "MB", "<= 1")


def moves(ground: Ground) -> Iterator[Figure]:
    """Downtime of a move: of much data beside little, and beside stopping it, sending all and starting it."""

    def measure() -> Mapping[str, float]:
        machines.ready(ground)
        small, big, huge = (
            machines.move(ground, machine) for machine in (machines.SMALL, machines.BIG, machines.HUGE)
        )
        hand, restart = machines.by_hand(ground, machines.HUGE)
        # A difference that the prober could not see counts as what it can see.
        rest = {"move without restart": huge - restart, "by hand without restart": hand - restart}
        return {
            "move of 50 MB": small,
            "move of 500 MB": big,
            **{name: max(seconds, PACE) for name, seconds in rest.items()},
        }

    down = ground.repeated(measure)
    yield Figure(
        "downtime, 500 MB beside 50 MB", down["move of 500 MB"], down["move of 50 MB"], "s", "<= 1.3"
    )
    yield Figure(
        "downtime of 2 GB beside stop, full send, start (less stop and start)",
        down["move without restart"],
        down["by hand without restart"],
        "s",
        ">= 5",
    )


def replica(ground: Ground) -> Iterator[Figure]:
    """One large stream: module zfs_replica beside `zfs send | ssh | zfs receive`."""
    state = "stream"

    def ready() -> None:
        if state in ground.lab.status()["saved"]:
            return ground.at(state)
        ground.at(PAIR)
        machines.introduce(ground)
        ground.sh("castor", STREAM_SCRIPT, str(STREAM))
        ground.lab.save(state)

    def ours() -> float:
        ready()
        told = ground.task("replica", changed=True)
        return float(re.findall(r"sent in ([\d.]+) s", told.text)[0])

    def bare() -> float:
        ready()
        return float(ground.sh("castor", BARE_PIPE))

    taken = ground.interleaved(ours=ours, bare=bare)
    yield Figure(
        f"{STREAM} MB by zfs_replica beside a bare pipe by ssh",
        taken["ours"],
        taken["bare"],
        "s",
        "<= 1.05",
    )


def site(ground: Ground) -> Iterator[Figure]:
    """site.yml with nothing to change: what each further declared machine costs."""
    ground.at(BARE)

    def run(count: int) -> Told:
        return ground.play("twin.datacenter.site", "-i", ROOT / "inventories/lab", machines=declared(count))

    def unchanged(count: int) -> Callable[[], float]:
        def measure() -> float:
            told = run(count)
            if told.changes:
                raise Failed(f"a second site.yml has changed something: {', '.join(told.changed)}")
            return told.seconds

        return measure

    run(MANY)
    for server in ("castor", "pollux"):
        ground.sh(server, QUIET)
    taken = ground.interleaved(few=unchanged(FEW), many=unchanged(MANY))
    each = (taken["many"] - taken["few"]) / (MANY - FEW)
    yield Figure(
        f"site.yml unchanged, per further machine ({FEW} to {MANY})", max(each, 0.001), 0.1, "s", "<= 1"
    )


MEASURES: Mapping[str, Callable[[Ground], Iterator[Figure]]] = {
    "datasets": datasets,
    "memory": memory,
    "moves": moves,
    "replica": replica,
    "site": site,
}
