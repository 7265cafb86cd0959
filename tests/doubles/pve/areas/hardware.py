# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of a node.

Rests on: PVE::API2::Hardware and PVE::SysFSTools (pve-manager, pve-common) and the recorded exchanges.
Without being asked for them, memory controllers, bridges and processors are left out; a function without a
group has -1. What a node has stands in `Node.pci` and `Node.usb`, in the form in which it is answered.
"""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.formats import split_list

LEFT_OUT = "05;06;0b"
BRIEF = ("id", "class", "vendor", "device", "iommugroup", "mdev")


@handles("GET", "/nodes/{node}/hardware")
def index(call: Call) -> Any:
    return [{"type": "pci"}, {"type": "usb"}]


@handles("GET", "/nodes/{node}/hardware/pci")
def pci(call: Call) -> Any:
    given = call["pci-class-blacklist"]
    unwanted = tuple(f"0x{prefix}" for prefix in split_list(LEFT_OUT if given is None else given))
    keys = None if call["verbose"] in (None, 1) else BRIEF
    return [
        {key: value for key, value in each.items() if keys is None or key in keys}
        for each in call.node().pci
        if not (unwanted and each["class"].startswith(unwanted))
    ]


@handles("GET", "/nodes/{node}/hardware/pci/{pci-id-or-mapping}")
def pci_methods(call: Call) -> Any:
    return [{"method": "mdev"}]


@handles("GET", "/nodes/{node}/hardware/pci/{pci-id-or-mapping}/mdev")
def mdev(call: Call) -> Any:
    """The types of mediated devices; what is no such device has none."""
    return call.node().facts.get("mdev", {}).get(call["pci-id-or-mapping"], [])


@handles("GET", "/nodes/{node}/hardware/usb")
def usb(call: Call) -> Any:
    return call.node().usb
