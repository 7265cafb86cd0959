# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""qm(1): virtual machines of a node.

Rests on: PVE::CLI::qm (qemu-server) and cli.jsonl of the recordings. `qm shutdown` of a machine that is
stopped ends well and says so as an error; `qm guest exec` waits for the end and prints JSON as Perl lays it
out, with status 0 whatever the program ended with.
Not done: cloudinit, disk, importovf, monitor, mtunnel, nbdstop, rescan, sendkey, showcmd, terminal, vncproxy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.doubles.pve.cli import Output
from tests.doubles.pve.cli import guest_commands as common
from tests.doubles.pve.cli.common import pretty, refused
from tests.doubles.pve.cli.guest_commands import COMMON, ONE, Command
from tests.doubles.pve.cli.requests import DIED, request
from tests.doubles.pve.world import World

COMMANDS = COMMON | {
    "create": Command("POST", "", ("vmid",)),
    "set": Command("PUT", f"{ONE}/config"),
    "reset": Command("POST", f"{ONE}/status/reset"),
}


def run(world: World, node: str, argv: Sequence[str], stdin: bytes = b"") -> Output:
    """A command line, without the name of the program, as root on a node."""
    word, words = (argv[0], list(argv[1:])) if argv else ("", [])
    if word == "list":
        return listed(world, node)
    if word == "status":
        return common.status(world, node, "qemu", words)
    if word == "unlock":
        return common.unlock(world, node, "qemu", words)
    if word == "guest" and words[:1] == ["exec"]:
        return executed(world, node, words[1:], stdin)
    if word == "agent" or (word == "guest" and words[:1] == ["cmd"]):
        return asked(world, node, words[1:] if word == "guest" else words)
    if word in COMMANDS:
        idle = word == "shutdown" and stands_still(world, node, words)
        done = common.carried_out(world, node, "qemu", f"qm {word}", COMMANDS[word], words)
        if idle and done.rc == 0:
            return Output(0, done.out, f"VM {words[0]} not running\n\n")
        return updated(words, done) if word == "set" else done
    return Output(DIED, err=f"ERROR: unknown command 'qm {word}'\n")


def listed(world: World, node: str) -> Output:
    found = sorted(
        request(world, node, "GET", f"/nodes/{node}/qemu", {}).data, key=lambda guest: int(guest["vmid"])
    )
    out = "{:>10} {:<20} {:<10} {:<10} {:>12} {:<10}\n".format(
        "VMID", "NAME", "STATUS", "MEM(MB)", "BOOTDISK(GB)", "PID"
    )
    for each in found:
        memory, disk = each["maxmem"] // 1024**2, each.get("maxdisk", 0) / 1024**3
        status, pid = each["status"], each.get("pid", 0)
        out += f"{each['vmid']:>10} {each['name']:<20} {status:<10} {memory:<10} {disk:>12.2f} {pid:<10}\n"
    return Output(0, out if found else "")


def stands_still(world: World, node: str, words: Sequence[str]) -> bool:
    guest = common.found(world, node, "qemu", words)
    return not isinstance(guest, Output) and guest.status == "stopped"


def updated(words: Sequence[str], done: Output) -> Output:
    """`qm set` says what it asks for."""
    if done.rc:
        return done
    options = " ".join(f"-{word.lstrip('-')}" if word.startswith("--") else word for word in words[1:])
    return Output(0, f"update VM {words[0]}: {options}\n{done.out}")


def asked(world: World, node: str, words: Sequence[str]) -> Output:
    """A word for the guest agent."""
    if len(words) < 2:
        return Output(DIED, err="400 not enough arguments\nqm guest cmd <vmid> <command>\n")
    guest = common.found(world, node, "qemu", words)
    if isinstance(guest, Output):
        return guest
    answer = request(world, node, "POST", f"/nodes/{node}/qemu/{guest.vmid}/agent", {"command": words[1]})
    if answer.status != 200:
        return stopped(refused(answer, ""))
    result = answer.data["result"]
    return Output(0, pretty(result) if result else "")


def stopped(told: Output) -> Output:
    """That a machine does not run is told with the status of a missing socket."""
    return Output(2, told.out, told.err) if told.err.endswith(" is not running\n") else told


def executed(world: World, node: str, words: Sequence[str], stdin: bytes) -> Output:
    end = words.index("--") if "--" in words else 1
    command = [*words[end:]][1 if "--" in words else 0 :]
    guest = common.found(world, node, "qemu", words)
    if isinstance(guest, Output):
        return guest
    base = f"/nodes/{node}/qemu/{guest.vmid}/agent"
    given = (
        {"input-data": stdin.decode("latin-1")} if any("pass-stdin" in each for each in words[:end]) else {}
    )
    answer = request(world, node, "POST", f"{base}/exec", {"command": command, **given})
    if answer.status != 200:
        return stopped(refused(answer, ""))
    done = request(world, node, "GET", f"{base}/exec-status", {"pid": answer.data["pid"]}).data
    return Output(0, pretty(done))
