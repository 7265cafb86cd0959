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
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from . import build, build_freebsd, build_proxmox, build_vm, proxmox
from .box import Box
from .cgroup import Group
from .container import Container, ssh_keygen
from .freebsd import FreebsdServer
from .model import SERVERS, LabError, Port, hosts_file, inventory, server
from .room import Room
from .vm import VirtualMachine

HERE = Path(__file__).parent
BASE = Path("/var/tmp/twin-lab")
HOST_COMMANDS = {
    "curl": "curl",
    "gpg": "gpg",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "zstd": "zstd",
}
"""What the lab wants of this machine beside essential packages, and the Debian package that has it."""
CONTAINER, VM = "container", "vm"
KINDS = (CONTAINER, VM)
"""What the twins are made of; the witness, which needs no kernel of its own, is always a container."""


def _say(text: str) -> None:
    print(text, flush=True)


@dataclass
class State:
    """What a lab remembers between two commands."""

    kind: str = CONTAINER
    up: bool = False
    root: str = ""
    """The built file systems that this lab stands on; a newer build is for the next lab."""
    image: str = ""
    """The same of a lab whose twins are virtual machines."""
    freebsd: str = ""
    """The release of FreeBSD as which the twins behave; empty: they are Debian servers."""
    proxmox: str = ""
    """The release of Proxmox VE that the twins can be made nodes of; empty: none."""
    owner: int | None = None
    """Pid of who brings the lab up, or of the tests that use it: without it the lab has no reason to be."""
    owner_started: int | None = None
    """When that process started, in ticks since boot: pids are used again."""
    cut: list[str] = field(default_factory=list)
    """The cables (names of their lab ends) without carrier: they stay cut over a power cycle."""
    slow: dict[str, str] = field(default_factory=dict)


class Lab:
    """One lab, by its name and the folder that holds its files. Its verbs raise LabError."""

    def __init__(
        self,
        name: str = "lab",
        base: Path = BASE,
        say: Callable[[str], None] = _say,
        kind: str = "",
        freebsd: str = "",
        proxmox: str = "",
    ) -> None:
        """kind: what up() makes; unless given it is that of the environment's TWIN_LAB_KIND, or container.

        freebsd: the release as which the twins shall behave, if they shall, as TWIN_LAB_FREEBSD has it else.
        proxmox: the release of Proxmox VE that is to be installed on them, as TWIN_LAB_PROXMOX has it else.
        A lab that is up knows what it is made of.
        """
        kind = kind or os.environ.get("TWIN_LAB_KIND") or CONTAINER
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError(f"a lab's name is made of small letters, digits and -, unlike {name!r}")
        if os.geteuid():
            raise LabError("the lab wants root: it makes namespaces, mounts and containers")
        self.name, self.base = name, base.resolve()
        self.work = self.base / name
        self.group = Group(f"twin-lab.{name}.{zlib.crc32(str(self.work).encode()):08x}")
        if kind not in KINDS:
            raise LabError(f"a lab is of kind {' or '.join(KINDS)}, not {kind!r}")
        self._freebsd = freebsd or os.environ.get("TWIN_LAB_FREEBSD", "")
        if self._freebsd and (kind != CONTAINER or self._freebsd not in build_freebsd.RELEASES):
            releases = " or ".join(build_freebsd.RELEASES)
            raise LabError(
                f"a FreeBSD server is a container and of release {releases}, not {self._freebsd!r}"
            )
        self._proxmox = proxmox or os.environ.get("TWIN_LAB_PROXMOX", "")
        if self._proxmox and (
            kind != CONTAINER or self._freebsd or self._proxmox not in build_proxmox.RELEASES
        ):
            releases = " or ".join(build_proxmox.RELEASES)
            raise LabError(
                f"a node of Proxmox VE is a container of Debian and of release {releases}, "
                f"not {self._proxmox!r}"
            )
        self.say, self._kind = say, kind
        absent = f"{name} is not up; bring it up with: python3 -m tests.lab up --name {name}"
        self._room = Room(self.work, self.group, absent)

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
        image = build_vm.ready() if self._kind == VM else None
        with self._changing() as state:
            state.root, state.image, state.freebsd = str(root), str(image or ""), self._freebsd
            state.proxmox = self._proxmox
        (self.work / "hosts").write_text(hosts_file("control"))
        self.say(f"{self.name}: namespaces and bridges")
        self._room.open((image or root) / "tools", build.cache_folder())
        if self._proxmox:
            proxmox.open_office(self.work, self.command, self._proxmox, root / "repository")
        self.say(f"{self.name}: {', '.join(SERVERS)}")
        self._make_key(image)
        self._each(SERVERS, lambda box: box.set_up())
        self._write_files()
        self._boot(SERVERS)
        with self._changing() as state:
            state.up = True
            state.owner, state.owner_started = (None, None) if owner is None else (owner, _start_time(owner))
        self.say(f"{self.name}: up after {time.monotonic() - started:.1f} s")

    def down(self) -> None:
        """End every process of the lab and remove its files. Nothing to do when there is none."""
        # Else somebody's gc could take it for dead, and remove the same files.
        with build.locked("labs"):
            self._clear()
            with contextlib.suppress(OSError):
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
        is_open = self._room.is_open()
        answer: dict[str, Any] = {
            "name": self.name,
            "kind": state.kind,
            "freebsd": state.freebsd,
            "proxmox": state.proxmox,
            "up": state.up and is_open,
            "work": str(self.work),
            "cut": state.cut,
            "slow": state.slow,
            "saved": sorted(path.name for path in (self.work / "states").glob("*")),
            "kernel_has_zfs": Path("/sys/module/zfs").is_dir(),
        }
        if is_open:
            answer["servers"] = {
                name: "RUNNING" if self._box(name).is_on() else "STOPPED" for name in SERVERS
            }
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
        lab = [HERE / "enter.sh", self.group.path, self._room.holder(), self.work / "hosts"]
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
        if how not in ("off", "on", "cycle"):
            raise LabError(f"power is off, on or cycle, not {how!r}")
        if how != "on":
            self._box(name).power_off()
        if how != "off" and not self._box(name).is_on():
            self._boot([name])

    def cut(self, ports: Iterable[Port]) -> None:
        """Take the carrier from these cables, until restore(); a power cycle does not mend them."""
        with self._changing() as state:
            state.cut = sorted({*state.cut, *(port.plug for port in ports)})
            self._apply_cables(state)

    def slow(self, ports: Iterable[Port], rate: str) -> None:
        """Let these cables carry no more than a rate, both ways, until restore().

        rate: as tc(8) writes it, like 10mbit.
        """
        with self._changing() as state:
            state.slow.update({port.plug: rate for port in ports})
            self._apply_cables(state)

    def restore(self, ports: Iterable[Port]) -> None:
        """Mend these cables."""
        with self._changing() as state:
            for port in ports:
                if port.plug in state.cut:
                    state.cut.remove(port.plug)
                if state.slow.pop(port.plug, None) and self._box(port.server.name).is_on():
                    self._shape(port, "delete")
            self._apply_cables(state)

    def signal(
        self, name: str, number: signal.Signals, *, pid: int | None = None, pattern: str | None = None
    ) -> list[int]:
        """Send a signal to processes of a server; nothing runs on the server for that.

        pid: one process, as the server counts. pattern: for all whose command line this expression matches.
        Returns the pids, as this machine counts, that got it. Raises LabError when there is none.
        """
        hit = self._box(name).signal(number, pid, pattern)
        if not hit:
            raise LabError(f"{name} has no process {pid if pattern is None else f'like {pattern!r}'}")
        return hit

    # -- saved states ----------------------------------------------------------------------------------------

    def save(self, state_name: str) -> None:
        """Keep the servers as they are under a name: containers are shut down and started again for that."""
        target = self.work / "states" / state_name
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", state_name) or target.exists():
            raise LabError(f"a state wants a new name of small letters, digits and -, unlike {state_name!r}")
        if self._state().cut or self._state().slow:
            raise LabError("a state is kept with all cables whole; restore them first")
        self._each(SERVERS, lambda box: box.save(target / box.server.name))
        self._boot(SERVERS)

    def reset(self, state_name: str, names: Iterable[str] = SERVERS) -> None:
        """Bring servers back to a saved state, all cables mended, all later processes gone."""
        kept = self.work / "states" / state_name
        if not kept.is_dir():
            there = ", ".join(self.status()["saved"]) or "none"
            raise LabError(f"no state {state_name!r} was saved; there are: {there}")
        names = list(names)
        with self._changing() as state:
            state.cut, state.slow = [], {}
        self._each(names, lambda box: box.reset(kept / box.server.name))
        self._boot(names)

    # -- inside ----------------------------------------------------------------------------------------------

    def _box(self, name: str) -> Box:
        host, state = server(name), self._state()
        if state.image and host.name != "witness":
            return VirtualMachine(host, self._room, Path(state.image))
        if state.freebsd and host.name != "witness":
            return FreebsdServer(host, self._room, Path(state.root), self.key, state.freebsd)
        if state.proxmox:
            return proxmox.ProxmoxServer(host, self._room, Path(state.root), self.key, state.proxmox)
        return Container(host, self._room, Path(state.root), self.key)

    def _state(self) -> State:
        with contextlib.suppress(FileNotFoundError):
            saved = json.loads((self.work / "state.json").read_text())
            return State(**{each.name: saved[each.name] for each in fields(State) if each.name in saved})
        return State(self._kind)

    @contextmanager
    def _changing(self) -> Iterator[State]:
        """The state, to be changed by one process at a time and written when done."""
        if not self.work.is_dir():
            raise self._room.absent()
        with (self.work / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._state()
            yield state
            new = self.work / "state.json.new"
            # Nothing that is as it was at first: another version of this code may have no word for it.
            first = asdict(State())
            new.write_text(json.dumps({key: it for key, it in asdict(state).items() if it != first[key]}))
            new.rename(self.work / "state.json")

    def _claim(self) -> bool:
        """Make the lab's folder ours, after clearing away what dead runs left.

        False when the lab is up already.
        """
        with build.locked("labs"):
            for name in self._gc():
                self.say(f"cleared away what a dead run of {name} left")
            if self.work.is_dir():
                state = self._state()
                if state.up and state.kind != self._kind:
                    raise LabError(f"{self.name} is up already, of kind {state.kind}; take it down first")
                if state.up:
                    return False
                raise LabError(f"{self.name} is just being brought up by process {state.owner}")
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
        return not self._room.is_open() if state.up else state.owner is None

    def _make_key(self, image: Path | None) -> None:
        """The key that the servers accept; virtual machines have theirs from the day they were frozen."""
        if image is None:
            ssh_keygen(self.key, "control")
        for path in () if image is None else (image / "key", image / "key.pub"):
            shutil.copy(path, self.work)

    def _write_files(self) -> None:
        """What the control node knows of the servers."""
        keys = [(host, self._box(host.name).host_key().split()[:2]) for host in SERVERS.values()]
        known = (f"{host.name},{host.address} {' '.join(key)}\n" for host, key in keys)
        self.known_hosts.write_text("".join(known))
        sources: dict[str, Path | str] = {"lab_repository": self.repository}
        if self._state().freebsd:
            made = build_freebsd.ready(Path(self._state().root)) / build_freebsd.DISTRIBUTIONS
            sources["lab_distributions"] = self.work / "distributions"
            shutil.copytree(made, sources["lab_distributions"], dirs_exist_ok=True)
        if release := self._state().proxmox:
            sources["lab_proxmox_key"] = build_proxmox.ready(release) / build_proxmox.KEYRING
            sources["lab_proxmox_repository"] = f"file:/{proxmox.REPOSITORY}"
            sources["lab_proxmox_suite"] = build_proxmox.suite(release)
            sources["lab_root_password"] = proxmox.PASSWORD
        self.inventory().write_text(inventory(self.key, self.known_hosts, sources))

    def _boot(self, names: Iterable[str]) -> None:
        """Power servers on and wait until each has started and greets over ssh where a cable lets it."""
        boxes = [self._box(name) for name in names]
        self._each([box.server.name for box in boxes if not box.is_on()], lambda box: box.power_on())
        with self._changing() as state:
            self._apply_cables(state)
        patience = max(box.patience for box in boxes)
        reachable = [box.server.address for box in boxes if box.server.ports[0].plug not in state.cut]
        silent = self.run(sys.executable, HERE / "probe.py", str(patience), *reachable).stdout.split()
        if silent:
            who = " ".join(silent)
            raise LabError(
                f"no ssh after {patience:.0f} s at {who}; the log of the start is below {self.work}"
            )
        self._each([box.server.name for box in boxes], _settle)

    def _apply_cables(self, state: State) -> None:
        """Make the cables of all running servers as the state says."""
        for box in map(self._box, SERVERS):
            if box.is_on():
                box.connect([port for port in box.server.ports if port.plug in state.cut])
                for port in box.server.ports:
                    if rate := state.slow.get(port.plug):
                        self._shape(
                            port, "replace", "tbf", "rate", rate, "burst", "128kb", "latency", "400ms"
                        )

    def _shape(self, port: Port, verb: str, *discipline: str) -> None:
        """Change the queue at both ends of a cable: a queue limits only what leaves through it."""
        self._room.tool("tc", "qdisc", verb, "dev", port.plug, "root", *discipline)
        self._box(port.server.name).inside("tc", "qdisc", verb, "dev", port.name, "root", *discipline)

    def _each(self, names: Iterable[str], work: Callable[[Box], object]) -> None:
        """Do something to several servers at once, and say that it lasts where it lasts."""
        started = time.monotonic()
        with ThreadPoolExecutor() as pool:
            waiting = {pool.submit(work, self._box(name)) for name in names}
            while waiting:
                done, waiting = wait(waiting, timeout=build.HEARTBEAT)
                if waiting:
                    self.say(f"… {time.monotonic() - started:.0f} s")
                for each in done:
                    each.result()


def _settle(box: Box) -> None:
    """Wait until the server has done all that it does at a start."""
    deadline = time.monotonic() + box.patience
    while box.inside("systemctl", "is-system-running", "--wait") not in ("running", "degraded"):
        if time.monotonic() > deadline:
            raise LabError(f"{box.server.name} does not finish its start; ask it: systemctl list-jobs")
        time.sleep(0.05)


def _start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc_pid_stat(5), field 22); None: no such pid.

    One that is dead and only not yet reaped by its parent counts as none.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _install_host_commands() -> None:
    if not _missing_packages():
        return
    # Another lab may come up at the same time, on a machine as bare.
    with build.locked("packages"):
        if missing := _missing_packages():
            _install(missing)


def _missing_packages() -> list[str]:
    return sorted({package for command, package in HOST_COMMANDS.items() if shutil.which(command) is None})


def _install(missing: list[str]) -> None:
    print(f"installing {' '.join(missing)} on this machine", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        "apt-get -q update",
        f"apt-get -q --yes --no-install-recommends -o DPkg::Lock::Timeout=300 install {' '.join(missing)}",
    ):
        if subprocess.run(words.split(), env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
            raise LabError(f"this failed, its own words are above: {words}")
