# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong, as one clear sentence.

Every error knows what was wanted, what was answered and what to do; command, exit code and
standard error travel beside the sentence as separate keys.
"""

from __future__ import annotations

from typing import Any


class TwinError(Exception):
    """Root of all errors that are shown to people.

    :param wanted: what was to be done, or the thing that is wrong ("memory of machine ssa").
    :param answered: what the system answered, or what is wrong with the thing.
    :param remedy: what to do, or what would be right.
    :param facts: further keys for programs (``command``, ``rc``, ``stderr`` …), never secrets.
    """

    def __init__(self, wanted: str, answered: str = "", remedy: str = "", **facts: Any) -> None:
        super().__init__(wanted, answered, remedy)
        self.wanted = wanted
        self.answered = answered
        self.remedy = remedy
        self.facts = facts

    def __str__(self) -> str:
        sentence = self.wanted
        if self.answered:
            sentence += f": {self.answered}"
        if self.remedy:
            sentence += f"; {self.remedy}"
        return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


class Refused(TwinError):
    """Bad input, or a plan that must not be carried out: nothing was touched."""


class CommandFailed(TwinError):
    """A command answered with an exit code that was not expected."""


class CommandMissing(TwinError):
    """A program is not installed on the host."""


class Unreachable(TwinError):
    """Another host does not answer: what is true there is not known."""


class NotConverged(TwinError):
    """Every step reported success, yet the system read afterwards is not what was wanted."""
