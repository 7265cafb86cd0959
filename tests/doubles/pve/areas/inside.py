# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reaches into a machine: guest agent, monitor, cloud-init.

Rests on: PVE::API2::Qemu::Agent, PVE::QemuServer::Cloudinit (qemu-server) and the recorded exchanges, which
show an agent that does not answer; what one that does answer says is that of the documentation of the guest
agent. What a machine writes and is given to read are bytes, each one character (MIME::Base64 there),
not UTF-8.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import unquote

from tests.doubles.pve import formats, guests
from tests.doubles.pve.api import Call, handles
from tests.doubles.pve.areas.qemu import agent_enabled
from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.world import Guest

ONE = "/nodes/{node}/qemu/{vmid}"
AGENT = f"{ONE}/agent"
FILE_READ = 16 * 1024**2
CLOUDINIT = ("cicustom", "cipassword", "ciuser", "ciupgrade", "nameserver", "searchdomain", "sshkeys")
COMMANDS = (
    "fsfreeze-freeze fsfreeze-status fsfreeze-thaw fstrim get-fsinfo get-host-name get-memory-block-info "
    "get-memory-blocks get-osinfo get-time get-timezone get-users get-vcpus info network-get-interfaces "
    "ping shutdown "
    "suspend-disk suspend-hybrid suspend-ram"
)
READS = {
    "get-fsinfo", "get-host-name", "get-memory-block-info", "get-memory-blocks", "get-osinfo", "get-time",
    "get-timezone",
    "get-users", "get-vcpus", "info", "network-get-interfaces",
}  # fmt: skip


def answering(call: Call) -> Guest:
    """The machine, if its agent answers."""
    guest = call.guest("qemu")
    if guest.status != "running":
        raise Refusal(f"VM {guest.vmid} is not running")
    if not agent_enabled(guest):
        raise Refusal("No QEMU guest agent configured")
    if not guest.agent:
        raise Refusal("QEMU guest agent is not running")
    return guest


def told(guest: Guest, command: str) -> Any:
    if command == "network-get-interfaces":
        return [
            {
                "name": f"eth{key[3:]}",
                "hardware-address": guests.first(str(value)).partition("=")[2].lower(),
                "ip-addresses": guests.inside(guest) if key == "net0" else [],
            }
            for key, value in guest.config.items()
            if re.fullmatch(r"net\d+", key)
        ]
    return {"get-host-name": {"host-name": guest.config.get("name", "")}, "get-users": []}.get(command, {})


def agent_command(command: str) -> None:
    handles("GET" if command in READS else "POST", f"{AGENT}/{command}")(
        lambda call: {"result": told(answering(call), command)}
    )


for each in COMMANDS.split():
    agent_command(each)


@handles("POST", AGENT)
def command(call: Call) -> Any:
    return {"result": told(answering(call), call["command"])}


@handles("GET", f"{AGENT}/file-read")
def file_read(call: Call) -> Any:
    held = answering(call).files.get(call["file"])
    if held is None:
        problem = f"failed to open file '{call['file']}' (mode: 'r'): No such file or directory"
        raise Refusal(f"Agent error: {problem}")
    offset = call["offset"] or 0
    read = held[offset : offset + int(call["count"] or FILE_READ)]
    decoded = read.decode("latin-1") if call["decode"] in (None, 1) else base64.b64encode(read).decode()
    return {"content": decoded} | ({"truncated": 1} if offset + len(read) < len(held) else {})


@handles("POST", f"{AGENT}/file-write")
def file_write(call: Call) -> None:
    guest, content = answering(call), call["content"]
    try:
        guest.files[call["file"]] = base64.b64decode(content) if call["encode"] == 0 else content.encode()
    except ValueError:
        raise Refusal(f"Agent error: Base64 data '{content}' is not valid") from None


@handles("POST", f"{AGENT}/set-user-password")
def set_user_password(call: Call) -> Any:
    answering(call)
    return {"result": {}}


@handles("POST", f"{AGENT}/exec")
def execute(call: Call) -> Any:
    guest = answering(call)
    if guest.program is None:
        raise Refusal("Agent error: Guest agent command failed, error was 'No such file or directory'")
    command = call["command"] if isinstance(call["command"], list) else [call["command"]]
    try:
        given = (call["input-data"] or "").encode("latin-1")
    except UnicodeEncodeError:
        raise Refusal("Wide character in subroutine entry") from None
    status, output, problem = guest.program(command, given)
    pid = 100 + len(guest.processes)
    guest.processes[pid] = {
        "exited": 1,
        "exitcode": status,
        **({"out-data": output.decode("latin-1")} if output else {}),
        **({"err-data": problem.decode("latin-1")} if problem else {}),
    }
    return {"pid": pid}


@handles("GET", f"{AGENT}/exec-status")
def exec_status(call: Call) -> Any:
    found = answering(call).processes.get(call["pid"])
    if found is None:
        raise Refusal(f"Agent error: Invalid parameter 'pid' {call['pid']}")
    return found


@handles("POST", f"{ONE}/monitor")
def monitor(call: Call) -> Any:
    guest = call.guest("qemu")
    if guest.status != "running":
        raise Refusal(f"VM {guest.vmid} not running")
    if call["command"] == "info status":
        return f"VM status: {'paused' if guest.paused else 'running'}\r\n"
    return ""


@handles("GET", f"{ONE}/cloudinit")
def cloudinit(call: Call) -> Any:
    guest = call.guest("qemu")
    return [entry for entry in guests.pending_list(call.world, guest) if entry["key"] in CLOUDINIT]


@handles("PUT", f"{ONE}/cloudinit")
def regenerate(call: Call) -> None:
    guests.require_unlocked(call.guest("qemu"))


@handles("GET", f"{ONE}/cloudinit/dump")
def dump(call: Call) -> Any:
    config = call.guest("qemu").config
    return {"user": user_data, "network": network_data, "meta": meta_data}[call["type"]](config, call["vmid"])


def user_data(config: dict[str, Any], vmid: int) -> str:
    name = config.get("name", f"VM{vmid}")
    lines = ["#cloud-config", f"hostname: {name.partition('.')[0]}", "manage_etc_hosts: true"]
    domain = config.get("searchdomain", "").split(" ")[0]
    lines.append(f"fqdn: {name}.{domain}" if domain and "." not in name else f"fqdn: {name}")
    lines += [f"user: {config['ciuser']}"] if config.get("ciuser") else []
    if not config.get("ciuser"):
        lines.append("disable_root: False")
    lines += [f"password: {config['cipassword']}"] if config.get("cipassword") else []
    if config.get("sshkeys"):
        lines += [
            "ssh_authorized_keys:",
            *(f"  - {key}" for key in unquote(config["sshkeys"]).splitlines() if key),
        ]
    lines += ["chpasswd:", "  expire: False"]
    if config.get("ciuser") != "root":
        lines += ["users:", "  - default"]
    if config.get("ciupgrade", 1):
        lines.append("package_upgrade: true")
    return "\n".join(lines) + "\n"


def network_data(config: dict[str, Any], vmid: int) -> str:
    lines = ["version: 1", "config:"]
    for key in sorted(key for key in config if re.fullmatch(r"net\d+", key)):
        number, mac = key[3:], guests.first(str(config[key])).partition("=")[2].lower()
        lines += [
            "    - type: physical",
            f"      name: eth{number}",
            f"      mac_address: '{mac}'",
            "      subnets:",
        ]
        address = guests.pairs(str(config.get(f"ipconfig{number}", "")))
        if address.get("ip") == "dhcp":
            lines.append("      - type: dhcp4")
        elif address.get("ip"):
            lines += ["      - type: static", f"        address: '{address['ip'].partition('/')[0]}'"]
            lines += [f"        gateway: '{address['gw']}'"] if "gw" in address else []
    lines += ["    - type: nameserver", "      address:"]
    lines += [f"      - '{each}'" for each in formats.split_list(str(config.get("nameserver", "")))]
    return "\n".join(lines) + "\n"


def meta_data(config: dict[str, Any], vmid: int) -> str:
    return f"instance-id: {config.get('vmgenid', vmid)}\n"


@handles("PUT", f"{ONE}/unlink")
def unlink(call: Call) -> None:
    guest = call.guest("qemu")
    guests.require_unlocked(guest)
    for key in formats.split_list(call["idlist"]):
        if key in guest.config:
            guest.pending[key] = None
            guests.apply(call.world, guest, key)
