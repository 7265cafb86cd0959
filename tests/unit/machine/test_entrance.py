# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line that enters a machine, read by a real shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.entrance import (
    WAYS,
    NotEntered,
    entrance,
    verdict,
)
from tests.doubles import entrance as stand_ins

MARK = "twin-mark"
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


@pytest.mark.parametrize("kind", WAYS)
@settings(max_examples=40, deadline=None)
@given(words)
def test_words_arrive_byte_for_byte(server: dict[str, str], shell: str, kind: str, argv: list[str]) -> None:
    command = shlex.join(["printf", r"%s\0", *argv])
    line = entrance(kind, "ssa", command, MARK)
    done = subprocess.run([shell, "-c", line], env=server, capture_output=True, check=True)
    assert done.stdout == b"".join(word.encode() + b"\0" for word in argv)


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.sampled_from(sorted(WAYS))
)
def test_no_shell_finds_anything_to_read_in_the_line(command: str, kind: str) -> None:
    """Csh reads ``!`` and ends of lines between single quotes too, and sh the single quotes alone."""
    line = entrance(kind, "ssa", command, MARK)
    assert line.isascii() and line.isprintable() and "!" not in line
    assert line.count("'") == 4


@given(st.integers(0, 255), st.binary())
def test_what_happens_inside_is_told_as_it_is(rc: int, err: bytes) -> None:
    assert verdict(rc, err, MARK) == (rc, err)


def test_the_code_that_ssh_keeps_for_itself() -> None:
    assert verdict(254, b"said\n" + MARK.encode() + b" 255", MARK) == (255, b"said\n")


def test_a_state_is_told_as_the_server_tells_it() -> None:
    with pytest.raises(NotEntered, match="^FROZEN$"):
        verdict(254, MARK.encode() + b" state FROZEN", MARK)
    with pytest.raises(NotEntered, match="^no state at all$"):
        verdict(254, MARK.encode() + b" state ", MARK)


def test_a_kind_without_a_way_is_refused() -> None:
    with pytest.raises(Refused, match="no way leads into machines of kind qemu; use lxc, jail"):
        entrance("qemu", "ssa", "true", MARK)
