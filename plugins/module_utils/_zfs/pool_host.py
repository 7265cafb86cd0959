# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pools of a host, what its disks are used for, and the steps that change pools."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._core.errors import CommandMissing
from .._core.host import Host, WritableHost
from .._core.plan import Step
from .host import patiently, usage_of
from .model import PropertyKind, parse_options, parse_property_table
from .pool import Pool, State, WantedPool, exported, parse_status, parse_values


def read_pools(host: Host, wanted: Sequence[WantedPool]) -> State:
    """The pools of a host and the state of the declared devices, by a few commands in all."""
    try:
        table = property_table(host)
    except CommandMissing:
        if host.writable:
            raise
        table, pools = {}, {}
    else:
        keys = {key for item in wanted for key in item.properties}
        known = sorted(
            key for key in keys if key in table or (key.startswith("feature@") and "feature@..." in table)
        )
        pools = list_pools(host, known)
    declared = [device for item in wanted for vdev in item.vdevs for device in vdev.devices]
    shown = [device for pool in pools.values() for vdev in pool.vdevs for device in vdev.devices]
    real = real_names(host, [*declared, *shown])
    held = {real[device] for device in shown}
    free = [device for device in declared if real[device] not in held and device not in shown]
    missing = frozenset(device for device in free if not _exists(host, real[device]))
    return State(
        pools,
        table,
        _uses(host, [device for device in free if device not in missing], real)
        | {device: f"it is in pool {name}" for name, device in _of_other_pools(wanted, pools, real)},
        # A file that another task will have made is no fault in check mode; a disk that is not there is.
        missing if host.writable else frozenset(device for device in missing if device.startswith("/dev/")),
        real,
        frozenset(item.name for item in wanted if item.name not in pools and host.listing(f"/{item.name}")),
    )


def property_table(host: Host) -> dict[str, PropertyKind]:
    """What pool properties this host's ZFS has.

    :raises CommandMissing: when there is no zpool(8), or nothing that it could talk to.
    """
    return parse_property_table(usage_of(host, "zpool", "get"))


def zpool_options(host: Host) -> dict[str, frozenset[str]]:
    """Per command of this host's zpool(8) the letters of its options."""
    return parse_options(usage_of(host, "zpool"))


def list_pools(host: Host, keys: Sequence[str] = ("all",)) -> dict[str, Pool]:
    """All imported pools with these properties."""
    options = zpool_options(host)
    # zfs-fuse has neither: it prints full paths of files, short names of disks, and tables.
    full_paths = ["-P"] if "P" in options["status"] else []
    plain = ["-Hp"] if options["get"] >= {"H", "p"} else []
    pools = parse_status(host.run(["zpool", "status", *full_paths]).out)
    if not pools or not keys:
        return pools
    values = parse_values(host.run(["zpool", "get", *plain, ",".join(keys), *pools]).out)
    return {name: replace(pool, properties=values.get(name, {})) for name, pool in pools.items()}


def export_pools(host: Host) -> list[dict[str, Any]]:
    """The pools of a host as options of module zfs_pool."""
    table = property_table(host)
    pools = {
        name: replace(
            pool,
            properties={
                key: held
                for key, held in pool.properties.items()
                if not key.startswith("feature@") and key in table and table[key].editable
            },
        )
        for name, pool in list_pools(host).items()
    }
    return exported(pools)


def pool_health(host: Host) -> dict[str, dict[str, Any]]:
    """How the pools are: state, faulty devices, errors, and figures of space in bytes."""
    columns = ["name", "size", "allocated", "free"]
    exact = ["-p"] if "p" in zpool_options(host)["list"] else []
    out = host.run(["zpool", "list", "-H", *exact, "-o", ",".join(columns)]).out
    space = {
        line.split("\t")[0]: dict(zip(columns, line.split("\t"), strict=True)) for line in out.splitlines()
    }
    return {
        name: {
            "state": pool.health,
            "faulty": dict(pool.faulty),
            "errors": pool.errors,
            **{key: value for key, value in space.get(name, {}).items() if key != "name"},
        }
        for name, pool in list_pools(host, ()).items()
    }


def real_names(host: Host, devices: Iterable[str]) -> dict[str, str]:
    """What each name leads to, links followed; a name that leads nowhere stands for itself."""
    names = sorted(set(devices))
    if not names:
        return {}
    # Exit code 1: a folder on the way does not exist; that name is not printed, so one by one.
    out = host.run(["readlink", "-f", *names], ok=(0, 1)).out.splitlines()
    return dict(zip(names, out, strict=True)) if len(out) == len(names) else {name: name for name in names}


def _exists(host: Host, device: str) -> bool:
    return posixpath.basename(device) in host.listing(posixpath.dirname(device))


def _uses(host: Host, devices: Sequence[str], real: Mapping[str, str]) -> dict[str, str]:
    """Per device what it is used for; those that are free are left out."""
    if not devices:
        return {}
    found = signatures(host, devices)
    for used, what_for in _used_by_the_system(host):
        found |= {device: what_for for device in devices if used in (device, real[device])}
    return found


def _used_by_the_system(host: Host) -> Iterator[tuple[str, str]]:
    """Devices that are mounted or swapped to, and a sentence for each."""
    if host.system == "FreeBSD":
        # mount(8) -p prints lines of fstab(5); swapctl(8) names devices in full.
        mounts, swaps = host.run(["mount", "-p"]).out, host.run(["swapctl", "-l"]).out
    else:
        mounts, swaps = (host.read(path) or "" for path in ("/proc/mounts", "/proc/swaps"))
    for line in mounts.splitlines():
        device, folder, *_more = line.split()
        yield device, f"it is mounted at {folder}"
    for line in swaps.splitlines():
        yield line.split()[0], "it is swap space"


def signatures(host: Host, devices: Sequence[str]) -> dict[str, str]:
    """What is written on these devices, as far as the host can tell."""
    if not devices:
        return {}
    return (_signatures_of_freebsd if host.system == "FreeBSD" else _signatures_of_linux)(host, devices)


def _signatures_of_linux(host: Host, devices: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    # blkid(8): exit code 2 when nothing is known of any of them, 8 when one holds several signatures.
    output = host.run(["blkid", "-p", *devices], ok=(0, 2, 8))
    for line in (output.out + output.err).splitlines():
        device, colon, rest = line.partition(": ")
        if colon and device in devices:
            # PART_ENTRY_… is the partition itself, as the table of its disk has it, not what it holds.
            values = dict(re.findall(r'\b(?!PART_ENTRY_)(\w+)="([^"]*)"', rest))
            if not values:
                continue
            kind = values.get("TYPE") or values.get("PTTYPE", "something unknown")
            label = f" of {values['LABEL']}" if values.get("LABEL") else ""
            found[device] = f"it holds {kind}{label}"
    if output.rc == 8:
        found |= {device: "it holds several signatures" for device in devices if device not in found}
    return found


def _signatures_of_freebsd(host: Host, devices: Sequence[str]) -> dict[str, str]:
    # gpart(8): a line for each partition, its disk last. fstyp(8) tells nothing of partitions.
    rows = [line.split() for line in host.run(["gpart", "status", "-s"]).out.splitlines()]
    found = {f"/dev/{row[-1]}": "it holds partitions" for row in rows}
    # fstyp(8): exit code 1 when it recognises nothing.
    kinds = {device: host.run(["fstyp", "-u", device], ok=(0, 1)).out.strip() for device in devices}
    found |= {device: f"it holds {kind}" for device, kind in kinds.items() if kind}
    return {device: found[device] for device in devices if device in found}


def _of_other_pools(
    wanted: Sequence[WantedPool], pools: Mapping[str, Pool], real: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Declared devices that another pool has: pool and device."""
    owners = {
        real[device]: name for name, pool in pools.items() for vdev in pool.vdevs for device in vdev.devices
    }
    return [
        (owners[real[device]], device)
        for item in wanted
        for vdev in item.vdevs
        for device in vdev.devices
        if real[device] in owners and owners[real[device]] != item.name
    ]


def apply_pool(host: WritableHost, step: Step) -> None:
    """One step of `plan_pools`."""
    pairs = [f"{key}={value}" for key, value in step.args.get("properties", {}).items()]
    match step.verb:
        case "create":
            options = [word for pair in pairs for word in ("-o", pair)]
            host.change(["zpool", "create", *options, step.key, *step.args["vdevs"]])
        case "add":
            host.change(["zpool", "add", step.key, *step.args["vdevs"]])
        case "set":
            for pair in pairs:
                host.change(["zpool", "set", pair, step.key])
        case "destroy":
            patiently(host, ["zpool", "destroy", step.key])
