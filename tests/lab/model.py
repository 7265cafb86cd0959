# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab looks like, as plain data and pure functions.

Servers, cables, addresses, the files that describe them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONTROL_ADDRESS = "192.0.2.1/24"
DISKS = 2
DISK_SIZE = 4 * 1024**3
"""Bytes of each of a server's disks.

Sparse files, seen inside the server as /srv/disks/disk0.img and disk1.img.
"""


@dataclass(frozen=True)
class Port:
    """One cable of one server.

    Its name inside, its address, and the bridge of the lab that it is plugged into.
    """

    server: Server
    index: int
    name: str
    bridge: str
    address: str

    @property
    def plug(self) -> str:
        """The lab's end of the cable, in the bridge."""
        return f"{self.server.name}-{self.name}"

    @property
    def mac(self) -> str:
        """Fixed, so that nobody waits for an old ARP entry after a server came back."""
        return f"02:74:77:00:{self.server.number:02x}:{self.index:02x}"


@dataclass(frozen=True)
class Server:
    """A server of the lab.

    Its number is the last part of its addresses on the links; its public address ends in 10 + number.
    """

    name: str
    number: int

    @property
    def address(self) -> str:
        return f"192.0.2.{10 + self.number}"

    @property
    def ports(self) -> tuple[Port, ...]:
        wanted = [("eth0", "public", f"{self.address}/24")]
        if self.name != "witness":
            wanted += [(f"link{n}", f"link{n}", f"10.{n + 1}.0.{self.number}/24") for n in (0, 1)]
        wanted.append(("wit0", "voters", f"10.3.0.{self.number}/24"))
        return tuple(Port(self, i, *port) for i, port in enumerate(wanted))


SERVERS = {server.name: server for server in (Server("castor", 1), Server("pollux", 2), Server("witness", 3))}
BRIDGES = ("public", "link0", "link1", "voters")


class LabError(Exception):
    """Something the person at the keyboard can act on; shown as one sentence."""


def server(name: str) -> Server:
    """The server of that name. Raises LabError."""
    if name not in SERVERS:
        raise LabError(f"no server is called {name!r}; the lab has {', '.join(SERVERS)}")
    return SERVERS[name]


def cables(between: str, number: int | None = None) -> tuple[Port, ...]:
    """The cables that join two ends.

    between: "castor:pollux" (both links, or the one with that number), "castor:witness" or "pollux:witness"
    (the path to the witness), or "SERVER:public" (its port on the public network). A link has two plugs and
    both lose their carrier; a path to the witness is the plug of the twin alone, so that the other twin keeps
    its own.
    Raises LabError.
    """
    ends = between.split(":")
    if len(ends) != 2 or ends[0] == ends[1]:
        raise LabError(f"--between wants two ends, like castor:pollux or castor:public, not {between!r}")
    if number not in (None, 0, 1):
        raise LabError(f"there is no link number {number}; the links are 0 and 1")
    if "public" in ends:
        wanted, names = {"eth0"}, [end for end in ends if end != "public"]
    elif "witness" in ends:
        wanted, names = {"wit0"}, [end for end in ends if end != "witness"]
    else:
        wanted, names = {f"link{n}" for n in (0, 1) if number in (None, n)}, ends
    return tuple(port for name in names for port in server(name).ports if port.name in wanted)


def networkd_files(host: Server) -> dict[str, str]:
    """The files under /etc/systemd/network as an installer would have left them.

    One per port, static addresses.
    """
    gateway = f"Gateway={CONTROL_ADDRESS.partition('/')[0]}\n"
    return {
        f"10-{port.name}.network": f"[Match]\nName={port.name}\n\n[Network]\nAddress={port.address}\n"
        f"{gateway if port.name == 'eth0' else ''}LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        for port in host.ports
    }


def hosts_file(own: str) -> str:
    """/etc/hosts of one host of the lab."""
    lines = [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
        f"{CONTROL_ADDRESS.partition('/')[0]} control",
    ]
    return "\n".join([*lines, *(f"{s.address} {s.name}" for s in SERVERS.values()), f"127.0.1.1 {own}", ""])


def server_files(host: Server, machine_id: str, authorized_keys: str) -> dict[str, str]:
    """The files of a server that are its own, but for its ssh host key."""
    return {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": hosts_file(host.name),
        "etc/machine-id": f"{machine_id}\n",
        "root/.ssh/authorized_keys": authorized_keys,
        **{f"etc/systemd/network/{name}": text for name, text in networkd_files(host).items()},
    }


def inventory(key: Path, known_hosts: Path, sources: Mapping[str, Path | str]) -> str:
    """A static Ansible inventory of the servers, in INI form.

    :param sources: what is handed to roles and tests, by variable: the lab reaches no mirror.
    """
    lines = ["[twin]", "castor", "pollux", "", "[voter]", "witness", "", "[all:vars]", "ansible_user=root"]
    lines += ["ansible_python_interpreter=/usr/bin/python3", f"ansible_ssh_private_key_file={key}"]
    lines += [f"ansible_ssh_common_args=-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes"]
    # Labs have equal addresses: a connection that is kept open must never serve another lab.
    lines += [f"ansible_control_path_dir={key.parent / 'cp'}"]
    lines += [*(f"{name}={path}" for name, path in sources.items()), ""]
    text = "\n".join(lines)
    for host in SERVERS.values():
        text = text.replace(f"\n{host.name}\n", f"\n{host.name} ansible_host={host.address}\n")
    return text


def lxc_config(host: Server, rootfs: Path, disks: Path, repository: Path, log: Path) -> str:
    """The LXC configuration of a server.

    It is privileged and keeps its capabilities, for it mounts file systems and runs containers of its own.
    sys:mixed keeps it from turning knobs of the machine underneath. The two mounts below dev/.lxc give
    unprivileged containers inside it a full view of proc and sys, which the kernel wants to see before it
    lets them mount their own (LXC's nesting.conf does the same).
    """
    lines = [
        f"lxc.uts.name = {host.name}",
        f"lxc.rootfs.path = dir:{rootfs}",
        f"lxc.log.file = {log}",
        "lxc.log.level = INFO",
        "lxc.init.cmd = /sbin/init",
        "lxc.signal.halt = SIGRTMIN+3",
        "lxc.tty.max = 0",
        "lxc.pty.max = 1024",
        "lxc.autodev = 1",
        "lxc.cap.drop =",
        "lxc.apparmor.profile = unconfined",
        "lxc.mount.auto = proc:rw sys:mixed cgroup:rw:force",
        "lxc.mount.entry = proc dev/.lxc/proc proc create=dir,optional 0 0",
        "lxc.mount.entry = sysfs dev/.lxc/sys sysfs create=dir,optional 0 0",
        "lxc.mount.entry = /dev/fuse dev/fuse none bind,create=file,optional 0 0",
        "lxc.mount.entry = /dev/zfs dev/zfs none bind,create=file,optional 0 0",
        "lxc.mount.entry = /dev/net/tun dev/net/tun none bind,create=file,optional 0 0",
        f"lxc.mount.entry = {disks} srv/disks none bind,create=dir 0 0",
        f"lxc.mount.entry = {repository} srv/repo none bind,ro,create=dir 0 0",
    ]
    for port in host.ports:
        net = f"lxc.net.{port.index}"
        lines += [
            f"{net}.type = veth",
            f"{net}.name = {port.name}",
            f"{net}.link = {port.bridge}",
            f"{net}.veth.pair = {port.plug}",
            f"{net}.hwaddr = {port.mac}",
        ]
    return "\n".join([*lines, ""])
