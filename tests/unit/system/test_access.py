# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and rights of administrators as files."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._system.access import access_files
from ansible_collections.twin.datacenter.plugins.module_utils._system.files import parse_files


def key(kind: str = "ssh-ed25519", inside: str | None = None) -> str:
    name = (inside or kind).encode()
    blob = len(name).to_bytes(4, "big") + name + b"\0\0\0\x20" + bytes(32)
    return f"{kind} {base64.b64encode(blob).decode()} somebody@example.org"


def by_path(*admins: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["path"]: item for item in access_files(admins)}


def test_what_it_makes_is_what_module_files_takes() -> None:
    items = access_files(
        [{"name": "alice", "keys": [key()], "sudo": True}, {"name": "bob", "state": "absent"}]
    )
    assert len(parse_files(items)) == 5


def test_each_account_has_its_keys_and_only_those_who_may_become_root() -> None:
    files = by_path({"name": "alice", "keys": [key()], "sudo": True}, {"name": "bob", "keys": []})
    assert key() in files["/etc/ssh/authorized_keys.d/alice"]["content"]
    assert "Match User alice,bob\n" in files["/etc/ssh/sshd_config.d/20-twin-admins.conf"]["content"]
    rights = files["/etc/sudoers.d/twin-admins"]
    assert "alice ALL=" in rights["content"] and "bob" not in rights["content"]
    assert rights["mode"] == "0440"


def test_an_account_that_goes_loses_key_and_rights() -> None:
    files = by_path({"name": "alice", "keys": [key()], "sudo": True, "state": "absent"})
    assert files["/etc/ssh/authorized_keys.d/alice"]["state"] == "absent"
    assert "alice" not in files["/etc/sudoers.d/twin-admins"]["content"]
    assert "Match" not in files["/etc/ssh/sshd_config.d/20-twin-admins.conf"]["content"]


@pytest.mark.parametrize(
    ("admin", "words"),
    [
        ({"name": "Alice"}, "no name of an account"),
        ({"name": "a,!b"}, "no name of an account"),
        ({"name": "root"}, "root is none"),
        ({"name": "a", "keys": ["ssh-ed25519 AAAA"]}, "key 1 of a is no public key"),
        ({"name": "a", "keys": [key(inside="ssh-rsa")]}, "no public key"),
        ({"name": "a", "keys": [key() + "\n" + key()]}, "no public key"),
        ({"name": "a", "keys": ['command="x" ' + key()]}, "no public key"),
        ({"name": "a", "keys": ["ssh-ed25519 !!!"]}, "no public key"),
    ],
)
def test_bad_input_is_refused(admin: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        access_files([admin])


def test_a_private_key_in_the_wrong_place_is_not_shown() -> None:
    with pytest.raises(Refused) as refusal:
        access_files([{"name": "a", "keys": ["-----BEGIN OPENSSH PRIVATE KEY-----\ncanary"]}])
    assert "canary" not in str(refusal.value)


def test_an_account_listed_twice_is_refused() -> None:
    with pytest.raises(Refused, match="alice stands there twice"):
        access_files([{"name": "alice"}, {"name": "alice"}])


def test_names_of_freebsd() -> None:
    items = access_files([{"name": "alice", "keys": [key()], "sudo": True}], "freebsd")
    files = {item["path"]: item for item in items}
    assert {item["group"] for item in items if "group" in item} == {"wheel"}
    assert files["/etc/ssh/sshd_config.d/20-twin-admins.conf"]["reload"] == ["sshd"]
    rights = files["/usr/local/etc/sudoers.d/twin-admins"]
    assert rights["validate"][0] == "/usr/local/sbin/visudo" and "alice ALL=" in rights["content"]


def test_another_platform_is_refused() -> None:
    with pytest.raises(
        Refused, match="platform plan9: its accounts are not known here; use debian or freebsd or proxmox"
    ):
        access_files([], "plan9")
