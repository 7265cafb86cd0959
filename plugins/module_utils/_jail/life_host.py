# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The life of one jail on a host: whether it runs, its start and its stop, and what it leaves behind.

It is started and stopped by jail(8), with the file that rc.d/jail uses at boot: service(8) says yes to
a start that failed. No exit code is believed; jls(8) is asked afterwards.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .._core import check as asking
from .._core.check import Check
from .._core.errors import CommandFailed, Refused, TwinError
from .._core.host import Host, Output, WritableHost
from . import conf, devfs, fstab
from .conf import Conf, load
from .model import CONFIG, Values, machine_of, meaning
from .network import ports_of, unnamed_pairs

RUNNING = "/var/run/twin/jail"
"""Notes of what each jail was started with; gone with the boot, as the jails are."""


@dataclass(frozen=True, slots=True)
class Known:
    """A jail as the kernel knows it."""

    jid: int
    dying: bool
    parameters: Mapping[str, Values]


def read_kernel(host: Host) -> dict[str, Known]:
    """The jails of the kernel by name, by one command however many there are.

    :raises TwinError: when its answer cannot be read.
    """
    output = host.run(["jls", "--libxo", "json", "-d", "-n"])
    try:
        rows = json.loads(output.out)["jail-information"]["jail"]
    except (KeyError, TypeError, ValueError) as error:
        said = f"jls answered {output.out[:60]!r}, which is no list of jails"
        raise TwinError("jails cannot be read", said, "run it by hand", command=list(output.argv)) from error
    found: dict[str, Known] = {}
    for row in rows:
        name, dying = str(row["name"]), bool(row.get("dying"))
        # A dying one keeps its name while a new one may already have it too.
        if name not in found or not dying:
            found[name] = Known(int(row["jid"]), dying, {key: _plain(value) for key, value in row.items()})
    return found


def _plain(value: Any) -> Values:
    if isinstance(value, bool):
        return ("true",) if value else ("false",)
    return tuple(str(each) for each in value) if isinstance(value, list) else (str(value),)


def within(kernel: Mapping[str, Known], name: str) -> list[str]:
    """The jails that run in a jail, each behind the one in which it runs."""
    return sorted(each for each in kernel if each.startswith(f"{name}.") and not kernel[each].dying)


def running(host: Host, name: str) -> bool:
    """Whether a jail runs."""
    known = read_kernel(host).get(name)
    return known is not None and not known.dying


def load_file(host: Host, name: str, text: str | None = None) -> Conf | None:
    """A jail's own file, with what it includes.

    :param text: in place of that of the file.
    """
    return load_path(host, f"{CONFIG}/{name}.conf", text)


def load_path(host: Host, own: str, text: str | None = None) -> Conf | None:
    """A file with what it includes; None when there is none."""

    def read(path: str) -> str | None:
        return text if text is not None and path == own else host.read(path)

    def glob(pattern: str) -> list[str]:
        folder, _slash, last = pattern.rpartition("/")
        return [f"{folder}/{each}" for each in host.listing(folder) if fnmatchcase(each, last)]

    return None if read(own) is None else load(read, glob, own)


def parameters_of(own: Conf | None, name: str) -> dict[str, Values]:
    return conf.parameters(own, name) if own is not None and name in own.jails else {}


@dataclass(frozen=True, slots=True)
class Note:
    """With what a jail was started.

    :param text: its file.
    :param mounts: what its files of mounts said.
    """

    text: str
    mounts: tuple[str, ...]


def note(host: WritableHost, name: str, jid: int) -> None:
    """Write down what a jail is started with.

    :param jid: 0 while nobody knows it.
    """
    text = host.read(f"{CONFIG}/{name}.conf") or ""
    mounts = mounts_in_files(host, parameters_of(load_file(host, name), name))
    host.write(f"{RUNNING}/{name}", f"{jid} {json.dumps(mounts)}\n{text}", 0o600)


def started_with(host: Host, name: str, jid: int | None = None) -> Note | None:
    """What the jail of this number was started with, if it was us who started it.

    :param jid: None for whichever was started last.
    """
    head, newline, text = (host.read(f"{RUNNING}/{name}") or "").partition("\n")
    owner, _blank, mounts = head.partition(" ")
    known = newline and (jid is None or owner == str(jid))
    return Note(text, tuple(json.loads(mounts or "[]"))) if known else None


def mounts_in_files(host: Host, definition: Mapping[str, Values]) -> tuple[str, ...]:
    """What the files say that ``mount.fstab`` names."""
    files = definition.get("mount.fstab", ())
    return tuple(line for file in files for line in fstab.mounts(host.read(file) or ""))


# ---- what a jail leaves behind -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """What a host has of networks and mounts.

    :param interfaces: with their addresses.
    :param mounts: mount points and types, in the order in which they were mounted.
    :param busy: addresses of jails that run.
    :param roots: paths of jails that run.
    """

    interfaces: Mapping[str, frozenset[str]]
    mounts: tuple[tuple[str, str], ...]
    busy: frozenset[str]
    roots: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Leftover:
    what: str
    argv: tuple[str, ...]


def look_around(host: Host, kernel: Mapping[str, Known]) -> Look:
    interfaces: dict[str, set[str]] = {}
    for line in host.run(["ifconfig", "-a"]).out.splitlines():
        if head := re.match(r"(\S+): flags=", line):
            current = interfaces.setdefault(head[1], set())
        elif address := re.match(r"\s+inet6? ([0-9A-Fa-f.:]+)", line):
            current.add(address[1])
    rows = [line.split() for line in host.run(["mount", "-p"]).out.splitlines()]
    return Look(
        {name: frozenset(addresses) for name, addresses in interfaces.items()},
        tuple(_mounted(row) for row in rows if len(row) > 2),
        frozenset(addresses_of(kernel)),
        frozenset(path for known in kernel.values() if not known.dying for path in known.parameters["path"]),
    )


def addresses_of(kernel: Mapping[str, Known]) -> dict[str, str]:
    return {
        address: name
        for name, known in kernel.items()
        if not known.dying
        for key in ("ip4.addr", "ip6.addr")
        for address in known.parameters.get(key, ())
    }


def _mounted(row: Sequence[str]) -> tuple[str, str]:
    """Mount point and type of a line of fstab(5)."""
    return unvis(row[1]), row[2]


def unvis(word: str) -> str:
    """A path of fstab(5), which vis(3) has written."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)


def leftovers(host: Host, name: str, look: Look) -> list[_Leftover]:
    """What a jail that does not run has left on its host."""
    own = load_file(host, name)
    present = parameters_of(own, name)
    definitions = [_with_mounts(present, mounts_in_files(host, present)), *_noted(host, name)]
    ports = ports_of(name, look.interfaces)
    for definition in definitions:
        ports += unnamed_pairs(name, definition.get("exec.prestart", ()), look.interfaces)
    ports = list(dict.fromkeys(ports))
    found = [_Leftover(f"interface {port}", ("ifconfig", port, "destroy")) for port in ports]
    # Two jails may share a root file system; what is mounted in it is of the one that runs.
    mine = [each for each in definitions if not look.roots & {*each.get("path", ())}]
    # By type too: the root file system of a jail may itself be a mount point, below another one of the jail.
    mounts = {mount for definition in mine for mount in _mounts(definition)}
    if own is None:
        mounts |= {mount for mount, machine in _mounts_of_machines(look) if machine == name}
    found += [
        _Leftover(f"mount {mount[0]}", ("umount", mount[0]))
        for mount in reversed(look.mounts)
        if mount in mounts
    ]
    # An address may be the host's own as well; only a jail that was started and not stopped has left it.
    for definition in definitions[1:]:
        for interface, family, address in _aliases(definition):
            if address in look.interfaces.get(interface, ()) and address not in look.busy:
                argv = ("ifconfig", interface, family, address, "-alias")
                found.append(_Leftover(f"address {address} of {interface}", argv))
    return found


def gone(host: Host, look: Look, known: Collection[str]) -> list[str]:
    """Jails whose file is gone and of which something may be left here: those with a note of their start,
    and machines with something mounted below their root.

    :param known: names that run, or that some file defines; these are not gone.
    """
    machines = {machine for _mount, machine in _mounts_of_machines(look)}
    return sorted({*host.listing(RUNNING), *machines} - {*known})


def _mounts_of_machines(look: Look) -> list[tuple[tuple[str, str], str]]:
    """What is mounted in the root file systems of machines that do not run; those themselves are data."""
    found = [(mount, machine_of(mount[0])) for mount in look.mounts if mount[1] != "zfs"]
    return [
        (mount, machine)
        for mount, machine in found
        if machine and not any(f"{mount[0]}/".startswith(f"{root}/") for root in look.roots - {"/"})
    ]


def _noted(host: Host, name: str) -> list[dict[str, Values]]:
    """The definition with which a jail was started last, if that was written down and can still be read."""
    started = started_with(host, name)
    if started is None:
        return []
    try:
        return [_with_mounts(parameters_of(load_file(host, name, started.text), name), started.mounts)]
    except Refused:  # what it included is gone
        return []


def _with_mounts(definition: Mapping[str, Values], mounts: Values) -> dict[str, Values]:
    return {**definition, "mount": (*definition.get("mount", ()), *mounts)}


def _mounts(definition: Mapping[str, Values]) -> list[tuple[str, str]]:
    """Where the definition of a jail mounts what type of file system."""
    root = (definition.get("path") or ("",))[-1].rstrip("/")
    rows = [line.split() for line in definition.get("mount", ())]
    places = {"mount.devfs": "dev", "mount.fdescfs": "dev/fd", "mount.procfs": "proc"}
    return [_mounted(row) for row in rows if len(row) > 2] + [
        (f"{root}/{place}", key.removeprefix("mount."))
        for key, place in places.items()
        if key in definition and meaning(key, definition[key]) == ("true",)
    ]


def _aliases(definition: Mapping[str, Values]) -> list[tuple[str, str, str]]:
    """Addresses which jail(8) puts on interfaces of the host: interface, family, address."""
    usual = (definition.get("interface") or ("",))[-1]
    found = []
    for key, family in (("ip4.addr", "inet"), ("ip6.addr", "inet6")):
        for value in meaning(key, definition.get(key, ())):
            interface, _bar, address = value.rpartition("|")
            if interface or usual:
                found.append((interface or usual, family, re.split(r"[/ ]", address, maxsplit=1)[0]))
    return found


def sweep(host: WritableHost, name: str) -> list[str]:
    """Remove what a jail that does not run has left on its host: interfaces, mounts, addresses, notes.

    :returns: what could not be removed, and why.
    """
    failed = []
    for leftover in leftovers(host, name, look_around(host, read_kernel(host))):
        output = host.change(leftover.argv, ok=range(256))
        if output.rc:
            failed.append(f"{leftover.what} ({reason(output)})")
    if not failed:
        host.remove(f"{RUNNING}/{name}")
        host.remove(f"/var/run/jail_{name}.id")
    return failed


def clean_up(host: WritableHost, name: str) -> None:
    """The same, where nothing may stay.

    :raises CommandFailed: when something does.
    """
    if left := sweep(host, name):
        raise CommandFailed(
            f"jail {name} does not run, but something of it stays",
            ", ".join(left),
            "look with fstat(1) for what uses it",
        )


# ---- start and stop ----------------------------------------------------------------------------


def start(host: WritableHost, name: str, timeout: float = 300) -> None:
    """Start a jail and see that it runs; one that runs already is left alone.

    :param timeout: seconds for its commands to end, and to wait for a dying one of the same name.
    :raises CommandFailed: with the words of jail(8), when it does not run; nothing is left of it then.
    """
    if running(host, name):
        return
    path = f"{CONFIG}/{name}.conf"
    definition = parameters_of(load_file(host, name), name)
    if not definition:
        raise TwinError(f"jail {name} cannot be started", f"{path} does not define it", "define it first")
    devices = meaning("mount.devfs", definition.get("mount.devfs", ("false",))) == ("true",)
    number = devfs.number_of(definition.get("devfs_ruleset", ()))
    loaded = prove_ruleset(host, name, number) if devices else None
    clean_up(host, name)
    log = (definition.get("exec.consolelog") or ("",))[-1]
    seen = len(host.read(log) or "") if log else 0
    note(host, name, 0)
    output = _create(host, path, name, timeout)
    known = read_kernel(host).get(name)
    if known is None or known.dying:
        left = sweep(host, name)
        said = (host.read(log) or "")[seen:] if log else ""
        raise CommandFailed(
            f"jail {name} did not start",
            reason(output) or "jail(8) gave no reason",
            f"still there: {', '.join(left)}" if left else f"its log is {log}" if log else "",
            command=list(output.argv),
            rc=output.rc,
            stderr="\n".join((output.err + said).splitlines()[-20:]),
        )
    note(host, name, known.jid)
    if loaded:
        _prove_devices(host, name, f"{known.parameters['path'][-1].rstrip('/')}/dev", number, loaded)


def _create(host: WritableHost, path: str, name: str, timeout: float) -> Output:
    argv = ["jail", "-c", "-f", path, name]
    end = time.monotonic() + timeout
    while True:
        try:
            output = host.change(argv, ok=range(256), timeout=timeout)
        except CommandFailed:
            # Only the timeout raises: what it starts does not come to its end.
            host.change(["jail", "-R", name], ok=range(256))
            return Output(tuple(argv), 1, "", f"its start did not end within {timeout:g} s\n")
        if "is dying" not in output.err or time.monotonic() >= end:
            return output
        time.sleep(asking.PAUSE)


def read_rulesets(host: Host) -> devfs.Loaded:
    """The rulesets that are loaded, by one command however many there are."""
    return devfs.Loaded.parse(host.run(["sh", "-c", devfs.LISTING]).out)


def prove_ruleset(host: Host, name: str, number: int) -> devfs.Loaded:
    """See that a ruleset hides something, before anything is seen through it.

    :returns: all that are loaded.
    :raises CommandFailed: when it hides nothing, as one does that is not loaded.
    """
    loaded = read_rulesets(host)
    if loaded.hides_nothing(number):
        how = "hides nothing" if loaded.rules.get(number) else "is empty"
        raise CommandFailed(
            f"jail {name} is not started",
            f"ruleset {number} of devfs {how}, so it would see every device of the host",
            "write it into /etc/devfs.rules and run service devfs restart",
        )
    return loaded


def _prove_devices(host: WritableHost, name: str, place: str, number: int, loaded: devfs.Loaded) -> None:
    """See that a jail sees no device which its ruleset hides; whatever the rules say, its own /dev tells.

    :raises CommandFailed: when it does; the jail is ended by then, and swept.
    """
    # What is no device has a mark behind its name; a link or a socket is the jail's own.
    nodes = [node for node in host.run(["ls", "-1AF", place]).out.split() if node[-1] not in "/@=|*"]
    seen = [node for node in nodes if loaded.hides(number, node)]
    if not seen:
        return
    host.change(["jail", "-R", name], ok=range(256))
    clean_up(host, name)
    raise CommandFailed(
        f"jail {name} was ended as soon as it ran",
        f"it saw {', '.join(seen[:3])} in its /dev, which ruleset {number} of devfs hides",
        f"look what is mounted at {place} before it, and with which ruleset",
    )


def stop(host: WritableHost, name: str, timeout: int = 60) -> bool:
    """Ask a jail to halt, and end it when it has not within the timeout; those in it before.

    :returns: whether it had to be ended.
    :raises CommandFailed: when one of its hooks refused, or it runs even then, or something of it stays.
    """
    kernel = read_kernel(host)
    if name not in kernel or kernel[name].dying:
        clean_up(host, name)
        return False
    for inner in reversed(within(kernel, name)):
        # The kernel would end them without their hooks. One without a file was started in there.
        if load_file(host, inner):
            stop(host, inner, timeout)
    killed = False
    try:
        argv = ["jail", "-r", "-f", f"{CONFIG}/{name}.conf", name]
        output = host.change(argv, ok=range(256), timeout=timeout)
    except CommandFailed:
        # Only the timeout raises. It is ended without its hooks; what they would have removed is swept.
        killed = True
        output = host.change(["jail", "-R", name], ok=range(256))
    if running(host, name):
        raise CommandFailed(
            f"jail {name} could not be stopped",
            f"it still runs: {reason(output) or 'jail(8) gave no reason'}",
            "repair what its hooks prestop and stop do",
            command=list(output.argv),
            rc=output.rc,
            stderr=output.err,
        )
    clean_up(host, name)
    return killed


# ---- whether it answers ------------------------------------------------------------------------


def wait_for_answer(host: Host, name: str, check: Check, timeout: float) -> None:
    """Wait until a jail answers.

    :param timeout: seconds.
    :raises CommandFailed: when it does not, or stops running; with what it said last.
    """
    asking.wait_for_answer(
        f"jail {name}",
        check,
        lambda patience: answer(host, name, check),
        lambda: running(host, name),
        timeout,
    )


def answer(host: Host, name: str, check: Check) -> str | None:
    """Ask once whether a jail answers: None if it does, else what was said instead.

    Its system is up when it runs: jail(8) returns when the last command of exec.start has ended.
    """
    if check.kind == "init":
        return None if running(host, name) else "it does not run"
    argv = {
        "command": ["jexec", name, *check.argv],
        # The proxy of whoever called is not the way to a jail.
        "http": ["env", "NO_PROXY=*", "fetch", "-q", "-T", "2", "-o", "/dev/null", str(check)],
        "tcp": ["nc", "-z", "-w", "2", check.address, str(check.port)],
    }[check.kind]
    output = host.run(argv, ok=range(256))
    return None if output.rc == 0 else reason(output) or f"exit code {output.rc}"


def reason(output: Output) -> str:
    """The line in which a program says why; jail(8) names the jail in it, which need not be said twice."""
    lines = [line for line in output.err.splitlines() if line.strip()]
    words = [re.sub(r"^\w+: ", "", line) for line in lines]
    return words[-1] if words else ""
