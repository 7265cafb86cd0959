# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: what is written is read again, and nothing else is believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.journal import (
    Journal,
    Owner,
    Round,
    Stage,
    journal_data,
    parse_journal,
    parse_owner,
    print_journal,
)

TEXT = st.text(max_size=12)
TIME = st.floats(0, 1e10)
JOURNALS = st.builds(
    Journal,
    token=TEXT,
    machine=TEXT,
    source=TEXT,
    target=TEXT,
    epoch=st.integers(0, 10**9),
    declaration=TEXT,
    running=st.booleans(),
    stage=st.sampled_from(Stage),
    began=TIME,
    rounds=st.lists(st.builds(Round, TEXT, st.integers(0, 2**60), TIME), max_size=4).map(tuple),
    final=st.none() | TEXT,
    stopped=st.none() | TIME,
    downtime=st.none() | TIME,
    reason=st.none() | TEXT,
)
SOME = Journal("t", "ssa", "castor", "pollux", 3, "{}", True, Stage.SEED, 1.0, (Round("twin-1", 5, 0.1),))


@given(JOURNALS)
def test_what_is_written_is_read_again(journal: Journal) -> None:
    assert parse_journal(print_journal(journal), journal.machine) == journal


@given(JOURNALS, st.data())
def test_a_half_written_journal_is_refused(journal: Journal, data: st.DataObject) -> None:
    text = print_journal(journal).rstrip()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(Refused, match="it is damaged"):
        parse_journal(text[:cut], journal.machine)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stage", "sleeping"),
        ("epoch", "3"),
        ("epoch", True),
        ("running", 1),
        ("rounds", [{"snapshot": "x"}]),
        ("rounds", [{"snapshot": "x", "sent": "5", "seconds": 1}]),
        ("final", 7),
        ("surprise", 1),
    ],
)
def test_what_this_version_does_not_know_is_refused(key: str, value: object) -> None:
    text = json.dumps({**journal_data(SOME), key: value})
    with pytest.raises(Refused, match=r"^journal of machine ssa: it is no journal that this"):
        parse_journal(text, "ssa")


@pytest.mark.parametrize("key", ["token", "epoch", "stage", "rounds"])
def test_a_key_that_is_missing_is_refused(key: str) -> None:
    values = journal_data(SOME)
    del values[key]
    with pytest.raises(Refused, match="understands"):
        parse_journal(json.dumps(values), "ssa")


@pytest.mark.parametrize("text", ["[]", "7", "null", '"x"'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="understands"):
        parse_journal(text, "ssa")


def test_the_journal_of_another_machine_is_refused() -> None:
    with pytest.raises(Refused, match="it speaks of machine ssa"):
        parse_journal(print_journal(SOME), "tap")


@given(st.from_regex(r"[a-z][a-z0-9-]*", fullmatch=True), st.integers(0, 10**12))
def test_owner(server: str, epoch: int) -> None:
    assert parse_owner(str(Owner(server, epoch))) == Owner(server, epoch)


@pytest.mark.parametrize("text", ["", "castor", "castor x", " 3", "castor -1", "castor 3 4", "castor ٣"])
def test_what_is_no_owner_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is no owner"):
        parse_owner(text)
