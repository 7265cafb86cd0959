# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The witness and those who ask it: the only file here that touches systems.

A witness of Debian keeps its certificates in an NSS database, which is made when the package is installed.
Made later, by hand or by pvecm(1), it belongs to root alone, and corosync-qnetd does not start; so what the
package does is done here too. pvecm(1) goes through all nodes and to the witness by ssh as root and stops
where something is missing, half way: so all of that is looked at before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._core.errors import CommandFailed, CommandMissing, Refused
from .._core.host import Host, WritableHost
from .._core.plan import Step
from .model import (
    CA,
    SERVER,
    Conf,
    Quorum,
    parse_certificates,
    parse_conf,
    parse_quorum,
    parse_served,
    parse_witness,
)
from .plan import Asked, Current, Wanted

STORE = "/etc/corosync/qnetd/nssdb"
_READ_BY_DAEMON = (STORE, f"{STORE}/cert9.db", f"{STORE}/key4.db")
_GROUP = "coroqnetd"
_UNIT = "corosync-qnetd.service"
_NO_DATABASE = 255
CONF = "/etc/pve/corosync.conf"
CLIENT_STORE = "/etc/corosync/qdevice/net/nssdb"
LOOK_AT_NODE = f"command -v corosync-qdevice-net-certutil; ls -d {CLIENT_STORE} 2>/dev/null; true"
LOOK_AT_WITNESS = "command -v corosync-qnetd-certutil; true"
_NOT_QUORATE = 2
_PAUSE = 1.0


# --- the witness ---


def read_database(host: Host, _wanted: None = None) -> str:
    """The state of the database, see `plan.plan_database`.

    :raises Refused: when corosync-qnetd is not installed, unless that may only have been announced.
    """
    try:
        # certutil(1) is of another package, and may be there without.
        host.run(["corosync-qnetd-certutil", "-h"])
    except CommandMissing as error:
        if not host.writable:
            return "sound"  # once the package is installed, for that makes it
        raise Refused(
            "this host", "corosync-qnetd is not installed", "install that package (role witness)"
        ) from error
    listed = host.run(["certutil", "-L", "-d", STORE], ok=(0, _NO_DATABASE))
    if listed.rc != 0:
        return "broken" if {"cert9.db", "key4.db"} & set(host.listing(STORE)) else "none"
    if not {CA, SERVER} <= parse_certificates(listed.out):
        return "broken"
    return "sound" if _is_open(host) else "closed"


def _is_open(host: Host) -> bool:
    lines = host.run(["stat", "-c", "%G %a", *_READ_BY_DAEMON]).out.split("\n")
    rights = [line.split() for line in lines if line]
    return all(group == _GROUP and int(mode, 8) & 0o040 for group, mode in rights)


def apply_database(host: WritableHost, step: Step) -> None:
    """One step of `plan.plan_database`."""
    if step.verb == "make":
        host.change(["rm", "-rf", STORE])
        host.change(["corosync-qnetd-certutil", "-i", "-G"])
    host.change(["chgrp", _GROUP, *_READ_BY_DAEMON])
    host.change(["chmod", "g+rX", *_READ_BY_DAEMON])
    # What runs still has the old ones in its hands; what does not run is for module units.
    host.change(["systemctl", "try-restart", _UNIT])


def read_witness(host: Host, _params: Mapping[str, Any]) -> dict[str, Any]:
    """What module quorum_device_info returns."""
    status = host.run(["corosync-qnetd-tool", "-s"], ok=(0, 1, 3))
    served = host.run(["corosync-qnetd-tool", "-l"], ok=(0, 1, 3)) if status.rc == 0 else None
    clusters = parse_served(served.out) if served else ()
    return {
        "running": status.rc == 0,
        **parse_witness(status.out if status.rc == 0 else ""),
        "database": read_database(host),
        "clusters": [
            {"name": each.name, "algorithm": each.algorithm, "nodes": dict(each.nodes)} for each in clusters
        ],
    }


# --- the QDevice of a cluster of Proxmox VE ---


def read_qdevice(host: Host, wanted: Wanted) -> Current:
    """The QDevice, and whatever pvecm(1) will want to find where one is to be set up."""
    text = host.read(CONF)
    if not text:
        return Current(Conf(), Quorum(0, False, False))
    conf = parse_conf(text)
    quorum = _quorum(host)
    if conf.device == wanted.witness:
        return Current(conf, quorum)
    nodes = {
        node.name: _look(host, _to_node(host, node.name, node.address), LOOK_AT_NODE) for node in conf.nodes
    }
    witness = _look(host, _to_witness(wanted.witness), LOOK_AT_WITNESS) if wanted.witness else None
    return Current(conf, quorum, nodes, witness)


def _quorum(host: Host) -> Quorum:
    try:
        return parse_quorum(host.run(["pvecm", "status"], ok=(0, _NOT_QUORATE)).out)
    except CommandMissing as error:
        raise Refused("this host", "it is no node of Proxmox VE", "run the module on a node") from error


def _to_node(host: Host, name: str, address: str) -> list[str]:
    """ssh as PVE::SSHInfo calls it."""
    known = f"/etc/pve/nodes/{name}/ssh_known_hosts"
    files = (
        ["-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=none"] if host.read(known) else []
    )
    return ["ssh", "-o", "BatchMode=yes", "-o", f"HostKeyAlias={name}", *files, f"root@{address}"]


def _to_witness(address: str) -> list[str]:
    return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", f"root@{address}"]


def _look(host: Host, ssh: Sequence[str], script: str) -> Asked:
    said = host.answer([*ssh, script], "", None)
    if said.rc != 0:
        return Asked(fault=(said.err.strip().splitlines() or ["it said nothing"])[-1])
    lines = said.out.splitlines()
    return Asked(tool=any(line.endswith("certutil") for line in lines), store=CLIENT_STORE in lines)


def apply_qdevice(host: WritableHost, step: Step) -> None:
    """One step of `plan.plan_qdevice`."""
    _APPLY[step.verb](host, step.args)


def _remove(host: WritableHost, _args: Mapping[str, Any]) -> None:
    host.change(["pvecm", "qdevice", "remove"])


def _clear(host: WritableHost, args: Mapping[str, Any]) -> None:
    for name, address in args["nodes"].items():
        host.change([*_to_node(host, name, address), f"rm -rf {CLIENT_STORE}"])


def _setup(host: WritableHost, args: Mapping[str, Any]) -> None:
    network = ["--network", args["network"]] if args["network"] else []
    host.change(["pvecm", "qdevice", "setup", args["witness"], *network])
    end = time.monotonic() + args["timeout"]
    while not _quorum(host).votes:
        if time.monotonic() >= end:
            raise CommandFailed(
                f"the QDevice is set up, but {args['witness']} gives no vote",
                f"after {args['timeout']:g} s pvecm status shows none",
                "see that corosync-qnetd runs there, and that its port 5403 is open to each node",
            )
        time.sleep(_PAUSE)


_APPLY: Mapping[str, Callable[[WritableHost, Mapping[str, Any]], None]] = {
    "remove": _remove,
    "clear": _clear,
    "setup": _setup,
}
