# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python3 -m tests.gates.host_coverage start|collect NAME

start: from now on every Python of the servers of lab NAME, modules and the program `twin` alike, notes which
lines of module_utils it runs. collect: fetches the notes into build/coverage.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import coverage

from tests.lab import Lab

SERVERS = ("castor", "pollux")
RESULTS = Path("build/coverage")
NOTES = "/var/tmp/twin-coverage"
SETTINGS = f"""\
[run]
branch = true
core = pytrace
parallel = true
data_file = {NOTES}/data
include =
    */ansible_collections/twin/datacenter/plugins/module_utils/*
    */twin_datacenter/*
disable_warnings = no-data-collected
"""
# Python runs the lines of .pth files when it starts: so nothing that is measured needs to know of it.
STARTER = (
    f'import os; os.environ.setdefault("COVERAGE_PROCESS_START", "{NOTES}/settings"); '
    "import coverage; coverage.process_startup()\n"
)
INSTALL = f"""
set -e
mkdir -p {NOTES}
chmod 1777 {NOTES}
site=$(/usr/bin/python3 -c 'import sys; print(next(p for p in sys.path if p.startswith("/usr/local/lib/")))')
mkdir -p "$site"
tar -C "$site" -x
mv "$site/settings" {NOTES}/settings
"""


def bundle() -> bytes:
    """coverage itself, without its compiled parts, which belong to another Python, and what starts it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        package = Path(coverage.__file__).parent
        for source in sorted(package.rglob("*.py")):
            archive.add(source, f"coverage/{source.relative_to(package)}")
        for name, text in (("twin_coverage.pth", STARTER), ("settings", SETTINGS)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


def start(lab: Lab) -> None:
    for server in SERVERS:
        subprocess.run(lab.ssh_command(server, INSTALL), input=bundle(), check=True)


def collect(lab: Lab) -> None:
    for server in SERVERS:
        target = RESULTS / server
        target.mkdir(parents=True, exist_ok=True)
        notes = subprocess.check_output(lab.ssh_command(server, f"tar -C {NOTES} -c ."))
        with tarfile.open(fileobj=io.BytesIO(notes)) as archive:
            archive.extractall(target, filter="data")


if __name__ == "__main__":
    {"start": start, "collect": collect}[sys.argv[1]](Lab(sys.argv[2]))
