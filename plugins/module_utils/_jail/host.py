# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jails of a host: read them all, apply a step."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from .._core.check import Check
from .._core.errors import CommandMissing
from .._core.host import Host, WritableHost, expect
from .._core.plan import Step
from .._core.values import parse_numbers
from . import devfs, fstab, limits
from .boot import JAIL_ENABLE, JAIL_LIST, RCTL_ENABLE, boot_words
from .conf import Conf
from .life_host import (
    RUNNING,
    Known,
    Look,
    addresses_of,
    clean_up,
    gone,
    leftovers,
    load_file,
    load_path,
    look_around,
    mounts_in_files,
    note,
    parameters_of,
    prove_ruleset,
    read_kernel,
    read_rulesets,
    reason,
    start,
    started_with,
    stop,
    wait_for_answer,
    within,
)
from .model import (
    CONFIG,
    Found,
    Jail,
    System,
    Values,
    Wanted,
    cpuset_of,
    exported,
    fstab_of,
    is_list,
    is_pseudo,
    is_switch,
    meaning,
    observed,
)
from .network import pairs_in, ports_of
from .plan import candidates, configured, plan_jails

RACCT = "kern.racct.enable=1"
COMMON = "/etc/jail.conf"
"""The file of all jails that have none of their own; rc.d/jail looks there last."""


# ---- reading -----------------------------------------------------------------------------------


def read(host: Host, wanted: Wanted) -> System:
    """The jails that the options speak of; a host without jls(8) is empty while it is only looked at."""
    try:
        kernel = read_kernel(host)
    except CommandMissing:
        if host.writable:
            raise
        return System()
    declared = {jail.name: jail for jail in wanted.jails}
    files = [name.removesuffix(".conf") for name in host.listing(CONFIG) if name.endswith(".conf")]
    scoped = [name for name in files if wanted.scope is not None and fnmatchcase(name, wanted.scope)]
    names = list(dict.fromkeys([*declared, *scoped]))
    down = [name for name in names if name not in kernel or kernel[name].dying]
    cards = any(jail.interfaces for jail in wanted.jails)
    look = look_around(host, kernel) if down or cards or wanted.scope is not None else None
    if look and wanted.scope is not None:
        left = gone(host, look, {*kernel, *files, *names, *_of_others(host)})
        names += [name for name in left if fnmatchcase(name, wanted.scope)]
    going = [name for name in names if name not in declared or declared[name].state == "absent"]
    live, off = _live_limits(host) if going or any(jail.limits for jail in wanted.jails) else ({}, "")
    kept = limits.parse_rules(host.read(limits.FILE) or "")
    rulesets = devfs.parse(host.read(devfs.FILE) or "")
    found = {}
    for name in names:
        number, rules = rulesets.get(devfs.name_of(name), (0, ()))
        found[name] = replace(
            _found(host, name, kernel.get(name), look, declared.get(name)),
            within=tuple(within(kernel, name)),
            live_limits=live.get(name, {}),
            kept_limits=kept.get(name, {}),
            ruleset=number,
            rules=rules,
        )
    pinned = [name for name, each in found.items() if each.up and _is_pinned(each, declared.get(name))]
    cpuset = {}
    if pinned or any(_is_pinned(Found(name), jail) for name, jail in declared.items()):
        cpuset = _cpusets(host, pinned)
        found |= {name: replace(found[name], cpuset=cpuset[name]) for name in pinned}
    boot, switches = _at_boot(host) if _speaks_of_boot(wanted, going) else ((), {})
    system = System(
        jails={name: each for name, each in found.items() if each != Found(name)},
        boot=boot,
        everyone=_everyone(host, wanted) if not boot and any(jail.boot for jail in wanted.jails) else (),
        switches=switches,
        limits_off=off,
        rulesets=read_rulesets(host) if down or _speaks_of_rulesets(wanted) else None,
        reserved=frozenset(number for number, _rules in rulesets.values()) | {*range(devfs.VNET + 1)},
        epairs=_pairs(host, files) if any(jail.interfaces for jail in wanted.jails) else {},
        cpuset=cpuset.get("", frozenset()),
        addresses=addresses_of(kernel),
        interfaces=None if look is None else frozenset(look.interfaces),
        elsewhere=_elsewhere(host, found.values()),
    )
    return _judged(host, system, wanted, {key for known in kernel.values() for key in known.parameters})


def read_info(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """All jails that have a file of their own, or those named, as module jail accepts them.

    Beside them jails that were made by other means, and what is left of jails that are gone.
    """
    try:
        kernel = read_kernel(host)
    except CommandMissing:
        return {"jails": [], "running": [], "foreign": [], "leaks": []}
    files = [name.removesuffix(".conf") for name in host.listing(CONFIG) if name.endswith(".conf")]
    look = look_around(host, kernel)
    kept = limits.parse_rules(host.read(limits.FILE) or "")
    boot, _switches = _at_boot(host)
    live, _off = _live_limits(host)
    cpusets = _cpusets(host, [name for name in files if name in kernel and not kernel[name].dying])
    found = {
        name: replace(
            _found(host, name, kernel.get(name), look),
            cpuset=cpusets.get(name, frozenset()),
            kept_limits=kept.get(name, {}),
            live_limits=live.get(name, {}),
        )
        for name in files
    }
    defined = {name for name, each in found.items() if each.defined}
    names = [name for name in params.get("names") or sorted(defined) if name in defined]
    return {
        "jails": [exported(found[name], name in boot) for name in names],
        "running": [observed(found[name]) for name in names if found[name].up],
        "foreign": sorted(name for name, known in kernel.items() if name not in defined and not known.dying),
        "leaks": _leaks(host, found, {*kernel, *defined}, look, live),
    }


def _found(
    host: Host, name: str, known: Known | None, look: Look | None, declared: Jail | None = None
) -> Found:
    own = load_file(host, name)
    parameters = parameters_of(own, name)
    down = known is None or known.dying
    started = started_with(host, name, known.jid) if known and not down else None
    running = parameters
    if started and not (own and own.text == started.text):
        running = parameters_of(load_file(host, name, started.text), name)
    file = fstab_of(declared, parameters)
    return Found(
        name=name,
        state="stopped" if known is None else "dying" if known.dying else "running",
        jid=known.jid if known else 0,
        conf=own,
        configured=parameters,
        running=running,
        kernel={} if known is None or down else known.parameters,
        fstab=fstab.mounts(host.read(file) or "") if file else (),
        mounted=started.mounts if started else mounts_in_files(host, parameters),
        left=tuple(each.what for each in leftovers(host, name, look)) if down and look else (),
    )


def _is_pinned(found: Found, declared: Jail | None) -> bool:
    """Whether it is, or is to be, on some of the processors only."""
    created = declared.parameters.get("exec.created") if declared else None
    return bool(cpuset_of(created) or cpuset_of(found.running.get("exec.created")))


def _cpusets(host: Host, names: Sequence[str]) -> dict[str, frozenset[int]]:
    """The processors of the host, under an empty name, and those of jails that run; by one command."""
    asked = ["cpuset -g -r", *(f"cpuset -g -j {shlex.quote(name)}" for name in names)]
    answered = host.run(["sh", "-c", " && ".join(asked)]).out
    masks = re.findall(r"^\S+ -?\d+(?: root)? mask: ([\d, ]+)$", answered, re.MULTILINE)
    return {
        name: parse_numbers(mask.replace(" ", "")) for name, mask in zip(("", *names), masks, strict=True)
    }


def _live_limits(host: Host) -> tuple[dict[str, dict[str, int]], str]:
    """The rules of the kernel, and why there are none at all."""
    output = host.run(["rctl"], ok=(0, 1))
    if "not present" in output.err:
        return {}, "the kernel of this host was built without limits (RACCT)"
    if output.rc:
        return {}, f"limits are switched off on this host until {RACCT} stands in /boot/loader.conf at a boot"
    return limits.parse_rules(output.out), ""


def _at_boot(host: Host) -> tuple[tuple[str, ...], dict[str, bool]]:
    """jail_list, and the switches of rc.conf(5) beside it."""
    names = (JAIL_LIST, JAIL_ENABLE, RCTL_ENABLE)
    lines = host.run(["sysrc", "-i", *names]).out.splitlines()
    values = {name: value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
    switches = {name: values.get(name, "").lower() in ("yes", "true", "on", "1") for name in names[1:]}
    return tuple(values.get(JAIL_LIST, "").split()), switches


def _speaks_of_boot(wanted: Wanted, going: Sequence[str]) -> bool:
    return bool(going) or any(jail.boot is not None or jail.depend or jail.limits for jail in wanted.jails)


def _speaks_of_rulesets(wanted: Wanted) -> bool:
    return any(jail.devfs is not None or "devfs_ruleset" in jail.parameters for jail in wanted.jails)


def _everyone(host: Host, wanted: Wanted) -> tuple[str, ...]:
    """What an empty jail_list starts at boot, apart from those that will stand in it."""
    common = load_path(host, COMMON)
    listed = {jail.name for jail in wanted.jails if jail.boot}
    return tuple(name for name in common.jails if name not in listed) if common else ()


def _pairs(host: Host, files: Iterable[str]) -> dict[str, frozenset[int]]:
    return {name: pairs_in(host.read(f"{CONFIG}/{name}.conf") or "") for name in files}


def _elsewhere(host: Host, found: Collection[Found]) -> dict[str, str]:
    """A file of the old place, which rc.d/jail prefers; for new jails the common one, which it reads last."""
    present = set(host.listing("/etc"))
    files = {each.name: f"/etc/jail.{each.name}.conf" for each in found}
    new = {each.name for each in found if not each.defined}
    text = host.read(COMMON) if new else None
    common = {name: COMMON for name in Conf.parse(text or "", COMMON).jails if name in new}
    return common | {name: file for name, file in files.items() if file.removeprefix("/etc/") in present}


def _of_others(host: Host) -> set[str]:
    """Jails that are defined in files of other places."""
    files = [match[1] for each in host.listing("/etc") if (match := re.fullmatch(r"jail\.(.+)\.conf", each))]
    common = load_path(host, COMMON)
    return {*files, *(common.jails if common else ())}


def _judged(host: Host, system: System, wanted: Wanted, known: set[str]) -> System:
    """With what kernel and jail(8) say of what would be written; nothing is asked when nothing would."""
    texts = candidates(system, wanted)
    if not texts:
        return system
    declared = {key for jail in wanted.jails for key, values in jail.parameters.items() if values is not None}
    if any(not is_pseudo(key) and key not in known for key in declared):
        lines = host.run(["sysctl", "-d", "security.jail.param"]).out
        known = known | set(re.findall(r"^security\.jail\.param\.([\w.]*\w)\.?:", lines, re.MULTILINE))
        system = replace(system, parameters=frozenset(known))
    said = {name: _objection(host, text) for name, text in texts.items()}
    return replace(system, objections={name: text for name, text in said.items() if text})


def _objection(host: Host, text: str) -> str:
    """What jail(8) says against a file; before FreeBSD 14 it could not be asked."""
    output = host.run(["jail", "-f", "-", "-e", "|"], stdin=text, ok=range(256))
    return "" if output.rc == 0 or "usage:" in output.err else reason(output)


def _leaks(
    host: Host, found: Mapping[str, Found], known: set[str], look: Look, live: Mapping[str, Any]
) -> list[str]:
    """What is left of jails that do not run, and of those that nobody knows any more."""
    lost = gone(host, look, {*known, *found, *_of_others(host)})
    leaks = [f"{what} of jail {name}" for name, each in found.items() for what in each.left]
    leaks += [
        f"{each.what} of jail {name}, which is gone" for name in lost for each in leftovers(host, name, look)
    ]
    cables = {port for port in look.interfaces if re.fullmatch(r"e\d+a_.+", port)}
    owned = {port for name in (*known, *lost) for port in ports_of(name, look.interfaces)}
    leaks += [f"interface {port} of a jail that is gone" for port in sorted(cables - owned)]
    leaks += [f"limits of jail {name}, which is gone" for name in sorted(set(live) - known)]
    ids = [match[1] for each in host.listing("/var/run") if (match := re.fullmatch(r"jail_(.+)\.id", each))]
    running = {name for name, each in found.items() if each.up} | (known - set(found))
    leaks += [f"/var/run/jail_{name}.id of a jail that does not run" for name in ids if name not in running]
    return leaks


# ---- changing ----------------------------------------------------------------------------------


def apply(host: WritableHost, step: Step) -> dict[str, Any] | None:
    """Carry out one step."""
    args = step.args
    match step.verb:
        case "define" | "set":
            _configure(host, args["name"], args["parameters"])
            if args.get("live"):
                _set_live(host, args["name"], args["parameters"])
        case "live":
            _set_live(host, args["name"], args["parameters"])
        case "fstab":
            _remember(host, args["name"])
            _edit(host, args["path"], lambda text: fstab.edit(text, args["lines"]))
        case "cpuset":
            host.change(["cpuset", "-l", args["cpuset"], "-j", args["name"]])
        case "limit":
            _limit(host, args)
        case "devfs":
            _make_ruleset(host, args)
        case "boot":
            _set_boot(host, args["words"])
        case "sweep":
            clean_up(host, args["name"])
        case "start":
            return _start_and_wait(host, args)
        case "restart":
            inside = [name for name in within(read_kernel(host), args["name"]) if load_file(host, name)]
            stop(host, args["name"], args["timeout"])
            answered = _start_and_wait(host, args)
            for name in inside:
                start(host, name, args["wait"])
            return answered
        case "stop":
            return {"killed": True} if stop(host, args["name"], args["timeout"]) else None
        case "remove":
            _undefine(host, args["name"])
    return None


def _start_and_wait(host: WritableHost, args: Mapping[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    start(host, args["name"], args["wait"])
    wait_for_answer(host, args["name"], Check(**args["check"]), args["wait"])
    return {"answered_after": round(time.monotonic() - began, 2)}


def define(host: WritableHost, jail: Jail) -> None:
    """Bring a jail's definition to what was declared, without starting, stopping or removing anything.

    :raises Refused: when this host cannot run it as declared.
    """
    wanted = Wanted((replace(jail, state="present", apply="next_boot"),))
    plan = plan_jails(read(host, wanted), wanted)
    plan.guard()
    for step in plan.due:
        apply(host, step)


def _configure(host: WritableHost, name: str, parameters: Mapping[str, Sequence[str] | None]) -> None:
    path = f"{CONFIG}/{name}.conf"
    text = host.read(path)
    if text is not None:
        _remember(host, name)
    after = configured(load_file(host, name) or Conf.parse("", path), name, parameters).text
    if after != text:
        host.write(path, after)


def _remember(host: WritableHost, name: str) -> None:
    """The last moment at which what a jail was started with can still be known."""
    known = read_kernel(host).get(name)
    if known and not known.dying and started_with(host, name, known.jid) is None:
        note(host, name, known.jid)


def _set_live(host: WritableHost, name: str, parameters: Mapping[str, Sequence[str]]) -> None:
    words = [_word(key, tuple(values)) for key, values in parameters.items()]
    host.change(["jail", "-m", f"name={name}", *words])


def _word(key: str, values: Values) -> str:
    """A parameter as an operand of jail(8), which takes switches by name alone."""
    if is_switch(key):
        folder, dot, last = key.rpartition(".")
        return key if meaning(key, values) == ("true",) else f"{folder}{dot}no{last}"
    return f"{key}={','.join(values if is_list(key) else meaning(key, values))}"


def _limit(host: WritableHost, args: Mapping[str, Any]) -> None:
    rule, amount = f"jail:{args['name']}:{args['rule']}", args["amount"]
    if args["enforced"]:
        # A deny rule takes the place of the one before it, any other comes beside it.
        if args["live"] is not None and args["live"] != amount:
            _drop_rules(host, rule)
        if amount is not None:
            host.change(["rctl", "-a", f"{rule}={amount}"])
    _edit(host, limits.FILE, lambda text: limits.edit_rules(text, args["name"], {args["rule"]: amount}))


def _drop_rules(host: WritableHost, which: str) -> None:
    """Remove limits from the kernel, if it has any."""
    output = host.change(["rctl", "-r", which], ok=(0, 1))
    if not re.search("No such process|RACCT/RCTL", output.err):
        expect(output, (0,))


def _make_ruleset(host: WritableHost, args: Mapping[str, Any]) -> None:
    number, rules = args["number"], args["rules"]
    _edit(host, devfs.FILE, lambda text: devfs.edit(text, args["name"], number, rules))
    _forget_ruleset(host, number)
    for rule in rules:
        host.change(["devfs", "rule", "-s", str(number), "add", *rule.split()])
    prove_ruleset(host, args["name"], number)
    if args["place"]:
        # What is mounted there follows no change of the ruleset by itself.
        host.change(["devfs", "-m", args["place"], "rule", "-s", str(number), "applyset"])


def _forget_ruleset(host: WritableHost, number: int) -> None:
    # One that is not loaded cannot be removed.
    host.change(["devfs", "rule", "-s", str(number), "delset"], ok=(0, 1))


def remove(host: WritableHost, name: str) -> None:
    """Remove the definition of a jail that does not run, with its limits and its ruleset; never data."""
    clean_up(host, name)
    boot, _switches = _at_boot(host)
    if name in boot:
        _set_boot(host, boot_words(boot, [other for other in boot if other != name]))
    _undefine(host, name)


def _set_boot(host: WritableHost, words: Mapping[str, str]) -> None:
    host.change(["sysrc", *(f"{variable}={value}" for variable, value in words.items())])


def _undefine(host: WritableHost, name: str) -> None:
    """Remove the file of a jail, its limits and its ruleset."""
    _drop_rules(host, f"jail:{name}")
    _edit(host, limits.FILE, lambda text: limits.forget(text, name))
    number, _rules = devfs.parse(host.read(devfs.FILE) or "").get(devfs.name_of(name), (0, ()))
    if number:
        _edit(host, devfs.FILE, lambda text: devfs.edit(text, name, 0, ()))
        _forget_ruleset(host, number)
    own = load_file(host, name)
    if parameters_of(own, name).get("mount.fstab") == (fstab.file_of(name),):
        host.remove(fstab.file_of(name))
    path = f"{CONFIG}/{name}.conf"
    rest = own.without(name) if own else None
    if rest is not None and rest.jails:
        host.write(path, rest.text)
    else:
        host.remove(path)
    host.remove(f"{RUNNING}/{name}")


def _edit(host: WritableHost, path: str, edit: Callable[[str], str]) -> None:
    text = host.read(path) or ""
    after = edit(text)
    if after != text:
        host.write(path, after)
