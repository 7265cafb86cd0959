# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""env(1): a program with more in its environment.

Rests on usr.bin/env/env.c.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .world import World


def env(world: World, argv: Sequence[str], stdin: str) -> Output:
    """``env [-i] [NAME=VALUE ...] [PROGRAM [WORD ...]]``."""
    words = list(argv[1:])
    bare = words[:1] == ["-i"]
    environment = {} if bare else dict(world.env)
    del words[: 1 if bare else 0]
    while words and "=" in words[0]:
        name, _equals, value = words.pop(0).partition("=")
        environment[name] = value
    if not words:
        return answered(argv, "".join(f"{name}={value}\n" for name, value in environment.items()))
    if not world.has(words[0]):
        return answered(argv, err=f"env: {words[0]}: No such file or directory\n", rc=127)
    return world.call(words, stdin, environment)


PROGRAMS = {"env": env}
