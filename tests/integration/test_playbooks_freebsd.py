# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as people run them, with five jails of different kinds. A lab of its own.

The tests build on each other in their order.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.integration.test_playbooks import ROOT, SERVERS, Pair
from tests.lab import Lab

HOMES = {
    "ssa": ["castor"],
    "web": ["castor"],
    "vospace": ["castor"],
    "tap": ["pollux"],
    "registry": ["pollux"],
}


class Jails(Pair):
    """The lab of servers that behave as FreeBSD, and playbooks on it."""

    inventory = ROOT / "inventories/lab-freebsd"

    def homes(self) -> dict[str, list[str]]:
        homes: dict[str, list[str]] = {}
        for server in SERVERS:
            for name in self.sh(server, "jls name").split():
                homes.setdefault(name, []).append(server)
        return homes

    def sent(self, server: str) -> list[int]:
        """Bytes of each round of the last move, by the report on a server."""
        (move,) = json.loads(self.sh(server, "cat /var/lib/twin/reports/migration.json"))
        return [each["bytes"] for each in move["rounds"]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jails]:
    """A pair that begins empty."""
    with Lab(f"jails-{os.getpid()}", freebsd="14.3") as lab:
        yield Jails(lab, tmp_path_factory.mktemp("jails"))


def test_what_is_announced_on_an_empty_pair_is_done(pair: Jails) -> None:
    announced = pair.done("site", "--check", "--diff")
    done = pair.done("site")
    # An image that is not made yet cannot be compared with that of the other server: check mode skips it.
    unknown = {task for task, _host in done.changed - announced.changed}
    assert unknown <= announced.skipped
    assert announced.changed == {change for change in done.changed if change[0] not in unknown}
    assert pair.homes() == HOMES


def test_a_second_run_changes_nothing(pair: Jails) -> None:
    again = pair.done("site")
    assert again.changed == set()
    assert set(re.findall(r"changed=(\d+)", again.said)) == {"0"}


def test_each_jail_is_of_its_kind(pair: Jails) -> None:
    origins = "zfs get -H -o value origin tank/machines/{}/root"
    assert pair.sh("castor", origins.format("ssa")) == "tank/images/freebsd-14.3@base\n"
    assert pair.sh("castor", origins.format("web")) == "tank/images/freebsd-14.3-thin@base\n"
    assert pair.sh("pollux", origins.format("tap")) == "-\n"
    assert pair.sh("castor", "jls -j ssa vnet; jls -j web vnet ip4.addr") == "new\ninherit 192.0.2.24\n"
    shared = "jexec web sh -c 'touch /bin/x 2>&1; touch /etc/x && echo own'"
    assert re.fullmatch("touch: .*Read-only file system\nown\n", pair.sh("castor", shared))
    limits = set(pair.sh("pollux", "rctl jail:tap").split())
    assert {"jail:tap:maxproc:deny=200", "jail:tap:pcpu:deny=100"} <= limits
    started = pair.sh("pollux", "jls name").split()
    assert started.index("tap") < started.index("registry")
    assert pair.sh("castor", "jexec vospace ls -d /space") == "/space\n"


def test_a_jail_moves_with_its_data_and_returns_as_an_increment(pair: Jails) -> None:
    pair.sh("castor", "jexec ssa sh -c 'dd if=/dev/urandom of=/srv/kept bs=64k count=32 2>&1; sync'")
    checksum = pair.sh("castor", "jexec ssa md5sum /srv/kept")
    words = ("-e", "machine=ssa", "-e", "to=pollux")
    announced = pair.done("migrate", *words, "--check")
    assert pair.homes() == HOMES
    moved = pair.done("migrate", *words)
    assert announced.changed == moved.changed
    assert pair.homes() == {**HOMES, "ssa": ["pollux"]}
    assert pair.sh("pollux", "jexec ssa md5sum /srv/kept") == checksum
    pair.sh("pollux", "jexec ssa sh -c 'echo there >/srv/note'")
    pair.done("migrate", "-e", "machine=ssa", "-e", "to=castor")
    assert pair.homes() == HOMES
    assert pair.sh("castor", "jexec ssa md5sum /srv/kept") == checksum
    assert pair.sh("castor", "jexec ssa cat /srv/note") == "there\n"
    assert sum(pair.sent("castor")) < 1 << 20
    assert pair.owners("ssa") == {"castor 3"}


def test_jails_get_a_newer_image_and_their_old_roots_come_back(pair: Jails) -> None:
    """A clone, a full copy, and a thin one whose programs are those of another image then."""
    for sort in ("", "-thin"):
        pair.copy_image(f"freebsd-14.3{sort}", f"freebsd-14.3-p2{sort}")
    pair.sh("castor", "jexec ssa touch /usr/local/bin/asked")
    machines = yaml.safe_load((Jails.inventory / "group_vars/all/machines.yml").read_text())["machines"]
    old = copy.deepcopy(machines)
    for name in ("ssa", "tap", "web"):
        machines[name]["image"] = machines[name]["image"].replace("14.3", "14.3-p2")
    machines["web"]["mounts"][0]["source"] = "/tank/images/freebsd-14.3-p2"
    newer, older = (("-e", json.dumps({"machines": each})) for each in (machines, old))
    allowed = ("-e", json.dumps({"allow_destroy": ["ssa", "tap", "web"]}))

    announced = pair.done("machines", *newer, *allowed, "--check")
    done = pair.done("machines", *newer, *allowed)
    assert (
        announced.changed
        == done.changed
        == {("twin.datacenter.machine : Machines whose image is another one now", each) for each in SERVERS}
    )
    assert announced.plans == done.plans
    assert pair.homes() == HOMES
    assert pair.roots("castor", "ssa") == {"root": "freebsd-14.3-p2", "root.freebsd-14.3": "freebsd-14.3"}
    assert pair.roots("pollux", "tap") == {"root": "-", "root.freebsd-14.3": "-"}
    changed = {"added": ["usr/local/bin/asked"], "modified": [], "deleted": []}
    assert json.loads(pair.sh("castor", "twin changes ssa freebsd-14.3")) == changed
    told = pair.sh("castor", "cat /tank/machines/web/root/.base/etc/motd; mount | grep -c web/root/.base")
    assert told == "of a newer image\n1\n"
    assert pair.done("machines", *newer).changed == set()

    pair.done("migrate", *newer, "-e", "machine=tap", "-e", "to=castor")
    pair.done("machines", *older, *allowed)
    assert pair.homes() == {**HOMES, "tap": ["castor"]}
    assert pair.sh("castor", "jexec ssa ls /usr/local/bin") == "asked\n"
    assert pair.roots("castor", "tap") == {"root": "-", "root.freebsd-14.3-p2": "-"}
    pair.done("migrate", "-e", "machine=tap", "-e", "to=pollux")
    assert pair.homes() == HOMES
    # The newer images are there still, and told of.
    assert {task for task, _host in pair.done("site").changed} == {"twin.datacenter.pair : Report of parity"}


def test_a_server_is_evacuated(pair: Jails) -> None:
    pair.done("evacuate", "-e", "server=castor")
    assert pair.homes() == dict.fromkeys(HOMES, ["pollux"])
    assert pair.done("evacuate", "-e", "server=castor").changed == set()
    assert pair.done("site").changed == set()
