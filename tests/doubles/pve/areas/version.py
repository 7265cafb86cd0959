# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of the API and the version. Rests on the recorded exchanges."""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.world import RELEASES, World

REPOSITORY = "14a22df3"


def version_of(world: World) -> dict[str, str]:
    return {"release": world.release, "version": RELEASES[world.release], "repoid": REPOSITORY}


@handles("GET", "/")
def root(call: Call) -> Any:
    return [{"subdir": name} for name in ("version", "cluster", "nodes", "storage", "access", "pools")]


@handles("GET", "/version")
def version(call: Call) -> Any:
    return version_of(call.world)


@handles("GET", "/nodes/{node}/version")
def node_version(call: Call) -> Any:
    return version_of(call.world)
