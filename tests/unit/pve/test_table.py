# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of parameters: generated as they are, values judged and compared by their meaning."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._pve import schema, table
from ansible_collections.twin.datacenter.plugins.module_utils._pve.schema import Field
from ansible_collections.twin.datacenter.plugins.module_utils._pve.tables import (
    ha_group,
    ha_resource,
    ha_rule,
    lxc,
    mapping_dir,
    mapping_pci,
    mapping_usb,
    options,
    pool,
    qemu,
    replication,
    storage,
)
from tests.gates import pve_tables


def test_the_tables_are_what_the_schema_gives() -> None:
    made = dict(pve_tables.table_files(pve_tables.endpoints_of(pve_tables.RELEASE)))
    there = {path.name: path.read_text() for path in pve_tables.TABLES.glob("*.py")}
    del there["__init__.py"]
    assert there == made, "run: make pve-tables"


@pytest.mark.parametrize(
    ("of", "values", "sentence"),
    [
        (lxc.CONFIG, {"memroy": 512}, "container 100: there is no key 'memroy'; was 'memory' meant?"),
        (lxc.CONFIG, {"memory": "much"}, "memory of container 100: 'much' is not a whole number."),
        (lxc.CONFIG, {"memory": True}, "memory of container 100: True is not a whole number."),
        (lxc.CONFIG, {"memory": 8}, "memory of container 100: 8 is too small; it begins at 16."),
        (lxc.CONFIG, {"cores": 1.5}, "cores of container 100: 1.5 is not a whole number."),
        (
            lxc.CONFIG,
            {"ostype": "debain"},
            "ostype of container 100: 'debain' is not one of its values; was 'debian' meant?",
        ),
        (
            lxc.CONFIG,
            {"onboot": "sometimes"},
            "onboot of container 100: 'sometimes' is neither on nor off; write yes or no.",
        ),
        (
            lxc.CONFIG,
            {"hostname": "a_b"},
            "hostname of container 100: 'a_b' is not valid; write a host name.",
        ),
        (
            lxc.CONFIG,
            {"hostname": ["a"]},
            "hostname of container 100: it takes one value, not several; write a text.",
        ),
        (
            lxc.CONFIG,
            {"net0": "name=eth0,gw=192.0.2.300"},
            "gw in net0 of container 100: '192.0.2.300' is not an address of that kind; it takes ipv4.",
        ),
        (
            lxc.CONFIG,
            {"mp0": {"volume": "local:8", "mp": "/,"}},
            "mp0 of container 100: 'mp=/,' cannot stand in it; leave out commas, newlines and empty values.",
        ),
        (lxc.CONFIG, {"mp0": {"volume": "local:8"}}, "mp0 of container 100: mp is missing; give it."),
        (
            storage.CREATE,
            {"nodes": ["castor", "-"]},
            "nodes of container 100: '-' is not valid; write the name of a node.",
        ),
    ],
)
def test_bad_input_names_thing_and_key(of: Any, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        table.checked(of, values, "container 100")
    assert str(caught.value) == sentence


TABLES = {
    "pool": pool.UPDATE,
    "storage": storage.CREATE,
    "options": options.UPDATE,
    "ha_resource": ha_resource.UPDATE,
    "ha_rule": ha_rule.UPDATE,
    "ha_group": ha_group.UPDATE,
    "mapping_pci": mapping_pci.CREATE,
    "mapping_usb": mapping_usb.CREATE,
    "mapping_dir": mapping_dir.CREATE,
    "replication": replication.UPDATE,
    "lxc": lxc.CONFIG,
    "qemu": qemu.CONFIG,
}


def wrong(field: Field) -> Any:
    """A value that no field of its kind takes; None for one that takes any text."""
    if field.parts is not None:
        return {"no-such-part": 1}
    judged = field.kind != "string" or field.choices or field.pattern or field.format in schema._FORMATS
    return "\x01!" if judged or field.format in schema._ADDRESSES else None


@pytest.mark.parametrize("name", TABLES)
def test_each_key_of_each_table_is_judged_and_named(name: str) -> None:
    """The tables are all that the modules take: so it is before any request, of which they know nothing."""
    for key, field in TABLES[name].items():
        if field.kind == "array" and field.parts is None or (value := wrong(field)) is None:
            continue
        with pytest.raises(Refused) as caught:
            table.checked(TABLES[name], {key.replace("[n]", "0"): value}, "thing")
        assert key.replace("[n]", "0") in str(caught.value) and "thing" in str(caught.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(Refused) as caught:
        table.checked(lxc.CONFIG, {"memroy": 1, "cores": 0}, "container 100")
    assert "'memroy'" in str(caught.value)
    assert "cores of container 100" in str(caught.value)


@pytest.mark.parametrize(
    ("of", "key", "wanted", "answered"),
    [
        (lxc.CONFIG, "onboot", False, None),
        (lxc.CONFIG, "memory", "512", None),
        (lxc.CONFIG, "description", "web", "web\n"),
        (lxc.CONFIG, "tags", ["prod", "web"], "web;prod"),
        (lxc.CONFIG, "features", {"nesting": True}, "nesting=1,keyctl=0"),
        (qemu.CONFIG, "memory", 2048, "2048"),
        (qemu.CONFIG, "agent", True, "enabled=1,type=virtio"),
        (qemu.CONFIG, "boot", {"order": ["scsi0", "net0"]}, "order=scsi0;net0"),
        (qemu.CONFIG, "sshkeys", "ssh-ed25519 AAAA lab\n", "ssh-ed25519%20AAAA%20lab%0A"),
        (qemu.CONFIG, "startup", "order=2", "2"),
        (storage.CREATE, "content", ["images", "rootdir"], "rootdir,images"),
        (storage.CREATE, "content", ["images,rootdir"], "rootdir,images"),
        (storage.CREATE, "nodes", ["castor", "pollux", "castor"], "pollux,castor"),
        (options.UPDATE, "registered-tags", "prod;web;prod", ["prod", "web"]),
        (storage.CREATE, "prune-backups", "keep-last=3,keep-daily=2", "keep-daily=2,keep-last=3"),
        (options.UPDATE, "next-id", "lower=500,upper=1000", {"upper": "1000", "lower": "500"}),
        (options.UPDATE, "max_workers", 3, "3"),
    ],
)
def test_the_same_in_other_words_is_no_drift(of: Any, key: str, wanted: Any, answered: Any) -> None:
    current = table.known(of, {} if answered is None else {key: answered})
    assert table.drift(of, table.checked(of, {key: wanted}, "x"), current) == {}


@pytest.mark.parametrize(
    ("of", "key", "wanted", "answered", "sent"),
    [
        (lxc.CONFIG, "onboot", True, None, "1"),
        (lxc.CONFIG, "nameserver", ["192.0.2.1", "192.0.2.2"], "192.0.2.2 192.0.2.1", "192.0.2.1,192.0.2.2"),
        (qemu.CONFIG, "sshkeys", "ssh-ed25519 AAAA lab", None, "ssh-ed25519%20AAAA%20lab"),
        (qemu.CONFIG, "vga", {"type": "serial0"}, "std", "serial0"),
        (storage.CREATE, "content", ["images"], "rootdir,images", "images"),
        # Removed sub-options are drift too.
        (
            lxc.CONFIG,
            "net0",
            "name=eth0,bridge=vmbr0",
            "name=eth0,bridge=vmbr0,firewall=1",
            "name=eth0,bridge=vmbr0",
        ),
    ],
)
def test_drift_is_seen_and_sent(of: Any, key: str, wanted: Any, answered: Any, sent: str) -> None:
    current = table.known(of, {} if answered is None else {key: answered})
    drift = table.drift(of, table.checked(of, {key: wanted}, "x"), current)
    assert table.wire(of, drift) == {key: sent}


def test_null_asks_that_a_key_is_not_set() -> None:
    wanted = table.checked(lxc.CONFIG, {"onboot": None, "tags": None}, "x")
    assert table.drift(lxc.CONFIG, wanted, table.known(lxc.CONFIG, {"onboot": 1})) == {"onboot": None}


@pytest.mark.parametrize("nothing", [None, "", []])
def test_nothing_is_what_is_not_set(nothing: Any) -> None:
    wanted = table.checked(lxc.CONFIG, {"tags": nothing}, "x")
    assert table.drift(lxc.CONFIG, wanted, {}) == {}
    assert table.drift(lxc.CONFIG, wanted, table.known(lxc.CONFIG, {"tags": "a"})) == {"tags": None}


def test_what_a_newer_release_has_is_kept_as_it_is() -> None:
    assert table.known(lxc.CONFIG, {"of-tomorrow": "1,2", "memory": "?"}) == {
        "of-tomorrow": "1,2",
        "memory": "?",
    }


def test_indexed_keys_are_those_of_their_family() -> None:
    assert table.field_of(qemu.CONFIG, "net31") is qemu.CONFIG["net[n]"]
    assert table.field_of(qemu.CONFIG, "efidisk0") is qemu.CONFIG["efidisk0"]
    assert table.field_of(qemu.CONFIG, "netx") is None
    assert table.field_of(qemu.CONFIG, "net032") is None


@pytest.mark.parametrize(
    ("of", "last", "beyond"),
    [
        (qemu.CONFIG, "net31", "net32"),
        (qemu.CONFIG, "ide3", "ide4"),
        (qemu.CONFIG, "parallel2", "parallel3"),
        (qemu.CONFIG, "numa7", "numa8"),
        (lxc.CONFIG, "mp255", "mp256"),
    ],
)
def test_there_are_so_many_of_a_family(of: Any, last: str, beyond: str) -> None:
    assert table.field_of(of, last) and not table.field_of(of, beyond)


@pytest.mark.parametrize("word", ["background_delay", "cdrom", "force", "import-working-storage", "skiplock"])
def test_words_of_a_call_are_no_keys_of_a_guest(word: str) -> None:
    """Proxmox VE takes them and forgets them, so they would never be as declared."""
    with pytest.raises(Refused, match=f"there is no key '{word}'"):
        table.checked(qemu.CONFIG, {word: 1}, "virtual machine 300")


def test_words_that_yaml_takes_for_booleans() -> None:
    of = {"discard": Field(choices=("ignore", "on"))}
    assert table.checked(of, {"discard": True}, "x") == {"discard": "on"}


def test_items_of_an_array_have_no_order() -> None:
    one, two = "node=castor,path=0000:01:00.0,id=10de:2231", "id=10de:2231,node=pollux,path=0000:02:00.0"
    wanted = table.checked(mapping_pci.CREATE, {"map": [one, two]}, "x")
    assert table.drift(mapping_pci.CREATE, wanted, table.known(mapping_pci.CREATE, {"map": [two, one]})) == {}
    assert table.drift(mapping_pci.CREATE, wanted, table.known(mapping_pci.CREATE, {"map": [two]})) == wanted
    assert table.wire(mapping_pci.CREATE, wanted)["map"][0] == one
