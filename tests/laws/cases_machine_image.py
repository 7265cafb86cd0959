# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of module machine_image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.doubles.image import image_host

from .laws import Case

DEBIAN = {"name": "debian-13", "suite": "trixie", "packages": ["systemd-sysv"]}
FREEBSD = {"name": "freebsd-14.3", "release": "14.3"}
TARBALL = {"name": "alpine", "tarball": "alpine.tar.gz", "sha256": "a" * 64}


def params(*images: dict[str, Any]) -> dict[str, Any]:
    archives = {image["name"]: f"/tmp/{image['name']}.tar.gz" for image in images}
    return {"pool": "tank", "images": list(images), "archives": archives}


def streamed() -> Any:
    """A server that received an image as a stream, without its properties."""
    host = image_host()
    host.change(["zfs", "create", "tank/images/debian-13"])
    host.change(["zfs", "snapshot", "tank/images/debian-13@base"])
    host.changes.clear()
    return host


def half_done() -> Any:
    """A server on which the making of an image was cut off."""
    host = image_host()
    host.change(["zfs", "create", "tank/images/debian-13.new"])
    host.change(["zfs", "snapshot", "tank/images/debian-13.new@base"])
    host.changes.clear()
    return host


def case(name: str, host: Callable[[], Any], *images: dict[str, Any]) -> Case:
    return Case("machine_image", name, host, params(*images))


CASES = [
    case("new", image_host, DEBIAN),
    case("two", image_host, DEBIAN, TARBALL),
    case("came as a stream", streamed, DEBIAN),
    case("cut off before", half_done, DEBIAN),
    case("of freebsd", lambda: image_host("openzfs-2.3", "FreeBSD"), FREEBSD, {**FREEBSD, "name": "next"}),
    *(
        case(f"with {flavour}", lambda flavour=flavour: image_host(flavour), DEBIAN)  # type: ignore[misc]
        for flavour in ("openzfs-2.1", "openzfs-2.3")
    ),
]
