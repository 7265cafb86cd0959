# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of module lxc_container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.host import read_info
from tests.doubles.lxc import PATH, LxcHost

from .laws import Case

OLD = """# made by hand
lxc.uts.name = web
lxc.rootfs.path = dir:/tank/machines/web/root

lxc.net.0.type = veth
lxc.net.0.ipv4.address = 192.0.2.30/24
lxc.cgroup2.memory.max = 512M
lxc.mount.entry = /one one none bind 0 0
lxc.mount.entry = /two two none bind 0 0
lxc.unheard.of = kept
"""
NEW = {
    "lxc.uts.name": "ssa",
    "lxc.net.0.type": "veth",
    "lxc.net.0.ipv4.address": "192.0.2.21/24",
    "lxc.cgroup2.memory.max": "1G",
}


def export(host: Host) -> Mapping[str, Any]:
    return read_info(host, {})


def one(**item: Any) -> dict[str, Any]:
    return {"containers": [item]}


def web(**item: Any) -> dict[str, Any]:
    return one(name="web", **item)


def running() -> LxcHost:
    return LxcHost({"web": OLD}, up=["web"])


def stopped() -> LxcHost:
    return LxcHost({"web": OLD})


def with_data() -> LxcHost:
    host = LxcHost({"web": OLD, "db": OLD}, up=["web"])
    host.files[f"{PATH}/web/rootfs/etc/hostname"] = "web\n"
    return host


def frozen() -> LxcHost:
    host = running()
    host.lxc.state["up"]["web"]["state"] = "FROZEN"
    return host


def case(name: str, host: Any, params: Mapping[str, Any], **more: Any) -> Case:
    return Case("lxc_container", name, host, params, **{"export": export, **more})


SSA = {"name": "ssa", "rootfs": "/tank/machines/ssa/root", "config": NEW, "check": {"http": "/"}}

CASES = [
    case("new", LxcHost, one(**SSA)),
    case("new beside an old one", running, {"containers": [SSA, {"name": "web", "state": "stopped"}]}),
    case("new and privileged", LxcHost, one(**SSA, privileged=True)),
    case("new only defined", LxcHost, one(**SSA, state="present")),
    case("new and frozen", LxcHost, one(**SSA, state="frozen")),
    case("unchanged", running, web(config={"lxc.cgroup2.memory.max": 512 * 1024**2})),
    case("changed in flight", running, web(config={"lxc.cgroup2.memory.max": "1G", "lxc.start.auto": True})),
    case("changed with restart", running, web(config={"lxc.uts.name": "www", "lxc.start.auto": 1})),
    case("changed at next boot", running, web(config={"lxc.uts.name": "www"}, apply="next_boot")),
    case("changed while stopped", stopped, web(config={"lxc.uts.name": "www"}, state="stopped")),
    case("list shortened", running, web(config={"lxc.mount.entry": ["/two two none bind 0 0"]})),
    case("list cleared", running, web(config={"lxc.cap.drop": ["", "sys_time"]})),
    case("key removed", running, web(config={"lxc.cgroup2.memory.max": None})),
    case("unknown key", running, web(config={"lxc.unheard.of": "new"})),
    case("stopped", running, web(state="stopped")),
    case("restarted", running, web(state="restarted"), export=None),
    case("restarted from stopped", stopped, web(state="restarted"), export=None),
    case("frozen", running, web(state="frozen")),
    case("frozen with restart", frozen, web(state="frozen", config={"lxc.uts.name": "www"})),
    case("unfrozen", frozen, web(state="started")),
    case("absent", running, web(state="absent")),
    case("absent and never there", LxcHost, web(state="absent")),
    case("absent with data", with_data, {**web(state="absent"), "allow_destroy": ["web"]}),
    case(
        "limit not enforced",
        lambda: LxcHost({"web": OLD}, controllers="hugetlb"),
        web(config={"lxc.cgroup2.memory.max": "1G"}, unenforced=["memory"]),
    ),
    case("limit omitted", running, web(omitted={"io": "nobody sees the disk"})),
    case(
        "purge",
        lambda: LxcHost({name: OLD for name in ("test-a", "test-b", "web")}, up=["test-b"]),
        {"containers": [{"name": "test-a"}], "purge": True, "scope": "test-*"},
        outside=("web",),
    ),
]
