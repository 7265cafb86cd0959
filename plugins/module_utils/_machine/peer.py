# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one server asks of the other: both ends of the verbs, JSON in and out.

They travel through the key whose forced command is ``twin peer``; see gate.py and line.py.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import Refused, TwinError, Unreachable
from .._core.host import Peer, SshHost, ssh_options
from .declaration import Pair, from_property
from .host import LOCK_PATIENCE, Station
from .journal import Stage, journal_of
from .line import LineHost
from .move import Side, side_data, side_of
from .preflight import Prospect, prospect_data, prospect_of

_SSH_PORT = 22
_CONNECT_TIMEOUT = 1.5
# A twin that answered nowhere is not looked for again at once: a machine may be waiting to run here again.
_SILENCE = 2.0
# A cut link is noticed within about three seconds; what is under way then is done again.
_IMPATIENT = ("-o", "ConnectTimeout=2", "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2")


def answer(station: Station, verb: str, name: str, payload: Any) -> Any:
    """Carry out one verb that the twin asks for.

    :raises Refused: for a verb that there is not.
    """
    if verb not in VERBS:
        raise Refused(f"verb {verb}", "there is no such verb", f"use {', '.join(sorted(VERBS))}")
    changes, action = VERBS[verb]
    if not changes:
        return action(station, name, payload)
    with station.locked(name, patience=LOCK_PATIENCE):
        action(station, name, payload)
        return side_data(station.side(name))


def _look(station: Station, name: str, _payload: Any) -> Any:
    return side_data(station.side(name))


def _prospect(station: Station, name: str, payload: Any) -> Any:
    return prospect_data(station.prospect(from_property(name, payload)))


def _announce(station: Station, _name: str, payload: Any) -> None:
    station.announce(journal_of(payload))


def _claim(station: Station, _name: str, payload: Any) -> None:
    station.claim(journal_of(payload))


def _start(station: Station, _name: str, payload: Any) -> None:
    station.start(journal_of(payload))


def _close(station: Station, _name: str, payload: Any) -> None:
    station.close(journal_of(payload["journal"]), Stage(payload["stage"]))


VERBS: Mapping[str, tuple[bool, Callable[[Station, str, Any], Any]]] = {
    "look": (False, _look),
    "prospect": (False, _prospect),
    "announce": (True, _announce),
    "claim": (True, _claim),
    "start": (True, _start),
    "close": (True, _close),
}
"""By name: whether it changes something (then it is done under the machine's lock), and what it does."""


# ---- asking the other server ------------------------------------------------------------------


@dataclass(slots=True)
class Twin:
    """The other server, as far as it lets this one."""

    pair: Pair
    _host: LineHost | None = field(default=None, init=False)
    _silent: float = field(default=0.0, init=False)

    @property
    def server(self) -> str:
        """Its name."""
        return self.pair.twin.server

    def host(self) -> SshHost:
        """The way there, at the first of its addresses at which it answers.

        It is looked for once, and again when it is lost: sshd locks out whoever often connects without
        logging in (sshd_config(5), PerSourcePenalties).

        :raises Unreachable: when it answers at none.
        """
        if self._host is None or self._host.lost:
            twin = self.pair.twin
            peer = Peer(twin.addresses, key=twin.key, known_hosts=twin.known_hosts)
            self._host = LineHost(self._address(), (*_IMPATIENT, *ssh_options(peer)))
        return self._host

    def _address(self) -> str:
        addresses = self.pair.twin.addresses
        if time.monotonic() >= self._silent:
            if address := _answering(addresses):
                return address
            self._silent = time.monotonic() + _SILENCE
        raise Unreachable(
            f"server {self.server}",
            f"it answers at none of {', '.join(addresses)}",
            "see that it is up and that the network is whole",
        )

    def ask(self, verb: str, name: str, payload: Any = None) -> Any:
        """Have a verb of `VERBS` carried out there.

        :raises Unreachable: when no answer came; it may have been carried out all the same.
        :raises TwinError: when it failed there.
        """
        output = self.host().change(["twin", verb, name], stdin=json.dumps(payload))
        reply = json.loads(output.out)
        if "error" in reply:
            kind = Refused if reply.get("refused") else TwinError
            raise kind(f"{self.server} says: {reply['error'].rstrip('.')}")
        return reply["answer"]

    def look(self, name: str) -> Side:
        """What there is of a machine over there.

        :raises Unreachable: when it cannot be reached.
        :raises TwinError: when it can be, and does not tell.
        """
        return side_of(self.ask("look", name))

    def prospect(self, name: str, declaration: str) -> Prospect:
        """What it has for a machine."""
        return prospect_of(self.ask("prospect", name, declaration))

    def relay(self, words: Sequence[str]) -> tuple[str, ...]:
        """The command line of a program of ours that runs over there to its end, whatever becomes of us."""
        return self.host().argv(["twin", *words])


def reply_to(action: Callable[[], Any]) -> str:
    """What an asked verb answers, as JSON."""
    try:
        return json.dumps({"answer": action()})
    except TwinError as error:
        return json.dumps({"error": str(error), "refused": isinstance(error, Refused)})


def _answering(addresses: Sequence[str]) -> str | None:
    """The first address behind which ssh answers; all are tried at once, a dead one costs no time."""
    pool = ThreadPoolExecutor(max(1, len(addresses)))
    try:
        for address, found in [(address, pool.submit(_connects, address)) for address in addresses]:
            if found.result():
                return address
        return None
    finally:
        pool.shutdown(wait=False)


def _connects(address: str) -> bool:
    try:
        socket.create_connection((address, _SSH_PORT), timeout=_CONNECT_TIMEOUT).close()
    except OSError:
        return False
    return True
