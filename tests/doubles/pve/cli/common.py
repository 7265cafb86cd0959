# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pvesh(1), pct(1) and qm(1) have in common: options, what becomes of a refusal, and of a task.

Rests on: PVE::JSONSchema::get_options and PVE::CLIHandler (pve-common) for options, PVE::RESTEnvironment
for tasks, which a command waits for and whose log it prints, and cli.jsonl of the recordings: what Perl dies
of ends with status 255, with the number of the system's error (2) where a configuration is missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.doubles.pve import schema
from tests.doubles.pve.api import Response
from tests.doubles.pve.cli import Output
from tests.doubles.pve.cli.requests import DIED
from tests.doubles.pve.tasks import UPID
from tests.doubles.pve.world import World

MISSING = 2
"""The number of the system's error: no such file."""


class Misused(Exception):
    """The words fit no command; the text is that of PVE, without its usage."""


def parsed(method: schema.Method, words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """What stands alone, and the options; one that comes several times is a list."""
    alone: list[str] = []
    options: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            return [*alone, *left], options
        if not word.startswith("-") or word == "-":
            alone.append(word)
            continue
        name, sign, value = word.lstrip("-").partition("=")
        known = method.property(name)
        if known is None:
            raise Misused(f"Unknown option: {name}\n400 unable to parse option\n")
        if not sign:
            follows = bool(left) and not (left[0].startswith("-") and known.get("type") == "boolean")
            if known.get("type") != "boolean" and not follows:
                raise Misused(f"Option {name} requires an argument\n400 unable to parse option\n")
            value = left.pop(0) if follows else "1"
        options[name] = joined(options.get(name), value)
    return alone, options


def joined(before: Any, value: str) -> Any:
    if before is None:
        return value
    return [*(before if isinstance(before, list) else [before]), value]


def refused(answer: Response, usage: str) -> Output:
    """What a command says of a refusal of the API."""
    body = answer.body if isinstance(answer.body, dict) else {}
    text = str(body.get("message") or f"{answer.reason}\n")
    if answer.status == 501:
        return Output(1, err=text)
    if answer.status == 400:
        wrong = "".join(f"{name}: {said}\n" for name, said in sorted((body.get("errors") or {}).items()))
        return Output(DIED, err=f"400 {text}{wrong}{usage}\n")
    if answer.status != 500:
        text = f"{answer.status} {text}"
    missing = text.startswith("Configuration file '") and text.endswith("' does not exist\n")
    return Output(MISSING if missing else DIED, err=text)


def finished(world: World, data: Any) -> tuple[str, str | None]:
    """A task is waited for: what it printed, and why it failed, if it did."""
    if not (isinstance(data, str) and UPID.fullmatch(data) and data in world.tasks):
        return "", None
    task = world.finish(data)
    end = next(at for at, line in enumerate(task.lines) if line == "TASK OK" or line.startswith("TASK ERROR"))
    problem = "\n".join(task.lines[end:]).removeprefix("TASK ERROR: ")
    return "".join(f"{line}\n" for line in task.lines[:end]), None if task.exitstatus == "OK" else problem


def printed(value: Any) -> str:
    """JSON as `--output-format json` has it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def pretty(value: Any) -> str:
    """JSON as Perl's JSON lays it out."""
    text = json.dumps(value, sort_keys=True, indent=3, separators=(",", " : "), ensure_ascii=False)
    return text + "\n"


def lines(values: dict[str, Any]) -> str:
    """`key: value`, as `config` and `status --verbose` print it."""
    shown = {key: value for key, value in values.items() if key != "digest"}
    return "".join(f"{key}: {value_text(value)}\n" for key, value in sorted(shown.items()))


def value_text(value: Any) -> str:
    text = printed(value).rstrip("\n") if isinstance(value, (dict, list)) else str(value)
    return text.rstrip("\n").replace("\n", "%0A")
