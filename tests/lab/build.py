# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file systems of the lab, made once and cached.

Three folders: `server` (systemd, ssh and Python: what a fresh server has), `repository` (every .deb file that
servers, machines and the lab's own tools may want, as an apt repository) and `tools` (LXC and its helpers).
`tools` is made from `repository` without a network: whatever is missing there shows at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

from .model import LabError

SUITE = "trixie"
SERVER = ("dbus", "iproute2", "iputils-ping", "openssh-server", "python3", "systemd-sysv")
TOOLS = ("iproute2", "lxc", "mount", "tini")
ROLE = (
    "chrony",
    "corosync-qnetd",
    "lxc",
    "nftables",
    "procps",
    "python3-apt",
    "sudo",
    "uidmap",
    "xz-utils",
    "zfs-fuse",
    "zstd",
)
"""What role `server` and its friends may install with apt on a server."""
KERNEL_ZFS = ("zfsutils-linux",)
"""What it installs instead of zfs-fuse where the kernel has ZFS; the two exclude each other."""
OPERATOR = ("ansible-core",)
"""What the howto installs on a server to run the playbooks from there."""
MACHINE = (
    "busybox-static",
    "dbus",
    "init",
    "iproute2",
    "iputils-ping",
    "netbase",
    "procps",
    "python3",
    "systemd-sysv",
)
"""What an image of a machine may be made of, beside the packages of priority required."""

APT = (
    "--variant=apt",
    "--mode=root",
    "--format=directory",
    "--components=main,contrib",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    '--aptopt=Apt::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
)
ARCHIVES = "var/cache/apt/archives"
"""Where apt keeps what it fetched."""
TAR = ("--xattrs", "--xattrs-include=*", "--numeric-owner")
FINISH = Path(__file__).with_name("finish.sh")

HEARTBEAT = 4.0
"""Seconds of silence that a person is asked to bear."""


def cache_folder() -> Path:
    """Where the lab keeps what it builds."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twin-datacenter"


def key() -> str:
    """Names the built file systems.

    Another suite, package list or recipe (this file and finish.sh) gives another key.
    """
    return f"{SUITE}-{hashlib.sha256(Path(__file__).read_bytes() + FINISH.read_bytes()).hexdigest()[:12]}"


def ready() -> Path:
    """The folder with `server`, `repository` and `tools`: as cached, else unpacked, else built.

    Prints what it does. Raises LabError when a build fails.
    """
    cache = cache_folder()
    done, archive = cache / f"lab-{key()}", cache / f"lab-{key()}.tar.zst"
    with locked("build"):
        for leftover in cache.glob("lab-*.part*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        if done.is_dir():
            return done
        part = cache / f"{done.name}.part"
        if archive.is_file():
            print(f"unpacking {archive}", flush=True)
            part.mkdir()
            do("tar", *TAR, "--zstd", "-C", part, "-xf", archive)
            part.rename(done)
            return done
        print(f"building the file systems of the lab ({SUITE}); once, about half a minute", flush=True)
        _build(part)
        part.rename(done)
        packed = cache / f"{archive.name}.part"
        print(f"packing {archive}", flush=True)
        do("tar", *TAR, "--use-compress-program=zstd -T0 -3", "-C", done, "-cf", packed, ".")
        packed.rename(archive)
        _prune(cache, {done, archive})
        return done


def _prune(cache: Path, keep: set[Path]) -> None:
    """Remove older builds, but for those on which some process of this machine (of any lab) still stands."""
    text = mounts()
    for old in {*cache.glob("lab-*-*")} - keep:
        if old.suffix != ".lock" and f"{old}/" not in text:
            shutil.rmtree(old) if old.is_dir() else old.unlink()


def mounts() -> str:
    """What any process of this machine has mounted, as proc_pid_mountinfo(5) has it."""
    texts = []
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            texts.append(path.read_text())
    return "".join(texts)


def _build(out: Path) -> None:
    server, repository, tools = out / "server", out / "repository", out / "tools"
    repository.mkdir(parents=True)
    everything = sorted({*SERVER, *TOOLS, *ROLE, *OPERATOR, *MACHINE})
    # With an empty list of installed packages apt fetches all that a root file system wants, from libc on.
    fetch = 'chroot "$1" apt-get -qq --download-only -o Dir::State::status=/dev/null install'
    bootstrap(
        server,
        SERVER,
        "--skip=essential/unlink,cleanup/apt",
        f'--customize-hook={fetch} "?essential" "?priority(required)" apt {" ".join(everything)}',
        f"--customize-hook={fetch} {' '.join(KERNEL_ZFS)}",
        f"--customize-hook={FINISH}",
    )
    for deb in sorted((server / ARCHIVES).glob("*.deb")):
        # apt writes the epoch of a version into the file name as %3a; a URL would decode it.
        deb.rename(repository / deb.name.replace("%3a", "_"))
    index(repository)
    bootstrap(tools, TOOLS, source=[f"deb [trusted=yes] copy:{repository} ./"])


def index(repository: Path) -> None:
    """Write the Packages and Release files of a flat apt repository.

    Without a Release file that names the suite, mmdebstrap finds no essential package in it.
    """
    stanzas = []
    for deb in sorted(repository.glob("*.deb")):
        field = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True)
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        stanzas.append(
            f"{field.stdout}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"
        )
    packages = "\n".join(stanzas).encode()
    (repository / "Packages").write_bytes(packages)
    digest = hashlib.sha256(packages).hexdigest()
    about = {"Suite": SUITE, "Codename": SUITE, "Date": formatdate(usegmt=True)}
    about["SHA256"] = f"\n {digest} {len(packages)} Packages"
    (repository / "Release").write_text("".join(f"{field}: {value}\n" for field, value in about.items()))


def bootstrap(
    root: Path,
    packages: Iterable[str],
    *options: str,
    source: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Make a root file system by mmdebstrap(1). Raises LabError.

    options: more of them. source: an apt source in place of this machine's mirror. environment: see do().
    """
    # In namespaces of its own: when its first process dies, every process and mount of the build is gone.
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "mmdebstrap"]
    include = f"--include={','.join(packages)}"
    do(*isolated, *APT, *options, include, SUITE, root, *source, environment=environment)


def do(*argv: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command to its end, its output shown, and say that it still runs where it says nothing itself.

    environment: what the command finds there beside ours. It dies with us. Raises LabError when it fails.
    """
    words: Sequence[str] = ["setpriv", "--pdeathsig", "KILL", *map(str, argv)]
    started = time.monotonic()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    while process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(HEARTBEAT)
        if process.returncode is None:
            print(f"… {time.monotonic() - started:.0f} s", flush=True)
    if process.returncode:
        raise LabError(f"this failed, its own words are above: {' '.join(map(str, argv[:9]))} …")


@contextmanager
def locked(what: str) -> Iterator[None]:
    """Hold a lock that all labs of this user share."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"lab-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
