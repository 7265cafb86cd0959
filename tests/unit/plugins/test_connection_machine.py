# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into a machine, over stand-ins of ssh, LXC and jails."""

from __future__ import annotations

import re
import shlex
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


def on_proxmox(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, **more: Any) -> Any:
    """A connection to machine web, number 102, over stand-ins that are put into a folder."""
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
            "ansible_twin_kind": kind,
            "ansible_twin_machine": "web",
            "ansible_twin_vmid": 102,
            "ansible_twin_server": "castor",
            **more,
        }
    )


class TestVirtualMachineOfProxmox:
    """What a guest agent cannot do as a stream can."""

    @pytest.fixture
    def machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        return on_proxmox(tmp_path / "server", monkeypatch, "qemu")

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


class TestDefectsOfPeers:
    """What the connection plugins of community.proxmox got wrong (read at its commit 4a7ebd9)."""

    PLUGINS = pytest.mark.parametrize("kind", ["qemu", "lxc"], ids=["proxmox_qemu_api", "proxmox_pct_remote"])

    def test_proxmox_qemu_api_asks_for_ever(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It asked for the end of a program without a bound, that of a machine that runs no more too."""
        machine = on_proxmox(tmp_path / "server", monkeypatch, "qemu")
        with pytest.raises(AnsibleConnectionFailure, match="web cannot .* state is VM 102 is not running"):
            machine.exec_command(f"echo STOPPED >{tmp_path}/server/machines/102")

    @PLUGINS
    def test_standard_input_is_ignored(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        """So no module could be piped in, and become got no password."""
        machine = on_proxmox(tmp_path / "server", monkeypatch, kind)
        assert machine.exec_command("cat; exit 3", in_data=b"data\0") == (3, b"data\0", b"")
        assert machine.has_pipelining

    @PLUGINS
    def test_paths_of_files_are_not_quoted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        machine = on_proxmox(tmp_path / "server", monkeypatch, kind)
        (tmp_path / "file").write_bytes(b"data")
        there = tmp_path / "a; touch b; $(touch b) 'c'"
        machine.put_file(str(tmp_path / "file"), str(there))
        assert there.read_bytes() == b"data"
        machine.fetch_file(str(there), str(tmp_path / "back"))
        assert sorted(each.name for each in tmp_path.iterdir()) == [there.name, "back", "file", "server"]

    @PLUGINS
    def test_words_depend_on_how_often_they_are_quoted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        machine = on_proxmox(tmp_path / "server", monkeypatch, kind)
        word = """a 'b' "c" $(d) `e` \\\\f !g"""
        assert machine.exec_command(f"printf %s {shlex.quote(word)}")[1].decode() == word

    def test_proxmox_pct_remote_opens_a_session_for_each_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With paramiko, each with a key exchange of its own; here ssh is told to keep one and share it."""
        persist = {"ansible_ssh_args": "-o ControlPersist=60s", "ansible_control_path_dir": str(tmp_path)}
        machine = on_proxmox(tmp_path / "server", monkeypatch, "lxc", **persist)
        for _unused in range(3):
            machine.exec_command("true")
        calls = (tmp_path / "server" / "calls").read_text()
        assert calls.count("ControlPersist=60s") == 3
        assert len(set(re.findall(r'ControlPath="(\S+)"', calls))) == 1
