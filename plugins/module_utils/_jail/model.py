# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jails as plain data: what was declared, what was found, and what their parameters mean.

Pure. The source of facts about parameters is jail(8), jail.conf(5) and sys/kern/kern_jail.c.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.check import Check, check_of
from .._core.errors import Refused
from .._core.items import parse_items, purge_scope, refuse
from .._core.values import parse_numbers, print_numbers
from . import fstab
from .conf import Conf
from .devfs import Loaded
from .limits import check_limit, rule_of
from .network import Interface, parse_interfaces

STATES = ("present", "started", "stopped", "restarted", "absent")
CONFIG = "/etc/jail.conf.d"
"""One file for each jail; rc.d/jail looks there first when a jail is named in jail_list."""

_NAME = re.compile(
    r"(?=.{1,63}$)(?!\d+(\.|$))[A-Za-z0-9][A-Za-z0-9_-]*(\.(?!\d+(\.|$))[A-Za-z0-9][A-Za-z0-9_-]*)*"
)
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_LISTS = re.compile(
    r"exec\.(prepare|prestart|created|start|poststart|prestop|stop|poststop|release)"
    r"|ip[46]\.addr|mount|mount\.fstab|vnet\.interface|zfs\.dataset|depend|command"
)
_SWITCHES = re.compile(
    r"allow\..+|persist|dying|ip[46]\.saddrsel|exec\.(clean|system_jail_user)|mount\.(devfs|fdescfs|procfs)"
)
_SYSTEMS = frozenset({"host", "ip4", "ip6", "vnet", "sysvmsg", "sysvsem", "sysvshm", "linux"})
"""Parameters of three words: disable, new, inherit."""
_PSEUDO = re.compile(
    r"exec\..+|mount(\..+)?|vnet\.interface|interface|depend|stop\.timeout|zfs\.dataset|command"
)
_MACHINE = re.compile(r"/[^/]+/machines/([^/]+)/root(/.*)?")
_CPUSET = re.compile(r"(?:/usr/bin/)?cpuset -l (\S+) -j \S+")
_OWN = frozenset({"name", "jid", "dying", "parent", "children.cur", "cpuset.id", "allow.dying"})
"""What is not a jail's to declare: its name is that of the item, the others the kernel gives out."""

Values = tuple[str, ...]


# ---- parameters -------------------------------------------------------------------------------
# Every jail has the same few names, and each is asked about many times.


@functools.cache
def is_list(parameter: str) -> bool:
    """Whether several values count; of every other parameter the last one counts."""
    return _LISTS.fullmatch(parameter) is not None


@functools.cache
def is_switch(parameter: str) -> bool:
    """Whether it is true or false."""
    return _SWITCHES.fullmatch(parameter) is not None


@functools.cache
def is_pseudo(parameter: str) -> bool:
    """Whether jail(8) alone knows it, and the kernel does not."""
    return _PSEUDO.fullmatch(parameter) is not None


def meaning(parameter: str, values: Values) -> Values:
    """Values in the one form in which equal ones are equal.

    Law: ``meaning(p, meaning(p, v)) == meaning(p, v)``.
    """
    if parameter in ("ip4.addr", "ip6.addr"):
        return tuple(_address(value) for value in values)
    if is_list(parameter):
        return tuple(" ".join(value.split()) for value in values)
    if is_switch(parameter):
        return ("false",) if values and values[-1].lower() in ("false", "0") else ("true",)
    if parameter in _SYSTEMS:
        word = values[-1] if values else "new"
        return ({"true": "new", "1": "new", "false": "disable", "0": "disable"}.get(word, word),)
    return values[-1:] or ("",)


def known_to_kernel(parameter: str, values: Values) -> Values:
    """Values as the kernel gives them back, which knows less than the file says."""
    values = meaning(parameter, values)
    if parameter in ("ip4.addr", "ip6.addr"):
        bare = [re.split(r"[/ ]", value.rpartition("|")[2], maxsplit=1)[0] for value in values]
        # The first is the jail's own, the order of the others is the kernel's.
        return (*bare[:1], *sorted(bare[1:]))
    if parameter in ("ip4", "ip6"):
        return ("inherit",) if values == ("inherit",) else ("disable",)
    return values


def _address(value: str) -> str:
    """``IFACE|ADDRESS/LENGTH OPTIONS`` with the address as it is usually written."""
    interface, sign, rest = value.strip().rpartition("|")
    match = re.fullmatch(r"([0-9A-Fa-f:.]+)(.*)", rest.strip(), re.DOTALL)
    if match is None:
        return value.strip()
    try:
        address = str(ipaddress.ip_address(match[1]))
    except ValueError:
        return value.strip()
    return f"{interface}{sign}{address}{match[2].rstrip()}"


def cpuset_of(commands: Values | None) -> str:
    """The processors which commands of exec.created give a jail, as cpuset(1) takes them; empty: none do."""
    lists = [match[1] for match in map(_CPUSET.fullmatch, commands or ()) if match]
    return lists[-1] if lists else ""


def without_cpuset(commands: Values | None) -> Values | None:
    """The other commands; None when there are no others."""
    return tuple(each for each in commands or () if not _CPUSET.fullmatch(each)) or None


def machine_of(path: str) -> str:
    """The machine in whose root file system (``/POOL/machines/NAME/root``) a path lies; empty: in none."""
    match = _MACHINE.fullmatch(path)
    return match[1] if match else ""


# ---- what was declared ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Jail:
    """A jail as it was declared.

    :param parameters: of its block; those that are not here are left alone. None: it is to be removed,
        no values: a bare word, which is true.
    :param interfaces: of its own network stack; None: not declared.
    :param limits: amounts by resource of rctl(8); None: the limit is to be removed.
    :param devfs: rules for what it sees of /dev; None: not declared.
    :param fstab: all lines of its file of mounts; None: not declared.
    :param depend: jails that run before it and stop after it, where they are on this host.
    :param boot: whether it is in jail_list; None: left alone.
    :param apply: ``now`` restarts it when a change needs that, ``next_boot`` leaves that to its next start.
    :param timeout: seconds to wait for its stop, and for its answer after a start.
    :param unenforced: limits which this host may be unable to enforce.
    :param omitted: limits that no resource stands for, and why.
    """

    name: str
    state: str = "started"
    parameters: Mapping[str, Values | None] = field(default_factory=dict)
    interfaces: tuple[Interface, ...] | None = None
    limits: Mapping[str, int | None] = field(default_factory=dict)
    devfs: tuple[str, ...] | None = None
    fstab: tuple[str, ...] | None = None
    depend: tuple[str, ...] = ()
    boot: bool | None = None
    apply: str = "now"
    timeout: int = 60
    check: Check = field(default_factory=Check)
    unenforced: tuple[str, ...] = ()
    omitted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """All jails of one task.

    :param scope: a pattern of names (fnmatch) within which jails that are not listed are removed;
        None removes none.
    """

    jails: tuple[Jail, ...]
    scope: str | None = None


def wanted_of(params: Mapping[str, Any]) -> Wanted:
    """The options of module jail as plain data.

    :raises Refused: with every fault at once.
    """
    jails, faults = parse_items("jail", params["jails"], parse_jail)
    scope, more = purge_scope(params)
    refuse([*faults, *_shared(jails), *more])
    return Wanted(jails, scope)


def _shared(jails: Sequence[Jail]) -> list[str]:
    """What two jails cannot have both."""
    holders: dict[str, list[str]] = {}
    for jail in jails:
        for interface in jail.interfaces or ():
            for word in (interface.mac, *(str(address.ip) for address in interface.addresses)):
                holders.setdefault(word, []).append(jail.name)
    return [
        f"{word}: jails {' and '.join(names)} cannot both have it; give one of them another."
        for word, names in holders.items()
        if word and len(names) > 1
    ]


def parse_jail(item: Mapping[str, Any]) -> Jail:
    """One declared jail.

    :raises Refused: when a part of it cannot be meant.
    """
    name = check_name(str(item["name"]))
    what = f"jail {name}"
    parameters = {key: _values(key, value, what) for key, value in (item.get("parameters") or {}).items()}
    path = item.get("path")
    if path is not None:
        _set(parameters, "path", _absolute(str(path), f"path of {what}"), what)
    root = (parameters.get("path") or ("",))[-1].rstrip("/")
    _desugar(parameters, item, root, what)
    if item.get("boot") and "." in name:
        raise Refused(f"boot of {what}", "rc.d/jail knows no jails within jails", "let its parent start it")
    devfs = item.get("devfs")
    ruleset = parameters.get("devfs_ruleset")
    if ruleset and not re.fullmatch(r"\d{1,5}", ruleset[0]):
        raise Refused(f"devfs_ruleset of {what}", f"{ruleset[0]!r} is no number", "write one such as 4")
    if devfs is not None and ruleset:
        raise Refused(f"devfs of {what}", "it names a ruleset too", "write either devfs or devfs_ruleset")
    lines = item.get("fstab")
    if lines is not None and len(parameters.get("mount.fstab") or ()) > 1:
        raise Refused(f"fstab of {what}", "mount.fstab names several files", "name one")
    return Jail(
        name=name,
        state=_choice(item.get("state") or "started", STATES, f"state of {what}"),
        parameters=parameters,
        interfaces=parse_interfaces(name, item["interfaces"]) if item.get("interfaces") is not None else None,
        limits={key: check_limit(key, value, what) for key, value in (item.get("limits") or {}).items()},
        devfs=None if devfs is None else tuple(_devfs_rule(str(rule), what) for rule in devfs),
        fstab=None if lines is None else tuple(fstab.check(str(line), what) for line in lines),
        depend=_depend(name, item.get("depend") or ()),
        boot=item.get("boot"),
        apply=_choice(item.get("apply") or "now", ("now", "next_boot"), f"apply of {what}"),
        timeout=int(item.get("timeout") or 60),
        check=check_of(item.get("check"), str(item.get("address") or _first_address(item)), what),
        unenforced=tuple(item.get("unenforced") or ()),
        omitted=item.get("omitted") or {},
    )


def check_name(name: str) -> str:
    """The name of a jail: of its parent, if it runs in another jail, and its own, with dots between them.

    :raises Refused: when it is none. A number would be its jid.
    """
    if not _NAME.fullmatch(name):
        raise Refused(
            "name of a jail",
            f"{name!r} does not serve",
            "begin with a letter or digit, go on with letters, digits, _ and -, not digits alone; "
            "a dot behind the name of the jail in which it runs",
        )
    return name


def _depend(name: str, others: Sequence[Any]) -> tuple[str, ...]:
    """What a jail depends on; a jail within another one on that too."""
    parent = name.rpartition(".")[0]
    return tuple(dict.fromkeys([*([parent] if parent else []), *(check_name(str(each)) for each in others)]))


def _choice(value: str, choices: Sequence[str], what: str) -> str:
    if value not in choices:
        raise Refused(what, f"{value!r} is unknown", f"use one of {', '.join(choices)}")
    return value


def _absolute(path: str, what: str) -> str:
    if not path.startswith("/"):
        raise Refused(what, f"{path!r} is no absolute path", "begin it with /")
    return path


def _values(key: str, value: Any, what: str) -> Values | None:
    if not _PARAMETER.fullmatch(key):
        raise Refused(f"parameters of {what}", f"{key!r} is no parameter", "write one such as host.hostname")
    if key in _OWN:
        raise Refused(f"parameters of {what}", f"{key} is not declared", "leave it out")
    last = key.rpartition(".")[2]
    positive = key.removesuffix(last) + last[2:]
    if last.startswith("no") and is_switch(positive):
        raise Refused(f"{key} of {what}", "it is the negative of another", f"write {positive}: false")
    if value is None or value == []:
        return None
    if value is False and not is_switch(key) and key not in _SYSTEMS:
        raise Refused(f"{key} of {what}", "it is no switch", "write a text, or null to remove it")
    if isinstance(value, bool):
        return () if value else ("false",)
    items = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(item, Mapping | list | tuple) or item is None for item in items):
        raise Refused(f"{key} of {what}", f"{value!r} is no value", "write a text, or a list of texts")
    if len(items) > 1 and not is_list(key):
        raise Refused(f"{key} of {what}", f"it has {len(items)} values", "write one")
    values = tuple(str(item) for item in items)
    if is_switch(key) and values[0].lower() not in ("true", "false", "1", "0"):
        raise Refused(f"{key} of {what}", f"{values[0]!r} is neither true nor false", "write true or false")
    return values


def _set(parameters: dict[str, Values | None], key: str, value: str, what: str) -> None:
    """A parameter that an option of its own gives."""
    if parameters.setdefault(key, (value,)) != (value,):
        raise Refused(f"{key} of {what}", "it is declared twice", "leave it out of parameters")


def _add(parameters: dict[str, Values | None], key: str, values: Sequence[str]) -> None:
    """Values that stand before those which were declared."""
    if values:
        parameters[key] = (*values, *(parameters.get(key) or ()))


def _desugar(parameters: dict[str, Values | None], item: Mapping[str, Any], root: str, what: str) -> None:
    """Turn the short forms into parameters."""
    if item.get("mounts") is not None:
        _mount(parameters, item["mounts"], root, what)
    name = item["name"]
    datasets = [_dataset(str(dataset), what) for dataset in item.get("datasets") or ()]
    # zfs.dataset would say the same, but only since FreeBSD 15.
    created = [f"/sbin/zfs jail {name} {dataset}" for dataset in datasets]
    if datasets:
        for key, values in (("allow.mount", ()), ("allow.mount.zfs", ()), ("enforce_statfs", ("1",))):
            parameters.setdefault(key, values)
    if item.get("cpuset") is not None:
        cpus = str(item["cpuset"])
        if cpus != "all":
            cpus = print_numbers(parse_numbers(cpus, f"cpuset of {what}"))
        created.append(f"/usr/bin/cpuset -l {cpus} -j {name}")
    _add(parameters, "exec.created", created)


def _mount(
    parameters: dict[str, Values | None], mounts: Sequence[Mapping[str, Any]], root: str, what: str
) -> None:
    if not root:
        raise Refused(f"mounts of {what}", "its path is not known", "name its path")
    targets = [f"{root}/{str(mount['target']).strip('/')}".rstrip("/") for mount in mounts]
    lines = [_fstab_line(mount, target, what) for mount, target in zip(mounts, targets, strict=True)]
    # An empty list takes away what an earlier one has mounted.
    parameters["mount"] = (*lines, *(parameters.get("mount") or ())) or None
    if targets:
        # jail(8) makes no mount points; prepare is the only hook that runs before it mounts.
        # Behind the others, which may refuse the start. A shell may read them.
        made = (f"/bin/mkdir -p {shlex.quote(target)}" for target in targets)
        parameters["exec.prepare"] = (*(parameters.get("exec.prepare") or ()), *made)


def _dataset(name: str, what: str) -> str:
    # A shell may read it.
    if not re.fullmatch(r"[\w.:-]+(/[\w.:-]+)*", name, re.ASCII):
        raise Refused(f"datasets of {what}", f"{name!r} does not serve", "write one such as tank/web")
    return name


def _fstab_line(mount: Mapping[str, Any], target: str, what: str) -> str:
    source = _absolute(str(mount["source"]), f"source of a mount of {what}")
    if re.search(r"(^|/)\.\.(/|$)", target) or re.search(r"\s", source + target):
        raise Refused(
            f"mounts of {what}", f"{source} at {target} does not serve", "write paths without .. and blanks"
        )
    return f"{source} {target} nullfs {'ro' if mount.get('readonly') else 'rw'} 0 0"


def _devfs_rule(rule: str, what: str) -> str:
    # Quotes are for the shell of rc.d/devfs, which the file gets of itself.
    words = rule.replace("'", "").split()
    if len(words) < 3 or words[0] not in ("path", "type") or "\n" in rule:
        raise Refused(f"devfs of {what}", f"{rule!r} is no rule", "write one such as path bpf* unhide")
    return " ".join(words)


def _first_address(item: Mapping[str, Any]) -> str:
    for interface in item.get("interfaces") or ():
        for address in interface.get("addresses") or ():
            return str(address)
    for key in ("ip4.addr", "ip6.addr"):
        value = (item.get("parameters") or {}).get(key)
        if value:
            first = value[0] if isinstance(value, list | tuple) else value
            return str(first).rpartition("|")[2].strip().partition(" ")[0]
    return ""


# ---- what was found ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A jail as it is.

    :param state: ``running``, ``stopped``, or ``dying``: removed, but the kernel still holds parts of it.
    :param jid: its number while the kernel knows it, else 0.
    :param conf: its file; None when it has none.
    :param configured: its parameters by that file, its name among them; empty when it is not defined there.
    :param running: those of the file with which it was started; the present ones when nobody wrote
        that down.
    :param kernel: its parameters as jls(8) shows them.
    :param fstab: what its file of mounts says, the one that is declared or else configured.
    :param mounted: what the file of mounts said with which it was started.
    :param cpuset: processors on which it runs; empty: nobody asked.
    :param within: jails that run in it.
    :param left: what an earlier run left behind on the host, of a jail that does not run.
    :param live_limits: amounts that the kernel has, by rule (``memoryuse:deny``).
    :param kept_limits: the same of /etc/rctl.conf.
    :param ruleset: number of its own devfs ruleset in /etc/devfs.rules; 0: it has none.
    :param rules: of that ruleset.
    """

    name: str
    state: str = "stopped"
    jid: int = 0
    conf: Conf | None = None
    configured: Mapping[str, Values] = field(default_factory=dict)
    running: Mapping[str, Values] = field(default_factory=dict)
    kernel: Mapping[str, Values] = field(default_factory=dict)
    fstab: tuple[str, ...] = ()
    mounted: tuple[str, ...] = ()
    cpuset: frozenset[int] = frozenset()
    within: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    live_limits: Mapping[str, int] = field(default_factory=dict)
    kept_limits: Mapping[str, int] = field(default_factory=dict)
    ruleset: int = 0
    rules: tuple[str, ...] = ()

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return self.state == "running"

    @property
    def defined(self) -> bool:
        """Whether its own file defines it."""
        return bool(self.configured)


@dataclass(frozen=True, slots=True)
class System:
    """The jails of a host.

    :param jails: those that the options speak of, by name.
    :param boot: jail_list, in its order.
    :param everyone: jails that are started at boot because jail_list is empty.
    :param switches: of rc.conf(5), whether they are on.
    :param limits_off: why the host enforces no limits; empty: it does, or nobody asked.
    :param rulesets: of devfs that are loaded; None: nobody asked.
    :param reserved: numbers of rulesets that are not free.
    :param epairs: numbers of pairs that each file speaks of, by jail.
    :param cpuset: processors of the host; empty: nobody asked.
    :param addresses: of jails that run, with the name of the jail.
    :param interfaces: of the host; None: nobody asked.
    :param parameters: names that the kernel knows; None: nobody asked.
    :param objections: what jail(8) says against files that are to be written, by jail.
    :param elsewhere: files of others that define a jail of the same name, by jail; rc.d/jail reads but one.
    """

    jails: Mapping[str, Found] = field(default_factory=dict)
    boot: tuple[str, ...] = ()
    everyone: tuple[str, ...] = ()
    switches: Mapping[str, bool] = field(default_factory=dict)
    limits_off: str = ""
    rulesets: Loaded | None = None
    reserved: frozenset[int] = frozenset()
    epairs: Mapping[str, frozenset[int]] = field(default_factory=dict)
    cpuset: frozenset[int] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)
    interfaces: frozenset[str] | None = None
    parameters: frozenset[str] | None = None
    objections: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def stable(self) -> Any:
        """The same without what differs from run to run."""
        return [
            (
                found.name,
                found.state,
                found.configured,
                {key: value for key, value in found.kernel.items() if key in found.configured},
                found.fstab,
                found.cpuset,
                found.left,
                found.live_limits,
                found.kept_limits,
                found.ruleset,
                found.rules,
                found.name in self.boot,
            )
            for found in self.jails.values()
        ]


def fstab_of(jail: Jail | None, configured: Mapping[str, Values]) -> str:
    """The file of mounts of a jail; empty when it has none, and is to have none."""
    declared = jail.parameters.get("mount.fstab") if jail else None
    files = declared or configured.get("mount.fstab", ())
    return files[0] if files else fstab.file_of(jail.name) if jail and jail.fstab else ""


def exported(found: Found, boot: bool) -> dict[str, Any]:
    """A jail in the form in which module jail accepts it."""
    item: dict[str, Any] = {
        "name": found.name,
        "state": "started" if found.up else "stopped",
        "parameters": {
            key: _exported(key, values) for key, values in found.configured.items() if key not in _OWN
        },
        "boot": boot,
    }
    if len(found.configured.get("mount.fstab", ())) == 1:
        item["fstab"] = list(found.fstab)
    if found.kept_limits:
        limits = {rule.partition(":")[0]: (rule, amount) for rule, amount in found.kept_limits.items()}
        item["limits"] = {key: amount for key, (rule, amount) in limits.items() if rule == rule_of(key)}
    # What waits for its next start goes on waiting.
    waits = found.running != found.configured or ("fstab" in item and found.mounted != found.fstab)
    return {**item, "apply": "next_boot"} if waits else item


def observed(found: Found) -> dict[str, Any]:
    """A jail that runs, as the kernel has it."""
    return {
        "name": found.name,
        "jid": found.jid,
        "cpuset": print_numbers(found.cpuset),
        "parameters": {
            key: _observed(key, values) for key, values in sorted(found.kernel.items()) if key not in _OWN
        },
        "limits": dict(sorted(found.live_limits.items())),
    }


def _exported(key: str, values: Values) -> Any:
    """A value as it is declared; a list that is emptied by its bare name is declared by that."""
    return True if is_list(key) and not values else _observed(key, values)


def _observed(key: str, values: Values) -> Any:
    if is_list(key):
        return list(values)
    if is_switch(key):
        return meaning(key, values) == ("true",)
    return values[-1] if values else True
