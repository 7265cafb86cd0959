# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""sysctl(8): the few variables that matter to jails, and the list of the parameters of jails.

Rests on sbin/sysctl/sysctl.c and sys/kern/kern_jail.c. The descriptions of the parameters are not the
kernel's own words, their names are. ``kernel.sysctls`` has what differs from the defaults below.
"""

from __future__ import annotations

import re

from .answers import Refusal, options, program
from .world import World

PARAMETERS = "security.jail.param"
TUNABLES = ("kern.racct.enable", "net.link.epair.ether_gen_addr")
FIXED = ("kern.osrelease", "kern.osreldate", "kern.ostype", "hw.physmem", "hw.model", "hw.ncpu", "hw.machine",
         "hw.machine_arch", "security.jail.jailed", "security.jail.vnet")  # fmt: skip


def defaults(world: World) -> dict[str, str]:
    """The variables of a host as it was started."""
    major, _dot, minor = world.release.partition(".")
    return {
        "kern.ostype": "FreeBSD",
        "kern.osrelease": f"{world.release}-RELEASE",
        "kern.osreldate": str(int(major) * 100000 + int(minor) * 1000),
        "kern.hostname": own_name(world),
        "kern.hostuuid": "4c4c4544-0051-3010-8054-b4c04f4a4d32",
        "kern.hostid": "2742510953",
        "kern.racct.enable": "1" if world.kernel.racct else "0",
        "kern.securelevel": "-1",
        "kern.features.vimage": "1",
        "hw.machine": "amd64",
        "hw.machine_arch": "amd64",
        "hw.model": "Intel(R) Xeon(R) CPU E5-2620 v4 @ 2.10GHz",
        "hw.ncpu": "4",
        "hw.physmem": "8551616512",
        "net.inet.ip.forwarding": "0",
        "net.link.bridge.member_ifaddrs": "0" if world.major >= 15 else "1",
        "net.link.bridge.pfil_member": "1",
        "net.link.epair.ether_gen_addr": "1" if world.major >= 15 else "0",
        "security.jail.jailed": "1" if world.jail else "0",
        "security.jail.mount_allowed": "0",
        "security.jail.vnet": "0",
        "vfs.devfs.rule_depth": "1",
        "vfs.usermount": "0",
        "vfs.zfs.arc_max": "0",
    }


def own_name(world: World) -> str:
    """The name that the host was given at its start."""
    match = re.search(r'^hostname="?([^"\n]+)', world.files.read("/etc/rc.conf") or "", re.MULTILINE)
    return match[1] if match else (world.files.read("/etc/hostname") or "castor").strip()


def value(world: World, name: str) -> str | None:
    """A variable; None: there is none of this name."""
    found = {**defaults(world), **world.kernel.sysctls}.get(name)
    jail = world.kernel.find(world.jail) if world.jail else None
    if name == "kern.hostname" and jail is not None:
        return str(jail.params["host.hostname"])
    return found


def sysctl(world: World, args: list[str], stdin: str) -> str:
    """``sysctl [-adeinNq] [NAME[=VALUE] ...]``: every name is tried, whatever came of those before."""
    given, names = options(args, "adeinNoqthTW")
    out, errors = "", []
    for name in names or ([] if "a" not in given else sorted(defaults(world))):
        try:
            out += one(world, name, given)
        except Refusal as refusal:
            errors.append(refusal.text)
    if errors:
        raise Refusal("\nsysctl: ".join(each for each in errors if each), 1, out)
    return out


def one(world: World, text: str, given: dict[str, str]) -> str:
    """What is answered for one name or assignment."""
    name, equals, new = text.partition("=")
    if name == PARAMETERS or name.startswith(f"{PARAMETERS}."):
        return parameters(world, name, given)
    has = value(world, name)
    if has is None:
        below = [each for each in sorted(defaults(world)) if each.startswith(f"{name.rstrip('.')}.")]
        if below and not equals:
            return "".join(one(world, each, given) for each in below)
        if "i" in given:
            return ""
        raise Refusal(f"unknown oid '{name}'")
    if not equals:
        return line(name, has, given)
    if name in TUNABLES:
        raise Refusal(
            f"oid '{name}' is a read only tunable\nsysctl: Tunable values are set in /boot/loader.conf"
        )
    if name in FIXED:
        raise Refusal(f"oid '{name}' is read only")
    if not new.lstrip("-").isdigit() and has.lstrip("-").isdigit():
        raise Refusal(f"invalid integer '{new}'")
    world.kernel.sysctls[name] = new
    return line(name, f"{has} -> {new}", given)


def line(name: str, text: str, given: dict[str, str]) -> str:
    """A name with its value, in the form that was asked for."""
    if "N" in given:
        return f"{name}\n"
    if "n" in given:
        return f"{text}\n"
    return f"{name}={text}\n" if "e" in given else f"{name}: {text}\n"


def parameters(world: World, below: str, given: dict[str, str]) -> str:
    """What the kernel knows of the parameters of jails: one that has others below it ends with a dot."""
    known = world.kernel.known()
    nodes = {name for name in known if known[name].kind == "jailsys" and name != "vnet"}
    nodes |= {name for name in known if any(each.startswith(f"{name}.") for each in known)}
    wanted = below.removeprefix(PARAMETERS).removeprefix(".")
    chosen = sorted(
        f"{name}." if name in nodes else name
        for name in known
        if not wanted or name == wanted.rstrip(".") or name.startswith(f"{wanted.rstrip('.')}.")
    )
    if not chosen:
        if "i" in given:
            return ""
        raise Refusal(f"unknown oid '{below}'")
    describing = "d" in given
    return "".join(
        line(
            f"{PARAMETERS}.{name}", f"Jail {name.strip('.').replace('.', ' ')}" if describing else "0", given
        )
        for name in chosen
    )


PROGRAMS = {"sysctl": program(sysctl)}
