# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python3 tests/gates/sanity.py [OPTION OF ansible-test sanity]...

Runs `ansible-test sanity` without containers and without anything but a package index.

ansible-test wants three things that a plain machine does not give it: the collection in a real folder
.../ansible_collections/twin/datacenter (links are refused), a get-pip.py that it would download from a host
of its own, and pip settings in a file, because it removes them from the environment. All three are made here,
in the cache and under a private home folder; they are kept, because a warm run takes a tenth of a cold one.
"""

from __future__ import annotations

import ast
import configparser
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twin-datacenter"
HOME = CACHE / "sanity" / "home"
TREE = CACHE / "sanity" / hashlib.sha256(bytes(ROOT)).hexdigest()[:12]
COLLECTION = TREE / "ansible_collections" / "twin" / "datacenter"
PYTHONS = ("3.11", "3.12", "3.13")

GET_PIP = """\
import ensurepip, os, subprocess, sys
ensurepip.bootstrap()
os.environ.pop("PIP_CONFIG_FILE", None)  # set by ensurepip, to nothing
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments]))
"""


def lines(*command: str) -> list[str]:
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()


def copy_checkout() -> None:
    """What git has or would take, new files too; what is gone from the checkout goes from the copy."""
    names = {
        name
        for name in lines("git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard")
        if (ROOT / name).is_file()
    }
    for old in [path for path in COLLECTION.rglob("*") if path.is_file()]:
        name = old.relative_to(COLLECTION).as_posix()
        if name not in names and not name.startswith((".git/", "tests/output/")):
            old.unlink()
    for name in names:
        target = COLLECTION / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    git = ("git", "-C", str(COLLECTION))
    subprocess.run([*git, "init", "-q"], check=True)  # ansible-test asks git which files there are
    subprocess.run([*git, "add", "-A"], check=True)


def write_home() -> None:
    stand_ins = HOME / ".ansible" / "test" / "cache"
    stand_ins.mkdir(parents=True, exist_ok=True)
    (stand_ins / "get_pip_24_2.py").write_text(GET_PIP)

    settings = configparser.RawConfigParser()
    settings.add_section("global")
    for line in lines(sys.executable, "-m", "pip", "config", "list"):
        name, value = line.split("=", 1)
        settings.set("global", name.rpartition(".")[2], "\n".join(ast.literal_eval(value).split()))
    pip_conf = HOME / ".config" / "pip" / "pip.conf"
    pip_conf.parent.mkdir(parents=True, exist_ok=True)
    pip_conf.touch(mode=0o600)
    with pip_conf.open("w") as stream:
        settings.write(stream)


def search_path() -> list[str]:
    """PATH without folders of shims (whose interpreters do not all run), with what pyenv keeps."""

    def runs(python: Path) -> bool:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0

    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += [folder for version in PYTHONS for folder in sorted(pyenv.glob(f"versions/{version}.*/bin"))]
    return [str(folder) for folder in folders if all(map(runs, folder.glob("python3.*[0-9]")))]


def main() -> int:
    COLLECTION.mkdir(parents=True, exist_ok=True)
    copy_checkout()
    write_home()
    foreign = ("ANSIBLE_", "PIP_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment = kept | {"HOME": str(HOME), "PATH": os.pathsep.join(search_path())}
    command = ["ansible-test", "sanity", "--venv", "--color", "no", *sys.argv[1:]]
    return subprocess.run(
        command, cwd=COLLECTION, env=environment, stdin=subprocess.DEVNULL, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
