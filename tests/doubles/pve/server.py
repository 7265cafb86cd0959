# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API over HTTPS: a thin shell around `Api`.

Rests on: PVE::APIServer::AnyEvent (pve-http-server) for cookies, headers and how forms and JSON are read.

    with Server(pair()) as server: …                      # in a thread of its own
    python3 -m tests.doubles.pve --port 8006 --release 9.2
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.doubles.pve.api import Api, Response
from tests.doubles.pve.errors import Dropped, Refusal
from tests.doubles.pve.world import World

COOKIE = "PVEAuthCookie"
LIMIT = 512 * 1024**2


class Door:
    """The API of a node for whoever speaks HTTP. `latency` is added to every answer, in seconds."""

    def __init__(self, api: Api, latency: float = 0.0) -> None:
        self.api = api
        self.latency = latency

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LIMIT)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            answer = await self.answer(request)
        except Dropped:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if self.latency or answer.delay:
            await asyncio.sleep(self.latency + answer.delay)
        body = "" if answer.body == "" else json.dumps(answer.body)
        kind = "application/json;charset=UTF-8"
        return web.Response(
            status=answer.status, reason=answer.reason, body=body.encode(), headers={"Content-Type": kind}
        )

    async def answer(self, request: web.Request) -> Response:
        if not request.path.startswith("/api2/"):
            return Response(404, "not found", "")
        cookie = request.cookies.get(COOKIE)
        token = request.headers.get("Authorization")
        csrf = request.headers.get("CSRFPreventionToken")
        try:
            user = self.api.authenticate(request.method, request.path, cookie, csrf, token)
        except Refusal as refusal:
            return Response(refusal.status, refusal.reason, "")
        try:
            params = await parameters_of(request, self.api.uploads)
        except ValueError:
            return Response(400, "malformed request body", "")
        return self.api.request(request.method, request.rel_url.raw_path, params, user)


class Server(Door):
    """Serves a world on an address of this machine until it is closed."""

    def __init__(self, world: World, port: int = 0, latency: float = 0.0, host: str = "127.0.0.1") -> None:
        super().__init__(Api(world), latency)
        self.host = host
        self.port = port
        self.folder = tempfile.TemporaryDirectory()
        self.certificate, self.fingerprint = make_certificate(Path(self.folder.name), host)
        for node in world.nodes.values():
            node.fingerprint = self.fingerprint
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Server:
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.folder.cleanup()

    @property
    def address(self) -> str:
        return f"https://{self.host}:{self.port}"

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        runner = self.loop.run_until_complete(self.listen())
        self.ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(finish(runner))
        self.loop.close()

    async def listen(self) -> web.AppRunner:
        runner = web.AppRunner(
            self.application(), access_log=None, handler_cancellation=False, shutdown_timeout=0.5
        )
        await runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        site = web.TCPSite(runner, self.host, self.port, ssl_context=context)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return runner


async def finish(runner: web.AppRunner) -> None:
    """Breaks connections off, for a farewell over TLS takes as long as the client likes; ends what waits."""
    for connection in runner.server.connections if runner.server else ():
        if connection.transport is not None:
            connection.transport.abort()
    await runner.cleanup()
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.01)


async def parameters_of(request: web.Request, uploads: dict[str, bytes]) -> dict[str, Any]:
    params = gathered(list(request.query.items()))
    if request.content_type == "application/json":
        text = await request.text()
        params |= json.loads(text) if text else {}
    elif request.content_type.startswith("multipart/"):
        fields = await request.post()
        for name, value in fields.items():
            if isinstance(value, web.FileField):
                kept = f"/var/tmp/pveupload-{len(uploads):08x}"
                uploads[kept] = value.file.read()
                params |= {"filename": value.filename, "tmpfilename": kept}
            else:
                params[name] = value
    elif request.body_exists:
        params |= gathered(list((await request.post()).items()))
    return params


def gathered(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that comes several times is a list."""
    found: dict[str, Any] = {}
    for name, value in items:
        if name in found:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        else:
            found[name] = value
    return found


def make_certificate(folder: Path, host: str) -> tuple[Path, str]:
    """A file with key and certificate for this host, and its fingerprint as Proxmox VE writes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    private = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, private, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return pem, certificate.fingerprint(hashes.SHA256()).hex(":").upper()
