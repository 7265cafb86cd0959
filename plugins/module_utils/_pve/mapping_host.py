# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mappings and the devices of nodes, see `mapping_plan`: the only file that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._pci.model import Function, parse_functions
from .host import PveReader
from .mapping import KINDS
from .mapping_plan import CurrentMappings, WantedMappings
from .resource_host import read_kinds


def read(host: PveReader, wanted: WantedMappings) -> CurrentMappings:
    """The mappings, and the functions of the nodes that something is looked for on."""
    current = read_kinds(KINDS, host, wanted.kinds)
    if not wanted.searches:
        return CurrentMappings(current)
    nodes = {node for search in wanted.searches.values() for node in search.nodes}
    if not all(search.nodes for search in wanted.searches.values()):
        nodes |= {str(node["node"]) for node in host.get("nodes")}
    return CurrentMappings(current, _functions(host, sorted(nodes)))


def _functions(host: PveReader, nodes: Sequence[str]) -> dict[str, Sequence[Function]]:
    # Without the list of classes to leave out there are bridges among them, which share groups.
    whole = {"pci-class-blacklist": ""}
    answers: list[Any] = host.find_all([(f"nodes/{node}/hardware/pci", whole) for node in nodes])
    return {node: parse_functions(answer or ()) for node, answer in zip(nodes, answers, strict=True)}
