# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module pve_lxc, against the double of Proxmox VE in process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._pve.note import Note, print_note
from ansible_collections.twin.datacenter.plugins.module_utils._pve.task_host import run_task
from ansible_collections.twin.datacenter.plugins.modules.pve_lxc_info import read_info
from tests.doubles.pve_guests import ARCHIVE, SSA, add_guest, container, house, renumbered, replicate
from tests.doubles.pve_host import DoubleHost
from tests.laws.laws import CANARY, Case

DEFAULTS = {"state": "started", "apply": "now", "timeout": 60}
NEW = {
    "node": "castor",
    "source": {"template": ARCHIVE, "storage": "tank"},
    "config": {"cores": 2, "memory": 1024, "net0": {"name": "eth0", "bridge": "vmbr0"}},
    "disks": {"rootfs": {"size": "8G"}, "mp0": {"size": "2G", "mp": "/srv", "backup": False}},
    "secrets": {"password": CANARY},
}
CLONE = {"config": {"memory": 1024, "net0": {"tag": 7}}, "disks": {"rootfs": {"size": "10G"}}}
FEATURES = {"features": {"nesting": False}}


def params(*guests: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"guests": [{**DEFAULTS, **guest} for guest in guests], **more}


def exported(host: DoubleHost) -> dict[str, Any]:
    return params(*read_info(host, {})["guests"])


def case(name: str, host: Any, *guests: Mapping[str, Any], **more: Any) -> Case:
    outside = more.pop("outside", ())
    verb = any(guest.get("state") == "restarted" for guest in guests)
    return Case("pve_lxc", name, host, params(*guests, **more), None if verb else exported, outside)


def ssa(**item: Any) -> dict[str, Any]:
    return {"name": "ssa", **item}


NOTE = Note("ssa", {"home": "castor"}, 3, {"stage": "done"})


def noted() -> DoubleHost:
    """With what is kept of a machine below what people wrote."""
    host = container()
    host.world.guests[200].config["description"] = f"our ssa\n\n{print_note(NOTE)}\n"
    return host


def replicated(**job: Any) -> DoubleHost:
    host = container()
    replicate(host.world, 200, **job)
    return host


def pending() -> DoubleHost:
    host = container()
    host.world.guests[200].pending = {"features": "nesting=0"}
    return host


def several() -> DoubleHost:
    host = container()
    for vmid, name in ((201, "test-a"), (202, "test-b"), (203, "db")):
        add_guest(host.world, vmid, renumbered(SSA, 200, vmid, name), running=vmid == 202)
    return host


def templates() -> DoubleHost:
    """A template of one name on each node."""
    host = container()
    for vmid, node in ((900, "castor"), (901, "pollux")):
        config = renumbered(SSA, 200, vmid, "debian-13") | {"template": 1}
        config |= {"rootfs": f"tank:basevol-{vmid}-disk-0,size=8G"}
        add_guest(host.world, vmid, {key: config[key] for key in config if key != "mp0"}, node=node)
    return host


def backed_up() -> DoubleHost:
    """The backup of a container that is gone."""
    host = container()
    run_task(host, "nodes/castor/vzdump", {"vmid": "200", "storage": "local", "mode": "stop"})
    run_task(host, "nodes/castor/lxc/200", {"force": 1}, method="DELETE")
    host.api.log.clear()
    return host


BACKUP = next(volume.volid for volume in backed_up().world.volumes.values() if volume.content == "backup")


def saved(*names: str) -> DoubleHost:
    host = container()
    for name in names:
        run_task(host, "nodes/castor/lxc/200/snapshot", {"snapname": name})
    host.api.log.clear()
    return host


CASES = [
    case("new", house, {"name": "new", **NEW}),
    case("new with a number", house, {"name": "new", "vmid": 150, **NEW}),
    case(
        "new beside an old one", container, {"name": "new", **NEW, "state": "present"}, ssa(state="stopped")
    ),
    case("two new ones", house, {"name": "one", **NEW}, {"name": "two", **NEW, "node": "pollux"}),
    case("unchanged", container, ssa(config={"memory": "512", "tags": ["web", "lab"], "protection": False})),
    case("changed in flight", container, ssa(config={"memory": 1024, "cores": None, "tags": "lab"})),
    case("described beside a note", noted, ssa(config={"description": "our ssa"})),
    case("described anew beside a note", noted, ssa(config={"description": "their ssa"})),
    case("no description but a note", noted, ssa(config={"description": ""})),
    case(
        "declared with a note",
        noted,
        ssa(config={"description": print_note(Note("ssa", {"home": "pollux"}))}),
    ),
    case("changed with restart", container, ssa(config={**FEATURES, "cores": 2})),
    case("changed at next boot", container, ssa(config=FEATURES, apply="next_boot")),
    case("what waits is made to count", pending, ssa(config=FEATURES)),
    case("what waits is owed", pending, ssa(config=FEATURES, apply="next_boot")),
    case("changed while stopped", lambda: container(running=False), ssa(config=FEATURES, state="stopped")),
    case("card changed", container, ssa(config={"net0": {"tag": 5, "firewall": None}})),
    case("card as a text", container, ssa(config={"net0": "name=eth0,bridge=vmbr1"})),
    case("renamed", container, {"name": "other", "vmid": 200}),
    case("mount added", container, ssa(disks={"mp1": {"storage": "tank", "size": "3G", "mp": "/more"}})),
    case("mount detached", container, ssa(disks={"mp0": None})),
    case("mount detached at next boot", container, ssa(disks={"mp0": None}, apply="next_boot")),
    case(
        "mount removed",
        container,
        ssa(disks={"mp0": {"state": "absent"}}),
        allow_destroy=["ssa/mp0"],
    ),
    case("folder of the node mounted", container, ssa(disks={"mp3": {"volume": "/srv/x", "mp": "/x"}})),
    case("options of a mount", container, ssa(disks={"mp0": {"backup": False}})),
    case("grown", container, ssa(disks={"rootfs": {"size": "16G"}})),
    case("disk moved", container, ssa(disks={"mp0": {"storage": "fast", "size": "2G"}})),
    case("cloned", templates, {"name": "new", "source": {"clone": "debian-13"}, "node": "castor", **CLONE}),
    case(
        "cloned by number",
        templates,
        {
            "vmid": 150,
            "source": {"clone": "900", "full": True, "storage": "fast"},
            "node": "castor",
            "state": "stopped",
        },
    ),
    case(
        "cloned on the other", templates, {"name": "new", "source": {"clone": "debian-13"}, "node": "pollux"}
    ),
    case(
        "from a backup",
        backed_up,
        {
            "name": "new",
            "source": {"backup": BACKUP, "storage": "fast"},
            "node": "castor",
            "config": {"memory": 256},
            "disks": {"rootfs": {"size": "9G"}},
        },
    ),
    case("moved", container, ssa(node="pollux")),
    case("moved while stopped", lambda: container(running=False), ssa(node="pollux", state="stopped")),
    case("moved and changed", container, ssa(node="pollux", config={**FEATURES, "memory": 1024})),
    case("moved at next boot", container, ssa(node="pollux", apply="next_boot")),
    case("template", container, ssa(state="template")),
    case("snapshot", container, ssa(snapshots=[{"name": "mine", "description": "x"}])),
    case(
        "snapshot removed",
        lambda: saved("mine"),
        ssa(snapshots=[{"name": "mine", "state": "absent"}]),
        allow_destroy=["ssa@mine"],
    ),
    case(
        "series",
        lambda: saved("a-20200101T000000Z", "a-20200102T000000Z"),
        ssa(snapshots=[{"prefix": "a-", "every": "1000w", "keep": 1}]),
    ),
    case("series begun", container, ssa(snapshots=[{"prefix": "a-", "every": "1h", "keep": 2}])),
    case("started", lambda: container(running=False), ssa()),
    case("stopped", container, ssa(state="stopped")),
    case("restarted", container, ssa(state="restarted")),
    case("restarted from stopped", lambda: container(running=False), ssa(state="restarted")),
    case("absent", container, ssa(state="absent"), allow_destroy=["ssa"]),
    case("absent with its copies", replicated, ssa(state="absent"), allow_destroy=["ssa"]),
    case(
        "absent with the copies of a job that rests",
        lambda: replicated(disable=1),
        ssa(state="absent"),
        allow_destroy=["ssa"],
    ),
    case("absent and never there", house, ssa(state="absent")),
    case(
        "purge",
        several,
        {"name": "test-a", "state": "stopped"},
        purge=True,
        scope="test-*",
        allow_destroy=["test-b"],
        outside=("ssa", "db"),
    ),
]
