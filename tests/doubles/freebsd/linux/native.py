# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that work on the files of the server, where those in memory have only words for them.

Rests on daemon(8), fetch(1), fstyp(8), nc(1), sha256(1) and stat(1) of FreeBSD 14, as far as our own code and
its tests call them.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import shutil
import socket
import stat as stat_module
import subprocess
from pathlib import Path

from ..answers import Refusal, options, program
from ..world import World

BLKID = "/usr/lib/linux/blkid"


def fetch(world: World, args: list[str], stdin: str) -> str:
    """``fetch [-q] [-o FILE] URL``."""
    # It takes longer to import than most programs to run.
    import urllib.request

    given, (url,) = options(args, "146AaB:dFi:lMmN:no:pPqRrsS:T:UvV:w:")
    name = url.rpartition("/")[2]
    path = Path(given.get("o", name))
    path = path / name if path.is_dir() else path
    try:
        with (
            urllib.request.urlopen(url, timeout=float(given.get("T", 120))) as source,
            path.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
    except OSError as error:
        raise Refusal(f"{url}: {getattr(error, 'reason', error)}") from error
    return ""


def sha256(world: World, args: list[str], stdin: str) -> str:
    """``sha256 [-q] FILE ...``."""
    given, names = options(args, "q")
    out = ""
    for name in names:
        try:
            digest = hashlib.sha256(Path(name).read_bytes()).hexdigest()
        except OSError as error:
            raise Refusal(f"{name}: {error.strerror}", 1, out) from error
        out += f"{digest}\n" if "q" in given else f"SHA256 ({name}) = {digest}\n"
    return out


def stat(world: World, args: list[str], stdin: str) -> str:
    """``stat -f FORMAT FILE ...``, with the words of the format that the one in memory knows too."""
    given, names = options(args, "f:LnqF")
    out, errors = "", []
    for name in names:
        try:
            out += _described(name, given.get("f", "%N")) + "\n"
        except OSError as error:
            errors.append(f"{name}: stat: {error.strerror}")
    if errors:
        raise Refusal("\nstat: ".join(errors), 1, out)
    return out


def _described(name: str, form: str) -> str:
    found = os.lstat(name)
    kinds = {stat_module.S_ISLNK: "Symbolic Link", stat_module.S_ISDIR: "Directory"}
    group = grp.getgrgid(found.st_gid).gr_name if found.st_gid else "wheel"
    values = {
        "Mp": f"{found.st_mode >> 9 & 0o7:o}", "Lp": f"{found.st_mode & 0o777:o}", "u": str(found.st_uid),
        "g": str(found.st_gid), "Su": pwd.getpwuid(found.st_uid).pw_name, "Sg": group, "N": name, "t": "\t",
        "HT": next((word for test, word in kinds.items() if test(found.st_mode)), "Regular File"),
        "z": str(found.st_size), "m": str(int(found.st_mtime)), "i": str(found.st_ino),
    }  # fmt: skip
    return re.sub(r"%([MLSH]?[a-zA-Z])", lambda match: values[match[1]], form)


def fstyp(world: World, args: list[str], stdin: str) -> str:
    """``fstyp DEVICE``, as blkid(8) sees it."""
    from ..disks import FILE_SYSTEMS

    _given, (device,) = options(args, "ds:lu")
    if not os.path.exists(device):
        raise Refusal(f"{device}: No such file or directory")
    argv = [BLKID, "-p", "-o", "value", "-s", "TYPE", device]
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = done.stdout.strip()
    kind = {"zfs_member": "zfs", "ext4": "ext2fs", "vfat": "msdosfs"}.get(found, found)
    if kind not in FILE_SYSTEMS:
        raise Refusal(f"{device}: filesystem not recognized")
    return f"{kind}\n"


def gpart(world: World, args: list[str], stdin: str) -> str:
    """``gpart status -s``: the disks of the lab are files, without partitions."""
    return ""


def swapctl(world: World, args: list[str], stdin: str) -> str:
    """``swapctl -l``: there is none."""
    return f"{'Device:':13} {'1024-blocks':>13} {'Used:':>10}\n"


def nc(world: World, args: list[str], stdin: str) -> str:
    """``nc -z [-w SECONDS] ADDRESS PORT``."""
    given, (address, port) = options(args, "46nuvw:z")
    try:
        socket.create_connection((address, int(port)), float(given.get("w", 5))).close()
    except OSError as error:
        raise Refusal(f"connect to {address} port {port} (tcp) failed: {error.strerror}") from error
    return ""


def daemon(world: World, args: list[str], stdin: str) -> str:
    """``daemon [-cf] [-o FILE] PROGRAM [WORD ...]``: it goes on after us."""
    given, words = options(args, "cfo:")
    null = subprocess.DEVNULL
    out = null if "f" in given else None
    if "o" in given:
        out = os.open(given["o"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if shutil.which(words[0]):
        # It may want the tables, which are ours until we end.
        subprocess.Popen(words, stdin=null, stdout=out, stderr=out, start_new_session=True, cwd="/")
    return ""


PROGRAMS = {
    "daemon": program(daemon),
    "fetch": program(fetch), "fstyp": program(fstyp), "gpart": program(gpart), "nc": program(nc),
    "sha256": program(sha256), "stat": program(stat), "swapctl": program(swapctl),
}  # fmt: skip
