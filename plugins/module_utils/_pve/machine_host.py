# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the guests of Proxmox VE as machines of the inventory: one request, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from .._core.errors import TwinError
from .errors import Denied
from .host import THREADS, PveReader
from .machine import INTERFACES, addresses, records


def read_machines(host: PveReader, facts: bool) -> list[dict[str, Any]]:
    """Every machine that can be seen, stopped ones too.

    :param facts: ask each that runs for its addresses, one request for each.
    :raises TwinError: when the cluster does not tell.
    """
    machines = records(host.get("cluster/resources", {"type": "vm"}))
    if facts:
        running = [machine for machine in machines if machine["state"] == "running"]
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(partial(_addresses, host), running))
        for machine, found in zip(running, answers, strict=True):
            machine["addresses"] = found
    return machines


def _addresses(host: PveReader, machine: Mapping[str, Any]) -> list[str]:
    kind = machine["kind"]
    try:
        return addresses(host.get(f"nodes/{machine['owner']}/{kind}/{machine['vmid']}/{INTERFACES[kind]}"))
    except Denied:
        raise
    except TwinError:
        # It has no guest agent, or has stopped or moved meanwhile.
        return []
