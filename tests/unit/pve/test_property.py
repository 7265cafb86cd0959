# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codec of property strings: its laws over every table, and what PVE itself has written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._pve import property as codec
from ansible_collections.twin.datacenter.plugins.module_utils._pve import table
from ansible_collections.twin.datacenter.plugins.module_utils._pve.schema import Field
from ansible_collections.twin.datacenter.plugins.module_utils._pve.tables import (
    lxc,
    mapping_pci,
    options,
    qemu,
    storage,
)

GUESTS = json.loads((Path(__file__).parent / "fixtures/guests.json").read_text())
CONFIGS = [(kind, config) for kind, configs in GUESTS.items() for config in configs]
TABLES = {"lxc": lxc.CONFIG, "qemu": qemu.CONFIG}
PARTS = [
    field.parts
    for each in (lxc.CONFIG, qemu.CONFIG, storage.CREATE, options.UPDATE, mapping_pci.CREATE)
    for field in each.values()
    if field.parts
]
WORDS = st.text(
    st.characters(codec="ascii", min_codepoint=33, exclude_characters=",=;"), min_size=1, max_size=9
)
NET, MP, SCSI, HOSTPCI = qemu.NET, lxc.MP, qemu.SCSI, qemu.HOSTPCI


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Values in normal form that a field may have; formats and patterns are not looked at here."""
    if field.kind == "boolean":
        return st.booleans()
    if field.kind in ("integer", "number"):
        return st.integers(int(field.low or 0), int(field.high or 10**6))
    return st.sampled_from(field.choices) if field.choices else WORDS


@st.composite
def values(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    parts = draw(st.sampled_from(PARTS))
    names = draw(st.lists(st.sampled_from(codec.real_keys(parts)), unique=True, min_size=1))
    return {name: draw(values_of(parts[name])) for name in names}, parts


@given(values())
def test_what_is_printed_reads_as_it_was(drawn: tuple[dict[str, Any], Any]) -> None:
    value, parts = drawn
    assert codec.parse(codec.render(value, parts), parts) == value


@given(values(), st.randoms())
def test_order_and_defaults_mean_nothing(drawn: tuple[dict[str, Any], Any], random: Any) -> None:
    value, parts = drawn
    mixed = list(value.items())
    random.shuffle(mixed)
    defaults = {key: of.default for key, of in parts.items() if of.default is not None and key not in value}
    assert codec.same(value, {**dict(mixed), **defaults}, parts)


@pytest.mark.parametrize(("kind", "config"), CONFIGS, ids=lambda part: part if isinstance(part, str) else "")
def test_every_recorded_guest_reads_prints_and_reads_the_same(kind: str, config: dict[str, Any]) -> None:
    of = TABLES[kind]
    declared = {key: value for key, value in config.items() if table.field_of(of, key)}
    known = table.known(of, declared)
    assert table.known(of, table.wire(of, known)) == known
    assert table.drift(of, table.checked(of, declared, "guest"), table.known(of, config)) == {}


def test_names_that_are_values_of_others() -> None:
    assert codec.parse("virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1", NET) == {
        "model": "virtio",
        "macaddr": "BC:24:11:00:00:01",
        "bridge": "vmbr0",
        "firewall": True,
    }
    given = {"bridge": "vmbr0", "model": "e1000", "macaddr": "BC:24:11:00:00:01"}
    assert codec.render(given, NET) == "e1000=BC:24:11:00:00:01,bridge=vmbr0"
    assert codec.render({"model": "virtio", "bridge": "vmbr0"}, NET) == "virtio,bridge=vmbr0"


@pytest.mark.parametrize(
    ("left", "right", "parts"),
    [
        ("model=virtio,macaddr=bc:24:11:00:00:01", "virtio=BC:24:11:00:00:01", NET),
        ("virtio,trunks=2;1", "virtio,trunks=1;2", NET),
        ("local:8,mp=/srv,backup=yes", "volume=local:8,backup=1,mp=/srv,replicate=1", MP),
        ("local:vm-100-disk-0,size=1G", "file=local:vm-100-disk-0,size=1024M,ro=0", SCSI),
        ("0000:01:00.0,pcie=on", "host=0000:01:00.0,pcie=1", HOSTPCI),
        ("volume=local:vm-100-disk-0", "local:vm-100-disk-0", SCSI),
    ],
)
def test_the_same_in_other_words(left: str, right: str, parts: Any) -> None:
    parts = {**parts, "ro": Field("boolean", default=False)} if parts is SCSI else parts
    assert codec.same(codec.parse(left, parts), codec.parse(right, parts), parts)


@pytest.mark.parametrize(
    ("left", "right", "parts"),
    [
        ("order=scsi0;net0", "order=net0;scsi0", qemu.BOOT),
        ("0000:01:00.0;0000:01:00.1", "0000:01:00.1;0000:01:00.0", HOSTPCI),
        ("virtio,bridge=vmbr0,firewall=1", "virtio,bridge=vmbr0", NET),
        ("local:8,mp=/srv,replicate=0", "local:8,mp=/srv", MP),
    ],
)
def test_what_differs(left: str, right: str, parts: Any) -> None:
    assert not codec.same(codec.parse(left, parts), codec.parse(right, parts), parts)


def test_options_set_elsewhere_are_seen_and_unknown_ones_kept() -> None:
    known = codec.parse("local:vm-100-disk-0,discard=on,iothread=1,from-tomorrow=7", SCSI)
    assert known == {"file": "local:vm-100-disk-0", "discard": "on", "iothread": True, "from-tomorrow": "7"}
    assert codec.render(known, SCSI) == "local:vm-100-disk-0,discard=on,iothread=1,from-tomorrow=7"


@pytest.mark.parametrize(
    ("value", "parts", "sentence"),
    [
        ("virtio,brigde=vmbr0", NET, "x: there is no key 'brigde' in it; was 'bridge' meant?"),
        ("virtoi", NET, "model in x: 'virtoi' is not one of its values; was 'virtio' meant?"),
        ("virtio,tag=5000", NET, "tag in x: 5000 is too large; it ends at 4094."),
        ("virtio,tag=five", NET, "tag in x: 'five' is not a whole number."),
        ({"bridge": "vmbr0"}, NET, "x: model is missing; give it."),
        ("gw=192.0.2.1", qemu.IPCONFIG, "x: gw needs ip; give both or neither."),
        ("ip=dhcp,gw6=2001:db8::1", qemu.IPCONFIG, "x: gw6 needs ip6; give both or neither."),
        (
            {"ha-auto-rebalance-margin": 5},
            options.CRS,
            "x: ha-auto-rebalance-margin needs ha-auto-rebalance; give both or neither.",
        ),
        ("virtio,e1000=BC:24:11:00:00:01", NET, "x: model stands in it twice; write it once."),
        (
            "virtio,macaddr=BD:24:11:00:00:01",
            NET,
            "macaddr in x: 'BD:24:11:00:00:01' is not valid; write a MAC address, BC:24:11:00:00:01.",
        ),
        ("local:8,mp", MP, "x: volume stands in it twice; write it once."),
        ("local:8,mp=", MP, "x: 'mp=' is no key=value; write one, with commas between them."),
        ("eth0", lxc.NET, "x: 'eth0' has no key; write KEY=eth0;"),
        (
            {"host": yaml.safe_load("01:00.0")},
            HOSTPCI,
            "host in x: YAML has made the number 60.0 of it; quote it, '0000:01:00.0'.",
        ),
        (yaml.safe_load("10:00"), HOSTPCI, "host in x: YAML has made the number 600 of it; quote it"),
        ({"host": ["0000:01:00.0", 60.1]}, HOSTPCI, "host in x: YAML has made the number 60.1 of it;"),
        (["virtio"], NET, "x: it takes one value, not several; write a text or a mapping."),
    ],
)
def test_bad_input_is_one_sentence(value: Any, parts: Any, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        codec.normal(value, parts, "x")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(("value", "parts", "text"), [(1, qemu.AGENT, "enabled=1"), (8, MP, "8")], ids=str)
def test_a_number_may_stand_for_all_of_it(value: int, parts: Any, text: str) -> None:
    optional = {key: replace(of, required=False) for key, of in parts.items()}
    assert codec.normal(value, optional, "x") == codec.parse(text, parts)


def test_no_value_can_hold_a_comma() -> None:
    with pytest.raises(Refused, match="leave out commas"):
        codec.render({"volume": "local:8", "mp": "/a,b"}, MP)
