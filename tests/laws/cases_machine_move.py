# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of machine_move."""

from __future__ import annotations

import tempfile

from tests.doubles.clusters import Node, two_nodes
from tests.doubles.machines import MachineServer, two_servers, with_program
from tests.laws.laws import Case

_LOCKS = tempfile.TemporaryDirectory()


def castor() -> MachineServer:
    return with_program(two_servers(_LOCKS.name))[0]


def castor_at_rest() -> MachineServer:
    server = castor()
    server.station.stop("ssa")
    server.changes.clear()
    return server


def node() -> Node:
    server = two_nodes(_LOCKS.name)[0]
    server.changes.clear()
    return server


CASES = [
    Case("machine_move", "within a cluster", node, {"name": "ssa", "to": "pollux"}),
    Case("machine_move", "where it is within a cluster", node, {"name": "ssa", "to": "castor"}),
    Case("machine_move", "to the other server", castor, {"name": "ssa", "to": "pollux"}),
    Case("machine_move", "while it is stopped", castor_at_rest, {"name": "ssa", "to": "pollux"}),
    Case("machine_move", "where it is", castor, {"name": "ssa", "to": "castor"}),
]
