# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role pair promises: two servers that know each other, and can do to each other only what they must."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testinfra.host import Host

if TYPE_CHECKING:
    from ...conftest import Server

SERVERS = ("castor", "pollux")
SSH = (
    "ssh -nT -o BatchMode=yes -o UserKnownHostsFile=/etc/twin/known_hosts -i /etc/twin/peer_ed25519 root@%s "
)


def other(host: Host) -> str:
    return next(server for server in SERVERS if server != host.check_output("uname -n"))


def test_the_twin_answers_on_every_way(host: Host) -> None:
    addresses = json.loads(host.file("/etc/twin/pair.json").content_string)["twin"]["addresses"]
    assert len(addresses) == 3
    for address in addresses:
        assert json.loads(host.check_output(SSH % address + "twin info"))["server"] == other(host)


def test_the_key_opens_no_shell(host: Host) -> None:
    for command in (
        "",
        "id",
        "'zfs destroy -r tank'",
        "'zfs list; id'",
        "'twin replicate'",
        "'cat /etc/shadow'",
    ):
        said = host.run(SSH % other(host) + command)
        assert said.rc == 2, (command, said.stdout, said.stderr)
        assert said.stderr.startswith("twin: "), command
        assert "uid=" not in said.stdout


def test_the_private_key_is_for_root_alone(host: Host) -> None:
    assert host.file("/etc/twin/peer_ed25519").mode == 0o600


def test_servers_have_names(host: Host) -> None:
    assert host.addr(f"{other(host)}.lab.example.org").ipv4_addresses


def test_images_are_the_same(host: Host, server: Server) -> None:
    for image in server.images:
        question = f"zfs get -Hp -o %s guid tank/images/{image}@base"
        there = host.check_output(SSH % other(host) + question % "name,property,value,source")
        assert host.check_output(question % "value") == there.split("\t")[2]


def test_moves_that_were_cut_off_are_looked_for(server: Server) -> None:
    assert server.pause("twin-resume") == 60
    assert server.repeat("twin-resume") == ""


def test_the_servers_are_alike(host: Host) -> None:
    assert json.loads(host.file("/var/lib/twin/reports/parity.json").content_string)["alike"]
