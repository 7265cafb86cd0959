# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pools: what is declared, what there is, and the plan between them. Pure.

A pool is made and grows. Whatever would cost data or redundancy is refused: a disk that is in use,
the removal of a vdev, a vdev of another layout, and ``-f`` is never given to zpool(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, make_plan
from .._core.values import doubles
from .model import Property, PropertyKind, check_pool_name, check_property, meaning, shown, spelled

LAYOUTS = {"stripe": 1, "mirror": 2, "raidz1": 2, "raidz2": 3, "raidz3": 4}
HELPERS = ("log", "cache", "spare")
_SECTIONS = {"logs": "log", "cache": "cache", "spares": "spare", "special": "special", "dedup": "dedup"}
_LAYOUT_ROW = re.compile(r"(mirror|raidz[123]?|draid\S*?)-\d+")
_INNER_ROW = re.compile(r"(replacing|spare|indirect)-\d+")


@dataclass(frozen=True, slots=True)
class Vdev:
    """Devices that stand together. All plain disks of a pool are one vdev of kind ``stripe``.

    :param kind: one of `LAYOUTS` or `HELPERS`, or another that only ZFS knows (draid, special …).
    """

    kind: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WantedPool:
    """One declared pool; without vdevs it must exist."""

    name: str
    vdevs: tuple[Vdev, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    present: bool = True


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool as it is.

    :param health: ``ONLINE``, ``DEGRADED`` …
    :param faulty: devices that are not as they should be, with their state.
    """

    health: str = "ONLINE"
    vdevs: tuple[Vdev, ...] = ()
    properties: Mapping[str, Property] = field(default_factory=dict)
    errors: str = ""
    faulty: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """The pools of a host, and what is known of the declared devices.

    :param table: of zpool(8)'s properties; empty when it is not known.
    :param in_use: per declared device what it is used for.
    :param missing: declared devices that do not exist.
    :param real: per device the name that its links lead to.
    :param crowded: folders at which a new pool would be mounted, and that are not empty.
    """

    pools: Mapping[str, Pool] = field(default_factory=dict)
    table: Mapping[str, PropertyKind] = field(default_factory=dict)
    in_use: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    real: Mapping[str, str] = field(default_factory=dict)
    crowded: frozenset[str] = frozenset()


# -- what is declared ------------------------------------------------------------------------------


def parse_wanted(params: Mapping[str, Any]) -> tuple[WantedPool, ...]:
    """The options of module zfs_pool as plain data.

    :raises Refused: on what no zpool(8) would take.
    """
    pools = tuple(_parse_pool(item) for item in params["pools"])
    for twice in doubles(pool.name for pool in pools):
        raise Refused(f"pool {twice}", "it is declared twice", "declare it once")
    for twice in doubles(device for pool in pools for vdev in pool.vdevs for device in vdev.devices):
        raise Refused(f"device {twice}", "it is declared twice", "declare it once")
    return pools


def _parse_pool(item: Mapping[str, Any]) -> WantedPool:
    name = check_pool_name(item["name"])
    what = f"pool {name}"
    vdevs = tuple(
        Vdev(vdev.get("type") or "stripe", tuple(vdev["devices"])) for vdev in item.get("vdevs") or ()
    )
    for vdev in vdevs:
        least = LAYOUTS.get(vdev.kind, 1)
        if len(vdev.devices) < least:
            raise Refused(what, f"a {vdev.kind} of {len(vdev.devices)} device", f"give it at least {least}")
        for device in vdev.devices:
            if not device.startswith("/"):
                raise Refused(
                    what, f"{device!r} is no device", "write its full path, such as /dev/disk/by-id/…"
                )
    kinds = sorted({vdev.kind for vdev in vdevs if vdev.kind in LAYOUTS})
    if len(kinds) > 1:
        raise Refused(what, f"it mixes {' and '.join(kinds)}", "give all its data one redundancy")
    if vdevs and not kinds:
        raise Refused(what, "it has no vdev for data", "add one such as {type: mirror, devices: […]}")
    properties = {}
    for key, value in (item.get("properties") or {}).items():
        text = check_property(key, value, what)
        if text is None:
            raise Refused(f"{key} of {what}", "it has no value", "leave it out, pools do not inherit")
        properties[key] = text
    return WantedPool(name, vdevs, properties, (item.get("state") or "present") == "present")


# -- what is printed -------------------------------------------------------------------------------


def parse_status(text: str) -> dict[str, Pool]:
    """What ``zpool status`` printed, of zfs-fuse and of OpenZFS (with -P)."""
    found = {}
    for part in re.split(r"^  pool: ", text, flags=re.MULTILINE)[1:]:
        name = part.splitlines()[0].strip()
        health = re.search(r"^ state: (\S+)", part, re.MULTILINE)
        errors = re.search(r"^errors: (.*)", part, re.MULTILINE)
        vdevs, faulty = _parse_config(name, part.partition("config:")[2])
        found[name] = Pool(
            health[1] if health else "UNKNOWN",
            vdevs,
            errors="" if errors is None or errors[1].startswith("No known") else errors[1],
            faulty=faulty,
        )
    return found


def _parse_config(pool: str, text: str) -> tuple[tuple[Vdev, ...], dict[str, str]]:
    """The tree of vdevs, and the devices that are not well."""
    groups: dict[tuple[str, str], list[str]] = {}
    faulty = {}
    section, group = "", ("", "")
    for line in text.splitlines():
        words = line.split()
        if not line.startswith("\t") or not words or words[0] == "NAME":
            continue
        depth = len(line[1:]) - len(line[1:].lstrip(" "))
        name, state = words[0], words[1] if len(words) > 1 else ""
        if depth == 0:
            section = _SECTIONS.get(name, "" if name == pool else name)
            continue
        layout = _LAYOUT_ROW.fullmatch(name)
        if depth == 2:
            group = (section, name if layout else "")
        if layout:
            groups[group] = []
        elif not _INNER_ROW.fullmatch(name):
            device = name if name.startswith("/") else f"/dev/{name}"
            groups.setdefault(group, []).append(device)
            if state not in ("ONLINE", "AVAIL", "INUSE"):
                faulty[device] = state
    return tuple(
        Vdev(section or _kind(row), tuple(devices)) for (section, row), devices in groups.items()
    ), faulty


def _kind(row: str) -> str:
    """The layout of a row such as ``mirror-0``; that of a plain disk is ``stripe``."""
    layout = row.rpartition("-")[0]
    return {"": "stripe", "raidz": "raidz1"}.get(layout, layout)


def parse_values(text: str) -> dict[str, dict[str, Property]]:
    """What ``zpool get`` printed: with tabs (-H), or as the table of zfs-fuse, which has no -H."""
    found: dict[str, dict[str, Property]] = {}
    for line in text.splitlines():
        cells = line.split("\t") if "\t" in line else re.split(r"\s{2,}", line.strip())
        if len(cells) == 4 and cells[:2] != ["NAME", "PROPERTY"]:
            name, key, value, source = cells
            found.setdefault(name, {})[key] = Property(value, source.replace("-", ""))
    return found


# -- what is to be done ----------------------------------------------------------------------------


def plan_pools(current: State, wanted: tuple[WantedPool, ...]) -> Plan:
    """The steps from one to the other: create, add, set, destroy."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for item in wanted:
        existing = current.pools.get(item.name)
        blockers = list(_blockers(current, item, existing))
        if blockers:
            steps += [Step(item.name, "refuse", sentence, effect=Effect.IMPOSSIBLE) for sentence in blockers]
            continue
        if not item.present:
            if existing:
                steps.append(Step(item.name, "destroy", f"destroy pool {item.name}", destroys=(item.name,)))
                before[item.name], after[item.name] = _picture(existing.vdevs, {}), None
        elif existing is None:
            steps.append(_create(item))
            before[item.name], after[item.name] = None, _picture(item.vdevs, item.properties)
        else:
            more, old, new = _converge(current, item, existing)
            steps += more
            before[item.name], after[item.name] = old, new
    return make_plan(steps, before, after)


def _create(item: WantedPool) -> Step:
    words = [f"create pool {item.name} of {_words(item.vdevs)}"]
    if item.properties:
        words.append("with " + ", ".join(f"{key}={value}" for key, value in item.properties.items()))
    args = {"vdevs": _arguments(item.vdevs), "properties": _spelled(item.properties)}
    return Step(item.name, "create", " ".join(words), args)


def _converge(
    current: State, item: WantedPool, existing: Pool
) -> tuple[list[Step], dict[str, Any], dict[str, Any]]:
    steps = []
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    missing = _missing(current, item, existing)
    if missing:
        steps.append(
            Step(
                item.name, "add", f"add {_words(missing)} to pool {item.name}", {"vdevs": _arguments(missing)}
            )
        )
        old |= _picture(existing.vdevs, {})
        new |= _picture((*existing.vdevs, *missing), {})
    for key, value in item.properties.items():
        held = existing.properties.get(key)
        if held and _same(key, value, held.value):
            continue
        was = shown(key, held.value) if held else "unset"
        sentence = f"set {key} of pool {item.name} from {was} to {value}"
        steps.append(Step(item.name, "set", sentence, {"properties": _spelled({key: value})}))
        old[key], new[key] = was, value
    return steps, old, new


def _blockers(current: State, item: WantedPool, existing: Pool | None) -> Iterator[str]:
    """Why this pool cannot be had, each with the way out."""
    if not item.present:
        return
    for key, value in item.properties.items():
        kind = current.table.get(f"{key.partition('@')[0]}@..." if "@" in key else key)
        if not current.table:
            continue
        if kind is None:
            yield f"pool {item.name}: this host's ZFS has no pool property {key}"
        elif not kind.editable:
            yield f"pool {item.name}: {key} is a figure that ZFS tells, it cannot be set"
        elif "@" not in key and not kind.takes(spelled(key, value)):
            yield f"pool {item.name}: this host's ZFS takes for {key} only {kind.values}, not {value}"
    if existing is None:
        if not item.vdevs:
            yield f"there is no pool {item.name}, and its vdevs are not declared; declare them"
        if item.name in current.crowded:
            yield f"pool {item.name} would be mounted at /{item.name}, which is not empty; empty that folder"
        yield from _unusable(current, item.vdevs)
        return
    if item.vdevs:
        yield from _misfits(current, item, existing)
        yield from _unusable(current, _missing(current, item, existing))


def _misfits(current: State, item: WantedPool, existing: Pool) -> Iterator[str]:
    """Differences between declared and real vdevs that only a loss could mend."""
    declared = {_real(current, device) for vdev in item.vdevs for device in vdev.devices}
    for vdev in existing.vdevs:
        lost = [device for device in vdev.devices if _real(current, device) not in declared]
        if lost:
            yield (
                f"pool {item.name} has {', '.join(lost)} in a {vdev.kind}, which is not declared; "
                "a device is never taken out of a pool, declare it"
            )
    where = {_real(current, device): vdev for vdev in existing.vdevs for device in vdev.devices}
    for vdev in item.vdevs:
        homes = {where[real] for device in vdev.devices if (real := _real(current, device)) in where}
        strangers = [device for device in vdev.devices if _real(current, device) not in where]
        if any(home.kind != vdev.kind for home in homes):
            yield (
                f"pool {item.name} has {', '.join(vdev.devices)} as {_words(sorted(homes, key=repr))}, "
                f"not as a {vdev.kind}; the layout of a pool never changes"
            )
        elif homes and vdev.kind in LAYOUTS and vdev.kind != "stripe" and (strangers or len(homes) > 1):
            yield (
                f"pool {item.name} has {_words(sorted(homes, key=repr))}, not {_words((vdev,))}; "
                "a vdev keeps its devices (zpool attach and replace are done by hand)"
            )
    kinds = {vdev.kind for vdev in existing.vdevs} & set(LAYOUTS)
    for vdev in _missing(current, item, existing):
        if vdev.kind in LAYOUTS and kinds and vdev.kind not in kinds:
            yield (
                f"pool {item.name} is made of {', '.join(sorted(kinds))}; adding a {vdev.kind} would change "
                f"its redundancy, add a {min(kinds)}"
            )


def _unusable(current: State, vdevs: tuple[Vdev, ...]) -> Iterator[str]:
    for vdev in vdevs:
        for device in vdev.devices:
            if device in current.missing:
                yield f"device {device} does not exist; look at its name"
            if device in current.in_use:
                yield (
                    f"device {device} is in use, {current.in_use[device]}; "
                    "choose another, or clear it by hand (wipefs, zpool labelclear) if its data may go"
                )


def _missing(current: State, item: WantedPool, existing: Pool) -> tuple[Vdev, ...]:
    """The declared vdevs that the pool does not have; of stripes and helpers, the devices."""
    here = {_real(current, device) for vdev in existing.vdevs for device in vdev.devices}
    found = []
    for vdev in item.vdevs:
        devices = tuple(device for device in vdev.devices if _real(current, device) not in here)
        if devices and (vdev.kind in ("stripe", *HELPERS) or len(devices) == len(vdev.devices)):
            found.append(Vdev(vdev.kind, devices))
    return tuple(found)


def _real(current: State, device: str) -> str:
    """The device itself, whatever link names it.

    On Linux OpenZFS takes a whole disk by making one partition on it, which it then shows.
    """
    real = current.real.get(device, device)
    for partition in (f"{device}-part1", f"{real}p1" if real[-1:].isdigit() else f"{real}1"):
        if partition in current.real:
            return current.real[partition]
    return real


def _same(key: str, value: str, held: str) -> bool:
    if key.startswith("feature@") and value == "enabled":
        return held in ("enabled", "active")
    return meaning(key, value) == meaning(key, held)


def _spelled(properties: Mapping[str, str]) -> dict[str, str]:
    return {key: spelled(key, value) for key, value in properties.items()}


def _arguments(vdevs: tuple[Vdev, ...]) -> list[str]:
    """The vdevs as zpool(8) takes them."""
    return [
        word for vdev in vdevs for word in (*([] if vdev.kind == "stripe" else [vdev.kind]), *vdev.devices)
    ]


def _words(vdevs: tuple[Vdev, ...] | list[Vdev]) -> str:
    """The vdevs for people."""
    return " and ".join(f"{vdev.kind} {' '.join(vdev.devices)}" for vdev in vdevs)


def _picture(vdevs: tuple[Vdev, ...], properties: Mapping[str, str]) -> dict[str, Any]:
    return {"vdevs": [f"{vdev.kind} {' '.join(vdev.devices)}" for vdev in vdevs], **properties}


# -- what there is, as options ---------------------------------------------------------------------


def exported(pools: Mapping[str, Pool]) -> list[dict[str, Any]]:
    """Pools in the form that module zfs_pool takes: applied again they change nothing."""
    return [
        {
            "name": name,
            "vdevs": [{"type": vdev.kind, "devices": list(vdev.devices)} for vdev in pool.vdevs],
            "properties": {
                key: held.value for key, held in pool.properties.items() if held.source == "local"
            },
        }
        for name, pool in sorted(pools.items())
    ]
