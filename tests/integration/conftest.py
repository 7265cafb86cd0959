# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab, and its servers as hosts that modules can be run against."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import SshHost
from tests.lab import Lab


class LabHost(SshHost):
    """A server of the lab, as its own administrator sees it: whole file system, any command.

    :param lasting: whether all commands go over one connection, whose making takes ten times what they do.
    """

    def __init__(self, lab: Lab, name: str, *, lasting: bool = False) -> None:
        super().__init__(name)
        *command, address = lab.ssh_command(name)
        if lasting:
            socket = f"ControlPath={lab.known_hosts.parent}/%h"
            command += ["-o", "ControlMaster=auto", "-o", "ControlPersist=20", "-o", socket]
        self.prefix = (*command, address, "--")

    def reset(self) -> None:
        """Let go of a lasting connection: the next command makes a new one."""
        *ssh, address, _end = self.prefix
        subprocess.run([*ssh, "-O", "exit", address], capture_output=True, check=False)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab that is up under the name in TWIN_LAB, or else `lab`; one is brought up where none is."""
    lab = Lab(os.environ.get("TWIN_LAB", "lab"))
    lab.up()
    yield lab


@pytest.fixture(scope="session")
def freebsd(lab: Lab) -> Lab:
    """The lab, if its servers behave as FreeBSD's."""
    if not lab.status()["freebsd"]:
        pytest.skip(
            "the servers of this lab are Debian's; python3 -m tests.lab up --freebsd 14.3 makes others"
        )
    return lab


@pytest.fixture(scope="session")
def proxmox(lab: Lab) -> Lab:
    """The lab, if its servers can be made nodes of Proxmox VE."""
    if not lab.status()["proxmox"]:
        pytest.skip(
            "this lab has no repository of Proxmox VE; python3 -m tests.lab up --proxmox 9.2 makes one"
        )
    return lab


@pytest.fixture
def castor(lab: Lab) -> LabHost:
    return LabHost(lab, "castor")


@pytest.fixture
def pollux(lab: Lab) -> LabHost:
    return LabHost(lab, "pollux")
