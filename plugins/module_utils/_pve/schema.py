# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Proxmox VE accepts under one name, and values by their meaning. Pure.

The tables in ``tables/`` are made of `Field`, out of the schema of the API (tests/gates/pve_tables.py).
What a value means follows PVE::JSONSchema (pve-common): booleans, sizes, lists with any of the separators
``, ; blank NUL``, patterns that must match as a whole.
"""

from __future__ import annotations

import difflib
import functools
import ipaddress
import math
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._core.errors import Refused
from .._core.values import parse_bool, parse_size

Value: TypeAlias = "bool | int | float | str | list[Any] | dict[str, Any]"
"""A value in normal form: a list for lists, a dict for property strings."""


@dataclass(frozen=True, slots=True)
class Field:
    """What is accepted under one name.

    :param kind: ``string``, ``boolean``, ``integer``, ``number`` or ``array``.
    :param choices: all values that a string may have; empty for any.
    :param low: least number; ``high`` the greatest.
    :param longest: how many characters a string may have.
    :param pattern: a regular expression that it must match as a whole.
    :param format: the name that PVE has for its format, such as ``pve-vmid`` or ``pve-node-list``.
    :param default: what it counts as when it is not set, if the schema says so.
    :param required: whether it must be given.
    :param parts: of a property string, what it may hold.
    :param requires: of one part, the other that it cannot be without.
    :param separated: whether it is a list with ``;`` inside a property string.
    :param bare: whether it stands in a property string without its name.
    :param alias: the name that is meant by this one.
    :param private: whether a password may stand in it, before an ``@``: that is never shown.
    :param key_alias: the name whose value this name is: ``virtio=MAC`` is ``model=virtio,macaddr=MAC``.
    """

    kind: str = "string"
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    longest: int | None = None
    pattern: str = ""
    format: str = ""
    default: bool | int | float | str | None = None
    required: bool = False
    parts: Mapping[str, Field] | None = None
    requires: str = ""
    separated: bool = False
    bare: bool = False
    private: bool = False
    alias: str = ""
    key_alias: str = ""

    @property
    def is_list(self) -> bool:
        """Whether it is a list in a string."""
        return self.format.endswith("-list")

    @property
    def is_ordered(self) -> bool:
        """Whether the order of the list means something: that of addresses and domains does."""
        return self.format in _ORDERED


_ORDERED = {"address-list", "ip-list", "dns-name-list", "lxc-ip-with-ll-iface-list"}
# Of lists inside property strings, those whose order means something: boot devices, functions of one device.
ORDERED_PARTS = {"order", "host", "path"}
_WORD = r"[A-Za-z][A-Za-z0-9_-]*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
# The formats of PVE::JSONSchema that say something; what is not here is PVE's to judge.
_FORMATS: Mapping[str, tuple[str, str]] = {
    "pve-vmid": (r"[1-9][0-9]{2,8}", "a number from 100 to 999999999"),
    "pve-node": (_LABEL, "the name of a node"),
    "pve-configid": (rf"{_WORD}", "a letter, then letters, digits, - and _"),
    "pve-storage-id": (r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]", "a letter, then letters, digits, -, _ and ."),
    "pve-poolid": (r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+){0,2}", "letters, digits, . _ -, up to 3 levels"),
    "dns-name": (rf"{_LABEL}(?:\.{_LABEL})*", "a host name"),
    "mac-addr": (r"[0-9A-Fa-f][02468ACEace](?::[0-9A-Fa-f]{2}){5}", "a MAC address, BC:24:11:00:00:01"),
    "disk-size": (r"[0-9]+(?:\.[0-9]+)?[KMGT]?", "a size such as 8G"),
    "pve-userid": (r"[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+", "a name and its realm such as root@pam"),
    "pve-tag": (r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", "letters, digits, _, -, + and ."),
}  # fmt: skip
_ADDRESSES: Mapping[str, Any] = {
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "ip": ipaddress.ip_address,
    "CIDR": ipaddress.ip_interface,
}


def public(text: str) -> str:
    """The text of a private field as people may see it: ``http://********@proxy:3128``."""
    return re.sub(r"^(\w+://)?.*@", r"\1********@", text, flags=re.DOTALL)


def meant(word: str, words: Iterable[str]) -> str:
    """``; was 'X' meant?`` when there is one that looks like it."""
    near = difflib.get_close_matches(word, sorted(words), 1)
    return f"was '{near[0]}' meant?" if near else ""


def normal(field: Field, value: Any, what: str) -> Value:
    """A value that somebody gives, in normal form. Not for property strings: see `property`.

    :param what: the thing and its key, for the error.
    :raises Refused: when PVE would refuse it.
    """
    if field.kind == "boolean":
        return parse_bool(value, what)
    if field.kind in ("integer", "number"):
        return _number(field, value, what)
    if field.is_list:
        items = value if isinstance(value, (list, tuple)) else [value]
        words = [
            _string(field, field.format.removesuffix("-list"), word, what)
            for item in items
            for word in split(_text(field, item))
        ]
        return words if field.is_ordered else [*dict.fromkeys(words)]
    if field.separated and isinstance(value, (list, tuple)):
        value = ";".join(str(word) for word in value)
    if isinstance(value, (list, tuple, dict)):
        raise Refused(what, "it takes one value, not several", "write a text")
    return _string(field, field.format, value, what)


def split(text: str) -> list[str]:
    """The words of a list as PVE::Tools::split_list takes it apart."""
    return [word for word in re.split(r"[,;\s\0]+", text) if word]


def _number(field: Field, value: Any, what: str) -> int | float:
    noun = "a whole number" if field.kind == "integer" else "a number"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Refused(what, f"{value!r} is not {noun}")
    try:
        number = float(value)
    except ValueError as error:
        raise Refused(what, f"{value!r} is not {noun}") from error
    if not math.isfinite(number) or (field.kind == "integer" and not number.is_integer()):
        raise Refused(what, f"{value!r} is not {noun}")
    if field.low is not None and number < field.low:
        raise Refused(what, f"{value} is too small", f"it begins at {field.low}")
    if field.high is not None and number > field.high:
        raise Refused(what, f"{value} is too large", f"it ends at {field.high}")
    return int(number) if number.is_integer() else number


def _string(field: Field, format_: str, value: Any, what: str) -> str:
    text = _text(field, value)
    if field.choices and text not in field.choices:
        remedy = meant(text, field.choices) or f"use one of {', '.join(field.choices)}"
        raise Refused(what, f"{text!r} is not one of its values", remedy)
    if field.longest is not None and len(text) > field.longest:
        raise Refused(what, f"it has {len(text)} characters", f"use at most {field.longest}")
    # An empty text is what PVE takes for "not set" where it takes it at all.
    if text and field.pattern and not re.fullmatch(field.pattern, text):
        said = public(text) if field.private else text
        raise Refused(what, f"{said!r} does not match {field.pattern}")
    if text and format_ in _FORMATS and not re.fullmatch(_FORMATS[format_][0], text):
        raise Refused(what, f"{text!r} is not valid", f"write {_FORMATS[format_][1]}")
    if text and format_ in _ADDRESSES and not _is_address(format_, text):
        raise Refused(what, f"{text!r} is not an address of that kind", f"it takes {format_}")
    return text


def _text(field: Field, value: Any) -> str:
    """A text; YAML has made booleans of ``on`` and ``no``, and numbers of much else."""
    if isinstance(value, bool):
        words = ("on", "yes", "1") if value else ("off", "no", "0")
        return next((word for word in words if word in field.choices), words[-1])
    return str(value)


def _is_address(format_: str, text: str) -> bool:
    try:
        _ADDRESSES[format_](text)
    except ValueError:
        return False
    return True


def lenient(field: Field, value: Any) -> Value:
    """What PVE itself answers, in normal form: what does not fit the table is kept as it is."""
    try:
        return normal(field, value, "")
    except Refused:
        return value


def same(name: str, field: Field, left: Any, right: Any) -> bool:
    """Whether two values in normal form mean the same."""
    return bool(_meaning(name, field, left) == _meaning(name, field, right))


def _meaning(name: str, field: Field, value: Any) -> Any:
    if isinstance(value, list):
        return value if field.is_ordered else sorted(map(str, value))
    if not isinstance(value, str):
        return value
    if field.separated and name not in ORDERED_PARTS:
        return sorted(set(value.split(";")))
    return _meaning_of_text(field.format, value)


@functools.cache
def _meaning_of_text(format_: str, text: str) -> Any:
    if format_ == "disk-size":
        try:
            return parse_size(text)
        except Refused:
            return text
    if format_ == "mac-addr":
        return text.upper()
    if format_ == "urlencoded":
        return urllib.parse.unquote(text).strip()
    if format_ in ("ipv6", "pve-ipv6-config"):
        return text.lower()
    # Containers, nodes and the datacenter get a newline behind their description, virtual machines do not.
    return text.rstrip("\n")


def printed(field: Field, value: Value) -> str:
    """A value in normal form as PVE takes it."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return ",".join(str(word) for word in value)
    if field.format == "urlencoded" and re.search(r"\s", str(value)):
        return urllib.parse.quote(str(value), safe="")
    return str(value)
