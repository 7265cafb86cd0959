# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""route(8), in memory: default routes.

Rests on sbin/route/route.c. A default route is kept with the interface through which it goes, and goes
with that interface's addresses. Believed, not verified: the words of a refusal since 14.0, where route
speaks netlink.
"""

from __future__ import annotations

import ipaddress

from .answers import Refusal, options, program
from .ifconfig import ROUTES, View, jail_named
from .kernel import Interface
from .world import World


def route(world: World, args: list[str], stdin: str) -> str:
    """``route [-nq] [-4 | -6] [-j JAIL] add | delete | get default [GATEWAY]``."""
    given, words = options(args, "46dj:nqtv")
    verb, *rest = [word for word in words if word not in ("-inet", "-inet6", "-net")]
    jail = jail_named(world, given["j"]) if "j" in given else world.jail
    view = View(world, jail)
    target, gateway = (*rest, "")[:2]
    six = "6" in given or "-inet6" in words or ":" in gateway
    key = ROUTES[six]
    if target != "default":
        raise Refusal(f"bad address: {target}", 68)
    there = next((each for each in view.interfaces() if current(each, key)), None)
    said = f"{verb} net default{f': gateway {gateway}' if gateway else ''}"
    if verb == "get":
        if there is None:
            raise Refusal("route has not been found")
        where = f"    gateway: {there.extra[key]}\n  interface: {there.name}\n"
        return f"   route to: default\ndestination: default\n{where}"
    if verb in ("delete", "del"):
        if there is None:
            raise failed(said, "not in table", "No such process")
        del there.extra[key]
        return f"{said}\n"
    if there is not None and verb == "add":
        raise failed(said, "route already in table", "File exists")
    through = next((each for each in view.interfaces() if reaches(each, gateway)), None)
    if through is None:
        raise failed(said, "Network is unreachable", "Network is unreachable")
    if there is not None:
        del there.extra[key]
    through.extra[key] = gateway
    return f"{said}\n"


def failed(said: str, why: str, error: str) -> Refusal:
    """A refusal: the sentence is broken off on standard output."""
    return Refusal(f"message indicates error: {error}", 1, f"{said} fib 0: {why}\n")


def current(interface: Interface, key: str) -> bool:
    """Whether it has such a route, and still an address from where the gateway can be reached."""
    return key in interface.extra and reaches(interface, interface.extra[key])


def reaches(interface: Interface, gateway: str) -> bool:
    """Whether the gateway lies in a network of an interface that is up."""
    networks = [ipaddress.ip_interface(each).network for each in interface.addresses]
    return interface.up and any(ipaddress.ip_address(gateway) in network for network in networks)


PROGRAMS = {"route": program(route)}
