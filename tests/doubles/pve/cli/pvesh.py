# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pvesh(1): the API on the command line, as root.

Rests on: PVE::CLI::pvesh (pve-manager) and cli.jsonl of the recordings. A task is over when the command
ends: its log comes first, its UPID last, and that it failed is not told by the status. Tables of texts are
laid out as theirs, but the columns are those that the answer has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.doubles.pve import schema
from tests.doubles.pve.api import normal
from tests.doubles.pve.cli import Output, common
from tests.doubles.pve.cli.requests import request
from tests.doubles.pve.world import World

VERBS = {"get": "GET", "create": "POST", "set": "PUT", "delete": "DELETE"}
FLAGS = ("noproxy", "quiet", "human-readable", "noborder", "noheader")
LETTERS = {"GET": "r", "PUT": "w", "POST": "c", "DELETE": "d"}
"""In the order in which `ls` shows what can be done."""


def run(world: World, node: str, argv: Sequence[str], stdin: bytes = b"") -> Output:
    if len(argv) < 2 or argv[0] not in (*VERBS, "ls"):
        return Output(common.DIED, err=f"ERROR: unknown command 'pvesh {' '.join(argv[:1])}'\n")
    (verb, path), words = argv[:2], list(argv[2:])
    form, words = formatted(words)
    if verb == "ls":
        return listing(world, node, path)
    found = schema.of(world.release).find(VERBS[verb], normal(path))
    if found is None:
        return Output(1, err=f"No '{verb}' handler defined for '{path}'\n")
    usage = f"pvesh {verb} <api_path> [OPTIONS] [FORMAT_OPTIONS]"
    try:
        _alone, options = common.parsed(found[0], words)
    except common.Misused as wrong:
        return Output(common.DIED, err=f"{wrong}{usage}\n")
    answer = request(world, node, VERBS[verb], path, options)
    if answer.status != 200:
        return common.refused(answer, usage)
    log, _problem = common.finished(world, answer.data)
    return Output(0, log + shown(answer.data, form))


def formatted(words: list[str]) -> tuple[str, list[str]]:
    """The format that is asked for, and the other words."""
    form, rest = "text", []
    while words:
        word = words.pop(0)
        name, _sign, value = word.lstrip("-").partition("=")
        if word.startswith("-") and name == "output-format":
            form = value or (words.pop(0) if words else form)
        elif not (word.startswith("-") and name in FLAGS):
            rest.append(word)
    return form, rest


def shown(data: Any, form: str) -> str:
    if data is None:
        return ""
    if form == "json":
        return common.printed(data)
    if form == "json-pretty":
        return common.pretty(data)
    if isinstance(data, dict):
        return table(["key", "value"], [{"key": key, "value": value} for key, value in sorted(data.items())])
    if isinstance(data, list):
        rows = [each if isinstance(each, dict) else {"name": each} for each in data]
        return table(sorted({key for row in rows for key in row}), rows) if rows else ""
    return f"{data}\n"


def table(columns: list[str], rows: list[dict[str, Any]]) -> str:
    """With borders, as PVE::CLIFormatter draws them."""
    texts = [[common.value_text(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]

    def border(left: str, line: str, cross: str, right: str) -> str:
        return left + cross.join(line * (width + 2) for width in widths) + right

    def row(cells: list[str]) -> str:
        return "│ " + " │ ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " │"

    body = ("\n" + border("├", "─", "┼", "┤") + "\n").join(map(row, texts))
    head = [border("┌", "─", "┬", "┐"), row(columns), border("╞", "═", "╪", "╡")]
    return "\n".join([*head, body, border("└", "─", "┴", "┘"), ""])


def listing(world: World, node: str, path: str) -> Output:
    """`pvesh ls`: what is below, and what can be done with it."""
    answer = request(world, node, "GET", path, {})
    if answer.status != 200 or not isinstance(answer.data, list):
        return Output(common.DIED, err=f"path '{path}' does not have child links\n")
    every = schema.of(world.release)
    out = []
    for entry in answer.data:
        name = str(
            next(value for key, value in entry.items() if key in ("subdir", "name", "vmid", "node", "id"))
        )
        found = every.lookup(f"{normal(path)}/{name}")
        can = "".join(letter if found and verb in found[1] else "-" for verb, letter in LETTERS.items())
        out.append(f"{'D' + can:<12} {name}\n")
    return Output(0, "".join(out))
