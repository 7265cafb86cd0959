# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What moves a server's machines, and what it answers to its twin, by what has them (see stations.py)."""

from __future__ import annotations

from typing import Any, cast

from .._core.errors import Refused
from .cluster_driver import ClusterDriver
from .cluster_host import ClusterStation
from .driver import Driver, Hand, Tell
from .host import AnyStation, Station
from .peer import Twin, answer


def hand_of(station: AnyStation, name: str, tell: Tell) -> Hand:
    """What moves a machine on a server."""
    twin = Twin(station.pair)
    if isinstance(station, ClusterStation):
        return ClusterDriver(station, twin, name, tell)
    return Driver(cast(Station, station), twin, name, tell)


def answer_of(station: AnyStation, verb: str, name: str, payload: Any) -> Any:
    """Carry out one verb that the twin asks for.

    :raises Refused: for a verb that there is not.
    """
    if not isinstance(station, ClusterStation):
        return answer(cast(Station, station), verb, name, payload)
    # All else the twin finds in the cluster; a command in a container can be run on its own node alone.
    if verb != "answers":
        raise Refused(f"verb {verb}", "there is no such verb on platform proxmox", "use answers")
    return station.answers(station.machine(name))
