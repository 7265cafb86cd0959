# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ZFS of a host: what it can do, its datasets, and the steps that change them."""

from __future__ import annotations

import functools
import itertools
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._core.errors import CommandFailed, CommandMissing
from .._core.host import Host, WritableHost, expect
from .._core.pipe import Meter
from .._core.plan import Step
from .dataset import FILESYSTEM, Dataset, State, Wanted, exported
from .model import (
    Capabilities,
    Property,
    ancestors_of,
    below,
    parse_capabilities,
    parse_properties,
)

# Names per command: far below the limit of the kernel for the arguments of one program.
_BATCH = 2000
# zfs-fuse goes on unmounting after it has answered; it is over within this many seconds.
_PATIENCE = 5.0
# Of ZFS itself; "target is busy" would be an open file.
_BUSY = re.compile(r"(dataset|pool) is busy")
# zfs(8): exit code of a command line that it cannot read; it then prints its usage.
_USAGE = 2


@functools.cache
def capabilities(host: Host) -> Capabilities:
    """What the ZFS of a host can do, from two or three commands that fail at once; it is asked once.

    :raises CommandMissing: when there is no zfs(8), or nothing that it could talk to.
    """
    usage = usage_of(host, "zfs")
    table = usage_of(host, "zfs", "get")
    version = host.run(["zfs", "version"]).out if "\n\tversion" in usage else ""
    return parse_capabilities(usage, table, version)


def usage_of(host: Host, *argv: str) -> str:
    """The usage text which zfs(8) and zpool(8) print when they are not told enough.

    :raises CommandMissing: when the program is missing, or the daemon or kernel module behind it.
    """
    output = host.run(argv, ok=(_USAGE, 1))
    if output.rc == _USAGE:
        return output.err
    raise CommandMissing(
        "ZFS does not run on this host",
        " ".join(output.err.split()),
        "start zfs-fuse.service, or load the kernel module zfs",
        command=list(argv),
        stderr=output.err,
    )


def read_datasets(host: Host, wanted: Wanted) -> State:
    """The datasets of a host, with the properties that are declared, by a few commands in all."""
    try:
        able = capabilities(host)
    except CommandMissing:
        if host.writable:
            raise
        return State(tentative=True)
    datasets = list_datasets(host)
    looked_at = {
        name for item in wanted.present for name in (item.name, *ancestors_of(item.name), item.renamed_from)
    }
    names = [name for name in datasets if name in looked_at]
    keys = {key for item in wanted.present for key in item.properties}
    if any(item.mounted for item in wanted.present):
        keys |= {"mountpoint", "canmount"}
    values = read_properties(
        host, names, sorted(key for key in keys if ":" in key or able.property_kind(key))
    )
    return State(
        able,
        {name: _with(dataset, values.get(name, {})) for name, dataset in datasets.items()},
        read_holds_of(host, _going(wanted, datasets)),
        _existing(host, _origins(wanted, datasets)),
        not host.writable,
    )


def _with(dataset: Dataset, properties: Mapping[str, Property]) -> Dataset:
    return Dataset(dataset.kind, dataset.origin, dataset.mounted, dataset.mountpoint, properties)


def _going(wanted: Wanted, datasets: Collection[str]) -> list[str]:
    """The datasets of which a step may destroy the snapshots, as roots of trees."""
    roots = [item.name for item in wanted.datasets if not item.present and item.name in datasets]
    if wanted.purge and wanted.scope in datasets:
        roots.append(wanted.scope)
    return [name for name in roots if not any(below(name, other) for other in roots)]


def _origins(wanted: Wanted, datasets: Mapping[str, Dataset]) -> list[str]:
    """The snapshots of which a clone or a copy may have to be made."""
    cloned = {
        item.origin
        for item in wanted.present
        if item.origin and (item.name not in datasets or datasets[item.name].origin != item.origin)
    }
    copied = {item.copy_of for item in wanted.present if item.copy_of and item.name not in datasets}
    return sorted(cloned | copied)


def list_datasets(host: Host) -> dict[str, Dataset]:
    """All file systems and volumes, without properties."""
    columns = "name,type,origin,mounted,mountpoint"
    out = host.run(["zfs", "list", "-H", "-t", "filesystem,volume", "-o", columns]).out
    found = {}
    for line in out.splitlines():
        name, kind, origin, mounted, mountpoint = line.split("\t", 4)
        found[name] = Dataset(
            kind,
            "" if origin == "-" else origin,
            mounted == "yes",
            mountpoint if mountpoint.startswith("/") else "",
        )
    return found


def read_properties(
    host: Host, names: Sequence[str], keys: Sequence[str], sources: str = ""
) -> dict[str, dict[str, Property]]:
    """Properties of many datasets or snapshots at once; names that do not exist are left out.

    :param sources: only values from these sources (``local,received``); empty for all.
    """
    if not keys:
        return {}
    found: dict[str, dict[str, Property]] = {}
    chosen = ["-s", sources] if sources else []
    for batch in _batches(names):
        argv = ["zfs", "get", "-Hp", "-o", "name,property,value,source", *chosen, ",".join(keys), *batch]
        found.update(parse_properties(_of_existing(host, argv)))
    return found


def read_holds_of(host: Host, roots: Sequence[str]) -> dict[str, dict[str, int]]:
    """Per dataset of these trees its snapshots, and how many holds each has."""
    found: dict[str, dict[str, int]] = {}
    if roots:
        argv = ["zfs", "list", "-H", "-r", "-t", "snapshot", "-o", "name,userrefs", *roots]
        for line in host.run(argv).out.splitlines():
            name, holds = line.split("\t")
            dataset, _unused, snapshot = name.partition("@")
            found.setdefault(dataset, {})[snapshot] = int(holds)
    return found


def _existing(host: Host, snapshots: Sequence[str]) -> frozenset[str]:
    """Those of these snapshots that exist."""
    if not snapshots:
        return frozenset()
    argv = ["zfs", "list", "-H", "-t", "snapshot", "-o", "name", *snapshots]
    return frozenset(_of_existing(host, argv).splitlines())


def _of_existing(host: Host, argv: Sequence[str]) -> str:
    """What a command prints about those of its names that exist.

    :raises CommandFailed: when it failed for any other reason than that some do not.
    """
    output = host.run(argv, ok=(0, 1))
    if all(line.endswith("dataset does not exist") for line in output.err.splitlines()):
        return output.out
    return expect(output, (0,)).out


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch


def export_datasets(host: Host, scope: str = "") -> list[dict[str, Any]]:
    """The datasets of a host, or a dataset and what is below it, as options of module zfs_dataset."""
    datasets = list_datasets(host)
    names = [name for name in datasets if not scope or name == scope or below(name, scope)]
    own = read_properties(host, names, ["all"], "local,received")
    sizes = read_properties(host, [name for name in names if datasets[name].kind != FILESYSTEM], ["volsize"])
    merged = {name: {**own.get(name, {}), **sizes.get(name, {})} for name in names}
    table = capabilities(host)
    settable = {
        name: {
            key: held
            for key, held in properties.items()
            if key == "volsize" or not table.objection(key, None)
        }
        for name, properties in merged.items()
    }
    return exported({name: _with(datasets[name], settable[name]) for name in names}, names)


def apply_dataset(host: WritableHost, step: Step) -> None:
    """One step of `plan_datasets`."""
    args = step.args
    match step.verb:
        case "create" if args["copy_of"]:
            _copy(host, step.key, args["copy_of"], args["properties"])
        case "create":
            _create(host, step.key, args)
        case "rename":
            rename_dataset(host, args["from"], args["to"])
        case "set":
            pairs = [f"{key}={value}" for key, value in args["properties"].items()]
            # A host sets no mountpoint of what belongs to a jail: that must end with a call of its own.
            freed = [pair for pair in pairs if pair in ("jailed=off", "zoned=off")]
            for each in (freed, [pair for pair in pairs if pair not in freed]):
                if each:
                    patiently(host, ["zfs", "set", *each, step.key])
        case "inherit":
            patiently(host, ["zfs", "inherit", args["property"], step.key])
        case "promote":
            host.change(["zfs", "promote", step.key])
        case "destroy":
            patiently(host, ["zfs", "destroy", *(["-r"] if args["snapshots"] else []), step.key])
    settle(host, args.get("settle") or {})


def _create(host: WritableHost, name: str, args: Mapping[str, Any]) -> None:
    options = [word for key, value in args["properties"].items() for word in ("-o", f"{key}={value}")]
    if args["origin"]:
        argv = ["zfs", "clone", *options, args["origin"], name]
    elif args["size"]:
        argv = ["zfs", "create", *options, "-V", args["size"], name]
    else:
        argv = ["zfs", "create", *options, name]
    try:
        host.change(argv)
    except CommandFailed as error:
        # It exists; whether it must be mounted is for its declaration to say.
        if "successfully created, but not" not in error.facts.get("stderr", ""):
            raise


def _copy(host: WritableHost, name: str, snapshot: str, properties: Mapping[str, str]) -> None:
    """Make a dataset of what a snapshot holds, in blocks of its own."""
    sender, receiver = ["zfs", "send", snapshot], ["zfs", "receive", name]
    joined = host.pipe(sender, host, receiver, Meter())
    arrived = f"{name}@{snapshot.partition('@')[2]}"
    # A receive whose mount failed is complete all the same.
    if (joined.sender_rc or joined.receiver_rc) and not _existing(host, [arrived]):
        cause = joined.receiver_err if joined.receiver_rc else joined.sender_err
        raise CommandFailed(
            f"{name} could not be made as a copy of {snapshot}", " ".join(cause.split()), "run it again",
            command=receiver, stderr=cause,
        )  # fmt: skip
    # While it is kept, all that changes takes its space twice.
    patiently(host, ["zfs", "destroy", arrived])
    for key, value in properties.items():
        # Not every ZFS sets them as it receives (zfs receive -o).
        patiently(host, ["zfs", "set", f"{key}={value}", name])


def rename_dataset(host: WritableHost, old: str, new: str) -> None:
    """Rename a dataset and keep mounted what is mounted.

    zfs-fuse never renames what is mounted: it unmounts, and then finds its own unmount unfinished.
    """
    tree = {name: each for name, each in list_datasets(host).items() if name == old or below(name, old)}
    mounted = [name for name, each in tree.items() if each.mounted]
    argv = ["zfs", "rename", old, new]
    try:
        host.change(argv)
        return
    except CommandFailed as error:
        if "dataset is busy" not in error.facts.get("stderr", ""):
            raise
    for name in reversed(mounted):
        host.change(["zfs", "unmount", name])
    patiently(host, argv)
    settle(host, {new + name[len(old) :]: True for name in mounted})


def settle(host: WritableHost, mounts: Mapping[str, bool]) -> None:
    """Mount and unmount until these file systems are as wanted; those that do not exist are left out."""
    # Unmounts come first, for they take what is mounted below along.
    for wanted, verb in ((False, "unmount"), (True, "mount")):
        names = sorted((name for name in mounts if mounts[name] == wanted), reverse=not wanted)
        held = read_properties(host, names, ["mounted"])
        for name in names:
            if name in held and (held[name]["mounted"].value == "yes") != wanted:
                patiently(host, ["zfs", verb, name])


def patiently(host: WritableHost, argv: Sequence[str]) -> None:
    """Run a command again while ZFS itself is busy; an open file is no reason to wait."""
    deadline = time.monotonic() + _PATIENCE
    pause = 0.02
    while True:
        try:
            host.change(argv)
            return
        except CommandFailed as error:
            said = error.facts.get("stderr", "")
            if not _BUSY.search(said) or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 0.5)
