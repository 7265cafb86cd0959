# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role machine promises: each machine runs on the server that owns it, and there alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testinfra.host import Host

if TYPE_CHECKING:
    from ...conftest import Server


def test_the_machine_runs_on_its_home_alone(server: Server) -> None:
    assert server.running() == server.of_home()


def test_the_owner_is_written_with_the_data(host: Host, server: Server) -> None:
    records = json.loads(host.check_output("twin info"))["machines"]
    owned = [record for record in records if record["role"] == "owner"]
    assert sorted(record["name"] for record in owned) == server.of_home()
    for record in owned:
        image = server.declared[record["name"]]["image"]
        assert (record["owner"], record["epoch"], record["image"]) == (server.name, 1, image)


def test_a_machine_may_start_on_its_owner_alone(host: Host, server: Server) -> None:
    for name in server.declared:
        said = host.run(f"twin guard {name}")
        assert (said.rc == 0) == (name in server.of_home()), said.stderr
        assert said.rc == 0 or said.stderr.startswith("twin: ")


def test_a_machine_may_do_no_more_than_it_must(server: Server) -> None:
    for name in server.running():
        assert server.confined(name)


def test_a_machine_can_write_its_data(host: Host, server: Server) -> None:
    for name in server.running():
        server.inside(name, "touch /srv/here")
        assert host.file(f"/tank/machines/{name}/data/here").exists


def test_a_machine_reaches_the_network(server: Server) -> None:
    for name in server.running():
        assert server.inside(name, "busybox nc -w 5 192.0.2.13 22 </dev/null").startswith("SSH-")
