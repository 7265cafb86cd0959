# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of machines behind one protocol, and where a declared machine becomes a definition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from .._core.errors import CommandMissing, Refused
from .._core.host import Host, WritableHost
from .._core.plan import Effect
from .._jail import host as jails
from .._jail import life_host as jail_life
from .._jail.machine import jail_config
from .._jail.model import CONFIG as JAILS
from .._jail.model import Jail, parse_jail
from .._jail.model import Wanted as Jails
from .._jail.plan import plan_jails
from .._lxc import host as lxc
from .._lxc.model import Config, Container, controllers_of, machine_config, omitted_of, parse_container
from .._lxc.plan import unenforceable
from .._zfs.host import patiently
from . import identity
from .declaration import KINDS_OF_PLATFORM, Machine, Pair


class Kind(Protocol):
    """What the move needs of a kind of machine. All of it may be repeated."""

    def define(self, host: WritableHost, machine: Machine, pair: Pair) -> None:
        """Make the definition what was declared; what nobody declared is kept."""

    def defined(self, host: Host, name: str) -> bool:
        """Whether this host has a definition of that name."""

    def foreign(self, host: Host, name: str, pair: Pair) -> str:
        """What has taken the name on this host and is not of this pair; empty when nothing has."""

    def lacking(self, host: Host, machine: Machine, pair: Pair) -> list[str]:
        """What this host lacks to run the machine, each as a sentence."""

    def start(self, host: WritableHost, name: str) -> None:
        """Start it, unless it runs."""

    def stop(self, host: WritableHost, name: str, timeout: int) -> None:
        """Stop it, by force after the timeout (seconds)."""

    def running(self, host: Host, name: str) -> bool:
        """Whether it runs."""

    def all_running(self, host: Host) -> set[str]:
        """The names of all that run, by one look however many there are."""

    def wait(self, host: Host, machine: Machine, pair: Pair, timeout: int) -> None:
        """Wait until it answers; an error when it does not within the timeout (seconds)."""

    def remove(self, host: WritableHost, name: str) -> None:
        """Remove the definition, never data."""

    def delegated(self, machine: Machine, pair: Pair) -> Mapping[str, str]:
        """Datasets that the machine mounts by itself, and where it sees them."""


class _Lxc:
    def define(self, host: WritableHost, machine: Machine, pair: Pair) -> None:
        lxc.define(host, container_of(machine, pair))

    def defined(self, host: Host, name: str) -> bool:
        return host.read(f"{lxc.PATH}/{name}/config") is not None

    def foreign(self, host: Host, name: str, pair: Pair) -> str:
        path = f"{lxc.PATH}/{name}/config"
        text = host.read(path)
        if text is None or Config.parse(text).value("lxc.rootfs.path") == f"dir:{root_path(name, pair)}":
            return ""
        return f"a container that is none of this pair ({path})"

    def lacking(self, host: Host, machine: Machine, pair: Pair) -> list[str]:
        try:
            lxc.read_states(host)
        except CommandMissing:
            return ["LXC is not installed"]
        _accepted, refused = unenforceable(container_of(machine, pair), lxc.read_controllers(host))
        sentences = [f"the kernel cannot enforce {key}" for key in sorted(refused)]
        if not host.listing(f"/sys/class/net/{pair.bridge}"):
            sentences.append(f"there is no bridge {pair.bridge}")
        return sentences

    def start(self, host: WritableHost, name: str) -> None:
        lxc.start(host, name)

    def stop(self, host: WritableHost, name: str, timeout: int) -> None:
        lxc.stop(host, name, timeout)

    def running(self, host: Host, name: str) -> bool:
        return lxc.running(host, name)

    def all_running(self, host: Host) -> set[str]:
        return {name for name, (state, _pid) in lxc.read_states(host).items() if state != "stopped"}

    def wait(self, host: Host, machine: Machine, pair: Pair, timeout: int) -> None:
        lxc.wait_for_answer(host, machine.name, container_of(machine, pair).check, timeout)

    def remove(self, host: WritableHost, name: str) -> None:
        lxc.remove(host, name)

    def delegated(self, machine: Machine, pair: Pair) -> Mapping[str, str]:
        return {}


class _Jail:
    def define(self, host: WritableHost, machine: Machine, pair: Pair) -> None:
        for dataset, point in self.delegated(machine, pair).items():
            # Streams carry no properties. Once it is a jail's, the host cannot say where it is mounted.
            if host.run(["zfs", "get", "-H", "-o", "value", "jailed", dataset]).out.strip() != "on":
                patiently(host, ["zfs", "set", f"mountpoint={point}", dataset])
                patiently(host, ["zfs", "set", "jailed=on", dataset])
        jails.define(host, jail_of(machine, pair))

    def defined(self, host: Host, name: str) -> bool:
        return host.read(f"{JAILS}/{name}.conf") is not None

    def foreign(self, host: Host, name: str, pair: Pair) -> str:
        own = jail_life.load_file(host, name)
        if own is None or jail_life.parameters_of(own, name).get("path") == (root_path(name, pair),):
            return ""
        return f"a jail that is none of this pair ({own.source})"

    def lacking(self, host: Host, machine: Machine, pair: Pair) -> list[str]:
        jail = jail_of(machine, pair)
        wanted = Jails((jail,))
        try:
            plan = plan_jails(jails.read(host, wanted), wanted)
        except CommandMissing:
            return ["it has no jails"]
        sentences = [step.sentence for step in plan.steps if step.effect is Effect.IMPOSSIBLE]
        return sentences + _lacking_folders(host, jail, f"/{dataset_of(machine.name, pair)}")

    def start(self, host: WritableHost, name: str) -> None:
        jail_life.start(host, name)

    def stop(self, host: WritableHost, name: str, timeout: int) -> None:
        jail_life.stop(host, name, timeout)

    def running(self, host: Host, name: str) -> bool:
        return jail_life.running(host, name)

    def all_running(self, host: Host) -> set[str]:
        return {name for name, known in jail_life.read_kernel(host).items() if not known.dying}

    def wait(self, host: Host, machine: Machine, pair: Pair, timeout: int) -> None:
        jail_life.wait_for_answer(host, machine.name, jail_of(machine, pair).check, timeout)

    def remove(self, host: WritableHost, name: str) -> None:
        jails.remove(host, name)

    def delegated(self, machine: Machine, pair: Pair) -> Mapping[str, str]:
        top = dataset_of(machine.name, pair)
        return {f"{top}/{name}": point for name, point in _delegated(machine).items()}


KINDS: Mapping[str, Kind] = {"jail": _Jail(), "lxc": _Lxc()}


def kinds_of(platform: str) -> list[Kind]:
    """The kinds of machines that a platform has, as far as this version can run them."""
    return [KINDS[name] for name in KINDS_OF_PLATFORM[platform] if name in KINDS]


def kind_of(machine: Machine) -> Kind:
    """The kind of a machine.

    :raises Refused: for one that this version cannot run.
    """
    if machine.kind not in KINDS:
        raise Refused(
            f"kind of machine {machine.name}", f"{machine.kind} is not known here", f"use {', '.join(KINDS)}"
        )
    return KINDS[machine.kind]


def dataset_of(name: str, pair: Pair) -> str:
    """The uppermost dataset of a machine."""
    return f"{pair.pool}/machines/{name}"


def root_of(name: str, pair: Pair, image: str | None = None) -> str:
    """The dataset of a machine's root file system, or of that which is kept of an image."""
    top = f"{dataset_of(name, pair)}/root"
    return top if image is None else f"{top}.{image}"


def root_path(name: str, pair: Pair) -> str:
    """Where a machine's root file system is mounted on its server."""
    return f"/{dataset_of(name, pair)}/root"


def container_item(machine: Machine, pair: Pair) -> dict[str, Any]:
    """A machine as module lxc_container wants it.

    :raises Refused: when it wants what LXC cannot give.
    """
    config = machine_config(machine.name, **_common(machine, pair))
    return {
        "name": machine.name,
        "state": machine.state,
        # At boot the hook of its definition lets it start only on the server that owns it.
        "config": {**config, "lxc.start.auto": "1" if machine.state == "started" else "0"},
        "privileged": bool(machine.options.get("privileged")),
        "check": dict(machine.check) or None,
        "unenforced": controllers_of(pair.unenforced),
        "omitted": omitted_of(machine.limits),
    }


def container_of(machine: Machine, pair: Pair) -> Container:
    """A machine as the LXC container that it is, on either server."""
    return parse_container(container_item(machine, pair))


def jail_item(machine: Machine, pair: Pair) -> dict[str, Any]:
    """A machine as module jail wants it.

    :raises Refused: when it wants what a jail cannot give.
    """
    options = dict(machine.options)
    depend, vnet = options.pop("depend", ()), options.pop("vnet", True)
    lines = options.pop("fstab", None)
    for key in ("datasets", "thick"):
        options.pop(key, None)
    item = jail_config(machine.name, **{**_common(machine, pair), "options": options})
    if not vnet:
        # An address of the server's own, beside its others on the bridge.
        item["interfaces"] = []
        item["address"] = machine.addresses[0].partition("/")[0] if machine.addresses else None
    for key, mark in (("ip4.addr", "."), ("ip6.addr", ":")):
        own = [] if vnet else [f"{pair.bridge}|{each}" for each in machine.addresses if mark in each]
        item["parameters"].setdefault(key, own or None)
    return {
        **item,
        "state": machine.state,
        # The hook of its definition lets it start only on the server that owns it.
        "boot": machine.state == "started",
        "fstab": lines,
        "depend": list(depend),
        "datasets": list(KINDS["jail"].delegated(machine, pair)),
        "check": dict(machine.check) or None,
    }


def is_thick(machine: Machine) -> bool:
    """Option ``thick`` of a jail: its root is a full copy of its image, not a clone."""
    return machine.kind == "jail" and bool(machine.options.get("thick"))


def _delegated(machine: Machine) -> Mapping[str, str]:
    """Option ``datasets`` of a jail: names below the machine's own dataset, and where it mounts them."""
    datasets = machine.options.get("datasets") or {}
    if not isinstance(datasets, Mapping) or not all(
        re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]*", str(name)) and str(point).startswith("/")
        for name, point in datasets.items()
    ):
        raise Refused(
            f"datasets among the options of machine {machine.name}",
            f"{datasets!r} does not serve",
            "write names and where the machine mounts them, such as {scratch: /scratch}",
        )
    return {str(name): str(point) for name, point in datasets.items()}


def _lacking_folders(host: Host, jail: Jail, own: str) -> list[str]:
    """What a host has not of the folders which a jail is to see of it, each as a sentence.

    :param own: below this path everything comes along with the jail.
    """
    mounts = [line.split() for line in (*(jail.parameters.get("mount") or ()), *(jail.fstab or ()))]
    paths = {jail_life.unvis(words[0]) for words in mounts if words[2] == "nullfs"}
    sources = sorted(path for path in paths if not _below(path, own))
    if not sources:
        return []
    there = host.run(["stat", "-f", "%N", *sources], ok=(0, 1)).out.splitlines()
    columns = "mountpoint,mounted,canmount,jailed,name"
    listed = host.run(["zfs", "list", "-H", "-o", columns, "-t", "filesystem"]).out.splitlines()
    datasets = [row for row in (line.split("\t") for line in listed) if row[2] != "off" and row[3] != "on"]
    missing = []
    for path in sources:
        above = [row for row in datasets if _below(path, row[0])]
        nearest = [row for row in above if len(row[0]) == max(len(each[0]) for each in above)]
        if path not in there:
            missing.append(f"there is no {path}, which jail {jail.name} is to see; make it")
        elif nearest and not any(mounted == "yes" for _point, mounted, *_rest in nearest):
            point, name = nearest[0][0], nearest[0][-1]
            missing.append(
                f"{name} is not mounted at {point}, as jail {jail.name} needs; run zfs mount {name}"
            )
    return missing


def _below(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def jail_of(machine: Machine, pair: Pair) -> Jail:
    """A machine as the jail that it is, on either server."""
    return parse_jail(jail_item(machine, pair))


def _common(machine: Machine, pair: Pair) -> dict[str, Any]:
    """What every kind of machine is told."""
    return {
        "root": root_path(machine.name, pair),
        "data": f"/{dataset_of(machine.name, pair)}/data",
        "bridge": pair.bridge,
        "hwaddr": identity.mac(pair.name, machine.name),
        "addresses": machine.addresses,
        "gateways": machine.gateway,
        "cores": machine.cores,
        "memory": machine.memory,
        "limits": machine.limits,
        "mounts": machine.mounts,
        "devices": machine.devices,
        "options": machine.options,
        "unenforced": pair.unenforced,
    }
