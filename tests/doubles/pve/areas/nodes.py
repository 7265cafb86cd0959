# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes: their list, index and status. Rests on PVE::API2::Nodes (pve-manager) and the recorded exchanges."""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.areas.version import REPOSITORY
from tests.doubles.pve.world import RELEASES, Node, World

SUBDIRECTORIES = (
    "aplinfo apt capabilities ceph certificates config disks dns firewall hardware hosts journal lxc "
    "migrateall netstat "
    "network qemu query-oci-repo-tags query-url-metadata replication report rrd rrddata scan sdn services "
    "spiceshell "
    "startall status stopall storage subscription suspendall syslog tasks termproxy time version vncshell "
    "vzdump wakeonlan"
)
KERNEL = "6.14.8-2-pve"
FLAGS = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2"


def load(world: World, node: Node) -> dict[str, Any]:
    """What list and resources have in common."""
    if not node.online:
        return {"maxcpu": node.cpus, "maxmem": node.memory, "maxdisk": node.disk}
    return {
        "cpu": 0.05,
        "maxcpu": node.cpus,
        "mem": node.memory // 8,
        "maxmem": node.memory,
        "disk": node.disk // 8,
        "maxdisk": node.disk,
        "uptime": uptime(world, node),
    }


def uptime(world: World, node: Node) -> int:
    """Seconds since it was switched on."""
    booted = node.facts.get("booted")
    return 4000 if booted is None else int(world.clock.now() - booted)


@handles("GET", "/nodes")
def listed(call: Call) -> Any:
    return [
        {
            "node": node.name,
            "id": f"node/{node.name}",
            "type": "node",
            "status": "online" if node.online else "offline",
            "level": "",
            "ssl_fingerprint": node.fingerprint,
            **(load(call.world, node) if call.allows(f"/nodes/{node.name}", "Sys.Audit") else {}),
        }
        for node in call.world.nodes.values()
    ]


@handles("GET", "/nodes/{node}")
def index(call: Call) -> Any:
    return [{"name": name} for name in SUBDIRECTORIES.split()]


@handles("GET", "/nodes/{node}/status")
def status(call: Call) -> Any:
    node = call.node()
    used, kernel = node.memory // 8, node.facts.get("kernel", KERNEL)
    return {
        "uptime": uptime(call.world, node),
        "cpu": 0.05,
        "wait": 0,
        "idle": 0,
        "loadavg": ["0.10", "0.08", "0.05"],
        "kversion": f"Linux {kernel} #1 SMP PREEMPT_DYNAMIC",
        "current-kernel": {
            "sysname": "Linux",
            "release": kernel,
            "version": "#1 SMP PREEMPT_DYNAMIC",
            "machine": "x86_64",
        },
        "boot-info": {"mode": "legacy-bios"},
        "pveversion": f"pve-manager/{RELEASES[call.world.release]}/{REPOSITORY}",
        "memory": {
            "total": node.memory,
            "used": used,
            "free": node.memory - used,
            "available": node.memory - used,
        },
        "swap": {"total": 0, "used": 0, "free": 0},
        "rootfs": {
            "total": node.disk,
            "used": node.disk // 8,
            "free": node.disk // 2,
            "avail": node.disk // 2,
        },
        "ksm": {"shared": 0},
        "cpuinfo": {
            "model": "Intel(R) Xeon(R) Processor",
            "vendor": "GenuineIntel",
            "family": "6",
            "sockets": 1,
            "cores": node.cpus,
            "cpus": node.cpus,
            "mhz": "2600.000",
            "hvm": "1",
            "user_hz": 100,
            "flags": FLAGS,
        },
    }
