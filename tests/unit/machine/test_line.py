# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line to the other end of the program, without ssh between the two."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    CommandFailed,
    CommandMissing,
    Refused,
    TwinError,
    Unreachable,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._machine import peer
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import Pair, Peer
from ansible_collections.twin.datacenter.plugins.module_utils._machine.line import LineHost, serve
from ansible_collections.twin.datacenter.plugins.module_utils._machine.peer import Twin

FAR = """
import sys
from ansible_collections.twin.datacenter.plugins.module_utils._machine import program
program.PAIR = sys.argv[1]
sys.exit(program.main(["peer"]))
"""
ZFS = """#!/bin/sh
case $* in
*last*) kill -9 $PPID ;;
*slow*) kill -USR1 $ASKER; sleep 5 ;;
*fails*) echo "cannot open it" >&2; exit 1 ;;
*busy*) echo "dataset is busy" >&2; exit 255 ;;
esac
echo "$PPID $*"
cat
"""


class Near(LineHost):
    """A host at the other end of a pipe.

    :param program: what answers there.
    """

    def __init__(self, program: Sequence[str]) -> None:
        super().__init__("pollux", ())
        self._program = tuple(program)

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        return ("env", f"SSH_ORIGINAL_COMMAND={' '.join(argv)}", *self._program)


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Near:
    """A host with a zfs that says by whom and what it was asked; some datasets are its end."""
    zfs = tmp_path / "zfs"
    zfs.write_text(ZFS)
    zfs.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKER", str(os.getpid()))
    pair = tmp_path / "pair.json"
    pair.write_text('{"pool": "tank"}')
    return Near([sys.executable, "-c", FAR, str(pair)])


def get(name: str) -> list[str]:
    return ["zfs", "get", "guid", f"tank/machines/{name}"]


def test_one_program_answers_all(near: Near) -> None:
    texts = [near.run(get(name), stdin=f"{name}\n\udcff").out for name in ("a", "b")]
    (first, a), (second, b) = (text.split(" ", 1) for text in texts)
    assert first == second
    assert os.getsid(int(first)) != os.getsid(0), "a Ctrl-C would end it"
    assert a == "get guid tank/machines/a\na\n\udcff"
    assert b == "get guid tank/machines/b\nb\n\udcff"


def test_each_command_is_judged(near: Near) -> None:
    for words in (["id"], ["zfs", "destroy", "tank"], ["twin", "line"], ["twin", "look"]):
        with pytest.raises(CommandFailed, match="the key of the twin runs only"):
            near.run(words)
    assert near.run(get("a")).out


def test_exit_codes(near: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandFailed, match="cannot open it"):
        near.run(get("fails"))
    # Some failures of zfs(8) have the exit code by which ssh says that it could not connect.
    with pytest.raises(CommandFailed, match="dataset is busy"):
        near.run(get("busy"))
    with pytest.raises(CommandMissing, match="zpool is not installed on pollux"):
        near.run(["zpool", "get", "-H", "tank"])
    with pytest.raises(Refused, match="pollux says: .*run role pair"):
        ask(near, "dance")


def twin_at(near: Near) -> Twin:
    twin = Twin(Pair("sio", "debian", "castor", "tank", "br0", Peer("pollux", ("127.0.0.1",)), "witness"))
    twin._host = near
    return twin


def ask(near: Near, verb: str) -> object:
    return twin_at(near).ask(verb, "ssa")


def test_a_lost_line_is_not_asked_again(near: Near) -> None:
    twin = twin_at(near)
    assert twin.host() is near
    near.lost = True
    with contextlib.suppress(Unreachable):
        assert twin.host() is not near


def test_a_silent_twin_is_not_looked_for_at_every_step(near: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = [100.0], []
    monkeypatch.setattr(peer, "_answering", lambda addresses: looked.append(now[0]))
    monkeypatch.setattr(peer.time, "monotonic", lambda: now[0])
    twin = twin_at(near)
    near.lost = True
    for now[0] in (100.0, 101.9, 102.1, 103.0, 104.2):
        with pytest.raises(Unreachable, match=r"answers at none of 127\.0\.0\.1"):
            twin.host()
    assert looked == [100.0, 102.1, 104.2]


def test_who_dies_is_lost(near: Near) -> None:
    with pytest.raises(TwinError, match="see that its program twin is the same as here"):
        near.run(get("last"))
    assert near.lost
    with pytest.raises(Unreachable, match="the connection broke"):
        near.run(get("a"))


def test_no_connection() -> None:
    near = Near(["sh", "-c", "echo ssh: no route to host >&2; exit 255"])
    with pytest.raises(Unreachable, match="no route to host"):
        near.run(get("a"))
    assert near.lost


def test_an_older_program_over_there() -> None:
    near = Near(["sh", "-c", "echo 'twin: command twin line: it is not let through' >&2; exit 2"])
    with pytest.raises(TwinError, match="it is not let through.*see that its program twin is the same"):
        near.run(get("a"))


class Called(Exception):
    """A signal came."""


def test_an_answer_that_nobody_waited_for_is_not_the_next_ones(near: Near) -> None:
    def interrupt(*_arguments: object) -> None:
        raise Called

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Called):
            near.run(get("slow"))
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(Unreachable):
        near.run(get("a"))


@given(st.lists(st.tuples(st.lists(st.text()), st.text())))
def test_what_is_asked_arrives(asked: list[tuple[list[str], str]]) -> None:
    heard: list[tuple[list[str], str]] = []

    def run(argv: list[str], stdin: str) -> Output:
        heard.append((argv, stdin))
        return Output((), len(argv), stdin, "".join(argv))

    requests = io.StringIO("".join(f"{json.dumps(each)}\n" for each in asked))
    replies = io.StringIO()
    serve(requests, replies, run)
    assert heard == asked
    answers = [json.loads(line) for line in replies.getvalue().splitlines()]
    assert answers == [[len(argv), stdin, "".join(argv)] for argv, stdin in asked]
