# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

CONFIG: PUT /nodes/{node}/lxc/{vmid}/config
CREATE: POST /nodes/{node}/lxc
"""

from __future__ import annotations

from ..schema import Field

DEV = {
    "path": Field(format="pve-lxc-dev-string", bare=True),
    "deny-write": Field("boolean", default=False),
    "gid": Field("integer", low=0),
    "mode": Field(pattern="0[0-7]{3}"),
    "uid": Field("integer", low=0),
}
FEATURES = {
    "force_rw_sys": Field("boolean", default=False),
    "fuse": Field("boolean", default=False),
    "keyctl": Field("boolean", default=False),
    "mknod": Field("boolean", default=False),
    "mount": Field(pattern="(?:[a-zA-Z0-9_; ]+)", separated=True),
    "nesting": Field("boolean", default=False),
}
MP = {
    "volume": Field(format="pve-lxc-mp-string", required=True, bare=True),
    "acl": Field("boolean"),
    "backup": Field("boolean"),
    "idmap": Field(
        pattern="(?:^(?:passthrough|[ug]:[0-9]+:[0-9]+:[1-9][0-9]*(?:;[ug]:[0-9]+:[0-9]+:[1-9][0-9]*)*)$)",
        separated=True,
    ),
    "keepattrs": Field("boolean", default=False),
    "mountoptions": Field(
        pattern="(?:(?:(discard|lazytime|noatime|nodev|noexec|nosuid))(;(?:(discard|lazytime|noat"
        "ime|nodev|noexec|nosuid)))*)",
        separated=True,
    ),
    "mp": Field(format="pve-lxc-mp-string", required=True),
    "quota": Field("boolean"),
    "replicate": Field("boolean", default=True),
    "ro": Field("boolean"),
    "shared": Field("boolean", default=False),
    "size": Field(format="disk-size"),
}
NET = {
    "bridge": Field(pattern="[-_.\\w\\d]+"),
    "firewall": Field("boolean"),
    "gw": Field(format="ipv4"),
    "gw6": Field(format="ipv6"),
    "host-managed": Field("boolean"),
    "hwaddr": Field(format="mac-addr"),
    "ip": Field(format="pve-ipv4-config"),
    "ip6": Field(format="pve-ipv6-config"),
    "link_down": Field("boolean"),
    "mtu": Field("integer", low=64, high=65535),
    "name": Field(pattern="[-_.\\w\\d]+", required=True),
    "rate": Field("number"),
    "tag": Field("integer", low=1, high=4094),
    "trunks": Field(pattern="(?:\\d+(?:;\\d+)*)", separated=True),
    "type": Field(choices=("veth",)),
}
ROOTFS = {
    "volume": Field(format="pve-lxc-mp-string", required=True, bare=True),
    "acl": Field("boolean"),
    "idmap": Field(
        pattern="(?:^(?:passthrough|[ug]:[0-9]+:[0-9]+:[1-9][0-9]*(?:;[ug]:[0-9]+:[0-9]+:[1-9][0-9]*)*)$)",
        separated=True,
    ),
    "mountoptions": Field(
        pattern="(?:(?:(discard|lazytime|noatime|nodev|noexec|nosuid))(;(?:(discard|lazytime|noat"
        "ime|nodev|noexec|nosuid)))*)",
        separated=True,
    ),
    "quota": Field("boolean"),
    "replicate": Field("boolean", default=True),
    "ro": Field("boolean"),
    "shared": Field("boolean", default=False),
    "size": Field(format="disk-size"),
}
STARTUP = {
    "order": Field("integer", bare=True),
    "down": Field("integer"),
    "up": Field("integer"),
}
UNUSED = {
    "volume": Field(format="pve-volume-id", required=True, bare=True),
}
CONFIG = {
    "arch": Field(choices=("amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"), default="amd64"),
    "cmode": Field(choices=("shell", "console", "tty"), default="tty"),
    "console": Field("boolean", default=True),
    "cores": Field("integer", low=1, high=8192),
    "cpulimit": Field("number", low=0, high=8192, default=0),
    "cpuunits": Field("integer", low=0, high=500000),
    "debug": Field("boolean", default=False),
    "description": Field(longest=8192),
    "dev[n]": Field(parts=DEV),
    "entrypoint": Field(pattern="(?:[^\\x00-\\x08\\x0a-\\x1F\\x7F]+)"),
    "env": Field(
        pattern="(?:(?:\\w+=[^\\x00-\\x08\\x0a-\\x1F\\x7F]*)(?:\\0\\w+=[^\\x00-\\x08\\x0a-\\x1F\\x7F]*)*)"
    ),
    "features": Field(parts=FEATURES),
    "hookscript": Field(format="pve-volume-id"),
    "hostname": Field(longest=255, format="dns-name"),
    "lock": Field(
        choices=(
            "backup",
            "create",
            "destroyed",
            "disk",
            "fstrim",
            "migrate",
            "mounted",
            "rollback",
            "snapshot",
            "snapshot-delete",
        )
    ),
    "memory": Field("integer", low=16, default=512),
    "mp[n]": Field(parts=MP),
    "nameserver": Field(format="lxc-ip-with-ll-iface-list"),
    "net[n]": Field(parts=NET),
    "onboot": Field("boolean", default=False),
    "ostype": Field(
        choices=(
            "debian",
            "devuan",
            "ubuntu",
            "centos",
            "fedora",
            "opensuse",
            "archlinux",
            "alpine",
            "gentoo",
            "nixos",
            "unmanaged",
        )
    ),
    "protection": Field("boolean", default=False),
    "rootfs": Field(parts=ROOTFS),
    "searchdomain": Field(format="dns-name-list"),
    "startup": Field(parts=STARTUP),
    "swap": Field("integer", low=0, default=512),
    "tags": Field(format="pve-tag-list"),
    "template": Field("boolean", default=False),
    "timezone": Field(format="pve-ct-timezone"),
    "tty": Field("integer", low=0, high=6, default=2),
    "unprivileged": Field("boolean", default=False),
    "unused[n]": Field(parts=UNUSED),
}
CREATE = {
    **CONFIG,
    "bwlimit": Field("number", low=0),
    "ha-managed": Field("boolean", default=False),
    "ignore-unpack-errors": Field("boolean"),
    "ostemplate": Field(longest=255, required=True),
    "password": Field(),
    "pool": Field(format="pve-poolid"),
    "restore": Field("boolean"),
    "ssh-public-keys": Field(),
    "start": Field("boolean", default=False),
    "storage": Field(format="pve-storage-id"),
    "unique": Field("boolean"),
    "vmid": Field("integer", low=100, high=999999999, format="pve-vmid", required=True),
}
