# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replication jobs: the disks of a guest, sent to another server again and again. Pure.

With a job go the copies that it has made, which are the last ones when the guest's server has died: so
its removal must be allowed. A job that is removed stays until its next run has removed the copies, marked
with ``remove_job``: such a one counts as gone, and where it is wanted after all the mark is taken off.
With its guest a job turns round: what was its target becomes its source (PVE::ReplicationConfig of
pve-guest-common), so that is no drift. A new job between two servers is made in the direction that it would
have by now: PVE refuses one whose target is where its guest is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.plan import Plan, Step
from . import resource as engine
from .resource import Current, Request, Resource, Wanted, WantedResource
from .schema import Field
from .tables import replication as calls

_DERIVED = ("guest", "jobnum")
"""What PVE reads out of the id of a job."""
_INTERNAL = ("source",)


def _of_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in _DERIVED}


def _requests(resource: Resource, step: Step, digest: str) -> Iterator[Request]:
    """The usual ones. A job that is marked goes by running, which one that is disabled never does."""
    yield from engine.requests_of(replace(resource, requests=None), step, digest)
    if step.verb == "remove" and step.args["now"].get("disable"):
        path, params = resource.place(step.args["name"])
        yield "PUT", path, {**params, "disable": 0}


REPLICATION = Resource(
    "replication job",
    "cluster/replication",
    "id",
    update={
        **{key: of for key, of in calls.UPDATE.items() if key not in _INTERNAL},
        "disable": Field("boolean", default=False),
        "schedule": replace(calls.UPDATE["schedule"], default="*/15"),
    },
    create={key: calls.CREATE[key] for key in ("id", "target", "type")},
    undigested=True,
    destroys="the copies on its target",
    of_answer=_of_answer,
    leaving=lambda found: "remove_job" in found,
    requests=_requests,
)


@dataclass(frozen=True, slots=True)
class WantedJobs(Wanted):
    """The jobs that one task declares.

    :param sources: by the names of jobs, the other one of their two servers.
    """

    sources: Mapping[str, str] = field(default_factory=dict)

    def undirected(self, current: Current) -> Iterator[WantedResource]:
        """Those that are to be made between two servers."""
        return (
            item
            for item in self.items
            if item.present and item.name in self.sources and item.name not in current.found
        )


@dataclass(frozen=True, slots=True)
class CurrentJobs(Current):
    """The jobs that there are.

    :param places: by their numbers, the servers of guests, where a job is to be made between two of them.
    """

    places: Mapping[int, str] = field(default_factory=dict)


def parse_jobs(params: Mapping[str, Any]) -> WantedJobs:
    """The options of module pve_replication; raises as `resource.parse_wanted`."""
    wanted = engine.parse_wanted(REPLICATION, map(_item, params["jobs"]), params)
    sources = {job["name"]: job["source"] for job in params["jobs"] if job.get("source")}
    return WantedJobs(wanted.items, wanted.scope, sources=sources)


def guest_of(name: str) -> int:
    """The number of the guest whose job it is."""
    return int(name.partition("-")[0])


def _item(options: Mapping[str, Any]) -> dict[str, Any]:
    made = REPLICATION.item(options)
    if options.get("state") != "absent":
        made["settings"] |= {"type": "local", "remove_job": None}
    return made


def make(current: CurrentJobs, wanted: WantedJobs) -> Plan:
    """The plan, in which a job that has turned round with its guest is left as it is."""
    made = {
        item.name: _to(item, wanted.sources[item.name])
        for item in wanted.undirected(current)
        if item.settings.get("target") == current.places.get(guest_of(item.name))
    }
    items = (made.get(item.name, _turned(item, current.found.get(item.name, {}))) for item in wanted.items)
    return engine.make(REPLICATION, current, replace(wanted, items=tuple(items)))


def _turned(item: WantedResource, found: Mapping[str, Any]) -> WantedResource:
    target = item.settings.get("target")
    return item if target is None or target != found.get("source") else _to(item, found["target"])


def _to(item: WantedResource, target: str) -> WantedResource:
    return replace(item, settings={**item.settings, "target": target})
