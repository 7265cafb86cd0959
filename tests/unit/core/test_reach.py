# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How another host is reached."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Unreachable
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import (
    LocalReader,
    Peer,
    SshHost,
    ssh_options,
)


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh on PATH which reaches 10.2.0.2 alone, and notes how it was called."""
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n'
        'case "$*" in *10.2.0.2*) exit 0;; esac\necho "connect to host: No route to host" >&2\nexit 255\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "called"


def test_the_first_address_that_answers_is_taken(ssh: Path) -> None:
    host = LocalReader().reach(
        Peer(("10.1.0.2", "10.2.0.2", "192.0.2.12"), user="twin", key="/k", known_hosts="/h")
    )
    assert isinstance(host, SshHost)
    assert host.address == "10.2.0.2"
    first, second = ssh.read_text().splitlines()
    assert "10.1.0.2" in first
    for option in (
        "-i /k",
        "IdentitiesOnly=yes",
        "UserKnownHostsFile=/h",
        "StrictHostKeyChecking=yes",
        "-l twin 10.2.0.2 -- ",
    ):
        assert option in second
    assert second.endswith(" true")


def test_a_peer_that_answers_nowhere_is_named_with_every_reason(ssh: Path) -> None:
    with pytest.raises(Unreachable) as unreachable:
        LocalReader().reach(Peer(("10.1.0.2", "192.0.2.12")))
    for address in ("10.1.0.2", "192.0.2.12"):
        assert f"{address}: connect to host: No route to host" in str(unreachable.value)


def test_a_connection_is_not_shared_between_keys() -> None:
    paths = {
        next((option for option in ssh_options(Peer(("a",), key=key)) if "ControlPath" in option), key)
        for key in ("/one", "/other")
    }
    assert len(paths) == 2
