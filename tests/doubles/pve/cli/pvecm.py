# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pvecm(1).

Rests on: the recorded command lines, and PVE::CLI::pvecm and PVE::Corosync (pve-cluster) for the QDevice,
which was not recorded: its texts are those of the sources, and the table with it that of the admin guide.

The witness is `world.facts["witnesses"]`, {address: Witness}. What a node lacks is in its facts: `qdevice`
False stands for no package corosync-qdevice; `nssdb` for a store of certificates that lies there already.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from tests.doubles.pve.cli import Output
from tests.doubles.pve.cli.requests import died, requested, words_of
from tests.doubles.pve.world import Node, World

NO_CLUSTER = (
    "Error: Corosync config '/etc/pve/corosync.conf' does not exist - is this node part of a cluster?"
)
NOT_QUORATE = 2
"""What corosync-quorumtool(8) answers then."""


@dataclass
class Witness:
    """A host that may run corosync-qnetd."""

    key: bool = True
    """Whether it lets root of the nodes in by their key."""
    qnetd: bool = True
    """Whether the package is installed."""
    open: bool = True
    """Whether its port can be reached: without, the set-up ends well and no vote comes."""


def run(world: World, node: str, argv: list[str], stdin: bytes = b"") -> Output:
    """A command line, without the name of the program, as root on a node."""
    words, options = words_of(argv)
    if words[:1] == ["create"] and len(words) == 2:
        return requested(world, node, "POST", "/cluster/config", {"clustername": words[1], **options})
    if words == ["apiver"]:
        return Output(0, "1\n")
    if words == ["updatecerts"]:
        return Output(0, "(re)generate node files\nmerge authorized SSH keys\n")
    if world.cluster is None:
        return died(NO_CLUSTER)
    if words[:1] == ["delnode"] and len(words) == 2:
        return requested(world, node, "DELETE", "/cluster/config/nodes/{node}", {"node": words[1]})
    if words == ["status"]:
        return status(world, node)
    if words == ["nodes"]:
        return nodes(world, node)
    if words[:1] == ["expected"] and len(words) == 2:
        return expected(world, words[1])
    if words[:2] == ["qdevice", "setup"] and len(words) == 3:
        return setup(world, node, words[2], options)
    if words == ["qdevice", "remove"]:
        return remove(world)
    return died(f"ERROR: unknown command 'pvecm {' '.join(words)}'")


# --- what corosync-quorumtool shows ---


def status(world: World, node: str) -> Output:
    present, wanted = world.votes
    quorate = world.quorate
    blocked = "" if quorate else "Activity blocked"
    flags = " ".join(["Quorate"] * quorate + ["Qdevice"] * bool(world.qdevice))
    lines = [
        *heading("Cluster information"),
        f"Name:             {world.cluster}",
        f"Config Version:   {world.config_version}",
        "Transport:        knet",
        "Secure auth:      on",
        "",
        *heading("Quorum information"),
        "Date:             Fri Nov 20 16:07:13 2026",
        "Quorum provider:  corosync_votequorum",
        f"Nodes:            {sum(each.online for each in world.nodes.values())}",
        f"Node ID:          0x{world.nodes[node].id:08x}",
        "Ring ID:          1.1d",
        f"Quorate:          {'Yes' if quorate else 'No'}",
        "",
        *heading("Votequorum information"),
        f"Expected votes:   {wanted}",
        f"Highest expected: {wanted}",
        f"Total votes:      {present}",
        f"Quorum:           {wanted // 2 + 1} {blocked} ",
        f"Flags:            {flags} ",
        "",
        *heading("Membership information"),
        *members(world, node),
    ]
    return Output(0 if quorate else NOT_QUORATE, "".join(f"{line}\n" for line in lines))


def heading(text: str) -> list[str]:
    return [text, "-" * len(text)]


def members(world: World, node: str) -> list[str]:
    """The nodes that are up; with a QDevice, how it stands with each and whether it gives its vote."""
    up = sorted((each for each in world.nodes.values() if each.online), key=lambda each: each.id)
    device = world.qdevice
    middle = f" {'A,V,NMW' if device.get('online') else 'NA,NV,NMW':>10}" if device else ""
    lines = [f"    Nodeid      Votes {'   Qdevice ' if device else ''}Name"]
    for each in up:
        local = " (local)" if each.name == node else ""
        lines.append(f"0x{each.id:08x}          1{middle} {address(each)}{local}")
    if device:
        vote = "1            Qdevice" if device.get("online") else "0            Qdevice (votes 1)"
        lines.append(f"0x00000000          {vote}")
    return lines


def address(node: Node) -> str:
    found: str = node.facts.get("links", [node.ip])[0]
    return found


def nodes(world: World, node: str) -> Output:
    up = sorted((each for each in world.nodes.values() if each.online), key=lambda each: each.id)
    lines = ["", *heading("Membership information"), "    Nodeid      Votes Name"]
    lines += [f"{each.id:>10}          1 {each.name}{' (local)' * (each.name == node)}" for each in up]
    return Output(0, "".join(f"{line}\n" for line in lines))


def expected(world: World, votes: str) -> Output:
    """It may be lowered, but not below what is there."""
    present, wanted = world.votes
    if not present <= int(votes) <= wanted:
        return Output(1, err="Unable to set expected votes: CS_ERR_INVALID_PARAM\n")
    world.facts["expected"] = int(votes)
    return Output(0)


# --- the QDevice ---


def failed(command: str, code: int = 1) -> Output:
    return died(f"command '{command}' failed: exit code {code}")


def offline(world: World) -> Output | None:
    for name, node in sorted(world.nodes.items()):
        if not node.online:
            return died(f"All nodes must be online! Node {name} is offline, aborting.")
    return None


def setup(world: World, node: str, host: str, options: dict[str, str]) -> Output:
    """Set up the QDevice, step by step as the sources do: what fails half way leaves what was made."""
    wrong = bad_parameters(host, options)
    force = options.get("force", "0") == "1"
    witness: Witness | None = world.facts.get("witnesses", {}).get(host)
    if wrong or (wrong := offline(world)):
        return wrong
    if world.qdevice and not force:
        return died("QDevice already configured!")
    if len(world.nodes) % 2 and not force:
        return died("Clusters with an odd node count are not officially supported!")
    if witness is None or not witness.key:
        return failed(f"ssh-copy-id -i /root/.ssh/id_rsa root@{host}")
    here = world.nodes[node].facts
    if here.get("nssdb") and not force:
        return died("QDevice certificate store already initialised, set force to delete!")
    here.pop("nssdb", None)
    if not witness.qnetd:
        return failed(
            f"scp -o BatchMode=yes root@[{host}]:/etc/corosync/qnetd/nssdb/qnetd-cacert.crt /etc/pve/"
        )
    for each in world.nodes.values():
        if each.facts.get("qdevice", True):
            each.facts["nssdb"] = True
    if not all(each.facts.get("qdevice", True) for each in world.nodes.values()):
        return failed("corosync-qdevice-net-certutil -m -c /etc/pve/qdevice-net-node.p12", 127)
    if world.qdevice:
        return died("Qdevice already configured, must be removed before setting up new one!")
    odd = bool(len(world.nodes) % 2)
    world.qdevice = device(world, host, odd) | {"online": witness.open}
    world.config_version += 1
    return Output(0, "\nINFO: add QDevice to cluster configuration\nReloading corosync.conf...\nDone\n")


def bad_parameters(host: str, options: dict[str, str]) -> Output | None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return died(
            "400 Parameter verification failed.\naddress: value does not look like a valid IP address"
        )
    if unknown := sorted(options.keys() - {"network", "force"}):
        return died(f"Unknown option: {unknown[0]}\n400 unable to parse option")
    return None


def device(world: World, host: str, odd: bool) -> dict[str, Any]:
    return {"host": host, "algorithm": "lms" if odd else "ffsplit", "votes": len(world.nodes) if odd else 1}


def remove(world: World) -> Output:
    if wrong := offline(world):
        return wrong
    if not world.qdevice:
        return died("No QDevice configured!")
    world.qdevice = {}
    world.config_version += 1
    for node in world.nodes.values():
        node.facts.pop("nssdb", None)
    return Output(0, "\nRemoved Qdevice.\n")
