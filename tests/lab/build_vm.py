# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of virtual servers, made once and cached: a disk with kernel and OpenZFS, and QEMU to run it.

Two root file systems are made at once: the server's and that of the tools. All their packages come from one
mirror within a minute; OpenZFS is compiled for exactly the kernel of the server.

A folder of the cache holds `tools`, `vmlinuz`, `root.img`, `packages` (all versions of what is in the two),
`key` (whom root of the servers lets in), per server `initrd` and host key, and `frozen`, which vm.py adds:
memory and disks after the first start.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import build
from .container import ssh_keygen
from .model import server, server_files

HERE = Path(__file__).parent
SERVER = (
    *build.SERVER,
    "busybox-static",
    "fdisk",
    "kmod",
    "linux-image-amd64",
    "lxc",
    "qemu-guest-agent",
    "udev",
    "zfsutils-linux",
)
TOOLS = (*build.TOOLS, "e2fsprogs", "qemu-system-x86", "qemu-utils")
EARLY_MODULES = ("virtio_blk", "ext4", "virtio_net", "virtio_console", "virtio_rng")
TWINS = ("castor", "pollux")
DISK_SIZE = "6G"
RECIPE = ("build_vm.py", "model.py", "vm.py", "finish.sh", "finish_vm.sh", "initrd.sh", "zfs.sh")
"""Another text in one of these files makes another image."""


def ready() -> Path:
    """The folder with the image: as cached, else built.

    Its name tells the recipe, and which versions of the kernel, of OpenZFS and of QEMU it has got: one of a
    recipe serves until the recipe changes. Prints what it does. Raises LabError when a build fails.
    """
    cache, name = build.cache_folder(), f"vm-{_key()}"
    with build.locked("vm"):
        for leftover in cache.glob("vm-*.part"):
            shutil.rmtree(leftover)
        for done in cache.glob(f"{name}-*"):
            return done
        print("building the image of virtual servers; once, about four minutes", flush=True)
        part = cache / f"{name}.part"
        part.mkdir()
        kernel, zfs, qemu = _build(part, build.ready() / "repository")
        done = cache / f"{name}-{kernel}-{zfs}-{qemu}"
        part.rename(done)
        _prune(cache, {done, cache / f"modules-{zfs}-{kernel}"})
        return done


def _key() -> str:
    """What the name of the image begins with: the build that it goes with, and the recipe."""
    recipe = b"".join((HERE / name).read_bytes() for name in RECIPE)
    return f"{build.SUITE}-{hashlib.sha256(build.key().encode() + recipe).hexdigest()[:12]}"


def _prune(cache: Path, keep: set[Path]) -> None:
    """Remove older images and modules, but for those from which some lab of this machine still runs."""
    mounts = build.mounts()
    for old in {*cache.glob("vm-*"), *cache.glob("modules-*")} - keep:
        if f"{old}/" not in mounts:
            shutil.rmtree(old)


def _build(out: Path, repository: Path) -> tuple[str, str, str]:
    """Returns the versions of kernel, OpenZFS and QEMU."""
    server, tools, packages = out / "server", out / "tools", out / "repo"
    # Hard links: it is not twice in the cache. At once, for another build may prune it meanwhile.
    build.do("cp", "-al", repository, packages)
    with ThreadPoolExecutor() as pool:
        made = [
            pool.submit(_make_server, server),
            pool.submit(build.bootstrap, tools, TOOLS),
        ]
        for each in made:
            each.result()
    (kernel,) = (path.name for path in (server / "lib/modules").iterdir())
    versions = kernel, _version(server, "zfsutils-linux"), _version(tools, "qemu-system-x86")
    (out / "packages").write_text("".join(f"# {root.name}\n{_packages(root)}" for root in (server, tools)))
    (out / "vmlinuz").write_bytes((server / f"boot/vmlinuz-{kernel}").read_bytes())
    early = _early_files(server, kernel)
    ssh_keygen(out / "key", "control")
    for name in TWINS:
        (out / name).mkdir()
        ssh_keygen(out / name / "ssh_host_ed25519_key", name)
        (out / name / "initrd").write_bytes(_cpio({**early, **_own_files(out, name)}))
    packages.rename(server / "srv/repo")
    disk = out / "root.img"
    build.do("truncate", "--size", DISK_SIZE, disk)
    build.do("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d", server, disk)
    shutil.rmtree(server)
    return versions


def _make_server(root: Path) -> None:
    hooks = [f"--customize-hook={HERE / name}" for name in ("zfs.sh", "finish.sh", "finish_vm.sh")]
    # Nobody wants the initrd that the kernel's package would make.
    environment = {"INITRD": "No", "CACHE": str(build.cache_folder())}
    build.bootstrap(root, SERVER, *hooks, environment=environment)


def _version(root: Path, package: str) -> str:
    """Without its epoch: overlayfs parts the names of folders at colons."""
    return _packages(root, package).split()[1].rpartition(":")[2]


def _packages(root: Path, *names: str) -> str:
    """Name and version of the packages of a root file system, a line each."""
    query = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", "-f", "${Package} ${Version}\n"]
    return subprocess.run([*query, *names], check=True, capture_output=True, text=True).stdout


def _early_files(root: Path, kernel: str) -> dict[str, bytes]:
    """What the first memory file system holds: BusyBox and the modules of the disk, in their order."""
    shown = (_chroot(root, "modprobe", "-S", kernel, "--show-depends", name) for name in EARLY_MODULES)
    paths = [line.split()[1] for text in shown for line in text.splitlines() if line.startswith("insmod")]
    modules = {Path(path).stem: (root / path.lstrip("/")).read_bytes() for path in paths}
    init = (HERE / "initrd.sh").read_bytes()
    return {
        "init": init.replace(b"#!/bin/sh", b"#!/bin/busybox sh", 1),
        "bin/busybox": (root / "bin/busybox").read_bytes(),
        **{f"modules/{name}": lzma.decompress(data) for name, data in modules.items()},
        "modules/order": "".join(f"{name}\n" for name in modules).encode(),
    }


def _own_files(out: Path, name: str) -> dict[str, bytes]:
    """What makes a disk that of one server, below `own`."""
    host = server(name)
    files = server_files(host, uuid.uuid4().hex, (out / "key.pub").read_text())
    for port in host.ports:
        files[f"etc/systemd/network/10-{port.name}.link"] = (
            f"[Match]\nMACAddress={port.mac}\n\n[Link]\nName={port.name}\n"
        )
    for path in (out / name).glob("ssh_host_*"):
        files[f"etc/ssh/{path.name}"] = path.read_text()
    return {f"own/{path}": text.encode() for path, text in files.items()}


def _cpio(files: Mapping[str, bytes]) -> bytes:
    """An archive in the `newc` format of cpio(5), which is what the kernel unpacks."""
    mount_points = {"dev", "proc", "sys", "root"}
    folders = {str(folder) for name in files for folder in Path(name).parents} - {"."} | mount_points
    entries = [(name, 0o040755, b"") for name in sorted(folders)]
    entries += [(name, 0o100000 | _mode(name), data) for name, data in files.items()]
    return b"".join(_entries([*entries, ("TRAILER!!!", 0, b"")]))


def _entries(entries: list[tuple[str, int, bytes]]) -> Iterator[bytes]:
    for number, (name, mode, data) in enumerate(entries, 1):
        numbers = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % each for each in numbers) + name.encode() + b"\0"
        yield head.ljust(len(head) + -len(head) % 4, b"\0") + data.ljust(len(data) + -len(data) % 4, b"\0")


def _mode(name: str) -> int:
    if name in ("init", "bin/busybox"):
        return 0o755
    return 0o600 if name.endswith("_key") or "/.ssh/" in name else 0o644


def _chroot(root: Path, *argv: str) -> str:
    done = subprocess.run(["chroot", root, *argv], check=True, capture_output=True, text=True)
    return done.stdout
