# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role pair promises: two servers that know each other, and can do to each other only what they must."""

from __future__ import annotations

import json

from testinfra.host import Host

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


def test_images_are_the_same(host: Host) -> None:
    question = "zfs get -Hp -o value guid tank/images/debian-13@base"
    there = host.check_output(
        SSH % other(host) + "zfs get -Hp -o name,property,value,source guid tank/images/debian-13@base"
    )
    assert host.check_output(question) == there.split("\t")[2]


def test_a_timer_looks_for_moves_that_were_cut_off(host: Host) -> None:
    timer = host.service("twin-resume.timer")
    assert timer.is_running
    assert timer.is_enabled
    host.check_output("systemctl start twin-resume.service")
    assert host.check_output("systemctl show -P Result twin-resume.service") == "success"
    assert host.check_output("journalctl --unit=twin-resume --output=cat --quiet --no-pager") == ""


def test_the_servers_are_alike(host: Host) -> None:
    assert json.loads(host.file("/var/lib/twin/reports/parity.json").content_string)["alike"]
