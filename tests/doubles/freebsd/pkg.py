# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pkg(8), and the stub which stands for it until it is installed.

Rests on usr.sbin/pkg/pkg.c (the stub) and on src/{main,upgrade,query,info}.c of freebsd/pkg. Here the
database of a root is a file of lines ``NAME VERSION`` (`LOCAL`), and so is each repository (`REMOTE`).
Of a package of the base system all that comes to lie in a root is the script that tells its version, which is
``15.0p2`` for 15.0-RELEASE-p2 (Makefile.inc1, PKG_VERSION). The keys of a repository are looked for below the
root, its file is not (-r and -R, as bsdinstall's script pkgbase says it).

Its lies: since pkg 2.4 ``pkg upgrade -n`` ends with 0 whether or not there is something to upgrade, before
that with 1 if there was; the stub says that it needs ASSUME_ALWAYS_YES when nobody is there to be asked.
"""

from __future__ import annotations

import re

from .answers import Refusal, options, program
from .world import World

PROGRAM = "/usr/local/sbin/pkg"
LOCAL = "/var/db/pkg/local.sqlite"
REMOTE = "/var/db/pkg/repos/{}/db"
BASE = "FreeBSD-base"
ABI = "FreeBSD:{major}:amd64"
STUB = """The package management tool is not yet installed on your system.
Please set ASSUME_ALWAYS_YES=yes environment variable to be able to bootstrap in non-interactive \
(stdin not being a tty)"""
USAGE = (
    "Usage: pkg [-v] [-d] [-l] [-N] [-j <jail name or id>|-c <chroot path>|-r <rootdir>]"
    " [-C <configuration file>] [-R <repo config dir>] [-o var=value] [-4|-6] <command> [<args>]"
)
CHECKED = "Checking integrity... done (0 conflicting)\n"
QUIET_FROM = (2, 4)


def pkg(world: World, args: list[str], stdin: str) -> str:
    """``pkg [-j JAIL | -c ROOT | -r ROOT] [-N] COMMAND ...``."""
    given, words = options(args, "c:C:dj:lNo:r:R:v46")
    root = root_of(world, given)
    repositories = given.get("R", "")
    installed = world.files.read(f"{world.rooted('')}{PROGRAM}") is not None
    if "N" in given:
        if not installed:
            raise Refusal("pkg is not installed")
        raise Refusal(f"{len(table(world, root + LOCAL))} packages installed", 0)
    if not installed:
        said = bootstrap(world, words)
        return said if words[:1] == ["bootstrap"] else said + command(world, root, words, repositories)
    if words[:1] == ["bootstrap"]:
        return f"pkg already bootstrapped at {PROGRAM}\n"
    return command(world, root, words, repositories)


def root_of(world: World, given: dict[str, str]) -> str:
    """Below which folder of the host packages are meant."""
    if "j" in given:
        jail = world.kernel.find(given["j"], world.jail)
        if jail is None:
            raise Refusal(f"jail_attach({given['j']}): Invalid argument")
        return jail.path.rstrip("/")
    return world.rooted(given.get("r", given.get("c", "")))


def bootstrap(world: World, words: list[str]) -> str:
    """What the stub does: it installs the real one, if it may."""
    yes = world.env.get("ASSUME_ALWAYS_YES", "").lower() in ("yes", "1", "true")
    if not yes and not {"-y", "-fy", "-yf"} & set(words):
        raise Refusal(STUB, plain=True)
    version = table(world, world.rooted(REMOTE.format("FreeBSD"))).get("pkg")
    source = f"pkg+https://pkg.FreeBSD.org/{ABI.format(major=world.major)}/quarterly"
    said = f"Bootstrapping pkg from {source}, please wait...\n"
    if version is None:
        raise Refusal(
            "Error fetching https://pkg.FreeBSD.org/: No address record\n"
            "A pre-built version of pkg could not be found for your system.", 1, said, plain=True,
        )  # fmt: skip
    store(world, world.rooted(LOCAL), {**table(world, world.rooted(LOCAL)), "pkg": version})
    world.files.write(world.rooted(PROGRAM), "")
    return f"{said}Installing pkg-{version}...\nExtracting pkg-{version}: .......... done\n"


def table(world: World, path: str) -> dict[str, str]:
    """Versions by name."""
    return dict(line.split(" ", 1) for line in (world.files.read(path) or "").splitlines())


def store(world: World, path: str, versions: dict[str, str]) -> None:
    """Write such a table."""
    world.files.write(path, "".join(f"{name} {version}\n" for name, version in sorted(versions.items())))


def base_of(world: World, root: str, folder: str) -> dict[str, str]:
    """The packages of the base system, of the repository that a file of a folder describes."""
    conf = world.files.read(f"{folder}/{BASE}.conf") or ""
    keys = re.search(r'^  fingerprints: "(.+)",$', conf, re.MULTILINE)
    said = f"Updating {BASE} repository catalogue...\n"
    if keys is None or not world.files.listing(f"{root}{keys[1]}/trusted"):
        raise Refusal("Error loading trusted certificates", 1, said)
    return table(world, world.rooted(REMOTE.format(BASE)))


def lay_base(world: World, root: str, new: dict[str, str]) -> None:
    """What packages of the base system put into a root."""
    for version in [version for name, version in new.items() if name.startswith("FreeBSD-")]:
        release, _p, patch = version.partition("p")
        full = f"{release}-RELEASE{f'-p{patch}' if patch else ''}"
        world.files.write(f"{root}/bin/freebsd-version", f'#!/bin/sh\nUSERLAND_VERSION="{full}"\n')


def command(world: World, root: str, words: list[str], repositories: str) -> str:
    """A command of the real one.

    :param repositories: the folder of their files, when it is not that of the host.
    """
    if not words:
        raise Refusal(f"not enough arguments\n{USAGE}")
    verb, *rest = words
    local, remote = table(world, root + LOCAL), table(world, world.rooted(REMOTE.format("FreeBSD")))
    if repositories:
        remote = base_of(world, root, repositories)
    match verb:
        case "update":
            return "Updating FreeBSD repository catalogue...\nFreeBSD repository is up to date.\n" + (
                "All repositories are up to date.\n"
            )
        case "info":
            return info(local, rest)
        case "query":
            return query(local, rest)
        case "install" | "add":
            return install(world, root, rest, local, remote)
        case "delete" | "remove":
            return delete(world, root, rest, local)
        case "upgrade":
            return upgrade(world, root, rest, local, remote)
        case "version" if "-v" in rest:
            return f"{local.get('pkg', '')}\n"
    raise Refusal(
        f"unknown command: {verb}\n\nFor more information on available commands and options see 'pkg help'."
    )


def info(local: dict[str, str], words: list[str]) -> str:
    """``info [-eq] [NAME ...]``."""
    given, names = options(words, "aefqx")
    missing = [name for name in names if name not in local]
    if "e" in given:
        if missing:
            raise Refusal("")
        return ""
    if missing:
        raise Refusal(f"No package(s) matching {missing[0]}")
    width = 30
    rows = [
        (f"{name}-{version}", name) for name, version in sorted(local.items()) if not names or name in names
    ]
    return "".join(f"{full}\n" if "q" in given else f"{full:<{width}} {name}\n" for full, name in rows)


def query(local: dict[str, str], words: list[str]) -> str:
    """``query FORMAT [NAME ...]`` with %n, %v and %o."""
    given, (pattern, *names) = options(words, "ae:gix")
    found = [name for name in sorted(local) if not names or name in names]
    if names and not found:
        raise Refusal("")
    escaped = pattern.replace("\\t", "\t").replace("\\n", "\n")
    return "".join(
        escaped.replace("%n", name).replace("%v", local[name]).replace("%o", f"misc/{name}") + "\n"
        for name in found
    )


def install(world: World, root: str, words: list[str], local: dict[str, str], remote: dict[str, str]) -> str:
    """``install [-ny] NAME ...``."""
    given, names = options(words, "AfFgiIMnqr:RUxy")
    for name in names:
        if name not in remote and name not in local:
            raise Refusal(
                f"No packages available to install matching '{name}' have been found in the repositories"
            )
    new = {name: remote[name] for name in names if name in remote and local.get(name) != remote[name]}
    if not new:
        return f"{CHECKED}The most recent versions of packages are already installed\n"
    said = affected(
        new, "New packages to be INSTALLED", [f"{name}: {version}" for name, version in sorted(new.items())]
    )
    said += carried_out(world, root, given, {**local, **new})
    lay_base(world, root, new)
    return said


def delete(world: World, root: str, words: list[str], local: dict[str, str]) -> str:
    """``delete [-ny] NAME ...``."""
    given, names = options(words, "aDfginqRxy")
    present = {name: local[name] for name in names if name in local}
    if not present:
        out = f"No packages matched for pattern '{names[0]}'\n\n{CHECKED}"
        raise Refusal(f"1 packages requested for removal: 0 locked, {len(names)} missing", 1, out, plain=True)
    said = affected(
        present, "Installed packages to be REMOVED", [f"{name}: {local[name]}" for name in sorted(present)]
    )
    return said + carried_out(
        world, root, given, {name: each for name, each in local.items() if name not in present}
    )


def upgrade(world: World, root: str, words: list[str], local: dict[str, str], remote: dict[str, str]) -> str:
    """``upgrade [-ny]``."""
    given, _names = options(words, "CfFginqr:Uvxy")
    newer = {name: remote[name] for name in local if remote.get(name, local[name]) != local[name]}
    if not newer:
        return "Checking for upgrades (0 candidates): .......... done\nYour packages are up to date.\n"
    said = affected(
        newer,
        "Installed packages to be UPGRADED",
        [f"{name}: {local[name]} -> {newer[name]}" for name in sorted(newer)],
    )
    version = tuple(int(part) for part in local.get("pkg", "2.4.0").split(".")[:2])
    if "n" in given and version < QUIET_FROM:
        raise Refusal("", 1, said)
    return said + carried_out(world, root, given, {**local, **newer})


def affected(packages: dict[str, str], heading: str, lines: list[str]) -> str:
    """The summary before something is done."""
    body = "".join(f"\t{line}\n" for line in lines)
    count = len(packages)
    return f"The following {count} package(s) will be affected (of 0 checked):\n\n{heading}:\n{body}\n"


def carried_out(world: World, root: str, given: dict[str, str], local: dict[str, str]) -> str:
    """Do it, unless it is a dry run or nobody agrees."""
    if "n" in given:
        return ""
    if "y" not in given and world.env.get("ASSUME_ALWAYS_YES", "").lower() != "yes":
        raise Refusal("", 1, "Proceed with this action? [y/N]: ")
    store(world, root + LOCAL, local)
    return ""


PROGRAMS = {"pkg": program(pkg)}
