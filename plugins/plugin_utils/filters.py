# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all filters have in common: each file has one, and it fails as Ansible expects."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError


def filter_module(function: Callable[..., Any]) -> type:
    """The class ``FilterModule`` of a file whose filter is this function, under its name."""

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TwinError as error:
            raise AnsibleFilterError(str(error)) from error

    class FilterModule:
        def filters(self) -> dict[str, Callable[..., Any]]:
            return {function.__name__: checked}

    return FilterModule
