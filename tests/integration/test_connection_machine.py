# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into a machine on castor: an unprivileged LXC machine, a jail if castor behaves as FreeBSD, or a
container of Proxmox VE if castor is one of its nodes.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure

from tests.entrance_cases import EntranceCases, connect
from tests.lab import Lab


@dataclass(frozen=True)
class Kind:
    """How machine ``probe`` is made, stopped, started and removed; what is said of it while it is stopped;
    and variables of its own.
    """

    name: str
    make: str
    stop: str
    start: str
    remove: str
    stopped: str
    variables: dict[str, Any] = field(default_factory=dict)


LXC = Kind(
    "lxc",
    "small_machine.sh",
    stop="lxc-stop --kill --name probe",
    start="lxc-start --name probe",
    remove="lxc-destroy --force --name probe",
    stopped="STOPPED",
)
JAIL = Kind(
    "jail",
    "small_jail.sh",
    stop="jail -r -f /etc/jail.conf.d/probe.conf probe",
    start="jail -q -c -f /etc/jail.conf.d/probe.conf probe",
    remove="jail -r -f /etc/jail.conf.d/probe.conf probe"
    " && rm -r /etc/jail.conf.d/probe.conf /etc/fstab.probe /var/jails/probe",
    stopped='jls: jail "probe" not found',
)
PROXMOX = Kind(
    "lxc",
    "small_guest.sh",
    stop="pct stop 900",
    start="pct start 900",
    remove="pct stop 900 && pct destroy 900",
    stopped="container '900' not running!",
    variables={"ansible_twin_platform": "proxmox", "ansible_twin_vmid": 900},
)


@pytest.fixture(scope="module")
def kind(lab: Lab) -> Kind:
    """That which the servers of the lab can run."""
    status = lab.status()
    return JAIL if status["freebsd"] else PROXMOX if status.get("proxmox") else LXC


@pytest.fixture(scope="module")
def probe(lab: Lab, kind: Kind) -> Iterator[str]:
    """The name of a running machine on castor."""
    made = lab.ssh("castor", "sh", "-s", "probe", input=Path(__file__).with_name(kind.make).read_text())
    assert made.returncode == 0, made.stderr
    yield "probe"
    gone = lab.ssh("castor", kind.remove)
    assert gone.returncode == 0, gone.stderr


@pytest.fixture(scope="module")
def variables(lab: Lab, kind: Kind, probe: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the inventory says about the machine."""
    ssh = tmp_path_factory.mktemp("bin") / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shlex.join(lab.command("ssh", "-F", "/dev/null"))} "$@"\n')
    ssh.chmod(0o755)
    return {
        "inventory_hostname": probe,
        "ansible_connection": "twin.datacenter.machine",
        "ansible_host": "192.0.2.11",
        "ansible_user": "root",
        "ansible_ssh_executable": str(ssh),
        "ansible_ssh_private_key_file": str(lab.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts} -o LogLevel=ERROR",
        "ansible_control_path_dir": str(tmp_path_factory.mktemp("cp")),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_twin_kind": kind.name,
        **kind.variables,
        "ansible_twin_machine": probe,
        "ansible_twin_server": "castor",
    }


class TestOnTheLab(EntranceCases):
    @pytest.fixture
    def variables(self, variables: dict[str, Any]) -> dict[str, Any]:
        return variables

    @pytest.fixture
    def machine(self, variables: dict[str, Any]) -> Any:
        return connect(variables)

    @pytest.fixture
    def inside(self, machine: Any) -> Iterator[str]:
        folder = machine.exec_command("mktemp -d /root/XXXXXX")[1].decode().strip()
        yield folder
        machine.exec_command(f"rm -r {folder}")

    @pytest.mark.parametrize("way", ["", "/proc/1/root", "/proc/self/root", "../../../../../../.."])
    def test_a_hostile_link_leads_nowhere(
        self, machine: Any, lab: Lab, kind: Kind, inside: str, tmp_path: Path, way: str
    ) -> None:
        """What the machine's owner makes of paths inside, the server's files are out of reach."""
        if kind is JAIL and way.startswith("/proc"):
            pytest.skip("a jail has no /proc, so that such a link leads to nothing at all")
        machine.exec_command(f"ln -s {way}/etc/victim {inside}/link; echo own >/etc/hostname")
        (tmp_path / "file").write_text("content")
        machine.put_file(str(tmp_path / "file"), f"{inside}/link")
        assert machine.exec_command("cat /etc/victim")[1] == b"content"
        assert lab.ssh("castor", "test", "-e", "/etc/victim").returncode == 1
        machine.exec_command(f"ln -sf {way}/etc/hostname {inside}/link")
        machine.fetch_file(f"{inside}/link", str(tmp_path / "back"))
        assert (tmp_path / "back").read_text() == "own\n"

    def test_a_stopped_machine_is_named_with_its_server(self, machine: Any, lab: Lab, kind: Kind) -> None:
        lab.ssh("castor", kind.stop)
        try:
            with pytest.raises(
                Exception, match=f"probe cannot be entered on server castor: its state is {kind.stopped}"
            ):
                machine.exec_command("true")
        finally:
            lab.ssh("castor", kind.start)

    def test_another_account_of_the_server_comes_by_sudo(
        self, variables: dict[str, Any], lab: Lab, kind: Kind
    ) -> None:
        if kind is JAIL:
            pytest.skip("the lab's FreeBSD servers have no sudo until role server brings it")
        made = lab.ssh("castor", "sh", "-s", input=BOB)
        assert made.returncode == 0, made.stderr
        try:
            connection = connect({**variables, "ansible_user": "bob"})
            assert connection.exec_command("id -u; exit 255") == (255, b"0\n", b"")
            lab.ssh("castor", "rm", "/etc/sudoers.d/bob")
            with pytest.raises(AnsibleConnectionFailure, match="its state is sudo: a password is required"):
                connection.exec_command("true")
        finally:
            # By force: the kept connection of his is still there.
            lab.ssh("castor", "userdel", "--force", "--remove", "bob", check=True)


BOB = """
set -eu
command -v sudo >/dev/null || apt-get -qq install sudo >/dev/null 2>&1
useradd --create-home bob
cp -r /root/.ssh /home/bob/
chown -R bob /home/bob/.ssh
echo 'bob ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/bob
"""
PLAY = """
- hosts: probe
  gather_facts: false
  tasks:
    - ansible.builtin.command: sh -c 'exit 255'
      register: code
      failed_when: code.rc != 255
    - ansible.builtin.command: id -un
      register: before
      failed_when: before.stdout != 'root'
    - ansible.builtin.command: id -un
      become: true
      become_user: alice
      register: after
      failed_when: after.stdout != 'alice'
    - ansible.builtin.copy:
        content: "{{ 'line\\n' * 1000 }}"
        dest: "/home/alice/it's a \\"file\\""
        mode: "0640"
      become: true
      become_user: alice
    - ansible.builtin.stat:
        path: "/home/alice/it's a \\"file\\""
      register: written
      failed_when: written.stat.pw_name != 'alice' or written.stat.size != 5000
    - ansible.builtin.slurp:
        src: "/home/alice/it's a \\"file\\""
"""


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_play_inside(variables: dict[str, Any], tmp_path: Path, pipelining: bool) -> None:
    """Modules, become and files, by ansible-playbook."""
    settings = {
        **variables,
        "ansible_become_method": "su",
        "ansible_pipelining": pipelining,
        "ansible_shell_allow_world_readable_temp": True,
    }
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"probe": settings}}}))
    (tmp_path / "play.yml").write_text(PLAY)
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory.yml", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
