# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests of Proxmox VE: what was declared against what is written down and what runs → steps.

Pure. There are three truths of each key: declared, configured (with what waits for a start) and live (with
what a guest runs). All keys that change go into one request with the digest of the configuration that was
read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from .._core.plan import Effect, Plan, Step, make_plan
from .._core.values import format_size
from . import property as codec
from . import table
from .guest import (
    STAMP,
    Cluster,
    Disk,
    Found,
    Guest,
    Partly,
    Snapshot,
    Values,
    Wanted,
    disk_words,
    fresh_disk,
    goal,
    is_cloudinit,
    join,
    same,
    shown,
    size_of,
    storage_of,
    volume_of,
)
from .note import moving, other_image

_LONG = 60
"""Characters of a value that are still read in a sentence; the diff has longer ones."""


def plan_guests(cluster: Cluster, wanted: Wanted) -> Plan:
    """The steps from the guests of a cluster to those that were declared."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    free = iter(cluster.free)
    for guest in [*wanted.guests, *_purged(cluster, wanted)]:
        item = _Item(guest, cluster, wanted, free)
        mine = list(item.steps())
        if mine:
            steps.extend(mine)
            before[guest.label], after[guest.label] = item.pictures()
    return make_plan(steps, before, after)


def touched(plan: Plan, wanted: Wanted) -> Wanted:
    """Those guests that the steps of a plan are about: what is to be read again afterwards.

    What is to be purged is known only by all that are declared.
    """
    if wanted.scope is not None:
        return wanted
    keys = {step.key for step in plan.due}
    return replace(wanted, guests=tuple(guest for guest in wanted.guests if guest.label in keys))


def _purged(cluster: Cluster, wanted: Wanted) -> Iterator[Guest]:
    if wanted.scope is None:
        return
    listed = {entry.vmid for guest in wanted.guests for entry in cluster.named(guest)}
    for entry in sorted(cluster.entries, key=lambda each: each.vmid):
        mine = entry.kind == wanted.kind.path and fnmatchcase(entry.name, wanted.scope)
        if mine and entry.vmid not in listed:
            yield Guest(entry.name, entry.vmid, "absent")


class _Item:
    """One guest on its way."""

    def __init__(self, guest: Guest, cluster: Cluster, wanted: Wanted, free: Iterator[int]) -> None:
        self.guest, self.cluster, self.kind = guest, cluster, wanted.kind
        self.update_secrets = wanted.update_secrets
        self.what = f"{self.kind.what} {guest.label}"
        self.entries = cluster.named(guest)
        entry = self.entries[0] if len(self.entries) == 1 else None
        found = cluster.found.get(entry.vmid) if entry else None
        self.new = entry is None
        number = guest.vmid or (next(free, 0) if self.new and guest.state != "absent" else 0)
        self.now = found or Found(entry.vmid if entry else number, guest.birthplace, guest.name)
        self.node = self.now.node
        self.silent, self.where = self._silence()
        """The node which is down, so that nothing is known of it; and what of it is there, for people."""
        self.copied = False
        """Whether it is only known from what it is copied of, so that its volumes have no names yet."""
        self.migrated = False
        """Whether its move has started it anew."""

    def _silence(self) -> tuple[str, str]:
        """See `silent`; both are empty for one whose node is up."""
        for each in self.entries[:1]:
            if each.node not in self.cluster.nodes:
                return each.node, f"is on {each.node}"
        if not self.entries and self.guest.vmid is None:
            # Five minutes after the end of a node PVE has forgotten what its guests are called.
            for each in self.cluster.entries:
                nameless = not each.name and each.kind == self.kind.path
                if nameless and each.node not in self.cluster.nodes:
                    return each.node, f"may be {each.vmid} on {each.node}"
        return "", ""

    # -- steps

    def steps(self) -> Iterator[Step]:
        """All of them, in order."""
        blockers = [self._refusal(sentence) for sentence in self._faults()]
        if blockers:
            yield from blockers
        elif self.guest.state == "absent":
            if not self.new:
                yield from self._removal()
        elif self.silent:
            until = "it is left as it is until that node answers"
            yield self._step(
                "wait", f"{self.what} {self.where}, which is not up; {until}", effect=Effect.OWED
            )
        else:
            steps, held = list(self._ways()), self._held()
            if held and any(step.effect is not Effect.OWED for step in steps):
                steps = [self._refusal(held)]
            yield from steps

    def _ways(self) -> Iterator[Step]:
        if self.new:
            yield from self._creation()
        if self._goes_down():
            yield self._stop()
        yield from self._settings()
        yield from self._secrets()
        yield from self._moves()
        yield from self._growth()
        yield from self._destroyed_disks()
        yield from self._migration()
        yield from self._transition()
        yield from self._snapshots()
        if self.guest.state == "template" and not self.now.template:
            yield self._step("template", f"make {self.what} a template", effect=Effect.RECREATE)

    def _removal(self) -> Iterator[Step]:
        # First of all, for what takes copies away is a job that runs while its guest is there.
        for job in self.now.jobs:
            yield self._step(
                "forsake",
                f"remove the copies of {self.what} on {job.target} (replication job {job.name})",
                destroys=(self.guest.label,),
                job=job.name,
                target=job.target,
            )
        if self.now.running:
            yield self._stop()
        yield self._step(
            "remove",
            f"remove {self.what} ({self.now.vmid}) from {self.now.node} with its disks",
            destroys=(self.guest.label,),
        )

    # -- creation

    def _creation(self) -> Iterator[Step]:
        source, guest = self.guest.source, self.guest
        name = f"{self.what} ({self.now.vmid}) on {self.node}"
        if source.how == "clone":
            entry = self.cluster.source_of(self.kind, guest)
            if entry is None:
                return  # `_faults` says so
            full = not entry.template if source.full is None else source.full
            yield self._step(
                "clone",
                f"make {name}, a {'full' if full else 'linked'} clone of {source.of}",
                source=(entry.node, entry.vmid),
                full=full,
                name=guest.name,
                snapshot=source.snapshot,
                storage=source.storage if full else "",
                pool=source.pool,
                target=self.node,
            )
        elif source.how == "backup":
            # By its name it is found again when this is interrupted.
            given = {*self.kind.fixed, self.kind.name_key}
            yield self._step(
                "restore",
                f"make {name} from the backup {source.of}",
                of=source.of,
                storage=source.storage,
                pool=source.pool,
                values={key: self.guest.config[key] for key in sorted(given & set(self.guest.config))},
            )
        else:
            yield self._step(
                "create", f"make {name}{f' from {source.of}' if source.of else ''}", **self._call()
            )
        self.copied = source.how in ("clone", "backup")
        self.now = replace(self.now, configured=self._copy() if self.copied else self._made())

    def _call(self) -> dict[str, Any]:
        source = self.guest.source
        return {
            "values": self._made(),
            "template": source.of,
            "storage": source.storage,
            "pool": source.pool,
            "secrets": self.guest.secrets,
        }

    def _made(self) -> dict[str, Any]:
        """The configuration that a new guest is given in the call that makes it."""
        values = {key: goal(self.kind, key, value, None) for key, value in self.guest.config.items()}
        values = {key: value for key, value in values.items() if value is not None}
        if "unprivileged" in self.kind.fixed:
            values.setdefault("unprivileged", True)
        for key, disk in self.guest.disks.items():
            if disk.state == "present":
                values[key] = fresh_disk(self.kind, key, self._placed(disk))
        return values

    def _copy(self) -> dict[str, Any]:
        """The configuration that a copy begins with: that of its source, without what PVE makes anew."""
        source = self.cluster.sources.get(self.guest.label, {})
        values = {key: value for key, value in source.items() if key not in _NOT_COPIED}
        if self.guest.name:
            values[self.kind.name_key] = self.guest.name
        if self.guest.source.how == "backup":
            fixed = {key: self.guest.config[key] for key in self.kind.fixed if key in self.guest.config}
            return {**values, **fixed}
        for key, value in values.items():
            if isinstance(value, Mapping):
                values[key] = {part: text for part, text in value.items() if part not in self.kind.kept}
        return values

    def _placed(self, disk: Disk) -> Disk:
        return replace(disk, storage=disk.storage or self.guest.source.storage)

    # -- configuration

    def _changes(self) -> dict[str, Any]:
        """Declared keys of which its configuration says something else, each with what was declared."""
        changes = {}
        for key, declared in self.guest.config.items():
            if not same(self.kind, key, self._goal(key, declared), self.now.configured):
                changes[key] = declared
        for key, disk in self.guest.disks.items():
            current = self.now.configured.get(key)
            if disk.state != "present":
                if current is not None and not self._destroys(key):
                    changes[key] = None
            elif current is None or self._other_volume(key, disk):
                if not self._is_created_with(key):
                    changes[key] = fresh_disk(self.kind, key, self._placed(disk))
            elif not same(self.kind, key, self._goal(key, disk.options), self.now.configured):
                changes[key] = disk.options
        return changes

    def _is_created_with(self, key: str) -> bool:
        return self.new and not self.copied and key in self.now.configured

    def _goal(self, key: str, declared: Any) -> Any:
        return goal(self.kind, key, declared, self.now.configured.get(key))

    def _other_volume(self, key: str, disk: Disk) -> bool:
        current = self.now.configured.get(key)
        if disk.volume == "cloudinit":
            # PVE moves no such drive, but makes a new one at once.
            moves = bool(disk.storage) and disk.storage != self._storage(current)
            return moves or not is_cloudinit(self.kind, current)
        return bool(disk.volume) and disk.volume != volume_of(self.kind, current)

    def _settings(self) -> Iterator[Step]:
        changes = self._changes()
        if not changes:
            return
        lost = tuple(f"{self.guest.label}/{key}" for key in changes if key.startswith("unused"))
        restarts = self._up() and any(key in changes for key in self._stale()) and self.guest.apply == "now"
        yield self._step(
            "set",
            f"change {self.what}: {', '.join(self._words(key, value) for key, value in changes.items())}",
            effect=Effect.RESTART if restarts else Effect.LIVE,
            destroys=lost,
            changes=changes,
            base=None if self.copied else {key: self.now.configured.get(key) for key in changes},
            digest=self.now.digest,
        )

    def _words(self, key: str, declared: Any) -> str:
        """A change, for people."""
        old, new = self.now.configured.get(key), self._goal(key, declared)
        if new is None:
            gone = key.startswith("unused") or not self.kind.is_disk(key)
            return f"no {key}" if gone else f"{key} detached"
        disk = self.guest.disks.get(key)
        if disk is not None and not isinstance(declared, Partly):
            return disk_words(key, self._placed(disk))
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            parts = sorted(part for part in {*old, *new} if old.get(part) != new.get(part))
            return f"{key} ({', '.join(_from_to(part, old.get(part), new.get(part)) for part in parts)})"
        return _from_to(key, None if old is None else shown(self.kind, key, old), shown(self.kind, key, new))

    def _secrets(self) -> Iterator[Step]:
        """Those that are written apart: a copy has none of them, and a call that makes a guest takes all."""
        if self.new and not self.copied:
            return
        for key in self.guest.secrets:
            if self.kind.hidden[key] and (self.update_secrets or key not in self.now.configured):
                again = key in self.now.configured
                yield self._step(
                    "secret",
                    f"set {key} of {self.what}",
                    token=str(self.cluster.writes) if again else None,
                    secrets={key: self.guest.secrets[key]},
                )

    # -- disks

    def _present(self) -> Iterator[tuple[str, Disk, Any]]:
        """Disks that are there and stay, with their value."""
        for key, disk in self.guest.disks.items():
            current = self.now.configured.get(key)
            if disk.state == "present" and current is not None and not self._other_volume(key, disk):
                yield key, disk, current

    def _moves(self) -> Iterator[Step]:
        for key, old, new in self._moving():
            waits = self._waits() and "storage" in self._reasons()
            yield self._step(
                "move",
                f"move {key} of {self.what} from {old} to {new}",
                effect=Effect.OWED if waits else Effect.LIVE,
                disk=key,
                storage=new,
            )

    def _moving(self) -> Iterator[tuple[str, str, str]]:
        """Disks that lie elsewhere than they are to, with both storages."""
        for key, disk, current in self._present():
            old = self._storage(current)
            settled = self._is_created_with(key) or bool(disk.volume)
            if disk.storage and old and disk.storage != old and not settled:
                yield key, old, disk.storage

    def _storage(self, value: Any) -> str:
        """Where a disk lies; those of a full clone go where the clone was told to."""
        source = self.guest.source
        if self.copied and source.storage and source.full is not False:
            return source.storage
        return storage_of(self.kind, value)

    def _growth(self) -> Iterator[Step]:
        """A new disk has its size already, unless it was filled from an image, which nobody has measured."""
        for key, disk in self.guest.disks.items():
            if disk.state != "present" or disk.size is None or disk.volume:
                continue
            fresh = key not in self.now.configured or self._is_created_with(key)
            old = None if fresh else size_of(self.now.configured[key])
            if disk.image if fresh else old is None or disk.size > old:
                start = "" if old is None else f" from {format_size(old)}"
                yield self._step(
                    "grow",
                    f"grow {key} of {self.what}{start} to {format_size(disk.size)}",
                    disk=key,
                    size=format_size(disk.size),
                )

    def _destroys(self, key: str) -> bool:
        """Whether a disk goes with its data; an unused one does so by a mere change."""
        disk = self.guest.disks.get(key)
        if disk is None or disk.state != "absent" or key.startswith("unused"):
            return False
        return bool(storage_of(self.kind, self.now.configured.get(key)))

    def _destroyed_disks(self) -> Iterator[Step]:
        for key in self.guest.disks:
            if self._destroys(key):
                volume = volume_of(self.kind, self.now.configured[key])
                waits = self._waits() and self._verdict(key) == "restart"
                # What was copied a moment ago has no data of its own, and its volumes have no names yet.
                yield self._step(
                    "destroy",
                    f"remove {key} of {self.what} with its data{'' if self.copied else f' ({volume})'}",
                    effect=Effect.OWED if waits else Effect.LIVE,
                    destroys=() if self.copied else (f"{self.guest.label}/{key}",),
                    disk=key,
                    volume="" if self.copied else volume,
                )

    # -- place

    def _moves_away(self) -> bool:
        return not self.new and bool(self.guest.node) and self.guest.node != self.now.node

    def _migration(self) -> Iterator[Step]:
        if not self._moves_away():
            return
        up = self._up()
        restarts = up and self.kind.path == "lxc"
        waits = self._waits() and "node" in self._reasons() or (restarts and self.guest.apply == "next_boot")
        how = ", restarting it" if restarts else " while it runs" if up else ""
        yield self._step(
            "migrate",
            f"move {self.what} from {self.now.node} to {self.guest.node}{how}",
            effect=Effect.OWED if waits else Effect.RESTART if restarts else Effect.LIVE,
            target=self.guest.node,
            running=up,
            local=self.now.local,
            storage=self.guest.target_storage,
        )
        if not waits:
            self.node = self.guest.node
            self.migrated = restarts

    # -- state

    def _reasons(self) -> list[str]:
        """Why one that runs must be stopped first: its storage, its node, a disk."""
        if not self.now.running:
            return []
        reasons = []
        if self.kind.path == "lxc" and any(self._moving()):
            reasons.append("storage")
        if self._moves_away() and self.kind.path == "qemu" and not self.guest.live:
            reasons.append("node")
        reasons += [
            key for key in self.guest.disks if self._destroys(key) and self._verdict(key) == "restart"
        ]
        return reasons

    def _waits(self) -> bool:
        """Whether what needs a stop is left to the next one."""
        return self.now.running and self.guest.apply == "next_boot" and not self._ends()

    def _ends(self) -> bool:
        return self.guest.state in ("stopped", "template")

    def _goes_down(self) -> bool:
        """Whether it is stopped before all else."""
        if not self.now.running:
            return False
        return self._ends() or bool(self._reasons()) and self.guest.apply == "now"

    def _up(self) -> bool:
        """Whether it runs while it is changed."""
        return self.now.running and not self._goes_down()

    def _stop(self) -> Step:
        return self._step("stop", f"stop {self.what}", effect=Effect.RESTART, timeout=self.guest.timeout)

    def _transition(self) -> Iterator[Step]:
        """Start or restart it."""
        if self._ends():
            return
        stale = [] if self.migrated or not self._up() else list(self._stale())
        if self.guest.state == "restarted":
            yield self._restart()
        elif not self._up():
            if self.now.running or self.guest.state == "started":
                yield self._step("start", f"start {self.what}")
        elif stale and self.guest.apply == "now":
            yield self._restart(f" for {join(stale)} to take effect")
        elif stale:
            yield self._step(
                "restart",
                f"restart {self.what} for {join(stale)} to take effect",
                effect=Effect.OWED,
                token=self.now.token,
            )

    def _restart(self, reason: str = "") -> Step:
        up = self._up()
        return self._step(
            "restart",
            f"{'restart' if up else 'start'} {self.what}{reason}",
            effect=Effect.RESTART if up else Effect.LIVE,
            token=self.now.token,
            running=up,
            timeout=self.guest.timeout,
        )

    def _verdict(self, key: str, new: Any = None) -> str:
        return self.kind.verdict(key, self.now.live.get(key), new, self.now.live)

    def _stale(self) -> Iterator[str]:
        """Keys of which it runs with another value, and goes on to until it is restarted."""
        changes = self._changes()
        declared = {**self.guest.config, **{key: disk.options for key, disk in self.guest.disks.items()}}
        for key, value in declared.items():
            if self._destroys(key):
                continue
            if key in changes:
                new = self._goal(key, changes[key])
                stale = not self._runs_so(key, new) and self._verdict(key, new) == "restart"
            else:
                disk = self.guest.disks.get(key)
                absent = disk is not None and disk.state != "present"
                stale = not self._runs_so(key, None if absent else self._goal(key, value))
            if stale:
                yield key

    def _runs_so(self, key: str, new: Any) -> bool:
        return same(self.kind, key, new, self.now.live)

    # -- snapshots

    def _snapshots(self) -> Iterator[Step]:
        for wanted in self.guest.snapshots or ():
            if wanted.name:
                yield from self._named(wanted)
            else:
                yield from self._series(wanted)

    def _named(self, wanted: Snapshot) -> Iterator[Step]:
        there = wanted.name in self.now.snapshots
        if wanted.state == "present" and not there:
            yield self._snapshot(wanted, f"take snapshot {wanted.name} of {self.what}")
        elif wanted.state == "absent" and there:
            yield self._forget(wanted.name, (f"{self.guest.label}@{wanted.name}",))

    def _series(self, wanted: Snapshot) -> Iterator[Step]:
        series = self._of_series(wanted)
        age = self.cluster.now - _time_of(series[0], wanted.prefix) if series else None
        due = wanted.every is not None and (age is None or age >= wanted.every)
        if due:
            yield self._snapshot(wanted, f"take a snapshot {wanted.prefix}* of {self.what}")
        if wanted.keep is not None:
            for name in series[max(0, wanted.keep - due) :]:
                yield self._forget(name)

    def _of_series(self, wanted: Snapshot) -> list[str]:
        """The snapshots of a series, the newest first."""
        pattern = re.compile(rf"{re.escape(wanted.prefix)}\d{{8}}T\d{{6}}Z")
        return sorted(filter(pattern.fullmatch, self.now.snapshots), reverse=True)

    def _snapshot(self, wanted: Snapshot, sentence: str) -> Step:
        return self._step(
            "snapshot",
            sentence,
            name=wanted.name,
            prefix=wanted.prefix,
            description=wanted.description,
            memory=wanted.memory,
        )

    def _forget(self, name: str, lost: tuple[str, ...] = ()) -> Step:
        return self._step("forget", f"remove snapshot {name} of {self.what}", destroys=lost, name=name)

    # -- blockers

    def _refusal(self, sentence: str) -> Step:
        return self._step("refuse", sentence, effect=Effect.IMPOSSIBLE)

    def _faults(self) -> Iterator[str]:
        guest, kind = self.guest, self.kind
        if len(self.entries) > 1:
            all_ = join(f"{entry.vmid} on {entry.node}" for entry in self.entries)
            yield f"{self.what}: {all_} have that name; say by vmid which one is meant"
            return
        entry = self.entries[0] if self.entries else None
        if entry is not None and entry.kind != kind.path:
            other = "a virtual machine" if entry.kind == "qemu" else "a container"
            yield f"{self.what}: {entry.vmid} on {entry.node} is {other}; choose another name or vmid"
        elif self.silent:
            if guest.state == "absent":
                yield f"{self.what} {self.where}, which is not up; nothing is known of it until it is"
        elif guest.state == "absent":
            if self.now.configured.get("protection"):
                yield f"{self.what} is protected; set its protection to false first"
            if held := self._held():
                yield held
            for job in self.now.jobs:
                if job.target not in self.cluster.nodes:
                    yield (
                        f"{self.what} has copies on {job.target}, which is not up; remove it once that is, "
                        f"or give them up by 'pvesr delete {job.name} --force' on {self.node}"
                    )
        elif self.new:
            yield from self._faults_of_new()
        elif self.now.lock == "create":
            yield self._locked()
        else:
            yield from self._faults_of_old()

    def _held(self) -> str:
        """Why nobody may touch it now; empty if nothing is in the way."""
        if self.now.lock:
            return self._locked()
        # Between the steps of a move PVE holds no lock of it.
        way = moving(self.now.configured.get("description"), self.now.name)
        return f"{self.what} {way}" if way else ""

    def _locked(self) -> str:
        tool = "pct" if self.kind.path == "lxc" else "qm"
        where = f"{self.what} ({self.now.vmid} on {self.now.node})"
        if self.now.lock == "create":
            return (
                f"{where} is half made (lock: create), and nothing that can be seen is at work on it; "
                f"remove it there by '{tool} unlock {self.now.vmid}' and '{tool} destroy {self.now.vmid}'"
            )
        return (
            f"{where} is locked ({self.now.lock}); wait until that is done, or if nobody is at work on it, "
            f"run '{tool} unlock {self.now.vmid}' there"
        )

    def _faults_of_new(self) -> Iterator[str]:
        guest, source = self.guest, self.guest.source
        taken = [each for each in self.cluster.entries if each.name == guest.name and not each.template]
        if guest.name and taken and guest.state != "template":
            yield (
                f"{self.what}: {taken[0].vmid} on {taken[0].node} has that name already; "
                "choose another, or declare it by that number"
            )
        half = [
            each for each in self.cluster.entries if each.kind == self.kind.path and each.lock == "create"
        ]
        if guest.vmid is None and half:
            yield (
                f"{self.what}: {half[0].vmid} on {half[0].node} is half made and may be this one; "
                "remove it there, or give a vmid"
            )
        if not guest.birthplace:
            yield f"{self.what}: a new one needs a place; name it in node"
        elif guest.birthplace not in self.cluster.nodes:
            yield f"node of {self.what}: {guest.birthplace} is not up, or no node of this cluster"
        if self.kind.path == "lxc" and not source.how:
            yield f"{self.what}: a new one needs a source; name a template, a guest to clone or a backup"
        if source.how == "clone":
            for key in self._fixed_otherwise(self.cluster.sources.get(guest.label, {})):
                yield f"{key} of {self.what} cannot be other than that of {source.of}; clone another one"
        if source.how == "clone" and self.cluster.source_of(self.kind, guest) is None:
            yield f"source of {self.what}: there is no one {self.kind.what} {source.of} to clone"
        if source.how in ("clone", "backup"):
            never = [key for key in guest.secrets if not self.kind.hidden[key]]
            if never:
                yield f"{join(never)} of {self.what}: a copy keeps those of its source; leave it out"
            return
        yield from self._faults_of_parts()
        for key, disk in guest.disks.items():
            yield from self._faults_of_fresh(key, disk)
        if self.kind.path == "lxc" and "rootfs" not in guest.disks and not source.storage:
            yield f"{self.what}: a new one needs a storage; name it in source, or in disk rootfs"

    def _fixed_otherwise(self, configured: Values) -> Iterator[str]:
        """Declared keys of which it has, and will keep, another value."""
        for key in sorted(self.kind.fixed & set(self.guest.config)):
            if not same(self.kind, key, self.guest.config[key], configured):
                yield key

    def _faults_of_parts(self) -> Iterator[str]:
        """Parts that need another, which is neither declared nor there."""
        for key, declared in self.guest.config.items():
            known = table.field_of(self.kind.config, key)
            if isinstance(declared, Partly) and known is not None:
                needs = codec.unmet(self._goal(key, declared), known.parts or {})
                if needs:
                    yield f"{key} of {self.what}: {needs}; give both or neither"

    def _faults_of_old(self) -> Iterator[str]:
        for key in self._fixed_otherwise(self.now.configured):
            yield f"{key} of {self.what} cannot change; restore a backup of it with the other value"
        images = other_image(self.guest.config.get("description"), self.now.configured.get("description"))
        if images:
            yield (
                f"image of machine {self.guest.label} is {images[0]}, and Proxmox VE cannot change it to "
                f"{images[1]}; name {images[0]}, or make a new machine of {images[1]}"
            )
        yield from self._faults_of_parts()
        if self.now.template and self.guest.state in ("started", "restarted"):
            yield f"{self.what} is a template, which never runs; clone it, or declare it as a template"
        if self._moves_away():
            if self.guest.node not in self.cluster.nodes:
                yield f"node of {self.what}: {self.guest.node} is not up, or no node of this cluster"
            for fault in self.now.faults:
                yield f"{self.what} cannot move to {self.guest.node}: {fault}"
        for key, disk in self.guest.disks.items():
            current = self.now.configured.get(key)
            if disk.state != "present":
                if key == "rootfs":
                    yield f"rootfs of {self.what}: no container is without one; declare the container absent"
            elif current is None:
                yield from self._faults_of_fresh(key, disk)
            elif disk.size is not None and not disk.volume:
                old = size_of(current)
                if old is not None and disk.size < old:
                    yield (
                        f"{key} of {self.what} has {format_size(old)}, and no disk is made smaller; "
                        f"write {format_size(old)} or more"
                    )

    def _faults_of_fresh(self, key: str, disk: Disk) -> Iterator[str]:
        if disk.state != "present":
            return
        if not self._placed(disk).storage and (not disk.volume or disk.volume == "cloudinit"):
            yield f"{key} of {self.what}: a new disk needs a storage"
        alone = disk.image or disk.volume or key in ("efidisk0", "tpmstate0")
        if disk.size is None and not alone:
            yield f"{key} of {self.what}: a new disk needs a size"
        if self.kind.path == "lxc" and key != "rootfs" and not disk.options.parts.get("mp"):
            yield f"{key} of {self.what}: a new mount needs a place inside; name it in mp"

    # -- helpers

    def _step(
        self,
        verb: str,
        sentence: str,
        *,
        effect: Effect = Effect.LIVE,
        token: str | None = None,
        destroys: tuple[str, ...] = (),
        **args: Any,
    ) -> Step:
        data = {
            "node": self.node,
            "vmid": self.now.vmid,
            "label": self.guest.label,
            **args,
        }
        return Step(self.guest.label, verb, sentence, data, effect, destroys=destroys, token=token)

    # -- pictures

    def pictures(self) -> tuple[Any, Any]:
        """It before and after the steps: state, node, what was declared, and with what of that it runs."""
        now, guest = self.now, self.guest
        if self.silent:
            return {"node": self.silent}, {"node": self.silent}
        state = "template" if now.template else "running" if now.running else "stopped"
        before = None if self.new else self._picture(state, now.node, now.configured, now.snapshots)
        if guest.state == "absent":
            return before, None
        values: dict[str, Any] = {key: self._goal(key, declared) for key, declared in guest.config.items()}
        for key, disk in guest.disks.items():
            values[key] = self._disk_after(key, disk)
        for key in guest.secrets:
            values[key] = _HIDDEN
        ends = {"started": "running", "restarted": "running", "present": state}
        snapshots = list(now.snapshots)
        for wanted in guest.snapshots or ():
            snapshots = self._snapshots_after(wanted, snapshots)
        waits = self._waits() and "node" in self._reasons()
        node = now.node if waits or not guest.node else guest.node
        after = self._picture(ends.get(guest.state, guest.state), node, values, snapshots)
        return before, after

    def _disk_after(self, key: str, disk: Disk) -> Any:
        if disk.state != "present":
            return None
        current = self.now.configured.get(key)
        if current is None or self._is_created_with(key) or self._other_volume(key, disk):
            return fresh_disk(self.kind, key, self._placed(disk))
        new = dict(self._goal(key, disk.options))
        if disk.size is not None and not disk.volume:
            new["size"] = format_size(disk.size)
        storage = storage_of(self.kind, current)
        if disk.storage and storage and storage != disk.storage:
            new[self.kind.volume] = f"{disk.storage}:…"
        return new

    def _snapshots_after(self, wanted: Snapshot, names: list[str]) -> list[str]:
        if wanted.name:
            rest = [name for name in names if name != wanted.name]
            return [*rest, wanted.name] if wanted.state == "present" else rest
        steps = list(self._series(wanted))
        gone = {step.args["name"] for step in steps if step.verb == "forget"}
        new = [f"{wanted.prefix}*"] if any(step.verb == "snapshot" for step in steps) else []
        return [*(name for name in names if name not in gone), *new]

    def _picture(self, state: str, node: str, values: Values, snapshots: Any) -> dict[str, Any]:
        picture: dict[str, Any] = {"state": state, "node": node}
        for key in (*self.guest.config, *self.guest.disks):
            if values.get(key) is not None:
                picture[key] = shown(self.kind, key, values[key])
        for key in self.guest.secrets:
            if self.kind.hidden[key] and key in values:
                picture[key] = _HIDDEN
        if self.guest.snapshots is not None:
            picture["snapshots"] = sorted(snapshots)
        return picture


_HIDDEN = "(hidden)"
_NOT_COPIED = frozenset(
    {"digest", "lock", "meta", "parent", "smbios1", "snaptime", "template", "vmgenid", "cipassword"}
)


def _time_of(name: str, prefix: str) -> float:
    """When a snapshot of a series was made; its name tells it by the clock of those who make them."""
    return datetime.strptime(name.removeprefix(prefix), STAMP).replace(tzinfo=UTC).timestamp()


def _from_to(key: str, old: Any, new: Any) -> str:
    if new is None:
        return f"no {key}"
    words = table.wire({}, {key: new})[key].strip() if not isinstance(new, str) else new.strip()
    before = "" if old is None else f" from {table.wire({}, {key: old})[key].strip() or 'nothing'}"
    if len(words) + len(before) > _LONG or "\n" in f"{words}{before}":
        return key
    return f"{key}{before} to {words or 'nothing'}"
