# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way from a server into one of its machines: one table, by kind.

Pure: it makes the command line that the account's shell on the server reads, and judges what came back.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from .._core.errors import Refused


@dataclass(frozen=True, slots=True)
class Way:
    """How a kind of machine is entered; all are words of a shell in which ``$name`` is the machine.

    :param state: prints the machine's state.
    :param running: what it prints when the machine can be entered.
    :param enter: runs the words after it inside, as root, with an environment of its own.
    """

    state: str
    running: str
    enter: str


# What a login has: login.defs(5) of Debian, login.conf(5) of FreeBSD.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PATH_BSD = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
WAYS: Mapping[str, Way] = {
    # lxc-info(1), lxc-attach(1)
    "lxc": Way(
        state='lxc-info --state --no-humanize --name "$name"',
        running="RUNNING",
        enter=f'lxc-attach --name "$name" --clear-env --set-var PATH={_PATH} --set-var HOME=/root --',
    ),
    # jls(8) knows only jails that run, and takes a name in digits for a number: hence the name is asked back.
    # jexec(8) finds the jail by its name each time, as numbers are given again. Its own -l would leave
    # /usr/local out of the path, and fail where root has no home.
    "jail": Way(
        state='jls -j "$name" name',
        running='"$name"',
        enter=f'jexec "$name" /usr/bin/env -i PATH={_PATH_BSD} HOME=/root',
    ),
}

# sh(1) of the server reads this. The state is asked first, so that what fails inside is told from a
# machine that cannot be entered; and 255, which ssh(1) keeps for itself, travels as 254 with a mark.
_SCRIPT = """mark={mark} name={name}
as=; [ "$(id -u)" = 0 ] || as='sudo -n'
state=$($as {state} </dev/null 2>&1)
[ "$state" = {running} ] || {{ printf '%s state %s' "$mark" "$state" >&2; exit 254; }}
$as {enter} /bin/sh -c {command}
rc=$?
[ $rc -ne 255 ] || {{ printf '%s 255' "$mark" >&2; exit 254; }}
exit $rc"""

# The account's shell may be csh(1), which reads ! and the ends of lines even between single quotes. So they
# come to sh(1) as octal numbers, for printf(1); and so does what printf itself or a quote would take.
_LINE = """exec /bin/sh -c 'eval "$(printf "$0")"' '{}'"""
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b"!'%\\")


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
    words = {"mark": mark, "name": name, "command": command}
    quoted = {key: shlex.quote(word) for key, word in words.items()}
    return _LINE.format(_octal(_SCRIPT.format(**quoted, **asdict(WAYS[kind]))))


def _octal(text: str) -> str:
    """A format of printf(1) that prints the text, of characters that no shell reads in single quotes."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in raw)


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
