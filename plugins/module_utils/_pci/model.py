# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The PCI functions of a server, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Function:
    """One PCI function.

    :param address: with its domain, such as "0000:01:00.0".
    :param id: vendor and device in lower-case hexadecimal, such as "10de:1eb8".
    :param subsystem: likewise of the board; None where the function tells none.
    :param kind: the six digits of its class, such as "030000" for a graphics card.
    :param group: its IOMMU group; None where the IOMMU is off.
    :param mdev: whether its driver divides it into mediated devices.
    """

    address: str
    id: str
    subsystem: str | None
    kind: str
    group: int | None
    mdev: bool = False

    @property
    def slot(self) -> str:
        """The address of the whole device, such as "0000:01:00"."""
        return self.address.rpartition(".")[0]

    @property
    def is_bridge(self) -> bool:
        """Bridges stay with the host, also in the group of what is handed out (vfio.rst)."""
        return self.kind.startswith("06")


def parse_functions(answer: Iterable[Mapping[str, Any]]) -> tuple[Function, ...]:
    """The functions of a node, by address, out of Proxmox VE's answer to ``GET /nodes/NODE/hardware/pci``.

    Numbers are hexadecimal with "0x", a function without a group has -1, and ``mdev`` is absent for no.
    """
    functions = [
        Function(
            address=item["id"],
            id=_pair(item["vendor"], item["device"]),
            subsystem=_pair(item["subsystem_vendor"], item["subsystem_device"])
            if "subsystem_vendor" in item
            else None,
            kind=_digits(item["class"]),
            group=item["iommugroup"] if item["iommugroup"] >= 0 else None,
            mdev=bool(item.get("mdev")),
        )
        for item in answer
    ]
    return tuple(sorted(functions, key=lambda function: function.address))


def _pair(vendor: str, device: str) -> str:
    return f"{_digits(vendor)}:{_digits(device)}"


def _digits(number: str) -> str:
    return number.lower().removeprefix("0x")
