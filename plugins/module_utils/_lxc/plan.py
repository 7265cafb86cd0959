# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LXC containers: what was declared against what is written down and what runs → steps.

Pure. There are three truths of each key: declared, configured (the file) and running (the file as it
was when the container started, or the kernel's own word for limits).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from .._core.plan import Effect, Plan, Step, make_plan
from .model import IDMAP, Config, Container, Found, System, Values, Wanted, controller_of, is_list, meaning

# When a new value of a key counts for a container that runs; the first pattern that matches decides.
VERDICTS: tuple[tuple[str, str], ...] = (
    # Written into the control group by lxc-cgroup(1): files of one value (cgroup-v2.rst of the kernel).
    (r"lxc\.cgroup2\.memory\.(min|low|high|max|swap\.high|swap\.max|zswap\.max)", "live"),
    (r"lxc\.cgroup2\.(pids\.max|cpu\.max|cpu\.weight|cpuset\.cpus|cpuset\.mems|hugetlb\.\w+\.max)", "live"),
    # Read from the file when they are needed, by lxc-autostart(1), lxc-stop(1), lxc-destroy(1), lxc-copy(1).
    (r"lxc\.(start\.(auto|delay|order)|group|signal\.\w+|hook\.(clone|destroy))", "file"),
    # Have their only moment while a container starts.
    (r"lxc\.hook\.(pre-start|pre-mount|mount|autodev|start-host|start)", "file"),
    # Everything else is read once, at the start (lxc.container.conf(5)); so are keys that nobody here knows.
    (r".*", "restart"),
)


def verdict(key: str) -> str:
    """What a change of this key asks of a container that runs: ``live``, ``file`` or ``restart``."""
    return next(word for pattern, word in VERDICTS if re.fullmatch(pattern, key))


def plan_containers(system: System, wanted: Wanted) -> Plan:
    """The steps from the containers of a host to those that were declared."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for container in [*wanted.containers, *_purged(system, wanted)]:
        item = _Item(container, system)
        mine = list(item.steps())
        if mine:
            steps.extend(mine)
            before[container.name], after[container.name] = item.pictures()
    return make_plan(steps, before, after)


def _purged(system: System, wanted: Wanted) -> Iterator[Container]:
    listed = {container.name for container in wanted.containers}
    for name in sorted(system.containers):
        if wanted.scope is not None and name not in listed and fnmatchcase(name, wanted.scope):
            yield Container(name, state="absent")


class _Item:
    """One container on its way."""

    def __init__(self, container: Container, system: System) -> None:
        self.name = container.name
        self.what = f"container {container.name}"
        self.found = system.containers.get(container.name)
        self.accepted, self.refused = unenforceable(container, system.controllers)
        config = {key: () if key in self.accepted else values for key, values in container.config.items()}
        if self.found is None and not container.privileged:
            config.setdefault("lxc.idmap", IDMAP)
        self.container = replace(container, config=config)
        self.now = self.found or Found(self.name, "stopped")

    # -- steps

    def steps(self) -> Iterator[Step]:
        """All of them, in order."""
        if self.container.state == "absent":
            if self.found is not None:
                yield from self._removal()
            return
        blockers = list(self._blockers())
        if blockers:
            yield from blockers
            return
        yield from self._unenforced()
        yield from self._settings()
        yield from self._transition()

    def _removal(self) -> Iterator[Step]:
        yield from self._stop()
        yield self._step(
            "remove",
            f"remove the definition of {self.what}"
            + (f" and the root file system in /var/lib/lxc/{self.name}" if self.now.data else ""),
            destroys=(self.name,) if self.now.data else (),
        )

    def _blockers(self) -> Iterator[Step]:
        for key, controller in self.refused.items():
            yield self._step(
                "refuse",
                f"{key} of {self.what}: this host has no {controller} controller to enforce it; "
                f"leave it out, or accept that in unenforced ({controller})",
                effect=Effect.IMPOSSIBLE,
            )
        if self.found is None and not self.container.config.get("lxc.rootfs.path"):
            yield self._step(
                "refuse",
                f"{self.what}: a new container needs a root file system; name it in rootfs",
                effect=Effect.IMPOSSIBLE,
            )

    def _unenforced(self) -> Iterator[Step]:
        for key, controller in self.accepted.items():
            yield self._step(
                "unenforced",
                f"{key} of {self.what} is not enforced, this host has no {controller} controller",
                effect=Effect.OWED,
            )
        for limit, reason in self.container.omitted.items():
            yield self._step(
                "unenforced", f"limit {limit} of {self.what} is not enforced: {reason}", effect=Effect.OWED
            )

    def _settings(self) -> Iterator[Step]:
        """Bring the file, and what can change in flight, to what was declared."""
        if self.found is None:
            config = {key: list(values) for key, values in self.container.config.items() if values}
            yield self._step("define", f"define {self.what}", config=config)
            return
        for key, values in self.container.config.items():
            written = self._written(key)
            word = verdict(key)
            live = self.now.up and word == "live" and bool(values)
            if meaning(key, values) != meaning(key, written):
                restarts = self.now.up and word == "restart" and self.container.apply == "now"
                old = f"from {_shown(key, written)} " if written else ""
                new = f"set {key} of {self.what} {old}to {_shown(key, values)}"
                yield self._step(
                    "set",
                    new if values else f"remove {key} of {self.what}",
                    effect=Effect.RESTART if restarts else Effect.LIVE,
                    config={key: list(values)},
                    live=live,
                )
            elif live and self._strays(key, values):
                yield self._step(
                    "live",
                    f"set {key} of the running {self.what} from {self.now.limits[key]}"
                    f" to {_shown(key, values)}",
                    config={key: list(values)},
                )

    def _transition(self) -> Iterator[Step]:
        """Start, stop or restart it."""
        state = self.container.state
        if state == "stopped":
            yield from self._stop()
        elif state == "restarted":
            yield self._restart("restart" if self.now.up else "start")
        elif not self.now.up:
            if state in ("started", "frozen"):
                yield self._step("start", f"start {self.what}", **self._waiting())
                if state == "frozen":
                    yield self._step("freeze", f"freeze {self.what}")
        else:
            yield from self._running(state)

    def _running(self, state: str) -> Iterator[Step]:
        stale = list(self._stale())
        if stale and self.container.apply == "now":
            yield self._restart("restart", stale)
            if state == "frozen":
                yield self._step("freeze", f"freeze {self.what}")
            return
        if stale:
            yield self._step(
                "restart",
                f"restart {self.what} for {_join(stale)} to take effect",
                effect=Effect.OWED,
                token=str(self.now.pid),
            )
        if state == "started" and self.now.state == "frozen":
            yield self._step("unfreeze", f"unfreeze {self.what}")
        elif state == "frozen" and self.now.state != "frozen":
            yield self._step("freeze", f"freeze {self.what}")

    def _stop(self) -> Iterator[Step]:
        if self.now.up:
            yield self._step(
                "stop", f"stop {self.what}", effect=Effect.RESTART, timeout=self.container.timeout
            )

    def _restart(self, word: str, keys: Iterable[str] = ()) -> Step:
        reason = f" for {_join(keys)} to take effect" if keys else ""
        return self._step(
            "restart",
            f"{word} {self.what}{reason}",
            effect=Effect.RESTART if self.now.up else Effect.LIVE,
            token=str(self.now.pid),
            timeout=self.container.timeout,
            **self._waiting(),
        )

    def _waiting(self) -> dict[str, Any]:
        check = self.container.check
        fields = ("kind", "address", "port", "path", "argv")
        return {
            "wait": self.container.timeout,
            "check": {name: getattr(check, name) for name in fields},
        }

    def _step(
        self,
        verb: str,
        sentence: str,
        *,
        effect: Effect = Effect.LIVE,
        destroys: tuple[str, ...] = (),
        token: str | None = None,
        **args: Any,
    ) -> Step:
        return Step(
            self.name, verb, sentence, {"name": self.name, **args}, effect, destroys=destroys, token=token
        )

    # -- comparison

    def _written(self, key: str) -> Values:
        """What its file says, for as many values as were declared."""
        written = self.now.config.values(key)
        many = is_list(key) or len(self.container.config[key]) > 1
        return written if many else written[-1:]

    def _stale(self) -> Iterator[str]:
        """Declared keys of which the container that runs has another value, and cannot be given it."""
        for key, values in self.container.config.items():
            if verdict(key) == "restart" or (verdict(key) == "live" and not values):
                running = self.now.running.values(key)
                if meaning(key, values) != meaning(key, running):
                    yield key

    def _strays(self, key: str, values: Values) -> bool:
        return key in self.now.limits and meaning(key, values) != meaning(key, (self.now.limits[key],))

    # -- pictures

    def pictures(self) -> tuple[Any, Any]:
        """It before and after the steps: state, declared keys, and what the kernel has of them."""
        state = self.container.state
        before = None if self.found is None else self._picture(self.now.state, self._written, self.now.limits)
        if state == "absent":
            return before, None
        goal = {"present": self.now.state, "stopped": "stopped", "frozen": "frozen"}.get(state, "running")
        limits = {
            key: value if not self.container.config[key] else _text(meaning(key, self.container.config[key]))
            for key, value in self.now.limits.items()
        }
        return before, self._picture(goal, lambda key: self.container.config[key], limits)

    def _picture(self, state: str, values: Any, limits: Mapping[str, str]) -> dict[str, Any]:
        picture: dict[str, Any] = {"state": state}
        for key in self.container.config:
            if values(key):
                plain = meaning(key, values(key))
                picture[key] = list(plain) if is_list(key) else _text(plain)
        for key, value in limits.items():
            picture[f"{key} (running)"] = _text(meaning(key, (value,)))
        return picture


def unenforceable(
    container: Container, controllers: frozenset[str] | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Declared limits that a host cannot enforce: those whose absence is accepted, and the others.

    :param controllers: of control groups, that the host offers; None: not known.
    :returns: twice the keys, with the controller that each needs.
    """
    if controllers is None:
        return {}, {}
    needed = {key: controller_of(key) for key, values in container.config.items() if values}
    lacking = {key: name for key, name in needed.items() if name is not None and name not in controllers}
    accepted = {key: name for key, name in lacking.items() if {key, name} & set(container.unenforced)}
    return accepted, {key: name for key, name in lacking.items() if key not in accepted}


def configured(config: Config, values: Mapping[str, Iterable[str]]) -> Config:
    """The same file with these keys."""
    for key, items in values.items():
        config = config.replace(key, tuple(items))
    return config


def _shown(key: str, values: Values) -> str:
    return _text(values) if is_list(key) else _text(values[-1:])


def _text(values: Iterable[str]) -> str:
    return ", ".join(value or "nothing" for value in values)


def _join(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
