# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the HA manager: which are feasible, and where they let a service run.

Rests on: PVE::HA::Rules, PVE::HA::Rules::NodeAffinity, PVE::HA::Rules::ResourceAffinity and the function
select_service_node of PVE::HA::Manager (pve-ha-manager 5), and the recorded exchanges for the texts. A rule
is what stands in the file: `resources` and `nodes` are the lists as text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tests.doubles.pve.formats import split_list

Rule = dict[str, Any]
Problems = dict[str, dict[str, list[str]]]
NODE = "node-affinity"
RESOURCE = "resource-affinity"


def resources_of(rule: Rule) -> set[str]:
    return set(split_list(rule["resources"]))


def nodes_of(rule: Rule) -> dict[str, int]:
    """Its nodes with their priorities; one without a priority has 0."""
    pairs = (part.partition(":") for part in split_list(rule["nodes"]))
    return {name: int(priority or 0) for name, _sign, priority in pairs}


def render_nodes(text: str) -> str:
    """As it is written into the file: sorted, without a priority of 0."""
    nodes = nodes_of({"nodes": text})
    return ",".join(f"{name}:{nodes[name]}" if nodes[name] else name for name in sorted(nodes))


def enabled(rules: Mapping[str, Rule], kind: str, affinity: str | None = None) -> dict[str, Rule]:
    return {
        name: rule
        for name, rule in rules.items()
        if rule["type"] == kind and not rule.get("disable") and affinity in (None, rule.get("affinity"))
    }


def problems(rules: Mapping[str, Rule], nodes: Iterable[str]) -> Problems:
    """What makes rules infeasible, by rule and property, in the order of the checks."""
    found: Problems = defaultdict(lambda: defaultdict(list))
    by_node, by_resource = enabled(rules, NODE), enabled(rules, RESOURCE)
    positive, negative = enabled(rules, RESOURCE, "positive"), enabled(rules, RESOURCE, "negative")

    def blame(names: Iterable[str], text: str) -> None:
        for name in names:
            found[name]["resources"].append(text)

    for name, rule in by_node.items():
        shared = {sid for other in by_node if other != name for sid in resources_of(by_node[other])}
        for sid in sorted(resources_of(rule) & shared):
            blame([name], f"resource '{sid}' is already used in another node affinity rule")
    blame(
        [name for name, rule in by_resource.items() if len(resources_of(rule)) < 2],
        "rule is ineffective as there are less than two resources",
    )
    count = len(list(nodes))
    blame(
        [name for name, rule in negative.items() if len(resources_of(rule)) > count],
        "rule defines more resources than available nodes",
    )
    for one, rule in positive.items():
        for other, against in negative.items():
            if len(resources_of(rule) & resources_of(against)) > 1:
                blame([one], "rule shares two or more resources with a negative resource affinity rule")
                blame([other], "rule shares two or more resources with a positive resource affinity rule")
    between(by_node, by_resource, positive, negative, blame)
    return found


def between(
    by_node: dict[str, Rule],
    by_resource: dict[str, Rule],
    positive: dict[str, Rule],
    negative: dict[str, Rule],
    blame: Any,
) -> None:
    """The checks between rules of nodes and of resources, which come last."""

    def touching(resources: set[str]) -> list[str]:
        return [name for name, rule in by_node.items() if resources & resources_of(rule)]

    for name, rule in by_resource.items():
        near = touching(resources_of(rule))
        if any(len(set(nodes_of(by_node[each]).values())) > 1 for each in near):
            blame([name], "resources are in node affinity rules with multiple priorities")
            blame(
                near,
                "resources are in a resource affinity rule and cannot be in"
                " a node affinity rule with multiple priorities",
            )
    for names, resources in companies(positive):
        near = touching(resources)
        if len(near) > 1:
            blame(names, "resources are in multiple node affinity rules")
            blame(
                near,
                "at least one resource is in a positive resource affinity rule and there are other resources"
                " in at least one other node affinity rule already",
            )
    for name, rule in negative.items():
        near = touching(resources_of(rule))
        located = resources_of(rule) & {sid for each in near for sid in resources_of(by_node[each])}
        if len({node for each in near for node in nodes_of(by_node[each])}) < len(located):
            blame(
                [name], "two or more resources are restricted to less nodes than available to the resources"
            )
            blame(
                near,
                "at least one resource is in a negative resource affinity rule and this rule would restrict"
                " these to less nodes than available to the resources",
            )


def companies(positive: Mapping[str, Rule]) -> list[tuple[list[str], set[str]]]:
    """Positive rules that share resources, as one: their names and all their resources."""
    found: list[tuple[list[str], set[str]]] = []
    for name, rule in positive.items():
        names, resources = [name], resources_of(rule)
        rest = []
        for other_names, other in found:
            if other & resources:
                names, resources = other_names + names, resources | other
            else:
                rest.append((other_names, other))
        found = [*rest, (names, resources)]
    return found


class Placement:
    """The feasible rules, asked where a service may run."""

    def __init__(self, rules: Mapping[str, Rule], nodes: Iterable[str]) -> None:
        members = list(nodes)
        faulty = problems(rules, members)
        sound = {name: rule for name, rule in rules.items() if name not in faulty}
        self.nodes: dict[str, dict[str, int]] = {}
        self.together = companies(enabled(sound, RESOURCE, "positive"))
        self.apart = [resources_of(rule) for rule in enabled(sound, RESOURCE, "negative").values()]
        for rule in enabled(sound, NODE).values():
            ranks = nodes_of(rule)
            if not rule.get("strict"):
                ranks = {**dict.fromkeys(members, -1), **ranks}
            for sid in resources_of(rule):
                for each in self.companions(sid) | {sid}:
                    self.nodes[each] = ranks

    def companions(self, sid: str) -> set[str]:
        return {each for _rule, resources in self.together if sid in resources for each in resources} - {sid}

    def rivals(self, sid: str) -> set[str]:
        """Those it must not meet; a service shares the rivals of its companions."""
        company = self.companions(sid) | {sid}
        return {each for rule in self.apart if rule & company for each in rule} - company

    def allowed(self, sid: str, online: Iterable[str]) -> tuple[set[str], set[str]]:
        """The nodes that are allowed, and those of them that are preferred."""
        present = set(online)
        ranks = self.nodes.get(sid)
        if ranks is None:
            return present, set(present)
        there = {node: rank for node, rank in ranks.items() if node in present}
        best = max(there.values(), default=None)
        return set(there), {node for node, rank in there.items() if rank == best}

    def select(
        self,
        sid: str,
        current: str,
        where: Mapping[str, str],
        online: Collection[str],
        how: str,
        **service: Any,
    ) -> str | None:
        """The node for a service, or None.

        `where` says where the other services are. `how` is "none" (stay if that is possible), "best-score" or
        "try-next"; `service` has failback, failed (nodes on which it did not start) and maintenance (the node
        that it left for maintenance).
        """
        allowed, preferred = self.allowed(sid, online)
        together = Counter(where[each] for each in self.companions(sid) if where.get(each) in online)
        taken = {where[each] for each in self.rivals(sid) if each in where}
        fits = current in allowed and (current in together or current not in taken)
        if how == "none" and not service.get("failback", True) and fits:
            return current
        if how == "try-next":
            preferred -= set(service.get("failed", ()))
        preferred -= taken
        if company := preferred & together.keys():
            preferred = {min(company, key=lambda node: (-together[node], node))}
        if service.get("maintenance") in preferred:
            return str(service["maintenance"])
        if how == "none" and current in preferred:
            return current
        scores = {
            node: sum(place == node for each, place in where.items() if each != sid) for node in preferred
        }
        ranked = sorted(preferred, key=lambda node: (scores[node], node))
        if how == "try-next" and current in ranked[:-1]:
            return ranked[ranked.index(current) + 1]
        return ranked[0] if ranked else None
