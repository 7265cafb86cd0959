# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done to a witness' database of certificates, and to the QDevice of a cluster. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Plan, Step, make_plan
from .model import Conf, Quorum

DATABASE = "qnetd database"


def plan_database(state: str, _wanted: None = None) -> Plan:
    """The database is sound.

    :param state: ``none``, ``broken``, ``closed`` (the daemon may not read it) or ``sound``.
    """
    sentences = {
        "none": "make the certificates of the witness",
        "broken": "make the certificates of the witness anew; every cluster must set up its QDevice again",
        "closed": "let corosync-qnetd read the certificates of the witness",
    }
    if state == "sound":
        return Plan()
    lost = (DATABASE,) if state == "broken" else ()
    step = Step(DATABASE, "open" if state == "closed" else "make", sentences[state], destroys=lost)
    return make_plan([step], {DATABASE: state}, {DATABASE: "sound"})


# --- the QDevice of a cluster of Proxmox VE ---


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was declared.

    :param witness: address of the host with corosync-qnetd; empty for no QDevice.
    :param network: from which the nodes ask it.
    """

    witness: str
    network: str = ""
    timeout: float = 60


def wanted_of(params: Mapping[str, Any]) -> Wanted:
    """Options of module pve_qdevice.

    :raises Refused: when they cannot be meant.
    """
    if params["state"] == "absent":
        return Wanted("")
    if not params.get("witness"):
        raise Refused(
            "QDevice", "it is not said who gives the vote", "name the address of the host in witness"
        )
    witness = _meant(ipaddress.ip_address, params["witness"], "witness", "192.0.2.13")
    network = params.get("network")
    if network:
        _meant(ipaddress.ip_interface, network, "network", "192.0.2.0/24")
    return Wanted(witness, network or "", float(params["timeout"]))


def _meant(kind: Any, text: str, what: str, example: str) -> str:
    try:
        return str(kind(text))
    except ValueError as error:
        raise Refused(
            f"{what} of the QDevice", f"{text!r} is none", f"write one such as {example}"
        ) from error


@dataclass(frozen=True, slots=True)
class Asked:
    """What was found on a host before a QDevice is set up.

    :param fault: why it cannot be asked; empty when it was.
    :param tool: whether the package that is needed there is installed.
    :param store: whether certificates of an earlier QDevice lie there.
    """

    fault: str = ""
    tool: bool = False
    store: bool = False


@dataclass(frozen=True, slots=True)
class Current:
    """What was read.

    :param conf: corosync.conf; without a cluster there is none.
    :param nodes: what was found on the nodes, where something is to be set up.
    :param witness: and on the witness.
    """

    conf: Conf
    quorum: Quorum
    nodes: Mapping[str, Asked] = field(default_factory=dict)
    witness: Asked | None = None

    def stable(self) -> Any:
        """Without what is found only where something is to be done."""
        return self.conf, self.quorum


def plan_qdevice(current: Current, wanted: Wanted) -> Plan:
    """The cluster asks the witness that is declared, and no other."""
    key, conf = "QDevice", current.conf
    faults = [Step(key, "refuse", said, effect=Effect.IMPOSSIBLE) for said in _faults(current, wanted)]
    if faults:
        return make_plan(faults, {}, {})
    steps = []
    if conf.device and conf.device != wanted.witness:
        steps.append(Step(key, "remove", f"take the vote of {conf.device} from cluster {conf.cluster}"))
    elif stale := [name for name, asked in sorted(current.nodes.items()) if asked.store]:
        sentence = f"remove the certificates of an earlier QDevice from {' and '.join(stale)}"
        addresses = {node.name: node.address for node in conf.nodes}
        steps.append(Step(key, "clear", sentence, {"nodes": {name: addresses[name] for name in stale}}))
    if wanted.witness and conf.device != wanted.witness:
        network = f", over {wanted.network}" if wanted.network else ""
        args = {"witness": wanted.witness, "network": wanted.network, "timeout": wanted.timeout}
        sentence = f"give cluster {conf.cluster} the vote of {wanted.witness}{network}"
        steps.append(Step(key, "setup", sentence, args))
    if not steps:
        return Plan()
    return make_plan(steps, {key: conf.device or None}, {key: wanted.witness or None})


def _faults(current: Current, wanted: Wanted) -> Iterator[str]:
    conf, quorum = current.conf, current.quorum
    if not conf.cluster:
        if wanted.witness:
            yield "this node is in no cluster; make one first (pve_cluster)"
        return
    if conf.device == wanted.witness:
        if conf.device and not quorum.votes:
            yield (
                f"cluster {conf.cluster} asks {conf.device}, but gets no vote; see that corosync-qnetd "
                f"runs there, that "
                f"its port 5403 is open, and that corosync-qdevice runs on each node"
            )
        return
    if quorum.nodes < len(conf.nodes):
        yield (
            f"only {quorum.nodes} of {len(conf.nodes)} nodes of cluster {conf.cluster} are up, and pvecm "
            f"wants all for "
            f"this; start the others, or remove a dead one first (pve_cluster)"
        )
        return
    if wanted.witness:
        yield from _faults_of_hosts(current, wanted)


def _faults_of_hosts(current: Current, wanted: Wanted) -> Iterator[str]:
    conf, witness = current.conf, current.witness
    if len(conf.nodes) % 2:
        yield (
            f"cluster {conf.cluster} has {len(conf.nodes)} nodes, and a QDevice is for an even number of "
            f"them; join "
            f"another one first"
        )
    for name, asked in sorted(current.nodes.items()):
        if asked.fault:
            yield f"node {name} cannot be asked by ssh ({asked.fault}); see that root reaches it from here"
        elif not asked.tool:
            yield f"node {name} has no corosync-qdevice; install that package on each node"
    if witness is not None and witness.fault:
        yield (
            f"root of this node cannot log in on {wanted.witness} ({witness.fault}); give it this node's "
            f"/root/.ssh/id_rsa.pub, and this node its host key (role witness)"
        )
    elif witness is not None and not witness.tool:
        yield f"{wanted.witness} has no corosync-qnetd; install that package there (role witness)"
