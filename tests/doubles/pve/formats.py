# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The named formats of parameters: a function that refuses by `ValueError`, or the schema of a property
string.

Rests on: PVE::JSONSchema and PVE::Tools (pve-common), PVE::QemuServer and its parts (qemu-server),
PVE::LXC::Config (pve-container), PVE::Storage::Plugin, PVE::AccessControl, PVE::HA::Tools, and the recorded
exchanges for the texts. The captured schema gives most property strings in full; of the named ones it has
only the usage line (`typetext`), which `from_usage` reads. A format of which nothing is known accepts
everything.
"""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from typing import Any

from tests.doubles.pve import releases

Format = Callable[[str], None] | dict[str, Any]
NODE = r"[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?"
DNS_NAME = rf"({NODE}\.)*{NODE}"
HOST_PCI = r"(?:(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-9a-fA-F])?;?)+"
SIZE = re.compile(r"(\d+(\.\d+)?)([KMGT])?")
UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def parse_size(value: str) -> int | None:
    """A size in bytes from the notation of Proxmox VE: 8G, 0.5T, 1024."""
    found = SIZE.fullmatch(value)
    return int(float(found[1]) * UNITS[found[3] or ""]) if found else None


def format_size(size: int) -> str:
    """The shortest exact notation: 1G, 528K, 0T."""
    if size == 0:
        return "0T"
    unit = ""
    for unit in UNITS:
        if size % 1024 or unit == "T":
            break
        size //= 1024
    return f"{size}{unit}"


def parse_boolean(value: str) -> str:
    lower = value.lower()
    return (
        "1" if lower in ("1", "on", "yes", "true") else "0" if lower in ("0", "off", "no", "false") else value
    )


def split_list(value: str) -> list[str]:
    """PVE::Tools::split_list: commas, semicolons, blanks; NUL when there is one."""
    return [each for each in (value.split("\0") if "\0" in value else re.split(r"[,;\s]", value)) if each]


def matches(pattern: str, text: str) -> Callable[[str], None]:
    compiled = re.compile(pattern)

    def check(value: str) -> None:
        if not compiled.fullmatch(value):
            raise ValueError(text.format(value=value))

    return check


def address_check(family: int | None, text: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        try:
            parsed = ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(text) from None
        if family not in (None, parsed.version):
            raise ValueError(text)

    return check


def network_check(family: int | None, text: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        address, slash, length = value.partition("/")
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(text) from None
        wide = {4: 32, 6: 128}[parsed.version]
        if (
            family not in (None, parsed.version)
            or not slash
            or not length.isdigit()
            or not 7 < int(length) <= wide
        ):
            raise ValueError(text)

    return check


def either(text: str, *checks: Callable[[str], None]) -> Callable[[str], None]:
    def check(value: str) -> None:
        for each in checks:
            try:
                return each(value)
            except ValueError:
                continue
        raise ValueError(text.format(value=value))

    return check


def unless(words: str, check: Callable[[str], None], text: str) -> Callable[[str], None]:
    return either(text, matches(words, ""), check)


def disk_size(value: str) -> None:
    if parse_size(value) is None:
        raise ValueError(f"value does not look like a valid disk size: {value}")


def startup_order(value: str) -> None:
    if not all(re.fullmatch(r"(order=)?\d+|up=\d+|down=\d+|\s*", each) for each in value.split(",")):
        raise ValueError("unable to parse startup options")


def hotplug(value: str) -> None:
    if value not in ("0", "1"):
        for each in split_list(value):
            if each not in ("network", "disk", "cpu", "memory", "usb", "cloudinit"):
                raise ValueError(f"unknown hotplug feature '{each}'")


def mount_point(value: str) -> None:
    if re.search(r"/\.\.?/|/\.\.?$|^\.\.?/", value):
        raise ValueError(f"{value} contains illegal character sequences")


def pool(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._\-]+(/[A-Za-z0-9._\-]+)*", value):
        raise ValueError(f"pool name '{value}' contains invalid characters")
    if value.count("/") > 2:
        raise ValueError(f"pool name '{value}' nested too deeply (max levels = 3)")


BOOT_DEVICE = r"(ide|sata|scsi|virtio|net|usb|hostpci)\d+|"
# The names of processors that are built in (PVE::QemuServer::CPUConfig).
PROCESSOR = (
    r"host|max|kvm(32|64)|qemu(32|64)|486|x86-64-v[234](-AES)?|pentium[23]?|core(2)?duo|athlon|phenom|Conroe|Penryn"
    r"|(Nehalem|Westmere|SandyBridge|IvyBridge|Haswell|Broadwell|Skylake|Cascadelake|Cooperlake|Icelake|SapphireRapids"
    r"|GraniteRapids|SierraForest|KnightsMill|Opteron_G|EPYC)[\w-]*"
)


def processor(value: str) -> None:
    name = next(
        (part for part in value.split(",") if "=" not in part or part.startswith("cputype=")), "kvm64"
    )
    name = name.removeprefix("cputype=")
    if not name.startswith("custom-") and not re.fullmatch(PROCESSOR, name):
        raise ValueError(f"Built-in cputype '{name}' is not defined (missing 'custom-' prefix?)")


def protocol(value: str) -> None:
    if value.lower() not in PROTOCOLS.split() and not (value.isdigit() and int(value) < 256):
        raise ValueError(f"unknown protocol '{value}'")


def ports(value: str) -> None:
    for item in value.split(","):
        first, _sign, last = item.partition(":")
        for port in filter(None, (first, last)):
            if port.isdigit() and int(port) > 65535:
                raise ValueError(f"invalid port '{port}'")
        if last.isdigit() and first.isdigit() and int(first) > int(last):
            mean = f"{last}:{first}"
            raise ValueError(f"backwards range '{item}' not allowed, did you mean '{mean}'?")


# Those of /etc/protocols that a firewall rule is written with.
PROTOCOLS = """
    ah all dccp egp esp gre hopopt icmp icmpv6 igmp ipencap ipip ipv6 ipv6-icmp l2tp ospf pim sctp tcp udp
    udplite vrrp
"""
PRIVILEGES = frozenset(
    [
        "Datastore.Allocate",
        "Datastore.AllocateSpace",
        "Datastore.AllocateTemplate",
        "Datastore.Audit",
        "Group.Allocate",
        "Mapping.Audit",
        "Mapping.Modify",
        "Mapping.Use",
        "Permissions.Modify",
        "Pool.Allocate",
        "Pool.Audit",
        "Realm.Allocate",
        "Realm.AllocateUser",
        "SDN.Allocate",
        "SDN.Audit",
        "SDN.Use",
        "Sys.AccessNetwork",
        "Sys.Audit",
        "Sys.Console",
        "Sys.Incoming",
        "Sys.Modify",
        "Sys.PowerMgmt",
        "Sys.Syslog",
        "User.Modify",
        "VM.Allocate",
        "VM.Audit",
        "VM.Backup",
        "VM.Clone",
        "VM.Config.CDROM",
        "VM.Config.CPU",
        "VM.Config.Cloudinit",
        "VM.Config.Disk",
        "VM.Config.HWType",
        "VM.Config.Memory",
        "VM.Config.Network",
        "VM.Config.Options",
        "VM.Console",
        "VM.GuestAgent.Audit",
        "VM.GuestAgent.FileRead",
        "VM.GuestAgent.FileSystemMgmt",
        "VM.GuestAgent.FileWrite",
        "VM.GuestAgent.Unrestricted",
        "VM.Migrate",
        "VM.PowerMgmt",
        "VM.Replicate",
        "VM.Snapshot",
        "VM.Snapshot.Rollback",
    ]
)


def privilege(known: frozenset[str]) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value not in known:
            raise ValueError(f"invalid privilege '{value}'")

    return check


STORAGE_ID = matches(r"(?i)[a-z][a-z0-9\-_.]*[a-z0-9]", "storage ID '{value}' contains illegal characters")
HOST_AND_PORT = rf"(?:{DNS_NAME}|[\d.]+|\[[0-9a-fA-F:]+\]|[0-9a-fA-F:]+)(?::\d+)?"


def netmask(value: str) -> None:
    try:
        ipaddress.IPv4Network(f"0.0.0.0/{value}")
    except ValueError:
        raise ValueError("value does not look like a valid IP netmask") from None


def timezone(value: str) -> None:
    if value not in ("host", "UTC") and value not in zoneinfo.available_timezones():
        raise ValueError(f"invalid time zone '{value}'")


def vlans(value: str) -> None:
    """A VLAN, or a range of them (PVE::API2::Network)."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", value)
    if not found:
        raise ValueError(f"invalid VLAN configuration '{value}'")
    first, last = int(found[1]), int(found[2] or found[1])
    for tag in (first, last):
        if not 2 <= tag <= 4094:
            raise ValueError(f"invalid VLAN tag '{tag}'")
    if first > last:
        raise ValueError(f"VLAN range must go from lower to higher tag '{value}'")


def storage_pair(value: str) -> None:
    """Where a storage's volumes go: "from:to", "to", or 1 for the same (PVE::JSONSchema::parse_idmap)."""
    for name in value.split(":") if value != "1" else []:
        try:
            STORAGE_ID(name)
        except ValueError as problem:
            raise ValueError(f"entry '{value}' contains invalid ID - {problem}") from None


SHORT = re.compile(r"^\d+(\.\d+){0,2}(?=/|$)")


def filled(address: re.Match[str]) -> str:
    return ".".join([*address[0].split("."), "0", "0", "0"][:4])


def addresses(value: str) -> None:
    """Whence or whither: a set, an alias, or addresses (PVE::Firewall::parse_address_list).

    Net::IP there fills up what is short: 1.2.3 is 1.2.3.0.
    """
    if re.fullmatch(r"\+\S+|(?:(?:dc|guest)/)?[A-Za-z][A-Za-z0-9\-_]+", value):
        return
    seen = []
    for each in value.split(","):
        try:
            ends = [ipaddress.ip_interface(SHORT.sub(filled, end)) for end in each.split("-")]
        except ValueError:
            raise ValueError(f"invalid IP address: {each}") from None
        seen.append(ends[0].version)
    if len(set(seen)) > 1:
        raise ValueError(f"detected mixed ipv4/ipv6 addresses in address list '{value}'")
    if "-" in value and len(seen) > 1:
        raise ValueError("you can't use a range in a list")


IPV4 = address_check(4, "value does not look like a valid IPv4 address")
IPV6 = address_check(6, "value does not look like a valid IPv6 address")
IP = address_check(None, "value does not look like a valid IP address")
CIDR4 = network_check(4, "value does not look like a valid IPv4 CIDR network")
CIDR6 = network_check(6, "value does not look like a valid IPv6 CIDR network")
CIDR = network_check(None, "value does not look like a valid CIDR network")
DNS = matches(DNS_NAME, "value does not look like a valid DNS name")
VOLUME = matches(r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]:.+", "unable to parse volume ID '{value}'")

WEEKDAY = r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*"
CALENDAR = re.compile(
    rf"(?i)({WEEKDAY}((\.\.|,){WEEKDAY})*(\s+|$))?([\d*]+(-[\d*]+){{1,2}}\s+)?[\d*,./:]*"
    r"|(minute|hour|dai|week|month|quarter|semiannual|year|annual)ly"
)


def calendar_event(value: str) -> None:
    """Days, date and time of a schedule, in outline (proxmox-time, calendar_event)."""
    if not value.strip() or not CALENDAR.fullmatch(value.strip()):
        raise ValueError(f"invalid calendar event '{value}' - unable to parse calendar event\n")


FORMATS: dict[str, Format] = {
    "pve-configid": matches(r"(?i)[a-z][a-z0-9_-]+", "invalid configuration ID '{value}'"),
    "pve-storage-id": STORAGE_ID,
    "pve-vmid": matches(r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID"),
    "pve-node": matches(NODE, "value does not look like a valid node name"),
    "ipv4": IPV4,
    "ipv6": IPV6,
    "ip": IP,
    "CIDRv4": CIDR4,
    "CIDRv6": CIDR6,
    "CIDR": CIDR,
    "IPorCIDR": either("value does not look like a valid IP address or CIDR network", IP, CIDR),
    "pve-ipv4-config": unless(
        "dhcp|manual", CIDR4, "value does not look like a valid ipv4 network configuration"
    ),
    "pve-ipv6-config": unless(
        "auto|dhcp|manual", CIDR6, "value does not look like a valid ipv6 network configuration"
    ),
    "mac-addr": matches(
        r"(?i)[a-f0-9][02468ace](:[a-f0-9]{2}){5}", "value does not look like a valid unicast MAC address"
    ),
    "dns-name": DNS,
    "address": either("value does not look like a valid address: {value}", IP, DNS),
    "email": matches(
        r"[\w+\-~]+(\.[\w+\-~]+)*@[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)*",
        "value does not look like a valid email address",
    ),
    "pve-iface": matches(r"(?i)[a-z][a-z0-9_]{1,20}([:.]\d+)?", "invalid network interface name '{value}'"),
    "disk-size": disk_size,
    "pve-calendar-event": calendar_event,
    "pve-startup-order": startup_order,
    "pve-hotplug-features": hotplug,
    "pve-volume-id": VOLUME,
    "pve-volume-id-or-qm-path": unless("none|cdrom|/.*", VOLUME, "unable to parse volume ID '{value}'"),
    "pve-volume-id-or-absolute-path": unless("/.*", VOLUME, "unable to parse volume ID '{value}'"),
    "pve-lxc-mp-string": mount_point,
    "pve-poolid": pool,
    "pve-userid": matches(
        r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", "value '{value}' does not look like a valid user name"
    ),
    "pve-groupid": matches(r"[A-Za-z0-9.\-_]+", "group name '{value}' contains invalid characters"),
    "pve-roleid": matches(r"[A-Za-z0-9.\-_]+", "role name '{value}' contains invalid characters"),
    "pve-realm": matches(r"[A-Za-z][A-Za-z0-9.\-_]+", "value does not look like a valid realm"),
    "pve-tokenid": matches(
        r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+",
        "value '{value}' does not look like a valid token ID",
    ),
    "pve-priv": privilege(PRIVILEGES),
    "pve-priv-8": privilege(PRIVILEGES - releases.NEW_PRIVILEGES | releases.OLD_PRIVILEGES),
    "pve-tag": matches(r"(?i)[a-z0-9_][a-z0-9_\-+.]*", "invalid characters in tag"),
    "pve-ha-resource-id": matches(r"[a-z]+:\S+", "value does not look like a valid ha resource id"),
    "pve-ha-resource-or-vm-id": matches(r"[a-z]+:\S+|\d+", "value does not look like a valid ha resource id"),
    "pve-ha-node": matches(rf"{NODE}(:\d+)?", "value does not look like a valid ha group node"),
    "pve-bridge-id": matches(r"[-_.\w\d]+", "invalid bridge ID"),
    "pve-replication-job-id": matches(r"[1-9][0-9]{2,8}-\d{1,9}", "invalid replication job id '{value}'"),
    "pve-fw-protocol-spec": protocol,
    "pve-fw-sport-spec": ports,
    "pve-fw-dport-spec": ports,
    "IPorCIDRorAlias": unless(
        r"(?:(?:dc|guest)/)?[A-Za-z][A-Za-z0-9\-_]+",
        either("value does not look like a valid IP address or CIDR network", IP, CIDR),
        "value does not look like a valid IP address, CIDR network or alias",
    ),
    "urlencoded": matches(r"[-%a-zA-Z0-9_.!~*'()]*", "value does not look like a valid urlencoded string"),
    "pve-storage-content": matches(
        "images|rootdir|vztmpl|iso|backup|snippets|import|none", "invalid content type '{value}'"
    ),
    "pve-storage-path": matches(r"/.*", "storage path '{value}' is not valid"),
    "pve-storage-server": either("value does not look like a valid server name or IP address", IP, DNS),
    "pve-storage-portal-dns": matches(HOST_AND_PORT, "value does not look like a valid portal address"),
    "pve-storage-vgname": matches(
        r"(?i)[a-z0-9][a-z0-9\-_.]*[a-z0-9]", "lvm name '{value}' contains illegal characters"
    ),
    "pve-dir-override": matches(
        "(images|rootdir|vztmpl|iso|backup|snippets|import)=/?.+", "invalid override '{value}'"
    ),
    "storage-pair": storage_pair,
    "email-or-username": matches(
        r"[\w+\-~]+(\.[\w+\-~]+)*(@[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)*)?",
        "value does not look like a valid email address or user name",
    ),
    "ipv4mask": netmask,
    "mac-prefix": matches(
        "(?i)[a-f0-9][02468ace](:[a-f0-9]{2}){0,2}:?", "value is not a valid unicast MAC address prefix"
    ),
    "lxc-ip-with-ll-iface": unless(
        r"(?i)fe80:[0-9a-f:]+%[a-z][a-z0-9_.:]+", IP, "value does not look like a valid IP address"
    ),
    "pve-ct-timezone": timezone,
    "pve-day-of-week": matches("mon|tue|wed|thu|fri|sat|sun", "invalid day '{value}'"),
    "pve-task-status-type": matches("(?i)ok|error|warning|unknown", "invalid status '{value}'"),
    "pve-vlan-id-or-range": vlans,
    "pve-fw-addr-spec": addresses,
    "pve-qm-bootdisk": matches(
        r"ide[0-3]|sata[0-5]|scsi([0-9]|[12]\d|30)|virtio([0-9]|1[0-5])|efidisk0|tpmstate0",
        "invalid boot disk '{value}'",
    ),
    "pve-cpuset": matches(r"\d+(-\d+)?(,\d+(-\d+)?)*", "unable to parse cpuset option"),
    "ldap-simple-attr": matches(
        "[a-zA-Z0-9]+", "value '{value}' does not look like a simple ldap attribute name"
    ),
    "pve-qm-hostpci": {
        "host": {"type": "string", "pattern": HOST_PCI, "optional": 1, "default_key": 1},
        "mapping": {"type": "string", "format": "pve-configid", "optional": 1},
        "rombar": {"type": "boolean", "optional": 1},
        "romfile": {"type": "string", "pattern": "[^,;]+", "optional": 1},
        "pcie": {"type": "boolean", "optional": 1},
        "x-vga": {"type": "boolean", "optional": 1},
        "legacy-igd": {"type": "boolean", "optional": 1},
        "mdev": {"type": "string", "pattern": r"[^/.:]+", "optional": 1},
        "driver": {"type": "string", "enum": ["vfio", "keep"], "optional": 1},
        **{
            name: {"type": "string", "pattern": "^0x[0-9a-fA-F]{4}$", "optional": 1}
            for name in ("vendor-id", "device-id", "sub-vendor-id", "sub-device-id")
        },
    },
    "pve-qm-bootdev": matches(BOOT_DEVICE, "invalid boot device '{value}'"),
    "pve-qm-boot": {
        "legacy": {"type": "string", "pattern": "[acdn]{1,4}", "optional": 1, "default_key": 1},
        "order": {"type": "string", "format": "pve-qm-bootdev-list", "optional": 1},
    },
    "pve-vm-cpu-conf": processor,
    "pve-qm-ipconfig": {
        "ip": {"type": "string", "format": "pve-ipv4-config", "optional": 1},
        "gw": {"type": "string", "format": "ipv4", "optional": 1, "requires": "ip"},
        "ip6": {"type": "string", "format": "pve-ipv6-config", "optional": 1},
        "gw6": {"type": "string", "format": "ipv6", "optional": 1, "requires": "ip6"},
    },
}
