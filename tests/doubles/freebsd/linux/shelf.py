# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of a server of the second ground, imported when they are wanted.

That is most of what a program costs.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from ..world import Main

INDEX = Path(__file__).parents[4] / "index"
"""Beside the package, where it is installed: a program and its modules a line."""
PACKAGE = __package__.rpartition(".")[0]
GROUND = ("linux.native", "linux.packages")
"""Modules whose programs take the place of others."""
OWN = ("daemon", "disks", "env", "fetch", "ls", "sh", "stat", "zfs")
"""Modules with programs that the server has itself, or `native` in another form."""


class Shelf(MutableMapping[str, Main]):
    """The programs of this server, by name."""

    def __init__(self) -> None:
        lines = (line.split() for line in INDEX.read_text().splitlines())
        self._modules = {name: modules for name, *modules in lines}
        self._taken: dict[str, Main] = {}

    def __getitem__(self, name: str) -> Main:
        if name not in self._taken:
            *_helpers, home = [importlib.import_module(f"{PACKAGE}.{each}") for each in self._modules[name]]
            self._taken[name] = home.PROGRAMS[name]
        return self._taken[name]

    def __setitem__(self, name: str, main: Main) -> None:
        self._taken[name] = main
        self._modules.setdefault(name, [])

    def __delitem__(self, name: str) -> None:
        self._taken.pop(name, None)
        del self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def index() -> dict[str, list[str]]:
    """Programs, and the modules to import for them, that of the program last."""
    there = pkgutil.iter_modules(importlib.import_module(PACKAGE).__path__)
    names = [each.name for each in there if each.name not in (*OWN, "__main__", "linux")]
    modules = {name: importlib.import_module(f"{PACKAGE}.{name}") for name in (*names, *GROUND)}
    found = {
        program: [name] for name, module in modules.items() for program in getattr(module, "PROGRAMS", {})
    }
    scripts = [name for name, module in modules.items() if hasattr(module, "SCRIPTS") and name != "service"]
    return {**found, "service": [*scripts, "service"]}
