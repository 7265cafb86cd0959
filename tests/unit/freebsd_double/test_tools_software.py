# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that pkg(8), fetch(1), tar(1) and sha256(1) print, and what they change."""

from __future__ import annotations

import pytest

from tests.doubles.freebsd.fetch import archive, digest, manifest
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.pkg import LOCAL, PROGRAM, REMOTE

from .transcript import check

SITE = "https://download.freebsd.org/releases/amd64/amd64/14.3-RELEASE"
BASE = archive({"./bin/sh": "a shell\n", "./etc/rc": "#!/bin/sh\n", "./bin/freebsd-version": "14.3\n"})
STUB = """! The package management tool is not yet installed on your system.
! Please set ASSUME_ALWAYS_YES=yes environment variable to be able to bootstrap in non-interactive \
(stdin not being a tty)
[1]"""
YES = {"ASSUME_ALWAYS_YES": "yes"}


def server(pkg: str = "", **installed: str) -> FreebsdHost:
    """A server with a jail.

    :param pkg: version of pkg; without it only the stub is there.
    :param installed: versions of packages.
    """
    host = FreebsdHost(folders=["/jails/web"])
    host.kernel.create({"name": "web", "path": "/jails/web", "persist": True})
    host.files[REMOTE.format("FreeBSD")] = "nginx 1.28.0\npkg 2.4.2\npython311 3.11.13\n"
    if pkg:
        host.files[PROGRAM] = ""
        versions = {**installed, "pkg": pkg}
        host.files[LOCAL] = "".join(f"{name} {version}\n" for name, version in sorted(versions.items()))
    return host


def test_the_stub_asks_nobody() -> None:
    check(
        server(),
        f"""
$ pkg -N
! pkg: pkg is not installed
[1]
$ pkg install nginx
{STUB}
$ pkg info -e nginx
{STUB}
$ pkg bootstrap -y
Bootstrapping pkg from pkg+https://pkg.FreeBSD.org/FreeBSD:14:amd64/quarterly, please wait...
Installing pkg-2.4.2...
Extracting pkg-2.4.2: .......... done
$ pkg -N
! pkg: 1 packages installed
$ pkg bootstrap -y
pkg already bootstrapped at /usr/local/sbin/pkg
""",
    )


def test_the_stub_with_a_yes_in_the_environment_installs_itself_first() -> None:
    host = server()
    output = host.world.call(["pkg", "install", "-y", "nginx"], env=YES)
    assert output.out.startswith(
        "Bootstrapping pkg from pkg+https://pkg.FreeBSD.org/FreeBSD:14:amd64/quarterly, "
    )
    assert host.files[LOCAL] == "nginx 1.28.0\npkg 2.4.2\n"


def test_a_stub_that_cannot_reach_anything() -> None:
    host = server()
    del host.files[REMOTE.format("FreeBSD")]
    output = host.world.call(["pkg", "bootstrap"], env=YES)
    assert output.rc == 1 and "No address record" in output.err and PROGRAM not in host.files


def test_packages() -> None:
    check(
        server("2.4.2", python311="3.11.13"),
        """
        $ pkg -N
        ! pkg: 2 packages installed
        $ pkg info -e python311
        $ pkg info -e nginx
        [1]
        $ pkg query %n-%v
        pkg-2.4.2
        python311-3.11.13
        $ pkg query %v nginx
        [1]
        $ pkg install -y nginx
        The following 1 package(s) will be affected (of 0 checked):

        New packages to be INSTALLED:
        \tnginx: 1.28.0

        $ pkg install -y nginx
        Checking integrity... done (0 conflicting)
        The most recent versions of packages are already installed
        $ pkg install -y nothing
        ! pkg: No packages available to install matching 'nothing' have been found in the repositories
        [1]
        $ pkg info -q
        nginx-1.28.0
        pkg-2.4.2
        python311-3.11.13
        $ pkg delete -y nginx
        The following 1 package(s) will be affected (of 0 checked):

        Installed packages to be REMOVED:
        \tnginx: 1.28.0

        $ pkg delete -y nginx
        No packages matched for pattern 'nginx'

        Checking integrity... done (0 conflicting)
        ! 1 packages requested for removal: 0 locked, 1 missing
        [1]
        $ pkg update
        Updating FreeBSD repository catalogue...
        FreeBSD repository is up to date.
        All repositories are up to date.
        $ pkg nonsense
        ! pkg: unknown command: nonsense
        !
        ! For more information on available commands and options see 'pkg help'.
        [1]
        """,
    )


@pytest.mark.parametrize(("pkg", "rc"), [("2.4.2", 0), ("2.3.1", 1), ("1.21.3", 1)])
def test_the_lie_of_a_dry_upgrade(pkg: str, rc: int) -> None:
    host = server(pkg, nginx="1.26.0")
    output = host.world.call(["pkg", "upgrade", "-n"])
    assert "\tnginx: 1.26.0 -> 1.28.0\n" in output.out
    assert (output.rc, "nginx 1.26.0" in host.files[LOCAL]) == (rc, True)


def test_nothing_to_upgrade() -> None:
    check(
        server("2.4.2", nginx="1.28.0"),
        """
        $ pkg upgrade -n
        Checking for upgrades (0 candidates): .......... done
        Your packages are up to date.
        """,
    )


def test_nobody_agrees() -> None:
    host = server("2.4.2")
    output = host.world.call(["pkg", "install", "nginx"])
    assert output.rc == 1 and output.out.endswith("Proceed with this action? [y/N]: ")
    assert "nginx" not in host.files[LOCAL]


def test_packages_of_a_jail_are_managed_from_outside() -> None:
    host = server("2.4.2")
    check(host, "$ pkg -j web info -e nginx\n[1]")
    assert host.world.call(["pkg", "-j", "web", "install", "-y", "nginx"]).rc == 0
    assert host.files[f"/jails/web{LOCAL}"] == "nginx 1.28.0\n"
    check(host, "$ pkg -j ghost info\n! pkg: jail_attach(ghost): Invalid argument\n[1]")


# -- what a base system is made of


def test_a_base_system_is_fetched_checked_and_unpacked() -> None:
    host = FreebsdHost({f"{SITE}/base.txz": BASE, f"{SITE}/MANIFEST": manifest({"base.txz": BASE})})
    host.tree.make_folder("/tank/image")
    check(
        host,
        f"""
        $ fetch -q -o /tmp {SITE}/MANIFEST
        $ cat /tmp/MANIFEST
        base.txz	{digest(BASE)}	3	base	"Base system (MANDATORY)"	on
        $ fetch -q -o /tmp/base.txz {SITE}/base.txz
        $ sha256 -q /tmp/base.txz
        {digest(BASE)}
        $ sha256 /tmp/base.txz
        SHA256 (/tmp/base.txz) = {digest(BASE)}
        $ tar -tf /tmp/base.txz
        ./bin/sh
        ./etc/rc
        ./bin/freebsd-version
        $ tar -xpf /tmp/base.txz -C /tank/image --unlink
        $ cat /tank/image/bin/sh
        a shell
        """,
    )


def test_what_fetch_and_tar_refuse() -> None:
    host = FreebsdHost({"/tmp/text": "no archive\n"})
    check(
        host,
        f"""
        $ fetch -o /tmp/x {SITE}/none.txz
        ! fetch: {SITE}/none.txz: Not Found
        [1]
        $ tar -xf /tmp/none.txz -C /tmp
        ! tar: Error opening archive: Failed to open '/tmp/none.txz'
        [1]
        $ tar -xf /tmp/text -C /tmp
        ! tar: Error opening archive: Unrecognized archive format
        [1]
        $ sha256 -q /tmp/none
        ! sha256: /tmp/none: No such file or directory
        [1]
        $ sha256 -q -c 0000 /tmp/text
        {digest("no archive" + chr(10))}
        [2]
        """,
    )


def test_an_archive_without_its_end_is_unpacked_as_far_as_it_goes() -> None:
    host = FreebsdHost({"/tmp/base.txz": archive({"bin/sh": "a shell\n"}, broken=True)}, folders=["/image"])
    check(
        host,
        """
        $ tar xf /tmp/base.txz -C /nowhere
        ! tar: could not chdir to '/nowhere'
        [1]
        $ tar xf /tmp/base.txz -C /image
        ! tar: Truncated input file
        ! tar: Error exit delayed from previous errors.
        [1]
        $ cat /image/bin/sh
        a shell
        """,
    )
