# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of Proxmox VE in the lab, installed without a playbook."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.lab import Lab
from tests.lab.proxmox import PASSWORD

INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
key=/usr/share/keyrings/proxmox-archive-keyring.gpg
cp /srv/proxmox/proxmox-release.gpg "$key"
. /etc/os-release
printf '%s\\n' 'Types: deb' 'URIs: file:/srv/proxmox' "Suites: $VERSION_CODENAME" \\
    'Components: pve-no-subscription' \
    "Signed-By: $key" >/etc/apt/sources.list.d/proxmox.sources
apt-get -qq update
apt-get -qq install -y --no-install-recommends "$@" >/dev/null
"""
NODES = ("castor", "pollux")


class Nodes:
    """castor and pollux as nodes, and the witness."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def install(self) -> None:
        """Install the packages that make them so, on all three at once."""
        wanted = {**dict.fromkeys(NODES, ["proxmox-ve", "corosync-qdevice"]), "witness": ["corosync-qnetd"]}
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: self.sh(server, INSTALL, *wanted[server]), wanted))

    def join(self) -> None:
        """Make one cluster of the two, with the vote of the witness."""
        self.sh("castor", "pvecm create twin")
        info = self.get("castor", "/cluster/config/join")
        fingerprint = info["nodelist"][0]["pve_fp"]
        there = f"--hostname 10.1.0.1 --fingerprint {fingerprint} --password {PASSWORD}"
        self.sh("pollux", f"pvesh create /cluster/config/join {there}")
        self.sh("castor", "pvecm qdevice setup 192.0.2.13")

    def run(self, server: str, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """What a command of a shell does on a server."""
        return self.lab.ssh(server, command, input=stdin, timeout=600)

    def sh(self, server: str, script: str, *words: str, stdin: str = "") -> str:
        """Run a script on a server, which must succeed."""
        done = self.run(server, shlex.join(["sh", "-c", script, "sh", *words]), stdin)
        assert done.returncode == 0, f"{server}: {done.stdout}{done.stderr}"
        return done.stdout

    def get(self, server: str, path: str) -> Any:
        return json.loads(self.sh(server, f"pvesh get {path} --output-format json"))

    def until(self, what: Callable[[], bool], patience: float) -> None:
        end = time.monotonic() + patience
        while not what():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.3)
