# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair of servers in the lab with one small machine, made without a playbook and kept as a saved state.

The machine is a BusyBox of two megabytes with 20 MB of data. It writes a counter, with fsync, and
serves the last one that is on its disk by HTTP: what the control node has read is acknowledged.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    Pair,
    Peer,
    parse_machine,
    to_mapping,
    to_property,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.kinds import container_of
from ansible_collections.twin.datacenter.plugins.plugin_utils import zipapp
from tests.lab import Lab
from tests.lab.lab import VM

POOL = "tank"
MACHINE = "ssa"
ADDRESS = "192.0.2.21"
STATE = "pair"
LINKS = ("10.1.0", "10.2.0", "192.0.2")
SERVERS = {"castor": 1, "pollux": 2}
SLOWNESS = 10 if os.environ.get("TWIN_LAB_KIND") == VM else 1
"""Factor of pauses and patience: an emulated processor that is always asked comes to nothing else."""

CHOOSE_ZFS = """
# That of the kernel where it has one, as role server does.
zfs=zfs-fuse
if [ -e /sys/module/zfs ] || modprobe -q zfs 2>/dev/null; then zfs=zfsutils-linux; fi
"""
INSTALL_LXC = """
# lxc.service would wait half a minute, now and at every boot, for a bridge of its own.
echo 'USE_LXC_BRIDGE="false"' >/etc/default/lxc-net
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Options::=--force-confold install -y \\
    --no-install-recommends lxc "$@" </dev/null >/dev/null
"""
SERVER = f"""
set -eu
{CHOOSE_ZFS}
mkdir -p /etc/systemd/system/zfs-fuse.service.d /etc/twin /var/lib/twin/journal /var/lib/twin/reports
cat >/etc/systemd/system/zfs-fuse.service.d/twin.conf
# An emulated processor would be busy for long with services that are started only to be stopped.
for unit in lxc-net lxc-monitord; do ln -s /dev/null /etc/systemd/system/$unit.service; done
address=$1
set -- $zfs busybox-static procps
{INSTALL_LXC}
mac=$(cat /sys/class/net/eth0/address)
rm /etc/systemd/network/10-eth0.network
cat >/etc/systemd/network/10-br0.netdev <<END
[NetDev]
Name=br0
Kind=bridge
MACAddress=$mac
[Bridge]
ForwardDelaySec=0
END
printf '[Match]\\nName=br0\\n[Network]\\nAddress=%s/24\\n' "$address" >/etc/systemd/network/10-br0.network
printf '[Match]\\nName=eth0\\n[Network]\\nBridge=br0\\n' >/etc/systemd/network/10-eth0.network
[ -e /root/.ssh ] || mkdir -m 700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /etc/twin/peer_ed25519
cat /etc/ssh/ssh_host_ed25519_key.pub
cat /etc/twin/peer_ed25519.pub
zpool create -f tank /srv/disks/disk0.img >&2
zfs create tank/images >&2
zfs create tank/machines >&2
systemd-run --quiet --on-active=1 networkctl reload
"""

IMAGE = """
set -eu
zfs create tank/images/tiny
cd /tank/images/tiny
mkdir -p bin sbin etc dev proc sys tmp srv run root var
cp /bin/busybox bin/busybox
echo "$1" >etc/pause
chroot . /bin/busybox --install -s /bin
cat >etc/writer <<'END'
# Served only after it is on the disk: one block, written in place, then fsync(2).
mkdir -p /run/www
n=$(cat /srv/count 2>/dev/null || echo 0)
n=${n#"${n%%[!0]*}"}
pause=$(cat /etc/pause)
while :; do
    n=$((n + 1))
    printf '%010d' $n | dd of=/srv/count conv=notrunc,fsync 2>/dev/null
    echo $n >/run/www/.count
    mv /run/www/.count /run/www/count
    usleep $pause
done
END
cat >sbin/init <<'END'
#!/bin/sh
trap 'exit 0' PWR
mount -t tmpfs tmpfs /run
mkdir -p /run/www
httpd -p 80 -h /run/www
sh /etc/writer &
while :; do wait; done
END
chmod 755 sbin/init
chown -hR 100000:100000 .
cd /
zfs snapshot tank/images/tiny@base
zfs set readonly=on tank/images/tiny
"""

MAKE_DATA = """
set -eu
declaration=$1
zfs create -o twin:owner='castor 1' -o twin:machine="$declaration" tank/machines/ssa
zfs clone tank/images/tiny@base tank/machines/ssa/root
zfs create tank/machines/ssa/data
head -c 20000000 /dev/urandom >/tank/machines/ssa/data/seed
"""
MACHINE_OF_CASTOR = f"""
{MAKE_DATA}
chown -R 100000:100000 /tank/machines/ssa/data
mkdir -p /var/lib/lxc/ssa /var/log/lxc
cat >/var/lib/lxc/ssa/config
lxc-start -n ssa
"""


_TEMPLATE = Path(__file__).parents[2] / "roles/server/templates/zfs-fuse.conf.j2"
DROP_IN = "".join(_TEMPLATE.read_text().splitlines(keepends=True)[1:])
"""How role server has systemd run zfs-fuse."""


class Bed:
    """The lab with such a pair on it.

    :cvar interpreter: what runs the program twin there.
    :cvar start: starts the machine by hand, past the program twin.
    :cvar runs: succeeds while it runs.
    :cvar ip: the program of Linux of that name.
    :cvar definition: the file that defines it, `foreign` one of the same name that is none of this pair.
    :cvar image: makes what the machine is cloned from; its argument: microseconds between two counts.
    """

    platform, kind = "debian", "lxc"
    interpreter = "/usr/bin/python3"
    start = f"lxc-start -n {MACHINE}"
    runs = f"lxc-info -s -H -n {MACHINE} 2>/dev/null | grep -q RUNNING"
    ip = "ip"
    definition = f"/var/lib/lxc/{MACHINE}/config"
    foreign = "lxc.rootfs.path = dir:/srv/other"
    image = IMAGE

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def ready(self) -> None:
        """The saved state, made if there is none yet."""
        if STATE in self.lab.status()["saved"]:
            return
        with ThreadPoolExecutor() as pool:
            keys = dict(zip(SERVERS, pool.map(self._make_server, SERVERS), strict=True))
        program = zipapp.build(self.interpreter)
        for server in SERVERS:
            self._introduce(server, keys)
            self.install(server, "/usr/local/sbin/twin", program, 0o755)
        self.sh("castor", self.image, str(50_000 * SLOWNESS))
        image = self.lab.ssh("castor", "zfs send tank/images/tiny@base", text=False).stdout
        receive = "zfs receive tank/images/tiny && zfs set readonly=on tank/images/tiny"
        assert self.lab.ssh("pollux", receive, input=image, text=False).returncode == 0
        self.make_machine()
        assert self.count() > 0
        self.sh("castor", "twin replicate ssa")
        for server in SERVERS:
            # As it is after its first days: every part of the program was in use once.
            self.sh(server, f"{self.interpreter} -m compileall -q /var/cache/twin")
            # A state of a virtual machine is its memory too: after a power cut only its disks are left.
            self.sh(server, "sync")
        self.lab.save(STATE)

    def make_machine(self) -> None:
        """The machine on castor, running."""
        machine = parse_machine(MACHINE, self.declared())
        config = container_of(machine, self.pair_for("castor")).config
        text = "".join(f"{key} = {value}\n" for key, values in config.items() for value in values)
        self.sh("castor", MACHINE_OF_CASTOR, to_property(machine), stdin=text)

    def declared(self) -> dict[str, object]:
        """The machine, as an inventory has it."""
        return {
            "kind": self.kind,
            "home": "castor",
            "image": "tiny",
            "addresses": [f"{ADDRESS}/24"],
            "check": {"http": "/count"},
        }

    def pair_for(self, server: str) -> Pair:
        """What /etc/twin/pair.json of a server says."""
        other = next(name for name in SERVERS if name != server)
        addresses = (*(f"{link}.{SERVERS[other]}" for link in LINKS[:2]), f"192.0.2.1{SERVERS[other]}")
        return Pair("sio", self.platform, server, POOL, "br0", Peer(other, addresses), "witness")

    def _make_server(self, name: str) -> list[str]:
        return self.sh(name, SERVER, f"192.0.2.1{SERVERS[name]}", stdin=DROP_IN).splitlines()

    def _introduce(self, server: str, keys: Mapping[str, list[str]]) -> None:
        """Tell a server who its twin is and which key it has."""
        pair = self.pair_for(server)
        twin = pair.twin
        host_key, key = (line.rpartition(" ")[0] for line in keys[twin.server])
        hosts = "".join(f"{address} {host_key}\n" for address in twin.addresses)
        self.install(server, "/etc/twin/pair.json", json.dumps(to_mapping(pair)).encode())
        self.install(server, "/etc/twin/known_hosts", hosts.encode())
        line = f'restrict,command="/usr/local/sbin/twin peer" {key}\n'
        self.sh(server, "cat >>/root/.ssh/authorized_keys", stdin=line)

    def install(self, server: str, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a file on a server."""
        command = f"cat >{path} && chmod {mode:o} {path}"
        assert self.lab.ssh(server, command, input=data, text=False).returncode == 0

    def count(self, patience: float = 60.0) -> int:
        """What the machine serves: a counter that is on its disk."""
        end = time.monotonic() + patience * SLOWNESS
        while True:
            done = self.lab.run("curl", "-sf", "--max-time", "2", f"http://{ADDRESS}/count")
            if done.returncode == 0 and done.stdout.strip():
                return int(done.stdout)
            assert time.monotonic() < end, f"{MACHINE} does not answer"
            time.sleep(0.05)

    def sh(self, server: str, script: str, *argv: str, stdin: str = "") -> str:
        """Run a script on a server."""
        command = shlex.join(["sh", "-c", script, "sh", *argv])
        done = self.lab.ssh(server, command, input=stdin)
        assert done.returncode == 0, f"{server}: {done.stdout}{done.stderr}"
        return str(done.stdout)
