# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API in process: one request in, one answer out.

Rests on: PVE::HTTPServer and PVE::RESTHandler for the order in which a request is judged: who asks (401),
whether there is such a method (501), a parameter given twice (400), permission (403), the node that it is
passed on to (500, 595), the parameters (400); then the handler of the area.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.doubles.pve import areas, schema
from tests.doubles.pve.access import ROOT
from tests.doubles.pve.errors import Dropped, Refusal, parameters, unauthorized
from tests.doubles.pve.faults import Faults
from tests.doubles.pve.tasks import Steps, Task, Worker
from tests.doubles.pve.world import Guest, Kind, Node, World

Handler = Callable[["Call"], Any]
HANDLERS: dict[tuple[str, str], Handler] = {}
DAEMONS: list[Callable[[World], None]] = []
TICKET_LIFETIME = 7200.0
# What needs no ticket (PVE::HTTPServer::auth_handler).
OPEN = {
    ("GET", "/access/domains"),
    ("GET", "/access/ticket"),
    ("POST", "/access/ticket"),
    ("GET", "/access/openid"),
}


# The root of the API, which the schema does not have.
INDEX = schema.Method("", "GET", "/", {}, False, {}, {}, True)


@dataclass(frozen=True)
class Response:
    status: int
    reason: str
    body: Any
    """What JSON makes of it; "" where there is no body."""
    delay: float = 0.0
    """Seconds that it took."""

    @property
    def data(self) -> Any:
        return self.body["data"] if isinstance(self.body, dict) else None


def handles(verb: str, template: str) -> Callable[[Handler], Handler]:
    """Registers the handler of an operation: @handles("GET", "/nodes/{node}/status")."""

    def register(handler: Handler) -> Handler:
        HANDLERS[verb, template] = handler
        return handler

    return register


def daemon(work: Callable[[World], None]) -> Callable[[World], None]:
    """Registers what goes on by itself: called before each request, it does what has become due since."""
    DAEMONS.append(work)
    return work


@dataclass
class Call:
    """A request that was found worthy: what a handler sees."""

    api: Api
    user: str
    method: schema.Method
    params: dict[str, Any]
    """Verified, in their types, those of the path included."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What goes into the body beside `data`."""
    delay: float = 0.0

    @property
    def world(self) -> World:
        return self.api.world

    def __getitem__(self, name: str) -> Any:
        """A parameter, None where it was not given."""
        return self.params.get(name)

    def node(self) -> Node:
        return self.world.nodes[self["node"]]

    def guest(self, kind: Kind) -> Guest:
        return self.world.guest(self["node"], kind, self["vmid"])

    def task(self, kind: str, subject: str, worker: Worker, node: str | None = None) -> str:
        """Starts a task in the name of the user."""
        fault = self.api.faults.of_task(kind, subject)
        if fault:
            worker = failing(worker, fault.text, fault.early)
        return self.world.start(node or self["node"] or self.world.local, kind, subject, self.user, worker)

    def allows(self, path: str, *privileges: str, any_of: bool = False) -> bool:
        return self.world.access.allows(self.user, path, list(privileges), any_of)

    def demand(self, path: str, *privileges: str, any_of: bool = False) -> None:
        self.world.access.demand(self.user, path, list(privileges), any_of)


def failing(worker: Worker, text: str, early: bool) -> Worker:
    def broken(task: Task) -> Steps:
        if early:
            raise Refusal(text)
        steps = worker(task)
        if steps is not None:
            for pause in steps:
                yield pause
                steps.throw(Refusal(text))
        raise Refusal(text)

    return broken


class Api:
    """The API of a world."""

    def __init__(self, world: World, faults: Faults | None = None) -> None:
        self.world = world
        self.faults = faults or Faults()
        self.tickets: dict[str, tuple[str, float]] = {}
        self.uploads: dict[str, bytes] = {}
        """Files that came with a request, by the place where they wait."""
        self.log: list[tuple[str, str, dict[str, Any]]] = []
        """Every request that came: for tests that count."""
        load_areas()

    def request(
        self,
        verb: str,
        path: str,
        params: dict[str, Any] | None = None,
        user: str | None = ROOT,
        json: bool = False,
    ) -> Response:
        """A request of a user, or of a token named `user@realm!token`, who has shown who it is; None is
        nobody.
        """
        extjs = "/extjs/" in path
        path = normal(path)
        self.log.append((verb, path, dict(params or {})))
        delay = 0.0
        try:
            struck = self.faults.of_request(verb, path)
            delay = sum(fault.stall for fault in struck)
            if verb not in ("GET", "POST", "PUT", "DELETE"):
                raise Refusal(f"method '{verb}' not available", 501, bare=True)
            for fault in struck:
                if not fault.late:
                    fault.act(self.world)
            response = self.answer(verb, path, dict(params or {}), user)
            for fault in struck:
                if fault.late:
                    fault.act(self.world)
        except Refusal as refusal:
            response = refused(refusal)
        if extjs and response.body != "":
            response = for_extjs(response)
        return Response(response.status, response.reason, response.body, response.delay + delay)

    def answer(self, verb: str, path: str, params: dict[str, Any], user: str | None) -> Response:
        self.catch_up()
        if user is None and (verb, path) not in OPEN:
            raise unauthorized("No ticket")
        found = schema.of(self.world.release).find(verb, path) if path != "/" else None
        handler = HANDLERS.get((verb, found[0].template if found else path)) or (
            index_of(found[0]) if found else None
        )
        if handler is None or (found is None and path != "/"):
            raise Refusal(f"Method '{verb} {path}' not implemented", 501)
        if found is None:
            return Response(200, "OK", {"data": handler(Call(self, user or "", INDEX, {}))})
        method, values = found
        if twice := values.keys() & params.keys():
            raise parameters(dict.fromkeys(twice, "duplicate parameter (already defined in URI)"))
        if "!" in (user or "") and not method.token:
            text = (
                f"Permission check failed (URI '{path}' not available with API token, need proper ticket.\n)"
            )
            raise Refusal(text, 403)
        params |= values
        self.world.access.check(method.permissions, user, params)
        self.reach(method.template, values)
        call = Call(self, user or "", method, method.verify(params))
        data = handler(call)
        self.world.settle()
        return Response(200, "OK", {**call.extra, "data": data}, call.delay)

    def catch_up(self) -> None:
        """Does what has become due since."""
        self.world.settle()
        for work in DAEMONS:
            work(self.world)

    def reach(self, template: str, values: dict[str, str]) -> None:
        """The node that the request is passed on to."""
        name = values.get("node")
        if not name or not template.startswith("/nodes/{node}/") or name == "localhost":
            return
        node = self.world.nodes.get(name)
        if node is None:
            why = f"failed to get address info for: {name}: Temporary failure in name resolution"
            raise Refusal(f"hostname lookup '{name}' failed - {why}")
        if not node.online:
            raise Refusal("Connection refused", 595, bare=True)
        if node.silent:
            raise Refusal("Connection timed out", 596, bare=True)

    # --- who asks, for the HTTP server ---

    def ticket(self, user: str) -> tuple[str, str]:
        """A ticket and the token against forged writes that belongs to it."""
        key = uuid.uuid4().hex
        self.tickets[key] = (user, self.world.clock.now() + TICKET_LIFETIME)
        return (
            f"PVE:{user}:{int(self.world.clock.now()):08X}::{key}",
            f"{int(self.world.clock.now()):08X}:{key}",
        )

    def authenticate(
        self, verb: str, path: str, cookie: str | None, csrf: str | None, header: str | None
    ) -> str | None:
        """The user behind cookie or header; a Refusal 401 where that is nobody."""
        if (verb, normal(path)) in OPEN:
            return None
        if header is not None:
            return self.token_user(header)
        if not cookie:
            raise unauthorized("No ticket")
        key = unquote(cookie).rpartition("::")[2]
        user, until = self.tickets.get(key, ("", 0.0))
        if until < self.world.clock.now() or not self.enabled(user):
            raise unauthorized("Authentication failed!")
        if verb != "GET" and (csrf or "").rpartition(":")[2] != key:
            raise unauthorized("Permission denied - invalid csrf token")
        return user

    def token_user(self, header: str) -> str:
        found = re.fullmatch(r"PVEAPIToken[= ]([^=]+)[=](.+)", header)
        token = self.world.access.token(found[1]) if found else None
        expired = token is not None and 0 < token.expire < self.world.clock.now()
        if not found or token is None or token.secret != found[2] or expired or not self.enabled(found[1]):
            raise unauthorized("Authentication failed!")
        return found[1]

    def enabled(self, user: str) -> bool:
        account = self.world.access.users.get(user.partition("!")[0])
        return (
            account is not None and bool(account.enable) and not 0 < account.expire < self.world.clock.now()
        )


def normal(path: str) -> str:
    path = re.sub(r"^/?(api2/(json|extjs))?(?=/|$)", "", unquote(path))
    return "/" + "/".join(part for part in path.split("/") if part)


def index_of(method: schema.Method) -> Handler | None:
    """The answer of a folder that has no handler: what is below it, under the one name that the schema has
    for it.
    """
    items = method.returns.get("items", {})
    names = list(items.get("properties") or {}) if method.returns.get("type") == "array" else []
    below = schema.children(method)
    if method.verb != "GET" or len(names) > 1 or not below:
        return None
    return lambda call: [{names[0] if names else "name": child} for child in below]


def refused(refusal: Refusal) -> Response:
    if refusal.bare:
        return Response(refusal.status, refusal.reason, "")
    end = "" if refusal.status in (424, 501) else "\n"
    errors = {"errors": refusal.errors} if refusal.errors else {}
    delay = refusal.delay
    return Response(
        refusal.status, refusal.reason, {"data": None, "message": refusal.text + end, **errors}, delay
    )


def for_extjs(response: Response) -> Response:
    """What the browser is told: always 200, and beside it how it went."""
    body = dict(response.body)
    if response.status == 200:
        return Response(200, "OK", body | {"success": 1}, response.delay)
    status = response.status if response.status == 500 else str(response.status)
    return Response(200, "OK", body | {"success": 0, "status": status}, response.delay)


@functools.cache
def load_areas() -> None:
    """Imports every file of `areas`: that registers its handlers."""
    for found in pkgutil.iter_modules(areas.__path__):
        importlib.import_module(f"{areas.__name__}.{found.name}")


__all__ = ["Api", "Call", "Dropped", "Response", "daemon", "handles"]
