#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s NAME <small_guest.sh, on a server of a lab with Proxmox VE
# Makes the server a node, if it is none, and starts container 900 there, of a template that has the server's own
# programs and an init that does nothing.
set -eu
name=$1
template=/var/lib/vz/template/cache/small_1.tar.gz

if ! command -v pct >/dev/null; then
    cp /srv/proxmox/proxmox-release.gpg /usr/share/keyrings/
    echo "deb [signed-by=/usr/share/keyrings/proxmox-release.gpg] file:/srv/proxmox trixie pve-no-subscription" \
        >/etc/apt/sources.list.d/small.list
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install proxmox-ve >/dev/null 2>&1
fi
until pvesh get /version >/dev/null 2>&1; do sleep 0.2; done

if [ ! -e "$template" ]; then
    root=$(mktemp -d)
    chmod 755 "$root"
    cd "$root"
    mkdir -p proc sys dev etc root home/alice tmp var/tmp run srv usr
    for part in bin sbin lib lib64; do
        ln -s "usr/$part" "$part"
    done
    cp -a /etc/pam.d /etc/security /etc/login.defs /etc/ld.so.cache etc/
    printf '%s\n' 'root:x:0:0::/root:/bin/sh' 'alice:x:1000:1000::/home/alice:/bin/sh' >etc/passwd
    printf '%s\n' 'root:x:0:' 'alice:x:1000:' >etc/group
    printf '%s\n' 'root:*:1::::::' 'alice:*:1::::::' >etc/shadow
    tar -C / --exclude=usr/share --exclude=usr/sbin/init --exclude=usr/lib/pve-double -cf - usr | tar -xf -
    printf '%s\n' '#!/bin/sh' 'exec sleep infinity' >usr/sbin/init
    chmod 755 usr/sbin/init
    chown 1000:1000 home/alice
    chmod 1777 tmp var/tmp
    mkdir -p "${template%/*}"
    tar --numeric-owner -cf - . | gzip -1 >"$template"
    cd /
    rm -r "$root"
fi
pct create 900 local:vztmpl/small_1.tar.gz --hostname "$name" --storage local --rootfs local:1 --unprivileged 1
pct start 900
until lxc-info --state --no-humanize --name 900 2>/dev/null | grep -q RUNNING; do sleep 0.1; done
