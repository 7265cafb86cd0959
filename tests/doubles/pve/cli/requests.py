# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pvecm(1) and ha-manager(1) have in common: most of their words are requests to the API, as root.

Rests on: PVE::CLIHandler (pve-common), whose `die` is 255, and the recorded command lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.doubles.pve.api import Api, Response
from tests.doubles.pve.cli import Output
from tests.doubles.pve.world import World

DIED = 255


@contextmanager
def seen_from(world: World, node: str) -> Iterator[World]:
    """The world with that node as the one that answers."""
    before, world.local = world.local, node
    try:
        yield world
    finally:
        world.local = before


def words_of(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Arguments and options of a command line: `--key value`, `--key=value`, or `--key` alone for yes."""
    words, options = [], {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            words.append(word)
            continue
        key, equals, value = word.lstrip("-").partition("=")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("-") else "1"
        options[key] = value
    return words, options


def died(text: str) -> Output:
    return Output(DIED, err=f"{text}\n")


def request(world: World, node: str, verb: str, path: str, params: Mapping[str, Any]) -> Response:
    with seen_from(world, node):
        return Api(world).request(verb, path, dict(params))


def requested(world: World, node: str, verb: str, template: str, params: Mapping[str, Any]) -> Output:
    """A request as a command: the answer is not shown, a task is waited for, its log is what is written."""
    path = re.sub(r"{(\w+)}", lambda name: str(params[name[1]]), template)
    beside = {key: value for key, value in params.items() if f"{{{key}}}" not in template}
    answer = request(world, node, verb, path, beside)
    if answer.status != 200:
        return refused(answer)
    if isinstance(answer.data, str) and answer.data.startswith("UPID:"):
        task = world.finish(answer.data)
        lines = "".join(f"{line}\n" for line in task.lines[:-1])
        return Output(0, lines) if task.exitstatus == "OK" else Output(DIED, lines, f"{task.exitstatus}\n")
    return Output(0)


def refused(answer: Response) -> Output:
    body = answer.body if isinstance(answer.body, dict) else {}
    said = str(body.get("message") or answer.reason).rstrip("\n")
    errors = [f"{key}: {text}".rstrip("\n") for key, text in sorted((body.get("errors") or {}).items())]
    code = "" if answer.status == 500 else f"{answer.status} "
    return died("\n".join([code + said, *errors]))
