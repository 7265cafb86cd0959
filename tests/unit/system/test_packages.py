# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages: what dpkg says on Debian 12 and 13, and what is installed by it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._system.packages import parse_versions
from ansible_collections.twin.datacenter.plugins.modules.packages import SUBJECT
from tests.doubles.system import server

ZFS = [{"module": "zfs", "present": ["zfsutils-linux"], "absent": ["zfs-fuse"]}]
# dpkg-query of the two releases; the fields are the same.
BOOKWORM = "ii \tchrony\t4.3-2+deb12u3\nii \tlxc\t1:5.0.2-1+deb12u4\n"
TRIXIE = "ii \tchrony\t4.6.1-3+deb13u2\nii \tlxc\t1:6.0.4-4+deb13u4\n"


@pytest.mark.parametrize("answer", [BOOKWORM, TRIXIE])
def test_versions_of_both_releases(answer: str) -> None:
    assert sorted(parse_versions(answer)) == ["chrony", "lxc"]


def test_removed_half_installed_and_unpacked_packages_are_not_installed() -> None:
    assert parse_versions("rc \ta\t1\niU \tb\t1\niF \tc\t1\nhi \td\t1\nun \te\t\n") == {"d": "1"}


@pytest.mark.parametrize(("modules", "expected"), [([], "zfs-fuse"), (["zfs"], "zfsutils-linux")])
def test_zfs_by_what_the_kernel_has(modules: list[str], expected: str) -> None:
    host = server(modules=modules)
    plan = reconcile(SUBJECT, {"packages": ["lxc"], "by_kernel": ZFS}, host, host).plan
    assert plan.sentences == [f"install lxc, {expected}"]


def test_a_module_that_is_loaded_or_built_in_needs_no_modinfo() -> None:
    host = server(files={"/sys/module/zfs/version": "2.3"})
    plan = reconcile(SUBJECT, {"packages": [], "by_kernel": ZFS}, host.reader()).plan
    assert plan.sentences == ["install zfsutils-linux"]


def test_an_unknown_package_says_what_apt_said() -> None:
    host = server()
    with pytest.raises(TwinError, match="Unable to locate package nosuch"):
        reconcile(SUBJECT, {"packages": ["nosuch"]}, host, host)


@pytest.mark.parametrize("name", ["-y", "a b", "--purge", "x"])
def test_what_cannot_be_a_package_is_refused(name: str) -> None:
    params: dict[str, Any] = {"packages": [name]}
    with pytest.raises(Refused, match="no package can have such a name"):
        reconcile(SUBJECT, params, server().reader())
