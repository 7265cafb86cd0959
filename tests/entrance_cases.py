# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What connection plugin twin.datacenter.machine promises, wherever the machine is.

The unit tests run it against stand-ins (tests/doubles/entrance.py), the integration tests on the lab.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import become_loader, connection_loader

HOSTILE_NAMES = [
    "plain",
    "two words",
    'it\'s "quoted"',
    "$(touch pwned) `touch pwned` ; & | < > * ? # ~ !",
    "new\nline",
    "-n",
    "back\\slash\\",
    "çà et là ☃",
    "not utf-8 \udcff",
]


def connect(variables: dict[str, Any]) -> Any:
    """A connection with these variables of its host."""
    connection = connection_loader.get("twin.datacenter.machine", PlayContext())
    connection.set_options(var_options=variables)
    become = become_loader.get("ansible.builtin.su")
    become.set_options()
    connection.set_become_plugin(become)
    return connection


class EntranceCases:
    """A subclass gives the fixtures ``machine`` (a connection) and ``inside`` (a folder in the machine)."""

    @pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 130, 254, 255])
    def test_exit_codes_are_exact(self, machine: Any, code: int) -> None:
        assert machine.exec_command(f"echo out; echo err >&2; exit {code}") == (code, b"out\n", b"err\n")

    def test_a_program_that_a_signal_ended_answers_as_in_a_shell(self, machine: Any) -> None:
        assert machine.exec_command("sh -c 'kill -9 $$'")[0] == 137

    def test_output_comes_byte_for_byte(self, machine: Any) -> None:
        raw = bytes(range(256))
        escaped = "".join(f"\\{byte:03o}" for byte in raw)
        assert machine.exec_command(f"printf '{escaped}'") == (0, raw, b"")

    def test_standard_input_comes_byte_for_byte(self, machine: Any, inside: str) -> None:
        raw = bytes(range(256)) * 5000
        assert machine.exec_command(f"cat >{inside}/file", in_data=raw) == (0, b"", b"")
        assert machine.exec_command(f"cat {inside}/file") == (0, raw, b"")

    def test_input_that_waits_for_become_arrives(self, machine: Any) -> None:
        machine.become.success = "BECOME-SUCCESS-abc"
        rc, out, _err = machine.exec_command("echo BECOME-SUCCESS-abc; cat", in_data=b"data")
        assert (rc, out.removeprefix(b"BECOME-SUCCESS-abc\n")) == (0, b"data")

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_any_word_survives(self, machine: Any, name: str) -> None:
        rc, out, _err = machine.exec_command(f"printf %s {shlex.quote(name)}")
        assert (rc, out) == (0, os.fsencode(name))

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_a_file_of_any_name_comes_and_goes(
        self, machine: Any, inside: str, tmp_path: Path, name: str
    ) -> None:
        content = os.urandom(3000)
        (tmp_path / "there").write_bytes(content)
        machine.put_file(str(tmp_path / "there"), f"{inside}/{name}")
        back = tmp_path / name
        machine.fetch_file(f"{inside}/{name}", str(back))
        assert back.read_bytes() == content
        assert machine.exec_command(f"set -- {inside}/*; echo $#") == (0, b"1\n", b"")

    @pytest.mark.parametrize("size", [0, 1, 10_000_000])
    def test_files_of_any_size(self, machine: Any, inside: str, tmp_path: Path, size: int) -> None:
        content = os.urandom(size)
        (tmp_path / "there").write_bytes(content)
        machine.put_file(str(tmp_path / "there"), f"{inside}/file")
        machine.fetch_file(f"{inside}/file", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == content

    def test_a_file_that_cannot_be_written_is_named(self, machine: Any, inside: str, tmp_path: Path) -> None:
        (tmp_path / "there").write_bytes(os.urandom(1_000_000))
        with pytest.raises(AnsibleError, match=f"could not be copied to {inside}/no/file"):
            machine.put_file(str(tmp_path / "there"), f"{inside}/no/file")

    def test_a_file_that_is_not_there_is_named(self, machine: Any, inside: str, tmp_path: Path) -> None:
        with pytest.raises(AnsibleError, match=f"file {inside}/none could not be copied"):
            machine.fetch_file(f"{inside}/none", str(tmp_path / "back"))

    def test_the_environment_is_the_machines_own(self, machine: Any) -> None:
        words = machine.exec_command("env")[1].decode().split("\n")
        assert "HOME=/root" in words
        assert not [word for word in words if word.startswith(("SSH_", "SUDO_", "MACHINES"))]
        (path,) = (word for word in words if word.startswith("PATH="))
        assert {"/usr/local/sbin", "/usr/local/bin", "/sbin"} <= set(path.removeprefix("PATH=").split(":"))

    def test_a_machine_that_is_not_there_is_named_with_its_server(self, variables: dict[str, Any]) -> None:
        number = {"ansible_twin_vmid": 999} if "ansible_twin_vmid" in variables else {}
        connection = connect({**variables, "ansible_twin_machine": "nobody", **number})
        with pytest.raises(AnsibleConnectionFailure, match="machine nobody .* on server castor.* start it"):
            connection.exec_command("true")

    def test_a_kind_without_a_way_is_refused(self, variables: dict[str, Any]) -> None:
        connection = connect({**variables, "ansible_twin_kind": "zone"})
        with pytest.raises(AnsibleConnectionFailure, match="no way leads into machines of kind zone"):
            connection.exec_command("true")
