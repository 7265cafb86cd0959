# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of a node: the office of the double knows the answer, or the program that has it."""

import base64
import json
import os
import socket
import sys


def wants_input(program: str, argv: list[str]) -> bool:
    """Whether the command reads: it would wait for ever where nobody ends its input."""
    return "--pass-stdin" in argv or (program == "pvecm" and argv[:1] == ["add"])


def main() -> None:
    program, argv = sys.argv[1], sys.argv[2:]
    read = sys.stdin.buffer.read() if wants_input(program, argv) else b""
    asked = {"program": program, "argv": argv, "stdin": base64.b64encode(read).decode()}
    try:
        with socket.socket(socket.AF_UNIX) as office:
            office.connect("/srv/pve/cli")
            office.sendall(json.dumps(asked).encode() + b"\n")
            answer = json.loads(office.makefile("rb").read())
    except (OSError, ValueError):
        sys.exit("ipcc_send_rec[1] failed: Connection refused")
    sys.stdout.buffer.write(answer["out"].encode(errors="surrogateescape"))
    sys.stderr.buffer.write(answer["err"].encode(errors="surrogateescape"))
    sys.stdout.flush()
    sys.stderr.flush()
    if command := answer.get("command"):
        os.execvp(command[0], command)
    sys.exit(answer["rc"])


main()
