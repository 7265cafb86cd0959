# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access: tickets, users, tokens, groups, roles, permissions, realms.

Rests on: PVE::API2::AccessControl, ::User, ::Group, ::Role, ::ACL, ::Domains (pve-access-control) and the
recorded exchanges: a user or a grant that does not exist can be deleted; `root@pam` is always there; the
answer to a new token has its numbers as strings; an emptied comment is gone.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from tests.doubles.pve.access import BUILT_IN, ROOT, Grant, Group, Token, User, normal_path
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.errors import Refusal, forbidden, parameter, parameters
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.sections import Failed
from tests.doubles.pve.world import digest

FIELDS = ("comment", "email", "firstname", "lastname", "keys")
SUBDIRECTORIES = "users groups roles acl domains openid tfa ticket password"
# Which privileges the answer to a login shows under which heading
# (PVE::RPCEnvironment::compute_api_permission).
CAPABILITIES = {
    "vms": r"VM\.|Permissions\.Modify",
    "access": r"(User|Group)\.|Permissions\.Modify",
    "storage": r"Datastore\.|Permissions\.Modify",
    "nodes": r"Sys\.|Permissions\.Modify",
    "sdn": r"SDN\.|Permissions\.Modify",
    "dc": r"Sys\.Audit|Sys\.Modify|SDN\.",
    "mapping": r"Mapping\.|Permissions\.Modify",
}
TOP = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
GRANTABLE = re.compile(
    r"/|/access|/access/groups(/[\w.\-]+)?|/access/realm(/[\w.\-]+)?|/nodes(/[\w.\-]+)?|/pool(/[\w.\-/]+)?"
    r"|/sdn(/.*)?|/storage(/[\w.\-]+)?|/vms(/[1-9]\d{2,})?|/mapping(/[\w.\-]+){0,2}"
)
REALM_FIELDS_HIDDEN = {"realm", "node", "password", "delete", "digest"}


@handles("GET", "/access")
def index(call: Call) -> Any:
    return [{"subdir": name} for name in SUBDIRECTORIES.split()]


@handles("GET", "/access/openid")
def openid(call: Call) -> Any:
    return [{"subdir": "auth-url"}, {"subdir": "login"}]


# --- login ---


@handles("GET", "/access/ticket")
def no_ticket(call: Call) -> None:
    return None


@handles("POST", "/access/ticket")
def ticket(call: Call) -> Any:
    """The ticket itself is made by the server, which knows those that it handed out."""
    user = call["username"] if call["realm"] is None else f"{call['username']}@{call['realm']}"
    account = call.world.access.users.get(user)
    if (
        account is None
        or not account.enable
        or account.password != call["password"]
        and not renewed(call, user)
    ):
        raise Refusal("authentication failure", 401)
    pair = call.api.ticket(user)
    shown = {
        "username": user,
        "ticket": pair[0],
        "CSRFPreventionToken": pair[1],
        "cap": capabilities(call, user),
    }
    return shown | ({"clustername": call.world.cluster} if call.world.cluster else {})


def renewed(call: Call, user: str) -> bool:
    """A ticket that is still good may stand in for the password."""
    key = str(call["password"]).rpartition("::")[2]
    return call.api.tickets.get(key, ("", 0.0))[0] == user


def capabilities(call: Call, user: str) -> dict[str, dict[str, int]]:
    access = call.world.access
    found: dict[str, dict[str, int]] = {name: {} for name in CAPABILITIES}
    for path in {
        "/",
        "/nodes",
        "/access/groups",
        "/vms",
        "/storage",
        "/sdn",
        "/mapping",
        *(g.path for g in access.acl),
    }:
        top = path.split("/")[1] or "dc"
        for privilege in access.permissions(user, path):
            for name in ("vms", "storage") if top == "pool" else (top,):
                if name in CAPABILITIES and re.match(CAPABILITIES[name], privilege):
                    found[name][privilege] = 1
    return found


@handles("PUT", "/access/password")
def password(call: Call) -> None:
    access = call.world.access
    access.must_exist(call["userid"])
    access.users[call["userid"]].password = call["password"]


@handles("GET", "/access/permissions")
def permissions(call: Call) -> Any:
    access = call.world.access
    subject = call["userid"] or call.user
    if subject != call.user and subject.partition("!")[0] != call.user:
        call.demand("/access", "Sys.Audit")
    if subject.partition("!")[0] not in access.users or ("!" in subject and access.token(subject) is None):
        raise Refusal(f"no such user ('{subject}')" if "!" not in subject else f"no such token '{subject}'")
    if call["path"]:
        found = {call["path"]: access.permissions(subject, normal_path(call["path"]) or "/")}
        return found
    members = [f"/vms/{vmid}" for pool in access.pools.values() for vmid in pool.guests]
    stores = [f"/storage/{name}" for pool in access.pools.values() for name in pool.storages]
    paths = {*TOP, *(grant.path for grant in access.acl), *members, *stores}
    return {path: held for path in sorted(paths) if (held := access.permissions(subject, path))}


# --- users ---


@handles("GET", "/access/users")
def users(call: Call) -> Any:
    access = call.world.access
    everything = call.allows("/access/groups", "User.Modify", "Sys.Audit", any_of=True)
    mine = [
        name
        for name in access.groups
        if call.allows(f"/access/groups/{name}", "User.Modify", "Sys.Audit", any_of=True)
    ]
    found = []
    for name, user in access.users.items():
        if not (everything or name == call.user or any(name in access.groups[group].users for group in mine)):
            continue
        if call["enabled"] is not None and bool(user.enable) != bool(call["enabled"]):
            continue
        shown: dict[str, Any] = {"userid": name, "enable": user.enable, "expire": user.expire, **user.fields}
        realm = access.realms.get(name.partition("@")[2])
        if realm is not None:
            shown["realm-type"] = realm["type"]
        if call["full"]:
            shown["groups"] = ",".join(groups_of(call, name))
            shown["tokens"] = [{"tokenid": t, **token_info(each)} for t, each in user.tokens.items()] or None
        found.append(shown)
    return found


def groups_of(call: Call, user: str) -> list[str]:
    return sorted(name for name, group in call.world.access.groups.items() if user in group.users)


@handles("POST", "/access/users")
def create_user(call: Call) -> None:
    access, name = call.world.access, call["userid"]
    if name in access.users:
        raise Refusal(f"create user failed: user '{name}' already exists")
    join_groups(call, name, "create user failed")
    with Failed("create user failed"):
        call.world.require_writable("user.cfg")
    access.users[name] = User(
        1 if call["enable"] is None else call["enable"],
        call["expire"] or 0,
        {key: call[key] for key in FIELDS if call[key]},
        call["password"],
    )


def join_groups(call: Call, user: str, failed: str) -> None:
    groups = call.world.access.groups
    wanted = split_list(call["groups"] or "")
    for name in wanted:
        if name not in groups:
            raise Refusal(f"{failed}: no such group '{name}'")
    for name in wanted:
        groups[name].users.add(user)


@handles("GET", "/access/users/{userid}")
def user_info(call: Call) -> Any:
    access, name = call.world.access, call["userid"]
    access.must_exist(name)
    user = access.users[name]
    tokens = {token: token_info(each) for token, each in user.tokens.items()}
    return {
        "enable": user.enable,
        "expire": user.expire,
        **user.fields,
        "groups": groups_of(call, name),
        "tokens": tokens or None,
    }


@handles("PUT", "/access/users/{userid}")
def update_user(call: Call) -> None:
    access, name = call.world.access, call["userid"]
    if name not in access.users:
        raise Refusal(f"update user failed: no such user ('{name}')")
    user = access.users[name]
    with Failed("update user failed"):
        call.world.require_writable("user.cfg")
    if call["enable"] is not None:
        user.enable = call["enable"]
    if call["expire"] is not None:
        user.expire = call["expire"]
    for key in FIELDS:
        if call[key] is not None:
            user.fields[key] = call[key]
            if not call[key]:
                del user.fields[key]
    if call["groups"] is not None:
        if not call["append"]:
            for group in access.groups.values():
                group.users.discard(name)
        join_groups(call, name, "update user failed")


@handles("DELETE", "/access/users/{userid}")
def delete_user(call: Call) -> None:
    access, name = call.world.access, call["userid"]
    with Failed("delete user failed"):
        call.world.require_writable("user.cfg")
    access.users.pop(name, None)
    for group in access.groups.values():
        group.users.discard(name)
    access.acl = {
        grant: each
        for grant, each in access.acl.items()
        if grant.kind == "group" or grant.who.partition("!")[0] != name
    }
    access.users.setdefault(ROOT, User())  # the file is read back with it


@handles("GET", "/access/users/{userid}/tfa")
def user_tfa(call: Call) -> Any:
    call.world.access.must_exist(call["userid"])
    return {}


@handles("GET", "/access/tfa/{userid}")
def tfa(call: Call) -> Any:
    return []


# --- tokens ---


def token_info(token: Token) -> dict[str, Any]:
    return {
        "expire": token.expire,
        "privsep": token.privsep,
        **({"comment": token.comment} if token.comment else {}),
    }


def token_of(call: Call) -> Token:
    access = call.world.access
    access.must_exist(call["userid"])
    found = access.users[call["userid"]].tokens.get(call["tokenid"])
    if found is None:
        raise Refusal(f"no such token '{call['tokenid']}' for user '{call['userid']}'")
    return found


@handles("GET", "/access/users/{userid}/token")
def tokens(call: Call) -> Any:
    call.world.access.must_exist(call["userid"])
    held = call.world.access.users[call["userid"]].tokens
    return [{"tokenid": name, **token_info(token)} for name, token in held.items()]


@handles("GET", "/access/users/{userid}/token/{tokenid}")
def token(call: Call) -> Any:
    return token_info(token_of(call))


@handles("POST", "/access/users/{userid}/token/{tokenid}")
def create_token(call: Call) -> Any:
    access, user, name = call.world.access, call["userid"], call["tokenid"]
    access.must_exist(user)
    if name in access.users[user].tokens:
        raise parameter(tokenid="Token already exists.")
    call.world.require_writable("user.cfg")
    made = Token(
        1 if call["privsep"] is None else call["privsep"], call["expire"] or 0, call["comment"] or None
    )
    access.users[user].tokens[name] = made
    info = {
        key: str(value)
        for key, value in token_info(made).items()
        if key == "privsep" or call[key] is not None
    }
    return {"full-tokenid": f"{user}!{name}", "info": info, "value": made.secret}


@handles("PUT", "/access/users/{userid}/token/{tokenid}")
def update_token(call: Call) -> Any:
    found = token_of(call)
    call.world.require_writable("user.cfg")
    shown: dict[str, Any] = {}
    for key in ("privsep", "expire"):
        if call[key] is not None:
            setattr(found, key, call[key])
            shown[key] = str(call[key])
    if call["comment"] is not None:
        found.comment = call["comment"] or None
    if call["regenerate"]:
        found.secret = str(uuid.uuid4())
        shown |= {"value": found.secret, "full-tokenid": f"{call['userid']}!{call['tokenid']}"}
    return token_info(found) | shown


@handles("DELETE", "/access/users/{userid}/token/{tokenid}")
def delete_token(call: Call) -> None:
    token_of(call)
    call.world.require_writable("user.cfg")
    access = call.world.access
    del access.users[call["userid"]].tokens[call["tokenid"]]
    full = f"{call['userid']}!{call['tokenid']}"
    access.acl = {grant: each for grant, each in access.acl.items() if grant.who != full}


# --- groups ---


@handles("GET", "/access/groups")
def groups(call: Call) -> Any:
    privileges = ("User.Modify", "Sys.Audit", "Group.Allocate")
    return [
        {
            "groupid": name,
            "users": ",".join(sorted(group.users)),
            **({"comment": group.comment} if group.comment else {}),
        }
        for name, group in call.world.access.groups.items()
        if call.allows(f"/access/groups/{name}", *privileges, any_of=True)
    ]


@handles("POST", "/access/groups")
def create_group(call: Call) -> None:
    held = call.world.access.groups
    if call["groupid"] in held:
        raise Refusal(f"create group failed: group '{call['groupid']}' already exists")
    with Failed("create group failed"):
        call.world.require_writable("user.cfg")
    held[call["groupid"]] = Group(comment=call["comment"] or None)


def group_of(call: Call, failed: str = "") -> Group:
    found = call.world.access.groups.get(call["groupid"])
    if found is None:
        raise Refusal(f"{failed}group '{call['groupid']}' does not exist")
    return found


@handles("GET", "/access/groups/{groupid}")
def group(call: Call) -> Any:
    found = group_of(call)
    return {"members": sorted(found.users), **({"comment": found.comment} if found.comment else {})}


@handles("PUT", "/access/groups/{groupid}")
def update_group(call: Call) -> None:
    group_of(call, "update group failed: ").comment = call["comment"] or None


@handles("DELETE", "/access/groups/{groupid}")
def delete_group(call: Call) -> None:
    group_of(call, "delete group failed: ")
    access = call.world.access
    del access.groups[call["groupid"]]
    access.acl = {
        grant: each
        for grant, each in access.acl.items()
        if (grant.kind, grant.who) != ("group", call["groupid"])
    }


# --- roles ---


@handles("GET", "/access/roles")
def roles(call: Call) -> Any:
    return [
        {"roleid": name, "privs": ",".join(sorted(held)), "special": int(name in BUILT_IN)}
        for name, held in call.world.access.roles.items()
    ]


@handles("POST", "/access/roles")
def create_role(call: Call) -> None:
    held = call.world.access.roles
    if call["roleid"] in held:
        raise Refusal(f"create role failed: role '{call['roleid']}' already exists")
    with Failed("create role failed"):
        call.world.require_writable("user.cfg")
    held[call["roleid"]] = set(split_list(call["privs"] or ""))


def role_of(call: Call, failed: str = "") -> set[str]:
    found = call.world.access.roles.get(call["roleid"])
    if found is None:
        raise Refusal(f"{failed}role '{call['roleid']}' does not exist")
    return found


@handles("GET", "/access/roles/{roleid}")
def role(call: Call) -> Any:
    return dict.fromkeys(sorted(role_of(call)), 1)


@handles("PUT", "/access/roles/{roleid}")
def update_role(call: Call) -> None:
    found = role_of(call, "update role failed: ")
    if call["roleid"] in BUILT_IN:
        raise Refusal(f"auto-generated role '{call['roleid']}' cannot be modified")
    if not call["append"]:
        found.clear()
    found.update(split_list(call["privs"] or ""))


@handles("DELETE", "/access/roles/{roleid}")
def delete_role(call: Call) -> None:
    if call["roleid"] in BUILT_IN:
        raise Refusal(f"auto-generated role '{call['roleid']}' cannot be deleted")
    role_of(call, "delete role failed: ")
    access = call.world.access
    del access.roles[call["roleid"]]
    access.acl = {grant: each for grant, each in access.acl.items() if grant.role != call["roleid"]}


# --- permissions ---


@handles("GET", "/access/acl")
def acl(call: Call) -> Any:
    audit = call.allows("/access", "Sys.Audit")
    return [
        {
            "path": grant.path,
            "type": grant.kind,
            "ugid": grant.who,
            "roleid": grant.role,
            "propagate": propagate,
        }
        for grant, propagate in call.world.access.acl.items()
        if audit or call.allows(grant.path, "Permissions.Modify")
    ]


@handles("PUT", "/access/acl")
def update_acl(call: Call) -> None:
    access = call.world.access
    subjects = {"user": call["users"], "group": call["groups"], "token": call["tokens"]}
    if not any(subjects.values()):
        text = "either 'users', 'groups' or 'tokens' is required."
        raise parameters(dict.fromkeys(("users", "groups", "tokens"), text))
    path = normal_path(call["path"])
    if path is None or not GRANTABLE.fullmatch(path):
        raise parameter(path=f"invalid ACL path '{call['path']}'")
    require_delegable(call, path)
    wanted = [
        Grant(path, kind, who, role)
        for role in split_list(call["roles"])
        for kind, names in subjects.items()
        for who in split_list(names or "")
    ]
    for grant in wanted:
        require_existing(call, grant)
    with Failed("ACL update failed"):
        call.world.require_writable("user.cfg")
    for grant in wanted:
        if call["delete"]:
            access.acl.pop(grant, None)
        else:
            access.acl[grant] = 1 if call["propagate"] is None else call["propagate"]


def require_delegable(call: Call, path: str) -> None:
    """Without Permissions.Modify one may hand on only what one has."""
    access = call.world.access
    if call.user == ROOT or call.allows(path, "Permissions.Modify"):
        return
    mine = access.permissions(call.user, path)
    for role in split_list(call["roles"]):
        missing = access.roles.get(role, set()) - mine.keys()
        if missing:
            raise forbidden(f"{path}, {sorted(missing)[0]}")


def require_existing(call: Call, grant: Grant) -> None:
    access = call.world.access
    if grant.role not in access.roles:
        raise Refusal(f"ACL update failed: role '{grant.role}' does not exist")
    there = {
        "user": grant.who in access.users,
        "group": grant.who in access.groups,
        "token": grant.kind == "token" and access.token(grant.who) is not None,
    }
    if not there[grant.kind]:
        raise Refusal(f"ACL update failed: {grant.kind} '{grant.who}' does not exist")


# --- realms ---


@handles("GET", "/access/domains")
def domains(call: Call) -> Any:
    return [
        {
            "realm": name,
            "type": realm["type"],
            **{k: realm[k] for k in ("comment", "default", "tfa") if realm.get(k)},
        }
        for name, realm in call.world.access.realms.items()
    ]


@handles("POST", "/access/domains")
def create_domain(call: Call) -> None:
    realms = call.world.access.realms
    if call["realm"] in realms:
        raise Refusal(f"add auth server failed: domain '{call['realm']}' already exists")
    call.world.require_writable("domains.cfg")
    realms[call["realm"]] = {k: v for k, v in call.params.items() if k not in REALM_FIELDS_HIDDEN}


@handles("GET", "/access/domains/{realm}")
def domain(call: Call) -> Any:
    realms = call.world.access.realms
    if call["realm"] not in realms:
        raise Refusal(f"domain '{call['realm']}' does not exist")
    return {**realms[call["realm"]], "digest": digest(realms)}


@handles("PUT", "/access/domains/{realm}")
def update_domain(call: Call) -> None:
    realms = call.world.access.realms
    if call["realm"] not in realms:
        raise Refusal(f"update auth server failed: domain '{call['realm']}' does not exist")
    realm = realms[call["realm"]]
    if call["digest"] and call["digest"] != digest(realms):
        text = "detected modified configuration - file changed by other user? Try again."
        raise Refusal(f"update auth server failed: {text}")
    for key in split_list(call["delete"] or ""):
        realm.pop(key, None)
    realm.update({k: v for k, v in call.params.items() if k not in REALM_FIELDS_HIDDEN})
    realm.setdefault("default", 0)


@handles("DELETE", "/access/domains/{realm}")
def delete_domain(call: Call) -> None:
    realms = call.world.access.realms
    if call["realm"] not in realms:
        raise Refusal(f"delete auth server failed: authentication domain '{call['realm']}' does not exist")
    del realms[call["realm"]]
