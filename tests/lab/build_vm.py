# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of virtual servers, made once and cached: a disk with kernel and OpenZFS, and QEMU to run it.

Three root file systems are made at once: the server's, that of the tools, and one to compile in. All
packages come from one suite within minutes, so their versions fit each other; Debian's zfs-dkms is compiled
for exactly the kernel of the server. Its modules are kept under both versions, for they take minutes.

A folder of the cache holds `tools`, `vmlinuz`, `root.img`, `key` (whom root of the servers lets in), per
server `initrd` and host key, and `frozen-…`, which vm.py adds: memory and disks after the first start.
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
from .model import LabError, server, server_files

HERE = Path(__file__).parent
SERVER = (*build.SERVER, "busybox-static", "fdisk", "kmod", "linux-image-amd64", "qemu-guest-agent", "udev")
TOOLS = (*build.TOOLS, "e2fsprogs", "qemu-system-x86", "qemu-utils")
COMPILER = ("gcc", "libc6-dev", "linux-headers-amd64", "make")
EARLY_MODULES = ("virtio_blk", "ext4", "virtio_net", "virtio_console", "virtio_rng")
ZFS_MODULES = ("spl.ko", "zfs.ko")
TWINS = ("castor", "pollux")
DISK_SIZE = "6G"
RECIPE = ("build_vm.py", "model.py", "finish.sh", "finish_vm.sh", "initrd.sh")
"""Another text in one of these files makes another image."""

# No debug information, which nobody reads here and which doubles the time: without `vmlinux` none is wanted.
_COMPILE = """
set -e
cd /usr/src/zfs-*
rm -f /usr/src/linux-headers-*/vmlinux
export KCFLAGS=-g0
./configure --quiet --disable-dependency-tracking --with-config=kernel \\
    --with-linux=/lib/modules/$1/source --with-linux-obj=/lib/modules/$1/build
make --quiet -j"$(nproc)"
strip --strip-debug module/spl.ko module/zfs.ko
"""


_FETCH = 'chroot "$1" sh -c "cd /root && apt-get -qq -o APT::Sandbox::User=root download zfs-dkms"'


def key() -> str:
    """Names the image, by the build that it goes with and the recipe."""
    recipe = b"".join((HERE / name).read_bytes() for name in RECIPE)
    return f"{build.SUITE}-{hashlib.sha256(build.key().encode() + recipe).hexdigest()[:12]}"


def ready() -> Path:
    """The folder with the image: as cached, else built.

    Prints what it does. Raises LabError when a build fails.
    """
    cache = build.cache_folder()
    done = cache / f"vm-{key()}"
    with build.locked("vm"):
        for leftover in cache.glob("vm-*.part"):
            shutil.rmtree(leftover)
        if not done.is_dir():
            print("building the image of virtual servers; once, about five minutes", flush=True)
            part = cache / f"{done.name}.part"
            part.mkdir()
            _build(part, build.ready() / "repository")
            part.rename(done)
            _prune(cache, done)
    return done


def _prune(cache: Path, keep: Path) -> None:
    """Remove older images, but for those from which some lab of this machine still runs."""
    mounts = build.mounts()
    for old in {path for path in cache.glob("vm-*") if path.is_dir()} - {keep}:
        if f"{old}/" not in mounts:
            shutil.rmtree(old)


def _build(out: Path, repository: Path) -> None:
    with ThreadPoolExecutor() as pool:
        root = pool.submit(_make_server, out / "server")
        tools = pool.submit(build.bootstrap, out / "tools", TOOLS)
        modules = pool.submit(_make_modules, out / "compiler")
        kernel, built_for = root.result(), modules.result()
        tools.result()
    if built_for.name != f"zfs-{kernel}":
        raise LabError(
            f"{built_for.name} is not for the server's kernel {kernel}: the mirror changed meanwhile"
        )
    server, modules_folder = out / "server", out / "server/lib/modules" / kernel
    (modules_folder / "updates").mkdir()
    for name in ZFS_MODULES:
        shutil.copy(built_for / name, modules_folder / "updates")
    _chroot(server, "depmod", kernel)
    (out / "vmlinuz").write_bytes((server / f"boot/vmlinuz-{kernel}").read_bytes())
    early = _early_files(server, kernel)
    ssh_keygen(out / "key", "control")
    for name in TWINS:
        (out / name).mkdir()
        ssh_keygen(out / name / "ssh_host_ed25519_key", name)
        (out / name / "initrd").write_bytes(_cpio({**early, **_own_files(out, name)}))
    # Hard links: the repository is in the disk, and not twice in the cache.
    build.do("cp", "-al", repository, server / "srv/repo")
    disk = out / "root.img"
    build.do("truncate", "--size", DISK_SIZE, disk)
    build.do("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d", server, disk)
    shutil.rmtree(server)
    shutil.rmtree(out / "compiler")


def _make_server(root: Path) -> str:
    """Returns the version of its kernel."""
    hooks = [f"--customize-hook={HERE / name}" for name in ("finish.sh", "finish_vm.sh")]
    # Nobody wants the initrd that the kernel's package would make.
    build.bootstrap(root, SERVER, *hooks, environment={"INITRD": "No"})
    (kernel,) = (path.name for path in (root / "lib/modules").iterdir())
    return kernel


def _make_modules(root: Path) -> Path:
    """The folder of the ZFS modules, named by the kernel; compiled where none of these versions are kept."""
    build.bootstrap(root, COMPILER, f"--customize-hook={_FETCH}")
    (deb,) = (root / "root").glob("zfs-dkms_*.deb")
    build.do("dpkg-deb", "--extract", deb, root)
    (kernel,) = (path.parent.name for path in (root / "lib/modules").glob("*/build"))
    done = build.cache_folder() / f"modules-{deb.name.split('_')[1]}" / f"zfs-{kernel}"
    if not done.is_dir():
        part = done.with_name(f"{done.name}.part")
        part.mkdir(parents=True, exist_ok=True)
        print(f"compiling {deb.name} for {kernel}", flush=True)
        inside = [
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            f"--mount-proc={root}/proc",
            "chroot",
            str(root),
        ]
        build.do(*inside, "sh", "-c", _COMPILE, "sh", kernel)
        for name in ZFS_MODULES:
            shutil.copy(next((root / "usr/src").glob(f"zfs-*/module/{name}")), part)
        part.rename(done)
    return done


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
