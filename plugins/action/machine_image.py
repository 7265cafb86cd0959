# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control side of module ``machine_image``: builds what the server lacks, once, and sends it there."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import os
import queue
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, cast

from ansible.errors import AnsibleActionFail
from ansible.module_utils.urls import open_url
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._machine.image import (
    Image,
    base_checksum,
    bootstrap_argv,
    parse_images,
    shift_tarball,
    thin_tarball,
    version_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.oci import (
    BLOB,
    INDEX,
    MARKER,
    SMALL,
    flatten,
    is_layout,
    layers_of,
)
from ansible_collections.twin.datacenter.plugins.modules.machine_image import OPTIONS

DISPLAY = Display()
SILENCE = 4.0
"""Seconds after which somebody who waits is told that the work goes on."""
_MANIFEST = 1 << 20
"""Bytes after which a MANIFEST is none."""
_CHUNK = 1 << 20
# How files of gzip and zstd begin (RFC 1952, RFC 8878).
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
EPOCH = "1577836800"
"""Files of a build are no younger than this, so that equal builds are equal (SOURCE_DATE_EPOCH)."""


class ActionModule(ActionBase):
    """Asks the server what it lacks; builds that, sends it, and lets the module make images of it."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, arguments = self.validate_argument_spec(argument_spec=OPTIONS)
        probe = self._probe(variables)
        before = probe.get("diff", {}).get("before", {})
        if not self._task.diff:
            probe.pop("diff", None)
        if probe.get("failed") or not probe.get("changed") or self._task.check_mode:
            return {**result, **probe}
        try:
            images = [image for image in parse_images(arguments).images if before.get(image.name, {}) is None]
            for image in images:
                if image.packaged:
                    server = variables["inventory_hostname"]
                    DISPLAY.display(
                        f"image {image.name}: {server} installs its packages, which takes minutes"
                    )
            local = {
                image.name: build(image, self._loader.path_dwim) for image in images if not image.packaged
            }
        except TwinError as error:
            raise AnsibleActionFail(str(error)) from error
        folder = self._make_tmp_path()
        try:
            server = variables["inventory_hostname"]
            archives = {name: self._send(name, archive, folder, server) for name, archive in local.items()}
            return {**result, **self._module({**self._task.args, "archives": archives}, variables)}
        finally:
            self._remove_tmp_path(folder, force=True)

    def _probe(self, variables: dict[str, Any]) -> dict[str, Any]:
        """What the module would do, with its diff."""
        task = self._task
        modes = task.check_mode, task.diff
        task.check_mode, task.diff = True, True
        try:
            return self._module(task.args, variables)
        finally:
            task.check_mode, task.diff = modes

    def _module(self, arguments: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            "twin.datacenter.machine_image", module_args=dict(arguments), task_vars=variables
        )
        return answer

    def _send(self, name: str, archive: Path, folder: str, server: str) -> str:
        size = archive.stat().st_size >> 20
        DISPLAY.display(f"image {name}: sending {size} MiB to {server}")
        target: str = self._connection._shell.join_path(folder, f"{name}{''.join(archive.suffixes)}")
        self._transfer_file(str(archive), target)
        self._fixup_perms2((folder, target))
        return target


# ---- building ---------------------------------------------------------------------------------


def cache() -> Path:
    """Where finished images are kept on the control node."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "twin-datacenter" / "images"


def build(image: Image, find: Any) -> Path:
    """The finished tarball of an image: out of the cache, else built. Only one process builds it.

    :param find: the path of a file that a playbook names.
    :raises TwinError: when it cannot be built.
    """
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    finish = _thin if image.thin else _shift if image.release is None else _copy
    archive = folder / f"{image.digest}{'.txz' if finish is _copy else '.tar.gz'}"
    with _only_one(folder / f"{image.digest}.lock", image.name):
        if archive.is_file():
            return archive
        part = archive.with_suffix(".part")
        try:
            with part.open("wb+") as finished:
                finish(image, find, finished)
                finished.flush()
                os.fsync(finished.fileno())
            part.replace(archive)
        except tarfile.TarError as error:
            raise TwinError(
                f"image {image.name}: its root file system cannot be read",
                str(error),
                "use tar, gz, bz2 or xz",
            ) from error
        except (OSError, HTTPException) as error:
            raise TwinError(
                f"image {image.name} could not be finished", str(error), "run it again once that is mended"
            ) from error
        finally:
            part.unlink(missing_ok=True)
    return archive


@contextlib.contextmanager
def _only_one(path: Path, name: str) -> Iterator[None]:
    with path.open("w") as lock:
        told = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - told > SILENCE:
                    told = time.monotonic()
                    DISPLAY.display(f"image {name}: another process builds it, waiting")
                time.sleep(0.1)
        yield


def _shift(image: Image, find: Any, finished: IO[bytes]) -> None:
    """Make the root file system of a suite, or that of a tarball, fit to be a machine's."""
    with _raw(image, find) as raw:
        DISPLAY.display(f"image {image.name}: packing")
        with gzip.GzipFile("", "wb", 1, finished, mtime=0) as target:
            shift_tarball(raw, target, image.shift)  # type: ignore[arg-type]


@contextlib.contextmanager
def _raw(image: Image, find: Any) -> Iterator[IO[bytes]]:
    """The root file system as it was built or given."""
    with contextlib.ExitStack() as stack:
        if image.tarball is not None:
            what = f"tarball of image {image.name}"
            given = stack.enter_context(_open(what, str(find(image.tarball))))
            _verify(what, given, str(image.sha256), "was declared")
            if not _is_layout(given):
                yield given
                return
        work = stack.enter_context(_work(image))
        if image.tarball is not None:
            _flatten(image, given, work)
        else:
            _bootstrap(image, work / "root.tar")
        yield stack.enter_context((work / "root.tar").open("rb"))


@contextlib.contextmanager
def _work(image: Image) -> Iterator[Path]:
    """A folder for what is only needed while an image is built."""
    work = cache() / f"{image.digest}.work"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _open(what: str, path: str) -> IO[bytes]:
    """A file of this node, or of an address."""
    try:
        return cast(IO[bytes], open_url(path, timeout=60)) if "://" in path else open(path, "rb")
    except (OSError, HTTPException) as error:
        raise TwinError(what, f"{path}: {error}", "name a place from which it can be read") from error


def _verify(what: str, file: IO[bytes], checksum: str, told: str) -> None:
    """See that a file has a checksum, and turn to its beginning.

    :param told: who says so.
    """
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    if found != checksum:
        raise TwinError(what, f"its sha256 is {found}", f"{checksum} {told}")
    file.seek(0)


# ---- a release of FreeBSD -----------------------------------------------------------------------


def _copy(image: Image, find: Any, finished: IO[bytes]) -> None:
    """Copy base.txz of a release, or the tarball that holds the release, once it is seen to be that."""
    if image.tarball is not None:
        what, path = f"tarball of image {image.name}", str(find(image.tarball))
        checksum, told = str(image.sha256), "was declared"
    else:
        site = image.site if "://" in image.site else str(find(image.site))
        with _open(f"MANIFEST of image {image.name}", f"{site}/MANIFEST") as manifest:
            checksum, told = base_checksum(image, manifest.read(_MANIFEST)), "is in MANIFEST"
        what, path = f"base.txz of image {image.name}", f"{site}/base.txz"
    DISPLAY.display(f"image {image.name}: reading {path}")
    with _open(what, path) as source:
        _pour(image.name, source, finished)
    _verify(what, finished, checksum, told)
    if _is_layout(finished):
        with _work(image) as work:
            _flatten(image, finished, work)
            finished.seek(0)
            finished.truncate()
            with (
                (work / "root.tar").open("rb") as root,
                gzip.GzipFile("", "wb", 1, finished, mtime=0) as target,
            ):
                shutil.copyfileobj(root, target, _CHUNK)
        finished.seek(0)
    version = _version(finished)
    if version is None or not version.startswith(f"{image.release}-"):
        raise TwinError(what, f"it holds {version or 'no FreeBSD'}", f"release {image.release} was declared")
    DISPLAY.display(f"image {image.name}: it is {version}")


def _thin(image: Image, find: Any, finished: IO[bytes]) -> None:
    """Take out of the image of a release what a thin jail has of its own."""
    with build(replace(image, thin=False), find).open("rb") as whole:
        DISPLAY.display(f"image {image.name}: packing")
        with gzip.GzipFile("", "wb", 1, finished, mtime=0) as target:
            thin_tarball(whole, target)  # type: ignore[arg-type]


def _pour(name: str, source: IO[bytes], target: IO[bytes]) -> None:
    """Copy to the end, and tell every few seconds how far it is."""
    told, size = time.monotonic(), 0
    while chunk := source.read(1 << 20):
        target.write(chunk)
        size += len(chunk)
        if time.monotonic() - told > SILENCE:
            told = time.monotonic()
            DISPLAY.display(f"image {name}: {size >> 20} MiB")


def _version(finished: IO[bytes]) -> str | None:
    """The version of the root file system in a tarball."""
    with tarfile.open(fileobj=finished, mode="r|*") as tar:
        for entry in tar:
            if entry.isreg() and entry.name.removeprefix("./") == "bin/freebsd-version":
                text = cast(IO[bytes], tar.extractfile(entry)).read().decode(errors="replace")
                return version_of({"bin/freebsd-version": text}.get)
    return None


# ---- images of containers -----------------------------------------------------------------------


def _is_layout(given: IO[bytes]) -> bool:
    """Whether a tar file is one of an image for containers; it is turned to its beginning."""
    with tarfile.open(fileobj=given, mode="r|*") as tar:
        found = is_layout(tar)
    given.seek(0)
    return found


def _flatten(image: Image, given: IO[bytes], work: Path) -> None:
    """Make of an image for containers a root file system, ``root.tar``."""
    what = f"tarball of image {image.name}"
    DISPLAY.display(f"image {image.name}: taking the layers of an image for containers")
    with tarfile.open(fileobj=given, mode="r|*") as tar:
        for entry in tar:
            name = entry.name.removeprefix("./")
            blob = BLOB.fullmatch(name)
            if entry.isreg() and (blob or name in (MARKER, INDEX)):
                with (work / (blob[1] if blob else name)).open("wb+") as file:
                    shutil.copyfileobj(cast(IO[bytes], tar.extractfile(entry)), file, _CHUNK)
                    if blob:
                        _verify(f"{name} in {what}", file, blob[1], "is its name")
    system = "linux" if image.release is None else "freebsd"
    marker, index = _small(what, work / MARKER), _small(what, work / INDEX)
    digests = layers_of(marker, index, lambda digest: _small(what, work / digest), system)
    with contextlib.ExitStack() as stack:
        layers = [stack.enter_context(_layer(what, work / digest)) for digest in digests]
        with (work / "root.tar").open("wb") as root:
            count = flatten(layers, root)
    DISPLAY.display(f"image {image.name}: {len(digests)} layers, {count} files")


def _small(what: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SMALL)
    except FileNotFoundError as error:
        raise TwinError(what, f"it has no {path.name}", "make the archive anew, it is not whole") from error


def _layer(what: str, path: Path) -> IO[bytes]:
    """A layer, uncompressed, for it is read here and there."""
    if not path.is_file():
        raise TwinError(what, f"it has no {path.name}", "make the archive anew, it is not whole")
    with path.open("rb") as file:
        start = file.read(4)
    if start == _ZSTD:
        raise TwinError(what, "its layers are compressed by zstd", "make an archive with gzip")
    if start[:2] != _GZIP:
        return path.open("rb")
    plain = path.with_suffix(".tar")
    with gzip.open(path) as packed, plain.open("wb") as file:
        shutil.copyfileobj(packed, file, _CHUNK)
    return plain.open("rb")


# ---- a suite of Debian --------------------------------------------------------------------------


def _bootstrap(image: Image, target: Path) -> None:
    """Run mmdebstrap and pass on what it says, at least every few seconds."""
    argv = bootstrap_argv(image, str(target))
    settings = {"SOURCE_DATE_EPOCH": EPOCH, "LC_ALL": "C.UTF-8", "TMPDIR": str(target.parent)}
    DISPLAY.display(f"image {image.name}: building {image.suite} with mmdebstrap")
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, **settings}, text=True, errors="replace",
        )  # fmt: skip
    except FileNotFoundError as error:
        raise TwinError(
            f"image {image.name} cannot be built", "mmdebstrap is not installed here", "install it with apt"
        ) from error
    began = time.monotonic()
    said: list[str] = []
    with process:
        for line in _lines(cast(IO[str], process.stderr)):
            if line:
                said.append(line)
            if not line or line.startswith("I: "):
                last = (line or (said or [""])[-1]).removeprefix("I: ")
                DISPLAY.display(f"image {image.name}: {time.monotonic() - began:.0f} s, {last}")
    if process.returncode:
        errors = [line for line in said if line.startswith("E: ")] or said[-1:] or ["it said nothing"]
        raise TwinError(
            f"image {image.name} could not be built",
            f"mmdebstrap answered {errors[0].removeprefix('E: ')!r}",
            "see that its suite, packages and mirror exist",
            command=argv,
            rc=process.returncode,
            stderr="\n".join(said[-40:]),
        )


def _lines(stream: IO[str]) -> Iterator[str]:
    """What a process says, line by line; an empty line whenever it is silent for long."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def drain() -> None:
        for line in stream:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=drain, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=SILENCE)
        except queue.Empty:
            yield ""
            continue
        if line is None:
            return
        yield line
