# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of machine_replica."""

from __future__ import annotations

import json
import tempfile

from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import to_mapping
from ansible_collections.twin.datacenter.plugins.module_utils._machine.gate import PAIR
from tests.doubles.machines import MachineServer, two_servers, with_program
from tests.laws.laws import Case

_LOCKS = tempfile.TemporaryDirectory()


def servers() -> tuple[MachineServer, MachineServer]:
    both = with_program(two_servers(_LOCKS.name))
    for server in both:
        server.files[PAIR] = json.dumps(to_mapping(server.pair))
    return both


def params(*names: str) -> dict[str, object]:
    return {"machines": [{"name": name, "planned": False} for name in names]}


CASES = [
    Case("machine_replica", "the first one", lambda: servers()[0], params("ssa")),
    Case("machine_replica", "of the twin's machine", lambda: servers()[1], params("ssa")),
    Case("machine_replica", "of none", lambda: servers()[0], params("tap")),
]
