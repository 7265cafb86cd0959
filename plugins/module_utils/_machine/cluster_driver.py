# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a move within a cluster of Proxmox VE: each is written down, then asked of the API.

What decides is `move.next_step`, as for a pair. That the guest's configuration goes to the other node is the
commit; PVE takes the disks along. A guest that the manager of high availability looks after is moved by it
alone: stopped behind its back, it would be started again where it was, or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from .._core.errors import Refused, TwinError
from .._core.values import human_size
from .._pve import guest_power
from .._pve.guest_power import Place
from .._pve.task_host import is_over, last_lines
from .._pve.tasks import parse_upid
from .cluster_host import Cluster, ClusterStation, Guest, is_shared
from .cluster_preflight import Prospect, blockers, replicated, sent_of
from .declaration import Machine, from_property
from .driver import Forecast, Tell, begun, debug, measured, unless_blocked, usual_downtime
from .host import ANSWER_TIMEOUT, STOP_TIMEOUT
from .journal import Journal, Owner, Round, Stage
from .move import Blind, Interrupted, Side, Step, Verb, Way
from .peer import Twin

_PATIENCE = 30.0
_PAUSE = 0.5
_SLICE = 2.0
_AT_WORK = ("migrate", "shutdown", "stop", "start", "reboot")
"""What tasks of PVE may be at work that a move has begun."""
_MIGRATING = "migrate"
"""The lock of a guest while it is moved."""
_MANAGER = 60
"""How often a manager is looked at that has nothing to do, before it is said to have done nothing."""
_ROUNDS = 25
"""The same, until nothing that was asked of it before can come any more: it looks every ten seconds."""
_MOVING = ("migrate", "relocate", "request_stop", "request_start", "fence", "recovery")
_SPEED = 100 * 1024**2
"""Bytes a second: how fast a stopped guest is thought to be copied before anything is known."""


@dataclass(slots=True)
class ClusterDriver:
    """Carries out the steps of one machine's move.

    :param twin: the way to the other server, for what only that one can do.
    :param patience: seconds to wait for what passes, all together.
    :param unreachable: why the twin cannot be reached.
    """

    station: ClusterStation
    twin: Twin
    name: str
    tell: Tell
    patience: float = _PATIENCE
    unreachable: str = ""
    _until: float = field(default=0.0)
    _guest: Guest | None = None
    _cluster: Cluster | None = None
    _carried: Round | None = None

    # -- the hands of `drive`

    def look(self) -> tuple[Side, Side | None]:
        """Both sides, of one look at the cluster. What a broken-off move has left at work is waited for."""
        station = self.station
        try:
            guest = self._seen()
            while self._wait_for_tasks(guest):
                guest = self._seen()
            here, there = self._side(guest, station.server), self._side(guest, station.pair.twin.server)
        except (Refused, Interrupted):
            raise
        except TwinError as error:
            raise Blind(f"machine {self.name}", str(error).rstrip(".")) from error
        self._guest = guest
        if there.server in cast(Cluster, self._cluster).up:
            return here, there
        self.unreachable = f"the cluster says that {there.server} is down"
        return here, None

    def _seen(self) -> Guest:
        cluster = self._cluster = self.station.cluster()
        if not cluster.quorate:
            raise Blind(
                f"machine {self.name}",
                "the cluster has no quorum, so nothing may be decided",
                "bring enough servers or the witness back",
            )
        guest, pair = self.station.find_in(cluster, self.name), self.station.pair
        if guest.place.node not in (pair.server, pair.twin.server):
            raise Refused(
                f"machine {self.name}",
                f"it is on {guest.place.node}, which is none of this pair",
                f"bring it to {pair.server} or {pair.twin.server} with PVE's own means",
            )
        return guest

    def _wait_for_tasks(self, guest: Guest) -> bool:
        """Wait for what a move has begun, ours or another's; whether there was anything."""
        journal = guest.journal
        if journal is not None and journal.open:
            return self._wait_at({journal.source, guest.place.node}, guest.place)
        # Its manager may be bringing it here, as one that belongs together with another.
        return guest.lock == _MIGRATING and self._wait_at({guest.place.node}, guest.place)

    def _wait_at(self, nodes: set[str], place: Place) -> bool:
        """Wait for tasks that start, stop or move the guest, whoever began them; whether there were any."""
        up = sorted(nodes & cast(Cluster, self._cluster).up)
        params = {"source": "active", "vmid": place.vmid}
        answers = self.station.api.find_all([(f"nodes/{node}/tasks", params) for node in up])
        upids = [
            parse_upid(task["upid"])
            for answer in answers
            for task in answer or ()
            if "endtime" not in task and str(task.get("type", "")).endswith(_AT_WORK)
        ]
        api = self.station.api
        for upid in upids:
            guest_power.until(api, partial(is_over, api, upid), upid.sentence)
        return bool(upids)

    def _side(self, guest: Guest, server: str) -> Side:
        has = guest.place.node == server
        return Side(
            server,
            guest.journal,
            guest.owner,
            running=has and guest.running,
            replica=not has,
            way=Way.MANAGED if guest.managed else Way.CLUSTER,
            seeds=bool(has and self._job(guest)),
        )

    def _job(self, guest: Guest) -> Mapping[str, Any] | None:
        """The guest's replication to the other server; asked for only while it matters."""
        journal = guest.journal
        if not guest.up or (journal and journal.open and journal.stage is not Stage.SEED):
            return None
        jobs = self.station.api.get(f"nodes/{guest.place.node}/replication", {"guest": guest.place.vmid})
        servers = (self.station.server, self.station.pair.twin.server)
        usable = [
            job
            for job in jobs
            if job["target"] in servers and not job.get("disable") and not job.get("remove_job")
        ]
        return usable[0] if usable else None

    def patient(self) -> bool:
        """Wait half a second, as long as that is worth it."""
        now = self.station.api.now()
        self._until = self._until or now + self.patience
        if now >= self._until:
            return False
        self.station.api.sleep(_PAUSE)
        return True

    def turns_back(self) -> bool:
        """Whether a move of the machine is under way that can still be taken back, as far as was seen."""
        journal = self._guest.journal if self._guest else None
        return bool(self._guest and journal and journal.open and self._guest.place.node == journal.source)

    def do(self, step: Step) -> None:
        """Carry out one step."""
        journal, verb = step.journal, step.verb
        guest = self._unlocked(cast(Guest, self._guest))
        note = self.station.note
        match verb:
            case Verb.SEED:
                self._seed(journal, guest)
            case Verb.STOP:
                note(replace(journal, stage=Stage.FINAL, stopped=time.time()), guest)
                guest_power.stop(self.station.changer, guest.place, STOP_TIMEOUT)
            case Verb.COMMIT if guest.managed:
                self._relocate(journal, guest)
            case Verb.COMMIT:
                self._migrate(journal, guest)
            case Verb.START | Verb.REVIVE:
                self._start(journal, guest)
            case Verb.BACK:
                note(replace(journal, stage=Stage.BACK, reason=step.reason), guest)
                if guest.managed and journal.stage is Stage.FINAL:
                    self._let_manager_end(guest.place)
            case Verb.CLOSE:
                note(replace(journal, stage=cast(Stage, step.stage)), guest)
        debug(verb)

    def _unlocked(self, guest: Guest) -> Guest:
        """What has locked it is no longer at work: `look` has waited for that."""
        if guest.lock != _MIGRATING:
            return guest
        self.station.unlock(guest.place)
        return self.station.find(self.name)

    # -- the steps

    def _seed(self, journal: Journal, guest: Guest) -> None:
        """Have the replication run now."""
        job = self._job(guest)
        if job is None:
            raise TwinError(
                f"replication of {guest.place.what}", "its job is gone", "run the playbook replication"
            )
        path, api = f"nodes/{guest.place.node}/replication/{job['id']}", self.station.changer
        api.post(f"{path}/schedule_now")
        state: Mapping[str, Any] = job

        def tried() -> bool:
            """To be due a job forgets when it was tried last (PVE::ReplicationState::schedule_job_now)."""
            nonlocal state
            state = api.poll(f"{path}/status")
            return bool(state.get("last_try")) and not state.get("pid")

        guest_power.until(api, tried, f"replication job {job['id']}")
        if state.get("fail_count"):
            raise TwinError(f"replication job {job['id']}", str(state.get("error") or "it failed"))
        log = [str(line.get("t", "")) for line in api.poll(f"{path}/log", {"limit": 5000}) or ()]
        self._note_round(journal, guest, Round(job["id"], sent_of(log), float(state.get("duration") or 0)))

    def _note_round(self, journal: Journal, guest: Guest, done: Round) -> None:
        self.station.note(replace(journal, rounds=(*journal.rounds, done)), guest)
        self.tell(
            f"replication {done.snapshot} has run, in {done.seconds:.1f} s",
            bytes=done.sent, seconds=done.seconds,
        )  # fmt: skip

    def _migrate(self, journal: Journal, guest: Guest) -> None:
        began = self.station.api.now()
        result = guest_power.migrate(self.station.changer, guest.place, journal.target, {}, runs=False)
        sent = sent_of(last_lines(self.station.api, parse_upid(result["upid"])))
        self._carried = Round("", sent, round(self.station.api.now() - began, 2))

    def _relocate(self, journal: Journal, guest: Guest) -> None:
        """Ask the manager, and wait until it has done it."""
        station, place = self.station, guest.place
        began = time.time()
        station.note(replace(journal, stage=Stage.FINAL, stopped=journal.stopped or began), guest)
        resource = f"cluster/ha/resources/{_sid(place)}"
        answer = station.changer.post(f"{resource}/relocate", {"node": journal.target})
        if blocking := (answer or {}).get("blocking-resources"):
            names = ", ".join(each["sid"] for each in blocking)
            raise TwinError(f"manager of {place.what}", f"{names} on {journal.target} must not run beside it")
        there, idle, down = replace(place, node=journal.target), 0, 0.0
        while guest_power.status(station.api, there) is None:
            if not down and guest_power.status(station.api, place) != "running":
                down = time.time()
            idle = 0 if self._is_moving(place) else idle + 1
            if idle > _MANAGER:
                raise TwinError(
                    f"manager of {place.what}", f"it has not moved it to {journal.target}", "look at its log"
                )
            station.api.sleep(1.0)
        # When it stopped is known only now. Its lock goes last, after its file has come there.
        self._wait_at({place.node, journal.target}, place)
        moved = station.find(self.name)
        station.note(replace(journal, stage=Stage.FINAL, stopped=down or began), self._unlocked(moved))

    def _let_manager_end(self, place: Place) -> None:
        """What was asked of it cannot be taken back: it may move the guest all the same, and does so soon."""
        idle = 0
        while idle < _ROUNDS:
            idle = 0 if self._is_moving(place) else idle + 1
            self.station.api.sleep(1.0)

    def _is_moving(self, place: Place) -> bool:
        entries = self.station.api.poll("cluster/ha/status/current")
        if any(each.get("type") == "quorum" and not each.get("quorate") for each in entries):
            # What it was at stays written down for as long.
            raise TwinError(f"manager of {place.what}", "the cluster has no quorum")
        states = [each for each in entries if each.get("id") == f"service:{_sid(place)}"]
        return any(each.get("crm_state") in _MOVING for each in states)

    def _start(self, journal: Journal, guest: Guest) -> None:
        """Start it where it is, unless its manager does, and wait until it answers."""
        if guest.managed:
            self._wait_for_manager(guest.place)
        elif journal.running and not guest.running:
            guest_power.start(self.station.changer, guest.place)
        machine = from_property(self.name, journal.declaration)
        if journal.running:
            # Without a check, its running is answer enough.
            self._wait_for_answer(guest, machine if journal.answered else replace(machine, check={}))
        carried = (self._carried,) if self._carried else ()
        self._carried = None
        self.station.note(measured(replace(journal, rounds=(*journal.rounds, *carried))), guest)

    def _wait_for_manager(self, place: Place) -> None:
        api = self.station.api
        for _again in range(2 * _MANAGER):
            if guest_power.status(api, place) == "running":
                return
            api.sleep(1.0)
        raise TwinError(
            f"manager of {place.what}", f"it does not start it on {place.node}", "look at its log"
        )

    def _wait_for_answer(self, guest: Guest, machine: Machine) -> None:
        station, place = self.station, guest.place
        end = station.api.now() + ANSWER_TIMEOUT
        while (said := self._asked(replace(guest, running=True), machine)) is not None:
            if guest_power.status(station.api, place) == "stopped":
                raise TwinError(f"{place.what} was started, then stopped by itself", f"it said last: {said}")
            if station.api.now() >= end:
                raise TwinError(
                    f"{place.what} runs, but did not answer within {ANSWER_TIMEOUT} s",
                    f"it said last: {said}",
                    "look at its services",
                )
            station.api.sleep(_PAUSE)

    def _asked(self, guest: Guest, machine: Machine) -> str | None:
        inside = "command" in machine.check and guest.place.kind == "lxc"
        if not inside or guest.place.node == self.station.server:
            return self.station.asked(guest, machine, _SLICE)
        answered = self.twin.ask("answers", self.name)
        return None if answered else f"no, by {self.twin.server}"

    # -- before a move

    def forecast(self, here: Side, owner: Owner, target: str) -> Forecast:
        """What a move of a machine that this server owns would do.

        :raises Refused: with every reason why it cannot be done.
        """
        station, name = self.station, self.name
        guest, cluster = cast(Guest, self._guest), cast(Cluster, self._cluster)
        machine = station.machine(name)
        sizes = self._sizes(guest, cluster)
        job = self._job(guest)
        copied = {key: size for key, size in sizes.items() if not (job and replicated(guest.config, key))}
        prospect = self._prospect(cluster, guest, target)
        memory = self._memory(cluster, guest, machine)
        unless_blocked(
            name,
            target,
            blockers(guest.config, guest.volumes, sizes, copied, memory, prospect, guest.hastate),
        )
        needed = sum(copied.values())
        sending = (
            f"≤ {human_size(needed)}, while it is stopped" if needed else "nothing but its configuration"
        )
        if job:
            needed = sum(sizes.values())
            sending = f"what it has written since its last replication, ≤ {human_size(needed)}"
        answers = here.running and station.asked(guest, machine) is None
        return Forecast(
            begun(name, station.declaration(name), here, owner, target, answers),
            machine,
            needed,
            sending,
            usual_downtime(guest.journal) + sum(copied.values()) / _SPEED,
        )

    def _sizes(self, guest: Guest, cluster: Cluster) -> dict[str, int]:
        """The bytes of each volume that is on its node alone, by its key."""
        node, vmid = guest.place.node, guest.place.vmid
        local = {key: each for key, each in guest.volumes.items() if not is_shared(cluster, each)}
        storages = sorted({volume.partition(":")[0] for volume in local.values()})
        paths = [f"nodes/{node}/storage/{storage}/content" for storage in storages]
        answers = self.station.api.find_all([(path, {"vmid": vmid}) for path in paths])
        sizes = {item["volid"]: int(item.get("size") or 0) for answer in answers for item in answer or ()}
        return {key: sizes.get(volume, 0) for key, volume in local.items()}

    def _memory(self, cluster: Cluster, guest: Guest, machine: Machine) -> int:
        told = [each for each in cluster.guests() if int(each["vmid"]) == guest.place.vmid]
        return machine.memory or int(told[0].get("maxmem", 0))

    def _prospect(self, cluster: Cluster, guest: Guest, target: str) -> Prospect:
        """What the other node has."""
        path = f"nodes/{target}"
        asked: list[tuple[str, Mapping[str, Any]]] = [
            (f"{path}/storage", {"enabled": 1}),
            (f"{path}/network", {"type": "any_bridge"}),
            (f"nodes/{guest.place.node}/network", {"type": "any_bridge"}),
            (f"{path}/status", {}),
        ]
        if guest.place.kind == "qemu":
            asked.append((f"{guest.place.path}/migrate", {"target": target}))
        storages, there, here, status, *conditions = self.station.api.find_all(asked)
        nodes = cluster.of("node", target)
        running = [
            each
            for kind in ("lxc", "qemu")
            for each in cluster.of(kind, target)
            if each.get("status") == "running"
        ]
        return Prospect(
            target,
            maintenance=any(each.get("hastate") == "maintenance" for each in nodes),
            storages={
                each["storage"]: int(each.get("avail") or 0) for each in storages if each.get("active")
            },
            missing_bridges=frozenset(_names(here) - _names(there)),
            memory=int(status["memory"]["total"]),
            promised=sum(int(each.get("maxmem", 0)) for each in running),
            faults=_faults(conditions[0] if conditions else {}, target),
        )


def _names(interfaces: Iterable[Mapping[str, Any]]) -> set[str]:
    return {each["iface"] for each in interfaces}


def _sid(place: Place) -> str:
    """How the manager calls a guest."""
    return f"{'ct' if place.kind == 'lxc' else 'vm'}:{place.vmid}"


def _faults(conditions: Mapping[str, Any], target: str) -> tuple[str, ...]:
    """What the preconditions of a virtual machine's migration say against a node."""
    refused = (conditions.get("not_allowed_nodes") or {}).get(target) or {}
    texts = {"unavailable_storages": "there is no storage {} on {}"}
    return tuple(
        texts.get(key, f"PVE says: {key} {{}} on {{}}").format(name, target)
        for key, names in sorted(refused.items())
        for name in (names if isinstance(names, list) else [names])
    )
