# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of things with names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.items import (
    parse_items,
    purge_scope,
    refuse,
)


@dataclass
class Thing:
    name: str


def parse(item: Mapping[str, Any]) -> Thing:
    if not item["name"].islower():
        raise Refused(f"name {item['name']!r}", "it is not lower", "write it small")
    return Thing(item["name"])


def test_every_fault_is_told_at_once() -> None:
    things, faults = parse_items("thing", [{"name": name} for name in ("b", "A", "a", "b", "a")], parse)
    assert [thing.name for thing in things] == ["b", "a", "b", "a"]
    assert faults == [
        "name 'A': it is not lower; write it small.",
        "thing a: it is listed twice; write it once.",
        "thing b: it is listed twice; write it once.",
    ]
    with pytest.raises(Refused) as error:
        refuse(faults)
    assert (str(error.value).rstrip("."), error.value.facts["faults"]) == (
        "\n".join(faults).rstrip("."),
        faults,
    )


def test_nothing_wrong_is_refused_nothing() -> None:
    assert parse_items("thing", [{"name": "a"}], parse) == ((Thing("a"),), [])
    refuse([])


@pytest.mark.parametrize(
    ("params", "scope", "faults"),
    [
        ({}, None, 0),
        ({"scope": "web-*"}, None, 0),
        ({"purge": True, "scope": "web-*"}, "web-*", 0),
        ({"purge": True}, None, 1),
    ],
)
def test_a_purge_has_a_scope(params: Mapping[str, Any], scope: str | None, faults: int) -> None:
    found = purge_scope(params)
    assert (found[0], len(found[1])) == (scope, faults)
