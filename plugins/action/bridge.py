# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control side of module ``bridge``: tries the new network, and confirms it over a new connection."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

PAUSE = 1.0
"""Seconds between two attempts; the host makes the change one second after it was told to."""


class ActionModule(ActionBase):
    """In check mode one call plans both steps."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        if self._task.check_mode:
            result.update(self._call("all", variables))
            return result
        tried = self._call("try", variables)
        if tried.get("failed") or not tried.get("changed"):
            result.update(tried)
            return result
        confirmed = self._confirm(int(self._task.args.get("confirm") or 60), variables)
        result.update(tried)
        if confirmed.get("failed"):
            result.update(failed=True, msg=confirmed["msg"])
        else:
            result["plan"] = tried["plan"] + confirmed["plan"]
        return result

    def _call(self, phase: str, variables: dict[str, Any]) -> dict[str, Any]:
        arguments = {**self._task.args, "phase": phase}
        answer: dict[str, Any] = self._execute_module(
            "twin.datacenter.bridge", module_args=arguments, task_vars=variables
        )
        return answer

    def _confirm(self, seconds: int, variables: dict[str, Any]) -> dict[str, Any]:
        """Over new connections, until the host says yes or has gone back."""
        end = time.monotonic() + seconds
        said = ""
        while time.monotonic() < end:
            time.sleep(PAUSE)
            self._connection.reset()
            try:
                answer = self._call("confirm", variables)
            except AnsibleConnectionFailure as error:
                said = str(error).strip()
                continue
            if not answer.get("failed"):
                return answer
            said = str(answer.get("msg"))
        bridge = self._task.args.get("bridge")
        sentence = (
            f"bridge {bridge}: the new network was not confirmed within {seconds} s, so the host goes back"
        )
        remedy = f"by itself; correct port and addresses. The last attempt said: {said}"
        return {"failed": True, "msg": f"{sentence} {remedy}"}
