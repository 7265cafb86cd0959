# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the small programs answer: a text for standard output, or a refusal as err(3) writes it."""

from __future__ import annotations

import getopt
from collections.abc import Callable, Sequence

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .world import Main, World

Handler = Callable[[World, list[str], str], str]


class Refusal(Exception):
    """What a program says on standard error before it ends.

    :param text: without the program's name, which stands before its first line.
    :param out: what it had written before.
    :param plain: whether the text stands alone, without the program's name.
    """

    def __init__(self, text: str, rc: int = 1, out: str = "", *, plain: bool = False) -> None:
        super().__init__(text)
        self.text, self.rc, self.out, self.plain = text, rc, out, plain


def program(handler: Handler) -> Main:
    """A handler of operands as a program of the world."""

    def main(world: World, argv: Sequence[str], stdin: str) -> Output:
        try:
            return answered(argv, handler(world, list(argv[1:]), stdin))
        except Refusal as refusal:
            name = argv[0].rpartition("/")[2]
            err = refusal.text if refusal.plain else f"{name}: {refusal.text}"
            return answered(argv, refusal.out, f"{err}\n" if refusal.text else "", refusal.rc)

    return main


def options(args: Sequence[str], letters: str) -> tuple[dict[str, str], list[str]]:
    """Options by letter, the last of each, and the operands.

    :raises Refusal: as getopt(3) says it.
    """
    try:
        pairs, operands = getopt.getopt(list(args), letters)
    except getopt.GetoptError as error:
        problem = "option requires an argument" if "requires argument" in error.msg else "illegal option"
        raise Refusal(f"{problem} -- {error.opt}") from error
    return {letter[1:]: value for letter, value in pairs}, operands
