# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node itself: power, settings, services, certificates, packages.

Rests on: PVE::API2::Nodes, ::Services, ::Certificates, ::APT, ::NodeConfig (pve-manager) and the schema. No
exchange of these was recorded: their texts are those of the sources, and unverified.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

from tests.doubles.pve.api import Call, daemon, handles
from tests.doubles.pve.areas import lxc, qemu
from tests.doubles.pve.errors import Refusal, parameter
from tests.doubles.pve.formats import split_list
from tests.doubles.pve.tasks import Steps, Task
from tests.doubles.pve.world import RELEASES, Node, World, digest

ONE = "/nodes/{node}"
SERVICES = (
    "chrony corosync cron ksmtuned postfix proxmox-firewall pve-cluster pve-firewall pve-ha-crm pve-ha-lrm "
    "pvedaemon "
    "pvefw-logger pveproxy pvescheduler pvestatd qmeventd spiceproxy sshd syslog systemd-journald"
)
PER_GUEST = 1.0
BOOT = 60.0
END = "-----END CERTIFICATE-----\n"


def settings(node: Node, name: str, **defaults: Any) -> dict[str, Any]:
    """A file of settings of the node, kept among its facts."""
    kept: dict[str, Any] = node.facts.setdefault(name, dict(defaults))
    return kept


# --- power ---


@daemon
def boot(world: World) -> None:
    """Nodes that were told to start anew come back."""
    for node in world.nodes.values():
        if world.clock.now() >= node.facts.get("back", float("inf")):
            node.facts["booted"] = node.facts.pop("back")
            node.online = True


@handles("POST", f"{ONE}/status")
def power(call: Call) -> None:
    """The node goes away, and comes back by itself only where it starts anew."""
    node = call.node()
    if call["command"] == "reboot":
        node.facts["back"] = call.world.clock.now() + BOOT
    for guest in call.world.guests.values():
        if guest.node == node.name and guest.status == "running":
            lxc.halt(guest)
    node.online = False
    node.facts["power"] = call["command"]


@handles("POST", f"{ONE}/wakeonlan")
def wake(call: Call) -> Any:
    """Asked of a node that is up, for one that is down."""
    node = call.node()
    address = settings(node, "config").get("wakeonlan")
    if not address:
        raise Refusal(f"No wake on LAN MAC address defined for '{node.name}'!")
    node.online = True
    return address


def all_guests(call: Call, kind: str, status: str, act: Any) -> Any:
    """Starts or stops the guests of a node in a task."""
    world, wanted = call.world, split_list(call["vms"] or "")
    chosen = [
        guest
        for guest in world.guests.values()
        if guest.node == call["node"]
        and guest.status == status
        and (
            str(guest.vmid) in wanted
            if wanted
            else status == "running" or guest.config.get("onboot") or call["force"]
        )
    ]

    def work(task: Task) -> Steps:
        for guest in chosen:
            yield PER_GUEST
            act(guest)

    return call.task(kind, "", work)


@handles("POST", f"{ONE}/startall")
def start_all(call: Call) -> Any:
    boots = {"lxc": lxc.boot, "qemu": qemu.boot}
    return all_guests(call, "startall", "stopped", lambda guest: boots[guest.kind](call.world, guest))


@handles("POST", f"{ONE}/stopall")
def stop_all(call: Call) -> Any:
    return all_guests(call, "stopall", "running", lxc.halt)


# --- settings ---


@handles("GET", f"{ONE}/time")
def read_time(call: Call) -> Any:
    now = int(call.world.clock.now())
    return {
        "timezone": settings(call.node(), "time", timezone="UTC")["timezone"],
        "time": now,
        "localtime": now,
    }


@handles("PUT", f"{ONE}/time")
def write_time(call: Call) -> None:
    settings(call.node(), "time")["timezone"] = call["timezone"]


@handles("GET", f"{ONE}/dns")
def read_dns(call: Call) -> Any:
    return dict(settings(call.node(), "dns", search="lab.example", dns1="192.0.2.1"))


@handles("PUT", f"{ONE}/dns")
def write_dns(call: Call) -> None:
    kept = settings(call.node(), "dns")
    kept.clear()
    kept |= {key: value for key, value in call.params.items() if key != "node"}


def hosts_of(node: Node) -> str:
    text: str = settings(node, "hosts", data=f"127.0.0.1 localhost\n{node.ip} {node.name}\n")["data"]
    return text


@handles("GET", f"{ONE}/hosts")
def read_hosts(call: Call) -> Any:
    text = hosts_of(call.node())
    return {"data": text, "digest": digest(text)}


@handles("POST", f"{ONE}/hosts")
def write_hosts(call: Call) -> None:
    require(call, hosts_of(call.node()))
    settings(call.node(), "hosts")["data"] = call["data"]


def require(call: Call, content: Any) -> None:
    if call["digest"] and call["digest"] != digest(content):
        raise Refusal("detected modified configuration - file changed by other user? Try again.")


@handles("GET", f"{ONE}/config")
def read_config(call: Call) -> Any:
    kept = settings(call.node(), "config")
    shown = {key: value for key, value in kept.items() if call["property"] in (None, key)}
    return shown | ({"digest": digest(kept)} if kept else {})


@handles("PUT", f"{ONE}/config")
def write_config(call: Call) -> None:
    kept = settings(call.node(), "config")
    require(call, kept)
    for key in split_list(call["delete"] or ""):
        kept.pop(key, None)
    kept |= {key: value for key, value in call.params.items() if key not in ("node", "digest", "delete")}
    if kept.get("description"):
        kept["description"] = kept["description"].rstrip("\n") + "\n"


@handles("GET", f"{ONE}/subscription")
def subscription(call: Call) -> Any:
    return {"status": "notfound", "message": "There is no subscription key", "serverid": "0" * 32}


# --- services ---


def service(call: Call) -> dict[str, Any]:
    name = call["service"]
    if name not in SERVICES.split():
        raise parameter(
            service=f"value '{name}' does not have a value in the enumeration '{', '.join(SERVICES.split())}'"
        )
    return service_entry(call.node(), name)


def service_entry(node: Node, name: str) -> dict[str, Any]:
    running = settings(node, "services").get(name, True)
    return {
        "service": name,
        "name": name,
        "desc": name,
        "state": "running" if running else "dead",
        "active-state": "active" if running else "inactive",
        "unit-state": "enabled",
    }


@handles("GET", f"{ONE}/services")
def services(call: Call) -> Any:
    return [service_entry(call.node(), name) for name in SERVICES.split()]


@handles("GET", f"{ONE}/services/{{service}}/state")
def service_state(call: Call) -> Any:
    return service(call)


def service_command(verb: str, running: bool) -> None:
    @handles("POST", f"{ONE}/services/{{service}}/{verb}")
    def command(call: Call) -> Any:
        name = service(call)["service"]

        def work(task: Task) -> Steps:
            yield 1.0
            settings(call.node(), "services")[name] = running

        return call.task(f"srv{verb}", name, work)


for each_verb, leaves_running in (("start", True), ("stop", False), ("restart", True), ("reload", True)):
    service_command(each_verb, leaves_running)


# --- certificates ---


@handles("GET", f"{ONE}/certificates/info")
def certificates(call: Call) -> Any:
    node = call.node()
    found = [certificate("pve-root-ca.pem", "Proxmox Virtual Environment", "00:" * 31 + "00")]
    found.append(certificate("pve-ssl.pem", node.name, node.fingerprint))
    custom = settings(node, "certificates").get("custom")
    return [*found, custom] if custom else found


def certificate(filename: str, name: str, fingerprint: str, pem: str = "") -> dict[str, Any]:
    return {
        "filename": filename,
        "subject": f"/CN={name}",
        "issuer": "/CN=Proxmox Virtual Environment",
        "san": [name],
        "fingerprint": fingerprint,
        "notbefore": 1_700_000_000,
        "notafter": 2_000_000_000,
        "public-key-type": "rsaEncryption",
        "public-key-bits": 2048,
        "pem": pem,
    }


@handles("POST", f"{ONE}/certificates/custom")
def upload_certificate(call: Call) -> Any:
    kept = settings(call.node(), "certificates")
    if "custom" in kept and not call["force"]:
        raise parameter(certificates="Custom certificate file exists but force flag is not set.")
    first = ssl.PEM_cert_to_DER_cert(call["certificates"].partition("-----END")[0] + END)
    fingerprint = hashlib.sha256(first).digest().hex(":").upper()
    kept["custom"] = certificate("pveproxy-ssl.pem", call["node"], fingerprint, call["certificates"])
    kept["key"] = call["key"] or kept.get("key")
    return kept["custom"]


@handles("DELETE", f"{ONE}/certificates/custom")
def delete_certificate(call: Call) -> None:
    settings(call.node(), "certificates").pop("custom", None)


# --- packages ---


@handles("GET", f"{ONE}/apt/versions")
def versions(call: Call) -> Any:
    version = RELEASES[call.world.release]
    return [
        {
            "Package": name,
            "Title": name,
            "CurrentState": "Installed",
            "OldVersion": version,
            "Version": version,
        }
        for name in ("proxmox-ve", "pve-manager", "qemu-server", "pve-container", "pve-ha-manager")
    ]


@handles("GET", f"{ONE}/apt/update")
def updates(call: Call) -> Any:
    return list(settings(call.node(), "updates", packages=[])["packages"])


@handles("POST", f"{ONE}/apt/update")
def refresh(call: Call) -> Any:
    def work(task: Task) -> Steps:
        task.log("starting apt-get update")
        yield 2.0

    return call.task("aptupdate", "", work)
