# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The office: the one process that has the state of all nodes of a lab, which outlives each of them.

Each server has a folder of three sockets: `node`, to which its agent keeps a connection, `api`, HTTP as
behind pveproxy, and `cli`, its commands. Through which folder a request comes says which node it is.

* A node is what was installed on a server: an agent that tells of another installation begins a new world.
  As long as its agent is there it is online; a start of the server (another first process) finds its guests
  stopped, and begins those with `onboot`. The witness has an agent of its own, and votes while that is there.
* Nodes that joined share one state. What a join takes over once is kept in common by `share`.
* Containers are made real on their server by `reality`, after every request and as time passes.

What is not true of it: a cable that is cut parts no nodes, for corosync's links are not among the sockets;
root's password is the lab's until the API changes it, whatever /etc/shadow says; /etc/pve has the node's
certificate and no file of the state; the certificate is the node's own before and after a join; tickets of
one node are none of the other's. Going back to a saved state of the lab brings back the servers and not
their state here.

    python3 -m tests.doubles.pve.office FOLDER '{"release": "9.2", "servers": {NAME: [ADDRESS, …]}, …}'
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib
import json
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.doubles.pve import reality
from tests.doubles.pve.access import ROOT, User
from tests.doubles.pve.api import Api, Response
from tests.doubles.pve.areas import lxc, network, qemu
from tests.doubles.pve.areas.cluster_config import OWN
from tests.doubles.pve.areas.storage_status import path_of
from tests.doubles.pve.cli import Output
from tests.doubles.pve.cli.pvecm import Witness
from tests.doubles.pve.clock import Clock
from tests.doubles.pve.reality import Agent, Reality
from tests.doubles.pve.sandbox import Sandbox
from tests.doubles.pve.server import Door
from tests.doubles.pve.world import World, single

VOTER = "witness"
SCHEDULER = 3.0
"""Seconds between two looks of a node's scheduler: each move and each removal waits for one."""
PATIENCE = 1.5
"""Seconds that an agent may be away, for it may only be started anew."""
PAUSE = 0.2
"""Seconds between two looks at what has become due."""
WATCH = 10
"""Of how many of those looks one is for containers that ended by themselves."""
LINE = 64 * 1024**2
COMMANDS = ("ha-manager", "pct", "pvecm", "pvesh", "pveversion", "qm")


@dataclass
class Member:
    """A server: what is installed on it, and whether it is there."""

    name: str
    addresses: list[str]
    reality: Reality
    installation: str = ""
    boot: str = ""
    world: World | None = None
    api: Api | None = None

    @property
    def agent(self) -> Agent | None:
        return self.reality.agent


class Peers:
    """The nodes that another can reach, by address or name."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def get(self, host: str) -> World | None:
        for member in self.office.members.values():
            if host in (member.name, *member.addresses) and member.agent is not None:
                return member.world
        return None


def graphics_card(bus: int) -> dict[str, Any]:
    """A PCI function that every server has, each in a slot and an IOMMU group of its own."""
    return {
        "id": f"0000:{bus:02x}:00.0", "class": "0x030200", "iommugroup": 10 + bus,
        "vendor": "0x10de", "vendor_name": "NVIDIA Corporation",
        "device": "0x1eb8", "device_name": "TU104GL [Tesla T4]",
        "subsystem_vendor": "0x10de", "subsystem_device": "0x12a2",
    }  # fmt: skip


class Entrance(Door):
    """The API of one server."""

    def __init__(self, office: Office, member: Member) -> None:
        self.office, self.member, self.latency = office, member, 0.0

    async def answer(self, request: web.Request) -> Response:
        if self.member.api is None or self.member.world is None:
            return Response(596, "Connection refused", "")
        self.api = self.member.api
        await self.office.look(self.member)
        answer = await super().answer(request)
        if request.path.endswith("/upload") and answer.status == 200:
            await self.lay_down(*self.api.log[-1][1:])
        self.office.share(self.member.world)
        await self.office.follow()
        return answer

    async def lay_down(self, path: str, params: dict[str, Any]) -> None:
        """What was uploaded becomes a file of the server."""
        content, world, server = (
            self.api.uploads.pop(params["tmpfilename"]),
            self.member.world,
            self.member.reality,
        )
        volid = f"{path.split('/')[-2]}:{params['content']}/{params['filename']}"
        volume = world.volume(self.member.name, volid) if world is not None else None
        if world is not None and volume is not None:
            (server.folder / "upload").write_bytes(content)
            await reality.attempt(server.run(reality.UPLOADED, path_of(world, volume)))


class Office:
    def __init__(
        self,
        folder: Path,
        release: str,
        password: str,
        servers: dict[str, list[str]],
        speed: float,
        busybox: str,
    ) -> None:
        self.folder, self.release, self.password = folder, release, password
        self.clock = Clock(speed)
        self.members = {
            name: Member(name, addresses, Reality(folder / name)) for name, addresses in servers.items()
        }
        self.busybox = Path(busybox)
        self.rounds = 0
        self.busy = asyncio.Lock()

    async def serve(self) -> None:
        for member in self.members.values():
            place = member.reality.folder
            place.mkdir(mode=0o700, exist_ok=True)
            await asyncio.start_unix_server(self.meet, place / "node", limit=LINE)
            await asyncio.start_unix_server(self.take, place / "cli", limit=LINE)
            runner = web.AppRunner(Entrance(self, member).application(), access_log=None)
            await runner.setup()
            await web.UnixSite(runner, str(place / "api")).start()
        (self.folder / "ready").touch()
        while True:
            await asyncio.sleep(PAUSE)
            try:
                await self.go_on()
            except Exception:
                traceback.print_exc()

    # --- who is there ---

    def member_of(self, writer: asyncio.StreamWriter) -> Member:
        return self.members[Path(writer.get_extra_info("sockname")).parent.name]

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The connection of an agent, until it ends."""
        member = self.member_of(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            told = json.loads(await reader.readline() or "{}")
            if not told:
                return
            agent = member.reality.agent = Agent(reader, writer)
            listening = asyncio.create_task(agent.listen())
            if member.name != VOTER:
                await self.arrive(member, told)
            agent.tell({"welcome": member.name})
            await listening
            await asyncio.sleep(PATIENCE)
            if member.agent is agent:
                member.reality.agent = None
                self.count()
        writer.close()

    async def arrive(self, member: Member, told: dict[str, Any]) -> None:
        if member.world is None or member.installation != told["installation"]:
            member.installation, member.boot = told["installation"], told["boot"]
            member.world = self.install(member)
            member.api = Api(member.world)
            member.reality = Reality(member.reality.folder, member.agent)
        world, node = member.world, member.world.nodes[member.name]
        node.fingerprint = told["fingerprint"]
        node.facts["kernel"] = told["kernel"]
        node.facts["qdevice"] = bool(told.get("qdevice"))
        self.count()
        if member.boot != told["boot"]:
            member.boot = told["boot"]
            member.reality.running.clear()
            self.start_guests(world, member.name)

    def install(self, member: Member) -> World:
        """A node that stands alone."""
        world = single(member.name, release=self.release, clock=self.clock)
        world.nodes[member.name].ip = member.addresses[0]
        # PVE tells only of bridges in /etc/network/interfaces; systemd-networkd makes the lab's.
        del network.live(world.nodes[member.name])["vmbr0"]
        world.nodes[member.name].pci = [graphics_card(1 + list(self.members).index(member.name))]
        world.access.users[ROOT] = User(password=self.password)
        world.facts["peers"] = Peers(self)
        world.facts["scheduler"] = SCHEDULER
        return world

    def start_guests(self, world: World, node: str) -> None:
        """What pve-guests does at a start; what the HA manager looks after is its own."""
        for guest in world.guests.values():
            if guest.node != node:
                continue
            guest.status, guest.paused, guest.held_by = "stopped", False, None
            wanted = guest.config.get("onboot") and not guest.template and not guest.lock
            if wanted and guest.vmid not in world.managed_guests() and world.quorate:
                (lxc if guest.kind == "lxc" else qemu).boot(world, guest)

    def worlds(self) -> Iterator[World]:
        """One of each state: joined nodes share theirs."""
        seen: set[int] = set()
        for member in self.members.values():
            if member.world is not None and id(member.world.nodes) not in seen:
                seen.add(id(member.world.nodes))
                yield member.world

    def count(self) -> None:
        """Which nodes are online, and whether the witness gives its vote."""
        voter = self.members.get(VOTER)
        voting = voter is not None and voter.agent is not None
        for world in self.worlds():
            for name, node in world.nodes.items():
                member = self.members.get(name)
                here = member is not None and member.world is not None and member.world.nodes is world.nodes
                node.online = here and member.agent is not None
            world.facts["witnesses"] = {
                address: Witness(qnetd=voting, open=voting) for address in (voter.addresses if voter else ())
            }
            if world.qdevice:
                world.qdevice["online"] = voting

    def share(self, source: World) -> None:
        """What one node of a cluster wrote is that of all."""
        for member in self.members.values():
            if member.world is None or member.world is source or member.world.nodes is not source.nodes:
                continue
            for each in fields(World):
                if each.name not in OWN:
                    setattr(member.world, each.name, getattr(source, each.name))

    # --- as time passes ---

    async def go_on(self) -> None:
        self.count()
        for world in self.worlds():
            Api(world).catch_up()
            self.share(world)
        self.rounds += 1
        if self.rounds % WATCH == 0:
            async with self.busy:
                for world in list(self.worlds()):
                    await reality.attempt(reality.watch(world, self.servers(world)))
        await self.follow()

    def servers(self, world: World) -> dict[str, Reality]:
        """The servers whose nodes are of this world."""
        return {
            name: member.reality
            for name, member in self.members.items()
            if member.world is not None and member.world.nodes is world.nodes
        }

    async def follow(self) -> None:
        """Lets reality become what the state says."""
        async with self.busy:
            for world in list(self.worlds()):
                self.furnish(world)
                await reality.follow(world, self.servers(world))

    def furnish(self, world: World) -> None:
        """The guest agent of a virtual machine answers while that runs, and what it runs is real."""
        for guest in world.guests.values():
            if guest.kind != "qemu":
                continue
            guest.agent = guest.status == "running" and qemu.agent_enabled(guest)
            if guest.agent and guest.program is None:
                sandbox = Sandbox(self.folder / "machines" / str(guest.vmid), self.busybox, guest.name)
                guest.program, guest.files = sandbox.run, sandbox  # type: ignore[assignment]

    async def look(self, member: Member) -> None:
        """Lets the state know of what lies on the server."""
        if member.world is not None:
            await reality.attempt(reality.look(member.world, member.name, member.reality))

    # --- commands ---

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A command of a node: its words come, what it leaves goes back."""
        member = self.member_of(writer)
        with contextlib.suppress(OSError, ValueError):
            asked = json.loads(await reader.readline())
            try:
                answer = await self.command(member, asked)
            except Exception:
                answer = Output(255, err=traceback.format_exc())
            writer.write(json.dumps({**vars(answer)}).encode())
            await writer.drain()
        writer.close()

    async def command(self, member: Member, asked: dict[str, Any]) -> Output:
        if member.world is None or member.agent is None:
            return Output(111, err="ipcc_send_rec[1] failed: Connection refused\n")
        await self.look(member)
        world, stdin = member.world, base64.b64decode(asked.get("stdin", ""))
        if asked["program"] not in COMMANDS:
            return Output(127, err=f"{asked['program']}: command not found\n")
        program = importlib.import_module(f"tests.doubles.pve.cli.{asked['program'].replace('-', '_')}")
        Api(world).catch_up()
        answer: Output = program.run(world, member.name, asked["argv"], stdin)
        self.share(world)
        self.count()
        await self.follow()
        return answer


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    asyncio.run(Office(folder, **settings).serve())


if __name__ == "__main__":
    main()
