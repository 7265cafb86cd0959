# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note in a guest's description: people's words beside it are theirs, what it knows of moves is kept."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._pve.note import (
    Note,
    join,
    merged,
    moving,
    other_image,
    parse_note,
    print_note,
    split,
)

WORDS = st.text(max_size=40)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(WORDS, DATA, max_size=4)
NOTES = st.builds(Note, WORDS, MAPPINGS, st.integers(1), st.none() | MAPPINGS)
TEXTS = WORDS.map(str.strip).filter(lambda text: not split(text)[1])
SSA = Note("ssa", {"home": "castor"}, 3, {"stage": "done"})
BLOCK = print_note(SSA)


@given(NOTES, TEXTS)
def test_a_note_survives_beside_any_text(note: Note, text: str) -> None:
    block = print_note(note)
    assert parse_note(block, note.name) == note
    assert split(join(text, block)) == (text, block)
    assert parse_note(join(text, block), note.name) == note


@given(NOTES, TEXTS, TEXTS)
def test_what_people_write_does_not_touch_it(note: Note, old: str, new: str) -> None:
    block = print_note(note)
    after = merged(new, join(old, block))
    assert after is not None and split(after) == (new, block)
    assert merged(new, after) == after
    # Wherever people have put it, and with the newline that PVE adds.
    moved = f"{block}\n\n{new}\n"
    assert merged(new, moved) == moved


@given(NOTES, NOTES, TEXTS)
def test_a_declared_note_brings_the_declaration_alone(new: Note, old: Note, text: str) -> None:
    assume(new.name != old.name)
    declared = join(text, print_note(new))
    assert merged(declared, print_note(old)) == declared
    same = Note(new.name, old.machine, old.epoch, old.journal)
    after = merged(declared, print_note(same))
    assert after is not None
    assert parse_note(after, new.name) == Note(new.name, new.machine, old.epoch, old.journal)
    assert merged(declared, after) == after


def test_without_a_note_a_description_is_what_it_is() -> None:
    assert merged("hello", None) == "hello"
    assert merged("hello", "old\n") == "hello"
    assert merged(None, "old") is None
    assert merged(None, None) is None
    assert merged(None, f"old\n\n{BLOCK}") == BLOCK


def test_a_block_alone_leaves_what_people_wrote() -> None:
    assert merged(BLOCK, f"Ask Alice.\n\n{BLOCK}") == f"Ask Alice.\n\n{BLOCK}"
    assert merged(BLOCK, "Ask Alice.") == f"Ask Alice.\n\n{BLOCK}"
    assert merged(f"Ask Bob.\n\n{BLOCK}", f"Ask Alice.\n\n{BLOCK}") == f"Ask Bob.\n\n{BLOCK}"


def of_image(image: str | None, name: str = "ssa") -> str:
    return print_note(Note(name, {} if image is None else {"image": image}))


@pytest.mark.parametrize(
    ("declared", "current", "told"),
    [
        (of_image("debian-14"), f"Ask Alice.\n\n{of_image('debian-13')}", ("debian-13", "debian-14")),
        (of_image("debian-13"), of_image("debian-13"), None),
        (of_image("debian-13.tar.zst"), of_image("debian-13"), None),
        (of_image("debian-13.tar.gz"), of_image("debian-13"), ("debian-13", "debian-13.tar.gz")),
        (of_image("debian-14"), "Ask Alice.", None),
        (of_image("debian-14"), None, None),
        (of_image("debian-14"), of_image(None), None),
        (of_image("debian-14"), of_image("debian-13", "template"), None),
        ("Ask Bob.", of_image("debian-13"), None),
        (None, of_image("debian-13"), None),
    ],
)
def test_another_image_than_that_of_the_note_is_told(
    declared: str | None, current: str | None, told: tuple[str, str] | None
) -> None:
    assert other_image(declared, current) == told


def test_the_note_of_another_guest_is_none() -> None:
    assert parse_note(BLOCK, "ssa") == SSA
    assert parse_note(BLOCK, "copy-of-ssa") is None
    assert parse_note("plain", "ssa") is None


@pytest.mark.parametrize(
    "block",
    [
        "<!-- twin:{-->",
        "<!-- twin:[1]-->",
        '<!-- twin:{"name":"ssa"}-->',
        '<!-- twin:{"name":"ssa","machine":{},"epoch":true,"journal":null}-->',
    ],
)
def test_a_damaged_note_is_named(block: str) -> None:
    with pytest.raises(Refused, match="note of twin in the description of ssa"):
        parse_note(block, "ssa")
    with pytest.raises(Refused, match="take the whole block out"):
        merged(BLOCK, block)
    assert merged("hello", block) == f"hello\n\n{block}"
    assert moving(block, "ssa") == ""
