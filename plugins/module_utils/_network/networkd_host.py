# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network of a Debian server, read and changed.

The way back is a pair of units in /run: a timer, and a service that takes the files on trial away
and lets networkd read its files again. It needs neither us nor the network, and a boot does the
same, for files on trial lie in /run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._core.errors import CommandMissing
from .._core.host import Host, WritableHost
from .._core.plan import Step
from .model import Network, Wanted
from .networkd import KEPT, TRIED, parse_default_ports, parse_interfaces, port_of, section

BACK = "twin-network-back"
UNITS = "/run/systemd/system"
WENT_BACK = "/var/lib/twin/network-went-back"
NETWORKCTL = "/usr/bin/networkctl"
# The change is made a moment later, so that the answer to it still travels over the old network.
DELAY = 1


def read_network(host: Host, wanted: Wanted) -> Network:
    """Interfaces, routes, our files and whether the way back is armed."""
    interfaces = parse_interfaces(host.run(["ip", "-json", "address", "show"]).out)
    routes = parse_default_ports(host.run(["ip", "-json", "route", "show", "default"]).out)
    kept, tried = (_files(host, prefix) for prefix in (KEPT, TRIED))
    armed, went_back = _armed(host), host.read(WENT_BACK) is not None
    network = Network(host.system, interfaces, routes, kept, tried, None, armed, went_back)
    port = port_of(network, wanted)
    return replace(network, applied=_applied(host, port) if port in interfaces else None)


def _armed(host: Host) -> str:
    """When the way back was armed, as systemd counts time; empty if it is not."""
    properties = "--property=ActiveState,ActiveEnterTimestampMonotonic"
    timer = host.run(["systemctl", "show", f"{BACK}.timer", properties]).out
    values = dict(line.split("=", 1) for line in timer.splitlines() if "=" in line)
    return values.get("ActiveEnterTimestampMonotonic", "") if values.get("ActiveState") == "active" else ""


def _files(host: Host, prefix: str) -> dict[str, str]:
    folder, _slash, start = prefix.rpartition("/")
    names = [name for name in host.listing(folder) if name.startswith(start)]
    return {name.removeprefix(start): host.read(f"{folder}/{name}") or "" for name in names}


def _applied(host: Host, port: str | None) -> str | None:
    """The text of the file that networkd applies to the port."""
    try:
        status = host.run([NETWORKCTL, "status", "--lines=0", str(port)], ok=(0, 1)).out
    except CommandMissing:
        return None
    for line in status.splitlines():
        key, _colon, value = line.strip().partition(": ")
        if key == "Network File" and value.startswith("/"):
            return host.read(value)
    return None


def apply_network(host: WritableHost, step: Step) -> None:
    """Try or confirm."""
    if step.verb == "try":
        _try(host, step)
    else:
        _confirm(host, step)


def _try(host: WritableHost, step: Step) -> None:
    files = step.args["settings"]
    for unit, text in back_units(step).items():
        host.write(f"{UNITS}/{unit}", text)
    host.change(["systemctl", "daemon-reload"])
    # A timer that runs already is armed anew.
    host.change(["systemctl", "restart", f"{BACK}.timer"])
    for name, text in files.items():
        host.write(f"{TRIED}{name}", text)
    host.change(
        [
            "systemd-run",
            "--quiet",
            f"--on-active={DELAY}",
            "--timer-property=AccuracySec=10ms",
            NETWORKCTL,
            "reload",
        ]
    )


def back_units(step: Step) -> dict[str, str]:
    """The units of the way back, by name."""
    commands: list[Sequence[str]] = [
        ["/usr/bin/rm", "-f", *(f"{TRIED}{name}" for name in step.args["settings"])]
    ]
    if step.args["is_new"]:
        commands.append([f"-{NETWORKCTL}", "delete", step.args["bridge"]])
    commands += [
        [NETWORKCTL, "reload"],
        [f"-{NETWORKCTL}", "reconfigure", step.args["port"]],
        ["/usr/bin/mkdir", "-p", WENT_BACK.rpartition("/")[0]],
        ["/usr/bin/touch", WENT_BACK],
    ]
    service = section("Unit", Description="Go back to the network before the trial")
    service += section("Service", Type="oneshot", ExecStart=[" ".join(command) for command in commands])
    timer = section("Unit", Description="The network on trial is not confirmed yet")
    timer += section("Timer", OnActiveSec=f"{step.args['seconds'] + DELAY}s", AccuracySec="100ms")
    return {f"{BACK}.service": service, f"{BACK}.timer": timer}


def _confirm(host: WritableHost, step: Step) -> None:
    for name, text in step.args["settings"].items():
        host.write(f"{KEPT}{name}", text)
    # The files on trial say the same: they may stay until the next boot, so that nothing flaps now.
    host.change(["systemctl", "stop", f"{BACK}.timer"])
    for unit in (f"{BACK}.service", f"{BACK}.timer"):
        host.remove(f"{UNITS}/{unit}")
    host.change(["systemctl", "daemon-reload"])
    host.remove(WENT_BACK)
