# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules for Proxmox VE as Ansible runs them, over https against its double."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.doubles.pve.access import Token, User
from tests.doubles.pve.clock import Clock
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import Guest, pair
from tests.integration.pve_bed import SECRET, TOKEN, run
from tests.laws.laws import CANARY

POOLS = [{"name": "prod/web", "guests": [100]}, {"name": "prod", "comment": "Production"}]
STORAGES = [
    {
        "name": "tank",
        "type": "zfspool",
        "settings": {"pool": "tank/machines", "content": ["images", "rootdir"]},
    },
    {
        "name": "backups",
        "type": "cifs",
        "settings": {"server": "192.0.2.9", "share": "backups", "username": "pve", "content": ["backup"]},
        "secrets": {"password": CANARY},
    },
]
DATACENTER = {
    "keyboard": "de",
    "migration": {"type": "insecure", "network": "10.1.0.0/24"},
    "http_proxy": f"http://lab:{CANARY}@192.0.2.3:3128",
}
USES = {
    "pve_pool": {"pools": POOLS},
    "pve_storage": {"storages": STORAGES},
    "pve_datacenter": {"datacenter": DATACENTER},
}


@pytest.fixture
def server() -> Iterator[Server]:
    world = pair(clock=Clock(speed=20))
    world.access.users["root@pam"] = User(
        password=CANARY, tokens={"ansible": Token(privsep=0, secret=SECRET)}
    )
    world.guests[100] = Guest(100, "lxc", "castor")
    with Server(world) as running:
        yield running


@pytest.mark.parametrize("module", USES)
def test_what_is_told_is_done_once_and_for_all(server: Server, module: str) -> None:
    told = run(server, module, USES[module], "--check", "--diff", **TOKEN)
    assert not [verb for verb, _path, _params in server.api.log if verb != "GET"]
    done = run(server, module, USES[module], "--diff", "-vvv", **TOKEN)
    assert told["changed"] and told["plan"] == done["plan"]
    server.api.log.clear()
    again = run(server, module, USES[module], **TOKEN)
    assert not again["changed"]
    # One list, and each pool that is declared.
    assert len(server.api.log) == (3 if module == "pve_pool" else 1)


def test_what_is_there_is_told_as_the_modules_take_it(server: Server) -> None:
    for module, options in USES.items():
        run(server, module, options, **TOKEN)
    found = run(server, "pve_info", {"timeout": 60}, **TOKEN)
    assert found["version"] == "9.2.11"
    assert [node["name"] for node in found["nodes"]] == ["castor", "pollux"]
    for module, key in (("pve_pool", "pools"), ("pve_storage", "storages"), ("pve_datacenter", "datacenter")):
        again = run(server, module, {key: found[key]}, **TOKEN)
        assert not again["changed"], again


def test_a_password_serves_as_well_and_is_nowhere_told(server: Server) -> None:
    done = run(server, "pve_pool", USES["pve_pool"], "-vvv", PROXMOX_PASSWORD=CANARY)
    assert done["changed"]
    assert [path for _verb, path, _params in server.api.log].count("/access/ticket") == 1


@pytest.mark.parametrize(
    ("options", "environment", "says"),
    [
        (
            {"pools": [{"name": "no such name"}]},
            TOKEN,
            "name of pool no such name: 'no such name' is not valid",
        ),
        ({"pools": []}, {}, "access to Proxmox VE: neither a password nor a token is given"),
        (
            {"pools": []},
            {"PROXMOX_PASSWORD": "wrong"},
            "authentication failure; check api_user and its password",
        ),
        ({"pools": [], "api_port": 1}, TOKEN, "no connection to 127.0.0.1:1"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    server: Server, options: dict[str, Any], environment: dict[str, str], says: str
) -> None:
    failed = run(server, "pve_pool", options, rc=2, **environment)
    assert says in failed["msg"]
    assert "\n" not in failed["msg"]
