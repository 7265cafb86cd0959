# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, groups, roles, tokens, permissions: the state, and the checks that the schema asks for.

Rests on: PVE::RPCEnvironment and PVE::AccessControl (pve-access-control); the roles are those of the recorded
GET /access/roles of release 9.2.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.pve import releases
from tests.doubles.pve.errors import Refusal, forbidden
from tests.doubles.pve.formats import PRIVILEGES, split_list

ROOT = "root@pam"
# Which privileges are of a kind: what makes the built-in roles (PVE::AccessControl, $privgroups).
GROUPS: dict[str, dict[str, str]] = {
    "VM": {
        "admin": "VM.Config.Disk VM.Config.CPU VM.Config.Memory VM.Config.Network VM.Config.HWType "
        "VM.Config.Options "
        "VM.Allocate VM.Clone VM.Migrate VM.Snapshot VM.Snapshot.Rollback VM.Replicate "
        "VM.GuestAgent.Unrestricted",
        "user": "VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.Backup VM.PowerMgmt "
        "VM.GuestAgent.FileRead "
        "VM.GuestAgent.FileWrite VM.GuestAgent.FileSystemMgmt",
        "audit": "VM.Audit VM.GuestAgent.Audit",
    },
    "Sys": {"admin": "Sys.Console Sys.Syslog", "audit": "Sys.Audit"},
    "Datastore": {
        "admin": "Datastore.Allocate Datastore.AllocateTemplate",
        "user": "Datastore.AllocateSpace",
        "audit": "Datastore.Audit",
    },
    "SDN": {"admin": "SDN.Allocate SDN.Audit", "user": "SDN.Use", "audit": "SDN.Audit"},
    "User": {"admin": "User.Modify Group.Allocate Realm.AllocateUser"},
    "Pool": {"admin": "Pool.Allocate", "user": "Pool.Audit", "audit": "Pool.Audit"},
    "Mapping": {"admin": "Mapping.Modify", "user": "Mapping.Use", "audit": "Mapping.Audit"},
}


def built_in_roles() -> dict[str, set[str]]:
    roles: dict[str, set[str]] = {"NoAccess": set(), "Administrator": set(PRIVILEGES)}
    for name, levels in GROUPS.items():
        every = {level: set(privileges.split()) for level, privileges in levels.items()}
        audit = every.get("audit", set())
        roles.setdefault("PVEAdmin", set()).update(*every.values())
        roles[f"PVE{name}Admin"] = set().union(*every.values())
        if "user" in every:
            roles[f"PVE{name}User"] = every["user"] | audit
        roles.setdefault("PVEAuditor", set()).update(audit)
    roles["PVEAdmin"].discard("Mapping.Modify")
    roles["PVETemplateUser"] = {"VM.Clone", "VM.Audit"}
    return roles


BUILT_IN = built_in_roles()


def older_roles() -> dict[str, set[str]]:
    """Those of release 8.4: VM.Monitor in place of what 9.0 made of it."""
    monitors = {name for name, held in BUILT_IN.items() if "VM.GuestAgent.Unrestricted" in held}
    return {
        name: held - releases.NEW_PRIVILEGES | (releases.OLD_PRIVILEGES if name in monitors else set())
        for name, held in BUILT_IN.items()
    }


@dataclass
class Token:
    privsep: int = 1
    expire: int = 0
    comment: str | None = None
    secret: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class User:
    enable: int = 1
    expire: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    """comment, email, firstname, lastname, keys: those that are set."""
    password: str | None = None
    tokens: dict[str, Token] = field(default_factory=dict)


@dataclass
class Group:
    users: set[str] = field(default_factory=set)
    comment: str | None = None


@dataclass(frozen=True)
class Grant:
    """One line of the access control list."""

    path: str
    kind: str
    """user, group or token."""
    who: str
    role: str


@dataclass
class Pool:
    comment: str | None = None
    guests: set[int] = field(default_factory=set)
    storages: set[str] = field(default_factory=set)


@dataclass
class Access:
    users: dict[str, User] = field(default_factory=lambda: {ROOT: User(password="secret")})
    groups: dict[str, Group] = field(default_factory=dict)
    roles: dict[str, set[str]] = field(
        default_factory=lambda: {name: set(each) for name, each in BUILT_IN.items()}
    )
    acl: dict[Grant, int] = field(default_factory=dict)
    """Whether a grant holds below its path too."""
    pools: dict[str, Pool] = field(default_factory=dict)
    realms: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "pam": {"type": "pam", "comment": "Linux PAM standard authentication"},
            "pve": {"type": "pve", "comment": "Proxmox VE authentication server"},
        }
    )

    def token(self, user: str) -> Token | None:
        """The token that `root@pam!deploy` names."""
        name, _sign, token = user.partition("!")
        return self.users[name].tokens.get(token) if name in self.users else None

    def roles_at(self, user: str, path: str) -> dict[str, int]:
        """Role: whether it holds below, as PVE::AccessControl::roles finds them. Deeper beats higher."""
        found: dict[str, int] = {}
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts) + 1):
            here = "/" + "/".join(parts[:depth])
            for kind in ("token", "user", "group"):
                new = {
                    grant.role: propagate
                    for grant, propagate in self.acl.items()
                    if grant.path == here
                    and grant.kind == kind
                    and (propagate or depth == len(parts))
                    and (grant.who == user if kind != "group" else user in self.group(grant.who).users)
                }
                if new:
                    found = new
                    break
        return {"NoAccess": found["NoAccess"]} if "NoAccess" in found else found

    def group(self, name: str) -> Group:
        return self.groups.get(name, Group())

    def permissions(self, user: str, path: str) -> dict[str, int]:
        """Privilege: whether it holds below (PVE::RPCEnvironment::permissions)."""
        if user == ROOT:
            return dict.fromkeys(self.roles["Administrator"], 1)
        owner = user.partition("!")[0]
        if owner != user:
            token = self.token(user)
            if token is None:
                return {}
            if not token.privsep:
                return self.permissions(owner, path)
        roles = self.roles_at(user, path)
        pooled = self.pool_roles(user, path)
        if "NoAccess" not in roles and pooled:
            roles = {"NoAccess": 0} if "NoAccess" in pooled else {**dict.fromkeys(pooled, 0), **roles}
        granted: dict[str, int] = {}
        for role, propagate in roles.items():
            for privilege in self.roles.get(role, ()):
                granted[privilege] = granted.get(privilege, 0) or propagate
        if owner not in (user, ROOT):
            of_owner = self.permissions(owner, path)
            granted = {k: int(v and of_owner[k]) for k, v in granted.items() if k in of_owner}
        return granted

    def pool_roles(self, user: str, path: str) -> set[str]:
        """What pools give on their members."""
        found = re.fullmatch(r"/(vms|storage)/(.+)", path)
        if not found:
            return set()
        kind, name = found.groups()
        return {
            role
            for pool_name, pool in self.pools.items()
            if (name in pool.storages if kind == "storage" else name.isdigit() and int(name) in pool.guests)
            for role in self.roles_at(user, f"/pool/{pool_name}")
        }

    def allows(self, user: str, path: str, privileges: list[str], any_of: bool = False) -> bool:
        held = self.permissions(user, path)
        return (any if any_of else all)(each in held for each in privileges)

    def demand(self, user: str, path: str, privileges: list[str], any_of: bool = False) -> None:
        """A Refusal where the user lacks them, in the words of Proxmox VE."""
        held = self.permissions(user, path)
        if any_of:
            if not any(each in held for each in privileges):
                raise forbidden(f"{path}, {'|'.join(privileges)}")
            return
        for each in privileges:
            if each not in held:
                raise forbidden(f"{path}, {each}")

    def check(self, permissions: dict[str, Any], user: str | None, params: dict[str, Any]) -> None:
        """What the schema demands of a call (PVE::RPCEnvironment::check_api2_permissions)."""
        if user is None:
            if permissions.get("user") == "world":
                return
            raise forbidden("user != null")
        if user == ROOT or permissions.get("user") in ("all", "world"):
            return
        if not permissions:
            raise forbidden("user != root@pam")
        if "check" not in permissions:
            raise forbidden()
        self.evaluate(permissions["check"], user, params)

    def evaluate(self, check: list[Any], user: str, params: dict[str, Any]) -> None:
        test, *rest = check
        if test == "and":
            for each in rest:
                self.evaluate(each, user, params)
        elif test == "or":
            if not any(self.passes(each, user, params) for each in rest):
                raise forbidden()
        elif test == "perm":
            template, privileges, *pairs = rest
            options = dict(zip(pairs[::2], pairs[1::2], strict=True))
            if options.get("require_param") and params.get(options["require_param"]) is None:
                raise forbidden()
            path = re.sub(r"\{([^}]+)\}", lambda found: str(params.get(found[1], "")), template)
            self.demand(user, normal_path(path) or path, privileges, bool(options.get("any")))
        elif test == "perm-modify":
            self.demand_modify(user, normal_path(str(params.get("path", ""))))
        elif test == "userid-param":
            self.evaluate_user(rest[0], user, str(params.get("userid", "")))
        elif test == "userid-group":
            self.evaluate_group(rest, user, params)
        else:
            raise ValueError(f"unknown permission test {test}")

    def passes(self, check: list[Any], user: str, params: dict[str, Any]) -> bool:
        try:
            self.evaluate(check, user, params)
        except Refusal:
            return False
        return True

    def evaluate_user(self, test: str, user: str, subject: str) -> None:
        if test == "self":
            self.must_exist(subject)
            if subject != user:
                raise forbidden()
        else:
            self.demand(user, f"/access/realm/{subject.partition('@')[2]}", ["Realm.AllocateUser"])

    def evaluate_group(self, rest: list[Any], user: str, params: dict[str, Any]) -> None:
        privileges, *pairs = rest
        options = dict(zip(pairs[::2], pairs[1::2], strict=True))
        subject = str(params.get("userid", ""))
        existing = options.get("groups_param") != "create"
        if existing:
            self.must_exist(subject)
        if self.allows(user, "/access/groups", privileges, any_of=True):
            return
        mine = {
            name
            for name in self.groups
            if self.allows(user, f"/access/groups/{name}", privileges, any_of=True)
        }
        if options.get("groups_param"):
            asked = split_list(str(params.get("groups") or ""))
            if not asked:
                raise forbidden(f"/access/groups, {'|'.join(privileges)}")
            for name in asked:
                if name not in mine:
                    raise forbidden(f"/access/groups/{name}, {'|'.join(privileges)}")
        if existing and not any(subject in self.groups[name].users for name in mine):
            raise forbidden()

    def must_exist(self, user: str) -> None:
        if user not in self.users:
            raise Refusal(f"no such user ('{user}')")

    def demand_modify(self, user: str, path: str | None) -> None:
        if path is None:
            return self.demand(user, "/access", ["Permissions.Modify"])
        below = {"/storage/": "Datastore.Allocate", "/vms/": "VM.Allocate", "/pool/": "Pool.Allocate"}
        also = [privilege for start, privilege in below.items() if path.startswith(start)]
        self.demand(user, path, ["Permissions.Modify", *also], any_of=True)

    def pool_of(self, vmid: int) -> str | None:
        return next((name for name, pool in self.pools.items() if vmid in pool.guests), None)

    def forget_guest(self, vmid: int) -> None:
        """What goes when a guest is destroyed: its place in a pool and the grants on it."""
        for pool in self.pools.values():
            pool.guests.discard(vmid)
        self.acl = {grant: each for grant, each in self.acl.items() if grant.path != f"/vms/{vmid}"}


def normal_path(path: str) -> str | None:
    path = "/" + re.sub(r"/+", "/", path).strip("/")
    return path if re.fullmatch(r"[A-Za-z0-9.\-_/]+", path) else None
