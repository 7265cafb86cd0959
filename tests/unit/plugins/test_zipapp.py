# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program twin as one file."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from ansible_collections.twin.datacenter.plugins.plugin_utils.zipapp import UTILS, build


def test_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(UTILS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.rglob("*.py"):
        os.utime(path, (1, 1))
    assert build("/usr/bin/python3", copy) == build("/usr/bin/python3")
    (copy / "_core" / "values.py").write_text("# changed\n")
    assert build("/usr/bin/python3", copy) != build("/usr/bin/python3")


def test_ansible_is_not_in_it() -> None:
    with zipfile.ZipFile(io.BytesIO(build("/usr/bin/python3"))) as archive:
        names = archive.namelist()
    assert "twin_datacenter/_machine/program.py" in names
    assert not [name for name in names if name.endswith("_core/module.py")]


def run(program: Path, data: bytes) -> str:
    """Install the program and have it say what it can do."""
    program.write_bytes(data)
    program.chmod(0o755)
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_runs_and_says_what_it_can_do(tmp_path: Path) -> None:
    data = build(sys.executable, cache=str(tmp_path / "cache"))
    for _run in range(2):
        assert "take back a move that was not committed" in run(tmp_path / "twin", data)
    assert list((tmp_path / "cache").rglob("*.pyc"))


def test_of_versions_that_it_unpacked_the_last_two_are_kept(tmp_path: Path) -> None:
    utils, cache = tmp_path / "utils", tmp_path / "cache"
    shutil.copytree(UTILS, utils, ignore=shutil.ignore_patterns("__pycache__"))
    seen = []
    for number in range(4):
        (utils / "_core" / "version.py").write_text(f"# {number}\n")
        run(tmp_path / "twin", build(sys.executable, utils, str(cache)))
        seen.append({each.name for each in cache.iterdir()})
    assert [len(names) for names in seen] == [1, 2, 2, 2]
    assert seen[3] > seen[2] - seen[1]
