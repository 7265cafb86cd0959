# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the key of the twin can do: what our own code needs, and nothing else."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import SshHost
from ansible_collections.twin.datacenter.plugins.module_utils._machine import gate
from ansible_collections.twin.datacenter.plugins.module_utils._zfs import snapshot, stream

SSA = "tank/machines/ssa"


def test_names_are_those_of_other_files() -> None:
    assert gate.INCOMING == stream.INCOMING
    assert gate.HOLDS_PROPERTY == snapshot.HOLDS_PROPERTY
    assert tuple(gate.EXACT) == SshHost.EXACT


@pytest.mark.parametrize(
    "command",
    [
        "true",
        "zfs",
        "zfs get",
        "zfs version",
        "zpool get -H -o property,value all tank",
        f"zfs get -Hp -r -o name,property,value,source guid,creation {SSA}",
        "zfs get -Hp -o name,property,value,source guid tank/images/debian-13@base tank/machines",
        f"zfs holds -H {SSA}@twin-1 {SSA}/root@twin-1",
        f"zfs receive {SSA}/root",
        f"zfs receive -s -u -o readonly=on -o canmount=noauto {SSA}",
        f"zfs receive -A {SSA}",
        "zfs receive tank/.incoming/machines:ssa:root",
        f"zfs rename tank/.incoming/machines:ssa:root {SSA}/root",
        "zfs create -o mountpoint=none tank/.incoming",
        "zfs destroy -r tank/.incoming/machines:ssa",
        f"zfs destroy {SSA}/data@twin-1",
        f"zfs set readonly=on {SSA}",
        f"zfs set twin:holds=twin {SSA}@twin-1 {SSA}/root@twin-1",
        f"zfs inherit twin:holds {SSA}@twin-1",
        f"zfs inherit readonly {SSA}",
        f"zfs unmount {SSA}",
        f"zfs hold twin {SSA}@twin-1",
        f"zfs release twin {SSA}@twin-1",
        f"zfs rollback -r {SSA}@twin-1",
    ],
)
def test_let_through(command: str) -> None:
    gate.permit(shlex.split(command), "tank")
    gate.permit([*gate.EXACT, *shlex.split(command)], "tank")


@pytest.mark.parametrize(
    "command",
    [
        "",
        "sh",
        "sh -c id",
        shlex.join(gate.EXACT),
        shlex.join([*gate.EXACT[:3], "zfs", "get", "all", SSA]),
        shlex.join(["sh", "-c", f"id; {gate.EXACT[2]}", "sh", "true"]),
        "/bin/sh",
        "true x",
        "zfs send tank/machines/ssa@twin-1",
        f"zfs destroy {SSA}",
        f"zfs destroy -r {SSA}",
        f"zfs destroy -R {SSA}@twin-1",
        "zfs destroy -r tank/.incoming",
        "zfs destroy -r tank/.incoming/../machines",
        f"zfs destroy -r tank/.incoming/x {SSA}",
        "zfs destroy tank/secrets@x",
        f"zfs set twin:owner='pollux 9' {SSA}",
        f"zfs set readonly=on twin:owner=x {SSA}",
        f"zfs inherit twin:owner {SSA}",
        f"zfs set mountpoint=/etc {SSA}",
        f"zfs set exec=on {SSA}",
        "zfs set readonly=on tank",
        "zfs set readonly=on tank/machinesque",
        f"zfs receive -o mountpoint=/root {SSA}",
        f"zfs receive -F {SSA}",
        "zfs receive tank/other",
        "zfs receive other/machines/ssa",
        "zfs receive",
        "zfs set readonly=on",
        f"zfs create {SSA}/new",
        "zfs create -o mountpoint=/etc tank/.incoming",
        f"zfs rename {SSA} tank/stolen",
        f"zfs get -o name all {SSA} --help",
        "zfs get all other",
        f"zfs mount -o exec {SSA}",
        f"zfs mount -a {SSA}",
        "zfs allow everyone tank/machines",
        "zpool destroy tank",
        "zpool get all tank extra -f other",
        "zpool get all other",
        "twin peer",
    ],
)
def test_refused(command: str) -> None:
    for around in ([], gate.EXACT):
        with pytest.raises(Refused):
            gate.permit([*around, *shlex.split(command)], "tank")


NAMES = st.from_regex(r"[a-z.]{1,6}(/[a-z.-]{0,8}){0,3}(@[a-z]{1,3})?", fullmatch=True)


@given(st.sampled_from([name for name in gate.FORMS if name not in ("get", "list")]), NAMES)
def test_nothing_outside_machines_and_images_is_ever_changed(command: str, name: str) -> None:
    leading = {"set": ["readonly=on"], "inherit": ["readonly"], "hold": ["twin"], "release": ["twin"]}
    words = ["zfs", command, *leading.get(command, []), name]
    inside = name.startswith(("tank/machines/", "tank/images/", "tank/.incoming/"))
    try:
        gate.permit(words, "tank")
    except Refused:
        return
    assert inside or name.partition("@")[0] in ("tank/machines", "tank/images", "tank/.incoming")
