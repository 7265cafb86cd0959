# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client over real sockets, against the double of Proxmox VE: tickets, tokens, certificates, faults."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError, Unreachable
from ansible_collections.twin.datacenter.plugins.module_utils._pve import errors
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import Access
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import HttpsTransport, PveHost
from ansible_collections.twin.datacenter.plugins.module_utils._pve.task_host import run_task
from tests.doubles.pve.access import Token, User
from tests.doubles.pve.clock import Clock
from tests.doubles.pve.faults import Fault, TaskFault
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import pair

CLIENTS: list[HttpsTransport] = []
PASSWORD, SECRET = "canary-5f1e0c", "11111111-2222"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    world = pair(clock=Clock(speed=20))
    world.access.users["root@pam"] = User(password=PASSWORD)
    world.access.users["root@pam"].tokens["ansible"] = Token(privsep=0, secret=SECRET)
    with Server(world) as running:
        yield running
        while CLIENTS:
            CLIENTS.pop()._session.close()


def client(server: Server, **more: Any) -> PveHost:
    access: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "user": "root@pam",
        "password": PASSWORD,
        "verify": str(server.certificate),
        "api_timeout": 5,
        **more,
    }
    CLIENTS.append(HttpsTransport(Access(**access)))
    return PveHost(CLIENTS[-1], 30)


def test_one_ticket_and_one_connection_serve_a_whole_task(server: Server) -> None:
    host = client(server)
    for _again in range(3):
        assert host.get("version")["release"] == "9.2"
    host.post("access/groups", {"groupid": "admins"})
    assert host.transport.tickets == 1  # type: ignore[attr-defined]
    assert host.counts == {"requests": 4}
    assert [path for _verb, path, _params in server.api.log].count("/access/ticket") == 1
    pools = CLIENTS[-1]._session.get_adapter("https://").poolmanager.pools
    (pool,) = map(pools.__getitem__, pools.keys())
    assert pool.num_connections == 1


def test_a_token_needs_no_ticket(server: Server) -> None:
    host = client(server, password="", token_id="ansible", token_secret=SECRET)
    assert host.get("version")["release"] == "9.2"
    assert [path for _verb, path, _params in server.api.log] == ["/version"]


@pytest.mark.parametrize(
    "access",
    [{"password": "wrong"}, {"password": "", "token_id": "ansible", "token_secret": "wrong"}],
)
def test_wrong_credentials_are_said_to_be(server: Server, access: dict[str, str]) -> None:
    with pytest.raises(errors.Denied, match="check api_user and its password or token"):
        client(server, **access).get("version")


def test_a_wrong_password_is_tried_once(server: Server) -> None:
    """Eight threads would lock an account."""
    host = client(server, password="wrong")
    for _again in range(2):
        with pytest.raises(errors.Denied, match="check api_user and its password"):
            host.find_all([("version", {})] * 8)
    assert host.transport.tickets == 1  # type: ignore[attr-defined]


def test_a_password_that_was_right_before_is_tried_again(server: Server) -> None:
    """A node that joins a cluster cannot make tickets for a while, and says that the password is wrong."""
    host = client(server)
    host.get("version")
    root = server.api.world.access.users["root@pam"]
    right, root.password = root.password, "the node cannot tell now"
    server.api.tickets.clear()
    with pytest.raises(errors.Denied):
        host.get("version")
    root.password = right
    assert host.get("version")["release"] == "9.2"


def test_a_ticket_that_ended_is_replaced(server: Server) -> None:
    host = client(server)
    host.get("version")
    server.api.tickets.clear()
    host.post("access/groups", {"groupid": "admins"})
    assert host.transport.tickets == 2  # type: ignore[attr-defined]


def test_a_cookie_of_somebody_else_does_not_hide_the_ticket(server: Server) -> None:
    """Balancers in front of a cluster set one; proxmoxer then sends that alone."""
    host = client(server)
    host.transport._session.cookies.set("route", "castor")  # type: ignore[attr-defined]
    assert host.get("version")["release"] == "9.2"


def test_a_fingerprint_takes_the_place_of_an_authority(server: Server) -> None:
    assert client(server, verify=True, fingerprint=server.fingerprint).get("version")
    with pytest.raises(Unreachable, match="is not trusted"):
        client(server, verify=True, fingerprint=wrong(server)).get("version")


def wrong(server: Server) -> str:
    """The fingerprint of another certificate."""
    first = server.fingerprint[:2]
    return server.fingerprint.replace(first, "00" if first != "00" else "11", 1)


class Proxy(BaseHTTPRequestHandler):
    """Carries bytes to where it is told to, and back."""

    def do_CONNECT(self) -> None:
        host, _colon, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            other = {self.connection: far, far: self.connection}
            while ready := select.select([*other], [], [], 5)[0]:
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    other[end].sendall(data)

    def log_message(self, *_words: Any) -> None:
        pass


def test_a_fingerprint_is_checked_through_a_proxy_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("NO_PROXY", "")
        try:
            assert client(server, verify=True, fingerprint=server.fingerprint).get("version")
            with pytest.raises(Unreachable, match="is not trusted"):
                client(server, verify=True, fingerprint=wrong(server)).get("version")
        finally:
            proxy.shutdown()


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_certificate_of_nobody_is_refused_unless_it_need_not_be_checked(server: Server) -> None:
    with pytest.raises(Unreachable, match="name its authority in ca_path, or its fingerprint"):
        client(server, verify=True).get("version")
    assert client(server, verify=False).get("version")


def test_an_authority_that_is_not_there(server: Server) -> None:
    with pytest.raises(Unreachable, match="/nowhere/ca.pem"):
        client(server, verify="/nowhere/ca.pem").get("version")


class Page(BaseHTTPRequestHandler):
    """Something that is not Proxmox VE."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    do_POST = do_GET

    def log_message(self, *_words: Any) -> None:
        pass


@pytest.mark.parametrize("access", [{}, {"password": "", "token_id": "ansible", "token_secret": SECRET}])
def test_what_answers_is_not_proxmox_ve(server: Server, access: dict[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate)
    with HTTPServer((server.host, 0), Page) as other:
        other.socket = context.wrap_socket(other.socket, server_side=True)
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        with pytest.raises(Unreachable, match="no API of Proxmox VE"):
            client(server, port=other.server_port, **access).get("version")
        thread.join()


def test_nothing_listens() -> None:
    access = Access("127.0.0.1", 1, "root@pam", token_id="x", token_secret="y", api_timeout=2)
    host = PveHost(HttpsTransport(access), sleep=lambda _seconds: None)
    with pytest.raises(errors.NotSent, match="no connection to 127.0.0.1:1"):
        host.put("pools")
    assert host.counts["requests"] == 4


def test_an_answer_that_does_not_come(server: Server) -> None:
    host = client(server, api_timeout=1, token_id="ansible", token_secret=SECRET)
    host.sleep = lambda _seconds: None
    server.api.faults.requests.append(Fault("POST /access/groups", status=200, stall=3, times=None))
    with pytest.raises(errors.Dropped, match="did not answer within 1 s"):
        host.post("access/groups", {"groupid": "admins"})
    assert host.counts["requests"] == 1
    assert host.get("access/groups/admins"), "it was done all the same, which is why it was not sent again"


def test_a_connection_that_breaks_is_made_again_for_a_question_only(server: Server) -> None:
    host = client(server, token_id="ansible", token_secret=SECRET)
    server.api.faults.requests.append(Fault("GET /version", drop=True, times=2))
    assert host.get("version")
    server.api.faults.requests.append(Fault("POST /access/groups", drop=True))
    with pytest.raises(errors.Dropped):
        host.post("access/groups", {"groupid": "admins"})
    assert host.find("access/groups/admins") is None


@pytest.mark.parametrize("status", [595, 596])
def test_a_node_behind_the_proxy_that_is_gone(server: Server, status: int) -> None:
    host = client(server, token_id="ansible", token_secret=SECRET)
    host.sleep = lambda _seconds: None
    server.api.faults.requests.append(
        Fault("/nodes/pollux/", status=status, text="Connection refused", times=None)
    )
    with pytest.raises(TwinError, match="see that the node is up"):
        host.get("nodes/pollux/status")
    assert host.counts["requests"] == 4


def test_questions_go_side_by_side(server: Server) -> None:
    host = client(server)
    host.get("version")
    server.latency = 0.5
    began = time.monotonic()
    assert len(host.find_all([("version", {})] * 16)) == 16
    assert time.monotonic() - began < 6
    assert host.transport.tickets == 1  # type: ignore[attr-defined]


def test_a_task_from_beginning_to_end(server: Server) -> None:
    host = client(server)
    told = run_task(host, "nodes/castor/qemu", {"vmid": "100"})
    assert told["upid"].startswith("UPID:castor:")
    assert host.get("nodes/castor/qemu/100/config")["boot"].strip() == ""
    server.api.faults.tasks.append(TaskFault("qmstart 100", "start failed: no memory", early=True))
    with pytest.raises(errors.TaskFailed, match="task qmstart of 100 on castor: start failed: no memory"):
        run_task(host, "nodes/castor/qemu/100/status/start")


def test_secrets_are_in_no_error(server: Server) -> None:
    with pytest.raises(TwinError) as caught:
        client(server, user="nobody@pve").get("version")
    assert PASSWORD not in f"{caught.value} {caught.value.facts} {caught.value.__cause__!r}"
