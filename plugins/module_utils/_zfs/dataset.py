# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""File systems and volumes: what is declared, what there is, and the plan between them. Pure.

A declared property holds when its value has the declared meaning, whatever its source: what is
inherited with the right value is not set again. ``null`` asks for the opposite, that the dataset
has no value of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, make_plan
from .._core.values import doubles, parse_size
from .model import (
    CREATION_ONLY,
    Capabilities,
    Property,
    ancestors_of,
    below,
    check_dataset_name,
    check_property,
    check_snapshot_name,
    cleared_value,
    is_user_property,
    meaning,
    parent_of,
    pool_of,
    shown,
    spelled,
)

FILESYSTEM, VOLUME = "filesystem", "volume"
_NOUN = {FILESYSTEM: "file system", VOLUME: "volume"}


@dataclass(frozen=True, slots=True)
class WantedDataset:
    """One declared dataset.

    :param kind: `FILESYSTEM`, `VOLUME`, or empty for "as it is, a file system if it is new".
    :param properties: what shall hold; None for "no value of its own".
    :param initial: given at creation, never looked at again.
    :param mounted: None for "as it is".
    :param copy_of: the snapshot whose content a new one begins with, in blocks of its own.
    """

    name: str
    kind: str = ""
    properties: Mapping[str, str | None] = field(default_factory=dict)
    initial: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    renamed_from: str = ""
    promote: bool = False
    mounted: bool | None = None
    present: bool = True
    recursive: bool = False
    copy_of: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that one task declares."""

    datasets: tuple[WantedDataset, ...]
    purge: bool = False
    scope: str = ""

    @property
    def present(self) -> tuple[WantedDataset, ...]:
        """Those that shall exist."""
        return tuple(dataset for dataset in self.datasets if dataset.present)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset as it is.

    :param mountpoint: where it is or would be mounted; empty for volumes, ``none``, ``legacy``.
    :param properties: those that were asked for.
    """

    kind: str = FILESYSTEM
    origin: str = ""
    mounted: bool = False
    mountpoint: str = ""
    properties: Mapping[str, Property] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """The datasets of a host.

    :param datasets: all of them.
    :param snapshots: per dataset that may go, its snapshots and how often each is held.
    :param origins: those snapshots that are declared as origins, or to be copied, and exist.
    :param tentative: whether parents, pools and origins that are missing may still be made before
        the run comes (check mode).
    """

    capabilities: Capabilities = field(default_factory=Capabilities)
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    snapshots: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    origins: frozenset[str] = frozenset()
    tentative: bool = False


# -- what is declared ------------------------------------------------------------------------------


def parse_wanted(params: Mapping[str, Any]) -> Wanted:
    """The options of module zfs_dataset as plain data.

    :raises Refused: on what no ZFS would take, and on declarations that contradict each other.
    """
    datasets = tuple(parse_dataset(item) for item in params["datasets"])
    twice = doubles(dataset.name for dataset in datasets)
    if twice:
        raise Refused(f"dataset {twice[0]}", "it is declared twice", "declare it once")
    kept = [dataset.name for dataset in datasets if dataset.present]
    for dataset in datasets:
        if not dataset.present:
            heir = next((name for name in kept if below(name, dataset.name)), None)
            if heir:
                raise Refused(
                    f"dataset {dataset.name}", f"it is to be absent, yet {heir} is to be present", "decide"
                )
    scope = params.get("scope") or ""
    if params.get("purge") and not scope:
        raise Refused("purge", "it has no scope", "name the dataset below which it may destroy others")
    if scope:
        check_dataset_name(scope, "scope")
    return Wanted(datasets, bool(params.get("purge")), scope)


def parse_dataset(item: Mapping[str, Any]) -> WantedDataset:
    """One item of ``datasets``; keys that are missing have their defaults."""
    name = check_dataset_name(item["name"])
    what = f"dataset {name}"
    properties = {
        key: check_property(key, value, what) for key, value in (item.get("properties") or {}).items()
    }
    initial = {key: check_property(key, value, what) for key, value in (item.get("initial") or {}).items()}
    kind = item.get("type") or ""
    if item.get("size") is not None:
        if kind == FILESYSTEM:
            raise Refused(what, "a file system has no size", "write the property quota or type: volume")
        kind = VOLUME
        properties["volsize"] = str(parse_size(item["size"], f"size of {what}"))
    _check_pairs(what, properties, initial)
    _check_mount(what, item, kind, properties)
    if item.get("origin"):
        origin_of, _unused = check_snapshot_name(item["origin"], f"origin of {what}")
        if pool_of(origin_of) != pool_of(name):
            raise Refused(
                what, f"its origin {item['origin']} is in another pool", "send the snapshot there first"
            )
    if item.get("copy_of"):
        _check_copy(what, item, kind, properties)
    if item.get("renamed_from"):
        check_dataset_name(item["renamed_from"], f"renamed_from of {what}")
        if pool_of(item["renamed_from"]) != pool_of(name):
            raise Refused(
                what, f"{item['renamed_from']} is in another pool", "a name changes within one pool only"
            )
        one, other = name, item["renamed_from"]
        if one == other or below(one, other) or below(other, one):
            raise Refused(
                what,
                f"{item['renamed_from']} cannot become a part of itself",
                "rename it to a third name first",
            )
    present = (item.get("state") or "present") == "present"
    if not present and "/" not in name:
        raise Refused(what, "it is the pool itself", "use module twin.datacenter.zfs_pool")
    return WantedDataset(
        name, kind, properties, {key: value for key, value in initial.items() if value is not None},
        item.get("origin") or "", item.get("renamed_from") or "", bool(item.get("promote")),
        item.get("mounted"), present, bool(item.get("recursive")), item.get("copy_of") or "",
    )  # fmt: skip


def _check_pairs(what: str, properties: Mapping[str, str | None], initial: Mapping[str, str | None]) -> None:
    both = sorted(set(properties) & set(initial))
    if both:
        raise Refused(what, f"{both[0]} is in properties and in initial", "leave it in one of them")
    empty = sorted(key for key, value in initial.items() if value is None)
    if empty:
        raise Refused(what, f"{empty[0]} in initial has no value", "leave it out")


def _check_copy(what: str, item: Mapping[str, Any], kind: str, properties: Iterable[str]) -> None:
    check_snapshot_name(item["copy_of"], f"copy_of of {what}")
    if item.get("origin"):
        raise Refused(what, "it is to be a clone and a copy", "leave out origin or copy_of")
    if kind == VOLUME:
        raise Refused(what, "volumes are not copied", "make it a clone with origin")
    # It is there before its properties can be set: only what is compared on every run is sure to follow.
    if item.get("initial"):
        raise Refused(what, "a copy has no initial properties", "write them under properties")
    fixed = sorted(CREATION_ONLY & set(properties))
    if fixed:
        raise Refused(what, f"a copy has the {fixed[0]} of what it is a copy of", f"leave {fixed[0]} out")


def _check_mount(what: str, item: Mapping[str, Any], kind: str, properties: Mapping[str, str | None]) -> None:
    if item.get("mounted") is not None and kind == VOLUME:
        raise Refused(what, "a volume is never mounted by ZFS", "leave mounted out")
    if item.get("mounted"):
        if properties.get("canmount") == "off":
            raise Refused(what, "it is to be mounted with canmount=off", "write canmount: noauto or on")
        if properties.get("mountpoint") in ("none", "legacy"):
            raise Refused(what, f"it is to be mounted at {properties['mountpoint']}", "give it a mountpoint")


# -- what is to be done ----------------------------------------------------------------------------


def plan_datasets(current: State, wanted: Wanted) -> Plan:
    """The steps from one to the other.

    Parents come before children, clones after their origins, and what goes goes from the leaves.
    """
    return _Planner(current, wanted).plan()


class _Planner:
    """One planning: the pictures and steps that it gathers."""

    def __init__(self, current: State, wanted: Wanted) -> None:
        self.current = current
        self.wanted = wanted
        self.caps = current.capabilities
        self.steps: list[Step] = []
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        self.renames = _renames(current, wanted)
        self.view = _renamed(current.datasets, self.renames)

    def plan(self) -> Plan:
        doomed = self._doomed()
        for item in self.wanted.present:
            self._present(item)
        for name in sorted(doomed, reverse=True):
            self._destroy(name, doomed)
        return self._settled(make_plan(self.steps, self.before, self.after))

    def _settled(self, plan: Plan) -> Plan:
        """The same plan, whose last step leaves the mounts as declared.

        A mount point that changes, a rename and an unmount move the mounts of other datasets too.
        """
        mounts = {item.name: item.mounted for item in self.wanted.present if item.mounted is not None}
        if not plan.steps or not mounts:
            return plan
        *steps, last = plan.steps
        return replace(plan, steps=(*steps, replace(last, args={**last.args, "settle": mounts})))

    # -- present

    def _present(self, item: WantedDataset) -> None:
        blockers = list(self._blockers(item))
        for sentence in blockers:
            self._impossible(item.name, sentence)
        if blockers:
            return
        if item.name in self.renames:
            self._rename(item)
        existing = self.view.get(item.name)
        if existing is None and "/" not in item.name:
            # Check mode before the pool is made: its own file system comes with it.
            existing = Dataset(mounted=True)
        if existing is None:
            self._create(item)
        else:
            self._converge(item, existing)

    def _blockers(self, item: WantedDataset) -> Iterator[str]:
        """Why this dataset cannot be had, each with the way out."""
        existing = self.view.get(item.name)
        if item.mounted:
            yield from self._unmountable(item, existing)
        given: dict[str, str | None] = (
            {**item.properties} if existing else {**item.initial, **item.properties}
        )
        for key, value in given.items():
            objection = self.caps.objection(key, value)
            if objection:
                yield f"{item.name}: {objection}"
        if existing is None:
            yield from self._blockers_of_new(item)
            return
        if item.kind and item.kind != existing.kind:
            yield (
                f"{item.name} is a {_NOUN[existing.kind]} and cannot become a {_NOUN[item.kind]}; "
                "choose another name or destroy it first"
            )
            return
        if item.origin and not item.promote and existing.origin != item.origin:
            yield (
                f"{item.name} is {f'a clone of {existing.origin}' if existing.origin else 'no clone'}, "
                f"not a clone of {item.origin}; rename it away or destroy it to have it made anew"
            )
        if item.copy_of and existing.origin:
            yield (
                f"{item.name} is a clone of {existing.origin}, no copy; "
                "rename it away or destroy it to have it made anew"
            )
        yield from self._rivals(item, existing.origin)
        old = item.renamed_from
        if old in self.view and item.name not in self.renames and old not in self._declared():
            yield f"both {old} and {item.name} exist; destroy or rename one of them"
        yield from self._fixed(item, existing)

    def _unmountable(self, item: WantedDataset, existing: Dataset | None) -> Iterator[str]:
        """Why a file system could not be mounted, by what it has and will inherit."""
        held = existing.properties if existing else {}
        may = item.properties.get("canmount", held["canmount"].value if "canmount" in held else None)
        point = item.properties.get("mountpoint") or item.initial.get("mountpoint")
        if not point:
            own = Property("", "default")
            if "mountpoint" not in item.properties:
                own = held.get("mountpoint", own)
            outlook = own if own.own else self._outlook(item.name, "mountpoint", own)
            point = outlook.value if outlook else ""
        if may == "off":
            yield f"{item.name} is to be mounted, yet its canmount is off; declare canmount: noauto or on"
        if point in ("none", "legacy"):
            yield f"{item.name} is to be mounted, yet its mountpoint is {point}; declare a mountpoint"

    def _rivals(self, item: WantedDataset, origin: str) -> Iterator[str]:
        """Two clones of one dataset cannot both be promoted: the last one makes the other its clone."""
        source = origin.partition("@")[0]
        for other in self.wanted.present:
            if not (origin and item.promote and other.promote and other.name < item.name):
                continue
            existing = self.view.get(other.name)
            if (existing.origin if existing else other.origin).partition("@")[0] == source:
                yield f"{other.name} and {item.name} are both clones of {source}; only one can be promoted"

    def _blockers_of_new(self, item: WantedDataset) -> Iterator[str]:
        name, parent = item.name, parent_of(item.name)
        yield from self._rivals(item, item.origin)
        source = item.origin.partition("@")[0]
        if source == name or below(source, name):
            yield f"{name} cannot be made as a clone of {item.origin}, a part of itself; choose another name"
        if item.kind == VOLUME and not self.caps.volumes:
            yield f"{name}: this host's ZFS (zfs-fuse) has no volumes; declare a file system"
        if item.kind == VOLUME and not item.properties.get("volsize") and not item.origin:
            yield f"{name}: a new volume needs a size; write one such as size: 8G"
        if self.current.tentative:
            return
        if not parent:
            yield f"there is no pool {name}; make it with module twin.datacenter.zfs_pool"
        elif parent not in self.view and parent not in self._declared():
            yield f"{name} cannot be made because {parent} does not exist; declare {parent} too"
        if item.origin and item.origin not in self.current.origins:
            yield f"{name} cannot be cloned because {item.origin} does not exist; make that snapshot first"
        if item.copy_of and item.copy_of not in self.current.origins:
            yield f"{item.copy_of}, of which {name} is to be a copy, does not exist; make that snapshot first"

    def _fixed(self, item: WantedDataset, existing: Dataset) -> Iterator[str]:
        """Differences that no step can mend."""
        for key, value, held in self._differences(item, existing):
            if held and held.value == "-" and not held.source and not is_user_property(key):
                yield f"{item.name} is a {_NOUN[existing.kind]} and has no property {key}; leave it out"
            elif key in CREATION_ONLY and held:
                yield (
                    f"{key} of {item.name} is {held.value} for good, it is given when a dataset is made; "
                    f"leave it out, or rename the dataset away and have it made anew with {value}"
                )
            elif key == "volsize" and held and value and int(value) < int(held.value):
                yield (
                    f"{item.name} cannot shrink from {shown(key, held.value)} to {shown(key, value)}, "
                    "its end would be lost; make a smaller volume and copy"
                )
        if item.mounted is False and existing.mounted:
            declared = {other.name for other in self.wanted.present if other.mounted is not None}
            for name in self._mounted_below(existing):
                if name not in declared:
                    yield (
                        f"{item.name} cannot be unmounted without {name}, which is mounted below it; "
                        f"declare {name} with its mounted too"
                    )

    def _rename(self, item: WantedDataset) -> None:
        old = self.renames[item.name]
        self._step(
            item.name, "rename", f"rename {old} to {item.name}",
            {"from": old, "to": item.name},
            needs=self._needs(item), before={"name": old}, after={"name": item.name},
        )  # fmt: skip

    def _create(self, item: WantedDataset) -> None:
        kind = item.kind or FILESYSTEM
        given = {
            **item.initial,
            **{key: value for key, value in item.properties.items() if value is not None},
        }
        size = given.pop("volsize", None)
        words = [f"create {_NOUN[kind]} {item.name}"]
        if item.origin:
            words.append(f"as a clone of {item.origin}")
        if item.copy_of:
            words.append(f"as a copy of {item.copy_of}")
        if size:
            words.append(f"of {shown('volsize', size)}")
        if given:
            words.append("with " + ", ".join(f"{key}={shown(key, value)}" for key, value in given.items()))
        picture: dict[str, Any] = {
            "type": kind, "origin": item.origin, "copy_of": item.copy_of, "mounted": item.mounted,
            "volsize": shown("volsize", size) if size else "",
            **{key: shown(key, value) for key, value in given.items()},
        }  # fmt: skip
        args = {
            "kind": kind, "size": size, "origin": item.origin, "copy_of": item.copy_of,
            "properties": {key: spelled(key, value) for key, value in given.items()},
            "settle": {item.name: item.mounted} if item.mounted is not None else {},
        }  # fmt: skip
        self._step(
            item.name, "create", " ".join(words), args, needs=self._needs(item),
            after={key: value for key, value in picture.items() if value not in ("", None)},
        )  # fmt: skip
        if item.origin and item.promote:
            self._promote(item, item.origin)

    def _converge(self, item: WantedDataset, existing: Dataset) -> None:
        needs = self._needs(item)
        changes: list[tuple[str, str, Property | None]] = []
        for key, value, held in self._differences(item, existing):
            if value is not None:
                changes.append((key, value, held))
            elif cleared := cleared_value(key):
                changes.append((key, cleared, held))
            else:
                self._inherit(item, key, held, needs)
        changes.sort(key=lambda change: _rank(*change))
        for group in [changes] if self.caps.set_many and changes else [[change] for change in changes]:
            self._set(item, group, needs)
        if item.promote and existing.origin:
            self._promote(item, existing.origin)
        if item.mounted is not None and item.mounted != existing.mounted:
            verb = "mount" if item.mounted else "unmount"
            self._step(
                item.name, verb, f"{verb} {item.name}", {"settle": {item.name: item.mounted}},
                needs=needs, before={"mounted": existing.mounted}, after={"mounted": item.mounted},
            )  # fmt: skip

    def _set(
        self, item: WantedDataset, changes: list[tuple[str, str, Property | None]], needs: tuple[str, ...]
    ) -> None:
        parts = []
        before, after = {}, {}
        for key, value, held in changes:
            old = shown(key, held.value) if held else "unset"
            if held and self._same(key, value, held):
                # An ancestor is about to change, and what was inherited must become its own.
                old += " (inherited)"
            parts.append(f"{key} of {item.name} from {old} to {shown(key, value)}")
            if held:
                before[key] = old
            after[key] = shown(key, value)
        joined = " and ".join([parts[0], *(part.replace(f" of {item.name}", "", 1) for part in parts[1:])])
        args = {"properties": {key: spelled(key, value) for key, value, _unused in changes}}
        self._step(item.name, "set", f"set {joined}", args, needs=needs, before=before, after=after)

    def _inherit(self, item: WantedDataset, key: str, held: Property | None, needs: tuple[str, ...]) -> None:
        value = shown(key, held.value) if held else ""
        self._step(
            item.name, "inherit", f"let {item.name} inherit {key} instead of its own {value}",
            {"property": key}, needs=needs, before={key: value}, after={},
        )  # fmt: skip

    def _promote(self, item: WantedDataset, origin: str) -> None:
        self._step(
            item.name, "promote", f"promote {item.name}, so that it no longer depends on {origin}",
            {}, needs=self._needs(item), before={"origin": origin}, after={},
        )  # fmt: skip

    def _differences(
        self, item: WantedDataset, existing: Dataset
    ) -> list[tuple[str, str | None, Property | None]]:
        """Property, wanted value and what is held, for all that differ."""
        found = []
        for key, value in item.properties.items():
            held = existing.properties.get(key)
            if value is None:
                cleared = cleared_value(key)
                if cleared:
                    differs = held is None or not self._same(key, cleared, held)
                else:
                    differs = held is not None and held.own
            else:
                outlook = held if held is None or held.own else self._outlook(item.name, key, held)
                differs = outlook is None or not self._same(key, value, outlook)
            if differs:
                found.append((key, value, held))
        return found

    def _outlook(self, name: str, key: str, held: Property) -> Property | None:
        """What a dataset will inherit once its ancestors are as declared; None where that is not known."""
        kind = self.caps.property_kind(key)
        heritable = kind.inheritable if kind else not cleared_value(key)
        if held.source not in ("inherited", "default") or not (heritable or is_user_property(key)):
            return held
        declared = {item.name: item.properties for item in self.wanted.present}
        for above in ancestors_of(name):
            given = declared.get(above, {})
            theirs = self.view[above].properties.get(key) if above in self.view else None
            value = given.get(key) if key in given else theirs.value if theirs and theirs.own else None
            if value is not None:
                suffix = name[len(above) :] if key == "mountpoint" and value.startswith("/") else ""
                return Property(value.rstrip("/") + suffix if suffix else value, "inherited")
        return held if held.source == "default" else None

    def _same(self, key: str, value: str, held: Property) -> bool:
        if not held.source and is_user_property(key):
            return False
        version = self.caps.version
        return meaning(key, value, version) == meaning(key, held.value, version)

    # -- absent

    def _doomed(self) -> set[str]:
        """The datasets that go: those declared absent, what is below them, and what a purge finds."""
        doomed: set[str] = set()
        for item in self.wanted.datasets:
            if not item.present and item.name in self.view:
                doomed.add(item.name)
                if item.recursive:
                    doomed |= {name for name in self.view if below(name, item.name)}
        if self.wanted.purge:
            kept = {item.name for item in self.wanted.present}
            doomed |= {
                name
                for name in self.view
                if below(name, self.wanted.scope)
                and name not in kept
                and not any(below(other, name) for other in kept)
            }
        return doomed

    def _destroy(self, name: str, doomed: set[str]) -> None:
        existing = self.view[name]
        snapshots = self.current.snapshots.get(name, {})
        declared = next((item for item in self.wanted.datasets if item.name == name), None)
        clones = [other for other, each in sorted(self.view.items()) if each.origin.partition("@")[0] == name]
        blockers = []
        if declared and not declared.recursive:
            inner = [other for other in sorted(self.view) if below(other, name) and other not in doomed]
            inner += [f"{name}@{snapshot}" for snapshot in snapshots]
            if inner:
                blockers.append(
                    f"{name} is not empty, it has {_some(inner)}; write recursive: true if all may go"
                )
        if below(existing.origin.partition("@")[0], name):
            blockers.append(
                f"{name} cannot go because it is a clone of {existing.origin} below it; promote {name} first"
            )
        blockers += [
            f"{name} cannot go because {other} is a clone of its snapshot {self.view[other].origin}; "
            f"promote or destroy {other} first"
            for other in clones
            if other not in doomed
        ]
        blockers += [
            f"{name} cannot go because its snapshot {name}@{snapshot} is held; release it first (zfs release)"
            for snapshot, holds in snapshots.items()
            if holds
        ]
        for sentence in blockers:
            self._impossible(name, sentence)
        if blockers:
            return
        inside = f" with its snapshots {_some(list(snapshots))}" if snapshots else ""
        self._step(
            name, "destroy", f"destroy {_NOUN[existing.kind]} {name}{inside}", {"snapshots": bool(snapshots)},
            needs=tuple([other for other in doomed if parent_of(other) == name] + clones),
            before={"type": existing.kind, "snapshots": sorted(snapshots)}, after=None, destroys=(name,),
        )  # fmt: skip

    # -- what both need

    def _needs(self, item: WantedDataset) -> tuple[str, ...]:
        """The datasets that must be settled first."""
        needs = list(ancestors_of(item.name))
        if item.name not in self.view:
            needs += [source.partition("@")[0] for source in (item.origin, item.copy_of) if source]
        # Whatever has this name now must have been renamed.
        needs += [new for new, old in self.renames.items() if old == item.name]
        return tuple(need for need in needs if need != item.name)

    def _declared(self) -> set[str]:
        return {item.name for item in self.wanted.present}

    def _mounted_below(self, existing: Dataset) -> list[str]:
        """What is mounted somewhere below the mount point of a dataset, and goes with it."""
        return [
            name
            for name, other in sorted(self.view.items())
            if existing.mountpoint
            and other.mounted
            and other.mountpoint.startswith(f"{existing.mountpoint.rstrip('/')}/")
        ]

    def _impossible(self, name: str, sentence: str) -> None:
        self.steps.append(Step(name, "refuse", sentence, effect=Effect.IMPOSSIBLE))

    def _step(
        self, name: str, verb: str, sentence: str, args: Mapping[str, Any], *,
        needs: tuple[str, ...], before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None,
        destroys: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.steps.append(Step(name, verb, sentence, args, needs=needs, destroys=destroys))
        for picture, part in ((self.before, before), (self.after, after)):
            # None stands for "does not exist".
            if part is None:
                picture.setdefault(name, None)
            else:
                picture[name] = {**(picture.get(name) or {}), **part}


def _renames(current: State, wanted: Wanted) -> dict[str, str]:
    """New name to old name, for each rename that is still to be done.

    A name that is itself renamed away is free, so whole rows may move up by one.
    """
    found: dict[str, str] = {}
    while True:
        free = set(found.values())
        more = {
            item.name: item.renamed_from
            for item in wanted.present
            if item.renamed_from in current.datasets
            and item.name not in found
            and (item.name not in current.datasets or item.name in free)
        }
        if not more:
            return found
        found |= more


def _renamed(datasets: Mapping[str, Dataset], renames: Mapping[str, str]) -> dict[str, Dataset]:
    """The datasets as they are after the renames."""
    by_old = {old: new for new, old in renames.items()}

    def moved(name: str) -> str:
        for old, new in by_old.items():
            if name == old or below(name, old):
                return new + name[len(old) :]
        return name

    view = {}
    for name, dataset in datasets.items():
        source, at, snapshot = dataset.origin.partition("@")
        view[moved(name)] = replace(dataset, origin=moved(source) + at + snapshot)
    return view


def _rank(key: str, value: str, held: Property | None) -> int:
    """Reservations give way before limits shrink, and grow after limits have grown."""
    if not key.endswith("reservation") or held is None:
        return 1
    return 2 if int(meaning(key, value)) > int(meaning(key, held.value)) else 0


def _some(names: list[str]) -> str:
    """The first few of many."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# -- what there is, as options ---------------------------------------------------------------------


def exported(datasets: Mapping[str, Dataset], names: Iterable[str]) -> list[dict[str, Any]]:
    """Datasets in the form that module zfs_dataset takes: applied again they change nothing."""
    result = []
    for name in names:
        dataset = datasets[name]
        item: dict[str, Any] = {"name": name, "type": dataset.kind}
        if dataset.origin:
            item["origin"] = dataset.origin
        if dataset.kind == FILESYSTEM:
            item["mounted"] = dataset.mounted
        own = {key: held.value for key, held in sorted(dataset.properties.items()) if held.own}
        if "volsize" in dataset.properties:
            own.pop("volsize", None)
            item["size"] = shown("volsize", dataset.properties["volsize"].value)
        item["properties"] = {key: shown(key, value) for key, value in own.items()}
        result.append(item)
    return result
