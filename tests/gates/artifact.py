# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python3 tests/gates/artifact.py

Builds the collection as it would be released and tries what came out, installed in an empty folder:
it holds every file that it should and no other, each plugin shows its documentation, each playbook is
understood.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "artifact"
FOLDERS = ("LICENSES", "docs", "inventories", "meta", "playbooks", "plugins", "roles")
FILES = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "README.md", "REUSE.toml") + (
    "changelogs/changelog.yaml",
    "changelogs/config.yaml",
)
WRITTEN_BY_THE_BUILD = {"FILES.json", "MANIFEST.json"}
PLUGIN_TYPES = ("module", "connection", "filter", "inventory")


class Fault(Exception):
    """One sentence for whoever runs the gate."""


def run(*command: str, collections: Path = WORK) -> str:
    """Output of a command which must succeed and must not warn, and sees no other copy of the collection."""
    environment = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(collections)}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or "[WARNING]" in done.stderr or "[DEPRECATION" in done.stderr:
        raise Fault(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
    return done.stdout


def checkout() -> set[str]:
    """What git has or would take."""
    git = ("git", "-c", f"safe.directory={ROOT}")
    names = run(*git, "ls-files", "-z", "-co", "--exclude-standard").split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


def build() -> Path:
    shutil.rmtree(WORK, ignore_errors=True)
    run("ansible-galaxy", "collection", "build", "--output-path", str(WORK))
    return next(WORK.glob("*.tar.gz"))


def compare(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        shipped = {member.name for member in archive if member.isfile()} - WRITTEN_BY_THE_BUILD
    expected = {name for name in checkout() if name in FILES or name.split("/")[0] in FOLDERS}
    if shipped != expected:
        missing, more = sorted(expected - shipped), sorted(shipped - expected)
        raise Fault(f"the artifact lacks {missing}\nand should not have {more}")


def install(artifact: Path) -> Path:
    tree = WORK / "tree"
    galaxy = ("ansible-galaxy", "collection", "install", "--offline", "--no-deps")
    run(*galaxy, "-p", str(tree), str(artifact), collections=tree)
    return tree


def show_plugins(tree: Path) -> int:
    shown = 0
    for kind in PLUGIN_TYPES:
        doc = ("ansible-doc", "-t", kind, "--json")
        names = json.loads(run(*doc, "-l", "twin.datacenter", collections=tree))
        if names:
            run(*doc, *names, collections=tree)
        shown += len(names)
    return shown


def read_playbooks(tree: Path) -> int:
    playbooks = sorted((tree / "ansible_collections" / "twin" / "datacenter" / "playbooks").glob("*.yml"))
    if playbooks:
        names = (f"twin.datacenter.{path.stem}" for path in playbooks)
        run("ansible-playbook", "--syntax-check", "-i", "localhost,", *names, collections=tree)
    return len(playbooks)


def main() -> None:
    artifact = build()
    compare(artifact)
    tree = install(artifact)
    print(f"{artifact.name}: {show_plugins(tree)} plugins and {read_playbooks(tree)} playbooks, all well")


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"artifact: {fault}")
