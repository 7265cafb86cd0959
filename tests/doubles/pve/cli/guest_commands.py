# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pct(1) and qm(1) have in common: each word is a request about a guest of the node.

Rests on: PVE::CLI::pct (pve-container), PVE::CLI::qm (qemu-server), PVE::GuestHelpers (pve-guest-common) and
cli.jsonl of the recordings. A command waits for its task, prints its log, and dies as it did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.doubles.pve import schema
from tests.doubles.pve.api import Response
from tests.doubles.pve.cli import Output
from tests.doubles.pve.cli.common import Misused, finished, lines, parsed, refused, value_text
from tests.doubles.pve.cli.requests import DIED, request
from tests.doubles.pve.world import Guest, Kind, World

SNAPSHOT_WIDTH = 28
"""Of the name in `listsnapshot`, with the blanks of its depth."""


ONE = "/{vmid}"


@dataclass(frozen=True)
class Command:
    """A word: the request, what stands alone after it, and how the answer is shown."""

    verb: str
    below: str = ONE
    """The path below those of its kind."""
    alone: tuple[str, ...] = ("vmid",)
    show: Callable[[Any], str] = lambda data: ""


def snapshot_tree(entries: Sequence[Mapping[str, Any]]) -> str:
    """Each snapshot below its parent."""
    children: dict[Any, list[Mapping[str, Any]]] = {}
    for entry in entries:
        children.setdefault(entry.get("parent"), []).append(entry)

    def below(parent: Any, depth: int) -> list[str]:
        found = []
        for entry in sorted(children.get(parent, []), key=lambda each: each.get("snaptime", 2**40)):
            current = entry["name"] == "current"
            when = "" if current else time.strftime("%F %H:%M:%S", time.localtime(entry["snaptime"]))
            said = str(entry.get("description", "")).partition("\n")[0]
            note = "You are here!" if current else said or "no-description"
            name = f"{entry['name']:<{SNAPSHOT_WIDTH - depth}}"
            found += [f"{' ' * depth}`-> {name}{when:<23} {note}\n", *below(entry["name"], depth + 1)]
        return found

    return "".join(below(None, 0))


def pending(entries: Sequence[Mapping[str, Any]]) -> str:
    """What is, what will be and what will go."""
    out = []
    for entry in sorted(entries, key=lambda each: str(each["key"])):
        key = entry["key"]
        if key == "digest":
            continue
        if "value" in entry:
            out.append(f"{'del' if entry.get('delete') else 'cur'} {key}: {value_text(entry['value'])}\n")
        if "pending" in entry:
            out.append(f"new {key}: {value_text(entry['pending'])}\n")
    return "".join(out)


COMMON: Mapping[str, Command] = {
    "config": Command("GET", f"{ONE}/config", show=lines),
    "pending": Command("GET", f"{ONE}/pending", show=pending),
    "destroy": Command("DELETE"),
    "clone": Command("POST", f"{ONE}/clone", ("vmid", "newid")),
    "migrate": Command("POST", f"{ONE}/migrate", ("vmid", "target")),
    "snapshot": Command("POST", f"{ONE}/snapshot", ("vmid", "snapname")),
    "delsnapshot": Command("DELETE", f"{ONE}/snapshot/{{snapname}}", ("vmid", "snapname")),
    "rollback": Command("POST", f"{ONE}/snapshot/{{snapname}}/rollback", ("vmid", "snapname")),
    "listsnapshot": Command("GET", f"{ONE}/snapshot", show=snapshot_tree),
    "resize": Command("PUT", f"{ONE}/resize", ("vmid", "disk", "size")),
    "template": Command("POST", f"{ONE}/template"),
    **{
        word: Command("POST", f"{ONE}/status/{word}")
        for word in ("start", "stop", "shutdown", "reboot", "suspend", "resume")
    },
}


def carried_out(
    world: World, node: str, kind: Kind, program: str, command: Command, words: Sequence[str]
) -> Output:
    """The request of a command, and what is printed of it."""
    template = f"/nodes/{{node}}/{kind}{command.below}"
    method = schema.method(world.release, template, command.verb)
    usage = f"{program} {' '.join(f'<{name}>' for name in command.alone)} [OPTIONS]"
    try:
        alone, options = parsed(method, words)
        params = taken(command, alone) | options
    except Misused as wrong:
        return Output(DIED, err=f"{wrong}{usage}\n")
    path = template.format(node=node, **{name: params.get(name, "") for name in ("vmid", "snapname")})
    beside = {key: value for key, value in params.items() if f"{{{key}}}" not in template}
    return answered(world, request(world, node, command.verb, path, beside), usage, command.show)


def taken(command: Command, alone: Sequence[str]) -> dict[str, Any]:
    """What stands alone, by its names."""
    if len(alone) < len(command.alone):
        raise Misused("400 not enough arguments\n")
    if len(alone) > len(command.alone):
        raise Misused("400 too many arguments\n")
    return dict(zip(command.alone, alone, strict=True))


def answered(world: World, answer: Response, usage: str, show: Callable[[Any], str]) -> Output:
    if answer.status != 200:
        return refused(answer, usage)
    log, problem = finished(world, answer.data)
    if problem is not None:
        return Output(DIED, log, f"{problem}\n")
    return Output(0, log + ("" if answer.data is None else show(answer.data)))


def status(world: World, node: str, kind: Kind, words: Sequence[str]) -> Output:
    """`status`, short or with everything."""
    verbose = any(word.lstrip("-").startswith("verbose") for word in words)
    vmid = next((word for word in words if word.isdigit()), "")
    answer = request(world, node, "GET", f"/nodes/{node}/{kind}/{vmid}/status/current", {})
    if answer.status != 200:
        return refused(answer, "")
    if not verbose:
        return Output(0, f"status: {answer.data['status']}\n")
    return Output(0, lines({key: value for key, value in answer.data.items() if key != "ha"}))


def unlock(world: World, node: str, kind: Kind, words: Sequence[str]) -> Output:
    """Takes the lock off, which no request does."""
    guest = found(world, node, kind, words)
    if isinstance(guest, Output):
        return guest
    if guest.config.pop("lock", None) is None and kind == "lxc":
        return Output(DIED, err="no lock found trying to remove any lock\n")
    return Output(0)


def found(world: World, node: str, kind: Kind, words: Sequence[str]) -> Guest | Output:
    """The guest that the first word names, or what is said where there is none."""
    vmid = words[0] if words else ""
    if not vmid.isdigit():
        return Output(DIED, err="400 not enough arguments\n")
    answer = request(world, node, "GET", f"/nodes/{node}/{kind}/{vmid}/config", {})
    return world.guests[int(vmid)] if answer.status == 200 else refused(answer, "")
