# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of a machine with its guest: a block in the guest's description. Pure.

It is a comment of HTML, which PVE does not show, with JSON in it::

    <!-- twin:{"epoch":3,"journal":null,"machine":{"home":"castor",…},"name":"ssa"} -->

All else in the description is people's. A clone takes its source's description along, so a note counts only
with the guest whose name it bears.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused

_BEGIN, _END = "<!-- twin:", "-->"
_OVER = ("done", "undone")
"""Stages of a journal with which a move ends (`_machine.journal.Stage`)."""
_SIGN = "\\u003e"
_BLOCK = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Note:
    """What is kept.

    :param name: of the machine, which is the guest's name.
    :param machine: its declaration without defaults.
    :param epoch: how often it has changed its server by our hand, from 1 on.
    :param journal: of its latest move, without the declaration; None before the first.
    """

    name: str
    machine: Mapping[str, Any] = field(default_factory=dict)
    epoch: int = 1
    journal: Mapping[str, Any] | None = None


def print_note(note: Note) -> str:
    """The block. Law: ``parse_note(print_note(note), note.name) == note``."""
    values = {"name": note.name, "machine": note.machine, "epoch": note.epoch, "journal": note.journal}
    text = json.dumps(values, separators=(",", ":"), sort_keys=True)
    # This sign stands within texts of JSON alone, which may write it so: nothing ends the comment early.
    return f"{_BEGIN}{text.replace('>', _SIGN)} {_END}"


def parse_note(description: str, name: str) -> Note | None:
    """The note that a description holds of the guest of this name; None where it holds none.

    :raises Refused: when it is damaged.
    """
    block = split(description)[1]
    note = _parse(block, name) if block else None
    return note if note and note.name == name else None


def _parse(block: str, guest: str) -> Note:
    """A note, whoever it is of."""
    what = f"note of twin in the description of {guest}"
    remedy = "mend it, or take the whole block out and run the playbook machines"
    try:
        values = json.loads(block.removeprefix(_BEGIN).removesuffix(_END))
        note = Note(values["name"], values["machine"], values["epoch"], values["journal"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(what, f"it is damaged ({type(error).__name__}: {error})", remedy) from error
    if (
        not isinstance(note.name, str)
        or not isinstance(note.machine, Mapping)
        or isinstance(note.epoch, bool)
        or not isinstance(note.epoch, int)
        or not isinstance(note.journal, Mapping | None)
    ):
        raise Refused(what, "it is no note that this version understands", remedy)
    return note


def split(description: str) -> tuple[str, str]:
    """People's part of a description, and the block; either may be empty.

    Law: ``split(join(text, block)) == (text, block)`` for a text without a block and without space around it.
    """
    found = _BLOCK.search(description)
    if found is None:
        return description.strip(), ""
    rest = (description[: found.start()], description[found.end() :])
    return "\n\n".join(part.strip() for part in rest if part.strip()), found[0]


def join(text: str, block: str) -> str:
    """A description of both parts."""
    return "\n\n".join(part for part in (text.strip(), block) if part)


def merged(declared: str | None, current: str | None) -> str | None:
    """What a description is to be: people's part as declared, the block kept.

    A declared block brings name and machine alone; what is known of moves stays. One without a text beside it
    says nothing of people's part, which stays too.

    :raises Refused: when a block is declared and one of both is damaged.
    """
    text, block = split(declared or "")
    old_text, old_block = split(current or "")
    if block:
        text = text or old_text
        new = _parse(block, "the guest")
        old = _parse(old_block, new.name) if old_block else None
        if old is not None and old.name == new.name:
            new = Note(new.name, new.machine, old.epoch, old.journal)
        # A block that says the same is left as it is, however it is written.
        block = old_block if new == old else print_note(new)
    block = block or old_block
    if (text, block) == (old_text, old_block):
        return current
    return join(text, block) or declared


def moving(description: str | None, name: str) -> str:
    """That a guest is being moved, and how that ends, as a clause; else, or if nobody can tell, nothing."""
    try:
        note = parse_note(description or "", name)
    except Refused:
        return ""
    journal = note.journal if note else None
    if not journal or journal.get("stage") in _OVER:
        return ""
    way = f"from {journal.get('source')} to {journal.get('target')}"
    return f"is being moved {way}; finish that with: twin resume {name}, or: twin undo {name}"


def other_image(declared: str | None, current: str | None) -> tuple[str, str] | None:
    """The image of a machine by its note, and the other one that is declared; None where they are the same.

    :raises Refused: when a block is declared and one of both is damaged.
    """
    block, old_block = split(declared or "")[1], split(current or "")[1]
    if not block or not old_block:
        return None
    new = _parse(block, "the guest")
    old = _parse(old_block, new.name)
    images = str(old.machine.get("image") or ""), str(new.machine.get("image") or "")
    # An archive may be named with its ending.
    differ = len({image.removesuffix(".tar.zst") for image in images}) > 1
    return images if old.name == new.name and all(images) and differ else None
