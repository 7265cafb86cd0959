# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture in the README shows the pair of the lab's inventory."""

from __future__ import annotations

from tests.gates import picture


def test_the_picture_is_current() -> None:
    assert picture.PICTURE.read_text() == picture.current(), "run: python3 tests/gates/picture.py"


def test_a_machine_is_drawn_at_home_and_as_a_replica() -> None:
    twin = {
        "servers": ["a", "b"],
        "domain": "x",
        "bridge": "br0",
        "pool": "tank",
        "network": "192.0.2.0/24",
        "links": [],
    }
    drawn = picture.draw({**twin, "witness": "w"}, {"m&m": {"home": "b", "kind": "lxc"}})
    assert drawn.count("m&amp;m") == 2
    assert drawn.index("replica of m&amp;m") < drawn.index("m&amp;m (lxc)")
