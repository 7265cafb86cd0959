# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that exchanges show of storages, pools, options, jobs, the cluster's nodes and networks; see
`seeds`.
"""

from __future__ import annotations

import re
from typing import Any

from tests.doubles.pve.areas import network
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.seeds import EVERYTHING, Shown, add_storage, seeds, status_of, tells
from tests.doubles.pve.world import Guest, Node

# --- storages ---


def stored(shown: Shown, entry: dict[str, Any]) -> None:
    """A definition as it is shown; `local` need not be written down."""
    if digest := entry.get("digest"):
        shown.world.stamps["storage"] = digest
    settings = {key: value for key, value in entry.items() if key not in ("digest", "storage")}
    if entry["storage"] != "local" or "priority" not in entry:
        shown.world.file("storage")[entry["storage"]] = settings


@seeds("GET", "/storage")
def storages(shown: Shown) -> None:
    for entry in shown.data or []:
        stored(shown, entry)


@seeds("GET PUT DELETE", "/storage/{storage}")
def storage(shown: Shown) -> None:
    name = shown.values["storage"]
    if isinstance(shown.data, dict) and "content" in shown.data:
        stored(shown, shown.data)
    elif not shown.says("does not exist"):
        kind = shown.data["type"] if isinstance(shown.data, dict) else "dir"
        settings = {"type": kind, "path": f"/mnt/{name}", "content": EVERYTHING}
        shown.world.file("storage").setdefault(name, settings)
    if shown.granted and shown.params.get("digest"):
        shown.world.stamps["storage"] = shown.params["digest"]


@seeds("POST", "/storage")
def new_storage(shown: Shown) -> None:
    if shown.says("already defined"):
        shown.storage(shown.params["storage"])
    if shown.says("is not online"):
        shown.world.facts["unreachable"] = {shown.params.get("server")}


# --- pools ---


@seeds("GET", "/pools")
def pools(shown: Shown) -> None:
    for entry in shown.data or []:
        pool(shown, entry["poolid"], entry)


def pool(shown: Shown, name: str, entry: dict[str, Any]) -> None:
    made = shown.pool(name)
    made.comment = entry.get("comment")
    for member in entry.get("members", []):
        shown.add_node(member["node"])
        if member["type"] == "storage":
            add_storage(shown, member["storage"], member["node"], member["plugintype"], member)
            made.storages.add(member["storage"])
        else:
            status_of(shown, member["type"], {"cpus": member.get("maxcpu", 1), **member})
            made.guests.add(int(member["vmid"]))


@seeds("GET PUT DELETE POST", "/pools/{poolid}")
@seeds("PUT DELETE POST", "/pools")
def one_pool(shown: Shown) -> None:
    name = str(shown.values.get("poolid") or shown.params.get("poolid", ""))
    if isinstance(shown.data, dict):
        return pool(shown, name, shown.data)
    if shown.verb == "POST":
        parent = name.rpartition("/")[0]
        if shown.granted and parent:
            shown.pool(parent)
        if shown.says("already exists"):
            shown.pool(name)
        return
    if shown.says(r"does not exist"):
        return
    made = shown.pool(name)
    if shown.params.get("delete") and shown.granted:
        made.guests |= {int(vmid) for vmid in split_list(str(shown.params.get("vms", "")))}
        made.storages |= set(split_list(str(shown.params.get("storage", ""))))


@tells(r"is not empty \(contains (pool|VM|storage) '?([^')]+)'?\)")
def inside(shown: Shown, said: re.Match[str]) -> None:
    made = shown.pool(str(shown.values.get("poolid") or shown.params.get("poolid", "")))
    if said[1] == "pool":
        shown.pool(said[2])
    elif said[1] == "VM":
        made.guests.add(int(said[2]))
    else:
        made.storages.add(said[2])


@tells(r"VM (\d+) belongs already to pool '([^']+)'")
def elsewhere(shown: Shown, said: re.Match[str]) -> None:
    shown.pool(said[2]).guests.add(int(said[1]))


# --- options of the datacenter ---


@seeds("GET", "/cluster/options")
def options(shown: Shown) -> None:
    data = dict(shown.data or {})
    if "mac_prefix" not in data:  # this user sees only what everybody may see
        shown.world.access.roles.get("Shown", set()).difference_update({"Sys.Audit", "Sys.Modify"})
    allowed = set(data.pop("allowed-tags", []))
    shown.world.options |= data
    told = set(data.get("registered-tags", [])) | set(
        data.get("user-tag-access", {}).get("user-allow-list", [])
    )
    if allowed - told:
        shown.guest("lxc", 100, tags=";".join(sorted(allowed - told)))


# --- jobs ---


@seeds("GET", "/cluster/backup")
def jobs(shown: Shown) -> None:
    for entry in shown.data or []:
        job(shown, entry["id"], entry)


def job(shown: Shown, name: str, entry: dict[str, Any]) -> None:
    kept = {key: value for key, value in entry.items() if key not in ("id", "type", "next-run")}
    shown.world.file("jobs")[name] = {"schedule": "02:30", "enabled": 1, **kept}


@seeds("GET PUT DELETE", "/cluster/backup/{id}")
def one_job(shown: Shown) -> None:
    # A good request for a job is refused only because there is no such job.
    if shown.granted:
        job(shown, shown.values["id"], shown.data if isinstance(shown.data, dict) else {})


@tells(r"Job '([^']+)' already exists")
def job_exists(shown: Shown, said: re.Match[str]) -> None:
    job(shown, said[1], {})


@seeds("GET", "/cluster/backup-info/not-backed-up")
def not_backed_up(shown: Shown) -> None:
    for entry in shown.data or []:
        config = {"hostname" if entry["type"] == "lxc" else "name": entry["name"]}
        shown.world.guests[entry["vmid"]] = Guest(entry["vmid"], entry["type"], shown.world.local, config)


# --- the cluster's nodes ---


def corosync_nodes(shown: Shown, entries: list[dict[str, Any]]) -> None:
    """The nodes of the cluster are these, and no others."""
    shown.world.nodes.clear()
    for entry in entries:
        links = [entry[key] for key in sorted(entry) if re.fullmatch(r"ring\d_addr", key)]
        address = entry.get("pve_addr", links[0] if links else "")
        node = Node(entry["name"], int(entry["nodeid"]), address, facts={"links": links})
        node.fingerprint = entry.get("pve_fp", node.fingerprint)
        shown.world.nodes[node.name] = node
    if shown.world.local not in shown.world.nodes:
        shown.world.local = next(iter(shown.world.nodes))


def totem(shown: Shown, data: dict[str, Any]) -> None:
    shown.world.cluster = data["cluster_name"]
    shown.world.config_version = int(data["config_version"])


@seeds("GET", "/cluster/config/nodes")
def config_nodes(shown: Shown) -> None:
    if shown.data:
        shown.world.cluster = "cluster"
        corosync_nodes(shown, shown.data)


@seeds("GET", "/cluster/config/totem")
def config_totem(shown: Shown) -> None:
    if shown.data:
        totem(shown, shown.data)
        links = len(shown.data.get("interface", {}))
        shown.world.nodes[shown.world.local].facts["links"] = ["192.0.2.11"] * links


@seeds("GET", "/cluster/config/join")
def join(shown: Shown) -> None:
    if isinstance(shown.data, dict):
        shown.world.local = shown.data["preferred_node"]
        totem(shown, shown.data["totem"])
        corosync_nodes(shown, shown.data["nodelist"])
    elif not shown.says("not in a cluster"):
        shown.world.cluster = "cluster"


@seeds("POST", "/cluster/config/join")
def joining(shown: Shown) -> None:
    """The task tells which node was asked."""
    found = re.match(r"UPID:([^:]+):", str(shown.data))
    if found:
        shown.world.nodes = {found[1]: Node(found[1])}
        shown.world.local = found[1]


@tells(r"corosync\.conf' already exists")
def in_cluster(shown: Shown, said: re.Match[str]) -> None:
    shown.world.cluster = "cluster"


@seeds("POST DELETE", "/cluster/config/nodes/{node}")
def other_node(shown: Shown) -> None:
    shown.world.cluster = shown.world.cluster or "cluster"
    if shown.verb == "DELETE":
        return
    shown.world.nodes.pop(shown.values["node"], None)
    text = shown.data.get("corosync_conf", "") if isinstance(shown.data, dict) else ""
    listed = [dict(re.findall(r"(\S+): (\S+)", part)) for part in re.findall(r"  node \{(.*?)\}", text, re.S)]
    if listed:
        corosync_nodes(shown, [each for each in listed if each["name"] != shown.values["node"]])
    found = dict(re.findall(r"(cluster_name|config_version): (\S+)", text))
    if found:
        totem(shown, {**found, "config_version": int(found["config_version"]) - 1})


# --- networks ---


@seeds("GET", "/nodes/{node}/network")
def interfaces(shown: Shown) -> None:
    facts = shown.world.nodes[shown.node].facts
    held = {entry["iface"]: {k: v for k, v in entry.items() if k != "iface"} for entry in shown.data or []}
    facts["network-new" if "changes" in shown.body else "network"] = held


@seeds("GET PUT DELETE", "/nodes/{node}/network/{iface}")
def interface(shown: Shown) -> None:
    # A good request for an interface is refused only because there is no such interface.
    if shown.granted:
        data = shown.data if isinstance(shown.data, dict) else {"type": "bridge", "priority": 5}
        network.changing(shown.world.nodes[shown.node])[shown.values["iface"]] = dict(data)


@seeds("POST", "/nodes/{node}/network")
def new_interface(shown: Shown) -> None:
    if shown.says("verification failed") and shown.params.get("type") in ("bridge", "bond", "vlan"):
        # Refused although it is well formed: there is one of this name.
        network.changing(shown.world.nodes[shown.node])[str(shown.params.get("iface"))] = {
            "type": "bridge",
            "priority": 5,
        }
