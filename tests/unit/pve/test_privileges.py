# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges that the documentation names are those that the modules need: no fewer, and no more.

That they suffice is shown where the modules are (test_guests, test_resources), by a token without any other.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._pve import info
from ansible_collections.twin.datacenter.plugins.modules import pve_lxc_info, pve_qemu_info
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.world import Guest, pair
from tests.doubles.pve_guests import container, machine
from tests.doubles.pve_host import DoubleHost
from tests.laws import cases_pve_replication, laws
from tests.unit.pve import test_guests, test_resources
from tests.unit.pve.test_resources import as_user

HOWTO, GUESTS, SITE = (
    (Path(__file__).parents[3] / "docs/howto" / f"{name}.md").read_text()
    for name in ("proxmox", "proxmox-guests", "proxmox-site")
)
STORAGES = {"/storage": "Datastore.AllocateSpace Datastore.Audit", "/sdn": "SDN.Use"}
RIGHTS: Mapping[str, Mapping[str, str]] = {
    **test_resources.RIGHTS,
    "pve_lxc": {"/vms": test_guests.PRIVILEGES["lxc"], **STORAGES},
    "pve_qemu": {"/vms": test_guests.PRIVILEGES["qemu"], **STORAGES, **test_guests.MAPPINGS["qemu"]},
}
CASES = [*test_resources.CASES, *test_guests.CASES]
FOR_OTHERS = {
    ("pve_mapping", "Mapping.Audit"),
    *((module, word) for module in ("pve_lxc", "pve_qemu") for word in ("Datastore.Audit", "VM.Backup")),
}
"""Who may change mappings sees them, and who may use space of a storage sees its images; these are for what
one may not change. Of backups the double does not judge whose guest they are of (PVE::Storage does).
"""
PRIVILEGE = re.compile(r"\b[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)+\b")


def words_of(rights: Mapping[str, str]) -> set[str]:
    return {word for words in rights.values() for word in words.split()}


def documented(module: str) -> set[str]:
    text = importlib.import_module(f"{laws.MODULES}.{module}").DOCUMENTATION
    return {word for marked in re.findall(r"C\(([^)]+)\)", text) for word in PRIVILEGE.findall(marked)}


@pytest.mark.parametrize("module", RIGHTS)
def test_they_are_documented_with_the_module(module: str) -> None:
    assert documented(module) == words_of(RIGHTS[module])


@pytest.mark.parametrize("module", test_resources.RIGHTS)
def test_they_are_in_the_table_of_the_guide(module: str) -> None:
    (row,) = [line for line in HOWTO.splitlines() if line.startswith("| `") and f"`{module}`" in line]
    assert set(PRIVILEGE.findall(row)) == words_of(RIGHTS[module])


def test_the_role_of_the_guide_for_guests_has_those_of_both_modules() -> None:
    (role,) = re.findall(r'role add TwinGuests --privs "([^"]+)"', GUESTS)
    assert set(PRIVILEGE.findall(role)) == words_of(RIGHTS["pve_lxc"]) | words_of(RIGHTS["pve_qemu"])


def test_the_role_of_the_guide_for_a_site_has_those_of_all_that_machines_and_replication_need() -> None:
    (role,) = re.findall(r'role add TwinSite --privs "([^"]+)"', SITE)
    modules = ("pve_mapping", "pve_lxc", "pve_qemu", "pve_ha_resource", "pve_ha_rule", "pve_replication")
    assert set(PRIVILEGE.findall(role)) == {word for module in modules for word in words_of(RIGHTS[module])}


def test_release_8_has_another_privilege_for_replication() -> None:
    """As the guide says."""
    host = DoubleHost(pair(release="8.4", clock=StillClock()))
    host.world.guests[100] = Guest(100, "lxc", "castor")
    case = cases_pve_replication.case("x", {"name": "100-0", "target": "pollux"})
    poor = as_user(host, **{"/vms": "VM.Audit"})
    with pytest.raises(TwinError, match="a role with Datastore.Allocate on /storage"):
        laws.run(case, poor)
    laws.run(case, as_user(host, **{"/vms": "VM.Audit", "/storage": "Datastore.Allocate"}))
    assert "100-0" in host.world.file("replication")


def without(rights: Mapping[str, str], path: str, privilege: str) -> dict[str, str]:
    return {
        where: " ".join(word for word in words.split() if (where, word) != (path, privilege))
        for where, words in rights.items()
    }


@pytest.mark.parametrize(
    ("module", "path", "privilege"),
    [
        pytest.param(module, path, word, id=f"{module}-{path}-{word}")
        for module, rights in RIGHTS.items()
        for path, words in rights.items()
        for word in words.split()
        if (module, word) not in FOR_OTHERS
    ],
)
def test_each_of_them_is_needed_for_something(module: str, path: str, privilege: str) -> None:
    rights = without(RIGHTS[module], path, privilege)
    assert not all(suffices(case, rights) for case in CASES if case.module == module)


def suffices(case: laws.Case, rights: Mapping[str, str]) -> bool:
    host = case.host()
    assert isinstance(host, DoubleHost)
    if case.name in test_guests.NOT_FOR_TOKENS:
        return True
    try:
        poor = as_user(host, **rights)
        poor.timeout = 60.0
        laws.run(case, poor)
    except TwinError:
        return False
    again = laws.run(case, DoubleHost(host.world), check=True).plan
    return not again.changed or all(step.token is not None for step in again.due)


INFO: Mapping[str, tuple[DoubleHost, Mapping[str, str]]] = {
    "pve_lxc_info": (container(), {"/vms": "VM.Audit"}),
    "pve_qemu_info": (machine(), {"/vms": "VM.Audit"}),
}


@pytest.mark.parametrize("module", INFO)
def test_to_read_guests_one_needs_to_audit_them_and_no_more(module: str) -> None:
    host, rights = INFO[module]
    read = (pve_lxc_info if module == "pve_lxc_info" else pve_qemu_info).read_info
    assert documented(module) == words_of(rights)
    assert read(as_user(host, **rights), {}) == read(host, {})
    assert read(as_user(host, **{"/nodes": "Sys.Audit"}), {}) == {"guests": []}


EVERYTHING = {
    "/": "Sys.Audit",
    "/pool": "Pool.Audit",
    "/storage": "Datastore.Audit",
    "/mapping": "Mapping.Audit",
    "/vms": "VM.Audit",
}


def filled() -> Iterable[DoubleHost]:
    """A host of each kind of resources."""
    return (case.host() for case in test_resources.CASES if case.name == "nothing")  # type: ignore[misc]


def test_to_read_a_cluster_one_needs_to_audit_it_and_no_more() -> None:
    assert documented("pve_info") == words_of(EVERYTHING)
    params = {"gather": list(info.GATHER)}
    for host in filled():
        assert info.read_info(as_user(host, **EVERYTHING), params) == info.read_info(host, params)
