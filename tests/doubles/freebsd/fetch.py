# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""fetch(1), tar(1) and sha256(1), in memory: what a base system is made of.

Rests on usr.bin/fetch/fetch.c, contrib/libarchive/tar and sbin/md5/md5.c, and on the layout of the
releases (base.txz and its MANIFEST). What lies on a server is a file of the world whose path is its URL;
an archive is the text that `archive` makes.

Its lies: fetch leaves what it had got of a broken transfer; tar unpacks what it can read before it fails.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from .answers import Refusal, options, program
from .world import World

SIGN = "an archive\n"
MANDATORY = {"base.txz": '"Base system (MANDATORY)"', "kernel.txz": '"Kernel (MANDATORY)"'}


def archive(files: Mapping[str, str], *, broken: bool = False) -> str:
    """An archive of these files, by their path in it.

    :param broken: its end is missing.
    """
    return SIGN + "".join(f"{json.dumps(each)}\n" for each in files.items()) + ("" if broken else "end\n")


def manifest(archives: Mapping[str, str]) -> str:
    """The MANIFEST of a release with these archives, by their file name."""
    rows = []
    for name, text in archives.items():
        stem = name.removesuffix(".txz").replace("-", "_")
        count = len(text.splitlines()) - 2
        rows.append("\t".join([name, digest(text), str(count), stem, MANDATORY.get(name, f'"{stem}"'), "on"]))
    return "".join(f"{row}\n" for row in rows)


def digest(text: str) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(text.encode()).hexdigest()


def fetch(world: World, args: list[str], stdin: str) -> str:
    """``fetch [-q] [-o FILE] URL``; what it says of its progress goes to standard error."""
    given, urls = options(args, "146AaB:dFi:lMmN:no:pPqRrsS:T:UvV:w:")
    said = []
    for url in urls:
        name = url.rpartition("/")[2]
        path = given.get("o", f"/{name}")
        path = f"{path.rstrip('/')}/{name}" if world.files.is_folder(world.rooted(path)) else path
        text = world.files.read(url)
        if text is None:
            raise Refusal(f"{url}: Not Found")
        if path == "-":
            return text
        world.files.write(world.rooted(path), text)
        if "q" not in given:
            said.append(f"{path:<54} {len(text):>6}  B   10 MBps    00s")
    raise Refusal("\n".join(said), 0, plain=True)


def tar(world: World, args: list[str], stdin: str) -> str:
    """``tar -xpf ARCHIVE [-C FOLDER] [--unlink]`` and ``tar -tf ARCHIVE``."""
    words = [word for word in args if not word.startswith("--")]
    if words and not words[0].startswith("-"):
        words[0] = f"-{words[0]}"
    given, _members = options(words, "C:f:JjkopPqtvxz")
    file = given.get("f", "/dev/sa0")
    text = stdin if file == "-" else world.files.read(world.rooted(file))
    if text is None:
        raise Refusal(f"Error opening archive: Failed to open '{file}'")
    if not text.startswith(SIGN):
        raise Refusal("Error opening archive: Unrecognized archive format")
    rows = text.removeprefix(SIGN).splitlines()
    whole = rows[-1:] == ["end"]
    members = [json.loads(row) for row in (rows[:-1] if whole else rows)]
    folder = given.get("C", "/")
    if not world.files.is_folder(world.rooted(folder)):
        raise Refusal(f"could not chdir to '{folder}'")
    out = "".join(f"{name}\n" for name, _text in members) if "t" in given else ""
    if "x" in given:
        for name, content in members:
            world.files.write(f"{world.rooted(folder).rstrip('/')}/{name.removeprefix('./')}", content)
    if not whole:
        raise Refusal("Truncated input file\ntar: Error exit delayed from previous errors.", 1, out)
    return out


def sha256(world: World, args: list[str], stdin: str) -> str:
    """``sha256 [-q] [-c DIGEST] FILE ...``."""
    given, names = options(args, "bc:pqrs:tx")
    out, wrong = "", False
    for name in names:
        text = world.files.read(world.rooted(name))
        if text is None:
            raise Refusal(f"{name}: No such file or directory", 1, out)
        failed = "c" in given and given["c"].lower() != digest(text)
        wrong = wrong or failed
        out += (
            f"{digest(text)}\n"
            if "q" in given
            else f"SHA256 ({name}) = {digest(text)}{' [ Failed ]' if failed else ''}\n"
        )
    if wrong:
        raise Refusal("", 2, out)
    return out or f"{digest(stdin)}\n"


PROGRAMS = {"fetch": program(fetch), "tar": program(tar), "sha256": program(sha256)}
