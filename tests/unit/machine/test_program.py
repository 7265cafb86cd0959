# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program twin: its words, its exit codes, and what it says, on two servers in memory."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._machine.program import (
    DONE,
    FAILED,
    REFUSED,
    UNFINISHED,
    main,
    run,
)
from tests.doubles.machines import MachineServer, MemoryScene, two_servers

Servers = tuple[MachineServer, MachineServer]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    return two_servers(str(tmp_path))


def twin(servers: Servers, *words: str) -> int:
    return run(words, MemoryScene(*servers))


def killed_at(servers: Servers, *argv: str) -> None:
    """A move that dies before its first change that begins so."""

    def fault(words: tuple[str, ...]) -> Output | None:
        if words[: len(argv)] == argv:
            raise Killed
        return None

    servers[0].fault = fault
    with pytest.raises(Killed):
        twin(servers, "move", "ssa", "--to", "pollux")
    servers[0].fault = lambda words: None


def test_move_says_what_it_does(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    assert twin(servers, "move", "ssa", "--to", "pollux") == DONE
    said = capsys.readouterr().out
    assert "stop ssa on castor\n" in said
    assert "round 1: " in said
    assert "machine ssa is on pollux: " in said.splitlines()[-1]
    assert twin((servers[1], servers[0]), "move", "ssa", "--to", "pollux") == DONE
    assert capsys.readouterr().out == "machine ssa is on pollux already\n"


@pytest.mark.parametrize(("flavour", "sign"), [("fuse", "≤"), ("openzfs-2.3", "≈")])
def test_check_says_what_it_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flavour: str, sign: str
) -> None:
    servers = two_servers(str(tmp_path), flavour)
    servers[0].change(["zfs", "snapshot", "-r", "tank/machines/ssa@twin-20261120T000000Z"])
    servers[0].changes.clear()
    assert twin(servers, "move", "ssa", "--to", "pollux", "--check", "--json") == DONE
    end = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert end["changed"] is True
    assert end["plan"][0].startswith(f"send ssa to pollux: {sign} ")
    assert (end["source"], end["target"], end["rc"]) == ("castor", "pollux", 0)
    assert not servers[0].changes


def test_refusals_are_one_sentence(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    assert twin(servers, "move", "ssa", "--to", "nowhere") == REFUSED
    assert capsys.readouterr().err == (
        "twin: server nowhere: it is none of this pair; use castor or pollux.\n"
    )
    assert twin(servers, "undo", "ssa", "--json") == REFUSED
    assert json.loads(capsys.readouterr().out)["error"].endswith("there is nothing to undo.")


def test_two_at_once_are_told_apart(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    with servers[0].station.locked("ssa"):
        assert twin(servers, "resume", "ssa", "--json") == REFUSED
    assert json.loads(capsys.readouterr().out)["busy"] is True


def test_resume_finishes_everything(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    assert twin(servers, "resume") == DONE
    assert capsys.readouterr().out == "no move is unfinished\n"
    killed_at(servers, "lxc-stop")
    assert twin(servers, "move", "ssa", "--to", "pollux", "--check") == DONE
    assert "finish the move of ssa from castor to pollux" in capsys.readouterr().out
    assert twin(servers, "resume") == DONE
    assert servers[1].running


def test_one_damaged_journal_keeps_no_other_move(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    killed_at(servers, "lxc-stop")
    servers[0].files["/var/lib/twin/journal/broken.json"] = "{"
    assert twin(servers, "resume") == REFUSED
    assert "journal of machine broken: it is damaged" in capsys.readouterr().out
    assert servers[1].running


def unattended(servers: Servers, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """What the timer starts: its exit code, and what it said."""
    code = twin(servers, "resume", "--unattended")
    return code, capsys.readouterr().out


def test_unattended_it_is_silent_where_nothing_is_to_be_done(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    assert unattended(servers, capsys) == (DONE, "")
    assert not servers[0].changes
    twin(servers, "move", "ssa", "--to", "pollux")
    capsys.readouterr()
    for side in (servers, servers[::-1]):
        assert unattended(side, capsys) == (DONE, "")


def test_unattended_it_finishes_what_was_cut_off(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    killed_at(servers, "lxc-stop")
    code, said = unattended(servers, capsys)
    assert code == DONE
    assert "machine ssa is on pollux: " in said
    assert servers[1].running
    assert unattended(servers, capsys) == (DONE, "")


def test_unattended_it_passes_over_a_move_that_is_at_work(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that somebody has stopped (SIGSTOP) has the lock too."""
    killed_at(servers, "lxc-stop")
    capsys.readouterr()
    with servers[0].station.locked("ssa"):
        assert unattended(servers, capsys) == (DONE, "")
    assert not servers[1].running


def test_unattended_it_says_once_that_the_twin_is_away(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    castor, pollux = servers

    def fault(words: tuple[str, ...]) -> Output | None:
        if words[:2] == ("zfs", "set") and words[2].startswith("twin:owner"):
            castor.link.up = False
        return None

    castor.fault = fault
    assert twin(servers, "move", "ssa", "--to", "pollux") == UNFINISHED
    castor.fault = lambda words: None
    capsys.readouterr()
    code, said = unattended(servers, capsys)
    assert code == UNFINISHED
    assert said.startswith("machine ssa was handed over to pollux, but pollux cannot be reached from castor")
    assert unattended(servers, capsys) == (UNFINISHED, "")
    castor.link.up = True
    code, said = unattended(servers, capsys)
    assert code == DONE
    assert "machine ssa is on pollux: " in said
    assert pollux.running
    assert unattended(servers, capsys) == (DONE, "")


def test_unattended_a_machine_that_stays_where_it_was_is_no_failure(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    killed_at(servers, "lxc-stop")
    servers[0].link.up = False
    code, said = unattended(servers, capsys)
    assert code == DONE
    assert "machine ssa stayed on castor: pollux cannot be reached" in said
    assert servers[0].running


def test_unattended_a_damaged_journal_is_a_failure_and_said_once(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    killed_at(servers, "lxc-stop")
    servers[0].files["/var/lib/twin/journal/broken.json"] = "{"
    code, said = unattended(servers, capsys)
    assert code == REFUSED
    assert "journal of machine broken: it is damaged" in said
    assert servers[1].running
    assert unattended(servers, capsys) == (REFUSED, "")
    del servers[0].files["/var/lib/twin/journal/broken.json"]
    assert unattended(servers, capsys) == (DONE, "")
    assert servers[0].files["/var/run/twin/unfinished.json"] == "{}"


def test_a_machine_that_was_stopped_on_the_target_alone_stays_so(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    """The source died when the target had taken the machine; the target starts it, once."""
    castor, pollux = servers

    def fault(words: tuple[str, ...]) -> Output | None:
        if words[:2] == ("zfs", "inherit") and "readonly" in words:
            castor.link.up = False
        return None

    pollux.fault = fault
    assert twin(servers, "move", "ssa", "--to", "pollux") == UNFINISHED
    pollux.fault = lambda words: None
    capsys.readouterr()
    alone = (pollux, castor)
    code, said = unattended(alone, capsys)
    assert code == UNFINISHED
    assert "machine ssa is on pollux, which owns it" in said
    assert pollux.running
    pollux.station.stop("ssa")
    assert unattended(alone, capsys) == (UNFINISHED, "")
    assert not pollux.running


def test_a_failure_before_the_commit_is_told(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    killed_at(servers, "lxc-stop")
    servers[0].link.up = False
    assert twin(servers, "resume", "ssa") == FAILED
    assert "machine ssa stayed on castor: pollux cannot be reached" in capsys.readouterr().out
    assert servers[0].running


def test_a_failure_after_the_commit_is_not_the_end(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    castor, pollux = servers

    def fault(words: tuple[str, ...]) -> Output | None:
        if words[:2] == ("zfs", "set") and words[2].startswith("twin:owner"):
            castor.link.up = False
        return None

    castor.fault = fault
    assert twin(servers, "move", "ssa", "--to", "pollux") == UNFINISHED
    assert "when it can be: twin resume ssa" in capsys.readouterr().out
    assert not castor.running and not pollux.running
    castor.link.up = True
    assert twin(servers, "resume", "ssa") == DONE
    assert pollux.running


def test_undo(servers: Servers) -> None:
    killed_at(servers, "lxc-stop")
    assert twin(servers, "undo", "ssa") == DONE
    assert servers[0].running


def test_guard(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    assert twin(servers, "guard", "ssa", "ssa", "lxc", "pre-start") == DONE
    assert twin((servers[1], servers[0]), "guard", "ssa") == REFUSED
    assert "this copy belongs to no server" in capsys.readouterr().err


def test_replicate(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    assert twin(servers, "replicate") == DONE
    assert "sent to pollux" in capsys.readouterr().out
    assert twin((servers[1], servers[0]), "replicate", "ssa") == DONE
    assert "is not of this server" in capsys.readouterr().out
    with servers[0].station.locked("ssa"):
        assert twin(servers, "replicate") == DONE


def test_a_replication_that_fails(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    """It is bad when the replica is older than it may be; until then it is only not finished."""
    castor = servers[0]
    castor.link.up = False
    assert twin(servers, "replicate") == FAILED
    assert capsys.readouterr().out == (
        "machine ssa has no replica on pollux: server pollux: it answers at none of its addresses.\n"
    )
    castor.link.up = True
    assert twin(servers, "replicate") == DONE
    castor.link.up = False
    capsys.readouterr()
    assert twin(servers, "replicate") == UNFINISHED
    assert re.match(
        r"the replica of ssa on pollux is \d s old, within its rpo of 15 min: server pollux: it answers",
        capsys.readouterr().out,
    )
    assert castor.station.info()["machines"][0]["late"] is None
    castor.station.enter("ssa", {"snapshot": "twin-20260101T000000Z"})
    assert twin(servers, "replicate") == FAILED
    assert re.match(
        r"the replica of ssa on pollux is \d+ d old, more than its rpo of 15 min: server pollux: it",
        capsys.readouterr().out,
    )
    assert "more than its rpo" in castor.station.info()["machines"][0]["late"]


def test_info(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    assert twin(servers, "info") == DONE
    assert json.loads(capsys.readouterr().out)["machines"][0]["owner"] == "castor"


@pytest.mark.parametrize(
    "command", ["", "id", "zfs destroy tank", "twin", "twin look", "twin peer x y", "twin look ssa", "a 'b"]
)
def test_the_key_of_the_twin_opens_no_shell(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", command)
    monkeypatch.setattr("sys.stdin", io.StringIO("no JSON"))
    assert main(["peer"]) == REFUSED
    assert capsys.readouterr().err.startswith("twin: ")
