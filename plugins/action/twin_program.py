# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds the program ``twin`` on the control node and installs it where it is not the same."""

from __future__ import annotations

import hashlib
import tempfile
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.twin.datacenter.plugins.plugin_utils.zipapp import build

PATH = "/usr/local/sbin/twin"
MODE = "0755"
# Packages of FreeBSD name the interpreter by its version; 3.11 is the oldest that the program runs with.
INTERPRETERS = {"FreeBSD": "/usr/local/bin/python3.11"}


class ActionModule(ActionBase):
    """Compares by checksum; sends the program only when it differs."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, arguments = self.validate_argument_spec(argument_spec={"interpreter": {"type": "path"}})
        program = build(arguments["interpreter"] or self._interpreter(variables))
        before = self._installed(variables)
        after = {"checksum": hashlib.sha1(program, usedforsecurity=False).hexdigest(), "mode": MODE}
        changed = before != after
        verb = "install" if before is None else "update"
        result.update(changed=changed, plan=[f"{verb} {PATH}"] if changed else [])
        if self._task.diff and changed:
            result["diff"] = {"before": {PATH: before}, "after": {PATH: after}}
        if changed and not self._task.check_mode:
            result.update(self._install(program, variables, result))
        return result

    def _installed(self, variables: dict[str, Any]) -> dict[str, str] | None:
        found = self._execute_remote_stat(PATH, all_vars=variables, follow=False, checksum=True)
        return {"checksum": found["checksum"], "mode": found["mode"]} if found["exists"] else None

    def _install(self, program: bytes, variables: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            with tempfile.NamedTemporaryFile() as file:
                file.write(program)
                file.flush()
                source = self._transfer_file(file.name, self._connection._shell.join_path(folder, "twin"))
            self._fixup_perms2((folder, source))
            answer: dict[str, Any] = self._execute_module(
                "ansible.builtin.copy",
                module_args={"src": source, "dest": PATH, "mode": MODE, "remote_src": True},
                task_vars=variables,
            )
        finally:
            self._remove_tmp_path(folder, force=True)
        if answer.get("failed"):
            return answer
        return result

    def _interpreter(self, variables: dict[str, Any]) -> str:
        """The one that the inventory names, by its path, else that of the system."""
        named = str(variables.get("ansible_python_interpreter", ""))
        if named.startswith("/"):
            return named
        system = self._low_level_execute_command("uname -s", sudoable=False)["stdout"].strip()
        return INTERPRETERS.get(system, "/usr/bin/python3")
