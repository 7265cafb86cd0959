# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stat(1) with a format. In memory all files are root's, ``rw-r--r--``, and all folders ``rwxr-xr-x``.

Rests on usr.bin/stat/stat.c. Believed, not verified: the words about a file that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .world import World


def main(world: World, argv: Sequence[str], stdin: str) -> Output:
    """``stat -f FORMAT FILE ...``: a line for each file that is there."""
    _program, option, form, *paths = argv
    assert option == "-f", argv
    there = [path for path in paths if world.exists(path)]
    out = "".join(f"{_line(world, form, path)}\n" for path in there)
    err = "".join(f"stat: {path}: stat: No such file or directory\n" for path in paths if path not in there)
    return answered(argv, out, err, 1 if err else 0)


def _line(world: World, form: str, path: str) -> str:
    link, folder = world.files.is_link(path), world.files.read(path) is None
    values = {
        "Mp": "0",
        "Lp": "755" if link or folder else "644",
        "Su": "root",
        "u": "0",
        "Sg": "wheel",
        "g": "0",
        "HT": "Symbolic Link" if link else "Directory" if folder else "Regular File",
        "N": path,
        "t": "\t",
    }
    return re.sub(r"%([MLSH]?[a-zA-Z])", lambda found: values[found[1]], form)


PROGRAMS = {"stat": main}
