# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters over the declaration, in templates as roles write them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

TWIN = {
    "name": "sio",
    "platform": "debian",
    "servers": ["castor", "pollux"],
    "network": "192.0.2.0/24",
    "links": ["10.1.0.0/24"],
}
MACHINES = {"ssa": {"kind": "lxc", "home": "castor", "image": "debian-13", "memory": "1024M"}}


def render(template: str, **variables: Any) -> Any:
    return Templar(DataLoader(), variables).template(trust_as_template(template))


def test_a_declaration_comes_with_its_defaults() -> None:
    machines = render("{{ twin | twin.datacenter.declaration(machines) }}", twin=TWIN, machines=MACHINES)
    assert list(machines) == ["ssa"]
    assert machines["ssa"]["memory"] == "1G"
    assert machines["ssa"]["failover"] == "none"


def test_a_normalised_declaration_is_a_declaration() -> None:
    once = render("{{ twin | twin.datacenter.declaration(machines) }}", twin=TWIN, machines=MACHINES)
    again = render("{{ twin | twin.datacenter.declaration(machines) }}", twin=TWIN, machines=once)
    assert again == once


def test_templates_within_the_declaration_are_rendered_first() -> None:
    machines = {"ssa": {**MACHINES["ssa"], "memory": trust_as_template("{{ 2 * 512 }}M")}}
    done = render("{{ twin | twin.datacenter.declaration(machines) }}", twin=TWIN, machines=machines)
    assert done["ssa"]["memory"] == "1G"


def test_every_fault_is_told() -> None:
    machines = {"ssa": {**MACHINES["ssa"], "memory": "8 gigs", "home": "castro"}}
    with pytest.raises(AnsibleError) as caught:
        render("{{ twin | twin.datacenter.declaration(machines) }}", twin=TWIN, machines=machines)
    assert "memory of machine ssa: '8 gigs' is not a size" in str(caught.value)
    assert "home of machine ssa: castro is no server of the pair" in str(caught.value)


def test_a_pair_as_its_server_sees_it() -> None:
    pair = render("{{ twin | twin.datacenter.pair('pollux', {'castor': '192.0.2.11'}) }}", twin=TWIN)
    assert pair["server"] == "pollux"
    assert pair["twin"]["addresses"] == ["10.1.0.1", "192.0.2.11"]


def test_a_server_of_no_pair_is_told() -> None:
    with pytest.raises(AnsibleError, match="server mizar: it is not of the pair castor, pollux"):
        render("{{ twin | twin.datacenter.pair('mizar') }}", twin=TWIN)


def test_failover_in_the_words_of_proxmox() -> None:
    twin = {**TWIN, "platform": "proxmox", "witness": "witness"}
    machines = {"ssa": {**MACHINES["ssa"], "failover": "auto", "start_stale": True}}
    template = "{{ twin | twin.datacenter.proxmox_ha(machines, {'ssa': 100}, release='9.2.11') }}"
    said = render(template, twin=twin, machines=machines)
    assert [resource["sid"] for resource in said["resources"]] == ["ct:100"]
    machines["ssa"]["start_stale"] = False
    with pytest.raises(AnsibleError, match="start_stale of machine ssa: Proxmox VE starts the replica"):
        render(template, twin=twin, machines=machines)
