# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network of a server, by its operating system."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._core.host import Host, WritableHost
from .._core.plan import Step
from . import networkd_host, rc_host
from .model import Network, Wanted

_READ: Mapping[str, Callable[[Host, Wanted], Network]] = {
    "Linux": networkd_host.read_network,
    "FreeBSD": rc_host.read_network,
}
_APPLY: Mapping[str, Callable[[WritableHost, Step], None]] = {
    "Linux": networkd_host.apply_network,
    "FreeBSD": rc_host.apply_network,
}


def read_network(host: Host, wanted: Wanted) -> Network:
    """Interfaces, routes, settings, and whether the way back is armed."""
    return _READ[host.system](host, wanted)


def apply_network(host: WritableHost, step: Step) -> None:
    """Try or confirm."""
    _APPLY[host.system](host, step)
