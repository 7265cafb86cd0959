# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the lab as a QEMU machine: a kernel of its own, emulated, so that any machine can run it."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Collection
from pathlib import Path

from . import qmp
from .build import locked
from .model import DISK_SIZE, DISKS, LabError, Port, Server
from .room import Room

MEMORY = "768M"
KERNEL = (
    "root=/dev/vda console=ttyS0 quiet net.ifnames=0 mitigations=off init_on_alloc=0 nowatchdog audit=0 "
    "selinux=0 apparmor=0 systemd.show_status=no systemd.ssh_auto=no"
)
# They cost time and give nothing: an emulator does string instructions byte by byte, and what AVX and
# identifiers of address spaces gain on a processor it loses on saving and switching them.
PROCESSOR_LACKS = (
    "svm",
    "la57",
    "xsave",
    "avx",
    "avx2",
    "pcid",
    "invpcid",
    "erms",
    "fsrm",
    "fsrs",
    "fzrm",
    "fsrc",
)
DRIVES = ("root", *(f"disk{number}" for number in range(DISKS)))

# The partitions are what ZFS is given: of a whole disk it would make partitions with names of its own.
_FIRST_START = """
set -e
for disk in /sys/block/vd*/serial; do
    name=$(cat "$disk")
    case $name in disk*) echo ',,' | sfdisk --quiet --label gpt "/dev/disk/by-id/virtio-$name" ;; esac
done
udevadm settle
"""
# Connections of before are nobody's now: without this their old packets make new ones wait.
_WAKE = """
date --set "@$1" >/dev/null
ss --no-header --tcp --kill >/dev/null 2>&1 || true
"""
_SIGNAL = """
import os, re, sys
number, pid, pattern = int(sys.argv[1]), sys.argv[2], sys.argv[3]
for name in os.listdir("/proc"):
    if not name.isdigit() or int(name) == os.getpid():
        continue
    try:
        line = open(f"/proc/{name}/cmdline", "rb").read().replace(b"\\0", b" ").decode(errors="replace")
        if (name == pid) if pid else re.search(pattern, line):
            os.kill(int(name), number)
            print(name)
    except OSError:
        pass
"""


class VirtualMachine:
    """A Box; its disks are qcow2 files over those of a machine that has started once and was frozen then."""

    patience = 600.0

    def __init__(self, server: Server, room: Room, image: Path) -> None:
        """image: what build_vm made."""
        self.server, self._room, self._image = server, room, image
        self._of = room.work / "servers" / server.name
        self._frozen = image / "frozen" / server.name

    # -- making it -------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        self._of.mkdir(parents=True)
        lines = [
            f"tuntap add dev {port.plug} mode tap\nlink set dev {port.plug} up master {port.bridge}"
            for port in self.server.ports
        ]
        self._room.tool("ip", "-batch", "-", text="\n".join(lines))
        with locked(f"vm-{self.server.name}"):
            if not self._frozen.is_dir():
                self._freeze()
        for drive in DRIVES:
            self._new_disk(self._of, drive, self._frozen / f"{drive}.qcow2", "qcow2")
        self._start("-incoming", f"file:{self._frozen}/memory")
        self._wake()

    def host_key(self) -> str:
        return (self._image / self.server.name / "ssh_host_ed25519_key.pub").read_text()

    def _freeze(self) -> None:
        """Start a new machine once, and put its memory and disks into the cache when it has settled."""
        part = self._frozen.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        self._new_disk(part, "root", Path("../../root.img"), "raw")
        for drive in DRIVES[1:]:
            self._room.tool(
                "qemu-img", "create", "-q", "-f", "qcow2", part / f"{drive}.qcow2", str(DISK_SIZE)
            )
        self._start(folder=part)
        self._do("systemctl", "is-system-running", "--wait")
        self._do("sh", "-c", _FIRST_START)
        self._do("sync")
        with qmp.monitor(self._of / "monitor") as monitor:
            # It runs on meanwhile: one that was stopped would come back stopped.
            monitor.call("migrate", uri=f"file:{part}/memory")
            while (status := monitor.call("query-migrate")["status"]) not in ("completed", "failed"):
                time.sleep(0.05)
            if status == "failed":
                raise LabError(f"the memory of {self.server.name} could not be written to {part}")
            monitor.call("quit")
        while self.is_on():
            time.sleep(0.02)
        self.power_off()
        part.rename(self._frozen)

    def _new_disk(self, folder: Path, drive: str, base: Path, form: str) -> None:
        """An empty layer over a disk; base: where that is, as the layer sees it."""
        target = folder / f"{drive}.qcow2"
        self._room.tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", form, "-b", base, target)

    # -- power and cables ------------------------------------------------------------------------------------

    def is_on(self) -> bool:
        return any(self._room.group.processes(self._leaf))

    def power_on(self) -> None:
        self._start()

    def power_off(self) -> None:
        """Kill QEMU: what the guest has flushed is in its files."""
        self._room.group.end(self._leaf)

    def connect(self, cut: Collection[Port]) -> None:
        with qmp.monitor(self._of / "monitor") as monitor:
            for port in self.server.ports:
                monitor.call("set_link", name=port.name, up=port not in cut)

    @property
    def _leaf(self) -> str:
        return f"vm.{self.server.name}"

    def _start(self, *how: str, folder: Path | None = None) -> None:
        for socket in ("monitor", "agent"):
            (self._of / socket).unlink(missing_ok=True)
        self._room.group.create(self._leaf)
        command = command_line(self.server, self._image, self._of, folder or self._of)
        self._room.tool(*command, *how, leaf=self._leaf)

    # -- its processes ---------------------------------------------------------------------------------------

    def inside(self, *argv: str) -> str:
        with qmp.agent(self._of / "agent", self.patience) as agent:
            return qmp.execute(agent, list(argv), self.patience)[1].strip()

    def signal(self, number: signal.Signals, pid: int | None, pattern: str | None) -> list[int]:
        wanted = ("" if pid is None else str(pid), pattern or "")
        return [
            int(word) for word in self.inside("python3", "-c", _SIGNAL, str(int(number)), *wanted).split()
        ]

    def _do(self, *argv: str) -> None:
        with qmp.agent(self._of / "agent", self.patience) as agent:
            code, printed = qmp.execute(agent, list(argv), self.patience)
        if code:
            raise LabError(f"{self.server.name}: {' '.join(argv)}: {printed.strip() or code}")

    # -- saved states ----------------------------------------------------------------------------------------

    def save(self, kept: Path) -> None:
        """Memory and disks, as a snapshot in the files of the disks."""
        if not self.is_on():
            raise LabError(f"{self.server.name} is off; a state is kept of servers that run")
        kept.mkdir(parents=True)
        with qmp.monitor(self._of / "monitor") as monitor:
            qmp.human(monitor, f"savevm {kept.parent.name}")

    def reset(self, kept: Path) -> None:
        if self.is_on():
            with qmp.monitor(self._of / "monitor") as monitor:
                qmp.human(monitor, f"loadvm {kept.parent.name}")
        else:
            self._start("-loadvm", kept.parent.name)
        self._wake()

    def _wake(self) -> None:
        """Tell the machine that time has passed."""
        self._do("sh", "-c", _WAKE, "sh", f"{time.time():.3f}")


def command_line(server: Server, image: Path, sockets: Path, disks: Path) -> list[str]:
    """The QEMU command of a server.

    A frozen memory fits this line and this QEMU alone: this file is part of the image's recipe.
    sockets, disks: the folders of its sockets and of its qcow2 files.
    """
    words = ["qemu-system-x86_64", "-name", server.name, "-accel", "tcg,tb-size=256"]
    # Without the devices of a desktop, which an emulated processor takes seconds to look at.
    words += [
        "-machine",
        "q35,sata=off,smbus=off,i8042=off",
        "-cpu",
        ",".join(["max", *(f"{each}=off" for each in PROCESSOR_LACKS)]),
    ]
    words += ["-smp", "1", "-m", MEMORY, "-nodefaults", "-display", "none", "-daemonize"]
    words += ["-rtc", "base=utc"]
    words += ["-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/{server.name}/initrd", "-append", KERNEL]
    words += ["-serial", f"file:{sockets}/console.log", "-qmp", f"unix:{sockets}/monitor,server=on,wait=off"]
    words += ["-device", "virtio-rng-pci", "-device", "i6300esb", "-device", "virtio-serial-pci"]
    words += ["-chardev", f"socket,id=agent,path={sockets}/agent,server=on,wait=off"]
    words += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
    for drive in DRIVES:
        # At a guest's flush QEMU writes to the file whatever it has kept to itself. That is enough when QEMU
        # is killed: the machine underneath lives on, so nobody need wait for that machine's disk.
        words += ["-drive", f"if=none,id={drive},file={disks}/{drive}.qcow2,cache=unsafe,discard=unmap"]
        words += ["-device", f"virtio-blk-pci,drive={drive},serial={drive}"]
    for port in server.ports:
        words += ["-netdev", f"tap,id={port.name}-tap,ifname={port.plug},script=no,downscript=no"]
        words += ["-device", f"virtio-net-pci,id={port.name},netdev={port.name}-tap,mac={port.mac},romfile="]
    return words
