# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node in memory, and the member of a cluster that it joins through: what module pve_cluster is handed."""

from __future__ import annotations

from ansible_collections.twin.datacenter.plugins.module_utils._pve.cluster_host import ClusterHost

from .pve.clock import StillClock
from .pve.world import World, single
from .pve_host import DoubleHost

PEER, PASSWORD = "192.0.2.11", "secret"


class DoubleClusterHost(ClusterHost):
    """Both halves of a node, and the read half of its peer."""

    def __init__(self, node: DoubleHost, peer: DoubleHost | None = None) -> None:
        super().__init__(node, peer.reader() if peer else None)
        self.double = node
        self.theirs = peer

    def reader(self) -> ClusterHost:
        """The read half of both."""
        return ClusterHost(self.double.reader(), self.peer)

    @property
    def changes(self) -> list[str]:
        """The requests that were no questions."""
        return self.double.changes + (self.theirs.changes if self.theirs else [])


def alone(name: str, number: int, clock: StillClock) -> World:
    """A node that stands alone."""
    world = single(name, clock=clock)
    world.nodes[name].ip = f"192.0.2.{10 + number}"
    world.nodes[name].fingerprint = ":".join([f"{number:02X}"] * 32)
    world.access.users["root@pam"].password = PASSWORD
    return world


def first_alone() -> DoubleClusterHost:
    """castor, in no cluster."""
    return DoubleClusterHost(DoubleHost(alone("castor", 1, StillClock())))


def second_alone(
    cluster: str | None = "twin", links: tuple[str, ...] = ("10.1.0.1", "10.2.0.1")
) -> DoubleClusterHost:
    """pollux, in no cluster, and castor in one."""
    clock = StillClock()
    castor, pollux = alone("castor", 1, clock), alone("pollux", 2, clock)
    castor.cluster = cluster
    castor.nodes["castor"].facts["links"] = list(links)
    pollux.facts["peers"] = {PEER: castor}
    return DoubleClusterHost(DoubleHost(pollux), DoubleHost(castor))
