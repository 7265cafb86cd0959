# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real programs joined by the real pipe."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core import pipe
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import LocalHost
from ansible_collections.twin.datacenter.plugins.module_utils._core.pipe import Meter, Progress, join

SIZE = 5_000_003


def writer(size: int) -> list[str]:
    """A program that writes this many bytes."""
    return ["head", "-c", str(size), "/dev/zero"]


def into(path: Path) -> list[str]:
    """A program that writes its input to a file."""
    return ["dd", f"of={path}", "bs=64k", "status=none"]


@pytest.mark.parametrize("spliced", [True, False], ids=["splice", "copy"])
def test_everything_arrives_and_is_counted(
    tmp_path: Path, spliced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not spliced:
        monkeypatch.delattr(os, "splice", raising=False)
    source = tmp_path / "source"
    source.write_bytes(os.urandom(SIZE))
    meter = Meter()
    joined = join(["cat", str(source)], into(tmp_path / "sink"), meter)
    assert (joined.sender_rc, joined.receiver_rc) == (0, 0)
    assert meter.count == SIZE
    assert (
        hashlib.sha256((tmp_path / "sink").read_bytes()).digest()
        == hashlib.sha256(source.read_bytes()).digest()
    )


def test_where_the_kernel_refuses_splice_the_data_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(pipe, "_splice", refused)
    meter = Meter()
    join(writer(SIZE), into(tmp_path / "sink"), meter)
    assert meter.count == SIZE == (tmp_path / "sink").stat().st_size


def test_a_limit_holds_for_all_pipes_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on only while the meter waits: a busy machine is neither late nor early by it."""
    waits = [0.0]
    clock = SimpleNamespace(monotonic=lambda: sum(waits), sleep=waits.append)
    monkeypatch.setattr(pipe, "time", clock)
    meter = Meter(limit=2_000_000)
    for _unused in range(2):
        join(writer(500_000), into(tmp_path / "sink"), meter)
    assert sum(waits) == pytest.approx(0.5)


def test_two_pipes_at_the_same_moment_share_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(pipe, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=waits.append))
    meter = Meter(limit=2_000_000)
    for _pipe in range(2):
        meter.passed(500_000)
    assert waits == [0.25, 0.5]


def test_progress_is_told_even_when_nothing_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "REPORT_EVERY", 0.05)
    told: list[Progress] = []
    with Meter(on_progress=told.append) as meter:
        join(["sh", "-c", "printf 12345; sleep 1.5"], ["cat"], meter)
    assert len(told) > 4
    assert told[-1].count == 5
    assert all(earlier.count <= later.count for earlier, later in zip(told, told[1:], strict=False))


def test_both_ends_are_heard_when_the_receiver_dies() -> None:
    joined = join(writer(10**9), ["sh", "-c", "head -c 1000 >/dev/null; echo full >&2; exit 3"], Meter())
    assert joined.receiver_rc == 3
    assert joined.receiver_err == "full\n"
    assert joined.sender_rc == -signal.SIGPIPE


def test_a_sender_that_fails_is_told_from_one_that_ends() -> None:
    joined = join(["sh", "-c", "printf x; echo broken >&2; exit 5"], ["cat"], Meter())
    assert (joined.sender_rc, joined.sender_err, joined.receiver_rc) == (5, "broken\n", 0)


def test_no_program_is_left_behind_when_the_other_one_is_missing() -> None:
    with pytest.raises(FileNotFoundError):
        join(["sleep", "600"], ["/nowhere/receiver"], Meter())
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True, check=False
    )
    assert "sleep 600" not in children.stdout


def test_killed_halfway_it_leaves_no_program_behind(tmp_path: Path) -> None:
    code = (
        "from ansible_collections.twin.datacenter.plugins.module_utils._core.pipe import Meter, join\n"
        f"join(['sh', '-c', 'echo $$ > {tmp_path}/sender; exec cat /dev/zero'],"
        f" ['sh', '-c', 'echo $$ > {tmp_path}/receiver; exec cat'], Meter(limit=1000000))"
    )
    path = os.pathsep.join(sys.path)
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
    files = [tmp_path / "sender", tmp_path / "receiver"]
    _until(lambda: all(file.exists() and file.read_text().strip() for file in files))
    child.kill()
    child.wait()
    pids = [int(file.read_text()) for file in files]
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_host_pipes_into_itself(tmp_path: Path) -> None:
    host, meter = LocalHost(), Meter()
    joined = host.pipe(writer(1000), host, into(tmp_path / "sink"), meter)
    assert (joined.sender_rc, joined.receiver_rc, meter.count) == (0, 0, 1000)


def _until(true: object) -> None:
    deadline = time.monotonic() + 60
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)
