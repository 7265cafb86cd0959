# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands against a move, all of it at once, and what it will cost. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.values import human_size
from .declaration import Machine

_ROOM = 1.05
"""ZFS needs a little more than what is sent: metadata, and what it keeps free."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a server has for a machine, or already has of it.

    :param pool: the version of its pool, as zpool(8) tells it; ``-`` with feature flags.
    :param features: of the pool, those that are enabled.
    :param free: bytes that the pool can take.
    :param memory: bytes of the server; ``promised`` of it to the other machines that run there.
    :param images: GUID of ``@base`` by the name of the image.
    :param foreign: what else has the machine's name there; empty when nothing has.
    :param addresses: of the server and of the other machines which run there, with whose they are.
    :param lacking: what the server lacks to run the machine, each as a sentence.
    """

    server: str
    pool: str = "-"
    features: frozenset[str] = frozenset()
    free: int = 0
    memory: int = 0
    promised: int = 0
    images: Mapping[str, str] = field(default_factory=dict)
    foreign: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()


def prospect_data(prospect: Prospect) -> dict[str, Any]:
    """A prospect as plain data. Law: ``prospect_of(prospect_data(p)) == p``."""
    return {**dataclasses.asdict(prospect), "features": sorted(prospect.features)}


def prospect_of(values: Mapping[str, Any]) -> Prospect:
    """A prospect from plain data."""
    return Prospect(
        **{**values, "features": frozenset(values["features"]), "lacking": tuple(values["lacking"])}
    )


def blockers(
    machine: Machine, source: Prospect, target: Prospect, needed: int, streams: Sequence[str] = ()
) -> list[str]:
    """Every reason why the machine cannot move, each as a clause; empty when it can.

    :param needed: bytes that will be sent at most.
    :param streams: why a dataset cannot be sent (`plan_tree`).
    """
    found = [*target.lacking, *streams]
    if target.foreign:
        found.append(f"its name is taken on {target.server} by {target.foreign}; rename or remove that first")
    if needed * _ROOM > target.free:
        found.append(
            f"pool of {target.server} has {human_size(target.free)} free, "
            f"up to {human_size(needed)} would be sent"
        )
    if machine.memory is not None and machine.memory + target.promised > target.memory:
        found.append(
            f"memory of {target.server} is {human_size(target.memory)}, its machines have "
            f"{human_size(target.promised)} of it and {machine.name} needs {human_size(machine.memory)}"
        )
    found += _image_faults(machine, source, target)
    for text in machine.addresses:
        address = str(ipaddress.ip_interface(text).ip)
        if address in target.addresses:
            found.append(f"address {address} is in use by {target.addresses[address]} on {target.server}")
    if source.pool != target.pool:
        found.append(
            f"pool of {source.server} has version {source.pool}, that of {target.server} {target.pool}"
        )
    if missing := sorted(source.features - target.features):
        found.append(
            f"pool of {target.server} lacks the features {', '.join(missing)}; zpool upgrade enables them"
        )
    return found


def _image_faults(machine: Machine, source: Prospect, target: Prospect) -> list[str]:
    here, there = source.images.get(machine.image), target.images.get(machine.image)
    if here is None or here == there:
        return []
    if there is None:
        return [f"image {machine.image} is missing on {target.server}; role pair sends it"]
    return [
        f"image {machine.image} of {target.server} is another one than that of {source.server} "
        f"(GUID {there} instead of {here}); remove it there and let role pair send it"
    ]
