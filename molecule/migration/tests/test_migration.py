# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role migration promises: the machine is on the other server, whole, and can come back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testinfra.host import Host

if TYPE_CHECKING:
    from ...conftest import Server


def test_the_machine_runs_on_the_target_alone(server: Server) -> None:
    assert ("ssa" in server.running()) == (server.name == "pollux")


def test_both_servers_name_the_new_owner(host: Host) -> None:
    assert host.check_output("zfs get -H -o value twin:owner tank/machines/ssa") == "pollux 2"


def test_its_data_came_along(server: Server) -> None:
    if server.name == "pollux":
        assert server.inside("ssa", "ls /srv").split() == ["here"]


def test_the_old_copy_is_the_replica(host: Host) -> None:
    if host.check_output("uname -n") == "castor":
        shown = host.check_output("zfs get -H -o value readonly,canmount,mounted tank/machines/ssa/data")
        assert shown.split() == ["on", "noauto", "no"]
        assert host.run("twin guard ssa").rc == 2


def test_the_report_tells_what_it_cost(host: Host) -> None:
    (move,) = json.loads(host.file("/var/lib/twin/reports/migration.json").content_string)
    assert (move["machine"], move["from"], move["to"]) == ("ssa", "castor", "pollux")
    assert move["bytes"] == sum(each["bytes"] for each in move["rounds"])
    assert move["downtime_s"] > 0
