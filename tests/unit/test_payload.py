# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent to a host for each call of a module, and compiled there anew each time.

Ansible packs a module with all that it imports, so one import too many is paid by every task. How many
seconds that is, `make bench` measures; their number of bytes is watched here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import module_loader
from ansible.template import Templar

MODULES = sorted(path.stem for path in (Path(__file__).parents[2] / "plugins" / "modules").glob("*.py"))
# Only the control side of it exists.
MODULES.remove("twin_program")
TECHNOLOGY, MACHINES, PLATFORMS = 110 * 1024, 220 * 1024, 250 * 1024
"""Bytes beyond those of ping: for a module of one technology; for one of machines, which carries every kind
of them; for the one that tells of them on all platforms, which carries the client of Proxmox VE too."""


def payload(name: str) -> int:
    """Bytes of a module as they go to the host, without its arguments."""
    path = module_loader.find_plugin_with_context(name).plugin_resolved_path
    built = modify_module(
        module_name=name,
        module_path=path,
        module_args={},
        templar=Templar(DataLoader()),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_DEFLATED",
    )
    return len(built.b_module_data)


@pytest.fixture(scope="module")
def ping() -> int:
    return payload("ansible.builtin.ping")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_carries_no_more_than_it_needs(name: str, ping: int) -> None:
    budget = MACHINES if name.startswith("machine_") else TECHNOLOGY
    budget = PLATFORMS if name == "machine_info" else budget
    assert payload(f"twin.datacenter.{name}") - ping <= budget
