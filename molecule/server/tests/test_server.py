# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role server promises of each server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from testinfra.host import Host

if TYPE_CHECKING:
    from ...conftest import Server


def test_the_pool_is_well_and_has_its_datasets(host: Host) -> None:
    assert host.check_output("zpool list -H -o name,health") == "tank\tONLINE"
    datasets = host.check_output("zfs list -H -o name -d 1 tank").split()
    assert {"tank/images", "tank/machines"} <= set(datasets)
    assert host.check_output("zfs get -H -o value atime tank/machines") == "off"


def test_the_bridge_has_taken_the_address_over(host: Host, server: Server) -> None:
    addresses = host.interface("br0").addresses
    assert [address for address in addresses if address.startswith("192.0.2.")]
    assert "eth0" in server.bridged()


def test_nobody_logs_in_with_a_password(host: Host) -> None:
    settings = host.check_output("sshd -T")
    assert re.search("^passwordauthentication no$", settings, re.MULTILINE)
    assert re.search("^permitrootlogin (prohibit-password|without-password)$", settings, re.MULTILINE)


def test_clocks_are_kept(host: Host, server: Server) -> None:
    assert host.service(server.clock).is_running
    assert host.service(server.clock).is_enabled


def test_the_program_explains_itself(host: Host) -> None:
    said = host.run("twin --help")
    assert said.rc == 0
    assert "replicate" in said.stdout


def test_all_replications_may_connect_at_once_and_a_twin_that_is_gone_is_noticed(host: Host) -> None:
    settings = host.check_output("sshd -T -C addr=10.1.0.1,user=root,host=castor").splitlines()
    assert {"maxstartups 100:30:200", "clientaliveinterval 5"} <= set(settings)
