# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replication jobs and the places of their guests, see `replication`: the only file that reads them."""

from __future__ import annotations

from . import resource_host
from .host import PveReader
from .replication import REPLICATION, CurrentJobs, WantedJobs


def read(host: PveReader, wanted: WantedJobs) -> CurrentJobs:
    """The jobs, and by one more request the guests, where one is to be made between two servers."""
    current = resource_host.read(REPLICATION, host, wanted)
    undirected = any(wanted.undirected(current))
    guests = host.get("cluster/resources", {"type": "vm"}) if undirected else []
    places = {int(guest["vmid"]): str(guest["node"]) for guest in guests}
    return CurrentJobs(current.found, current.writes, places)
