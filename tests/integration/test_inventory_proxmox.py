# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a node of Proxmox VE over its API, and the way that it gives into a real container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab

OPTIONS = {
    "plugin": "twin.datacenter.machines",
    "platform": "proxmox",
    "api_user": "root@pam",
    "api_password": "lab-root",
    "validate_certs": False,
}
BEFORE = "bare"


@pytest.fixture(scope="module")
def node(proxmox: Lab) -> Iterator[Lab]:
    """The lab with castor as a node, and container probe on it; afterwards castor is what it was."""
    if BEFORE not in proxmox.status()["saved"]:
        proxmox.save(BEFORE)
    script = Path(__file__).with_name("small_guest.sh").read_text()
    made = proxmox.ssh("castor", "sh", "-s", "probe", input=script)
    assert made.returncode == 0, made.stderr
    yield proxmox
    proxmox.reset(BEFORE, ("castor",))


@pytest.fixture
def inventory(node: Lab, tmp_path: Path) -> Path:
    """An inventory folder, in which the server that is no node is asked first."""
    shared = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(node.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={node.known_hosts} -o LogLevel=ERROR",
        "ansible_control_path_dir": str(tmp_path / "cp"),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    hosts = {"pollux": {"ansible_host": "192.0.2.12"}, "castor": {"ansible_host": "192.0.2.11"}}
    folder = tmp_path / "inventory"
    folder.mkdir()
    servers = {"servers": {"hosts": hosts, "vars": shared}, "machines": {"vars": shared}}
    (folder / "10-servers.yml").write_text(yaml.safe_dump(servers, sort_keys=False))
    (folder / "20-machines.yml").write_text(yaml.safe_dump(OPTIONS))
    return folder


def run(lab: Lab, program: str, *words: str) -> Any:
    return subprocess.run(
        lab.command(str(Path(sys.executable).with_name(program)), *words),
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_guest_is_found_and_entered(node: Lab, inventory: Path) -> None:
    told = run(node, "ansible-inventory", "-i", str(inventory), "--list")
    found = json.loads(told.stdout)
    assert found["on_castor"]["hosts"] == found["state_running"]["hosts"] == ["probe"], told.stderr
    assert "no connection to 192.0.2.12:8006" in " ".join(told.stderr.split())
    assert "lab-root" not in told.stdout + told.stderr
    done = run(
        node, "ansible", "-i", str(inventory), "probe", "-m", "ansible.builtin.command", "-a", "hostname"
    )
    assert done.stdout == "probe | CHANGED | rc=0 >>\nprobe\n", done.stdout + done.stderr
