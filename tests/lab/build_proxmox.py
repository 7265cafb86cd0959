# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository as that of Proxmox VE, of packages of our own with its names, signed with a key of its own.

Most are empty; some bring the few programs by which a server becomes a node of the double (proxmox_files,
a folder for each). Names, and which package wants which, are those of the control files of Proxmox's
packages; versions are made up but for that of pve-manager. Made by dpkg-deb and gpg, cached as the lab's
other builds are.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from tests.doubles.pve.releases import OLDEST
from tests.doubles.pve.world import RELEASES as VERSIONS

from . import build

FILES = Path(__file__).with_name("proxmox_files")
"""What a package brings, in a folder of its name; DEBIAN has the scripts of its maintainer."""
RELEASES = tuple(VERSIONS)
COMPONENT = "pve-no-subscription"
KEYRING = "proxmox-release.gpg"
KERNELS = {OLDEST: ("6.8", "6.8.12-9", "6.8.12-10"), "9.1": ("6.17", "6.17.2-1", "6.17.2-2")}
KERNELS["9.2"] = ("6.17", "6.17.9-1", "6.17.13-1")
"""The series that proxmox-default-kernel means, and its two kernels: the newer is what it installs."""
COMMANDS = {
    "pve-cluster": ("usr/bin/pvecm",),
    "pve-container": ("usr/sbin/pct",),
    "pve-ha-manager": ("usr/sbin/ha-manager",),
    "pve-manager": ("usr/bin/pvesh", "usr/bin/pveversion"),
    "qemu-server": ("usr/sbin/qm",),
}
"""Which package brings a command, and where it lies."""
COMMAND = """#!/bin/sh
exec /usr/bin/python3 -IS /usr/lib/pve-double/client.py {name} "$@"
"""


@dataclass(frozen=True)
class Package:
    version: str = "1.0.0"
    depends: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    """More lines of its control file."""


def packages(release: str) -> dict[str, Package]:
    """Every package of the repository of a release, by name."""
    series, older, newer = KERNELS[release]
    empty = ("ifupdown2", "open-iscsi", "postfix", "pve-firewall", "pve-qemu-kvm")
    return {
        **dict.fromkeys(empty, Package()),
        "corosync": Package("3.1.9-pve2"),
        "corosync-qdevice": Package("3.0.3-1", ("corosync",)),
        "corosync-qnetd": Package("3.0.3-1", ("python3",)),
        "libpve-storage-perl": Package("9.0.18", ("zfsutils-linux",)),
        # The lab's ZFS is zfs-fuse.
        "zfsutils-linux": Package("2.4.0-pve1", ("zfs-fuse",)),
        "proxmox-archive-keyring": Package("4.0"),
        "pve-cluster": Package("9.0.7", ("corosync", "hostname", "openssl", "python3")),
        "pve-container": Package("6.0.18", ("busybox-static", "lxc", "pve-cluster")),
        "pve-ha-manager": Package("5.0.8", ("pve-cluster",)),
        "qemu-server": Package("9.1.4", ("pve-cluster",)),
        "pve-manager": Package(
            VERSIONS[release],
            (
                "libpve-storage-perl",
                "pve-cluster",
                "pve-container",
                "pve-firewall",
                "pve-ha-manager",
                "qemu-server",
            ),
        ),
        "proxmox-ve": Package(f"{release}.0", ("proxmox-default-kernel", "pve-manager", "pve-qemu-kvm")),
        "proxmox-kernel-helper": Package("9.0.4"),
        "proxmox-default-kernel": Package("2.0.1", (f"proxmox-kernel-{series}",)),
        f"proxmox-kernel-{series}": Package(
            newer,
            (f"proxmox-kernel-{newer}-pve-signed | proxmox-kernel-{newer}-pve", "proxmox-kernel-helper"),
        ),
        **{
            f"proxmox-kernel-{kernel}-pve-signed": Package(
                kernel, fields=(f"Provides: linux-image, proxmox-kernel-{kernel}-pve",)
            )
            for kernel in (older, newer)
        },
    }


def ready(release: str) -> Path:
    """The repository of a release, as cached, else built: `dists`, `pool`, and the public key beside them."""
    done = build.cache_folder() / f"proxmox-{release}-{_key()}"
    with build.locked("proxmox"):
        for leftover in build.cache_folder().glob("proxmox-*.part"):
            shutil.rmtree(leftover)
        if not done.is_dir():
            part = done.with_suffix(f"{done.suffix}.part")
            _build(part, release)
            part.rename(done)
            _prune(release, done)
    return done


def suite(release: str) -> str:
    """The suite of Debian that a release stands on."""
    return "bookworm" if release == OLDEST else "trixie"


def _key() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes() + repr(VERSIONS).encode())
    for path in sorted(path for path in FILES.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(FILES)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _prune(release: str, keep: Path) -> None:
    """Remove older ones, but for those on which some lab of this machine stands, or is about to."""
    mounts, an_hour_ago = build.mounts(), time.time() - 3600
    for old in {*build.cache_folder().glob(f"proxmox-{release}-*")} - {keep}:
        if old.name not in mounts and old.stat().st_mtime < an_hour_ago:
            shutil.rmtree(old)


def _build(out: Path, release: str) -> None:
    pool = out / "pool"
    pool.mkdir(parents=True)
    for name, package in packages(release).items():
        _make_package(pool, name, package)
    _index(out, suite(release))


def _make_package(pool: Path, name: str, package: Package) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        root.mkdir()
        if (FILES / name).is_dir():
            shutil.copytree(FILES / name, root, dirs_exist_ok=True)
        for command in COMMANDS.get(name, ()):
            _write(root / command, COMMAND.format(name=Path(command).name), 0o755)
        if name == "corosync-qdevice":
            for tool in (name, "corosync-qdevice-net-certutil"):
                _write(root / "usr/sbin" / tool, "#!/bin/sh\n", 0o755)
        if name.startswith("proxmox-kernel-") and name.endswith("-signed"):
            kernel = name.removeprefix("proxmox-kernel-").removesuffix("-signed")
            _write(root / f"boot/vmlinuz-{kernel}", "")
            _write(root / f"usr/lib/modules/{kernel}/modules.builtin", "")
        lines = [f"Package: {name}", f"Version: {package.version}", "Architecture: all"]
        lines += ["Maintainer: twin.datacenter contributors <nobody@example.org>", *package.fields]
        lines += [f"Depends: {', '.join(package.depends)}"] if package.depends else []
        _write(root / "DEBIAN/control", "\n".join([*lines, "Description: a stand-in of the lab", ""]))
        root.chmod(0o755)
        words: list[str | Path] = [
            "dpkg-deb",
            "--root-owner-group",
            "-Zgzip",
            "--build",
            root,
            pool / f"{name}_{package.version}_all.deb",
        ]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _index(out: Path, codename: str) -> None:
    """Write what apt wants of a repository, signed."""
    folder = out / "dists" / codename / COMPONENT / "binary-amd64"
    folder.mkdir(parents=True)
    text = "\n".join(_stanza(out, deb) for deb in sorted((out / "pool").iterdir())).encode()
    (folder / "Packages").write_bytes(text)
    (folder / "Packages.gz").write_bytes(gzip.compress(text, mtime=0))
    about: dict[str, str] = {"Origin": "Proxmox", "Label": "Proxmox Debian Repository", "Suite": codename}
    about |= {"Codename": codename, "Architectures": "amd64", "Components": COMPONENT}
    about |= {"Date": formatdate(usegmt=True), "SHA256": _sums(out / "dists" / codename, folder.iterdir())}
    release = out / "dists" / codename / "Release"
    release.write_text("".join(f"{name}: {value}\n" for name, value in about.items()))
    _sign(release, out / KEYRING)


def _stanza(out: Path, deb: Path) -> str:
    field = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True).stdout
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{field}Filename: {deb.relative_to(out)}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"


def _sums(root: Path, paths: Iterable[Path]) -> str:
    files = sorted(paths)
    rows = [
        f" {hashlib.sha256(p.read_bytes()).hexdigest()} {p.stat().st_size} {p.relative_to(root)}"
        for p in files
    ]
    return "\n" + "\n".join(rows)


def _sign(release: Path, keyring: Path) -> None:
    """Sign with a key that nobody keeps; its public half is the key of this repository."""
    with tempfile.TemporaryDirectory() as home:
        settings: Mapping[str, str] = {**os.environ, "GNUPGHOME": home}
        gpg = ["gpg", "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
        for words in (
            [
                "--quick-generate-key",
                "The lab's stand-in of Proxmox <nobody@example.org>",
                "ed25519",
                "sign",
                "0",
            ],
            ["--digest-algo", "SHA512", "--clearsign", "--output", release.with_name("InRelease"), release],
            ["--output", keyring, "--export"],
        ):
            subprocess.run([*gpg, *words], check=True, env=settings, stdin=subprocess.DEVNULL)
        subprocess.run(["gpgconf", "--kill", "all"], check=False, env=settings)
