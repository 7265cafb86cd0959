# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way from a server into one of its machines: one table, by kind.

Pure: it makes the command line that a shell of the server runs, and judges what came back.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from .._core.errors import Refused


@dataclass(frozen=True, slots=True)
class Way:
    """How a kind of machine is entered; both are words of a shell in which ``$name`` is the machine.

    :param state: prints the machine's state.
    :param running: what it prints when the machine can be entered.
    :param enter: runs the words after it inside, as root, with an environment of its own.
    """

    state: str
    running: str
    enter: str


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WAYS: Mapping[str, Way] = {
    # lxc-info(1), lxc-attach(1)
    "lxc": Way(
        state='lxc-info --state --no-humanize --name "$name"',
        running="RUNNING",
        enter=f'lxc-attach --name "$name" --clear-env --set-var PATH={_PATH} --set-var HOME=/root --',
    ),
}

# A server's shell reads this. The state is asked first, so that what fails inside is told from a
# machine that cannot be entered; and 255, which ssh(1) keeps for itself, travels as 254 with a mark.
_SCRIPT = """mark=$1 name=$2
as=; [ "$(id -u)" = 0 ] || as='sudo -n'
state=$($as {state} </dev/null 2>&1)
[ "$state" = {running} ] || {{ printf '%s state %s' "$mark" "$state" >&2; exit 254; }}
$as {enter} /bin/sh -c "$3"
rc=$?
[ $rc -ne 255 ] || {{ printf '%s 255' "$mark" >&2; exit 254; }}
exit $rc"""


class NotEntered(Exception):
    """The machine cannot be entered; the text is what its server says about its state."""


def entrance(kind: str, name: str, command: str, mark: str) -> str:
    """The command line that runs a shell command inside a machine.

    Law: the shell inside gets the command byte for byte; standard input is its own.

    :param command: for ``/bin/sh -c`` inside.
    :param mark: a word that no program prints by chance, for `verdict`.
    :raises Refused: when no way leads into machines of this kind.
    """
    if kind not in WAYS:
        raise Refused(
            f"machine {name}", f"no way leads into machines of kind {kind}", f"use {', '.join(WAYS)}"
        )
    way = WAYS[kind]
    script = _SCRIPT.format(state=way.state, running=way.running, enter=way.enter)
    return shlex.join(["/bin/sh", "-c", script, "sh", mark, name, command])


def verdict(rc: int, err: bytes, mark: str) -> tuple[int, bytes]:
    """The exit code and standard error of the command inside, from those of its entrance.

    :raises NotEntered: when there was no way in.
    """
    before, found, said = err.rpartition(mark.encode())
    if rc != 254 or not found:
        return rc, err
    if said == b" 255":
        return 255, before
    raise NotEntered(said.removeprefix(b" state ").decode(errors="replace").strip() or "no state at all")
