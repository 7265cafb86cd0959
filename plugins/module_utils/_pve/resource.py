# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Resources: what the API keeps under an id and gives, makes, changes and removes by one call each. Pure.

A kind of them is a `Resource`, a description; the plan is made here for all of them, `resource_host` reads
them and carries it out. Keys that nobody declares are left alone; a key that is declared as null is unset.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .._core.errors import Refused
from .._core.plan import Effect, Hidden, Plan, Step, make_plan
from .._core.values import doubles
from . import table as tables
from .table import Table

Request: TypeAlias = "tuple[str, str, dict[str, Any]]"
"""Method, path, parameters."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What the engine must know of a kind of things.

    :param noun: its name in sentences.
    :param path: where the API has them, such as ``storage``.
    :param key: the parameter that names one; empty where there is but one, which has no name.
    :param update: parameters of the call that changes one.
    :param create: parameters of the call that makes one; what ``update`` lacks is fixed for good.
    :param secrets: those of them that PVE takes and never shows.
    :param resent: those that PVE wants with every change, though they stay as they are.
    :param needed: those that none can be without: PVE always shows a value.
    :param by_query: whether one is named by a parameter and not by the path.
    :param detailed: whether the list does not tell all of one, so that each is asked for by itself.
    :param undigested: whether the list tells all of one but the digest that guards it.
    :param nested: whether an id with slashes lies within another.
    :param destroys: the data that goes with one that is removed, in words: ``allow_destroy`` must name it.
    :param moving: settings that change with those of another one, so that a step must look at them anew.
    :param of_answer: what PVE answers for one, as settings.
    :param leaving: whether one that is still told of is already on its way out.
    :param requests: the requests of a step, where they are not the usual ones: see `requests_of`.
    """

    noun: str
    path: str
    key: str
    update: Table
    create: Table = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    resent: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    by_query: bool = False
    detailed: bool = False
    undigested: bool = False
    nested: bool = False
    destroys: str = ""
    moving: frozenset[str] = frozenset()
    of_answer: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    leaving: Callable[[Mapping[str, Any]], bool] = lambda _found: False
    requests: Callable[[Resource, Step, str], Iterator[Request]] | None = None

    @property
    def table(self) -> Table:
        """All settings that one may have and shows."""
        every = {**self.create, **self.update}
        return {key: of for key, of in every.items() if key != self.key and key not in self.secrets}

    def title(self, name: str) -> str:
        """One of them in sentences, and its key in plans."""
        return f"{self.noun} {name}" if self.key else self.noun

    def item(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """An item whose settings are options of their own, for `parse_wanted`."""
        settings = {key: value for key, value in options.items() if key in self.table and value is not None}
        return {"name": options.get("name"), "state": options.get("state"), "settings": settings}

    def place(self, name: str) -> tuple[str, dict[str, Any]]:
        """Path and parameters by which one is named."""
        if self.by_query:
            return self.path, {self.key: name}
        return f"{self.path}/{name}" if self.key else self.path, {}


@dataclass(frozen=True, slots=True)
class WantedResource:
    """One that is declared.

    :param settings: in normal form; None for a key that must not be set.
    :param secrets: given when it is made, and again with ``update_secrets``.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Hidden] = field(default_factory=dict)
    present: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that one task declares.

    :param scope: a pattern of names, such as ``lab-*``; what it matches and nobody declares is removed.
    """

    items: tuple[WantedResource, ...]
    scope: str = ""
    update_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Current:
    """What there is.

    :param found: settings by name, in normal form.
    :param writes: how many changes were made over this connection: what shows that a secret was written.
    """

    found: Mapping[str, Mapping[str, Any]]
    writes: int = 0

    def stable(self) -> Mapping[str, Mapping[str, Any]]:
        """What is the same for two that came to the same end."""
        return self.found


def parse_wanted(resource: Resource, items: Iterable[Mapping[str, Any]], params: Mapping[str, Any]) -> Wanted:
    """The options of a module.

    :param items: each with ``name``, ``settings``, ``secrets``, ``state``; all but the name may be missing.
    :param params: ``purge``, ``scope``, ``update_secrets``, where the module has them.
    :raises Refused: with every fault at once.
    """
    found, faults = [], []
    for item in items:
        try:
            found.append(_wanted(resource, item))
        except Refused as fault:
            faults.append(fault)
    twice = doubles(item.name for item in found)
    if twice:
        title = resource.title(twice[0])
        faults.append(Refused(title, "it is listed more than once", "describe it in one item"))
    purge, scope = params.get("purge"), params.get("scope") or ""
    if purge and not scope:
        faults.append(Refused("purge", "scope is missing", "name what may be removed, such as lab-*"))
    tables.refuse(faults)
    return Wanted(tuple(found), scope if purge else "", bool(params.get("update_secrets")))


def _wanted(resource: Resource, item: Mapping[str, Any]) -> WantedResource:
    name = str(item.get("name") or "")
    title = resource.title(name)
    settings, secrets = item.get("settings") or {}, item.get("secrets") or {}
    if resource.key and resource.key in resource.create:
        tables.normal(resource.create[resource.key], name, f"name of {resource.title(name)}")
    for key in settings:
        if key in resource.secrets:
            raise Refused(title, f"{key} is a secret", "give it in secrets, where it is not shown")
    for key in secrets:
        if key not in resource.secrets:
            raise Refused(
                title, f"{key} is no secret of it", f"it has {', '.join(sorted(resource.secrets)) or 'none'}"
            )
    checked = tables.checked(resource.table, settings, title)
    tables.refuse(
        [
            Refused(f"{key} of {title}", f"no {resource.noun} is without it", "write a value")
            for key in sorted(checked.keys() & resource.needed)
            if tables.is_nothing(checked[key])
        ]
    )
    return WantedResource(
        name,
        checked,
        {key: Hidden(str(value)) for key, value in secrets.items() if value is not None},
        item.get("state") != "absent",
    )


def make(resource: Resource, current: Current, wanted: Wanted) -> Plan:
    """The plan: what is new, what differs, what must go."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for item in wanted.items:
        found = current.found.get(item.name)
        step = _step(resource, item, found, current, wanted.update_secrets)
        if step is not None:
            steps.append(step)
            before[step.key], after[step.key] = _pictures(resource, step, found)
    declared = {item.name for item in wanted.items}
    for name in sorted(in_scope(current.found, wanted.scope) - declared):
        if resource.leaving(current.found[name]):
            continue
        steps.append(step := _removal(resource, name, current))
        before[step.key], after[step.key] = _pictures(resource, step, current.found[name])
    return make_plan(steps, before, after)


def with_password(resource: Resource, item: WantedResource) -> set[str]:
    """Settings of one that is declared in which a password stands."""
    shown = tables.public(resource.table, item.settings)
    return {key for key in shown if shown[key] != item.settings[key]}


def in_scope(names: Iterable[str], scope: str) -> set[str]:
    """The names that a purge may remove."""
    return {name for name in names if scope and fnmatch.fnmatchcase(name, scope)}


def _step(
    resource: Resource,
    item: WantedResource,
    found: Mapping[str, Any] | None,
    current: Current,
    update_secrets: bool,
) -> Step | None:
    if not item.present:
        return None if found is None or resource.leaving(found) else _removal(resource, item.name, current)
    if found is None:
        return _creation(resource, item)
    changes = tables.drift(resource.table, item.settings, found)
    title = resource.title(item.name)
    seen, told = (
        tables.public(resource.table, found),
        tables.public(resource.table, changes, found),
    )
    fixed = [key for key in changes if key not in resource.update]
    if fixed:
        key = fixed[0]
        sentence = (
            f"{title} has {key} {shown(seen.get(key))}, which PVE cannot change to {shown(told[key])};"
            " remove it and make it anew"
        )
        return Step(title, "change", sentence, effect=Effect.IMPOSSIBLE)
    secrets = item.secrets if update_secrets else {}
    if not changes and not secrets:
        return None
    args = {"name": item.name, "settings": changes, "secrets": secrets, "seen": found}
    said = [_said(key, value, seen) for key, value in told.items()]
    said += [f"give it {key} anew" for key in secrets]
    token = str(current.writes) if secrets else None
    return Step(title, "change", f"change {title}: {', '.join(said)}", args, token=token)


def _creation(resource: Resource, item: WantedResource) -> Step:
    title = resource.title(item.name)
    settings = {key: value for key, value in item.settings.items() if not tables.is_nothing(value)}
    missing = [
        key
        for key, of in resource.create.items()
        if of.required and key != resource.key and key not in settings and key not in item.secrets
    ]
    if missing:
        sentence = f"{title} is not there and cannot be made, for {', '.join(missing)} is missing; give it"
        return Step(title, "create", sentence, effect=Effect.IMPOSSIBLE)
    told = tables.public(resource.table, settings)
    said = ", ".join(f"{key} {shown(value)}" for key, value in told.items())
    sentence = f"create {title}{f' with {said}' if said else ''}"
    args = {"name": item.name, "settings": settings, "secrets": item.secrets}
    needs = (resource.title(item.name.rpartition("/")[0]),) if resource.nested and "/" in item.name else ()
    return Step(title, "create", sentence, args, needs=needs)


def _removal(resource: Resource, name: str, current: Current) -> Step:
    title = resource.title(name)
    inner = [other for other in current.found if resource.nested and other.startswith(f"{name}/")]
    return Step(
        title,
        "remove",
        f"remove {title}{f' and {resource.destroys}' if resource.destroys else ''}",
        {"name": name, "settings": {}, "seen": current.found[name]},
        needs=tuple(resource.title(other) for other in sorted(inner)),
        destroys=(name,) if resource.destroys else (),
    )


def _pictures(
    resource: Resource, step: Step, found: Mapping[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What a step touches, before and after it, as people may see it."""
    before = None if found is None else tables.public(resource.table, found)
    if step.verb == "remove":
        return before, None
    changed = {**(found or {}), **step.args.get("settings", {})}
    kept = {key: value for key, value in changed.items() if value is not None}
    return before, tables.public(resource.table, kept, found)


def _said(key: str, value: Any, found: Mapping[str, Any]) -> str:
    if value is None:
        return f"unset {key}"
    return f"set {key} {f'from {shown(found[key])} ' if key in found else ''}to {shown(value)}"


def shown(value: Any) -> str:
    """A value in normal form for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={shown(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "nothing"
    if tables.is_nothing(value):
        return "nothing"
    return repr(value) if isinstance(value, str) and any(map(str.isspace, value)) else str(value)


def is_as_seen(resource: Resource, seen: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether one is still what the plan was made upon; what is no setting of it may have changed."""
    lasting = resource.table.keys() - resource.moving
    then, now = ({key: found[key] for key in lasting if key in found} for found in (seen, now))
    return then.keys() == now.keys() and all(
        tables.same(resource.table, key, then[key], now[key]) for key in then
    )


def requests_of(resource: Resource, step: Step, digest: str) -> Iterator[Request]:
    """The requests that a step stands for.

    :param step: its ``now`` is what there is at this moment, where ``seen`` is what the plan was made upon.
    :param digest: what PVE calls the state upon which the change is made; empty where it has no such thing.
    """
    if resource.requests is not None:
        yield from resource.requests(resource, step, digest)
    elif step.verb == "create":
        yield "POST", resource.path, {resource.key: step.args["name"], **written(resource.create, step)}
    elif step.verb == "remove":
        path, params = resource.place(step.args["name"])
        yield "DELETE", path, params
    else:
        path, params = resource.place(step.args["name"])
        seen = step.args["seen"]
        kept = {key: seen[key] for key in sorted(resource.resent) if key in seen}
        guard = {"digest": digest} if digest else {}
        params |= {**tables.wire(resource.update, kept), **written(resource.update, step), **guard}
        yield "PUT", path, params


def written(table: Table, step: Step) -> dict[str, Any]:
    """What a step sets and unsets, as parameters."""
    settings = step.args["settings"]
    kept = {key: value for key, value in settings.items() if value is not None}
    params = tables.wire(table, kept, step.key)
    gone = [key for key, value in settings.items() if value is None]
    secrets = {key: secret.text for key, secret in step.args.get("secrets", {}).items()}
    return {**params, **secrets, **({"delete": ",".join(gone)} if gone else {})}


def export(resource: Resource, current: Current) -> list[dict[str, Any]]:
    """What there is, as items of the module's options; a value with a password in it is left out."""
    table = resource.table
    return [
        {
            "name": name,
            "settings": {
                key: value
                for key, value in sorted(found.items())
                if key in table and tables.public(table, {key: value}) == {key: value}
            },
        }
        for name, found in sorted(current.found.items())
    ]
