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
    replicated,
    sent_of,
)

GIB = 1024**3
POLLUX = Prospect("pollux", storages={"tank": GIB}, memory=4 * GIB, promised=GIB)
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
    job: bool = False,
    **other: Any,
) -> list[str]:
    """What stands against a move of a guest against whose move nothing stands but what is given."""
    target = dataclasses.replace(POLLUX, **other)
    config, volumes, local = CONFIG | (config or {}), VOLUMES | (volumes or {}), LOCAL | (local or {})
    copied = {key: size for key, size in local.items() if not (job and replicated(config, key))}
    return blockers(config, volumes, local, copied, memory, target, hastate)


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
        ({"missing_bridges": frozenset({"vmbr0", "vmbr1"})}, "there is no bridge vmbr0 on pollux"),
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


@pytest.mark.parametrize("key", ["scsi1", "mp2"])
def test_a_job_takes_along_what_it_may(key: str) -> None:
    config = {key: "tank:vm-200-disk-1,size=2G"}
    given: dict[str, Any] = {"volumes": {key: "tank:vm-200-disk-1"}, "local": {key: 2 * GIB}}
    assert len(reasons(config=config, **given)) == 1
    assert reasons(config=config, job=True, **given) == []
    config[key] += ",replicate=0"
    said = ["storage tank of pollux has 1G free, up to 2G would be sent"]
    assert reasons(config=config, job=True, **given) == said


def test_a_job_helps_neither_media_nor_clones() -> None:
    found = reasons(
        job=True,
        config={"ide3": "tank:iso/debian.iso,media=cdrom"},
        volumes={"ide3": "tank:iso/debian.iso", "scsi0": "tank:base-900-disk-0/vm-200-disk-0"},
        local={"ide3": 0},
    )
    assert [reason.partition(" ")[0] for reason in found] == ["ide3", "scsi0"]


def test_a_file_of_devices_is_no_reason() -> None:
    """Both servers have the same; PVE looks for it when the container starts."""
    assert reasons(config={"dev0": "/dev/dri/renderD128"}) == []


def test_the_estimates_of_all_streams_are_added() -> None:
    log = [
        "2026-11-20 18:00:01 200-0: incremental sync 'tank:subvol-200-disk-0' (__replicate_200-0_1__ => 2)",
        "2026-11-20 18:00:02 200-0: total estimated size is 1.50M",
        "2026-11-20 18:00:02 200-0: total estimated size is 624B",
        "2026-11-20 18:00:02 200-0: total estimated size is 12",
    ]
    assert sent_of(log) == 1572864 + 624 + 12
    assert sent_of(log[:1]) == 0
