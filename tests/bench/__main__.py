# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our speed against that of others. Run by `make bench`.

Writes build/bench.json; after five rounds or more of all measures the table of docs/performance.md too.
With ONLY, only these measures are taken anew; the figures of the others stay in build/bench.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from tests.lab import Lab

from . import jails, measures, proxmox
from .figures import Figure, replaced, table
from .ground import ROOT, Failed, Ground, Rounds

RESULTS = ROOT / "build/bench.json"
PAGE = ROOT / "docs/performance.md"
Known: TypeAlias = Mapping[str, Callable[[Any], Iterator[Figure]]]
LABS: Mapping[str, tuple[str, Known]] = {
    "bench": ("", measures.MEASURES),
    "bench-freebsd": (jails.RELEASE, jails.MEASURES),
}
"""By their names: the release of FreeBSD as which their servers behave, and what is measured there."""
MEASURES = [
    name for known in (*(known for _release, known in LABS.values()), proxmox.MEASURES) for name in known
]
ENOUGH = 5
"""Rounds whose medians are worth to be shown to others."""


def kept(path: Path) -> dict[str, Figure]:
    """The figures of the last run, by name."""
    fields = ("name", "ours", "other", "unit", "goal")
    told = json.loads(path.read_text()) if path.exists() else []
    return {each["name"]: Figure(**{key: each[key] for key in fields}) for each in told}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--only", nargs="*", choices=MEASURES, default=MEASURES, help="these measures")
    options = parser.parse_args(argv)
    figures = kept(RESULTS) if set(options.only) < set(MEASURES) else {}

    def take(known: Known, ground: Any) -> None:
        for name in (name for name in options.only if name in known):
            print(f"{name}: {known[name].__doc__}", flush=True)
            for figure in known[name](ground):
                figures[figure.name] = figure
                RESULTS.write_text(json.dumps([each.plain() for each in figures.values()], indent=1) + "\n")

    for lab_name, (release, known) in LABS.items():
        if set(options.only) & set(known):
            with Lab(lab_name, freebsd=release) as lab:
                take(known, Ground(lab, options.rounds))
    take(proxmox.MEASURES, Rounds(options.rounds))
    shown = table(figures.values(), options.rounds)
    print("\n".join(["", *shown]))
    if options.rounds >= ENOUGH and set(options.only) == set(MEASURES):
        PAGE.write_text(replaced(PAGE.read_text(), shown))
    return 0 if all(each.met for each in figures.values()) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as error:
        sys.exit(f"bench: {error}")
