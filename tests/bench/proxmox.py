# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured on Proxmox VE: each function gives one or more figures.

Its API is the double's, over https with 20 ms for each answer, so what is measured is how often it is asked,
how many questions are on their way at once, and what a module costs where it runs.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles.pve.access import Token, User
from tests.doubles.pve.clock import Clock
from tests.doubles.pve.server import Server
from tests.doubles.pve_guests import SSA, WEB, add_guest, furnish, renumbered

from .figures import Figure
from .ground import HERE, PLAYBOOK, PROFILED, Failed, Rounds, Told, told_of

EACH, LISTED = 50, 500
"""How many guests of each kind are compared, and how many guests the inventory lists."""
LATENCY = 0.02
MORE, FEW = 5, 3
"""Requests that a change may cost beyond those of no change, and those of the inventory."""
SECRET = "11111111-2222"
NODES = ("castor", "pollux")


@dataclass(frozen=True)
class Cluster:
    """A double that is served, and its guests as they are declared."""

    server: Server
    folder: Path
    containers: list[dict[str, Any]]
    machines: list[dict[str, Any]]

    def play(self, tag: str, *, changed: bool) -> tuple[Told, int]:
        """Run the tasks of one side; what it told, and how many requests it took."""
        variables = self.folder / "variables.json"
        server = {key: getattr(self.server, key) for key in ("host", "port", "fingerprint")} | {
            "secret": SECRET
        }
        declared = {"server": server, "containers": self.containers, "machines": self.machines}
        # The modules run with the tools of the tests, which have what they need.
        variables.write_text(json.dumps({**declared, "ansible_python_interpreter": sys.executable}))
        self.server.api.log.clear()
        told = told_of(
            ["env", *PROFILED, "NO_PROXY=127.0.0.1", PLAYBOOK, "-i", "localhost,", "--tags", tag]
            + ["-e", f"@{variables}", HERE / "proxmox.yml"]
        )
        if (told.changes > 0) != changed:
            raise Failed(f"the tasks {tag} should{'' if changed else ' not'} have changed something")
        return told, len(self.server.api.log)


@contextmanager
def cluster(each: int) -> Iterator[Cluster]:
    """So many running containers and virtual machines, half of them on either node."""
    world = furnish(clock=Clock())
    world.access.users["root@pam"] = User(tokens={"bench": Token(privsep=0, secret=SECRET)})
    declared: dict[str, list[dict[str, Any]]] = {"lxc": [], "qemu": []}
    for number in range(each):
        for kind, first, template, old in (("lxc", 1000, SSA, 200), ("qemu", 5000, WEB, 300)):
            vmid, name, node = first + number, f"{kind}{number:03}", NODES[number % 2]
            add_guest(world, vmid, renumbered(template, old, vmid, name), running=True, node=node)
            config = {"cores": 1, "memory": int(template["memory"]), "net0": {"bridge": "vmbr0"}}
            declared[kind].append({"name": name, "vmid": vmid, "node": node, "config": config})
    with Server(world, latency=LATENCY) as server:
        yield Cluster(server, Path(server.folder.name), declared["lxc"], declared["qemu"])


def guests(rounds: Rounds) -> Iterator[Figure]:
    """Many guests, unchanged: one task of ours for each kind beside a loop of community.proxmox."""
    with cluster(EACH) as made:

        def unchanged(side: str) -> Callable[[], float]:
            return lambda: sum(made.play(side, changed=False)[0].tasks.values())

        taken = rounds.interleaved(ours=unchanged("ours"), theirs=unchanged("theirs"))
    yield Figure(
        f"{EACH} containers and {EACH} virtual machines unchanged",
        taken["ours"],
        taken["theirs"],
        "s",
        ">= 30",
    )


def requests(rounds: Rounds) -> Iterator[Figure]:
    """One guest changed among many: the requests that it takes beyond those of no change."""
    cores = itertools.cycle((2, 1))
    with cluster(EACH) as made:

        def beyond() -> float:
            none = made.play("ours", changed=False)[1]
            made.containers[0]["config"]["cores"] = next(cores)
            return made.play("ours", changed=True)[1] - none

        taken = rounds.interleaved(beyond=beyond)
    yield Figure(
        f"1 guest of {2 * EACH} changed, requests beyond none changed",
        max(taken["beyond"], 0.1), MORE, "requests", "<= 1",
    )  # fmt: skip


def listing(rounds: Rounds) -> Iterator[Figure]:
    """The inventory of many guests: the requests that it takes."""
    with cluster(LISTED // 2) as made:
        names = {item["name"] for item in (*made.containers, *made.machines)}

        def asked() -> float:
            made.server.api.log.clear()
            if not names <= _listed(made):
                raise Failed("the inventory does not know all guests")
            return len(made.server.api.log)

        taken = rounds.interleaved(asked=asked)
    yield Figure(f"inventory of {LISTED} guests of Proxmox VE", taken["asked"], FEW, "requests", "<= 1")


def _listed(made: Cluster) -> set[str]:
    """The names that Ansible lists."""
    server = made.server
    source = made.folder / "machines.yml"
    settings = {
        "plugin": "twin.datacenter.machines",
        "platform": "proxmox",
        "api_host": f"{server.host}:{server.port}",
        "api_user": "root@pam",
        "api_token_id": "bench",
        "api_token_secret": SECRET,
        "fingerprint": server.fingerprint,
    }
    source.write_text(json.dumps(settings))
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible", "all", "-i", source, "--list-hosts"],
        env={**os.environ, "NO_PROXY": server.host}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode or "WARNING" in done.stderr:
        raise Failed(f"ansible --list-hosts: {done.stderr[-3000:]}")
    return set(done.stdout.split())


MEASURES: Mapping[str, Callable[[Rounds], Iterator[Figure]]] = {
    "pve": guests,
    "pve-requests": requests,
    "pve-inventory": listing,
}
