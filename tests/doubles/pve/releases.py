# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How release 8.4 differs from 9.1, of which there is a schema.

Unverified: there is neither a captured schema nor a recording of 8.4. Each difference names the package whose
sources or changelog tell it. Where an area answers otherwise it asks `World.old`.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

OLDEST = "8.4"
Paths = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Absent:
    """Paths, or parameters of them, that 8.4 does not have."""

    source: str
    paths: str
    """A regular expression for the templates."""
    parameters: tuple[str, ...] = ()
    """None: the paths themselves."""


@dataclass(frozen=True)
class Guarded:
    """Operations that ask for another privilege in 8.4."""

    source: str
    paths: str
    privilege: str


ABSENT = (
    Absent("pve-ha-manager 5.0: rules take the place of groups", r"/cluster/ha/rules(/.*)?"),
    Absent(
        "pve-ha-manager 5.0: failback moves from the group to the resource",
        r"/cluster/ha/resources.*",
        ("failback",),
    ),
    Absent("pve-ha-manager 5.1: arm-ha and disarm-ha", r"/cluster/ha/status/(arm|disarm)-ha"),
    Absent("pve-network 1.1: fabrics", r"(/cluster|/nodes/\{node\})/sdn/fabrics(/.*)?"),
    Absent("pve-manager 9.0: actions on many guests", r"/cluster/bulk-action(/.*)?"),
    Absent("qemu-server 9.0: state of conntrack is migrated", r"/nodes/\{node\}/qemu/\{vmid\}/dbus-vmstate"),
    Absent("qemu-server 9.0", r"/nodes/\{node\}/qemu(/\{vmid\}/config)?", ("allow-ksm", "intel-tdx")),
    Absent(
        "pve-container 6.0, pve-storage 9.0: images of OCI registries",
        r"/nodes/\{node\}/(query-oci-repo-tags|storage/\{storage\}/oci-registry-pull)",
    ),
    Absent("pve-container 6.0", r"/nodes/\{node\}/lxc(/\{vmid\}/config)?", ("entrypoint", "env")),
)
GUARDED = (
    Guarded(
        "pve-access-control 8: VM.Monitor",
        r"/nodes/\{node\}/qemu/\{vmid\}/(agent(/.*)?|monitor)",
        "VM.Monitor",
    ),
)
# Privileges (pve-access-control 8, $privgroups): what 9.0 split up, and what it added.
NEW_PRIVILEGES = frozenset(
    {
        "VM.GuestAgent.Audit",
        "VM.GuestAgent.FileRead",
        "VM.GuestAgent.FileSystemMgmt",
        "VM.GuestAgent.FileWrite",
        "VM.GuestAgent.Unrestricted",
        "VM.Replicate",
    }
)
OLD_PRIVILEGES = frozenset({"VM.Monitor"})


def older(paths: Paths) -> Paths:
    """The schema of 8.4 out of that of 9.1."""
    found = {
        template: copy.deepcopy(methods)
        for template, methods in paths.items()
        if not any(re.fullmatch(each.paths, template) for each in ABSENT if not each.parameters)
    }
    for template, methods in found.items():
        for method in methods.values():
            change(template, method)
    return found


def change(template: str, method: dict[str, Any]) -> None:
    for absent in ABSENT:
        if absent.parameters and re.fullmatch(absent.paths, template):
            for name in absent.parameters:
                method["parameters"].pop(name, None)
    for guarded in GUARDED:
        if re.fullmatch(guarded.paths, template):
            method["permissions"] = {"check": ["perm", "/vms/{vmid}", [guarded.privilege]]}
    for schema in method["parameters"].values():
        if schema.get("format") == "pve-priv-list":
            schema["format"] = "pve-priv-8-list"
