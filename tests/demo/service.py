# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small service whose data lies in /srv: it says who it is and how often it was asked."""

from __future__ import annotations

import http.server
import json
import os
import socket
import socketserver
from pathlib import Path

COUNTER = Path("/srv/counter")


class Service(http.server.BaseHTTPRequestHandler):
    """Answers every path."""

    def do_GET(self) -> None:
        body = json.dumps({"machine": socket.gethostname(), "asked": count()}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """The journal need not hear of every question."""


def count() -> int:
    """One more question, kept for good before it is answered."""
    asked = int(COUNTER.read_text()) + 1 if COUNTER.exists() else 1
    fresh = COUNTER.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(str(asked))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(COUNTER)
    return asked


class Server(socketserver.TCPServer):
    """Not http.server's own, which asks the DNS for its name first: for 10 s where none answers."""

    allow_reuse_address = True


if __name__ == "__main__":
    Server(("", 80), Service).serve_forever()
