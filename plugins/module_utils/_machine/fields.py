# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain data from people into dataclasses, by tables of fields; every fault is found, each as one sentence.

Pure. A parser takes a value and the words that name it ("memory of machine ssa"), and raises `Refused`.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.values import parse_interface, parse_label, parse_network

Parser = Callable[[Any, str], Any]


def plain(value: Any) -> Any:
    """The value as JSON knows it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Field:
    """How one field is read from what people write, and shown to them again."""

    parse: Parser
    show: Callable[[Any], Any] = plain


def fill(
    cls: type[Any], thing: str, mapping: Any, table: Mapping[str, Field], faults: list[str], **given: Any
) -> Any:
    """Fill a dataclass from a mapping; what is wrong is added to the faults.

    Keys that are missing or wrong get their default, or an empty text where they have none.
    """
    if isinstance(mapping, Mapping):
        needed = [item.name for item in dataclasses.fields(cls) if item.name in table and _is_required(item)]
        faults += [f"{thing}: {key} is missing; declare it." for key in needed if mapping.get(key) is None]
    else:
        faults.append(f"{thing}: it is no mapping; write keys and values.")
        mapping = {}
    for key in mapping:
        if key not in table:
            faults.append(f"{thing}: there is no key {str(key)!r}{guess(str(key), table)}")
    values = dict(given)
    for item in dataclasses.fields(cls):
        if item.name not in table:
            continue
        value = mapping.get(item.name)
        if value is None:
            values[item.name] = default_of(item)
            continue
        try:
            values[item.name] = table[item.name].parse(value, f"{item.name} of {thing}")
        except Refused as error:
            values[item.name] = default_of(item)
            faults.extend(sentences(error))
    return cls(**values)


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def default_of(item: dataclasses.Field[Any]) -> Any:
    """The value of a field that nobody declared; an empty text where it must be declared."""
    if _is_required(item):
        return ""
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()


def faults_in(parse: Callable[[], object]) -> list[str]:
    """What a parser that takes nothing finds wrong."""
    try:
        parse()
    except Refused as error:
        return sentences(error)
    return []


def sentences(error: Refused) -> list[str]:
    """The faults that an error carries."""
    return list(error.facts.get("faults", [str(error)]))


def unless(faults: Sequence[str], result: Any) -> Any:
    """The result, unless there are faults."""
    if faults:
        raise Refused("\n".join(faults), faults=list(faults))
    return result


def guess(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: what may have been meant."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; was {near[0]!r} meant?" if near else f"; there are {', '.join(sorted(known)) or 'none'}."


def text(value: Any, what: str) -> str:
    """One line of text, not empty."""
    if not isinstance(value, str) or not value or any(ord(letter) < 32 for letter in value):
        raise Refused(what, f"{value!r} is no line of text", "write one")
    return str(value)


def matching(pattern: str, right: str) -> Parser:
    """A text of a certain form; ``right`` says in the error what would be right."""

    def parse(value: Any, what: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise Refused(what, f"{value!r} does not serve", right)
        return str(value)

    return parse


def choice(*choices: str) -> Parser:
    """One of some words."""

    def parse(value: Any, what: str) -> str:
        if value not in choices:
            raise Refused(what, f"{value!r} is unknown", f"use one of {', '.join(choices)}")
        return str(value)

    return parse


def number(low: int, high: int) -> Parser:
    """A whole number, as a number or as text."""

    def parse(value: Any, what: str) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,12}", str(value)):
            raise Refused(what, f"{value!r} is no whole number", f"use one from {low} to {high}")
        if not low <= int(value) <= high:
            raise Refused(what, f"{value} is out of range", f"use a number from {low} to {high}")
        return int(value)

    return parse


def above_zero(parse: Callable[[Any, str], int]) -> Parser:
    """A size or duration that is not zero."""

    def above(value: Any, what: str) -> int:
        number = parse(value, what)
        if number == 0:
            raise Refused(what, "it is zero", "use a larger one, or leave the key out")
        return number

    return above


def label(value: Any, what: str) -> str:
    """A host name of one label."""
    return parse_label(str(value), what)


def list_of(parse: Parser) -> Parser:
    """A list, each value once."""

    def parse_all(value: Any, what: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Refused(what, f"{value!r} is no list", "write one, in brackets or with hyphens")
        faults: list[str] = []
        result: list[Any] = []
        for item in value:
            try:
                parsed = parse(item, what)
            except Refused as error:
                faults.extend(sentences(error))
                continue
            if parsed in result:
                faults.append(f"{what}: {item} stands there twice; write it once.")
            result.append(parsed)
        return tuple(unless(faults, result))

    return parse_all


def one_or_list_of(parse: Parser) -> Parser:
    """A list, or its only value by itself."""

    def parse_any(value: Any, what: str) -> tuple[Any, ...]:
        return tuple(list_of(parse)(value if isinstance(value, list | tuple) else [value], what))

    return parse_any


def record(table: Mapping[str, Parser], required: Sequence[str] = ()) -> Parser:
    """A mapping with known keys."""

    def parse(value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Refused(what, f"{value!r} is no mapping", f"use the keys {', '.join(table)}")
        faults = [
            f"{what}: there is no key {str(key)!r}{guess(str(key), table)}"
            for key in value
            if key not in table
        ]
        faults += [f"{what}: {key} is missing." for key in required if value.get(key) is None]
        result = {}
        for key, parse_one in table.items():
            if value.get(key) is not None:
                try:
                    result[key] = parse_one(value[key], f"{key} in {what}")
                except Refused as error:
                    faults.extend(sentences(error))
        return dict(unless(faults, result))

    return parse


def path(value: Any, what: str) -> str:
    """An absolute path."""
    if not text(value, what).startswith("/"):
        raise Refused(what, f"{value!r} is no absolute path", "begin it with /")
    return str(value)


def argv(value: Any, what: str) -> list[str]:
    """A program and its arguments."""
    if not isinstance(value, list | tuple) or not value:
        raise Refused(what, f"{value!r} is no list of words", "write the program and its arguments as a list")
    return [text(str(word), what) for word in value]


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Any mapping, as plain data."""
    if not isinstance(value, Mapping):
        raise Refused(what, f"{value!r} is no mapping", "write keys and values")
    return dict(plain(value))


def interface(value: Any, what: str) -> str:
    """An address with its prefix length."""
    return str(parse_interface(str(value), what))


def address(value: Any, what: str) -> str:
    """An address without prefix length."""
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError as error:
        raise Refused(what, f"{str(value)!r} is not an address", "write one such as 192.0.2.1") from error


def network(value: Any, what: str) -> str:
    """A network by its first address."""
    return str(parse_network(str(value), what))
