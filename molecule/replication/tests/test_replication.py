# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role replication promises: a recent replica of each machine, which nobody can write to."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from testinfra.host import Host

if TYPE_CHECKING:
    from ...conftest import Server

RPO = {"1m": 60, None: 900}
"""Seconds, as declared and else."""


def rpo(server: Server, name: str) -> int:
    return RPO[server.declared[name].get("rpo")]


def owned(host: Host) -> list[str]:
    machines = json.loads(host.check_output("twin info"))["machines"]
    return [machine["name"] for machine in machines if machine["role"] == "owner"]


def test_timers_run_twice_within_the_rpo(server: Server) -> None:
    for name in server.declared:
        assert server.pause(f"twin-replicate@{name}") == rpo(server, name) // 2


def test_replicas_are_no_older_than_promised(host: Host, server: Server) -> None:
    """By the timers alone; one that was late on a busy machine makes up for it within the shortest rpo."""
    end = time.monotonic() + RPO["1m"]
    while faults := late(host, server):
        assert time.monotonic() < end, faults
        time.sleep(5)


def late(host: Host, server: Server) -> list[str]:
    """What is wrong with the replicas of this server's machines at this moment."""
    ledger = json.loads(host.file("/var/lib/twin/reports/replication.json").content_string)["machines"]
    faults = [f"{name}: {entry['failed']}" for name, entry in ledger.items() if entry["failed"]]
    for name in owned(host):
        if time.time() - ledger[name]["time"] >= rpo(server, name):
            faults.append(f"{name} is as of {ledger[name]['time']}")
    machines = json.loads(host.check_output("twin info"))["machines"]
    return faults + [f"{machine['name']}: {machine['late']}" for machine in machines if machine["late"]]


def test_replicas_cannot_be_written(host: Host, server: Server) -> None:
    for replica in set(server.declared) - set(owned(host)):
        for part in ("root", "data"):
            dataset = f"tank/machines/{replica}/{part}"
            shown = host.check_output(f"zfs get -H -o value readonly,canmount,mounted {dataset}")
            assert shown.split() == ["on", "noauto", "no"]


def test_a_timer_replicates_again(host: Host, server: Server) -> None:
    name = owned(host)[0]
    question = f"zfs list -H -d 1 -t snapshot -o name tank/machines/{name}"
    before = set(host.check_output(question).split())
    # One that is just at work has made its snapshot before, and is only waited for.
    for _again in range(2):
        server.repeat(f"twin-replicate@{name}")
    assert set(host.check_output(question).split()) - before
