# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replication jobs: the disks of a guest, sent to another server again and again. Pure.

With a job go the copies that it has made, which are the last ones when the guest's server has died: so
its removal must be allowed. A job that is removed stays until its next run has removed the copies, marked
with ``remove_job``: such a one counts as gone, and where it is wanted after all the mark is taken off.
With its guest a job turns round: what was its target becomes its source (PVE::ReplicationConfig of
pve-guest-common), so that is no drift.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .._core.plan import Plan
from . import resource as engine
from .resource import Current, Resource, Wanted, WantedResource
from .schema import Field
from .tables import replication as calls

_DERIVED = ("guest", "jobnum")
"""What PVE reads out of the id of a job."""
_INTERNAL = ("source",)


def _of_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in _DERIVED}


REPLICATION = Resource(
    "replication job",
    "cluster/replication",
    "id",
    update={
        **{key: of for key, of in calls.UPDATE.items() if key not in _INTERNAL},
        "disable": Field("boolean", default=False),
        "schedule": dataclasses.replace(calls.UPDATE["schedule"], default="*/15"),
    },
    create={key: calls.CREATE[key] for key in ("id", "target", "type")},
    undigested=True,
    destroys="the copies on its target",
    of_answer=_of_answer,
    leaving=lambda found: "remove_job" in found,
)


def item(options: Mapping[str, Any]) -> dict[str, Any]:
    """An item of module pve_replication for `resource.parse_wanted`."""
    made = REPLICATION.item(options)
    if options.get("state") != "absent":
        made["settings"] |= {"type": "local", "remove_job": None}
    return made


def make(current: Current, wanted: Wanted) -> Plan:
    """The plan, in which a job that has turned round with its guest is left as it is."""
    items = tuple(_turned(item, current.found.get(item.name, {})) for item in wanted.items)
    return engine.make(REPLICATION, current, dataclasses.replace(wanted, items=items))


def _turned(item: WantedResource, found: Mapping[str, Any]) -> WantedResource:
    target = item.settings.get("target")
    if target is None or target != found.get("source"):
        return item
    return dataclasses.replace(item, settings={**item.settings, "target": found["target"]})
