# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HA manager: one cluster resource manager (CRM), a local one (LRM) on each node; they move guests.

Rests on: PVE::HA::CRM, PVE::HA::LRM, PVE::HA::Manager and PVE::HA::NodeStatus (pve-ha-manager 5) for states
and times: the CRM works every 10 s, an LRM every 5 s; a node is missed for 60 s before it is fenced; a lock
of a dead node or of a dead master is free 120 s after it was last renewed; groups of version 8 are migrated
in the third round. Not done: what a service costs (every scheduler counts services), and the watchdog,
which needs no moving part here: a node that is offline is dead.

`run` catches up with the clock: each round happens at its own time, however late it is asked for.

"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.doubles.pve import ha_rules

if TYPE_CHECKING:
    from tests.doubles.pve.world import Guest, World

RESOURCES, RULES, GROUPS = "ha/resources", "ha/rules", "ha/groups"
LRM_ROUND, CRM_ROUND = 5, 10
FENCE_DELAY, LOCK_LIFETIME = 60, 120
GROUP_ROUNDS = 3
ON_DUTY = ("armed", "standby")


@dataclass
class Service:
    """What the manager knows of a service."""

    state: str
    node: str
    uid: str
    target: str | None = None
    running: bool = False
    command: tuple[str, str] | None = None
    failed: list[str] = field(default_factory=list)
    maintenance: str | None = None
    """The node that it left for maintenance."""

    def plain(self) -> dict[str, Any]:
        """As manager_status shows it."""
        shown: dict[str, Any] = {"state": self.state, "node": self.node, "uid": self.uid}
        shown |= {"target": self.target} if self.target else {}
        shown |= {"running": 1} if self.running else {}
        shown |= {"failed_nodes": self.failed} if self.failed else {}
        shown |= {"maintenance_node": self.maintenance} if self.maintenance else {}
        return shown


@dataclass
class Local:
    """An LRM."""

    timestamp: float = 0.0
    mode: str = "active"
    state: str = "wait_for_agent_lock"
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        shown = {"state": self.state, "mode": self.mode, "timestamp": int(self.timestamp)}
        return shown | {"results": {uid: dict(result) for uid, result in self.results.items()}}


@dataclass
class Manager:
    time: float | None = None
    """When the last round was; None: there was none yet."""
    rounds: int = 0
    master: str | None = None
    timestamp: float = 0.0
    """When the master wrote its status."""
    nodes: dict[str, str] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    locals: dict[str, Local] = field(default_factory=dict)
    commands: list[tuple[str, str, str]] = field(default_factory=list)
    """What was asked of the CRM: ("migrate", sid, node)."""
    armed: str = "standby"
    resource_mode: str | None = None
    """How services are treated while it is disarmed: freeze or ignore."""
    group_rounds: int = GROUP_ROUNDS
    counter: int = 0

    # --- time ---

    def run(self, world: World) -> None:
        """Does all rounds whose time has come."""
        now = world.clock.now()
        if self.time is None:
            self.time = now - LRM_ROUND
        if not self.services and not world.file(RESOURCES):
            self.time = max(self.time, now - 10 * CRM_ROUND)  # nobody can tell how often nothing was done
        while self.time + LRM_ROUND <= now:
            self.time += LRM_ROUND
            self.rounds += 1
            if not world.quorate:
                continue
            for name, node in world.nodes.items():
                if node.online:
                    self.work_locally(world, name)
            if self.rounds % (CRM_ROUND // LRM_ROUND) == 0:
                self.manage(world)

    @property
    def now(self) -> float:
        return self.time or 0.0

    # --- the LRM of a node ---

    def work_locally(self, world: World, name: str) -> None:
        local = self.locals.setdefault(name, Local())
        local.timestamp = self.now
        local.mode = "maintenance" if world.nodes[name].maintenance else "active"
        mine = {sid: service for sid, service in self.services.items() if service.node == name}
        busy = bool(mine) and self.armed in ON_DUTY
        local.state = "active" if busy else "wait_for_agent_lock"
        if not busy:
            return
        local.results = {uid: r for uid, r in local.results.items() if r["sid"] in mine}
        for sid, service in mine.items():
            if service.uid not in local.results or service.state == "started":
                code = self.act(world, local, sid, service)
                if code is not None:
                    result = {"sid": sid, "state": service.state, "exit_code": code}
                    local.results = {u: r for u, r in local.results.items() if r["sid"] != sid}
                    local.results[service.uid] = result

    def act(self, world: World, local: Local, sid: str, service: Service) -> int | None:
        """Brings a service into the state that it should have; the exit code, None while it goes on."""
        guest = guest_of(world, sid)
        if guest is None or guest.lock or guest.node != service.node:
            return 3  # EWRONG_NODE
        if service.state == "started":
            return self.start(world, local, sid, guest)
        if service.state in ("request_stop", "stopped"):
            stop(world, guest, self.now)
            return 0
        if service.state in ("migrate", "relocate") and service.target:
            return move(world, guest, service.target, self.now, live=service.state == "migrate")
        return None

    def start(self, world: World, local: Local, sid: str, guest: Guest) -> int | None:
        if guest.status == "running":
            local.tries.pop(sid, None)
            return 0
        if start(world, guest, self.now):
            local.tries.pop(sid, None)
            return 0
        local.tries[sid] = local.tries.get(sid, 0) + 1
        if local.tries[sid] <= int(config_of(world, sid)["max_restart"]):
            return None
        local.tries.pop(sid)
        return 1

    # --- the CRM that is master ---

    def manage(self, world: World) -> None:
        if not self.elect(world):
            return
        self.timestamp = self.now
        self.update_nodes(world)
        self.migrate_groups(world)
        if self.armed not in ON_DUTY:
            self.armed = "disarmed"
            return
        self.armed = "armed"
        self.update_services(world)
        placement = ha_rules.Placement(world.file(RULES) | group_rules(world), self.nodes)
        self.take_commands(placement)
        for sid in sorted(self.services):
            self.next_state(world, placement, sid, self.services[sid])
        self.fence()
        for sid in sorted(self.services):
            if self.services[sid].state == "recovery":
                self.recover(world, placement, sid, self.services[sid])

    def elect(self, world: World) -> bool:
        """Whether there is a master: the last that joined, as long as it lives; its lock outlives it."""
        wanted = bool(
            world.file(RESOURCES) or self.services or world.file(GROUPS) or self.armed not in ON_DUTY
        )
        if not wanted:
            self.armed = "standby"
            return False
        if self.master in world.nodes and world.nodes[self.master].online:
            return True
        if self.master and self.now - self.timestamp < LOCK_LIFETIME:
            return False
        self.master = [name for name, node in world.nodes.items() if node.online][-1]
        self.seen = {}
        return True

    def update_nodes(self, world: World) -> None:
        for name, node in world.nodes.items():
            state = self.nodes.get(name, "unknown")
            mode = self.locals[name].mode if name in self.locals else "active"
            if node.online:
                self.seen[name] = self.now
                if state != "fence":
                    state = "maintenance" if mode == "maintenance" else "online"
            elif state != "fence":
                self.seen.setdefault(name, self.now)
                state = "unknown"
            self.nodes[name] = state
        self.nodes = {name: state for name, state in self.nodes.items() if name in world.nodes}

    def online(self) -> list[str]:
        return sorted(name for name, state in self.nodes.items() if state == "online")

    def lost(self, node: str) -> bool:
        """Whether a node has been missed for so long that it has to be fenced."""
        return self.nodes.get(node) not in ("online", "maintenance") and (
            self.now - self.seen.get(node, self.now) >= FENCE_DELAY
        )

    def migrate_groups(self, world: World) -> None:
        """Groups of version 8 become rules once every node is up (PVE::HA::Groups)."""
        groups = world.file(GROUPS)
        if not groups or world.release.startswith("8"):
            return
        self.group_rounds -= 1
        if self.group_rounds > 0 or set(self.nodes.values()) != {"online"}:
            return
        world.file(RULES).update(group_rules(world))
        for resource in world.file(RESOURCES).values():
            group = resource.pop("group", None)
            if group in groups:
                resource["failback"] = int(not groups[group].get("nofailback"))
        groups.clear()
        self.group_rounds = GROUP_ROUNDS

    def update_services(self, world: World) -> None:
        """New services are taken in, those that are gone or ignored are let go."""
        for sid in sorted(world.file(RESOURCES)):
            guest = guest_of(world, sid)
            wanted = config_of(world, sid)["state"]
            if guest is not None and sid not in self.services and wanted != "ignored":
                state = "request_start" if wanted == "started" else "request_stop"
                self.services[sid] = Service(state, guest.node, self.uid())
        for sid in list(self.services):
            if sid not in world.file(RESOURCES) or config_of(world, sid)["state"] == "ignored":
                del self.services[sid]

    def take_commands(self, placement: ha_rules.Placement) -> None:
        for verb, sid, node in self.commands:
            service = self.services.get(sid)
            if service is None or node not in self.online() or node == service.node:
                continue  # an error in the log of the manager, nothing else
            where = self.where()
            if any(where.get(rival) == node for rival in placement.rivals(sid)):
                continue
            for each in {sid, *placement.companions(sid)} & self.services.keys():
                if self.services[each].node != node:
                    self.services[each].command = (verb, node)
        self.commands.clear()

    def where(self) -> dict[str, str]:
        return {sid: service.target or service.node for sid, service in self.services.items()}

    def next_state(self, world: World, placement: ha_rules.Placement, sid: str, service: Service) -> None:
        """One step of a service (next_state_… of PVE::HA::Manager)."""
        wanted = config_of(world, sid)["state"]
        result = self.locals.get(service.node, Local()).results.get(service.uid, {}).get("exit_code")
        if service.state == "request_start":
            self.change(service, "started")
        elif service.state == "request_stop":
            if result is not None:
                self.change(service, "stopped" if result == 0 else "error")
            elif self.lost(service.node):
                self.change(service, "fence")
        elif service.state in ("migrate", "relocate"):
            if result is not None:
                there = service.target if result == 0 else service.node
                self.change(
                    service, "started" if wanted == "started" else "request_stop", node=there or service.node
                )
            elif self.lost(service.node):
                self.change(service, "fence")
        elif service.state == "stopped":
            self.next_stopped(world, sid, service, wanted)
        elif service.state == "started":
            self.next_started(world, placement, sid, service, wanted, result)
        elif service.state == "error" and wanted == "disabled":
            service.failed = []
            self.change(service, "stopped")
        elif service.state == "freeze":
            self.change(service, "started" if wanted == "started" else "request_stop")

    def next_stopped(self, world: World, sid: str, service: Service, wanted: str) -> None:
        guest = guest_of(world, sid)
        if guest is not None:
            service.node = guest.node
        if service.command:
            verb, node = service.command
            service.command = None
            if node in self.online() and node != service.node:
                return self.change(service, verb, target=node)
        if wanted == "disabled":
            return
        if self.lost(service.node):
            self.change(service, "fence")
        elif wanted == "started":
            self.change(service, "request_start")

    def next_started(
        self,
        world: World,
        placement: ha_rules.Placement,
        sid: str,
        service: Service,
        wanted: str,
        result: int | None,
    ) -> None:
        state = self.nodes.get(service.node)
        if state != "online":
            if self.lost(service.node):
                return self.change(service, "fence")
            if state != "maintenance":
                return
            service.maintenance = service.node
        if wanted in ("disabled", "stopped"):
            return self.change(service, "request_stop")
        if service.command:
            verb, node = service.command
            service.command = None
            if node in self.online() and node != service.node:
                self.change(service, verb, target=node)
            return
        how = "none"
        if result == 0:
            service.failed = []
            service.running = True
        elif result is not None:
            service.running = False
            service.failed.append(service.node)
            if len(service.failed) > int(config_of(world, sid)["max_relocate"]):
                return self.change(service, "error")
            how = "try-next"
        chosen = self.select(world, placement, sid, service, how)
        if chosen and chosen != service.node:
            if service.maintenance and chosen == service.maintenance:
                service.maintenance = None
            self.change(service, "migrate" if sid.startswith("vm:") else "relocate", target=chosen)
        elif result is not None and result != 0:
            service.uid = self.uid()

    def select(
        self, world: World, placement: ha_rules.Placement, sid: str, service: Service, how: str
    ) -> str | None:
        return placement.select(
            sid,
            service.node,
            {each: node for each, node in self.where().items() if self.services[each].state != "stopped"},
            self.online(),
            how,
            failback=config_of(world, sid)["failback"],
            failed=service.failed,
            maintenance=service.maintenance,
        )

    def fence(self) -> None:
        """A dead node is fenced when its lock can be had: nothing of it can run any more."""
        for node in {service.node for service in self.services.values() if service.state == "fence"}:
            self.nodes[node] = "fence"
            local = self.locals.get(node, Local())
            if local.state == "active" and self.now - local.timestamp < LOCK_LIFETIME:
                continue
            self.nodes[node] = "unknown"
            for service in self.services.values():
                if service.state == "fence" and service.node == node:
                    self.change(service, "recovery")

    def recover(self, world: World, placement: ha_rules.Placement, sid: str, service: Service) -> None:
        node = self.select(world, placement, sid, service, "best-score")
        wanted = config_of(world, sid)["state"]
        guest = guest_of(world, sid)
        if node and guest is not None:
            steal(guest, node)
            self.change(service, "started" if wanted == "started" else "request_stop", node=node)
        elif wanted == "disabled":
            service.failed = []
            self.change(service, "stopped")

    def change(
        self, service: Service, state: str, node: str | None = None, target: str | None = None
    ) -> None:
        service.state = state
        service.node = node or service.node
        service.target = target
        service.running = False
        service.command = None
        service.uid = self.uid()

    def uid(self) -> str:
        self.counter += 1
        return base64.b64encode(hashlib.md5(f"{self.now}{self.counter}".encode()).digest()).decode()[:22]

    # --- arm and disarm ---

    def disarm(self, mode: str) -> None:
        self.armed = "disarming"
        self.resource_mode = mode
        for service in self.services.values():
            if mode == "freeze" and service.state in ("started", "stopped", "request_stop"):
                self.change(service, "freeze")

    def arm(self) -> None:
        self.armed = "standby"
        self.resource_mode = None


# --- what the manager reads and does in the world ---


def manager_of(world: World) -> Manager:
    """The manager of a world, up to date."""
    manager: Manager = world.facts.setdefault("ha", Manager())
    manager.run(world)
    return manager


def config_of(world: World, sid: str) -> dict[str, Any]:
    """A resource with its defaults (PVE::HA::Config::read_and_check_resources_config)."""
    defaults = {"state": "started", "max_restart": 1, "max_relocate": 1, "failback": 1}
    found: dict[str, Any] = defaults | world.file(RESOURCES).get(sid, {})
    group = world.file(GROUPS).get(found.get("group", ""))
    if group is not None:
        found["failback"] = int(not group.get("nofailback"))
    return found | ({"state": "started"} if found["state"] == "enabled" else {})


def guest_of(world: World, sid: str) -> Guest | None:
    return world.guests.get(int(sid.partition(":")[2]))


def group_rules(world: World) -> dict[str, dict[str, Any]]:
    """Groups as the rules that they stand for."""
    rules = {}
    for name, group in world.file(GROUPS).items():
        members = sorted(sid for sid, each in world.file(RESOURCES).items() if each.get("group") == name)
        if members:
            rules[f"ha-group-{name}"] = {
                "type": ha_rules.NODE,
                "nodes": ha_rules.render_nodes(group["nodes"]),
                "resources": ",".join(members),
                **({"strict": 1} if group.get("restricted") else {}),
                **({"comment": group["comment"]} if group.get("comment") else {}),
            }
    return rules


def volumes_missing(world: World, guest: Guest) -> bool:
    """Whether a volume of the guest is nowhere that its node can see."""
    mine = {(at, volid) for (at, volid), volume in world.volumes.items() if volume.vmid == guest.vmid}
    there = {volid for at, volid in mine if at in (None, guest.node)}
    return any(volid not in there for _key, volid in mine)


def start(world: World, guest: Guest, now: float) -> bool:
    guest.status = "stopped" if volumes_missing(world, guest) else "running"
    guest.started = now
    return guest.status == "running"


def stop(world: World, guest: Guest, now: float) -> None:
    guest.status = "stopped"
    guest.paused = False


def move(world: World, guest: Guest, target: str, now: float, live: bool) -> int:
    """Migrates a guest with its local volumes; unless it is live, the LRM of the target starts it again."""
    for (at, volid), volume in list(world.volumes.items()):
        if volume.vmid == guest.vmid and at == guest.node:
            world.volumes[target, volid] = volume
            if not replicated(world, guest, target):
                del world.volumes[at, volid]
    if not live:
        stop(world, guest, now)
    guest.node = target
    turn_replication(world, guest)
    return 0


def jobs_of(world: World, guest: Guest) -> list[dict[str, Any]]:
    """Its replication jobs."""
    return [job for name, job in world.file("replication").items() if name.startswith(f"{guest.vmid}-")]


def replicated(world: World, guest: Guest, target: str) -> bool:
    return any(job["target"] == target for job in jobs_of(world, guest))


def turn_replication(world: World, guest: Guest) -> None:
    """A job whose target the guest has come to goes back to where it came from (PVE::ReplicationConfig)."""
    for job in jobs_of(world, guest):
        if job["target"] == guest.node:
            job["target"] = job["source"]
        job["source"] = guest.node


def steal(guest: Guest, node: str) -> None:
    """Takes the configuration of a guest from a dead node: nothing of it runs there any more."""
    guest.status = "stopped"
    guest.paused = False
    guest.config.pop("lock", None)
    guest.held_by = None
    guest.node = node
