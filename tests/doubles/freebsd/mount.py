# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""mount(8), mount_nullfs(8) and umount(8).

Rests on sbin/mount/mount.c, sbin/mount_nullfs/mount_nullfs.c, sbin/umount/umount.c and nullfs(5).

What it does that one might not expect: a second mount on the same place covers the first one; the same
nullfs twice is refused, as a deadlock; ``umount -t`` of another type says nothing and ends with 1; the
root of a jail that lives is busy.
"""

from __future__ import annotations

from collections.abc import Callable

from .answers import Refusal, options, program
from .kernel import OF_MODULES, Mount
from .world import World

Refused = Callable[[str], Refusal]
HELPERS = ("cd9660", "fusefs", "msdosfs", "nfs", "nullfs", "udf", "unionfs")
"""File systems which a program of their own mounts: it speaks in its own name."""
FLAGS = {
    "async": "asynchronous", "noatime": "noatime", "noexec": "noexec", "nosuid": "nosuid",
    "nosymfollow": "nosymfollow", "ro": "read-only", "sync": "synchronous", "union": "union",
    "nfsv4acls": "nfsv4acls",
}  # fmt: skip
"""What is said of options, in the order in which mount(8) says it; fstab(5) has them in another one."""
IN_FSTAB = ("ro", "sync", "noexec", "nosuid", "union", "async", "noatime", "nosymfollow", "nfsv4acls")


def mount(world: World, args: list[str], stdin: str) -> str:
    """``mount [-p] [-t TYPE]``, ``mount [-t TYPE] [-o OPTIONS] SOURCE TARGET``, ``mount -u`` and ``-a``."""
    given, words = options(args, "adF:fLlno:prt:uvw")
    if not words and "a" not in given:
        shown = [
            each for each in world.kernel.mounts if "t" not in given or each.kind in given["t"].split(",")
        ]
        return "".join(as_fstab(each) if "p" in given else for_people(each) for each in shown)
    wanted = [each for each in given.get("o", "").split(",") if each] + (["ro"] if "r" in given else [])
    if "a" in given:
        return mount_all(world, given.get("F", "/etc/fstab"))
    if "u" in given:
        return update(world, words[-1], wanted)
    if len(words) == 1:
        raise Refusal(f"{words[0]}: unknown special file or file system")
    attach(world, given.get("t", "ufs"), words[0], words[1], wanted)
    return ""


def mount_nullfs(world: World, args: list[str], stdin: str) -> str:
    """``mount_nullfs [-o OPTIONS] SOURCE TARGET``."""
    given, (source, target) = options(args, "o:")
    attach(world, "nullfs", source, target, [each for each in given.get("o", "").split(",") if each])
    return ""


def attach(world: World, kind: str, source: str, target: str, wanted: list[str]) -> None:
    """Mount one."""
    name = f"mount_{kind}" if kind in HELPERS else "mount"

    def refused(text: str) -> Refusal:
        return Refusal(f"{name}: {text}", plain=True)

    target = target.rstrip("/") or "/"
    if not world.exists(target):
        raise refused(f"{target}: No such file or directory")
    if world.files.read(target) is not None and kind != "nullfs":
        raise refused(f"{target}: Not a directory")
    if kind == "nullfs":
        check_nullfs(world, source.rstrip("/") or "/", target, refused)
    if kind not in ("zfs", "ufs") and kind not in world.kernel.modules:
        if kind not in OF_MODULES:
            raise refused(f"{source}: Operation not supported by device")
        world.kernel.modules.append(kind)
    if kind == "devfs":
        numbers = [each.partition("=")[2] for each in wanted if each.startswith("ruleset=")]
        wanted = [*wanted, *(f"applied={number}" for number in numbers[-1:] if number != "0")]
    shown = source if kind in ("nullfs", "ufs", "zfs") else kind
    world.kernel.mounts.append(Mount(shown.rstrip("/") or "/", target, kind, tuple(wanted)))


def check_nullfs(world: World, source: str, target: str, refused: Refused) -> None:
    """What a nullfs refuses."""
    if not world.exists(source):
        raise refused(f"{source}: No such file or directory")
    covered = [each for each in world.kernel.mounts if each.target == target]
    if covered and covered[-1].kind == "nullfs" and covered[-1].source == source:
        raise refused(f"{target}: Resource deadlock avoided")


def mount_all(world: World, path: str) -> str:
    """``mount -a -F FILE``: what is mounted already is left out, as long as it is the same."""
    text = world.files.read(path)
    if text is None:
        raise Refusal(f"{path}: No such file or directory")
    errors = []
    for line in text.splitlines():
        words = [unescaped(word) for word in line.partition("#")[0].split()]
        if len(words) < 4 or "noauto" in words[3].split(","):
            continue
        source, target, kind, wanted = words[:4]
        if any(each.target == target and each.kind == kind for each in world.kernel.mounts):
            continue
        try:
            attach(world, kind, source, target, wanted.split(","))
        except Refusal as refusal:
            errors.append(refusal.text)
    if errors:
        raise Refusal("\n".join(errors), plain=True)
    return ""


def unescaped(word: str) -> str:
    """A field of fstab(5), in which a blank is written in octal."""
    return word.replace("\\040", " ").replace("\\011", "\t")


def update(world: World, target: str, wanted: list[str]) -> str:
    """``mount -u``: other options for what is mounted."""
    found = [each for each in world.kernel.mounts if each.target == target]
    if not found:
        raise Refusal(f"not currently mounted {target}")
    gone = {"ro", "rw"} if {"ro", "rw"} & set(wanted) else set()
    found[-1].options = (*(each for each in found[-1].options if each not in gone), *wanted)
    return ""


def as_fstab(each: Mount) -> str:
    """A line of ``mount -p``: fstab(5), with blanks and tabs as putfsent() pads them."""
    words = [] if "ro" in each.options else ["rw"]
    text = ",".join([*words, *(name for name in IN_FSTAB if name in each.options)])
    return (
        f"{padded(each.source)}{padded(each.target)}{each.kind}\t"
        f"{text}{chr(9) if len(text) < 8 else ' '}\t0 0\n"
    )


def padded(text: str) -> str:
    """A field, up to the third tab stop."""
    length = len(text)
    return (
        text + ("\t" if length < 8 else "") + ("\t" if length < 16 else "") + ("\t" if length < 24 else " ")
    )


def for_people(each: Mount) -> str:
    """A line of ``mount``."""
    words = [said for name, said in FLAGS.items() if name in each.options]
    words.insert(words.index("asynchronous") + 1 if "asynchronous" in words else 0, "local")
    return f"{each.source} on {each.target} ({', '.join([each.kind, *words])})\n"


def umount(world: World, args: list[str], stdin: str) -> str:
    """``umount [-f] [-t TYPE] TARGET ...``, and ``umount -a -F FILE`` for the lines of a file, backwards."""
    given, names = options(args, "AaF:fh:Nnt:v")
    if "a" in given:
        text = world.files.read(given.get("F", "/etc/fstab")) or ""
        rows = [line.partition("#")[0].split() for line in text.splitlines()]
        targets = [unescaped(row[1]) for row in reversed(rows) if len(row) > 1]
        names = [name for name in targets if any(each.target == name for each in world.kernel.mounts)]
    errors = []
    for name in names:
        try:
            detach(world, name, given)
        except Refusal as refusal:
            errors.append(refusal.text)
    if errors:
        raise Refusal("\numount: ".join(each for each in errors if each))
    return ""


def detach(world: World, name: str, given: dict[str, str]) -> None:
    """Unmount the newest one of this target, or else of this source."""
    name = name.rstrip("/") or "/"
    listed = world.kernel.mounts
    found = [each for each in listed if each.target == name] or [
        each for each in listed if each.source == name
    ]
    if not found:
        if not world.exists(name):
            raise Refusal(f"{name}: statfs: No such file or directory\numount: {name}: unknown file system")
        raise Refusal(f"{name}: not a file system root directory")
    newest = found[-1]
    if "t" in given and newest.kind not in given["t"].split(","):
        raise Refusal("")
    if busy(world, newest) and "f" not in given:
        raise Refusal(f"unmount of {newest.target} failed: Device busy")
    # Of two that are alike the newest goes.
    del world.kernel.mounts[max(place for place, each in enumerate(listed) if each is newest)]


def busy(world: World, each: Mount) -> bool:
    """Whether something holds it: a test says so, a mount below it, or a jail whose root it is."""
    inside = each.target.rstrip("/") + "/"
    return (
        each.busy
        or any(other.target.startswith(inside) for other in world.kernel.mounts)
        or root_of_a_jail(world, each.target)
    )


def root_of_a_jail(world: World, path: str) -> bool:
    """Whether a jail, be it a dying one, has its root there."""
    return any(jail.path == path for jail in world.kernel.jails(dying=True))


PROGRAMS = {"mount": program(mount), "mount_nullfs": program(mount_nullfs), "umount": program(umount)}
