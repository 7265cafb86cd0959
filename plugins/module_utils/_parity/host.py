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
    hardware, system, network = _OWN[host.system]
    return [
        Fact("architecture", host.run(["uname", "-m"]).out.strip(), "blocker"),
        *hardware(host),
        *_memory(host),
        *system(host),
        Fact("kernel release", host.run(["uname", "-r"]).out.strip(), "warning"),
        *_packages(host, sorted(set(packages))),
        *network(host, bridge),
        *_pool(host, pool),
        *_images(host, pool),
    ]


def _memory(host: Host) -> Iterator[Fact]:
    memory = platform_of(host).memory(host)
    if memory:
        steps = round(memory / MEMORY_STEP)
        yield Fact("memory", format_size(steps * MEMORY_STEP), "warning")


def _packages(host: Host, packages: Sequence[str]) -> Iterator[Fact]:
    versions = installed_versions(host, packages)
    return (Fact(f"package {name}", versions.get(name), "warning") for name in packages)


def _linux_hardware(host: Host) -> Iterator[Fact]:
    processors = host.read("/proc/cpuinfo") or ""
    model = re.search(r"^model name\s*: (.*)$", processors, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)$", processors, re.MULTILINE)
    yield Fact("processor model", model[1] if model else None, "warning")
    yield Fact("processor flags", sorted(flags[1].split()) if flags else None, "warning")
    yield Fact("processors", len(re.findall(r"^processor\s*:", processors, re.MULTILINE)), "warning")


def _linux_system(host: Host) -> Iterator[Fact]:
    release = re.search(r'^VERSION_ID="?([^"\n]*)', host.read("/etc/os-release") or "", re.MULTILINE)
    yield Fact("release", release[1] if release else None, "blocker")


def _linux_network(host: Host, bridge: str) -> Iterator[Fact]:
    interfaces = host.listing("/sys/class/net")
    yield Fact(f"bridge {bridge}", "present" if bridge in interfaces else None, "blocker")
    for name in interfaces:
        if host.listing(f"/sys/class/net/{name}/device"):
            # Reading the speed of an interface without carrier is an error.
            speed = host.run(["cat", f"/sys/class/net/{name}/speed"], ok=(0, 1)).out.strip()
            yield Fact(f"interface {name}", f"{speed} Mb/s" if speed.isdigit() else "no carrier", "warning")


def _freebsd_hardware(host: Host) -> Iterator[Fact]:
    # Features of its processor are told by the kernel in its messages at boot only.
    model, number = host.run(["sysctl", "-n", "hw.model", "hw.ncpu"]).out.splitlines()
    yield Fact("processor model", model, "warning")
    yield Fact("processors", int(number), "warning")


def _freebsd_system(host: Host) -> Iterator[Fact]:
    # freebsd-version(1), the userland: "14.3-RELEASE-p2", without "-p" when it has no patch yet.
    release, _mark, patch = host.run(["freebsd-version", "-u"]).out.strip().partition("-p")
    yield Fact("release", release, "blocker")
    yield Fact("patch level", patch or "0", "warning")
    # A machine with limits does not start where the kernel counts nothing (rctl(8)).
    racct = host.run(["sysctl", "-n", "kern.racct.enable"]).out.strip()
    yield Fact("limits of machines", "on" if racct == "1" else "off", "blocker")


def _freebsd_network(host: Host, bridge: str) -> Iterator[Fact]:
    """ifconfig(8): what is made by software belongs to a group, and only hardware has media."""
    interfaces = dict(
        re.findall(r"^(\S+): (.*\n(?:\s.*\n)*)", host.run(["ifconfig", "-a"]).out, re.MULTILINE)
    )
    yield Fact(f"bridge {bridge}", "present" if bridge in interfaces else None, "blocker")
    for name, text in interfaces.items():
        if "\tmedia: " in text and "\tgroups: " not in text:
            speed = re.search(r"\tmedia: .*\((\S+).*\)", text) if "\tstatus: active" in text else None
            yield Fact(f"interface {name}", speed[1] if speed else "no carrier", "warning")


# What each operating system has to be asked in its own way.
_OWN = {
    "Linux": (_linux_hardware, _linux_system, _linux_network),
    "FreeBSD": (_freebsd_hardware, _freebsd_system, _freebsd_network),
}


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
