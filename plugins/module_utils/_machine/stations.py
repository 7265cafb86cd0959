# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has a server's machines, by the platform that its pair names.

Apart from all others, so that a module for machines of a pair carries nothing of Proxmox VE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._core.host import Host
from . import host as machines
from .cluster_host import ClusterStation, cluster_api
from .declaration import Pair
from .host import AnyStation, Station

_STATIONS: Mapping[str, Callable[[Host, Pair], AnyStation]] = {
    "freebsd": Station,
    "debian": Station,
    "proxmox": lambda host, pair: ClusterStation(host, pair, cluster_api(host)),
}


def station_of(host: Host, pair: Pair) -> AnyStation:
    """A server and its machines."""
    return _STATIONS[pair.platform](host, pair)


def read_info(host: Host, _params: Mapping[str, Any]) -> dict[str, Any]:
    """What module machine_info returns."""
    return machines.read_info(host, station_of)
