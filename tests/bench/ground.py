# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where it is measured: a lab of the bench's own, playbooks on it, and the clock."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.jail_bed import bed_of
from tests.lab import Lab

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLAYBOOK = ROOT / "build/venv-bench/bin/ansible-playbook"
PROFILED = ("ANSIBLE_CALLBACKS_ENABLED=ansible.posix.profile_tasks", "ANSIBLE_NOCOLOR=1")
BARE, PAIR = "bare", "pair"
"""Saved states of the lab: servers as they were installed, and a pair with one small machine."""


class Failed(Exception):
    """Something could not be measured; one sentence."""


class Rounds:
    """How things are timed.

    :param rounds: how often each thing is measured.
    """

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def repeated(self, measure: Callable[[], Mapping[str, float]]) -> dict[str, float]:
        """Measure in each round what belongs together; the medians."""
        taken: dict[str, list[float]] = {}
        for number in range(1, self.rounds + 1):
            for name, value in measure().items():
                taken.setdefault(name, []).append(value)
                print(f"  round {number} of {self.rounds}, {name}: {value:.3f}", flush=True)
        return {name: statistics.median(values) for name, values in taken.items()}

    def interleaved(self, **sides: Callable[[], float]) -> dict[str, float]:
        """Measure all sides in each round, every other round in the opposite order; their medians."""
        order = list(sides)

        def measure() -> Mapping[str, float]:
            order.reverse()
            return {name: sides[name]() for name in order}

        return self.repeated(measure)


class Ground(Rounds):
    """The lab, and how things are run and timed on it."""

    def __init__(self, lab: Lab, rounds: int) -> None:
        super().__init__(rounds)
        self.lab, self.bed = lab, bed_of(lab)

    def at(self, state: str) -> None:
        """Bring the servers back to a saved state; the first time it is made."""
        if BARE not in self.lab.status()["saved"]:
            self.lab.save(BARE)
        if state in self.lab.status()["saved"]:
            self.lab.reset(state)
        elif state == PAIR:
            self.bed.ready()
        else:
            raise Failed(f"the lab has no state {state}")

    def sh(self, server: str, script: str, *argv: str) -> str:
        """Run a shell script on a server, which must succeed."""
        return self.bed.sh(server, f"set -eu\n{script}", *argv)

    def play(self, playbook: str | Path, *words: str | Path, **variables: Any) -> Told:
        """Run a playbook with the `ansible` package, which has both sides."""
        extra = self.lab.work / "variables.json"
        extra.write_text(json.dumps(variables))
        inventory = self.lab.inventory()
        return told_of(
            self.lab.command("env", *PROFILED, PLAYBOOK, "-i", inventory, *words, "-e", f"@{extra}", playbook)
        )

    def task(self, name: str, *, changed: bool, **variables: Any) -> Told:
        """Run one task of tasks.yml, which must change something, or must not."""
        told = self.play(HERE / "tasks.yml", "--tags", name, **variables)
        if (told.changes > 0) != changed:
            raise Failed(f"task {name} should{'' if changed else ' not'} have changed something")
        return told


def told_of(command: Sequence[str | Path]) -> Told:
    """Run a command that runs a playbook, which must succeed."""
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    told = Told(time.monotonic() - started, done.stdout)
    if done.returncode:
        raise Failed(f"{command[-1]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return told


@dataclass(frozen=True)
class Told:
    """What a playbook took and printed.

    :param seconds: the whole of it.
    """

    seconds: float
    text: str

    @property
    def tasks(self) -> dict[str, float]:
        """The seconds of each task, from what callback ansible.posix.profile_tasks prints in the end."""
        found = re.findall(r"^(\S.*?) -+ ([\d.]+)s$", self.text, re.M)
        return {name: float(seconds) for name, seconds in found}

    @property
    def changed(self) -> list[str]:
        """The tasks that changed something."""
        said = re.findall(r"^TASK \[(.*?)\] \*+\n(.*?)(?=^$)", self.text, re.M | re.S)
        return [name for name, lines in said if re.search("^changed: ", lines, re.M)]

    @property
    def changes(self) -> int:
        """How many tasks changed something, on all hosts."""
        return sum(map(int, re.findall(r"\bchanged=(\d+)", self.text)))


def declared(count: int) -> Mapping[str, Mapping[str, Any]]:
    """So many machines, as an inventory declares them."""
    return {
        f"m{number:02}": {
            "kind": "lxc",
            "home": ("castor", "pollux")[number % 2],
            "image": "debian-13",
            "memory": "64M",
            "rpo": "1d",
            "addresses": [f"192.0.2.{101 + number}/24"],
        }
        for number in range(count)
    }
