# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line that enters a machine, read by a real shell."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.entrance import (
    WAYS,
    NotEntered,
    Truncated,
    Way,
    entrance,
    verdict,
    way_of,
)
from tests.doubles import entrance as stand_ins

MARK = "twin-mark"
ARRIVED = MARK.encode() + b"\xff\n"
LXC, PCT, QM = way_of("debian", "lxc"), way_of("proxmox", "lxc"), way_of("proxmox", "qemu")
words = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=3
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a shell on a server with one running machine."""
    folder = tmp_path_factory.mktemp("server") / "server"
    environment = stand_ins.install(folder)
    Path(environment["MACHINES"], "ssa").write_text("RUNNING\n")
    return environment


@pytest.fixture(scope="module", params=["sh", "csh"])
def shell(request: pytest.FixtureRequest) -> str:
    """The account's shell on the server; that of root is csh on FreeBSD before 14."""
    return str(shutil.which(request.param))


@pytest.mark.parametrize("way", WAYS.values(), ids=map("-".join, WAYS))
@settings(max_examples=40, deadline=None)
@given(words)
def test_words_arrive_byte_for_byte(server: dict[str, str], shell: str, way: Way, argv: list[str]) -> None:
    command = shlex.join(["printf", r"%s\0", *argv])
    line = entrance(way, "ssa", command, MARK, fed=False)
    done = subprocess.run([shell, "-c", line], env=server, capture_output=True, check=True)
    told = verdict(way, (done.returncode, done.stdout, done.stderr), MARK)
    assert told == (0, b"".join(word.encode() + b"\0" for word in argv), b"")


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.sampled_from(list(WAYS.values())),
)
def test_no_shell_finds_anything_to_read_in_the_line(command: str, way: Way) -> None:
    """Csh reads ``!`` and ends of lines between single quotes too, and sh the single quotes alone."""
    line = entrance(way, "ssa", command, MARK)
    assert line.isascii() and line.isprintable() and "!" not in line
    assert line.count("'") == 4


@example(254, b"", b" state ")
@example(254, b"", b" 255")
@given(st.integers(0, 255), st.binary(), st.binary())
def test_what_happens_inside_is_told_as_it_is(rc: int, out: bytes, err: bytes) -> None:
    assert verdict(LXC, (rc, out, err), MARK) == (rc, out, err)
    assert verdict(PCT, (rc, out, b"perl: warning\n" + ARRIVED + err), MARK) == (rc, out, err)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@given(rc=st.integers(0, 255), out=st.binary(), err=st.binary())
def test_the_answer_of_a_guest_agent_is_read_byte_for_byte(
    encoding: str, rc: int, out: bytes, err: bytes
) -> None:
    answer = {"exited": 1, "exitcode": rc, "out-data": out.decode("latin-1")}
    answer["err-data"] = (ARRIVED + err).decode("latin-1")
    text = json.dumps(answer, ensure_ascii=False).encode(encoding)
    assert verdict(QM, (0, text, b""), MARK) == (rc, out, err)


def test_a_signal_in_a_virtual_machine_is_told_as_by_a_shell() -> None:
    text = json.dumps({"exited": 1, "signal": 9, "err-data": ARRIVED.decode("latin-1")}).encode()
    assert verdict(QM, (0, text, b""), MARK) == (137, b"", b"")


def test_output_that_the_guest_agent_did_not_keep_is_an_error() -> None:
    text = json.dumps({"exited": 1, "exitcode": 0, "out-data": "x", "out-truncated": 1}).encode()
    with pytest.raises(Truncated):
        verdict(QM, (0, text, b""), MARK)


def test_the_code_that_ssh_keeps_for_itself() -> None:
    assert verdict(LXC, (254, b"", b"said\n" + MARK.encode() + b" 255"), MARK) == (255, b"", b"said\n")
    assert verdict(PCT, (254, b"", ARRIVED + b"said\n" + MARK.encode() + b" 255"), MARK) == (
        255,
        b"",
        b"said\n",
    )


def test_a_state_is_told_as_the_server_tells_it() -> None:
    with pytest.raises(NotEntered, match="^FROZEN$"):
        verdict(LXC, (254, b"", MARK.encode() + b" state FROZEN"), MARK)
    with pytest.raises(NotEntered, match="^no state at all$"):
        verdict(LXC, (254, b"", MARK.encode() + b" state "), MARK)


@pytest.mark.parametrize("kind", ["lxc", "qemu"])
@pytest.mark.parametrize("end", [b"", MARK.encode() + b" 255"])
def test_why_proxmox_could_not_enter_is_told(kind: str, end: bytes) -> None:
    """With the errors of the recordings, whose exit codes are 2 and 255."""
    said = b"Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"
    with pytest.raises(NotEntered, match="^Configuration file 'nodes/pve1/lxc/999.conf' does not exist$"):
        verdict(way_of("proxmox", kind), (254 if end else 2, b"", said + end), MARK)


def test_a_kind_says_its_platform_where_it_is_of_one_alone() -> None:
    assert way_of("", "lxc") is way_of("debian", "lxc")
    assert way_of("", "jail") is way_of("freebsd", "jail")


def test_a_kind_without_a_way_is_refused() -> None:
    with pytest.raises(Refused, match="no way leads into machines of kind qemu; use lxc, jail"):
        way_of("", "qemu")
    with pytest.raises(
        Refused, match="no way leads into machines of kind jail on platform proxmox; use lxc, qemu"
    ):
        way_of("proxmox", "jail")
