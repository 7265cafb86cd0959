#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s NAME <small_machine.sh, on a server
# Starts an unprivileged LXC machine of some files, over the server's own programs: it has users, a root of its own,
# and nothing else that takes time.
set -eu
name=$1
folder=/var/lib/lxc/$name
root=$folder/rootfs

command -v lxc-attach >/dev/null || { apt-get -qq update && apt-get -qq install lxc >/dev/null 2>&1; }

mkdir -p "$root/usr" "$root/proc" "$root/sys" "$root/dev" "$root/etc" "$root/root" "$root/home/alice" "$root/tmp" "$root/var/tmp" "$root/run" "$root/srv"
for part in bin sbin lib lib64; do
    ln -sfn "usr/$part" "$root/$part"
done
cp -a /etc/pam.d /etc/security /etc/login.defs /etc/ld.so.cache "$root/etc/"
printf '%s\n' 'root:x:0:0::/root:/bin/sh' 'alice:x:1000:1000::/home/alice:/bin/sh' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'alice:x:1000:' >"$root/etc/group"
printf '%s\n' 'root:*:1::::::' 'alice:*:1::::::' >"$root/etc/shadow"
chown -R -h 100000:100000 "$root"
chown -R -h 101000:101000 "$root/home/alice"
chmod 1777 "$root/tmp" "$root/var/tmp"

cat >"$folder/config" <<END
lxc.uts.name = $name
lxc.rootfs.path = dir:$root
lxc.idmap = u 0 100000 65536
lxc.idmap = g 0 100000 65536
lxc.net.0.type = empty
lxc.mount.auto = proc:mixed
lxc.mount.entry = /usr usr none bind,ro 0 0
lxc.apparmor.profile = unconfined
lxc.init.cmd = /bin/sleep infinity
END
lxc-start --name "$name"
lxc-wait --name "$name" --state RUNNING --timeout 5
