# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pw(8) and chpass(1), as far as accounts of people go.

Rests on usr.sbin/pw/pw_user.c and usr.bin/chpass/chpass.c. Each account is a line of passwd(5), its password
one of master.passwd; where a Linux kernel lies underneath, its libraries want that in shadow(5).
"""

from __future__ import annotations

from .answers import Refusal, options, program
from .world import World

PASSWD, GROUP, MASTER, SHADOW = "/etc/passwd", "/etc/group", "/etc/master.passwd", "/etc/shadow"
FIRST_ID = 1001
NO_USER = 67
"""EX_NOUSER of sysexits(3)."""


def lines(world: World, path: str) -> dict[str, list[str]]:
    """The fields of each line by the first of them."""
    rows = [line.split(":") for line in (world.files.read(path) or "").splitlines()]
    return {row[0]: row for row in rows}


def store(world: World, path: str, table: dict[str, list[str]]) -> None:
    """Write such a table."""
    world.files.write(path, "".join(":".join(row) + "\n" for row in table.values()))


def passwords(world: World) -> str:
    """The file of passwords."""
    return MASTER if world.files.read(SHADOW) is None else SHADOW


def pw(world: World, args: list[str], stdin: str) -> str:
    """``pw useradd | usermod | userdel -n NAME [-m] [-d HOME] [-s SHELL]``."""
    given, _none = options(args[1:], "c:d:g:G:k:K:L:mn:rs:u:")
    name, users = given["n"], lines(world, PASSWD)
    if args[0] == "useradd":
        if name in users:
            raise Refusal(f"login name `{name}' already exists", 65)
        add(world, name, users, given)
        return ""
    if name not in users:
        raise Refusal(f"no such user `{name}'", NO_USER)
    if args[0] == "userdel":
        for path in (PASSWD, GROUP, passwords(world)):
            store(world, path, {key: row for key, row in lines(world, path).items() if key != name})
    elif args[0] == "usermod":
        users[name][6] = given.get("s", users[name][6])
        store(world, PASSWD, users)
    else:
        raise Refusal(f"unknown verb {args[0]}", 64)
    return ""


def add(world: World, name: str, users: dict[str, list[str]], given: dict[str, str]) -> None:
    """``useradd``: an account and a group of its own; nobody can log in by password before one is set."""
    number = str(max([FIRST_ID - 1, *(int(row[2]) for row in users.values() if int(row[2]) < 60000)]) + 1)
    home = given.get("d", f"/home/{name}")
    path, more = passwords(world), ["User &", home, given.get("s", "/bin/sh")]
    users[name] = [name, "*", number, number, *more]
    store(world, PASSWD, users)
    store(world, GROUP, {**lines(world, GROUP), name: [name, "*", number, ""]})
    hashed = [name, "*", *[""] * 7] if path == SHADOW else [name, "*", number, number, "", "0", "0", *more]
    store(world, path, {**lines(world, path), name: hashed})
    if "m" in given:
        world.files.make_folder(home)
        if world.has("chown"):
            world.call(["chown", f"{number}:{number}", home])


def chpass(world: World, args: list[str], stdin: str) -> str:
    """``chpass -p PASSWORD NAME``."""
    given, (name,) = options(args, "a:e:p:s:")
    path = passwords(world)
    table = lines(world, path)
    if name not in table:
        raise Refusal(f"unknown user {name}")
    table[name][1] = given["p"]
    store(world, path, table)
    return ""


PROGRAMS = {"pw": program(pw), "chpass": program(chpass)}
