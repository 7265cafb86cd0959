# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Property strings: ``virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1`` and all their kin. Pure.

The one codec for all of them (net0, scsi0, rootfs, mp0, hostpci0, startup, prune-backups, the map of a
mapping …); what a string may hold is told by a table of `schema.Field`. It reads as
PVE::JSONSchema::parse_property_string (pve-common) does: parts between commas, ``key=value`` cut at the first
``=``, one key that may stand without its name, aliases, and names that are the value of another
(``virtio=MAC``). There are no quotes, so no value can hold a comma. Unknown keys that PVE has are kept, for a
newer PVE may have more.

Laws, for every table: ``parse(render(x)) == x``, and ``render(parse(text))`` means the same as ``text``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from .._core.errors import Refused
from . import schema
from .schema import Field

Parts: TypeAlias = "Mapping[str, Field]"

_PLAIN = Field()


def parse(text: str, parts: Parts, what: str = "property string") -> dict[str, Any]:
    """A property string as PVE has it, in normal form; values that do not fit are kept as they are.

    :raises Refused: when it is no property string.
    """
    result: dict[str, Any] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals:
            key, value = bare_key(parts, part, what), part
        if not key or not value:
            raise Refused(what, f"{part!r} is no key=value", "write one, with commas between them")
        _take(result, key, value, parts, what)
    return {key: schema.lenient(parts.get(key, _PLAIN), value) for key, value in result.items()}


def known(answer: Any, parts: Parts) -> Any:
    """What PVE answers: a property string, or one that it has taken apart already; anything else is kept."""
    if isinstance(answer, Mapping):
        return {key: schema.lenient(parts.get(key, _PLAIN), value) for key, value in answer.items()}
    try:
        return parse(str(answer), parts)
    except Refused:
        return answer


def normal(value: Any, parts: Parts, what: str) -> dict[str, Any]:
    """What somebody gives, as a text or as a mapping, in normal form and judged.

    :raises Refused: for an unknown key, a value that PVE would refuse or no property string can hold, a key
        that is missing.
    """
    given = value if isinstance(value, Mapping) else _taken_apart(value, parts, what)
    result: dict[str, Any] = {}
    for key, item in given.items():
        if item is not None:
            _take(result, str(key), item, parts, what)
    unknown = [key for key in result if key not in parts]
    if unknown:
        remedy = schema.meant(unknown[0], parts) or f"it has {', '.join(real_keys(parts))}"
        raise Refused(what, f"there is no key '{unknown[0]}' in it", remedy)
    missing = [key for key in real_keys(parts) if parts[key].required and key not in result]
    if missing:
        raise Refused(what, f"{', '.join(missing)} is missing", "give it")
    if needs := unmet(result, parts):
        raise Refused(what, needs, "give both or neither")
    for key in sorted(result.keys() & schema.ORDERED_PARTS):
        if parts[key].separated:
            _refuse_numbers(result[key], f"{key} in {what}")
    normal_form = {key: schema.normal(parts[key], item, f"{key} in {what}") for key, item in result.items()}
    render(normal_form, parts, what)
    return normal_form


def unmet(value: Mapping[str, Any], parts: Parts) -> str:
    """Which part is there without the one that it needs; empty for none."""
    pairs = [(key, parts[key].requires) for key in value if key in parts]
    return next((f"{key} needs {other}" for key, other in pairs if other and other not in value), "")


def _taken_apart(value: Any, parts: Parts, what: str) -> dict[str, Any]:
    if isinstance(value, (list, tuple)):
        raise Refused(what, "it takes one value, not several", "write a text or a mapping")
    if isinstance(value, (bool, int, float)):
        return {bare_key(parts, str(value), what): value}
    return parse(str(value), parts, what)


def _refuse_numbers(value: Any, what: str) -> None:
    """Devices have no numbers: to YAML ``01:00.0`` is one, of seconds."""
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(item, (int, float)):
            raise Refused(what, f"YAML has made the number {item} of it", "quote it, '0000:01:00.0'")


def _take(result: dict[str, Any], key: str, value: Any, parts: Parts, what: str) -> None:
    """Put a value under its real name."""
    field = parts.get(key)
    if field is not None and field.key_alias:
        _put(result, field.key_alias, key, what)
    _put(result, field.alias if field is not None and field.alias else key, value, what)


def _put(result: dict[str, Any], key: str, value: Any, what: str) -> None:
    if key in result:
        raise Refused(what, f"{key} stands in it twice", "write it once")
    result[key] = value


def bare_key(parts: Parts, part: str = "", what: str = "property string") -> str:
    """The key that stands without its name.

    :raises Refused: when there is none.
    """
    for key, field in parts.items():
        if field.bare:
            return key
    raise Refused(what, f"{part!r} has no key", f"write KEY={part}; it has {', '.join(real_keys(parts))}")


def real_keys(parts: Parts) -> list[str]:
    """Its keys without those that only mean another."""
    return [key for key, field in parts.items() if not field.alias]


def render(value: Mapping[str, Any], parts: Parts, what: str = "property string") -> str:
    """The property string, as PVE prints it: the key without a name first, the others as they come.

    :raises Refused: for a value that no property string can hold.
    """
    rest = dict(value)
    words = []
    bare = next((key for key, field in parts.items() if field.bare), "")
    alias = _key_alias(parts, rest)
    if alias:
        name, target = alias
        words.append(f"{rest.pop(name)}={rest.pop(target)}")
    elif bare in rest and "=" not in _text(parts, bare, rest[bare]):
        words.append(_text(parts, bare, rest.pop(bare)))
    words += [f"{key}={_text(parts, key, item)}" for key, item in rest.items()]
    for word in words:
        if re.search(r"[,\n]|^[^=]*=$|^\s*$", word):
            raise Refused(what, f"{word!r} cannot stand in it", "leave out commas, newlines and empty values")
    return ",".join(words)


def _key_alias(parts: Parts, value: Mapping[str, Any]) -> tuple[str, str] | None:
    """``(model, macaddr)`` when both are there and are printed as ``virtio=MAC``."""
    for key, field in parts.items():
        if field.key_alias and value.get(field.key_alias) == key and field.alias in value:
            return field.key_alias, field.alias
    return None


def _text(parts: Parts, key: str, value: Any) -> str:
    return schema.printed(parts.get(key, _PLAIN), value)


def same(left: Mapping[str, Any], right: Mapping[str, Any], parts: Parts) -> bool:
    """Whether two in normal form mean the same: order is nothing, a default is as good as said."""
    return not differing(left, right, parts)


def differing(left: Mapping[str, Any], right: Mapping[str, Any], parts: Parts) -> list[str]:
    """The keys in which they differ by meaning, sorted."""
    return [
        key
        for key in sorted({*left, *right})
        if not schema.same(key, parts.get(key, _PLAIN), _value(left, parts, key), _value(right, parts, key))
    ]


def _value(value: Mapping[str, Any], parts: Parts, key: str) -> Any:
    if key in value:
        return value[key]
    return parts[key].default if key in parts else None
