# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into a machine, over stand-ins of ssh, LXC and jails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from tests.doubles import entrance
from tests.entrance_cases import EntranceCases, connect

# What a server says of machine tap, which is stopped, by platform and kind.
STOPPED = {
    ("", "lxc"): "STOPPED",
    ("", "jail"): 'jls: jail "tap" not found',
    ("proxmox", "lxc"): "container '102' not running!",
    ("proxmox", "qemu"): "VM 102 is not running",
}


@pytest.mark.parametrize("sort", STOPPED, ids="-".join)
class TestOverStandIns(EntranceCases):
    @pytest.fixture
    def server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The folder of the stand-ins, with one running machine and one stopped."""
        folder = tmp_path / "server"
        for name, value in entrance.install(folder).items():
            monkeypatch.setenv(name, value)
        (folder / "machines" / "ssa").write_text("RUNNING\n")
        (folder / "machines" / "tap").write_text("STOPPED\n")
        (folder / "machines" / "101").write_text("RUNNING\n")
        (folder / "machines" / "102").write_text("STOPPED\n")
        return folder

    @pytest.fixture
    def variables(self, server: Path, sort: tuple[str, str]) -> dict[str, Any]:
        platform, kind = sort
        return {
            **({"ansible_twin_platform": platform, "ansible_twin_vmid": 101} if platform else {}),
            "inventory_hostname": "ssa",
            "ansible_host": "192.0.2.11",
            "ansible_user": "alice",
            "ansible_ssh_executable": str(server / "bin" / "ssh"),
            "ansible_ssh_args": "-o ControlMaster=no",
            "ansible_twin_kind": kind,
            "ansible_twin_machine": "ssa",
            "ansible_twin_server": "castor",
        }

    @pytest.fixture
    def machine(self, variables: dict[str, Any]) -> Any:
        return connect(variables)

    @pytest.fixture
    def inside(self, server: Path) -> str:
        (server / "inside").mkdir()
        return str(server / "inside")

    def test_a_stopped_machine_is_named_with_its_server(
        self, variables: dict[str, Any], sort: tuple[str, str]
    ) -> None:
        number = {"ansible_twin_vmid": 102} if sort[0] else {}
        connection = connect({**variables, "ansible_twin_machine": "tap", **number})
        with pytest.raises(
            AnsibleConnectionFailure, match=f"machine tap .* server castor: its state is {STOPPED[sort]}; "
        ):
            connection.exec_command("true")

    def test_only_a_broken_connection_is_tried_again(self, variables: dict[str, Any], server: Path) -> None:
        connection = connect({**variables, "ansible_ssh_retries": 2})
        connection.exec_command("exit 255")
        assert len((server / "calls").read_text().split("true\n")) == 1
        before = (server / "calls").read_text()
        (server / "cut").touch()
        with pytest.raises(AnsibleConnectionFailure, match="No route to host"):
            connection.exec_command("true")
        (server / "cut").unlink()
        assert (server / "calls").read_text() == before

    def test_one_ssh_for_each_command(self, machine: Any, server: Path) -> None:
        machine.exec_command("true")
        assert (server / "calls").read_text().count("192.0.2.11") == 1

    def test_the_account_on_the_server_is_not_the_one_inside(self, machine: Any, server: Path) -> None:
        machine.exec_command("true")
        assert 'User="alice"' in (server / "calls").read_text()
        assert machine.get_option("remote_user") == "root"

    def test_machines_share_the_connection_of_their_server(
        self, variables: dict[str, Any], server: Path, tmp_path: Path
    ) -> None:
        shared = {
            **variables,
            "ansible_ssh_args": "-o ControlPersist=60s",
            "ansible_control_path_dir": str(tmp_path / "cp"),
        }
        plain = connection_loader.get("ansible.builtin.ssh", PlayContext())
        plain.set_options(var_options=shared)
        plain.exec_command("true", sudoable=False)
        connect(shared).exec_command("true")
        paths = set(re.findall(r'ControlPath="(\S+)"', (server / "calls").read_text()))
        assert len(paths) == 1

    def test_no_terminal_is_asked_for(self, machine: Any, server: Path) -> None:
        machine.exec_command("true", sudoable=True)
        assert " -tt " not in (server / "calls").read_text()

    def test_a_file_that_the_control_node_lacks_is_named(self, machine: Any, tmp_path: Path) -> None:
        with pytest.raises(AnsibleFileNotFound, match="none"):
            machine.put_file(str(tmp_path / "none"), "/tmp/none")

    def test_a_mark_that_a_program_prints_changes_nothing(self, machine: Any) -> None:
        assert machine.exec_command("echo 'twin-0123 255' >&2; exit 254") == (254, b"", b"twin-0123 255\n")

    def test_what_jexec_says_inside_is_no_word_of_ours(self, machine: Any) -> None:
        said = 'jexec: jail "ssa" not found'
        assert machine.exec_command(f"echo '{said}' >&2; exit 1") == (1, b"", f"{said}\n".encode())


class TestVirtualMachineOfProxmox:
    """What a guest agent cannot do as a stream can."""

    @pytest.fixture
    def machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        folder = tmp_path / "server"
        for name, value in entrance.install(folder).items():
            monkeypatch.setenv(name, value)
        (folder / "machines" / "102").write_text("RUNNING\n")
        return connect(
            {
                "inventory_hostname": "web",
                "ansible_host": "192.0.2.11",
                "ansible_ssh_executable": str(folder / "bin" / "ssh"),
                "ansible_ssh_args": "",
                "ansible_twin_platform": "proxmox",
                "ansible_twin_kind": "qemu",
                "ansible_twin_machine": "web",
                "ansible_twin_vmid": 102,
                "ansible_twin_server": "castor",
            }
        )

    def test_output_longer_than_the_agent_keeps_is_no_success(self, machine: Any) -> None:
        with pytest.raises(AnsibleError, match="machine web on server castor: a command wrote more than"):
            machine.exec_command(f"head -c {2**24 + 1} /dev/zero")

    def test_long_input_leaves_no_file_behind(self, machine: Any) -> None:
        assert machine.exec_command("sha256sum; exit 7", in_data=b"x" * 3_000_000)[0] == 7
        path = machine.exec_command("readlink /proc/self/fd/0", in_data=b"x" * 3_000_000)[1].decode()
        assert path.endswith("(deleted)\n")

    def test_bytes_arrive_however_qm_writes_them(self, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for encoding in ("latin-1", "utf-8"):
            monkeypatch.setenv("QM_ENCODING", encoding)
            assert machine.exec_command(r"printf '\303\251\377'; printf '\351' >&2") == (
                0,
                b"\xc3\xa9\xff",
                b"\xe9",
            )

    def test_a_command_without_input_gets_none(self, machine: Any) -> None:
        assert machine.exec_command("cat") == (0, b"", b"")
