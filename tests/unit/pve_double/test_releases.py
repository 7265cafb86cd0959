# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Proxmox VE as release 8.4, 9.1 and 9.2."""

from __future__ import annotations

import re

import pytest

from tests.doubles.pve import releases, schema
from tests.doubles.pve.api import Api
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.world import RELEASES, pair


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_says_which_it_is(release: str) -> None:
    api = Api(pair(release=release, clock=StillClock()))
    assert api.request("GET", "/version").data["release"] == release
    assert api.request("GET", "/version").data["version"] == RELEASES[release]


@pytest.mark.parametrize("absent", releases.ABSENT, ids=lambda absent: absent.source)
def test_every_difference_of_8_takes_something_away(absent: releases.Absent) -> None:
    newer = [each for each in schema.raw("9.1") if re.fullmatch(absent.paths, each)]
    assert newer
    if not absent.parameters:
        assert not set(newer) & schema.raw("8.4").keys()
    for name in absent.parameters:
        having = [
            (each, verb)
            for each in newer
            for verb, m in schema.raw("9.1")[each].items()
            if name in m["parameters"]
        ]
        assert having
        assert not any(name in schema.raw("8.4")[each][verb]["parameters"] for each, verb in having)


def test_privileges_are_those_of_the_release() -> None:
    old, new = (Api(pair(release=release, clock=StillClock())) for release in ("8.4", "9.2"))
    asked = {"roleid": "Monitors", "privs": "VM.Monitor"}
    assert [api.request("POST", "/access/roles", asked).status for api in (old, new)] == [200, 400]
    asked = {"roleid": "Readers", "privs": "VM.GuestAgent.FileRead"}
    assert [api.request("POST", "/access/roles", asked).status for api in (old, new)] == [400, 200]
    assert "VM.Monitor" in old.world.access.roles["Administrator"]
    assert "VM.Replicate" not in old.world.access.roles["PVEVMAdmin"]


def test_what_came_in_9_2_is_not_in_9_1() -> None:
    for release, status in (("9.1", 400), ("9.2", 200)):
        api = Api(pair(release=release, clock=StillClock()))
        api.request("POST", "/access/users/root@pam/token/deploy")
        assert api.request("PUT", "/access/users/root@pam/token/deploy", {"regenerate": 1}).status == status
