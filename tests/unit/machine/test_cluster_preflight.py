# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the log of a replication tells of its size."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._machine.cluster_preflight import (
    Prospect,
    blockers,
    sent_of,
)

GIB = 1024**3
POLLUX = Prospect(
    "pollux", storages={"tank": GIB}, bridges=frozenset({"vmbr0"}), memory=4 * GIB, promised=GIB
)
CONFIG = {
    "scsi0": "tank:vm-200-disk-0,size=1G",
    "ide2": "tank:vm-200-cloudinit,media=cdrom",
    "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
    "hostpci0": "mapping=t4",
    "usb0": "spice",
    "serial0": "socket",
    "mp1": "/srv/shared,mp=/shared,shared=1",
}
VOLUMES = {"scsi0": "tank:vm-200-disk-0", "ide2": "tank:vm-200-cloudinit"}
LOCAL = {"scsi0": GIB - 4096, "ide2": 4096}


def reasons(
    config: dict[str, str] | None = None,
    volumes: dict[str, str] | None = None,
    local: dict[str, int] | None = None,
    hastate: str = "",
    memory: int = GIB,
    **other: Any,
) -> list[str]:
    """What stands against a move of a guest against whose move nothing stands but what is given."""
    target = dataclasses.replace(POLLUX, **other)
    config, volumes, local = CONFIG | (config or {}), VOLUMES | (volumes or {}), LOCAL | (local or {})
    return blockers(config, volumes, local, memory, target, hastate)


def test_nothing_stands_against_what_both_servers_have() -> None:
    assert reasons() == []
    assert reasons(memory=3 * GIB) == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"config": {"lock": "backup"}}, "it is locked (backup); wait until that is over"),
        ({"maintenance": True}, "pollux is in maintenance"),
        ({"hastate": "error"}, "its manager of high availability is in state error; clear that first"),
        (
            {"config": {"hostpci1": "0000:01:00.0"}},
            "hostpci1 is a device of its server (0000:01:00.0); map it with module pve_mapping",
        ),
        (
            {"config": {"mp2": "/srv/own,mp=/own"}},
            "mp2 is a folder of its server (/srv/own); mark it shared=1 if both servers have it",
        ),
        (
            {
                "config": {"ide3": "tank:iso/debian.iso,media=cdrom"},
                "volumes": {"ide3": "tank:iso/debian.iso"},
                "local": {"ide3": 0},
            },
            "ide3 has a local medium in it (tank:iso/debian.iso); take it out",
        ),
        (
            {"volumes": {"scsi0": "tank:base-900-disk-0/vm-200-disk-0"}},
            "scsi0 is a linked clone (tank:base-900-disk-0/vm-200-disk-0), which cannot leave its template; "
            "make a full clone of it",
        ),
        ({"bridges": frozenset()}, "there is no bridge vmbr0 on pollux"),
        ({"storages": {}}, "there is no storage tank on pollux"),
        ({"local": {"scsi0": GIB}}, "storage tank of pollux has 1G free, up to 1G would be sent"),
        (
            {"memory": 3 * GIB + 1},
            "memory of pollux is 4G, its guests have 1G of it and 3G would be needed",
        ),
        ({"faults": ("PVE says no",)}, "PVE says no"),
    ],
)
def test_each_reason_is_said(given: dict[str, Any], reason: str) -> None:
    assert reasons(**given) == [reason]


def test_the_estimates_of_all_streams_are_added() -> None:
    log = [
        "2026-11-20 18:00:01 200-0: incremental sync 'tank:subvol-200-disk-0' (__replicate_200-0_1__ => 2)",
        "2026-11-20 18:00:02 200-0: total estimated size is 1.50M",
        "2026-11-20 18:00:02 200-0: total estimated size is 624B",
        "2026-11-20 18:00:02 200-0: total estimated size is 12",
    ]
    assert sent_of(log) == 1572864 + 624 + 12
    assert sent_of(log[:1]) == 0
