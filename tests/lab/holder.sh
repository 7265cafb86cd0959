#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# First process of a lab. Runs in new namespaces, makes the lab's own root from the tools layer (so that nothing is
# installed on this machine) and the bridges that the servers are plugged into, then only waits. When it dies,
# everything in the lab dies with it.
#
# holder.sh TOOLS CACHE WORK BRIDGE=ADDRESS|BRIDGE= …
set -eu
tools=$1 cache=$2 work=$3
shift 3

mount --make-rprivate /
root=$work/tools/root
mkdir -p "$work/tools/upper" "$work/tools/work" "$root"
mount -t overlay overlay -o "lowerdir=$tools,upperdir=$work/tools/upper,workdir=$work/tools/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for folder in "$cache" "$work"; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
done
mkdir -p "$root/.old"
cd "$root"
pivot_root . .old
cd /
umount -l /.old

read -r controllers </sys/fs/cgroup/cgroup.controllers || true
for controller in $controllers; do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || echo "no $controller limits in this lab"
done
hostname control
ip link set lo up
for bridge in "$@"; do
    ip link add "${bridge%%=*}" up type bridge forward_delay 0 mcast_snooping 0
    [ -z "${bridge#*=}" ] || ip address add "${bridge#*=}" dev "${bridge%%=*}"
done
# Ask again soon who has an address: servers come back within a second here.
echo 50 >/proc/sys/net/ipv4/neigh/public/retrans_time_ms
echo ready >"$work/ready"
exec tini -- sleep infinity
