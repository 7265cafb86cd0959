# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control side of module ``files``: renders templates, nothing else."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader


class ActionModule(ActionBase):
    """Calls the module with each ``template`` replaced by the ``content`` that it gives."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        items = self._task.args.get("files")
        arguments = dict(self._task.args)
        if isinstance(items, list):
            arguments["files"] = [self._rendered(item, variables) for item in items]
        result.update(
            self._execute_module("twin.datacenter.files", module_args=arguments, task_vars=variables)
        )
        return result

    def _rendered(self, item: Any, variables: dict[str, Any]) -> Any:
        if not isinstance(item, dict) or not item.get("template"):
            return item
        if item.get("content") is not None:
            raise AnsibleActionFail(
                f"file {item.get('path')}: content and template exclude each other; keep one of them."
            )
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        (text,) = lookup.run([item["template"]], variables)
        return {key: value for key, value in item.items() if key != "template"} | {"content": text}
