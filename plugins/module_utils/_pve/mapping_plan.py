# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mappings as they are declared, and devices that are looked for. Pure.

What stands in a mapping is only compared when a guest starts. So a device that is looked for (``discover``)
is found here by what it is, on every server, and its lines are made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused
from .._core.plan import Plan
from .._pci.model import Function
from .._pci.pairing import Wish, pair
from . import kinds
from . import table as tables
from .mapping import KINDS, MAPPINGS, PCI
from .property import normal
from .resource import Current, Wanted, WantedResource
from .tables import mapping_pci

_ONLY_PCI = ("discover", "mdev", "live_migration_capable")


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, and on which nodes; none: on all of the cluster."""

    wish: Wish
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedMappings:
    """All that one task declares.

    :param kinds: by noun; the lines of what is looked for are not known yet.
    :param searches: by the name of a PCI mapping.
    """

    kinds: Mapping[str, Wanted]
    searches: Mapping[str, Search] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CurrentMappings:
    """What there is.

    :param functions: the PCI functions of each node that is looked on.
    """

    kinds: Mapping[str, Current]
    functions: Mapping[str, Sequence[Function]] = field(default_factory=dict)

    def stable(self) -> Any:
        """What is the same for two that came to the same end."""
        return {noun: current.stable() for noun, current in self.kinds.items()}


def parse_wanted(params: Mapping[str, Any]) -> WantedMappings:
    """The options of module pve_mapping.

    :raises Refused: with every fault at once.
    """
    items, searches, faults = [], {}, []
    for options in params["mappings"]:
        try:
            items.append(_item(options))
            if options.get("discover"):
                searches[options["name"]] = _search(options)
        except Refused as fault:
            faults.append(fault)
    tables.refuse(faults)
    return WantedMappings(kinds.parse_wanted(KINDS, items, params), searches)


def _item(options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    resource = MAPPINGS[options["type"]]
    title = resource.title(options["name"])
    for key in _ONLY_PCI:
        if options.get(key) is not None and options["type"] != "pci":
            raise Refused(title, f"a {options['type']} mapping has no {key}", "leave it out")
    if options.get("discover") and options.get("map"):
        raise Refused(title, "map and discover exclude each other", "give one of them")
    return resource.noun, resource.item({key.replace("_", "-"): value for key, value in options.items()})


def _search(options: Mapping[str, Any]) -> Search:
    discover = options["discover"]
    what = f"discover of {PCI.title(options['name'])}"
    judged = {"node": "any", "path": "0000:00:00.0", "id": discover["id"]}
    if discover.get("subsystem"):
        judged["subsystem-id"] = discover["subsystem"]
    ids = normal(judged, mapping_pci.MAP, what)
    wish = Wish(
        ids["id"].lower(), ids.get("subsystem-id", "").lower() or None, mdev=bool(options.get("mdev"))
    )
    return Search(wish, tuple(discover.get("nodes") or ()))


def make(current: CurrentMappings, wanted: WantedMappings) -> Plan:
    """The plan, with the lines of what was looked for.

    :raises Refused: when the servers do not have the same devices.
    """
    declared = dict(wanted.kinds)
    if wanted.searches:
        pci = declared[PCI.noun]
        items = tuple(_found(item, wanted.searches.get(item.name), current) for item in pci.items)
        declared[PCI.noun] = dataclasses.replace(pci, items=items)
    return kinds.make(KINDS, current.kinds, declared)


def _found(item: WantedResource, search: Search | None, current: CurrentMappings) -> WantedResource:
    if search is None or not item.present:
        return item
    nodes = search.nodes or tuple(sorted(current.functions))
    lines = pair(item.name, search.wish, {node: current.functions[node] for node in nodes})
    settings = {**item.settings, "map": [normal(line, mapping_pci.MAP, item.name) for line in lines]}
    return dataclasses.replace(item, settings=settings)
