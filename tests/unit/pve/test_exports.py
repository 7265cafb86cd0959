# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there can be read, declared as it was read, and nothing changes; for whatever may be there.

Configurations are made up out of the tables of parameters and written as PVE writes them, without our codec.
The state of the double is set to them (so it is PVE's notation that is read), and they are declared, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._pve import info
from ansible_collections.twin.datacenter.plugins.module_utils._pve.schema import Field
from ansible_collections.twin.datacenter.plugins.module_utils._pve.tables import (
    ha_resource,
    lxc,
    options,
    qemu,
    replication,
    storage,
)
from ansible_collections.twin.datacenter.plugins.modules import (
    pve_datacenter,
    pve_ha_resource,
    pve_ha_rule,
    pve_lxc,
    pve_mapping,
    pve_pool,
    pve_qemu,
    pve_replication,
    pve_storage,
)
from tests.doubles.pve.access import Pool
from tests.doubles.pve.world import Guest
from tests.doubles.pve_guests import SSA, WEB, container, machine
from tests.doubles.pve_host import DoubleHost
from tests.laws import cases_pve_lxc, cases_pve_qemu

SAMPLES: Mapping[str, tuple[str, ...]] = {
    "CIDR": ("10.1.0.0/24", "2001:db8::/64"),
    "address-list": ("192.0.2.1", "192.0.2.1 192.0.2.2"),
    "disk-size": ("8G", "1536M", "1T"),
    "dns-name-list": ("lab.example.org", "b.example.org a.example.org"),
    "email-opt": ("root@example.org",),
    "ipv4": ("192.0.2.1",),
    "ipv6": ("2001:db8::1", "fe80::1"),
    "lxc-ip-with-ll-iface-list": ("192.0.2.1", "192.0.2.2 192.0.2.1"),
    "mac-addr": ("BC:24:11:00:00:01", "bc:24:11:00:00:0a"),
    "mac-prefix": ("BC:24:11", "02"),
    "pve-bridge-id": ("vmbr0", "vmbr1"),
    "pve-calendar-event": ("*/5", "mon..fri 02:00", "sat 03:30"),
    "pve-configid": ("media", "gpu-1"),
    "pve-cpuset": ("0", "0-1,3"),
    "pve-ct-timezone": ("host", "Europe/Berlin"),
    "pve-hotplug-features": ("0", "1", "network,disk", "usb,network"),
    "pve-ipv4-config": ("dhcp", "manual", "192.0.2.7/24"),
    "pve-ipv6-config": ("auto", "dhcp", "2001:DB8::7/64"),
    "pve-lxc-dev-string": ("/dev/ttyUSB0",),
    "pve-node-list": ("castor", "pollux,castor"),
    "pve-storage-content-list": ("iso", "images,rootdir", "vztmpl,iso,backup"),
    "pve-storage-id": ("tank", "fast"),
    "pve-storage-options": ("vers=4.2",),
    "pve-storage-path": ("/srv/x", "/mnt/pve/nas"),
    "pve-storage-server": ("nas.example.org", "192.0.2.9"),
    "pve-tag-list": ("lab", "lab;web"),
    "pve-volume-id": ("local:snippets/hook.sh",),
    "urlencoded": ("ssh-ed25519%20AAAA%2Bb%3D%20me%40home", "ssh-rsa%20B%0Assh-rsa%20C%0A"),
}
"""Texts of the formats of PVE."""
TEXTS: Mapping[str, tuple[str, ...]] = {
    "bridge": ("vmbr0", "vmbr1"),
    "color-map": ("lab:ffffff", "lab:ffffff:000000;web:00ff00"),
    "comment": ("one", "two words", "colon: and, comma"),
    "cpus": ("0", "0-1;3"),
    "description": ("one line", "two\nlines", "ä: # %", "ends\n"),
    "device-id": ("0x1eb8",),
    "sub-device-id": ("0x12a2",),
    "sub-vendor-id": ("0x10de",),
    "vendor-id": ("0x10de",),
    "flags": ("+aes", "+aes;-pcid"),
    "host": ("0529:0001", "1-2.3", "spice"),
    "host[]": ("0000:01:00.0", "0000:01:00.1;0000:01:00.0"),
    "hostnodes": ("0", "0-1"),
    "http_proxy": ("http://proxy.example.org:3128",),
    "ip": ("dhcp", "192.0.2.7/24"),
    "ip6": ("auto", "2001:db8::7/64"),
    "gw": ("192.0.2.1",),
    "gw6": ("2001:db8::1",),
    "mountoptions": ("noatime", "discard;noatime"),
    "legacy": ("cdn",),
    "mode": ("0600",),
    "name": ("eth3",),
    "mount": ("nfs", "nfs;cifs"),
    "order": ("scsi0", "net0;scsi0"),
    "parallel[n]": ("/dev/parport0",),
    "registered-tags": ("prod", "web;lab"),
    "serial[n]": ("socket", "/dev/ttyS0"),
    "startdate": ("now", "2026-11-29"),
    "trunks": ("5", "7;5"),
    "user-allow-list": ("lab", "web;lab"),
    "uuid": ("83a41b3e-a944-41d6-bbbe-424bc7e1fe2d",),
    "vmgenid": ("66903ceb-ce12-4f30-bcd3-9395ed5dfcc0",),
    "wwn": ("0x5000c500a0b1c2d3",),
    "cputype": ("host", "x86-64-v2-AES"),
}
"""Texts of keys that have a pattern, or a meaning, and no format; such as `host[]` where a list may stand."""
WORD = "word"


def text_of(key: str, field: Field) -> st.SearchStrategy[str]:
    """A value as PVE writes it."""
    if field.parts is not None:
        return property_string(field.parts)
    if field.kind == "boolean":
        return st.sampled_from(("0", "1"))
    if field.kind in ("integer", "number"):
        low = int(field.low or 0)
        return st.integers(low, int(field.high if field.high is not None else low + 4096)).map(str)
    return st.sampled_from(samples(key, field) or [WORD])


def samples(key: str, field: Field) -> list[str]:
    several = TEXTS.get(f"{key}[]") if field.separated else None
    every = several or TEXTS.get(key) or field.choices or SAMPLES.get(field.format, ())
    return [text for text in every if re.fullmatch(field.pattern or "(?s:.*)", text)]


def is_known(key: str, field: Field) -> bool:
    """Whether we know what may stand there, under its own name."""
    if field.alias or field.key_alias:
        return False
    if field.parts is not None or field.kind != "string":
        return True
    return (
        key in TEXTS or field.format in SAMPLES or bool(field.choices) or not (field.format or field.pattern)
    )


@st.composite
def property_string(draw: st.DrawFn, parts: Mapping[str, Field]) -> str:
    names = [key for key, of in parts.items() if is_known(key, of)]
    must = [key for key in names if parts[key].required]
    may = st.lists(st.sampled_from(names), unique=True, min_size=0 if must else 1)
    words = []
    chosen = [*must, *draw(may)]
    for key in dict.fromkeys([*chosen, *filter(None, (parts[each].requires for each in chosen))]):
        value = draw(text_of(key, parts[key]))
        words.append(value if parts[key].bare and draw(st.booleans()) else f"{key}={value}")
    return ",".join(sorted(words, key=lambda word: "=" in word))


def numbered(key: str) -> str:
    return key.replace("[n]", "2")


@st.composite
def texts(
    draw: st.DrawFn, table: Mapping[str, Field], without: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Some keys of a table."""
    names = [key for key, of in table.items() if key not in without and is_known(key, of)]
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=6))
    return {numbered(key): draw(text_of(key, table[key])) for key in chosen}


# -- guests

DISKS = frozenset({"rootfs", "mp[n]", "unused[n]", "ide[n]", "sata[n]", "scsi[n]", "virtio[n]"})
NEVER = DISKS | {
    # What has a place of its own, is fixed, or stops everything.
    *("hostname", "name", "lock", "template", "efidisk0", "tpmstate0", "cipassword", "unprivileged"),
}
GUESTS = {
    "lxc": (pve_lxc, cases_pve_lxc, container, SSA, lxc.CONFIG, "ssa"),
    "qemu": (pve_qemu, cases_pve_qemu, machine, WEB, qemu.CONFIG, "web"),
}


def declared(kind: str, host: DoubleHost, params: Mapping[str, Any]) -> Outcome:
    return reconcile(GUESTS[kind][0].SUBJECT, params, host.reader(), host)  # type: ignore[attr-defined]


@st.composite
def guests(draw: st.DrawFn) -> tuple[str, bool, dict[str, str], dict[str, str]]:
    """A kind, whether it runs, keys of its configuration, options of its disk."""
    kind = draw(st.sampled_from(("lxc", "qemu")))
    table = GUESTS[kind][4]
    disk = table["mp[n]" if kind == "lxc" else "scsi[n]"].parts or {}
    mine = {"volume", "file", "size", "mp", "format", "import-from", "media", "idmap", "model", "serial"}
    return kind, draw(st.booleans()), draw(texts(table, NEVER)), draw(texts(disk, frozenset(mine)))


def disk_of(kind: str, parts: Mapping[str, str]) -> tuple[str, str]:
    key = "mp0" if kind == "lxc" else "scsi0"
    base = "tank:subvol-200-disk-1,mp=/data" if kind == "lxc" else "tank:vm-300-disk-0"
    return key, ",".join([base, *(f"{part}={value}" for part, value in parts.items()), "size=1G"])


@settings(max_examples=200)
@given(guests())
def test_a_guest_is_exported_and_applied_without_a_change(drawn: Any) -> None:
    kind, running, config, parts = drawn
    _module, cases, make, _base, _table, _name = GUESTS[kind]
    host = make(running=running, **config)
    key, text = disk_of(kind, parts)
    next(iter(host.world.guests.values())).config[key] = text
    outcome = declared(kind, host, cases.exported(host))
    assert not outcome.plan.steps, outcome.plan.sentences
    assert host.changes == []


@settings(max_examples=100)
@given(guests())
def test_what_is_declared_of_a_guest_holds_after_one_run(drawn: Any) -> None:
    kind, running, config, parts = drawn
    _module, cases, make, _base, _table, name = GUESTS[kind]
    host = make(running=running)
    key, _text = disk_of(kind, parts)
    state = "started" if running else "stopped"
    params = cases.params({"name": name, "state": state, "config": config, "disks": {key: parts}})
    declared(kind, host, params)
    assert not declared(kind, host, params).plan.steps
    assert not declared(kind, host, cases.exported(host)).plan.steps


# -- resources

COMMENT = st.sampled_from(TEXTS["comment"])
NODES = st.lists(st.sampled_from(("castor", "pollux")), unique=True, min_size=1)
SIDS = {100: "ct:100", 101: "ct:101", 300: "vm:300"}
Draw = Callable[[st.DrawFn, DoubleHost], None]


def some(draw: st.DrawFn, **values: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Some of these keys."""
    return {key: draw(of) for key, of in values.items() if draw(st.booleans())}


def some_pools(draw: st.DrawFn, host: DoubleHost) -> None:
    """A guest is in one pool at most."""
    free = sorted(SIDS)
    for name in draw(st.lists(st.sampled_from(("prod", "prod/web", "lab")), unique=True)):
        mine = draw(st.sets(st.sampled_from(free))) if free else set()
        free = [vmid for vmid in free if vmid not in mine]
        comment = draw(st.none() | COMMENT)
        host.world.access.pools[name] = Pool(comment, mine, draw(st.sets(st.just("local"))))


def some_storages(draw: st.DrawFn, host: DoubleHost) -> None:
    fixed = frozenset({"storage", "type", "password", "encryption-key", "keyring", "master-pubkey"})
    for name in draw(st.lists(st.sampled_from(("tank", "old", "lab-a")), unique=True)):
        kind = draw(st.sampled_from(("dir", "zfspool", "nfs", "pbs", "lvmthin")))
        host.world.file("storage")[name] = {"type": kind, **draw(texts(storage.CREATE, fixed))}


def some_options(draw: st.DrawFn, host: DoubleHost) -> None:
    """By a request, for some are told as they were given and some taken apart (PVE::DataCenterConfig)."""
    if values := draw(texts(options.UPDATE)):
        host.put("cluster/options", values)
        host.api.log.clear()


def some_resources(draw: st.DrawFn, host: DoubleHost) -> None:
    keys = {key: text_of(key, ha_resource.UPDATE[key]) for key in ("failback", "max_relocate", "max_restart")}
    states = st.sampled_from(("started", "enabled", "stopped", "disabled", "ignored"))
    for sid in draw(st.lists(st.sampled_from([*SIDS.values()]), unique=True)):
        settled = some(draw, comment=COMMENT, state=states, **keys)
        host.world.file("ha/resources")[sid] = {"type": sid[:2], **settled}


def some_rules(draw: st.DrawFn, host: DoubleHost) -> None:
    """Rules that hold; those that contradict another one are reported and not exported without a word."""
    for sid in SIDS.values():
        host.world.file("ha/resources")[sid] = {"type": sid[:2]}
    rules = host.world.file("ha/rules")
    sids = draw(st.lists(st.sampled_from([*SIDS.values()]), unique=True, min_size=1))
    priority = draw(st.sampled_from(("", ":2")))
    settled = some(draw, comment=COMMENT, strict=st.sampled_from((0, 1)), disable=st.just(1))
    nodes = ",".join(f"{node}{priority}" for node in draw(NODES))
    rules["home"] = {"type": "node-affinity", "resources": ",".join(sids), "nodes": nodes, **settled}
    if len(sids) > 1 and draw(st.booleans()):
        together = {"type": "resource-affinity", "affinity": "positive", "resources": ",".join(sids)}
        rules["with"] = together | some(draw, comment=COMMENT)


def some_mappings(draw: st.DrawFn, host: DoubleHost) -> None:
    lines = {
        "pci": st.sampled_from(
            ("path=0000:01:00.0,id=10de:1eb8", "id=10de:1eb8,iommugroup=4,path=0000:41:00.0")
        ),
        "usb": st.sampled_from(("id=0529:0001", "path=1-2,id=0529:0001")),
        "dir": st.sampled_from(("path=/srv/media", "path=/home")),
    }
    for kind, line in lines.items():
        if draw(st.booleans()):
            keys = some(draw, description=COMMENT, **({"mdev": st.just(1)} if kind == "pci" else {}))
            found = [f"node={node},{draw(line)}" for node in draw(NODES)]
            host.world.file(f"mapping/{kind}")["thing"] = {"map": found, **keys}


def some_jobs(draw: st.DrawFn, host: DoubleHost) -> None:
    schedule = st.sampled_from(SAMPLES["pve-calendar-event"])
    rate = text_of("rate", replication.UPDATE["rate"])
    for vmid in draw(st.lists(st.sampled_from(sorted(SIDS)), unique=True)):
        keys = some(draw, comment=COMMENT, schedule=schedule, disable=st.just(1), rate=rate)
        job = {"type": "local", "source": "castor", "target": "pollux", **keys}
        host.world.file("replication")[f"{vmid}-0"] = job


RESOURCES: Mapping[str, tuple[Any, Draw, Callable[[DoubleHost], dict[str, Any]]]] = {
    "pools": (pve_pool, some_pools, lambda host: {"pools": info.pools(host)}),
    "storages": (pve_storage, some_storages, lambda host: {"storages": info.storages(host)}),
    "datacenter": (pve_datacenter, some_options, lambda host: {"datacenter": info.datacenter(host)}),
    "ha_resources": (pve_ha_resource, some_resources, lambda host: {"resources": info.ha_resources(host)}),
    "ha_rules": (pve_ha_rule, some_rules, lambda host: {"rules": info.ha_rules(host)}),
    "mappings": (pve_mapping, some_mappings, lambda host: {"mappings": info.mappings(host)}),
    "replication": (pve_replication, some_jobs, lambda host: {"jobs": info.replication(host)}),
}


@pytest.mark.parametrize("kind", RESOURCES)
@settings(max_examples=100)
@given(st.data())
def test_a_resource_is_exported_and_applied_without_a_change(kind: str, data: st.DataObject) -> None:
    module, fill, export = RESOURCES[kind]
    host = DoubleHost()
    for vmid, sid in SIDS.items():
        host.world.guests[vmid] = Guest(vmid, "lxc" if sid.startswith("ct") else "qemu", "castor")
    fill(data.draw, host)
    outcome = reconcile(module.SUBJECT, export(host), host.reader(), host)
    assert not outcome.plan.steps, outcome.plan.sentences
    assert host.changes == []
