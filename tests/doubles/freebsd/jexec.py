# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""jexec(8): a command in a jail that runs.

Rests on jexec(8) and usr.sbin/jexec/jexec.c of FreeBSD 14: its messages, its exit codes, and that
``-l`` needs the home of the user to be there. A command that a signal killed has the number of the
signal as its exit code, negative, as a parent process sees it.

Believed, not verified: the text for a dying jail.
"""

from __future__ import annotations

import getopt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .kernel import Jail, Missing
from .world import World

USAGE = (
    "usage: jexec [-l] [-d working-directory] [-u username | -U username] jail\n"
    "             [command [argument ...]]\n"
)


class Failed(Exception):
    """The program ends with this text, before the command."""


def main(world: World, argv: Sequence[str], stdin: str) -> Output:
    """The program."""
    letters = "d:lnu:U:" if world.major >= 14 else "lnu:U:"
    try:
        options, operands = getopt.getopt(list(argv[1:]), letters)
    except getopt.GetoptError:
        return answered(argv, err=USAGE, rc=1)
    if not operands or {"-u", "-U"} <= {option for option, _value in options}:
        return answered(argv, err=USAGE, rc=1)
    command = operands[1:] or ["/bin/sh", "-i"]
    try:
        inmate = enter(world, operands[0], dict(options))
        world.env = inmate.env
        output = world.execute(inmate.jid, command, stdin, ids=inmate.ids, folder=inmate.folder)
    except Failed as failed:
        return answered(argv, err=f"jexec: {failed}\n", rc=1)
    except Missing as missing:
        return answered(argv, err=f"jexec: execvp: {missing}: No such file or directory\n", rc=1)
    return answered(argv, output.out, output.err, output.rc)


def found(world: World, key: str) -> Jail:
    """The jail that is meant.

    :raises Failed: when it does not run.
    """
    jail = world.kernel.find(key, world.jail)
    if jail is not None:
        return jail
    if key.isdigit():
        # A number is believed, so that it is the kernel which refuses it.
        raise Failed(f"jail_attach({int(key)}): Invalid argument")
    gone = "is dying" if world.kernel.find(key, world.jail, dying=True) else "not found"
    raise Failed(f'jail "{key}" {gone}')


def account(world: World, passwd: str, user: str) -> list[str]:
    """The fields of a user in a file of passwd(5).

    :raises Failed: when there is no such user.
    """
    text = world.files.read(passwd) or "root:*:0:0:Charlie &:/root:/bin/sh\n"
    for line in text.splitlines():
        fields = line.split(":")
        if fields[0] == user and len(fields) > 6:
            return fields
    raise Failed(f"{user}: no such user")


@dataclass(frozen=True)
class Inmate:
    """Who the command is run as.

    :param ids: numbers of user and group.
    :param folder: in which it begins.
    """

    jid: int
    ids: tuple[int, int]
    folder: str
    env: Mapping[str, str]


def enter(world: World, key: str, options: Mapping[str, str]) -> Inmate:
    """Who it will be, once user and folder are known to be there: a host's user is looked up first.

    :raises Failed: on the first of them that is not.
    """
    user = options.get("-u") or options.get("-U") or "root"
    fields = account(world, "/etc/passwd", user) if "-U" not in options else []
    jail = found(world, key)
    root = jail.path.rstrip("/")
    fields = fields or account(world, f"{root}/etc/passwd", user)
    folder = options.get("-d") or (fields[5] if "-l" in options else "")
    if folder and not world.exists(f"{root}{folder}"):
        raise Failed(f"chdir: {folder}: No such file or directory")
    known = {"HOME": fields[5], "SHELL": fields[6] or "/bin/sh", "USER": user}
    env = dict(world.env)
    if "-l" in options:
        env = {"PATH": "/bin:/usr/bin", **({"TERM": env["TERM"]} if "TERM" in env else {})}
    if {"-l", "-u", "-U"} & set(options):
        env |= known
    return Inmate(jail.jid, (int(fields[2]), int(fields[3])), folder or "/", env)


PROGRAMS: Mapping[str, Callable[[World, Sequence[str], str], Output]] = {"jexec": main}
