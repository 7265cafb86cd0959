# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pveversion(1), as it was recorded."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from tests.doubles.pve.api import Api
from tests.doubles.pve.cli import Output
from tests.doubles.pve.world import World


def run(world: World, node: str, argv: Sequence[str], stdin: bytes = b"") -> Output:
    told = Api(world).request("GET", "/version").data
    kernel = f"(running kernel: {world.nodes[node].facts.get('kernel') or platform.release()})"
    return Output(0, f"pve-manager/{told['version']}/{told['repoid']} {kernel}\n")
