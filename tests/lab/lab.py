# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: bring it up and down, run things in it, and do to it what happens to real servers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from . import build
from .cgroup import Group
from .model import (
    BRIDGES,
    CONTROL_ADDRESS,
    DISK_SIZE,
    DISKS,
    SERVERS,
    LabError,
    Port,
    Server,
    hosts_file,
    inventory,
    lxc_config,
    networkd_files,
    server,
)

HERE = Path(__file__).parent
BASE = Path("/var/tmp/twin-lab")
HOST_COMMANDS = {
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "zstd": "zstd",
}
"""What the lab wants of this machine beside essential packages, and the Debian package that has it."""
BOOT_SECONDS = 60.0


def _say(text: str) -> None:
    print(text, flush=True)


@dataclass
class State:
    """What a lab remembers between two commands."""

    up: bool = False
    root: str = ""
    """The built file systems that this lab stands on; a newer build is for the next lab."""
    owner: int | None = None
    """Pid of who brings the lab up, or of the tests that use it: without it the lab has no reason to be."""
    owner_started: int | None = None
    """When that process started, in ticks since boot: pids are used again."""
    cut: list[str] = field(default_factory=list)
    """The cables (names of their lab ends) without carrier: they stay cut over a power cycle."""
    slow: dict[str, str] = field(default_factory=dict)
    layers: dict[str, list[str]] = field(default_factory=dict)
    """Per server the saved layers below its own, newest first."""


class Lab:
    """One lab, by its name and the folder that holds its files. Its verbs raise LabError."""

    def __init__(self, name: str = "lab", base: Path = BASE, say: Callable[[str], None] = _say) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError(f"a lab's name is made of small letters, digits and -, unlike {name!r}")
        if os.geteuid():
            raise LabError("the lab wants root: it makes namespaces, mounts and containers")
        self.name, self.base = name, base.resolve()
        self.work = self.base / name
        self.group = Group(f"twin-lab.{name}.{zlib.crc32(str(self.work).encode()):08x}")
        self.say = say

    def __enter__(self) -> Lab:
        try:
            self.up(owner=os.getpid())
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # -- life ------------------------------------------------------------------------------------------------

    def up(self, owner: int | None = None) -> None:
        """Bring the lab up, making whatever is missing; nothing to do when it is up.

        owner: pid of a process that the lab shall not outlive; once it is gone, the next `up` or `gc` clears
        the lab away.
        """
        started = time.monotonic()
        _install_host_commands()
        if not self._claim():
            self.say(f"{self.name} is up already")
            return
        root = build.ready()
        with self._changing() as state:
            state.root = str(root)
        self.say(f"{self.name}: namespaces and bridges")
        self._start_holder(root)
        self.say(f"{self.name}: {', '.join(SERVERS)}")
        self._make_keys()
        for host in SERVERS.values():
            self._furnish(host, root)
        self._boot(SERVERS.values())
        with self._changing() as state:
            state.up = True
            state.owner, state.owner_started = (None, None) if owner is None else (owner, _start_time(owner))
        self.say(f"{self.name}: up after {time.monotonic() - started:.1f} s")

    def down(self) -> None:
        """End every process of the lab and remove its files. Nothing to do when there is none."""
        self._clear()
        with build.locked("labs"), contextlib.suppress(OSError):
            self.base.rmdir()

    def gc(self) -> list[str]:
        """Clear away the labs of this base folder whose owner or first process is gone.

        Returns their names.
        """
        with build.locked("labs"):
            return self._gc()

    def status(self) -> dict[str, Any]:
        """What there is: plain data."""
        state = self._state()
        holder = self._find_holder()
        answer: dict[str, Any] = {
            "name": self.name,
            "up": state.up and holder is not None,
            "work": str(self.work),
            "cut": state.cut,
            "slow": state.slow,
            "saved": sorted(path.name for path in (self.work / "states").glob("*")),
            "kernel_has_zfs": Path("/sys/module/zfs").is_dir(),
        }
        if holder is not None:
            answer["servers"] = {host.name: self._lxc("info", host, "-sH") for host in SERVERS.values()}
        return answer

    # -- using it --------------------------------------------------------------------------------------------

    @property
    def repository(self) -> Path:
        """The apt repository, good for `deb [trusted=yes] copy:PATH ./`; servers see it as /srv/repo."""
        return Path(self._state().root or build.ready()) / "repository"

    @property
    def key(self) -> Path:
        """The private ssh key that root of every server accepts."""
        return self.work / "key"

    @property
    def known_hosts(self) -> Path:
        """The host keys of the servers."""
        return self.work / "known_hosts"

    def inventory(self) -> Path:
        """A static Ansible inventory of the servers: groups twin (castor, pollux) and voter (witness)."""
        return self.work / "inventory.ini"

    def command(self, *argv: str | Path) -> list[str]:
        """The command line which runs argv on the control node: this machine's files, the lab's network."""
        lab = [HERE / "enter.sh", self.group.path, self._holder(), self.work / "hosts"]
        return [*map(str, lab), *map(str, argv)]

    def run(self, *argv: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on the control node; a failure is not raised.

        options: those of subprocess.run; text is captured unless they say otherwise.
        """
        check = options.pop("check", False)
        settings = {"text": True, "capture_output": True, **options}
        return subprocess.run(self.command(*argv), check=check, **settings)

    def ssh_command(self, name: str, *argv: str) -> list[str]:
        """The command line which runs argv (a shell's words, as ssh has it) on a server, or a shell."""
        options = (
            f"-F /dev/null -o UserKnownHostsFile={self.known_hosts} -o LogLevel=ERROR -i {self.key}".split()
        )
        return self.command("ssh", *options, f"root@{server(name).address}", *argv)

    def ssh(self, name: str, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on a server; see run()."""
        command = self.ssh_command(name, *argv)
        check = options.pop("check", False)
        return subprocess.run(command, check=check, **{"text": True, "capture_output": True, **options})

    # -- accidents -------------------------------------------------------------------------------------------

    def power(self, name: str, how: str) -> None:
        """Power of one server.

        how: "off" (a power cut: nothing is told, only the disks survive), "on" (and wait for ssh) or "cycle".
        """
        host = server(name)
        if how not in ("off", "on", "cycle"):
            raise LabError(f"power is off, on or cycle, not {how!r}")
        if how != "on":
            self._power_off([host])
        if how != "off" and not self._is_running(host):
            self._boot([host])

    def cut(self, ports: Iterable[Port]) -> None:
        """Take the carrier from these cables, until restore(); a power cycle does not mend them."""
        with self._changing() as state:
            state.cut = sorted({*state.cut, *(port.veth for port in ports)})
            self._apply_cables(state)

    def slow(self, ports: Iterable[Port], rate: str) -> None:
        """Let these cables carry no more than a rate, both ways, until restore().

        rate: as tc(8) writes it, like 10mbit.
        """
        with self._changing() as state:
            state.slow.update({port.veth: rate for port in ports})
            self._apply_cables(state)

    def restore(self, ports: Iterable[Port]) -> None:
        """Mend these cables."""
        with self._changing() as state:
            for port in ports:
                if port.veth in state.cut:
                    state.cut.remove(port.veth)
                if state.slow.pop(port.veth, None) and self._is_running(port.server):
                    self._shape(port, "delete")
            self._apply_cables(state)

    def signal(
        self, name: str, number: signal.Signals, *, pid: int | None = None, pattern: str | None = None
    ) -> list[int]:
        """Send a signal to processes of a server; nothing runs on the server for that.

        pid: one process, as the server counts. pattern: for all whose command line this expression matches.
        Returns the pids, as this machine counts, that got it. Raises LabError when there is none.
        """
        hit = []
        for host_pid in self.group.processes(f"lxc.payload.{server(name).name}"):
            with contextlib.suppress(OSError):
                if _is_wanted(host_pid, pid, pattern):
                    os.kill(host_pid, number)
                    hit.append(host_pid)
        if not hit:
            raise LabError(f"{name} has no process {pid if pattern is None else f'like {pattern!r}'}")
        return hit

    # -- saved states ----------------------------------------------------------------------------------------

    def save(self, state_name: str) -> None:
        """Shut the servers down in good order, keep their files and disks under a name, start them again."""
        target = self.work / "states" / state_name
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", state_name) or target.exists():
            raise LabError(f"a state wants a new name of small letters, digits and -, unlike {state_name!r}")
        self._each(SERVERS.values(), self._shut_down)
        with self._changing() as state:
            for host in SERVERS.values():
                kept = target / host.name
                kept.mkdir(parents=True)
                self._unmount(host)
                (self._of(host) / "upper").rename(kept / "files")
                _copy(self._of(host) / "disks", kept / "disks")
                state.layers[host.name] = [str(kept / "files"), *state.layers.get(host.name, [])]
                (kept / "layers.json").write_text(json.dumps(state.layers[host.name]))
                (self._of(host) / "upper").mkdir()
        self._boot(SERVERS.values())

    def reset(self, state_name: str, names: Iterable[str] = SERVERS) -> None:
        """Bring servers back to a saved state by a power cycle, all cables mended, all processes gone."""
        kept = self.work / "states" / state_name
        if not kept.is_dir():
            there = ", ".join(self.status()["saved"]) or "none"
            raise LabError(f"no state {state_name!r} was saved; there are: {there}")
        hosts = [server(name) for name in names]
        self._power_off(hosts)
        with self._changing() as state:
            state.cut, state.slow = [], {}
            for host in hosts:
                state.layers[host.name] = json.loads((kept / host.name / "layers.json").read_text())
        self._each(hosts, lambda host: self._put_back(host, kept / host.name))
        self._boot(hosts)

    # -- inside ----------------------------------------------------------------------------------------------

    def _of(self, host: Server) -> Path:
        return self.work / "servers" / host.name

    def _state(self) -> State:
        with contextlib.suppress(FileNotFoundError):
            return State(**json.loads((self.work / "state.json").read_text()))
        return State()

    @contextmanager
    def _changing(self) -> Iterator[State]:
        """The state, to be changed by one process at a time and written when done."""
        if not self.work.is_dir():
            raise self._absent()
        with (self.work / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._state()
            yield state
            new = self.work / "state.json.new"
            new.write_text(json.dumps(asdict(state), indent=1))
            new.rename(self.work / "state.json")

    def _claim(self) -> bool:
        """Make the lab's folder ours, after clearing away what dead runs left.

        False when the lab is up already.
        """
        with build.locked("labs"):
            for name in self._gc():
                self.say(f"cleared away what a dead run of {name} left")
            if self.work.is_dir():
                if self._state().up:
                    return False
                raise LabError(f"{self.name} is just being brought up by process {self._state().owner}")
            self.work.mkdir(parents=True)
            with self._changing() as state:
                state.owner, state.owner_started = os.getpid(), _start_time(os.getpid())
            return True

    def _clear(self) -> None:
        self.group.end()
        if self.work.is_dir():
            shutil.rmtree(self.work)

    def _gc(self) -> list[str]:
        labs = [Lab(folder.name, self.base, self.say) for folder in sorted(self.base.glob("*"))]
        dead = [lab for lab in labs if lab._is_dead()]
        for lab in dead:
            lab._clear()
        return [lab.name for lab in dead]

    def _is_dead(self) -> bool:
        state = self._state()
        if state.owner is not None and _start_time(state.owner) != state.owner_started:
            return True
        return self._find_holder() is None if state.up else state.owner is None

    def _start_holder(self, root: Path) -> None:
        self.group.create()
        bridges = [f"{name}={CONTROL_ADDRESS if name == 'public' else ''}" for name in BRIDGES]
        # First the view of control groups; then out of the group's root, which must stay empty to hand
        # controllers down; then the rest, behind our back: the lab is nobody's child.
        move = f'echo $$ >"{self.group.path}/init.scope/cgroup.procs"; "$@" &'
        rest = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        holder = map(str, [HERE / "holder.sh", root / "tools", root, self.work])
        argv = ["unshare", "--cgroup", "sh", "-c", move, "sh", *rest, *holder, *bridges]
        with (self.work / "holder.log").open("w") as log:
            subprocess.run(
                argv,
                check=True,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self.group.enter,
            )
        while not (self.work / "ready").exists():
            if not any(self.group.processes()):
                last_words = (self.work / "holder.log").read_text().strip()
                raise LabError(f"the lab's first process died: {last_words}")
            time.sleep(0.01)

    def _find_holder(self) -> int | None:
        """The lab's first process, as this machine counts: the one which calls itself 1."""
        for pid in self.group.processes("init.scope"):
            with contextlib.suppress(OSError):
                if _own_pids(pid)[1:] == [1]:
                    return pid
        return None

    def _holder(self) -> int:
        holder = self._find_holder()
        if holder is None:
            raise self._absent()
        return holder

    def _absent(self) -> LabError:
        return LabError(
            f"{self.name} is not up; bring it up with: python3 -m tests.lab up --name {self.name}"
        )

    def _tool(self, *argv: str | Path, check: bool = True, text: str = "") -> str:
        """Run a command of the tools root in all namespaces of the lab, with a text to read.

        Returns what it printed.
        """
        enter = ["nsenter", "--target", str(self._holder()), "--all", "--root", "--wd=/", "env", "-i"]
        environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        done = subprocess.run(
            [*enter, *environment, *map(str, argv)],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: self.group.enter("control"),
        )
        if check and done.returncode:
            raise LabError(
                f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip() or done.returncode}"
            )
        return done.stdout

    def _lxc(self, verb: str, host: Server, *argv: str, check: bool = True) -> str:
        """Run lxc-VERB for a server. Returns what it printed."""
        return self._tool(
            f"lxc-{verb}", "-P", self.work / "servers", "-n", host.name, *argv, check=check
        ).strip()

    def _make_keys(self) -> None:
        _ssh_keygen(self.key, "control")
        known = []
        for host in SERVERS.values():
            keys = self._of(host) / "upper/etc/ssh"
            keys.mkdir(parents=True)
            _ssh_keygen(keys / "ssh_host_ed25519_key", host.name)
            public = (keys / "ssh_host_ed25519_key.pub").read_text().split()[:2]
            known.append(f"{host.name},{host.address} {' '.join(public)}\n")
        self.known_hosts.write_text("".join(known))
        self.inventory().write_text(inventory(self.key, self.known_hosts, self.repository))
        (self.work / "hosts").write_text(hosts_file("control"))

    def _furnish(self, host: Server, root: Path) -> None:
        """Everything of one server that is its own."""
        of = self._of(host)
        files = {
            "etc/hostname": f"{host.name}\n",
            "etc/hosts": hosts_file(host.name),
            "etc/machine-id": f"{uuid.uuid4().hex}\n",
            "root/.ssh/authorized_keys": self.key.with_suffix(".pub").read_text(),
            **{f"etc/systemd/network/{name}": text for name, text in networkd_files(host).items()},
        }
        for name, text in files.items():
            path = of / "upper" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for folder in ("overlay", "rootfs", "disks"):
            (of / folder).mkdir()
        for number in range(DISKS):
            with (of / "disks" / f"disk{number}.img").open("wb") as disk:
                disk.truncate(DISK_SIZE)
        (of / "config").write_text(
            lxc_config(host, of / "rootfs", of / "disks", root / "repository", of / "lxc.log")
        )

    def _boot(self, hosts: Iterable[Server]) -> None:
        """Power servers on and wait until each has started and greets over ssh where a cable lets it."""
        hosts = list(hosts)
        self._each(hosts, self._power_on)
        with self._changing() as state:
            self._apply_cables(state)
        reachable = [host.address for host in hosts if host.ports[0].veth not in state.cut]
        silent = self.run(sys.executable, HERE / "probe.py", str(BOOT_SECONDS), *reachable).stdout.split()
        if silent:
            who = " ".join(silent)
            raise LabError(
                f"no ssh after {BOOT_SECONDS:.0f} s at {who}; the log of the start is below {self.work}"
            )
        self._each(hosts, self._settle)

    def _power_on(self, host: Server) -> None:
        of, state = self._of(host), self._state()
        lower = ":".join([*state.layers.get(host.name, []), f"{state.root}/server"])
        options = f"lowerdir={lower},upperdir={of}/upper,workdir={of}/overlay"
        if not self._is_mounted(host):
            self._tool("mount", "-t", "overlay", "overlay", "-o", options, of / "rootfs")
        self._lxc("start", host)

    def _settle(self, host: Server) -> None:
        """Wait until the server has done all that it does at a start."""
        ask = ("attach", host, "--", "systemctl", "is-system-running", "--wait")
        deadline = time.monotonic() + BOOT_SECONDS
        while self._lxc(*ask, check=False) not in ("running", "degraded"):
            if time.monotonic() > deadline:
                raise LabError(f"{host.name} does not finish its start; ask it: systemctl list-jobs")
            time.sleep(0.05)

    def _is_mounted(self, host: Server) -> bool:
        return f" {self._of(host)}/rootfs " in self._tool("cat", "/proc/self/mounts")

    def _unmount(self, host: Server) -> None:
        if self._is_mounted(host):
            self._tool("umount", self._of(host) / "rootfs")

    def _is_running(self, host: Server) -> bool:
        return self._lxc("info", host, "-sH") == "RUNNING"

    def _power_off(self, hosts: Sequence[Server]) -> None:
        self._each([host for host in hosts if self._is_running(host)], lambda host: self._stop(host, "-k"))

    def _shut_down(self, host: Server) -> None:
        if self._is_running(host):
            self._stop(host, "-t", "60")

    def _stop(self, host: Server, *how: str) -> None:
        self._lxc("stop", host, *how)
        self._lxc("wait", host, "-s", "STOPPED", "-t", "20")

    def _put_back(self, host: Server, kept: Path) -> None:
        of = self._of(host)
        self._unmount(host)
        for folder in ("upper", "overlay"):
            shutil.rmtree(of / folder)
            (of / folder).mkdir()
        _copy(kept / "disks", of / "disks")

    def _apply_cables(self, state: State) -> None:
        """Make the cables of all running servers as the state says."""
        links = self._tool("ip", "-oneline", "link", "show", "type", "veth").splitlines()
        there = {line.split()[1].partition("@")[0] for line in links}
        ports = [port for host in SERVERS.values() for port in host.ports if port.veth in there]
        carrier = [f"link set {port.veth} {'down' if port.veth in state.cut else 'up'}" for port in ports]
        self._tool("ip", "-batch", "-", text="\n".join(carrier))
        for port in ports:
            if rate := state.slow.get(port.veth):
                self._shape(port, "replace", "tbf", "rate", rate, "burst", "128kb", "latency", "400ms")

    def _shape(self, port: Port, verb: str, *discipline: str) -> None:
        """Change the queue at both ends of a cable: a queue limits only what leaves through it."""
        self._tool("tc", "qdisc", verb, "dev", port.veth, "root", *discipline)
        inside = ["nsenter", "--net", "--target", self._lxc("info", port.server, "-pH")]
        self._tool(*inside, "tc", "qdisc", verb, "dev", port.name, "root", *discipline)

    def _each(self, hosts: Iterable[Server], work: Callable[[Server], object]) -> None:
        """Do something to several servers at once."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(work, hosts))


def _copy(source: Path, target: Path) -> None:
    """Copy a folder of sparse files onto another."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        subprocess.run(["cp", "--sparse=always", path, target], check=True)


def _ssh_keygen(path: Path, comment: str) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


def _start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc_pid_stat(5), field 22); None: no such pid.

    One that is dead and only not yet reaped by its parent counts as none.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _own_pids(pid: int) -> list[int]:
    """The pids of a process, from this machine's view inwards (proc_pid_status(5), NSpid)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return [int(word) for line in lines if line.startswith("NSpid:") for word in line.split()[1:]]


def _is_wanted(host_pid: int, pid: int | None, pattern: str | None) -> bool:
    if pattern is not None:
        line = Path(f"/proc/{host_pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return re.search(pattern, line) is not None
    # This machine's view, the lab's, the server's.
    return _own_pids(host_pid)[2:3] == [pid]


def _install_host_commands() -> None:
    missing = sorted({package for command, package in HOST_COMMANDS.items() if shutil.which(command) is None})
    if not missing:
        return
    print(f"installing {' '.join(missing)} on this machine", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        "apt-get -q update",
        f"apt-get -q --yes --no-install-recommends install {' '.join(missing)}",
    ):
        if subprocess.run(words.split(), env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
            raise LabError(f"this failed, its own words are above: {words}")
