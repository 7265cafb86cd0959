# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets on their way: they come to Proxmox VE, and can be read nowhere else.

Not in what Ansible prints and writes into its log when it is made to say all that it can, not in what a
module returns of its invocation, and on no command line while it runs.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.doubles.pve.access import Token, User
from tests.doubles.pve.clock import Clock
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import World, single
from tests.doubles.pve_guests import furnish
from tests.integration.pve_bed import SECRET, TOKEN, play
from tests.laws.laws import CANARY

# Whoever joins asks the peer at the port that Proxmox VE has, so each has a loopback address of its own.
CASTOR, POLLUX = "127.5.1.11", "127.5.1.12"
PORT = 8006


def canary() -> str:
    """A secret that nobody else on this machine has. What is printed is looked through in `play`."""
    return f"{CANARY}-{secrets.token_hex(8)}"


@contextmanager
def watched() -> Iterator[set[str]]:
    """The command lines of all processes in the meantime, as ps(1) shows them."""
    lines: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.03):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    lines.add(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # it has ended

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lines
    finally:
        over.set()
        watcher.join()


def said(
    server: Server, folder: Path, modules: Mapping[str, Mapping[str, Any]], **environment: str
) -> dict[str, str]:
    """All that can be read of a play, by where."""
    log = folder / "log"
    access = {"ANSIBLE_LOG_PATH": str(log), **environment}
    with watched() as lines:
        results = play(server, folder, modules, "-vvv", "--diff", **access)
    assert all(result["changed"] for result in results.values())
    assert [line for line in lines if "book.yml" in line], "nobody watched"
    assert log.read_text().count("module_args:") > len(modules), "no invocation was told"
    return {"results": json.dumps(results), "log": log.read_text(), "processes": "\n".join(lines)}


def test_secrets_of_a_storage_a_machine_and_a_certificate(tmp_path: Path) -> None:
    password, cipassword = canary(), canary()
    world = furnish(clock=Clock(speed=20))
    world.access.users["root@pam"] = User(tokens={"ansible": Token(privsep=0, secret=SECRET)})
    with Server(world) as server:
        pem = server.certificate.read_text()
        begin = pem.index("-----BEGIN CERTIFICATE-----")
        share = {"server": "192.0.2.9", "share": "backups", "username": "pve", "content": ["backup"]}
        storage = {"name": "nas", "type": "cifs", "settings": share, "secrets": {"password": password}}
        guest = {
            "name": "web",
            "node": "castor",
            "state": "stopped",
            "disks": {"ide2": {"storage": "tank", "volume": "cloudinit"}},
            "secrets": {"cipassword": cipassword},
        }
        certificate = {"chain": pem[begin:], "key": pem[:begin]}
        modules = {
            "pve_storage": {"storages": [storage]},
            "pve_qemu": {"guests": [guest]},
            "pve_node": {"nodes": [{"name": "castor", "certificate": certificate}]},
        }
        found = said(server, tmp_path, modules, **TOKEN)
        sent = str(server.api.log)
    line_of_key = pem[:begin].splitlines()[1]
    for secret in (password, cipassword, line_of_key):
        assert secret in sent
        assert not [where for where, text in found.items() if secret in text]


def alone(name: str, address: str, password: str) -> World:
    world = single(name, clock=Clock(speed=10))
    world.nodes[name].ip = address
    world.access.users["root@pam"].password = password
    return world


def test_the_password_of_a_peer(tmp_path: Path) -> None:
    # One for both: in the double root has one password in all of a cluster.
    password = canary()
    first, second = alone("castor", CASTOR, password), alone("pollux", POLLUX, password)
    first.cluster = "twin"
    second.facts["peers"] = {CASTOR: first}
    with Server(first, PORT, host=CASTOR) as castor, Server(second, PORT, host=POLLUX) as pollux:
        peer = {"address": CASTOR, "fingerprint": castor.fingerprint, "password": password}
        modules = {"pve_cluster": {"name": "twin", "peer": peer, "timeout": 60}}
        found = said(pollux, tmp_path, modules, PROXMOX_PASSWORD=password, NO_PROXY="127.0.0.0/8")
        sent = str(pollux.api.log)
    assert password in sent
    assert not [where for where, text in found.items() if password in text]
