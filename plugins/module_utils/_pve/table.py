# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables: the parameters of the calls that we make, and what people give for them, judged. Pure.

A table maps names to `schema.Field`; ``net[n]`` stands for net0, net1 and so on. Normal form is what `known`
and `checked` return: bool, int, float, str, list for lists, dict for property strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from .._core.errors import Refused
from .._core.plan import differing
from . import property as codec
from . import schema
from .schema import Field, Value

Table: TypeAlias = "Mapping[str, Field]"

_INDEX = re.compile(r"(?P<name>.*?[a-z_-])(?P<index>0|[1-9][0-9]*)")
# How many there may be of what has numbers, which the schema does not tell; of all others there are eight
# (PVE::QemuServer and its Drive, PCI and USB; PVE::LXC::Config).
_COUNTS: Mapping[str, int] = {
    "dev": 256, "hostpci": 16, "ide": 4, "ipconfig": 32, "mp": 256, "net": 32, "parallel": 3, "sata": 6,
    "scsi": 31, "serial": 4, "unused": 256, "usb": 14, "virtio": 16, "virtiofs": 10,
}  # fmt: skip


def field_of(table: Table, key: str) -> Field | None:
    """What stands under a key; ``net0`` is ``net[n]``."""
    if key in table:
        return table[key]
    match = _INDEX.fullmatch(key)
    if match is None or int(match["index"]) >= _COUNTS.get(match["name"], 8):
        return None
    return table.get(f"{match['name']}[n]")


def checked(table: Table, values: Mapping[str, Any], what: str) -> dict[str, Value | None]:
    """What people give, in normal form. None passes: it asks that the key be not set.

    :param what: the thing, such as "storage d2".
    :raises Refused: with every fault at once, each naming the key.
    """
    result: dict[str, Value | None] = {}
    faults = []
    for key, value in values.items():
        field = field_of(table, key)
        try:
            if field is None:
                raise Refused(what, f"there is no key '{key}'", schema.meant(key, table))
            result[key] = None if value is None else normal(field, value, f"{key} of {what}")
        except Refused as fault:
            faults.append(fault)
    refuse(faults)
    return result


def refuse(faults: list[Refused]) -> None:
    """Raise one error for all of them; nothing when there are none."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise Refused(" ".join(str(fault) for fault in faults))


def normal(field: Field, value: Any, what: str) -> Value:
    """One value that somebody gives, in normal form.

    :raises Refused: when PVE would refuse it.
    """
    if field.kind == "array":
        items = value if isinstance(value, (list, tuple)) else [value]
        if field.parts is None:
            return [str(item) for item in items]
        return [codec.normal(item, field.parts, what) for item in items]
    if field.parts is not None:
        return codec.normal(value, field.parts, what)
    return schema.normal(field, value, what)


def known(table: Table, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What PVE answered, in normal form; what the table does not have, or what does not fit it, is kept."""
    return {key: _known(field_of(table, key), value) for key, value in answer.items()}


def _known(field: Field | None, value: Any) -> Any:
    if field is None:
        return value
    if field.parts is None:
        return value if field.kind == "array" else schema.lenient(field, value)
    if field.kind == "array":
        return [codec.known(item, field.parts) for item in (value if isinstance(value, list) else [value])]
    return codec.known(value, field.parts)


def same(table: Table, key: str, left: Any, right: Any) -> bool:
    """Whether two values in normal form mean the same."""
    field = field_of(table, key) or Field()
    if field.parts is not None:
        if isinstance(left, dict) and isinstance(right, dict):
            return codec.same(left, right, field.parts)
        if field.kind == "array" and isinstance(left, list) and isinstance(right, list):
            return _same_items(field.parts, left, right)
    return schema.same(key, field, left, right)


def _same_items(parts: Mapping[str, Field], left: list[Any], right: list[Any]) -> bool:
    """The items of an array have no order."""
    rest = list(right)
    for item in left:
        twin = next((other for other in rest if codec.same(item, other, parts)), None)
        if twin is None:
            return False
        rest.remove(twin)
    return not rest


def drift(table: Table, wanted: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """What of the declared values the system does not have, in normal form; None for a key that must go.

    A key that is not set counts as its default: ``onboot: false`` holds where there is no onboot. An empty
    text or list asks for nothing, and is unset where there is something: PVE keeps no empty comments. A
    default, which PVE shows of some keys that are not set, is as good as nothing.
    """
    defaults = {
        key: field.default
        for key in wanted
        if (field := field_of(table, key)) is not None and field.default is not None and key not in current
    }
    present = {key: value for key, value in wanted.items() if not is_nothing(value)}
    changed = differing(present, {**defaults, **current}, lambda key, new, old: same(table, key, new, old))
    gone = {key: None for key in wanted.keys() - present.keys() if not _is_default(table, key, current)}
    return {key: {**changed, **gone}[key] for key in wanted if key in changed or key in gone}


def public(
    table: Table, values: Mapping[str, Any], beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Values in normal form as people may see them, without the passwords in them.

    :param beside: other values; where one differs from them in its password alone, that is said.
    """
    result = dict(values)
    for key, value in values.items():
        field = field_of(table, key)
        if field is None or not field.private or not isinstance(value, str):
            continue
        result[key] = schema.public(value)
        other = (beside or {}).get(key, value)
        if other != value and schema.public(other) == result[key]:
            result[key] += " (another password)"
    return result


def is_nothing(value: Any) -> bool:
    """Whether a value in normal form says as much as none."""
    return value is None or value == "" or value == []


def _is_default(table: Table, key: str, current: Mapping[str, Any]) -> bool:
    """Whether a key says no more than if it were not set."""
    value, field = current.get(key), field_of(table, key) or Field()
    return is_nothing(value) or (field.default is not None and same(table, key, value, field.default))


def wire(table: Table, values: Mapping[str, Any], what: str = "request") -> dict[str, Any]:
    """Values in normal form as a request takes them: texts, arrays of texts. None must not be among them."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        field = field_of(table, key) or Field()
        if field.kind == "array" and isinstance(value, list):
            result[key] = [_printed(field, item, f"{key} of {what}") for item in value]
        else:
            result[key] = _printed(field, value, f"{key} of {what}")
    return result


def _printed(field: Field, value: Any, what: str) -> str:
    if isinstance(value, Mapping):
        return codec.render(value, field.parts or {}, what)
    return schema.printed(field, value)
