# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The facts of one server: the only file of this folder that touches the system."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from .._core.errors import CommandMissing
from .._core.host import Host
from .._core.platform import platform_of
from .._core.values import format_size
from .._system.host import installed_versions
from .._zfs.pool import parse_values
from .model import Fact

# Kernels hide parts of the memory, so that equal machines differ by some MiB.
MEMORY_STEP = 256 * 1024**2
# What a pool is made for; the rest of its properties is its present state.
POOL_PROPERTIES = {"version": "blocker", "size": "warning"} | dict.fromkeys(
    ("ashift", "autoexpand", "autoreplace", "failmode"), "note"
)


def read_facts(host: Host, pool: str, bridge: str, packages: Iterable[str]) -> list[Fact]:
    """All facts, technology by technology."""
    return [
        *_hardware(host),
        *_system(host, sorted(set(packages))),
        *_network(host, bridge),
        *_pool(host, pool),
        *_images(host, pool),
    ]


def _hardware(host: Host) -> Iterator[Fact]:
    processors = host.read("/proc/cpuinfo") or ""
    model = re.search(r"^model name\s*: (.*)$", processors, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)$", processors, re.MULTILINE)
    memory = platform_of(host).memory(host)
    yield Fact("architecture", host.run(["uname", "-m"]).out.strip(), "blocker")
    yield Fact("processor model", model[1] if model else None, "warning")
    yield Fact("processor flags", sorted(flags[1].split()) if flags else None, "warning")
    yield Fact("processors", len(re.findall(r"^processor\s*:", processors, re.MULTILINE)), "warning")
    if memory:
        steps = round(memory / MEMORY_STEP)
        yield Fact("memory", format_size(steps * MEMORY_STEP), "warning")


def _system(host: Host, packages: Sequence[str]) -> Iterator[Fact]:
    release = re.search(r'^VERSION_ID="?([^"\n]*)', host.read("/etc/os-release") or "", re.MULTILINE)
    yield Fact("Debian release", release[1] if release else None, "blocker")
    yield Fact("kernel release", host.run(["uname", "-r"]).out.strip(), "warning")
    versions = installed_versions(host, packages)
    yield from (Fact(f"package {name}", versions.get(name), "warning") for name in packages)


def _network(host: Host, bridge: str) -> Iterator[Fact]:
    interfaces = host.listing("/sys/class/net")
    yield Fact(f"bridge {bridge}", "present" if bridge in interfaces else None, "blocker")
    for name in interfaces:
        if host.listing(f"/sys/class/net/{name}/device"):
            # Reading the speed of an interface without carrier is an error.
            speed = host.run(["cat", f"/sys/class/net/{name}/speed"], ok=(0, 1)).out.strip()
            yield Fact(f"interface {name}", f"{speed} Mb/s" if speed.isdigit() else "no carrier", "warning")


def _pool(host: Host, pool: str) -> Iterator[Fact]:
    try:
        answer = host.run(["zpool", "get", "all", pool], ok=(0, 1))
    except CommandMissing:
        return
    values = parse_values(answer.out).get(pool, {})
    for name, weight in POOL_PROPERTIES.items():
        yield Fact(f"pool {name}", values[name].value if name in values else None, weight)
    features = [
        name for name, found in values.items() if name.startswith("feature@") and found.value != "disabled"
    ]
    yield Fact("pool features", sorted(features), "blocker")


def _images(host: Host, pool: str) -> Iterator[Fact]:
    try:
        # zfs list of zfs-fuse rounds a GUID to three digits.
        listed = host.run(
            ["zfs", "get", "-r", "-H", "-p", "-o", "name,value", "guid", f"{pool}/images"], ok=(0, 1)
        )
    except CommandMissing:
        return
    for line in listed.out.splitlines():
        name, guid = line.split("\t")
        dataset, _at, snapshot = name.partition("@")
        if snapshot == "base":
            yield Fact(f"image {dataset.rpartition('/')[2]}", guid, "blocker")
