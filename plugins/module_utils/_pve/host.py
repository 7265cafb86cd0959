# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client of Proxmox VE: the only way in which this collection talks to it.

Over https with a ticket or a token, by proxmoxer; or on a node itself by pvesh(1), as root and without
credentials. One session for a task, whose connections stay open; a request is sent again only when it cannot
have done anything. The counterpart of `.._core.host`: a read half (`PveReader`) and a write half (`PveHost`);
check mode has the first alone.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast, runtime_checkable

from .._core.errors import CommandMissing, Refused, TwinError, Unreachable
from .._core.host import Host, LocalReader, expect
from .access import Access, access_of
from .errors import Answer, Dropped, LockTimeout, Missing, NotSent, error_of, may_be_repeated

THREADS = 8
"""How many requests are on their way at once; pveproxy has three workers."""
TRIES = 4
"""How often a request is sent that finds no connection."""
CONNECT = 10.0
"""Seconds after which a server that takes no connection counts as away."""
LOCK_PATIENCE = 60.0
"""Seconds for which a lock held by something else is waited for; PVE itself has waited 10 each time."""
SECRETS = frozenset({"password", "cipassword", "encryption-key", "keyring", "token", "key"})
"""Parameters that must never stand on a command line."""


class Transport(Protocol):
    """Carries one request to PVE and its answer back.

    :ivar private: whether nobody else sees what it carries.
    """

    private: bool

    def request(self, method: str, path: str, params: Mapping[str, Any]) -> Answer:
        """Send one request.

        :param path: below ``/api2/json``, such as ``nodes/pve1/lxc``.
        :param params: texts, or lists of texts for arrays.
        :raises NotSent: when there was no connection.
        :raises Dropped: when the connection broke before the answer.
        """


@runtime_checkable
class OnNode(Protocol):
    """A transport on a node itself, which can do there what the API cannot."""

    def command(self, argv: Sequence[str]) -> None:
        """Run a command of PVE.

        :raises CommandFailed: when it fails.
        """


def pve_host(params: Mapping[str, Any], writable: bool) -> PveReader:
    """The cluster that the options of a module name, for `Subject.host`."""
    access = access_of(params, os.environ)
    transport = HttpsTransport(access) if access.host else LocalTransport(LocalReader())
    return (PveHost if writable else PveReader)(transport, access.timeout)


class PveReader:
    """The read half: asks, and changes nothing.

    :param timeout: seconds for one task of PVE.
    :param tries: how often a request is sent that finds no connection.
    :param now: seconds, which go on while it sleeps.
    :ivar counts: how many ``requests``, and ``polls`` of tasks, were made.
    :ivar writes: how many changes PVE has taken.
    """

    writable = False

    def __init__(
        self,
        transport: Transport,
        timeout: float = 600,
        sleep: Callable[[float], None] = time.sleep,
        tries: int = TRIES,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transport = transport
        self.tries = tries
        self.timeout = timeout
        self.counts: Counter[str] = Counter()
        self.writes = 0
        self.sleep = sleep
        self.now = now
        self._counting = threading.Lock()

    @property
    def on_node(self) -> bool:
        """Whether this runs on a node itself: with commands, and without secrets."""
        return isinstance(self.transport, OnNode)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The ``data`` of an answer.

        :raises TwinError: one of `errors`, by what PVE says.
        """
        return self._call("GET", path, params)

    def find(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The same, None for what does not exist."""
        try:
            return self.get(path, params)
        except Missing:
            return None

    def find_all(self, wanted: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        """`find` for each path and its parameters, in their order, several at once."""
        if len(wanted) < 2:
            return [self.find(path, params) for path, params in wanted]
        with ThreadPoolExecutor(min(THREADS, len(wanted))) as pool:
            return list(pool.map(lambda each: self.find(*each), wanted))

    def poll(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """`get`, for what is asked again and again until it changes: counted apart."""
        return self._call("GET", path, params, "polls")

    def may_carry(self, what: str, secrets: Collection[str]) -> None:
        """Refuse secrets before anything is done, where others would see them on their way.

        :param what: the thing that they are of.
        :param secrets: their keys.
        """
        if secrets and not self.transport.private:
            raise _seen(what, min(secrets))

    def _call(self, method: str, path: str, params: Mapping[str, Any] | None, kind: str = "requests") -> Any:
        patience = self.now() + LOCK_PATIENCE
        for attempt in range(1_000):
            with self._counting:
                self.counts[kind] += 1
            try:
                answer = self.transport.request(method, path, params or {})
                if answer.status >= 400:
                    raise error_of(answer, method, path)
                with self._counting:
                    self.writes += method != "GET"
                return answer.data
            except TwinError as error:
                if not may_be_repeated(method, error):
                    raise
                if self.now() > patience if isinstance(error, LockTimeout) else attempt + 1 >= self.tries:
                    raise
            # Several tasks that were turned away at once must not come back at once.
            self.sleep(min(0.1 * 2**attempt, 5.0) * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")


def _seen(what: str, key: str) -> Refused:
    return Refused(
        what,
        f"{key} would stand on the command line of pvesh, for all to see",
        "give api_host and credentials",
    )


class PveHost(PveReader):
    """Both halves."""

    writable = True

    def reader(self) -> PveReader:
        """The read half alone."""
        return PveReader(self.transport, self.timeout, self.sleep, self.tries, self.now)

    def post(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Make something, or start a task: its UPID is the answer then (`task_host.run_task`).

        :raises TwinError: one of `errors`, by what PVE says.
        """
        return self._call("POST", path, params)

    def put(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Change something; errors as in `post`."""
        return self._call("PUT", path, params)

    def delete(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Remove something; errors as in `post`."""
        return self._call("DELETE", path, params)

    def command(self, argv: Sequence[str]) -> None:
        """Run a command on the node, for what the API does not have; only where it is `on_node`.

        :raises CommandFailed: when it fails.
        """
        cast(OnNode, self.transport).command(argv)
        with self._counting:
            self.writes += 1


class HttpsTransport:
    """The API over https.

    :ivar tickets: how often a ticket was asked for.
    """

    private = True

    def __init__(self, access: Access) -> None:
        try:
            import requests
            from proxmoxer.backends.https import ProxmoxHTTPApiTokenAuth, ProxmoxHttpSession
        except ImportError as error:
            raise CommandMissing(
                f"the Python library {error.name} is not installed where this module runs",
                remedy="install proxmoxer and requests there, or run the module on a node without api_host",
            ) from error
        self._requests = requests
        self._access = access
        self.tickets = 0
        self._login = threading.Lock()
        self._proven = False
        self._refusal: Answer | None = None
        host = f"[{access.host}]" if ":" in access.host else access.host
        self._url = f"https://{host}:{access.port}/api2/json/"
        self._session = ProxmoxHttpSession()
        self._session.mount("https://", _adapter(access.fingerprint))
        # A fingerprint is checked by the adapter, and takes the place of an authority.
        patience = min(CONNECT, access.api_timeout), access.api_timeout
        common = {"timeout": patience, "verify_ssl": not access.fingerprint and access.verify}
        self._ticket: Any = None
        if access.token_id:
            token = access.user, access.token_id, access.token_secret
            self._session.auth = ProxmoxHTTPApiTokenAuth(*token, **common)
        else:
            self._session.auth = self._ticket = _ticket_auth(common)

    def request(self, method: str, path: str, params: Mapping[str, Any]) -> Answer:
        if self._ticket is None:
            return self._send(method, path, params)
        ticket = self._ticket.ticket
        if ticket:
            answer = self._send(method, path, params)
            # A ticket ends after two hours, and when its node joins a cluster. Refused means not done.
            if answer.status != 401:
                return answer
        denied = self._log_in(ticket)
        return denied or self._send(method, path, params)

    def _log_in(self, old: str) -> Answer | None:
        """A new ticket in place of that one, unless another thread has got it already; else the refusal.

        What was refused is not tried again: a few wrong passwords may lock an account. But one that was right
        before is: PVE says the same of whatever hinders it in making a ticket, such as that its node is just
        joining a cluster (PVE::API2::AccessControl).
        """
        with self._login:
            if self._refusal or self._ticket.ticket != old:
                return self._refusal
            self.tickets += 1
            credentials = {"username": self._access.user, "password": self._access.password}
            self._ticket.ticket = ""
            answer = self._send("POST", "access/ticket", credentials)
            if answer.status < 400 and answer.data.get("NeedTFA"):
                answer = Answer(401, "this user has a second factor; use an API token")
            if answer.status == 401 and not self._proven:
                self._refusal = answer
            if answer.status >= 400:
                return answer
            self._ticket.token = answer.data["CSRFPreventionToken"]
            self._ticket.ticket = answer.data["ticket"]
            self._proven = True
            return None

    def _send(self, method: str, path: str, params: Mapping[str, Any]) -> Answer:
        errors = self._requests.exceptions
        place = {"params": params} if method in ("GET", "DELETE") else {"data": dict(params)}
        wanted, where = f"{method} {path}", f"{self._access.host}:{self._access.port}"
        try:
            response = self._session.request(method, self._url + _quoted(path), **place)
        except errors.SSLError as error:
            raise Unreachable(
                wanted,
                f"the certificate of {where} is not trusted ({_last(error)})",
                "name its authority in ca_path, or its fingerprint",
            ) from error
        except errors.ConnectTimeout as error:
            raise NotSent(wanted, f"{where} does not answer", "see that it is up") from error
        except errors.Timeout as error:
            said = f"{where} did not answer within {self._access.api_timeout:g} s"
            raise Dropped(wanted, said, "look what it is doing") from error
        except (errors.ConnectionError, errors.ChunkedEncodingError) as error:
            kind = NotSent if re.search("NewConnection|NameResolution", repr(error)) else Dropped
            raise kind(wanted, f"no connection to {where} ({_last(error)})", "see that it is up") from error
        except OSError as error:
            # Root of the errors of requests too; such as a file of an authority that is not there.
            raise Unreachable(wanted, str(error), "look at api_host and ca_path") from error
        answer = _answer_of(response.status_code, response.reason or "", response.text)
        if answer is None:
            said = f"what answers at {where} is no API of Proxmox VE"
            raise Unreachable(wanted, said, "look at api_host and api_port")
        return answer


def _quoted(path: str) -> str:
    """A path as a URL has it; ids may hold what means something there."""
    return re.sub(r"[ #?%]", lambda sign: f"%{ord(sign[0]):02X}", path)


def _last(error: Exception) -> str:
    """The innermost reason."""
    text = str(error)
    return re.split(r"(?:Error|error)\(?:?", text)[-1].strip(" ()'\":,>") or text


def _answer_of(status: int, reason: str, text: str) -> Answer | None:
    """None for a success that PVE would have told in JSON; the proxy's own refusals have none."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return Answer(status, reason) if status >= 400 else None
    return Answer(status, reason, body.get("data"), body.get("message") or "", body.get("errors") or {})


def _adapter(fingerprint: str) -> Any:
    """Connections that stay open, as many as there are threads."""
    from requests.adapters import HTTPAdapter

    pinned = {"assert_fingerprint": fingerprint or None}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **{**kwargs, **pinned})

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            return super().proxy_manager_for(*args, **{**kwargs, **pinned})

    return Adapter(pool_maxsize=THREADS)


def _ticket_auth(common: Mapping[str, Any]) -> Any:
    """proxmoxer logs in over a connection of its own, which knows no fingerprint: so we log in."""
    from proxmoxer.backends.https import ProxmoxHTTPAuthBase

    class Ticket(ProxmoxHTTPAuthBase):
        ticket = ""
        token = ""

        def __call__(self, request: Any) -> Any:
            if self.ticket:
                request.headers["Cookie"] = f"PVEAuthCookie={self.ticket}"
                if request.method != "GET":
                    request.headers["CSRFPreventionToken"] = self.token
            return request

    return Ticket(**common)


class LocalTransport:
    """The API on a node itself, by pvesh(1), as root."""

    private = False
    _VERBS: Mapping[str, str] = {"GET": "get", "POST": "create", "PUT": "set", "DELETE": "delete"}

    def __init__(self, host: Host) -> None:
        self._host = host

    def command(self, argv: Sequence[str]) -> None:
        expect(self._host.answer(argv, "", None), (0,))

    def request(self, method: str, path: str, params: Mapping[str, Any]) -> Answer:
        secret = SECRETS & set(params)
        if secret:
            raise _seen(f"{method} {path}", min(secret))
        argv = ["pvesh", self._VERBS[method], f"/{path}"]
        for key, value in params.items():
            for item in value if isinstance(value, list) else [value]:
                argv += [f"--{key}", str(item)]
        try:
            output = self._host.answer([*argv, "--output-format", "json"], "", None)
        except CommandMissing as error:
            raise CommandMissing(
                "this machine is no node of Proxmox VE, for it has no pvesh",
                remedy="give api_host and credentials, or run the module on a node",
            ) from error
        if output.rc == 0:
            return Answer(200, "OK", _json_of(output.out))
        return _refusal(output.err)


def _json_of(text: str) -> Any:
    """The answer; a task that ran in the meantime may have written lines of its log before it."""
    for candidate in (text, *reversed(text.splitlines())):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return None


def _refusal(text: str) -> Answer:
    """What pvesh says on its standard error, as the answer that the API would have given."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("pvesh ")]
    options = [line.partition(": ")[2] for line in lines if line.startswith("Unknown option: ")]
    unknown = dict.fromkeys(options, "property is not defined in schema")
    if unknown:
        return Answer(400, "Parameter verification failed.", errors=unknown)
    first = lines[0] if lines else "pvesh failed and said nothing"
    if re.match(r"No '\w+' handler defined", first):
        return Answer(501, first)
    match = re.match(r"(\d{3}) (.*)", first)
    if match is None:
        return Answer(500, first, message="\n".join(lines))
    errors = {key: said for key, colon, said in (line.partition(": ") for line in lines[1:]) if colon}
    return Answer(int(match[1]), match[2], errors=errors)
