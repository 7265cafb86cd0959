# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way in for administrators: their keys and rights as files of a server. Pure.

Their keys lie where only root can write: so nobody adds a key of his own, and no link in a home
folder leads our writing astray.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.values import doubles

KEY_FOLDER = "/etc/ssh/authorized_keys.d"
SSHD_FILE = "/etc/ssh/sshd_config.d/20-twin-admins.conf"
HEAD = "# Written by role access of twin.datacenter.\n"

# What useradd(8) of Debian and pw(8) of FreeBSD take, and neither sshd_config(5) nor sudoers(5) reads as a
# pattern.
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_KEY_TYPE = re.compile(r"(ssh|sk-ssh|ecdsa-sha2|sk-ecdsa-sha2)-[a-z0-9@.-]+")


@dataclass(frozen=True, slots=True)
class _Names:
    """What a platform calls things. sudo is a package, and those of FreeBSD lie in /usr/local (hier(7))."""

    group: str
    sshd: str
    sudoers: str
    visudo: str


_DEBIAN = _Names("root", "ssh.service", "/etc/sudoers.d", "/usr/sbin/visudo")
_NAMES = {
    "debian": _DEBIAN,
    "freebsd": _Names("wheel", "sshd", "/usr/local/etc/sudoers.d", "/usr/local/sbin/visudo"),
    "proxmox": _DEBIAN,
}


def access_files(admins: Sequence[Mapping[str, Any]], platform: str = "debian") -> list[dict[str, Any]]:
    """Files, as module ``files`` takes them, that give these people their way in and nobody else one.

    :param admins: each ``name``, ``keys``, ``sudo`` and ``state`` (present or absent).
    :param platform: that of the pair.
    :raises Refused: for a name or a key that is none, with every fault at once.
    """
    if platform not in _NAMES:
        raise Refused(f"platform {platform}", "its accounts are not known here", f"use {' or '.join(_NAMES)}")
    names = _NAMES[platform]
    faults = [fault for admin in admins for fault in _faults(admin)]
    faults += [f"{name} stands there twice" for name in doubles(admin["name"] for admin in admins)]
    if faults:
        raise Refused("admins", "; ".join(faults), "correct twin.admins")
    present = [admin for admin in admins if admin.get("state", "present") == "present"]
    users = ",".join(admin["name"] for admin in present)
    match = f"Match User {users}\n  AuthorizedKeysFile {KEY_FOLDER}/%u\n" if present else ""
    rights = "".join(
        f"{admin['name']} ALL=(ALL:ALL) NOPASSWD: ALL\n" for admin in present if admin.get("sudo")
    )
    return [
        {"path": KEY_FOLDER, "state": "directory", "mode": "0755", "owner": "root", "group": names.group},
        *(_key_file(admin, names.group) for admin in admins),
        {
            "path": SSHD_FILE,
            "content": HEAD + match,
            "validate": ["/usr/sbin/sshd", "-t", "-f", "%s"],
            "reload": [names.sshd],
        },
        {
            "path": f"{names.sudoers}/twin-admins",
            "content": HEAD + rights,
            "mode": "0440",
            "validate": [names.visudo, "-cf", "%s"],
        },
    ]


def _key_file(admin: Mapping[str, Any], group: str) -> dict[str, Any]:
    path = f"{KEY_FOLDER}/{admin['name']}"
    if admin.get("state", "present") == "absent":
        return {"path": path, "state": "absent"}
    keys = "".join(f"{key.strip()}\n" for key in admin.get("keys") or ())
    return {"path": path, "content": HEAD + keys, "mode": "0644", "owner": "root", "group": group}


def _faults(admin: Mapping[str, Any]) -> list[str]:
    name = admin["name"]
    faults = []
    if not _NAME.fullmatch(name):
        faults.append(f"{name!r} is no name of an account")
    if name == "root":
        faults.append("root is none of these accounts, its keys are yours to keep")
    # Not shown: somebody may have put a private key there.
    keys = enumerate(admin.get("keys") or (), start=1)
    return faults + [f"key {number} of {name} is no public key" for number, key in keys if not _is_key(key)]


def _is_key(line: str) -> bool:
    """Whether a line is a public key, as ssh-keygen(1) writes it: its type, then the same within base64."""
    words = line.split()
    if "\n" in line.strip() or len(words) < 2 or not _KEY_TYPE.fullmatch(words[0]):
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return False
    return blob[4 : 4 + int.from_bytes(blob[:4], "big")] == words[0].encode()
