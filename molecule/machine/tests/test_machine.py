# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role machine promises: each machine runs on the server that owns it, and there alone."""

from __future__ import annotations

import json

from testinfra.host import Host

HOME = {"ssa": "castor", "tap": "pollux"}


def test_the_machine_runs_on_its_home_alone(host: Host) -> None:
    server = host.check_output("uname -n")
    running = host.check_output("lxc-ls --running -1").split()
    assert running == [name for name, home in HOME.items() if home == server]


def test_the_owner_is_written_with_the_data(host: Host) -> None:
    server = host.check_output("uname -n")
    for record in json.loads(host.check_output("twin info"))["machines"]:
        if record["role"] == "owner":
            assert (record["owner"], record["epoch"], record["image"]) == (server, 1, "debian-13")
            assert HOME[record["name"]] == server


def test_a_machine_may_start_on_its_owner_alone(host: Host) -> None:
    server = host.check_output("uname -n")
    for name, home in HOME.items():
        said = host.run(f"twin guard {name}")
        assert (said.rc == 0) == (home == server), said.stderr
        assert said.rc == 0 or said.stderr.startswith("twin: ")


def test_root_of_a_machine_is_nobody_on_the_server(host: Host) -> None:
    for name in host.check_output("lxc-ls --running -1").split():
        pid = host.check_output(f"lxc-info -n {name} -pH")
        assert host.check_output(f"stat -c %u /proc/{pid}") == "100000"


def test_a_machine_can_write_its_data(host: Host) -> None:
    for name in host.check_output("lxc-ls --running -1").split():
        host.check_output(f"lxc-attach -n {name} -- touch /srv/here")
        assert host.file(f"/tank/machines/{name}/data/here").exists


def test_a_machine_reaches_the_network(host: Host) -> None:
    for name in host.check_output("lxc-ls --running -1").split():
        ask = 'import socket; socket.create_connection(("192.0.2.13", 22), 5)'
        host.check_output(f"lxc-attach -n {name} -- python3 -c '{ask}'")
