# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pools: names under which guests and storages are gathered, for the rights to them. Pure.

A pool's guests and storages are no settings to PVE but members, added and taken out by calls of their own.
A guest is in one pool only: PVE moves it there from another, which may be declared too, so what is to be done
is worked out of the members at that moment. Those that somebody else has put in meanwhile are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._core.plan import Step
from .resource import Request, Resource
from .schema import Field
from .table import wire
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
    settings, seen, now = (step.args.get(key, {}) for key in ("settings", "seen", "now"))
    # Of a pool nothing is deleted: what is to be no comment is an empty one.
    comment = wire(resource.update, {key: settings[key] or "" for key in ("comment",) if key in settings})
    if step.verb == "create":
        yield "POST", path, {**name, **comment}
    elif comment:
        yield "PUT", path, {**name, **comment}
    for key, parameter in _MEMBERS.items():
        here = now.get(key, [])
        wanted = [] if step.verb == "remove" else settings.get(key, seen.get(key)) or []
        gone = [member for member in seen.get(key, []) if member not in wanted and member in here]
        new = [member for member in settings.get(key) or [] if member not in here]
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
    moving=frozenset(_MEMBERS),
    of_answer=_of_answer,
    requests=_requests,
)
