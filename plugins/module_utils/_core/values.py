# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values as people write them, and their meaning: sizes, durations, booleans, names, addresses.

Pure. The laws are stated at each function and held by the property tests.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TypeAlias

from .errors import Refused

Interface: TypeAlias = "ipaddress.IPv4Interface | ipaddress.IPv6Interface"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

_UNITS = "KMGTPE"
_SIZE = re.compile(r"(?P<number>\d+)(?P<fraction>\.\d+)?(?P<unit>[KMGTPE]?)(?:I?B)?", re.IGNORECASE)
_DURATION = re.compile(r"(?P<number>\d+)(?P<unit>[smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TRUE = frozenset({"1", "on", "true", "y", "yes"})
_FALSE = frozenset({"0", "off", "false", "n", "no"})
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def parse_size(value: str | int, what: str = "size") -> int:
    """A size in bytes; units are powers of 1024, as in zfs(8) ("8G", "1.5T", "512", "64KiB").

    Law: ``parse_size(format_size(n)) == n``.

    :param what: the thing whose size it is, for the error.
    :raises Refused: when it is no size, or no whole number of bytes.
    """
    text = str(value).strip()
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Refused(what, f"{text!r} is not a size", "write a number and a unit, such as 8G or 512M")
    factor: int = 1024 ** (_UNITS.index(match["unit"].upper()) + 1) if match["unit"] else 1
    digits = (match["fraction"] or ".")[1:]
    scaled = int(match["number"] + digits) * factor
    parts: int = 10 ** len(digits)
    whole, rest = divmod(scaled, parts)
    if rest:
        raise Refused(what, f"{text!r} is no whole number of bytes", "write it in a smaller unit")
    return whole


def format_size(count: int) -> str:
    """A number of bytes in the largest unit that holds it exactly ("8G", "1536M", "1000")."""
    unit = ""
    for larger in _UNITS:
        if count == 0 or count % 1024:
            break
        count, unit = count // 1024, larger
    return f"{count}{unit}"


def human_size(count: float) -> str:
    """A number of bytes for people, to three digits ("1.46M")."""
    for unit in ("", *_UNITS):
        if abs(count) < 1000 or unit == _UNITS[-1]:
            return f"{count:.3g}{unit}"
        count /= 1024
    raise AssertionError("unreachable")


def parse_duration(value: str | int, what: str = "duration") -> int:
    """A duration in seconds ("15m", "2h", "90", "1d").

    Law: ``parse_duration(format_duration(n)) == n``.

    :raises Refused: when it is no duration.
    """
    text = str(value).strip()
    match = _DURATION.fullmatch(text)
    if match is None:
        raise Refused(what, f"{text!r} is not a duration", "write a number and a unit, such as 15m or 2h")
    return int(match["number"]) * _SECONDS[match["unit"]]


def format_duration(seconds: int) -> str:
    """Seconds in the largest unit that holds them exactly ("15m", "90s")."""
    for unit in "wdhm":
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def parse_bool(value: str | bool | int, what: str = "switch") -> bool:
    """A switch as the tools underneath write it: on, yes, true, 1 and their opposites.

    :raises Refused: when it is none of them.
    """
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Refused(what, f"{value!r} is neither on nor off", "write yes or no")


def parse_interface(value: str, what: str = "address") -> Interface:
    """An address with its prefix length ("192.0.2.21/24", "2001:db8::21/64").

    :raises Refused: when it is none, or its prefix length is missing.
    """
    text = str(value).strip()
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError as error:
        raise Refused(what, f"{text!r} is not an address", "write one such as 192.0.2.21/24") from error
    if "/" not in text:
        raise Refused(
            what, f"{text!r} has no prefix length", f"write {text}/{24 if interface.version == 4 else 64}"
        )
    return interface


def parse_network(value: str, what: str = "network") -> Network:
    """A network by its first address ("192.0.2.0/24").

    :raises Refused: when it is none, or host bits are set.
    """
    text = str(value).strip()
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise Refused(
            what, f"{text!r} is not a network ({error})", "write one such as 192.0.2.0/24"
        ) from error


def parse_label(value: str, what: str = "name") -> str:
    """A name that is a host name too: one label of RFC 1123, in lower case.

    :raises Refused: when it is none.
    """
    if not _LABEL.fullmatch(value):
        raise Refused(
            what,
            f"{value!r} is not a host name",
            "use up to 63 lower-case letters, digits and hyphens, with no hyphen at either end",
        )
    return value


def parse_numbers(value: str, what: str = "list") -> frozenset[int]:
    """Processors, or nodes of memory, in the list form of kernels: ``0-2,5``.

    :raises Refused: when it is no such list.
    """
    if not re.fullmatch(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", value):
        raise Refused(what, f"{value!r} is no list of numbers", "write one such as 0-1,3")
    spans = (part.partition("-") for part in value.split(","))
    return frozenset(
        number for first, _dash, last in spans for number in range(int(first), int(last or first) + 1)
    )


def print_numbers(numbers: Iterable[int]) -> str:
    """The shortest such list. Law: ``parse_numbers(print_numbers(n)) == n`` for those that are not empty."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def doubles(values: Iterable[str]) -> list[str]:
    """Those values that occur more than once, sorted."""
    seen: set[str] = set()
    twice: set[str] = set()
    for value in values:
        (twice if value in seen else seen).add(value)
    return sorted(twice)
