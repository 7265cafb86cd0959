# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machines of one server: see what there is of them, and change it.

Nothing here knows the other server. Whoever changes something holds the machine's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

from .._core.errors import CommandFailed, CommandMissing, Refused
from .._core.host import Host, WritableHost
from .._core.platform import platform_of
from .._zfs.host import patiently
from .._zfs.model import Property, parse_properties
from .._zfs.snapshot_host import run_where_present
from .declaration import Machine, Pair, from_property, parse_pair, to_mapping
from .gate import PAIR, Busy
from .journal import Journal, Owner, Stage, parse_journal, parse_owner, print_journal
from .kinds import dataset_of, kind_of, kinds_of
from .move import Side, may_start
from .preflight import Prospect
from .rpo import Age, age_of

JOURNALS = "/var/lib/twin/journal"
LEDGER = "/var/lib/twin/reports/replication.json"
OWNER = "twin:owner"
DECLARATION = "twin:machine"
STOP_TIMEOUT = 60
"""Seconds that a machine has to halt by itself."""
ANSWER_TIMEOUT = 60
"""Seconds that a machine has to answer after its start."""
LOCK_PATIENCE = 30.0
"""Seconds for which a change that the twin has asked for waits for the one before."""


def read_pair(host: Host) -> Pair:
    """The pair that this server belongs to.

    :raises Refused: when there is none, or its file is damaged.
    """
    text = host.read(PAIR)
    if text is None:
        raise Refused(f"file {PAIR}", "there is none, so this server is of no pair", "run role pair")
    try:
        return parse_pair(json.loads(text))
    except json.JSONDecodeError as error:
        raise Refused(f"file {PAIR}", f"it is damaged ({error})", "run role pair") from error


@contextlib.contextmanager
def flock(path: Path, name: str, patience: float) -> Iterator[None]:
    """Hold a lock on this server; it is free again when the process ends, however it ends.

    :param patience: seconds to wait for it.
    :raises Busy: when somebody else has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + patience
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= end:
                    said = "another twin process is at work on it"
                    raise Busy(f"machine {name}", said, "wait until that has ended") from error
                time.sleep(0.05)
        yield


class AnyStation(Protocol):
    """A server and its machines, as jobs know it: `Station` of a pair, or one of a cluster."""

    @property
    def host(self) -> Host:
        """The server's system."""

    @property
    def writer(self) -> WritableHost:
        """Its write half."""

    @property
    def pair(self) -> Pair:
        """The pair that it is of."""

    @property
    def server(self) -> str:
        """Its name."""

    def journal(self, name: str) -> Journal | None:
        """The journal of the latest move of a machine."""

    def journals(self) -> list[str]:
        """The machines that may have an open one."""

    def declaration(self, name: str) -> str:
        """The declaration that is stored with the machine."""

    def note(self, journal: Journal) -> None:
        """Write a journal, for good."""

    def info(self) -> dict[str, Any]:
        """All machines of which there is anything here (``twin info``)."""

    def locked(self, name: str, *, patience: float = 0.0) -> contextlib.AbstractContextManager[None]:
        """Hold the lock of a machine."""


@dataclass(frozen=True, slots=True)
class Station:
    """One server of the pair and the machines on it.

    :param locks: folder of the machines' locks.
    """

    host: Host
    pair: Pair
    locks: str = JOURNALS

    @property
    def server(self) -> str:
        """Its name."""
        return self.pair.server

    @property
    def writer(self) -> WritableHost:
        """Its write half."""
        return cast(WritableHost, self.host)

    # -- what there is

    def journal(self, name: str) -> Journal | None:
        """The journal of the latest move of a machine.

        :raises Refused: when it is damaged.
        """
        text = self.host.read(_journal_path(name))
        return None if text is None else parse_journal(text, name)

    def journals(self) -> list[str]:
        """The machines that have one."""
        names = self.host.listing(JOURNALS)
        return [each.removesuffix(".json") for each in names if each.endswith(".json") and each[0] != "."]

    def side(self, name: str) -> Side:
        """What the move must know of a machine on this server."""
        return _side(self, name, self._tree(name))

    def snapshots(self, name: str) -> set[str]:
        """The names of the snapshots that any dataset of a machine has."""
        return {each.partition("@")[2] for each in self._tree(name) if "@" in each}

    def machine(self, name: str) -> Machine:
        """The declaration that is stored with the machine's data.

        :raises Refused: when there is no such machine here.
        """
        return from_property(name, self.declaration(name))

    def declaration(self, name: str) -> str:
        """The same as it is stored."""
        text = _own(self._top(name), DECLARATION)
        if text is None:
            raise Refused(
                f"machine {name}",
                f"{self.server} has none of that name ({dataset_of(name, self.pair)} has no {DECLARATION})",
                "declare it and run the playbook machines, or see what there is with: twin info",
            )
        return text

    def owner(self, name: str) -> Owner | None:
        """The local value of ``twin:owner``."""
        text = _own(self._top(name), OWNER)
        return None if text is None else parse_owner(text, f"{OWNER} of {dataset_of(name, self.pair)}")

    def running(self, name: str) -> bool:
        """Whether a machine of any kind runs under this name."""
        for kind in kinds_of(self.pair.platform):
            with contextlib.suppress(CommandMissing):
                if kind.running(self.host, name):
                    return True
        return False

    def answers(self, machine: Machine) -> bool:
        """Whether a machine that runs answers now, as its declaration asks."""
        try:
            kind_of(machine).wait(self.host, machine, self.pair, 0)
        except CommandFailed:
            return False
        return True

    def info(self) -> dict[str, Any]:
        """All machines that this server has anything of (``twin info``)."""
        top = f"{self.pair.pool}/machines"
        found = _get(self.host, ["-d", "1"], (OWNER, DECLARATION), top)
        ledger, running, roots = self.ledger(), self._all_running(), self._roots()
        machines = []
        for dataset, properties in sorted(found.items()):
            name = dataset.removeprefix(f"{top}/")
            if "@" not in name and dataset != top:
                record = self._info_of(name, properties, ledger.get(name, {}), name in running)
                # A full copy has no origin: it is of the image that was declared for it.
                record["root_image"] = (roots[name] or record["image"]) if name in roots else None
                machines.append(record)
        return {"server": self.server, "pool": self.pair.pool, "machines": machines}

    def _roots(self) -> dict[str, str]:
        """By machine, the image that its root file system is a clone of; empty for one that is no clone."""
        top = f"{self.pair.pool}/machines"
        listed = ["zfs", "list", "-H", "-r", "-t", "filesystem", "-o", "name,origin", top]
        datasets = (line.split("\t") for line in run_where_present(self.host, listed).splitlines())
        return {
            name.removeprefix(f"{top}/").removesuffix("/root"): image_of(origin, self.pair)
            for name, origin in datasets
            if name.endswith("/root")
        }

    def _all_running(self) -> set[str]:
        names: set[str] = set()
        for kind in kinds_of(self.pair.platform):
            with contextlib.suppress(CommandMissing):
                names |= kind.all_running(self.host)
        return names

    def _info_of(
        self, name: str, properties: Mapping[str, Property], entry: Mapping[str, Any], running: bool
    ) -> dict[str, Any]:
        owner = machine = replicated = error = age = None
        defined = False
        try:
            if (text := _own(properties, OWNER)) is not None:
                owner = parse_owner(text, f"{OWNER} of machine {name}")
            if (text := _own(properties, DECLARATION)) is not None:
                machine = from_property(name, text)
                defined = kind_of(machine).defined(self.host, name)
            replicated = self._replicated(name, entry)
            if machine and owner and owner.server == self.server:
                age = self._age(machine, replicated)
        except Refused as refused:
            # What is damaged of one machine must not hide the others.
            error = str(refused)
        return {
            "name": name,
            "kind": machine.kind if machine else None,
            "state": "running" if running else "stopped",
            "owner": owner.server if owner else None,
            "epoch": owner.epoch if owner else None,
            "role": "owner" if owner and owner.server == self.server else "replica",
            "defined": defined,
            "image": machine.image if machine else None,
            "addresses": list(machine.addresses) if machine else [],
            "replicated": replicated,
            "late": age.sentence if age and age.late else None,
            "machine": to_mapping(machine, defaults=False) if machine else None,
            "error": error,
        }

    def ledger(self) -> Mapping[str, Any]:
        """The entries of the replication ledger by machine; a damaged one is as good as none."""
        with contextlib.suppress(ValueError):
            return dict(json.loads(self.host.read(LEDGER) or "{}").get("machines", {}))
        return {}

    def enter(self, name: str, entry: Mapping[str, Any] | None) -> None:
        """Bring a machine's entry of the ledger up to date, and leave those of others; None takes it out."""
        with self.locked("replication-ledger", patience=LOCK_PATIENCE):
            machines = dict(self.ledger())
            known = machines.pop(name, {})
            if entry is not None:
                machines[name] = {**known, **entry}
            text = json.dumps({"server": self.server, "machines": machines}, indent=1, sort_keys=True)
            self.writer.write(LEDGER, text + "\n")

    def replica(self, name: str) -> Age:
        """How old the replica of a machine of this server is.

        :raises Refused: when there is no such machine here.
        """
        return self._age(self.machine(name), self._replicated(name, self.ledger().get(name, {})))

    def _age(self, machine: Machine, snapshot: str | None) -> Age:
        return age_of(machine.name, self.pair.twin.server, machine.rpo, snapshot, time.time())

    def _replicated(self, name: str, entry: Mapping[str, Any]) -> str | None:
        """The last snapshot that the twin has too: it was sent there, or came from there with the machine."""
        journal = self.journal(name)
        came = (
            journal.final
            if journal and journal.stage is Stage.DONE and journal.target == self.server
            else None
        )
        return max(filter(None, (entry.get("snapshot"), came)), default=None)

    def prospect(self, machine: Machine) -> Prospect:
        """What this server has for a machine that may come here, or that is here."""
        pool, name = self.pair.pool, machine.name
        free = _get(self.host, [], ("available",), pool)
        features = _features(self.host, pool)
        images = {
            dataset.partition("@")[0].rpartition("/")[2]: properties["guid"].value
            for dataset, properties in _get(self.host, ["-r"], ("guid",), f"{pool}/images").items()
            if dataset.endswith("@base")
        }
        others = [
            other
            for other in self.info()["machines"]
            if other["state"] == "running" and other["name"] != name
        ]
        platform = platform_of(self.host)
        addresses = {address: f"server {self.server}" for address in platform.addresses(self.host)}
        addresses |= {
            address.partition("/")[0]: f"machine {other['name']}"
            for other in others
            for address in other["addresses"]
        }
        kind = kind_of(machine)
        promised = (_promised(other["name"], other["machine"]) for other in others)
        return Prospect(
            server=self.server,
            pool=features.pop("version", "-"),
            features=frozenset(key for key, value in features.items() if value in ("enabled", "active")),
            free=int(free[pool]["available"].value) if pool in free else 0,
            memory=platform.memory(self.host),
            promised=sum(promised),
            images=images,
            foreign=kind.foreign(self.host, name, self.pair) or self._foreign_dataset(name),
            addresses=addresses,
            lacking=tuple(f"{self.server}: {each}" for each in kind.lacking(self.host, machine, self.pair)),
        )

    def _foreign_dataset(self, name: str) -> str:
        dataset = dataset_of(name, self.pair)
        tree = self._tree(name)
        if not tree or any("@twin-" in each for each in tree) or _own(tree.get(dataset, {}), OWNER):
            return ""
        return f"dataset {dataset}, which is no copy of the machine"

    def _top(self, name: str) -> Mapping[str, Property]:
        dataset = dataset_of(name, self.pair)
        return _get(self.host, [], (OWNER, DECLARATION), dataset).get(dataset, {})

    def _tree(self, name: str) -> dict[str, dict[str, Property]]:
        names = ("guid", OWNER, DECLARATION, "readonly", "canmount", "mounted")
        return _get(self.host, ["-r"], names, dataset_of(name, self.pair))

    # -- what is done where the machine comes from

    def note(self, journal: Journal) -> None:
        """Write a journal, for good."""
        self.writer.write(_journal_path(journal.machine), print_journal(journal), 0o600)

    def stop(self, name: str) -> None:
        """Stop a machine of whatever kind."""
        for kind in kinds_of(self.pair.platform):
            with contextlib.suppress(CommandMissing):
                kind.stop(self.writer, name, STOP_TIMEOUT)

    def hand_over(self, journal: Journal) -> None:
        """The commit: from here on the machine is the target's."""
        owner = Owner(journal.target, journal.epoch + 1)
        self.writer.change(["zfs", "set", f"{OWNER}={owner}", dataset_of(journal.machine, self.pair)])

    def start(self, journal: Journal) -> None:
        """Make the tree writable, define the machine, start it if it has to run, wait until it answers.

        :raises Refused: when this server does not own it.
        """
        name = journal.machine
        may_start(self.server, self.owner(name), self.journal(name), name)
        if self.declaration_differs(journal):
            top = dataset_of(name, self.pair)
            self.writer.change(["zfs", "set", f"{DECLARATION}={journal.declaration}", top])
        machine = from_property(name, journal.declaration)
        kind = kind_of(machine)
        self._make_writable(name, kind.delegated(machine, self.pair))
        kind.define(self.writer, machine, self.pair)
        if journal.running:
            kind.start(self.writer, name)
            # Without a check, its system being up is answer enough.
            asked = machine if journal.answered else replace(machine, check={})
            kind.wait(self.host, asked, self.pair, ANSWER_TIMEOUT)

    def declaration_differs(self, journal: Journal) -> bool:
        """Whether the machine's dataset stores another declaration than the journal brings, or none."""
        return _own(self._top(journal.machine), DECLARATION) != journal.declaration

    def retire(self, journal: Journal) -> None:
        """Make the copy here the replica: owned by the target, read-only, unmounted."""
        if (owner := self.owner(journal.machine)) is None or owner.server != journal.target:
            self.hand_over(journal)
        tree = _datasets(self._tree(journal.machine))
        for dataset in reversed(tree):
            if tree[dataset]["mounted"].value == "yes":
                patiently(self.writer, ["zfs", "unmount", dataset])
        for setting, value in (("readonly", "on"), ("canmount", "noauto")):
            due = [dataset for dataset in tree if _own(tree[dataset], setting) != value]
            if due:
                self.writer.change(["zfs", "set", f"{setting}={value}", *due])

    def _make_writable(self, name: str, delegated: Collection[str]) -> None:
        tree = _datasets(self._tree(name))
        if any(each["readonly"].value == "on" for each in tree.values()):
            self.writer.change(["zfs", "inherit", "-r", "readonly", dataset_of(name, self.pair)])
        due = [dataset for dataset in tree if tree[dataset]["canmount"].value != "on"]
        if due:
            self.writer.change(["zfs", "set", "canmount=on", *due])
        # Setting canmount may have mounted some.
        for dataset, properties in _datasets(self._tree(name)).items():
            if properties["mounted"].value != "yes" and dataset not in delegated:
                patiently(self.writer, ["zfs", "mount", dataset])

    # -- what is done where the machine goes to

    def announce(self, journal: Journal) -> None:
        """Keep the journal of a move that comes here.

        :raises Refused: when another move of the machine is not finished, or this server owns it.
        """
        known = self.journal(journal.machine)
        if known and known.open and known.source != journal.source:
            raise Refused(
                f"machine {journal.machine}",
                f"its move from {known.source} to {known.target} is not finished",
                f"run: twin resume {journal.machine}",
            )
        self.note(replace(journal, rounds=(), stage=Stage.SEED))

    def claim(self, journal: Journal) -> None:
        """Take what was handed over; a claim that comes late changes nothing.

        :raises Refused: when the move was not announced, or ended.
        """
        known = self.journal(journal.machine)
        if known is None or known.token != journal.token:
            self.announce(journal)
        mine = self.owner(journal.machine)
        if mine is None or mine.epoch <= journal.epoch:
            owner = Owner(journal.target, journal.epoch + 1)
            self.writer.change(["zfs", "set", f"{OWNER}={owner}", dataset_of(journal.machine, self.pair)])

    def close(self, journal: Journal, stage: Stage) -> None:
        """Note how a move ended; one that is not known here any more is left alone."""
        known = self.journal(journal.machine)
        if known and known.token == journal.token:
            self.note(
                replace(
                    known, stage=stage, final=journal.final, downtime=journal.downtime, reason=journal.reason
                )
            )

    @contextlib.contextmanager
    def locked(self, name: str, *, patience: float = 0.0) -> Iterator[None]:
        """Hold the lock of a machine.

        :param patience: seconds to wait for it.
        :raises Busy: when somebody else has it.
        """
        with flock(Path(self.locks, f"{name}.lock"), name, patience):
            yield


def read_info(host: Host, station_of: Callable[[Host, Pair], AnyStation] = Station) -> dict[str, Any]:
    """All machines of a server; a host that is of no pair yet has none."""
    if host.read(PAIR) is None:
        return {"server": None, "pool": None, "machines": []}
    return station_of(host, read_pair(host)).info()


def image_of(origin: str, pair: Pair) -> str:
    """The image whose snapshot is the origin of a dataset; empty when it is of none."""
    above, _slash, image = origin.rpartition("/")
    return image.removesuffix("@base") if above == f"{pair.pool}/images" and image.endswith("@base") else ""


def guard(station: Station, name: str) -> None:
    """What the start hook runs.

    :raises Refused: when the machine must not start here.
    """
    may_start(station.server, station.owner(name), station.journal(name), name)


def _promised(name: str, mapping: Mapping[str, Any] | None) -> int:
    """Bytes of memory that a machine was promised; 0 without a limit."""
    machine = from_property(name, json.dumps(mapping)) if mapping else None
    return (machine.memory or 0) if machine else 0


def _side(station: Station, name: str, tree: Mapping[str, Mapping[str, Property]]) -> Side:
    datasets = _datasets(tree)
    top = dataset_of(name, station.pair)
    owner = _own(datasets.get(top, {}), OWNER)
    return Side(
        server=station.server,
        journal=station.journal(name),
        owner=None if owner is None else parse_owner(owner, f"{OWNER} of {top}"),
        running=station.running(name),
        replica=all(
            found["readonly"].value == "on"
            and found["canmount"].value == "noauto"
            and found["mounted"].value != "yes"
            for found in datasets.values()
        ),
        trees=_trees(top, tree, datasets),
    )


def _trees(
    top: str, tree: Mapping[str, Mapping[str, Property]], datasets: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """The snapshots that every dataset of the tree has, with their GUIDs."""
    names = [each.partition("@")[2] for each in tree if each.startswith(f"{top}@")]
    whole = [name for name in names if all(f"{dataset}@{name}" in tree for dataset in datasets)]
    return {
        name: tuple(f"{each.removeprefix(top)}={tree[f'{each}@{name}']['guid'].value}" for each in datasets)
        for name in whole
    }


def _datasets(tree: Mapping[str, Mapping[str, Property]]) -> dict[str, Mapping[str, Property]]:
    """Those of a tree that are no snapshots, parents first."""
    return {name: tree[name] for name in sorted(tree) if "@" not in name}


def _own(properties: Mapping[str, Property], name: str) -> str | None:
    """A user property that was given to this very dataset on this server; streams carry none."""
    found = properties.get(name)
    return found.value if found and found.source == "local" else None


def _get(host: Host, how: list[str], names: tuple[str, ...], root: str) -> dict[str, dict[str, Property]]:
    argv = ["zfs", "get", "-Hp", *how, "-o", "name,property,value,source", ",".join(names), root]
    return parse_properties(run_where_present(host, argv))


def _features(host: Host, pool: str) -> dict[str, str]:
    """Version and features of a pool, by ``zpool get all``."""
    lines = host.run(["zpool", "get", "all", pool]).out.splitlines()[1:]
    rows = [line.split() for line in lines]
    found = {row[1].removeprefix("feature@"): row[2] for row in rows if row[1].startswith("feature@")}
    versions = [row[2] for row in rows if row[1] == "version"]
    return {**found, "version": versions[0] if versions else "-"}


def _journal_path(name: str) -> str:
    return f"{JOURNALS}/{name}.json"
