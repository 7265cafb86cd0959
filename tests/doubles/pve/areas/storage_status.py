# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages as a node sees them: status and content.

Rests on PVE::API2::Storage::Status and ::Content (pve-storage) and the recorded exchanges: a status that
cannot be had is 400 {"storage": "No such storage."}; the order of content is random; a volume that does not
exist can be deleted.
"""

from __future__ import annotations

import re
from typing import Any

from tests.doubles.pve import storages
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, parameter
from tests.doubles.pve.formats import parse_size
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import Volume, World

BASE = "/nodes/{node}/storage"
ONE = f"{BASE}/{{storage}}"
AUDIT = ("Datastore.Audit", "Datastore.AllocateSpace")
SUBDIRECTORIES = (
    "content download-url file-restore import-metadata oci-registry-pull prunebackups rrd "
    "rrddata status upload"
)


def space(world: World, node: str, name: str) -> tuple[int, int]:
    """Total and used bytes."""
    total = world.nodes[node].disk
    return total, total // 8 + sum(each.size for each in world.volumes_of(node, name))


def entry(world: World, node: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    enabled = not settings.get("disable")
    total, used = space(world, node, name) if enabled else (0, 0)
    shown = {
        "type": settings["type"],
        "content": settings.get("content", "images,rootdir"),
        "shared": int(settings.get("shared", 0)),
        "enabled": int(enabled),
        "active": int(enabled),
        "total": total,
        "used": used,
        "avail": max(total - used, 0),
    }
    return shown


def visible(call: Call, settings: dict[str, Any]) -> bool:
    return not settings.get("nodes") or call["node"] in str(settings["nodes"]).split(",")


@handles("GET", BASE)
def listed(call: Call) -> Any:
    found = []
    for name, settings in call.world.storages.items():
        content = str(settings.get("content", "images,rootdir")).split(",")
        wanted = str(call["content"] or "").replace(";", ",").split(",")
        if (
            not visible(call, settings)
            or (call["storage"] and call["storage"] != name)
            or (call["enabled"] and settings.get("disable"))
            or (call["content"] and not set(wanted) & set(content))
            or (call["target"] and not settings.get("shared") and call["target"] not in call.world.nodes)
            or not call.allows(f"/storage/{name}", *AUDIT, any_of=True)
        ):
            continue
        shown = {"storage": name, **entry(call.world, call["node"], name, settings)}
        if shown["active"]:
            shown["used_fraction"] = shown["used"] / shown["total"]
        found.append(shown)
    return found


@handles("GET", ONE)
def index(call: Call) -> Any:
    return [{"subdir": name} for name in SUBDIRECTORIES.split()]


@handles("GET", f"{ONE}/status")
def status(call: Call) -> Any:
    settings = call.world.storages.get(call["storage"])
    if settings is None or not visible(call, settings):
        raise parameter(storage="No such storage.")
    return entry(call.world, call["node"], call["storage"], settings)


@handles("GET", f"{ONE}/content")
def content(call: Call) -> Any:
    world = call.world
    world.storage(call["storage"], call["node"])
    return [
        volume_entry(volume)
        for volume in world.volumes_of(call["node"], call["storage"])
        if (call["content"] is None or volume.content == call["content"])
        and (call["vmid"] is None or volume.vmid == call["vmid"])
    ]


def volume_entry(volume: Volume) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "volid": volume.volid,
        "content": volume.content,
        "format": volume.format,
        "size": volume.size,
        "ctime": volume.ctime,
    }
    if volume.vmid is not None:
        shown["vmid"] = volume.vmid
    if volume.content in ("images", "rootdir"):
        shown |= {"used": volume.size, "parent": volume.parent}
    if volume.content == "backup":
        shown["subtype"] = "lxc" if "-lxc-" in volume.volid else "qemu"
        if volume.notes:
            shown["notes"] = volume.notes
        if volume.protected:
            shown["protected"] = 1
    return shown


def volid(call: Call) -> str:
    given = str(call["volume"])
    return given if ":" in given else f"{call['storage']}:{given}"


@handles("GET", f"{ONE}/content/{{volume}}")
def volume_info(call: Call) -> Any:
    call.world.storage(call["storage"], call["node"])
    volume = call.world.volume(call["node"], volid(call))
    if volume is None:
        raise Refusal(f"volume_size_info on '{volid(call)}' failed - no format")
    form = volume.format if volume.format in ("raw", "qcow2", "subvol", "vmdk") else "raw"
    shown = {"path": path_of(call.world, volume), "size": volume.size, "used": volume.size, "format": form}
    if volume.content == "backup":
        shown["protected"] = int(volume.protected)
        if volume.notes:
            shown["notes"] = volume.notes
    return shown


def path_of(world: World, volume: Volume) -> str:
    settings = world.storages[volume.storage]
    name = volume.volid.partition(":")[2]
    base = settings.get("path", f"/dev/{settings.get('pool', volume.storage)}")
    folders = {"vztmpl": "template/cache", "iso": "template/iso", "backup": "dump", "snippets": "snippets"}
    if volume.content in folders:
        return f"{base}/{folders[volume.content]}/{name.partition('/')[2]}"
    return f"{base}/images/{name}" if "path" in settings else f"{base}/{name}"


@handles("POST", f"{ONE}/content")
def allocate(call: Call) -> Any:
    world = call.world
    world.storage(call["storage"], call["node"])
    size = parse_size(call["size"]) or 0
    if call["size"].isdigit():
        size *= 1024
    name = call["filename"]
    if not re.match(rf"(vm|base|subvol)-{call['vmid']}-\S+", name):
        raise parameter(filename=f"contains wrong owner/vmid: '{name}'")
    files = world.storages[call["storage"]]["type"] in storages.FILES
    volume = f"{call['storage']}:{call['vmid']}/{name}" if files else f"{call['storage']}:{name}"
    if world.volume(call["node"], volume):
        raise Refusal(f"disk image '{path_of(world, Volume(volume, 0, 'raw', 'images'))}' already exists")
    form = call["format"] or "raw"
    kind = "rootdir" if form == "subvol" else "images"
    made = Volume(volume, size, form, kind, call["vmid"], int(world.clock.now()))
    world.volumes[world.place(call["node"], volume)] = made
    return volume


@handles("DELETE", f"{ONE}/content/{{volume}}")
def delete(call: Call) -> Any:
    world, name = call.world, volid(call)
    world.storage(call["storage"], call["node"])
    volume = world.volume(call["node"], name)
    if call.user != "root@pam":
        call.demand(f"/storage/{call['storage']}", "Datastore.Allocate")
    owner = re.search(r"(?:vm|subvol|base|vzdump-(?:lxc|qemu))-(\d+)", name)
    subject = f"{owner[1]}@{call['storage']}" if owner else call["storage"]

    def work(task: Task) -> None:
        if volume is not None and volume.protected:
            raise Refusal(f"cannot remove protected volume '{name.partition(':')[2]}' on '{call['storage']}'")
        storages.remove(world, call["node"], name)
        task.log(f"Removed volume '{name}'")

    return call.task("imgdel", subject, work)


@handles("PUT", f"{ONE}/content/{{volume}}")
def update(call: Call) -> Any:
    volume = call.world.volume(call["node"], volid(call))
    if volume is None:
        raise Refusal(f"volume '{volid(call)}' does not exist")
    if call["notes"] is not None:
        volume.notes = call["notes"]
    if call["protected"] is not None:
        volume.protected = bool(call["protected"])


@handles("GET", f"{ONE}/prunebackups")
def prunable(call: Call) -> Any:
    call.world.storage(call["storage"], call["node"])
    return [
        {
            "volid": volume.volid,
            "ctime": volume.ctime,
            "mark": "protected" if volume.protected else "keep",
            "type": volume_entry(volume)["subtype"],
            "vmid": volume.vmid,
        }
        for volume in call.world.volumes_of(call["node"], call["storage"])
        if volume.content == "backup" and (call["vmid"] is None or volume.vmid == call["vmid"])
    ]


@handles("POST", f"{ONE}/download-url")
def download(call: Call) -> Any:
    """There is no network: what is downloaded is empty; the address http://127.0.0.1:1/ refuses."""
    world, name = call.world, call["filename"]
    world.storage(call["storage"], call["node"])
    folder = {"vztmpl": "template/cache", "iso": "template/iso", "import": "import"}[call["content"]]

    def work(task: Task) -> Steps:
        path = f"{world.storages[call['storage']].get('path', '')}/{folder}/{name}"
        task.log(f"downloading {call['url']} to {path}")
        if "://127.0.0.1:1/" in call["url"]:
            raise Refusal("download failed: Connecting to 127.0.0.1:1... failed: Connection refused.")
        yield 2.0
        place = f"{call['storage']}:{call['content']}/{name}"
        made = Volume(place, 1024, name.rpartition(".")[2], call["content"], None, int(world.clock.now()))
        world.volumes[world.place(call["node"], place)] = made

    return call.task("download", name, work)


@handles("POST", f"{ONE}/upload")
def upload(call: Call) -> Any:
    world, name = call.world, call["filename"]
    world.storage(call["storage"], call["node"])

    def work(task: Task) -> None:
        place = f"{call['storage']}:{call['content']}/{name}"
        made = Volume(
            place,
            len(call.api.uploads.get(call["tmpfilename"], b"")),
            name.rpartition(".")[2],
            call["content"],
            None,
            int(world.clock.now()),
        )
        world.volumes[world.place(call["node"], place)] = made

    return call.task("imgcopy", "", work)
