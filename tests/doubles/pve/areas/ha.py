# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""High availability: resources, rules, the groups of version 8, and what the manager says of itself.

Rests on: PVE::API2::HA::Resources, Rules, Groups and Status (pve-ha-manager 5) and the recorded exchanges
of 9.2. That 8.4 has groups and no rules is from the same package in version 4, and not verified by a
recording. A rule may be deleted that is not there; a resource may not. What a resource can be (sid), and
which guest it is, is judged before the state of the cluster is looked at.
"""

from __future__ import annotations

import time
from typing import Any

from tests.doubles.pve import ha_rules
from tests.doubles.pve.api import Call, daemon, handles
from tests.doubles.pve.errors import Refusal, parameters
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.ha_manager import (
    GROUPS,
    ON_DUTY,
    RESOURCES,
    RULES,
    Manager,
    Service,
    config_of,
    group_rules,
    guest_of,
    manager_of,
)
from tests.doubles.pve.sections import Failed, delete_options
from tests.doubles.pve.world import World

KINDS = {"lxc": "ct", "qemu": "vm"}
NOUNS = {"ct": "container", "vm": "VM"}
OPTIONS = ("state", "group", "comment", "failback", "max_restart", "max_relocate", "auto-rebalance")
RULE_OPTIONS = {
    ha_rules.NODE: ("resources", "nodes", "strict", "disable", "comment"),
    ha_rules.RESOURCE: ("resources", "affinity", "disable", "comment"),
}
RULE_REQUIRED = ("resources", "nodes", "affinity")
GROUP_OPTIONS = ("nodes", "restricted", "nofailback", "comment")
MIGRATED = "ha groups have been migrated to rules"


def has_rules(world: World) -> bool:
    return not world.release.startswith("8")


# --- resources ---


@handles("GET", "/cluster/ha")
def index(call: Call) -> Any:
    rules = [{"id": "rules"}] if has_rules(call.world) else []
    return [{"id": "status"}, {"id": "resources"}, {"id": "groups"}, *rules]


def sid_of(world: World, given: str) -> str:
    """A resource by its full name or the id of its guest (PVE::HA::Config::parse_sid)."""
    if not given.isdigit():
        return given
    guest = world.guests.get(int(given))
    if guest is None:
        raise Refusal(f"unable do add resource - VM/CT {given} does not exist")
    return f"{KINDS[guest.kind]}:{given}"


def require_guest(world: World, sid: str) -> None:
    kind, _sign, vmid = sid.partition(":")
    guest = guest_of(world, sid) if vmid.isdigit() else None
    if guest is None:
        raise Refusal(f"resource '{sid}' does not exist in cluster")
    if KINDS[guest.kind] != kind:
        raise Refusal(f"resource '{sid}' - guest with ID {vmid} is not a {NOUNS[kind]}")


def require_group(world: World, group: str | None, always: bool) -> None:
    if group and has_rules(world) and not world.file(GROUPS):
        raise Refusal(f"invalid parameter 'group': {MIGRATED}")
    if group and always and group not in world.file(GROUPS):
        raise Refusal(f"HA group '{group}' does not exist")


def shown(world: World, sid: str) -> dict[str, Any]:
    resource = world.file(RESOURCES).get(sid)
    if resource is None:
        raise Refusal(f"no such resource '{sid}'")
    errors = {}
    if resource.get("group") and resource["group"] not in world.file(GROUPS):
        errors = {"errors": {"group": f"group '{resource['group']}' does not exist"}}
    return {**resource, "sid": sid, "digest": world.file_digest(RESOURCES), **errors}


@handles("GET", "/cluster/ha/resources")
def list_resources(call: Call) -> Any:
    every = [shown(call.world, sid) for sid in call.world.file(RESOURCES)]
    return [each for each in every if call["type"] in (None, each["type"])]


@handles("GET", "/cluster/ha/resources/{sid}")
def read_resource(call: Call) -> Any:
    return shown(call.world, sid_of(call.world, call["sid"]))


@handles("POST", "/cluster/ha/resources")
def create_resource(call: Call) -> Any:
    world = call.world
    world.require_quorum()
    require_group(world, call["group"], always=False)
    sid = sid_of(world, call["sid"])
    kind = sid.partition(":")[0]
    if call["type"] not in (None, kind):
        raise Refusal("types does not match")
    require_guest(world, sid)
    with Failed("create resource failed"):
        if sid in world.file(RESOURCES):
            raise Refusal(f"resource ID '{sid}' already defined")
    chosen = {key: value for key, value in call.params.items() if key in OPTIONS}
    world.file(RESOURCES)[sid] = {"type": kind, **chosen}


@handles("PUT", "/cluster/ha/resources/{sid}")
def update_resource(call: Call) -> Any:
    world = call.world
    require_group(world, call["group"], always=True)
    sid = sid_of(world, call["sid"])
    require_no_error(world, sid, call["state"])
    with Failed("update resources config failed"):
        world.require_writable(RESOURCES)
        world.require_digest(RESOURCES, call["digest"])
        resource = world.file(RESOURCES).get(sid)
        if resource is None:
            raise Refusal(f"no such resource '{sid}'")
        changed = resource | {key: value for key, value in call.params.items() if key in OPTIONS}
        delete_options(changed, call["delete"], OPTIONS, ())
    world.file(RESOURCES)[sid] = changed


def require_no_error(world: World, sid: str, state: str | None = None) -> None:
    service = manager_of(world).services.get(sid)
    if service is not None and service.state == "error" and state != "disabled":
        raise Refusal(f"service '{sid}' in error state, must be disabled and fixed first")


@handles("DELETE", "/cluster/ha/resources/{sid}")
def delete_resource(call: Call) -> Any:
    world = call.world
    sid = sid_of(world, call["sid"])
    if sid not in world.file(RESOURCES):
        raise Refusal(f"cannot delete service '{sid}', not HA managed!")
    with Failed("delete resource failed"):
        world.require_writable(RESOURCES)
    del world.file(RESOURCES)[sid]
    if call["purge"] != 0:
        purge(world, sid)


def purge(world: World, sid: str) -> None:
    """Takes a resource out of all rules; a rule that is left without any goes too."""
    rules = world.file(RULES)
    for name, rule in list(rules.items()):
        left = sorted(ha_rules.resources_of(rule) - {sid})
        if left:
            rule["resources"] = ",".join(left)
        else:
            del rules[name]


@handles("POST", "/cluster/ha/resources/{sid}/migrate")
def migrate_resource(call: Call) -> Any:
    return queue(call, "migrate")


@handles("POST", "/cluster/ha/resources/{sid}/relocate")
def relocate_resource(call: Call) -> Any:
    return queue(call, "relocate")


def queue(call: Call, verb: str) -> Any:
    """Asks the CRM for a move; what it makes of it is its own affair."""
    world, node = call.world, call["node"]
    sid = sid_of(world, call["sid"])
    if sid not in world.file(RESOURCES):
        raise Refusal(f"resource '{sid}' is not HA managed")
    require_no_error(world, sid)
    manager = manager_of(world)
    if not has_rules(world):
        manager.commands.append((verb, sid, node))
        return None
    placement = ha_rules.Placement(world.file(RULES), world.nodes)
    where = manager.where()
    blocking = [
        {"sid": rival, "cause": "resource-affinity"}
        for rival in sorted(placement.rivals(sid))
        if where.get(rival) == node
    ]
    answer: dict[str, Any] = {"sid": sid, "requested-node": node}
    if blocking:
        return answer | {"blocking-resources": blocking}
    manager.commands.append((verb, sid, node))
    company = sorted(placement.companions(sid) & manager.services.keys())
    return answer | ({"comigrated-resources": company} if company else {})


# --- rules ---


def every_rule(world: World) -> dict[str, dict[str, Any]]:
    return world.file(RULES) | group_rules(world)


def shown_rule(world: World, name: str, problems: ha_rules.Problems) -> dict[str, Any]:
    rules = every_rule(world)
    if name not in rules:
        raise Refusal(f"no such ha rule '{name}'")
    errors = {"errors": problems[name]} if name in problems else {}
    order = list(rules).index(name) + 1
    return {**rules[name], "rule": name, "order": order, "digest": world.file_digest(RULES), **errors}


@handles("GET", "/cluster/ha/rules")
def list_rules(call: Call) -> Any:
    problems = ha_rules.problems(every_rule(call.world), call.world.nodes)
    return [
        shown_rule(call.world, name, problems)
        for name, rule in every_rule(call.world).items()
        if call["type"] in (None, rule["type"])
        and (call["resource"] is None or call["resource"] in ha_rules.resources_of(rule))
    ]


@handles("GET", "/cluster/ha/rules/{rule}")
def read_rule(call: Call) -> Any:
    problems = ha_rules.problems(every_rule(call.world), call.world.nodes)
    return shown_rule(call.world, call["rule"], problems)


def rule_options(call: Call, kind: str) -> dict[str, Any]:
    """The options of a rule as they are stored."""
    world = call.world
    given = {key: value for key, value in call.params.items() if key in RULE_OPTIONS[kind]}
    if "resources" in given:
        sids = sorted(set(split_list(given["resources"])))
        given["resources"] = ",".join(sids)
        unknown = [sid for sid in sids if sid not in world.file(RESOURCES)]
        if unknown:
            raise Refusal(f"cannot use unmanaged resource(s) {', '.join(unknown)}.")
    if "nodes" in given:
        given["nodes"] = ha_rules.render_nodes(given["nodes"])
        absent = sorted(ha_rules.nodes_of(given).keys() - world.nodes.keys())
        if absent:
            raise Refusal(f"cannot use non-existent node(s) {', '.join(absent)}.")
    return given


def require_feasible(world: World, rules: dict[str, dict[str, Any]], name: str) -> None:
    found = ha_rules.problems(rules, world.nodes).get(name)
    if found:
        errors = {option: ", ".join(texts) for option, texts in found.items()}
        raise Refusal(f"Rule '{name}' is invalid.", 400, errors)


def require_migrated(world: World, verb: str) -> None:
    if world.file(GROUPS):
        raise Refusal(f"cannot {verb} ha rule: ha groups have not been migrated yet")


@handles("POST", "/cluster/ha/rules")
def create_rule(call: Call) -> Any:
    world, name, kind = call.world, call["rule"], call["type"]
    world.require_quorum()
    require_migrated(world, "create")
    needed = "nodes" if kind == ha_rules.NODE else "affinity"
    if call[needed] is None:
        raise parameters({f"oneOf[{kind}].{needed}": "property is missing and it is not optional"})
    with Failed("create ha rule failed"):
        if name in world.file(RULES):
            raise Refusal(f"HA rule '{name}' already defined")
        rule = {"type": kind, **rule_options(call, kind)}
        require_feasible(world, world.file(RULES) | {name: rule}, name)
    world.file(RULES)[name] = rule


@handles("PUT", "/cluster/ha/rules/{rule}")
def update_rule(call: Call) -> Any:
    world, name = call.world, call["rule"]
    require_migrated(world, "update")
    with Failed("update HA rules failed"):
        world.require_writable(RULES)
        world.require_digest(RULES, call["digest"])
        if name not in world.file(RULES):
            raise Refusal(f"HA rule '{name}' does not exist")
        kind = world.file(RULES)[name]["type"]
        rule = world.file(RULES)[name] | rule_options(call, kind)
        delete_options(rule, call["delete"], RULE_OPTIONS[kind], RULE_REQUIRED)
        require_feasible(world, world.file(RULES) | {name: rule}, name)
    world.file(RULES)[name] = rule


@handles("DELETE", "/cluster/ha/rules/{rule}")
def delete_rule(call: Call) -> Any:
    with Failed("delete ha rule failed"):
        call.world.require_writable(RULES)
    call.world.file(RULES).pop(call["rule"], None)


# --- groups ---


def require_groups(world: World, what: str) -> None:
    """Groups are there in version 8, and after an upgrade until the manager has migrated them."""
    if has_rules(world) and not world.file(GROUPS):
        raise Refusal(f"cannot {what}: {MIGRATED}")


def shown_group(world: World, name: str) -> dict[str, Any]:
    if name not in world.file(GROUPS):
        raise Refusal(f"no such ha group '{name}'")
    return {**world.file(GROUPS)[name], "type": "group", "group": name, "digest": world.file_digest(GROUPS)}


@handles("GET", "/cluster/ha/groups")
def list_groups(call: Call) -> Any:
    require_groups(call.world, "index groups")
    return [shown_group(call.world, name) for name in call.world.file(GROUPS)]


@handles("GET", "/cluster/ha/groups/{group}")
def read_group(call: Call) -> Any:
    require_groups(call.world, "read group")
    return shown_group(call.world, call["group"])


@handles("POST", "/cluster/ha/groups")
def create_group(call: Call) -> Any:
    world, name = call.world, call["group"]
    require_groups(world, "create group")
    world.require_quorum()
    with Failed("create ha group failed"):
        if name in world.file(GROUPS):
            raise Refusal(f"ha group ID '{name}' already defined")
    world.file(GROUPS)[name] = {key: value for key, value in call.params.items() if key in GROUP_OPTIONS}


@handles("PUT", "/cluster/ha/groups/{group}")
def update_group(call: Call) -> Any:
    world, name = call.world, call["group"]
    require_groups(world, "update group")
    with Failed("update ha group failed"):
        world.require_writable(GROUPS)
        world.require_digest(GROUPS, call["digest"])
        if name not in world.file(GROUPS):
            raise Refusal(f"no such ha group '{name}'")
        group = world.file(GROUPS)[name] | {k: v for k, v in call.params.items() if k in GROUP_OPTIONS}
        delete_options(group, call["delete"], GROUP_OPTIONS, ("nodes",))
    world.file(GROUPS)[name] = group


@handles("DELETE", "/cluster/ha/groups/{group}")
def delete_group(call: Call) -> Any:
    world, name = call.world, call["group"]
    require_groups(world, "delete group")
    with Failed("delete ha group failed"):
        world.require_writable(GROUPS)
        for sid, resource in sorted(world.file(RESOURCES).items()):
            if resource.get("group") == name:
                raise Refusal(f"ha group is used by service '{sid}'")
    world.file(GROUPS).pop(name, None)


# --- status ---


@daemon
def manage(world: World) -> None:
    manager_of(world)


@handles("GET", "/cluster/ha/status")
def status_index(call: Call) -> Any:
    verbs = [{"name": "disarm-ha"}, {"name": "arm-ha"}] if has_rules(call.world) else []
    return [{"name": "current"}, {"name": "manager_status"}, *verbs]


@handles("GET", "/cluster/ha/status/manager_status")
def manager_status(call: Call) -> Any:
    world, manager = call.world, manager_of(call.world)
    status: dict[str, Any] = {"node_status": dict(manager.nodes)}
    if manager.master:
        status |= {
            "master_node": manager.master,
            "timestamp": int(manager.timestamp),
            "service_status": {sid: service.plain() for sid, service in manager.services.items()},
        }
    answer = {"manager_status": status, "quorum": {"node": world.local, "quorate": str(int(world.quorate))}}
    if manager.nodes:
        answer["lrm_status"] = {
            name: manager.locals[name].plain() for name in manager.nodes if name in manager.locals
        }
    return answer


@handles("GET", "/cluster/ha/status/current")
def current(call: Call) -> Any:
    world, manager = call.world, manager_of(call.world)
    text = "OK" if world.quorate else f"No quorum on node '{world.local}'!"
    entries: list[dict[str, Any]] = [
        {"id": "quorum", "type": "quorum", "node": world.local, "status": text, "quorate": int(world.quorate)}
    ]
    if manager.master:
        entries.append(master_entry(world, manager))
    if has_rules(world):
        entries.append(fencing(world, manager))
    entries += [lrm(world, manager, node) for node in sorted(manager.nodes)]
    known = sorted(manager.services)
    queued = [sid for sid in sorted(world.file(RESOURCES)) if sid not in manager.services]
    return entries + [service_entry(world, sid, manager.services.get(sid)) for sid in known + queued]


def age(world: World, timestamp: float) -> str:
    return "old timestamp - dead?" if world.clock.now() - timestamp > 30 else "active"


def clock(timestamp: float) -> str:
    return time.asctime(time.gmtime(timestamp)).replace("  ", " ")


def state_of(world: World, manager: Manager) -> str:
    state = age(world, manager.timestamp)
    return "idle" if world.quorate and state != "active" and not world.file(RESOURCES) else state


def master_entry(world: World, manager: Manager) -> dict[str, Any]:
    text = f"{manager.master} ({state_of(world, manager)}, {clock(manager.timestamp)})"
    named = {"id": "master", "type": "master", "node": manager.master}
    return named | {"status": text, "timestamp": int(manager.timestamp)}


def fencing(world: World, manager: Manager) -> dict[str, Any]:
    """Whether the master is armed; a server by itself has no master and stands by."""
    idle = not manager.master or state_of(world, manager) != "active"
    armed = "standby" if idle and manager.armed in ON_DUTY else manager.armed
    texts = {"armed": "armed (CRM watchdog active)", "standby": "standby (CRM watchdog standby)"}
    return {
        "id": "fencing",
        "type": "fencing",
        "node": manager.master or world.local,
        "armed-state": armed,
        "status": texts.get(armed, f"{armed} ({manager.resource_mode})"),
        **({"resource_mode": manager.resource_mode} if manager.resource_mode else {}),
    }


def lrm(world: World, manager: Manager, node: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": f"lrm:{node}", "type": "lrm", "node": node}
    local = manager.locals.get(node)
    if local is None:
        return entry | {"status": f"{node} (unable to read lrm status)"}
    state = age(world, local.timestamp)
    if state == "active":
        state = f"{local.mode} mode" if local.mode != "active" else local.state
        state = "idle" if state == "wait_for_agent_lock" else state
    watchdog = "active" if local.state == "active" and world.quorate else "standby"
    middle = f"{state}, watchdog {watchdog}" if has_rules(world) else state
    return entry | {
        "status": f"{node} ({middle}, {clock(local.timestamp)})",
        "timestamp": int(local.timestamp),
    }


def service_entry(world: World, sid: str, service: Service | None) -> dict[str, Any]:
    resource = config_of(world, sid) if sid in world.file(RESOURCES) else None
    guest = guest_of(world, sid)
    node = service.node if service else guest.node if guest else "---"
    state = verbose(service, resource)
    entry: dict[str, Any] = {
        "id": f"service:{sid}",
        "type": "service",
        "sid": sid,
        "node": node,
        "state": state,
    }
    entry |= {"status": f"{sid} ({node}, {state})"}
    entry |= {"crm_state": service.state} if service else {}
    if resource is not None:
        entry["request_state"] = resource["state"]
        shown = (
            "group",
            "max_restart",
            "max_relocate",
            "comment",
            *(["failback"] if has_rules(world) else []),
        )
        entry |= {key: resource[key] for key in shown if key in resource}
    return entry


def verbose(service: Service | None, resource: dict[str, Any] | None) -> str:
    """The state in words for people (PVE::HA::Tools::get_verbose_service_state)."""
    if resource is None:
        return "deleting"
    wanted = resource["state"]
    if wanted == "ignored":
        return "ignored"
    if service is None:
        return "queued"
    if service.state == "stopped":
        return {"started": "starting", "disabled": "disabled"}.get(wanted, "stopped")
    if service.state == "started":
        if not service.running:
            return "starting"
        return "stopping" if wanted in ("stopped", "disabled") else "started"
    if service.state == "error" and wanted == "disabled":
        return "clearing error flag"
    return service.state


@handles("POST", "/cluster/ha/status/disarm-ha")
def disarm(call: Call) -> Any:
    manager_of(call.world).disarm(call["resource-mode"])


@handles("POST", "/cluster/ha/status/arm-ha")
def arm(call: Call) -> Any:
    manager_of(call.world).arm()
