# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules for Proxmox VE as Ansible runs them, over https against its double."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.doubles.pve.server import Server
from tests.laws.laws import CANARY

SECRET = "11111111-2222"
TOKEN = {"PROXMOX_TOKEN_ID": "ansible", "PROXMOX_TOKEN_SECRET": SECRET}
"""What a token of root stands for in the environment; the double must have it."""


def run(
    server: Server, module: str, options: Mapping[str, Any], *flags: str, rc: int = 0, **environment: str
) -> dict[str, Any]:
    """The result of one module."""
    words = ["ansible", "localhost", "-c", "local", "-m", f"twin.datacenter.{module}", "-a"]
    said = _said(server, [*words, json.dumps(options), *flags], rc, environment)
    return dict(yaml.safe_load(said.rpartition("=>")[2]))


def play(
    server: Server, folder: Path, modules: Mapping[str, Mapping[str, Any]], *flags: str, **environment: str
) -> dict[str, Any]:
    """The results of modules, in one play; as root's token, where the environment says nothing else."""
    tasks: list[dict[str, Any]] = [
        {f"twin.datacenter.{module}": dict(options), "register": module}
        for module, options in modules.items()
    ]
    results = "{{ {" + ", ".join(f"'{module}': {module}" for module in modules) + "} | to_json }}"
    copy = {"content": results, "dest": str(folder / "results.json")}
    tasks.append({"ansible.builtin.copy": copy, "check_mode": False, "diff": False})
    book = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    (folder / "book.yml").write_text(yaml.safe_dump(book))
    _said(server, ["ansible-playbook", str(folder / "book.yml"), *flags], 0, environment or TOKEN)
    return dict(json.loads((folder / "results.json").read_text()))


def _said(server: Server, words: Sequence[str], rc: int, environment: Mapping[str, str]) -> str:
    """What Ansible prints. How the cluster is reached stands in the environment; no secret is said."""
    access = {
        "NO_PROXY": "127.0.0.1",
        "PROXMOX_HOST": server.host,
        "PROXMOX_PORT": str(server.port),
        "PROXMOX_USER": "root@pam",
        "PROXMOX_CA_PATH": str(server.certificate),
    }
    interpreter = f"ansible_python_interpreter={sys.executable}"
    done = subprocess.run(
        [*words, "-i", "localhost,", "-e", interpreter],
        capture_output=True, text=True, env={**os.environ, **access, **environment}, check=False, timeout=300,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == rc, said
    assert CANARY not in said and SECRET not in said
    return done.stdout
