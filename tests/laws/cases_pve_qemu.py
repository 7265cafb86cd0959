# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_qemu, against the double of Proxmox VE in process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve.note import Note, print_note
from ansible_collections.twin.datacenter.plugins.module_utils._pve.task_host import run_task
from ansible_collections.twin.datacenter.plugins.modules.pve_qemu_info import read_info
from tests.doubles.pve_guests import IMAGE, ISO, WEB, add_guest, house, machine, renumbered, replicate
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import CANARY, Case

DEFAULTS = {"state": "started", "apply": "now", "timeout": 60, "live": True}
NEW = {
    "node": "castor",
    "source": {"storage": "tank"},
    "config": {
        "cores": 2,
        "memory": 2048,
        "ostype": "l26",
        "scsihw": "virtio-scsi-single",
        "net0": {"model": "virtio", "bridge": "vmbr0"},
        "ipconfig0": {"ip": "192.0.2.32/24", "gw": "192.0.2.1"},
        "sshkeys": "ssh-ed25519 AAAAC3Nz me@home\nssh-ed25519 AAAAC3Oz you@home\n",
        "serial0": "socket",
        "boot": "order=scsi0",
    },
    "disks": {
        "scsi0": {"image": IMAGE, "size": "20G", "discard": "on", "iothread": True},
        "scsi1": {"size": "5G", "backup": False},
        "ide2": {"volume": "cloudinit"},
    },
    "secrets": {"cipassword": CANARY},
}
CLONE = {
    "node": "castor",
    "source": {"clone": "debian-13"},
    "config": {"memory": 4096, "net0": {"tag": 7}, "ciuser": "me"},
    "disks": {"scsi0": {"size": "20G"}},
    "secrets": {"cipassword": CANARY},
}


def params(*guests: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"guests": [{**DEFAULTS, **guest} for guest in guests], **more}


def exported(host: DoubleHost) -> dict[str, Any]:
    return params(*read_info(host, {})["guests"])


def case(name: str, host: Any, *guests: Mapping[str, Any], **more: Any) -> Case:
    outside = more.pop("outside", ())
    verb = any(guest.get("state") == "restarted" for guest in guests)
    return Case("pve_qemu", name, host, params(*guests, **more), None if verb else exported, outside)


def web(**item: Any) -> dict[str, Any]:
    return {"name": "web", **item}


def stopped() -> DoubleHost:
    return machine(running=False)


def template(vmid: int) -> dict[str, Any]:
    """The configuration of a template."""
    config = {**renumbered(WEB, 300, vmid, "debian-13"), "template": 1}
    del config["cipassword"]
    return {**config, "scsi0": config["scsi0"].replace("vm-", "base-")}


def templates() -> DoubleHost:
    """A template of one name on each node."""
    host = machine()
    for vmid, node in ((900, "castor"), (901, "pollux")):
        add_guest(host.world, vmid, template(vmid), node=node)
    return host


NOTE = Note("web", {"home": "castor"}, 3, {"stage": "done"})


def noted() -> DoubleHost:
    """With what is kept of a machine below what people wrote."""
    host = machine()
    host.world.guests[300].config["description"] = f"our web\n\n{print_note(NOTE)}\n"
    return host


def pending() -> DoubleHost:
    host = machine()
    host.world.guests[300].pending = {"cores": 2, "agent": None}
    return host


def backed_up() -> DoubleHost:
    """The backup of a machine that is gone."""
    host = machine(cipassword=None)
    run_task(host, "nodes/castor/vzdump", {"vmid": "300", "storage": "local", "mode": "stop"})
    run_task(host, "nodes/castor/qemu/300/status/stop")
    run_task(host, "nodes/castor/qemu/300", method="DELETE")
    host.api.log.clear()
    return host


BACKUP = next(volume.volid for volume in backed_up().world.volumes.values() if volume.content == "backup")


def with_medium() -> DoubleHost:
    return machine(ide0=f"{ISO},media=cdrom")


def with_mapping() -> DoubleHost:
    host = machine(running=False)
    host.world.file("mapping/pci")["t4"] = {"map": ["node=castor,path=0000:01:00.0,id=10de:1eb8"]}
    return host


def replicated() -> DoubleHost:
    host = machine()
    replicate(host.world, 300)
    return host


CASES = [
    case("new", house, {"name": "new", **NEW}),
    case("new beside an old one", machine, {"name": "new", **NEW, "state": "present"}, web(state="stopped")),
    case("unchanged", machine, web(config={"memory": 1024, "sshkeys": "ssh-ed25519 AAAAC3Nz lab"})),
    case("changed in flight", machine, web(config={"cpulimit": 2, "tags": ["a", "b"], "ciuser": "me"})),
    case("described beside a note", noted, web(config={"description": "our web"})),
    case("described anew beside a note", noted, web(config={"description": "their web"})),
    case("no description but a note", noted, web(config={"description": ""})),
    case(
        "declared with a note",
        noted,
        web(config={"description": print_note(Note("web", {"home": "pollux"}))}),
    ),
    case("changed with restart", machine, web(config={"cores": 2, "cpulimit": 2})),
    case("changed at next boot", machine, web(config={"cores": 2}, apply="next_boot")),
    case("what waits is made to count", pending, web(config={"cores": 2, "agent": None})),
    case("what waits is owed", pending, web(config={"cores": 2}, apply="next_boot")),
    case("changed while stopped", stopped, web(config={"cores": 2}, state="stopped")),
    case("card added", machine, web(config={"net1": {"model": "virtio", "bridge": "vmbr0"}})),
    case("card changed", machine, web(config={"net0": {"bridge": "vmbr1", "firewall": None}})),
    case("card as a text", machine, web(config={"net0": "virtio,bridge=vmbr1"})),
    case("description", machine, web(config={"description": "one\ntwo"})),
    case("disk added", machine, web(disks={"scsi1": {"storage": "tank", "size": "3G", "discard": "on"}})),
    case("disk detached", machine, web(disks={"scsi0": None})),
    case("options of a disk", machine, web(disks={"scsi0": {"backup": False}})),
    case("medium put in", machine, web(disks={"ide0": {"volume": ISO, "media": "cdrom"}})),
    case("medium taken out", with_medium, web(disks={"ide0": {"volume": "none", "media": "cdrom"}})),
    case("device by its mapping", with_mapping, web(config={"hostpci0": {"mapping": "t4"}}, state="stopped")),
    case("cloned", templates, {"name": "new", **CLONE}),
    case(
        "cloned in full",
        templates,
        {"name": "new", **CLONE, "source": {"clone": "debian-13", "full": True, "storage": "fast"}},
    ),
    case(
        "from a backup",
        backed_up,
        {
            "name": "new",
            "source": {"backup": BACKUP, "storage": "fast"},
            "node": "castor",
            "config": {"memory": 2048, "ciuser": "me"},
            "disks": {"scsi0": {"size": "20G"}},
            "secrets": {"cipassword": CANARY},
        },
    ),
    case("grown and moved", machine, web(disks={"scsi0": {"size": "16G", "storage": "fast"}})),
    case("disk removed", machine, web(disks={"scsi0": {"state": "absent"}}), allow_destroy=["web/scsi0"]),
    case("moved", machine, web(node="pollux")),
    case("moved with a stop", machine, web(node="pollux", live=False)),
    case("moved while stopped", stopped, web(node="pollux", state="stopped")),
    case("moved at next boot", machine, web(node="pollux", live=False, apply="next_boot")),
    case("template", machine, web(state="template")),
    case("snapshot", machine, web(snapshots=[{"name": "mine", "memory": True}])),
    case("started", stopped, web()),
    case("stopped", machine, web(state="stopped")),
    case("restarted", machine, web(state="restarted")),
    case("secret written anew", machine, web(secrets={"cipassword": CANARY}), update_secrets=True),
    case("secret is there", machine, web(secrets={"cipassword": CANARY})),
    case("absent", machine, web(state="absent"), allow_destroy=["web"]),
    case("absent with its copies", replicated, web(state="absent"), allow_destroy=["web"]),
]
