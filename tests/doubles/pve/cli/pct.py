# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pct(1): containers of a node.

Rests on: PVE::CLI::pct (pve-container), whose `exec` and `enter` become lxc-attach(1), and cli.jsonl of the
recordings. In memory a container runs what its `program` makes of a command, and `push` and `pull` know the
files of `Guest.files` and of the node's `facts["files"]`; on a server of the lab all four are real: the
answer is then an `Inside`, the command of the server that does it, with the standard input of whoever called.
Not done: console, cpusets, df, fsck, mount, move-volume, remote-migrate, rescan, restore, unmount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.doubles.pve.cli import Output
from tests.doubles.pve.cli import guest_commands as common
from tests.doubles.pve.cli.guest_commands import COMMON, ONE, Command
from tests.doubles.pve.cli.requests import DIED, request
from tests.doubles.pve.world import Guest, World

COMMANDS = COMMON | {
    "create": Command("POST", "", ("vmid", "ostemplate")),
    "set": Command("PUT", f"{ONE}/config"),
}
ENTRIES = ("exec", "enter", "push", "pull")
PUSH = """
set -e
file=$1 id=$2 target=$3 perms=$4 owner=$5
[ -r "$file" ] || { echo "failed to open $file" >&2; exit 255; }
exec lxc-attach -n "$id" --clear-env -- sh -c \
    'cat >"$1" && { [ -z "$2" ] || chmod "$2" "$1"; } && { [ -z "$3" ] || chown "$3" "$1"; }' sh \
    "$target" "$perms" "$owner" <"$file"
"""
PULL = """
set -e
id=$1 file=$2 target=$3 perms=$4 owner=$5
lxc-attach -n "$id" --clear-env -- cat "$file" >"$target"
[ -z "$perms" ] || chmod "$perms" "$target"
[ -z "$owner" ] || chown "$owner" "$target"
"""


@dataclass(frozen=True)
class Inside(Output):
    """What a program of the server does, in the place of the command."""

    command: tuple[str, ...] = ()


def run(world: World, node: str, argv: Sequence[str], stdin: bytes = b"") -> Output:
    """A command line, without the name of the program, as root on a node."""
    word, words = (argv[0], list(argv[1:])) if argv else ("", [])
    if word == "list":
        return listed(world, node)
    if word == "status":
        return common.status(world, node, "lxc", words)
    if word == "unlock":
        return common.unlock(world, node, "lxc", words)
    if word in ENTRIES:
        return entered(world, node, word, words, stdin)
    if word in COMMANDS:
        return common.carried_out(world, node, "lxc", f"pct {word}", COMMANDS[word], words)
    return Output(DIED, err=f"ERROR: unknown command 'pct {word}'\n")


def listed(world: World, node: str) -> Output:
    found = sorted(
        request(world, node, "GET", f"/nodes/{node}/lxc", {}).data, key=lambda guest: int(guest["vmid"])
    )
    row = "{:<10} {:<10} {:<12} {:<20}\n"
    rows = [row.format(each["vmid"], each["status"], each.get("lock", ""), each["name"]) for each in found]
    return Output(0, (row.format("VMID", "Status", "Lock", "Name") if rows else "") + "".join(rows))


def entered(world: World, node: str, word: str, words: list[str], stdin: bytes) -> Output:
    """What goes on in the container itself."""
    guest = common.found(world, node, "lxc", words)
    if isinstance(guest, Output):
        return guest
    if guest.status != "running":
        if word in ("push", "pull"):
            toward = "push files to" if word == "push" else "pull files from"
            return Output(DIED, err=f"can only {toward} a running CT\n")
        return Output(DIED, err=f"container '{guest.vmid}' not running!\n")
    alone, options = split(words[1:])
    if word in ("exec", "enter"):
        return executed(guest, alone, stdin) if word == "exec" else attached(guest, ())
    return carried(world, node, word, guest, alone, options)


def split(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Options end where something stands alone, as Getopt has it in front of a command."""
    left, alone, options = list(words), [], {}
    while left:
        word = left.pop(0)
        if word == "--":
            return [*alone, *left], options
        if word.startswith("-") and len(word) > 1:
            name, sign, value = word.lstrip("-").partition("=")
            options[name] = value if sign else (left.pop(0) if left else "")
        else:
            alone.append(word)
    return alone, options


def executed(guest: Guest, command: Sequence[str], stdin: bytes) -> Output:
    if not command:
        return Output(DIED, err="400 not enough arguments\npct exec <vmid> [<extra-args>] [OPTIONS]\n")
    if guest.program is None:
        return attached(guest, command)
    code, out, problem = guest.program(list(command), stdin)
    return Output(code, out.decode(errors="surrogateescape"), problem.decode(errors="surrogateescape"))


def attached(guest: Guest, command: Sequence[str]) -> Inside:
    end = ("--", *command) if command else ()
    return Inside(0, command=("lxc-attach", "-n", str(guest.vmid), "--clear-env", *end))


def carried(
    world: World, node: str, word: str, guest: Guest, alone: Sequence[str], options: dict[str, str]
) -> Output:
    """A file into the container or out of it."""
    if len(alone) != 2:
        return Output(
            DIED, err=f"400 not enough arguments\npct {word} <vmid> <file> <destination> [OPTIONS]\n"
        )
    source, target = alone
    if guest.program is None:
        owner = ":".join(filter(None, [options.get("user", ""), options.get("group", "")]))
        ends = (source, str(guest.vmid)) if word == "push" else (str(guest.vmid), source)
        script = PUSH if word == "push" else PULL
        return Inside(0, command=("sh", "-c", script, "sh", *ends, target, options.get("perms", ""), owner))
    here = world.nodes[node].facts.setdefault("files", {})
    there, where = (here, guest.files) if word == "push" else (guest.files, here)
    if source not in there:
        return Output(DIED, err=f"failed to open {source}: No such file or directory\n")
    where[target] = there[source]
    return Output(0)
