# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values and their meaning: the laws stated in values.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core import values
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused

BYTES = st.integers(min_value=0, max_value=2**70)


@given(BYTES)
def test_size_survives_being_printed(count: int) -> None:
    assert values.parse_size(values.format_size(count)) == count


@given(st.integers(min_value=0, max_value=10**9))
def test_duration_survives_being_printed(seconds: int) -> None:
    assert values.parse_duration(values.format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("8G", 8 * 2**30),
        ("8GiB", 8 * 2**30),
        ("8gb", 8 * 2**30),
        ("1.5K", 1536),
        ("512", 512),
        (0, 0),
        (" 1M ", 2**20),
    ],
)
def test_sizes_that_mean_the_same(text: str | int, count: int) -> None:
    assert values.parse_size(text) == count


@pytest.mark.parametrize("text", ["8 gigs", "", "G", "-1", "1.3", "8GG", "1e3", "½G", "0x10", "8G8", None])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        values.parse_size(text, "memory of machine ssa")
    assert str(refusal.value).startswith("memory of machine ssa: ")


@given(st.text(max_size=8))
def test_a_size_is_parsed_or_refused(text: str) -> None:
    try:
        assert values.parse_size(text) >= 0
    except Refused as refusal:
        assert "number" in str(refusal)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (1530000, "1.46M"), (2**40, "1T"), (2**80, "1.05e+06E")]
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert values.human_size(count) == text


@pytest.mark.parametrize(("text", "seconds"), [("15m", 900), ("2h", 7200), (90, 90), ("1w", 604800)])
def test_durations(text: str | int, seconds: int) -> None:
    assert values.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "1.5h", "5 m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        values.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "meaning"), [("on", True), ("YES", True), (True, True), (1, True), ("off", False), (0, False)]
)
def test_switches(text: str | bool | int, meaning: bool) -> None:
    assert values.parse_bool(text) is meaning


def test_what_is_no_switch_is_refused() -> None:
    with pytest.raises(Refused, match="neither on nor off"):
        values.parse_bool("maybe")


def test_address_without_prefix_is_told_its_likely_prefix() -> None:
    with pytest.raises(Refused, match="write 192.0.2.21/24"):
        values.parse_interface("192.0.2.21")
    with pytest.raises(Refused, match="write 2001:db8::1/64"):
        values.parse_interface("2001:db8::1")


@given(st.ip_addresses())
def test_every_address_with_a_prefix_is_an_interface(address: object) -> None:
    assert values.parse_interface(f"{address}/20").ip == address


@pytest.mark.parametrize("text", ["192.0.2.1/24", "nonsense", "192.0.2.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is not a network"):
        values.parse_network(text)


def test_network() -> None:
    assert str(values.parse_network("192.0.2.0/24")) == "192.0.2.0/24"


@given(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True).filter(
        lambda text: not text.endswith("\n")
    )
)
def test_host_names_are_labels(name: str) -> None:
    assert values.parse_label(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "a" * 64, "a\n", "ä"])
def test_what_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="is not a host name"):
        values.parse_label(name)


@given(st.sets(st.integers(0, 300), min_size=1))
def test_lists_of_numbers(numbers: set[int]) -> None:
    text = values.print_numbers(numbers)
    assert values.parse_numbers(text) == numbers
    assert values.print_numbers(values.parse_numbers(",".join(map(str, numbers)))) == text


@pytest.mark.parametrize("text", ["", "1-", "all", "0,,1", "0 1"])
def test_what_is_no_list_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="no list of numbers"):
        values.parse_numbers(text)


def test_doubles() -> None:
    assert values.doubles(["a", "b", "a", "c", "b", "a"]) == ["a", "b"]
