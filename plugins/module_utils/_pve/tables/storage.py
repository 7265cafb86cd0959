# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /storage/{storage}
CREATE: POST /storage
"""

from __future__ import annotations

from ..schema import Field

BWLIMIT = {
    "clone": Field("number", low=0),
    "default": Field("number", low=0),
    "migration": Field("number", low=0),
    "move": Field("number", low=0),
    "restore": Field("number", low=0),
}
PRUNE_BACKUPS = {
    "keep-all": Field("boolean"),
    "keep-daily": Field("integer"),
    "keep-hourly": Field("integer"),
    "keep-last": Field("integer"),
    "keep-monthly": Field("integer"),
    "keep-weekly": Field("integer"),
    "keep-yearly": Field("integer"),
}
UPDATE = {
    "blocksize": Field(format="pve-storage-zfs-blocksize"),
    "bwlimit": Field(parts=BWLIMIT),
    "comstar_hg": Field(),
    "comstar_tg": Field(),
    "content": Field(format="pve-storage-content-list"),
    "content-dirs": Field(format="pve-dir-override-list"),
    "create-base-path": Field("boolean", default=True),
    "create-subdirs": Field("boolean", default=True),
    "data-pool": Field(),
    "disable": Field("boolean"),
    "domain": Field(longest=256),
    "encryption-key": Field(),
    "fingerprint": Field(pattern="([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}"),
    "format": Field(choices=("raw", "qcow2", "subvol", "vmdk")),
    "fs-name": Field(format="pve-configid"),
    "fuse": Field("boolean"),
    "is_mountpoint": Field(),
    "keyring": Field(),
    "krbd": Field("boolean", default=False),
    "lio_tpg": Field(),
    "master-pubkey": Field(),
    "max-protected-backups": Field("integer", low=-1),
    "mkdir": Field("boolean", default=True),
    "monhost": Field(format="pve-storage-portal-dns-list"),
    "mountpoint": Field(format="pve-storage-path"),
    "namespace": Field(),
    "nocow": Field("boolean", default=False),
    "nodes": Field(format="pve-node-list"),
    "nowritecache": Field("boolean"),
    "options": Field(format="pve-storage-options"),
    "password": Field(longest=256),
    "pool": Field(),
    "port": Field("integer", low=1, high=65535),
    "preallocation": Field(choices=("off", "metadata", "falloc", "full"), default="metadata"),
    "prune-backups": Field(parts=PRUNE_BACKUPS),
    "saferemove": Field("boolean"),
    "saferemove-stepsize": Field("integer", default=32),
    "saferemove_throughput": Field(),
    "server": Field(format="pve-storage-server"),
    "shared": Field("boolean"),
    "skip-cert-verification": Field("boolean", default=False),
    "smbversion": Field(choices=("default", "2.0", "2.1", "3", "3.0", "3.11"), default="default"),
    "snapshot-as-volume-chain": Field("boolean", default=False),
    "sparse": Field("boolean"),
    "subdir": Field(format="pve-storage-path"),
    "tagged_only": Field("boolean"),
    "username": Field(),
    "zfs-base-path": Field(format="pve-storage-path"),
}
CREATE = {
    **UPDATE,
    "authsupported": Field(),
    "base": Field(format="pve-volume-id"),
    "datastore": Field(),
    "export": Field(format="pve-storage-path"),
    "iscsiprovider": Field(),
    "path": Field(format="pve-storage-path"),
    "portal": Field(format="pve-storage-portal-dns"),
    "share": Field(),
    "storage": Field(format="pve-storage-id", required=True),
    "target": Field(),
    "thinpool": Field(format="pve-storage-vgname"),
    "type": Field(
        choices=(
            "btrfs",
            "cephfs",
            "cifs",
            "dir",
            "esxi",
            "iscsi",
            "iscsidirect",
            "lvm",
            "lvmthin",
            "nfs",
            "pbs",
            "rbd",
            "zfs",
            "zfspool",
        ),
        required=True,
    ),
    "vgname": Field(format="pve-storage-vgname"),
}
