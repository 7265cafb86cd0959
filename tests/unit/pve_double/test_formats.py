# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the named formats of parameters take and what they refuse."""

from __future__ import annotations

import pytest

from tests.doubles.pve import schema


def verify(name: str, value: str) -> None:
    schema.check_format(value, {"type": "string", "format": name}, "option")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pve-ha-resource-or-vm-id", "100"),
        ("pve-ha-resource-id-list", "vm:100,ct:200"),
        ("pve-storage-server", "2001:db8::1"),
        ("pve-storage-portal-dns-list", "[2001:db8::1]:3260;store.example"),
        ("pve-dir-override-list", "iso=/isos,backup=b"),
        ("storage-pair-list", "1"),
        ("storage-pair-list", "fast:slow,tank"),
        ("ipv4mask", "255.255.254.0"),
        ("mac-prefix", "bc:24:11"),
        ("lxc-ip-with-ll-iface-list", "fe80::1%vmbr0 192.0.2.1"),
        ("pve-ct-timezone", "host"),
        ("pve-ct-timezone", "Europe/Vienna"),
        ("pve-vlan-id-or-range-list", "2-4094 7"),
        ("pve-fw-addr-spec", "dc/office"),
        ("pve-fw-addr-spec", "+guest/set"),
        ("pve-fw-addr-spec", "1.2.3"),
        ("pve-fw-addr-spec", "192.0.2.0/24,198.51.100.7"),
        ("pve-fw-addr-spec", "192.0.2.1-192.0.2.9"),
    ],
)
def test_takes_what_proxmox_takes(name: str, value: str) -> None:
    verify(name, value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("pve-ha-resource-or-vm-id", "x", "value does not look like a valid ha resource id"),
        ("pve-storage-server", "a_b", "value does not look like a valid server name or IP address"),
        ("pve-storage-vgname", "-a", "lvm name '-a' contains illegal characters"),
        ("pve-dir-override-list", "isos=/x", "invalid override 'isos=/x'"),
        ("storage-pair-list", "a:b:c", "entry 'a:b:c' contains invalid ID - storage ID 'a' contains"),
        ("ipv4mask", "255.0.255.0", "value does not look like a valid IP netmask"),
        ("mac-prefix", "01", "value is not a valid unicast MAC address prefix"),
        ("pve-ct-timezone", "Mars/Olympus", "invalid time zone 'Mars/Olympus'"),
        ("pve-vlan-id-or-range-list", "1", "invalid VLAN tag '1'"),
        ("pve-vlan-id-or-range-list", "9-8", "VLAN range must go from lower to higher tag '9-8'"),
        ("pve-vlan-id-or-range-list", "x", "invalid VLAN configuration 'x'"),
        ("pve-fw-addr-spec", "192.0.2.1,2001:db8::1", "detected mixed ipv4/ipv6 addresses"),
        ("pve-fw-addr-spec", "192.0.2.1-192.0.2.9,192.0.2.20", "you can't use a range in a list"),
        ("pve-fw-addr-spec", "300.1.1.1", "invalid IP address: 300.1.1.1"),
        ("pve-qm-bootdisk", "scsi31", "invalid boot disk 'scsi31'"),
        ("pve-cpuset", "0-", "unable to parse cpuset option"),
        ("pve-task-status-type-list", "fine", "invalid status 'fine'"),
    ],
)
def test_refuses_in_the_words_of_proxmox(name: str, value: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}".replace("(", r"\(")):
        verify(name, value)
