# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden transcripts: command lines and what they answer, byte for byte.

A line ``$ COMMAND`` is run; what follows is its standard output, then its standard error with ``! ``
before each line, then ``[N]`` when its exit code is not 0.
"""

from __future__ import annotations

import difflib
import shlex
import textwrap

import pytest

from tests.doubles.freebsd.host import FreebsdHost


def played(host: FreebsdHost, transcript: str) -> str:
    """The transcript as the host plays it."""
    lines: list[str] = []
    for line in textwrap.dedent(transcript).strip("\n").split("\n"):
        if line.startswith("$ "):
            output = host.world.call(shlex.split(line[2:]))
            lines += [
                line,
                *output.out.splitlines(),
                *(f"! {said}".rstrip() for said in output.err.splitlines()),
            ]
            lines += [f"[{output.rc}]"] if output.rc else []
    return "\n".join(lines)


def check(host: FreebsdHost, transcript: str) -> None:
    """Play a transcript and compare."""
    wanted, seen = textwrap.dedent(transcript).strip("\n"), played(host, transcript)
    if seen != wanted:
        difference = difflib.unified_diff(wanted.split("\n"), seen.split("\n"), "wanted", "seen", lineterm="")
        pytest.fail("\n".join(difference), pytrace=False)
