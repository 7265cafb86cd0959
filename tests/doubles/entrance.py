# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in place of ssh(1), and of those of LXC, jails and Proxmox VE, for the way into a machine.

Facts they rest on:

* ssh joins the words after the host with spaces, and the account's shell on the server reads them; it
  exits with the code of that shell, or with 255 when it has no connection (ssh(1), EXIT STATUS).
* lxc-info prints ``doesn't exist`` for an unknown container and exits 1; with ``--state --no-humanize``
  the state alone (lxc-info(1)).
* lxc-attach runs a program with the container's root, an empty environment with ``--clear-env``, and
  passes on its exit code; without a running container it says so and exits 1 (lxc-attach(1)).
* jls prints a parameter of a running jail, and ``jls: jail "x" not found`` for any other; jexec says the same
  of itself, also exits 1 then, and else passes on the exit code. It runs a program in the jail's ``/``, with
  the environment that it has itself (usr.sbin/jls/jls.c and usr.sbin/jexec/jexec.c of FreeBSD).
* pct exec runs lxc-attach in its own place, so standard input and exit code are those of the program. Its
  errors are those of tests/doubles/pve/recordings/cli.jsonl and PVE::CLI::pct (pve-container). Words are
  decoded by the locale (PVE::JSONSchema, pve-common), and where that is C nothing above ASCII is left. Before
  release 9 the environment is kept.
* qm guest exec reads all of standard input, at most 1 MiB, and prints JSON at the end (PVE::CLI::qm,
  qemu-server), each byte of the output as one character, without a declared encoding. The guest agent keeps
  16 MiB of each stream, and tells a signal in place of an exit code (qga/commands.c of QEMU). While the
  program runs qm asks for it each second, and fails as soon as the machine does not run any more.

What they do not have: a root of its own for the machine. The same tests on the lab have that.
"""

from __future__ import annotations

import sys
from pathlib import Path

_SSH = r"""#!/bin/sh
[ -e "$MACHINES/../cut" ] && { echo "ssh: connect to host: No route to host" >&2; exit 255; }
echo "$*" >>"$MACHINES/../calls"
while [ $# -gt 0 ]; do
    case $1 in
        -o|-O) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
host=$1
shift
[ -e "$MACHINES/../answers/$host" ] && exec /bin/sh "$MACHINES/../answers/$host"
exec "${SERVER_SHELL:-/bin/sh}" -c "$*"
"""
_LXC_INFO = r"""#!/bin/sh
for name; do :; done
[ "$*" = "--state --no-humanize --name $name" ] || exit 1
[ -e "$MACHINES/$name" ] || { echo "$name doesn't exist" >&2; exit 1; }
cat "$MACHINES/$name"
"""
_LXC_ATTACH = r"""#!/bin/bash
variables=()
while [ $# -gt 0 ]; do
    case $1 in
        --name) name=$2; shift 2 ;;
        --clear-env) shift ;;
        --set-var) variables+=("$2"); shift 2 ;;
        --) shift; break ;;
        *) echo "lxc-attach: unrecognized option '$1'" >&2; exit 1 ;;
    esac
done
[ "$(cat "$MACHINES/$name")" = RUNNING ] || { echo "lxc-attach: $name: Failed to get init pid" >&2; exit 1; }
exec env -i container=lxc "${variables[@]}" "$@"
"""
_JLS = r"""#!/bin/sh
[ "$*" = "-j $2 name" ] || { echo "usage: jls [-dhNnqv] [-j jail] [param ...]" >&2; exit 1; }
[ "$(cat "$MACHINES/$2" 2>/dev/null)" = RUNNING ] || { echo "jls: jail \"$2\" not found" >&2; exit 1; }
echo "$2"
"""
_JEXEC = r"""#!/bin/sh
name=$1
shift
[ "$(cat "$MACHINES/$name" 2>/dev/null)" = RUNNING ] || {
    echo "jexec: jail \"$name\" not found" >&2
    exit 1
}
cd / && exec "$@"
"""
_PCT = r"""#!/bin/bash
[ "$1 $3" = "exec --" ] || { echo "ERROR: unknown command 'pct $*'" >&2; exit 255; }
[ -e "$MACHINES/$2" ] || { echo "Configuration file 'nodes/castor/lxc/$2.conf' does not exist" >&2; exit 2; }
[ "$(cat "$MACHINES/$2")" = RUNNING ] || { echo "container '$2' not running!" >&2; exit 255; }
shift 3
words=()
for word; do words+=("$(printf %s "$word" | LC_ALL=C tr '\200-\377' '?')"); done
exec "${words[@]}"
"""
_QM = (
    f"""#!{sys.executable}"""
    + r"""
import json, os, subprocess, sys

guest, exec_, name, *words = sys.argv[1:]
fed = words[:2] == ["--pass-stdin", "1"]
words = words[2:] if fed else words
if [guest, exec_, *words[:3]] != ["guest", "exec", "--timeout", "0", "--"]:
    sys.exit("ERROR: unknown command")
path = os.path.join(os.environ["MACHINES"], name)
if not os.path.exists(path):
    print(f"Configuration file 'nodes/castor/qemu-server/{name}.conf' does not exist", file=sys.stderr)
    sys.exit(2)
def must_run():
    if open(path).read().strip() != "RUNNING":
        print(f"VM {name} is not running", file=sys.stderr)
        sys.exit(255)
must_run()
data = sys.stdin.buffer.read() if fed else b""
if len(data) > 2**20:
    print("'input-data' (STDIN) is limited to 1 MiB, aborting", file=sys.stderr)
    sys.exit(255)
command = [word.encode("ascii", "replace").decode() for word in words[3:]]
done = subprocess.run(command, input=data, capture_output=True)
must_run()
code = done.returncode
told = {"exited": 1, **({"exitcode": code} if code >= 0 else {"signal": -code})}
for key, stream in (("out", done.stdout), ("err", done.stderr)):
    if stream:
        told[f"{key}-data"] = stream[:2**24].decode("latin-1")
    if len(stream) > 2**24:
        told[f"{key}-truncated"] = 1
encoding = os.environ.get("QM_ENCODING", "latin-1")
sys.stdout.buffer.write(json.dumps(told, ensure_ascii=False, indent=3).encode(encoding))
"""
)
_SUDO = r"""#!/bin/sh
[ "$1" = -n ] && shift
exec "$@"
"""
_PROGRAMS = {
    "ssh": _SSH,
    "sudo": _SUDO,
    "lxc-info": _LXC_INFO,
    "lxc-attach": _LXC_ATTACH,
    "jls": _JLS,
    "jexec": _JEXEC,
    "pct": _PCT,
    "qm": _QM,
}


def install(folder: Path) -> dict[str, str]:
    """Put the programs into ``folder/bin``; the environment in which they are found.

    A file ``folder/machines/NAME`` holds a machine's state, ``folder/calls`` gets one line per ssh. While
    ``folder/cut`` is there ssh has no connection; a script ``folder/answers/HOST`` answers for a host.
    The account's shell on a server is ``$SERVER_SHELL``, else sh.
    """
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (folder / "machines").mkdir()
    (folder / "answers").mkdir()
    for name, text in _PROGRAMS.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return {"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin", "MACHINES": str(folder / "machines")}
