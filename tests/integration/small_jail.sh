#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s NAME <small_jail.sh, on a server that behaves as FreeBSD
# Starts a jail of some files, over the server's own programs: it has users, a root of its own, and nothing else
# that takes time.
set -eu
name=$1
root=/var/jails/$name

mkdir -p "$root/usr" "$root/dev" "$root/etc" "$root/root" "$root/home/alice" "$root/tmp" "$root/var/tmp"
for part in bin sbin lib lib64; do
    ln -sfn "usr/$part" "$root/$part"
done
cp -a /etc/pam.d /etc/security /etc/login.defs /etc/ld.so.cache "$root/etc/"
printf '%s\n' 'root:x:0:0::/root:/bin/sh' 'alice:x:1000:1000::/home/alice:/bin/sh' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'alice:x:1000:' >"$root/etc/group"
printf '%s\n' 'root:*:1::::::' 'alice:*:1::::::' >"$root/etc/shadow"
chown -R -h 1000:1000 "$root/home/alice"
chmod 1777 "$root/tmp" "$root/var/tmp"

echo "/usr $root/usr nullfs ro 0 0" >"/etc/fstab.$name"
mkdir -p /etc/jail.conf.d
cat >"/etc/jail.conf.d/$name.conf" <<END
$name {
    path = "$root";
    host.hostname = "$name";
    mount.fstab = "/etc/fstab.$name";
    mount.devfs;
    persist;
}
END
jail -q -f "/etc/jail.conf.d/$name.conf" -c "$name"
