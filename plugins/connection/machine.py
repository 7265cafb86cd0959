# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: machine
short_description: Run tasks inside a logical machine, through its server
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Reaches the server of a machine by ssh, and enters the machine from there. The machine needs Python, but
    no sshd and no address.
  - Files are streamed into and out of the machine by a program inside it. No path below the machine's root is
    ever opened from the server, so that a symbolic link inside cannot lead a task astray onto the server.
  - On Proxmox VE a container is entered by C(pct exec) on the node that has it, a virtual machine by its
    guest agent (C(qm guest exec)). No credentials of the API are needed.
  - Exit codes arrive exactly, 255 too. Only a failure of ssh itself is tried again (O(reconnection_retries)).
  - One ssh connection serves the server and all machines on it (ControlPersist).
  - The inventory plugin P(twin.datacenter.machines#inventory) sets all variables that this plugin needs.
notes:
  - On the server, O(server_user) must be root, or become root by C(sudo -n).
  - Inside the machine tasks run as root. C(become) changes to other users inside the machine.
  - The account's shell on the server may be C(csh) too; commands are read by C(/bin/sh), there and inside.
  - A jail is entered by jexec(8), with the path of a login, which includes C(/usr/local).
  - "Into a virtual machine there is no stream: its guest agent takes all input before it starts a program,
    and gives all output after its end. So become with a password cannot work there, a command may write
    16 MiB, files and longer input travel in pieces of 1 MiB, and what is not done at once is answered to the
    second."
  - The guest agent must run in the virtual machine, be enabled in its configuration (C(agent)), and be
    allowed to run programs, which some distributions forbid (C(guest-exec) in the settings of C(qemu-ga)).
extends_documentation_fragment:
  - connection_pipelining
  - twin.datacenter.ssh
options:
  kind:
    description: Kind of the machine, V(lxc), V(jail) or V(qemu).
    type: string
    default: lxc
    vars:
      - name: ansible_twin_kind
  platform:
    description: Platform of the server. The kind says it where it is not given.
    type: string
    choices: [debian, freebsd, proxmox]
    vars:
      - name: ansible_twin_platform
  machine:
    description: Name of the machine on its server.
    type: string
    required: true
    vars:
      - name: ansible_twin_machine
  vmid:
    description: Number of the machine, by which Proxmox VE knows it.
    type: int
    vars:
      - name: ansible_twin_vmid
  server:
    description: Name of the server, for messages. O(host) when it is not given.
    type: string
    vars:
      - name: ansible_twin_server
  server_user:
    description: Account on the server. The choice is left to C(ssh) when it is not given.
    type: string
    ini:
      - section: defaults
        key: remote_user
    env:
      - name: ANSIBLE_REMOTE_USER
    vars:
      - name: ansible_user
      - name: ansible_ssh_user
    cli:
      - name: user
    keyword:
      - name: remote_user
  remote_user:
    description: Account inside the machine; become starts from it.
    type: string
    default: root
  use_tty:
    description: Programs inside never get a terminal, so that their output arrives byte for byte.
    type: bool
    default: false
"""

EXAMPLES = r"""
# Usually the inventory plugin writes this; by hand, for a machine on server castor:
all:
  hosts:
    ssa:
      ansible_connection: twin.datacenter.machine
      ansible_host: 192.0.2.11
      ansible_twin_kind: lxc
      ansible_twin_machine: ssa
      ansible_twin_server: castor
    web:  # a virtual machine of Proxmox VE
      ansible_connection: twin.datacenter.machine
      ansible_host: 192.0.2.11
      ansible_twin_platform: proxmox
      ansible_twin_kind: qemu
      ansible_twin_machine: web
      ansible_twin_vmid: 102
      ansible_twin_server: castor
"""

import contextlib
import io
import itertools
import os
import secrets
import shlex
import shutil
import subprocess
from typing import IO, Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ssh
from ansible.utils.display import Display

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.entrance import (
    NotEntered,
    Truncated,
    Way,
    entrance,
    verdict,
    way_of,
)

display = Display()

# What ssh writes goes to a file, and the standard output that Ansible collects in memory stays empty.
_INTO_FILE = ["/bin/sh", "-c", 'exec "$@" >"$0"']


class Connection(ssh.Connection):
    """Ssh to the server, then into the machine."""

    transport = "twin.datacenter.machine"

    def exec_command(
        self, cmd: str, in_data: bytes | IO[bytes] | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a shell command inside; its exit code, output and standard error."""
        piece = self._way.piece
        if piece and isinstance(in_data, bytes) and len(in_data) > piece:
            return self._with_long_input(cmd, in_data)
        return self._inside(cmd, in_data, sudoable)

    def put_file(self, in_path: str, out_path: str) -> tuple[int, bytes, bytes]:
        """Stream a file of the control node into the machine."""
        display.vvv(f"PUT {in_path} TO {out_path}", host=self.get_option("machine"))
        try:
            file = open(in_path, "rb")  # noqa: SIM115 - closed below; the error is about opening alone
        except FileNotFoundError as error:
            raise AnsibleFileNotFound(file_name=in_path) from error
        with file:
            return self._transferred(in_path, out_path, self._put(file, out_path))

    def fetch_file(self, in_path: str, out_path: str) -> tuple[int, bytes, bytes]:
        """Stream a file of the machine to the control node."""
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self.get_option("machine"))
        return self._transferred(in_path, out_path, self._fetch(in_path, out_path))

    def _put(self, file: IO[bytes], path: str) -> tuple[int, bytes, bytes]:
        piece, to = self._way.piece, shlex.quote(path)
        if not piece:
            return self._inside(f"cat >{to}", file, False)
        more = ""
        while True:
            data = file.read(piece)
            answer = self._inside(f"cat >{more}{to}", data, False)
            if answer[0] != 0 or len(data) < piece:
                return answer
            more = ">"

    def _fetch(self, path: str, into: str) -> tuple[int, bytes, bytes]:
        piece, of = self._way.piece, shlex.quote(path)
        if not piece:
            return self._inside(f"cat <{of}", None, False, into=into)
        with open(into, "wb") as file:
            for number in itertools.count():
                answer = self._inside(f"dd bs={piece} skip={number} count=1 <{of}", None, False)
                if answer[0] != 0:
                    return answer
                file.write(answer[1])
                if len(answer[1]) < piece:
                    break
        return 0, b"", b""

    def _with_long_input(self, command: str, in_data: bytes) -> tuple[int, bytes, bytes]:
        """Run a command whose input does not fit into one piece: a file inside holds it until it starts."""
        made = self._inside("mktemp", None, False)
        path = made[1].decode().strip()
        if made[0] == 0:
            made = self._put(io.BytesIO(in_data), path)
        if made[0] != 0:
            return made
        of = shlex.quote(path)
        return self._inside(f"exec <{of}; rm -f {of}\n{command}", None, False)

    @property
    def _way(self) -> Way:
        try:
            return way_of(self.get_option("platform") or "", self.get_option("kind"))
        except Refused as error:
            raise AnsibleConnectionFailure(f"machine {self.get_option('machine')}: {error}") from None

    def _inside(
        self, command: str, in_data: bytes | IO[bytes] | None, sudoable: bool, into: str | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run a shell command inside, as ``ssh.Connection.exec_command`` runs one on a server."""
        self.host = self.get_option("host")
        way, machine = self._way, self.get_option("machine")
        mark = f"twin-{secrets.token_hex(12)}"
        number = self.get_option("vmid")
        line = entrance(way, machine if number is None else str(number), command, mark, bool(in_data))
        program = self.get_option("ssh_executable")
        argv = self._build_command(program, "ssh", self.host, line)
        if into is not None:
            # sshpass, where it is used, stays in front: Ansible tells its exit codes by the first word.
            start = argv.index(os.fsencode(program))
            argv[start:start] = [*(os.fsencode(word) for word in _INTO_FILE), os.fsencode(into)]
        # Without a stream nothing can be waited for before the input is sent.
        answer = self._run(argv, in_data, sudoable=sudoable and not way.piece)
        server = self.get_option("server") or self.host
        try:
            return verdict(way, answer, mark)
        except NotEntered as error:
            raise AnsibleConnectionFailure(
                f"machine {machine} cannot be entered on server {server}: its state is {error};"
                " start it there, or read the inventory again if it has moved."
            ) from None  # Ansible would say the cause once more
        except Truncated:
            raise AnsibleError(
                f"machine {machine} on server {server}: a command wrote more than its guest agent keeps;"
                " let it write to a file, and fetch that."
            ) from None

    def _transferred(
        self, in_path: str, out_path: str, answer: tuple[int, bytes, bytes]
    ) -> tuple[int, bytes, bytes]:
        if answer[0] != 0:
            said = answer[2].decode(errors="replace").strip()
            machine = self.get_option("machine")
            raise AnsibleError(
                f"file {in_path} could not be copied to {out_path} (machine {machine}): {said}"
            )
        return answer

    def _build_command(self, binary: str, subsystem: str, *other_args: bytes | str) -> list[bytes]:
        # To ssh the remote user is the account on the server; to the rest of Ansible, that in the machine.
        inside = self.get_option("remote_user")
        self.set_option("remote_user", self.get_option("server_user"))
        try:
            return list(super()._build_command(binary, subsystem, *other_args))
        finally:
            self.set_option("remote_user", inside)

    def _send_initial_data(self, fh: Any, in_data: Any, ssh_process: subprocess.Popen[bytes]) -> None:
        if isinstance(in_data, bytes):
            super()._send_initial_data(fh, in_data, ssh_process)
            return
        in_data.seek(0)  # ssh may be tried again
        # Whoever reads no further says why by the exit code.
        with contextlib.suppress(BrokenPipeError):
            shutil.copyfileobj(in_data, fh)
        with contextlib.suppress(BrokenPipeError):
            fh.close()
