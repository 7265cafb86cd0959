# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PCI functions as Proxmox VE tells them, and the devices that two servers have in common."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._pci.model import Function, parse_functions
from ansible_collections.twin.datacenter.plugins.module_utils._pci.pairing import Wish, pair

GPU = Function("0000:01:00.0", "10de:1eb8", "10de:12a2", "030200", 14)
SOUND = Function("0000:01:00.1", "10de:10f8", "10de:12a2", "040300", 14)
BRIDGE = Function("0000:00:01.0", "8086:a341", "8086:7270", "060400", 14)
NIC = Function("0000:02:00.0", "8086:1533", "8086:0000", "020000", 15)
WISH = Wish("10de:1eb8")


def at(function: Function, address: str, group: int | None, **changes: Any) -> Function:
    return dataclasses.replace(function, address=address, group=group, **changes)


# An answer of Proxmox VE 9.2 without an IOMMU, and one as a kernel with one gives it.
WITHOUT_IOMMU = {
    "subsystem_vendor_name": "Red Hat, Inc.",
    "id": "0000:00:05.0",
    "subsystem_device": "0x1044",
    "class": "0xffff00",
    "vendor": "0x1af4",
    "device_name": "Virtio 1.0 RNG",
    "subsystem_vendor": "0x1af4",
    "iommugroup": -1,
    "device": "0x1044",
    "vendor_name": "Red Hat, Inc.",
}
SPARE = {
    "id": "0000:01:00.0",
    "class": "0x030200",
    "vendor": "0x10DE",
    "device": "0x1EB8",
    "iommugroup": 14,
    "mdev": 1,
}


def test_functions_are_read_as_proxmox_tells_them() -> None:
    assert parse_functions([SPARE, WITHOUT_IOMMU]) == (
        Function("0000:00:05.0", "1af4:1044", "1af4:1044", "ffff00", None),
        Function("0000:01:00.0", "10de:1eb8", None, "030200", 14, mdev=True),
    )


def test_a_function_alone_in_its_group_is_mapped_by_itself() -> None:
    nodes = {"castor": [BRIDGE, GPU, NIC], "pollux": [at(GPU, "0000:41:00.0", 60)]}
    assert pair("t4", WISH, nodes) == [
        {
            "node": "castor",
            "path": "0000:01:00.0",
            "id": "10de:1eb8",
            "subsystem-id": "10de:12a2",
            "iommugroup": 14,
        },
        {
            "node": "pollux",
            "path": "0000:41:00.0",
            "id": "10de:1eb8",
            "subsystem-id": "10de:12a2",
            "iommugroup": 60,
        },
    ]


def test_a_device_of_several_functions_is_mapped_whole() -> None:
    nodes = {"castor": [GPU, SOUND], "pollux": [at(GPU, "0000:02:00.0", 3), at(SOUND, "0000:02:00.1", 3)]}
    assert [(line["path"], line["id"]) for line in pair("t4", WISH, nodes)] == [
        ("0000:01:00", "10de:1eb8"),
        ("0000:02:00", "10de:1eb8"),
    ]


def test_two_ports_of_one_group_are_one_device_and_of_two_groups_two() -> None:
    port = at(NIC, "0000:02:00.1", 15)
    shared = {"castor": [NIC, port], "pollux": [NIC, port]}
    assert [line["path"] for line in pair("nic", Wish(NIC.id), shared)] == ["0000:02:00", "0000:02:00"]
    port = at(NIC, "0000:02:00.1", 16)
    split = {"castor": [NIC, port], "pollux": [NIC, port]}
    assert [line["path"] for line in pair("nic", Wish(NIC.id), split)] == ["0000:02:00.0", "0000:02:00.1"] * 2


def test_mediated_devices_leave_the_group_to_the_host() -> None:
    divided = dataclasses.replace(GPU, mdev=True)
    nodes = {"castor": [divided, SOUND, at(NIC, NIC.address, 14)], "pollux": [divided]}
    assert [line["path"] for line in pair("t4", Wish(GPU.id, mdev=True), nodes)] == ["0000:01:00.0"] * 2


def test_one_make_of_several_can_be_named() -> None:
    other = at(GPU, "0000:05:00.0", 20, subsystem="1043:8730")
    nodes = {"castor": [GPU, other], "pollux": [GPU]}
    assert len(pair("t4", Wish(GPU.id, subsystem="10de:12a2"), nodes)) == 2


@pytest.mark.parametrize(
    "wish, castor, pollux, sentences",
    [
        (WISH, [GPU], [NIC], ["pollux has no device 10de:1eb8; lspci -nn on it shows what there is."]),
        (
            Wish(GPU.id, subsystem="1043:8730"),
            [at(GPU, "0000:05:00.0", 20, subsystem="1043:8730")],
            [GPU],
            ["pollux has no device 10de:1eb8 of subsystem 1043:8730; lspci -nn on it shows what there is."],
        ),
        (
            WISH,
            [GPU, at(GPU, "0000:05:00.0", 20)],
            [GPU],
            [
                "the nodes have different numbers of 10de:1eb8 (castor 2, pollux 1), so a guest may find none"
                " left on the other; fit the same number, or name in map those to be used."
            ],
        ),
        (
            WISH,
            [GPU, at(NIC, NIC.address, 14)],
            [GPU],
            [
                "IOMMU group 14 of castor holds 0000:02:00.0 (8086:1533) beside 0000:01:00.0, and a group is"
                " handed out whole; put the card into another slot."
            ],
        ),
        (
            WISH,
            [at(GPU, GPU.address, None)],
            [GPU],
            [
                "0000:01:00.0 of castor has no IOMMU group; switch the IOMMU on in the firmware and for the"
                " kernel (intel_iommu=on, amd_iommu=on)."
            ],
        ),
        (
            WISH,
            [GPU],
            [at(GPU, "0000:05:00.0", 20, subsystem="1043:8730")],
            [
                "10de:1eb8 is there in several makes, 1043:8730 (pollux 0000:05:00.0), 10de:12a2 (castor"
                " 0000:01:00.0); name one of them as subsystem."
            ],
        ),
        (
            Wish(SOUND.id),
            [GPU, SOUND],
            [GPU, SOUND],
            [
                "on castor 10de:10f8 is a part of 0000:01:00 and goes with its first function; name that one,"
                " 10de:1eb8.",
                "on pollux 10de:10f8 is a part of 0000:01:00 and goes with its first function; name that one,"
                " 10de:1eb8.",
            ],
        ),
        (
            WISH,
            [GPU, SOUND],
            [GPU],
            [
                "10de:1eb8 is made up of different functions (castor 10de:1eb8 with 10de:10f8, pollux"
                " 10de:1eb8); use the same cards, or name the paths in map."
            ],
        ),
        (
            Wish(GPU.id, mdev=True),
            [GPU],
            [dataclasses.replace(GPU, mdev=True)],
            [
                "0000:01:00.0 of castor offers no mediated devices; load the driver that divides it, or leave"
                " mdev out."
            ],
        ),
        (
            WISH,
            [GPU, SOUND, at(SOUND, "0000:01:00.2", 99)],
            [GPU],
            [
                "0000:01:00 of castor lies in several IOMMU groups, so neither the whole nor a function of it"
                " can be handed out; name the paths in map."
            ],
        ),
    ],
)
def test_what_cannot_be_paired_is_told(
    wish: Wish, castor: list[Function], pollux: list[Function], sentences: list[str]
) -> None:
    with pytest.raises(Refused) as caught:
        pair("t4", wish, {"castor": castor, "pollux": pollux})
    assert caught.value.facts["faults"] == [f"mapping t4: {sentence}" for sentence in sentences]


@given(
    places=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 31)), unique=True, min_size=1, max_size=6),
    order=st.randoms(),
)
def test_the_order_of_functions_does_not_matter(places: list[tuple[int, int]], order: Any) -> None:
    functions = [at(GPU, f"0000:{bus:02x}:{slot:02x}.0", index) for index, (bus, slot) in enumerate(places)]
    shuffled = list(functions)
    order.shuffle(shuffled)
    nodes = {"castor": functions, "pollux": shuffled}
    lines = pair("t4", WISH, {node: parse_again(found) for node, found in nodes.items()})
    assert [{**line, "node": ""} for line in lines[: len(places)]] == [
        {**line, "node": ""} for line in lines[len(places) :]
    ]


def parse_again(functions: list[Function]) -> tuple[Function, ...]:
    """Through the form of the API, which tells them in any order."""
    return parse_functions(
        {
            "id": function.address,
            "vendor": f"0x{function.id[:4]}",
            "device": f"0x{function.id[5:]}",
            "subsystem_vendor": f"0x{(function.subsystem or '')[:4]}",
            "subsystem_device": f"0x{(function.subsystem or '')[5:]}",
            "class": f"0x{function.kind}",
            "iommugroup": function.group,
        }
        for function in functions
    )
