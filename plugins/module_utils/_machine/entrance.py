# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way from a server into one of its machines: one table, by platform and kind.

Pure: it makes the command line that the account's shell on the server reads, and judges what came back.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused


@dataclass(frozen=True, slots=True)
class Way:
    """How a kind of machine is entered; all are words of a shell in which ``$name`` is the machine.

    :param enter: runs the words after it inside, as root, with an environment of its own.
    :param state: prints the machine's state; empty where `enter` itself says why it cannot. Such a way takes
        plain ASCII alone, and what it brings inside begins with a mark.
    :param running: what `state` prints when the machine can be entered.
    :param piece: bytes of standard input that it takes; 0: it is a stream. Where it is none, the answer comes
        at the end, as JSON.
    """

    enter: str
    state: str = ""
    running: str = ""
    piece: int = 0


# What a login has: login.defs(5) of Debian, login.conf(5) of FreeBSD.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PATH_BSD = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
_ALONE = f"/usr/bin/env -i PATH={_PATH} HOME=/root"
WAYS: Mapping[tuple[str, str], Way] = {
    # lxc-info(1), lxc-attach(1)
    ("debian", "lxc"): Way(
        state='lxc-info --state --no-humanize --name "$name"',
        running="RUNNING",
        enter=f'lxc-attach --name "$name" --clear-env --set-var PATH={_PATH} --set-var HOME=/root --',
    ),
    # jls(8) knows only jails that run, and takes a name in digits for a number: hence the name is asked back.
    # jexec(8) finds the jail by its name each time, as numbers are given again. Its own -l would leave
    # /usr/local out of the path, and fail where root has no home.
    ("freebsd", "jail"): Way(
        state='jls -j "$name" name',
        running='"$name"',
        enter=f'jexec "$name" /usr/bin/env -i PATH={_PATH_BSD} HOME=/root',
    ),
    # pct(1) and qm(1) are Perl and start slowly, so there is no second one that asks for the state. They read
    # their words by the locale, which may be C. Whether pct keeps the environment depends on its release.
    ("proxmox", "lxc"): Way(enter=f'pct exec "$name" -- {_ALONE}'),
    # The guest agent takes all input before it starts the program, and gives all output after its end.
    ("proxmox", "qemu"): Way(
        enter=f'qm guest exec "$name" --pass-stdin 1 --timeout 0 -- {_ALONE}', piece=2**20
    ),
}
# What a kind means where nobody says the platform.
_PLATFORM = {"lxc": "debian", "jail": "freebsd"}

# sh(1) of the server reads this. 255, which ssh(1) keeps for itself, travels as 254 with a mark.
_SCRIPT = """mark={mark} name={name}
as=; [ "$(id -u)" = 0 ] || as='sudo -n'
{ask}$as {enter} {inside}{source}
rc=$?
[ $rc -ne 255 ] || {{ printf '%s 255' "$mark" >&2; exit 254; }}
exit $rc"""
# The state is asked first, so that what fails inside is told from a machine that cannot be entered.
_ASK = """state=$($as {state} </dev/null 2>&1)
[ "$state" = {running} ] || {{ printf '%s state %s' "$mark" "$state" >&2; exit 254; }}
"""
# Where it is not asked, a mark tells that the inside was reached; its last byte, how bytes are told.
_MARKED = """/bin/sh -c 'printf "%s\\377\\n" "$1" >&2; exec /bin/sh -c "$(printf "$0")"' '{}' $mark"""

# The account's shell may be csh(1), which reads ! and the ends of lines even between single quotes. So they
# come to sh(1) as octal numbers, for printf(1); and so does what printf itself or a quote would take.
_LINE = """exec /bin/sh -c 'eval "$(printf "$0")"' '{}'"""
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b"!'%\\-")


class NotEntered(Exception):
    """The machine cannot be entered; the text is what its server says about its state."""


class Truncated(Exception):
    """The output is longer than the guest agent keeps."""


def way_of(platform: str, kind: str) -> Way:
    """The way into machines of a kind.

    :param platform: of the pair; empty where the kind says it.
    :raises Refused: when there is none.
    """
    way = WAYS.get((platform or _PLATFORM.get(kind, ""), kind))
    if way is None:
        known = [each for on, each in WAYS if on == platform] if platform else list(_PLATFORM)
        where = f" on platform {platform}" if platform else ""
        raise Refused(
            "the way into a machine",
            f"no way leads into machines of kind {kind}{where}",
            f"use {', '.join(known)}",
        )
    return way


def entrance(way: Way, name: str, command: str, mark: str, fed: bool = True) -> str:
    """The command line that runs a shell command inside a machine.

    Law: the shell inside gets the command byte for byte; standard input is its own.

    :param command: for ``/bin/sh -c`` inside.
    :param mark: a word that no program prints by chance, for `verdict`.
    :param fed: whether standard input has an end: what is no stream waits for it.
    """
    script = _SCRIPT.format(
        mark=shlex.quote(mark),
        name=shlex.quote(name),
        ask=_ASK.format(state=way.state, running=way.running) if way.state else "",
        enter=way.enter,
        inside=f"/bin/sh -c {shlex.quote(command)}" if way.state else _MARKED.format(_octal(command)),
        source=" </dev/null" if way.piece and not fed else "",
    )
    return _LINE.format(_octal(script))


def _octal(text: str) -> str:
    """A format of printf(1) that prints the text, of characters that no shell reads in single quotes."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in raw)


def verdict(way: Way, answer: tuple[int, bytes, bytes], mark: str) -> tuple[int, bytes, bytes]:
    """Exit code, output and standard error of the command inside, from those of its entrance.

    :raises NotEntered: when there was no way in.
    :raises Truncated: when the guest agent did not keep all of the output.
    """
    rc, out, err = answer
    before, found, said = err.rpartition(mark.encode())
    if rc == 254 and found and said.startswith(b" state "):
        raise _not_entered(said.removeprefix(b" state "))
    if rc == 254 and found and said == b" 255":
        rc, err = 255, before
    if way.piece:
        rc, out, err = _told(out, mark) or (rc, out, err)
    if not way.state:
        noise, found, err = err.partition(_arrival(mark))
        if not found:
            raise _not_entered(noise)
    return rc, out, err


def _not_entered(said: bytes) -> NotEntered:
    return NotEntered(" ".join(said.decode(errors="replace").split()) or "no state at all")


def _arrival(mark: str) -> bytes:
    return mark.encode() + b"\xff\n"


def _told(out: bytes, mark: str) -> tuple[int, bytes, bytes] | None:
    """What the guest agent tells at the end of a command (qm(1), guest exec); None where it was not asked.

    Each character stands for one byte of the machine; the mark shows how qm has written those above ASCII.
    """
    try:
        answer: Mapping[str, Any] = json.loads(out.decode("latin-1"), strict=False)
    except ValueError:
        return None
    if answer.get("out-truncated") or answer.get("err-truncated"):
        raise Truncated
    streams = [str(answer.get(key) or "").encode("latin-1") for key in ("out-data", "err-data")]
    if _arrival(mark) not in streams[1]:
        streams = [each.decode("utf-8", "replace").encode("latin-1", "replace") for each in streams]
    # A program that a signal has ended has no exit code; it gets that of a shell.
    rc = int(answer.get("exitcode") or (128 + int(answer["signal"]) if answer.get("signal") else 0))
    return rc, streams[0], streams[1]
