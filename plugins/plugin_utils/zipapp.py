# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program ``twin`` as one file: the module_utils that do not need Ansible, in a zip that Python runs."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

UTILS = Path(__file__).parents[1] / "module_utils"
PACKAGE = "twin_datacenter"
_ANSIBLE = "_core/module.py"
# Python keeps no bytecode of what it imports from a zip: compiling would cost five times what most calls
# do, and start hooks and the twin call it often. So the first call as root unpacks it, once per version.
_MAIN = f"""import os
import sys

CACHE = "FOLDER"


def home():
    path = f"{{CACHE}}/DIGEST"
    if not os.path.isdir(path):
        import shutil
        import tempfile
        import zipfile

        try:
            os.makedirs(CACHE, exist_ok=True)
            new = tempfile.mkdtemp(dir=CACHE)
            with zipfile.ZipFile(sys.path[0]) as archive:
                archive.extractall(new)
            os.rename(new, path)
            # The version before may be at work, and imports what it needs when it needs it.
            for old in sorted(os.scandir(CACHE), key=lambda each: each.stat().st_mtime)[:-2]:
                shutil.rmtree(old.path, ignore_errors=True)
        except OSError:
            return path if os.path.isdir(path) else sys.path[0]
    return path


sys.path[0] = home()
from {PACKAGE}._machine.program import main  # noqa: E402

sys.exit(main())
"""
# The oldest date that a zip can hold: the same sources give the same bytes, whenever and wherever.
_DATE = (1980, 1, 1, 0, 0, 0)


def build(interpreter: str, utils: Path = UTILS, cache: str = "/var/cache/twin") -> bytes:
    """The bytes of the program. Law: equal sources give equal bytes.

    :param interpreter: full path of Python on the server.
    :param utils: the folder module_utils.
    :param cache: folder on the server, where it unpacks itself.
    """
    sources = {path.relative_to(utils).as_posix(): path.read_bytes() for path in utils.rglob("*.py")}
    members = {f"{PACKAGE}/{name}": text for name, text in sources.items() if name != _ANSIBLE}
    members.setdefault(f"{PACKAGE}/__init__.py", b"")
    parts = [part for name in sorted(members) for part in (name.encode(), members[name])]
    digest = hashlib.sha256(b"\0".join(parts))
    main = _MAIN.replace("DIGEST", digest.hexdigest()[:16]).replace("FOLDER", cache)
    members["__main__.py"] = main.encode()
    buffer = io.BytesIO(f"#!{interpreter} -I\n".encode())
    buffer.seek(0, io.SEEK_END)
    # Stored, not deflated: how well zlib packs differs from one version to the next.
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            member = zipfile.ZipInfo(name, _DATE)
            member.external_attr = 0o644 << 16
            member.create_system = 3
            archive.writestr(member, members[name])
    return buffer.getvalue()
