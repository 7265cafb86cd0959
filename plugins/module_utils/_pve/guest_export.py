# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests of Proxmox VE that were found, in the form in which they are declared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._core.values import format_size
from . import table
from .guest import Found, Kind, is_cloudinit, size_of, storage_of, volume_of
from .note import split


def export(kind: Kind, found: Iterable[Found]) -> list[dict[str, Any]]:
    """Guests in the form in which they are declared."""
    return [_exported(kind, each) for each in found]


def _exported(kind: Kind, found: Found) -> dict[str, Any]:
    state = "template" if found.template else "started" if found.running else "stopped"
    declarable = {
        key: value
        for key, value in found.configured.items()
        if table.field_of(kind.config, key) is not None
        and key not in {"lock", "template", kind.name_key, *kind.hidden}
        and not key.startswith("unused")
    }
    config = {key: value for key, value in declarable.items() if not kind.is_disk(key)}
    if said := split(config.pop("description", ""))[0]:
        config["description"] = said
    disks = {key: value for key, value in declarable.items() if kind.is_disk(key)}
    # What waits for a start is not to be forced by whoever applies this.
    waits = found.running and found.live != found.configured
    return {
        "name": found.name,
        "vmid": found.vmid,
        "state": state,
        "node": found.node,
        "config": table.wire(kind.config, config),
        "disks": {key: _exported_disk(kind, value) for key, value in disks.items()},
        "apply": "next_boot" if waits else "now",
    }


def _exported_disk(kind: Kind, value: Mapping[str, Any]) -> dict[str, Any]:
    options = {part: text for part, text in value.items() if part not in (kind.volume, "size")}
    if is_cloudinit(kind, value):
        return {"storage": storage_of(kind, value), "volume": "cloudinit", **options}
    if not storage_of(kind, value) or value.get("media") == "cdrom":
        return {"volume": volume_of(kind, value), **options}
    size = size_of(value)
    return {
        "storage": storage_of(kind, value),
        **({} if size is None else {"size": format_size(size)}),
        **options,
    }
