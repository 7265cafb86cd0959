# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which commands of zfs(8) one server runs for the other: the forms that our own code uses. Pure.

``twin peer`` is the forced command of the twin's key, so this list is all that the key can do
beside the verbs of peer.py. It is asked for each stream: it imports next to nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import Refused

PAIR = "/etc/twin/pair.json"
LINE = ["twin", "line"]
"""What opens the line on which the verbs of peer.py and short commands travel; see line.py."""
INCOMING = ".incoming"
HOLDS_PROPERTY = "twin:holds"
EXACT = ["sh", "-c", '"$@"; rc=$?; [ $rc -ne 255 ] || { echo twin-255 >&2; rc=254; }; exit $rc', "sh"]
"""All as in `_zfs` and `_core`, which would cost more to import than all the rest; a test compares them."""


class Busy(Refused):
    """Somebody else has the lock of the machine."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form of one command of zfs(8).

    :param flags: options without a value; ``valued`` those with one, and the values that it may have
        (none given: any).
    :param words: how many arguments stand before the datasets.
    """

    flags: frozenset[str] = frozenset()
    valued: Mapping[str, frozenset[str]] | None = None
    words: int = 0


def _flags(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ANY: frozenset[str] = frozenset()
_SETTINGS = ("readonly=on", "readonly=off", "canmount=noauto", "canmount=on")
FORMS: Mapping[str, Form] = {
    "get": Form(_flags("-H -p -Hp -r"), {"-o": _ANY, "-d": _ANY, "-t": _ANY, "-s": _ANY}, words=1),
    "list": Form(_flags("-H -p -Hp -r"), {"-o": _ANY, "-d": _ANY, "-t": _ANY, "-s": _ANY}),
    "holds": Form(_flags("-H -r -Hr")),
    "receive": Form(_flags("-s -u -A"), {"-o": frozenset(_SETTINGS)}),
    "rollback": Form(_flags("-r")),
    "set": Form(words=1),
    "inherit": Form(_flags("-r"), words=1),
    "mount": Form(),
    "unmount": Form(),
    "hold": Form(_flags("-r"), words=1),
    "release": Form(_flags("-r"), words=1),
    "create": Form(valued={"-o": frozenset({"mountpoint=none"})}),
    "destroy": Form(_flags("-r")),
    "rename": Form(),
}


def permit(words: Sequence[str], pool: str) -> None:
    """Let a command of zfs(8) or zpool(8) through, alone or behind what keeps its exit code.

    :raises Refused: when our own code would not use it so.
    """
    if list(words[: len(EXACT)]) == EXACT:
        words = words[len(EXACT) :]
    what = f"command {shlex.join(words)}"
    remedy = "the key of the twin runs only what replication and moves need"
    # Asked for what this ZFS can do, and whether anybody is there.
    if list(words) in (["zfs"], ["zfs", "get"], ["zfs", "version"], ["true"]):
        return
    if words[:2] == ["zpool", "get"] and words[-1] == pool and all(_plain(word) for word in words[2:]):
        return
    if len(words) < 3 or words[0] != "zfs" or words[1] not in FORMS:
        raise Refused(what, "it is not let through", remedy)
    command, form = words[1], FORMS[words[1]]
    arguments = _arguments(what, form, list(words[2:]))
    if len(arguments) <= form.words:
        raise Refused(what, "it names no dataset", remedy)
    leading, names = arguments[: form.words], arguments[form.words :]
    if command in ("set", "inherit") and not _harmless(leading[0]):
        raise Refused(what, f"{leading[0]} is not for the twin to change", remedy)
    for name in names:
        if not _within(name, pool, reading=command in ("get", "list")):
            raise Refused(what, f"{name} is no dataset of a machine or image", remedy)
    staged = f"{pool}/{INCOMING}"
    if (command == "create" and names != [staged]) or (
        command == "destroy" and not all("@" in name or name.startswith(f"{staged}/") for name in names)
    ):
        raise Refused(what, "it is not let through", remedy)


def _arguments(what: str, form: Form, words: list[str]) -> list[str]:
    """What is left of a command without its options."""
    valued = form.valued or {}
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in valued and words:
            value = words.pop(0)
            if valued[option] and value not in valued[option]:
                raise Refused(what, f"{option} {value} is not let through")
        elif option not in form.flags:
            raise Refused(what, f"{option} is not let through")
    return words


def _harmless(setting: str) -> bool:
    return setting in (*_SETTINGS, "readonly", HOLDS_PROPERTY) or setting.startswith(f"{HOLDS_PROPERTY}=")


def _within(name: str, pool: str, *, reading: bool) -> bool:
    tops = [f"{pool}/{each}" for each in ("machines", "images", INCOMING)]
    dataset = name.partition("@")[0]
    if not _plain(name) or {"", ".", ".."} & set(dataset.split("/")):
        return False
    above = dataset == pool and reading
    return above or any(dataset == top or dataset.startswith(f"{top}/") for top in tops)


def _plain(word: str) -> bool:
    return not word.startswith("-") or word in ("-H", "-p", "-Hp", "-o")
