# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of module jail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Host
from ansible_collections.twin.datacenter.plugins.module_utils._jail.host import read_info
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.kernel import Interface

from .laws import Case

ROOTS = "/tank/machines"
OLD = """# made by hand
$domain = "example.org";
web {
    path = "/tank/machines/web/root";   // its own
    host.hostname = "web.$domain";
    ip4.addr = 192.0.2.30;
    exec.start = "/bin/sh /etc/rc";
    exec.stop = "/bin/sh /etc/rc.shutdown jail";
    exec.consolelog = "/var/log/jail_web.log";
    mount.devfs;
    devfs_ruleset = 4;
    persist;
}
"""
NEW = {
    "host.hostname": "ssa",
    "exec.start": "/bin/sh /etc/rc",
    "exec.stop": "/bin/sh /etc/rc.shutdown jail",
    "exec.clean": True,
    "mount.devfs": True,
    "devfs_ruleset": 5,
    "persist": True,
}
SSA = {"name": "ssa", "path": f"{ROOTS}/ssa/root", "parameters": NEW}
CARD = {"bridge": "br0", "mac": "02:00:00:00:00:2a", "addresses": ["192.0.2.21/24"], "gateway": ["192.0.2.1"]}


class Server(FreebsdHost):
    """A server with a bridge, and with folders for the machines of these cases."""

    def __init__(self, files: Mapping[str, str] | None = None, **more: Any) -> None:
        places = [f"{ROOTS}/{name}/{place}" for name in NAMES for place in ("root/dev", "root/srv", "data")]
        up = more.pop("up", ())
        super().__init__(files, folders=places, **more)
        self.kernel.interfaces.append(Interface("br0", kind="bridge"))
        for name in up:
            self.start(name)


NAMES = ("ssa", "web", "db", "test-a", "test-b")


def export(host: Host) -> Mapping[str, Any]:
    return {"jails": read_info(host, {})["jails"]}


def file(name: str) -> str:
    return f"/etc/jail.conf.d/{name}.conf"


def old(*names: str) -> dict[str, str]:
    return {
        file(name): OLD.replace("web", name).replace(".30", f".{30 + number}")
        for number, name in enumerate(names)
    }


def one(**item: Any) -> dict[str, Any]:
    return {"jails": [item]}


def web(**item: Any) -> dict[str, Any]:
    return one(name="web", **item)


def running() -> FreebsdHost:
    return Server(old("web"), up=["web"])


def shelved() -> FreebsdHost:
    """A jail with a file of mounts, in which somebody wrote."""
    text = OLD.replace("persist;", 'persist; mount.fstab = "/etc/fstab.web";')
    mounts = f"# mine\n{ROOTS}/web/data {ROOTS}/web/root/srv nullfs ro\n"
    return Server({file("web"): text, "/etc/fstab.web": mounts}, up=["web"])


def stopped() -> FreebsdHost:
    return Server(old("web"))


def booting() -> FreebsdHost:
    conf = 'jail_enable="YES"\njail_list="web db"\n'
    return Server({**old("web", "db"), "/etc/rc.conf": conf}, up=["web", "db"])


def unlimited() -> FreebsdHost:
    host = Server(old("web"), up=["web"])
    host.kernel.racct = False
    return host


def limited() -> FreebsdHost:
    host = Server(
        {
            **old("web"),
            "/etc/rctl.conf": "# mine\njail:web:maxproc:deny=10\nuser:bob:maxproc:deny=5\n",
            "/etc/rc.conf": 'rctl_enable="YES"\n',
        },
        up=["web"],
    )
    host.world.call(["rctl", "-a", "jail:web:maxproc:deny=20"])
    return host


def littered() -> FreebsdHost:
    """A start that somebody cut short has left its cable."""
    host = stopped()
    for argv in (["ifconfig", "epair7", "create"], ["ifconfig", "epair7a", "name", "e0a_web"]):
        assert host.world.call(argv).rc == 0
    return host


def case(name: str, host: Any, params: Mapping[str, Any], **more: Any) -> Case:
    return Case("jail", name, host, params, **{"export": export, **more})


CASES = [
    case("new", Server, one(**SSA)),
    case("new on 15", lambda: Server(release="15.0"), one(**SSA)),
    case("new beside an old one", running, {"jails": [SSA, {"name": "web", "state": "stopped"}]}),
    case("new only defined", Server, one(**SSA, state="present")),
    case("new with network, limits, mounts, rules", Server, one(
        **SSA | {"parameters": {key: value for key, value in NEW.items() if key != "devfs_ruleset"}},
        interfaces=[CARD],
        limits={"memoryuse": "1G", "pcpu": 200, "readbps": "10M"},
        mounts=[{"source": f"{ROOTS}/ssa/data", "target": "/srv"}],
        cpuset="0-1",
        fstab=["tmpfs /tank/machines/ssa/root/srv tmpfs rw 0 0"],
        devfs=["path 'bpf*' unhide"],
        boot=True,
    )),
    case("unchanged", running, web(parameters={"ip4.addr": "192.0.2.30", "persist": 1})),
    case("changed in flight", running, web(parameters={"allow.raw_sockets": True, "exec.prepare": "true"})),
    case("file of mounts changed", shelved, web(fstab=["tmpfs /tank/machines/web/root/srv tmpfs rw 0 0"])),
    case("processors changed in flight", running, web(cpuset="0-1")),
    case("changed with restart", running, web(parameters={"exec.clean": True, "exec.prepare": "true"})),
    case("changed at next boot", running, web(parameters={"exec.clean": True}, apply="next_boot")),
    case("changed while stopped", stopped, web(parameters={"exec.clean": True}, state="stopped")),
    case("network given", running, web(parameters={"ip4.addr": None}, interfaces=[CARD])),
    case("parameter removed", running, web(parameters={"persist": None, "exec.consolelog": None})),
    case("list changed", running, web(parameters={"exec.start": ["/bin/sh /etc/rc", "/usr/bin/true"]})),
    case("stopped", running, web(state="stopped")),
    case("restarted", running, web(state="restarted"), export=None),
    case("restarted from stopped", stopped, web(state="restarted"), export=None),
    case("limits changed in both places", limited, web(limits={"maxproc": 30})),
    case("limit brought to one value", limited, web(limits={"maxproc": 20})),
    case("limit removed", limited, web(limits={"maxproc": None})),
    case("limit not enforced", unlimited, web(limits={"maxproc": 30}, unenforced=["maxproc"])),
    case("limit omitted", running, web(omitted={"io": "rctl(8) has no such resource"})),
    case("swept and started", littered, web()),
    case("swept", littered, web(state="stopped")),
    case("at boot", running, web(boot=True)),
    case("not at boot", booting, web(boot=False)),
    case("at boot after another", booting, web(depend=["db"])),
    case("absent", booting, web(state="absent")),
    case("absent with limits", limited, web(state="absent")),
    case("absent and never there", Server, web(state="absent")),
    case(
        "one after the other",
        Server,
        {"jails": [
            {**SSA, "name": "web", "path": f"{ROOTS}/web/root", "depend": ["db"], "boot": True},
            {**SSA, "name": "db", "path": f"{ROOTS}/db/root", "boot": True},
        ]},
    ),
    case(
        "stopped in turn",
        booting,
        {"jails": [
            {"name": "db", "state": "stopped"},
            {"name": "web", "state": "stopped", "depend": ["db"]},
        ]},
    ),
    case(
        "purge",
        lambda: Server(old("test-a", "test-b", "web"), up=["test-b"]),
        {"jails": [{"name": "test-a"}], "purge": True, "scope": "test-*"},
        outside=("web",),
    ),
]  # fmt: skip
