# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of machine_upgrade."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._machine import upgrade
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import to_mapping
from ansible_collections.twin.datacenter.plugins.module_utils._machine.driver import replicate_machine
from ansible_collections.twin.datacenter.plugins.module_utils._machine.gate import PAIR
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import rename_dataset
from ansible_collections.twin.datacenter.plugins.modules.machine_upgrade import SUBJECT
from tests.doubles.machines import MACHINE, MachineServer, driver, two_servers, with_program
from tests.laws.laws import Case

_LOCKS = tempfile.TemporaryDirectory()
# The locks of the servers in memory lie on a real file system, and not where a server has them.
upgrade.LOCKS = _LOCKS.name


def servers(flavour: str = "fuse", **fields: Any) -> tuple[MachineServer, MachineServer]:
    """A pair; the machine runs on castor and has a replica, and a newer image is on both."""
    castor, pollux = with_program(two_servers(_LOCKS.name, flavour, **fields))
    castor.change(["zfs", "create", "tank/images/newer"])
    castor.change(["zfs", "snapshot", "tank/images/newer@base"])
    pollux.zfs.take(["tank/images/newer"], castor.zfs.stream(["tank/images/newer@base"]))
    replicate_machine(driver(castor, pollux, lambda *_said, **_facts: None))
    for server in (castor, pollux):
        server.files[PAIR] = json.dumps(to_mapping(server.pair))
    return forget(castor), forget(pollux)


def forget(server: MachineServer) -> MachineServer:
    server.changes.clear()
    server.calls.clear()
    return server


def params(**fields: Any) -> dict[str, Any]:
    """The options that give the machine the newer image."""
    declared = {**MACHINE, "image": "newer", **fields}
    return {"machines": {"ssa": declared}, "allow_destroy": ["ssa"]}


def stopped() -> MachineServer:
    castor = servers()[0]
    castor.station.stop("ssa")
    return forget(castor)


def upgraded() -> MachineServer:
    """One on which the way back is open."""
    castor = servers()[0]
    reconcile(SUBJECT, params(), castor, castor)
    return forget(castor)


def without_root() -> MachineServer:
    """One on which the making of the machine was cut off."""
    castor = stopped()
    rename_dataset(castor, "tank/machines/ssa/root", "tank/elsewhere")
    return forget(castor)


def case(name: str, host: Callable[[], MachineServer], **fields: Any) -> Case:
    return Case("machine_upgrade", name, host, params(**fields))


JAIL = {"kind": "jail"}
THICK = {"kind": "jail", "options": {"thick": True}}
CASES = [
    case("that runs", lambda: servers()[0], disk="8G"),
    case("that is stopped", stopped),
    case("that is to stop", lambda: servers()[0], state="stopped"),
    case("of a replica", lambda: servers()[1]),
    case("that has the image", lambda: servers()[0], image="tiny"),
    case("and back", upgraded, image="tiny"),
    case("without a root", without_root),
    case("with openzfs", lambda: servers("openzfs-2.3")[0]),
    case("of a jail", lambda: servers("freebsd-14.3")[0], **JAIL),
    case("of a thick jail", lambda: servers("freebsd-15.0", **THICK)[0], **THICK),
]
