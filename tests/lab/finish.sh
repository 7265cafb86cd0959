#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Last hand at a server's root file system ($1): nothing that must be unlike on two servers, no hardware of the
# machine underneath, one apt source. Run by mmdebstrap.
set -eu
root=$1
cd "$root"
rm -f etc/ssh/ssh_host_* etc/machine-id etc/hostname etc/resolv.conf var/cache/apt/*.bin var/lib/apt/lists/*_dists_*
echo 'deb [trusted=yes] file:/srv/repo ./' >etc/apt/sources.list
chroot "$root" systemctl --quiet enable systemd-networkd.service
chroot "$root" systemctl --quiet disable systemd-pstore.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer
chroot "$root" systemctl --quiet mask getty@tty1.service console-getty.service \
    systemd-networkd-wait-online.service sys-kernel-debug.mount sys-kernel-tracing.mount systemd-modules-load.service
