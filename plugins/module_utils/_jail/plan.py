# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jails: what was declared against what is written down and what runs → steps.

Pure. There are three truths of each parameter: declared, configured (the file) and running (jls(8) for
what the kernel knows; for what only jail(8) knows, the file as it was when the jail was started).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, make_plan
from .._core.values import parse_numbers, print_numbers
from . import devfs, fstab
from .boot import JAIL_ENABLE, KEY, plan_boot
from .conf import Conf
from .limits import rule_of
from .model import (
    CONFIG,
    Found,
    Jail,
    System,
    Values,
    Wanted,
    cpuset_of,
    fstab_of,
    is_list,
    is_pseudo,
    is_switch,
    known_to_kernel,
    meaning,
    without_cpuset,
)
from .network import choose_pairs, network_parameters, pairs_in

# When a new value of a parameter counts for a jail that runs; the first pattern that matches decides.
VERDICTS: tuple[tuple[str, str], ...] = (
    # Read from the file when they are needed: at the next start or stop.
    (r"exec\.(prepare|prestop|stop|poststop|release|timeout|consolelog)|stop\.timeout|depend", "file"),
    # Of jail(8) alone, and done while a jail starts.
    (r"exec\..+|mount(\..+)?|vnet\.interface|interface|zfs\.dataset|command", "restart"),
    # Can be given to a new jail only (CTLFLAG_RDTUN in kern_jail.c).
    (r"path|vnet|ip4|ip6|osrelease|osreldate", "restart"),
    # Could be set, but the /dev that is mounted in the jail would not follow.
    (r"devfs_ruleset", "restart"),
    # Everything else is set in the running jail by jail -m.
    (r".*", "live"),
)


def verdict(parameter: str, *values: Values | None) -> str:
    """What a change of this parameter asks of a jail that runs: ``live``, ``file`` or ``restart``.

    :param values: old and new ones. Addresses with an interface are put on it by a start alone.
    """
    if parameter in ("ip4.addr", "ip6.addr") and any("|" in text for each in values for text in each or ()):
        return "restart"
    return _usual_verdict(parameter)


@functools.cache
def _usual_verdict(parameter: str) -> str:
    return next(word for pattern, word in VERDICTS if re.fullmatch(pattern, parameter))


def plan_jails(system: System, wanted: Wanted) -> Plan:
    """The steps from the jails of a host to those that were declared."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    items = _items(system, wanted)
    for item in items:
        mine = list(item.steps())
        if mine:
            steps.extend(mine)
            before[item.name], after[item.name] = item.pictures()
    limits = any(item.keeps_limits for item in items)
    jails = [item.jail for item in items]
    at_boot, before[KEY], after[KEY] = plan_boot(system.boot, system.switches, jails, limits=limits)
    return make_plan([*steps, *at_boot], before, after)


def candidates(system: System, wanted: Wanted) -> dict[str, str]:
    """The files that the plan would write, by jail, for jail(8) to judge, which reads them from no folder."""
    texts = {item.name: item.file() for item in _items(system, wanted) if item.jail.state != "absent"}
    return {name: text for name, text in texts.items() if text is not None}


def configured(conf: Conf, name: str, parameters: Mapping[str, Iterable[str] | None]) -> Conf:
    """The same file with these parameters of a jail."""
    for parameter, values in parameters.items():
        conf = conf.set(name, parameter, None if values is None else tuple(values))
    return conf


def _items(system: System, wanted: Wanted) -> list[_Item]:
    jails = [*wanted.jails, *_purged(system, wanted)]
    needs = _needs(jails)
    numbers = _Numbers(system)
    return [_Item(numbers.settle(jail), system, needs[jail.name]) for jail in jails]


def _purged(system: System, wanted: Wanted) -> Iterator[Jail]:
    listed = {jail.name for jail in wanted.jails}
    for name, found in sorted(system.jails.items()):
        if wanted.scope is None or name in listed or not (found.defined or found.left):
            continue
        if fnmatchcase(name, wanted.scope):
            yield Jail(name, state="absent")


def _needs(jails: Iterable[Jail]) -> dict[str, tuple[str, ...]]:
    """Whose steps come before those of each: what it depends on; what goes down goes before that."""
    by_name = {jail.name: jail for jail in jails}
    needs: dict[str, list[str]] = {name: [] for name in by_name}
    for jail in by_name.values():
        for other in jail.depend:
            if other in by_name:
                down = jail.state in ("stopped", "absent") and other != jail.name
                needs[other if down else jail.name].append(jail.name if down else other)
    return {name: tuple(others) for name, others in needs.items()}


class _Numbers:
    """Gives out numbers of epairs and of rulesets, each once."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.rulesets = {found.ruleset for found in system.jails.values()} | system.reserved
        self.rulesets |= {*system.rulesets.rules} if system.rulesets else set()
        self.pairs: set[int] = set()

    def settle(self, jail: Jail) -> Jail:
        """The jail with all that it is declared to have as parameters."""
        found = self.system.jails.get(jail.name) or Found(jail.name)
        parameters = dict(jail.parameters)
        if jail.interfaces is not None:
            own = _pairs_of(found.configured)
            others = (pairs for name, pairs in self.system.epairs.items() if name != jail.name)
            seen = pairs_in(" ".join(self.system.interfaces or ())) - {*own}
            taken = self.pairs.union(seen, *others)
            pairs = choose_pairs(jail.name, len(jail.interfaces), own, taken)
            self.pairs |= {*pairs}
            parameters |= network_parameters(jail.name, jail.interfaces, pairs, jail.parameters)
        if jail.devfs is not None:
            number = found.ruleset or devfs.choose(self.rulesets)
            self.rulesets.add(number)
            parameters["devfs_ruleset"] = (str(number),)
        if jail.fstab is not None and (file := fstab_of(jail, found.configured)):
            parameters["mount.fstab"] = (file,)
        if not found.defined and jail.state != "absent":
            # What the jail writes would else hold jail(8), and whoever called it, for as long as it runs.
            parameters.setdefault("exec.consolelog", (f"/var/log/jail_{jail.name}.log",))
        return replace(jail, parameters=parameters)


def _pairs_of(parameters: Mapping[str, Values]) -> list[int]:
    numbers = [pairs_in(line) for line in parameters.get("exec.prestart", ()) if line.endswith(" create")]
    return [number for found in numbers for number in found]


class _Item:
    """One jail on its way."""

    def __init__(self, jail: Jail, system: System, needs: tuple[str, ...]) -> None:
        self.jail, self.system, self.needs = jail, system, needs
        self.name = jail.name
        self.what = f"jail {jail.name}"
        self.now = system.jails.get(jail.name) or Found(jail.name)
        self.accepted, self.refused = unenforceable(jail, system.limits_off)
        self.limits = {key: value for key, value in jail.limits.items() if key not in self.accepted}

    @property
    def keeps_limits(self) -> bool:
        """Whether it declares limits that are kept for the next boot."""
        return self.jail.state != "absent" and any(each is not None for each in self.limits.values())

    def file(self) -> str | None:
        """Its file as it is to be, to be read from anywhere; None when it is so already."""
        changed = self._changed()
        if self.now.defined and not changed:
            return None
        return configured(self.now.conf or Conf.parse(""), self.name, changed).standalone

    # -- steps

    def steps(self) -> Iterator[Step]:
        """All of them, in order."""
        blockers = list(self._blockers())
        if blockers:
            yield from blockers
        elif self.jail.state == "absent":
            yield from self._removal()
        else:
            yield from self._unenforced()
            yield from self._sweep()
            yield from self._devfs()
            yield from self._fstab()
            yield from self._settings()
            yield from self._cpuset()
            yield from self._limits()
            yield from self._transition()

    def _removal(self) -> Iterator[Step]:
        yield from self._stop()
        yield from self._sweep()
        now = self.now
        if now.defined or now.live_limits or now.kept_limits or now.ruleset:
            yield self._step("remove", f"remove the definition of {self.what}")

    def _unenforced(self) -> Iterator[Step]:
        reasons = {**dict.fromkeys(self.accepted, self.system.limits_off), **self.jail.omitted}
        for limit, reason in reasons.items():
            yield self._step(
                "unenforced", f"limit {limit} of {self.what} is not enforced: {reason}", effect=Effect.OWED
            )

    def _sweep(self) -> Iterator[Step]:
        """A start would stumble over what the last one left."""
        if self.now.left and self.jail.state != "present":
            yield self._step("sweep", f"remove what is left of {self.what}: {_join(self.now.left)}")

    def _devfs(self) -> Iterator[Step]:
        if self.jail.devfs is None:
            return
        number = int(self._values("devfs_ruleset")[0])
        rules = self._rules()
        if self.now.ruleset != number or self.now.rules != rules:
            word = "change" if self.now.ruleset else "make"
        elif not self._is_loaded(number):
            word = "load"
        else:
            return
        mounted = self.now.up and _on("mount.devfs", self.now.running)
        applied = mounted and self.now.kernel.get("devfs_ruleset") == (str(number),)
        yield self._step(
            "devfs",
            f"{word} ruleset {number} of {self.what}",
            number=number,
            rules=list(rules),
            place=f"{self.now.kernel['path'][-1].rstrip('/')}/dev" if applied else "",
        )

    def _is_loaded(self, number: int) -> bool:
        return self.system.rulesets is not None and bool(self.system.rulesets.rules.get(number))

    def _rules(self) -> tuple[str, ...]:
        """Of its own ruleset, when it is to have one."""
        return devfs.rules_of(self.jail.devfs or (), self._has_own_network())

    def _limits(self) -> Iterator[Step]:
        for limit, amount in self.limits.items():
            rule = rule_of(limit)
            kept, live = self.now.kept_limits.get(rule), self.now.live_limits.get(rule)
            enforced = not self.system.limits_off
            if kept == amount and (live == amount or not enforced):
                continue
            old = live if live != amount else kept
            sentence = f"set limit {limit} of {self.what}" + (f" from {old}" if old is not None else "")
            yield self._step(
                "limit",
                f"remove limit {limit} of {self.what}" if amount is None else f"{sentence} to {amount}",
                rule=rule,
                amount=amount,
                live=live,
                enforced=enforced,
            )

    def _settings(self) -> Iterator[Step]:
        """Bring the file, and what can change in flight, to what was declared."""
        changed, stale = self._changed(), {*self._stale()}
        if not self.now.defined:
            yield self._step("define", f"define {self.what}", parameters=_plain(changed))
            return
        for key, values in self.jail.parameters.items():
            live = self.now.up and values is not None and self._verdict(key) == "live"
            if key in changed:
                restarts = self.now.up and key in stale and self.jail.apply == "now"
                yield self._step(
                    "set",
                    self._sentence(key, values),
                    effect=Effect.RESTART if restarts else Effect.LIVE,
                    parameters=_plain({key: values}),
                    live=live,
                )
            elif live and self._strays(key, values or ()):
                yield self._step(
                    "live",
                    f"set {key} of the running {self.what} from {_shown(key, self.now.kernel[key])}"
                    f" to {_shown(key, values or ())}",
                    parameters=_plain({key: values}),
                )

    def _fstab(self) -> Iterator[Step]:
        """Bring its file of mounts to what was declared. What it speaks of is mounted by a start alone."""
        lines = self._lines()
        if lines is None or lines == self.now.fstab:
            return
        path = fstab_of(self.jail, self.now.configured)
        restarts = self.now.up and lines != self.now.mounted and self.jail.apply == "now"
        yield self._step(
            "fstab",
            f"set mounts of {self.what} in {path} to {_text(lines)}",
            effect=Effect.RESTART if restarts else Effect.LIVE,
            path=path,
            lines=list(self.jail.fstab or ()),
        )

    def _lines(self) -> tuple[str, ...] | None:
        """All that its file of mounts is to say; None: nobody declared that."""
        return None if self.jail.fstab is None else tuple(map(fstab.meaning, self.jail.fstab))

    def _cpuset(self) -> Iterator[Step]:
        """Processors can be given and taken while it runs; a start does that by itself."""
        wanted = self._wanted_cpuset()
        if wanted and not self._starts():
            new = print_numbers(wanted)
            yield self._step(
                "cpuset",
                f"set cpuset of the running {self.what} from {print_numbers(self.now.cpuset)} to {new}",
                cpuset=new,
            )

    def _wanted_cpuset(self) -> frozenset[int]:
        """The processors which a jail that runs is to get instead of those that it has; empty: it stays."""
        declared = self.jail.state != "stopped" and "exec.created" in self.jail.parameters
        if not self.now.cpuset or not declared:
            return frozenset()
        listed = cpuset_of(self.jail.parameters["exec.created"])
        if not listed and not cpuset_of(self.now.running.get("exec.created")):
            return frozenset()
        wanted = self.system.cpuset if listed in ("", "all") else parse_numbers(listed)
        return frozenset() if wanted == self.now.cpuset else wanted

    def _sentence(self, key: str, values: Values | None) -> str:
        if values is None:
            return f"remove {key} of {self.what}"
        old = self._written(key)
        start = "" if old is None or is_list(key) and not old else f" from {_shown(key, old)}"
        if is_list(key) and len(values) + len(old or ()) > 2:
            start = ""  # too long for a sentence; the diff has both
        return f"set {key} of {self.what}{start} to {_shown(key, values)}"

    def _transition(self) -> Iterator[Step]:
        """Start, stop or restart it."""
        state = self.jail.state
        if state == "stopped":
            yield from self._stop()
        elif state == "restarted":
            yield self._restart("restart" if self.now.up else "start")
        elif not self.now.up:
            if state == "started":
                wait = f", when jail {self.now.jid} of that name has died" * (self.now.state == "dying")
                yield self._step("start", f"start {self.what}{wait}", **self._waiting())
        elif stale := list(self._stale()):
            if self.jail.apply == "now":
                yield self._restart("restart", stale)
            else:
                yield self._step(
                    "restart",
                    f"restart {self.what} for {_join(stale)} to take effect",
                    effect=Effect.OWED,
                    token=str(self.now.jid),
                )

    def _stop(self) -> Iterator[Step]:
        if self.now.up:
            yield self._step(
                "stop",
                f"stop {self.what}{self._with_others()}",
                effect=Effect.RESTART,
                timeout=self.jail.timeout,
            )

    def _with_others(self) -> str:
        """The jails in it go down with it, apart from those that are stopped before."""
        others = [name for name in self.now.within if name not in self.needs]
        return f" with {_join(others)} in it" if others else ""

    def _restart(self, word: str, keys: Iterable[str] = ()) -> Step:
        reason = f" for {_join(keys)} to take effect" if keys else ""
        return self._step(
            "restart",
            f"{word} {self.what}{self._with_others()}{reason}",
            effect=Effect.RESTART if self.now.up else Effect.LIVE,
            token=str(self.now.jid),
            timeout=self.jail.timeout,
            **self._waiting(),
        )

    def _waiting(self) -> dict[str, Any]:
        fields = ("kind", "address", "port", "path", "argv")
        return {
            "wait": self.jail.timeout,
            "check": {name: getattr(self.jail.check, name) for name in fields},
        }

    def _step(
        self,
        verb: str,
        sentence: str,
        *,
        effect: Effect = Effect.LIVE,
        token: str | None = None,
        **args: Any,
    ) -> Step:
        return Step(
            self.name, verb, sentence, {"name": self.name, **args}, effect, needs=self.needs, token=token
        )

    # -- blockers

    def _blockers(self) -> Iterator[Step]:
        if self.now.up and not self.now.defined:
            yield self._refusal(
                f"{self.what} runs, but {CONFIG}/{self.name}.conf does not define it; "
                "stop it by what started it, or move its definition there"
            )
        elif file := self.system.elsewhere.get(self.name):
            yield self._refusal(
                f"{self.what}: {file} defines a jail of that name; "
                f"move its definition to {CONFIG}/{self.name}.conf, or choose another name"
            )
        elif self.jail.state != "absent":
            for sentence in self._faults():
                yield self._refusal(sentence)

    def _refusal(self, sentence: str) -> Step:
        return self._step("refuse", sentence, effect=Effect.IMPOSSIBLE)

    def _faults(self) -> Iterator[str]:
        if not self._has("path"):
            yield f"{self.what}: a new jail needs a root file system; name it in path"
            return
        for limit in self.refused:
            yield (
                f"limit {limit} of {self.what}: {self.system.limits_off}; "
                f"leave it out, or accept that in unenforced ({limit})"
            )
        yield from self._faults_of_file()
        yield from self._faults_of_cpuset()
        addresses = [key for key in ("ip4", "ip6", "ip4.addr", "ip6.addr") if self._has(key)]
        if addresses and self._has_own_network():
            yield (
                f"{_join(addresses)} of {self.what}: a jail with a network stack of its own has none; "
                "write null, and its addresses into interfaces"
            )
        booting = self.system.switches.get(JAIL_ENABLE) and not self.system.boot
        if self.jail.boot and booting and self.system.everyone:
            yield (
                f"boot of {self.what}: jail_list is empty, which starts every jail of /etc/jail.conf; "
                f"write {_join(self.system.everyone)} into jail_list first"
            )
        starts = self._starts()
        if starts or {"ip4.addr", "ip6.addr"} & set(self._changed()):
            yield from self._faults_of_addresses()
        if starts:
            yield from self._faults_of_start()

    def _faults_of_file(self) -> Iterator[str]:
        changed = self._changed()
        known = self.system.parameters
        for key, values in changed.items():
            if known is not None and values is not None and not is_pseudo(key) and key not in known:
                yield (
                    f"{key} of {self.what}: the kernel of this host has no such parameter; "
                    "leave it out, or load the module that brings it"
                )
        jails = {self.name, *(self.now.conf.jails if self.now.conf else ())}
        if strange := [name for name in changed.get("depend") or () if name not in jails]:
            yield (
                f"parameter depend of {self.what}: {_join(strange)} is not in its own file, and jail(8) "
                "looks nowhere else; write it in depend of the jail"
            )
        if self.name in self.system.objections:
            yield f"file of {self.what}: jail(8) refuses it: {self.system.objections[self.name]}"

    def _faults_of_cpuset(self) -> Iterator[str]:
        listed = cpuset_of(self.jail.parameters.get("exec.created"))
        try:
            lacking = parse_numbers(listed) - self.system.cpuset if listed and self.system.cpuset else ()
        except Refused:
            return
        if lacking:
            yield (
                f"cpuset of {self.what}: this host has no processor {print_numbers(lacking)}, but "
                f"{print_numbers(self.system.cpuset)}; name some of these"
            )

    def _faults_of_start(self) -> Iterator[str]:
        starters = ("exec.start", "exec.poststart", "command")
        if not self._is_on("persist") and not any(self._has(key) for key in starters):
            yield f"{self.what}: nothing would run in it; write exec.start, or persist: true"
        ruleset, loaded = self._ruleset(), self.system.rulesets
        if ruleset and loaded is not None and loaded.hides_nothing(ruleset) and self.jail.devfs is None:
            why = "hides nothing" if self._is_loaded(ruleset) else "is not loaded"
            yield (
                f"{self.what}: ruleset {ruleset} of devfs {why}, it would see every device; "
                "write it into /etc/devfs.rules and run service devfs restart"
            )
        for interface in self.jail.interfaces or ():
            if self.system.interfaces is not None and interface.bridge not in self.system.interfaces:
                yield f"interfaces of {self.what}: there is no bridge {interface.bridge}; make it first"

    def _faults_of_addresses(self) -> Iterator[str]:
        for key in ("ip4.addr", "ip6.addr"):
            for address in known_to_kernel(key, self._values(key)):
                holder = self.system.addresses.get(address, self.name)
                if holder != self.name:
                    yield f"{self.what}: jail {holder} has the address {address}; give one of them another"

    def _starts(self) -> bool:
        """Whether a start is among the steps."""
        state = self.jail.state
        if not self.now.up:
            return state in ("started", "restarted")
        return state == "restarted" or (
            state in ("started", "present") and self.jail.apply == "now" and any(self._stale())
        )

    def _ruleset(self) -> int:
        """The ruleset that its /dev will have; 0 when it gets none."""
        if not self._is_on("mount.devfs"):
            return 0
        return devfs.number_of(self._values("devfs_ruleset"))

    def _has_own_network(self) -> bool:
        return self._has("vnet") and meaning("vnet", self._values("vnet")) == ("new",)

    def _is_on(self, switch: str) -> bool:
        return self._has(switch) and _on(switch, {switch: self._values(switch)})

    # -- comparison

    def _has(self, key: str) -> bool:
        if key in self.jail.parameters:
            return self.jail.parameters[key] is not None
        return key in self.now.configured

    def _values(self, key: str) -> Values:
        """What its file will say of a parameter."""
        if key in self.jail.parameters:
            return self.jail.parameters[key] or ()
        return self.now.configured.get(key, ())

    def _written(self, key: str) -> Values | None:
        return _get(self.now.configured, key)

    def _changed(self) -> dict[str, Values | None]:
        """Declared parameters of which the file says something else."""
        return {
            key: values
            for key, values in self.jail.parameters.items()
            if not _same(key, values, self._written(key))
        }

    def _verdict(self, key: str) -> str:
        word = verdict(key, self.jail.parameters[key], self.now.running.get(key))
        if word == "live" and key in ("ip4.addr", "ip6.addr"):
            # A jail with the addresses of its host cannot be given some of its own.
            return "restart" if self.now.kernel.get(key[:3]) == ("inherit",) else "live"
        return word

    def _stale(self) -> Iterator[str]:
        """Declared parameters of which the jail that runs has another value, and cannot be given it."""
        for key, values in self.jail.parameters.items():
            word = self._verdict(key)
            fixed = word == "restart" or (word == "live" and values is None)
            if fixed and self._runs_otherwise(key, values):
                yield key
        lines = self._lines()
        if lines is not None and lines != self.now.mounted:
            yield "fstab"

    def _runs_otherwise(self, key: str, values: Values | None) -> bool:
        running = _get(self.now.running, key)
        if key == "exec.created":
            values, running = without_cpuset(values), without_cpuset(running)
        if not _same(key, values, running):
            return True
        # The kernel tells what the file with which it was started cannot: that somebody changed it.
        return values is not None and self._strays(key, values)

    def _strays(self, key: str, values: Values) -> bool:
        return key in self.now.kernel and known_to_kernel(key, values) != known_to_kernel(
            key, self.now.kernel[key]
        )

    # -- pictures

    def pictures(self) -> tuple[Any, Any]:
        """It before and after the steps: state, what was declared, and what the kernel has of that."""
        now, jail = self.now, self.jail
        before = self._picture(now.state, self._written, now.kept_limits, now.live_limits, now.kernel)
        before |= _surroundings(now.left, now.rules, now.cpuset, now.fstab)
        if jail.state == "absent":
            return before, None
        goal = {"present": now.state, "stopped": "stopped"}.get(jail.state, "running")
        kept = {rule_of(key): value for key, value in self.limits.items()}
        live = {} if self.system.limits_off else kept
        after = self._picture(goal, jail.parameters.get, kept, live, self._kernel_after())
        after |= _surroundings(
            now.left if jail.state == "present" else (),
            now.rules if jail.devfs is None else self._rules(),
            self._wanted_cpuset() or now.cpuset,
            now.fstab if jail.fstab is None else self._lines() or (),
        )
        if jail.devfs is not None and not self._is_loaded(now.ruleset):
            after["ruleset (loaded)"] = list(self._rules())
        return before if now.defined else None, after

    def _kernel_after(self) -> dict[str, Values]:
        """What the kernel will have of the declared parameters of a jail that runs."""
        declared = {key: self.jail.parameters.get(key) for key in self.now.kernel}
        return {
            key: self.now.kernel[key] if values is None else known_to_kernel(key, values)
            for key, values in declared.items()
        }

    def _picture(
        self,
        state: str,
        values: Any,
        kept: Mapping[str, int | None],
        live: Mapping[str, int | None],
        kernel: Mapping[str, Values],
    ) -> dict[str, Any]:
        picture: dict[str, Any] = {"state": state}
        for key in self.jail.parameters:
            if (found := values(key)) is not None:
                plain = meaning(key, found)
                picture[key] = list(plain) if is_list(key) else _text(plain)
            if key in kernel:
                picture[f"{key} (running)"] = _text(known_to_kernel(key, kernel[key]))
        for limit in self.limits:
            rule = rule_of(limit)
            picture |= {f"limit {limit}": kept[rule]} if kept.get(rule) is not None else {}
            picture |= {f"limit {limit} (running)": live[rule]} if live.get(rule) is not None else {}
        return picture


def unenforceable(jail: Jail, limits_off: str | None) -> tuple[list[str], list[str]]:
    """Declared limits that a host cannot enforce: those whose absence is accepted, and the others.

    :param limits_off: why it enforces none; empty or None: it does, or nobody asked.
    """
    lacking = [limit for limit, amount in jail.limits.items() if amount is not None] if limits_off else []
    accepted = [limit for limit in lacking if limit in jail.unenforced]
    return accepted, [limit for limit in lacking if limit not in accepted]


def _on(switch: str, parameters: Mapping[str, Values]) -> bool:
    return switch in parameters and meaning(switch, parameters[switch]) == ("true",)


def _get(parameters: Mapping[str, Values], key: str) -> Values | None:
    """What a file says of a parameter; switches that only jail(8) knows are off where it is silent."""
    off = ("false",) if is_switch(key) and is_pseudo(key) else None
    return parameters.get(key, off)


def _same(key: str, one: Values | None, other: Values | None) -> bool:
    if one is None and is_switch(key) and is_pseudo(key):
        one = ("false",)
    if one is None or other is None:
        return one is other
    return meaning(key, one) == meaning(key, other)


def _surroundings(
    left: Iterable[str], rules: Iterable[str], cpuset: Iterable[int], lines: Iterable[str]
) -> dict[str, Any]:
    picture = {"left": list(left), "ruleset": list(rules), "cpuset (running)": print_numbers(cpuset)}
    picture["fstab"] = list(lines)
    return {key: value for key, value in picture.items() if value}


def _plain(parameters: Mapping[str, Values | None]) -> dict[str, list[str] | None]:
    return {key: None if values is None else list(values) for key, values in parameters.items()}


def _shown(key: str, values: Values) -> str:
    return _text(values if is_list(key) else meaning(key, values))


def _text(values: Iterable[str]) -> str:
    return ", ".join(values) or "nothing"


def _join(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
