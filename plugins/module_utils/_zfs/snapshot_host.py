# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots of a host: read them, make, hold, release and remove them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from .._core.errors import CommandMissing
from .._core.host import Host, Output, WritableHost, expect
from .._core.plan import Step
from .host import capabilities
from .model import Capabilities, Property, parse_properties, pool_of
from .snapshot import HOLDS_PROPERTY, UNKNOWN_HOLD, Current, Dataset, Item, Snapshot, parse_holds

# Known to every ZFS, though some usage texts do not name them all.
_OF_SNAPSHOTS = ("guid", "createtxg", "creation", "userrefs")
_OF_DATASETS = (
    "type", "origin", "used", "referenced", "usedbysnapshots", "compressratio",
    "mounted", "readonly", "canmount",
)  # fmt: skip
_WHERE_KNOWN = ("written", "encryption", "receive_resume_token")
# An argument list may be long, not endless.
_AT_ONCE = 500

Properties = Mapping[str, Property]


def read_datasets(
    host: Host,
    able: Capabilities,
    roots: Sequence[str],
    *,
    recursive: bool,
    full: bool = True,
) -> dict[str, Dataset]:
    """Datasets with their snapshots; those that do not exist are left out. One command, and one for holds.

    :param full: all that `Dataset` tells; else only its names, GUIDs, times and holds.
    """
    if not roots:
        return {}
    names = [*_OF_SNAPSHOTS, *([] if able.holds else [HOLDS_PROPERTY])]
    if full:
        names += [*_OF_DATASETS, *(name for name in _WHERE_KNOWN if able.property_kind(name))]
    depth = ["-r"] if recursive else ["-d", "1"]
    output = run_where_present(
        host, ["zfs", "get", "-Hp", *depth, "-o", "name,property,value,source", ",".join(names), *roots]
    )
    found = parse_datasets(output)
    if not recursive:
        found = {name: dataset for name, dataset in found.items() if name in roots}
    return _with_holds(host, able, found)


def run_where_present(host: Host, argv: Sequence[str]) -> str:
    """What a command of zfs(8) tells of those of its arguments that exist.

    In check mode missing tools read as an empty system.

    :raises CommandFailed: when it fails for another reason than a missing dataset.
    """
    try:
        output = host.run(argv, ok=(0, 1))
    except CommandMissing:
        if host.writable:
            raise
        return ""
    return forgiven(output, "does not exist", "no such pool").out


def forgiven(output: Output, *harmless: str) -> Output:
    """The output, unless it failed with a line that has none of these texts.

    :raises CommandFailed: when it did.
    """
    lines = output.err.splitlines()
    if output.rc == 1 and lines and all(any(text in line for text in harmless) for line in lines):
        return output
    return expect(output, (0,))


def parse_datasets(text: str) -> dict[str, Dataset]:
    """Datasets with snapshots and bookmarks, from ``zfs get -Hp -o name,property,value,source``.

    Of holds it knows what `HOLDS_PROPERTY` tells, or that there are some.
    """
    datasets: dict[str, Properties] = {}
    snapshots: dict[str, list[Snapshot]] = {}
    bookmarks: dict[str, dict[str, int]] = {}
    for name, found in parse_properties(text).items():
        dataset, mark, part = name.replace("#", "@#", 1).partition("@")
        if not mark:
            datasets[name] = found
        elif part.startswith("#"):
            bookmarks.setdefault(dataset, {})[part[1:]] = _number(found, "guid")
        else:
            snapshots.setdefault(dataset, []).append(_snapshot(part, found))
    return {
        name: _dataset(name, found, sorted(snapshots.get(name, ()), key=_age), bookmarks.get(name, {}))
        for name, found in datasets.items()
    }


def _age(snapshot: Snapshot) -> tuple[int, str]:
    return snapshot.txg, snapshot.name


def _snapshot(name: str, found: Properties) -> Snapshot:
    count = _number(found, "userrefs")
    recorded = frozenset(found[HOLDS_PROPERTY].value.split(",") if HOLDS_PROPERTY in found else ())
    holds = frozenset[str]() if not count else recorded
    return Snapshot(
        name=name,
        guid=_number(found, "guid"),
        txg=_number(found, "createtxg"),
        creation=_number(found, "creation"),
        used=_number(found, "used"),
        referenced=_number(found, "referenced"),
        holds=holds if len(holds) >= count else holds | {UNKNOWN_HOLD},
    )


def _dataset(
    name: str, found: Properties, snapshots: Sequence[Snapshot], bookmarks: Mapping[str, int]
) -> Dataset:
    def text(key: str, default: str = "") -> str:
        value = found[key].value if key in found else default
        return default if value == "-" else value

    return Dataset(
        name=name,
        volume=text("type") == "volume",
        snapshots=tuple(snapshots),
        bookmarks=bookmarks,
        origin=text("origin"),
        used=_number(found, "used"),
        referenced=_number(found, "referenced"),
        written=_number(found, "written") if "written" in found else None,
        usedbysnapshots=_number(found, "usedbysnapshots"),
        ratio=float(text("compressratio", "1").rstrip("x")),
        mounted=text("mounted") == "yes",
        readonly=text("readonly") == "on",
        canmount=text("canmount", "on"),
        encrypted=text("encryption", "off") != "off",
        token=text("receive_resume_token"),
    )


def _number(found: Properties, key: str) -> int:
    value = found[key].value if key in found else "0"
    return int(value) if value.isdigit() else 0


def _with_holds(host: Host, able: Capabilities, datasets: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """The same with the tags of all holds, where the host can list them."""
    if not able.holds:
        return dict(datasets)
    asked = [
        f"{dataset.name}@{snapshot.name}"
        for dataset in datasets.values()
        for snapshot in dataset.snapshots
        if snapshot.holds
    ]
    tags: dict[str, set[str]] = {}
    for start in range(0, len(asked), _AT_ONCE):
        output = host.run(["zfs", "holds", "-H", *asked[start : start + _AT_ONCE]], ok=(0, 1))
        for name, tag in parse_holds(forgiven(output, "does not exist").out):
            tags.setdefault(name, set()).add(tag)
    return {
        name: replace(
            dataset,
            snapshots=tuple(
                replace(each, holds=frozenset(tags.get(f"{name}@{each.name}", ())))
                for each in dataset.snapshots
            ),
        )
        for name, dataset in datasets.items()
    }


def set_holds(
    host: WritableHost,
    able: Capabilities,
    changes: Mapping[str, tuple[Collection[str], Collection[str]]],
) -> None:
    """Bring the holds of snapshots from what they are to what is wanted; one command per tag.

    Where the host cannot list tags, a tag is noted before it is set and forgotten after it is
    released: whatever interrupts this, no hold is left of which nobody knows.

    :param changes: current and wanted tags by full name of the snapshot.
    """
    added = {name: {*wanted} - {*current} for name, (current, wanted) in changes.items()}
    removed = {name: {*current} - {*wanted} for name, (current, wanted) in changes.items()}
    if not able.holds:
        _record_holds(
            host,
            {name: {*current, *added[name]} for name, (current, _unused) in changes.items() if added[name]},
        )
    for tag, names in _by_tag(added):
        forgiven(host.change(["zfs", "hold", tag, *names], ok=(0, 1)), "tag already exists")
    for tag, names in _by_tag(removed):
        forgiven(host.change(["zfs", "release", tag, *names], ok=(0, 1)), "no such tag", "does not exist")
    if not able.holds:
        _record_holds(host, {name: {*wanted} for name, (_unused, wanted) in changes.items() if removed[name]})


def _by_tag(tags: Mapping[str, set[str]]) -> list[tuple[str, list[str]]]:
    """Each tag with the names that have it."""
    return [
        (tag, [name for name, of_name in tags.items() if tag in of_name])
        for tag in sorted(set[str]().union(*tags.values()))
    ]


def _record_holds(host: WritableHost, tags: Mapping[str, set[str]]) -> None:
    by_value: dict[str, list[str]] = {}
    for name, of_name in tags.items():
        by_value.setdefault(",".join(sorted(of_name - {UNKNOWN_HOLD})), []).append(name)
    for value, names in by_value.items():
        verb = ["set", f"{HOLDS_PROPERTY}={value}"] if value else ["inherit", HOLDS_PROPERTY]
        forgiven(host.change(["zfs", *verb, *names], ok=(0, 1)), "does not exist")


def take_snapshot(host: WritableHost, snapshot: str, *, recursive: bool) -> None:
    """Make a snapshot, by its full name; recursive: of all datasets below as well, at one moment."""
    host.change(["zfs", "snapshot", *(["-r"] if recursive else []), snapshot])


def destroy_snapshot(host: WritableHost, snapshot: str) -> None:
    """Remove one snapshot; it is no error when there is none."""
    if "@" not in snapshot:
        raise ValueError(f"{snapshot} is no snapshot")
    missing = ("does not exist", "could not find any snapshots")
    forgiven(host.change(["zfs", "destroy", snapshot], ok=(0, 1)), *missing)


def read_current(host: Host, items: Iterable[Item]) -> Current:
    """What module zfs_snapshot looks at: one command for all trees, one for all single datasets."""
    items = list(items)
    able = capabilities(host)
    trees = sorted({item.dataset for item in items if item.recursive})
    singles = sorted({item.dataset for item in items if not item.recursive} - set(trees))
    datasets = read_datasets(host, able, trees, recursive=True, full=False)
    datasets |= read_datasets(host, able, singles, recursive=False, full=False)
    return Current(
        datasets=datasets,
        now=int(host.run(["date", "+%s"]).out),
        clones=read_clones(host, sorted({pool_of(item.dataset) for item in items})),
        bookmarks=able.can("bookmark"),
    )


def read_clones(host: Host, pools: Sequence[str]) -> frozenset[str]:
    """Full names of all snapshots that have clones."""
    if not pools:
        return frozenset()
    argv = ["zfs", "list", "-H", "-r", "-t", "filesystem,volume", "-o", "origin", *pools]
    return frozenset(run_where_present(host, argv).split()) - {"-"}


def apply_step(host: WritableHost, step: Step) -> None:
    """Carry out one step of a plan of snapshots."""
    snapshot = step.args["snapshot"]
    if step.verb == "snapshot":
        take_snapshot(host, snapshot, recursive=step.args["recursive"])
    elif step.verb == "hold":
        set_holds(host, capabilities(host), {snapshot: (step.args["current"], step.args["wanted"])})
    elif step.verb == "bookmark":
        host.change(["zfs", "bookmark", snapshot, step.args["bookmark"]])
    elif step.verb == "destroy":
        destroy_snapshot(host, snapshot)
    else:
        raise ValueError(f"no such step: {step.verb}")
