#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Last hand at the root file system ($1) of virtual machines, after finish.sh. Run by mmdebstrap.
set -eu
root=$1
echo '/dev/vda / ext4 noatime 0 1' >"$root/etc/fstab"
mkdir "$root/srv/disks"
for disk in disk0 disk1; do
    ln -s "/dev/disk/by-id/virtio-$disk-part1" "$root/srv/disks/$disk.img"
done
# An emulated processor takes a second for each: no radio, no screen, no other machine's programs, and nothing of
# what an update would ask for at the first start.
echo 'blacklist cfg80211' >"$root/etc/modprobe.d/radio.conf"
# LXC is here because it takes 20 s to install. It would wait half a minute at every start for a bridge of its own.
echo 'USE_LXC_BRIDGE="false"' >"$root/etc/default/lxc-net"
chroot "$root" systemctl --quiet disable lxc-net.service lxc-monitord.service
# One watchdog, the card, is enough; the chipset's would take its name.
echo 'blacklist iTCO_wdt' >"$root/etc/modprobe.d/watchdog.conf"
touch "$root/etc/.updated" "$root/var/.updated"
# Half of a small memory would be ZFS's otherwise.
echo 'options zfs zfs_arc_max=134217728' >"$root/etc/modprobe.d/zfs.conf"
chroot "$root" systemctl --quiet unmask systemd-modules-load.service
chroot "$root" systemctl --quiet mask serial-getty@ttyS0.service systemd-hwdb-update.service \
    e2scrub_all.timer e2scrub_reap.service modprobe@drm.service systemd-binfmt.service \
    systemd-network-generator.service systemd-udev-load-credentials.service
