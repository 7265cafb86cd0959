# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pools: names under which guests and storages are gathered, for the rights to them. Pure.

A pool's guests and storages are no settings to PVE but members, added and taken out by calls of their own.
A guest is in one pool only: PVE moves it there from another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._core.plan import Step
from .resource import Request, Resource
from .schema import Field
from .tables import pool as calls

_MEMBERS = {"guests": "vms", "storages": "storage"}


def _of_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    settings = {"comment": answer.get("comment", "")}
    if "members" in answer:
        members = answer["members"]
        settings["guests"] = sorted({str(member["vmid"]) for member in members if "vmid" in member}, key=int)
        settings["storages"] = sorted(
            {member["storage"] for member in members if member["type"] == "storage"}
        )
    return settings


def _requests(resource: Resource, step: Step, _digest: str) -> Iterator[Request]:
    path, name = resource.place(step.args["name"])
    settings, seen = step.args["settings"], step.args.get("seen", {})
    comment = {"comment": settings["comment"] or ""} if "comment" in settings else {}
    if step.verb == "create":
        yield "POST", path, {**name, **comment}
    elif comment:
        yield "PUT", path, {**name, **comment}
    for key, parameter in _MEMBERS.items():
        wanted = [] if step.verb == "remove" else settings.get(key, seen.get(key, []))
        gone = [member for member in seen.get(key, []) if member not in wanted]
        new = [member for member in wanted if member not in seen.get(key, [])]
        if new:
            yield "PUT", path, {**name, parameter: ",".join(new), "allow-move": "1"}
        if gone:
            yield "PUT", path, {**name, parameter: ",".join(gone), "delete": "1"}
    if step.verb == "remove":
        yield "DELETE", path, name


POOL = Resource(
    "pool",
    "pools",
    "poolid",
    update={
        "comment": calls.UPDATE["comment"],
        "guests": Field(format="pve-vmid-list"),
        "storages": Field(format="pve-storage-id-list"),
    },
    create={"poolid": calls.CREATE["poolid"]},
    by_query=True,
    detailed=True,
    nested=True,
    of_answer=_of_answer,
    requests=_requests,
)
