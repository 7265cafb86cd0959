# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role replication promises: a recent replica of each machine, which nobody can write to."""

from __future__ import annotations

import json
import time

from testinfra.host import Host

RPO = {"ssa": 60, "tap": 900}


def owned(host: Host) -> list[str]:
    machines = json.loads(host.check_output("twin info"))["machines"]
    return [machine["name"] for machine in machines if machine["role"] == "owner"]


def test_timers_run_twice_within_the_rpo(host: Host) -> None:
    for name, rpo in RPO.items():
        timer = host.service(f"twin-replicate@{name}.timer")
        assert timer.is_running
        assert timer.is_enabled
        assert f"OnUnitInactiveUSec={rpo // 2}s" in host.check_output(
            f"systemctl cat twin-replicate@{name}.timer"
        ).replace("OnUnitInactiveSec", "OnUnitInactiveUSec")


def test_replicas_are_no_older_than_promised(host: Host) -> None:
    ledger = json.loads(host.file("/var/lib/twin/reports/replication.json").content_string)["machines"]
    for name in owned(host):
        assert ledger[name]["failed"] is None
        assert time.time() - ledger[name]["time"] < RPO[name]
    machines = json.loads(host.check_output("twin info"))["machines"]
    assert not [machine["late"] for machine in machines if machine["late"]]


def test_replicas_cannot_be_written(host: Host) -> None:
    (here,) = owned(host)
    (replica,) = set(RPO) - {here}
    for part in ("root", "data"):
        dataset = f"tank/machines/{replica}/{part}"
        shown = host.check_output(f"zfs get -H -o value readonly,canmount,mounted {dataset}")
        assert shown.split() == ["on", "noauto", "no"]


def test_a_timer_replicates_again(host: Host) -> None:
    (name,) = owned(host)
    question = f"zfs list -H -d 1 -t snapshot -o name tank/machines/{name}"
    before = set(host.check_output(question).split())
    host.check_output(f"systemctl start twin-replicate@{name}.service")
    assert set(host.check_output(question).split()) - before
