# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options by which a server is reached: those of ansible.builtin.ssh, as this ansible-core has them."""

from __future__ import annotations

from typing import Any

import yaml
from ansible.plugins.connection import ssh

# Those that mean something else to us, and those of file transfers, which we do in a way of our own.
_LEFT_OUT = ("remote_user", "scp_", "sftp_", "ssh_transfer_method", "use_tty")


def _unversioned(value: Any) -> Any:
    """The same without versions: those of ansible-core would be read as ours."""
    if isinstance(value, dict):
        return {key: _unversioned(item) for key, item in value.items() if key != "version_added"}
    return [_unversioned(item) for item in value] if isinstance(value, list) else value


OPTIONS = {
    name: _unversioned(option)
    for name, option in yaml.safe_load(ssh.DOCUMENTATION)["options"].items()
    if not name.startswith(_LEFT_OUT)
}


class ModuleDocFragment:
    # Annotated, because the yamllint of ansible-test takes every plain assignment for a literal.
    DOCUMENTATION: str = yaml.safe_dump({"options": OPTIONS})
