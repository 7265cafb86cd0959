# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system says of itself: uname(1), freebsd-version(1), hostname(1), and modules: kldload(8).

Rests on usr.bin/uname/uname.c, bin/freebsd-version/freebsd-version.sh.in and sbin/kld*. The release of the
userland, with its patch level, is the variable USERLAND_VERSION in the text of /bin/freebsd-version, where
a root has that file.

Its lies: uname tells the kernel's release, in a jail too, and the kernel's patch level may be behind that of
the userland; ``kldload -n`` fails for what is part of the kernel itself, such as tmpfs.
"""

from __future__ import annotations

import re

from . import sysctl
from .answers import Refusal, options, program
from .kernel import OF_MODULES
from .world import World

MODULES = ("zfs", "nullfs", "fdescfs", "fusefs", "linprocfs", "linsysfs", "linux", "linux64", "linux_common",
           "if_bridge", "if_epair", "bridgestp", "pf", "pflog", "racct", "vmm", "carp")  # fmt: skip
"""Modules that lie in /boot/kernel."""


def uname(world: World, args: list[str], stdin: str) -> str:
    """``uname [-aiKmnoprsUv]``."""
    given, _none = options(args, "aiKmnoprsUv")
    release, number = sysctl.value(world, "kern.osrelease"), sysctl.value(world, "kern.osreldate")
    version = f"FreeBSD {release} GENERIC"
    words = {
        "s": "FreeBSD", "n": name(world), "r": release, "v": version, "m": "amd64", "p": "amd64",
        "i": "GENERIC", "o": "FreeBSD", "K": number, "U": number,
    }  # fmt: skip
    letters = [letter for letter in words if letter in given] or ["s"]
    return " ".join(str(words[letter]) for letter in ("snrvm" if "a" in given else letters)) + "\n"


def name(world: World) -> str:
    """The host name, of the jail where the program runs in one."""
    return str(sysctl.value(world, "kern.hostname"))


def hostname(world: World, args: list[str], stdin: str) -> str:
    """``hostname [-s]``, and ``hostname NAME`` to set it."""
    given, words = options(args, "fs")
    if words:
        jail = world.kernel.find(world.jail) if world.jail else None
        if jail is not None and not jail.params.get("allow.set_hostname"):
            raise Refusal("sethostname: Operation not permitted")
        if jail is not None:
            world.kernel.update(jail.jid, {"host.hostname": words[0]})
        else:
            world.kernel.sysctls["kern.hostname"] = words[0]
        return ""
    return (name(world).partition(".")[0] if "s" in given else name(world)) + "\n"


def freebsd_version(world: World, args: list[str], stdin: str) -> str:
    """``freebsd-version [-kru] [-j JAIL]``: kernel on disk, kernel that runs, userland, one per line."""
    given, _none = options(args, "hj:kru")
    release = f"{sysctl.value(world, 'kern.osrelease')}\n"
    said = {"k": release, "r": release, "u": userland(world, world.rooted("/bin/freebsd-version"))}
    out = "".join(said[letter] for letter in said if letter in given)
    if "j" in given:
        jail = world.kernel.find(given["j"], world.jail)
        if jail is None:
            raise Refusal(f'jexec: jail "{given["j"]}" not found', plain=True)
        out += userland(world, f"{jail.path.rstrip('/')}/bin/freebsd-version")
    return out or said["u"]


def userland(world: World, path: str) -> str:
    """The release of the userland whose freebsd-version this is."""
    match = re.search(r'^USERLAND_VERSION="([^"]+)"', world.files.read(path) or "", re.MULTILINE)
    return f"{match[1] if match else f'{world.release}-RELEASE'}\n"


def kldload(world: World, args: list[str], stdin: str) -> str:
    """``kldload [-n] MODULE ...``."""
    given, names = options(args, "nqv")
    for each in names:
        loaded = each in world.kernel.modules and each in MODULES
        if loaded and "n" in given:
            continue
        if loaded:
            raise Refusal(f"can't load {each}: module already loaded or in kernel")
        if each not in MODULES:
            raise Refusal(f"can't load {each}: No such file or directory")
        world.kernel.modules.append(each)
    return ""


def kldunload(world: World, args: list[str], stdin: str) -> str:
    """``kldunload MODULE``."""
    _given, names = options(args, "fi:n:v")
    for each in names:
        if each not in world.kernel.modules:
            raise Refusal(f"can't find file {each}: No such file or directory")
        if any(mount.kind == each for mount in world.kernel.mounts):
            raise Refusal(f"can't unload file: Device busy\nkldunload: can't unload {each}: Device busy")
        world.kernel.modules.remove(each)
    return ""


def kldstat(world: World, args: list[str], stdin: str) -> str:
    """``kldstat [-q] [-n FILE | -m MODULE]``."""
    given, _none = options(args, "dhi:m:n:qv")
    files = [each for each in world.kernel.modules if each not in OF_MODULES or each in MODULES]
    wanted = given.get("m", given.get("n", "")).removesuffix(".ko")
    known = world.kernel.modules if "m" in given else files
    if wanted and wanted not in known:
        kind = "module" if "m" in given else "file"
        problem = "" if "q" in given else f"can't find {kind} {wanted}: No such file or directory"
        raise Refusal(problem)
    if "q" in given:
        return ""
    lines = ["Id Refs Address                Size Name\n"]
    for number, each in enumerate(files, 1):
        if not wanted or each == wanted:
            address, size = 0xFFFFFFFF80200000 + number * 0x100000, 0x1F3000 if number == 1 else 0x3000
            shown = each if each == "kernel" else f"{each}.ko"
            lines.append(f"{number:2} {1:4} {address:#x} {size:8x} {shown}\n")
    return "".join(lines)


PROGRAMS = {
    "uname": program(uname),
    "hostname": program(hostname),
    "freebsd-version": program(freebsd_version),
    "kldload": program(kldload),
    "kldunload": program(kldunload),
    "kldstat": program(kldstat),
}
