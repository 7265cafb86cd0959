# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Proxmox VE answers when something is wrong, as errors by kind. Pure.

The status says little: most faults are 500 with a sentence in the reason, so the sentence decides. The
sentences are those of PVE 9.2 (pve-cluster, pve-guest-common, pve-common, pve-access-control).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused, TwinError, Unreachable


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request.

    :param reason: the text of the status line.
    :param data: the body's ``data``.
    :param message: the body's ``message``; it may have more lines than the reason.
    :param errors: what is wrong with which parameter.
    """

    status: int
    reason: str = ""
    data: Any = None
    message: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What it says, in one line."""
        return " ".join((self.message or self.reason).split())


class ApiError(TwinError):
    """PVE answered that it did not do it. Root of the following."""


class Missing(ApiError):
    """What was asked for does not exist."""


class Exists(ApiError):
    """What was to be made exists already."""


class Rejected(ApiError, Refused):
    """PVE does not take the parameters; nothing was touched. Its facts have ``errors``, by parameter."""


class Denied(ApiError):
    """The credentials are wrong, or their privileges do not suffice."""


class Locked(ApiError):
    """A lock stands in the configuration of a guest (backup, migrate, snapshot …)."""


class LockTimeout(Locked):
    """Something else held a lock of a file for too long: nothing was done, so it may be asked again."""


class Changed(ApiError):
    """Somebody else changed it since it was read: nothing was written."""


class NoQuorum(ApiError):
    """The cluster has no quorum: nothing can be written."""


class NotOffered(ApiError):
    """This PVE has no such call."""


class NotSent(Unreachable):
    """There was no connection, so the request never left: it may be sent again, whatever it is."""


class Dropped(Unreachable):
    """The connection broke after the request had left: whether it was done is not known."""


class TaskFailed(ApiError):
    """A task of PVE ended with an error. Its facts have ``upid`` and ``log``, the last lines of it."""


class TaskTimeout(TaskFailed):
    """A task of PVE took too long and was told to stop."""


# By sentence, first match counts. What another thing lacks ("parent … does not exist") reads as Missing too.
_SENTENCES: tuple[tuple[str, type[ApiError], str], ...] = (
    (
        # Only these: "failed - got timeout" and "got lock timeout - aborting command" were at work already.
        r"can't lock file .* - got timeout|got lock request timeout",
        LockTimeout,
        "something else is at work on it, try again later",
    ),
    (
        r"no quorum|cluster not ready|/etc/pve/.*Permission denied",
        NoQuorum,
        "bring enough servers or the witness back, then run this again",
    ),
    (r"is locked \(", Locked, "wait until that is over, or unlock it if that was broken off"),
    (
        r"detected modified configuration|checksum mismatch",
        Changed,
        "run this again, it will read what is there now",
    ),
    (
        r"[Oo]nly root (can|may)|only allowed for root|user != root@pam",
        Denied,
        "PVE does that for root@pam with its password only, not for a token",
    ),
    (r"already (exists|defined|used|in use)", Exists, ""),
    (r"does not exist|[Nn]o such|not found|not defined|unable to find|is not a pool member", Missing, ""),
)
_PRIVILEGE = re.compile(r"Permission check failed \((?P<path>/[^,]*), (?P<privileges>[\w.|]+)\)")
# Of AnyEvent::HTTP, which pveproxy uses to hand a request to another node: 595 is "no connection".
_NO_CONNECTION = 595
_GATEWAY = {502, 503, 504, 596, 597, 598, 599}


def error_of(answer: Answer, method: str, path: str) -> TwinError:
    """The error that an answer stands for."""
    wanted, said = f"{method} {path}", answer.text or f"status {answer.status}"
    facts = {"method": method, "path": path, "status": answer.status}
    if answer.errors:
        return _of_parameters(answer, wanted, facts)
    if answer.status == _NO_CONNECTION:
        return NotSent(wanted, f"its node does not answer ({said})", "see that the node is up", **facts)
    if answer.status in _GATEWAY:
        return Dropped(
            wanted, f"the connection to its node broke ({said})", "see that the node is up", **facts
        )
    # Within a lock a denial comes as 500: "update pools failed: 403 Permission check failed (…)".
    if answer.status in (401, 403) or _PRIVILEGE.search(said):
        return Denied(wanted, said, _remedy_of_denial(answer.status, said), **facts)
    if answer.status == 501:
        return NotOffered(wanted, said, "see which release of PVE has it", **facts)
    kind, remedy = _kind_of(said)
    return kind(wanted, said, remedy, **facts)


def _of_parameters(answer: Answer, wanted: str, facts: Mapping[str, Any]) -> TwinError:
    faults = {key: " ".join(str(text).split()) for key, text in answer.errors.items()}
    said = "; ".join(f"{key}: {text}" for key, text in sorted(faults.items()))
    kind, remedy = _kind_of(said)
    # "property is not defined in schema" is about the request.
    if kind is not Denied:
        kind, remedy = (Missing if re.search(r"[Nn]o such", said) else Rejected), ""
    return kind(wanted, said, remedy, **facts, errors=faults)


def _kind_of(said: str) -> tuple[type[ApiError], str]:
    for sentence, kind, remedy in _SENTENCES:
        if re.search(sentence, said):
            return kind, remedy
    return ApiError, ""


def _remedy_of_denial(status: int, said: str) -> str:
    if status == 401:
        return "check api_user and its password or token"
    match = _PRIVILEGE.search(said)
    if match:
        privileges = " or ".join(match["privileges"].split("|"))
        return f"give the user or token a role with {privileges} on {match['path']}"
    return "give the user or token a role that may do this"


def may_be_repeated(method: str, error: TwinError) -> bool:
    """Whether a request that failed like this did nothing, so that it may be sent once more."""
    if isinstance(error, (NotSent, LockTimeout)):
        return True
    return method == "GET" and isinstance(error, Dropped)
