# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mappings: one name for the same device, or folder, of each server. Pure.

Of a mapping PVE wants the whole ``map`` with every change.
"""

from __future__ import annotations

from .kinds import by_noun
from .resource import Resource
from .tables import mapping_dir, mapping_pci, mapping_usb

MAPPINGS = {
    kind: Resource(
        f"{kind} mapping",
        f"cluster/mapping/{kind}",
        "id",
        update=calls.UPDATE,
        create=calls.CREATE,
        resent=frozenset({"map"}),
        of_answer=lambda answer: {key: value for key, value in answer.items() if key != "type"},
    )
    for kind, calls in (("pci", mapping_pci), ("usb", mapping_usb), ("dir", mapping_dir))
}
KINDS = by_noun(*MAPPINGS.values())
PCI = MAPPINGS["pci"]
