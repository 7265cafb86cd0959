# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of machine_removal."""

from __future__ import annotations

import json
import tempfile

from ansible_collections.twin.datacenter.plugins.module_utils._machine import removal
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import to_mapping
from ansible_collections.twin.datacenter.plugins.module_utils._machine.driver import replicate_machine
from ansible_collections.twin.datacenter.plugins.module_utils._machine.gate import PAIR
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import rename_dataset
from tests.doubles.machines import MachineServer, driver, two_servers
from tests.laws.laws import Case

_LOCKS = tempfile.TemporaryDirectory()
# The locks of the servers in memory lie on a real file system, and not where a server has them.
removal.LOCKS = _LOCKS.name


def servers() -> tuple[MachineServer, MachineServer]:
    """A pair; the machine runs on castor and has a replica."""
    castor, pollux = two_servers(_LOCKS.name)
    replicate_machine(driver(castor, pollux, lambda *_said, **_facts: None))
    for server in (castor, pollux):
        server.files[PAIR] = json.dumps(to_mapping(server.pair))
        server.changes.clear()
        server.calls.clear()
    return castor, pollux


def stopped() -> MachineServer:
    castor = servers()[0]
    castor.station.stop("ssa")
    castor.changes.clear()
    return castor


def upgraded() -> MachineServer:
    """With a root file system that is kept, which the replica has too."""
    castor, pollux = servers()
    rename_dataset(castor, "tank/machines/ssa/root", "tank/machines/ssa/root.older")
    castor.change(["zfs", "clone", "tank/images/tiny@base", "tank/machines/ssa/root"])
    castor.zfs.state.clock += 60
    replicate_machine(driver(castor, pollux, lambda *_said, **_facts: None))
    castor.changes.clear()
    castor.calls.clear()
    return castor


def params(*names: str, kept: bool = False) -> dict[str, object]:
    return {"machines": list(names), "kept": kept, "allow_destroy": ["ssa"]}


CASES = [
    Case("machine_removal", "where it lives", lambda: servers()[0], params("ssa")),
    Case("machine_removal", "that is stopped", stopped, params("ssa")),
    Case("machine_removal", "of its replica", lambda: servers()[1], params("ssa")),
    Case("machine_removal", "of what it keeps", upgraded, params("ssa", kept=True)),
    Case("machine_removal", "that keeps nothing", lambda: servers()[0], params("ssa", kept=True)),
    Case("machine_removal", "that never was", lambda: servers()[0], params("tap")),
]
