# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front of a node: HTTPS on port 8006 with its own certificate; the office of the double answers."""

import asyncio
import os
import socket
import ssl

OFFICE = "/srv/pve/api"
CERTIFICATE = ("/etc/pve/local/pve-ssl.pem", "/etc/pve/local/pve-ssl.key")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        office = await asyncio.open_unix_connection(OFFICE)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, office[1]), pump(office[0], writer))


async def main() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*CERTIFICATE)
    server = await asyncio.start_server(serve, "", 8006, ssl=context)
    if "NOTIFY_SOCKET" in os.environ:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    await server.serve_forever()


asyncio.run(main())
