# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of a jail's mounts, which its parameter ``mount.fstab`` names: one mount a line, as in fstab(5).

Pure. The source of facts is usr.sbin/jail/command.c: jail(8) takes the first four fields of a line, and no
more of it than stands before a ``#``.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._core.errors import Refused


def file_of(jail: str) -> str:
    """The usual file of a jail, which is that of rc.d/jail too."""
    return f"/etc/fstab.{jail}"


def meaning(line: str) -> str:
    """A line in the one form in which equal ones are equal; empty for one that mounts nothing.

    Law: ``meaning(meaning(l)) == meaning(l)``.
    """
    words = line.partition("#")[0].split()[:4]
    paths = [word.rstrip("/") or "/" for word in words[:2]]
    options = sorted({*",".join(words[3:]).split(",")} - {"", "rw"})
    return " ".join([*paths, *words[2:3], *([",".join(options)] if options else [])])


def mounts(text: str) -> tuple[str, ...]:
    """What a file mounts, in its order, which is that of the mounting."""
    return tuple(filter(None, map(meaning, text.splitlines())))


def edit(text: str, wanted: Sequence[str]) -> str:
    """The file with these mounts in the place of its own.

    Lines that mount nothing, and those which are so already, stay as they are.

    Laws: ``mounts(edit(t, w)) == tuple(map(meaning, w))``; ``edit(t, mounts(t)) == t``.
    """
    lines = text.splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if meaning(line)]
    old, new = [meaning(lines[place]) for place in places], [meaning(line) for line in wanted]
    first = _common(old, new)
    last = _common(old[first:][::-1], new[first:][::-1])
    going = places[first : len(old) - last]
    place = going[0] if going else places[first - 1] + 1 if first else (places or [len(lines)])[0]
    coming = [f"{line}\n" for line in wanted[first : len(new) - last]]
    if coming and lines[place - 1 : place] and not lines[place - 1].endswith("\n"):
        coming[0] = f"\n{coming[0]}"
    kept = [line for number, line in enumerate(lines) if number not in going]
    start = place - sum(number < place for number in going)
    return "".join([*kept[:start], *coming, *kept[start:]])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many begin both lists alike."""
    alike = [left == right for left, right in zip(one, other, strict=False)]
    return alike.index(False) if False in alike else len(alike)


def check(line: str, what: str) -> str:
    """A declared line.

    :raises Refused: when jail(8) would not take it.
    """
    words = line.split()
    if not 3 <= len(words) <= 6 or "#" in line or "\n" in line or not words[1].startswith("/"):
        raise Refused(
            f"fstab of {what}",
            f"{line!r} is no mount",
            "write one such as /data /jails/web/srv nullfs rw 0 0",
        )
    return " ".join(words)
