# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LXC containers as plain data: their configuration file, what was declared, what was found.

Pure. The source of facts about the file is lxc.container.conf(5) and src/lxc/confile.c of LXC 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.check import Check, check_of
from .._core.errors import Refused
from .._core.items import parse_items, purge_scope, refuse
from .._core.values import parse_numbers, parse_size, print_numbers

STATES = ("present", "started", "stopped", "frozen", "restarted", "absent")
IDMAP = ("u 0 100000 65536", "g 0 100000 65536")
"""The one range of user and group ids of a pair, so that a machine's files fit on both servers."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KEY = re.compile(r"lxc(\.[A-Za-z0-9_-]+)+")
_LINE = re.compile(r"\s*(?P<key>[^#\s=][^=]*?)\s*=\s*(?P<value>.*?)\s*", re.DOTALL)
# Keys of which each line adds a value; of every other key the last line counts.
_LISTS = re.compile(
    r"lxc\.(include|group|environment|idmap|apparmor\.raw|cap\.(drop|keep)|mount\.(entry|auto)"
    r"|hook\.(pre-start|pre-mount|mount|autodev|start-host|start|stop|post-stop|clone|destroy)"
    r"|cgroup2?\.devices\.(allow|deny)"
    r"|net\.\d+\.(ipv[46]\.address|veth\.ipv[46]\.route|veth\.vlan\.tagged\.id))"
)
# Keys of which one line may hold several values, in any order.
_WORDS = frozenset({"lxc.cap.drop", "lxc.cap.keep", "lxc.mount.auto", "lxc.group"})
_SIZES = re.compile(r"lxc\.cgroup2\.(memory(\.\w+)*\.(min|low|high|max)|hugetlb\.\w+\.max)")
_PAGE = 4096
"""Bytes; the kernel rounds every limit of memory down to whole pages."""

Values = tuple[str, ...]


# ---- the file ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it stands; ``key`` is empty where it sets nothing (comment, blank, unreadable)."""

    raw: str
    key: str = ""
    value: str = ""

    @classmethod
    def setting(cls, key: str, value: str) -> Line:
        """The line that gives a key a value."""
        return cls(f"{key} = {value}".rstrip(), key, value)

    def resets(self, key: str) -> bool:
        """Whether it clears a key by emptying what stands above it (``lxc.net =``)."""
        return bool(self.key) and not self.value and key.startswith(f"{self.key}.")


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration file, every byte of it.

    Laws: ``Config.parse(text).text == text``; ``config.replace(k, v).values(k) == v`` for values that are
    single lines without blanks around them, an empty one standing first if at all.
    """

    lines: tuple[Line, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Config:
        """A file as its lines; what LXC would not understand is kept as it is."""
        return cls(tuple(_line(raw) for raw in text.split("\n"))) if text else cls()

    @property
    def text(self) -> str:
        """The file."""
        return "\n".join(line.raw for line in self.lines)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that have a value, in the order of the file."""
        found = dict.fromkeys(line.key for line in self.lines if line.key)
        return tuple(key for key in found if self.values(key))

    def values(self, key: str) -> Values:
        """What the file itself says of a key, without the files that it includes.

        A first value that is empty means: whatever came before (from an included file) is cleared.
        """
        found: list[str] = []
        for line in self.lines:
            if line.resets(key):
                found = []
            elif line.key == key:
                found = [*found, line.value] if line.value else [""]
        return tuple(found)

    def value(self, key: str) -> str:
        """The one value that counts; empty when there is none."""
        return (self.values(key) or ("",))[-1]

    def replace(self, key: str, values: Sequence[str]) -> Config:
        """The same file with these values, standing where the first old one stood; none removes the key."""
        start = 1 + max((index for index, line in enumerate(self.lines) if line.resets(key)), default=-1)
        place = next((index for index in range(start, len(self.lines)) if self.lines[index].key == key), None)
        old = {line.value: line for line in self.lines if line.key == key}
        new = tuple(old.get(value) or Line.setting(key, value) for value in values)
        if place is None:
            body = tuple(line for line in self.lines if line.key != key)
            ends = bool(body) and not body[-1].raw
            return Config(body[:-1] + new + body[-1:] if ends else body + new + (Line(""),) * bool(new))
        before = tuple(line for line in self.lines[:place] if line.key != key)
        behind = tuple(line for line in self.lines[place:] if line.key != key)
        return Config(before + new + behind)


def _line(raw: str) -> Line:
    match = _LINE.fullmatch(raw)
    if match is None:
        return Line(raw)
    value = match["value"]
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        value = value[1:-1]
    return Line(raw, match["key"], value)


def is_list(key: str) -> bool:
    """Whether each line of this key adds a value; of other keys the last line counts."""
    return _LISTS.fullmatch(key) is not None


def meaning(key: str, values: Values) -> Values:
    """Values in the one form in which equal ones are equal.

    Law: ``meaning(k, meaning(k, v)) == meaning(k, v)``.
    """
    if key in _WORDS:
        reset = ("",) if values[:1] == ("",) else ()
        return reset + tuple(sorted({word for value in values for word in value.split()}))
    if not is_list(key):
        values = values[-1:]
    return tuple(_plain(key, " ".join(value.split())) for value in values)


def _plain(key: str, value: str) -> str:
    if key == "lxc.rootfs.path" and value.startswith("/"):
        return f"dir:{value}"
    if key in ("lxc.cgroup2.cpuset.cpus", "lxc.cgroup2.cpuset.mems"):
        return _number_list(value)
    if key == "lxc.cgroup2.cpu.max" and value and " " not in value:
        return f"{value} 100000"  # the kernel's period, in microseconds
    if _SIZES.fullmatch(key):
        try:
            return str(parse_size(value) // _PAGE * _PAGE)
        except Refused:
            return value  # "max"
    return value


def _number_list(value: str) -> str:
    """CPUs or nodes as the kernel writes them ("0,1,2,5" is "0-2,5"); what is no such list stays."""
    try:
        return print_numbers(parse_numbers(value))
    except Refused:
        return value


# ---- what was declared ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it was declared.

    :param config: keys of its configuration file; keys that are not here are left alone. No values: the
        key is to be removed.
    :param privileged: a new container shares the server's user ids, unless its config has an idmap.
    :param apply: ``now`` restarts it when a change needs that, ``next_boot`` leaves that to its next start.
    :param timeout: seconds to wait for its stop, and for its answer after a start.
    :param unenforced: controllers of control groups (or whole keys) that the host may lack.
    :param omitted: limits that no key stands for, and why.
    """

    name: str
    state: str = "started"
    config: Mapping[str, Values] = field(default_factory=dict)
    privileged: bool = False
    apply: str = "now"
    timeout: int = 60
    check: Check = field(default_factory=Check)
    unenforced: tuple[str, ...] = ()
    omitted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """All containers of one task.

    :param scope: a pattern of names (fnmatch) within which containers that are not listed are removed;
        None removes none.
    """

    containers: tuple[Container, ...]
    scope: str | None = None


def wanted_of(params: Mapping[str, Any]) -> Wanted:
    """The options of module lxc_container as plain data.

    :raises Refused: with every fault at once.
    """
    containers, faults = parse_items("container", params["containers"], parse_container)
    scope, more = purge_scope(params)
    refuse([*faults, *more])
    return Wanted(containers, scope)


def parse_container(item: Mapping[str, Any]) -> Container:
    """One declared container.

    :raises Refused: when a part of it cannot be meant.
    """
    name = check_name(str(item["name"]))
    what = f"container {name}"
    config = {key: _values(key, value, what) for key, value in (item.get("config") or {}).items()}
    if item.get("rootfs"):
        path = str(item["rootfs"])
        if not path.startswith("/"):
            raise Refused(f"rootfs of {what}", f"{path!r} is no absolute path", "begin it with /")
        if config.setdefault("lxc.rootfs.path", (f"dir:{path}",)) != (f"dir:{path}",):
            raise Refused(what, "it names two root file systems", "leave lxc.rootfs.path out of its config")
    return Container(
        name=name,
        state=_choice(item.get("state") or "started", STATES, f"state of {what}"),
        config=config,
        privileged=bool(item.get("privileged")),
        apply=_choice(item.get("apply") or "now", ("now", "next_boot"), f"apply of {what}"),
        timeout=int(item.get("timeout") or 60),
        check=check_of(item.get("check"), str(item.get("address") or _first_address(config)), what),
        unenforced=tuple(item.get("unenforced") or ()),
        omitted=item.get("omitted") or {},
    )


def check_name(name: str) -> str:
    """The name of a container, which is a folder too.

    :raises Refused: when it is none.
    """
    if not _NAME.fullmatch(name):
        raise Refused(
            "name of a container",
            f"{name!r} does not serve",
            "begin with a letter or digit, go on with up to 63 of letters, digits and _ . -",
        )
    return name


def _choice(value: str, choices: Sequence[str], what: str) -> str:
    if value not in choices:
        raise Refused(what, f"{value!r} is unknown", f"use one of {', '.join(choices)}")
    return value


def _values(key: str, value: Any, what: str) -> Values:
    if not _KEY.fullmatch(key):
        raise Refused(f"config of {what}", f"{key!r} is no key of LXC", "write one such as lxc.uts.name")
    items = value if isinstance(value, list | tuple) else [] if value is None else [value]
    values = []
    for item in items:
        if isinstance(item, Mapping | list | tuple):
            raise Refused(f"{key} of {what}", f"{item!r} is no value", "write a text, or a list of texts")
        text = str(int(item)) if isinstance(item, bool) else str(item).strip()
        if "\n" in text or "\r" in text:
            raise Refused(f"{key} of {what}", "a value has several lines", "write a list of values")
        values.append(text)
    if "" in values[1:]:
        raise Refused(f"{key} of {what}", "an empty value clears those before it", "write it first")
    if len(values) > 1 and _SIZES.fullmatch(key):
        raise Refused(f"{key} of {what}", f"it has {len(values)} values", "write one")
    return tuple(values)


def _first_address(config: Mapping[str, Values]) -> str:
    for key in ("lxc.net.0.ipv4.address", "lxc.net.0.ipv6.address"):
        if config.get(key):
            return config[key][0]
    return ""


# ---- what was found ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A container as it is.

    :param state: ``running``, ``stopped``, ``frozen``, or one of LXC's words for what lies between.
    :param pid: of its first process; 0 when it does not run.
    :param config: its configuration file.
    :param running: the file with which it was started; the present one when nobody wrote that down.
    :param limits: what the kernel says of the limits that it can change in flight, by key of the file.
    :param data: whether its own folder holds a root file system.
    """

    name: str
    state: str
    pid: int = 0
    config: Config = field(default_factory=Config)
    running: Config = field(default_factory=Config)
    limits: Mapping[str, str] = field(default_factory=dict)
    data: bool = False

    @property
    def up(self) -> bool:
        """Whether it has processes."""
        return self.state != "stopped"


@dataclass(frozen=True, slots=True)
class System:
    """The containers of a host.

    :param controllers: of control groups, that the host offers; None: not known (no cgroup2, no LXC yet).
    """

    containers: Mapping[str, Found] = field(default_factory=dict)
    controllers: frozenset[str] | None = None

    def stable(self) -> Any:
        """The same without what differs from run to run."""
        return [(found.name, found.state, found.config, found.limits) for found in self.containers.values()]


def exported(found: Found) -> dict[str, Any]:
    """A container in the form in which module lxc_container accepts it."""
    state = {"running": "started", "frozen": "frozen"}.get(found.state, "stopped")
    config = {
        key: list(found.config.values(key)) if is_list(key) else found.config.value(key)
        for key in found.config.keys
    }
    item = {"name": found.name, "state": state, "config": config}
    # What waits for its next start goes on waiting.
    return item if found.running == found.config else {**item, "apply": "next_boot"}


def controller_of(key: str) -> str | None:
    """The controller of control groups that a key needs; None when it needs none.

    Files of ``cgroup.*`` are the kernel's core, ``devices.*`` is a BPF program of LXC: they are always there.
    """
    match = re.fullmatch(r"lxc\.cgroup2\.(\w+)\..+", key)
    return match[1] if match and match[1] not in ("cgroup", "devices") else None


# ---- from a declared machine to a configuration -----------------------------------------------

_LIMITS = {
    "processes": "lxc.cgroup2.pids.max",
    "cpu_weight": "lxc.cgroup2.cpu.weight",
    "open_files": "lxc.prlimit.nofile",
}


def machine_config(
    name: str,
    *,
    root: str,
    data: str,
    bridge: str,
    hwaddr: str,
    addresses: Sequence[str] = (),
    gateways: Sequence[str] = (),
    cores: int | None = None,
    memory: int | None = None,
    limits: Mapping[str, int] | None = None,
    mounts: Sequence[Mapping[str, Any]] = (),
    devices: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    unenforced: Sequence[str] = (),
    guard: Sequence[str] = ("/usr/local/sbin/twin", "guard"),
) -> dict[str, Any]:
    """The configuration of a logical machine, the same text on both servers.

    :param root: path of its root file system, ``data`` that of its data, seen inside at /srv.
    :param memory: bytes.
    :param limits: of ``processes``, ``open_files``, ``cpu_weight``.
    :param devices: device nodes of the server.
    :param options: keys of LXC (``lxc.…``) that are added, or stand instead of these; ``privileged``.
    :param unenforced: limits whose absence is accepted.
    :param guard: the hook that refuses to start it where it does not belong.
    :raises Refused: when a limit or device cannot be had from LXC.
    """
    extra = dict(options or {})
    privileged = bool(extra.pop("privileged", False))
    limits = dict(limits or {})
    config: dict[str, Any] = {
        "lxc.include": ["/usr/share/lxc/config/common.conf"]
        + ["/usr/share/lxc/config/userns.conf"] * (not privileged),
        "lxc.uts.name": name,
        "lxc.rootfs.path": f"dir:{root}",
        # As Debian's own default.conf: systemd inside must be allowed to mount what it sandboxes with.
        "lxc.apparmor.profile": "generated",
        "lxc.apparmor.allow_nesting": "1",
        "lxc.mount.entry": [
            f"{data} srv none bind,create=dir 0 0",
            *(_mount(mount) for mount in mounts),
            *(_device(device) for device in devices),
        ],
        "lxc.net.0.type": "veth",
        "lxc.net.0.link": bridge,
        "lxc.net.0.name": "eth0",
        "lxc.net.0.flags": "up",
        "lxc.net.0.hwaddr": hwaddr,
    }
    if not privileged:
        config["lxc.idmap"] = list(IDMAP)
    for version in (4, 6):
        marks = ":" if version == 6 else "."
        if mine := [address for address in addresses if marks in address]:
            config[f"lxc.net.0.ipv{version}.address"] = mine
        for gateway in [gateway for gateway in gateways if marks in gateway][:1]:
            config[f"lxc.net.0.ipv{version}.gateway"] = gateway
    if cores is not None:
        config["lxc.cgroup2.cpu.max"] = f"{cores * 100000} 100000"
    if memory is not None:
        config["lxc.cgroup2.memory.max"] = str(memory)
    for limit, reason in omitted_of(limits).items():
        if limit not in unenforced:
            raise Refused(
                f"limit {limit} of machine {name}",
                reason,
                f"accept that in unenforced ({limit}), or leave it out",
            )
    config |= {_LIMITS[limit]: str(value) for limit, value in limits.items() if limit in _LIMITS}
    for key in extra:
        if not _KEY.fullmatch(key):
            raise Refused(
                f"options of machine {name}", f"{key!r} is no key of LXC", "write one such as lxc.uts.name"
            )
    # The guard stands before all hooks, whatever the options say.
    hooks = extra.pop("lxc.hook.pre-start", None) or []
    hooks = [hooks] if isinstance(hooks, str) else list(hooks)
    return {**config, "lxc.hook.pre-start": [" ".join([*guard, name]), *hooks], **extra}


def omitted_of(limits: Iterable[str]) -> dict[str, str]:
    """The limits of a declaration that LXC has no key for, and why."""
    reason = "control groups do not see the disk of a machine on ZFS"
    return {limit: reason for limit in limits if limit not in _LIMITS}


def controllers_of(limits: Sequence[str]) -> list[str]:
    """The controllers (or keys) which the limits of a declaration need, for ``unenforced``."""
    table = {"cores": "cpu", "cpu_weight": "cpu", "memory": "memory", "processes": "pids",
             "open_files": "lxc.prlimit.nofile"}  # fmt: skip
    return sorted({table[limit] for limit in limits if limit in table})


def _mount(mount: Mapping[str, Any]) -> str:
    target = str(mount["target"]).lstrip("/")
    readonly = ",ro" if mount.get("readonly") else ""
    return f"{mount['source']} {target} none bind,create=dir{readonly} 0 0"


def _device(device: Any) -> str:
    if not isinstance(device, str) or not device.startswith("/dev/"):
        raise Refused(f"device {device}", "LXC takes device nodes", "write its path, such as /dev/fuse")
    return f"{device} {device.lstrip('/')} none bind,create=file 0 0"
