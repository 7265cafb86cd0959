# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ZFS as plain data: names, what a host's ZFS can do, properties and their meaning.

Pure. What zfs(8) and zpool(8) of a host can do is read from their own usage texts, which every
version prints: zfs-fuse 0.7, OpenZFS 2.1 to 2.4, FreeBSD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused
from .._core.values import format_size, parse_size

# zfs(8): 256 bytes with the final NUL.
MAX_NAME = 255
MAX_USER_VALUE = 8191

_COMPONENT = re.compile(r"[A-Za-z0-9_.:\- ]+")
_POOL = re.compile(r"(?!c[0-9])(?!mirror|raidz|draid|spare|(?:log|special|dedup)$)[A-Za-z][A-Za-z0-9_.:\- ]*")
_USER_PROPERTY = re.compile(r"[a-z0-9:._-]*:[a-z0-9:._-]*")
_NATIVE_PROPERTY = re.compile(r"[a-z][a-z0-9_]*|[a-z]+@.+")

SIZES = frozenset({
    "quota", "refquota", "reservation", "refreservation",
    "recordsize", "volblocksize", "volsize", "special_small_blocks", "dnodesize",
})  # fmt: skip
COUNT_LIMITS = frozenset({"filesystem_limit", "snapshot_limit"})
# zfs(8): given when a dataset is made, read-only ever after.
CREATION_ONLY = frozenset({
    "casesensitivity", "normalization", "utf8only", "volblocksize", "encryption", "keyformat", "pbkdf2iters",
})  # fmt: skip
# zfs(8): properties that are not inherited, and the value which clears them.
_CLEARED = {
    "quota": "none", "refquota": "none", "reservation": "none", "refreservation": "none",
    "filesystem_limit": "none", "snapshot_limit": "none", "canmount": "on",
}  # fmt: skip
_QUOTA = re.compile(r"(user|group|project)(obj)?quota@.+")
_UNLIMITED = str(2**64 - 1)
# Two spellings that zfs stores as one value.
_ALIASES = {
    ("compression", "gzip-6"): "gzip",
    ("compression", "zstd-3"): "zstd",
    ("compression", "zstd-fast-1"): "zstd-fast",
    ("acltype", "posixacl"): "posix",
    ("acltype", "noacl"): "off",
    ("aclinherit", "secure"): "restricted",
    ("volmode", "geom"): "full",
}
_SWITCH = {"yes": "on", "true": "on", "no": "off", "false": "off"}


def check_pool_name(name: str, what: str = "pool") -> str:
    """The name, if zpool(8) takes it.

    :raises Refused: when it does not.
    """
    if len(name) > MAX_NAME or not _POOL.fullmatch(name) or name.endswith(" "):
        raise Refused(
            what,
            f"{name!r} is not a pool name",
            "begin with a letter, use letters, digits, - _ . : and none of the reserved words "
            "(mirror, raidz, draid, spare, log, c0 …)",
        )
    return name


def check_dataset_name(name: str, what: str = "dataset") -> str:
    """The name, if zfs(8) takes it: POOL/COMPONENT/COMPONENT.

    :raises Refused: when it does not, with what is wrong.
    """
    wrong = _fault_of_name(name)
    if wrong:
        raise Refused(what, f"{name!r} is no dataset name, {wrong}", "write one such as tank/machines/ssa")
    check_pool_name(name.split("/")[0], what)
    return name


def check_snapshot_name(name: str, what: str = "snapshot") -> tuple[str, str]:
    """Dataset and snapshot of DATASET@SNAPSHOT.

    :raises Refused: when it is none.
    """
    dataset, at, snapshot = name.partition("@")
    if not at or not _COMPONENT.fullmatch(snapshot) or len(name) > MAX_NAME:
        raise Refused(what, f"{name!r} is no snapshot name", "write one such as tank/images/debian-13@base")
    return check_dataset_name(dataset, what), snapshot


def _fault_of_name(name: str) -> str:
    if len(name) > MAX_NAME:
        return f"it is longer than {MAX_NAME} characters"
    for component in name.split("/"):
        if not component:
            return "it has an empty component"
        if component in (".", ".."):
            return f"{component} stands for nothing in it"
        if not _COMPONENT.fullmatch(component):
            bad = next(letter for letter in component if not _COMPONENT.fullmatch(letter))
            return f"{bad!r} is not allowed in it"
    return ""


def parent_of(name: str) -> str:
    """The dataset above; empty for a pool's own."""
    return name.rpartition("/")[0]


def ancestors_of(name: str) -> Iterator[str]:
    """The datasets above, from the nearest to the pool's own."""
    while name := parent_of(name):
        yield name


def below(name: str, root: str) -> bool:
    """Whether a dataset lies anywhere below another."""
    return name.startswith(f"{root}/")


def pool_of(name: str) -> str:
    """The pool of a dataset or snapshot."""
    return re.split("[/@#]", name, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class PropertyKind:
    """One line of the property table that zfs(8) and zpool(8) print with their usage.

    :param values: the values as printed, such as ``on | off`` or ``<size> | none``.
    """

    editable: bool
    inheritable: bool
    values: str

    @property
    def choices(self) -> tuple[str, ...]:
        """All values, when the table lists them all; else none."""
        words = tuple(word.strip() for word in self.values.split(" | "))
        return () if len(words) < 2 or any("<" in word or " " in word for word in words) else words

    def takes(self, value: str) -> bool:
        """Whether the table lets this value through; what it leaves open is taken."""
        if "power of 2" in self.values:
            return _power_of_two(value, self.values)
        return not self.choices or any(_chosen(value, choice) for choice in self.choices)


def _chosen(value: str, choice: str) -> bool:
    """Whether a value is one that a word of the table means ("gzip-[1-9]", "sha256[,verify]")."""
    head, bracket, rest = choice.partition("[")
    if not bracket:
        return value == choice
    body = rest.rstrip("]")
    if body.startswith(","):
        return value in (head, head + body)
    if not value.startswith(head) or not value[len(head) :].isdigit():
        return False
    number = int(value[len(head) :])
    for part in body.split(","):
        low, _unused, high = part.partition("-")
        if int(low) <= number <= int(high or low):
            return True
    return False


def _power_of_two(value: str, values: str) -> bool:
    size = parse_size(value)
    if size == 0:
        return values.startswith("zero or ")
    low, high = (parse_size(text) for text in re.findall(r"(\d+\w?) to (\d+\w?)", values)[0])
    # OpenZFS prints 1M and takes 16M where the pool has large blocks.
    return low <= size <= (high if high < 2**20 else 16 * 2**20) and size & (size - 1) == 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the ZFS of one host can do, by what its commands say of themselves.

    The default is a current OpenZFS of which nothing was asked: what check mode assumes where
    the tools are still missing.

    :param version: of OpenZFS; None for zfs-fuse, which cannot tell.
    :param options: per command of zfs(8) the letters of its options; the aliases recv and snap
        are known by their long names.
    :param properties: the table of dataset properties; empty when it is not known.
    """

    version: tuple[int, ...] | None = (2, 3)
    freebsd: bool = False
    options: Mapping[str, frozenset[str]] = field(default_factory=dict)
    set_many: bool = True
    snapshot_many: bool = True
    properties: Mapping[str, PropertyKind] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether the host was asked; False where its tools are missing."""
        return bool(self.options)

    def can(self, command: str, options: str = "") -> bool:
        """Whether zfs(8) has a command, and all these letters among its options."""
        return not self.known or (command in self.options and set(options) <= self.options[command])

    @property
    def volumes(self) -> bool:
        """Whether there are volumes: zfs-fuse offers them and aborts."""
        return self.version is not None

    @property
    def holds(self) -> bool:
        """Whether ``zfs holds`` answers: zfs-fuse offers it and needs a program that nobody has."""
        return self.can("holds", "H")

    @property
    def get_types(self) -> bool:
        """Whether ``zfs get`` takes -t."""
        return self.can("get", "t")

    @property
    def list_parsable(self) -> bool:
        """Whether ``zfs list`` takes -p."""
        return self.can("list", "p")

    def property_kind(self, name: str) -> PropertyKind | None:
        """What the table says of a property; None for one that it does not have."""
        return self.properties.get(f"{name.partition('@')[0]}@..." if "@" in name else name)

    def objection(self, name: str, value: str | None) -> str:
        """Why this host's ZFS would not take a property; empty when it would.

        :param value: None for "inherit".
        """
        if is_user_property(name) or not self.properties:
            return ""
        kind = self.property_kind(name)
        if kind is None:
            return f"this host's ZFS has no property {name}"
        if not kind.editable and name not in CREATION_ONLY:
            return f"{name} is a figure that ZFS tells, it cannot be set"
        if value is not None and not any(map(kind.takes, _words(name, spelled(name, value)))):
            return f"this host's ZFS takes for {name} only {kind.values}, not {value}"
        return ""


def _words(name: str, value: str) -> tuple[str, str]:
    """A value, and the word under which the table of a property may have it."""
    return value, _ALIASES.get((name, value), value)


def parse_capabilities(usage: str, table: str, version: str) -> Capabilities:
    """Capabilities from the texts that a host's zfs(8) prints.

    :param usage: of ``zfs`` alone.
    :param table: of ``zfs get`` alone.
    :param version: of ``zfs version``; empty where there is no such command.
    """
    synopses = _synopses(usage)
    number = re.search(r"zfs-(\d+(?:\.\d+)*)", version)
    return Capabilities(
        version=tuple(int(part) for part in number[1].split(".")) if number else None,
        freebsd="FreeBSD" in version,
        options=parse_options(usage),
        set_many="<property=value> ..." in synopses.get("set", ""),
        snapshot_many="<snap> ..." in synopses.get("snapshot", ""),
        properties=parse_property_table(table),
    )


def parse_options(usage: str) -> dict[str, frozenset[str]]:
    """Per command the letters of its options, from a usage text of zfs(8) or zpool(8)."""
    return {name: frozenset("".join(_LETTERS.findall(text))) for name, text in _synopses(usage).items()}


_LETTERS = re.compile(r"(?<![-\w])-\[?([A-Za-z]+)")
_ROW = re.compile(r"\t(?P<name>[a-z]\S*)\s+(?P<edit>YES|NO)(?:\s+(?P<inherit>YES|NO))?\s{3}(?P<values>.+)")


def _synopses(usage: str) -> dict[str, str]:
    """The lines of a usage text by command; a line that begins with blanks continues the one before."""
    found: dict[str, str] = {}
    command = ""
    for line in usage.splitlines():
        if not line.startswith("\t"):
            continue
        words = line[1:]
        if not words.startswith(" "):
            command = words.split()[0]
        found[command] = f"{found.get(command, '')} {words.strip()}"
    return found


def parse_property_table(text: str) -> dict[str, PropertyKind]:
    """The property table of a usage text, of ``zfs get`` or ``zpool get``."""
    return {
        match["name"]: PropertyKind(match["edit"] == "YES", match["inherit"] == "YES", match["values"])
        for match in map(_ROW.fullmatch, text.splitlines())
        if match
    }


@dataclass(frozen=True, slots=True)
class Property:
    """The value of a property, and where it comes from.

    :param source: ``local``, ``received``, ``inherited``, ``default``, ``temporary``, or empty
        for what is neither (figures, and user properties that are not set).
    """

    value: str
    source: str

    @property
    def own(self) -> bool:
        """Whether it was given to this very dataset."""
        return self.source in ("local", "received")


def parse_properties(text: str) -> dict[str, dict[str, Property]]:
    """What ``zfs get -Hp -o name,property,value,source`` printed, by dataset and property.

    User properties that are not set are left out. A value may hold tabs, it is never escaped.
    """
    found: dict[str, dict[str, Property]] = {}
    # Not splitlines(): a value may hold separators which only Python takes for the end of a line.
    for line in text.split("\n"):
        if line.count("\t") < 3:
            continue
        name, key, rest = line.split("\t", 2)
        value, source = rest.rsplit("\t", 1)
        source = "inherited" if source.startswith("inherited") else source.replace("-", "")
        of_dataset = found.setdefault(name, {})
        if (key, source) == ("readonly", "temporary"):
            # That of the mount, which is not as the file system has it. zfs-fuse says so of every one that is
            # mounted, and lets nothing be written all the same.
            value = "off" if value == "on" else "on"
        if source or not is_user_property(key):
            of_dataset[key] = Property(value, source)
    return found


def is_user_property(name: str) -> bool:
    """Whether a property is one that people made up (zfs(8): it has a colon)."""
    return ":" in name and "@" not in name.partition(":")[0]


def cleared_value(name: str) -> str | None:
    """The value which takes a property back that is not inherited (zfs(8)); None for one that is."""
    return "none" if _QUOTA.fullmatch(name) else _CLEARED.get(name)


def check_property(name: str, value: Any, what: str) -> str | None:
    """A declared property value as text, as far as it can be judged without a host.

    :param value: what was written in YAML; None means "inherit".
    :raises Refused: when no ZFS would take it.
    """
    if not (_USER_PROPERTY if is_user_property(name) else _NATIVE_PROPERTY).fullmatch(name):
        raise Refused(what, f"{name!r} is no property", "write its name as zfs(8) does, in lower case")
    if value is None:
        return None
    if isinstance(value, bool) and is_user_property(name):
        raise Refused(f"{name} of {what}", f"{value} is no text", "put it in quotes")
    text = ("on" if value else "off") if isinstance(value, bool) else str(value)
    if not text or re.search(r"[\t\n\0]", text):
        raise Refused(f"{name} of {what}", f"{text!r} is no value", "write text without tabs or line breaks")
    if is_user_property(name):
        if len(text.encode()) > MAX_USER_VALUE:
            raise Refused(f"{name} of {what}", f"it is longer than {MAX_USER_VALUE} bytes", "shorten it")
        return text
    if _is_size(name) and text not in ("none", "auto", "legacy"):
        parse_size(text, f"{name} of {what}")
    if name in COUNT_LIMITS and not text.isdigit() and text != "none":
        raise Refused(f"{name} of {what}", f"{text!r} is no number", "write a number or none")
    if name == "mountpoint" and text not in ("none", "legacy") and not text.startswith("/"):
        raise Refused(f"{name} of {what}", f"{text!r} is no absolute path", "write a path, none or legacy")
    return text


def spelled(name: str, value: str) -> str:
    """A declared value as it is given to zfs(8): sizes to the byte, switches as on and off."""
    if is_user_property(name):
        return value
    if _is_size(name) and value[:1].isdigit() and name != "dnodesize":
        return str(parse_size(value, name))
    return _SWITCH.get(value, value)


def meaning(name: str, value: str, version: tuple[int, ...] | None = None) -> str:
    """What a value means: equal for two values exactly when ZFS makes no difference between them.

    Law: idempotent, and ``meaning(spelled(v)) == meaning(v)``.

    :param version: of the host's ZFS (`Capabilities.version`).
    """
    if is_user_property(name):
        return value
    value = _SWITCH.get(value, value)
    if _is_size(name):
        if value == "none":
            return "0"
        return str(parse_size(value, name)) if value[:1].isdigit() else value
    if name in COUNT_LIMITS:
        return "none" if value == _UNLIMITED else value
    if name == "mountpoint" and value.startswith("/"):
        return "/" + "/".join(part for part in value.split("/") if part)
    if name == "xattr" and value == "on":
        # zfsprops(7): "on" became another word for "sa" with OpenZFS 2.3.
        return "sa" if version and version >= (2, 3) else "dir"
    return _ALIASES.get((name, value), value)


def shown(name: str, value: str) -> str:
    """A value for people: sizes with their unit."""
    if _is_size(name):
        count = meaning(name, value)
        if count == "0" and (cleared_value(name)):
            return "none"
        return format_size(int(count)) if count.isdigit() else count
    return meaning(name, value) if name in COUNT_LIMITS else _SWITCH.get(value, value)


def _is_size(name: str) -> bool:
    return name in SIZES or bool(_QUOTA.fullmatch(name))
