# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules for guests of Proxmox VE as Ansible runs them, over https against its double."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.doubles.pve.access import Token, User
from tests.doubles.pve.clock import Clock
from tests.doubles.pve.server import Server
from tests.doubles.pve_guests import add_guest, furnish
from tests.integration.pve_bed import SECRET, TOKEN, run
from tests.laws import cases_pve_lxc, cases_pve_qemu

INFO = {"pve_lxc": "pve_lxc_info", "pve_qemu": "pve_qemu_info"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    world = furnish(clock=Clock(speed=20))
    world.access.users["root@pam"] = User(tokens={"ansible": Token(privsep=0, secret=SECRET)})
    add_guest(world, 900, cases_pve_qemu.template(900))
    with Server(world) as running:
        yield running


@pytest.mark.parametrize(
    ("module", "item"),
    [
        ("pve_lxc", {"name": "ssa", **cases_pve_lxc.NEW}),
        ("pve_qemu", {"name": "web", **cases_pve_qemu.NEW}),
        ("pve_qemu", {"name": "web2", **cases_pve_qemu.CLONE}),
    ],
)
def test_a_new_guest_is_told_made_and_left_alone(server: Server, module: str, item: dict[str, Any]) -> None:
    told = run(server, module, {"guests": [item]}, "--check", "--diff", **TOKEN)
    made = run(server, module, {"guests": [item]}, "-vvv", **TOKEN)
    again = run(server, module, {"guests": [item]}, **TOKEN)
    assert told["changed"] and told["plan"] == made["plan"]
    assert all(step["upid"].startswith("UPID:") for step in made["measured"] if "upid" in step)
    assert not again["changed"] and again["plan"] == []


@pytest.mark.parametrize("module", INFO)
def test_what_is_there_is_told_as_the_module_takes_it(server: Server, module: str) -> None:
    found = run(server, INFO[module], {"timeout": 60}, **TOKEN)
    assert found["guests"]
    assert not run(server, module, {"guests": found["guests"]}, **TOKEN)["changed"]
