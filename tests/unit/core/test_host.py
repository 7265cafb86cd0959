# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local host and the host behind ssh, on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    CommandMissing,
    TwinError,
    Unreachable,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import (
    LocalHost,
    LocalReader,
    Output,
    SshHost,
)


def test_a_command_answers() -> None:
    output = LocalReader().run(["cat"], stdin="ä\n")
    assert (output.out, output.rc) == ("ä\n", 0)


def test_messages_come_in_one_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert LocalReader().run(["sh", "-c", "echo $LC_ALL"]).out == "C.UTF-8\n"


def test_a_failure_tells_command_code_and_last_line() -> None:
    with pytest.raises(CommandFailed, match="'no such thing' with exit code 3") as failure:
        LocalReader().run(["sh", "-c", "echo first >&2; echo no such thing >&2; exit 3"])
    assert failure.value.facts["rc"] == 3
    assert failure.value.facts["stderr"] == "first\nno such thing\n"


def test_an_expected_code_is_an_answer() -> None:
    assert LocalReader().run(["sh", "-c", "exit 3"], ok=(0, 3)).rc == 3


def test_a_missing_program_is_told_apart() -> None:
    with pytest.raises(CommandMissing, match="no-such-program is not installed"):
        LocalReader().run(["no-such-program"])


def test_a_hanging_command_is_ended() -> None:
    with pytest.raises(CommandFailed, match="did not end"):
        LocalReader().run(["sleep", "60"], timeout=0.1)


def test_a_written_file_is_whole_and_has_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    LocalHost().write(str(path), "secret\n", 0o600)
    assert path.read_text() == "secret\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    LocalHost().write(str(path), "second\n", 0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert LocalReader().listing(str(path.parent)) == ["file"]


def test_what_takes_the_place_of_a_file_has_its_mode_and_its_owner(tmp_path: Path, far: SshHost) -> None:
    for host in (LocalHost(), far):
        path = tmp_path / f"{type(host).__name__} file"
        host.write(str(path), "first\n")
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        os.chown(path, 12345, 54321)
        path.chmod(0o4750)
        host.write(str(path), "second\n")
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o4750, 12345, 54321)
        assert path.read_text() == "second\n"
        link = tmp_path / f"{type(host).__name__} link"
        link.symlink_to(path)
        host.write(str(link), "third\n")
        assert (link.is_symlink(), stat.S_IMODE(link.stat().st_mode), path.read_text()) == (
            False, 0o644, "second\n",
        )  # fmt: skip


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(TwinError, match="could not be written"):
        LocalHost().write(str(tmp_path / "file"), "text")
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_not_there_reads_as_nothing(tmp_path: Path) -> None:
    reader = LocalReader()
    assert reader.read(str(tmp_path / "none")) is None
    assert reader.listing(str(tmp_path / "none")) == []


def test_removing_twice_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for _unused in range(2):
        LocalHost().remove(str(tmp_path / "file"))
    assert os.listdir(tmp_path) == []


def test_a_folder_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(TwinError, match="could not be removed"):
        LocalHost().remove(str(tmp_path / "folder"))


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshHost:
    """An ssh on PATH that does what ssh does with a command: hands one line to a shell."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        'case "$last" in *down) echo No route >&2; exit 255 ;; esac\nexec sh -c "$last"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return SshHost("pollux", ["-i", "/key"])


def test_arguments_arrive_over_there_as_they_are(far: SshHost) -> None:
    assert far.run(["printf", "%s|", "a b", "$HOME", "'", 'x"y', ""]).out == "a b|$HOME|'|x\"y||"


def test_files_over_there(far: SshHost, tmp_path: Path) -> None:
    path = str(tmp_path / "new dir" / "it's")
    assert far.read(path) is None
    far.write(path, "text\n", 0o600)
    assert far.read(path) == "text\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert far.listing(str(tmp_path / "new dir")) == ["it's"]
    far.remove(path)
    assert far.read(path) is None


@pytest.fixture
def hardened() -> Iterator[None]:
    """The umask of a careful administrator."""
    umask = os.umask(0o077)
    yield
    os.umask(umask)


@pytest.mark.usefixtures("hardened")
@pytest.mark.parametrize("here", [True, False])
def test_services_that_are_not_root_find_what_is_written(far: SshHost, tmp_path: Path, here: bool) -> None:
    host = LocalHost() if here else far
    host.write(str(tmp_path / "run" / "network" / "file"), "text\n")
    for path in (tmp_path / "run", tmp_path / "run" / "network"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_no_connection_is_told_apart_from_an_answer(far: SshHost) -> None:
    with pytest.raises(Unreachable, match="pollux could not be reached by ssh: No route"):
        far.run(["down"])
    with pytest.raises(CommandMissing, match="not installed on pollux"):
        far.run(["no-such-program"])
    assert far.answer(["false"], "", None).rc == 1


@pytest.mark.parametrize("rc", [0, 1, 253, 254, 255])
def test_every_exit_code_of_a_command_over_there_is_its_own(far: SshHost, rc: int) -> None:
    """255 too, which ssh keeps for a connection that failed; zfs(8) answers it."""
    script = ["sh", "-c", "cat; printf %s busy >&2; exit $0", str(rc)]
    assert far.answer(script, "read", None) == Output(tuple(script), rc, "read", "busy")


def test_a_command_over_there_that_a_signal_ended_is_no_lost_connection(far: SshHost) -> None:
    with pytest.raises(CommandFailed, match="exit code 137"):
        far.run(["sh", "-c", "kill -9 $$"])
