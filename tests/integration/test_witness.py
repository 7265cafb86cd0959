# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules quorum_device and quorum_device_info against a real corosync-qnetd on the witness of the lab."""

from __future__ import annotations

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._cluster.host import STORE, read_witness
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.modules import packages, quorum_device, units
from tests.integration.conftest import LabHost
from tests.lab import Lab

UNIT = "corosync-qnetd.service"


@pytest.fixture
def witness(lab: Lab) -> LabHost:
    """A witness with the package, as it comes."""
    host = LabHost(lab, "witness")
    options = {"packages": ["corosync-qnetd"], "absent": [], "by_kernel": []}
    reconcile(packages.SUBJECT, options, host, host)
    converge(host, "qnetd database")
    return host


def converge(host: LabHost, *allow: str) -> list[str]:
    plan = reconcile(quorum_device.SUBJECT, {"allow_destroy": list(allow)}, host, host).plan
    run = {"units": [{"name": UNIT, "enabled": True, "active": True}]}
    reconcile(units.SUBJECT, run, host, host)
    return plan.sentences


def test_what_the_package_made_is_sound(witness: LabHost) -> None:
    assert converge(witness) == []
    told = read_witness(witness, {})
    assert told["running"] and told["database"] == "sound" and told["clusters"] == []
    assert told["address"].endswith(":5403")


def test_certificates_that_pvecm_made_are_opened_to_the_daemon(witness: LabHost) -> None:
    witness.change(["systemctl", "stop", UNIT])
    witness.change(["rm", "-rf", STORE])
    witness.change(["corosync-qnetd-certutil", "-i"])
    assert converge(witness) == ["let corosync-qnetd read the certificates of the witness"]
    assert converge(witness) == []
    assert read_witness(witness, {})["running"]


def test_certificates_that_are_gone_are_made(witness: LabHost) -> None:
    witness.change(["systemctl", "stop", UNIT])
    witness.change(["rm", "-rf", STORE])
    assert converge(witness) == ["make the certificates of the witness"]
    assert read_witness(witness, {})["running"]


def test_certificates_that_are_broken_are_only_made_anew_when_that_is_meant(witness: LabHost) -> None:
    witness.change(["dd", "if=/dev/zero", f"of={STORE}/cert9.db", "bs=1", "count=9"])
    with pytest.raises(Refused, match="every cluster must set up its QDevice again"):
        converge(witness)
    assert converge(witness, "qnetd database")
    assert converge(witness) == []
