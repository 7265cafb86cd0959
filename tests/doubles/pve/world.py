# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a cluster, as plain objects, without HTTP.

Rests on: the configuration files under /etc/pve and who writes them (PVE::Cluster, PVE::AbstractConfig,
PVE::SectionConfig), and the recorded exchanges. A file has a digest, which is that of the empty string while
it does not exist. Without quorum nothing can be written.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.doubles.pve.access import BUILT_IN, Access, older_roles
from tests.doubles.pve.clock import Clock
from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.releases import OLDEST
from tests.doubles.pve.tasks import Steps, Task, Worker

Kind = Literal["lxc", "qemu"]
Config = dict[str, Any]
RELEASES = {"8.4": "8.4.1", "9.1": "9.1.11", "9.2": "9.2.11"}
EMPTY_DIGEST = hashlib.sha1(b"").hexdigest()
FOLDERS = {"lxc": "lxc", "qemu": "qemu-server"}


@dataclass
class Node:
    name: str
    id: int = 1
    ip: str = "192.0.2.11"
    online: bool = True
    silent: bool = False
    """Whether its daemon takes requests and never answers."""
    maintenance: bool = False
    cpus: int = 2
    memory: int = 24 * 1024**3
    disk: int = 250 * 1024**3
    pci: list[dict[str, Any]] = field(default_factory=list)
    usb: list[dict[str, Any]] = field(default_factory=list)
    fingerprint: str = ":".join(["B2"] * 32)
    facts: dict[str, Any] = field(default_factory=dict)
    """What an area keeps for a node: network, dns, time, certificates…"""


@dataclass
class Snapshot:
    config: Config
    time: int
    parent: str | None = None
    description: str = ""
    running: bool = False
    """Whether its memory was saved too."""


@dataclass
class Guest:
    vmid: int
    kind: Kind
    node: str
    config: Config = field(default_factory=dict)
    pending: Config = field(default_factory=dict)
    """What waits for the next start. None stands for a deletion."""
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    status: Literal["stopped", "running"] = "stopped"
    paused: bool = False
    started: float = 0.0
    parent: str | None = None
    """The snapshot that it was last taken back to, or that was last made."""
    pid: int = 4000
    """Of its process; another one after each start."""
    agent: bool = False
    """Whether its guest agent answers."""
    program: Callable[[list[str], bytes], tuple[int, bytes, bytes]] | None = None
    """What runs a command that the agent is given: its status and what it wrote."""
    processes: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """What its agent reads and writes."""
    addresses: list[str] = field(default_factory=list)
    """What its first interface has inside, with prefix lengths."""
    deaf: bool = False
    """Whether it ignores a request to shut down."""
    held_by: Task | None = None
    """The task that holds the lock of its configuration."""

    @property
    def name(self) -> str:
        given = self.config.get("hostname" if self.kind == "lxc" else "name")
        return str(
            given or f"{'CT' if self.kind == 'lxc' else 'VM'}{'' if self.kind == 'lxc' else ' '}{self.vmid}"
        )

    @property
    def lock(self) -> str | None:
        return self.config.get("lock")

    @property
    def template(self) -> bool:
        return bool(self.config.get("template"))

    @property
    def file(self) -> str:
        return f"nodes/{self.node}/{FOLDERS[self.kind]}/{self.vmid}.conf"

    @property
    def noun(self) -> str:
        return "CT" if self.kind == "lxc" else "VM"

    def content_digest(self) -> str:
        snapshots = {
            name: [each.config, each.parent, each.description] for name, each in self.snapshots.items()
        }
        return digest([self.config, self.pending, snapshots])


@dataclass
class Volume:
    volid: str
    size: int
    format: str
    content: str
    vmid: int | None = None
    ctime: int = 0
    notes: str | None = None
    protected: bool = False
    parent: str | None = None
    origin: str | None = None
    """What it was filled from: an archive, or another volume."""
    config: str | None = None
    """A backup: the configuration in it, as JSON."""

    @property
    def storage(self) -> str:
        return self.volid.partition(":")[0]


@dataclass
class World:
    """A cluster. `local` is the node that answers; the others are reached through it."""

    release: str = "9.2"
    clock: Clock = field(default_factory=Clock)
    nodes: dict[str, Node] = field(default_factory=dict)
    local: str = ""
    cluster: str | None = None
    """Its name; None while the node stands alone."""
    qdevice: dict[str, Any] = field(default_factory=dict)
    guests: dict[int, Guest] = field(default_factory=dict)
    volumes: dict[tuple[str | None, str], Volume] = field(default_factory=dict)
    """By node (None where the storage is shared) and volume id."""
    access: Access = field(default_factory=Access)
    tasks: dict[str, Task] = field(default_factory=dict)
    files: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """The files made of sections, by name and id: storage, ha/resources, ha/rules, mapping/pci, replication,
    jobs…
    """
    options: dict[str, Any] = field(default_factory=dict)
    """datacenter.cfg."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What an area keeps that is none of the above."""
    stamps: dict[str, str] = field(default_factory=dict)
    """Digests of files that are known from elsewhere: a replay knows them, but not what they were made of."""
    random: random.Random = field(default_factory=lambda: random.Random(0))
    pid: int = 1000

    def __post_init__(self) -> None:
        if self.old and self.access.roles == BUILT_IN:
            self.access.roles = older_roles()

    @property
    def old(self) -> bool:
        """Whether the release is 8."""
        return self.release == OLDEST

    @property
    def config_version(self) -> int:
        """That of corosync.conf; kept where worlds that join share it."""
        return int(self.facts.get("config_version", 1))

    @config_version.setter
    def config_version(self, version: int) -> None:
        self.facts["config_version"] = version

    # --- files of sections ---

    def file(self, name: str) -> dict[str, dict[str, Any]]:
        return self.files.setdefault(name, {})

    def file_digest(self, name: str) -> str:
        content = self.files.get(name)
        return self.stamps.get(name) or (digest(content) if content else EMPTY_DIGEST)

    def require_digest(self, name: str, given: str | None) -> None:
        if given and given != self.file_digest(name):
            raise Refusal("detected modified configuration - file changed by other user? Try again.")

    # --- quorum ---

    @property
    def votes(self) -> tuple[int, int]:
        """Present and expected votes; `pvecm expected` lowers the latter until somebody comes or goes."""
        present = sum(node.online for node in self.nodes.values()) + bool(self.qdevice.get("online"))
        wanted = len(self.nodes) + bool(self.qdevice)
        lowered: int = self.facts.get("expected", wanted)
        return present, max(present, min(wanted, lowered))

    @property
    def quorate(self) -> bool:
        present, expected = self.votes
        return self.cluster is None or present > expected // 2

    def require_quorum(self) -> None:
        """Asked before a guest is created, moved or started (PVE::Cluster::check_cfs_quorum)."""
        if not self.quorate:
            raise Refusal("cluster not ready - no quorum?")

    def require_config_writable(self, guest: Guest) -> None:
        """Asked before the configuration of a guest is written."""
        if not self.quorate:
            self.pid += 7
            raise Refusal(f"unable to open file '/etc/pve/{guest.file}.tmp.{self.pid}' - Permission denied")

    def require_writable(self, file: str) -> None:
        """Asked before a file of the cluster is changed under its lock (PVE::Cluster::cfs_lock_file)."""
        if not self.quorate:
            raise Refusal(f"cfs-lock 'file-{re.sub('[/.]', '_', file)}' error: no quorum!")

    # --- guests ---

    def guest(self, node: str, kind: Kind, vmid: int) -> Guest:
        """The guest, or the refusal to find its configuration there."""
        found = self.guests.get(vmid)
        if found is None or found.node != node or found.kind != kind:
            raise Refusal(f"Configuration file 'nodes/{node}/{FOLDERS[kind]}/{vmid}.conf' does not exist")
        return found

    def digest(self, guest: Guest) -> str:
        return self.stamps.get(guest.file) or guest.content_digest()

    def next_id(self) -> int:
        limits = self.options.get("next-id") or {}
        lower, upper = int(limits.get("lower", 100)), int(limits.get("upper", 1_000_000))
        for vmid in range(lower, upper):
            if vmid not in self.guests:
                return vmid
        raise Refusal(f"unable to get any free VMID in range [{lower}, {upper - 1}]")

    # --- what the HA manager looks after ---

    def managed_guests(self) -> set[int]:
        """The ids of the guests that are HA resources."""
        return {int(sid.partition(":")[2]) for sid in self.file("ha/resources")}

    def managed(self, guest: Guest) -> dict[str, Any]:
        """The `ha` of GET status/current."""
        found = self.file("ha/resources").get(self.sid(guest))
        return {"managed": 0} if found is None else {"managed": 1, "state": found.get("state", "started")}

    def request_state(self, guest: Guest, state: str) -> None:
        """What `ha-manager set` does: the manager will see to it."""
        self.file("ha/resources")[self.sid(guest)]["state"] = state

    def sid(self, guest: Guest) -> str:
        return f"{'ct' if guest.kind == 'lxc' else 'vm'}:{guest.vmid}"

    def purge(self, guest: Guest) -> None:
        """Out of everything that names it: HA, replication, backup jobs."""
        self.file("ha/resources").pop(self.sid(guest), None)
        jobs = self.file("replication")
        for job in [job for job in jobs if job.startswith(f"{guest.vmid}-")]:
            del jobs[job]
        for settings in self.file("jobs").values():
            if "vmid" in settings:
                kept = [each for each in str(settings["vmid"]).split(",") if each != str(guest.vmid)]
                settings["vmid"] = ",".join(kept)

    # --- storages and volumes ---

    @property
    def storages(self) -> dict[str, dict[str, Any]]:
        """storage.cfg; `local` is there even where the file is empty (PVE::Storage::Plugin)."""
        default = {
            "type": "dir",
            "path": "/var/lib/vz",
            "content": "iso,vztmpl,backup,snippets,images,rootdir",
        }
        return {"local": {**default, "priority": 0, "prune-backups": "keep-all=1"}, **self.file("storage")}

    def storage(self, name: str, node: str | None = None) -> dict[str, Any]:
        found = self.storages.get(name)
        if found is None:
            raise Refusal(f"storage '{name}' does not exist")
        if found.get("disable"):
            raise Refusal(f"storage '{name}' is disabled")
        if node and found.get("nodes") and node not in str(found["nodes"]).split(","):
            raise Refusal(f"storage '{name}' is not available on node '{node}'")
        return found

    def volume(self, node: str, volid: str) -> Volume | None:
        return self.volumes.get(self.place(node, volid))

    def place(self, node: str, volid: str) -> tuple[str | None, str]:
        shared = self.storages.get(volid.partition(":")[0], {}).get("shared")
        return (None if shared else node), volid

    def volumes_of(self, node: str, storage: str) -> list[Volume]:
        return [
            each
            for (at, _volid), each in self.volumes.items()
            if at in (None, node) and each.storage == storage
        ]

    # --- tasks ---

    def start(self, node: str, kind: str, subject: str, user: str, worker: Worker) -> str:
        """Starts a task and returns its UPID."""
        now = self.clock.now()
        self.pid += 7
        task = Task(node, kind, subject, user, self.pid, int(now * 100) % 2**31, int(now))
        self.tasks[task.upid] = task
        task.steps = steps_of(worker, task)
        task.go_on(now)
        return task.upid

    def settle(self) -> None:
        """Lets every task go on whose time has come, in order."""
        now = self.clock.now()
        while due := [task for task in self.tasks.values() if task.running and task.wake <= now]:
            task = min(due, key=lambda each: each.wake)
            task.go_on(task.wake)

    def finish(self, upid: str) -> Task:
        """Runs a task to its end whatever the clock says, for tests."""
        task = self.tasks[upid]
        while task.running:
            task.go_on(max(task.wake, self.clock.now()))
        return task


def steps_of(worker: Worker, task: Task) -> Steps:
    """A worker as a generator, whether it pauses or not."""
    steps = worker(task)
    if steps is not None:
        yield from steps


def digest(content: Any) -> str:
    return hashlib.sha1(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def single(node: str = "pve1", **settings: Any) -> World:
    """A node that stands alone."""
    return World(nodes={node: Node(node)}, local=node, **settings)


def pair(*names: str, **settings: Any) -> World:
    """A cluster of these nodes, castor and pollux unless named."""
    chosen = names or ("castor", "pollux")
    nodes = {name: Node(name, number, f"192.0.2.{10 + number}") for number, name in enumerate(chosen, 1)}
    return World(nodes=nodes, local=chosen[0], cluster="twin", **settings)
