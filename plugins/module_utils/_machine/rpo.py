# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How old a replica is, and whether it is older than the machine's ``rpo`` allows. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .._zfs.snapshot import stamped

PREFIX = "twin-"
"""Of the snapshots that moves and replication make; retention touches no others."""


@dataclass(frozen=True, slots=True)
class Age:
    """The judgement on one replica.

    :param late: whether it is older than it may be, or missing.
    :param sentence: the same for people, without its full stop.
    """

    late: bool
    sentence: str


def age_of(machine: str, twin: str, rpo: int, snapshot: str | None, now: float) -> Age:
    """Judge the replica of a machine.

    :param twin: the server that has it.
    :param rpo: seconds.
    :param snapshot: the last one of ours that the twin has too; None for none.
    :param now: seconds since 1970.
    """
    return age_since(machine, twin, rpo, stamped(PREFIX, snapshot) if snapshot else None, now)


def age_since(machine: str, twin: str, rpo: int, taken: float | None, now: float) -> Age:
    """The same, by when the replica was as the machine is: seconds since 1970; None for never."""
    if taken is None:
        return Age(True, f"machine {machine} has no replica on {twin}")
    seconds = max(0, round(now - taken))
    late = seconds > rpo
    verdict = "more than" if late else "within"
    return Age(
        late,
        f"the replica of {machine} on {twin} is {_told(seconds)} old, {verdict} its rpo of {_told(rpo)}",
    )


def _told(seconds: int) -> str:
    """A duration by the largest unit that tells it well."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
