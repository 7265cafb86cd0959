# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client upon the double in process: what the laws run against, without sockets and waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output, expect
from ansible_collections.twin.datacenter.plugins.module_utils._pve.errors import Answer
from ansible_collections.twin.datacenter.plugins.module_utils._pve.errors import Dropped as ConnectionDropped
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import PveHost, PveReader

from .pve.access import ROOT
from .pve.api import Api
from .pve.cli import ha_manager, pvecm
from .pve.clock import StillClock
from .pve.errors import Dropped
from .pve.world import World, pair

PATIENCE = 60.0
"""Seconds for which an answer is waited for, as `Access.api_timeout` has it."""


class InProcess:
    """The double as the far end of a connection.

    :param user: who asks, or a token ``user@realm!token``.
    """

    private = True

    def __init__(self, api: Api, user: str = ROOT) -> None:
        self.api = api
        self.user = user

    def request(self, method: str, path: str, params: Mapping[str, Any]) -> Answer:
        try:
            answer = self.api.request(method, f"/{path}", dict(params), self.user)
        except Dropped as error:
            raise ConnectionDropped(f"{method} {path}", "the connection broke") from error
        if answer.delay > PATIENCE:
            raise ConnectionDropped(f"{method} {path}", f"there was no answer within {PATIENCE:g} s")
        if not isinstance(answer.body, dict):
            return Answer(answer.status, answer.reason)
        body = answer.body
        return Answer(
            answer.status, answer.reason, body.get("data"), body.get("message", ""), body.get("errors") or {}
        )


class OnNode(InProcess):
    """The double as a node itself sees it: with the commands of Proxmox VE."""

    private = False
    COMMANDS: ClassVar = {"ha-manager": ha_manager.run, "pvecm": pvecm.run}

    def command(self, argv: Sequence[str]) -> None:
        world = self.api.world
        self.api.log.append(("RUN", " ".join(argv), {}))
        said = self.COMMANDS[argv[0]](world, world.local, list(argv[1:]))
        expect(Output(tuple(argv), said.rc, said.out, said.err), (0,))


class InOrder(PveReader):
    """Asks one thing after the other: a thread costs more than an answer in memory does."""

    def find_all(self, wanted: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        return [self.find(path, params) for path, params in wanted]


class DoubleHost(InOrder, PveHost):
    """A cluster in memory. Its clock goes on when the client waits.

    :param on_node: whether the client runs on a node.
    """

    def __init__(
        self, world: World | None = None, user: str = ROOT, timeout: float = 600, on_node: bool = False
    ) -> None:
        self.clock = StillClock()
        self.world = world or pair(clock=self.clock)
        if isinstance(self.world.clock, StillClock):
            self.clock = self.world.clock
        self.api = Api(self.world)
        transport = (OnNode if on_node else InProcess)(self.api, user)
        super().__init__(transport, timeout, self.clock.advance, now=self.clock.now)

    def reader(self) -> PveReader:
        return InOrder(self.transport, self.timeout, self.sleep, self.tries)

    @property
    def changes(self) -> list[str]:
        """The requests that were no questions."""
        return [f"{method} {path}" for method, path, _params in self.api.log if method != "GET"]
