# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests of Proxmox VE, containers and virtual machines alike: what is wanted, what was found. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from .._core.errors import Refused
from .._core.plan import Hidden
from .._core.values import doubles, format_size, parse_duration, parse_size
from . import note, schema, table
from . import property as codec
from .schema import Field

Values: TypeAlias = "Mapping[str, Any]"
"""Values of a configuration by key, in normal form (see `table`)."""

STATES = ("present", "started", "stopped", "restarted", "template", "absent")
_DISK_STATES = ("present", "detached", "absent")
_SNAPSHOT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{1,39}")
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Kind:
    """In what containers and virtual machines differ.

    :param path: its word in the paths of the API, and the type in /cluster/resources.
    :param what: its word for people.
    :param name_key: the key of the configuration that holds its name.
    :param config: the table of its configuration, and ``create`` that of the call that makes one.
    :param disks: the keys which are disks, as a regular expression.
    :param volume: the part of a disk that names its volume.
    :param kept: parts that PVE makes up where none are given (the MAC address of a card), and which stay.
    :param fixed: keys that can be given to a new one only; ``needed`` those that none can be without.
    :param hidden: keys that are never shown; true where their presence is.
    :param move: the call that moves a disk to another storage, and the parameter that names the disk.
    :param verdict: what a change of a key asks of one that runs: ``live`` or ``restart``. It is given the
        key, both values in normal form (None: not set) and the running configuration.
    """

    path: str
    what: str
    name_key: str
    config: Mapping[str, Field]
    create: Mapping[str, Field]
    disks: re.Pattern[str]
    volume: str
    kept: tuple[str, ...]
    fixed: frozenset[str]
    needed: frozenset[str]
    hidden: Mapping[str, bool]
    move: tuple[str, str]
    verdict: Callable[[str, Any, Any, Values], str]

    def is_disk(self, key: str) -> bool:
        """Whether a key of the configuration is a disk."""
        return self.disks.fullmatch(key) is not None


@dataclass(frozen=True, slots=True)
class Partly:
    """Parts of a property string: those named here change, None removes one, all others stay."""

    parts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk as it is wanted.

    :param size: in bytes; None leaves it as it is.
    :param volume: an existing volume, a folder of the node, ``cloudinit`` or ``none``; empty for its own.
    :param image: the volume from which a new one is filled.
    """

    state: str = "present"
    storage: str = ""
    size: int | None = None
    volume: str = ""
    image: str = ""
    options: Partly = Partly({})


@dataclass(frozen=True, slots=True)
class Source:
    """What a new guest is made from.

    :param how: ``template``, ``clone``, ``backup``; empty for a virtual machine out of nothing.
    :param of: the volume, or the name or number of the guest.
    :param storage: where its disks go.
    :param full: whether a clone stands alone; None: linked to a template, full of any other guest.
    :param node: where it is made; it is not moved there afterwards.
    """

    how: str = ""
    of: str = ""
    storage: str = ""
    full: bool | None = None
    snapshot: str = ""
    pool: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is wanted, or a series of them.

    :param every: seconds; a new one of the series is made when the newest is as old.
    :param keep: how many of the series stay.
    """

    name: str = ""
    prefix: str = ""
    state: str = "present"
    description: str = ""
    memory: bool = False
    every: int | None = None
    keep: int | None = None


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest as it is wanted."""

    name: str = ""
    vmid: int | None = None
    state: str = "started"
    node: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    disks: Mapping[str, Disk] = field(default_factory=dict)
    secrets: Mapping[str, Hidden] = field(default_factory=dict)
    source: Source = Source()
    snapshots: tuple[Snapshot, ...] | None = None
    live: bool = True
    target_storage: str = ""
    apply: str = "now"
    timeout: int = 60

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or str(self.vmid)

    @property
    def birthplace(self) -> str:
        """The node on which it is made."""
        return self.node or self.source.node


@dataclass(frozen=True, slots=True)
class Wanted:
    """The guests of one task."""

    kind: Kind
    guests: tuple[Guest, ...]
    scope: str | None = None
    update_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A guest as the cluster lists it."""

    vmid: int
    kind: str
    name: str
    node: str
    template: bool = False
    lock: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A replication job of a guest, and the node that has its copies."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Found:
    """A guest as it is.

    :param running: whether it runs.
    :param token: what a restart changes: the number of its process.
    :param digest: of its configuration, which a change must name.
    :param configured: its configuration as it is written, with what waits for a start.
    :param live: the configuration with which it runs.
    :param snapshots: their names, where they are asked for.
    :param faults: why the node that is wanted cannot take it.
    :param local: whether it has disks that only its node has.
    :param jobs: its replication, where it is to go.
    """

    vmid: int
    node: str
    name: str
    running: bool = False
    template: bool = False
    lock: str = ""
    token: str = ""
    digest: str = ""
    configured: Values = field(default_factory=dict)
    live: Values = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    local: bool = False
    jobs: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """What was found.

    :param entries: every guest of the cluster.
    :param found: those of this task, by number.
    :param sources: the configuration of what new guests are made from, by label of the new one.
    :param nodes: the nodes that are up.
    :param free: numbers for new guests, in order.
    :param now: seconds since 1970.
    :param writes: how many changes were made over this connection: what shows that a secret was written.
    """

    entries: tuple[Entry, ...] = ()
    found: Mapping[int, Found] = field(default_factory=dict)
    sources: Mapping[str, Values] = field(default_factory=dict)
    nodes: frozenset[str] = frozenset()
    free: tuple[int, ...] = ()
    now: int = field(default=0, compare=False)
    writes: int = 0

    def named(self, guest: Guest) -> list[Entry]:
        """Those that a declaration may mean; more than one is for nobody to choose."""
        if guest.vmid is not None:
            return [entry for entry in self.entries if entry.vmid == guest.vmid]
        return [entry for entry in self.entries if entry.name == guest.name]

    def source_of(self, kind: Kind, guest: Guest) -> Entry | None:
        """The guest of which another is to be a clone; where both nodes have one, the one of its own node."""
        of = guest.source.of
        same = [each for each in self.entries if each.kind == kind.path and of in (each.name, str(each.vmid))]
        near = [each for each in same if each.node == guest.birthplace]
        return (near or same)[0] if len(near or same) == 1 else None

    def stable(self) -> Any:
        """Without what differs from run to run."""
        return [
            (entry, _stable(self.found[entry.vmid]) if entry.vmid in self.found else None)
            for entry in self.entries
        ]


def _stable(found: Found) -> Found:
    configured, live = map(_without_identity, (found.configured, found.live))
    names = (re.sub(r"\d{8}T\d{6}Z", "TIME", name) for name in found.snapshots)
    return replace(
        found, token="", digest="", configured=configured, live=live, snapshots=tuple(sorted(names))
    )


def _without_identity(values: Values) -> dict[str, Any]:
    """A configuration without what PVE makes up for each guest anew."""
    return {
        key: {part: each for part, each in value.items() if part not in ("hwaddr", "macaddr")}
        if isinstance(value, Mapping)
        else value
        for key, value in values.items()
        if key not in ("digest", "meta", "smbios1", "vmgenid")
    }


# -- what people write

_SOURCES: dict[str, Any] = {
    "clone": {"type": "str"},
    "backup": {"type": "str"},
    "full": {"type": "bool"},
    "snapshot": {"type": "str"},
    "storage": {"type": "str"},
    "pool": {"type": "str"},
    "node": {"type": "str"},
}
_SNAPSHOTS: dict[str, Any] = {
    "name": {"type": "str"},
    "prefix": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "description": {"type": "str"},
    "every": {"type": "str"},
    "keep": {"type": "int"},
}
_GUEST: dict[str, Any] = {
    "name": {"type": "str"},
    "vmid": {"type": "int"},
    "state": {"type": "str", "choices": list(STATES), "default": "started"},
    "node": {"type": "str"},
    "config": {"type": "dict", "default": {}},
    "disks": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "no_log": True},
    "target_storage": {"type": "str"},
    "apply": {"type": "str", "choices": ["now", "next_boot"], "default": "now"},
    "timeout": {"type": "int", "default": 60},
}


def guest_options(guest: dict[str, Any], source: dict[str, Any], snapshot: dict[str, Any]) -> dict[str, Any]:
    """The list of guests, with what a kind adds."""
    options = {
        **_GUEST,
        "source": {"type": "dict", "options": {**_SOURCES, **source}},
        "snapshots": {"type": "list", "elements": "dict", "options": {**_SNAPSHOTS, **snapshot}},
        **guest,
    }
    return {"guests": {"type": "list", "elements": "dict", "required": True, "options": options}}


def wanted_of(kind: Kind, options: Mapping[str, Any]) -> Wanted:
    """Options of a module to what is wanted; every fault at once, each naming guest and key.

    :raises Refused: with all of them.
    """
    if options.get("purge") and not options.get("scope"):
        raise Refused("purge", "it has no scope", "name the pattern of names within which it may remove")
    faults: list[Refused] = []
    guests = []
    for item in options["guests"]:
        try:
            guests.append(_guest(kind, item))
        except Refused as fault:
            faults.append(fault)
    names = [guest.name for guest in guests if guest.vmid is None]
    numbers = [str(guest.vmid) for guest in guests if guest.vmid is not None]
    for twice in doubles(names) + doubles(numbers):
        faults.append(Refused(f"{kind.what} {twice}", "it stands in the list twice", "write it once"))
    table.refuse(faults)
    scope = options.get("scope") if options.get("purge") else None
    return Wanted(kind, tuple(guests), scope, bool(options.get("update_secrets")))


def _guest(kind: Kind, item: Mapping[str, Any]) -> Guest:
    name, vmid = item.get("name") or "", item.get("vmid")
    if not name and vmid is None:
        raise Refused(f"a {kind.what}", "it has neither name nor vmid", "give one of them")
    what = f"{kind.what} {name or vmid}"
    faults: list[Refused] = []

    def each(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except Refused as fault:
            faults.append(fault)
            return None

    if vmid is not None and not 100 <= vmid <= 999_999_999:
        faults.append(
            Refused(f"vmid of {what}", f"{vmid} is out of range", "write one from 100 to 999999999")
        )
    if name:
        each(lambda: table.checked(kind.config, {kind.name_key: name}, what))
    if item.get("node"):
        each(lambda: schema.normal(_NODE, item["node"], f"node of {what}"))
    each(lambda: schema.normal(_SECONDS, item["timeout"], f"timeout of {what}"))
    source = each(lambda: _source(kind, item.get("source") or {}, what))
    config = each(lambda: _config(kind, item.get("config") or {}, what))
    disks = {
        key: each(functools.partial(_disk, kind, key, value, what))
        for key, value in (item.get("disks") or {}).items()
    }
    secrets = each(lambda: _secrets(kind, item.get("secrets") or {}, what))
    snapshots = item.get("snapshots")
    if snapshots is not None:
        snapshots = tuple(each(functools.partial(_snapshot, entry, what)) for entry in snapshots)
    if item.get("target_storage"):
        each(lambda: schema.normal(_STORAGE, item["target_storage"], f"target_storage of {what}"))
    table.refuse(faults)
    if name:
        config = {kind.name_key: name, **config}
    return Guest(
        name=name,
        vmid=vmid,
        state=item["state"],
        node=item.get("node") or "",
        config=config,
        disks=disks,
        secrets=secrets,
        source=source,
        snapshots=snapshots,
        live=item.get("live", True),
        target_storage=item.get("target_storage") or "",
        apply=item["apply"],
        timeout=item["timeout"],
    )


_NODE = Field(format="pve-node")
_SECONDS = Field("integer", low=0)
_STORAGE = Field(format="pve-storage-id")
_VOLUME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*:\S+|/.+")


def _volume(text: str, what: str) -> str:
    """The name of a volume, or the place of a file.

    :raises Refused: when it is neither.
    """
    if text and not _VOLUME.fullmatch(text):
        raise Refused(
            what, f"{text!r} is no volume", "write STORAGE:VOLUME, such as local:vztmpl/debian.tar.zst"
        )
    return text


def _source(kind: Kind, item: Mapping[str, Any], what: str) -> Source:
    ways = [way for way in ("template", "clone", "backup") if item.get(way)]
    if len(ways) > 1:
        raise Refused(f"source of {what}", f"it has {' and '.join(ways)}", "give one of them")
    if ways == ["template"] and "ostemplate" not in kind.create:
        raise Refused(f"source of {what}", "it cannot be made from an archive", "name an image in its disks")
    for key in ("full", "snapshot"):
        if item.get(key) is not None and ways != ["clone"]:
            raise Refused(f"source of {what}", f"{key} is of clones alone", "leave it out")
    for key in ("storage", "pool"):
        if item.get(key):
            schema.normal(kind.create[key], item[key], f"{key} in source of {what}")
    for key in ("template", "backup"):
        _volume(item.get(key) or "", f"{key} in source of {what}")
    return Source(
        how=ways[0] if ways else "",
        of=str(item[ways[0]]) if ways else "",
        storage=item.get("storage") or "",
        full=item.get("full"),
        snapshot=item.get("snapshot") or "",
        pool=item.get("pool") or "",
        node=item.get("node") or "",
    )


def _config(kind: Kind, config: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Declared keys in normal form; a mapping is `Partly` what it stands for."""
    places = {
        kind.name_key: "name",
        **dict.fromkeys(kind.hidden, "secrets"),
        "template": "state",
        **{key: "disks" for key in config if kind.is_disk(key)},
    }
    faults = [
        Refused(f"{key} of {what}", "it has a place of its own", f"write it in {places[key]}")
        for key in config
        if key in places
    ]
    if "lock" in config:
        faults.append(Refused(f"lock of {what}", "Proxmox VE itself sets and clears it", "leave it out"))
    if str(config.get("vmgenid")) == "1":
        remedy = "write a UUID, 0 for none, or leave it out"
        faults.append(Refused(f"vmgenid of {what}", "1 stands for another one in each run", remedy))
    rest = {key: value for key, value in config.items() if key not in (*places, "lock")}
    for key in sorted(key for key in kind.needed & set(rest) if rest[key] is None):
        faults.append(Refused(f"{key} of {what}", f"no {kind.what} is without it", "write a value"))
    result: dict[str, Any] = {}
    for key, value in rest.items():
        try:
            known = table.field_of(kind.config, key)
            if isinstance(value, Mapping) and known is not None and known.parts is not None:
                result[key] = _partly(value, known.parts, f"{key} of {what}")
            else:
                result |= table.checked(kind.config, {key: value}, what)
        except Refused as fault:
            faults.append(fault)
    table.refuse(faults)
    return result


def _partly(value: Mapping[str, Any], parts: Mapping[str, Field], what: str) -> Partly:
    """Some parts in normal form; None stays, it asks that the part go."""
    optional = _optional(tuple(parts.items()))
    given = codec.normal({key: part for key, part in value.items() if part is not None}, optional, what)
    gone = [key for key, part in value.items() if part is None]
    unknown = [key for key in gone if key not in parts]
    if unknown:
        raise Refused(what, f"there is no key '{unknown[0]}' in it", schema.meant(unknown[0], parts))
    return Partly({**given, **{parts[key].alias or key: None for key in gone}})


@functools.cache
def _optional(parts: tuple[tuple[str, Field], ...]) -> Mapping[str, Field]:
    return {key: replace(each, required=False, requires="") for key, each in parts}


_OWN = ("state", "storage", "size", "volume", "image")
"""The keys of a disk that are ours; all others are parts of PVE's own property string."""
_NO_VOLUMES = ("", "cloudinit", "none", "cdrom")
"""What may stand for the volume of a disk and is none."""


def _disk(kind: Kind, key: str, value: Any, what: str) -> Disk:
    what = f"{key} of {what}"
    known = table.field_of(kind.config, key)
    if not kind.is_disk(key) or known is None or known.parts is None:
        raise Refused(what, "there is no disk of that name", f"it matches {kind.disks.pattern}")
    item = {"state": "detached"} if value is None else value
    if not isinstance(item, Mapping):
        raise Refused(what, "it is no mapping", "write keys such as storage and size")
    if item.get("state", "present") not in _DISK_STATES:
        raise Refused(what, f"{item['state']!r} is no state", f"use one of {', '.join(_DISK_STATES)}")
    if item.get("volume") and item.get("image"):
        raise Refused(what, "it has volume and image", "give one of them")
    if item.get("image") and "import-from" not in known.parts:
        raise Refused(what, "it cannot be filled from an image", "leave image out")
    if item.get("size") is not None and key in ("efidisk0", "tpmstate0"):
        raise Refused(what, "it has the size that PVE gives it", "leave size out")
    if item.get("storage"):
        schema.normal(_STORAGE, item["storage"], f"storage of {what}")
    options = {name: part for name, part in item.items() if name not in _OWN}
    taken = {"volume", "file", "import-from", "size"} & set(options)
    if taken:
        raise Refused(what, f"{taken.pop()} has a word of its own here", "write volume, image or size")
    size, volume = item.get("size"), str(item.get("volume") or "")
    if volume not in _NO_VOLUMES:
        _volume(volume, f"volume of {what}")
    return Disk(
        item.get("state", "present"),
        item.get("storage") or "",
        None if size is None else parse_size(size, f"size of {what}"),
        volume,
        _volume(str(item.get("image") or ""), f"image of {what}"),
        _partly(options, known.parts, what),
    )


def _secrets(kind: Kind, secrets: Mapping[str, Any], what: str) -> dict[str, Hidden]:
    strange = [key for key in secrets if key not in kind.hidden]
    if strange:
        raise Refused(
            f"secrets of {what}", f"there is no key '{strange[0]}'", f"it has {', '.join(kind.hidden)}"
        )
    return {key: Hidden(str(value)) for key, value in secrets.items() if value is not None}


def _snapshot(item: Mapping[str, Any], what: str) -> Snapshot:
    name, prefix = item.get("name") or "", item.get("prefix") or ""
    if bool(name) == bool(prefix):
        raise Refused(f"a snapshot of {what}", "it needs either name or prefix", "give one of them")
    series = [key for key in ("every", "keep") if item.get(key) is not None]
    if name and series:
        raise Refused(f"snapshot {name} of {what}", f"{series[0]} is of a series", "give prefix, not name")
    if item.get("keep") is not None and item["keep"] < 1:
        raise Refused(f"keep of snapshots {prefix} of {what}", "it would keep none", "write at least 1")
    longest = 40 if name else 40 - len("20261120T181500Z")
    if not _SNAPSHOT.fullmatch(name or prefix) or len(name or prefix) > longest or name == "current":
        raise Refused(
            f"snapshot {name or prefix} of {what}",
            "that is no name for one",
            f"use a letter, then letters, digits, - and _, {longest} at most",
        )
    every = item.get("every")
    return Snapshot(
        name,
        prefix,
        item.get("state") or "present",
        item.get("description") or "",
        bool(item.get("memory")),
        None if every is None else parse_duration(every, f"every of snapshots {prefix} of {what}"),
        item.get("keep"),
    )


# -- values


def goal(kind: Kind, key: str, declared: Any, current: Any) -> Any:
    """What a key is to be: what was declared, with what stays of the value that it has.

    A mapping changes the parts that it names. A text is all of the value, but for what PVE made up itself.
    """
    if key == "description":
        return note.merged(declared, current)
    old = current if isinstance(current, Mapping) else {}
    if isinstance(declared, Partly):
        new = {**old, **declared.parts}
        return {part: value for part, value in new.items() if value is not None}
    if isinstance(declared, Mapping):
        return {**declared, **{part: old[part] for part in kind.kept if part in old and part not in declared}}
    return declared


def same(kind: Kind, key: str, new: Any, configuration: Values) -> bool:
    """Whether a configuration says of a key what it is to be; a key that is not set counts as its default."""
    return not table.drift(kind.config, {key: new}, configuration)


def shown(kind: Kind, key: str, value: Any) -> str:
    """A value as people see it."""
    if value is None:
        return "nothing"
    return str(table.wire(kind.config, {key: value})[key]).strip() or "nothing"


def volume_of(kind: Kind, value: Any) -> str:
    """The volume of a disk."""
    return str(value.get(kind.volume, "")) if isinstance(value, Mapping) else ""


def storage_of(kind: Kind, value: Any) -> str:
    """The storage of a disk; empty for a folder of the node and for an empty drive."""
    storage, colon, _rest = volume_of(kind, value).partition(":")
    return storage if colon and not storage.startswith("/") else ""


def size_of(value: Any) -> int | None:
    """The size of a disk in bytes, where its configuration tells it."""
    size = value.get("size") if isinstance(value, Mapping) else None
    return None if size is None else parse_size(size)


def is_cloudinit(kind: Kind, value: Any) -> bool:
    """Whether it is the drive that PVE makes for cloud-init."""
    return re.fullmatch(r".*[:/](vm-\d+-)?cloudinit(\.\w+)?", volume_of(kind, value)) is not None


def fresh_disk(kind: Kind, key: str, disk: Disk) -> dict[str, Any]:
    """The value that asks PVE for a new disk (``STORAGE:GIGABYTES``), or to take an existing volume."""
    options = {part: value for part, value in disk.options.parts.items() if value is not None}
    if disk.volume == "cloudinit":
        return {kind.volume: f"{disk.storage}:cloudinit", **options}
    if disk.volume:
        return {kind.volume: disk.volume, **options}
    if disk.image:
        return {kind.volume: f"{disk.storage}:0", "import-from": disk.image, **options}
    amount = disk.size / 1024**3 if disk.size is not None else 1
    return {kind.volume: f"{disk.storage}:{amount:.9g}", **options}


def disk_words(key: str, disk: Disk) -> str:
    """A new disk, for people."""
    if disk.volume and disk.volume != "cloudinit":
        return f"{key} of volume {disk.volume}"
    what = "for cloud-init" if disk.volume else f"filled from {disk.image}" if disk.image else ""
    size = "" if disk.size is None or disk.image else f"of {format_size(disk.size)}"
    return " ".join(word for word in ("new", key, size, what, f"on {disk.storage}") if word)


def configuration_of(text: str) -> Iterator[tuple[str, str]]:
    """The keys and values of a configuration file, such as a backup holds; snapshots are left out."""
    for line in text.splitlines():
        if line.startswith("["):
            return
        key, colon, value = line.partition(":")
        if colon and not key.startswith("#"):
            yield key.strip(), value.strip()


def join(words: Iterable[str]) -> str:
    """Words with commas, and an "and"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
