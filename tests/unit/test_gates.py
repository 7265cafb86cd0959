# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate that lets everything pass would look like a good one: the helpers of the gates, seen failing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GATES = ROOT / "tests" / "gates"


def stage(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, GATES / "stage.py", "trial", *command], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("command", "status"), [("true", 0), ("exit 3", 3), ("kill -TERM $$", 143)])
def test_a_stage_ends_as_its_command_does(command: str, status: int) -> None:
    assert stage("sh", "-c", command).returncode == status


def test_a_stage_shows_every_line_under_its_name() -> None:
    *shown, verdict = stage("sh", "-c", "echo one; echo two >&2; printf three; exit 1").stdout.splitlines()
    assert shown == ["trial       | one", "trial       | two", "trial       | three"]
    assert verdict.startswith("trial       | FAILED after ")


def test_a_stage_gives_signs_of_life() -> None:
    assert re.search(r"trial +\| \.\.\. [45] s", stage("sleep", "6").stdout)


def test_a_stage_gives_its_command_no_input() -> None:
    assert stage("cat").returncode == 0


def test_a_checkout_has_its_own_collection_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checkouts, one of them in a folder with a blank in its name."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trees = set()
    for name in ("one", "the other"):
        checkout = tmp_path / name
        shutil.copytree(GATES, checkout / "tests" / "gates")
        tree = subprocess.check_output([checkout / "tests" / "gates" / "tree"], text=True).strip()
        assert (Path(tree) / "ansible_collections" / "twin" / "datacenter").resolve() == checkout
        trees.add(tree)
    assert len(trees) == 2
