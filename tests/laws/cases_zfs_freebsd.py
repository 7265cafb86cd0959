# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of zfs_dataset on FreeBSD: those of every ZFS, and those about datasets of jails."""

from __future__ import annotations

from tests.doubles.freebsd.host import FreebsdHost

from .cases_zfs_dataset import USES, Use, exported
from .laws import Case

JAILS = [
    Use("a dataset for a jail", (), ({"name": "tank/a", "properties": {"jailed": True}},)),
    Use(
        "a dataset is taken back from a jail",
        ("create -o jailed=on tank/a",),
        ({"name": "tank/a", "properties": {"jailed": False, "mountpoint": "/a"}},),
    ),
    Use(
        "a dataset of a jail keeps its mountpoint",
        ("create -o mountpoint=/srv -o jailed=on tank/a",),
        ({"name": "tank/a", "properties": {"quota": "8M", "mountpoint": "/srv"}},),
    ),
]


def freebsd(release: str, *commands: str) -> FreebsdHost:
    """A server on which these argument lines of zfs(8) were run."""
    host = FreebsdHost(release=release)
    for line in commands:
        host.change(["zfs", *line.split(" ")])
    host.changes.clear()
    host.calls.clear()
    return host


CASES = [
    Case(
        "zfs_dataset",
        f"{use.name} FreeBSD {release}",
        (lambda use=use, release=release: freebsd(release, *use.system)),  # type: ignore[misc]
        use.params,
        exported,
        use.outside,
    )
    for release, uses in (("14.3", [*USES, *JAILS]), ("15.0", JAILS))
    for use in uses
    if "openzfs-2.3" in use.flavours
]
