# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a server of the lab behave as FreeBSD: one more layer over its file system, cached.

The programs are those of tests/doubles/freebsd, on their second ground. What Debian has and FreeBSD has not
is out of sight, below /usr/lib/linux, together with the programs of Debian that the double itself wants.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import time
from pathlib import Path

from . import build
from .model import Server

CHECKOUT = Path(__file__).parents[2]
FILES = Path(__file__).with_name("freebsd_files")
"""Files of a FreeBSD server, with their paths."""
SOURCES = (
    "tests/__init__.py",
    "tests/doubles/__init__.py",
    "tests/doubles/freebsd",
    "tests/doubles/memory.py",
    "tests/doubles/zfs.py",
    "tests/doubles/zfs_streams.py",
)
MODULE_UTILS = "plugins/module_utils"
PACKAGES = ("busybox-static", "libaio1t64", "libfuse2t64", "sudo", "xz-utils", "zfs-fuse")
HIDDEN = (
    "addgroup", "adduser", "apt", "apt-cache", "apt-config", "apt-get", "apt-mark", "blkid", "bridge",
    "chage", "delgroup", "deluser", "dpkg", "dpkg-deb", "dpkg-query", "free", "groupadd", "groupdel",
    "groupmod", "ip", "ip6tables", "iptables", "journalctl", "loginctl", "lsblk", "lsns", "networkctl",
    "nft", "nsenter", "runuser", "sha256sum", "ss", "systemctl", "systemd-run", "tc", "unshare",
    "useradd", "userdel", "usermod",
)  # fmt: skip
"""Programs that FreeBSD has not; whoever calls one there makes a mistake."""
PYTHON = "python3.11"
"""What FreeBSD's packages call the interpreter for managed code, in /usr/local/bin."""
RELEASES = ("14.3", "15.0")
DISTRIBUTIONS = "usr/freebsd-dist"
"""Folder of the files of each release, as on its installer."""
WANTED = "etc/systemd/system/multi-user.target.wants"
IDLE = (
    "dbus.service", "dbus.socket", "dev-hugepages.mount", "dev-mqueue.mount", "modprobe@configfs.service",
    "modprobe@drm.service", "modprobe@fuse.service", "sys-fs-fuse-connections.mount",
    "systemd-journal-flush.service", "systemd-logind.service", "systemd-network-generator.service",
    "systemd-networkd.service", "systemd-networkd.socket", "systemd-remount-fs.service",
    "systemd-sysctl.service", "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
)  # fmt: skip
"""Units of Debian that do nothing for a FreeBSD server, and would take half of the time of its start."""
LINKS = {
    f"{WANTED}/freebsd-cron.service": "../freebsd-cron.service",
    f"{WANTED}/freebsd-office.service": "../freebsd-office.service",
    f"{WANTED}/freebsd-rc.service": "../freebsd-rc.service",
    f"{WANTED}/zfs-fuse.service": "/usr/lib/systemd/system/zfs-fuse.service",
    "usr/lib/freebsd/cron": "program",
    "usr/lib/freebsd/rc": "program",
    "usr/lib/freebsd/zfs": "program",
    f"usr/local/bin/{PYTHON}": "/usr/bin/python3",
    "usr/sbin/zpool": "../lib/linux/zpool",
}
"""Links of a FreeBSD server: its network is that of rc.conf(5)."""
INTERPRETERS = {
    # A locale that is not there is no matter here.
    "program": "/usr/bin/env -S PERL_BADLANG=0 /usr/bin/perl",
    "alone": "/usr/bin/python3 -IS",
}
"""What runs the two files by which every program of the double is started, for their first line: ansible-test
lets no such line stand in the checkout."""


def ready(root: Path) -> Path:
    """The layer, as cached, else built over the file systems of a build of the lab. Raises LabError."""
    done = build.cache_folder() / f"freebsd-{_key(root)}"
    with build.locked("freebsd"):
        for leftover in build.cache_folder().glob("freebsd-*.part"):
            shutil.rmtree(leftover)
        if not done.is_dir():
            part = done.with_suffix(".part")
            _build(root, part)
            part.rename(done)
            _prune(done)
    return done


def _sources() -> list[Path]:
    folders = [*(CHECKOUT / name for name in (*SOURCES, MODULE_UTILS)), FILES, Path(__file__)]
    found = [path for folder in folders for path in ([folder] if folder.is_file() else folder.rglob("*"))]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _key(root: Path) -> str:
    digest = hashlib.sha256(root.name.encode())
    for path in _sources():
        digest.update(str(path.relative_to(CHECKOUT)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _prune(keep: Path) -> None:
    """Remove older layers, but for those on which some lab of this machine stands, or is about to."""
    mounts, an_hour_ago = build.mounts(), time.time() - 3600
    for old in {*build.cache_folder().glob("freebsd-*")} - {keep}:
        if str(old) not in mounts and old.stat().st_mtime < an_hour_ago:
            shutil.rmtree(old)


def _build(root: Path, out: Path) -> None:
    server = root / "server"
    out.mkdir()
    for package in PACKAGES:
        (deb,) = (root / "repository").glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, out / "debian"], check=True)
    for folder in ("bin", "lib/systemd", "lib/x86_64-linux-gnu", "libexec", "sbin"):
        _install(out / "debian" / "usr" / folder, out / "usr" / folder)
    for folder in ("pam.d", "sudoers.d", "zfs"):
        _install(out / "debian/etc" / folder, out / "etc" / folder)
    shutil.copy2(out / "debian/etc/sudoers", out / "etc")
    linux = out / "usr/lib/linux"
    linux.mkdir(parents=True)
    shutil.move(out / "usr/bin/busybox", linux)
    for name in ("bin/sudo", "sbin/visudo", "sbin/zfs", "sbin/zpool"):
        shutil.move(out / "usr" / name, linux)
    shutil.rmtree(out / "debian")
    for name in HIDDEN:
        _hide(server, out, name)
    _silence(server, out / "etc/systemd")
    # Else each login would run uname for its greeting.
    _white_out(out / "etc/update-motd.d")
    shutil.copytree(FILES, out, dirs_exist_ok=True, symlinks=True)
    passwd = (server / "etc/passwd").read_text().replace(":/root:/bin/bash", ":/root:/bin/sh")
    (out / "etc/passwd").write_text(passwd)
    group = (server / "etc/group").read_text().replace("root:x:0:", "wheel:x:0:root")
    (out / "etc/group").write_text(group)
    _install_code(out / "usr/lib/freebsd")
    _install_programs(out)
    _compile(server, out / "usr/lib/freebsd")
    for release in RELEASES:
        _make_distribution(out, release)


def _install(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def _hide(server: Path, out: Path, name: str) -> None:
    """Move a program of Debian out of sight."""
    for folder in ("usr/bin", "usr/sbin"):
        program = server / folder / name
        if os.path.lexists(program):
            if not program.is_symlink():
                shutil.copy2(program, out / "usr/lib/linux")
            _white_out(out / folder / name)


def _silence(server: Path, settings: Path) -> None:
    """Mask what systemd would do for nothing."""
    generators = [path.name for path in (server / "usr/lib/systemd/system-generators").iterdir()]
    for folder, names in (("system", IDLE), ("system-generators", generators)):
        (settings / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (settings / folder / name).symlink_to("/dev/null")


def _white_out(path: Path) -> None:
    """A device 0:0 in a layer hides what is below (overlayfs)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR)


def _install_code(target: Path) -> None:
    collection = "ansible_collections/twin/datacenter"
    for name in (*SOURCES, MODULE_UTILS):
        source = CHECKOUT / name
        into = target / (collection if name == MODULE_UTILS else "") / name
        into.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, into, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, into)


def _compile(server: Path, code: Path) -> None:
    """Compile the code for the interpreter of the servers, whose root is mounted for nobody else to see."""
    compileall = "python3 -m compileall -q -s /srv -p /usr/lib/freebsd /srv"
    script = f'mount --bind "$1" "$2/srv" && exec chroot "$2" {compileall}'
    build.do("unshare", "--mount", "sh", "-c", script, "sh", code, server)


def _install_programs(out: Path) -> None:
    """The two files that start programs, and a link per program; `names` tells them, by folder."""
    for name, interpreter in INTERPRETERS.items():
        start = out / "usr/lib/freebsd" / name
        start.write_text(f"#!{interpreter}\n{start.read_text()}")
        start.chmod(0o755)
    names = subprocess.run(
        ["python3", "-c", "from tests.doubles.freebsd.__main__ import install; install()"],
        check=True, capture_output=True, text=True, cwd=out / "usr/lib/freebsd",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(out / "usr/lib/freebsd")},
    ).stdout.split()  # fmt: skip
    for name, target in {**LINKS, **{f"usr/{name}": "../lib/freebsd/program" for name in names}}.items():
        link = out / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _make_distribution(out: Path, release: str) -> None:
    """What images of a release are made of: base.txz, of BusyBox, and MANIFEST. Equal builds are equal."""
    folder = out / DISTRIBUTIONS / release
    root = folder / "root"
    root.mkdir(parents=True)
    subprocess.run(
        [FILES / "usr/lib/freebsd/make-base", root, release, out / "usr/lib/linux/busybox"], check=True
    )
    with tarfile.open(folder / "base.txz", "w:xz") as tar:
        tar.add(root, ".", filter=_timeless)
        count = len(tar.getnames())
    checksum = hashlib.sha256((folder / "base.txz").read_bytes()).hexdigest()
    (folder / "MANIFEST").write_text(f'base.txz\t{checksum}\t{count}\tbase\t"Base system (MANDATORY)"\ton\n')
    shutil.rmtree(root)


def _timeless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = 0
    return entry


def own_files(server: Server, release: str) -> dict[str, str]:
    """What the installer of FreeBSD writes on a server: its names and its network."""
    lines = [f'hostname="{server.name}"', 'zfs_enable="YES"', 'sshd_enable="YES"']
    lines += ['cloned_interfaces="bridge0"', 'ifconfig_bridge0_name="br0"', 'ifconfig_eth0="up"']
    lines += [f'ifconfig_br0="inet {server.ports[0].address} addm eth0 up"', 'defaultrouter="192.0.2.1"']
    lines += [f'ifconfig_{port.name}="inet {port.address}"' for port in server.ports[1:]]
    packaged = {
        "usr/share/keys/pkgbase-15/trusted/awskms-15": 'function: "sha256"\n',
        "var/db/pkg/repos/FreeBSD-base/db": "FreeBSD-set-minimal-jail 15.0p1\n",
    }
    return {
        **(packaged if release == "15.0" else {}),
        "etc/rc.conf": "".join(f"{line}\n" for line in lines),
        "etc/freebsd-double-release": f"{release}\n",
        "boot/loader.conf": 'zfs_load="YES"\nkern.racct.enable=1\n',
        # With the interpreter of Ansible, which people install first.
        "usr/local/sbin/pkg": "",
        "var/db/pkg/local.sqlite": "pkg 2.2.1\npython311 3.11.13\n",
        "var/db/pkg/repos/FreeBSD/db": "pkg 2.2.1\npython311 3.11.13\nsudo 1.9.16p2\n",
    }
