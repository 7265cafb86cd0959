# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which interpreter the program twin is given."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.action.twin_program import ActionModule


class OnServer(ActionModule):
    """The plugin on a server of which only its system is known."""

    def __init__(self, system: str) -> None:
        self.system = system

    def _low_level_execute_command(self, cmd: str, **_more: Any) -> dict[str, Any]:
        assert cmd == "uname -s"
        return {"stdout": f"{self.system}\r\n", "rc": 0}


@pytest.mark.parametrize(
    ("system", "named", "path"),
    [
        ("Linux", None, "/usr/bin/python3"),
        ("FreeBSD", None, "/usr/local/bin/python3.11"),
        ("FreeBSD", "auto_silent", "/usr/local/bin/python3.11"),
        ("FreeBSD", "/usr/local/bin/python3.12", "/usr/local/bin/python3.12"),
    ],
)
def test_the_interpreter_is_the_one_that_is_named_or_that_of_the_system(
    system: str, named: str | None, path: str
) -> None:
    variables = {} if named is None else {"ansible_python_interpreter": named}
    assert OnServer(system)._interpreter(variables) == path
