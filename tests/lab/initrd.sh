#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# First program of a virtual machine of the lab, in its initial memory file system: loads what the disk wants,
# mounts the disk, makes it this server's own at the very first start, and hands over to systemd.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
while read -r module; do $b insmod "/modules/$module"; done </modules/order
until [ -b /dev/vda ]; do $b sleep 0.02; done
$b mount -t ext4 -o noatime /dev/vda /root
[ -e /root/etc/machine-id ] || $b cp -a /own/. /root/
for folder in dev proc sys; do $b mount --move "/$folder" "/root/$folder"; done
exec $b switch_root /root /sbin/init
