# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same device on several servers, found by what it is and not by where it is put. Pure.

A guest that may run on either server names a mapping, and the mapping names a place on each (qm.adoc,
"Resource Mapping"). What is written there is what Proxmox VE compares when a guest starts
(PVE::Mapping::PCI): id, subsystem-id and iommugroup of the function, or of function 0 where a whole device is
meant.

The kernel hands out IOMMU groups, never parts of them (vfio.rst): a group must hold nothing but one device
and bridges. That does not matter to mediated devices, whose parent stays with the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .model import Function


@dataclass(frozen=True, slots=True)
class Wish:
    """What a mapping looks for.

    :param id: vendor and device, such as "10de:1eb8".
    :param subsystem: of the board, where the id alone fits several makes.
    :param mdev: whether mediated devices of it are to be handed out, not itself.
    """

    id: str
    subsystem: str | None = None
    mdev: bool = False

    def fits(self, function: Function) -> bool:
        return function.id == self.id and self.subsystem in (None, function.subsystem)


@dataclass(frozen=True, slots=True)
class Device:
    """What one line of a mapping hands out: a function, or the whole slot with all its functions."""

    path: str
    first: Function
    parts: tuple[str, ...]


def pair(name: str, wish: Wish, nodes: Mapping[str, Sequence[Function]]) -> list[dict[str, Any]]:
    """The lines of mapping NAME, node by node and there by address.

    :param nodes: all functions of each node, bridges included.
    :raises Refused: with everything that keeps the nodes from having the same devices, a sentence each.
    """
    found = {node: _devices(wish, functions) for node, functions in nodes.items()}
    faults = [*_missing(wish, found)]
    for node, devices in found.items():
        for device in devices:
            faults.extend(_unfit(wish, node, device, nodes[node]))
    faults = faults or [*_unequal(wish, found)]
    if faults:
        sentences = [f"mapping {name}: {fault}" for fault in faults]
        raise Refused("\n".join(sentences), faults=sentences)
    return [_line(node, device) for node, devices in found.items() for device in devices]


def _devices(wish: Wish, functions: Sequence[Function]) -> list[Device]:
    """What fits the wish; functions of one slot and group are one device, by its first function."""
    devices: dict[str, Device] = {}
    for function in functions:
        if not wish.fits(function):
            continue
        parts = [
            other for other in functions if other.slot == function.slot and other.group == function.group
        ]
        if wish.mdev or function.group is None or len(parts) == 1:
            parts = [function]
        path = function.address if len(parts) == 1 else function.slot
        devices.setdefault(path, Device(path, parts[0], tuple(part.id for part in parts)))
    return list(devices.values())


def _missing(wish: Wish, found: Mapping[str, Sequence[Device]]) -> Iterator[str]:
    what = wish.id if wish.subsystem is None else f"{wish.id} of subsystem {wish.subsystem}"
    for node, devices in found.items():
        if not devices:
            yield f"{node} has no device {what}; lspci -nn on it shows what there is."
    makes: dict[str, list[str]] = {}
    for node, devices in found.items():
        for device in devices:
            makes.setdefault(device.first.subsystem or "none", []).append(f"{node} {device.path}")
    if len(makes) > 1:
        listed = ", ".join(f"{make} ({' and '.join(places)})" for make, places in sorted(makes.items()))
        yield f"{wish.id} is there in several makes, {listed}; name one of them as subsystem."


def _unfit(wish: Wish, node: str, device: Device, functions: Sequence[Function]) -> Iterator[str]:
    """What keeps a single device from being handed out."""
    first = device.first
    if wish.mdev:
        if not first.mdev:
            yield (
                f"{first.address} of {node} offers no mediated devices;"
                " load the driver that divides it, or leave mdev out."
            )
        return
    if first.group is None:
        yield (
            f"{first.address} of {node} has no IOMMU group;"
            " switch the IOMMU on in the firmware and for the kernel (intel_iommu=on, amd_iommu=on)."
        )
        return
    if first.id != wish.id:
        yield (
            f"on {node} {wish.id} is a part of {device.path} and goes with its first function;"
            f" name that one, {first.id}."
        )
    whole = [other for other in functions if other.slot == first.slot]
    if device.path == first.slot and len(whole) > len(device.parts):
        yield (
            f"{device.path} of {node} lies in several IOMMU groups, so neither the whole nor a function"
            " of it can be handed out; name the paths in map."
        )
    strangers = [
        f"{other.address} ({other.id})"
        for other in functions
        if other.group == first.group and other.slot != first.slot and not other.is_bridge
    ]
    if strangers:
        yield (
            f"IOMMU group {first.group} of {node} holds {', '.join(strangers)} beside {device.path},"
            " and a group is handed out whole; put the card into another slot."
        )


def _unequal(wish: Wish, found: Mapping[str, Sequence[Device]]) -> Iterator[str]:
    """Whether the nodes have the same number, made up of the same functions."""
    counts = {node: len(devices) for node, devices in found.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{node} {count}" for node, count in counts.items())
        yield (
            f"the nodes have different numbers of {wish.id} ({listed}), so a guest may find none left"
            " on the other; fit the same number, or name in map those to be used."
        )
        return
    made = {node: sorted(device.parts for device in devices) for node, devices in found.items()}
    first, *others = made.values()
    if any(parts != first for parts in others):
        listed = ", ".join(f"{node} {' with '.join(parts[0])}" for node, parts in made.items())
        yield (
            f"{wish.id} is made up of different functions ({listed});"
            " use the same cards, or name the paths in map."
        )


def _line(node: str, device: Device) -> dict[str, Any]:
    first = device.first
    line: dict[str, Any] = {"node": node, "path": device.path, "id": first.id}
    if first.subsystem is not None:
        line["subsystem-id"] = first.subsystem
    if first.group is not None:
        line["iommugroup"] = first.group
    return line
