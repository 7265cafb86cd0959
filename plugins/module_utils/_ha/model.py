# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy: what the declaration says of where machines run, also when a server dies. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.values import parse_duration


@dataclass(frozen=True, slots=True)
class Member:
    """What a policy knows of one machine; the keys are those of the declaration.

    :param kind: ``lxc``, ``qemu`` or ``jail``.
    :param rpo: seconds.
    """

    name: str
    kind: str
    home: str
    state: str
    failover: str
    priority: int
    rpo: int
    start_stale: bool
    together: tuple[str, ...]
    apart: tuple[str, ...]
    devices: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The pair and its machines, as far as failover is concerned.

    :param machines: by name, sorted; without those whose state is absent.
    :param gone: those whose state is absent.
    """

    platform: str
    servers: tuple[str, ...]
    fenced: bool
    machines: Mapping[str, Member]
    gone: tuple[Member, ...] = ()

    @property
    def automatic(self) -> list[Member]:
        """The machines that fail over by themselves."""
        return [machine for machine in self.machines.values() if machine.failover == "auto"]

    def at_home(self, server: str) -> list[Member]:
        """The machines that fail over by themselves and normally run on this server."""
        return [machine for machine in self.automatic if machine.home == server]

    @property
    def companies(self) -> list[list[Member]]:
        """The machines that must share a server: sets of at least two, each as large as it gets.

        One machine need only name the other, and whoever goes with my companion goes with me.
        """
        company = {name: {name} for name in self.machines}
        for machine in self.machines.values():
            for other in machine.together:
                joined = company[machine.name] | company[other]
                for name in joined:
                    company[name] = joined
        return [
            [self.machines[other] for other in sorted(names)]
            for name, names in company.items()
            if len(names) > 1 and name == min(names)
        ]

    @property
    def rivals(self) -> list[tuple[Member, Member]]:
        """The pairs of machines that must not share a server, each pair once."""
        pairs = {
            tuple(sorted((machine.name, other)))
            for machine in self.machines.values()
            for other in machine.apart
        }
        return [(self.machines[one], self.machines[other]) for one, other in sorted(pairs)]


def policy_of(twin: Mapping[str, Any], machines: Mapping[str, Mapping[str, Any]]) -> Policy:
    """The policy out of a declaration which was found sound, with every default filled in.

    That there is a third vote, and that the homes of neighbours agree with what they wish, was checked there.
    """
    members = {
        name: Member(
            name=name,
            kind=machine["kind"],
            home=machine["home"],
            state=machine["state"],
            failover=machine["failover"],
            priority=machine["priority"],
            rpo=parse_duration(machine["rpo"]),
            start_stale=machine["start_stale"],
            together=tuple(machine["together"]),
            apart=tuple(machine["apart"]),
            devices=tuple(machine["devices"]),
        )
        for name, machine in sorted(machines.items())
    }
    return Policy(
        platform=twin["platform"],
        servers=tuple(twin["servers"]),
        fenced=bool(twin["fencing"]),
        machines={name: member for name, member in members.items() if member.state != "absent"},
        gone=tuple(member for member in members.values() if member.state == "absent"),
    )
