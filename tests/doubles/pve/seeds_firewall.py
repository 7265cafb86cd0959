# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that exchanges show of the firewall; see `seeds`."""

from __future__ import annotations

import re
from typing import Any

from tests.doubles.pve.areas.firewall import CLUSTER, GUESTS, NODE, Firewall, Group, IpSet, firewall
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.seeds import Shown, seeds, tells

ALL = (CLUSTER, NODE, *GUESTS)
NOT_KEPT = ("pos", "digest", "ipversion")
OPEN_RULE = {"type": "in", "action": "ACCEPT", "enable": 0}


def scope(shown: Shown) -> str:
    if "vmid" in shown.values:
        return f"guest {shown.values['vmid']}"
    return f"node {shown.values['node']}" if "node" in shown.values else "cluster"


def own(shown: Shown) -> Firewall:
    return firewall(shown.world, scope(shown))


def stamp(shown: Shown, what: str, digest: str | None) -> None:
    """A digest that is shown, or one that was good enough for a request."""
    known = digest or (shown.params.get("digest") if shown.granted else None)
    if known:
        shown.world.stamps[f"firewall {scope(shown)} {what}"] = known


def kept(entry: dict[str, Any], *without: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in (*NOT_KEPT, *without)}


# --- rules ---


def rules_of(shown: Shown) -> list[dict[str, Any]] | None:
    group = shown.values.get("group")
    if group is None:
        return own(shown).rules
    if shown.says("no such security group"):
        return None
    return own(shown).groups.setdefault(group, Group()).rules


def what(shown: Shown) -> str:
    return f"group {shown.values['group']}" if "group" in shown.values else "rules"


@seeds("GET", *(f"{base}/rules" for base in ALL))
def rules(shown: Shown) -> None:
    held = rules_of(shown)
    entries = sorted(shown.data or [], key=lambda entry: int(entry["pos"]))
    if held is not None:
        held += [kept(entry) for entry in entries]
    if entries:
        stamp(shown, what(shown), entries[0]["digest"])


@seeds("POST", *(f"{base}/rules" for base in ALL))
@seeds("GET POST DELETE", f"{CLUSTER}/groups/{{group}}")
def group_rules(shown: Shown) -> None:
    if shown.verb == "GET":
        return rules(shown)
    held = rules_of(shown)
    if held is not None and shown.says("is not empty"):
        held.append(dict(OPEN_RULE))
    if shown.verb == "POST" and shown.granted:
        for key in ("source", "dest"):
            named(shown, str(shown.params.get(key, "")))


def named(shown: Shown, value: str) -> None:
    """What a granted rule names is there."""
    if value.startswith("+"):
        own(shown).sets[value[1:]] = IpSet()
    elif re.fullmatch(r"[A-Za-z][A-Za-z0-9\-_]+", value):
        own(shown).aliases[value.lower()] = {"name": value, "cidr": "192.0.2.1"}


@seeds("GET PUT DELETE", *(f"{base}/rules/{{pos}}" for base in ALL), f"{CLUSTER}/groups/{{group}}/{{pos}}")
def one_rule(shown: Shown) -> None:
    held = rules_of(shown)
    if held is None or shown.says("no rule at position"):
        return
    position = int(shown.values["pos"])
    data = shown.data if isinstance(shown.data, dict) else {}
    last = max(position, int(shown.params.get("moveto", 0)))
    held += [dict(OPEN_RULE) for _rule in range(last + 1 - len(held))]
    held[position] = {**OPEN_RULE, **kept(data)}
    stamp(shown, what(shown), data.get("digest"))


# --- groups ---


@seeds("GET", f"{CLUSTER}/groups")
def groups(shown: Shown) -> None:
    for entry in shown.data or []:
        own(shown).groups[entry["group"]] = Group(entry.get("comment"))
        stamp(shown, "groups", entry["digest"])


@seeds("POST", f"{CLUSTER}/groups")
def new_group(shown: Shown) -> None:
    if shown.granted and shown.params.get("rename"):
        own(shown).groups[shown.params["rename"]] = Group()


# --- aliases ---


@seeds("GET", *(f"{base}/aliases" for base in (CLUSTER, *GUESTS)))
def aliases(shown: Shown) -> None:
    for entry in shown.data or []:
        own(shown).aliases[entry["name"].lower()] = kept(entry)
        stamp(shown, "aliases", entry["digest"])


@seeds("POST", *(f"{base}/aliases" for base in (CLUSTER, *GUESTS)))
def new_alias(shown: Shown) -> None:
    well_formed = re.fullmatch(r"[A-Za-z][A-Za-z0-9\-_]+", str(shown.params.get("name", "")))
    if shown.says("verification failed") and well_formed:  # refused although it is well formed: it is there
        name = shown.params["name"]
        own(shown).aliases[name.lower()] = {"name": name, "cidr": "192.0.2.1"}


@seeds("GET PUT DELETE", *(f"{base}/aliases/{{name}}" for base in (CLUSTER, *GUESTS)))
def one_alias(shown: Shown) -> None:
    # A good request for an alias is refused only because there is no such alias, or for its digest.
    if shown.granted or shown.says("detected modified"):
        data = (
            shown.data
            if isinstance(shown.data, dict)
            else {"name": shown.values["name"], "cidr": "192.0.2.1"}
        )
        own(shown).aliases[data["name"].lower()] = kept(data)
        stamp(shown, "aliases", None)


# --- sets ---


def set_of(shown: Shown) -> IpSet | None:
    if shown.says("no such IPSet"):
        return None
    return own(shown).sets.setdefault(shown.values["name"].lower(), IpSet())


@seeds("GET", *(f"{base}/ipset" for base in (CLUSTER, *GUESTS)))
def sets(shown: Shown) -> None:
    for entry in shown.data or []:
        own(shown).sets[entry["name"]] = IpSet(entry.get("comment"))
        stamp(shown, "ipset", entry["digest"])


@seeds("POST", *(f"{base}/ipset" for base in (CLUSTER, *GUESTS)))
def new_set(shown: Shown) -> None:
    well_formed = re.fullmatch(r"[A-Za-z][A-Za-z0-9\-_]+", str(shown.params.get("name", "")))
    if shown.says("verification failed") and well_formed:  # refused although it is well formed: it is there
        own(shown).sets[shown.params["name"].lower()] = IpSet()
    if shown.granted and shown.params.get("rename"):
        own(shown).sets[shown.params["rename"].lower()] = IpSet()


@seeds("GET POST DELETE", *(f"{base}/ipset/{{name}}" for base in (CLUSTER, *GUESTS)))
def one_set(shown: Shown) -> None:
    held = set_of(shown)
    if held is None:
        return
    for entry in shown.data or []:
        held.entries[entry["cidr"]] = kept(entry, "cidr")
        stamp(shown, f"ipset {shown.values['name']}", entry["digest"])
    if shown.says("is not empty"):
        held.entries["192.0.2.1"] = {}
    if shown.verb == "POST" and shown.says("verification failed") and "cidr" in shown.params:
        held.entries[str(shown.params["cidr"])] = {}


@seeds("GET PUT DELETE", *(f"{base}/ipset/{{name}}/{{cidr}}" for base in (CLUSTER, *GUESTS)))
def one_entry(shown: Shown) -> None:
    held = set_of(shown)
    if held is not None and shown.granted:
        data = shown.data if isinstance(shown.data, dict) else {}
        held.entries[shown.values["cidr"]] = kept(data, "cidr")
        stamp(shown, f"ipset {shown.values['name']}", data.get("digest"))


# --- options ---


@seeds("GET PUT", *(f"{base}/options" for base in ALL))
def options(shown: Shown) -> None:
    data = shown.data if isinstance(shown.data, dict) else {}
    own(shown).options |= kept(data)
    own(shown).options |= {key: 1 for key in split_list(str(shown.params.get("delete", "")))}
    stamp(shown, "options", data.get("digest"))


@seeds("GET", *(f"{base}/refs" for base in (CLUSTER, *GUESTS)))
def references(shown: Shown) -> None:
    for entry in shown.data or []:
        held = firewall(shown.world, "cluster" if entry.get("scope") == "dc" else scope(shown))
        if entry["type"] == "alias":
            held.aliases[entry["name"].lower()] = {"name": entry["name"], "cidr": "192.0.2.1", **kept(entry)}
        else:
            held.sets[entry["name"]] = IpSet(entry.get("comment"))


@tells(r"cfs-lock '[^']+' error: no quorum!")
def without_quorum(shown: Shown, said: re.Match[str]) -> None:
    for name in ("gone", "lost"):
        shown.add_node(name).online = False
