# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of storages: /storage.

Rests on: PVE::API2::Storage::Config and PVE::Storage::Plugin (pve-storage) and the recorded exchanges:
`local` is there without being written down; what a definition cannot be without is checked before anything
else; `disable: 0` is not kept, other zeros are.
"""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.sections import Failed, delete_options
from tests.doubles.pve.world import World

FILE = "storage"
# What a definition of a type cannot be without (options of the plugins of pve-storage).
REQUIRED: dict[str, tuple[str, ...]] = {
    "dir": ("path",),
    "btrfs": ("path",),
    "nfs": ("server", "export"),
    "cifs": ("server", "share"),
    "zfspool": ("pool",),
    "zfs": ("portal", "target", "pool", "blocksize", "iscsiprovider"),
    "lvm": ("vgname",),
    "lvmthin": ("vgname", "thinpool"),
    "iscsi": ("portal", "target"),
    "iscsidirect": ("portal", "target"),
    "pbs": ("server", "datastore"),
    "esxi": ("server", "username"),
}
SHARED = {"nfs", "cifs", "iscsi", "iscsidirect", "zfs", "pbs", "cephfs", "rbd", "esxi"}
CONTENT = {"pbs": "backup", "cephfs": "vztmpl,iso,backup", "esxi": "import", "iscsi": "images"}
DEFAULT_CONTENT = "images,rootdir"
SECRET = {"password", "encryption-key", "master-pubkey", "keyring"}


def entry(world: World, name: str) -> dict[str, Any]:
    settings = world.storages[name]
    content = settings.get("content", CONTENT.get(settings["type"], DEFAULT_CONTENT))
    return {**settings, "content": content, "storage": name, "digest": world.file_digest(FILE)}


@handles("GET", "/storage")
def listed(call: Call) -> Any:
    found = []
    for name, settings in call.world.storages.items():
        if call["type"] in (None, settings["type"]) and call.allows(
            f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace", any_of=True
        ):
            found.append({key: value for key, value in entry(call.world, name).items() if key != "priority"})
    return found


@handles("GET", "/storage/{storage}")
def one(call: Call) -> Any:
    if call["storage"] not in call.world.storages:
        raise Refusal(f"storage '{call['storage']}' does not exist")
    return entry(call.world, call["storage"])


def given(call: Call) -> dict[str, Any]:
    kept = {k: v for k, v in call.params.items() if k not in {"storage", "digest", "delete", *SECRET}}
    return {k: v for k, v in kept.items() if not (k == "disable" and not v)}


@handles("POST", "/storage")
def create(call: Call) -> Any:
    world, name, kind = call.world, call["storage"], call["type"]
    for option in REQUIRED.get(kind, ()):
        if call[option] is None:
            raise Refusal(f"missing value for required option '{option}'")
    with Failed("create storage failed"):
        world.require_writable("storage.cfg")
        if name in world.storages:
            raise Refusal(f"storage ID '{name}' already defined")
        if call["server"] and world.facts.get("unreachable") and call["server"] in world.facts["unreachable"]:
            raise Refusal(f"storage '{name}' is not online")
    keep_local(world)
    world.file(FILE)[name] = {**({"shared": 1} if kind in SHARED else {}), **given(call)}
    return {"storage": name, "type": kind}


def keep_local(world: World) -> None:
    """The first definition that is written writes `local` down too."""
    world.file(FILE).setdefault(
        "local", {k: v for k, v in world.storages["local"].items() if k != "priority"}
    )


@handles("PUT", "/storage/{storage}")
def update(call: Call) -> Any:
    world, name = call.world, call["storage"]
    with Failed("update storage failed"):
        world.require_writable("storage.cfg")
        world.require_digest(FILE, call["digest"])
        if name not in world.storages:
            raise Refusal(f"storage '{name}' does not exist")
        keep_local(world)
        settings = world.file(FILE)[name]
        required = REQUIRED.get(settings["type"], ())
        delete_options(settings, call["delete"], {*call.method.properties, *required}, required)
        if call["disable"] == 0:
            settings.pop("disable", None)
        settings |= given(call)
    return {"storage": name, "type": settings["type"]}


@handles("DELETE", "/storage/{storage}")
def delete(call: Call) -> None:
    with Failed("delete storage failed"):
        call.world.require_writable("storage.cfg")
        if call["storage"] not in call.world.storages:
            raise Refusal(f"storage '{call['storage']}' does not exist")
        keep_local(call.world)
        del call.world.file(FILE)[call["storage"]]
