# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network of a FreeBSD server, read and changed.

The way back is a script which sleeps first, started by daemon(8): it needs neither us nor the network.
A boot does the same, for a trial changes the running system alone.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterable, Sequence

from .._core.errors import Refused
from .._core.host import Host, WritableHost
from .._core.plan import Step
from .model import Network, Wanted
from .rc import parse_interfaces, parse_route, parse_settings

RUN = "/var/run/twin"
TRIED = f"{RUN}/network-trial.json"
FORTH = f"{RUN}/network-forth"
BACK = f"{RUN}/network-back"
WENT_BACK = "/var/lib/twin/network-went-back"
DAEMON = ("/usr/sbin/daemon", "-f", "/bin/sh")
# The change is made a moment later, so that the answer to it still travels over the old network.
DELAY = 1
PATIENCE = 2
"""Seconds that a process is given to end."""


def read_network(host: Host, wanted: Wanted) -> Network:
    """Interfaces, routes, rc.conf and whether the way back is armed."""
    interfaces = parse_interfaces(host.run(["ifconfig", "-f", "inet:cidr,inet6:cidr", "-a"]).out)
    answers = [host.run(["route", "-n", family, "get", "default"], ok=(0, 1)).out for family in ("-4", "-6")]
    routes = [route for route in map(parse_route, answers) if route]
    return Network(
        host.system,
        interfaces,
        default_ports=tuple(dict.fromkeys(port for port, _gateway in routes)),
        kept=parse_settings(host.run(["sysrc", "-a", "-e"]).out),
        tried=json.loads(host.read(TRIED) or "{}"),
        armed=_armed(host),
        went_back=host.read(WENT_BACK) is not None,
        gateways=tuple(gateway for _port, gateway in routes),
    )


def _armed(host: Host) -> str:
    """The process that waits to go back; empty if there is none."""
    return " ".join(host.run(["pgrep", "-f", f"^/bin/sh {BACK} "], ok=(0, 1)).out.split())


def apply_network(host: WritableHost, step: Step) -> None:
    """Try or confirm."""
    if step.verb == "try":
        _try(host, step)
    else:
        _confirm(host, step)


def _try(host: WritableHost, step: Step) -> None:
    host.write(TRIED, json.dumps(step.args["settings"]))
    if step.args["back"] is not None:
        host.write(BACK, back_script(step.args["back"]))
    host.write(FORTH, forth_script(step.args["forth"]))
    host.change([*DAEMON, BACK, str(step.args["seconds"] + DELAY)])
    if step.token:
        # It is armed anew, and was not unarmed for a moment.
        host.change(["kill", *step.token.split()], ok=(0, 1))
    host.change([*DAEMON, FORTH])


def forth_script(commands: Iterable[Sequence[str]]) -> str:
    """What a trial runs. Nothing is judged there: what has become of it is seen later."""
    return _script([["sleep", str(DELAY)], *commands])


def back_script(commands: Iterable[Sequence[str]]) -> str:
    """The way back. Once on it, the host goes it to the end."""
    marked = [["mkdir", "-p", WENT_BACK.rpartition("/")[0]], ["touch", WENT_BACK], ["rm", "-f", TRIED]]
    return _script([["trap", "", "TERM"], *commands, *marked], first='sleep "$1"')


def _script(commands: Iterable[Sequence[str]], first: str = "") -> str:
    path = "PATH=/sbin:/bin:/usr/sbin:/usr/bin"
    lines = [path, "export PATH", *([first] if first else []), *(shlex.join(command) for command in commands)]
    return "".join(f"{line}\n" for line in lines)


def _confirm(host: WritableHost, step: Step) -> None:
    host.change(["kill", *_armed(host).split()])
    end = time.monotonic() + PATIENCE
    while _armed(host):
        if time.monotonic() > end:
            raise Refused(step.key, "the host is going back already", "try again in a minute")
        time.sleep(0.05)
    for name, value in step.args["settings"].items():
        if value is None:
            host.change(["sysrc", "-x", name], ok=(0, 1))
        else:
            host.change(["sysrc", f"{name}={value}"])
    for path in (TRIED, BACK, FORTH, WENT_BACK):
        host.remove(path)
