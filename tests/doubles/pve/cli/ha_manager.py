# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ha-manager(1).

Rests on: the recorded command lines, PVE::CLI::ha_manager (pve-ha-manager) for its words, and
PVE::HA::Manager for what becomes of a command: it is only noted, and the manager takes it at its next round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.doubles.pve.cli import Output
from tests.doubles.pve.cli.requests import died, refused, request, requested, words_of
from tests.doubles.pve.world import World

RESOURCE, RULE, GROUP = "/cluster/ha/resources", "/cluster/ha/rules", "/cluster/ha/groups"
REQUESTS: Mapping[tuple[str, ...], tuple[str, str, tuple[str, ...]]] = {
    ("add",): ("POST", RESOURCE, ("sid",)),
    ("set",): ("PUT", f"{RESOURCE}/{{sid}}", ("sid",)),
    ("remove",): ("DELETE", f"{RESOURCE}/{{sid}}", ("sid",)),
    ("migrate",): ("POST", f"{RESOURCE}/{{sid}}/migrate", ("sid", "node")),
    ("relocate",): ("POST", f"{RESOURCE}/{{sid}}/relocate", ("sid", "node")),
    ("crm-command", "migrate"): ("POST", f"{RESOURCE}/{{sid}}/migrate", ("sid", "node")),
    ("crm-command", "relocate"): ("POST", f"{RESOURCE}/{{sid}}/relocate", ("sid", "node")),
    ("crm-command", "arm-ha"): ("POST", "/cluster/ha/status/arm-ha", ()),
    ("crm-command", "disarm-ha"): ("POST", "/cluster/ha/status/disarm-ha", ("resource-mode",)),
    ("rules", "add"): ("POST", RULE, ("type", "rule")),
    ("rules", "set"): ("PUT", f"{RULE}/{{rule}}", ("type", "rule")),
    ("rules", "remove"): ("DELETE", f"{RULE}/{{rule}}", ("rule",)),
    ("groupadd",): ("POST", GROUP, ("group",)),
    ("groupset",): ("PUT", f"{GROUP}/{{group}}", ("group",)),
    ("groupremove",): ("DELETE", f"{GROUP}/{{group}}", ("group",)),
}
"""Words: the request that they are, and what their arguments are called there."""


def run(world: World, node: str, argv: list[str], stdin: bytes = b"") -> Output:
    """A command line, without the name of the program, as root on a node."""
    words, options = words_of(argv)
    if words == ["status"]:
        return status(world, node)
    if words == ["config"]:
        return config(world)
    if words == ["rules", "config"]:
        return rules(world, node)
    if words[:2] == ["crm-command", "node-maintenance"] and len(words) == 4:
        return maintenance(world, words[2], words[3])
    for length in (2, 1):
        if (found := REQUESTS.get(tuple(words[:length]))) is not None:
            verb, template, names = found
            if len(words) - length == len(names):
                given = dict(zip(names, words[length:], strict=True))
                return requested(world, node, verb, template, {**given, **options})
    return died(f"ERROR: unknown command 'ha-manager {' '.join(words)}'")


def status(world: World, node: str) -> Output:
    answer = request(world, node, "GET", "/cluster/ha/status/current", {})
    if answer.status != 200:
        return refused(answer)
    return Output(0, "".join(f"{entry['type']} {entry['status']}\n" for entry in answer.data))


def config(world: World) -> Output:
    sections = []
    for sid, settings in world.file("ha/resources").items():
        shown = sorted((key, value) for key, value in settings.items() if key != "type")
        sections.append("".join([f"{sid}\n", *(f"\t{key} {value}\n" for key, value in shown), "\n"]))
    return Output(0, "".join(sections))


def rules(world: World, node: str) -> Output:
    answer = request(world, node, "GET", RULE, {})
    return Output(0, json.dumps(answer.data) + "\n") if answer.status == 200 else refused(answer)


def maintenance(world: World, verb: str, target: str) -> Output:
    """The command is written to /etc/pve; nothing is asked back."""
    if verb not in ("enable", "disable"):
        return died(f"ERROR: unknown command 'ha-manager crm-command node-maintenance {verb}'")
    if target not in world.nodes:
        return died(f"400 Parameter verification failed.\nnode: no such cluster node '{target}'")
    if not world.quorate:
        return died("cfs-lock 'domain-ha' error: no quorum!")
    world.nodes[target].maintenance = verb == "enable"
    return Output(0)
