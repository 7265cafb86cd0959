# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the datacenter: /cluster/options.

Rests on: PVE::API2::Cluster and PVE::DataCenterConfig (pve-manager, pve-cluster) and the recorded exchanges:
property strings are shown taken apart, `bwlimit` is not; `max_workers` is a string; the note ends with a line
break; an unknown option can be deleted; who may not audit sees only which tags are allowed.
"""

from __future__ import annotations

from typing import Any

from tests.doubles.pve import schema
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.formats import split_list

WHOLE = {"bwlimit", "description", "mac_prefix"}
LISTS = {"registered-tags", "user-allow-list"}


@handles("GET", "/cluster/options")
def read(call: Call) -> Any:
    if not call.allows("/", "Sys.Audit"):
        return {"allowed-tags": allowed_tags(call)}
    held = {key: str(value) if key == "max_workers" else value for key, value in call.world.options.items()}
    return {"mac_prefix": "BC:24:11", "description": "", **held, "allowed-tags": allowed_tags(call)}


def allowed_tags(call: Call) -> list[str]:
    """Which tags the user may give a guest (PVE::GuestHelpers::get_allowed_tags)."""
    options = call.world.options
    access = options.get("user-tag-access", {})
    mode = access.get("user-allow", "free")
    tags = set(access.get("user-allow-list", [])) if mode in ("list", "existing") else set()
    if mode in ("free", "existing"):
        for guest in call.world.guests.values():
            if call.allows(f"/vms/{guest.vmid}", "VM.Audit"):
                tags |= set(split_list(str(guest.config.get("tags", ""))))
    if call.allows("/", "Sys.Modify"):
        tags |= set(options.get("registered-tags", []))
    return sorted(tags)


@handles("PUT", "/cluster/options")
def write(call: Call) -> None:
    call.world.require_writable("datacenter.cfg")
    options = call.world.options
    for key in split_list(call["delete"] or ""):
        options.pop(key, None)
    for key, value in call.params.items():
        if key != "delete":
            options[key] = taken_apart(call, key, value)


def taken_apart(call: Call, key: str, value: Any) -> Any:
    form = (call.method.property(key) or {}).get("format")
    if key in LISTS:
        return sorted(split_list(str(value)))
    if key == "description":
        return str(value).rstrip("\n") + "\n" if value else ""
    if not isinstance(form, dict) or key in WHOLE:
        return value
    parts: dict[str, Any] = dict(schema.parse(value, form))
    return {name: split_list(part) if name in LISTS else part for name, part in parts.items()}
