# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the lab as nodes of Proxmox VE: each test goes on where the one before it ended."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from tests.lab import Lab
from tests.lab.proxmox import PASSWORD

from .proxmox_bed import NODES, Nodes

ARCHIVE = "local:vztmpl/small-1.0.tar.gz"
ZFS = "zpool create -f tank /srv/disks/disk0.img"
STORAGE = "pvesh create /storage --storage tank --type zfspool --pool tank --content images,rootdir"


@pytest.fixture(scope="module")
def nodes(proxmox: Lab) -> Iterator[Nodes]:
    made = Nodes(proxmox)
    made.install()
    yield made
    proxmox.power("pollux", "on")


def test_a_server_becomes_a_node_that_stands_alone(nodes: Nodes) -> None:
    for name in NODES:
        assert [each["name"] for each in nodes.get(name, "/cluster/status")] == [name]
        assert nodes.sh(name, "pveversion").startswith("pve-manager/9.2.")
        assert nodes.run(name, "pvecm status").returncode == 255


def test_its_api_answers_with_a_certificate_of_its_own(nodes: Nodes) -> None:
    authority = nodes.sh("castor", "cat /etc/pve/pve-root-ca.pem")
    place = nodes.lab.work / "castor.pem"
    place.write_text(authority)
    login = ["-d", "username=root@pam", "-d", f"password={PASSWORD}"]
    curl = ["curl", "-sSf", "--noproxy", "*", "--cacert", place]
    there = nodes.lab.run(*curl, *login, "https://castor:8006/api2/json/access/ticket")
    assert json.loads(there.stdout)["data"]["username"] == "root@pam"
    assert nodes.lab.run(*curl, *login, "https://pollux:8006/api2/json/access/ticket").returncode


def test_a_container_is_made_of_the_archive_that_was_uploaded(nodes: Nodes) -> None:
    archive = nodes.lab.work / "ours.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.addfile(tarfile.TarInfo("mark"))
    curl = ["curl", "-sSfk", "--noproxy", "*"]
    api, login = "https://castor:8006/api2/json", ["-d", "username=root@pam", "-d", f"password={PASSWORD}"]
    ticket = json.loads(nodes.lab.run(*curl, *login, f"{api}/access/ticket").stdout)["data"]
    shown = [
        "-b",
        f"PVEAuthCookie={ticket['ticket']}",
        "-H",
        f"CSRFPreventionToken: {ticket['CSRFPreventionToken']}",
    ]
    form = ["-F", "content=vztmpl", "-F", f"filename=@{archive}"]
    done = nodes.lab.run(*curl, *shown, *form, f"{api}/nodes/castor/storage/local/upload")
    assert "UPID" in done.stdout, done.stderr
    nodes.sh("castor", "pct create 201 local:vztmpl/ours.tar.gz --storage local --rootfs local:1")
    assert nodes.sh("castor", "ls /var/lib/vz/images/201/vm-201-disk-0.raw") == "mark\n"
    nodes.sh("castor", "pct destroy 201 && ! ls /var/lib/vz/images/201/vm-201-disk-0.raw 2>/dev/null")


def test_two_nodes_become_one_cluster_with_a_witness(nodes: Nodes) -> None:
    nodes.join()
    for name in NODES:
        assert {each["node"]: each["status"] for each in nodes.get(name, "/nodes")} == dict.fromkeys(
            NODES, "online"
        )
        assert "Total votes:      3" in nodes.sh(name, "pvecm status")
    nodes.sh("castor", "systemctl restart pveproxy pve-cluster")
    assert "Total votes:      3" in nodes.sh("castor", "pvecm status")


def test_a_module_runs_on_a_node_without_an_address_of_the_api(nodes: Nodes) -> None:
    pools = json.dumps({"pools": [{"name": "prod", "comment": "Production"}]})

    def changed(server: str) -> bool:
        argv = [
            "ansible",
            "-i",
            nodes.lab.inventory(),
            server,
            "-o",
            "-m",
            "twin.datacenter.pve_pool",
            "-a",
            pools,
        ]
        done = nodes.lab.run(*argv, stderr=subprocess.STDOUT, capture_output=False, stdout=subprocess.PIPE)
        assert done.returncode == 0, done.stdout
        return "CHANGED" in done.stdout

    assert changed("castor")
    assert not changed("pollux")


def test_a_container_really_runs(nodes: Nodes) -> None:
    for name in NODES:
        nodes.sh(name, f"{ZFS}; touch /var/lib/vz/template/cache/small-1.0.tar.gz")
    nodes.sh("castor", STORAGE)
    nodes.sh("castor", f"pct create 200 {ARCHIVE} --hostname ssa --storage tank --rootfs tank:1")
    assert nodes.run("castor", "pct exec 200 -- true").stderr == "container '200' not running!\n"
    nodes.sh("castor", "pct start 200")
    assert nodes.run("castor", "pct exec 200 -- sh -c 'exit 3'").returncode == 3
    assert (
        nodes.run("castor", "pct exec 200 -- sh -c 'cat; hostname'", "streamed\n").stdout == "streamed\nssa\n"
    )
    nodes.sh("castor", "echo kept >/root/a; pct push 200 /root/a /srv/kept --perms 600")
    nodes.sh("castor", "pct pull 200 /srv/kept /root/b; cmp /root/a /root/b")
    assert "httpd" in nodes.sh("castor", "ps ax")


def test_the_agent_of_a_machine_really_runs_programs(nodes: Nodes) -> None:
    nodes.sh("castor", "qm create 300 --name web --memory 128 --agent 1 && qm start 300")
    command = "qm guest exec 300 --pass-stdin 1 -- sh -c 'cat; hostname; exit 3'"
    done = json.loads(nodes.sh("castor", command, stdin="streamed\n"))
    assert done == {"exitcode": 3, "exited": 1, "out-data": "streamed\nweb\n"}


def test_it_moves_with_its_files(nodes: Nodes) -> None:
    nodes.sh("castor", "pct migrate 200 pollux --restart 1")
    assert "httpd" not in nodes.sh("castor", "ps ax")
    assert "subvol-200" not in nodes.sh("castor", "zfs list")
    assert nodes.sh("pollux", "pct exec 200 -- cat /srv/kept") == "kept\n"
    assert nodes.run("castor", "pct status 200").returncode == 2


def test_a_guest_of_a_node_without_power_is_begun_on_the_other(nodes: Nodes) -> None:
    nodes.sh(
        "pollux", "pvesh create /cluster/replication --id 200-0 --target castor --type local --schedule '*/1'"
    )
    nodes.sh("pollux", "ha-manager add ct:200 --state started")
    nodes.until(lambda: nodes.get("pollux", "/nodes/pollux/replication")[0].get("last_sync", 0) > 0, 120)
    assert "subvol-200" in nodes.sh("castor", "zfs list")
    nodes.lab.power("pollux", "off")
    online = {"castor": "online", "pollux": "offline"}
    nodes.until(
        lambda: {each["node"]: each["status"] for each in nodes.get("castor", "/nodes")} == online, 60
    )
    assert "Quorate:          Yes" in nodes.sh("castor", "pvecm status")
    nodes.until(lambda: "running" in nodes.run("castor", "pct status 200").stdout, 180)
    assert nodes.sh("castor", "pct exec 200 -- cat /srv/kept") == "kept\n"


def test_the_node_that_comes_back_finds_the_state_of_the_cluster(nodes: Nodes) -> None:
    nodes.lab.power("pollux", "on")
    assert nodes.sh("pollux", "uname -r") == "6.17.13-1-pve\n"
    assert "Total votes:      3" in nodes.sh("pollux", "pvecm status")
    assert nodes.get("pollux", "/nodes/castor/lxc")[0]["status"] == "running"
    assert nodes.sh("pollux", "lxc-ls -1 --running") == ""
