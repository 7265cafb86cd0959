# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Storages: where guests' disks, backups, images and templates lie. Pure.

PVE never shows passwords and keys; of a backup server's encryption key it shows the fingerprint under the
same name, so that is not compared. ``disable`` is kept only where it says yes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .resource import Resource
from .schema import Field
from .tables import storage as calls

STORAGE = Resource(
    "storage",
    "storage",
    "storage",
    {**calls.UPDATE, "disable": Field("boolean", default=False)},
    calls.CREATE,
    # Which content one has that is told of none, depends on its type.
    needed=frozenset({"content"}),
    secrets=frozenset({"password", "encryption-key", "keyring", "master-pubkey"}),
)


def item(options: Mapping[str, Any]) -> dict[str, Any]:
    """An item of module pve_storage for `resource.parse_wanted`."""
    type_ = {"type": options["type"]} if options.get("type") is not None else {}
    return {**options, "settings": {**(options.get("settings") or {}), **type_}}
