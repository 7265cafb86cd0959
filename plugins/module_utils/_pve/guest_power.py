# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts and stops guests of Proxmox VE and takes them to another node; all of it may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._core.errors import TwinError
from .errors import ApiError
from .host import PveHost, PveReader
from .task_host import run_task


@dataclass(frozen=True, slots=True)
class Place:
    """Where a guest is.

    :param kind: ``lxc`` or ``qemu``.
    :param what: what people call it, such as ``container ssa``.
    """

    node: str
    kind: str
    vmid: int
    what: str

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"nodes/{self.node}/{self.kind}/{self.vmid}"


def start(host: PveHost, guest: Place) -> dict[str, Any]:
    """Start it."""
    return _powered(host, guest, "start", {}, "running")


def stop(host: PveHost, guest: Place, timeout: int) -> dict[str, Any]:
    """Ask it to stop; after the timeout (seconds) it is ended."""
    return _powered(host, guest, "shutdown", {"timeout": timeout, "forceStop": 1}, "stopped")


def migrate(
    host: PveHost, guest: Place, target: str, params: Mapping[str, Any], *, runs: bool
) -> dict[str, Any]:
    """Take it to another node.

    :param params: of the call, beside the target.
    :param runs: whether it is to run there.
    """
    result = run_task(host, f"{guest.path}/migrate", {"target": target, **params})
    there = replace(guest, node=target)

    def arrived() -> bool:
        now = status(host, there)
        return now == "running" if runs else now is not None

    # Under high availability the task only hands the request on, and a container is started seconds later.
    until(host, arrived, f"move {guest.what} to {target}")
    return result


def status(host: PveReader, guest: Place) -> str | None:
    """``running``, ``stopped``; None where it is not there, or nobody can tell now."""
    try:
        return str(host.poll(f"{guest.path}/status/current")["status"])
    except TwinError:
        # While a guest moves it is on neither node for a moment; at the end the timeout speaks.
        return None


def _powered(
    host: PveHost, guest: Place, call: str, params: Mapping[str, Any], wanted: str
) -> dict[str, Any]:
    """Start or stop it; what another task has done meanwhile is as good."""

    def reached() -> bool:
        return status(host, guest) == wanted

    try:
        result = run_task(host, f"{guest.path}/status/{call}", params)
    except ApiError:
        if not reached():
            raise
        return {}
    # Under high availability the task only hands the request on.
    until(host, reached, f"{guest.what} to be {wanted}")
    return result


def until(host: PveReader, holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds.

    :raises TwinError: when the time of a task has gone by.
    """
    end, pause = host.now() + host.timeout, 0.05
    while not holds():
        if host.now() >= end:
            raise TwinError(
                f"wait for {what}", f"that has not come within {host.timeout:g} s", "look what the node does"
            )
        host.sleep(pause)
        pause = min(pause * 1.5, 1.0)
