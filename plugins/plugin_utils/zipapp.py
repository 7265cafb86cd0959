# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program ``twin`` as one file: the module_utils that do not need Ansible, in a zip that Python runs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

UTILS = Path(__file__).parents[1] / "module_utils"
PACKAGE = "twin_datacenter"
_ANSIBLE = "_core/module.py"
_MAIN = f"""import sys

sys.dont_write_bytecode = True
from {PACKAGE}._machine.program import main

sys.exit(main())
"""
# The oldest date that a zip can hold: the same sources give the same bytes, whenever and wherever.
_DATE = (1980, 1, 1, 0, 0, 0)


def build(interpreter: str, utils: Path = UTILS) -> bytes:
    """The bytes of the program. Law: equal sources give equal bytes.

    :param interpreter: full path of Python on the server.
    :param utils: the folder module_utils.
    """
    sources = {
        path.relative_to(utils).as_posix(): path.read_bytes()
        for path in utils.rglob("*.py")
        if path.relative_to(utils).as_posix() != _ANSIBLE
    }
    sources.setdefault("__init__.py", b"")
    members = {"__main__.py": _MAIN.encode(), **{f"{PACKAGE}/{name}": text for name, text in sources.items()}}
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
