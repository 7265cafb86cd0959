# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a real pair, and the way that it gives into a real machine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from tests.entrance_cases import connect
from tests.integration.bed import STATE, Bed
from tests.lab import Lab


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Lab:
    """The lab with a pair, its machine ssa on castor and a replica on pollux."""
    Bed(lab).ready()
    lab.reset(STATE)
    return lab


@pytest.fixture
def inventory(pair: Lab, tmp_path: Path) -> Path:
    """An inventory folder of the pair."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shlex.join(pair.command("ssh", "-F", "/dev/null"))} "$@"\n')
    ssh.chmod(0o755)
    shared = {
        "ansible_user": "root",
        "ansible_ssh_executable": str(ssh),
        "ansible_ssh_private_key_file": str(pair.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={pair.known_hosts} -o LogLevel=ERROR",
        "ansible_ssh_args": "",
        "ansible_ssh_timeout": 2,
    }
    hosts = {"castor": {"ansible_host": "192.0.2.11"}, "pollux": {"ansible_host": "192.0.2.12"}}
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "group_vars" / "servers.yml").write_text(yaml.safe_dump(shared))
    (folder / "10-servers.yml").write_text(yaml.safe_dump({"servers": {"hosts": hosts}}))
    (folder / "20-machines.yml").write_text("plugin: twin.datacenter.machines\n")
    return folder


def read(inventory: Path) -> Any:
    """The host ssa."""
    return InventoryManager(loader=DataLoader(), sources=[str(inventory)]).get_host("ssa")


def groups(host: Any) -> set[str]:
    return {group.name for group in host.get_groups()} - {"all"}


def test_the_machine_of_a_pair(inventory: Path, pair: Lab) -> None:
    host = read(inventory)
    assert groups(host) == {"machines", "kind_lxc", "on_castor", "state_running", "image_tiny"}
    told = host.get_vars()["twin_machine"]
    assert (told["owner"], told["role"], told["addresses"]) == ("castor", "owner", ["192.0.2.21/24"])
    connection = connect(host.get_vars())
    assert int(connection.exec_command("cat /srv/count")[1]) > 0


def test_the_machine_of_a_dead_server(inventory: Path, pair: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    pair.power("castor", "off")
    try:
        assert groups(read(inventory)) >= {"machines", "on_castor", "state_unknown"}
        assert "server castor did not tell its machines" in " ".join(capsys.readouterr().err.split())
    finally:
        pair.power("castor", "on")
