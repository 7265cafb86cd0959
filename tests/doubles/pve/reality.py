# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is real of the guests of a lab's nodes: containers that run, with their volumes.

Rests on: PVE::LXC (pve-container) for names and places: /var/lib/lxc/VMID/config, the dataset
POOL/subvol-VMID-disk-N of a zfspool, a folder below PATH/images elsewhere; an unprivileged container is
shifted by 100000; and on PVE::Storage::ZFSPoolPlugin for a transfer, which is a stream of a snapshot
`__migration__`.

The state says what should be, `Reality` what is known to be; `follow` makes the one of the other: what should
not run any more is ended, volumes are made, carried, copied and removed, then what should run is begun.

* An archive that lies on the server is extracted; of any other (the state knows of it, nobody wrote it) the
  root is a BusyBox with an init that serves /srv by HTTP.
* A container's network is that of its net0 where the bridge is there, else none. Limits hold nobody back.
* Whatever the state calls a raw file is a folder here. Where a server has no pool of that name, so is a
  dataset.
* A stop, a shutdown and a reboot kill alike.
* Snapshots, and what a backup holds, are only in the state; so is all of a virtual machine but what its guest
  agent does (sandbox.py).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.doubles.pve import guests
from tests.doubles.pve.areas.cluster_config import corosync_conf
from tests.doubles.pve.areas.storage_status import path_of
from tests.doubles.pve.world import Guest, Volume, World

SHIFT = 100_000
SEEN = "/srv/pve"
"""Where a server sees its folder of the office."""

MAKE = """
set -e
dataset=$1 path=$2 size=$3 archive=$4 shift=$5
pool=${dataset%%/*}
if [ -n "$dataset" ] && zfs list -H -o name "$pool" >/dev/null 2>&1; then
    zfs list -H -o name "$dataset" >/dev/null 2>&1 || zfs create -p "$dataset"
    [ "$size" = 0 ] || zfs set refquota="$size" "$dataset"
else
    mkdir -p "$path"
fi
if [ "$archive" = none ]; then
    :
elif [ -s "$archive" ] && tar -tf "$archive" >/dev/null 2>&1; then
    tar -C "$path" --numeric-owner -xpf "$archive"
else
    cd "$path"
    mkdir -p bin sbin etc dev proc sys tmp srv run root var usr/bin
    cp /bin/busybox bin/busybox
    chroot . /bin/busybox --install -s /bin
    ln -s /bin/busybox usr/bin/env
    printf '%s\\n' 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
    printf '%s\\n' 'root:x:0:' >etc/group
    cat >sbin/init <<'END'
#!/bin/sh
trap 'exit 0' PWR TERM USR2
httpd -p 80 -h /srv
while :; do
    sleep 1 &
    wait $!
done
END
    chmod 755 sbin/init
    chmod 1777 tmp
    cd /
fi
[ "$shift" = 0 ] || exec python3 -IS - "$path" "$shift" <<'END'
import os, stat, sys
root, shift = sys.argv[1], int(sys.argv[2])
def move(path):
    seen = os.lstat(path)
    if seen.st_uid < shift:
        os.lchown(path, seen.st_uid + shift, seen.st_gid + shift)
        if not stat.S_ISLNK(seen.st_mode):
            os.chmod(path, stat.S_IMODE(seen.st_mode))
move(root)
for folder, folders, files in os.walk(root):
    for name in folders + files:
        move(os.path.join(folder, name))
END
"""
COPY = """
set -e
mkdir -p "$2"
cp -a "$1/." "$2/"
"""
SEND = """
set -e
dataset=$1 path=$2 file=$3
if [ -n "$dataset" ] && zfs list -H -o name "$dataset" >/dev/null 2>&1; then
    zfs destroy "$dataset@__migration__" 2>/dev/null || true
    zfs snapshot "$dataset@__migration__"
    zfs send -p "$dataset@__migration__" >"$file"
    zfs destroy "$dataset@__migration__"
    echo zfs
else
    tar -C "$path" --numeric-owner -cf "$file" .
    echo tar
fi
"""
RECEIVE = """
set -e
dataset=$1 path=$2 file=$3 form=$4
if [ "$form" = zfs ]; then
    # FUSE lets go of a file system some moments after it was unmounted.
    for moment in 1 2 3 4 5 6 7 8 9 10; do
        zfs list -H -o name "$dataset" >/dev/null 2>&1 || break
        zfs destroy -r "$dataset" 2>/dev/null || sleep 0.2
    done
    zfs receive "$dataset" <"$file"
    zfs destroy "$dataset@__migration__"
else
    rm -rf "$path"
    mkdir -p "$path"
    tar -C "$path" --numeric-owner -xpf "$file"
fi
rm -f "$file"
"""
DROP = """
dataset=$1 path=$2
if [ -n "$dataset" ] && zfs list -H -o name "$dataset" >/dev/null 2>&1; then
    for moment in 1 2 3 4 5 6 7 8 9; do
        zfs destroy -r "$dataset" 2>/dev/null && exit
        sleep 0.2
    done
    zfs destroy -r "$dataset"
else
    rm -rf "$path"
fi
"""
START = """
set -e
mkdir -p "/var/lib/lxc/$1"
cat >"/var/lib/lxc/$1/config"
lxc-start -n "$1" -o "/var/log/lxc-$1.log"
lxc-wait -n "$1" -s RUNNING -t 10
"""
STOP = """
lxc-stop -k -n "$1"
lxc-wait -n "$1" -s STOPPED -t 10
"""
UPLOADED = f'mkdir -p "${{1%/*}}" && mv {SEEN}/upload "$1"'
RUNNING = "lxc-ls -1 --running 2>/dev/null; true"
BRIDGES = "ls /sys/class/net"
TEMPLATES = "cd /var/lib/vz/template/cache && stat -c '%s %n' -- * 2>/dev/null; true"


KEYS = "cat /root/.ssh/id_rsa.pub; cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub"
MEMBER = """
set -e
conf=$1
shift
if [ -n "$conf" ]; then printf '%s' "$conf" >/etc/pve/corosync.conf; else rm -f /etc/pve/corosync.conf; fi
while [ $# -gt 0 ]; do
    mkdir -p "/etc/pve/nodes/$1"
    grep -qxF "$2" /root/.ssh/authorized_keys 2>/dev/null || echo "$2" >>/root/.ssh/authorized_keys
    echo "$1 $3" >"/etc/pve/nodes/$1/ssh_known_hosts"
    shift 3
done
"""


class Gone(Exception):
    """The server went away before it answered."""


class Failed(Exception):
    """What was to be done on the server could not be done."""


@dataclass
class Agent:
    """The connection to a server, on which its agent runs what it is told."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    count: int = 0
    ended: bool = False

    def tell(self, message: dict[str, Any]) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def listen(self) -> None:
        """Takes answers until the connection ends."""
        try:
            while line := await self.reader.readline():
                answer = json.loads(line)
                self.waiting.pop(answer["id"]).set_result(answer)
        except (OSError, ValueError):
            pass
        self.ended = True
        for future in self.waiting.values():
            future.set_exception(Gone())
        self.waiting.clear()

    async def run(self, script: str, *words: object, stdin: str = "") -> str:
        """Runs a script of sh(1) on the server. Returns what it printed. Raises Failed, or Gone."""
        if self.ended:
            raise Gone
        self.count += 1
        future = self.waiting[self.count] = asyncio.get_running_loop().create_future()
        self.tell(
            {"id": self.count, "script": script, "words": [str(word) for word in words], "stdin": stdin}
        )
        done = await future
        if done["rc"]:
            raise Failed(f"{' '.join(map(str, words))}: {done['err'].partition(chr(10))[0] or done['rc']}")
        return str(done["out"])


@dataclass(frozen=True)
class Place:
    """Where a volume lies on its server."""

    path: str
    dataset: str = ""


@dataclass
class Reality:
    """A server, and what is known to be on it."""

    folder: Path
    agent: Agent | None = None
    running: dict[int, int] = field(default_factory=dict)
    """Containers, and the process id that the state gave them as they began."""
    volumes: dict[str, Place] = field(default_factory=dict)
    replicated: dict[str, int] = field(default_factory=dict)
    conf: str = ""
    """Its corosync.conf."""
    """Jobs of replication, and when the one that is real here was."""

    async def run(self, script: str, *words: object, stdin: str = "") -> str:
        if self.agent is None:
            raise Gone
        return await self.agent.run(script, *words, stdin=stdin)


async def tell(world: World, servers: Mapping[str, Reality]) -> None:
    """What the file system of the cluster has for every node: corosync.conf, and the keys by which they know
    each other, when that has changed.
    """
    conf = corosync_conf(world) if world.cluster else ""
    there = {name: server for name, server in servers.items() if server.agent is not None}
    if all(server.conf == conf for server in there.values()):
        return
    keys: list[str] = []
    for name, server in there.items() if conf else ():
        keys += [name, *(await server.run(KEYS)).splitlines()]
    for server in there.values():
        await server.run(MEMBER, conf, *keys)
        server.conf = conf


async def follow(world: World, servers: Mapping[str, Reality]) -> None:
    """Makes what is of what should be; servers: those of this world's nodes, also such as are away."""
    await attempt(tell(world, servers))
    there = {name: server for name, server in servers.items() if server.agent is not None}
    for name, server in there.items():
        wanted = containers(world, name)
        for vmid, pid in list(server.running.items()):
            if vmid not in wanted or wanted[vmid].pid != pid:
                del server.running[vmid]
                await attempt(server.run(STOP, vmid))
    for name, server in there.items():
        for volid, volume in volumes(world, name).items():
            if volid not in server.volumes:
                place = server.volumes[volid] = place_of(world, volume)
                await attempt(fill(world, name, volume, place, servers))
    await replicate(world, servers)
    for name, server in there.items():
        for volid in server.volumes.keys() - volumes(world, name).keys():
            place = server.volumes.pop(volid)
            await attempt(server.run(DROP, place.dataset, place.path))
    for name, server in there.items():
        for vmid, guest in containers(world, name).items():
            if vmid not in server.running:
                server.running[vmid] = guest.pid
                if not await attempt(begin(world, server, guest)):
                    guest.status = "stopped"
                    server.running.pop(vmid)


async def attempt(work: Any) -> bool:
    """Whether it could be done; why not stands in the log of the office."""
    try:
        await work
    except Failed as problem:
        print(problem, file=sys.stderr, flush=True)
        return False
    except Gone:
        return False
    return True


def containers(world: World, node: str) -> dict[int, Guest]:
    """Those that should run."""
    return {
        guest.vmid: guest
        for guest in world.guests.values()
        if guest.kind == "lxc" and guest.node == node and guest.status == "running"
    }


def volumes(world: World, node: str) -> dict[str, Volume]:
    return {
        volid: volume
        for (at, volid), volume in world.volumes.items()
        if at == node and volume.content == "rootdir" and volume.storage in world.storages
    }


def place_of(world: World, volume: Volume) -> Place:
    settings = world.storages[volume.storage]
    if settings["type"] != "zfspool":
        return Place(path_of(world, volume))
    dataset = f"{settings['pool']}/{volume.volid.rpartition('/')[2].rpartition(':')[2]}"
    return Place(f"/{dataset}", dataset)


async def fill(world: World, node: str, volume: Volume, place: Place, servers: Mapping[str, Reality]) -> None:
    """A new volume: carried from another node, copied from another volume, or made of an archive."""
    server = servers[node]
    for name, other in servers.items():
        if name != node and volume.volid in other.volumes and other.agent is not None:
            return await carry(other, other.volumes[volume.volid], server, place)
    guest = world.guests.get(volume.vmid or 0)
    root = guest is not None and guests.volumes(guest).get("rootfs") == volume.volid
    source = server.volumes.get(volume.origin or "")
    archive = "none"
    if source is None and root:
        found = world.volume(node, volume.origin or "")
        archive = path_of(world, found) if found is not None else ""
    shift = SHIFT if guest is not None and guest.config.get("unprivileged") and source is None else 0
    await server.run(MAKE, place.dataset, place.path, volume.size, archive, shift)
    if source is not None:
        await server.run(COPY, source.path, place.path)


async def carry(source: Reality, old: Place, target: Reality, new: Place) -> None:
    """The files of a volume, through the office."""
    name = "stream"
    form = (await source.run(SEND, old.dataset, old.path, f"{SEEN}/{name}")).strip()
    (source.folder / name).rename(target.folder / name)
    await target.run(RECEIVE, new.dataset, new.path, f"{SEEN}/{name}", form)


async def replicate(world: World, servers: Mapping[str, Reality]) -> None:
    """What the runs of replication have carried since."""
    for job, state in world.facts.get("replication", {}).items():
        settings, guest = world.file("replication").get(job), world.guests.get(int(job.partition("-")[0]))
        if settings is None or guest is None or guest.kind != "lxc":
            continue
        source, target = servers.get(guest.node), servers.get(settings["target"])
        if source is None or target is None or source.agent is None or target.agent is None:
            continue
        if target.replicated.get(job, 0) >= state["last_sync"]:
            continue
        target.replicated[job] = state["last_sync"]
        for volid in guests.volumes(guest).values():
            if volid in source.volumes and volid in target.volumes:
                await attempt(carry(source, source.volumes[volid], target, target.volumes[volid]))


async def begin(world: World, server: Reality, guest: Guest) -> None:
    bridges = (await server.run(BRIDGES)).split()
    await server.run(START, guest.vmid, stdin=definition(world, guest, bridges))


def definition(world: World, guest: Guest, bridges: list[str]) -> str:
    """The configuration of LXC."""
    places = {
        key: place_of(world, volume)
        for key, volid in guests.volumes(guest).items()
        if (volume := world.volume(guest.node, volid)) is not None and not key.startswith("unused")
    }
    root = places.pop("rootfs", None)
    if root is None:
        raise Failed(f"container {guest.vmid} has no root")
    lines = [
        f"lxc.uts.name = {guest.name}",
        f"lxc.rootfs.path = dir:{root.path}",
        "lxc.init.cmd = /sbin/init",
        "lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed",
        "lxc.apparmor.profile = unconfined",
    ]
    if guest.config.get("unprivileged"):
        lines += [f"lxc.idmap = {each} 0 {SHIFT} 65536" for each in ("u", "g")]
    for key, place in places.items():
        target = guests.pairs(str(guest.config[key]))["mp"].lstrip("/")
        lines.append(f"lxc.mount.entry = {place.path} {target} none bind,create=dir 0 0")
    return "\n".join([*lines, *networks(guest, bridges), ""])


def networks(guest: Guest, bridges: list[str]) -> list[str]:
    lines = []
    for key, value in sorted(guest.config.items()):
        if not re.fullmatch(r"net\d+", key):
            continue
        told, number = guests.pairs(str(value)), key[3:]
        if told.get("bridge") not in bridges:
            continue
        net = f"lxc.net.{number}"
        lines += [f"{net}.type = veth", f"{net}.link = {told['bridge']}", f"{net}.flags = up"]
        lines += [f"{net}.veth.pair = veth{guest.vmid}i{number}", f"{net}.name = {told['name']}"]
        lines += [f"{net}.hwaddr = {told['hwaddr']}"] if "hwaddr" in told else []
        for version, address, gateway in (("ipv4", "ip", "gw"), ("ipv6", "ip6", "gw6")):
            if "/" in told.get(address, ""):
                lines.append(f"{net}.{version}.address = {told[address]}")
                lines += [f"{net}.{version}.gateway = {told[gateway]}"] if gateway in told else []
    return lines or ["lxc.net.0.type = empty"]


async def watch(world: World, servers: Mapping[str, Reality]) -> None:
    """Containers that ended by themselves are stopped in the state too."""
    for server in servers.values():
        if server.agent is None or not server.running:
            continue
        alive = {int(name) for name in (await server.run(RUNNING)).split() if name.isdigit()}
        for vmid in server.running.keys() - alive:
            del server.running[vmid]
            if vmid in world.guests:
                world.guests[vmid].status = "stopped"


async def look(world: World, node: str, server: Reality) -> None:
    """Templates that were laid onto the server are volumes, as a scan of the folder finds them."""
    for line in (await server.run(TEMPLATES)).splitlines():
        size, _blank, name = line.partition(" ")
        volid = f"local:vztmpl/{name}"
        if re.search(r"\.tar\.(gz|xz|zst)$", name) and world.volume(node, volid) is None:
            form = "t" + name.rpartition(".")[2]
            world.volumes[world.place(node, volid)] = Volume(volid, int(size), form, "vztmpl")
