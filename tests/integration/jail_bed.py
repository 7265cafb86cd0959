# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pair of `bed` on servers that behave as FreeBSD: its machine is a jail with a network of its own."""

from __future__ import annotations

from ansible_collections.twin.datacenter.plugins.module_utils._jail import host as jails
from ansible_collections.twin.datacenter.plugins.module_utils._jail import life_host
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    parse_machine,
    to_property,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.kinds import jail_of
from tests.integration.bed import MACHINE, MAKE_DATA, Bed
from tests.integration.conftest import LabHost
from tests.lab import Lab

SERVER = """
set -eu
mkdir -p /etc/twin /var/lib/twin/journal /var/lib/twin/reports
sysrc -q jail_enable=YES jail_list= >&2
[ -e /root/.ssh ] || mkdir -m 700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /etc/twin/peer_ed25519
cat /etc/ssh/ssh_host_ed25519_key.pub
cat /etc/twin/peer_ed25519.pub
zpool create -f tank /srv/disks/disk0.img >&2
zfs create tank/images >&2
zfs create tank/machines >&2
"""

IMAGE = """
set -eu
zfs create tank/images/tiny
cd /tank/images/tiny
/usr/lib/freebsd/make-base .
mkdir srv
echo "$1" >etc/pause
cat >usr/local/etc/rc.d/writer <<'END'
#!/bin/sh
# Served only after it is on the disk: one block, written in place, then fsync(2).
[ "$1" = start ] || exit 0
www=/var/run/www
rm -rf $www
mkdir $www
httpd -p 80 -h $www
n=$(cat /srv/count 2>/dev/null || echo 0)
n=${n#"${n%%[!0]*}"}
pause=$(cat /etc/pause)
while :; do
    n=$((n + 1))
    printf '%010d' $n | dd of=/srv/count conv=notrunc,fsync
    echo $n >$www/.count
    mv $www/.count $www/count
    busybox usleep $pause
done >/dev/null 2>&1 </dev/null &
END
chmod 755 usr/local/etc/rc.d/writer
cd /
zfs snapshot tank/images/tiny@base
zfs set readonly=on tank/images/tiny
"""


class JailBed(Bed):
    """The lab with such a pair on it."""

    platform, kind = "freebsd", "jail"
    interpreter = "/usr/local/bin/python3.11"
    start = f"jail -c -f /etc/jail.conf.d/{MACHINE}.conf {MACHINE}"
    runs = f"jls -j {MACHINE} >/dev/null 2>&1"
    ip = "/usr/lib/linux/ip"
    definition = f"/etc/jail.conf.d/{MACHINE}.conf"
    foreign = f'{MACHINE} {{ path = "/srv/other"; }}'
    image = IMAGE

    def make_machine(self) -> None:
        machine, pair = parse_machine(MACHINE, self.declared()), self.pair_for("castor")
        self.sh("castor", MAKE_DATA, to_property(machine))
        host = LabHost(self.lab, "castor", lasting=True)
        jails.define(host, jail_of(machine, pair))
        life_host.start(host, MACHINE)

    def _make_server(self, name: str) -> list[str]:
        return self.sh(name, SERVER).splitlines()


def bed_of(lab: Lab) -> Bed:
    """That of the servers which the lab has."""
    return JailBed(lab) if lab.status()["freebsd"] else Bed(lab)
