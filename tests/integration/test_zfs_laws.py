# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laws of zfs_pool and zfs_dataset on the real ZFS: what keeps the doubles honest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import capabilities, export_datasets
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.pool_host import export_pools, pool_health
from ansible_collections.twin.datacenter.plugins.modules import zfs_dataset, zfs_info, zfs_pool
from tests.doubles.zfs import zfs_host
from tests.integration.zfs_bed import DISKS, FLAVOUR, OPENZFS, ZfsServer
from tests.lab import Lab
from tests.laws import cases_zfs_dataset, cases_zfs_pool, laws

POOL = "laws"
# A run looks at its own result (law 1). The laws about plans alone are shown by the host in memory.
LAW = laws.announced_is_executed
# Where zfs-fuse has surprises more is tried, for every stop of a run takes a fresh system.
MORE_LAWS = (laws.export_then_apply_is_empty, laws.interrupted_run_converges)
SURPRISING = (
    "rename away and make anew",
    "renames in a row",
    "unmount with children",
    "a mount point that returns mounts nothing unwanted",
    "absent with all that is below",
)
ON_KERNELS = ("set several", "clone and promote", "absent with all that is below", "volumes")
USES = [cases_zfs_dataset.on(use, POOL) for use in cases_zfs_dataset.USES if FLAVOUR in use.flavours]


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[ZfsServer]:
    server = ZfsServer(lab, "castor")
    server.install()
    server.new_disks((), (POOL, "safe", "old"))
    server.pool(POOL)
    yield server
    server.new_disks((), (POOL, "safe", "old"))
    server.change(["rm", "-r", DISKS])


def datasets_of(host: Host) -> Mapping[str, Any]:
    return {"datasets": export_datasets(host, POOL)}


@pytest.mark.parametrize(
    ("use", "law"),
    [
        pytest.param(
            use,
            law,
            id=f"{use.name.replace(' ', '_')}-{law.__name__}",
            marks=[pytest.mark.kernel] if use.name in ON_KERNELS else [],
        )
        for use in USES
        for law in (LAW, *(MORE_LAWS if use.name in SURPRISING and not OPENZFS else ()))
    ],
)
def test_datasets(server: ZfsServer, use: cases_zfs_dataset.Use, law: Callable[[laws.Case], None]) -> None:
    def host() -> ZfsServer:
        server.empty(POOL, use.system)
        return server

    law(laws.Case("zfs_dataset", use.name, host, use.params, datasets_of, use.outside))


def pools_of(host: Host) -> Mapping[str, Any]:
    return {"pools": [pool for pool in export_pools(host) if pool["name"] in (POOL, "safe")]}


def renamed(value: Any) -> Any:
    """The same options with the pool of this test for the pool tank."""
    if isinstance(value, str):
        return value.replace("tank", POOL)
    if isinstance(value, Mapping):
        return {key: renamed(each) for key, each in value.items()}
    return [renamed(each) for each in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("name", cases_zfs_pool.USES, ids=lambda name: name.replace(" ", "_"))
def test_pools(server: ZfsServer, name: str) -> None:
    commands, pools, allowed = cases_zfs_pool.USES[name]

    def host() -> ZfsServer:
        server.new_disks(cases_zfs_pool.DISKS, (POOL, "safe", "old"))
        server.pool(POOL)
        for line in commands:
            server.change(["zpool", *line.split(" ")])
        return server

    params = {"pools": renamed(pools), "allow_destroy": list(allowed)}
    case = laws.Case("zfs_pool", name, host, params, pools_of)
    LAW(case)
    exported = {**params, **pools_of(server)}
    assert not reconcile(case.subject, exported, server).plan.changed


def refusal(server: ZfsServer, module: Any, **params: Any) -> str:
    """What a module says, and that it has touched nothing."""
    before = zfs_info.read(server, {})
    with pytest.raises(Refused) as refused:
        reconcile(module.SUBJECT, params, server, server)
    assert zfs_info.read(server, {}) == before
    return str(refused.value)


def test_a_disk_in_use_is_refused(server: ZfsServer) -> None:
    """zfs-fuse itself takes a disk with something else on it, without a word."""
    server.new_disks(cases_zfs_pool.DISKS, ("safe", "old"), keep=f"{DISKS}/{POOL}")
    disk, mirror = cases_zfs_pool.DISKS[0], cases_zfs_pool.MIRROR
    server.change(["mkswap", "-q", disk])
    said = refusal(server, zfs_pool, pools=[{"name": "safe", "vdevs": [mirror]}])
    assert f"device {disk} is in use, it holds swap" in said
    said = refusal(server, zfs_pool, pools=[{"name": "safe", "vdevs": [{"devices": [f"{DISKS}/{POOL}"]}]}])
    assert f"device {DISKS}/{POOL} is in use, it is in pool {POOL}" in said


@pytest.mark.skipif(OPENZFS, reason="the servers have OpenZFS")
def test_what_zfs_fuse_cannot_do_is_refused(server: ZfsServer) -> None:
    assert "takes for compression only" in refusal(
        server, zfs_dataset, datasets=[{"name": f"{POOL}/a", "properties": {"compression": "lz4"}}]
    )
    assert "has no volumes" in refusal(server, zfs_dataset, datasets=[{"name": f"{POOL}/v", "size": "8M"}])
    assert "no pool property comment" in refusal(
        server, zfs_pool, pools=[{"name": POOL, "properties": {"comment": "ours"}}]
    )


@pytest.mark.kernel
def test_the_double_prints_what_the_real_one_prints(server: ZfsServer) -> None:
    """Capabilities are read from the usage texts that the double replays."""
    double = capabilities(zfs_host(FLAVOUR))
    assert capabilities(server) == double


def test_health_is_told(server: ZfsServer) -> None:
    health = pool_health(server)[POOL]
    assert (health["state"], health["faulty"], health["errors"]) == ("ONLINE", {}, "")
