# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a declared machine to a jail.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._core.errors import Refused
from .devfs import VNET


def jail_config(
    name: str,
    *,
    root: str,
    data: str,
    bridge: str,
    hwaddr: str,
    addresses: Sequence[str] = (),
    gateways: Sequence[str] = (),
    cores: int | None = None,
    memory: int | None = None,
    limits: Mapping[str, int] | None = None,
    mounts: Sequence[Mapping[str, Any]] = (),
    devices: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    unenforced: Sequence[str] = (),
    guard: Sequence[str] = ("/usr/local/sbin/twin", "guard"),
) -> dict[str, Any]:
    """A logical machine as an item of module jail, the same on both servers.

    :param root: path of its root file system, ``data`` that of its data, seen inside at /srv.
    :param cores: how much of the processors it may use. A limit (pcpu), for a cpuset would put all
        machines of two cores on the same two.
    :param memory: bytes.
    :param limits: of ``processes``, ``open_files``; ``cpu_weight`` has no like in FreeBSD.
    :param devices: device nodes of the server.
    :param options: parameters of jail(8) that are added, or stand instead of these.
    :param unenforced: limits whose absence is accepted.
    :param guard: the hook that refuses to start it where it does not belong.
    :raises Refused: when a limit or device cannot be had from a jail.
    """
    parameters: dict[str, Any] = {
        "host.hostname": name,
        "exec.start": ["/bin/sh /etc/rc"],
        "exec.stop": ["/bin/sh /etc/rc.shutdown jail"],
        "exec.clean": True,
        "exec.consolelog": f"/var/log/jail_{name}.log",
        "mount.devfs": True,
        "devfs_ruleset": str(VNET),
        **(options or {}),
    }
    # The guard stands before all hooks, whatever the options say.
    parameters["exec.prepare"] = [" ".join([*guard, name]), *_texts(parameters.get("exec.prepare"))]
    item: dict[str, Any] = {
        "name": name,
        "path": root,
        "parameters": parameters,
        "interfaces": [
            {"bridge": bridge, "mac": hwaddr, "addresses": list(addresses), "gateway": list(gateways)}
        ],
        "limits": _machine_limits(cores, memory, limits or {}),
        "mounts": [{"source": data, "target": "/srv"}, *mounts],
        "unenforced": resources_of(unenforced),
        "omitted": _omitted(name, limits or {}, unenforced),
    }
    if devices:
        del parameters["devfs_ruleset"]
        item["devfs"] = [f"path {_device(device)} unhide" for device in devices]
    return item


_RESOURCES = {"cores": "pcpu", "memory": "memoryuse", "processes": "maxproc", "open_files": "openfiles"}


def resources_of(limits: Sequence[str]) -> list[str]:
    """The resources of rctl(8) which the limits of a declaration need, for ``unenforced``."""
    return sorted(_RESOURCES[limit] for limit in limits if limit in _RESOURCES)


def _machine_limits(cores: int | None, memory: int | None, limits: Mapping[str, int]) -> dict[str, int]:
    found = {"pcpu": cores * 100} if cores is not None else {}
    found |= {"memoryuse": memory} if memory is not None else {}
    return found | {_RESOURCES[limit]: value for limit, value in limits.items() if limit in _RESOURCES}


def _omitted(name: str, limits: Iterable[str], unenforced: Sequence[str]) -> dict[str, str]:
    """Limits that no resource stands for, and why."""
    reason = "rctl(8) has no such resource"
    omitted = [limit for limit in limits if limit not in _RESOURCES]
    for limit in omitted:
        if limit not in unenforced:
            raise Refused(
                f"limit {limit} of machine {name}",
                reason,
                f"accept that in unenforced ({limit}), or leave it out",
            )
    return dict.fromkeys(omitted, reason)


def _texts(value: Any) -> list[str]:
    """A value, or all of a list."""
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def _device(device: Any) -> str:
    if not isinstance(device, str) or not device.startswith("/dev/"):
        raise Refused(f"device {device}", "a jail takes device nodes", "write its path, such as /dev/fuse")
    return device.removeprefix("/dev/")
