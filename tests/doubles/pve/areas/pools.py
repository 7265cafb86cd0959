# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools: /pools.

Rests on: PVE::API2::Pool (pve-manager) and the recorded exchanges: a pool may hold guests and storages that
do not exist, and shows only those that do; a pool with pools in it is not empty.
"""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.access import Pool
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.areas.cluster import guest_entry, storage_entry
from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.sections import Failed


def pool_of(call: Call, name: str) -> Pool:
    found = call.world.access.pools.get(name)
    if found is None:
        raise Refusal(f"pool '{name}' does not exist")
    return found


def members(call: Call, pool: Pool) -> list[dict[str, Any]]:
    world = call.world
    found = [guest_entry(call, world.guests[vmid]) for vmid in sorted(pool.guests) if vmid in world.guests]
    for entry in found:
        entry.pop("pool", None)
    for name in sorted(pool.storages):
        if name in world.storages:
            nodes = str(world.storages[name].get("nodes") or world.local).split(",")
            node = world.local if world.local in nodes else nodes[0]
            if node in world.nodes:
                found.append(storage_entry(call, node, name, world.storages[name]))
    kinds = {"qemu": ["qemu"], "lxc": ["lxc"], "storage": ["storage"]}.get(call["type"] or "")
    return [entry for entry in found if kinds is None or entry["type"] in kinds]


def shown(call: Call, name: str) -> dict[str, Any]:
    pool = pool_of(call, name)
    comment = {"comment": pool.comment} if pool.comment else {}
    return {"poolid": name, "members": members(call, pool), **comment}


@handles("GET", "/pools")
def listed(call: Call) -> Any:
    if call["poolid"]:
        call.demand(f"/pool/{call['poolid']}", "Pool.Audit")
        return [shown(call, call["poolid"])]
    return [
        {"poolid": name, **({"comment": pool.comment} if pool.comment else {})}
        for name, pool in call.world.access.pools.items()
        if call.allows(f"/pool/{name}", "Pool.Audit")
    ]


@handles("GET", "/pools/{poolid}")
def one(call: Call) -> Any:
    return shown(call, call["poolid"])


@handles("POST", "/pools")
def create(call: Call) -> None:
    pools, name = call.world.access.pools, call["poolid"]
    with Failed("create pool failed"):
        call.world.require_writable("user.cfg")
        if name in pools:
            raise Refusal(f"pool '{name}' already exists")
        parent = name.rpartition("/")[0]
        if parent and parent not in pools:
            raise Refusal(f"parent '{parent}' of pool '{name}' does not exist")
    pools[name] = Pool(call["comment"] or None)


@handles("PUT", "/pools")
@handles("PUT", "/pools/{poolid}")
def update(call: Call) -> None:
    with Failed("update pools failed"):
        call.world.require_writable("user.cfg")
        pool = pool_of(call, call["poolid"])
        if call["comment"] is not None:
            pool.comment = call["comment"] or None
        for vmid in map(int, split_list(call["vms"] or "")):
            call.world.access.demand_modify(call.user, f"/vms/{vmid}")
            change_guest(call, pool, vmid)
        for storage in split_list(call["storage"] or ""):
            call.world.access.demand_modify(call.user, f"/storage/{storage}")
            if (storage in pool.storages) is not bool(call["delete"]):
                said = "is not" if call["delete"] else "is already"
                raise Refusal(f"Storage '{storage}' {said} a pool member")
            pool.storages ^= {storage}


def change_guest(call: Call, pool: Pool, vmid: int) -> None:
    access = call.world.access
    if call["delete"]:
        if vmid not in pool.guests:
            raise Refusal(f"VM {vmid} is not a pool member")
        pool.guests.discard(vmid)
        return
    if vmid in pool.guests:
        raise Refusal(f"VM {vmid} is already a pool member")
    held = access.pool_of(vmid)
    if held:
        if not call["allow-move"]:
            raise Refusal(f"VM {vmid} belongs already to pool '{held}' and allow-move is not set")
        access.demand(call.user, f"/pool/{held}", ["Pool.Allocate"])
        access.pools[held].guests.discard(vmid)
    pool.guests.add(vmid)


@handles("DELETE", "/pools")
@handles("DELETE", "/pools/{poolid}")
def delete(call: Call) -> None:
    name = call["poolid"]
    with Failed("delete pool failed"):
        call.world.require_writable("user.cfg")
        pool = pool_of(call, name)
        pools = [f"pool '{each}'" for each in call.world.access.pools if each.startswith(f"{name}/")]
        guests = [f"VM {vmid}" for vmid in sorted(pool.guests)]
        storages = [f"storage '{each}'" for each in sorted(pool.storages)]
        for inside in [*pools, *guests, *storages]:
            raise Refusal(f"pool '{name}' is not empty (contains {inside})")
    del call.world.access.pools[name]
