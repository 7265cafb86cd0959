# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab: `python3 -m tests.lab VERB …` from the root of the checkout."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from . import build_proxmox
from .build_freebsd import RELEASES
from .lab import BASE, KINDS, Lab
from .model import SERVERS, LabError, Port, cables, server

SIGNALS = {"freeze": signal.SIGSTOP, "thaw": signal.SIGCONT, "kill": signal.SIGKILL}


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="lab", help="which lab (default: lab); several may be up at once")
    common.add_argument(
        "--work", type=Path, default=BASE, metavar="DIR", help=f"folder of the labs' files (default: {BASE})"
    )
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("--server", required=True, choices=SERVERS)
    main = argparse.ArgumentParser(
        prog="python3 -m tests.lab", description="Two servers and a witness on one machine."
    )
    verbs = main.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", parents=[common], help="bring a lab up, making whatever is missing")
    up.add_argument("--owner", type=int, metavar="PID", help="the lab shall not outlive this process")
    up.add_argument(
        "--kind", choices=KINDS, default="", help="what castor and pollux are (default: container)"
    )
    up.add_argument(
        "--freebsd",
        choices=RELEASES,
        default="",
        help="have castor and pollux behave as servers of this release",
    )
    up.add_argument(
        "--proxmox",
        choices=build_proxmox.RELEASES,
        default="",
        help="have a repository of Proxmox VE of this release, whose packages make castor and pollux nodes",
    )
    for verb, text in (
        ("down", "end a lab and remove its files"),
        ("status", "what there is, as JSON"),
        ("gc", "clear away what killed runs left"),
        ("path", "print the folder of a lab's files"),
        ("inventory", "print the path of the Ansible inventory"),
        ("repository", "print the path of the apt repository"),
    ):
        verbs.add_parser(verb, parents=[common], help=text)
    verbs.add_parser(
        "run", parents=[common], help="run a command on the control node: run [--name N] -- CMD …"
    )
    ssh = verbs.add_parser("ssh", parents=[common], help="run a command, or a shell, on a server")
    ssh.add_argument("server", choices=SERVERS)
    power = verbs.add_parser("power", parents=[common, one], help="power of a server; off is a power cut")
    power.add_argument("how", choices=("off", "on", "cycle"))
    link = verbs.add_parser("link", parents=[common], help="what happens to cables")
    link.add_argument("how", choices=("cut", "restore", "slow"))
    which = link.add_mutually_exclusive_group(required=True)
    which.add_argument("--between", metavar="A:B", help="castor:pollux, castor:witness, castor:public …")
    which.add_argument("--all-of", metavar="SERVER", choices=SERVERS, help="every cable of a server")
    link.add_argument("--number", type=int, choices=(0, 1), help="one of the two links between the servers")
    link.add_argument("--rate", default="10mbit", help="for slow, as tc(8) writes it (default: 10mbit)")
    for verb in SIGNALS:
        process = verbs.add_parser(verb, parents=[common, one], help=f"{verb} a process of a server")
        target = process.add_mutually_exclusive_group(required=True)
        target.add_argument("--pid", type=int, help="its pid on the server")
        target.add_argument("--pattern", help="all whose command line matches this regular expression")
    verbs.add_parser("save", parents=[common], help="keep the servers as they are under a name").add_argument(
        "state"
    )
    reset = verbs.add_parser("reset", parents=[common], help="bring servers back to a saved state")
    reset.add_argument("state")
    reset.add_argument("--server", choices=SERVERS, action="append", help="only this one; may be repeated")
    return main


def _ports(options: argparse.Namespace) -> tuple[Port, ...]:
    return server(options.all_of).ports if options.all_of else cables(options.between, options.number)


def act(options: argparse.Namespace, rest: Sequence[str]) -> None:
    """Do what the command line says. Raises LabError."""
    kind, freebsd, proxmox = (getattr(options, what, "") for what in ("kind", "freebsd", "proxmox"))
    lab = Lab(options.name, options.work, kind=kind, freebsd=freebsd, proxmox=proxmox)
    match options.verb:
        case "up":
            lab.up(options.owner)
            print(f"  python3 -m tests.lab run --name {lab.name} -- ansible -i {lab.inventory()} all -m ping")
            print(f"  python3 -m tests.lab ssh --name {lab.name} castor")
        case "down":
            lab.down()
        case "status":
            print(json.dumps(lab.status(), indent=2))
        case "gc":
            print(*lab.gc(), sep="\n")
        case "path":
            print(lab.work)
        case "inventory":
            print(lab.inventory())
        case "repository":
            print(lab.repository)
        case "run":
            command = lab.command(*(rest or ["sh"]))
            os.execv(command[0], command)
        case "ssh":
            command = lab.ssh_command(options.server, *rest)
            os.execv(command[0], command)
        case "power":
            lab.power(options.server, options.how)
        case "link" if options.how == "slow":
            lab.slow(_ports(options), options.rate)
        case "link":
            (lab.cut if options.how == "cut" else lab.restore)(_ports(options))
        case "save":
            lab.save(options.state)
        case "reset":
            lab.reset(options.state, options.server or SERVERS)
        case verb:
            lab.signal(options.server, SIGNALS[verb], pid=options.pid, pattern=options.pattern)


def main(argv: Sequence[str]) -> int:
    words, rest = list(argv), []
    if "--" in words:
        at = words.index("--")
        words, rest = words[:at], words[at + 1 :]
    options, unknown = parser().parse_known_args(words)
    if unknown and options.verb not in ("run", "ssh"):
        parser().error(f"what is {' '.join(unknown)}?")
    try:
        act(options, [*unknown, *rest])
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
