# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role witness promises: a third vote for whoever has a certificate of it, and for nobody else."""

from __future__ import annotations

import ssl

from testinfra.host import Host

UNIT = "corosync-qnetd"


def test_it_runs_and_starts_at_boot(host: Host) -> None:
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled


def test_it_wants_tls_and_a_certificate(host: Host) -> None:
    said = host.check_output("corosync-qnetd-tool -s")
    assert "*:5403" in said
    assert "Required (client certificate required)" in said


def test_its_certificates_are_for_the_daemon_alone(host: Host) -> None:
    key = host.file("/etc/corosync/qnetd/nssdb/key4.db")
    assert (key.user, key.group, key.mode) == ("root", "coroqnetd", 0o640)


def test_its_authority_is_there_for_clusters_to_take(host: Host) -> None:
    exported = host.file("/etc/corosync/qnetd/nssdb/qnetd-cacert.crt").content_string
    begin = exported.index("-----BEGIN CERTIFICATE-----")
    assert ssl.PEM_cert_to_DER_cert(exported[begin:])
