# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ZFS in memory: zfs(8), zpool(8) and the probes for signatures of disks, as one state machine.

Rests on these facts: zfs-fuse 0.7.0 of Debian (pool version 23) run by hand, and the usage texts of
OpenZFS 2.1.11 and 2.3.9, all kept under fixtures/zfs; messages of OpenZFS from its sources. The same
law cases run against the real zfs-fuse (tests/integration/test_zfs_laws.py).

Its lies are those of the real thing:

* zfs-fuse sets the first of several properties of one ``zfs set`` and then fails over the second;
* ``zfs create`` below a read-only file system exits 1 and has created the file system;
* unmounting a file system takes those mounted below it along;
* a mount point that changes from none mounts the file system and its children;
* zfs-fuse does not rename what is mounted, it says that it is busy;
* zfs-fuse goes on unmounting after its answer: the next mount, rename or destroy finds it busy;
* ``zfs destroy -r`` which finds a busy dataset has destroyed those before it;
* zfs-fuse says of a mounted file system that is read-only that its mount is not (``off``, ``temporary``);
* zfs-fuse makes a pool on a disk that holds another file system, without a word;
* ``zfs list`` and ``zfs get`` answer in the order of names, not in that of the question;
* an unset user property has the value ``-`` and no source.
"""

from __future__ import annotations

import functools
import getopt
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output

from .memory import MemoryHost, answered

FIXTURES = Path(__file__).parent / "fixtures" / "zfs"
FLAVOURS = ("fuse", "openzfs-2.1", "openzfs-2.3")
UNITS = "KMGTPE"

DEFAULTS = {
    "quota": "0", "reservation": "0", "refquota": "0", "refreservation": "0", "recordsize": "131072",
    "sharenfs": "off", "sharesmb": "off", "checksum": "on", "compression": "off", "atime": "on",
    "devices": "on", "exec": "on", "setuid": "on", "readonly": "off", "zoned": "off", "snapdir": "hidden",
    "aclinherit": "restricted", "aclmode": "discard", "canmount": "on", "xattr": "on", "copies": "1",
    "utf8only": "off", "normalization": "none", "casesensitivity": "sensitive", "primarycache": "all",
    "secondarycache": "all", "logbias": "latency", "dedup": "off", "sync": "standard", "acltype": "off",
    "filesystem_limit": "none", "snapshot_limit": "none", "volblocksize": "8192", "jailed": "off",
}  # fmt: skip
FIGURES = {"type", "creation", "used", "available", "referenced", "mounted", "origin", "guid", "createtxg",
           "userrefs", "written", "usedbysnapshots", "name"}  # fmt: skip
STORED_AS = {("compression", "gzip-6"): "gzip"}
LIMITS = {"quota", "refquota", "reservation", "refreservation"}


class Said(Exception):
    """A command's refusal."""

    def __init__(self, err: str, rc: int = 1, out: str = "") -> None:
        super().__init__(err)
        self.err, self.rc, self.out = err, rc, out


@dataclass
class Dataset:
    """A file system or volume. ``content`` is what it holds, whatever a test takes for data."""

    kind: str = "filesystem"
    txg: int = 0
    guid: int = 0
    mounted: bool = False
    origin: str = ""
    local: dict[str, str] = field(default_factory=dict)
    received: dict[str, str] = field(default_factory=dict)
    content: str = ""


@dataclass
class Snapshot:
    """What a dataset held once."""

    txg: int
    guid: int
    creation: int
    content: str = ""
    holds: dict[str, int] = field(default_factory=dict)
    local: dict[str, str] = field(default_factory=dict)


@dataclass
class Pool:
    """A pool: groups of (role, type, devices), where role is empty, logs, cache or spares."""

    vdevs: list[tuple[str, str, tuple[str, ...]]]
    properties: dict[str, str] = field(default_factory=dict)
    exported: bool = False
    health: str = "ONLINE"


@dataclass
class State:
    """All that there is, as plain data."""

    pools: dict[str, Pool] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    in_use: set[str] = field(default_factory=set)
    txg: int = 4
    clock: int = 1_800_000_000


class Zfs:
    """The programs.

    :param flavour: one of `FLAVOURS`.
    :param host_number: distinguishes the GUIDs of two hosts.
    """

    commands: Sequence[str] = ("zfs", "zpool", "blkid", "readlink")
    # The long names of aliases.
    ALIASES: ClassVar = {"recv": "receive", "snap": "snapshot", "umount": "unmount"}

    def __init__(self, flavour: str = "fuse", pools: Iterable[str] = ("tank",), host_number: int = 1) -> None:
        self.flavour = flavour
        self.fuse = flavour == "fuse"
        self.host_number = host_number
        self.state = State()
        # Not part of the state: zfs-fuse's unmounts that are not over yet, in its own memory.
        self.late: set[str] = set()
        self.devices: set[str] = set()
        self.table = property_table(self.usage("zfs", "get"))
        for pool in pools:
            self.make_pool(pool, [("", "disk", (f"/disks/{pool}",))])

    # -- the programs ------------------------------------------------------------------------------

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        program, *rest = argv
        try:
            if program == "blkid":
                return answered(argv, *self.blkid(rest))
            if program == "readlink":
                return answered(argv, "".join(f"{device}\n" for device in rest[1:]))
            return answered(argv, self.command(program, rest, stdin))
        except Said as said:
            return answered(argv, said.out, said.err, said.rc)

    def command(self, program: str, rest: Sequence[str], stdin: str) -> str:
        if not rest:
            raise Said(self.usage(program), 2)
        name = self.ALIASES.get(rest[0], rest[0])
        if not re.search(rf"^\t{name}\b", self.usage(program), re.MULTILINE):
            raise Said(f"unrecognized command '{rest[0]}'\n", 2)
        if program == "zfs" and name == "get" and len(rest) == 1:
            raise Said(self.usage(program, "get"), 2)
        if program == "zpool" and name == "get" and len(rest) == 1:
            raise Said(self.usage(program, "get"), 2)
        handler = getattr(self, f"{program}_{name}".replace("-", "_"))
        answer: str = handler(list(rest[1:]))
        return answer

    def usage(self, program: str, command: str = "") -> str:
        """The real text."""
        return fixture(f"{self.flavour}-{program}{'_' if command else ''}{command}.txt")

    def options(
        self, command: str, args: Sequence[str], letters: str
    ) -> tuple[dict[str, list[str]], list[str]]:
        """Options and operands, as getopt(3): an option that this flavour has not is refused as it does."""
        try:
            pairs, operands = getopt.getopt(list(args), letters)
        except getopt.GetoptError as error:
            raise Said(f"invalid option '{error.opt}'\nusage:\n", 2) from error
        found: dict[str, list[str]] = {}
        for option, value in pairs:
            letter = option[1]
            if letter not in self.letters(command):
                raise Said(f"invalid option '{letter}'\nusage:\n", 2)
            found.setdefault(letter, []).append(value)
        return found, operands

    def letters(self, command: str) -> str:
        """Letters of the options that the usage text offers for ``zfs COMMAND``."""
        program, name = command.split()
        return offered(self.usage(program), name)

    # -- zfs ---------------------------------------------------------------------------------------

    def zfs_version(self, args: list[str]) -> str:
        return fixture(f"{self.flavour}-zfs_version.txt")

    def zfs_list(self, args: list[str]) -> str:
        options, names = self.options("zfs list", args, "Hprd:o:t:s:S:")
        kinds = set((options.get("t") or ["filesystem,volume"])[-1].split(","))
        columns = (options.get("o") or ["name,used,available,referenced,mountpoint"])[-1].split(",")
        for column in columns:
            if not self.known(column) and column != "name":
                raise Said(f"bad property list: invalid property '{column}'\nusage:\n", 2)
        errors, chosen = self.chosen(names, kinds, "r" in options, int((options.get("d") or ["-1"])[-1]))
        out = ""
        for name in chosen:
            cells = [
                name if column == "name" else self.printed(column, *self.get(name, column), "p" in options)
                for column in columns
            ]
            out += "\t".join(cells) + "\n"
        if errors:
            raise Said(errors, 1, out)
        if not out and not names:
            raise Said("no datasets available\n", 0)
        return out

    def zfs_get(self, args: list[str]) -> str:
        options, (wanted, *names) = self.options("zfs get", args, "Hprd:o:t:s:")
        fields = (options.get("o") or ["name,property,value,source"])[-1].split(",")
        sources = set((options.get("s") or [""])[-1].split(",")) - {""}
        for key in wanted.split(","):
            if key != "all" and not self.known(key):
                raise Said(f"bad property list: invalid property '{key}'\nusage:\n", 2)
        kinds = set((options.get("t") or ["filesystem,volume,snapshot"])[-1].split(","))
        errors, chosen = self.chosen(names, kinds, "r" in options, int((options.get("d") or ["-1"])[-1]))
        out = ""
        for name in chosen:
            for key in self.all_properties(name) if wanted == "all" else wanted.split(","):
                value, source = self.get(name, key)
                if sources and source.split(" ")[0] not in sources:
                    continue
                cells = {
                    "name": name, "property": key, "source": source,
                    "value": self.printed(key, value, source, "p" in options),
                }  # fmt: skip
                out += "\t".join(cells[column] for column in fields) + "\n"
        if errors:
            raise Said(errors, 1, out)
        return out

    def chosen(self, names: list[str], kinds: set[str], below: bool, depth: int) -> tuple[str, list[str]]:
        """Errors over names that do not exist, and the names listed."""
        errors, chosen = "", []
        for name in names or sorted(pool for pool in self.state.pools if not self.state.pools[pool].exported):
            if name not in self.state.datasets and name not in self.state.snapshots:
                errors += f"cannot open '{name}': dataset does not exist\n"
                continue
            if not names or below or depth >= 0 or "@" in name:
                deepest = depth if depth >= 0 else 10**6
                chosen += [
                    each
                    for each in self.tree(name)
                    if self.kind(each)
                    in kinds | ({"filesystem", "volume", "snapshot"} if "all" in kinds else set())
                    and len(re.findall("[/@]", each)) - len(re.findall("[/@]", name)) <= deepest
                ]
            elif self.kind(name) in kinds or "snapshot" not in kinds or "all" in kinds:
                chosen.append(name)
            else:
                # A file system named where only snapshots are asked for.
                chosen += [each for each in self.tree(name) if each.partition("@")[0] == name and "@" in each]
        return errors, sorted(chosen, key=self.place)

    def place(self, name: str) -> tuple[str, int, str]:
        """Where zfs lists a name, in whatever order it was asked for: snapshots as they were made."""
        dataset, at, snapshot = name.partition("@")
        return dataset, self.state.snapshots[name].txg if at else -1, snapshot

    def tree(self, name: str) -> list[str]:
        """A dataset, its snapshots in the order of their making, then its children, as zfs lists them."""
        if "@" in name:
            return [name]
        found = [name, *self.snapshots_of(name)]
        for child in sorted(self.children(name)):
            found += self.tree(child)
        return found

    def children(self, name: str) -> list[str]:
        return [each for each in self.state.datasets if each.rpartition("/")[0] == name]

    def descendants(self, name: str) -> list[str]:
        return sorted(each for each in self.state.datasets if each.startswith(f"{name}/"))

    def snapshots_of(self, name: str) -> list[str]:
        mine = [each for each in self.state.snapshots if each.partition("@")[0] == name]
        return sorted(mine, key=lambda each: (self.state.snapshots[each].txg, each))

    def clones_of(self, snapshot: str) -> list[str]:
        return sorted(name for name, each in self.state.datasets.items() if each.origin == snapshot)

    def kind(self, name: str) -> str:
        return "snapshot" if "@" in name else self.state.datasets[name].kind

    def known(self, key: str) -> bool:
        return ":" in key or key in self.table or f"{key.partition('@')[0]}@..." in self.table

    def all_properties(self, name: str) -> list[str]:
        native = [key for key in self.table if "@" not in key and self.get(name, key)[0] != "-"]
        mine: set[str] = set()
        if "@" not in name:
            above: str = name
            while above:
                mine |= {key for key in self.state.datasets[above].local if ":" in key}
                mine |= {key for key in self.state.datasets[above].received if ":" in key}
                above = above.rpartition("/")[0]
        else:
            mine = {key for key in self.state.snapshots[name].local if ":" in key}
        return native + sorted(mine)

    def get(self, name: str, key: str) -> tuple[str, str]:
        """The raw value (numbers to the byte) and the source, as ``zfs get -p`` has them."""
        if key in FIGURES:
            return self.figure(name, key), "-"
        if "@" in name:
            local = self.state.snapshots[name].local
            if key in local or ":" not in key:
                return (local[key], "local") if key in local else ("-", "-")
            dataset = name.partition("@")[0]
            value, source = self.get(dataset, key)
            return value, f"inherited from {dataset}" if source in ("local", "received") else source
        dataset = self.state.datasets[name]
        if key == "readonly" and self.fuse and dataset.mounted and self.stored(name, key)[0] == "on":
            return "off", "temporary"
        return self.stored(name, key)

    def stored(self, name: str, key: str) -> tuple[str, str]:
        """The value and source of a dataset's property, whatever its mount has."""
        dataset = self.state.datasets[name]
        if key == "volsize":
            return dataset.local.get("volsize", "-"), "local" if dataset.kind == "volume" else "-"
        if dataset.kind == "volume" and key in {
            "mountpoint",
            "canmount",
            "quota",
            "refquota",
            "recordsize",
            "atime",
        }:
            return "-", "-"
        if dataset.kind == "filesystem" and key == "volblocksize":
            return "-", "-"
        for values, source in ((dataset.local, "local"), (dataset.received, "received")):
            if key in values:
                # zfs tells no source of what is given once, at creation.
                return values[key], "-" if key in {"casesensitivity", "normalization", "utf8only"} else source
        above = name.rpartition("/")[0]
        if above and self.inherited(key):
            value, source = self.stored(above, key)
            if source == "local" or source == "received":
                source = f"inherited from {above}"
            if key == "mountpoint" and value.startswith("/"):
                value = f"{value.rstrip('/')}/{name.rpartition('/')[2]}"
            return value, source
        if ":" in key or (key not in DEFAULTS and "@" not in key and key != "mountpoint"):
            return "-", "-"
        return (f"/{name}" if key == "mountpoint" else DEFAULTS.get(key, "0")), "default"

    def inherited(self, key: str) -> bool:
        return ":" in key or (key in self.table and self.table[key][1])

    def figure(self, name: str, key: str) -> str:
        state = self.state
        if "@" in name:
            snapshot = state.snapshots[name]
            written = "0"
            figures = {"creation": str(snapshot.creation), "guid": str(snapshot.guid), "type": "snapshot",
                       "createtxg": str(snapshot.txg), "userrefs": str(len(snapshot.holds)), "used": "0",
                       "referenced": str(len(snapshot.content)), "written": written}  # fmt: skip
            return figures.get(key, "-")
        dataset = state.datasets[name]
        newest = self.snapshots_of(name)[-1:]
        base = state.snapshots[newest[0]].content if newest else None
        figures = {
            "type": dataset.kind, "origin": dataset.origin or "-", "guid": str(dataset.guid),
            "createtxg": str(dataset.txg), "creation": str(state.clock), "used": str(len(dataset.content)),
            "available": str(2**27), "referenced": str(len(dataset.content)), "usedbysnapshots": "0",
            "mounted": ("yes" if dataset.mounted else "no") if dataset.kind == "filesystem" else "-",
            "written": "0" if base == dataset.content else str(len(dataset.content)),
        }  # fmt: skip
        return figures.get(key, "-")

    def printed(self, key: str, value: str, source: str, exact: bool) -> str:
        """A value as it is printed: for people unless -p is given."""
        if exact or not value.isdigit():
            return value
        if key in LIMITS and value == "0":
            return "none"
        if (
            key in {"creation", "copies", "userrefs"}
            or ":" in key
            or key in {"createtxg", "guid"}
            and not self.fuse
        ):
            return value
        return nice_number(int(value))

    def zfs_create(self, args: list[str]) -> str:
        options, names = self.options("zfs create", args, "pPnsuvb:o:V:")
        (name,) = names
        self.check_new(name, "create")
        if "V" in options and self.fuse:
            raise Said("internal error: Function not implemented\n", 134)
        local = self.parsed_properties(f"cannot create '{name}'", options.get("o", []), creating=True)
        if "V" in options:
            local |= {"volsize": str(parse_number(options["V"][-1]))}
        self.add_dataset(name, "volume" if "V" in options else "filesystem", local)
        if "u" not in options:
            self.mount_new(name)
        return ""

    def zfs_clone(self, args: list[str]) -> str:
        options, (origin, name) = self.options("zfs clone", args, "po:")
        if origin not in self.state.snapshots:
            raise Said(f"cannot open '{origin}': dataset does not exist\n")
        self.check_new(name, "create")
        local = self.parsed_properties(f"cannot create '{name}'", options.get("o", []), creating=True)
        source = self.state.datasets[origin.partition("@")[0]]
        self.add_dataset(name, source.kind, local)
        clone = self.state.datasets[name]
        clone.origin, clone.content = origin, self.state.snapshots[origin].content
        self.mount_new(name)
        return ""

    def check_new(self, name: str, verb: str) -> None:
        what = f"cannot {verb} '{name}'"
        if len(name) > 255:
            raise Said(f"{what}: name is too long\n")
        if "//" in name:
            raise Said(f"{what}: empty component in name\n")
        if name.endswith("/"):
            raise Said(f"{what}: trailing slash in name\n")
        bad = re.search(r"[^A-Za-z0-9_.:\-/ ]", name)
        if bad:
            raise Said(f"{what}: invalid character '{bad[0]}' in name\n")
        if name in self.state.datasets:
            raise Said(f"{what}: dataset already exists\n")
        pool, _unused, rest = name.partition("/")
        if pool not in self.state.pools or not rest:
            raise Said(f"{what}: no such pool '{pool}'\n")
        if name.rpartition("/")[0] not in self.state.datasets:
            raise Said(f"{what}: parent does not exist\n")

    def add_dataset(self, name: str, kind: str, local: dict[str, str]) -> None:
        self.state.txg += 1
        self.state.datasets[name] = Dataset(kind, self.state.txg, self.guid(), local=local)

    def guid(self) -> int:
        """A GUID that no other host of the tests makes."""
        self.state.txg += 1
        return self.host_number * 10**15 + self.state.txg

    def mount_new(self, name: str) -> None:
        """Mount what was just made, as create, clone and promote do."""
        if not self.mountable(name):
            return
        above = name.rpartition("/")[0]
        parent = self.state.datasets.get(above)
        if parent and parent.mounted and self.stored(above, "readonly")[0] == "on":
            raise Said(
                f"cannot mount '{self.get(name, 'mountpoint')[0]}': failed to create mountpoint\n"
                "filesystem successfully created, but not mounted\n"
            )
        self.state.datasets[name].mounted = True

    def mountable(self, name: str) -> bool:
        return (
            self.state.datasets[name].kind == "filesystem"
            and self.get(name, "canmount")[0] == "on"
            and self.get(name, "mountpoint")[0].startswith("/")
        )

    def zfs_set(self, args: list[str]) -> str:
        options, operands = self.options("zfs set", args, "u")
        pairs = [each for each in operands if "=" in each]
        names = [each for each in operands if "=" not in each]
        if self.fuse and len(pairs) > 1:
            # It takes the second pair for a dataset, after it has seen to the first one.
            for name in names:
                self.set_properties(name, pairs[:1])
            raise Said(f"cannot open '{pairs[1]}': invalid dataset name\n")
        for name in names:
            self.set_properties(name, pairs)
        return ""

    def set_properties(self, name: str, pairs: list[str]) -> None:
        if name not in self.state.datasets and name not in self.state.snapshots:
            raise Said(f"cannot open '{name}': dataset does not exist\n")
        what = f"cannot set property for '{name}'"
        values = self.parsed_properties(what, pairs, creating=False)
        if "@" in name:
            self.state.snapshots[name].local |= values
            return
        dataset = self.state.datasets[name]
        after = dataset.local | values
        quota, reservation = int(after.get("quota", "0")), int(after.get("reservation", "0"))
        if quota and reservation > quota:
            raise Said(
                f"{what}: size is "
                + (
                    "less than current used or reserved space\n"
                    if "quota" in values
                    else "greater than available space\n"
                )
            )
        with self.remounting(name, values):
            dataset.local = after

    def remounting(self, name: str, keys: Iterable[str]) -> Remounting:
        return Remounting(self, name, set(keys))

    def parsed_properties(self, what: str, pairs: list[str], *, creating: bool) -> dict[str, str]:
        values = {}
        for pair in pairs:
            key, _unused, value = pair.partition("=")
            if not value and self.fuse:
                raise Said("missing value in property=value argument\nusage:\n", 2)
            values[key] = self.parsed(what, key, value, creating)
        return values

    def parsed(self, what: str, key: str, value: str, creating: bool) -> str:
        """A property value as it is stored."""
        if ":" in key:
            if not re.fullmatch(r"[a-z0-9:._-]+", key):
                raise Said(f"{what}: invalid property '{key}'\n")
            return value
        if not self.known(key):
            raise Said(f"{what}: invalid property '{key}'\n")
        editable, _unused, values = self.table.get(key) or self.table[f"{key.partition('@')[0]}@..."]
        once = {"casesensitivity", "normalization", "utf8only", "volblocksize", "encryption", "keyformat"}
        if not editable and not (creating and key in once):
            raise Said(f"{what}: '{key}' is readonly\n")
        if key == "mountpoint":
            if value not in ("none", "legacy") and not value.startswith("/"):
                raise Said(f"{what}: 'mountpoint' must be an absolute path, 'none', or 'legacy'\n")
            return value
        if "<size>" in values or "power of 2" in values:
            if value == "none" and "none" in values:
                return "0"
            try:
                number = parse_number(value)
            except ValueError as error:
                raise Said(f"{what}: {error}\n") from error
            if "power of 2" in values and (number & (number - 1) or number < 512):
                raise Said(f"{what}: '{key}' must be {values.replace('512', 'power of 2 from 512')}\n")
            return str(number)
        if (
            "<" not in values
            and "|" in values
            and "options" not in values
            and not any(re.fullmatch(choice_pattern(word), value) for word in values.split(" | "))
        ):
            raise Said(f"{what}: '{key}' must be one of '{values}'\n")
        return STORED_AS.get((key, value), value)

    def zfs_inherit(self, args: list[str]) -> str:
        options, (key, *names) = self.options("zfs inherit", args, "rS")
        if not self.known(key):
            raise Said(f"invalid property '{key}'\nusage:\n", 2)
        if not self.inherited(key) and not ("S" in options and not self.fuse):
            hint = f"use 'zfs set {key}=none' to clear\n" if key in LIMITS else ""
            if hint and not self.fuse:
                hint += f"use 'zfs inherit -S {key}' to revert to received value\n"
            raise Said(f"'{key}' property cannot be inherited\n{hint}")
        for name in names:
            for each in [name, *(self.descendants(name) if "r" in options else [])]:
                if each not in self.state.datasets and each not in self.state.snapshots:
                    raise Said(f"cannot open '{each}': dataset does not exist\n")
                if "@" in each:
                    self.state.snapshots[each].local.pop(key, None)
                    continue
                with self.remounting(each, {key}):
                    self.state.datasets[each].local.pop(key, None)
                    if "S" not in options:
                        self.state.datasets[each].received.pop(key, None)
        return ""

    def zfs_mount(self, args: list[str]) -> str:
        if not args:
            return "".join(
                f"{name:<32}{self.get(name, 'mountpoint')[0]}\n"
                for name, each in self.state.datasets.items()
                if each.mounted
            )
        _unused, (name,) = self.options("zfs mount", args, "vOo:a")
        dataset = self.existing(name)
        point, may = self.get(name, "mountpoint")[0], self.get(name, "canmount")[0]
        what = f"cannot mount '{name}'"
        if dataset.mounted:
            raise Said(f"{what}: filesystem already mounted\n")
        if point == "legacy":
            page = "mount(1M)" if self.fuse else "mount(8)"
            raise Said(f"{what}: legacy mountpoint\nuse {page} to mount this filesystem\n")
        if point == "none":
            raise Said(f"{what}: no mountpoint set\n")
        if may == "off":
            raise Said(f"{what}: 'canmount' property is set to 'off'\n")
        self.still_busy(name, f"{what}: mountpoint or dataset is busy\n")
        dataset.mounted = True
        return ""

    def zfs_unmount(self, args: list[str]) -> str:
        _unused, (name,) = self.options("zfs unmount", args, "fu")
        dataset = self.existing(name)
        if not dataset.mounted:
            raise Said(f"cannot unmount '{name}': not currently mounted\n")
        self.unmount(name)
        return ""

    def unmount(self, name: str) -> None:
        """Take a file system and all that is mounted below its mount point away."""
        point = self.get(name, "mountpoint")[0]
        for each in [*reversed(self.mounted_below(point)), name]:
            if each in self.state.in_use:
                where = self.get(each, "mountpoint")[0]
                raise Said(
                    f"umount: {where}: target is busy.\n"
                    f"cannot unmount '{where}': umount failed: umount child process failed\n"
                )
            self.state.datasets[each].mounted = False
            if self.fuse:
                self.late.add(each)

    def mounted_below(self, point: str) -> list[str]:
        return [
            name
            for name, each in sorted(self.state.datasets.items())
            if each.mounted and self.get(name, "mountpoint")[0].startswith(point.rstrip("/") + "/")
        ]

    def still_busy(self, name: str, message: str) -> None:
        """The first caller after an unmount of zfs-fuse comes too early."""
        if name in self.late:
            self.late.discard(name)
            raise Said(message)

    def existing(self, name: str) -> Dataset:
        if name not in self.state.datasets:
            raise Said(f"cannot open '{name}': dataset does not exist\n")
        return self.state.datasets[name]

    def zfs_rename(self, args: list[str]) -> str:
        options, (old, new) = self.options("zfs rename", args, "pruf")
        if old not in self.state.datasets and old not in self.state.snapshots:
            raise Said(f"cannot open '{old}': dataset does not exist\n")
        if "@" in old:
            new = new if "@" in new else f"{old.partition('@')[0]}@{new}"
            for each in self.tree(old.partition("@")[0]) if "r" in options else [old]:
                if each.endswith(f"@{old.partition('@')[2]}"):
                    target = f"{each.partition('@')[0]}@{new.partition('@')[2]}"
                    self.state.snapshots[target] = self.state.snapshots.pop(each)
                    self.move_origin(each, target)
            return ""
        if new.startswith(f"{old}/"):
            raise Said(
                f"cannot rename to '{new}': New dataset name cannot be a descendant of current dataset name\n"
            )
        if new in self.state.datasets:
            raise Said(f"cannot rename '{old}': dataset already exists\n")
        self.check_new(new, "create")
        if self.fuse and any(self.state.datasets[each].mounted for each in [old, *self.descendants(old)]):
            raise Said(f"cannot rename '{old}': dataset is busy\n")
        self.still_busy(old, f"cannot rename '{old}': dataset is busy\n")
        for each in [old, *self.descendants(old)]:
            target = new + each[len(old) :]
            for snapshot in self.snapshots_of(each):
                renamed = target + snapshot[len(each) :]
                self.state.snapshots[renamed] = self.state.snapshots.pop(snapshot)
                self.move_origin(snapshot, renamed)
            self.state.datasets[target] = self.state.datasets.pop(each)
        return ""

    def move_origin(self, old: str, new: str) -> None:
        for each in self.clones_of(old):
            self.state.datasets[each].origin = new

    def zfs_promote(self, args: list[str]) -> str:
        (name,) = args
        clone = self.existing(name)
        if not clone.origin:
            raise Said(f"cannot promote '{name}': not a cloned filesystem\n")
        origin = clone.origin
        source = origin.partition("@")[0]
        last = self.state.snapshots[origin].txg
        clone.origin = self.state.datasets[source].origin
        for snapshot in self.snapshots_of(source):
            if self.state.snapshots[snapshot].txg <= last:
                moved = f"{name}@{snapshot.partition('@')[2]}"
                self.state.snapshots[moved] = self.state.snapshots.pop(snapshot)
                self.move_origin(snapshot, moved)
        self.state.datasets[source].origin = f"{name}@{origin.partition('@')[2]}"
        return ""

    def zfs_destroy(self, args: list[str]) -> str:
        options, (name,) = self.options("zfs destroy", args, "rRfndpv")
        if "@" in name:
            return self.destroy_snapshots(name, options)
        self.existing(name)
        if "/" not in name and "r" not in options:
            raise Said(f"cannot destroy '{name}': operation does not apply to pools\n")
        inner = [each for each in self.tree(name) if each != name]
        if inner and "r" not in options and "R" not in options:
            raise Said(
                f"cannot destroy '{name}': filesystem has children\n"
                "use '-r' to destroy the following datasets:\n"
                + "".join(f"{each}\n" for each in reversed(inner))
            )
        doomed = {name, *inner}
        clones = [
            clone for each in doomed if "@" in each for clone in self.clones_of(each) if clone not in doomed
        ]
        if clones and "R" not in options:
            raise Said(
                f"cannot destroy '{name}': filesystem has dependent clones\n"
                "use '-R' to destroy the following datasets:\n" + "".join(f"{each}\n" for each in clones)
            )
        for each in reversed(self.tree(name)):
            if "@" in each:
                self.drop_snapshot(each)
                continue
            if each not in self.state.datasets or "/" not in each:
                continue
            if self.state.datasets[each].mounted:
                self.unmount(each)
            self.still_busy(each, f"cannot destroy '{each}': dataset is busy\n")
            del self.state.datasets[each]
        return ""

    def destroy_snapshots(self, name: str, options: dict[str, list[str]]) -> str:
        dataset, _unused, text = name.partition("@")
        if "," in text and self.fuse:
            raise Said(f"cannot open '{name}': invalid character ',' in name\n")
        for part in text.split(","):
            where = [dataset, *(self.descendants(dataset) if "r" in options else [])]
            doomed = [f"{each}@{part}" for each in where if f"{each}@{part}" in self.state.snapshots]
            if not doomed:
                raise Said(
                    f"cannot open '{dataset}@{part}': dataset does not exist\n"
                    if self.fuse
                    else "could not find any snapshots to destroy; check snapshot names.\n"
                )
            for each in doomed:
                clones = self.clones_of(each)
                if clones:
                    raise Said(
                        f"cannot destroy '{each}': snapshot has dependent clones\n"
                        "use '-R' to destroy the following datasets:\n"
                        + "".join(f"{one}\n" for one in clones)
                    )
            for each in doomed:
                self.drop_snapshot(each)
        return ""

    def drop_snapshot(self, name: str) -> None:
        if self.state.snapshots[name].holds:
            raise Said(f"cannot destroy '{name}': dataset is busy\n")
        del self.state.snapshots[name]

    def zfs_snapshot(self, args: list[str]) -> str:
        options, names = self.options("zfs snapshot", args, "ro:")
        if self.fuse and len(names) > 1:
            raise Said("too many arguments\nusage:\n", 2)
        local = self.parsed_properties(
            f"cannot create snapshot '{names[0]}'", options.get("o", []), creating=True
        )
        wanted = []
        for name in names:
            dataset, _unused, part = name.partition("@")
            self.existing(dataset)
            wanted += [
                f"{each}@{part}" for each in [dataset, *(self.descendants(dataset) if "r" in options else [])]
            ]
        for name in wanted:
            if name in self.state.snapshots:
                none = "" if self.fuse else "no snapshots were created\n"
                raise Said(f"cannot create snapshot '{name}': dataset already exists\n{none}")
        self.state.txg += 1
        self.state.clock += 1
        txg = self.state.txg
        for name in wanted:
            content = self.state.datasets[name.partition("@")[0]].content
            self.state.snapshots[name] = Snapshot(
                txg, self.guid(), self.state.clock, content, local=dict(local)
            )
        return ""

    def zfs_rollback(self, args: list[str]) -> str:
        options, (name,) = self.options("zfs rollback", args, "rRf")
        if name not in self.state.snapshots:
            raise Said(f"cannot open '{name}': dataset does not exist\n")
        dataset = name.partition("@")[0]
        mine = self.snapshots_of(dataset)
        newer = mine[mine.index(name) + 1 :]
        if newer and "r" not in options:
            kinds = "snapshots" if self.fuse else "snapshots {} bookmarks"
            raise Said(
                f"cannot rollback to '{name}': more recent {kinds.format('or')} exist\n"
                f"use '-r' to force deletion of the following {kinds.format('and')}:\n"
                + "".join(f"{each}\n" for each in newer)
            )
        for each in newer:
            self.drop_snapshot(each)
        self.state.datasets[dataset].content = self.state.snapshots[name].content
        return ""

    def zfs_hold(self, args: list[str]) -> str:
        options, (tag, *names) = self.options("zfs hold", args, "r")
        for name in self.held_names(names, options):
            holds = self.state.snapshots[name].holds
            if tag in holds:
                raise Said(f"cannot hold '{name}': tag already exists on this dataset\n")
            holds[tag] = self.state.clock
        return ""

    def zfs_release(self, args: list[str]) -> str:
        options, (tag, *names) = self.options("zfs release", args, "r")
        for name in self.held_names(names, options):
            if tag not in self.state.snapshots[name].holds:
                raise Said(f"cannot release '{tag}' from '{name}': no such tag on this dataset\n")
            del self.state.snapshots[name].holds[tag]
        return ""

    def zfs_holds(self, args: list[str]) -> str:
        if self.fuse:
            raise Said("internal error: /usr/lib/zfs/pyzfs.py not found\n", 255)
        options, names = self.options("zfs holds", args, "rHp")
        out = "".join(
            f"{name}\t{tag}\t{since}\n"
            for name in self.held_names(names, options)
            for tag, since in self.state.snapshots[name].holds.items()
        )
        if not out:
            raise Said("no datasets available\n", 0)
        return out

    def held_names(self, names: list[str], options: dict[str, list[str]]) -> Iterator[str]:
        for name in names:
            if name not in self.state.snapshots:
                raise Said(f"cannot open '{name}': dataset does not exist\n")
            dataset, _unused, part = name.partition("@")
            for each in [dataset, *(self.descendants(dataset) if "r" in options else [])]:
                if f"{each}@{part}" in self.state.snapshots:
                    yield f"{each}@{part}"

    # -- zpool -------------------------------------------------------------------------------------

    POOL_DEFAULTS: ClassVar = {
        "autoexpand": "off", "autoreplace": "off", "failmode": "wait", "delegation": "on", "ashift": "0",
        "listsnapshots": "off", "bootfs": "-", "cachefile": "-", "altroot": "-", "comment": "-",
        "autotrim": "off", "multihost": "off", "compatibility": "off",
    }  # fmt: skip

    def make_pool(self, name: str, vdevs: list[tuple[str, str, tuple[str, ...]]]) -> None:
        self.state.pools[name] = Pool(vdevs)
        self.devices |= {device for _unused, _unused, devices in vdevs for device in devices}
        self.mark(name, vdevs)
        self.add_dataset(name, "filesystem", {})
        self.state.datasets[name].mounted = True

    def mark(self, pool: str, vdevs: list[tuple[str, str, tuple[str, ...]]]) -> None:
        """Write the labels of a pool on its devices."""
        for _unused, _unused, devices in vdevs:
            for device in devices:
                self.state.signatures[device] = f"zfs:{pool}"

    def zpool_version(self, args: list[str]) -> str:
        return self.zfs_version(args)

    def pool(self, name: str) -> Pool:
        pool = self.state.pools.get(name)
        if pool is None or pool.exported:
            raise Said(f"cannot open '{name}': no such pool\n")
        return pool

    def zpool_list(self, args: list[str]) -> str:
        options, names = self.options("zpool list", args, "Hpo:")
        columns = (options.get("o") or ["name,size,allocated,free,capacity,dedupratio,health,altroot"])[
            -1
        ].split(",")
        live = [name for name, pool in sorted(self.state.pools.items()) if not pool.exported]
        if not names and not live:
            raise Said("no pools available\n", 0)
        short = {"alloc": "allocated", "cap": "capacity", "dedup": "dedupratio", "frag": "fragmentation"}
        columns = [short.get(column, column) for column in columns]
        percent = "0" if "p" in options and not self.fuse else "0%"
        figures = {"size": "262144000", "allocated": "454656", "free": "261689344", "capacity": percent,
                   "fragmentation": percent}  # fmt: skip
        out = ""
        for name in names or live:
            pool = self.pool(name)
            values = {**figures, "name": name, "health": pool.health, "dedupratio": "1.00x", "version": "23",
                      "guid": "1", **self.POOL_DEFAULTS, **pool.properties}  # fmt: skip
            cells = [values[column] for column in columns]
            out += (
                "\t".join(
                    nice_number(int(cell))
                    if cell.isdigit() and column in figures and "p" not in options
                    else cell
                    for column, cell in zip(columns, cells, strict=True)
                )
                + "\n"
            )
        return out

    def zpool_get(self, args: list[str]) -> str:
        options, (keys, *names) = self.options("zpool get", args, "Hpo:")
        table = property_table(self.usage("zpool", "get"))
        for key in keys.split(","):
            if key not in table and key != "all" and not (key.startswith("feature@") and not self.fuse):
                raise Said(f"bad property list: invalid property '{key}'\nusage:\n", 2)
        out = "" if "H" in options else "NAME  PROPERTY       VALUE       SOURCE\n"
        for name in names:
            pool = self.pool(name)
            for key in (
                [one for one in table if one in self.POOL_DEFAULTS] if keys == "all" else keys.split(",")
            ):
                value = pool.properties.get(key, self.POOL_DEFAULTS.get(key, "-"))
                source = "local" if key in pool.properties else "default"
                gap = "\t" if "H" in options else "  "
                out += gap.join((name, key, value, source)) + "\n"
        return out

    def zpool_status(self, args: list[str]) -> str:
        options, names = self.options("zpool status", args, "vxPL")
        out = ""
        live = [name for name, pool in sorted(self.state.pools.items()) if not pool.exported]
        if "x" in options and all(self.pool(name).health == "ONLINE" for name in names or live):
            if not live:
                return "no pools available\n"
            return "".join(f"pool '{name}' is healthy\n" for name in names) or "all pools are healthy\n"
        for name in names or live:
            pool = self.pool(name)
            out += (
                f"  pool: {name}\n state: {pool.health}\n scrub: none requested\nconfig:\n\n"
                "\tNAME                 STATE     READ WRITE CKSUM\n"
                f"\t{name:<20} {pool.health}       0     0     0\n"
            )
            section = ""
            for index, (role, kind, devices) in enumerate(pool.vdevs):
                if role != section:
                    out += f"\t{role}\n"
                    section = role
                depth = 2
                if kind != "disk":
                    out += f"\t  {kind}-{index:<14} ONLINE       0     0     0\n"
                    depth = 4
                state = "AVAIL   " if role == "spares" else "ONLINE       0     0     0"
                for device in devices:
                    shown = device if self.fuse or "P" in options else device.rpartition("/")[2]
                    out += f"\t{' ' * depth}{shown:<16} {state}\n"
            out += "\nerrors: No known data errors\n\n"
        return out or "no pools available\n"

    def zpool_create(self, args: list[str]) -> str:
        options, (name, *words) = self.options("zpool create", args, "fndo:O:m:R:")
        note = self.block_size_note(words)
        if name in self.state.pools:
            raise Said(f"{note}cannot create '{name}': pool already exists\n")
        vdevs = self.parsed_vdevs(words)
        self.check_devices(vdevs, force="f" in options)
        properties = dict(pair.split("=", 1) for pair in options.get("o", []))
        table = property_table(self.usage("zpool", "get"))
        for key in properties:
            if key not in table:
                raise Said(f"{note}property '{key}' is not a valid pool property\n")
        local = self.parsed_properties(f"cannot create '{name}'", options.get("O", []), creating=True)
        if "m" in options:
            local["mountpoint"] = options["m"][-1]
        if "n" not in options:
            self.make_pool(name, vdevs)
            self.state.pools[name].properties = properties
            self.state.datasets[name].local = local
            self.state.datasets[name].mounted = self.mountable(name)
        return ""

    def zpool_add(self, args: list[str]) -> str:
        options, (name, *words) = self.options("zpool add", args, "fno:")
        pool = self.pool(name)
        vdevs = self.parsed_vdevs(words)
        self.check_devices(vdevs, force="f" in options)
        kinds = {kind for role, kind, _unused in pool.vdevs if not role}
        for role, kind, _unused in vdevs:
            if not role and kind not in kinds:
                raise Said(
                    "invalid vdev specification\nuse '-f' to override the following errors:\n"
                    f"mismatched replication level: pool uses {min(kinds)} and new vdev is {kind}\n"
                )
        if "n" not in options:
            order = ["", "logs", "cache", "spares"]
            pool.vdevs = sorted([*pool.vdevs, *vdevs], key=lambda vdev: order.index(vdev[0]))
            self.mark(name, vdevs)
        return ""

    def block_size_note(self, words: list[str]) -> str:
        return "".join(
            f"Defaulting to 4K blocksize (ashift=12) for '{word}'\n" for word in words if "/" in word
        )

    def parsed_vdevs(self, words: list[str]) -> list[tuple[str, str, tuple[str, ...]]]:
        found: list[tuple[str, str, list[str]]] = []
        role, kind = "", "disk"
        for word in words:
            if word in ("log", "cache", "spare"):
                role, kind = {"log": "logs", "cache": "cache", "spare": "spares"}[word], "disk"
            elif word == "mirror" or re.fullmatch(r"raidz[123]?", word):
                kind = "raidz1" if word == "raidz" else word
                found.append((role, kind, []))
            elif kind == "disk":
                found.append((role, kind, [word]))
            else:
                found[-1][2].append(word)
        for _unused, kind, devices in found:
            least = {"mirror": 2, "raidz1": 2, "raidz2": 3, "raidz3": 4}.get(kind, 1)
            if len(devices) < least:
                raise Said(f"invalid vdev specification: {kind} requires at least {least} devices\n")
        return [(role, kind, tuple(devices)) for role, kind, devices in found]

    def check_devices(self, vdevs: list[tuple[str, str, tuple[str, ...]]], *, force: bool) -> None:
        devices = [device for _unused, _unused, group in vdevs for device in group]
        if len(set(devices)) < len(devices):
            raise Said("cannot create: one or more vdevs refer to the same device\n")
        for device in devices:
            if device not in self.devices:
                raise Said(f"cannot open '{device}': No such file or directory\n")
            signature = self.state.signatures.get(device, "")
            pool = self.state.pools.get(signature.removeprefix("zfs:"))
            if pool and signature.startswith("zfs:") and not (pool.exported and force):
                raise Said(
                    "invalid vdev specification\nuse '-f' to override the following errors:\n"
                    f"{device} is part of {'exported' if pool.exported else 'active'} pool"
                    f" '{signature[4:]}'\n"
                )
            if signature and not signature.startswith("zfs:") and not self.fuse and not force:
                raise Said(
                    "invalid vdev specification\nuse '-f' to override the following errors:\n"
                    f"{device} contains a filesystem of type '{signature}'\n"
                )

    def zpool_set(self, args: list[str]) -> str:
        if len(args) > 2:
            raise Said("too many pool names\nusage:\n", 2)
        pair, name = args
        key, _unused, value = pair.partition("=")
        pool = self.pool(name)
        kind = property_table(self.usage("zpool", "get")).get(key)
        if kind is None:
            raise Said(f"cannot set property for '{name}': invalid property '{key}'\n")
        if not kind[0]:
            raise Said(f"cannot set property for '{name}': '{key}' is readonly\n")
        if "<" not in kind[2] and value not in kind[2].split(" | "):
            raise Said(f"cannot set property for '{name}': '{key}' must be one of '{kind[2]}'\n")
        pool.properties[key] = value
        return ""

    def zpool_destroy(self, args: list[str]) -> str:
        _unused, (name,) = self.options("zpool destroy", args, "f")
        self.pool(name)
        busy = [each for each in [name, *self.descendants(name)] if each in self.state.in_use]
        if busy:
            raise Said(
                f"cannot unmount '/{busy[0]}': target is busy\n"
                f"could not destroy '{name}': could not unmount datasets\n"
            )
        del self.state.pools[name]
        self.state.datasets = {
            each: value for each, value in self.state.datasets.items() if re.split("/", each)[0] != name
        }
        self.state.snapshots = {
            each: value for each, value in self.state.snapshots.items() if re.split("[/@]", each)[0] != name
        }
        return ""

    # -- signatures of disks -----------------------------------------------------------------------

    def blkid(self, args: list[str]) -> tuple[str, str, int]:
        """``blkid -p DEVICE...`` of util-linux: exit code 2 when it knows none of them."""
        out = ""
        for device in args[1:]:
            signature = self.state.signatures.get(device, "")
            if signature.startswith("zfs:"):
                out += (
                    f'{device}: VERSION="23" LABEL="{signature[4:]}" TYPE="zfs_member" USAGE="filesystem"\n'
                )
            elif signature:
                out += f'{device}: UUID="176d07ea" TYPE="{signature}" USAGE="filesystem"\n'
        return out, "", 0 if out else 2


class Remounting:
    """What a change of mountpoint or canmount does to the mounts of a dataset and its heirs."""

    def __init__(self, zfs: Zfs, name: str, keys: set[str]) -> None:
        self.zfs, self.name = zfs, name
        self.keys = keys & {"mountpoint", "canmount"}

    def heirs(self) -> list[str]:
        zfs = self.zfs
        return [
            each
            for each in [self.name, *zfs.descendants(self.name)]
            if each == self.name
            or ("mountpoint" in self.keys and "mountpoint" not in zfs.state.datasets[each].local)
        ]

    def __enter__(self) -> None:
        if self.keys:
            self.before = {each: self.zfs.get(each, "mountpoint")[0] for each in self.heirs()}

    def __exit__(self, *failure: object) -> None:
        if not self.keys:
            return
        for each, before in self.before.items():
            dataset = self.zfs.state.datasets[each]
            after = self.zfs.get(each, "mountpoint")[0]
            if not after.startswith("/") or self.zfs.get(each, "canmount")[0] == "off":
                dataset.mounted = False
            elif not before.startswith("/") and self.zfs.mountable(each):
                dataset.mounted = True


@functools.cache
def fixture(name: str) -> str:
    """A text of the real thing."""
    return (FIXTURES / name).read_text()


@functools.cache
def offered(usage: str, verb: str) -> str:
    """Letters of the options of a verb, read from a real usage text."""
    lines: list[str] = []
    inside = False
    for line in usage.splitlines():
        if line.startswith("\t") and not line.startswith("\t "):
            inside = line.split()[0] == verb
        if inside:
            lines.append(line)
    return "".join(re.findall(r"(?:[\[|<]|\s)-\[?([A-Za-z]+)", " ".join(lines)))


@functools.cache
def property_table(usage: str) -> dict[str, tuple[bool, bool, str]]:
    """Per property: editable, inheritable, values; read from a real usage text."""
    rows = re.findall(r"^\t(\S+)\s+(YES|NO)\s+(?:(YES|NO)\s+)?(\S.*)$", usage, re.MULTILINE)
    return {name: (edit == "YES", inherit == "YES", values) for name, edit, inherit, values in rows}


def choice_pattern(word: str) -> str:
    """A word of the table as a regular expression."""
    if word.endswith("[,verify]"):
        return re.escape(word.removesuffix("[,verify]")) + "(,verify)?"
    if "[" in word:
        return re.escape(word.partition("[")[0]) + r"\d+"
    return re.escape(word)


def parse_number(text: str) -> int:
    """A number with a unit, as zfs reads it."""
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?([A-Za-z]*)", text)
    if match is None:
        raise ValueError(f"bad numeric value '{text}'")
    unit = match[3].upper().removesuffix("B").removesuffix("I")
    if unit and (len(unit) > 1 or unit not in UNITS):
        raise ValueError(f"invalid numeric suffix '{match[3]}'")
    factor = 1024 ** (UNITS.index(unit) + 1) if unit else 1
    return int(float(f"{match[1]}.{match[2] or 0}") * factor) if match[2] else int(match[1]) * factor


def nice_number(number: int) -> str:
    """A number for people, as zfs prints it without -p ("8M", "1.82M")."""
    unit, scaled = "", float(number)
    for larger in UNITS:
        if scaled < 1024:
            break
        unit, scaled = larger, scaled / 1024
    return f"{scaled:.0f}{unit}" if scaled.is_integer() else f"{scaled:.3g}{unit}"


def zfs_host(
    flavour: str = "fuse", *commands: str, pools: Iterable[str] = ("tank",), disks: Iterable[str] = ()
) -> MemoryHost:
    """A host with ZFS on which these commands were run.

    :param commands: argument lines of zfs(8), their words parted by one blank.
    :param disks: devices that belong to no pool.
    """
    zfs = Zfs(flavour, pools)
    zfs.devices |= set(disks)
    files = {device: "" for device in zfs.devices}
    host = MemoryHost(zfs, files={**files, "/proc/mounts": "/dev/root / ext4 rw 0 0\n", "/proc/swaps": ""})
    for line in commands:
        host.change(["zfs", *line.split(" ")])
    zfs.late.clear()
    host.changes.clear()
    host.calls.clear()
    return host
