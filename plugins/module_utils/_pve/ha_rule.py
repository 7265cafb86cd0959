# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HA rules, and the groups that stand in their place in Proxmox VE 8. Pure.

What follows from PVE::HA::Rules (pve-ha-manager 5):

* A guest stands in one node affinity rule at most, and PVE judges every call by itself. So what must go goes
  first, and a rule gets a guest after another has lost it; where rules exchange guests, one makes way.
* A rule that cannot be met is ignored by the manager and tells why under ``errors``; that is a blocker here.
* A rule counts as disabled as soon as ``disable`` stands in it, whatever it says; so it is unset, never no.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step
from . import kinds, schema
from . import resource as engine
from . import table as tables
from .ha_resource import parse_sid
from .kinds import by_noun
from .resource import Current, Resource, Wanted
from .table import Table
from .tables import ha_group, ha_rule

_FIXED = ("rule", "type")
_OPTIONS = {
    "node-affinity": ("nodes", "resources", "strict", "disable", "comment"),
    "resource-affinity": ("affinity", "resources", "disable", "comment"),
    "group": ("nodes", "strict", "nofailback", "comment"),
}
_NEEDED = {"node-affinity": "nodes", "resource-affinity": "affinity"}
_IGNORED = "errors"


def _said(table: Table, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says of settings; one that is off is as good as not set, and PVE keeps either."""
    return {
        key: value
        for key, value in answer.items()
        if key in table and (table[key].kind != "boolean" or schema.lenient(table[key], value))
    }


def _of_rule(answer: Mapping[str, Any]) -> dict[str, Any]:
    disabled = {"disable": True} if "disable" in answer else {}
    errors = answer.get(_IGNORED)
    return _said(ha_rule.CREATE, answer) | disabled | ({_IGNORED: _told(errors)} if errors else {})


def _told(errors: Mapping[str, Any]) -> str:
    """Why the manager ignores a rule: of each property a text or several."""
    texts = (text for each in errors.values() for text in ([each] if isinstance(each, str) else each))
    return ", ".join(dict.fromkeys(texts))


HA_RULE = Resource(
    "HA rule",
    "cluster/ha/rules",
    "rule",
    update={key: of for key, of in ha_rule.UPDATE.items() if key not in _FIXED},
    create={key: ha_rule.CREATE[key] for key in (*_FIXED, "resources")},
    resent=frozenset({"type"}),
    of_answer=_of_rule,
)
HA_GROUP = Resource(
    "HA group",
    "cluster/ha/groups",
    "group",
    update=ha_group.UPDATE,
    create={key: ha_group.CREATE[key] for key in ("group", "nodes")},
    of_answer=partial(_said, ha_group.UPDATE),
)
KINDS = by_noun(HA_RULE, HA_GROUP)


def parse_wanted(params: Mapping[str, Any]) -> dict[str, Wanted]:
    """The options of module pve_ha_rule.

    :raises Refused: with every fault at once.
    """
    items, faults = [], []
    for options in params["rules"]:
        try:
            items.append(_item(options))
        except Refused as fault:
            faults.append(fault)
    tables.refuse(faults)
    return kinds.parse_wanted(KINDS, items, params)


def _item(options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    kind = options["type"]
    resource = HA_GROUP if kind == "group" else HA_RULE
    title = resource.title(options["name"])
    if options.get("state") == "absent":
        return resource.noun, {"name": options["name"], "state": "absent"}
    given = {
        key: value
        for key, value in options.items()
        if key not in ("name", "type", "state") and value is not None
    }
    for key in given:
        if key not in _OPTIONS[kind]:
            raise Refused(title, f"{kind} has no {key}", f"it has {', '.join(_OPTIONS[kind])}")
    for key in ("nodes", "resources"):
        if given.get(key) == []:
            raise Refused(f"{key} of {title}", "there are none", "name some, or use state absent")
    for sid in given.get("resources", ()):
        parse_sid(sid, f"resources of {title}")
    if "nodes" in given:
        given["nodes"] = [node.removesuffix(":0") for node in given["nodes"]]
    settings: dict[str, Any] = {key: None if value is False else value for key, value in given.items()}
    if kind == "group" and "strict" in settings:
        settings["restricted"] = settings.pop("strict")
    if kind != "group":
        settings["type"] = kind
    return resource.noun, {"name": options["name"], "settings": settings}


def export_group(item: Mapping[str, Any]) -> dict[str, Any]:
    """A group that there is, as an item of the module's options."""
    settings = dict(item["settings"])
    strict = {"strict": settings.pop("restricted")} if "restricted" in settings else {}
    return {"name": item["name"], "type": "group", **settings, **strict}


def make(current: Mapping[str, Current], wanted: Mapping[str, Wanted]) -> Plan:
    """The plan, in an order in which PVE takes each step; blockers for rules that the manager ignores."""
    plan = kinds.make(KINDS, current, wanted)
    plan = dataclasses.replace(plan, steps=tuple(map(_if_whole, plan.steps)))
    if HA_RULE.noun not in wanted or any(step.effect is Effect.IMPOSSIBLE for step in plan.steps):
        return plan
    found = current[HA_RULE.noun].found
    if not plan.steps:
        return Plan(tuple(_ignored(found, wanted[HA_RULE.noun])))
    return dataclasses.replace(plan, steps=tuple(_in_turn(plan.steps, found)))


def _if_whole(step: Step) -> Step:
    """A new rule needs what its type is about."""
    settings = step.args.get("settings", {})
    needed = _NEEDED.get(settings.get("type", ""))
    if step.verb != "create" or needed is None or needed in settings:
        return step
    sentence = f"{step.key} is not there and cannot be made, for {needed} is missing; give it"
    return dataclasses.replace(step, sentence=sentence, effect=Effect.IMPOSSIBLE)


def _ignored(found: Mapping[str, Mapping[str, Any]], wanted: Wanted) -> Iterator[Step]:
    """Declared rules that are there as they should be, and of no use."""
    for item in wanted.items:
        why = found.get(item.name, {}).get(_IGNORED)
        if item.present and why:
            title = HA_RULE.title(item.name)
            sentence = f"{title} is there, but the manager ignores it ({why}); change what contradicts it"
            yield Step(title, "heed", sentence, effect=Effect.IMPOSSIBLE)


def _in_turn(steps: tuple[Step, ...], found: Mapping[str, Mapping[str, Any]]) -> Iterator[Step]:
    """Removals first; then each step when no other rule of nodes has the guests that it places."""
    placed = {
        name: set(rule["resources"])
        for name, rule in found.items()
        if rule["type"] == "node-affinity" and not rule.get("disable")
    }
    rest = []
    for step in steps:
        if step.verb == "remove":
            placed.pop(step.args["name"], None)
            yield step
        else:
            rest.append(step)
    while rest:
        step = next((each for each in rest if not _guests_of(each) & _elsewhere(each, placed)), rest[0])
        waiting = next((each for each in rest if each.verb == "change"), None)
        if _guests_of(step) & _elsewhere(step, placed) and waiting is not None:
            rest[rest.index(waiting)] = _anew(waiting)
            placed.pop(waiting.args["name"], None)
            yield _making_way(waiting)
            continue
        rest.remove(step)
        placed[step.args["name"]] = _guests_of(step) or placed.get(step.args["name"], set())
        yield step


def _guests_of(step: Step) -> set[str]:
    """The guests that a step puts into a rule of nodes."""
    settings = {**step.args.get("seen", {}), **step.args["settings"]}
    of_nodes = settings.get("type") == "node-affinity" and not settings.get("disable")
    return set(settings["resources"]) if of_nodes else set()


def _elsewhere(step: Step, placed: Mapping[str, set[str]]) -> set[str]:
    """The guests that stand in another rule of nodes at that moment."""
    return set().union(*(guests for name, guests in placed.items() if name != step.args["name"]))


def _making_way(step: Step) -> Step:
    sentence = f"remove {step.key}, for it exchanges guests with another rule"
    return dataclasses.replace(step, verb="remove", sentence=sentence, args={**step.args, "settings": {}})


def _anew(step: Step) -> Step:
    """The change of a rule as the making of what it is to become."""
    seen = {key: value for key, value in step.args["seen"].items() if key in HA_RULE.table}
    settings = {key: value for key, value in {**seen, **step.args["settings"]}.items() if value is not None}
    said = ", ".join(f"{key} {engine.shown(value)}" for key, value in settings.items())
    args = {"name": step.args["name"], "settings": settings}
    return dataclasses.replace(step, verb="create", sentence=f"create {step.key} with {said}", args=args)
