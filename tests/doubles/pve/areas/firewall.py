# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall of the cluster, of nodes and of guests: rules, groups, aliases, sets of addresses, options.

Rests on: PVE::Firewall and PVE::API2::Firewall (pve-firewall) and the recorded exchanges: a new rule is
always the first whatever `pos` says, and is off; its position is a number in lists and a string alone; an
alias and an entry of a set that do not exist can be deleted; a change of an alias drops its note; sets are
named in lower case; the cluster's `enable` above 1 becomes the time; a guest need not exist.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, parameter
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.world import EMPTY_DIGEST, World, digest

CLUSTER = "/cluster/firewall"
NODE = "/nodes/{node}/firewall"
GUESTS = tuple(f"/nodes/{{node}}/{kind}/{{vmid}}/firewall" for kind in ("qemu", "lxc"))
INDEX = {
    CLUSTER: "aliases rules options groups ipset macros refs",
    NODE: "rules options log",
    **dict.fromkeys(GUESTS, "rules aliases ipset refs options"),
}
ACTIONS = ("ACCEPT", "DROP", "REJECT")
# Says where a name is looked up.
PREFIX = re.compile(r"(?<![^+])(?:dc|guest|sdn)/")
ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9\-_]+")
MACROS = """
    Amanda Auth BGP BitTorrent BitTorrent32 Ceph CVS Citrix DAAP DCC DHCPfwd DHCPv6 DNS Distcc FTP Finger
    GNUnet GRE Git HKP HTTP HTTPS ICPV2 ICQ IMAP IMAPS IPIP IPsec IPsecah IPsecnat IRC Jetdirect L2TP LDAP
    LDAPS MSNP MSSQL Mail MDNS Munin MySQL NNTP NNTPS NTP NeighborDiscovery OSPF OpenVPN PBS PCA PMG POP3
    POP3S PPtP Ping PostgreSQL Printer RDP RIP RNDC Razor Rdate Rsync SANE SMB SMBswat SMTP SMTPS SNMP SPAMD
    SSH SVN SixXS SPICEproxy Squid Submission Syslog TFTP Telnet Telnets Time Trcrt VNC VNCL Web Webcache
    Webmin Whois ZeroTier
"""
NOT_RULE = {"node", "vmid", "group", "pos", "digest", "delete", "moveto"}
Rule = dict[str, Any]


@dataclass
class IpSet:
    comment: str | None = None
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Group:
    comment: str | None = None
    rules: list[Rule] = field(default_factory=list)


@dataclass
class Firewall:
    """One file of the firewall: the cluster's, a node's, or a guest's."""

    options: dict[str, Any] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    aliases: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name in lower case."""
    sets: dict[str, IpSet] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)


def firewall(world: World, scope: str) -> Firewall:
    """That of `cluster`, of `node castor`, or of `guest 100`."""
    held: dict[str, Firewall] = world.facts.setdefault("firewall", {})
    return held.setdefault(scope, Firewall())


def scope_of(call: Call) -> str:
    if call["vmid"] is not None:
        return f"guest {call['vmid']}"
    return f"node {call['node']}" if call["node"] else "cluster"


def mine(call: Call) -> Firewall:
    return firewall(call.world, scope_of(call))


def digest_of(call: Call, what: str, content: Any) -> str:
    """Every list has a digest of its own; a replay may know it from elsewhere."""
    stamp = call.world.stamps.get(f"firewall {scope_of(call)} {what}")
    return stamp or (digest(content) if content else EMPTY_DIGEST)


def require(call: Call, what: str, content: Any) -> None:
    if call["digest"] and call["digest"] != digest_of(call, what, content):
        raise Refusal("detected modified configuration - file changed by other user? Try again.")


def lock(call: Call) -> None:
    if not call.world.quorate:
        name = {"c": "cluster", "n": f"node-{call['node']}", "g": f"vm-{call['vmid']}"}[scope_of(call)[0]]
        raise Refusal(f"cfs-lock 'firewall-{name}' error: no quorum!")


def everywhere(
    verb: str, below: str, *bases: str
) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """Registers a handler for several of cluster, nodes and guests."""

    def register(handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        for base in bases:
            handles(verb, f"{base}{below}")(handler)
        return handler

    return register


def index(base: str) -> None:
    handles("GET", base)(lambda call: [{"name": name} for name in INDEX[base].split()])


for each in INDEX:
    index(each)


# --- rules ---


def rules_of(call: Call) -> list[Rule]:
    return group_of(call).rules if call["group"] else mine(call).rules


def what_rules(call: Call) -> str:
    return f"group {call['group']}" if call["group"] else "rules"


def shown_rule(call: Call, rule: Rule, position: Any) -> Rule:
    shown = {**rule, "pos": position, "digest": digest_of(call, what_rules(call), rules_of(call))}
    version = ip_version(rule)
    return shown | ({"ipversion": version} if version else {})


def ip_version(rule: Rule) -> int | None:
    """4 or 6, where the rule names addresses; a name of an alias or a set says nothing."""
    for key in ("source", "dest"):
        value = PREFIX.sub("", str(rule.get(key, "")))
        if value and not value.startswith("+") and not ALIAS.fullmatch(value):
            return 6 if ":" in value else 4
    return None


RULES = ("/rules", CLUSTER, NODE, *GUESTS)
GROUP_RULES = ("/groups/{group}", CLUSTER)


@everywhere("GET", *RULES)
@everywhere("GET", *GROUP_RULES)
def list_rules(call: Call) -> Any:
    return [shown_rule(call, rule, position) for position, rule in enumerate(rules_of(call))]


@everywhere("POST", *RULES)
@everywhere("POST", *GROUP_RULES)
def add_rule(call: Call) -> None:
    rules = rules_of(call)
    lock(call)
    require(call, what_rules(call), rules)
    rule = {"enable": 0, **options_of(call, NOT_RULE)}
    verify(call, rule)
    rules.insert(0, rule)


def options_of(call: Call, without: set[str]) -> dict[str, Any]:
    return {key: value for key, value in call.params.items() if key not in without}


def verify(call: Call, rule: Rule) -> None:
    """What the schema cannot say of a rule (PVE::Firewall::verify_rule)."""
    if rule["type"] == "group":
        return
    if rule["action"] not in ACTIONS:
        raise parameter(action=f"unknown action '{rule['action']}'")
    if rule.get("macro") and rule["macro"].lower() not in MACROS.lower().split():
        raise parameter(macro=f"unknown macro '{rule['macro']}'")
    if rule.get("iface") and call["vmid"] is not None and not re.fullmatch(r"net\d+", rule["iface"]):
        raise parameter(iface="value does not match the regex pattern 'net\\d+'")
    for key in ("dport", "sport"):
        if rule.get(key) and not rule.get("proto"):
            raise parameter(proto=f"missing property - '{key}' requires this property")
    for key in ("source", "dest"):
        verify_address(call, key, str(rule.get(key, "")))


def verify_address(call: Call, key: str, value: str) -> None:
    value = PREFIX.sub("", value)
    own, cluster = mine(call), firewall(call.world, "cluster")
    if value.startswith("+"):
        if value[1:] not in own.sets and value[1:] not in cluster.sets:
            raise parameter(**{key: f"no such ipset '{value[1:]}'"})
    elif ALIAS.fullmatch(value) and value.lower() not in own.aliases and value.lower() not in cluster.aliases:
        raise parameter(**{key: f"no such alias '{value}'"})


def position_of(call: Call) -> int:
    position = int(call["pos"])
    if position >= len(rules_of(call)):
        raise Refusal(f"no rule at position {position}")
    return position


ONE_RULE = ("/rules/{pos}", CLUSTER, NODE, *GUESTS)
ONE_GROUP_RULE = ("/groups/{group}/{pos}", CLUSTER)


@everywhere("GET", *ONE_RULE)
@everywhere("GET", *ONE_GROUP_RULE)
def one_rule(call: Call) -> Any:
    position = position_of(call)
    return shown_rule(call, rules_of(call)[position], str(position))


@everywhere("PUT", *ONE_RULE)
@everywhere("PUT", *ONE_GROUP_RULE)
def change_rule(call: Call) -> None:
    rules = rules_of(call)
    lock(call)
    require(call, what_rules(call), rules)
    position = position_of(call)
    if call["moveto"] is not None:
        rule = rules[position]
        rest = [each for place, each in enumerate(rules) if place < call["moveto"] and place != position]
        rules[:] = [*rest, rule, *(r for p, r in enumerate(rules) if p >= call["moveto"] and p != position)]
        return
    changed = rules[position] | options_of(call, NOT_RULE)
    for key in split_list(call["delete"] or ""):
        changed.pop(key, None)
    verify(call, changed)
    rules[position] = changed


@everywhere("DELETE", *ONE_RULE)
@everywhere("DELETE", *ONE_GROUP_RULE)
def delete_rule(call: Call) -> None:
    lock(call)
    require(call, what_rules(call), rules_of(call))
    del rules_of(call)[position_of(call)]


# --- groups of rules ---


def group_of(call: Call) -> Group:
    found = firewall(call.world, "cluster").groups.get(call["group"])
    if found is None:
        raise Refusal(f"no such security group '{call['group']}'")
    return found


@handles("GET", f"{CLUSTER}/groups")
def groups(call: Call) -> Any:
    held = mine(call).groups
    stamp = digest_of(call, "groups", {name: group.comment for name, group in held.items()})
    return [{"group": name, "digest": stamp, **noted(group.comment)} for name, group in held.items()]


def noted(comment: str | None) -> dict[str, str]:
    return {"comment": comment} if comment else {}


@handles("POST", f"{CLUSTER}/groups")
def create_group(call: Call) -> None:
    own, name, old = mine(call), call["group"], call["rename"]
    lock(call)
    if old is None:
        if name in own.groups:
            raise parameter(group=f"Security group '{name}' already exists")
        own.groups[name] = Group(call["comment"] or None)
        return
    if old not in own.groups:
        raise parameter(rename=f"Security group '{old}' does not exist")
    if name != old and name in own.groups:
        raise parameter(group=f"Security group '{name}' already exists")
    group = own.groups.pop(old)
    group.comment = call["comment"] or (group.comment if name != old else None)
    own.groups[name] = group
    for each in call.world.facts["firewall"].values():
        for rule in each.rules:
            if rule["type"] == "group" and rule["action"] == old:
                rule["action"] = name


@handles("DELETE", f"{CLUSTER}/groups/{{group}}")
def delete_group(call: Call) -> None:
    if group_of(call).rules:
        raise Refusal(f"Security group '{call['group']}' is not empty")
    lock(call)
    del mine(call).groups[call["group"]]


# --- aliases ---

ALIASES = ("/aliases", CLUSTER, *GUESTS)
ONE_ALIAS = ("/aliases/{name}", CLUSTER, *GUESTS)


def shown_alias(alias: dict[str, Any]) -> dict[str, Any]:
    version = ipaddress.ip_network(alias["cidr"], strict=False).version
    return {"name": alias["name"], "cidr": alias["cidr"], "ipversion": version, **noted(alias.get("comment"))}


@everywhere("GET", *ALIASES)
def aliases(call: Call) -> Any:
    held = mine(call).aliases
    stamp = digest_of(call, "aliases", held)
    return [shown_alias(alias) | {"digest": stamp} for alias in held.values()]


@everywhere("POST", *ALIASES)
def create_alias(call: Call) -> None:
    held, name = mine(call).aliases, call["name"].lower()
    lock(call)
    if name in held:
        raise parameter(name=f"alias '{name}' already exists")
    held[name] = {"name": call["name"], "cidr": call["cidr"], "comment": call["comment"]}


@everywhere("GET", *ONE_ALIAS)
def one_alias(call: Call) -> Any:
    found = mine(call).aliases.get(call["name"].lower())
    if found is None:
        raise parameter(name="no such alias")
    return shown_alias(found)


@everywhere("PUT", *ONE_ALIAS)
def change_alias(call: Call) -> None:
    held, name = mine(call).aliases, call["name"].lower()
    lock(call)
    require(call, "aliases", held)
    if name not in held:
        raise parameter(name="no such alias")
    new = (call["rename"] or name).lower()
    if new != name and new in held:
        raise parameter(name=f"alias '{call['rename']}' already exists")
    del held[name]
    held[new] = {"name": call["rename"] or call["name"], "cidr": call["cidr"], "comment": call["comment"]}


@everywhere("DELETE", *ONE_ALIAS)
def delete_alias(call: Call) -> None:
    held = mine(call).aliases
    lock(call)
    require(call, "aliases", held)
    held.pop(call["name"].lower(), None)


# --- sets of addresses ---

SETS = ("/ipset", CLUSTER, *GUESTS)
ONE_SET = ("/ipset/{name}", CLUSTER, *GUESTS)
ONE_ENTRY = ("/ipset/{name}/{cidr}", CLUSTER, *GUESTS)


@everywhere("GET", *SETS)
def sets(call: Call) -> Any:
    held = mine(call).sets
    stamp = digest_of(call, "ipset", {name: each.comment for name, each in held.items()})
    return [{"name": name, "digest": stamp, **noted(each.comment)} for name, each in held.items()]


@everywhere("POST", *SETS)
def create_set(call: Call) -> None:
    held, name = mine(call).sets, call["name"].lower()
    lock(call)
    old = (call["rename"] or "").lower()
    if old and old not in held:
        raise parameter(rename=f"IPSet '{old}' does not exist")
    if name in held and name != old:
        raise parameter(name=f"IPSet '{name}' already exists")
    made = held.pop(old) if old else IpSet()
    made.comment = call["comment"] or None
    held[name] = made


def set_of(call: Call) -> IpSet:
    found = mine(call).sets.get(call["name"].lower())
    if found is None:
        raise Refusal(f"no such IPSet '{call['name']}'")
    return found


def shown_entry(call: Call, held: IpSet, cidr: str) -> dict[str, Any]:
    return {
        "cidr": cidr,
        **held.entries[cidr],
        "digest": digest_of(call, f"ipset {call['name']}", held.entries),
    }


@everywhere("GET", *ONE_SET)
def entries(call: Call) -> Any:
    held = set_of(call)
    return [shown_entry(call, held, cidr) for cidr in held.entries]


@everywhere("POST", *ONE_SET)
def create_entry(call: Call) -> None:
    held, cidr = set_of(call), call["cidr"]
    lock(call)
    name = PREFIX.sub("", cidr).lower()
    if (
        ALIAS.fullmatch(name)
        and name not in mine(call).aliases
        and name not in firewall(call.world, "cluster").aliases
    ):
        raise Refusal(f"no such alias '{cidr}'")
    if cidr in held.entries:
        raise parameter(cidr=f"address '{cidr}' already exists")
    held.entries[cidr] = entry_of(call)


def entry_of(call: Call) -> dict[str, Any]:
    return {**noted(call["comment"]), **({"nomatch": 1} if call["nomatch"] else {})}


@everywhere("GET", *ONE_ENTRY)
def one_entry(call: Call) -> Any:
    held = set_of(call)
    require_entry(call, held)
    return shown_entry(call, held, call["cidr"])


def require_entry(call: Call, held: IpSet) -> None:
    if call["cidr"] not in held.entries:
        raise parameter(cidr="no such IP/Network")


@everywhere("PUT", *ONE_ENTRY)
def change_entry(call: Call) -> None:
    held = set_of(call)
    lock(call)
    require(call, f"ipset {call['name']}", held.entries)
    require_entry(call, held)
    held.entries[call["cidr"]] = entry_of(call)


@everywhere("DELETE", *ONE_ENTRY)
def delete_entry(call: Call) -> None:
    held = set_of(call)
    lock(call)
    require(call, f"ipset {call['name']}", held.entries)
    held.entries.pop(call["cidr"], None)


@everywhere("DELETE", *ONE_SET)
def delete_set(call: Call) -> None:
    held = set_of(call)
    lock(call)
    if held.entries and not call["force"]:
        raise Refusal(f"IPSet '{call['name']}' is not empty")
    del mine(call).sets[call["name"].lower()]


# --- options, and what there is to choose from ---


@everywhere("GET", "/options", CLUSTER, NODE, *GUESTS)
def options(call: Call) -> Any:
    held = mine(call).options
    return {**held, "digest": digest_of(call, "options", held)}


@everywhere("PUT", "/options", CLUSTER, NODE, *GUESTS)
def change_options(call: Call) -> None:
    held = mine(call).options
    lock(call)
    require(call, "options", held)
    for key in split_list(call["delete"] or ""):
        held.pop(key, None)
    held |= options_of(call, {"node", "vmid", "digest", "delete"})
    if scope_of(call) == "cluster" and held.get("enable", 0) > 1:
        held["enable"] = int(call.world.clock.now())


@everywhere("GET", "/refs", CLUSTER, *GUESTS)
def references(call: Call) -> Any:
    found = []
    for scope in dict.fromkeys(("cluster", scope_of(call))):
        held, prefix = firewall(call.world, scope), "dc" if scope == "cluster" else "guest"
        named = [("alias", alias["name"], "", alias.get("comment")) for alias in held.aliases.values()]
        named += [("ipset", name, "+", each.comment) for name, each in held.sets.items()]
        for kind, name, sign, comment in named:
            if call["type"] in (None, kind):
                shown = {"type": kind, "name": name, "ref": f"{sign}{prefix}/{name}", "scope": prefix}
                found.append(shown | noted(comment))
    return found


@handles("GET", f"{CLUSTER}/macros")
def macros(call: Call) -> Any:
    return [{"macro": macro, "descr": macro} for macro in sorted(MACROS.split())]


@everywhere("GET", "/log", NODE, *GUESTS)
def log(call: Call) -> Any:
    call.extra["total"] = 1
    return [{"n": 1, "t": "no content"}]
