# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control side of module ``machine_move``: starts the job on the server and shows what it says."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._machine.job import (
    Wanted,
    ending,
    entry,
    job_argv,
    log_path,
    measured,
    process_pattern,
    wanted_of,
)
from ansible_collections.twin.datacenter.plugins.modules.machine_move import OPTIONS

DISPLAY = Display()
PAUSE = 0.5
QUIET = 4.0
"""Seconds after which progress of one and the same step is shown again."""
LOST = 5.0
"""Seconds without a process and without an end, after which the move is said to have died."""


class ActionModule(ActionBase):
    """Lets the module plan; starts and follows the job itself, so that its progress is seen."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=OPTIONS)
        planned = self._planned(task_vars or {})
        result.update(planned)
        if planned.get("failed") or not planned.get("changed") or self._task.check_mode:
            return result
        try:
            wanted = wanted_of(arguments)
            if not self._is_under_way(wanted):
                self._command(["rm", "-f", log_path(wanted.name)])
                self._command(job_argv(wanted, self._command(["uname", "-s"]).strip()))
            result["measured"] = [{"key": wanted.name, **self._follow(wanted)}]
        except TwinError as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def _planned(self, variables: dict[str, Any]) -> dict[str, Any]:
        """What the module would do."""
        task = self._task
        mode, task.check_mode = task.check_mode, True
        try:
            answer: dict[str, Any] = self._execute_module(
                "twin.datacenter.machine_move", module_args=dict(task.args), task_vars=variables
            )
        finally:
            task.check_mode = mode
        return answer

    def _follow(self, wanted: Wanted) -> dict[str, Any]:
        """Show the log of the job as it grows."""
        seen, shown, alive = 0, 0.0, time.monotonic()
        while True:
            tail = self._command(["tail", "-n", f"+{seen + 1}", log_path(wanted.name)], fails=True)
            # A terminal may have been given to the command, so bytes cannot be counted, lines can.
            whole = tail[: tail.rfind("\n") + 1]
            seen += len(whole.splitlines())
            for line in whole.splitlines():
                data = entry(line)
                if data and (not data.get("progress") or time.monotonic() - shown > QUIET):
                    DISPLAY.display(f"{wanted.name}: {data.get('say') or data['end']}")
                    shown = time.monotonic()
            end = ending(whole)
            if end is not None:
                return measured(wanted, end)
            if whole or self._is_under_way(wanted):
                alive = time.monotonic()
            elif time.monotonic() - alive > LOST:
                raise AnsibleActionFail(
                    f"move of {wanted.name}: its process has died; run the same again, it goes on from there."
                )
            time.sleep(PAUSE)

    def _is_under_way(self, wanted: Wanted) -> bool:
        return bool(self._command(["pgrep", "-f", process_pattern(wanted)], fails=True))

    def _command(self, argv: Sequence[str], *, fails: bool = False) -> str:
        """What a command of the server prints.

        :param fails: whether a failure is an answer, and no output is what it says.
        """
        answer = self._low_level_execute_command(shlex.join(argv))
        if answer["rc"] and not fails:
            raise AnsibleActionFail(f"{' '.join(argv[:3])} failed: {answer['stderr'] or answer['stdout']}")
        return "" if answer["rc"] else str(answer["stdout"])
