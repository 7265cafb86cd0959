# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs of the double find below them: jails, processes, interfaces, mounts, rules.

Rests on sys/kern/kern_jail.c of FreeBSD 14: its texts, its defaults, the order in which it refuses.
Believed, not verified: which file systems are built in (`BUILT_IN`) and which parameters came with
15.0 (`SINCE_15`); whether the name alone of a dying jail can refuse a new one (the source of 14 says
no, reports of users say yes: `MemoryKernel.dying_keeps_name`).

Its lies: ``ip4`` of a jail with addresses reads ``disable``, for the kernel has one flag for both
words; a jail which lost its last process and does not persist is gone; a removed jail may go on as a
dying one, and a VNET one then keeps its interfaces.

All state is plain data, which can be compared and copied. `MemoryKernel` keeps it in itself; a
kernel of another ground keeps what it can in namespaces and has the same methods.
"""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from . import rulesets

Value = bool | int | str | list[str]
Kind = Literal["int", "string", "bool", "jailsys", "ip4", "ip6"]
Access = Literal["rw", "create", "read"]
HOST = 0


class Missing(Exception):
    """No such program."""


class Hung(Exception):
    """A program that does not end; in memory nobody waits for it."""


class KernelError(Exception):
    """A refusal. The text is what jail_errmsg or strerror say."""


@dataclass(frozen=True)
class Parameter:
    """A jail parameter of the kernel: its kind, and whether it can be set ``create`` only, ever or never."""

    kind: Kind
    access: Access = "rw"


@dataclass
class Jail:
    """A jail. ``params`` has all its parameters but those of a name, by kind of `Parameter`."""

    jid: int
    name: str
    parent: int = HOST
    params: dict[str, Value] = field(default_factory=dict)
    dying: bool = False

    @property
    def path(self) -> str:
        """Its root, on the host."""
        return str(self.params["path"])

    @property
    def vnet(self) -> bool:
        """Whether it has a network stack of its own."""
        return self.params["vnet"] == "new"


@dataclass
class Process:
    """A process in a jail."""

    pid: int
    jid: int
    command: str
    deaf: bool = False
    """It does not end on SIGTERM."""


@dataclass
class Interface:
    """A network interface.

    :param kind: ``ether``, ``loopback``, ``bridge`` or ``epair``.
    :param vnet: the jail in whose network stack it is; 0: the host's.
    :param home: the one it returns to.
    :param driver: the name it was born with, such as ``epair0b``; its twin is found by that.
    :param addresses: ``192.0.2.10/24`` or ``2001:db8::10/64``, in the order of their making.
    :param members: names of a bridge's members.
    """

    name: str
    kind: str = "ether"
    vnet: int = HOST
    home: int = HOST
    driver: str = ""
    mac: str = ""
    up: bool = False
    mtu: int = 1500
    addresses: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    description: str = ""
    extra: dict[str, str] = field(default_factory=dict)


@dataclass
class Mount:
    """A mounted file system."""

    source: str
    target: str
    kind: str
    options: tuple[str, ...] = ()
    busy: bool = False
    """It cannot be unmounted without force."""


@dataclass
class Outcome:
    """What a command in a jail answers, in memory.

    :param leaves: commands that go on running in the jail after it.
    :param ends: it ends all processes of the jail, as /etc/rc.shutdown does.
    :param signal: by which it was killed; 0: it exited.
    :param hangs: it never ends.
    :param missing: there is no such program in the jail.
    """

    rc: int = 0
    out: str = ""
    err: str = ""
    leaves: tuple[str, ...] = ()
    ends: bool = False
    signal: int = 0
    hangs: bool = False
    missing: bool = False


OUTCOMES = {
    "/bin/sh /etc/rc": Outcome(leaves=("/usr/sbin/syslogd -s", "/usr/sbin/cron -s")),
    "/bin/sh /etc/rc.shutdown": Outcome(ends=True),
    "/bin/sh /etc/rc.shutdown jail": Outcome(ends=True),
}
"""What a jail's own scripts do unless a test says otherwise."""


class Kernel(Protocol):
    """The system below the programs. Tables are plain data which programs may change in place."""

    interfaces: list[Interface]
    mounts: list[Mount]
    rules: list[str]
    """Rules of rctl(8), in canonical form and in order."""
    racct: bool
    """Whether kern.racct.enable is set."""
    rulesets: dict[int, list[str]]
    """Rules of devfs(8) by number of their set."""
    sysctls: dict[str, str]
    environment: dict[str, str]
    """What the loader gave to the kernel, as kenv(1) shows it."""
    modules: list[str]
    cpusets: dict[int, str]
    """CPUs of jails that were given fewer than all, by jid: ``0-1,3``."""
    firewall: bool
    """Whether pf(4) filters."""
    anchors: dict[str, list[str]]
    """Lines of the rules of pf(4) by the name of their anchor; those of no anchor under an empty name."""
    delegated: dict[str, int]
    """Datasets attached to a jail, by name."""

    def state(self) -> Any:
        """All of it, to be compared."""

    def known(self) -> Mapping[str, Parameter]:
        """The jail parameters of this kernel with the modules that are loaded."""

    def jails(self, of: int = HOST, dying: bool = False) -> list[Jail]:
        """The jails below a jail, in order of their jid."""

    def find(self, key: str | int, of: int = HOST, dying: bool = False) -> Jail | None:
        """A jail by its name or jid, seen from another."""

    def create(self, params: Mapping[str, Value], of: int = HOST) -> int:
        """jail_set(2) with JAIL_CREATE.

        :raises KernelError: with the kernel's text.
        """

    def update(self, jid: int, params: Mapping[str, Value]) -> None:
        """jail_set(2) with JAIL_UPDATE.

        :raises KernelError: with the kernel's text.
        """

    def remove(self, jid: int) -> None:
        """jail_remove(2): its processes, its children and the jail; interfaces return to their home."""

    def processes(self, jid: int) -> list[Process]:
        """Those that run in a jail."""

    def answering(self, jid: int) -> list[str]:
        """The addresses of a jail at which its programs answer."""

    def start_process(self, jid: int, command: str) -> int:
        """A process begins to run; its pid."""

    def end_process(self, pid: int) -> None:
        """A process ends."""

    def hang_up(self, pid: int) -> None:
        """Send SIGHUP to a process, which makes servers read their files again."""

    def terminate(self, jid: int, patience: float = 0) -> list[int]:
        """Send SIGTERM to all processes of a jail; the pids.

        :param patience: seconds to wait for their end; in memory they end at once or never.
        """

    def execute(self, jid: int, argv: Sequence[str], stdin: str) -> Output | None:
        """Run a program in a jail; None: the ground has none of its own, the world's are asked.

        The exit code of a program that a signal killed is the number of the signal, negative.

        :raises Missing: when there is no such program in the jail.
        :raises Hung: when it does not end.
        """


def _table() -> dict[str, Parameter]:
    parameters = {
        "jid": Parameter("int", "create"),
        "name": Parameter("string"),
        "parent": Parameter("int", "read"),
        "path": Parameter("string", "create"),
        "osreldate": Parameter("int", "create"),
        "osrelease": Parameter("string", "create"),
        "dying": Parameter("bool", "read"),
        "persist": Parameter("bool"),
        "vnet": Parameter("jailsys", "create"),
        "host": Parameter("jailsys"),
        "ip4": Parameter("jailsys", "create"),
        "ip6": Parameter("jailsys", "create"),
        "ip4.addr": Parameter("ip4"),
        "ip6.addr": Parameter("ip6"),
        "ip4.saddrsel": Parameter("bool"),
        "ip6.saddrsel": Parameter("bool"),
        "children.cur": Parameter("int", "read"),
        "cpuset.id": Parameter("int", "read"),
    }
    for name in ("children.max", "devfs_ruleset", "enforce_statfs", "securelevel", "host.hostid"):
        parameters[name] = Parameter("int")
    for name in ("host.hostname", "host.domainname", "host.hostuuid"):
        parameters[name] = Parameter("string")
    for name in ("sysvmsg", "sysvsem", "sysvshm"):
        parameters[name] = Parameter("jailsys")
    for name in (
        "chflags", "extattr", "mlock", "mount", "nfsd", "quotas", "raw_sockets", "read_msgbuf",
        "reserved_ports", "set_hostname", "socket_af", "suser", "sysvipc", "unprivileged_proc_debug",
    ):  # fmt: skip
        parameters[f"allow.{name}"] = Parameter("bool")
    return parameters


PARAMETERS = _table()
SINCE_15 = {
    f"allow.{name}": Parameter("bool")
    for name in ("adjtime", "routing", "setaudit", "settime", "unprivileged_parent_tampering")
}
OF_MODULES: dict[str, dict[str, Parameter]] = {
    **{
        name: {f"allow.mount.{name}": Parameter("bool")}
        for name in (
            "devfs",
            "fdescfs",
            "fusefs",
            "linprocfs",
            "linsysfs",
            "nullfs",
            "procfs",
            "tmpfs",
            "zfs",
        )
    },
    "vmm": {"allow.vmm": Parameter("bool")},
    "linux": {
        "linux": Parameter("jailsys"),
        "linux.osname": Parameter("string"),
        "linux.osrelease": Parameter("string"),
        "linux.oss_version": Parameter("int"),
    },
}
"""Parameters which are there while a module is loaded. libjail loads it when one of them is set."""
BUILT_IN = ("kernel", "devfs", "procfs", "tmpfs", "nullfs", "fdescfs", "zfs")
ALLOWED = ("allow.set_hostname", "allow.reserved_ports", "allow.unprivileged_proc_debug", "allow.suser")
DEFAULTS: dict[str, Value] = {
    "host": "new", "vnet": "inherit", "enforce_statfs": 2, "ip4.saddrsel": True, "ip6.saddrsel": True,
    "host.hostuuid": "00000000-0000-0000-0000-000000000000", "securelevel": -1,
    "sysvmsg": "disable", "sysvsem": "disable", "sysvshm": "disable",
    "linux": "inherit", "linux.osname": "Linux", "linux.osrelease": "4.4.0", "linux.oss_version": 198144,
    **dict.fromkeys(ALLOWED, True),
}  # fmt: skip
EMPTY: dict[Kind, Value] = {"int": 0, "string": "", "bool": False, "jailsys": "inherit", "ip4": [], "ip6": []}
MOST_JAILS = 999999


def _listed(value: Value) -> list[str]:
    return value if isinstance(value, list) else []


class MemoryKernel:
    """The kernel in memory.

    :param release: ``14.3`` or ``15.0``.
    """

    def __init__(self, release: str = "14.3") -> None:
        self.release = release
        self.interfaces = [
            Interface("em0", mac="58:9c:fc:00:00:01", up=True, addresses=["192.0.2.11/24"]),
            Interface("lo0", "loopback", up=True, mtu=16384, addresses=["127.0.0.1/8", "::1/128"]),
        ]
        self.mounts = [Mount("zroot/ROOT/default", "/", "zfs"), Mount("devfs", "/dev", "devfs")]
        self.rules: list[str] = []
        self.racct = True
        self.rulesets = copy.deepcopy(rulesets.DEFAULTS)
        self.sysctls: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.modules = list(BUILT_IN)
        self.cpusets: dict[int, str] = {}
        self.firewall = False
        self.anchors: dict[str, list[str]] = {}
        self.delegated: dict[str, int] = {}
        self.lingering: set[str] = set()
        """Names of jails which go on as dying ones after their removal, until `settle`."""
        self.silent: set[str] = set()
        """Names of jails whose programs never answer."""
        self.dying_keeps_name = False
        """The name of a dying jail cannot be used for a new one."""
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        """By root of the jail, or ``*`` for all, and command line joined by blanks."""
        self._jails: dict[int, Jail] = {}
        self._processes: list[Process] = []
        self._last_jid = 0
        self._last_pid = 800

    def state(self) -> Any:
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("outcomes", "lingering", "silent", "dying_keeps_name")
        }

    # -- looking

    def known(self) -> dict[str, Parameter]:
        modules = [OF_MODULES[name] for name in self.modules if name in OF_MODULES]
        newer = SINCE_15 if int(self.release.partition(".")[0]) >= 15 else {}
        return {**PARAMETERS, **newer, **{name: kind for module in modules for name, kind in module.items()}}

    def jails(self, of: int = HOST, dying: bool = False) -> list[Jail]:
        return [
            jail
            for _jid, jail in sorted(self._jails.items())
            if (dying or not jail.dying) and self._below(jail, of)
        ]

    def find(self, key: str | int, of: int = HOST, dying: bool = False) -> Jail | None:
        seen = self.jails(of, dying)
        if isinstance(key, int) or key.isdigit():
            return next((jail for jail in seen if jail.jid == int(key)), None)
        name = f"{self._jails[of].name}.{key}" if of else key
        found = [jail for jail in seen if jail.name == name]
        return min(found, key=lambda jail: jail.dying, default=None)

    def processes(self, jid: int) -> list[Process]:
        return [process for process in self._processes if process.jid == jid]

    def _below(self, jail: Jail, of: int) -> bool:
        return (
            of == HOST
            or jail.parent == of
            or (jail.parent != HOST and self._below(self._jails[jail.parent], of))
        )

    # -- changing

    def create(self, params: Mapping[str, Value], of: int = HOST) -> int:
        given = dict(params)
        self._check(given, None)
        if not given.get("persist"):
            raise KernelError("new jail must persist or attach")
        name = str(given.get("name", ""))
        wanted = self._wanted_jid(given, name)
        parent = self._parent_of(name, of)
        self._check_sibling(name, wanted, parent)
        self._check_limit(parent)
        # From here on a number is used up, whatever is refused.
        jid = wanted or self._next_jid()
        self._check_addresses(given, jid)
        self._check_number(name, jid)
        jail = Jail(jid, self._full_name(name or str(jid), parent), parent)
        jail.params = self._defaults(given)
        self._jails[jid] = jail
        self._assign(jail, given)
        for above in self._above(jail):
            above.params["children.cur"] = len(self.jails(above.jid, dying=True))
        return jid

    def update(self, jid: int, params: Mapping[str, Value]) -> None:
        given = dict(params)
        jail = self._jails.get(jid)
        if jail is None:
            raise KernelError(f"jail {jid} not found")
        if jail.dying:
            raise KernelError(f"jail {jid} is dying")
        for name in ("vnet", "ip4", "ip6", "osrelease", "osreldate", "path"):
            if name in given:
                raise KernelError(f"{name} cannot be changed after creation")
        self._check(given, jail)
        self._check_addresses(given, jid)
        if "name" in given:
            above = str(given["name"]).rpartition(".")[0]
            if above and above != jail.name.rpartition(".")[0]:
                raise KernelError("cannot change jail's parent")
            self._check_sibling(str(given["name"]), jid, jail.parent)
            self._check_number(str(given["name"]), jid)
        self._assign(jail, given)
        self._reap(jid)

    def remove(self, jid: int) -> None:
        jail = self._jails.get(jid)
        if jail is None:
            raise KernelError("Invalid argument")
        for child in self.jails(jid):
            self._end(child)
        self._end(jail)

    def settle(self) -> None:
        """The dying jails are gone at last."""
        self.lingering.clear()
        for jail in [jail for jail in self._jails.values() if jail.dying]:
            self._forget(jail)

    def terminate(self, jid: int, patience: float = 0) -> list[int]:
        pids = [process.pid for process in self.processes(jid)]
        self._processes = [process for process in self._processes if process.jid != jid or process.deaf]
        self._reap(jid)
        return pids

    def answering(self, jid: int) -> list[str]:
        jail = self._jails[jid]
        if jail.name in self.silent or not self.processes(jid):
            return []
        own = [each for name in ("ip4.addr", "ip6.addr") for each in _listed(jail.params[name])]
        inner = [each for interface in self.interfaces if interface.vnet == jid and interface.up
                 for each in interface.addresses]  # fmt: skip
        return own + [each.partition("/")[0] for each in inner]

    def start_process(self, jid: int, command: str, deaf: bool = False) -> int:
        """A process begins to run; its pid."""
        self._last_pid += 1
        self._processes.append(Process(self._last_pid, jid, command, deaf))
        return self._last_pid

    def end_process(self, pid: int) -> None:
        ended = [process for process in self._processes if process.pid == pid]
        self._processes = [process for process in self._processes if process.pid != pid]
        for process in ended:
            self._reap(process.jid)

    def hang_up(self, pid: int) -> None:
        """In memory no process does anything."""

    def execute(self, jid: int, argv: Sequence[str], stdin: str) -> Output | None:
        command, path = " ".join(argv), self._jails[jid].path
        known = {**{("*", line): outcome for line, outcome in OUTCOMES.items()}, **self.outcomes}
        outcome = known.get((path, command)) or known.get(("*", command))
        if outcome is None:
            return None
        if outcome.missing:
            raise Missing(argv[0])
        if outcome.ends:
            self._processes = [process for process in self._processes if process.jid != jid or process.deaf]
        for line in outcome.leaves:
            self.start_process(jid, line)
        self._reap(jid)
        if outcome.hangs:
            raise Hung(command)
        return answered(argv, outcome.out, outcome.err, -outcome.signal if outcome.signal else outcome.rc)

    def _reap(self, jid: int) -> None:
        """A jail that does not persist goes with its last process."""
        jail = self._jails.get(jid)
        if jail and not jail.dying and not jail.params["persist"] and not self.processes(jid):
            self.remove(jid)

    def _end(self, jail: Jail) -> None:
        self._processes = [process for process in self._processes if process.jid != jail.jid]
        jail.dying, jail.params["persist"] = True, False
        if jail.name not in self.lingering:
            self._forget(jail)

    def _forget(self, jail: Jail) -> None:
        for interface in self.interfaces:
            if interface.vnet == jail.jid:
                interface.vnet, interface.addresses, interface.up = interface.home, [], False
        self.delegated = {name: jid for name, jid in self.delegated.items() if jid != jail.jid}
        self.cpusets.pop(jail.jid, None)
        above = self._above(jail)
        self._jails.pop(jail.jid, None)
        for parent in above:
            parent.params["children.cur"] = len(self.jails(parent.jid, dying=True))

    def _above(self, jail: Jail) -> list[Jail]:
        parent = self._jails.get(jail.parent)
        return [] if parent is None else [parent, *self._above(parent)]

    # -- what jail_set(2) refuses, and in which order

    def _check(self, given: dict[str, Value], jail: Jail | None) -> None:
        if not 0 <= int(str(given.get("enforce_statfs", 2))) <= 2:
            raise KernelError("jail_set: Invalid argument")
        if not 0 <= int(str(given.get("devfs_ruleset", 0))) <= 65535:
            raise KernelError("jail_set: Invalid argument")
        vnet = given.get("vnet") == "new" or (jail is not None and jail.vnet)
        if vnet and {"ip4", "ip6", "ip4.addr", "ip6.addr"} & set(given):
            raise KernelError("vnet jails cannot have IP address restrictions")
        if jail is not None:
            for family in ("ip4", "ip6"):
                if f"{family}.addr" in given and jail.params[family] == "inherit":
                    raise KernelError(f"{family} cannot be changed after creation")
        for name in given:
            if name not in self.known():
                raise KernelError(f"unknown parameter: {name}")

    def _wanted_jid(self, given: Mapping[str, Value], name: str) -> int:
        """The number that is asked for, by itself or as the name; 0: any."""
        last = name.rpartition(".")[2]
        wanted = int(str(given.get("jid", last if last.isdigit() else 0)))
        if wanted < 0:
            raise KernelError("negative jid")
        present = self._jails.get(wanted)
        if present is not None and (not present.dying or self.release.startswith("14")):
            raise KernelError(f"jail {wanted} already exists")
        if present is not None:
            # Since 15.0 the dying one gives up its number.
            self._forget(present)
        return wanted

    def _next_jid(self) -> int:
        while True:
            self._last_jid = self._last_jid % MOST_JAILS + 1
            if self._last_jid not in self._jails:
                return self._last_jid

    def _parent_of(self, name: str, of: int) -> int:
        above, dot, _last = name.rpartition(".")
        if not dot:
            return of
        parent = self.find(above, of, dying=True)
        if parent is None:
            raise KernelError(f'jail "{above}" not found')
        if parent.dying:
            raise KernelError(f'jail "{above}" is dying')
        return parent.jid

    def _check_limit(self, parent: int) -> None:
        if parent and len(self.jails(parent, dying=True)) >= int(
            str(self._jails[parent].params["children.max"])
        ):
            raise KernelError("prison limit exceeded")

    def _check_sibling(self, name: str, jid: int, parent: int) -> None:
        last = name.rpartition(".")[2]
        for other in self._jails.values():
            if other.parent == parent and other.jid != jid and other.name.rpartition(".")[2] == last:
                if not other.dying:
                    raise KernelError(f'jail "{name}" already exists')
                if self.dying_keeps_name:
                    raise KernelError(f"jail {other.jid} ({name}) is dying")

    def _check_number(self, name: str, jid: int) -> None:
        last = name.rpartition(".")[2]
        if last.isdigit() and last != str(jid):
            raise KernelError("name cannot be numeric (unless it is the jid)")

    def _check_addresses(self, given: Mapping[str, Value], jid: int) -> None:
        for family, word in (("ip4", "IPv4"), ("ip6", "IPv6")):
            mine = given.get(f"{family}.addr", [])
            assert isinstance(mine, list)
            if len(mine) > 255:
                raise KernelError(f"too many {word} addresses")
            if len(set(mine)) != len(mine):
                raise KernelError("jail_set: Invalid argument")
            for other in self.jails():
                theirs = other.params[f"{family}.addr"]
                assert isinstance(theirs, list)
                # One address may be shared by jails which have no other.
                shared_alone = len(mine) == 1 and len(theirs) == 1
                if other.jid != jid and not shared_alone and set(mine) & set(theirs):
                    raise KernelError(f"{word} addresses clash")

    def _defaults(self, given: Mapping[str, Value]) -> dict[str, Value]:
        params = {
            name: EMPTY[known.kind] for name, known in self.known().items() if name not in ("jid", "name")
        }
        params = {name: copy.copy(value) for name, value in params.items()}
        params |= {name: value for name, value in DEFAULTS.items() if name in params}
        major, _dot, minor = self.release.partition(".")
        params |= {
            "osrelease": f"{self.release}-RELEASE",
            "osreldate": int(major) * 100000 + int(minor) * 1000,
        }
        restricted = "inherit" if given.get("vnet") == "new" else "disable"
        params |= {"ip4": restricted, "ip6": restricted, "path": "/", "cpuset.id": len(self._jails) + 2}
        return params

    def _full_name(self, name: str, parent: int) -> str:
        return f"{self._jails[parent].name}.{name.rpartition('.')[2]}" if parent else name

    def _assign(self, jail: Jail, given: Mapping[str, Value]) -> None:
        for name, value in given.items():
            if name == "name" and value:
                self._rename(jail, str(value))
            elif name in ("ip4", "ip6"):
                jail.params[name] = "inherit" if value == "inherit" else "disable"
            elif name not in ("jid", "name"):
                jail.params[name] = list(value) if isinstance(value, list) else value
        for family in ("ip4.addr", "ip6.addr"):
            addresses = jail.params[family]
            assert isinstance(addresses, list)
            # The first stays the first, the others are sorted.
            addresses[1:] = sorted(addresses[1:], key=lambda text: ipaddress.ip_address(text).packed)

    def _rename(self, jail: Jail, name: str) -> None:
        old, above = jail.name, jail.name.rpartition(".")[0]
        jail.name = f"{above}.{name.rpartition('.')[2]}" if above else name
        for child in self._jails.values():
            if child.name.startswith(f"{old}."):
                child.name = jail.name + child.name[len(old) :]
