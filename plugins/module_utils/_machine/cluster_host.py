# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machines of a cluster of Proxmox VE, as one of its nodes sees and changes them.

A machine is a guest with a note in its description (`.._pve.note`): its declaration, its epoch, the journal
of its latest move. Its owner is the node that has its configuration file. All of it is the cluster's, so both
servers see the same; only which moves are open is remembered on the server itself, for its timer.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from .._core.check import Check, check_of, probe
from .._core.errors import Refused, TwinError, Unreachable
from .._core.host import Host, WritableHost
from .._pve.errors import Changed
from .._pve.guest_power import Place
from .._pve.host import LocalTransport, PveHost, PveReader
from .._pve.note import Note, join, parse_note, print_note, split
from .declaration import Machine, Pair, from_property, parse_machine, to_mapping
from .host import JOURNALS, flock
from .journal import Journal, Owner, Stage, journal_data, journal_of, print_journal
from .move import Blind
from .rpo import age_since

_LONGEST = 24 * 3600.0
"""Seconds that a task of PVE may take: a disk may be large."""
_KINDS = {"lxc": "container", "qemu": "virtual machine"}
_FOLDERS = {"lxc": "lxc", "qemu": "qemu-server"}
_AGENT = 30
"""How often a guest agent is asked for the end of a command."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster at one moment.

    :param up: the nodes that are up.
    :param resources: what /cluster/resources tells.
    """

    quorate: bool
    up: frozenset[str]
    resources: tuple[Mapping[str, Any], ...]

    def guests(self) -> list[Mapping[str, Any]]:
        """What it tells of guests that may run."""
        return [each for each in self.resources if each["type"] in _KINDS and not each.get("template")]

    def of(self, kind: str, node: str) -> list[Mapping[str, Any]]:
        """What it tells of one kind of resource of a node."""
        return [each for each in self.resources if each["type"] == kind and each.get("node") == node]


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest at one moment.

    :param up: whether its node is up; of another one nothing but the note is known.
    :param managed: whether the manager of high availability looks after it.
    """

    place: Place
    name: str
    up: bool
    running: bool = False
    managed: bool = False
    hastate: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """With the note in it."""
        return str(self.config.get("description", ""))

    @property
    def note(self) -> Note | None:
        """What is kept of the machine; None where it is none of ours.

        :raises Refused: when it is damaged.
        """
        return parse_note(self.description, self.name)

    @property
    def is_machine(self) -> bool:
        """Whether it has a note, be it damaged."""
        try:
            return self.note is not None
        except Refused:
            return True

    @property
    def journal(self) -> Journal | None:
        """Of the machine's latest move.

        :raises Refused: when it is damaged.
        """
        note = self.note
        if note is None or note.journal is None:
            return None
        try:
            return journal_of({**note.journal, "declaration": _declared(note.machine)})
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(
                f"journal of machine {self.name}",
                f"it is no journal that this version understands ({error})",
                f"see on which server the machine is, then mend the description of guest {self.place.vmid}",
            ) from error

    @property
    def owner(self) -> Owner:
        """The server that has its configuration. A move that came there is not in the note's epoch yet."""
        note, journal = self.note, self.journal
        epoch = note.epoch if note else 1
        arrived = journal is not None and journal.open and journal.target == self.place.node
        return Owner(self.place.node, epoch + arrived)

    @property
    def lock(self) -> str:
        """The lock in its configuration."""
        return str(self.config.get("lock", ""))

    @property
    def volumes(self) -> dict[str, str]:
        """Its volumes on storages, by their keys."""
        found = {}
        for key, value in self.config.items():
            if re.fullmatch(r"rootfs|(mp|ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+", key):
                volume = re.sub(r"^(file|volume)=", "", str(value).partition(",")[0])
                if ":" in volume and not volume.startswith("/"):
                    found[key] = volume
        return found


def cluster_api(host: Host) -> PveReader:
    """The API as a node itself reaches it."""
    kind = PveHost if isinstance(host, WritableHost) else PveReader
    return kind(LocalTransport(host), _LONGEST)


@dataclass(frozen=True, slots=True)
class ClusterStation:
    """One server of the pair, and the machines of its cluster.

    :param locks: folder of the machines' locks.
    """

    host: Host
    pair: Pair
    api: PveReader
    locks: str = JOURNALS

    @property
    def server(self) -> str:
        """Its name."""
        return self.pair.server

    @property
    def writer(self) -> WritableHost:
        """Its write half."""
        return cast(WritableHost, self.host)

    @property
    def changer(self) -> PveHost:
        """The write half of the API."""
        return cast(PveHost, self.api)

    # -- what there is

    def cluster(self) -> Cluster:
        """Look at the cluster."""
        status, resources = self.api.find_all([("cluster/status", {}), ("cluster/resources", {})])
        quorate = all(each.get("quorate") for each in status if each["type"] == "cluster")
        up = {each["name"] for each in status if each["type"] == "node" and each.get("online")}
        return Cluster(quorate, frozenset(up), tuple(map(self._named, resources)))

    def _named(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        """A resource, and if it is a guest its name: empty for one that has just gone elsewhere.

        Five minutes after a node was last heard of, nothing but numbers is told of its guests (pmxcfs drops
        what pvestatd has broadcast, and names come from there); their files lie on every node.
        """
        if entry["type"] not in _KINDS or "name" in entry:
            return entry
        text = self.host.read(_config_path(entry))
        if text is None:
            return {**entry, "name": ""}
        found = dict(re.findall(r"^(\w+): *(.*)$", text.partition("\n[")[0], re.MULTILINE))
        name = found.get("hostname", found.get("name", f"guest {entry['vmid']}"))
        return {**entry, "name": name, "template": int(found.get("template", 0))}

    def find(self, name: str) -> Guest:
        """The guest of a machine.

        :raises Refused: when there is none, or more than one.
        :raises Blind: when nobody can tell now.
        """
        return self.find_in(self.cluster(), name)

    def find_in(self, cluster: Cluster, name: str) -> Guest:
        """The same, of what was seen of the cluster."""
        named = [each for each in cluster.guests() if each["name"] == name]
        guests = [guest for guest in self._guests(cluster, named) if guest.note]
        if len(guests) > 1:
            numbers = " and ".join(str(guest.place.vmid) for guest in guests)
            raise Refused(
                f"machine {name}", f"guests {numbers} both are it", "take the note out of one of them"
            )
        if guests:
            return guests[0]
        if any(each["node"] not in cluster.up for each in named):
            raise Blind(f"machine {name}", f"{named[0]['node']}, which has it, cannot be reached")
        said = f"guest {named[0]['vmid']} of that name has no note of twin" if named else "there is none"
        raise Refused(
            f"machine {name}",
            said,
            "declare it and run the playbook machines, or see what there is: twin info",
        )

    def _guests(self, cluster: Cluster, entries: list[Mapping[str, Any]]) -> list[Guest]:
        """What can be read of guests; one that has gone to another node meanwhile is left out."""
        up = [each for each in entries if each["node"] in cluster.up]
        asked = [f"nodes/{each['node']}/{each['type']}/{each['vmid']}" for each in up]
        answers = self.api.find_all(
            [(f"{path}/{what}", {}) for path in asked for what in ("config", "status/current")]
        )
        guests = [
            _guest_of(entry, config, status)
            for entry, config, status in zip(up, answers[::2], answers[1::2], strict=True)
            if config is not None and status is not None
        ]
        down = [each for each in entries if each["node"] not in cluster.up]
        return guests + [self._guest_of_dead(each) for each in down]

    def _guest_of_dead(self, entry: Mapping[str, Any]) -> Guest:
        """A guest whose node does not answer: its configuration file lies on every node."""
        text = self.host.read(_config_path(entry)) or ""
        return Guest(_place(entry), entry["name"], False, config={"description": _described(text)})

    def journal(self, name: str) -> Journal | None:
        """The journal of the latest move of a machine.

        :raises Refused: when it is damaged, or there is no such machine.
        """
        return self.find(name).journal

    def journals(self) -> list[str]:
        """The machines that may have an open one. While all is well only the server that drives it knows."""
        listed = self.host.listing(JOURNALS)
        names = {each.removesuffix(".json") for each in listed if each.endswith(".json") and each[0] != "."}
        cluster = self.cluster()
        known = {each["name"] for each in cluster.guests()}
        over = {name for name in names if self._is_over(cluster, name)}
        for name in over:
            self.writer.remove(_memory(name))
        names -= over
        if cluster.quorate and self.pair.twin.server not in cluster.up:
            mine = [each for each in cluster.guests() if each["node"] == self.server]
            names |= {guest.name for guest in self._guests(cluster, mine) if guest.is_machine}
        return sorted(names & known)

    def _is_over(self, cluster: Cluster, name: str) -> bool:
        """Whether a move that this server remembers was closed by the other one, or never begun."""
        known = {each["name"] for each in cluster.guests()}
        if name not in known:
            # One that has no name at this moment may be it.
            return "" not in known
        try:
            journal = self.find_in(cluster, name).journal
        except Refused:
            return False
        return journal is None or not journal.open

    def owner(self, name: str) -> Owner:
        """Which server has it."""
        return self.find(name).owner

    def machine(self, name: str) -> Machine:
        """The declaration that is stored with the guest.

        :raises Refused: when there is no such machine.
        """
        return from_property(name, self.declaration(name))

    def declaration(self, name: str) -> str:
        """The same as it is stored."""
        return _declared(cast(Note, self.find(name).note).machine)

    def info(self) -> dict[str, Any]:
        """All machines of the cluster (``twin info``)."""
        cluster = self.cluster()
        servers = (self.server, self.pair.twin.server)
        entries = [each for each in cluster.guests() if each.get("node") in servers]
        guests = self._guests(cluster, entries)
        synced = self._synced(cluster)
        records = [self._info_of(cluster, guest, synced) for guest in guests]
        machines = sorted((each for each in records if each), key=lambda each: str(each["name"]))
        return {"server": self.server, "pool": self.pair.pool, "machines": machines}

    def _synced(self, cluster: Cluster) -> dict[int, Mapping[str, Any]]:
        """By guest, its replication to the other server of the pair."""
        servers = (self.server, self.pair.twin.server)
        paths: list[tuple[str, Mapping[str, Any]]] = [
            (f"nodes/{node}/replication", {}) for node in servers if node in cluster.up
        ]
        return {
            int(job["guest"]): job
            for answer in self.api.find_all(paths)
            for job in answer or ()
            if job["target"] in servers and not job.get("remove_job")
        }

    def _info_of(
        self, cluster: Cluster, guest: Guest, synced: Mapping[int, Mapping[str, Any]]
    ) -> dict[str, Any] | None:
        machine = owner = error = late = None
        mine = guest.place.node == self.server
        job = synced.get(guest.place.vmid, {})
        sync = int(job.get("last_sync") or 0)
        try:
            if (note := guest.note) is None:
                return None
            owner = guest.owner
            machine = parse_machine(guest.name, note.machine)
            local = any(not is_shared(cluster, each) for each in guest.volumes.values())
            if mine and (job or local):
                other = self.pair.twin.server
                age = age_since(guest.name, other, machine.rpo, sync or None, time.time())
                late = age.sentence if age.late else None
        except Refused as refused:
            # What is damaged of one machine must not hide the others.
            error = str(refused)
        return {
            "name": guest.name,
            "kind": guest.place.kind,
            "state": "running" if mine and guest.running else "stopped",
            "owner": guest.place.node,
            "epoch": owner.epoch if owner else None,
            "role": "owner" if mine else "replica",
            "defined": mine,
            "image": machine.image if machine else None,
            "root_image": machine.image if machine else None,
            "addresses": list(machine.addresses) if machine else [],
            "replicated": f"__replicate_{job['id']}_{sync}__" if sync else None,
            "late": late,
            "machine": to_mapping(machine, defaults=False) if machine else None,
            "error": error,
        }

    # -- whether a machine answers

    def answers(self, machine: Machine) -> bool:
        """Whether a machine that runs answers now, as its declaration asks."""
        return self.asked(self.find(machine.name), machine) is None

    def asked(self, guest: Guest, machine: Machine, patience: float = 0.0) -> str | None:
        """Ask a machine once: None if it answers, else what was said instead.

        :raises Refused: for a command in a container of another node, which only that one can run.
        """
        address = machine.addresses[0] if machine.addresses else ""
        check = check_of(machine.check, address, f"machine {machine.name}")
        if check.kind in ("http", "tcp"):
            return probe(self.host, check, patience)
        if not guest.running:
            return "it does not run"
        if check.kind == "init":
            return None
        if guest.place.kind == "qemu":
            return self._asked_agent(guest.place, check)
        if guest.place.node != self.server:
            raise Refused(f"check of machine {machine.name}", f"only {guest.place.node} can run its command")
        output = self.host.run(["pct", "exec", str(guest.place.vmid), "--", *check.argv], ok=range(256))
        return None if output.rc == 0 else (output.err or output.out).strip() or f"exit code {output.rc}"

    def _asked_agent(self, place: Place, check: Check) -> str | None:
        path = f"{place.path}/agent"
        try:
            started = self.changer.post(f"{path}/exec", {"command": list(check.argv)})
            for _again in range(_AGENT):
                end = self.api.poll(f"{path}/exec-status", {"pid": started["pid"]})
                if end.get("exited"):
                    code = end.get("exitcode", end.get("signal", 1))
                    return None if code == 0 else str(end.get("err-data") or f"exit code {code}").strip()
                self.api.sleep(0.2)
        except TwinError as error:
            return str(error)
        return "its command goes on"

    # -- what is changed

    def note(self, journal: Journal, guest: Guest | None = None) -> None:
        """Write a journal down, for good.

        :param guest: as it was just seen.
        :raises Refused: when another move is under way.
        """
        self._remember(journal)
        try:
            self._write(journal, guest or self.find(journal.machine))
        except Changed:
            # Somebody has changed something else of the guest.
            self._write(journal, self.find(journal.machine))
        if not journal.open:
            self.writer.remove(_memory(journal.machine))

    def _write(self, journal: Journal, guest: Guest) -> None:
        if not guest.up:
            raise Unreachable(f"server {guest.place.node}", f"it is down, and has {guest.place.what}")
        known = guest.journal
        if known is not None and known.open and known.token != journal.token:
            raise Refused(f"machine {journal.machine}", known.under_way)
        note = cast(Note, guest.note)
        data = {key: value for key, value in journal_data(journal).items() if key != "declaration"}
        epoch = journal.epoch + 1 if journal.stage is Stage.DONE else note.epoch
        new = print_note(replace(note, epoch=epoch, journal=data))
        text = join(split(guest.description)[0], new)
        params = {"description": text, "digest": guest.config["digest"]}
        self.changer.put(f"{guest.place.path}/config", params)

    def _remember(self, journal: Journal) -> None:
        self.writer.write(_memory(journal.machine), print_journal(journal), 0o600)

    def unlock(self, place: Place) -> None:
        """Take away the lock that a move has left which died with its node.

        :raises Refused: for a guest of another node, which only that one can unlock.
        """
        program = {"lxc": "pct", "qemu": "qm"}[place.kind]
        if place.node != self.server:
            raise Refused(
                f"{place.what} on {place.node}",
                "a move that was broken off has left it locked",
                f"run there: {program} unlock {place.vmid}",
            )
        self.writer.change([program, "unlock", str(place.vmid)])

    @contextlib.contextmanager
    def locked(self, name: str, *, patience: float = 0.0) -> Iterator[None]:
        """Hold the lock of a machine on this server.

        :param patience: seconds to wait for it.
        :raises Busy: when somebody else has it.
        """
        with flock(Path(self.locks, f"{name}.lock"), name, patience):
            yield


def is_shared(cluster: Cluster, volume: str) -> bool:
    """Whether the storage of a volume is the same on all nodes."""
    storage = volume.partition(":")[0]
    return any(
        each["type"] == "storage" and each.get("storage") == storage and each.get("shared")
        for each in cluster.resources
    )


def _place(entry: Mapping[str, Any]) -> Place:
    kind, vmid = str(entry["type"]), int(entry["vmid"])
    return Place(entry["node"], kind, vmid, f"{_KINDS[kind]} {entry['name']}")


def _config_path(entry: Mapping[str, Any]) -> str:
    """The file that every node has of a guest (pmxcfs)."""
    return f"/etc/pve/nodes/{entry['node']}/{_FOLDERS[str(entry['type'])]}/{entry['vmid']}.conf"


def _guest_of(entry: Mapping[str, Any], config: Mapping[str, Any], status: Mapping[str, Any]) -> Guest:
    ha = status.get("ha") or {}
    return Guest(
        _place(entry),
        entry["name"],
        True,
        running=status.get("status") == "running",
        managed=bool(ha.get("managed")) and ha.get("state") != "ignored",
        hastate=str(entry.get("hastate", "")),
        config=config,
    )


def _declared(machine: Mapping[str, Any]) -> str:
    """A declaration as the text that travels."""
    return json.dumps(machine, separators=(",", ":"), sort_keys=True)


def _described(text: str) -> str:
    """The description in a configuration file: the lines before all else, encoded as in a URL."""
    lines = []
    for line in text.splitlines():
        if line.startswith("["):
            break
        if line.startswith("#"):
            lines.append(urllib.parse.unquote(line[1:]))
    return "\n".join(lines)


def _memory(name: str) -> str:
    return f"{JOURNALS}/{name}.json"
