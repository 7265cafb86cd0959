# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first replica of a machine; what it does on servers is shown by its law cases."""

from __future__ import annotations

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._machine.replica import (
    Wanted,
    parse_machines,
    plan_replicas,
    read_replicas,
)
from tests.doubles.memory import MemoryHost

NEW = (Wanted("ssa", True), Wanted("tap", False))


def test_a_machine_is_listed_once_and_by_its_name() -> None:
    with pytest.raises(Refused, match="machines ssa: listed more than once"):
        parse_machines([{"name": "ssa"}, {"name": "ssa"}])
    with pytest.raises(Refused, match="name of a machine"):
        parse_machines([{"name": "no such name"}])


def test_a_machine_about_to_be_made_is_announced() -> None:
    host = MemoryHost()
    announced = plan_replicas(read_replicas(host.reader(), NEW), NEW)
    assert announced.sentences == ["make the first replica of machine ssa on the other server"]


def test_a_machine_that_is_not_there_once_all_is_made_is_the_twins() -> None:
    assert read_replicas(MemoryHost(), NEW) == {}
