# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that a recorded exchange shows: a world made out of its request and its body.

Rests on nothing but the exchange. What the body of a GET lists is there; what the request names is there,
unless the message of a refusal says that it is not; a call that was granted found what it needs. A message is
read for the state that it tells of ("CT 200 is running" tells that 200 is a container and runs), by rules
that know no recording. Never read: status, reason, `errors`, note.

A seeder is registered for an operation, as a handler is:

    @seeds("GET", "/nodes/{node}/qemu/{vmid}/config")
    def config(shown: Shown) -> None: …
"""

from __future__ import annotations

import copy
import functools
import importlib
import json
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from tests.doubles.pve import api, formats, schema
from tests.doubles.pve.access import ROOT, Grant, Group, Pool, Token, User
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.tasks import UPID, Task
from tests.doubles.pve.world import Guest, Kind, Node, Snapshot, Volume, World

EVERYTHING = "images,rootdir,vztmpl,iso,backup,snippets,import"
DEFAULTS: dict[str, dict[str, Any]] = {
    "lxc": {
        "arch": "amd64", "ostype": "alpine", "memory": 512, "swap": 512, "unprivileged": 1,
        "rootfs": "local:{vmid}/vm-{vmid}-disk-0.raw,size=1G",
    },
    "qemu": {"boot": " ", "smbios1": "uuid=0", "vmgenid": "0", "meta": "creation-qemu=10.0.13,ctime=1"},
}  # fmt: skip


@dataclass
class Shown:
    """An exchange, and the world that it is being turned into."""

    verb: str
    path: str
    params: dict[str, Any]
    values: dict[str, str]
    body: Any
    blind: bool
    world: World
    user: str | None = ROOT
    absent: set[str] = field(default_factory=set)
    """What the message says is not there: "guest 100", "storage d2"."""

    @property
    def data(self) -> Any:
        return self.body.get("data") if isinstance(self.body, dict) else None

    @property
    def granted(self) -> bool:
        """Whether the body is an answer, not a refusal."""
        return isinstance(self.body, dict) and "message" not in self.body

    @property
    def message(self) -> str:
        return "" if self.blind or not isinstance(self.body, dict) else str(self.body.get("message", ""))

    @property
    def node(self) -> str:
        return self.values.get("node", self.world.local)

    def says(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.message)

    def guest(self, kind: Kind, vmid: int, node: str | None = None, **config: Any) -> Guest:
        """A guest that is there."""
        made = self.world.guests.get(vmid)
        if made is None or made.kind != kind:
            defaults = {
                k: v.format(vmid=vmid) if isinstance(v, str) else v for k, v in DEFAULTS[kind].items()
            }
            made = self.world.guests[vmid] = Guest(vmid, kind, node or self.node, defaults)
        made.config |= config
        self.disks(made)
        return made

    def disks(self, guest: Guest) -> None:
        """The volumes that its configuration names, on storages that are there."""
        for config in (guest.config, *(each.config for each in guest.snapshots.values())):
            for value in config.values():
                found = re.match(r"(?:file=|volume=)?([a-zA-Z][\w.\-]*):([^,]+)(.*)", str(value))
                if found and re.search(r"disk-|cloudinit|state-", found[2]):
                    size = re.search(r"size=([\d.]+[KMGT]?)", found[3])
                    self.volume(
                        guest.node, f"{found[1]}:{found[2]}", formats.parse_size(size[1]) if size else None
                    )

    def volume(self, node: str, volid: str, size: int | None = None, **more: Any) -> Volume:
        name = volid.partition(":")[0]
        self.storage(name)
        owner = re.search(r"(?:vm|subvol|base|vzdump-(?:lxc|qemu))-(\d+)-", volid)
        kind = {"vztmpl": "vztmpl", "iso": "iso", "backup": "backup"}.get(
            volid.partition(":")[2].partition("/")[0]
        )
        form = volid.rpartition(".")[2] if "." in volid else "raw"
        settings = {
            "format": form,
            "content": kind or "images",
            "vmid": int(owner[1]) if owner else None,
            **more,
        }
        base = re.match(r"([^:]+:\d+/base-[^/]+)/", volid)
        made = Volume(volid, size or 1024**3, parent=base[1] if base else None, **settings)
        self.world.volumes[self.world.place(node, volid)] = made
        return made

    def storage(self, name: str, **settings: Any) -> dict[str, Any]:
        if f"storage {name}" in self.absent:
            return {}
        default = {"type": "btrfs", "path": f"/mnt/{name}", "content": EVERYTHING}
        if name == "local" and not settings:
            return self.world.storages["local"]
        return self.world.file("storage").setdefault(name, {} if settings else default) | settings

    def pool(self, name: str) -> Pool:
        return self.world.access.pools.setdefault(name, Pool())

    def add_node(self, name: str) -> Node:
        if name not in self.world.nodes and f"node {name}" not in self.absent:
            number = len(self.world.nodes) + 1
            self.world.nodes[name] = Node(name, number, f"192.0.2.{10 + number}")
            self.world.cluster = self.world.cluster or "cluster"
        return self.world.nodes.get(name, Node(name))

    def task(self, upid: str, data: dict[str, Any] | None = None) -> Task | None:
        found = UPID.fullmatch(upid)
        if found is None:
            return None
        part = found.groupdict()
        pid, pstart, start = (int(part[name], 16) for name in ("pid", "pstart", "starttime"))
        made = Task(part["node"], part["type"], part["id"], part["user"], pid, pstart, start)
        made.wake = float("inf")
        shown = data or {}
        if shown.get("status") not in (None, "running", "RUNNING"):
            made.exitstatus = shown.get("exitstatus", shown["status"])
            made.endtime = shown.get("endtime")
        self.world.tasks[upid] = made
        return made


Seeder = Callable[[Shown], None]
SEEDERS: dict[tuple[str, str], Seeder] = {}


def seeds(verbs: str, *templates: str) -> Callable[[Seeder], Seeder]:
    def register(seeder: Seeder) -> Seeder:
        for verb in verbs.split():
            for template in templates:
                SEEDERS[verb, template] = seeder
        return seeder

    return register


@functools.cache
def load_seeders() -> None:
    """Imports every file `seeds_….py` beside this one: that registers its seeders."""
    for found in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if found.name.startswith("seeds_"):
            importlib.import_module(f"{__package__}.{found.name}")


def params_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a recorded request; a list of pairs is a form with a repeated key."""
    given = asked.get("params") or {}
    if isinstance(given, str):  # an upload, told in words
        return dict(re.findall(r"(content|filename)=([^\s,]+)", given))
    if isinstance(given, dict):
        return dict(given)
    gathered: dict[str, Any] = {}
    for key, value in given:
        gathered.setdefault(key, []).append(value)
    return {key: values if len(values) > 1 else values[0] for key, values in gathered.items()}


def world_for(
    exchange: dict[str, Any], blind: bool = False, release: str = "9.2"
) -> tuple[World, str | None]:
    """The world before the exchange, and who asks."""
    load_seeders()
    asked = exchange["request"]
    path = api.normal(asked["path"])
    found = schema.of(release).lookup(path)
    template, _operation, values = found or (path, {}, {})
    world = World(release, StillClock(), local="here")
    shown = Shown(
        asked["method"], path, params_of(asked), values, copy.deepcopy(exchange["body"]), blind, world
    )
    for pattern, what in ABSENT.items():
        if said := shown.says(pattern):
            shown.absent.add(what.format(*said.groups()))
    asked_node = values.get("node") if template.startswith("/nodes/{node}") else None
    if f"node {asked_node}" not in shown.absent:
        world.local = asked_node or answering_node(shown.body) or world.local
    world.nodes = {world.local: Node(world.local, 1, "192.0.2.11")}
    if "node" in values:
        node = shown.add_node(values["node"])
        if shown.body == "" and asked.get("auth", "") is not None:  # nobody answered for it
            node.online = False
    who(shown, asked, template)
    if seeder := SEEDERS.get((shown.verb, template)):
        seeder(shown)
    for pattern, rule in RULES:
        if said := shown.says(pattern):
            rule(shown, said)
    return world, shown.user


def answering_node(body: Any) -> str | None:
    """A node that the body names."""
    found = re.search(r'"node": "([^"]+)"|"UPID:([^:]+):', json.dumps(body))
    return str(found[1] or found[2]) if found else None


# What a message says is not there.
ABSENT = {
    r"Configuration file 'nodes/[^/]+/[^/]+/(\d+)\.conf' does not exist": "guest {}",
    r"storage '([^']+)' does not exist": "storage {}",
    r"hostname lookup '([^']+)' failed": "node {}",
    r"(?:unknown|no such)(?: cluster)? node '([^']+)'": "node {}",
}
Rule = Callable[[Shown, re.Match[str]], None]
RULES: list[tuple[str, Rule]] = []


def tells(pattern: str) -> Callable[[Rule], Rule]:
    """Registers what a message that matches tells."""

    def register(rule: Rule) -> Rule:
        RULES.append((pattern, rule))
        return rule

    return register


KINDS: dict[str, Kind] = {"CT": "lxc", "VM": "qemu", "lxc": "lxc", "qemu": "qemu", "qemu-server": "qemu"}


# --- who asks ---


def who(shown: Shown, asked: dict[str, Any], template: str) -> None:
    """A label in `auth` is a user or a token, who may do all but what the message says."""
    if "auth" not in asked:
        return
    label = asked["auth"]
    if label is None:
        shown.user = None
        return
    world = shown.world
    owner, token = (ROOT, "tok") if label.startswith("root") else (f"{label.partition('-')[0]}@pve", label)
    is_token = bool(re.search(r"tok|privsep", label))
    shown.user = f"{owner}!{token}" if is_token else owner
    account = world.access.users.setdefault(owner, User())
    if is_token:
        account.tokens[token] = Token(privsep=int(label == "privsep"))
    lacks = refused_privileges(shown, template)
    world.access.roles["Shown"] = set(formats.PRIVILEGES) - lacks
    if owner != ROOT:
        world.access.acl[Grant("/", "user", owner, "Shown")] = 1
    if label == "privsep":
        world.access.acl[Grant("/", "token", shown.user, "Shown")] = 1


def refused_privileges(shown: Shown, template: str) -> set[str]:
    said = shown.says(r"Permission check failed \(([^,)]+), ([\w.|]+)\)")
    if said:
        return set(said[2].split("|"))
    if shown.says(r"Permission check failed$"):  # none of several ways, but all that is demanded of everybody
        check = schema.method(shown.world.release, template, shown.verb).permissions.get("check", [])
        demanded = [each[2] for each in check[1:] if each[0] == "perm"] if check[:1] == ["and"] else []
        return set(formats.PRIVILEGES) - {privilege for each in demanded for privilege in each}
    return set(formats.PRIVILEGES) if shown.verb == "GET" and sees_nothing(shown.data) else set()


def sees_nothing(data: Any) -> bool:
    """Whether a list is that of somebody who may see nothing: empty, or of nodes that tell no figures."""
    return isinstance(data, list) and all(
        isinstance(each, dict) and each.get("type") == "node" and "maxcpu" not in each for each in data
    )


# --- guests ---

GUEST = "/nodes/{{node}}/{kind}/{{vmid}}"


def of_path(shown: Shown) -> Guest | None:
    """The guest that the path names, unless the message says that it is not there."""
    kind = cast(Kind, shown.path.split("/")[3])
    vmid = shown.values.get("vmid", "")
    if not vmid.isdigit() or f"guest {vmid}" in shown.absent:
        return None
    guest = shown.guest(kind, int(vmid))
    if shown.granted and shown.params.get("digest"):
        shown.world.stamps[guest.file] = shown.params["digest"]
    require_storages(shown)
    if shown.params.get("target") and f"node {shown.params['target']}" not in shown.absent:
        shown.add_node(shown.params["target"])
    if shown.granted:
        require_named(shown, guest)
    return guest


def require_named(shown: Shown, guest: Guest) -> None:
    """What a granted request names is there: pool, node, snapshot, disk."""
    params = shown.params
    if params.get("pool"):
        shown.pool(params["pool"])
    if shown.path.endswith("/clone") and params.get("snapname"):
        guest.snapshots[params["snapname"]] = Snapshot(dict(guest.config), 1)
    disk = params.get("disk") or params.get("volume")
    if disk and disk not in guest.config and shown.verb in ("PUT", "POST"):
        mount = "mp=/mnt," if disk.startswith("mp") else ""
        guest.config[disk] = f"local:{guest.vmid}/vm-{guest.vmid}-disk-1.raw,{mount}size=1M"
        shown.disks(guest)


def require_storages(shown: Shown) -> None:
    """The storages that a request names are there."""
    for key, value in shown.params.items():
        if key in ("storage", "targetstorage", "target-storage"):
            for each in str(value).split(","):
                shown.storage(each.rpartition(":")[2] or each)
        found = re.match(r"(?:file=|volume=)?([a-zA-Z][\w.\-]*):(?![0-9A-Fa-f]{2}:)", str(value))
        if found and re.match(
            r"rootfs|mp\d|scsi|sata|ide|virtio\d|efidisk|tpmstate|unused|ostemplate|archive|volume", key
        ):
            shown.storage(found[1])


def default_guest(shown: Shown) -> None:
    of_path(shown)


def config_of(shown: Shown) -> None:
    guest = of_path(shown)
    data = shown.data
    if guest is None or not isinstance(data, dict):
        return
    shown.world.stamps[guest.file] = data.pop("digest", "")
    if set(data.get("cipassword", "")) == {"*"}:
        data["cipassword"] = "secret"
    name = shown.params.get("snapshot") or shown.values.get("snapname")
    if name:
        guest.snapshots[name] = snapshot_of(data)
    else:
        guest.config = data
        guest.parent = data.pop("parent", None)
    shown.disks(guest)


def snapshot_of(data: dict[str, Any]) -> Snapshot:
    taken = data.pop("snaptime", 1)
    return Snapshot(data, taken, data.pop("parent", None), data.pop("description", ""), "vmstate" in data)


def pending_of(shown: Shown) -> None:
    guest = of_path(shown)
    if guest is None or not isinstance(shown.data, list):
        return
    guest.config = {}
    for entry in shown.data:
        key = entry["key"]
        if key == "digest":
            continue
        if "value" in entry:
            guest.config[key] = entry["value"]
        if "pending" in entry:
            guest.pending[key] = entry["pending"]
        if entry.get("delete"):
            guest.pending[key] = None
    shown.disks(guest)


def status_of(shown: Shown, kind: Kind, data: dict[str, Any]) -> None:
    """A guest as list and status/current show it."""
    memory, cpus = int(data.get("maxmem", 0)) // 1024**2, data.get("cpus", 1)
    size = formats.format_size(int(data.get("maxdisk", 0)))
    config: dict[str, Any] = {key: data[key] for key in ("tags", "template", "lock") if key in data}
    if kind == "lxc":
        config |= {"hostname": data["name"], "memory": memory, "swap": int(data.get("maxswap", 0)) // 1024**2}
        config |= {"cores": cpus, "rootfs": f"local:{data['vmid']}/vm-{data['vmid']}-disk-0.raw,size={size}"}
    else:
        config |= {"name": data["name"], "memory": str(memory), "cores": cpus}
        if data.get("maxdisk"):
            config["scsi0"] = f"local:{data['vmid']}/vm-{data['vmid']}-disk-0.raw,size={size}"
        config |= {"vga": "std"} if "clipboard" in data else {}
        config |= {"serial0": "socket"} if data.get("serial") else {}
        config |= {"agent": "1"} if data.get("agent") else {}
        config |= {f"net{number}": "virtio=BC:24:11:00:00:01" for number in range(len(data.get("nics", {})))}
    guest = shown.guest(kind, int(data["vmid"]), data.get("node"), **config)
    guest.status = data["status"]
    guest.started = shown.world.clock.now() - data.get("uptime", 0)
    guest.paused = data.get("qmpstatus") == "paused"
    managed = data.get("ha", {})
    if managed.get("managed"):
        shown.world.file("ha/resources")[shown.world.sid(guest)] = {
            k: v for k, v in managed.items() if k != "managed"
        }
    if data.get("hastate"):
        shown.world.file("ha/resources")[shown.world.sid(guest)] = {"state": data["hastate"]}
    if data.get("pool"):
        shown.pool(data["pool"]).guests.add(guest.vmid)


def current_of(shown: Shown) -> None:
    guest = of_path(shown)
    if guest is not None and isinstance(shown.data, dict):
        status_of(shown, guest.kind, {"vmid": guest.vmid, **shown.data})


def list_of(shown: Shown) -> None:
    for entry in shown.data if isinstance(shown.data, list) else []:
        status_of(shown, cast(Kind, shown.path.split("/")[3]), entry)


def power(shown: Shown) -> None:
    """A call that was granted found the guest running or stopped, as it needs it."""
    guest = of_path(shown)
    if guest is not None and shown.granted:
        started = shown.path.endswith(("/start", "/rollback", "/template"))
        guest.status = (
            "stopped" if started or shown.verb == "DELETE" and not shown.params.get("force") else "running"
        )


def snapshots_of(shown: Shown) -> None:
    guest = of_path(shown)
    if guest is None or not isinstance(shown.data, list):
        return
    for entry in shown.data:
        if entry["name"] == "current":
            guest.status = "running" if entry.get("running") else "stopped"
            guest.parent = entry.get("parent")
        else:
            guest.snapshots[entry["name"]] = Snapshot(
                {},
                entry["snaptime"],
                entry.get("parent"),
                entry.get("description", ""),
                bool(entry.get("vmstate")),
            )


def with_snapshot(shown: Shown) -> None:
    guest = of_path(shown)
    name = shown.values.get("snapname")
    if guest is not None and name and not shown.says("does not exist"):
        guest.snapshots[name] = Snapshot(dict(guest.config), 1)


def features_of(shown: Shown) -> None:
    """Snapshots and linked clones need a storage that can make them."""
    guest = of_path(shown)
    if guest is not None and isinstance(shown.data, dict) and shown.data.get("hasFeature"):
        disk = "rootfs" if guest.kind == "lxc" else "scsi0"
        guest.config[disk] = f"snap:{guest.vmid}/vm-{guest.vmid}-disk-0.raw,size=1G"
        shown.disks(guest)


def interfaces_of(shown: Shown) -> None:
    guest = of_path(shown)
    if guest is None or not shown.data:
        return
    guest.status = "running"
    for number, entry in enumerate(each for each in shown.data if each["name"] != "lo"):
        guest.config[f"net{number}"] = f"name={entry['name']},hwaddr={entry['hwaddr'].upper()},type=veth"


def agent_of(shown: Shown) -> None:
    guest = of_path(shown)
    if guest is not None and shown.granted:
        guest.status, guest.agent = "running", True
        guest.config["agent"] = "1"


def monitor_of(shown: Shown) -> None:
    guest = of_path(shown)
    if guest is not None and shown.granted:
        guest.status = "running"
        guest.paused = "paused" in str(shown.data)


def cloudinit_of(shown: Shown) -> None:
    guest = of_path(shown)
    if guest is not None and isinstance(shown.data, list):
        guest.config |= {entry["key"]: entry["value"] for entry in shown.data if "value" in entry}
        guest.pending |= {entry["key"]: entry["pending"] for entry in shown.data if "pending" in entry}


def dump_of(shown: Shown) -> None:
    """The options that made the user data."""
    guest = of_path(shown)
    if guest is None or not isinstance(shown.data, str):
        return
    lines = dict(re.findall(r"^(fqdn|user|password): (.+)$", shown.data, re.M))
    names = {"fqdn": "name", "user": "ciuser", "password": "cipassword"}
    guest.config |= {names[key]: value for key, value in lines.items()}
    keys = re.findall(r"^  - (\S+ \S.*)$", shown.data, re.M)
    if keys:
        guest.config["sshkeys"] = quote("\n".join(keys), safe="")


def preconditions_of(shown: Shown) -> None:
    guest = of_path(shown)
    if guest is None or not isinstance(shown.data, dict):
        return
    guest.status = "running" if shown.data.get("running") else "stopped"
    for disk in shown.data.get("local_disks", []):
        size = formats.format_size(disk["size"])
        media = ",media=cdrom" if disk.get("cdrom") else ""
        guest.config[disk["drivename"]] = f"{disk['volid']}{media},size={size}"
    for node in [*shown.data.get("allowed_nodes", []), *shown.data.get("not_allowed_nodes", {})]:
        shown.add_node(node)
    for key in shown.data.get("local_resources", []):
        guest.config[key] = "0000:00:00.0"
    for key, entry in shown.data.get("mapped-resource-info", {}).items():
        guest.config[key] = f"mapping={entry['name']}"
    shown.disks(guest)


def creation(shown: Shown) -> None:
    require_storages(shown)
    if shown.granted and shown.params.get("pool"):
        shown.pool(shown.params["pool"])
    for key in ("ostemplate", "archive"):
        if ":" in str(shown.params.get(key, "")):
            shown.volume(shown.node, shown.params[key])


for each_kind in ("lxc", "qemu"):
    base = GUEST.format(kind=each_kind)
    for method_template in schema.raw("9.2"):
        if method_template.startswith(base):
            seeds("GET POST PUT DELETE", method_template)(default_guest)
    seeds("GET", f"{base}/config")(config_of)
    seeds("GET", f"{base}/snapshot/{{snapname}}/config")(config_of)
    seeds("GET", f"{base}/pending")(pending_of)
    seeds("GET", f"{base}/status/current")(current_of)
    seeds("GET", f"/nodes/{{node}}/{each_kind}")(list_of)
    seeds("POST", f"/nodes/{{node}}/{each_kind}")(creation)
    seeds(
        "POST",
        *(
            f"{base}/status/{verb}"
            for verb in ("start", "stop", "shutdown", "suspend", "resume", "reset", "reboot")
        ),
    )(power)
    seeds("DELETE", base)(power)
    seeds("GET", f"{base}/snapshot")(snapshots_of)
    seeds("GET", f"{base}/snapshot/{{snapname}}")(with_snapshot)
    seeds("PUT", f"{base}/snapshot/{{snapname}}/config")(with_snapshot)
    seeds("POST", f"{base}/snapshot/{{snapname}}/rollback")(with_snapshot)
    seeds("GET", f"{base}/feature")(features_of)
    seeds("GET", f"{base}/migrate")(preconditions_of)


MACHINE = "/nodes/{node}/qemu/{vmid}"
seeds("GET", "/nodes/{node}/lxc/{vmid}/interfaces")(interfaces_of)
seeds("GET", f"{MACHINE}/cloudinit")(cloudinit_of)
seeds("GET", f"{MACHINE}/cloudinit/dump")(dump_of)
seeds("POST", f"{MACHINE}/monitor")(monitor_of)
for method_template in schema.raw("9.2"):
    if method_template.startswith(f"{MACHINE}/agent/"):
        seeds("GET POST", method_template)(agent_of)


@tells(r"QEMU guest agent is not running")
def agent_silent(shown: Shown, said: re.Match[str]) -> None:
    guest = of_path(shown)
    if guest is not None:
        guest.status = "running"
        guest.config["agent"] = "1"


@tells(r"unable to shrink disk size")
def larger(shown: Shown, said: re.Match[str]) -> None:
    guest = of_path(shown)
    if guest is not None:
        value = str(guest.config.get(shown.params["disk"], "local:1/vm-1-disk-0.raw"))
        guest.config[shown.params["disk"]] = re.sub(r",size=[^,]+", "", value) + ",size=900T"


@tells(r"(CT|VM) (\d+) already exists on node '([^']+)'")
def exists(shown: Shown, said: re.Match[str]) -> None:
    shown.add_node(said[3])
    shown.guest(KINDS[said[1]], int(said[2]), said[3])


@tells(r"unable to create VM (\d+): config file already exists")
def exists_somewhere(shown: Shown, said: re.Match[str]) -> None:
    shown.guest("qemu", int(said[1]))


@tells(r"(CT|VM) (\d+) (?:already|is) running|container is running|can't migrate running")
def runs(shown: Shown, said: re.Match[str]) -> None:
    guest = of_path(shown)
    if guest is not None:
        guest.status = "running"


@tells(r"^Parameter verification failed")
def busy(shown: Shown, said: re.Match[str]) -> None:
    """To take a card out can fail only because the machine runs and does not let go of it."""
    card = str(shown.params.get("delete", ""))
    if "/qemu/" in shown.path and list(shown.params) == ["delete"] and re.fullmatch(r"net\d+", card):
        guest = of_path(shown)
        if guest is not None:
            guest.status, guest.deaf = "running", True
            guest.config[card] = "virtio=BC:24:11:00:00:01"


@tells(r"VM \d+ is not running")
def asleep(shown: Shown, said: re.Match[str]) -> None:
    guest = of_path(shown)
    if guest is not None:
        guest.status = "stopped"
        guest.config["agent"] = "1"


@tells(r"can't lock file")
def held(shown: Shown, said: re.Match[str]) -> None:
    guest = of_path(shown)
    if guest is not None:
        guest.held_by = Task(guest.node, "qmshutdown", str(guest.vmid), ROOT, 1, 1, 1, wake=float("inf"))


@tells(r"no quorum|\.tmp\.\d+' - Permission denied")
def without_quorum(shown: Shown, said: re.Match[str]) -> None:
    for name in ("gone", "lost"):
        shown.add_node(name).online = False


@tells(r"(?:CT|VM) is locked \(([^)]+)\)")
def locked(shown: Shown, said: re.Match[str]) -> None:
    guest = of_path(shown)
    if guest is not None:
        guest.config["lock"] = said[1]


@tells(r"There is a replication job '([^']+)'")
def replicated(shown: Shown, said: re.Match[str]) -> None:
    shown.world.file("replication")[said[1]] = {"type": "local", "target": "there"}


@tells(r"Source and target must not be identical")
def replicated_to_itself(shown: Shown, said: re.Match[str]) -> None:
    shown.guest("lxc", int(shown.params["id"].partition("-")[0])).node = shown.params["target"]


@tells(r"protection mode enabled")
def protected(shown: Shown, said: re.Match[str]) -> None:
    guest = of_path(shown)
    if guest is not None:
        guest.config["protection"] = 1


# --- tasks ---


@seeds(
    "GET DELETE",
    "/nodes/{node}/tasks/{upid}",
    "/nodes/{node}/tasks/{upid}/status",
    "/nodes/{node}/tasks/{upid}/log",
)
def task(shown: Shown) -> None:
    if not shown.granted:  # all that can be wrong with such a request is that there is no such task
        return
    made = shown.task(shown.values["upid"], shown.data if isinstance(shown.data, dict) else None)
    if made is None or not shown.path.endswith("/log") or not isinstance(shown.data, list):
        return
    shown.add_node(made.node)
    lines = {entry["n"]: entry["t"] for entry in shown.data}
    total = shown.body.get("total", max(lines, default=0))
    made.lines = [lines.get(number, "") for number in range(1, total + 1)]


@seeds("GET", "/nodes/{node}/tasks", "/cluster/tasks")
def task_list(shown: Shown) -> None:
    for entry in reversed(shown.data or []):
        shown.add_node(entry["node"])
        shown.task(entry["upid"], entry)


# --- backups ---


@seeds("POST", "/nodes/{node}/vzdump")
def backup(shown: Shown) -> None:
    for vmid in formats.split_list(str(shown.params.get("vmid", ""))):
        shown.guest("lxc", int(vmid))


@seeds("GET", "/nodes/{node}/vzdump/extractconfig")
def extracted(shown: Shown) -> None:
    volid = shown.params.get("volume", "")
    if shown.granted:
        lines = dict(re.findall(r"^([^:\n]+): (.*)$", shown.data, re.M))
        shown.volume(shown.node, volid, config=json.dumps(lines))


# --- cluster, nodes, storages ---


@seeds("GET", "/nodes")
def node_list(shown: Shown) -> None:
    for entry in shown.data or []:
        node = shown.add_node(entry["node"])
        node.online = entry["status"] == "online"


@seeds("GET", "/cluster/status")
def cluster_status(shown: Shown) -> None:
    shown.world.nodes.clear()
    for entry in shown.data or []:
        if entry["type"] == "cluster":
            shown.world.cluster, shown.world.config_version = entry["name"], entry["version"]
        else:
            shown.world.nodes[entry["name"]] = Node(
                entry["name"], entry["nodeid"], entry.get("ip", ""), bool(entry["online"])
            )
            if entry["local"]:
                shown.world.local = entry["name"]


@seeds("GET", "/cluster/resources")
def resources(shown: Shown) -> None:
    for entry in sorted(shown.data or [], key=lambda entry: str(entry["type"]) != "pool"):
        kind = entry["type"]
        if kind == "pool":
            shown.pool(entry["pool"])
        elif kind == "node":
            node = shown.add_node(entry["node"])
            node.online = entry["status"] == "online"
        elif kind in ("lxc", "qemu"):
            shown.add_node(entry["node"])
            status_of(shown, kind, {"cpus": entry.get("maxcpu", 1), **entry})
        elif kind == "storage":
            shown.add_node(entry["node"])
            add_storage(shown, entry["storage"], entry["node"], entry["plugintype"], entry)


def add_storage(shown: Shown, name: str, node: str, plugin: str, entry: dict[str, Any]) -> None:
    held = shown.world.file("storage").setdefault(name, {"type": plugin, "path": f"/mnt/{name}", "nodes": ""})
    nodes = [*filter(None, held["nodes"].split(",")), node]
    held |= {
        "content": entry["content"],
        "shared": entry.get("shared", 0),
        "nodes": ",".join(dict.fromkeys(nodes)),
    }
    if entry.get("enabled") == 0:
        held["disable"] = 1


@seeds("GET", "/cluster/log")
def cluster_log(shown: Shown) -> None:
    shown.world.facts["log"] = shown.data or []


@seeds("GET", *(f"/nodes/{{node}}/{name}" for name in ("time", "dns", "hosts", "config")))
def node_settings(shown: Shown) -> None:
    if isinstance(shown.data, dict):
        kept = {key: value for key, value in shown.data.items() if key != "digest"}
        shown.world.nodes[shown.node].facts[shown.path.rpartition("/")[2]] = kept


@seeds("GET", "/cluster/nextid")
def next_id(shown: Shown) -> None:
    asked = str(shown.params.get("vmid", ""))
    if not shown.granted and re.fullmatch(
        r"[1-9]\d{2,8}", asked
    ):  # a good number is refused when it is taken
        shown.guest("qemu", int(asked))
    if shown.granted and not asked and int(shown.data) != 100:
        shown.world.options["next-id"] = {"lower": shown.data, "upper": "1000000"}


@tells(r"^$")
def nothing(shown: Shown, said: re.Match[str]) -> None:
    """A refusal that tells nothing."""


@seeds("GET", "/nodes/{node}/storage")
def storage_list(shown: Shown) -> None:
    for entry in shown.data or []:
        add_storage(shown, entry["storage"], shown.node, entry["type"], entry)


@seeds("GET", "/nodes/{node}/storage/{storage}/status")
def storage_status(shown: Shown) -> None:
    if isinstance(shown.data, dict):
        add_storage(shown, shown.values["storage"], shown.node, shown.data["type"], shown.data)


@seeds("GET", "/nodes/{node}/storage/{storage}/content")
def storage_content(shown: Shown) -> None:
    shown.storage(shown.values["storage"])
    for entry in shown.data or []:
        kept = {key: entry[key] for key in ("format", "content", "vmid", "ctime", "notes") if key in entry}
        made = shown.volume(shown.node, entry["volid"], entry["size"], **kept)
        made.protected = bool(entry.get("protected"))
        made.parent = entry.get("parent")


@seeds("GET PUT DELETE", "/nodes/{node}/storage/{storage}/content/{volume}")
def storage_volume(shown: Shown) -> None:
    shown.storage(shown.values["storage"])
    name = shown.values["volume"]
    volid = name if ":" in name else f"{shown.values['storage']}:{name}"
    if shown.granted:
        data = shown.data if isinstance(shown.data, dict) else {}
        made = shown.volume(shown.node, volid, data.get("size"))
        made.protected, made.notes = bool(data.get("protected")), data.get("notes")


@seeds("POST", "/nodes/{node}/storage/{storage}/content", "/nodes/{node}/storage/{storage}/upload")
@seeds("POST", "/nodes/{node}/storage/{storage}/download-url")
@seeds("GET DELETE", "/nodes/{node}/storage/{storage}/prunebackups")
def storage_there(shown: Shown) -> None:
    shown.storage(shown.values["storage"])


@tells(r"storage '([^']+)' is disabled")
def disabled(shown: Shown, said: re.Match[str]) -> None:
    shown.world.file("storage").setdefault(said[1], {"type": "dir", "path": "/x", "content": EVERYTHING})[
        "disable"
    ] = 1


# --- access ---


@seeds("POST", "/access/ticket")
def ticket(shown: Shown) -> None:
    user = shown.params.get("username", "")
    if "realm" in shown.params:
        user = f"{user}@{shown.params['realm']}"
    if shown.granted:
        shown.world.access.users[user] = User(password=shown.params.get("password"))
        shown.world.cluster = (shown.data or {}).get("clustername")


def user_of(shown: Shown, name: str, data: dict[str, Any]) -> User:
    fields = {
        key: data[key] for key in ("comment", "email", "firstname", "lastname", "keys") if data.get(key)
    }
    made = shown.world.access.users.setdefault(name, User())
    made.enable, made.expire, made.fields = data.get("enable", 1), data.get("expire", 0), fields
    held = data.get("tokens") or {}
    for entry in held.values() if isinstance(held, dict) else held:
        token = Token(entry.get("privsep", 1), entry.get("expire", 0), entry.get("comment"))
        made.tokens[entry.get("tokenid", "")] = token
    if isinstance(held, dict) and held:
        made.tokens = dict(zip(held, made.tokens.values(), strict=False))
    groups = data.get("groups") or []
    for group in groups.split(",") if isinstance(groups, str) else groups:
        shown.world.access.groups.setdefault(group, Group()).users.add(name)
    return made


@seeds("GET", "/access/users")
def users(shown: Shown) -> None:
    shown.world.access.users.clear()
    for entry in shown.data or []:
        user_of(shown, entry["userid"], entry)


@seeds("GET PUT DELETE", "/access/users/{userid}", "/access/users/{userid}/tfa", "/access/tfa/{userid}")
def user(shown: Shown) -> None:
    if not shown.says("no such user"):
        data = shown.data if isinstance(shown.data, dict) else {}
        user_of(shown, shown.values["userid"], data)
        for group in formats.split_list(str(shown.params.get("groups", ""))) if shown.granted else []:
            shown.world.access.groups.setdefault(group, Group())


@seeds("POST", "/access/users")
def new_user(shown: Shown) -> None:
    if shown.says("already exists"):
        user_of(shown, shown.params["userid"], {})
    for group in formats.split_list(str(shown.params.get("groups", ""))) if shown.granted else []:
        shown.world.access.groups.setdefault(group, Group())


@seeds("GET PUT POST DELETE", "/access/users/{userid}/token/{tokenid}", "/access/users/{userid}/token")
def token(shown: Shown) -> None:
    if shown.says("no such user"):
        return
    account = user_of(shown, shown.values["userid"], {})
    entries = (
        shown.data
        if isinstance(shown.data, list)
        else [{"tokenid": shown.values.get("tokenid"), **dict(shown.data or {})}]
    )
    told = shown.says("no such token")
    if (
        told
        or shown.verb == "POST"
        and not (isinstance(shown.body, dict) and shown.says("verification failed"))
    ):
        return
    if isinstance(shown.data, list) and shown.user and shown.user.partition("!")[0] == shown.values["userid"]:
        mine = account.tokens.pop(
            shown.user.partition("!")[2], None
        )  # who asks is one of those that are listed
        name = next((each["tokenid"] for each in entries if mine and each.get("privsep") == mine.privsep), "")
        shown.user = f"{shown.values['userid']}!{name}" if name else shown.user.partition("!")[0]
    for entry in entries:
        if entry.get("tokenid"):
            privsep, expire = int(entry.get("privsep", 1)), int(entry.get("expire", 0))
            account.tokens[entry["tokenid"]] = Token(privsep, expire, entry.get("comment"))


@seeds("GET", "/access/groups")
def groups(shown: Shown) -> None:
    for entry in shown.data or []:
        members = set(formats.split_list(entry.get("users", "")))
        shown.world.access.groups[entry["groupid"]] = Group(members, entry.get("comment"))


@seeds("GET PUT DELETE POST", "/access/groups/{groupid}", "/access/groups")
def group(shown: Shown) -> None:
    if shown.verb == "GET" and "groupid" not in shown.values:
        return groups(shown)
    name = shown.values.get("groupid") or shown.params.get("groupid", "")
    there = shown.says("already exists") if shown.verb == "POST" else not shown.says("does not exist")
    if there:
        data = shown.data if isinstance(shown.data, dict) else {}
        shown.world.access.groups[name] = Group(set(data.get("members", [])), data.get("comment"))


@seeds("GET PUT DELETE POST", "/access/roles/{roleid}", "/access/roles")
def role(shown: Shown) -> None:
    roles = shown.world.access.roles
    if isinstance(shown.data, list):
        roles.clear()
        roles.update({entry["roleid"]: set(formats.split_list(entry["privs"])) for entry in shown.data})
        return
    name = shown.values.get("roleid") or shown.params.get("roleid", "")
    there = shown.says("already exists") if shown.verb == "POST" else not shown.says("does not exist")
    if there and name:
        roles.setdefault(name, set()).update(shown.data or {})


@seeds("GET", "/access/acl")
def acl(shown: Shown) -> None:
    for entry in shown.data or []:
        grant = Grant(entry["path"], entry["type"], entry["ugid"], entry["roleid"])
        shown.world.access.acl[grant] = entry.get("propagate", 1)


@seeds("PUT", "/access/acl")
def new_grant(shown: Shown) -> None:
    access = shown.world.access
    missing = shown.says(r"(role|user|group|token) '([^']+)' does not exist")
    for name in formats.split_list(str(shown.params.get("roles", ""))):
        access.roles.setdefault(name, set())
    for name in formats.split_list(str(shown.params.get("users", ""))):
        user_of(shown, name, {})
    for name in formats.split_list(str(shown.params.get("groups", ""))):
        access.groups.setdefault(name, Group())
    for name in formats.split_list(str(shown.params.get("tokens", ""))):
        owner, _sign, tokenid = name.partition("!")
        access.users.setdefault(owner, User()).tokens[tokenid] = Token()
    held: dict[str, dict[str, Any]] = {"role": access.roles, "user": access.users, "group": access.groups}
    if missing and missing[1] in held:
        held[missing[1]].pop(missing[2], None)


@seeds("GET", "/access/permissions")
def permissions(shown: Shown) -> None:
    """Whoever has these privileges has them by a role of just these."""
    name = (shown.params.get("userid") or shown.user or ROOT).partition("!")[0]
    access = shown.world.access
    access.users.setdefault(name, User())
    if not isinstance(shown.data, dict):
        return
    access.acl.clear()
    for number, (path, held) in enumerate(shown.data.items()):
        access.roles[f"Role{number}"] = set(held)
        access.acl[Grant(path, "user", name, f"Role{number}")] = 1


@seeds("PUT", "/access/password")
def new_password(shown: Shown) -> None:
    user_of(shown, shown.params.get("userid", ""), {})


@seeds("GET PUT POST DELETE", "/access/domains", "/access/domains/{realm}")
def domain(shown: Shown) -> None:
    realms = shown.world.access.realms
    if isinstance(shown.data, list):
        realms.clear()
        realms.update(
            {entry["realm"]: {k: v for k, v in entry.items() if k != "realm"} for entry in shown.data}
        )
        return
    name = shown.values.get("realm") or shown.params.get("realm", "")
    there = shown.says("already exists") if shown.verb == "POST" else not shown.says("does not exist")
    if there:
        data = shown.data if isinstance(shown.data, dict) else {}
        realms[name] = {k: v for k, v in data.items() if k != "digest"} or {"type": "ldap"}
