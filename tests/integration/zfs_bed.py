# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the lab with the real ZFS, and a place for disks that are files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tests.integration.bed import CHOOSE_ZFS, DROP_IN
from tests.integration.conftest import LabHost
from tests.lab import Lab
from tests.lab.lab import VM

DISKS = "/disks"
OPENZFS = os.environ.get("TWIN_LAB_KIND") == VM or Path("/sys/module/zfs").is_dir()
"""Whether the servers of the lab have the ZFS of a kernel, else zfs-fuse."""
FLAVOUR = "openzfs-2.3" if OPENZFS else "fuse"
"""The double that behaves as they do."""
_INSTALL = f"""
set -eu
mkdir -p /etc/systemd/system/zfs-fuse.service.d
cat >/etc/systemd/system/zfs-fuse.service.d/twin.conf
command -v zfs >/dev/null || {{
    {CHOOSE_ZFS}
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $zfs >/dev/null
}}
mkdir -p "$1"
"""
_EMPTY_POOL = """
set -eu
for name in $(zfs list -H -o name -d 1 -r "$1" | tail -n +2); do
    # It is busy until its unmounting is over.
    n=0
    until zfs destroy -R "$name" 2>/dev/null || ! zfs list -H -o name "$name" >/dev/null 2>&1; do
        n=$((n + 1)); [ $n -lt 200 ]; sleep 0.02
    done
done
"""
_NEW_DISKS = """
set -eu
folder=$1 keep=$2
shift 2
for pool in $(zpool list -H -o name); do
    case " $* " in *" $pool "*)
        n=0
        until zpool destroy "$pool" 2>/dev/null; do n=$((n + 1)); [ $n -lt 200 ]; sleep 0.02; done ;;
    esac
done
for disk in "$folder"/*; do
    [ "$disk" = "$keep" ] || [ ! -e "$disk" ] || { truncate -s 0 "$disk"; truncate -s 80M "$disk"; }
done
"""


class ZfsServer(LabHost):
    """A server on which hundreds of commands are run."""

    def __init__(self, lab: Lab, name: str) -> None:
        super().__init__(lab, name, lasting=True)

    def install(self) -> None:
        """Make the real ZFS run here."""
        self.change(["sh", "-c", _INSTALL, "sh", DISKS], stdin=DROP_IN)

    def pool(self, name: str) -> None:
        """Make a pool on a disk of its own name."""
        disk = f"{DISKS}/{name}"
        self.change(["truncate", "-s", "256M", disk])
        self.change(["zpool", "create", name, disk])

    def empty(self, pool: str, commands: Iterable[str] = ()) -> None:
        """Take everything out of a pool, then run argument lines of zfs(8)."""
        self.change(["sh", "-c", _EMPTY_POOL, "sh", pool])
        for line in commands:
            self.change(["zfs", *line.split(" ")])

    def new_disks(self, disks: Iterable[str], pools: Iterable[str], keep: str = "") -> None:
        """Destroy these pools, and leave these disks as they come from the shop."""
        self.change(["touch", DISKS, *disks])
        self.change(["sh", "-c", _NEW_DISKS, "sh", DISKS, keep, *pools])
