# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as people run them, from bare Debian to a cluster of Proxmox VE with four guests.

The servers are nodes of the double, in a lab of their own (docs/lab.md): containers really run, of virtual
machines there is only the state. The tests build on each other in their order.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.twin.datacenter.plugins.module_utils._machine import identity
from tests.integration.test_playbooks import ROOT, SERVERS, Pair
from tests.lab import Lab

HOMES = {"ssa": "castor", "registry": "castor", "tap": "pollux", "cutout": "pollux"}
IDS = {name: identity.guest_id("lab", name) for name in HOMES}


class Cluster(Pair):
    """The lab of servers that become nodes of Proxmox VE, and playbooks on it."""

    inventory = ROOT / "inventories/lab-proxmox"

    def ask(self, path: str, server: str = "castor", *words: str) -> Any:
        """What the API says of a path, on a server."""
        return json.loads(self.sh(server, f"pvesh get {path} {' '.join(words)} --output-format json"))

    def guests(self, server: str = "castor") -> dict[str, str]:
        """Where each guest that runs is."""
        listed = self.ask("/cluster/resources", server, "--type", "vm")
        return {each["name"]: each["node"] for each in listed if each["status"] == "running"}

    def config(self, name: str) -> dict[str, Any]:
        """The configuration of a guest of castor."""
        kind = "lxc" if name in ("ssa", "tap") else "qemu"
        found: dict[str, Any] = self.ask(f"/nodes/{self.guests()[name]}/{kind}/{IDS[name]}/config")
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A pair that begins empty."""
    with Lab(f"nodes-{os.getpid()}", proxmox="9.2") as lab:
        yield Cluster(lab, tmp_path_factory.mktemp("nodes"))


def test_what_is_announced_on_an_empty_pair_is_done(pair: Cluster) -> None:
    announced = pair.done("site", "--check", "--diff")
    first = pair.play("site")
    assert first.rc != 0
    for server in SERVERS:
        assert f"A boot is owed: {server} runs " in first.said
        pair.lab.power(server, "cycle")
    done = pair.done("site")
    changed = first.changed | done.changed
    # What the nodes want of a cluster that is not there yet only a run can tell: check mode skips it.
    unknown = {task for task, _host in changed - announced.changed}
    assert unknown <= announced.skipped
    # The package of the time service enables and starts it, so that nothing is left to be done.
    itself = {("twin.datacenter.server : Services of a server", server) for server in SERVERS}
    assert announced.changed - itself == {change for change in changed if change[0] not in unknown}
    assert "are to become nodes of one cluster" in announced.said
    assert pair.guests() == HOMES


def test_a_second_run_changes_nothing(pair: Cluster) -> None:
    again = pair.done("site")
    assert again.changed == set()
    assert set(re.findall(r"changed=(\d+)", again.said)) == {"0"}


def test_check_mode_of_a_finished_pair_has_nothing_to_announce(pair: Cluster) -> None:
    assert pair.done("site", "--check").changed == set()


def test_no_file_of_a_package_was_changed_and_the_kernel_is_pinned(pair: Cluster) -> None:
    for server in SERVERS:
        assert pair.sh(server, "cat /etc/kernel/proxmox-boot-pin; uname -r") == "6.17.9-1-pve\n" * 2
        source = pair.sh(server, "cat /etc/apt/sources.list.d/pve-enterprise.sources")
        assert "\nEnabled: no\n" in source
        assert f"127.0.1.1 {server}" not in pair.sh(server, "cat /etc/hosts")
    assert "ok" in pair.sh("castor", "apt-get update -qq && echo ok")


def test_the_cluster_has_three_votes_and_the_pool_of_both(pair: Cluster) -> None:
    status = pair.ask("/cluster/status")
    assert {each["name"] for each in status if each["type"] == "node" and each["online"]} == set(SERVERS)
    assert "Total votes:      3" in pair.sh("castor", "pvecm status")
    (tank,) = [each for each in pair.ask("/storage") if each["storage"] == "tank"]
    assert (tank["type"], tank["pool"]) == ("zfspool", "tank/machines")


def test_a_witness_that_is_not_there_is_refused(pair: Cluster) -> None:
    twin = yaml.safe_load((pair.inventory / "group_vars/all/twin.yml").read_text())["twin"]
    refused = pair.play("site", "--check", "-e", json.dumps({"twin": {**twin, "witness": "arbiter"}}))
    assert refused.rc != 0
    assert "witness arbiter of twin is not in the inventory; add it to group witnesses" in refused.said


def test_each_guest_is_of_its_kind(pair: Cluster) -> None:
    ssa, tap, registry, cutout = (pair.config(name) for name in ("ssa", "tap", "registry", "cutout"))
    assert (ssa["memory"], ssa["cores"], ssa["unprivileged"], ssa["onboot"]) == (256, 1, 1, 1)
    assert ssa["rootfs"].startswith(f"tank:subvol-{IDS['ssa']}-disk-")
    assert "mp=/srv" in ssa["mp0"]
    assert f"hwaddr={identity.mac('lab', 'ssa').upper()}" in ssa["net0"]
    assert (tap["cpuunits"], tap["tags"]) == (200, "web")
    assert set(registry["ipconfig0"].split(",")) == {"gw=192.0.2.1", "ip=192.0.2.23/24"}
    assert identity.uuid("lab", "registry") in registry["smbios1"]
    assert registry["scsi0"].startswith(f"tank:vm-{IDS['registry']}-disk-")
    assert cutout["hostpci0"] == "mapping=t4"
    (t4,) = pair.ask("/cluster/mapping/pci")
    assert {re.search(r"node=(\w+)", line)[1] for line in t4["map"]} == set(SERVERS)  # type: ignore[index]
    # A container really runs, with its data where other platforms have it.
    pair.sh("castor", f"pct exec {IDS['ssa']} -- sh -c 'echo here >/srv/index.html'")
    assert pair.lab.run("curl", "-sS", "http://192.0.2.21/", check=True).stdout == "here\n"


def test_failover_and_replication_are_as_declared(pair: Cluster) -> None:
    resources = {each["sid"]: each for each in pair.ask("/cluster/ha/resources")}
    assert set(resources) == {f"ct:{IDS['ssa']}", f"vm:{IDS['registry']}"}
    rules = {each["rule"]: each for each in pair.ask("/cluster/ha/rules")}
    assert set(rules) == {"twin-home-castor"}
    jobs = {each["id"]: each for each in pair.ask("/cluster/replication")}
    assert set(jobs) == {f"{number}-0" for number in IDS.values()}
    assert (jobs[f"{IDS['ssa']}-0"]["target"], jobs[f"{IDS['ssa']}-0"]["schedule"]) == ("pollux", "*/1")


def test_drift_is_repaired_and_nothing_else_touched(pair: Cluster) -> None:
    pair.sh("castor", f"pvesh set /nodes/castor/lxc/{IDS['ssa']}/config --memory 512")
    pair.sh("castor", f"pvesh set /nodes/pollux/qemu/{IDS['cutout']}/config --onboot 0")
    pair.sh("castor", "pvesh delete /cluster/ha/rules/twin-home-castor")
    pair.sh("castor", f"pvesh delete /cluster/replication/{IDS['tap']}-0 --force 1")
    announced = pair.done("machines", "--check")
    done = pair.done("machines")
    assert announced.changed == done.changed
    assert announced.plans == done.plans
    assert {task.partition(" : ")[2] for task, _host in done.changed} == {
        "Containers", "Virtual machines", "Homes and companies", "Jobs",
    }  # fmt: skip
    assert pair.config("ssa")["memory"] == 256
    assert pair.done("machines").changed == set()


def test_a_token_over_https_sees_the_same(pair: Cluster) -> None:
    said = pair.sh("castor", "pvesh create /access/users/root@pam/token/lab --privsep 0 --output-format json")
    fingerprint = next(
        each["fingerprint"]
        for each in pair.ask("/nodes/castor/certificates/info")
        if each["filename"] == "pve-ssl.pem"
    )
    api = {
        "api_host": "192.0.2.11", "api_user": "root@pam", "api_token_id": "lab",
        "api_token_secret": json.loads(said)["value"], "fingerprint": fingerprint,
    }  # fmt: skip
    variables = json.dumps({"machine_api": api, "replication_api": api})
    assert pair.done("machines", "-e", variables).changed == set()
    assert api["api_token_secret"] not in pair.shown[-1]


def test_a_guest_moves_with_its_data_is_left_there_and_returns(pair: Cluster) -> None:
    number = IDS["ssa"]
    pair.sh(
        "castor", f"pct exec {number} -- sh -c 'dd if=/dev/urandom of=/srv/kept bs=64k count=32 2>&1; sync'"
    )
    checksum = pair.sh("castor", f"pct exec {number} -- md5sum /srv/kept")
    words = ("-e", "machine=ssa", "-e", "to=pollux")
    announced = pair.done("migrate", *words, "--check")
    assert pair.guests() == HOMES
    moved = pair.done("migrate", *words)
    assert announced.changed == moved.changed
    assert pair.guests() == {**HOMES, "ssa": "pollux"}
    assert pair.sh("pollux", f"pct exec {number} -- md5sum /srv/kept") == checksum
    assert pair.done("machines").changed == set()
    pair.done("migrate", "-e", "machine=ssa", "-e", "to=castor")
    assert pair.guests() == HOMES
    assert pair.sh("castor", f"pct exec {number} -- md5sum /srv/kept") == checksum


def test_the_servers_are_alike(pair: Cluster) -> None:
    assert pair.done("parity").changed == set()


def test_a_machine_goes_for_good(pair: Cluster) -> None:
    """From both servers, with its data, once that is allowed."""
    machines = yaml.safe_load((pair.inventory / "group_vars/all/machines.yml").read_text())["machines"]
    words = ("-e", json.dumps({"machines": {**machines, "tap": {**machines["tap"], "state": "absent"}}}))
    disks = f"zfs list -H -o name -r tank/machines | grep -- -{IDS['tap']}- || true"
    assert all(pair.sh(server, disks) for server in SERVERS)
    refused = pair.play("machines", *words)
    assert refused.rc != 0 and "allow_destroy (tap)" in refused.said
    assert pair.guests() == HOMES
    allowed = (*words, "-e", "allow_destroy=tap")
    announced = pair.done("machines", *allowed, "--check")
    done = pair.done("machines", *allowed)
    assert announced.changed == done.changed
    assert announced.plans == done.plans
    assert "tap" not in pair.guests()
    assert [pair.sh(server, disks) for server in SERVERS] == ["", ""]
    assert pair.done("machines", *words).changed == set()
    pair.done("machines")
    assert pair.guests() == HOMES


def test_a_server_is_evacuated_and_a_job_lost_meanwhile_comes_back(pair: Cluster) -> None:
    words = ("-e", "server=castor")
    announced = pair.done("evacuate", *words, "--check")
    assert pair.guests() == HOMES
    done = pair.done("evacuate", *words)
    assert announced.changed == done.changed
    assert pair.guests() == dict.fromkeys(HOMES, "pollux")
    assert pair.done("evacuate", *words).changed == set()
    job = f"/cluster/replication/{IDS['ssa']}-0"
    pair.sh("castor", f"pvesh delete {job} --force 1")
    assert [task for task, _host in pair.done("machines").changed] == ["twin.datacenter.replication : Jobs"]
    assert pair.ask(job)["target"] == "castor"


def test_a_guest_whose_server_dies_is_started_on_the_other(pair: Cluster) -> None:
    """Last, for pollux stays away, which has all of them."""
    pair.lab.power("pollux", "off")
    end = time.monotonic() + 180
    while pair.guests().get("ssa") != "castor":
        assert time.monotonic() < end, pair.ask("/cluster/ha/status/current")
        time.sleep(2)
    status = pair.ask("/cluster/ha/status/current")
    assert any(each.get("sid") == f"ct:{IDS['ssa']}" and each["node"] == "castor" for each in status)
