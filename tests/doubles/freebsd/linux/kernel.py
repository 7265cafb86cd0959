# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel of the second ground: the tables of the first, made real in namespaces of Linux.

A jail is its first process (`keeper`), in namespaces of its own for mounts, processes, names and System V
objects, with its root changed to the jail's; with `vnet` it has a network namespace too. Whatever becomes
false in the tables because a process ended is put right when the tables are read.
"""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..kernel import HOST, Interface, Jail, KernelError, MemoryKernel, Mount, Process, Value
from . import mounts, network

STATE = Path("/run/freebsd/kernel")
LOADER = Path("/boot/loader.conf")
LINGERING = Path("/var/db/freebsd-double/lingering")
KEEPER = Path(__file__).with_name("keeper.py")
NSENTER, UNSHARE = "/usr/lib/linux/nsenter", "/usr/lib/linux/unshare"


class LinuxKernel(MemoryKernel):
    """The kernel of this server.

    :param release: as which it shows itself.
    """

    def __init__(self, release: str) -> None:
        super().__init__(release)
        self.keepers: dict[int, int] = {}
        """The pid of the first process of each jail."""
        self.shown: Callable[[int], set[str]] = lambda ruleset: set()
        """What a ruleset of devfs(8) leaves to be seen."""
        self._is: tuple[list[Interface], list[Mount]] = ([], [])
        """What the tables said when they were last made real."""

    # -- from one program to the next

    def load(self, inside: bool = False) -> None:
        """Read what the last program left, and see what has become of it. After a boot there is nothing.

        :param inside: whether to look into the jails too, where programs may have set addresses.
        """
        if STATE.exists():
            vars(self).update(pickle.loads(STATE.read_bytes()))
        else:
            self.interfaces, self.mounts = network.found(), [Mount("devfs", "/dev", "devfs")]
            given = re.findall(r'^([\w.]+)="?([^"\n]*)', LOADER.read_text(), re.MULTILINE)
            self.environment = dict(given)
            self.racct = self.environment.get("kern.racct.enable") == "1"
            self._is = copy.deepcopy((self.interfaces, self.mounts))
        self.mounts = [each for each in self.mounts if each.kind != "zfs"]
        # A nullfs over a file system of ZFS is shown by Linux as one more mount of that.
        ours = {each.target for each in self.mounts}
        real = [each for each in mounts.zfs_mounts() if each.target not in ours]
        self.mounts[:0] = [Mount("zroot/ROOT/default", "/", "zfs"), *real]
        self._is = self._is[0], copy.deepcopy(self.mounts)
        self._bury()
        self.dying_keeps_name = LINGERING.exists()
        self.lingering = {*LINGERING.read_text().split()} if LINGERING.exists() else set()
        for jail in [jail for jail in self._jails.values() if jail.dying and jail.name not in self.lingering]:
            self._forget(jail)
        for jail in self.jails() if inside else []:
            if jail.vnet:
                self._look_into(jail)

    def save(self) -> None:
        """Make real what the tables say, and write them down."""
        self.realise()
        STATE.parent.mkdir(parents=True, exist_ok=True)
        new = STATE.with_suffix(".new")
        new.write_bytes(pickle.dumps({name: it for name, it in vars(self).items() if name != "shown"}))
        new.rename(STATE)

    def realise(self) -> None:
        """Make real what the tables say of interfaces and mounts."""
        interfaces, mounted = self._is
        if (interfaces, mounted) == (self.interfaces, self.mounts):
            return
        for interface in self.interfaces:
            network.personal(interface, os.uname().nodename)
        network.settle(interfaces, self.interfaces)
        mounts.settle(mounted, self.mounts, self.shown)
        self._is = copy.deepcopy((self.interfaces, self.mounts))

    def _bury(self) -> None:
        """Jails whose processes are gone are gone, unless they persist."""
        inhabited = {_namespace(pid) for pid in _pids() if pid not in self.keepers.values()}
        for jail in self.jails():
            keeper = self.keepers[jail.jid]
            if not _is_there(keeper) or not (jail.params["persist"] or _namespace(keeper) in inhabited):
                self.remove(jail.jid)

    def _look_into(self, jail: Jail) -> None:
        inside = network.addresses_inside(jail.jid)
        for interface, known in zip(self.interfaces, self._is[0], strict=True):
            if interface.vnet == jail.jid:
                interface.up, interface.addresses = inside.get(interface.name, (False, []))
                known.up, known.addresses = interface.up, list(interface.addresses)

    def look_for_busy_mounts(self) -> None:
        """Set in the table what some process stands on."""
        found = mounts.busy([each.target for each in self.mounts])
        for mount in self.mounts:
            mount.busy = mount.target in found

    # -- jails

    def create(self, params: Mapping[str, Value], of: int = HOST) -> int:
        jid = super().create(params, of)
        jail = self._jails[jid]
        self.realise()
        namespaces = ["--fork", "--pid", "--mount", "--uts", "--ipc", "--propagation", "slave"]
        keeper = ["/usr/bin/python3", "-I", "-S", str(KEEPER), jail.path, str(jail.params["host.hostname"])]
        argv = [UNSHARE, *namespaces, *keeper]
        if jail.vnet:
            network.make_stack(jid)
            argv = [network.IP, "netns", "exec", network.stack(jid), *argv]
        null, pipe = subprocess.DEVNULL, subprocess.PIPE
        started = subprocess.Popen(argv, stdin=null, stdout=pipe, stderr=null, start_new_session=True)
        assert started.stdout is not None
        pid = started.stdout.readline()
        if not pid:
            super().remove(jid)
            raise KernelError("jail_set: Invalid argument")
        self.keepers[jid] = int(pid)
        return jid

    def update(self, jid: int, params: Mapping[str, Value]) -> None:
        super().update(jid, params)
        if "host.hostname" in params and jid in self._jails:
            argv = [NSENTER, "--target", str(self.keepers[jid]), "--uts", "--", "/usr/bin/hostname"]
            subprocess.run([*argv, str(params["host.hostname"])], check=True, stdin=subprocess.DEVNULL)

    def remove(self, jid: int) -> None:
        going = [jail for jail in (*self.jails(jid), self._jails.get(jid)) if jail is not None]
        stacks = [jail.jid for jail in going if jail.vnet]
        super().remove(jid)
        # Interfaces go home while there is a place that they can leave.
        self.realise()
        for jail in going:
            _kill(self.keepers.pop(jail.jid))
        for each in stacks:
            network.end_stack(each)

    # -- processes

    def processes(self, jid: int) -> list[Process]:
        keeper = self.keepers.get(jid, 0)
        theirs = _namespace(keeper)
        return [
            Process(pid, jid, _command(pid))
            for pid in _pids()
            if pid != keeper and theirs and _namespace(pid) == theirs and _is_there(pid)
        ]

    def terminate(self, jid: int, patience: float = 0) -> list[int]:
        pids = [process.pid for process in self.processes(jid)]
        for pid in pids:
            _signal(pid, signal.SIGTERM)
        end = time.monotonic() + patience
        while self.processes(jid) and time.monotonic() < end:
            time.sleep(0.02)
        return pids

    def hang_up(self, pid: int) -> None:
        if _is_there(pid):
            _signal(pid, signal.SIGHUP)

    def path_of(self, jid: int) -> str:
        """The root of a jail, on the server."""
        return self._jails[jid].path

    def entering(self, jid: int, argv: Sequence[str], ids: tuple[int, int], folder: str) -> list[str]:
        """The command line which runs a program in a jail, as a user and a group, in a folder."""
        spaces = ["--mount", "--pid", "--uts", "--ipc", *(["--net"] if self._jails[jid].vnet else [])]
        who = [f"--setuid={ids[0]}", f"--setgid={ids[1]}"]
        target = ["--target", str(self.keepers[jid])]
        return [NSENTER, *target, *spaces, *who, "--root", f"--wdns={folder}", "--", *argv]


def _kill(pid: int) -> None:
    """End a first process, and with it all of its namespace."""
    _signal(pid, signal.SIGKILL)
    while _is_there(pid):
        time.sleep(0.002)


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_there(pid: int) -> bool:
    return _state(pid) not in "ZX"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return " ".join(words).strip()
